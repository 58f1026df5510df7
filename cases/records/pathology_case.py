"""Pathology cases: what one laboratory examines for one patient under one number."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import Enum, ForeignKey, Index, Numeric, UniqueConstraint, func, select, update
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import Mapped, Session, mapped_column

from cases.access import audit, rights
from cases.access.actors import Actor
from cases.access.audit import Event, Subject
from cases.access.errors import Conflict, Invalid, NotThere
from cases.access.organisations import Department
from cases.access.patients import Patient
from cases.access.people import Assignment
from cases.database import Base, Versioned
from cases.records.laboratories import find_laboratory, read_lid


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
MOST_POINTS = 10_000


class Category(StrEnum):
    """What kind of examination a case is. Source: domain rules, 3.4."""

    HISTOLOGY = "HISTOLOGY"
    CYTOLOGY = "CYTOLOGY"
    FROZEN = "FROZEN"
    AUTOPSY = "AUTOPSY"
    HEMATOPATHOLOGY = "HEMATOPATHOLOGY"
    MOLECULAR = "MOLECULAR"


class Priority(StrEnum):
    """How soon the referrer wants an answer, the soonest first; the same words as a request's urgency."""

    INTRAOP = "INTRAOP"
    SNABB = "SNABB"
    SVF = "SVF"
    ROUTINE = "ROUTINE"


class Complexity(StrEnum):
    """How much work a case is, from a biopsy at a glance to the hardest. Source: domain rules, 9 (L1 to L6)."""

    L1 = "L1"
    L2 = "L2"
    L3 = "L3"
    L4 = "L4"
    L5 = "L5"
    L6 = "L6"


def _own_department(context: DefaultExecutionContext) -> uuid.UUID:
    """Until it is transferred, a case is signed out where it came in."""
    department: uuid.UUID = context.get_current_parameters()["department_id"]  # type: ignore[no-untyped-call]
    return department


class PathologyCase(Versioned, Base):
    """One case of one laboratory.

    The moments are the points of SKR's model of lead times; a point that nobody has told is None.

    Attributes:
        care_unit_id: the care unit of law (PDL) that owns it.
        department_id: the laboratory.
        lid: its number there, unique in that care unit only.
        accessioned_at, last_registered_at: when information was first and last registered; blocks compare with these.
        responsible_assignment_id: who answers for it, if anybody yet.
        signout_department_id: who is to sign it out: exactly one department at any time, another's while transferred.
        svf_code: of the standard care pathway, if it runs in one.
        due_at: when the answer is to be ready.
        points: of workload, as the laboratory counts them.
        intended_use_mode_at_signing: how this installation was meant to be used when the case was signed out here.

    Source: domain rules, 3.4 and 8.1.
    """

    __tablename__ = "pathology_case"
    __table_args__ = (
        UniqueConstraint("care_unit_id", "lid"),
        Index("ix_pathology_case_department_id_status", "department_id", "status"),
        Index("ix_pathology_case_care_unit_id_status", "care_unit_id", "status"),
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
    responsible_assignment_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("assignment.id"), index=True)
    signout_department_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("department.id"), index=True, default=_own_department
    )
    category: Mapped[Category] = mapped_column(Enum(Category, native_enum=False, length=40), default=Category.HISTOLOGY)
    priority: Mapped[Priority] = mapped_column(Enum(Priority, native_enum=False, length=40), default=Priority.ROUTINE)
    svf_code: Mapped[str | None]
    due_at: Mapped[datetime | None]
    clinical_question: Mapped[str | None]
    clinical_history: Mapped[str | None]
    complexity_level: Mapped[Complexity | None] = mapped_column(Enum(Complexity, native_enum=False, length=40))
    points: Mapped[Decimal | None] = mapped_column(Numeric(8, 2))
    intended_use_mode_at_signing: Mapped[str | None]

    referral_decided_at: Mapped[datetime | None]
    collected_at: Mapped[datetime | None]
    grossing_started_at: Mapped[datetime | None]
    digitised_at: Mapped[datetime | None]
    released_at: Mapped[datetime | None]
    diagnosis_started_at: Mapped[datetime | None]
    ancillary_ordered_at: Mapped[datetime | None]
    ready_to_sign_at: Mapped[datetime | None]
    report_sent_at: Mapped[datetime | None]
    report_ack_at: Mapped[datetime | None]
    mdt_at: Mapped[datetime | None]
    patient_informed_at: Mapped[datetime | None]


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


