"""`samsyn accounts`: what IT does at the server, as the web's role and with the keys of the installation."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest
from people import make_person
from product import Database
from sqlalchemy.orm import Session
from typer.testing import CliRunner, Result

from cases.access.accounts import check_password, claim_account
from cases.access.attempts import PER_NAME, TooManyAttempts
from cases.access.people import Person
from cases.access.sessions import Method, begin_session
from cases.access.vault import Vault
from cases.database import sessions
from cases.transaction import transaction
from viewer.cli_accounts import app

FIRST, SECOND = "sju kloka getter", "nio tysta berguvar"


class Desk:
    """Where IT sits."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.folder = database, folder
        self.vault = Vault.create(folder / "keys")

    def run(self, *words: str, typed: str = "") -> Result:
        """One command, with what is typed at its questions."""
        env = {
            "SAMSYN_DATABASE_URL": self.database.url("samsyn_app"),
            "SAMSYN_KEYS": str(self.folder / "keys"),
            "COLUMNS": "200",
        }
        return CliRunner().invoke(app, list(words), input=typed, env=env)

    def opens(self, login: str, password: str) -> bool:
        """Whether a password is that of a usable account."""
        with self.database.engine("samsyn_app") as engine:
            with transaction(sessions(engine, vault=self.vault)) as session:
                claim = claim_account(session, login, client_ip=None, now=datetime.now(UTC))
            return check_password(claim, password)


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    return Desk(database, tmp_path)


def create(desk: Desk, *words: str, password: str = FIRST) -> Result:
    named = "" if "--person" in words else "Anna\nBerg\nSystemförvaltare\n"
    return desk.run("create", "Anna.Berg", *words, typed=f"{named}{password}\n{password}\n")


def test_an_account_is_given_to_somebody_new(desk: Desk) -> None:
    result = create(desk, "--break-glass")
    assert result.exit_code == 0, result.output
    assert FIRST not in result.output
    assert desk.opens("anna.berg", FIRST)
    listed = desk.run("list").output
    for said in ("anna.berg", "Anna Berg", "not yet", "usable, break-glass"):
        assert said in listed
    again = create(desk)
    assert (again.exit_code, "This login name is taken" in again.output) == (1, True)


def test_an_account_is_given_to_somebody_known(desk: Desk) -> None:
    with desk.database.engine() as engine, Session(engine) as session:
        person_id = make_person(session, given_name="Berit", protected=True).id
        session.commit()
    assert create(desk, "--person", str(person_id)).exit_code == 0
    assert "Berit" not in desk.run("list").output, "a protected name is shown in a list"
    nobody = create(desk, "--person", str(uuid.uuid4()))
    assert (nobody.exit_code, "Samsyn knows no person" in nobody.output) == (1, True)


def test_a_weak_password_gives_no_account(desk: Desk) -> None:
    short = "kort"
    result = create(desk, password=short)
    assert (result.exit_code, "A password has 12 to 128 characters; this one has 4" in result.output) == (1, True)
    assert desk.database.query("SELECT id FROM local_account") == []


def test_enrolling_anew_replaces_the_password_and_signs_out(desk: Desk) -> None:
    create(desk)
    (row,) = desk.database.query("SELECT person_id FROM local_account")
    with desk.database.engine() as engine, Session(engine) as session:
        person = session.get_one(Person, row["person_id"])
        begin_session(session, person, method=Method.LOCAL, assurance=2, now=datetime.now(UTC))
        session.commit()
    result = desk.run("enrol", "anna.berg", typed=f"{SECOND}\n{SECOND}\n")
    assert result.exit_code == 0, result.output
    assert desk.opens("anna.berg", SECOND)
    assert not desk.opens("anna.berg", FIRST)
    assert desk.database.query("SELECT ended_because FROM sign_in_session") == [{"ended_because": "ACCOUNT_CHANGED"}]


def test_disabling_and_unlocking(desk: Desk) -> None:
    create(desk)
    assert desk.run("disable", "anna.berg").exit_code == 0
    assert not desk.opens("anna.berg", FIRST)
    assert "disabled" in desk.run("list").output
    assert desk.run("unlock", "anna.berg").exit_code == 0
    for _ in range(PER_NAME):
        assert desk.opens("anna.berg", FIRST)  # counted as failed: nothing takes it back here
    with pytest.raises(TooManyAttempts):
        desk.opens("anna.berg", FIRST)
    assert "locked until" in desk.run("list").output
    desk.run("unlock", "anna.berg")
    assert desk.opens("anna.berg", FIRST)
    events = [row["event"] for row in desk.database.query("SELECT event FROM audit_event ORDER BY at, id")]
    assert [event for event in events if event.startswith("ACCOUNT")] == [
        "ACCOUNT_CREATED",
        *["ACCOUNT_CHANGED"] * 3,
    ]


@pytest.mark.parametrize("command", ["enrol", "disable", "unlock"])
def test_an_account_that_does_not_exist_is_said_so(desk: Desk, command: str) -> None:
    result = desk.run(command, "nobody.here")
    assert (result.exit_code, "There is no such account" in result.output) == (1, True)


def test_without_the_keys_nothing_is_done(desk: Desk) -> None:
    (desk.folder / "keys" / "search.key").unlink()
    result = create(desk)
    assert (result.exit_code, "no search.key" in result.output) == (1, True)
