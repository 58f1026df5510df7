"""The log: append-only, chained per care provider, and found out when somebody touches it all the same."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime

import pytest
from chains import ONE, OTHER, check, write
from product import Database
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from cases.access.audit import PLATFORM, Event, LogUnavailable, Outcome, Subject, keep_refusals, link, record
from cases.access.log.chain import Report
from cases.database import act_for, connect, platform, sessions


def test_every_provider_has_a_chain_of_its_own_and_so_has_the_platform(database: Database) -> None:
    write(database, entries=3)
    write(database, entries=2, provider_id=OTHER)
    write(database, provider_id=None)
    rows = database.query("SELECT care_provider_id, seq, prev_hash, hash FROM audit_event ORDER BY 1, 2")
    assert [(row["care_provider_id"], row["seq"]) for row in rows] == [
        (PLATFORM, 1),
        *((ONE, seq) for seq in (1, 2, 3)),
        *((OTHER, seq) for seq in (1, 2)),
    ]
    assert rows[1]["prev_hash"] == bytes(32)
    assert rows[2]["prev_hash"] == rows[1]["hash"]
    assert check(database) == Report(chains=3, entries=6, findings=())


def test_an_empty_log_is_sound(database: Database) -> None:
    assert check(database) == Report(0, 0, ())


@pytest.mark.parametrize("role", ["postgres", "samsyn_owner", "samsyn_app", "samsyn_worker", "samsyn_platform"])
def test_nobody_changes_the_log(database: Database, role: str) -> None:
    write(database)
    refusal = r"The log can only be added to: \w+ of \w+ is refused|permission denied for table"
    login = "samsyn_app" if role == "samsyn_platform" else role
    for table in ("audit_event", "audit_subject"):
        for statement in ("UPDATE {} SET at = now()", "DELETE FROM {}", "TRUNCATE {}"):
            with database.engine(login) as engine, engine.connect() as connection:
                connection.execute(text(f"SET ROLE {role}"))
                with pytest.raises(ProgrammingError, match=refusal):
                    connection.execute(text(statement.format(table)))
    assert check(database).entries == 1


@pytest.mark.parametrize("role", ["samsyn_app", "samsyn_worker"])
def test_nobody_moves_a_head(database: Database, role: str) -> None:
    write(database)
    for statement in ("UPDATE audit_head SET seq = 7", "DELETE FROM audit_head", "INSERT INTO audit_head SELECT"):
        with pytest.raises(ProgrammingError, match="permission denied for table audit_head"):
            database.query(statement, role=role)


def test_who_writes_an_entry_cannot_choose_its_place(database: Database) -> None:
    write(database)
    row = (
        "INSERT INTO audit_event (id, care_provider_id, seq, at, event, outcome, args, owners, prev_hash, hash)"
        " VALUES (gen_random_uuid(), :chain, 99, now(), 'LOGOUT', 'OK', '{}', '{}', '', :hash)"
    )
    database.query(row, role="samsyn_app", chain=ONE, hash=bytes(32))
    assert [row["seq"] for row in database.query("SELECT seq FROM audit_event ORDER BY seq")] == [1, 2]
    assert "Entry 2 of" in check(database).findings[0].sentence


def test_writers_at_once_make_one_chain(database: Database) -> None:
    together = threading.Barrier(8)

    def work() -> None:
        together.wait()
        write(database, entries=10)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert check(database) == Report(chains=1, entries=80, findings=())


def test_two_chains_in_one_transaction_never_wait_for_each_other(database: Database) -> None:
    together = threading.Barrier(2)
    failures: list[Exception] = []

    def work(order: tuple[uuid.UUID, uuid.UUID]) -> None:
        engine = connect(database.url("samsyn_app"), connections=1)
        try:
            for _ in range(30):
                together.wait()
                with sessions(engine).begin() as session:
                    for provider_id in order:
                        record(session, Event.LOGOUT, by=None, provider_id=provider_id)
                    link(session)
        except Exception as error:
            failures.append(error)
            together.abort()
        finally:
            engine.dispose()

    threads = [threading.Thread(target=work, args=(order,)) for order in ((ONE, OTHER), (OTHER, ONE))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert check(database) == Report(chains=2, entries=120, findings=())


def test_a_provider_sees_its_users_entries_and_those_about_its_data(database: Database) -> None:
    third = uuid.UUID(int=3)
    with database.engine("samsyn_app") as engine, sessions(engine).begin() as session:
        mine, others = Subject(kind="patient", provider_id=ONE), Subject(kind="patient", provider_id=third)
        record(session, Event.LIST_VIEWED, by=None, provider_id=OTHER, subjects=[mine, others])
        record(session, Event.LOGOUT, by=None, provider_id=OTHER)
        record(session, Event.LOGOUT, by=None, provider_id=ONE)
        link(session)
    seen = {}
    with database.engine("samsyn_app") as engine, Session(engine) as session:
        for provider_id in (None, ONE, OTHER, third, uuid.UUID(int=4)):
            with session.begin():
                if provider_id:
                    act_for(session, provider_id)
                events = session.execute(text("SELECT event FROM audit_event ORDER BY event")).scalars().all()
                subjects = session.execute(text("SELECT count(*) FROM audit_subject")).scalar_one()
                seen[provider_id and provider_id.int] = (events, subjects)
    assert seen == {
        None: ([], 0),
        1: (["LIST_VIEWED", "LOGOUT"], 1),
        2: (["LIST_VIEWED", "LOGOUT"], 2),
        3: (["LIST_VIEWED"], 1),
        4: ([], 0),
    }, "who sees an entry because of its data sees of its subjects only its own"


def test_a_refusal_outlives_the_rollback(database: Database) -> None:
    with database.engine("samsyn_app") as engine, sessions(engine)() as session:
        record(session, Event.CASE_VIEWED, by=None, provider_id=ONE)
        record(session, Event.ACCESS_DENIED, by=None, provider_id=ONE, outcome=Outcome.DENIED, code="D10")
        session.rollback()
        keep_refusals(session)
        session.commit()
        link(session)
        session.commit()
    assert database.query("SELECT event, code FROM audit_event") == [{"event": "ACCESS_DENIED", "code": "D10"}]


def test_what_the_log_does_not_take_does_not_happen(database: Database) -> None:
    database.query("REVOKE INSERT ON audit_event FROM samsyn_app")
    with database.engine("samsyn_app") as engine, sessions(engine)() as session:
        record(session, Event.CASE_VIEWED, by=None, provider_id=ONE)
        with pytest.raises(LogUnavailable, match="The log cannot be written just now") as caught:
            link(session)
        assert caught.value.code == "D90"
    assert database.query("SELECT * FROM audit_event") == []


def test_a_database_that_cannot_be_written_takes_no_entry(database: Database) -> None:
    with database.engine("samsyn_app") as engine, sessions(engine)() as session:
        session.execute(text("SET TRANSACTION READ ONLY"))
        record(session, Event.CASE_VIEWED, by=None)
        with pytest.raises(LogUnavailable):
            link(session)


def test_an_entry_is_linked_once(session: Session) -> None:
    record(session, Event.LOGOUT, by=None, args={"at": datetime(2026, 1, 1, tzinfo=UTC).isoformat()})
    link(session)
    link(session)
    with platform(session):
        assert session.execute(text("SELECT seq FROM audit_event")).scalars().all() == [1]
