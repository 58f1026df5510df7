"""`samsyn up`: the whole product on one machine, from nothing to an address in the browser."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import typer
from rich.console import Console
from rich.panel import Panel
from rich.progress import Progress, TaskID

from cases.access.people import DEMO_PERSON
from slides.drawing.catalogue import DEMO_SLIDES, draw_demo_slide
from slides.files import gather
from viewer.embedded.addresses import addresses
from viewer.embedded.children import tie
from viewer.embedded.errors import EmbeddedError
from viewer.embedded.supervisor import Event, Process, Supervisor
from viewer.ingest import Arrival, Ingest
from worker.queues import PYRAMIDS, VERIFICATION
from worker.settings import WorkerSettings

WORKERS = {"verifier": (VERIFICATION,), "worker": (PYRAMIDS,)}
"""Which worker listens to what: slides go on opening while pyramids are built."""
_SAMSYN = [sys.executable, "-m", "viewer"]


def run(console: Console, data: Path, *, host: str, port: int, demo: bool, drawn: bool, slides: list[Path]) -> int:
    """Run everything until Ctrl-C. Returns the exit code."""
    if not _is_free(host, port):
        console.print(
            f"[red]Port {port} is taken.[/] Stop what uses it, or choose another: samsyn up --port {port + 1}"
        )
        return 2
    missing = [path for path in slides if not path.exists()]
    if missing:
        console.print(f"[red]There is nothing at {missing[0]}.[/] Give a slide file or a folder of slides.")
        return 2
    address = f"http://{host}:{port}/"
    at_work: list[subprocess.Popen[bytes]] = []

    def tell(event: Event) -> None:
        if event.kind == "ended":
            console.print(f"[yellow]{event.sentence}[/]")
        if (event.name, event.kind) == ("web", "ready") and not at_work:
            people = f"{DEMO_PERSON['name']}, {DEMO_PERSON['title'].lower()}: one click on the sign-in page"
            who = people if demo else "nobody yet: accounts come with a later version (--demo adds a demo account)"
            console.print(
                Panel(f"[bold]{address}[/]\nSign in: {who}\nFiles: {data}\nCtrl-C stops everything", title="Samsyn")
            )
            joining = [[*_SAMSYN, "draw"]] if drawn else []
            if slides:
                joining.append([*_SAMSYN, "ingest", *map(str, slides)])
            # They draw their progress bars on this terminal, and Ctrl-C reaches them as well.
            for joins in joining:
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
    supervisor = Supervisor(
        data,
        one_off=[Process("migrations", [*_SAMSYN, "migrate"], owner)],
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
            yield Arrival(gather(path), demo.caption_sv)

    return ingest.bring_in(arrivals())


def _show(progress: Progress, bar: TaskID, done: int, total: int) -> None:
    progress.update(bar, completed=done, total=total)


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
