"""Active choices: somebody says, with a reason, that they need to look beyond what is shown to them by itself.

A choice opens nothing; the gate counts it among its facts for as long as it holds. Source: domain rules, L8 and
section 4, steps 1, 2b and 2d.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Enum, ForeignKey, bindparam, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event, Subject
from cases.access.consents import require_emergency
from cases.access.errors import Invalid
from cases.access.patients import Patient
from cases.database import Base, Versioned, is_among

LASTS = timedelta(hours=2)
"""How long a choice holds, if its session lasts so long."""


class ChoiceKind(StrEnum):
    """How far somebody chose to look."""

    OTHER_UNIT = "OTHER_UNIT"
    COHERENT_RECORD = "COHERENT_RECORD"
    EMERGENCY = "EMERGENCY"


class ActiveChoice(Versioned, Base):
    """That somebody chose, in one session and for one patient, to look further.

    Attributes:
        care_provider_id: of who chose.
        reason: in their own words; may name anybody, so it is shown to log reviewers only.
        ends_at: when the choice no longer counts.
    """

    __tablename__ = "active_choice"

    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"), index=True)
    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sign_in_session.id"), index=True)
    assignment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("assignment.id"))
    patient_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("patient.id"), index=True)
    kind: Mapped[ChoiceKind] = mapped_column(Enum(ChoiceKind, native_enum=False, length=40))
    reason: Mapped[str]
    ends_at: Mapped[datetime]


def choose(
    session: Session, patient: Patient, kind: ChoiceKind, *, reason: str, by: Actor, now: datetime
) -> ActiveChoice:
    """Choose to look further for one patient, for two hours at the most.

    Raises:
        Invalid: no reason was given.
        NotPermitted: an emergency needs a role that may open in one, and a proof of identity that is minutes old.
    """
    if kind is ChoiceKind.EMERGENCY:
        require_emergency(by, reason=reason, now=now)
    elif len(reason.strip()) < 5:
        raise Invalid("Say why, in a few words: log reviewers read it.", field="reason")
    choice = ActiveChoice(
        care_provider_id=by.provider_id,
        session_id=by.session_id,
        assignment_id=by.assignment_id,
        patient_id=patient.id,
        kind=kind,
        reason=reason.strip(),
        ends_at=min(now + LASTS, by.ends_at),
        created_by=by.assignment_id,
    )
    session.add(choice)
    session.flush()
    event = Event.NODOPPNING if kind is ChoiceKind.EMERGENCY else Event.ACTIVE_CHOICE_MADE
    subject = Subject(kind="patient", id=patient.id, patient_id=patient.id, provider_id=patient.care_provider_id)
    audit.record(session, event, by=by, subjects=[subject], args={"kind": kind, "choice": str(choice.id)})
    return choice


def find_choices(
    session: Session, patient_ids: Collection[uuid.UUID], *, by: Actor, now: datetime
) -> dict[uuid.UUID, dict[ChoiceKind, datetime]]:
    """What an actor has chosen in this session that still holds: for each patient, the kinds and when they end."""
    asked = {"session_id": by.session_id, "patient_ids": list(patient_ids), "now": now}
    found: dict[uuid.UUID, dict[ChoiceKind, datetime]] = {}
    for patient_id, kind, ends_at in session.execute(_ASK, asked):
        found.setdefault(patient_id, {})[kind] = ends_at
    return found


# Built once: the gate asks for every decision, and making a statement takes longer than asking.
_ASK = (
    select(ActiveChoice.patient_id, ActiveChoice.kind, func.max(ActiveChoice.ends_at))
    .where(
        ActiveChoice.session_id == bindparam("session_id"),
        is_among(ActiveChoice.patient_id, "patient_ids"),
        ActiveChoice.ends_at > bindparam("now"),
    )
    .group_by(ActiveChoice.patient_id, ActiveChoice.kind)
)
