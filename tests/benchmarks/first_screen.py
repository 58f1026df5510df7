"""How soon a slide can be looked at: `python tests/benchmarks/first_screen.py [SLIDE]`.

First from a slide's last byte in the archive to its first screen's tiles, through the whole product as
`samsyn up` starts it; then in Chromium on a slow line and a slow computer. Figures hold for the day and the
machine they were taken on.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import httpx2
from playwright.sync_api import Browser, sync_playwright
from rich.console import Console
from rich.table import Table
from sqlalchemy.orm import Session, sessionmaker

sys.path.append(str(Path(__file__).parents[1]))
from clients import make_client
from product import sign_in
from slow_line import MEGABITS_S, ROUND_TRIP_MS, SLOWNESS, SlowLine

from cases.access.permissions import Role
from cases.database import connect, sessions
from cases.records.arrivals import receive
from cases.records.slide_images import SlideImage
from cases.transaction import transaction
from slides.drawing import Label, Tissue, stains, write_aperio
from slides.files import find_slides
from slides.geometry import Size
from viewer.embedded.addresses import addresses
from viewer.ingest import find_owner
from viewer.pilot import KALMAR
from worker.app import create_app
from worker.queues import VERIFICATION, ring
from worker.settings import WorkerSettings
from worker.storage import Storage

ROUNDS = 5
DRAWN = Size(8000, 6000)
"""Of the slide that is drawn where none is given."""
WINDOW = 1280, 690
"""The viewer's stage in a window of 1280 x 800 px."""
LEAST_SHARE = 0.55
"""At which the viewer draws a level: `viewer/web/src/slide/microscope.ts`."""


class Installation:
    """A running product and somebody signed in to it.

    Args:
        data: its folder.
        address: of its pages.
    """

    def __init__(self, data: Path, address: str) -> None:
        where = addresses(data)
        self.address = address
        self.storage = Storage(data)
        self.browser = make_client(address, timeout=30)
        self.somebody = sign_in(self.browser, Role.LAB)
        settings = WorkerSettings(database_url=where.worker_database_url, redis_url=where.broker_url, data=data)
        self.make: sessionmaker[Session] = sessions(connect(settings.database_url, connections=2))
        self.broker = create_app(settings)

    def wait(self, slide_id: uuid.UUID, arrived: Callable[[SlideImage], bool]) -> float:
        """Look at a slide's row until it is so; the moment it was, by `time.perf_counter`."""
        while True:
            with transaction(self.make) as session:
                row = session.get_one(SlideImage, slide_id)
                if row.reason is not None:
                    sys.exit(f"The slide was refused: {row.reason}")
                if arrived(row):
                    return time.perf_counter()
            time.sleep(0.004)


