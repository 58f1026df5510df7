"""The command `samsyn seed`: made-up content for trying the product."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cases.access.errors import Rejected
from cases.access.organisations import RegionCode
from cases.access.vault import Vault, VaultError
from cases.database import connect, sessions
from cases.transaction import transaction
from viewer.embedded.addresses import addresses
from viewer.pilot import seed_pilot

app = typer.Typer(no_args_is_help=True)
console = Console()


@app.callback()
def seed() -> None:
    """Keep `pilot` a word of its own, though it is the only one."""


@app.command()
def pilot(
    data: Annotated[
        Path, typer.Option("--data", envvar="SAMSYN_DATA", help="Folder that holds everything of one installation.")
    ] = Path("data"),
    keys: Annotated[
        Path | None,
        typer.Option("--keys", envvar="SAMSYN_KEYS", help="Folder of the keys; in the data folder if not set."),
    ] = None,
    region: Annotated[
        list[RegionCode] | None,
        typer.Option(help="Only the care providers of this region; the others can follow. May be repeated."),
    ] = None,
) -> None:
    """Put in three regions and a private provider with people, agreements, patients and cases, none of them real.

    Run again it doubles nothing, and leaves what people have changed as it is.
    """
    if os.environ.get("SAMSYN_ENV") == "production":
        console.print("[red]SAMSYN_ENV is production: the pilot's people sign in without proof.[/] Nothing was done.")
        raise typer.Exit(2)
    engine = connect(os.environ.get("SAMSYN_DATABASE_URL") or addresses(data.resolve()).app_database_url, connections=1)
    try:
        vault = Vault(keys or data.resolve() / "keys")
        with transaction(sessions(engine, vault=vault)) as session:
            seed_pilot(session, now=datetime.now(UTC), only=region or list(RegionCode))
    except (Rejected, VaultError) as error:
        console.print(f"[red]{error}[/]")
        raise typer.Exit(1) from error
    finally:
        engine.dispose()
    console.print("The pilot is in: in demo mode its people sign in with one click.")
