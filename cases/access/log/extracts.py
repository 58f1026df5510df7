"""A patient's extract of the log: who took part of what, when and why. Source: domain rules, 7.4 and L5, L6."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, Enum, ForeignKey, Index, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event, Subject
from cases.access.errors import IllegalMove, Invalid, NotThere
from cases.access.log.accounts import account
from cases.access.log.words import Words
from cases.access.patients import Patient
from cases.database import Base, Versioned


class ExtractState(StrEnum):
    """Where an extract is. Source: domain rules, 5.8."""

    REQUESTED = "REQUESTED"
    IDENTITY_CHECKED = "IDENTITY_CHECKED"
    GENERATED = "GENERATED"
    REVIEWED = "REVIEWED"
    DELIVERED = "DELIVERED"


MOVES: Mapping[ExtractState, frozenset[ExtractState]] = {
    ExtractState.REQUESTED: frozenset({ExtractState.IDENTITY_CHECKED}),
    ExtractState.IDENTITY_CHECKED: frozenset({ExtractState.GENERATED}),
    ExtractState.GENERATED: frozenset({ExtractState.REVIEWED}),
    ExtractState.REVIEWED: frozenset({ExtractState.DELIVERED}),
    ExtractState.DELIVERED: frozenset(),
}
"""Every move of an extract that exists."""


class IdentityProof(StrEnum):
    """How whoever asked showed to be the patient."""

    ID_CARD = "ID_CARD"
    E_ID = "E_ID"
    REGISTERED_ADDRESS = "REGISTERED_ADDRESS"


class Delivery(StrEnum):
    """How the patient got the extract."""

    IN_PERSON = "IN_PERSON"
    REGISTERED_LETTER = "REGISTERED_LETTER"
    DIGITAL = "DIGITAL"


class AccessLogExtract(Versioned, Base):
    """What a patient asked for, and what was handed out.

    Attributes:
        period_start, period_end: which accesses; the end is not in it.
        content: as it was generated; never changed after that.
    """

    __tablename__ = "access_log_extract"
    __table_args__ = (
        Index("ix_access_log_extract_patient_id", "care_provider_id", "patient_id"),
        CheckConstraint("period_end > period_start", "ends_after_it_begins"),
        CheckConstraint(
            "(identity_proof IS NULL) = (identity_checked_at IS NULL)"
            " AND (identity_proof IS NULL) = (state = 'REQUESTED')",
            "identity_checked_first",
        ),
        CheckConstraint(
            "(content IS NULL) = (generated_at IS NULL)"
            " AND (content IS NULL) = (state IN ('REQUESTED', 'IDENTITY_CHECKED'))",
            "generated_with_content",
        ),
        CheckConstraint("(reviewed_at IS NOT NULL) = (state IN ('REVIEWED', 'DELIVERED'))", "reviewed_before_delivery"),
        CheckConstraint(
            "(delivered_at IS NOT NULL) = (state = 'DELIVERED') AND (delivered_at IS NULL) = (delivery IS NULL)",
            "delivered_somehow",
        ),
    )

    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"))
    patient_id: Mapped[uuid.UUID]
    period_start: Mapped[datetime]
    period_end: Mapped[datetime]
    state: Mapped[ExtractState] = mapped_column(
        Enum(ExtractState, native_enum=False, length=40), default=ExtractState.REQUESTED
    )
    identity_proof: Mapped[IdentityProof | None] = mapped_column(Enum(IdentityProof, native_enum=False, length=40))
    identity_checked_at: Mapped[datetime | None]
    identity_checked_by: Mapped[uuid.UUID | None]
    content: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    generated_at: Mapped[datetime | None]
    reviewed_at: Mapped[datetime | None]
    reviewed_by: Mapped[uuid.UUID | None]
    delivery: Mapped[Delivery | None] = mapped_column(Enum(Delivery, native_enum=False, length=40))
    delivered_at: Mapped[datetime | None]
    delivered_by: Mapped[uuid.UUID | None]


def request_extract(
    session: Session, patient_id: uuid.UUID, *, since: datetime, until: datetime, by: Actor
) -> AccessLogExtract:
    """Somebody asks who took part of their data.

    Args:
        session: acting for the provider that is asked.
        patient_id: one of its patients.
        since, until: which accesses; the end is not in it.
        by: who takes the request.

    Raises:
        NotThere: this provider has no such patient.
        Invalid: the period ends before it begins.
    """
    if session.get(Patient, patient_id) is None:
        raise NotThere("There is no such patient.")
    if until <= since:
        raise Invalid("The period must end after it begins.", field="until")
    extract = AccessLogExtract(
        care_provider_id=by.provider_id,
        patient_id=patient_id,
        period_start=since,
        period_end=until,
        created_by=by.assignment_id,
    )
    session.add(extract)
    session.flush()
    _log(session, Event.EXTRACT_REQUESTED, extract, by=by)
    return extract


def check_identity(
    session: Session, extract: AccessLogExtract, proof: IdentityProof, *, by: Actor, now: datetime
) -> None:
    """Whoever asked has shown to be the patient. Nobody else gets an extract. Raises IllegalMove."""
    _move(extract, ExtractState.IDENTITY_CHECKED)
    extract.identity_proof, extract.identity_checked_at, extract.identity_checked_by = proof, now, by.assignment_id
    _log(session, Event.EXTRACT_IDENTITY_CHECKED, extract, by=by, proof=proof.value)


def generate_extract(
    session: Session, extract: AccessLogExtract, *, kinds: Mapping[str, Words], by: Actor, now: datetime
) -> None:
    """Write the extract. It is kept as it is now, whatever the log says later.

    Args:
        session: acting for the provider that was asked.
        extract: whose patient is known.
        kinds: what the floors above call the kinds of things that they log.
        by: who does it.
        now: the moment.

    Raises:
        IllegalMove: the identity is not checked, or it was generated before.
    """
    if ExtractState.GENERATED not in MOVES[extract.state]:
        raise refuse_move(extract, ExtractState.GENERATED)
    content = account(
        session,
        extract.patient_id,
        provider_id=extract.care_provider_id,
        since=extract.period_start,
        until=extract.period_end,
        kinds=kinds,
    )
    _move(extract, ExtractState.GENERATED)
    extract.content, extract.generated_at = content | {"generated_at": now.isoformat()}, now
    _log(session, Event.EXTRACT_GENERATED, extract, by=by, entries=len(content["entries"]))


def review_extract(session: Session, extract: AccessLogExtract, *, by: Actor, now: datetime) -> None:
    """Somebody has read it through and found that it may be handed out. Raises IllegalMove."""
    _move(extract, ExtractState.REVIEWED)
    extract.reviewed_at, extract.reviewed_by = now, by.assignment_id
    _log(session, Event.EXTRACT_REVIEWED, extract, by=by)


def deliver_extract(
    session: Session, extract: AccessLogExtract, delivery: Delivery, *, by: Actor, now: datetime
) -> None:
    """The patient has it. Raises IllegalMove."""
    _move(extract, ExtractState.DELIVERED)
    extract.delivery, extract.delivered_at, extract.delivered_by = delivery, now, by.assignment_id
    _log(session, Event.EXTRACT_DELIVERED, extract, by=by, delivery=delivery.value)


def view_extract(session: Session, extract_id: uuid.UUID, *, by: Actor) -> AccessLogExtract:
    """One extract; that somebody looked is logged. Raises NotThere."""
    extract = session.get(AccessLogExtract, extract_id)
    if extract is None:
        raise NotThere("There is no such extract.")
    _log(session, Event.EXTRACT_VIEWED, extract, by=by)
    return extract


def list_extracts(session: Session, *, limit: int, after: uuid.UUID | None = None, by: Actor) -> list[AccessLogExtract]:
    """Extracts of this provider's patients, the newest first; that somebody looked is logged.

    Args:
        session: acting for the provider.
        limit: how many at the most.
        after: the last one of the page before.
        by: who looks.
    """
    asked = select(AccessLogExtract).order_by(AccessLogExtract.id.desc()).limit(limit)
    found = list(session.scalars(asked.where(AccessLogExtract.id < after) if after else asked))
    _log(session, Event.EXTRACT_VIEWED, *found, by=by)
    return found


def refuse_move(extract: AccessLogExtract, to: ExtractState) -> IllegalMove:
    """What a move that does not exist is refused with."""
    return IllegalMove(f"An extract that is {extract.state} cannot become {to}.", allowed=MOVES[extract.state])


def _move(extract: AccessLogExtract, to: ExtractState) -> None:
    if to not in MOVES[extract.state]:
        raise refuse_move(extract, to)
    extract.state = to


def _log(session: Session, event: Event, *extracts: AccessLogExtract, by: Actor, **args: str | int) -> None:
    about = [
        Subject(kind="log_extract", id=one.id, patient_id=one.patient_id, provider_id=one.care_provider_id)
        for one in extracts
    ]
    audit.record(session, event, by=by, subjects=about, args=args)
