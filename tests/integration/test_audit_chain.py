"""The log: append-only, chained per care provider, and found out when somebody touches it all the same."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from product import Database
from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from cases.access.audit import PLATFORM, Event, LogUnavailable, Outcome, Subject, keep_refusals, link, record
from cases.access.log_anchors import AnchorsDamaged, anchor, read_anchors, read_heads
from cases.access.log_chain import Report, verify
from cases.database import act_for, connect, platform, sessions

ONE, OTHER = uuid.UUID(int=1), uuid.UUID(int=2)
TODAY = date(2026, 11, 22)


def write(database: Database, *, entries: int = 1, provider_id: uuid.UUID | None = ONE, patients: int = 2) -> None:
    """Entries as the web writes them, each in a transaction of its own."""
    with database.engine("samsyn_app") as engine:
        for number in range(entries):
            with sessions(engine).begin() as session:
                about = [Subject(kind="patient", patient_id=uuid.uuid4(), provider_id=ONE) for _ in range(patients)]
                record(
                    session,
                    Event.LIST_VIEWED,
                    by=None,
                    provider_id=provider_id,
                    subjects=about,
                    args={"place": "Åkerö", "number": number, "none": None, "told": True} if number % 2 else None,
                )
                link(session)


def check(database: Database, anchors: Path | None = None, *, from_anchor: bool = False) -> Report:
    """Verify as the worker's role does."""
    with database.engine("samsyn_worker") as engine, Session(engine) as session:
        return verify(session, read_anchors(anchors) if anchors else [], from_anchor=from_anchor)


@contextmanager
def as_intruder(database: Database) -> Iterator[Connection]:
    """Somebody who owns the tables and has put the guards aside."""
    with database.engine() as engine, engine.begin() as connection:
        for table in ("audit_event", "audit_subject"):
            connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        yield connection
        for table in ("audit_event", "audit_subject"):
            connection.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER USER"))


def set_anchors(database: Database, folder: Path, today: date = TODAY) -> int:
    with database.engine("samsyn_worker") as engine, Session(engine) as session:
        return anchor(read_heads(session), folder, today=today)


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


CHANGES = [
    "at = at + interval '1 microsecond'",
    "event = 'LOGIN_OK'",
    "activity = NULL",
    "outcome = 'DENIED'",
    "code = 'D10'",
    "basis = 'OWN_UNIT'",
    "decision_id = gen_random_uuid()",
    "purpose = 'Statistik'",
    "person_id = gen_random_uuid()",
    "assignment_id = gen_random_uuid()",
    "unit_id = gen_random_uuid()",
    "session_id = gen_random_uuid()",
    "client_ip = '::1'",
    "user_agent_digest = 'x'",
    "args = '{\"number\": 8}'",
    "args = args || '{\"more\": null}'",
    "owners = ARRAY[gen_random_uuid()]",
    "id = gen_random_uuid()",
    "hash = sha256(hash)",
]


def test_a_changed_entry_is_found_and_named(module_database: Database) -> None:
    for change in CHANGES:
        chain = uuid.uuid4()
        write(module_database, entries=4, provider_id=chain)
        with as_intruder(module_database) as intruder:
            statement = f"UPDATE audit_event SET {change} WHERE seq = 3 AND care_provider_id = :chain"  # noqa: S608
            intruder.execute(text(statement), {"chain": chain})
        first = next(one for one in check(module_database).findings if one.care_provider_id == chain)
        assert first.seq == 3, change
        assert first.sentence.startswith("Entry 3 of 2")
        assert "was changed: it no longer says what was written" in first.sentence


SUBJECT_CHANGES = [
    "UPDATE audit_subject SET patient_id = gen_random_uuid()",
    "UPDATE audit_subject SET kind = 'slide'",
    "UPDATE audit_subject SET subject_id = gen_random_uuid()",
    "UPDATE audit_subject SET provider_id = NULL",
    "UPDATE audit_subject SET unit_id = gen_random_uuid()",
    "UPDATE audit_subject SET ordinal = 7",
    "UPDATE audit_subject SET at = at - interval '1 day'",
    "UPDATE audit_subject SET care_provider_id = gen_random_uuid()",
    "DELETE FROM audit_subject",
]


