"""The commands `samsyn keys`: the keys that patients' names and numbers are kept under."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cases.access.vault import Vault, VaultError

app = typer.Typer(no_args_is_help=True)
console = Console()

DataFolder = Annotated[
    Path, typer.Option("--data", envvar="SAMSYN_DATA", help="Folder that holds everything of one installation.")
]
Keys = Annotated[
    Path | None, typer.Option("--keys", envvar="SAMSYN_KEYS", help="Folder of the keys; in the data folder if not set.")
]
Url = Annotated[
    str | None,
    typer.Option(
        "--database-url", envvar="SAMSYN_DATABASE_URL", help="Try the keys on this database too, as samsyn_app."
    ),
]
_DATA = Path("data")


@app.command()
def create(data: DataFolder = _DATA, keys: Keys = None) -> None:
    """Make the keys of a new installation. Keys that are there are never replaced."""
    with _told():
        folder = Vault.create(keys or data / "keys").folder
    console.print(f"The keys are in {folder.resolve()}. Copy them now to a place that is not beside the database.")


@app.command()
def rotate(data: DataFolder = _DATA, keys: Keys = None) -> None:
    """Encrypt with a new key from now on. What the older keys encrypted stays readable, as long as they are kept."""
    with _told():
        number = Vault(keys or data / "keys").rotate()
    console.print(f"Key number {number} is there. Copy the folder again, and start every web process anew.")


@app.command()
def check(data: DataFolder = _DATA, keys: Keys = None, database_url: Url = None) -> None:
    """Say whether the keys are complete and for this account alone and, with a database, whether they are its own."""
    with _told():
        vault = Vault(keys or data / "keys")
        console.print(f"[green]ok[/] The search key and {len(vault.numbers)} encryption keys are complete.")
        if database_url is None:
            console.print("No database was named, so they were not tried on one.")
        elif _try_on(vault, database_url):
            console.print("[green]ok[/] They are the keys of this database.")
        else:
            console.print("The database holds no patient yet, so there was nothing to try them on.")


def _try_on(vault: Vault, database_url: str) -> bool:
    from cases.access.patients import check_keys
    from cases.database import connect, sessions
    from cases.transaction import transaction

    engine = connect(database_url, connections=1)
    try:
        with transaction(sessions(engine, vault=vault)) as session:
            return check_keys(session) > 0
    finally:
        engine.dispose()


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except VaultError as error:
        console.print(f"[red]{error}[/]")
        raise typer.Exit(1) from error
