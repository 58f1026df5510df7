"""Serving tiles against iipsrv and nginx, side by side: `python tests/benchmarks/serving.py [SLIDE]`.

    direct   one web process as `samsyn serve` starts it, cookie and viewing checked for every tile
    proxy    the same behind nginx as deploy/nginx.conf sets it up
    bad      readers, at half the rate that one core can serve, while 1,000 requests a second ask for what is not there

Servers share the first core, the load generator has the second. Everybody serves the same random tiles of one
pyramid file: iipsrv from the file, nginx from a folder of single tiles. Figures hold for the day they were taken;
the ratios are what to quote. Loopback only, some six minutes.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

import httpx2
from benchmarks.generator import Generator, Load, Target
from clients import make_client
from makers import folder_for_everyone, wait_for
from product import ENDED, Product, cloned, put_pilot_in
from proxy import HERE, find_nginx, free_port, in_front_of, running

from cases.migrate import migrate
from tiler.pyramid import Pyramid
from viewer.embedded import EmbeddedPostgreSQL, addresses
from viewer.embedded.children import start_child

ROUNDS = 5
CONNECTIONS = 1, 16, 64
TILES = 4000
RENEWED_S = 40.0
BAD_RATE, BAD_CONNECTIONS = 1150, 100
"""Requests a second, some of which are lost to starting up, and from how many connections."""
READERS, SHARE, STEADY_S = 16, 0.5, 2.0
"""Who reads beside them, at which share of the rate they reach with no pause, for how many seconds."""
DRAWN = 12_000, 9_000
"""Width and height in pixels of the slide that is drawn where none is given."""
IIPSRV = "/usr/lib/iipimage-server/iipsrv.fcgi"

PEERS = """
worker_processes 1;
pid nginx.pid;
error_log error.log warn;
events {{ worker_connections 4096; }}
http {{
    include mime.types;
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    client_body_temp_path tmp1; proxy_temp_path tmp2; fastcgi_temp_path tmp3; uwsgi_temp_path tmp4; scgi_temp_path tmp5;
    server {{
        listen {here}:{port};
        root {folder};
        location = /iipsrv {{
            fastcgi_pass {here}:{iipsrv};
            fastcgi_param QUERY_STRING $query_string;
            fastcgi_param REQUEST_METHOD $request_method;
            fastcgi_param SERVER_PROTOCOL $server_protocol;
        }}
    }}
}}
"""


@dataclass(frozen=True)
class Stage:
    """Everything that is measured.

    Attributes:
        servers: by name.
        bad: by name, requests of the viewer that it must refuse.
    """

    servers: dict[str, Target]
    bad: dict[str, Target]


def draw(folder: Path) -> Path:
    """A made-up slide of the usual size of a biopsy."""
    from slides.drawing import Label, Tissue, stains, write_aperio
    from slides.geometry import Size

    tissue = Tissue(Size(*DRAWN), 1, stains.HAEMATOXYLIN_EOSIN, "colon wall", 0.5)
    return write_aperio(folder / "drawn.svs", tissue, label=Label("Benchmark", "B26-00001 A1", "HE"), processes=2)


def choose(pyramid: Pyramid) -> list[tuple[int, int, int]]:
    """Random tiles, the same in every run: deep-zoom level, column, row; most of them of full resolution."""
    chance, grid = random.Random(4), pyramid.grid  # noqa: S311
    places = [
        (grid.last_level - halvings, column, row)
        for halvings in range(grid.depth + 1)
        for row in range(grid.rows(halvings))
        for column in range(grid.columns(halvings))
    ]
    return chance.choices(places, k=TILES)


@contextmanager
def looked_at(address: str, viewing: str, token: str) -> Iterator[None]:
    """Renew a viewing as a browser does in which somebody looks: an answer of the gate holds for two minutes."""
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(RENEWED_S):
            with make_client(address, token) as client:
                client.post(f"/api/viewings/{viewing}/renewals").raise_for_status()

    thread = threading.Thread(target=renew)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def stage(console: Console, given: Path | None) -> Iterator[Stage]:
    """Start everybody on the first core, with one slide."""
    with ExitStack() as stack:
        data, peers = (stack.enter_context(folder_for_everyone()) for _ in range(2))
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="serving.")))
        with console.status("Preparing a slide"):
            slide = given or draw(scratch)
            postgresql = stack.enter_context(EmbeddedPostgreSQL(data))
            migrate(addresses(data).owner_database_url)
            database = stack.enter_context(cloned(postgresql, data))
            put_pilot_in(database)
            product = stack.enter_context(Product(data, database))
            slide_id = product.prepare(slide)
        path = product.storage.pyramid(slide_id)
        pyramid = Pyramid(path)
        tiles = choose(pyramid)
        for level, column, row in set(tiles):
            single = peers / "single" / str(level) / f"{column}_{row}.jpg"
            single.parent.mkdir(parents=True, exist_ok=True)
            single.write_bytes(pyramid.tile(pyramid.grid.halvings(level), column, row))
        sizes = [(peers / "single" / f"{level}/{column}_{row}.jpg").stat().st_size for level, column, row in tiles]
        pyramid.close()
        console.print(
            f"{TILES} requests for {len(set(tiles))} tiles of {statistics.mean(sizes) / 1e3:.1f} kB on average"
        )
        for place in (peers, *peers.rglob("*")):
            place.chmod(0o755 if place.is_dir() else 0o644)

        cores = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(cores)})
        stack.callback(os.sched_setaffinity, 0, cores)
        web = product.start_web()
        with web.demo_person() as client:
            opened = client.post("/api/viewings", json={"slide_id": str(slide_id)}).json()["id"]
            token = client.cookies["samsyn_session"]
            cookie = f"samsyn_session={token}"
        stack.enter_context(looked_at(web.address, opened, token))
        port, iipsrv_port = free_port(), free_port()
        iipsrv = start_child(
            [IIPSRV, "--bind", f"{HERE}:{iipsrv_port}", "--backlog", "1024"],
            name="iipsrv",
            logs=peers / "logs",
            env={"LOGFILE": "/dev/null", "VERBOSITY": "0", "FILESYSTEM_PREFIX": f"{path.parent}/"},
        )
        stack.callback(iipsrv.stop, *ENDED)
        configuration = PEERS.format(here=HERE, port=port, iipsrv=iipsrv_port, folder=peers)
        nginx = stack.enter_context(running(configuration, peers, port=port))
        proxy = stack.enter_context(in_front_of(web, data / "proxy"))
        os.sched_setaffinity(0, cores)

        def write(name: str, lines: list[str]) -> Path:
            file = scratch / f"{name}.txt"
            file.write_text("\n".join(lines))
            return file

        def tile_of(viewing: object, place: str) -> str:
            return f"/viewings/{viewing}/slide_files/{place}.jpg"

        places = [f"{level}/{column}_{row}" for level, column, row in tiles]
        ours = write("samsyn", [f"{tile_of(opened, place)} {cookie}" for place in places])
        deep_zoom = [f"/iipsrv?Deepzoom={path.name}_files/{place}.jpg" for place in places]
        static = [f"/single/{place}.jpg" for place in places]
        peer = f"http://{HERE}:{port}"
        for one in (deep_zoom[0], static[0]):
            wait_for(lambda one=one: httpx2.get(peer + one, trust_env=False).content[:2] == b"\xff\xd8")  # type: ignore[misc]
        wrong = [f"samsyn_session={uuid.uuid4().hex}" for _ in places]
        bad = {
            "no such tile": [f"{tile_of(opened, f'{place[:2]}/9999_9999')} {cookie}" for place in places],
            "no address": [f"{tile_of(opened, f'-1/x_{number}')} {cookie}" for number in range(TILES)],
            "no such viewing": [f"{tile_of(uuid.uuid4(), place)} {cookie}" for place in places],
            "one old viewing": [f"{tile_of(uuid.UUID(int=7), place)} {cookie}" for place in places],
            "wrong cookie": [f"{tile_of(opened, places[0])} {cookie}" for cookie in wrong],
            "both": [f"{tile_of(uuid.uuid4(), places[0])} {cookie}" for cookie in wrong],
        }
        samsyn = Target(web.address, ours, (web.child.pid,))
        yield Stage(
            servers={
                "iipsrv": Target(peer, write("iipsrv", deep_zoom), (iipsrv.pid, nginx.pid)),
                "samsyn": samsyn,
                "samsyn behind nginx": Target(proxy.address, ours, (web.child.pid, proxy.child.pid)),
                "nginx, static files": Target(peer, write("static", static), (nginx.pid,)),
            },
            bad={name: replace(samsyn, requests=write(name.replace(" ", "-"), lines)) for name, lines in bad.items()},
        )


def middle(values: Iterable[float], digits: int) -> str:
    """The median."""
    return f"{statistics.median(values):,.{digits}f}"


def measure_readers(console: Console, generator: Generator, servers: dict[str, Target]) -> None:
    """Every server in turn, five times."""
    runs: dict[tuple[str, int], list[Load]] = {}
    for target in servers.values():
        generator.run(target, 16)
    for number in range(ROUNDS):
        for connections in CONNECTIONS:
            for name, target in servers.items():
                load = generator.run(target, connections)
                runs.setdefault((name, connections), []).append(load)
                line = f"round {number + 1}, {connections:2} connections, {name}: {load.rate:,.0f} tiles/s"
                console.print(f"{line}, {load.cpu:.0f} us each", style="dim")
    table = Table(title=f"Tiles: medians of {ROUNDS} rounds")
    headings = ("", "server", "tiles/s", "range", "p50 ms", "p95 ms", "p99 ms", "CPU us", "of iipsrv", "of static")
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "server" else "right")
    for connections in CONNECTIONS:
        peers = [runs[name, connections] for name in ("iipsrv", "nginx, static files")]
        for name in servers:
            made = runs[name, connections]
            ratios = [[a.rate / max(b.rate, 0.01) for a, b in zip(made, peer, strict=True)] for peer in peers]
            table.add_row(
                str(connections),
                name,
                middle((load.rate for load in made), 0),
                f"{min(load.rate for load in made):,.0f}-{max(load.rate for load in made):,.0f}",
                middle((load.p50 for load in made), 2),
                middle((load.p95 for load in made), 2),
                middle((load.p99 for load in made), 2),
                middle((load.cpu for load in made), 0),
                *(middle(ratio, 2) for ratio in ratios),
            )
        table.add_section()
    console.print(table)


def measure_bad(console: Console, generator: Generator, stage: Stage) -> None:
    """Readers at a steady rate alone, then beside each kind of bad request and as many tiles, five times."""
    readers, runs = stage.servers["samsyn"], dict[str, list[tuple[Load, Load, float]]]()
    generator.run(readers, READERS)
    rate = SHARE * statistics.median(generator.run(readers, READERS).rate for _ in range(ROUNDS))
    for number in range(ROUNDS):
        for name, target in (stage.bad | {"as many tiles": readers}).items():
            alone = generator.run(readers, READERS, seconds=STEADY_S, rate=rate)
            noise = generator.asking(target, connections=BAD_CONNECTIONS, rate=BAD_RATE, seconds=STEADY_S + 0.8)
            with noise as finish:
                time.sleep(0.4)
                beside = generator.run(readers, READERS, seconds=STEADY_S, rate=rate)
                bad = finish()
            if target is not readers and bad.refused != bad.answers:
                sys.exit(f"{name}: {bad.answers - bad.refused} of {bad.answers} bad requests got a tile.")
            runs.setdefault(name, []).append((alone, beside, bad.rate))
            line = f"round {number + 1}, {name}, {bad.rate:,.0f}/s: readers' p95 {alone.p95:.2f} -> {beside.p95:.2f} ms"
            console.print(f"{line}, {beside.rate:,.0f} tiles/s", style="dim")
    table = Table(title=f"{rate:,.0f} tiles a second beside bad requests: medians of {ROUNDS} rounds")
    for heading in ("bad requests", "a second", "p95 ms alone", "beside", "ratio", "range", "p99 ratio", "tiles ratio"):
        table.add_column(heading, justify="left" if heading == "bad requests" else "right")
    for name, made in runs.items():
        ratios = [beside.p95 / alone.p95 for alone, beside, _ in made]
        table.add_row(
            name,
            middle((rate for _, _, rate in made), 0),
            middle((alone.p95 for alone, _, _ in made), 2),
            middle((beside.p95 for _, beside, _ in made), 2),
            middle(ratios, 2),
            f"{min(ratios):.2f}-{max(ratios):.2f}",
            middle((beside.p99 / alone.p99 for alone, beside, _ in made), 2),
            middle((beside.rate / alone.rate for alone, beside, _ in made), 2),
        )
    console.print(table)


def main() -> None:
    """Start everybody, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("slide", type=Path, nargs="?", help="a slide file; drawn where none is given")
    parser.add_argument("--only", choices=["direct", "proxy", "bad"], help="leave the others out")
    arguments = parser.parse_args()
    if not (shutil.which("wrk") and shutil.which("taskset") and Path(IIPSRV).exists() and find_nginx()):
        sys.exit("The benchmark needs wrk, nginx and iipsrv: apt install wrk nginx-light iipimage-server (as root).")
    console = Console()
    with stage(console, arguments.slide) as everybody, tempfile.TemporaryDirectory(prefix="wrk.") as folder:
        generator, only = Generator(Path(folder)), arguments.only
        if only != "bad":
            left_out = {"direct": "samsyn behind nginx", "proxy": "samsyn"}.get(only)
            measure_readers(console, generator, {n: t for n, t in everybody.servers.items() if n != left_out})
        if only in (None, "bad"):
            measure_bad(console, generator, everybody)


if __name__ == "__main__":
    main()