def test_a_changed_subject_is_found_with_its_entry(module_database: Database) -> None:
    for change in SUBJECT_CHANGES:
        chain = uuid.uuid4()
        write(module_database, entries=3, provider_id=chain)
        with as_intruder(module_database) as intruder:
            event = intruder.execute(
                text("SELECT id FROM audit_event WHERE seq = 2 AND care_provider_id = :chain"), {"chain": chain}
            ).scalar_one()
            intruder.execute(text(f"{change} WHERE event_id = :event AND ordinal = 1"), {"event": event})
        found = [one for one in check(module_database).findings if one.care_provider_id == chain]
        assert [one.seq for one in found] == [2], change


def test_an_added_subject_is_found(database: Database) -> None:
    write(database, entries=2)
    row = "INSERT INTO audit_subject (event_id, ordinal, care_provider_id, at, kind) SELECT {}, 2, '{}', now(), 'x'"
    event = database.query("SELECT id, at FROM audit_event WHERE seq = 2")[0]
    at = event["at"].isoformat()
    database.query(row.format(f"'{event['id']}'", ONE).replace("now()", f"'{at}'"), role="samsyn_app")
    assert [one.seq for one in check(database).findings] == [2]
    database.query(row.format("gen_random_uuid()", ONE), role="samsyn_app")
    assert check(database).findings[-1].sentence == "1 subjects belong to no entry: they were slipped in."


def test_removed_entries_are_found_and_counted(database: Database) -> None:
    write(database, entries=9)
    with as_intruder(database) as intruder:
        intruder.execute(text("DELETE FROM audit_event WHERE seq IN (3, 5, 6)"))
        intruder.execute(text("DELETE FROM audit_subject WHERE event_id NOT IN (SELECT id FROM audit_event)"))
    assert [(one.seq, one.sentence) for one in check(database).findings] == [
        (3, "Entry 3 is missing: the next one there is 4."),
        (5, "Entries 5 to 6 are missing: the next one there is 7."),
    ]


def test_a_removed_entry_is_found_when_the_rest_was_counted_anew(database: Database) -> None:
    write(database, entries=5)
    with as_intruder(database) as intruder:
        intruder.execute(text("DELETE FROM audit_event WHERE seq = 3"))
        intruder.execute(text("UPDATE audit_event SET seq = seq - 1 WHERE seq = 4"))
        intruder.execute(text("UPDATE audit_event SET seq = seq - 1 WHERE seq = 5"))
    first = check(database).findings[0]
    assert (first.seq, "does not follow entry 2" in first.sentence) == (3, True)


def test_reordered_entries_are_found(database: Database) -> None:
    write(database, entries=6)
    with as_intruder(database) as intruder:
        for before, after in ((3, 1000), (4, 3), (1000, 4)):
            statement = text("UPDATE audit_event SET seq = :after WHERE seq = :before")
            intruder.execute(statement, {"before": before, "after": after})
    found = check(database).findings
    assert {one.seq for one in found} == {3, 4, 5}
    assert "does not follow entry 2" in found[0].sentence


def test_an_entry_slipped_in_is_found(database: Database) -> None:
    write(database, entries=6, patients=0)
    with as_intruder(database) as intruder:
        intruder.execute(text("UPDATE audit_event SET seq = seq + 100 WHERE seq > 3"))
        intruder.execute(text("UPDATE audit_event SET seq = seq - 99 WHERE seq > 3"))
        intruder.execute(
            text(
                "INSERT INTO audit_event SELECT (json_populate_record(old, json_build_object('id', gen_random_uuid(),"
                " 'seq', 4, 'event', 'LOGOUT'))).* FROM audit_event AS old WHERE seq = 3"
            )
        )
    found = check(database).findings
    assert found[0].seq == 4
    assert "does not follow entry 3" in found[0].sentence


def test_a_cut_end_is_found_by_the_head(database: Database) -> None:
    write(database, entries=6)
    with as_intruder(database) as intruder:
        cut(intruder, after=4)
    assert [one.sentence for one in check(database).findings] == [
        "The log ends with entry 4, but its head says 6: its end or its head was changed."
    ]


def cut(intruder: Connection, *, after: int) -> None:
    intruder.execute(text("DELETE FROM audit_event WHERE seq > :after"), {"after": after})
    intruder.execute(text("DELETE FROM audit_subject WHERE event_id NOT IN (SELECT id FROM audit_event)"))


