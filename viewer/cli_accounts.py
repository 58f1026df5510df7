"""The commands `samsyn accounts`: local accounts, given and taken by IT at the server itself.

Passwords are asked for, never arguments: what stands on a command line can be read by everybody on the machine.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from sqlalchemy.orm import Session

from cases.access import accounts
from cases.access.accounts import LocalAccount
from cases.access.attempts import locked_names
from cases.access.errors import NotThere
from cases.access.people import Person, register_person
from cases.access.vault import Vault
from viewer.cli_database import DATA, DataFolder, console, opened, told

app = typer.Typer(no_args_is_help=True)

Keys = Annotated[
    Path | None, typer.Option("--keys", envvar="SAMSYN_KEYS", help="Folder of the keys; in the data folder if not set.")
]
Login = Annotated[str, typer.Argument(help="The name that is typed to sign in.")]


@app.command()
def create(
    login: Login,
    person: Annotated[uuid.UUID | None, typer.Option(help="Who, if Samsyn knows the person already.")] = None,
    break_glass: Annotated[bool, typer.Option(help="For the sealed envelope: each use is reported.")] = False,
    data: DataFolder = DATA,
    keys: Keys = None,
) -> None:
    """Give somebody an account. Asks for a first password, and for the person's name if no person is given."""
    asked = () if person else ("given_name", "family_name", "title")
    named = {what: typer.prompt(what.replace("_", " ").capitalize()) for what in asked}
    with told():
        password_hash = accounts.hash_password(_ask_password(), login=login)
    with _opened(data, keys) as session:
        found = register_person(session, **named, by=None) if named else _find_person(session, person)
        accounts.create_account(session, found, login=login, password_hash=password_hash, break_glass=break_glass)
        console.print(f"Person {found.id}")
    console.print("The account is there. The first sign-in sets up the second factor and replaces the password.")


@app.command()
def enrol(login: Login, data: DataFolder = DATA, keys: Keys = None) -> None:
    """Let somebody begin anew whose telephone or password is lost. Asks for a new first password."""
    with _opened(data, keys) as session:
        _find(session, login)
    with told():
        password_hash = accounts.hash_password(_ask_password(), login=login)
    with _opened(data, keys) as session:
        now = datetime.now(UTC)
        account = _find(session, login)
        accounts.enrol_anew(session, account, password_hash=password_hash, now=now)
        accounts.unlock_account(session, account, now=now)
    console.print("Signed out everywhere. The next sign-in sets up the second factor and replaces the password.")


@app.command()
def disable(login: Login, data: DataFolder = DATA, keys: Keys = None) -> None:
    """Let nobody sign in with an account any more, and sign out who is signed in."""
    with _opened(data, keys) as session:
        accounts.disable_account(session, _find(session, login), now=datetime.now(UTC))
    console.print("Disabled, and signed out everywhere.")


@app.command()
def unlock(login: Login, data: DataFolder = DATA, keys: Keys = None) -> None:
    """Let somebody try again at once after too many failures, or use a disabled account again."""
    with _opened(data, keys) as session:
        accounts.unlock_account(session, _find(session, login), now=datetime.now(UTC))
    console.print("Unlocked.")


@app.command("list")
def list_all(data: DataFolder = DATA, keys: Keys = None) -> None:
    """Show every account, and what keeps it from being used."""
    table = Table("Login", "Person", "Second factor", "State", "Person's id")
    with _opened(data, keys) as session:
        now = datetime.now(UTC)
        found = accounts.list_accounts(session)
        locked = locked_names(session, [one.login for one in found], now=now)
        for one in found:
            until = locked.get(one.login)
            state = "disabled" if one.disabled_at else f"locked until {until:%Y-%m-%d %H:%M} UTC" if until else "usable"
            enrolled = f"{one.enrolled_at:%Y-%m-%d}" if one.enrolled_at else "not yet"
            kind = f"{state}, break-glass" if one.break_glass else state
            table.add_row(one.login, one.person.listed_name or "protected", enrolled, kind, str(one.person_id))
    console.print(table)


def _ask_password() -> str:
    password: str = typer.prompt("First password", hide_input=True, confirmation_prompt=True)
    return password


def _find_person(session: Session, person_id: uuid.UUID | None) -> Person:
    person = session.get(Person, person_id)
    if person is None:
        raise NotThere(f"Samsyn knows no person {person_id}.")
    return person


def _find(session: Session, login: str) -> LocalAccount:
    account = accounts.find_account(session, login)
    if account is None:
        raise NotThere("There is no such account. See: samsyn accounts list")
    return account


@contextmanager
def _opened(data: Path, keys: Path | None) -> Iterator[Session]:
    with told(), opened(data, vault=Vault(keys or data / "keys")) as session:
        yield session
