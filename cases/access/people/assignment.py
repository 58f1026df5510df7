"""Assignments (medarbetaruppdrag): what people are employed to do. Rights go by them, never by the person."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ARRAY, CheckConstraint, Enum, ForeignKey, ForeignKeyConstraint, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from cases.access import audit, rights
from cases.access.actors import Actor, Purpose
from cases.access.audit import Event, Subject
from cases.access.errors import Conflict, IllegalMove, Invalid, NotThere
from cases.access.organisations import CareUnit, Department, parse_hsa_id
from cases.access.people.person import Person, require_other
from cases.access.uniqueness import insert_unique
from cases.database import Base, Versioned

SCOPES = frozenset({"VE", "VG", "SJF"})
"""How far a commission's right reaches: own unit, own provider, coherent record. Source: domain rules, 2.5."""


class Source(StrEnum):
    """Where an assignment comes from: the national catalogue, or entered here."""

    HSA = "HSA"
    LOCAL = "LOCAL"


class Assignment(Versioned, Base):
    """What somebody is employed to do at a care unit (medarbetaruppdrag). Rights go by it, never by the person.

    Attributes:
        employee_hsa_id, commission_hsa_id: in capitals.
        commission_rights: "activity;information class;scope" each.
        valid_to: the first moment it no longer holds; None for good.
        fte: share of full time, 1 for all of it.
    """

    __tablename__ = "assignment"
    __table_args__ = (
        UniqueConstraint("id", "care_provider_id"),
        ForeignKeyConstraint(["care_unit_id", "care_provider_id"], ["care_unit.id", "care_unit.care_provider_id"]),
        ForeignKeyConstraint(["department_id", "care_provider_id"], ["department.id", "department.care_provider_id"]),
        CheckConstraint("valid_to > valid_from", "ends_after_it_begins"),
        CheckConstraint("fte > 0 AND fte <= 1", "fte_is_a_share"),
        CheckConstraint(
            "employee_hsa_id = upper(employee_hsa_id) AND commission_hsa_id = upper(commission_hsa_id)",
            "hsa_ids_in_capitals",
        ),
    )

    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("person.id"), index=True)
    employee_hsa_id: Mapped[str] = mapped_column(index=True)
    commission_hsa_id: Mapped[str] = mapped_column(unique=True)
    commission_name: Mapped[str]
    commission_purpose: Mapped[Purpose] = mapped_column(
        Enum(Purpose, native_enum=False, length=40, values_callable=lambda kind: [one.value for one in kind])
    )
    commission_rights: Mapped[list[str]] = mapped_column(ARRAY(String), default=list)
    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"), index=True)
    care_unit_id: Mapped[uuid.UUID] = mapped_column(index=True)
    department_id: Mapped[uuid.UUID | None]
    valid_from: Mapped[datetime]
    valid_to: Mapped[datetime | None]
    source: Mapped[Source] = mapped_column(Enum(Source, native_enum=False, length=40), default=Source.LOCAL)
    fte: Mapped[float] = mapped_column(default=1.0)

    @property
    def scopes(self) -> frozenset[str]:
        """How far its rights reach: of VE, VG and SJF."""
        return frozenset(right.rpartition(";")[2] for right in self.commission_rights)

    def holds(self, now: datetime) -> bool:
        """Whether it holds at a moment."""
        return self.valid_from <= now and (self.valid_to is None or now < self.valid_to)