def test_a_cut_end_with_a_moved_head_is_found_by_the_anchor(database: Database, tmp_path: Path) -> None:
    write(database, entries=6)
    assert set_anchors(database, tmp_path) == 1
    with as_intruder(database) as intruder:
        cut(intruder, after=4)
        intruder.execute(text("UPDATE audit_head SET seq = 4, hash = (SELECT hash FROM audit_event WHERE seq = 4)"))
    assert check(database).findings == ()
    told = "The log ends with entry 4, but on 2026-11-22 it had 6: its end was cut."
    assert [one.sentence for one in check(database, tmp_path).findings] == [told]
    assert any(one.sentence == told for one in check(database, tmp_path, from_anchor=True).findings)


def test_a_log_written_anew_is_found_by_the_anchor(database: Database, tmp_path: Path) -> None:
    write(database, entries=3)
    set_anchors(database, tmp_path)
    with as_intruder(database) as intruder:
        cut(intruder, after=0)
        intruder.execute(text("DELETE FROM audit_head"))
    write(database, entries=5)
    assert check(database).findings == ()
    for from_anchor in (False, True):
        found = check(database, tmp_path, from_anchor=from_anchor).findings
        assert [one.seq for one in found] == [3]
        assert "is not the one anchored on 2026-11-22: the log was written anew" in found[0].sentence


def test_a_log_that_is_gone_is_found_by_the_anchor(database: Database, tmp_path: Path) -> None:
    write(database, entries=3)
    set_anchors(database, tmp_path)
    with as_intruder(database) as intruder:
        cut(intruder, after=0)
        intruder.execute(text("DELETE FROM audit_head"))
    assert [one.sentence for one in check(database, tmp_path).findings] == [
        "The log ends with entry 0, but on 2026-11-22 it had 3: its end was cut."
    ]


def test_verification_can_begin_at_an_anchor(database: Database, tmp_path: Path) -> None:
    write(database, entries=5)
    set_anchors(database, tmp_path)
    write(database, entries=3)
    assert check(database, tmp_path, from_anchor=True) == Report(chains=1, entries=4, findings=())
    with as_intruder(database) as intruder:
        intruder.execute(text("UPDATE audit_event SET code = 'D10' WHERE seq IN (2, 7)"))
    assert [one.seq for one in check(database, tmp_path, from_anchor=True).findings] == [7]
    assert [one.seq for one in check(database, tmp_path).findings] == [2, 7]


def test_anchors_are_written_once_a_day_and_never_changed(database: Database, tmp_path: Path) -> None:
    write(database, entries=2)
    assert set_anchors(database, tmp_path / "anchors") == 1
    before = (tmp_path / "anchors/heads.txt").read_text()
    write(database, entries=2)
    assert set_anchors(database, tmp_path / "anchors") == 0
    write(database, provider_id=OTHER)
    assert set_anchors(database, tmp_path / "anchors") == 1, "a chain that began today is anchored today"
    assert set_anchors(database, tmp_path / "anchors", date(2026, 11, 23)) == 2
    after = (tmp_path / "anchors/heads.txt").read_text()
    assert after.startswith(before)
    assert [(one.day.day, one.care_provider_id, one.seq) for one in read_anchors(tmp_path / "anchors")] == [
        (22, ONE, 2),
        (22, OTHER, 1),
        (23, ONE, 4),
        (23, OTHER, 1),
    ]
    assert (tmp_path / "anchors/heads.txt").stat().st_mode & 0o077 == 0
    assert check(database, tmp_path / "anchors").findings == ()


@pytest.mark.parametrize("spoiled", ["2026-11-22 x 1 00\n", "nothing\n", f"2026-11-22 {ONE} 1 {'ab' * 32}", "å\n"])
def test_damaged_anchors_are_said_to_be(tmp_path: Path, spoiled: str) -> None:
    (tmp_path / "heads.txt").write_text(f"2026-11-21 {ONE} 1 {'ab' * 32}\n{spoiled}")
    with pytest.raises(AnchorsDamaged, match=r"Line 2 of .* is not an anchor|holds what no anchor can"):
        read_anchors(tmp_path)


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
