"""The commands `samsyn audit`: is the log still what was written?"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from sqlalchemy import select
from sqlalchemy.orm import Session

from cases.access.audit import Event, record
from cases.access.log.anchors import FILE, AnchorsDamaged, anchor, read_anchors, read_heads
from cases.access.log.chain import verify as verify_chains
from cases.access.log.entries import PLATFORM
from cases.access.organisations import CareProvider
from cases.database import connect, sessions
from cases.transaction import transaction
from worker.settings import WorkerSettings

app = typer.Typer(no_args_is_help=True)
console = Console()

DataFolder = Annotated[
    Path, typer.Option("--data", envvar="SAMSYN_DATA", help="Folder that holds everything of one installation.")
]
_DATA = Path("data")


@app.command()
def verify(
    data: DataFolder = _DATA,
    from_anchor: Annotated[
        bool, typer.Option("--from-anchor", help="Begin at each chain's newest anchor: much faster.")
    ] = False,
) -> None:
    """Compute every chain of the log again; say which entry was changed, moved, taken out or slipped in."""
    with _opened(data) as (session, settings), _progress() as progress:
        bar = progress.add_task("Entries", total=None)
        report = verify_chains(
            session,
            read_anchors(settings.anchor_folder),
            from_anchor=from_anchor,
            progress=lambda done, total: progress.update(bar, completed=done, total=total),
        )
        progress.update(bar, completed=report.entries, total=report.entries)
        found = len(report.findings)
        record(session, Event.AUDIT_CHAIN_VERIFIED, by=None, args={"entries": report.entries, "findings": found})
        names = _names(session)
    for finding in report.findings:
        console.print(
            f"[red]wrong[/] {names.get(finding.care_provider_id, finding.care_provider_id)}: {finding.sentence}"
        )
    if report.findings:
        console.print("Keep this database as it is, and tell the data protection officers of those care providers.")
        raise typer.Exit(1)
    console.print(f"[green]Sound[/]: {report.entries} entries in {report.chains} chains are as they were written.")


@app.command("anchor")
def anchor_now(data: DataFolder = _DATA) -> None:
    """Write down where the chains stand today. The scheduler does it once a day by itself."""
    with _opened(data) as (session, settings):
        written = anchor(read_heads(session), settings.anchor_folder, today=datetime.now(UTC).date())
        where = settings.anchor_folder / FILE
    if written:
        console.print(f"{written} chains anchored in {where}. Keep copies where nobody can change them.")
    else:
        console.print(f"Every chain has today's anchor already, in {where}.")


@app.command()
def heads(data: DataFolder = _DATA) -> None:
    """Show where every chain stands, and when it was anchored last."""
    table = Table("Care provider", "Entries", "Hash of the last", "Last anchor")
    with _opened(data) as (session, settings):
        names = _names(session)
        days = {one.care_provider_id: f"{one.day}, entry {one.seq}" for one in read_anchors(settings.anchor_folder)}
        for head in read_heads(session):
            name = names.get(head.care_provider_id, str(head.care_provider_id))
            table.add_row(name, str(head.seq), head.hash.hex(), days.get(head.care_provider_id, "none"))
    console.print(table)


def _names(session: Session) -> dict[uuid.UUID, str]:
    return {PLATFORM: "the platform"} | {one.id: one.name for one in session.scalars(select(CareProvider))}


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console)


@contextmanager
def _opened(data: Path) -> Iterator[tuple[Session, WorkerSettings]]:
    from viewer.up import worker_settings

    settings = worker_settings(console, data.resolve())
    engine = connect(settings.database_url, connections=1)
    try:
        with transaction(sessions(engine)) as session:
            yield session, settings
    except AnchorsDamaged as error:
        console.print(f"[red]{error}[/]")
        raise typer.Exit(1) from error
    finally:
        engine.dispose()
