"""Every answer of the gate, allowed or not, as a row."""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, Index, String
from sqlalchemy.orm import Mapped, Session, mapped_column

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event, Outcome, Subject
from cases.access.gate import Decision, Intent, Refused, Resource, decide
from cases.database import Base, new_id, platform

_REFUSED = "refused decisions"


class AccessDecision(Base):
    """What the gate said to somebody once.

    Attributes:
        care_provider_id: of the actor.
        resource_kind, resource_id: what was asked for.
        owner_provider_id: whose it is.
        inputs_digest: SHA-256 over every fact that it was decided on.
        basis, code, obligations: as on `gate.Decision`.
        until: when it had to be decided again.
    """

    __tablename__ = "access_decision"
    __table_args__ = (
        Index(
            "ix_access_decision_download",
            "session_id",
            "resource_id",
            postgresql_where="intent = 'DOWNLOAD_ORIGINAL' AND allowed",
        ),
    )

    care_provider_id: Mapped[uuid.UUID]
    assignment_id: Mapped[uuid.UUID]
    session_id: Mapped[uuid.UUID]
    resource_kind: Mapped[str]
    resource_id: Mapped[uuid.UUID]
    owner_provider_id: Mapped[uuid.UUID]
    intent: Mapped[str]
    allowed: Mapped[bool]
    basis: Mapped[str | None]
    code: Mapped[str | None]
    obligations: Mapped[list[str]] = mapped_column(ARRAY(String))
    inputs_digest: Mapped[bytes]
    until: Mapped[datetime | None]


def subject_of(resource: Resource) -> Subject:
    """A resource as the log names it."""
    return Subject(
        kind=resource.kind,
        id=resource.id,
        patient_id=resource.patient_id,
        provider_id=resource.provider_id,
        unit_id=resource.unit_id,
    )


def write_decision(
    session: Session, decision: Decision, *, by: Actor, resource: Resource, now: datetime
) -> AccessDecision:
    """Put an answer of the gate on record; a refusal in the log as well, where it stays even after a rollback."""
    values: dict[str, Any] = {
        "id": new_id(),
        "care_provider_id": by.provider_id,
        "assignment_id": by.assignment_id,
        "session_id": by.session_id,
        "resource_kind": resource.kind,
        "resource_id": resource.id,
        "owner_provider_id": resource.provider_id,
        "intent": decision.intent,
        "allowed": decision.allow,
        "basis": decision.basis,
        "code": decision.code,
        "obligations": sorted(decision.obligations),
        "inputs_digest": hashlib.sha256(repr((by, resource, decision.intent, now)).encode()).digest(),
        "until": decision.until,
    }
    row = AccessDecision(**values)
    session.add(row)
    if not decision.allow:
        session.info.setdefault(_REFUSED, []).append(values)
        audit.record(
            session,
            Event.ACCESS_DENIED,
            by=by,
            subjects=[subject_of(resource)],
            outcome=Outcome.DENIED,
            code=decision.code,
            decision_id=row.id,
            args={"intent": decision.intent},
        )
    return row


def admit(session: Session, resource: Resource, intent: Intent, *, by: Actor, now: datetime) -> AccessDecision:
    """Ask the gate and put its answer on record. What is then done or seen is logged by who does it.

    Raises:
        Refused: the gate said no.
    """
    decision = decide(by, resource, intent, now)
    row = write_decision(session, decision, by=by, resource=resource, now=now)
    if not decision.allow:
        raise Refused(decision)
    return row


def keep_refusals(session: Session) -> None:
    """After a rollback: write the refusals again, for the edge to commit."""
    refused: list[dict[str, Any]] = session.info.pop(_REFUSED, [])
    if refused:
        with platform(session):
            session.add_all(AccessDecision(**values) for values in refused)
