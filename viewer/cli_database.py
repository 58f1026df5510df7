"""What the commands that work in an installation's database have in common: as whom, and how a refusal is said."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from sqlalchemy.orm import Session

from cases.access.errors import Rejected
from cases.access.vault import Vault, VaultError
from cases.database import connect, sessions
from cases.transaction import transaction
from viewer.embedded.addresses import addresses

DataFolder = Annotated[
    Path, typer.Option("--data", envvar="SAMSYN_DATA", help="Folder that holds everything of one installation.")
]
DATA = Path("data")
console = Console()


@contextmanager
def told() -> Iterator[None]:
    """Say what the rules refuse in a sentence, and end the command with 1."""
    try:
        yield
    except (Rejected, VaultError) as error:
        console.print(f"[red]{error}[/]")
        raise typer.Exit(1) from error


@contextmanager
def opened(data: Path, *, vault: Vault | None = None) -> Iterator[Session]:
    """One transaction as the web's role, so that row-level security watches over IT as over everybody.

    Args:
        data: whose database is meant where `SAMSYN_DATABASE_URL` says nothing.
        vault: for what touches identities.
    """
    engine = connect(os.environ.get("SAMSYN_DATABASE_URL") or addresses(data.resolve()).app_database_url, connections=1)
    try:
        with told(), transaction(sessions(engine, vault=vault)) as session:
            yield session
    finally:
        engine.dispose()
