"""Care units and their departments: the parts of a care provider, and which of them inner secrecy goes by."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import UTC, datetime

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from cases.access.actors import Actor
from cases.access.errors import Conflict, IllegalMove, Invalid, NotThere
from cases.access.organisations.identity import parse_hsa_id, record_change
from cases.access.uniqueness import insert_unique
from cases.database import Base, Versioned, new_id


class CareUnit(Versioned, Base):
    """A part of a care provider. Inner secrecy and inner blocks go by the care unit of law (PDL) it belongs to.

    Attributes:
        is_pdl_unit: it is a care unit of law itself.
        pdl_unit_id: the care unit of law: itself or the one it is a part of.
        archived_at: closed; kept, because blocks and the log still name it.
    """

    __tablename__ = "care_unit"
    __table_args__ = (
        UniqueConstraint("id", "care_provider_id"),
        ForeignKeyConstraint(["pdl_unit_id", "care_provider_id"], ["care_unit.id", "care_unit.care_provider_id"]),
        CheckConstraint("hsa_id = upper(hsa_id)", "hsa_id_in_capitals"),
        CheckConstraint("is_pdl_unit = (pdl_unit_id = id)", "pdl_unit_is_its_own"),
    )

    hsa_id: Mapped[str] = mapped_column(unique=True)
    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"), index=True)
    name: Mapped[str]
    is_pdl_unit: Mapped[bool]
    pdl_unit_id: Mapped[uuid.UUID]
    archived_at: Mapped[datetime | None]


class Department(Versioned, Base):
    """Where the work is done and where it queues: a part of a care unit.

    Attributes:
        phone_urgent: answered when something cannot wait.
        archived_at: closed; kept, because the past still names it.
    """

    __tablename__ = "department"
    __table_args__ = (
        UniqueConstraint("id", "care_provider_id"),
        ForeignKeyConstraint(["care_unit_id", "care_provider_id"], ["care_unit.id", "care_unit.care_provider_id"]),
    )

    care_unit_id: Mapped[uuid.UUID] = mapped_column(index=True)
    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"), index=True)
    name: Mapped[str]
    phone_urgent: Mapped[str | None]
    archived_at: Mapped[datetime | None]


def open_unit(
    session: Session,
    provider_id: uuid.UUID,
    *,
    hsa_id: str,
    name: str,
    part_of: uuid.UUID | None = None,
    by: Actor | None,
) -> CareUnit:
    """Enter a care unit.

    Args:
        provider_id: whose it is.
        hsa_id, name: of the unit.
        part_of: the care unit of law that it is a part of; None makes it one itself.
        by: None for the platform itself.

    Raises:
        Invalid: the HSA-id has the wrong shape, or `part_of` is no care unit of law.
        NotThere: `part_of` is no unit of this provider.
        Conflict: the HSA-id is known.
    """
    if part_of is not None and not find_unit(session, part_of, provider_id=provider_id).is_pdl_unit:
        raise Invalid(
            "A part belongs to a care unit of law directly; the unit given is a part itself.", field="part_of"
        )
    unit_id = new_id()
    unit = CareUnit(
        id=unit_id,
        hsa_id=parse_hsa_id(hsa_id),
        care_provider_id=provider_id,
        name=name,
        is_pdl_unit=part_of is None,
        pdl_unit_id=part_of or unit_id,
        created_by=by.assignment_id if by else None,
    )
    insert_unique(session, unit, taken="There is a care unit with this HSA-id already.")
    record_change(session, unit, provider_id=provider_id, what="opened", by=by)
    return unit


def open_department(
    session: Session, unit: CareUnit, *, name: str, phone_urgent: str | None = None, by: Actor | None
) -> Department:
    """Enter a department of a care unit.

    Raises:
        Conflict: the unit is closed.
    """
    if unit.archived_at is not None:
        raise Conflict("This care unit is closed. Choose one that is open for the department.")
    department = Department(
        care_unit_id=unit.id,
        care_provider_id=unit.care_provider_id,
        name=name,
        phone_urgent=phone_urgent,
        created_by=by.assignment_id if by else None,
    )
    session.add(department)
    session.flush()
    record_change(session, department, provider_id=unit.care_provider_id, what="opened", by=by)
    return department


def close(session: Session, row: CareUnit | Department, *, by: Actor | None) -> None:
    """Close a care unit or a department for good. It stays where the past names it.

    Raises:
        IllegalMove: it is closed already.
    """
    if row.archived_at is not None:
        raise IllegalMove("It is closed already; nothing leads out of that. Open a new one instead.")
    row.archived_at = datetime.now(UTC)
    record_change(session, row, provider_id=row.care_provider_id, what="closed", by=by)
    session.flush()


def find_unit(session: Session, unit_id: uuid.UUID, *, provider_id: uuid.UUID) -> CareUnit:
    """A care unit of a provider. Raises NotThere, for another provider's too."""
    unit = session.get(CareUnit, unit_id)
    if unit is None or unit.care_provider_id != provider_id:
        raise NotThere("There is no such care unit.")
    return unit


def find_department(session: Session, department_id: uuid.UUID, *, provider_id: uuid.UUID) -> Department:
    """A department of a provider. Raises NotThere, for another provider's too."""
    department = session.get(Department, department_id)
    if department is None or department.care_provider_id != provider_id:
        raise NotThere("There is no such department.")
    return department


def list_parts(session: Session, provider_ids: Collection[uuid.UUID]) -> tuple[list[CareUnit], list[Department]]:
    """The care units and departments of care providers, by name."""
    units = select(CareUnit).where(CareUnit.care_provider_id.in_(provider_ids)).order_by(CareUnit.name, CareUnit.id)
    departments = (
        select(Department).where(Department.care_provider_id.in_(provider_ids)).order_by(Department.name, Department.id)
    )
    return list(session.scalars(units)), list(session.scalars(departments))
