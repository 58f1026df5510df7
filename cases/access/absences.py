"""When people are away."""

from __future__ import annotations

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Enum, ForeignKey, ForeignKeyConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event, Subject
from cases.access.errors import IllegalMove, Invalid, NotPermitted, NotThere
from cases.access.organisations import CareUnit
from cases.access.people import Assignment
from cases.database import Base, Versioned


class AbsenceKind(StrEnum):
    """Why somebody is away, as far as planning needs it. Illness is nobody's business here: it is OTHER."""

    VACATION = "VACATION"
    EDUCATION = "EDUCATION"
    OTHER_DUTY = "OTHER_DUTY"
    OTHER = "OTHER"


class Absence(Versioned, Base):
    """When somebody is not there under an assignment.

    Attributes:
        cancelled_at: it was called off.
    """

    __tablename__ = "absence"
    __table_args__ = (
        ForeignKeyConstraint(["assignment_id", "care_provider_id"], ["assignment.id", "assignment.care_provider_id"]),
        CheckConstraint("ends_at > starts_at", "ends_after_it_begins"),
    )

    assignment_id: Mapped[uuid.UUID] = mapped_column(index=True)
    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"), index=True)
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    kind: Mapped[AbsenceKind] = mapped_column(Enum(AbsenceKind, native_enum=False, length=40))
    cancelled_at: Mapped[datetime | None]


def plan_absence(
    session: Session, assignment: Assignment, *, starts_at: datetime, ends_at: datetime, kind: AbsenceKind, by: Actor
) -> Absence:
    """Say that somebody of the actor's own care unit will be away.

    Raises:
        Invalid: it ends before it begins.
        NotPermitted: the assignment is another care unit's.
    """
    if ends_at <= starts_at:
        raise Invalid("An absence ends after it begins; give a later end.", field="ends_at")
    if session.get_one(CareUnit, assignment.care_unit_id).pdl_unit_id != by.unit_id:
        raise NotPermitted("Absences are planned within one's own care unit. Ask a head or coordinator of the other.")
    absence = Absence(
        assignment_id=assignment.id,
        care_provider_id=assignment.care_provider_id,
        starts_at=starts_at,
        ends_at=ends_at,
        kind=kind,
        created_by=by.assignment_id,
    )
    session.add(absence)
    session.flush()
    _record(session, Event.ABSENCE_PLANNED, absence, by=by)
    return absence


def cancel_absence(session: Session, absence: Absence, *, now: datetime, by: Actor) -> None:
    """Call an absence off.

    Raises:
        IllegalMove: it was called off already.
        NotPermitted: it is another care unit's.
    """
    if absence.cancelled_at is not None:
        raise IllegalMove("This absence was called off already.")
    assignment = session.get_one(Assignment, absence.assignment_id)
    if session.get_one(CareUnit, assignment.care_unit_id).pdl_unit_id != by.unit_id:
        raise NotPermitted("Absences are planned within one's own care unit. Ask a head or coordinator of the other.")
    absence.cancelled_at = now
    _record(session, Event.ABSENCE_CANCELLED, absence, by=by)
    session.flush()


def find_absence(session: Session, absence_id: uuid.UUID, *, provider_id: uuid.UUID) -> Absence:
    """An absence at a care provider. Raises NotThere, for another provider's too."""
    absence = session.get(Absence, absence_id)
    if absence is None or absence.care_provider_id != provider_id:
        raise NotThere("There is no such absence.")
    return absence


def list_absences(
    session: Session, provider_id: uuid.UUID, *, now: datetime, after: uuid.UUID | None = None, limit: int = 50
) -> list[Absence]:
    """A care provider's absences that are not over and not called off, the newest entered first."""
    statement = select(Absence).where(
        Absence.care_provider_id == provider_id, Absence.ends_at > now, Absence.cancelled_at.is_(None)
    )
    statement = statement if after is None else statement.where(Absence.id < after)
    return list(session.scalars(statement.order_by(Absence.id.desc()).limit(limit)))


def _record(session: Session, event: Event, absence: Absence, *, by: Actor) -> None:
    subject = Subject(kind="absence", id=absence.id, provider_id=absence.care_provider_id)
    audit.record(session, event, by=by, subjects=[subject], args={"assignment": str(absence.assignment_id)})