def assign(
    session: Session,
    person: Person,
    unit: CareUnit,
    *,
    employee_hsa_id: str,
    commission_hsa_id: str,
    commission_name: str,
    purpose: Purpose,
    commission_rights: Sequence[str] = (),
    department: Department | None = None,
    valid_from: datetime,
    valid_to: datetime | None = None,
    source: Source = Source.LOCAL,
    fte: float = 1.0,
    by: Actor | None,
) -> Assignment:
    """Let somebody work at a care unit. It gives no role yet.

    Args:
        session: of this transaction.
        person: who.
        unit: where; open.
        employee_hsa_id: of the person at this employer.
        commission_hsa_id: of the assignment itself.
        commission_name: as HSA words it.
        purpose: what it is for.
        commission_rights: "activity;information class;scope" each, with one of `SCOPES`.
        department: of the unit.
        valid_from: its first moment.
        valid_to: the first moment it no longer holds; None for good.
        source: of these facts.
        fte: share of full time.
        by: somebody else than the person; None for the platform itself.

    Raises:
        Invalid: an HSA-id, a right or the times have the wrong shape, or the department is another unit's.
        NotPermitted: it would be one's own.
        Conflict: the assignment is known, the employee id is somebody else's, or the unit is closed.
    """
    if by is not None:
        require_other(person.id, by=by)
    employee = parse_hsa_id(employee_hsa_id, field="employee_hsa_id")
    commission = parse_hsa_id(commission_hsa_id, field="commission_hsa_id")
    for right in commission_rights:
        if right.count(";") != 2 or right.rpartition(";")[2] not in SCOPES:
            raise Invalid(
                "A right of an assignment is activity;information class;scope, the scope VE, VG or SJF.",
                field="commission_rights",
            )
    if valid_to is not None and valid_to <= valid_from:
        raise Invalid("An assignment ends after it begins; give a later end, or none.", field="valid_to")
    if unit.archived_at is not None or (department is not None and department.archived_at is not None):
        raise Conflict("This care unit or department is closed. Choose one that is open.")
    if department is not None and department.care_unit_id != unit.id:
        raise Invalid("This department belongs to another care unit.", field="department_id")
    if session.scalar(
        select(Assignment.id).where(Assignment.employee_hsa_id == employee, Assignment.person_id != person.id).limit(1)
    ):
        raise Conflict("This employee HSA-id is somebody else's. Copy it from the HSA catalogue.")
    assignment = Assignment(
        person_id=person.id,
        employee_hsa_id=employee,
        commission_hsa_id=commission,
        commission_name=commission_name,
        commission_purpose=purpose,
        commission_rights=list(commission_rights),
        care_provider_id=unit.care_provider_id,
        care_unit_id=unit.id,
        department_id=department.id if department else None,
        valid_from=valid_from,
        valid_to=valid_to,
        source=source,
        fte=fte,
        created_by=by.assignment_id if by else None,
    )
    insert_unique(session, assignment, taken="There is an assignment with this HSA-id already.")
    _record(session, Event.ASSIGNMENT_REGISTERED, assignment, by=by)
    return assignment


def end_assignment(session: Session, assignment: Assignment, *, at: datetime, now: datetime, by: Actor | None) -> None:
    """Say when an assignment ends; what is looked at under it is decided again.

    Args:
        session: of this transaction.
        assignment: not over yet.
        at: its end; what has passed cannot be taken back, so a moment in the past means now.
        now: the moment.
        by: somebody else than the person; None for the platform itself.

    Raises:
        IllegalMove: it is over, or ends before that anyway: nothing makes an assignment longer.
        NotPermitted: it is one's own.
    """
    if by is not None:
        require_other(assignment.person_id, by=by)
    end = max(at, now)
    if assignment.valid_to is not None and assignment.valid_to <= end:
        raise IllegalMove("This assignment ends before that already. To make it longer, enter a new one.")
    if end <= assignment.valid_from:
        raise Invalid("An assignment ends after it begins; give a later end.", field="valid_to")
    assignment.valid_to = end
    rights.changed(session, assignments=[assignment.id])
    _record(session, Event.ASSIGNMENT_ENDED, assignment, by=by)
    session.flush()


def find_assignment(session: Session, assignment_id: uuid.UUID, *, provider_id: uuid.UUID) -> Assignment:
    """An assignment at a care provider. Raises NotThere, for another provider's too."""
    assignment = session.get(Assignment, assignment_id)
    if assignment is None or assignment.care_provider_id != provider_id:
        raise NotThere("There is no such assignment.")
    return assignment


def list_assignments(
    session: Session, person_ids: Collection[uuid.UUID], *, provider_id: uuid.UUID
) -> dict[uuid.UUID, list[Assignment]]:
    """The assignments of people at one care provider, by person, the newest first."""
    rows = session.scalars(
        select(Assignment)
        .where(Assignment.person_id.in_(person_ids), Assignment.care_provider_id == provider_id)
        .order_by(Assignment.id.desc())
    ).all()
    return {person_id: [row for row in rows if row.person_id == person_id] for person_id in person_ids}


def _record(session: Session, event: Event, assignment: Assignment, *, by: Actor | None) -> None:
    provider_id = assignment.care_provider_id
    subject = Subject(kind="assignment", id=assignment.id, provider_id=provider_id)
    audit.record(session, event, by=by, provider_id=provider_id, subjects=[subject])
