"""`samsyn up`: the whole product on one machine, from nothing to an address in the browser."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import typer
from rich.console import Console
from rich.panel import Panel
from rich.progress import Progress, TaskID

from cases.access.vault import Vault, VaultError
from slides.drawing.catalogue import DEMO_SLIDES, draw_demo_slide
from slides.files import gather
from viewer.embedded.addresses import addresses
from viewer.embedded.children import tie
from viewer.embedded.errors import EmbeddedError
from viewer.embedded.folders import make_data_folder
from viewer.embedded.supervisor import Event, Process, Supervisor
from viewer.ingest import Arrival, Ingest
from viewer.pilot import SLIDES
from worker.queues import DELIVERIES, PYRAMIDS, VERIFICATION
from worker.settings import WorkerSettings

WORKERS = {"verifier": (VERIFICATION,), "worker": (PYRAMIDS,), "courier": (DELIVERIES,)}
"""Which worker listens to what: slides go on opening while pyramids are built and receivers keep answers waiting."""
_SAMSYN = [sys.executable, "-m", "viewer"]


@dataclass(frozen=True)
class Joining:
    """What is brought in as soon as everything runs.

    Attributes:
        drawn: the demo slides.
        slides: files and folders.
        unit: HSA-id of the care unit that owns them.
        lid: of their case there.
    """

    drawn: bool = False
    slides: tuple[Path, ...] = ()
    unit: str | None = None
    lid: str | None = None

    def commands(self) -> list[list[str]]:
        """As people would type them in another terminal."""
        found = [[*_SAMSYN, "draw"]] if self.drawn else []
        if self.slides and self.unit:
            case = ["--lid", self.lid] if self.lid else []
            found.append([*_SAMSYN, "ingest", *map(str, self.slides), "--unit", self.unit, *case])
        return found


def run(console: Console, data: Path, *, host: str, port: int, demo: bool, joining: Joining) -> int:
    """Run everything until Ctrl-C. Returns the exit code."""
    if not _is_free(host, port):
        console.print(
            f"[red]Port {port} is taken.[/] Stop what uses it, or choose another: samsyn up --port {port + 1}"
        )
        return 2
    missing = [path for path in joining.slides if not path.exists()]
    if missing:
        console.print(f"[red]There is nothing at {missing[0]}.[/] Give a slide file or a folder of slides.")
        return 2
    if joining.drawn and not demo:
        console.print("[red]The drawn slides belong to cases of the pilot.[/] Add --demo, which puts it in.")
        return 2
    if joining.slides and not joining.unit:
        console.print("[red]Somebody must own the slides.[/] Say who with --unit and the care unit's HSA-id.")
        return 2
    try:
        _take_keys(data)
    except (VaultError, EmbeddedError) as error:
        console.print(f"[red]{error}[/]")
        return 2
    address = f"http://{host}:{port}/"
    at_work: list[subprocess.Popen[bytes]] = []

    def tell(event: Event) -> None:
        if event.kind == "ended":
            console.print(f"[yellow]{event.sentence}[/]")
        if (event.name, event.kind) == ("web", "ready") and not at_work:
            who = (
                "everybody of the pilot signs in with one click; never for real patients"
                if demo
                else "with a local account (samsyn accounts create makes one)"
            )
            console.print(
                Panel(f"[bold]{address}[/]\nSign in: {who}\nFiles: {data}\nCtrl-C stops everything", title="Samsyn")
            )
            # They draw their progress bars on this terminal, and Ctrl-C reaches them as well.
            for joins in joining.commands():
                command = [*joins, "--data", str(data)]
                at_work.append(subprocess.Popen(command, env=worker, preexec_fn=tie(signal.SIGTERM)))  # noqa: S603

    where = addresses(data)
    common = {**os.environ, "SAMSYN_DATA": str(data), "SAMSYN_REDIS_URL": where.broker_url}
    web = {
        **common,
        "SAMSYN_DATABASE_URL": where.app_database_url,
        "SAMSYN_HOST": host,
        "SAMSYN_PORT": str(port),
        "SAMSYN_DEMO": str(demo).lower(),
    }
    worker = {**common, "SAMSYN_DATABASE_URL": where.worker_database_url}
    owner = {**os.environ, "SAMSYN_OWNER_DATABASE_URL": where.owner_database_url}
    pilot = [Process("pilot", [*_SAMSYN, "seed", "pilot"], web)] if demo else []
    supervisor = Supervisor(
        data,
        one_off=[Process("migrations", [*_SAMSYN, "migrate"], owner), *pilot],
        processes=[
            *(
                Process(name, [*_SAMSYN, "work", "--queues", ",".join(queues)], worker)
                for name, queues in WORKERS.items()
            ),
            Process("scheduler", [*_SAMSYN, "schedule"], worker),
            Process("web", [*_SAMSYN, "serve"], web, ready=lambda: _answers(host, port)),
        ],
        on_event=tell,
    )
    console.print("Starting PostgreSQL, Valkey, worker, scheduler and web …")
    try:
        supervisor.run()
    except EmbeddedError as error:
        console.print(f"[red]{error}[/]")
        return 1
    finally:
        for child in at_work:
            child.terminate()
            child.wait()
    console.print("Stopped. Everything is kept; the same command continues.")
    return 0


def worker_settings(console: Console, data: Path) -> WorkerSettings:
    """Settings for a command that joins a running installation: the environment's, or the data folder's own.

    Raises:
        typer.Exit: nothing is running there; a sentence has been printed.
    """
    if "SAMSYN_DATABASE_URL" in os.environ:
        return WorkerSettings(data=data)
    where = addresses(data)
    broker = where.redis_url.removeprefix("unix://").partition("?")[0]
    if not Path(broker).exists():
        console.print(f"[red]Samsyn is not running on {data}.[/] Start it with: samsyn up --data {data}")
        raise typer.Exit(2)
    return WorkerSettings(database_url=where.worker_database_url, redis_url=where.broker_url, data=data)


def bring_in_drawn(console: Console, settings: WorkerSettings) -> bool:
    """Draw the demo slides and bring each in as soon as it is drawn. Returns whether all are sound."""
    ingest = Ingest(settings, console)
    folder = settings.data / "drawn"
    folder.mkdir(exist_ok=True)
    for unfinished in folder.glob(".*.part"):
        unfinished.unlink()

    def arrivals() -> Iterator[Arrival]:
        for demo in DEMO_SLIDES:
            path = folder / demo.file_name
            if not path.exists():
                bar = ingest.progress.add_task(f"{demo.caption_sv}: drawing", total=1.0)
                draw_demo_slide(demo, folder, partial(_show, ingest.progress, bar))
                ingest.progress.remove_task(bar)
            lid = "-".join(demo.file_name.split("-")[:2])
            label = f"{demo.label.lid} {demo.label.stain}"
            yield Arrival(gather(path), SLIDES[lid], lid, demo.caption_sv, label)

    return ingest.bring_in(arrivals())


def _show(progress: Progress, bar: TaskID, done: int, total: int) -> None:
    progress.update(bar, completed=done, total=total)


def _take_keys(data: Path) -> None:
    """Make the keys before the first start; where there has been one, they must be there.

    Raises:
        VaultError: they are not, or cannot be used.
        EmbeddedError: the data folder cannot be made.
    """
    folder = Path(os.environ.get("SAMSYN_KEYS") or data / "keys")
    if (data / "postgresql").exists() or any(folder.glob("*.key")):
        Vault(folder)
    else:
        make_data_folder(data)
        Vault.create(folder)


def _is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((host, port))
        except OSError:
            return False
    return True


def _answers(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=0.5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
