"""The log's tables. Rows are only ever added; `cases.access.audit` writes them, `chain` checks them."""

from __future__ import annotations

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Enum, Index, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from cases.access.actors import Purpose
from cases.access.log.events import Activity, Event, Outcome
from cases.database import Base

PLATFORM = uuid.UUID(int=0)
"""Whose chain it is when it is no care provider's."""
START = bytes(32)
"""What the first entry of a chain is linked to."""


def _words(kind: type[StrEnum]) -> Enum:
    """A column of an enumeration's own words: those of the national contract, where it has some."""
    return Enum(kind, native_enum=False, length=40, values_callable=lambda members: [one.value for one in members])


class Unchanging(DeclarativeBase):
    """Of the log's tables: rows are never changed, so they need no more than what the entry says."""

    metadata = Base.metadata
    type_annotation_map = Base.type_annotation_map


class AuditEvent(Unchanging):
    """One entry: who did what, when, with which outcome. No foreign keys: the log outlives what it tells of.

    Attributes:
        care_provider_id: whose chain: the user's care provider, or `PLATFORM`.
        seq: place in the chain, from 1.
        activity: as the national contract names it; None for security and administration.
        code: of a refusal.
        basis: why it was allowed.
        purpose: of the assignment.
        unit_id: care unit of law of the assignment.
        owners: other care providers whose data it was; they may see the entry too.
        prev_hash: of the entry before; 32 zero bytes for the first.
        hash: SHA-256 of `prev_hash`, `seq` (8 bytes, big endian) and the digest of the entry (`digest`).
    """

    __tablename__ = "audit_event"
    __table_args__ = (
        Index("uq_audit_event_place", "care_provider_id", "seq", unique=True),
        Index("ix_audit_event_provider", "care_provider_id", "at", "id"),
        Index("ix_audit_event_event", "care_provider_id", "event", "at", "id"),
        Index("ix_audit_event_person", "person_id", "at", "id"),
        Index("ix_audit_event_trouble", "care_provider_id", "outcome", "at", "id", postgresql_where="outcome <> 'OK'"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    care_provider_id: Mapped[uuid.UUID]
    seq: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime]
    event: Mapped[Event] = mapped_column(_words(Event))
    activity: Mapped[Activity | None] = mapped_column(_words(Activity))
    outcome: Mapped[Outcome] = mapped_column(_words(Outcome))
    code: Mapped[str | None]
    basis: Mapped[str | None]
    decision_id: Mapped[uuid.UUID | None]
    purpose: Mapped[Purpose | None] = mapped_column(_words(Purpose))
    person_id: Mapped[uuid.UUID | None]
    assignment_id: Mapped[uuid.UUID | None]
    unit_id: Mapped[uuid.UUID | None]
    session_id: Mapped[uuid.UUID | None]
    client_ip: Mapped[str | None]
    user_agent_digest: Mapped[str | None]
    args: Mapped[dict[str, Any]] = mapped_column(JSONB)
    owners: Mapped[list[uuid.UUID]] = mapped_column(ARRAY(Uuid))
    prev_hash: Mapped[bytes]
    hash: Mapped[bytes]


class AuditSubject(Unchanging):
    """One thing or patient that an entry is about. A care provider sees only those of its own users or data.

    Attributes:
        ordinal: place in the entry, from 0.
        care_provider_id, at, event, person_id: of the entry, again here for the indexes.
        provider_id, unit_id: who is responsible for the information.
    """

    __tablename__ = "audit_subject"
    __table_args__ = (
        Index("ix_audit_subject_patient", "patient_id", "at", "event_id", postgresql_where="patient_id IS NOT NULL"),
        # Of other care providers' users at our data.
        *(
            Index(name, "provider_id", *columns, "at", "event_id", postgresql_where="provider_id <> care_provider_id")
            for name, columns in {
                "ix_audit_subject_owner": (),
                "ix_audit_subject_owner_event": ("event",),
                "ix_audit_subject_owner_person": ("person_id",),
            }.items()
        ),
    )

    event_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    ordinal: Mapped[int] = mapped_column(primary_key=True)
    care_provider_id: Mapped[uuid.UUID]
    at: Mapped[datetime]
    event: Mapped[Event | None] = mapped_column(_words(Event))
    person_id: Mapped[uuid.UUID | None]
    kind: Mapped[str]
    subject_id: Mapped[uuid.UUID | None]
    patient_id: Mapped[uuid.UUID | None]
    provider_id: Mapped[uuid.UUID | None]
    unit_id: Mapped[uuid.UUID | None]


class AuditHead(Unchanging):
    """The last link of a care provider's chain. The database moves it; nobody else may.

    Attributes:
        seq, prev_hash, hash: of the last entry.
    """

    __tablename__ = "audit_head"

    care_provider_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)
    prev_hash: Mapped[bytes]
    hash: Mapped[bytes]
