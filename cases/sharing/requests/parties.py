"""Who acts for which side of a request: at its care unit, for its department, in a role or by a head's delegation."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy.orm import Session

from cases.access.actors import Actor
from cases.access.errors import Invalid, NotPermitted
from cases.access.grants import delegated
from cases.access.organisations import CareUnit, Department
from cases.access.people import Assignment
from cases.access.permissions import PERMITS, Permission, Role
from cases.sharing.requests.request import ShareRequest, Side, side_of

LABORATORY = PERMITS[Permission.READ_RECORD] - {Role.CLN, Role.MDT}
"""Roles of those who work with requests; clinicians and conferences read what came of them."""


def require_side(
    session: Session, request: ShareRequest, side: Side, permission: Permission, *, by: Actor, now: datetime
) -> None:
    """Let only those go on who may do something for one side of a request.

    Raises:
        NotThere: the actor's care provider is no party.
        NotPermitted: it is for the other side, for another unit or department, or for other roles.
    """
    if side_of(request, by) is not side:
        who = "asked" if side is Side.OWNER else "was asked"
        raise NotPermitted(f"This is for the department that {who}.")
    owner = side is Side.OWNER
    unit_id = request.unit_id if owner else request.performer_unit_id
    department_id = request.requester_department_id if owner else request.performer_department_id
    if by.unit_id != unit_id:
        raise NotPermitted("This is for another care unit of your care provider. Ask there.")
    if not may_for(session, department_id, permission, by=by, now=now):
        roles = ", ".join(sorted(PERMITS[permission]))
        raise NotPermitted(f"This is for that department's {roles}, or who has it delegated from their head.")


def is_party(request: ShareRequest, *, by: Actor, now: datetime) -> bool:
    """Whether what the two sides tell each other is for somebody: they are named in it, or work in the laboratory.

    At the owner's that is the laboratory of the care unit that asked. At the performer's the gate knows the units.
    """
    if by.assignment_id in (
        request.requester_assignment_id,
        request.watcher_assignment_id,
        request.stand_in_assignment_id,
    ):
        return True
    if by.provider_id == request.care_provider_id and by.unit_id != request.unit_id:
        return False
    return not by.roles(now).isdisjoint(LABORATORY)


def may_for(session: Session, department_id: uuid.UUID, permission: Permission, *, by: Actor, now: datetime) -> bool:
    """Whether somebody may do something for a department, in a role there or by delegation."""
    if holds_role(by, department_id, *PERMITS[permission], now=now):
        return True
    return permission in delegated(session, by.assignment_id, department_id=department_id, now=now)


def holds_role(by: Actor, department_id: uuid.UUID, *roles: Role, now: datetime) -> bool:
    """Whether somebody has one of some roles for a department, or for all of their unit."""
    current = by.roles(now)
    return any(
        grant.role in roles
        and grant.role in current
        and grant.period.holds(now)
        and grant.department_id in (None, department_id)
        for grant in by.grants
    )


def find_department_unit(session: Session, department_id: uuid.UUID, *, field: str) -> tuple[Department, CareUnit]:
    """A department that is open, and its care unit of law (PDL). Raises Invalid."""
    department = session.get(Department, department_id)
    if department is None or department.archived_at is not None:
        raise Invalid("There is no such department, or it has closed. Choose another.", field=field)
    unit = session.get_one(CareUnit, department.care_unit_id)
    return department, session.get_one(CareUnit, unit.pdl_unit_id)


def find_colleague(
    session: Session, assignment_id: uuid.UUID, *, provider_id: uuid.UUID, unit_id: uuid.UUID, field: str, now: datetime
) -> Assignment:
    """An assignment that holds now, at a care unit of law. Raises Invalid."""
    assignment = session.get(Assignment, assignment_id)
    if assignment is None or assignment.care_provider_id != provider_id or not assignment.holds(now):
        raise Invalid("Name somebody who works there now.", field=field)
    if session.get_one(CareUnit, assignment.care_unit_id).pdl_unit_id != unit_id:
        raise Invalid("Name somebody of that department's care unit.", field=field)
    return assignment
