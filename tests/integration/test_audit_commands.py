"""`samsyn audit` as somebody types it, and the scheduler's own anchoring."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from chains import ONE, OTHER, as_intruder, check, cut, write
from product import ROOT, Database
from sqlalchemy import text

from cases.access.log.anchors import AnchorsDamaged, read_anchors
from cases.database import sessions
from worker.app import create_app
from worker.settings import WorkerSettings
from worker.storage import Storage
from worker.sweeping import Sweeper

SOUND = "Sound: {} entries in {} chains are as they were written."


@dataclass(frozen=True)
class Machine:
    """Where the commands are typed: one installation's database and folder."""

    database: Database
    data: Path

    @property
    def anchors(self) -> Path:
        return self.data / "anchors"

    def audit(self, *words: str) -> tuple[int, str]:
        """One command. Its exit code and what it said, on one line."""
        ended = subprocess.run(
            [sys.executable, "-m", "viewer", "audit", *words, "--data", str(self.data)],
            cwd=ROOT,
            env={
                "SAMSYN_DATABASE_URL": self.database.url("samsyn_worker"),
                "SAMSYN_REDIS_URL": "redis://localhost:1/0",  # nobody there: the log needs no broker
                "COLUMNS": "200",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=90,
            check=False,
        )
        assert "Traceback" not in ended.stdout, ended.stdout
        return ended.returncode, " ".join(ended.stdout.split())

    def schedule(self, *days: date) -> None:
        """The scheduler's anchoring, by one process, day after day."""
        settings = WorkerSettings(database_url="", redis_url="redis://localhost:1/0", data=self.data)
        with self.database.engine("samsyn_worker") as engine:
            sweeper = Sweeper(create_app(settings), sessions(engine), Storage(self.data), anchors=self.anchors)
            for day in days:
                sweeper.anchor_log(day)


@pytest.fixture
def machine(database: Database, tmp_path: Path) -> Machine:
    write(database, entries=4)
    write(database, entries=2, provider_id=OTHER)
    return Machine(database, tmp_path)


def test_a_log_as_it_was_written_is_sound_and_looking_is_logged(machine: Machine) -> None:
    code, said = machine.audit("verify")
    assert (code, SOUND.format(6, 2) in said) == (0, True), said
    rows = machine.database.query("SELECT args FROM audit_event WHERE event = 'AUDIT_CHAIN_VERIFIED'")
    assert [row["args"] for row in rows] == [{"entries": 6, "findings": 0}]
    assert SOUND.format(7, 3) in machine.audit("verify")[1], "the platform's chain has the verification in it"


def test_what_was_changed_is_named_and_fails_the_command(machine: Machine) -> None:
    with as_intruder(machine.database) as intruder:
        intruder.execute(text("UPDATE audit_event SET code = 'D10' WHERE seq = 2"))
        intruder.execute(
            text(
                "INSERT INTO audit_subject (event_id, ordinal, care_provider_id, at, kind)"
                " SELECT id, 99, care_provider_id, at, 'patient' FROM audit_event WHERE seq = 3"
            )
        )
    code, said = machine.audit("verify")
    assert (code, "Sound" in said) == (1, False), said
    for provider_id, seq in ((ONE, 2), (ONE, 3), (OTHER, 2)):
        assert f"wrong {provider_id}: Entry {seq} of 2" in said
    assert said.count("was changed: it no longer says what was written.") == 3
    assert "Keep this database as it is, and tell the data protection officers" in said


def test_anchors_are_written_once_a_day_and_shown(machine: Machine) -> None:
    assert "none" in machine.audit("heads")[1]
    code, said = machine.audit("anchor")
    assert (code, f"2 chains anchored in {machine.anchors}" in said) == (0, True), said
    assert "Every chain has today's anchor already" in machine.audit("anchor")[1]
    code, said = machine.audit("heads")
    today = datetime.now(UTC).date()
    for head in read_anchors(machine.anchors):
        assert f"{head.care_provider_id} │ {head.seq} │ {head.hash.hex()} │ {today}, entry {head.seq}" in said
    assert code == 0


def test_a_cut_log_is_found_by_the_schedulers_anchors(machine: Machine) -> None:
    machine.schedule(date(2026, 11, 21), date(2026, 11, 21), date(2026, 11, 22))
    assert [(one.day.day, one.seq) for one in read_anchors(machine.anchors)] == [(21, 4), (21, 2), (22, 4), (22, 2)]
    with as_intruder(machine.database) as intruder:
        cut(intruder, after=2)
        intruder.execute(
            text(
                "UPDATE audit_head SET seq = 2, hash = last.hash FROM audit_event AS last"
                " WHERE last.seq = 2 AND last.care_provider_id = audit_head.care_provider_id"
            )
        )
    assert check(machine.database).findings == (), "the database alone does not show it"
    for words in (("verify",), ("verify", "--from-anchor")):
        code, said = machine.audit(*words)
        assert (code, "The log ends with entry 2, but on 2026-11-22 it had 4: its end was cut." in said) == (1, True)


def test_damaged_anchors_stop_commands_and_scheduler(machine: Machine) -> None:
    machine.audit("anchor")
    with (machine.anchors / "heads.txt").open("a") as file:
        file.write("2026-11-2")
    for command in ("verify", "anchor", "heads"):
        code, said = machine.audit(command)
        assert (code, "Line 3 of" in said, "is not an anchor" in said) == (1, True, True), said
    with pytest.raises(AnchorsDamaged, match="Line 3 of"):
        machine.schedule(date(2026, 11, 23))
