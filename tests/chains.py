"""The log's chains for tests: writing them, verifying them, and getting at them as nobody may."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from product import Database
from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from cases.access.audit import Event, Subject, link, record
from cases.access.log.anchors import anchor, read_anchors, read_heads
from cases.access.log.chain import Report, verify
from cases.database import sessions

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
    """Anchor every chain as the scheduler does. How many were written."""
    with database.engine("samsyn_worker") as engine, Session(engine) as session:
        return anchor(read_heads(session), folder, today=today)


def cut(intruder: Connection, *, after: int) -> None:
    """Take away every entry after a place."""
    intruder.execute(text("DELETE FROM audit_event WHERE seq > :after"), {"after": after})
    intruder.execute(text("DELETE FROM audit_subject WHERE event_id NOT IN (SELECT id FROM audit_event)"))
