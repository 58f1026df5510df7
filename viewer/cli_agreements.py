"""The commands `samsyn agreements`: what the platform operator signs, at the server itself.

The operator is whoever runs the server, so its signature is given where only they can be: no account in the product,
however powerful, can sign for it.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table
from sqlalchemy.orm import Session

from cases.access.agreements import Agreement, Ending, Operator, list_for_operator, sign, terminate
from cases.access.organisations import find_provider
from cases.database import act_for, platform
from viewer.cli_database import DATA, DataFolder, console, opened

app = typer.Typer(no_args_is_help=True)

Id = Annotated[uuid.UUID, typer.Argument(help="Of the agreement, as `samsyn agreements list` shows it.")]
Name = Annotated[str, typer.Option(help="Who signs for the operator, and as what: given name, family name, function.")]


@app.command("list")
def list_all(data: DataFolder = DATA) -> None:
    """Show every agreement with the operator: whose it is, where it is, and the digest of its document."""
    now = datetime.now(UTC)
    table = Table("Agreement", "Type", "Care provider", "Status", "Document", "SHA-256")
    with opened(data) as session:
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
    data: DataFolder = DATA,
) -> None:
    """Sign an agreement for the operator, after reading the document itself."""
    with opened(data) as session:
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
    data: DataFolder = DATA,
) -> None:
    """End an agreement for the operator: at once for a breach, otherwise when the notice period is over."""
    with opened(data) as session:
        agreement = _find(session, agreement_id)
        terminate(session, agreement, ending, reason=reason, by=Operator(name), now=datetime.now(UTC))
        ends = agreement.terminated_at
    console.print(f"{agreement.type} ends at {ends}.")


def _find(session: Session, agreement_id: uuid.UUID) -> Agreement:
    with platform(session):
        found = next((one for one in list_for_operator(session) if one.id == agreement_id), None)
    if found is None:
        console.print("[red]There is no such agreement with the operator.[/] See: samsyn agreements list")
        raise typer.Exit(1)
    act_for(session, found.party_a)
    return found
