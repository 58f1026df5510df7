"""Whoever changes the log all the same is found out: by its chains, their heads and their anchors."""

from __future__ import annotations

import uuid
from datetime import date
from pathlib import Path

import pytest
from chains import ONE, OTHER, as_intruder, check, cut, set_anchors, write
from product import Database
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from cases.access.log.anchors import AnchorsDamaged, read_anchors
from cases.access.log.chain import Report

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
    "UPDATE audit_subject SET event = 'LOGOUT'",
    "UPDATE audit_subject SET person_id = gen_random_uuid()",
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


ADD = "INSERT INTO audit_subject (event_id, ordinal, care_provider_id, at, kind)"
ADDED = [
    "SELECT id, 2, care_provider_id, at, 'x'",
    "SELECT id, 99, care_provider_id, at, 'x'",
    "SELECT id, -1, care_provider_id, at, 'x'",
    "SELECT id, 2, care_provider_id, at - interval '1 day', 'x'",
    "SELECT id, 2, gen_random_uuid(), at, 'x'",
]


def test_a_subject_slipped_into_an_entry_is_found(module_database: Database) -> None:
    for added in ADDED:
        chain = uuid.uuid4()
        write(module_database, entries=3, provider_id=chain)
        with as_intruder(module_database) as intruder:
            statement = f"{ADD} {added} FROM audit_event WHERE seq = 2 AND care_provider_id = :chain"
            intruder.execute(text(statement), {"chain": chain})
        found = [one for one in check(module_database).findings if one.care_provider_id == chain]
        assert [one.seq for one in found] == [2], added
        assert "was changed: it no longer says what was written" in found[0].sentence


@pytest.mark.parametrize("role", ["samsyn_app", "samsyn_worker", "samsyn_owner"])
def test_an_entry_gets_no_subject_after_it_is_written(database: Database, role: str) -> None:
    write(database, entries=2)
    event = database.query("SELECT id FROM audit_event WHERE seq = 2")[0]["id"]
    for ordinal in (2, 99):
        with pytest.raises(ProgrammingError, match="gets no further subject once it is written"):
            database.query(f"{ADD} SELECT :id, {ordinal}, :chain, now(), 'x'", role=role, id=event, chain=ONE)
    assert check(database).findings == ()


def test_a_subject_of_no_entry_is_found(database: Database) -> None:
    database.query(f"{ADD} SELECT gen_random_uuid(), 0, :chain, now(), 'x'", role="samsyn_app", chain=ONE)
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