@dataclass(frozen=True, kw_only=True)
class CaseDetails:
    """What a laboratory says about a case beside its number, patient and arrival; see `PathologyCase`."""

    category: Category = Category.HISTOLOGY
    priority: Priority = Priority.ROUTINE
    svf_code: str | None = None
    due_at: datetime | None = None
    clinical_question: str | None = None
    clinical_history: str | None = None
    complexity_level: Complexity | None = None
    points: Decimal | None = None
    responsible_assignment_id: uuid.UUID | None = None
    referral_decided_at: datetime | None = None
    collected_at: datetime | None = None
    grossing_started_at: datetime | None = None
    patient_informed_at: datetime | None = None


ORDINARY = CaseDetails()
"""A routine case of which nothing more is known."""


def details_of(case: PathologyCase) -> CaseDetails:
    """What is known of a case, for changing some of it with `dataclasses.replace`."""
    return CaseDetails(**{field.name: getattr(case, field.name) for field in fields(CaseDetails)})


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
    details: CaseDetails = ORDINARY,
    by: Actor,
    now: datetime,
) -> PathologyCase:
    """Register a case of the actor's own laboratory.

    Raises:
        Invalid: the department is not of the actor's unit or closed, the number is not one of this laboratory's, it
            arrived in the future, or a detail contradicts another.
        Conflict: the laboratory has a case with this number.
    """
    if department.care_unit_id != by.unit_id or department.archived_at is not None:
        raise Invalid("Cases are registered in an open department of your own care unit.", field="department_id")
    lid = read_lid(lid, pattern=find_laboratory(session, department).lid_pattern)
    if accessioned_at > now:
        raise Invalid("A case cannot have arrived after now; correct the time.", field="accessioned_at")
    check_details(session, details, accessioned_at=accessioned_at, provider_id=by.provider_id, now=now)
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
        **vars(details),
    )
    session.add(case)
    session.flush()
    audit.record(session, Event.CASE_CREATED, by=by, subjects=[subject_of(case)])
    return case


def change_case(
    session: Session, case: PathologyCase, details: CaseDetails, *, by: Actor, now: datetime
) -> tuple[str, ...]:
    """Say again what is known of a case. Which details are different now.

    Raises:
        Invalid: a detail contradicts another.
    """
    before = vars(details_of(case))
    changed = tuple(name for name, value in vars(details).items() if value != before[name])
    if not changed:
        return ()
    check_details(session, details, accessioned_at=case.accessioned_at, provider_id=case.care_provider_id, now=now)
    if "responsible_assignment_id" in changed and case.responsible_assignment_id:
        rights.changed(session, assignments=[case.responsible_assignment_id])
    for name in changed:
        setattr(case, name, getattr(details, name))
    session.flush()
    audit.record(session, Event.CASE_CHANGED, by=by, subjects=[subject_of(case)], args={"details": " ".join(changed)})
    return changed


def check_details(
    session: Session, details: CaseDetails, *, accessioned_at: datetime, provider_id: uuid.UUID, now: datetime
) -> None:
    """Raise Invalid where what is said about a case cannot be."""
    if details.points is not None and not 0 <= details.points < MOST_POINTS:
        raise Invalid(f"Points are a number from 0 to {MOST_POINTS - 1}.", field="points")
    if details.due_at is not None and details.due_at < accessioned_at:
        raise Invalid("An answer cannot be due before the case arrived; correct one of the two.", field="due_at")
    for name in ("referral_decided_at", "collected_at", "grossing_started_at", "patient_informed_at"):
        at = getattr(details, name)
        if at is not None and at > now:
            raise Invalid("What has been done was done before now; correct the time.", field=name)
    if details.responsible_assignment_id is not None:
        assignment = session.get(Assignment, details.responsible_assignment_id)
        if assignment is None or assignment.care_provider_id != provider_id:
            raise Invalid(
                "Name an assignment of the care provider that owns the case.", field="responsible_assignment_id"
            )


def note_registration(session: Session, case: PathologyCase) -> None:
    """Something was registered in a case: blocks of what comes in from some day on cover it.

    What is registered in the transaction that the case is made in came with it.
    """
    rights.changed(session, patients=[case.patient_id])
    latest = func.greatest(PathologyCase.last_registered_at, func.now())
    before = (PathologyCase.id == case.id, PathologyCase.created_at < func.now())
    session.execute(update(PathologyCase).where(*before).values(last_registered_at=latest))


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