@contextmanager
def running(folder: Path) -> Iterator[Installation]:
    """`samsyn up` in a folder of its own, until the end of the `with` block."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    data, address = folder / "data", f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "viewer", "up", "--demo", "--data", str(data), "--port", str(port)]
    product = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with suppress(httpx2.TransportError), make_client(address) as client:
                if client.get("/readyz").status_code == 200:
                    break
            if product.poll() is not None:
                sys.exit("The product did not start; `samsyn up` says why.")
            time.sleep(0.1)
        yield Installation(data, address)
    finally:
        product.send_signal(signal.SIGTERM)
        product.wait()


def distinct(slide: Path, folder: Path, number: int) -> Path:
    """A copy with content of its own: one byte more, after everything that a reader looks at."""
    copy = folder / f"{number}{slide.suffix}"
    shutil.copyfile(slide, copy)
    with copy.open("ab") as file:
        file.write(bytes([number]))
    return copy


def first_tiles(size: dict[str, int], tile: int, levels: int) -> list[str]:
    """The tiles that show a whole slide in the window, as the viewer chooses them."""
    zoom = min(WINDOW[0] / size["width"], WINDOW[1] / size["height"])
    halvings = 0
    while zoom * 2**halvings < LEAST_SHARE:
        halvings += 1
    across, down = (-(-size[side] // (tile << halvings)) for side in ("width", "height"))
    return [f"{levels - 1 - halvings}/{x}_{y}.jpg" for y in range(down) for x in range(across)]


def arrive(here: Installation, slide: Path) -> tuple[dict[str, float], uuid.UUID]:
    """Bring one slide in and look at it. Seconds of each step, and the slide."""
    original = here.storage.originals.store(find_slides(slide)[0])
    moments = [("", time.perf_counter())]

    def passed(step: str, at: float | None = None) -> None:
        moments.append((step, time.perf_counter() if at is None else at))

    with transaction(here.make) as session:
        owner, _ = find_owner(session, KALMAR, None)
        size, digest = original.byte_size, original.digest
        slide_id = receive(session, digest=digest, byte_size=size, caption="Benchmark", owner=owner).id
    passed("register")
    ring(here.broker, slide_id, queue=VERIFICATION)
    passed("ring")
    passed("claim", here.wait(slide_id, lambda row: row.status != "RECEIVED"))
    passed("check, thumbnail, verified", here.wait(slide_id, lambda row: row.viewable))
    viewing = here.browser.post("/api/viewings", json={"slide_id": str(slide_id)}).raise_for_status().json()
    passed("viewing opened")
    here.browser.get(viewing["dzi"]).raise_for_status()
    passed("descriptor, slide opened")
    tiles = first_tiles(viewing["slide"]["size"], viewing["tile_size"], viewing["levels"])
    here.browser.get(viewing["dzi"].replace(".dzi", f"_files/{tiles[0]}")).raise_for_status()
    passed("first tile")
    for tile in tiles[1:]:
        here.browser.get(viewing["dzi"].replace(".dzi", f"_files/{tile}")).raise_for_status()
    passed(f"the other {len(tiles) - 1} tiles")
    steps = {step: at - before for (_, before), (step, at) in pairwise(moments)}
    steps["FIRST SCREEN"] = moments[-1][1] - moments[0][1]
    steps["every level in the pyramid"] = here.wait(slide_id, lambda row: row.pyramid == "READY") - moments[0][1]
    return steps, slide_id


def look(chromium: Browser, here: Installation, slide_id: uuid.UUID, size: dict[str, int]) -> dict[str, float]:
    """Open a slide by its address, from the list, and move about. Seconds, kilobytes and requests."""
    found: dict[str, float] = {}
    for how in ("by its address", "from the list"):
        context = chromium.new_context(base_url=here.address, viewport={"width": 1280, "height": 800})
        context.request.post("/api/session", data=here.somebody)
        line = SlowLine(context.new_page())
        if how == "by its address":
            line.slow_down()
            found[f"first screen {how}, s"] = line.navigate(f"/slides/{slide_id}")
            found["  kB fetched for it"] = sum(one.byte_size for one in line.fetched) / 1000
            found["  requests for it"] = len(line.fetched)
        else:
            line.page.goto("/slides")
            line.page.locator(f"[data-slide='{slide_id}'] img").wait_for()
            line.page.wait_for_timeout(2000)
            line.slow_down()
            found[f"first screen {how}, s"] = line.click(f"/slides/{slide_id}")
            line.page.evaluate(f"location.hash = 'x={size['width'] / 2}&y={size['height'] / 2}&zoom=0.5'")
            line.page.wait_for_timeout(2500)
            found["half a window further, s"] = line.move("ArrowRight")
            found["and back, s"] = line.move("ArrowLeft")
        context.close()
    return found


def report(console: Console, title: str, rounds: list[dict[str, float]], digits: int) -> None:
    """Print medians and ranges."""
    table = Table(title=title)
    table.add_column("")
    table.add_column(f"median of {len(rounds)}", justify="right")
    table.add_column("range", justify="right")
    for name in rounds[0]:
        values = [one[name] for one in rounds]
        span = f"{min(values):.{digits}f}-{max(values):.{digits}f}"
        table.add_row(name, f"{statistics.median(values):.{digits}f}", span)
    console.print(table)


def main() -> None:
    """Take or draw a slide, start the product, measure, print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("slide", type=Path, nargs="?", help="a slide file; drawn where none is given")
    given: Path | None = parser.parse_args().slide
    console = Console()
    with tempfile.TemporaryDirectory(prefix="first-screen.") as name:
        folder = Path(name)
        folder.chmod(0o711)
        if given is None:
            tissue = Tissue(DRAWN, 1, stains.HAEMATOXYLIN_EOSIN, "colon wall", 0.25)
            label = Label("Benchmark", "B26-00001 A1", "HE")
            with console.status(f"Drawing a slide of {DRAWN}"):
                given = write_aperio(folder / "drawn.svs", tissue, label=label, processes=2)
        console.print(f"The slide: {given.stat().st_size / 1e6:.0f} MB")
        with running(folder) as here:
            arrivals = []
            for number in range(ROUNDS + 1):
                copy = distinct(given, folder, number)
                steps, slide_id = arrive(here, copy)
                copy.unlink()
                # The first one finds every process cold: shown, not counted.
                arrivals += [steps] if number else []
                console.print(
                    f"{number or 'cold'}: " + ", ".join(f"{step} {s * 1000:.0f}" for step, s in steps.items())
                )
            in_ms = [{step: s * 1000 for step, s in one.items()} for one in arrivals]
            report(console, "From the last byte to the first screen, ms", in_ms, 0)
            size = here.browser.get(f"/api/slides/{slide_id}").raise_for_status().json()["size"]
            program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
            if program is None:
                sys.exit("The second part needs Chromium: apt install chromium (as root).")
            rootless = [] if os.geteuid() else ["--no-sandbox"]
            looks = []
            with sync_playwright() as playwright:
                chromium = playwright.chromium.launch(
                    executable_path=program, args=["--disable-gpu", "--disable-background-networking", *rootless]
                )
                for number in range(1, ROUNDS + 1):
                    looks.append(look(chromium, here, slide_id, size))
                    console.print(f"{number}: " + ", ".join(f"{what} {value:.2f}" for what, value in looks[-1].items()))
                chromium.close()
            line = f"{MEGABITS_S} Mbit/s, {ROUND_TRIP_MS} ms, a computer {SLOWNESS} times slower than this"
            report(console, f"Chromium, 1280 x 800 px: {line}", looks, 2)


if __name__ == "__main__":
    main()
