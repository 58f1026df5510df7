"""The commands `samsyn agreements`: what the platform operator signs, at the server itself.

The operator is whoever runs the server, so its signature is given where only they can be: no account in the product,
however powerful, can sign for it.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.orm import Session

from cases.access.agreements import Agreement, Ending, Operator, list_for_operator, sign, terminate
from cases.access.errors import Rejected
from cases.access.organisations import find_provider
from cases.database import act_for, connect, platform, sessions
from cases.transaction import transaction
from viewer.embedded.addresses import addresses

app = typer.Typer(help="Agreements with the platform operator, signed by the operator.", no_args_is_help=True)
console = Console()

DataFolder = Annotated[
    Path, typer.Option("--data", envvar="SAMSYN_DATA", help="Folder that holds everything of one installation.")
]
Id = Annotated[uuid.UUID, typer.Argument(help="Of the agreement, as `samsyn agreements list` shows it.")]
Name = Annotated[str, typer.Option(help="Who signs for the operator, and as what: given name, family name, function.")]
_DATA = Path("data")


@app.command("list")
def list_all(data: DataFolder = _DATA) -> None:
    """Show every agreement with the operator: whose it is, where it is, and the digest of its document."""
    now = datetime.now(UTC)
    table = Table("Agreement", "Type", "Care provider", "Status", "Document", "SHA-256")
    with _opened(data) as session:
        with platform(session):
            found = list_for_operator(session)
        for one in found:
            name = find_provider(session, one.party_a).name
            table.add_row(str(one.id), one.type, name, one.status(now), one.document_ref, one.doc_sha256)
    console.print(table)


@app.command("sign")
def sign_one(
    agreement_id: Id,
    name: Name,
    sha256: Annotated[str, typer.Option(help="Of the document that was read: sha256sum prints it.")],
    data: DataFolder = _DATA,
) -> None:
    """Sign an agreement for the operator, after reading the document itself."""
    with _opened(data) as session:
        agreement = _find(session, agreement_id)
        if agreement.doc_sha256 != sha256.strip().lower():
            console.print("[red]The agreement names another document than the one that was read.[/] Nothing is signed.")
            raise typer.Exit(1)
        sign(session, agreement, by=Operator(name), now=datetime.now(UTC))
    console.print(f"Signed for the operator by {name}.")


@app.command("terminate")
def terminate_one(
    agreement_id: Id,
    name: Name,
    reason: Annotated[str, typer.Option(help="Why, in a sentence that both parties read.")],
    ending: Annotated[Ending, typer.Option(help="Withdrawn before both signed, under notice, or for a breach.")],
    data: DataFolder = _DATA,
) -> None:
    """End an agreement for the operator: at once for a breach, otherwise when the notice period is over."""
    with _opened(data) as session:
        agreement = _find(session, agreement_id)
        terminate(session, agreement, ending, reason=reason, by=Operator(name), now=datetime.now(UTC))
        ends = agreement.terminated_at
    console.print(f"{agreement.type} ends at {ends}.")


@contextmanager
def _opened(data: Path) -> Iterator[Session]:
    url = os.environ.get("SAMSYN_DATABASE_URL") or addresses(data.resolve()).app_database_url
    engine = connect(url, connections=1)
    try:
        with transaction(sessions(engine)) as session:
            yield session
    except Rejected as error:
        console.print(f"[red]{error}[/]")
        raise typer.Exit(1) from error
    finally:
        engine.dispose()


def _find(session: Session, agreement_id: uuid.UUID) -> Agreement:
    with platform(session):
        found = next((one for one in list_for_operator(session) if one.id == agreement_id), None)
    if found is None:
        console.print("[red]There is no such agreement with the operator.[/] See: samsyn agreements list")
        raise typer.Exit(1)
    act_for(session, found.party_a)
    return found
