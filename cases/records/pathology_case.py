"""Pathology cases: what one laboratory examines for one patient under one number. Referral and specimens come later."""

from __future__ import annotations

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Enum, ForeignKey, Index, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from cases.access import audit, rights
from cases.access.actors import Actor
from cases.access.audit import Event, Subject
from cases.access.errors import Conflict, Invalid, NotThere
from cases.access.organisations import Department
from cases.access.patients import Patient
from cases.access.people import Assignment
from cases.database import Base, Versioned


class CaseStatus(StrEnum):
    """Where a case is in its life. Source: domain rules, 3.4."""

    REGISTERED = "REGISTERED"
    IN_LAB = "IN_LAB"
    READY = "READY"
    IN_DIAGNOSIS = "IN_DIAGNOSIS"
    PRELIMINARY = "PRELIMINARY"
    FINAL = "FINAL"
    AMENDED = "AMENDED"
    CANCELLED = "CANCELLED"


OPEN = frozenset(CaseStatus) - {CaseStatus.FINAL, CaseStatus.AMENDED, CaseStatus.CANCELLED}
"""While a case is open it stands in its department's queue."""


class PathologyCase(Versioned, Base):
    """One case of one laboratory.

    Attributes:
        care_unit_id: the care unit of law (PDL) that owns it.
        department_id: the laboratory.
        lid: its number there, unique in that care unit only.
        accessioned_at, last_registered_at: when information was first and last registered; blocks compare with these.
        responsible_assignment_id: who answers for it, if anybody yet.
    """

    __tablename__ = "pathology_case"
    __table_args__ = (
        UniqueConstraint("care_unit_id", "lid"),
        Index("ix_pathology_case_department_id_status", "department_id", "status"),
    )

    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"), index=True)
    care_unit_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_unit.id"))
    department_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("department.id"))
    lid: Mapped[str]
    patient_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("patient.id"), index=True)
    accessioned_at: Mapped[datetime]
    last_registered_at: Mapped[datetime]
    status: Mapped[CaseStatus] = mapped_column(
        Enum(CaseStatus, native_enum=False, length=40), default=CaseStatus.REGISTERED
    )
    responsible_assignment_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("assignment.id"))


class CaseMember(Versioned, Base):
    """Somebody who takes part in a case.

    Attributes:
        ended_at: when they were released from it.
    """

    __tablename__ = "case_member"
    __table_args__ = (
        Index(
            "uq_case_member_case_id_assignment_id",
            "case_id",
            "assignment_id",
            unique=True,
            postgresql_where="ended_at IS NULL",
        ),
    )

    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"), index=True)
    case_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("pathology_case.id"))
    assignment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("assignment.id"), index=True)
    ended_at: Mapped[datetime | None]


def subject_of(case: PathologyCase) -> Subject:
    """A case as the log names it."""
    return Subject(
        kind="case",
        id=case.id,
        patient_id=case.patient_id,
        provider_id=case.care_provider_id,
        unit_id=case.care_unit_id,
    )


def register_case(
    session: Session,
    *,
    department: Department,
    lid: str,
    patient: Patient,
    accessioned_at: datetime,
    by: Actor,
    now: datetime,
) -> PathologyCase:
    """Register a case of the actor's own laboratory.

    Raises:
        Invalid: the department is not of the actor's unit, the number is empty, or it arrived in the future.
        Conflict: the laboratory has a case with this number.
    """
    lid = lid.strip()
    if not lid or len(lid) > 40:
        raise Invalid("A laboratory number of 1 to 40 characters is wanted.", field="lid")
    if accessioned_at > now:
        raise Invalid("A case cannot have arrived after now; correct the time.", field="accessioned_at")
    if department.care_unit_id != by.unit_id:
        raise Invalid("Cases are registered in a department of your own care unit.", field="department_id")
    if session.scalar(
        select(PathologyCase.id).where(PathologyCase.care_unit_id == by.unit_id, PathologyCase.lid == lid)
    ):
        raise Conflict("This laboratory has a case with that number already. Open it instead.")
    case = PathologyCase(
        care_provider_id=by.provider_id,
        care_unit_id=by.unit_id,
        department_id=department.id,
        lid=lid,
        patient_id=patient.id,
        accessioned_at=accessioned_at,
        last_registered_at=accessioned_at,
        created_by=by.assignment_id,
    )
    session.add(case)
    session.flush()
    audit.record(session, Event.CASE_CREATED, by=by, subjects=[subject_of(case)])
    return case


def find_case(session: Session, case_id: uuid.UUID) -> PathologyCase:
    """A case of the actor's provider, or one that it has been let into. Raises NotThere.

    Whether the actor may see it is for the gate to say.
    """
    case = session.get(PathologyCase, case_id)
    if case is None:
        raise NotThere("There is no such case.")
    return case


def add_member(session: Session, case: PathologyCase, *, assignment_id: uuid.UUID, by: Actor) -> CaseMember:
    """Let somebody of the own unit take part in a case.

    Raises:
        Invalid: the assignment is not of the case's own care unit.
    """
    assignment = session.get(Assignment, assignment_id)
    if assignment is None or assignment.care_provider_id != case.care_provider_id:
        raise Invalid("Name an assignment of the care provider that owns the case.", field="assignment_id")
    member = session.scalar(
        select(CaseMember).where(
            CaseMember.case_id == case.id, CaseMember.assignment_id == assignment_id, CaseMember.ended_at.is_(None)
        )
    )
    if member is None:
        member = CaseMember(
            care_provider_id=case.care_provider_id,
            case_id=case.id,
            assignment_id=assignment_id,
            created_by=by.assignment_id,
        )
        session.add(member)
        session.flush()
        audit.record(
            session, Event.CASE_CHANGED, by=by, subjects=[subject_of(case)], args={"member": str(assignment_id)}
        )
    return member


def release_member(
    session: Session, case: PathologyCase, *, assignment_id: uuid.UUID, by: Actor, now: datetime
) -> None:
    """Somebody no longer takes part in a case. Raises NotThere if they did not."""
    member = session.scalar(
        select(CaseMember).where(
            CaseMember.case_id == case.id, CaseMember.assignment_id == assignment_id, CaseMember.ended_at.is_(None)
        )
    )
    if member is None:
        raise NotThere("Nobody with this assignment takes part in the case.")
    member.ended_at = now
    rights.changed(session, assignments=[assignment_id])
    audit.record(session, Event.CASE_CHANGED, by=by, subjects=[subject_of(case)], args={"released": str(assignment_id)})
