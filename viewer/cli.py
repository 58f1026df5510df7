"""The command `samsyn`."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from typer.core import TyperGroup
from typer.main import get_group

from viewer.logs import configure_logs, silence_readers

FAMILIES = {
    "accounts": "Local accounts: who signs in with a password and a code.",
    "agreements": "Agreements with the platform operator, signed by the operator.",
    "audit": "The log: verify it, anchor it outside the database.",
    "keys": "Keys: what patients' names and numbers are encrypted with.",
    "organisations": "Care providers, their units, and the first people of each.",
    "seed": "Made-up content for trying the product. Never where real patients are.",
}
"""Commands with commands of their own, each in viewer/cli_….py."""


class Family(TyperGroup):
    """Commands whose file is imported once one of them is asked for, so that all others start sooner."""

    def make_context(self, *args: Any, **extra: Any) -> Any:
        """Begin with one of them."""
        self.commands = get_group(import_module(f"viewer.cli_{self.name}").app).commands
        return super().make_context(*args, **extra)


app = typer.Typer(
    help="Samsyn: whole-slide images shared between care providers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
for _name, _help in FAMILIES.items():
    app.add_typer(typer.Typer(cls=Family, help=_help, no_args_is_help=True), name=_name)
console = Console()

DataFolder = Annotated[
    Path, typer.Option("--data", envvar="SAMSYN_DATA", help="Folder that holds everything of one installation.")
]
_DATA = Path("data")


def main() -> None:
    """Run the command line."""
    silence_readers()
    # Whatever is written may show a patient's tissue: for this account only.
    os.umask(0o077)
    try:
        app()
    except Exception as error:
        sentence, code = _explain(error)
        _refuse(sentence, code=code)


def _explain(error: Exception) -> tuple[str, int]:
    from pydantic import ValidationError
    from sqlalchemy.exc import DBAPIError

    from cases.access.vault import VaultError

    match error:
        case ValidationError():
            names = ", ".join(f"SAMSYN_{str(one['loc'][0]).upper()}" for one in error.errors())
            return f"Settings are missing or wrong: {names}. docs/how-to/settings.md says what they mean.", 2
        case DBAPIError():
            return "The database does not answer or refuses; samsyn doctor says more.", 1
        case VaultError():
            return str(error), 1
        case OSError():
            reason = error.strerror or "no reason given"
            return f"A file or folder cannot be read or written ({reason}).", 1
        case _:
            raise error


def _refuse(sentence: str, *, code: int) -> NoReturn:
    console.print(f"[red]{sentence}[/]")
    sys.exit(code)


def _require_safe_role(database_url: str) -> None:
    from cases.database import UnsafeRole, connect, require_safe_role

    engine = connect(database_url, connections=1)
    try:
        require_safe_role(engine)
    except UnsafeRole as error:
        _refuse(str(error), code=1)
    finally:
        engine.dispose()


@app.command()
def up(
    data: DataFolder = _DATA,
    port: Annotated[int, typer.Option(envvar="SAMSYN_PORT", help="Port of the web server.")] = 8080,
    host: Annotated[str, typer.Option(envvar="SAMSYN_HOST", help="Address to listen on.")] = "127.0.0.1",
    demo: Annotated[
        bool, typer.Option(help="The pilot's people, who sign in without proof. Never with patients.")
    ] = False,
    drawn: Annotated[bool, typer.Option(help="Draw the demo slides and bring them in.")] = False,
    slides: Annotated[list[Path] | None, typer.Option(help="Slides or folders to bring in; may be repeated.")] = None,
    unit: Annotated[
        str | None, typer.Option(help="HSA-id of the care unit that owns --slides; Kalmar's laboratory in demo mode.")
    ] = None,
    lid: Annotated[str | None, typer.Option(help="Number of the case there that --slides belong to.")] = None,
) -> None:
    """Start the whole product on this machine: database, broker, worker, scheduler, web. Ctrl-C stops it."""
    from viewer.pilot import KALMAR
    from viewer.up import Joining, run

    # Root's PostgreSQL runs as another account, which must pass through folders that are made here. The services
    # keep their own to themselves, and the processes that write tissue start with the mask of `main`.
    os.umask(0o022)
    joining = Joining(drawn, tuple(slides or ()), unit or (KALMAR if demo else None), lid)
    raise typer.Exit(run(console, data.resolve(), host=host, port=port, demo=demo, joining=joining))


@app.command()
def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Slide files, or folders that are searched for slides.")],
    unit: Annotated[str, typer.Option(help="HSA-id of the care unit that owns them.")],
    lid: Annotated[
        str | None, typer.Option(help="Number of the case there; without one only the laboratory sees them.")
    ] = None,
    data: DataFolder = _DATA,
    caption: Annotated[str | None, typer.Option(help="What lists call the slides. Never a patient's name.")] = None,
    wait: Annotated[bool, typer.Option(help="Follow each slide until it is ready or refused.")] = True,
) -> None:
    """Bring slides into a running installation."""
    from slides.errors import SlideError
    from slides.files import find_slides
    from viewer.ingest import Ingest, list_arrivals
    from viewer.up import worker_settings

    try:
        found = [files for path in paths for files in find_slides(path)]
    except (SlideError, OSError) as error:
        console.print(f"[red]{error}[/]")
        raise typer.Exit(2) from error
    arrivals = list_arrivals(found, unit=unit, lid=lid, caption=caption)
    if not Ingest(worker_settings(console, data.resolve()), console).bring_in(arrivals, wait=wait):
        raise typer.Exit(1)


@app.command()
def draw(data: DataFolder = _DATA) -> None:
    """Draw the demo slides, made-up tissue in several stains, and bring them in."""
    from viewer.up import bring_in_drawn, worker_settings

    if not bring_in_drawn(console, worker_settings(console, data.resolve())):
        raise typer.Exit(1)


@app.command()
def inspect(file: Annotated[Path, typer.Argument(help="A slide file, or a folder of DICOM files.")]) -> None:
    """Say what a slide file is, and whether it is whole."""
    from rich.table import Table

    from slides.errors import SlideError
    from slides.inspection import inspect as inspect_slide
    from slides.opening import open_slide
    from tiler.colour import judge
    from tiler.layout import lay_out

    try:
        found = inspect_slide(file)
    except OSError as error:
        console.print(f"[red]SOURCE_MISSING[/]: The file cannot be read ({error.strerror or 'no reason given'}).")
        raise typer.Exit(1) from error
    table = Table(show_header=False)
    if found.levels:
        stated = found.metadata
        spacing = f"{stated.spacing.x:g} x {stated.spacing.y:g} µm per pixel" if stated.spacing else "not stated"
        table.add_row("Format", found.format)
        table.add_row("Levels", "\n".join(str(size) for size in found.levels))
        table.add_row("Spacing", spacing)
        table.add_row("Objective", f"{stated.objective:g}x" if stated.objective else "not stated")
        table.add_row("Scanner", stated.scanner or "not stated")
        table.add_row("Scanned", stated.scanned_at.isoformat(" ") if stated.scanned_at else "not stated")
        table.add_row("Colour profile", judge(stated.icc_profile).lower().replace("_", " "))
        table.add_row("Other images", ", ".join(sorted(kind.lower() for kind in found.associated)) or "none")
        try:
            with open_slide(file) as slide:
                layout = lay_out(slide)
            copied = sum(level is not None for level in layout.copied)
            table.add_row("Pyramid", f"{layout.pixel_path}, {copied} of {len(layout.copied)} levels as stored")
        except SlideError:
            table.add_row("Pyramid", "cannot be built")
        console.print(table)
    if found.finding is not None:
        console.print(f"[red]{found.finding.code}[/]: {found.finding.sentence}")
        raise typer.Exit(1)
    console.print("[green]Sound[/]: a sample of every level was decoded.")


@app.command()
def tile(
    file: Annotated[Path, typer.Argument(help="A slide file, or a folder of DICOM files.")],
    out: Annotated[Path, typer.Argument(help="The pyramid to make, a BigTIFF that any pathology program opens.")],
    threads: Annotated[
        int | None, typer.Option(help="Threads that decode and encode; one per core by default.")
    ] = None,
) -> None:
    """Make one pyramid file from one slide, without any service."""
    from rich.progress import Progress

    from slides.errors import SlideError
    from slides.opening import open_slide
    from slides.staging import staged
    from tiler.building import build

    if out.exists():
        console.print("[red]There is something at OUT already.[/] It is left as it is; give another name.")
        raise typer.Exit(2)
    try:
        with open_slide(file) as slide, Progress(console=console) as progress, staged(out) as written:
            bar = progress.add_task("Levels", total=1.0)
            built = build(slide, written, threads=threads, progress=lambda share: progress.update(bar, completed=share))
            progress.update(bar, completed=1.0)
    except SlideError as error:
        console.print(f"[red]{error}[/]")
        raise typer.Exit(1) from error
    lossy = "" if built.psnr is None else f", {built.psnr:.1f} dB against the original"
    console.print(
        f"{built.levels} levels of {built.tile} px tiles, {built.byte_size / 1e6:.1f} MB, {built.pixel_path}{lossy}"
    )
    console.print(f"Level 0 SHA-256 {built.level0_digest}")


@app.command()
def doctor(
    data: DataFolder = _DATA,
    deep: Annotated[bool, typer.Option(help="Also read every pyramid again and compare its digest.")] = False,
) -> None:
    """Check an installation: services, roles, schema, and files against rows, both ways."""
    from viewer.doctor import examine
    from viewer.up import worker_settings

    sound = True
    for check in examine(worker_settings(console, data.resolve()), deep=deep):
        console.print("[green]ok   [/]" if check.sound else "[red]wrong[/]", check.sentence)
        sound = sound and check.sound
    if not sound:
        raise typer.Exit(1)


@app.command()
def simulate(
    count: Annotated[int, typer.Option("--cases", min=1, max=1000, help="How many cases.")] = 50,
    data: Annotated[Path, typer.Option("--data", envvar="SAMSYN_DATA", help="A new folder.")] = _DATA,
    seed: Annotated[int | None, typer.Option(help="The same number plays the same.")] = None,
) -> None:
    """Fill a new installation with the pilot's cases: twelve weeks of requests and answers in a few minutes.

    With the real rules and drawn slides; at the end everything is looked at once more. Never for real patients.
    """
    import random

    from viewer.embedded import EmbeddedError
    from viewer.simulation.filling import fill

    data = data.resolve()
    if os.environ.get("SAMSYN_ENV") == "production" or "SAMSYN_DATABASE_URL" in os.environ:
        console.print("[red]A simulation brings its own database, and is never for production.[/] Nothing was done.")
        raise typer.Exit(2)
    if data.exists() and any(data.iterdir()):
        console.print(f"[red]{data} is not empty.[/] Name a new folder with --data; what is kept is not touched.")
        raise typer.Exit(2)
    try:
        faults = fill(console, data, count, seed=random.randrange(1 << 30) if seed is None else seed)  # noqa: S311
    except EmbeddedError as error:
        console.print(f"[red]{error}[/]")
        raise typer.Exit(1) from error
    for fault in faults:
        console.print(f"[red]Fault:[/] {fault}")
    if faults:
        raise typer.Exit(1)
    console.print(f"Everything holds. To look at it: samsyn up --demo --data {data}")


@app.command()
def migrate(
    url: Annotated[str, typer.Option("--owner-url", envvar="SAMSYN_OWNER_DATABASE_URL", help="As samsyn_owner.")],
) -> None:
    """Bring the database to the present schema, as the role that owns it."""
    from cases.migrate import migrate as run_migrations

    run_migrations(url)


@app.command()
def serve() -> None:
    """Run one web server; settings come from SAMSYN_… in the environment."""
    import gc

    import uvicorn

    from viewer.app import create_app
    from viewer.settings import ViewerSettings

    configure_logs()
    settings = ViewerSettings()
    app = create_app(settings)
    # What was imported stays: looking through it for garbage would hold up every tile for 0.1 s.
    gc.collect()
    gc.freeze()
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        server_header=False,
        log_config=None,
        timeout_graceful_shutdown=3,
    )


@app.command()
def work(
    queues: Annotated[str | None, typer.Option(help="Which to listen to, with commas between; all by default.")] = None,
) -> None:
    """Run one worker; settings come from SAMSYN_… in the environment.

    A worker of its own for "verification" keeps slides opening while others build pyramids.
    """
    from worker.app import create_app
    from worker.settings import WorkerSettings

    configure_logs()
    settings = WorkerSettings()
    _require_safe_role(settings.database_url)
    create_app(settings).worker_main(
        [
            "worker",
            "--pool=prefork",
            *([f"--queues={queues}", f"--hostname={queues.replace(',', '-')}@%h"] if queues else []),
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
            "--loglevel=WARNING",
        ]
    )


@app.command()
def schedule() -> None:
    """Run the scheduler: what was lost is found again. One per installation."""
    from cases.database import connect, sessions
    from worker.app import create_app
    from worker.settings import WorkerSettings
    from worker.storage import Storage
    from worker.sweeping import Sweeper

    configure_logs()
    settings = WorkerSettings()
    _require_safe_role(settings.database_url)
    make = sessions(connect(settings.database_url, connections=1))
    storage = Storage(settings.data)
    app = create_app(settings)
    Sweeper(app, make, storage, anchors=settings.anchor_folder, clamd=settings.clamd).keep_sweeping()


@app.command()
def healthy(url: Annotated[str, typer.Argument()] = "") -> None:
    """Ask a web server whether it is ready; exit 0 when it is. For health checks of containers."""
    import http.client
    from urllib.parse import urlsplit

    address = urlsplit(url or f"http://127.0.0.1:{os.environ.get('SAMSYN_PORT', '8080')}/readyz")
    connection = http.client.HTTPConnection(address.hostname or "127.0.0.1", address.port or 80, timeout=5)
    try:
        connection.request("GET", address.path or "/readyz")
        ready = connection.getresponse().status == 200
    except OSError:
        ready = False
    raise typer.Exit(0 if ready else 1)
