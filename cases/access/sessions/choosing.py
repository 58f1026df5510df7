"""What somebody can act under: their assignments that hold, with whose they are and which roles go with them."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from cases.access.actors import Grant
from cases.access.organisations import CareProvider, CareUnit, Department
from cases.access.people import Assignment
from cases.access.sessions.acting import find_grants


@dataclass(frozen=True, slots=True)
class Choice:
    """One assignment, as a person chooses it and as it stands in the header afterwards.

    Attributes:
        unit: where it is, which need not be the care unit of law itself.
        grants: roles that hold now, each with the name of its department, None for all of the unit.
    """

    assignment: Assignment
    provider: CareProvider
    unit: CareUnit
    department: Department | None
    grants: tuple[tuple[Grant, str | None], ...]


def list_choices(session: Session, person_ids: Collection[uuid.UUID], *, now: datetime) -> list[Choice]:
    """Assignments of some people that hold now, by provider and name.

    Roles are looked up across care providers: a person sees their own, whichever provider gave them.
    """
    rows = session.execute(
        select(Assignment, CareProvider, CareUnit, Department)
        .join(CareProvider, CareProvider.id == Assignment.care_provider_id)
        .join(CareUnit, CareUnit.id == Assignment.care_unit_id)
        .outerjoin(Department, Department.id == Assignment.department_id)
        .where(
            Assignment.person_id.in_(person_ids),
            Assignment.valid_from <= now,
            or_(Assignment.valid_to.is_(None), Assignment.valid_to > now),
        )
        .order_by(CareProvider.name, CareUnit.name, Assignment.commission_name, Assignment.id)
    ).all()
    held = {
        key: tuple(grant for grant in grants if grant.period.holds(now))
        for key, grants in find_grants(session, [assignment.id for assignment, *_ in rows]).items()
    }
    wanted = {grant.department_id for grants in held.values() for grant in grants if grant.department_id}
    names: dict[uuid.UUID | None, str] = {
        department.id: department.name
        for department in session.scalars(select(Department).where(Department.id.in_(wanted)))
    }
    return [
        Choice(
            assignment,
            provider,
            unit,
            department,
            tuple((grant, names.get(grant.department_id)) for grant in held.get(assignment.id, ())),
        )
        for assignment, provider, unit, department in rows
    ]
