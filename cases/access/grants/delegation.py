"""What a head has handed to a coordinator, for a time. Source: domain rules, section 6, "deleg."."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, Enum, ForeignKey, ForeignKeyConstraint, and_, or_, select
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from cases.access import audit, rights
from cases.access.actors import Actor
from cases.access.audit import Event, Subject
from cases.access.errors import IllegalMove, Invalid, NotPermitted, NotThere
from cases.access.grants.role_grant import RoleGrant, roles_of
from cases.access.organisations import CareUnit
from cases.access.people import Assignment
from cases.access.permissions import DELEGABLE, Permission, Role
from cases.database import Base, Versioned


class Delegation(Versioned, Base):
    """A head's permission handed to a coordinator of the same care unit.

    Attributes:
        from_assignment_id, to_assignment_id: the head and the coordinator.
        valid_to: the first moment it no longer holds; every delegation has one.
        document_ref: where the decision is kept.
    """

    __tablename__ = "delegation"
    __table_args__ = (
        ForeignKeyConstraint(
            ["from_assignment_id", "care_provider_id"], ["assignment.id", "assignment.care_provider_id"]
        ),
        ForeignKeyConstraint(
            ["to_assignment_id", "care_provider_id"], ["assignment.id", "assignment.care_provider_id"]
        ),
        CheckConstraint("valid_to >= valid_from", "ends_after_it_begins"),
        CheckConstraint("from_assignment_id <> to_assignment_id", "two_people"),
    )

    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"), index=True)
    from_assignment_id: Mapped[uuid.UUID]
    to_assignment_id: Mapped[uuid.UUID] = mapped_column(index=True)
    permission: Mapped[Permission] = mapped_column(Enum(Permission, native_enum=False, length=40))
    valid_from: Mapped[datetime]
    valid_to: Mapped[datetime]
    document_ref: Mapped[str]


def delegate(
    session: Session,
    to: Assignment,
    permission: Permission,
    *,
    valid_from: datetime | None = None,
    valid_to: datetime,
    document_ref: str,
    now: datetime,
    by: Actor,
) -> Delegation:
    """Hand a permission to a coordinator until a day.

    Args:
        session: of this transaction.
        to: an assignment with the role COO in the head's own care unit.
        permission: one of `DELEGABLE`.
        valid_from: None, or a moment that has passed, for now.
        valid_to: the end; there is no delegation without one.
        document_ref: where the decision is kept.
        now: the moment.
        by: the head.

    Raises:
        Invalid: it is not to be delegated, not to this assignment, or ends before it begins.
        NotPermitted: it would be to oneself.
    """
    begins = max(valid_from or now, now)
    if permission not in DELEGABLE:
        raise Invalid(f"{permission} cannot be delegated; {', '.join(sorted(DELEGABLE))} can.", field="permission")
    if valid_to <= begins:
        raise Invalid("A delegation ends after it begins; give a later end.", field="valid_to")
    if to.person_id == by.person_id:
        raise NotPermitted("A delegation goes to somebody else, not to another assignment of one's own.")
    if Role.COO not in roles_of(session, [to.id], now=now)[to.id]:
        raise Invalid("A delegation goes to a coordinator: give the role COO first.", field="to_assignment_id")
    if session.get_one(CareUnit, to.care_unit_id).pdl_unit_id != by.unit_id:
        raise Invalid("A delegation goes to a coordinator of your own care unit.", field="to_assignment_id")
    delegation = Delegation(
        care_provider_id=by.provider_id,
        from_assignment_id=by.assignment_id,
        to_assignment_id=to.id,
        permission=permission,
        valid_from=begins,
        valid_to=valid_to,
        document_ref=document_ref,
        created_by=by.assignment_id,
    )
    session.add(delegation)
    session.flush()
    _record(session, Event.DELEGATION_GIVEN, delegation, by=by)
    return delegation


def end_delegation(session: Session, delegation: Delegation, *, now: datetime, by: Actor) -> None:
    """Take a delegation back before its end.

    Raises:
        IllegalMove: it is over already.
    """
    if delegation.valid_to <= now:
        raise IllegalMove("This delegation is over already.")
    delegation.valid_to = max(now, delegation.valid_from)
    rights.changed(session, assignments=[delegation.to_assignment_id])
    _record(session, Event.DELEGATION_ENDED, delegation, by=by)
    session.flush()


def delegated(
    session: Session, assignment_id: uuid.UUID, *, department_id: uuid.UUID | None = None, now: datetime
) -> frozenset[Permission]:
    """What an assignment may now because a head has delegated it.

    A delegation reaches as far as the giver's role as head and the taker's as coordinator both do, and as long.

    Args:
        session: of this transaction.
        assignment_id: the coordinator's.
        department_id: for which department; None for any.
        now: the moment.
    """
    given, taken, giver = aliased(RoleGrant), aliased(RoleGrant), aliased(Assignment)
    scopes = given.department_id, taken.department_id
    wanted = [or_(scope.is_(None), scope == department_id) for scope in scopes] if department_id else []
    return frozenset(
        session.scalars(
            select(Delegation.permission)
            .join(giver, giver.id == Delegation.from_assignment_id)
            .join(given, and_(given.assignment_id == giver.id, given.role == Role.HEAD))
            .join(taken, and_(taken.assignment_id == Delegation.to_assignment_id, taken.role == Role.COO))
            .where(
                Delegation.to_assignment_id == assignment_id,
                given.approved_at.is_not(None),
                taken.approved_at.is_not(None),
                *(
                    and_(one.valid_from <= now, or_(one.valid_to.is_(None), one.valid_to > now))
                    for one in (Delegation, giver, given, taken)
                ),
                or_(*(scope.is_(None) for scope in scopes), scopes[0] == scopes[1]),
                *wanted,
            )
        )
    )


def find_delegation(session: Session, delegation_id: uuid.UUID, *, provider_id: uuid.UUID) -> Delegation:
    """A delegation of a care provider. Raises NotThere, for another provider's too."""
    delegation = session.get(Delegation, delegation_id)
    if delegation is None or delegation.care_provider_id != provider_id:
        raise NotThere("There is no such delegation.")
    return delegation


def list_delegations(
    session: Session, provider_id: uuid.UUID, *, now: datetime, after: uuid.UUID | None = None, limit: int = 50
) -> list[Delegation]:
    """A care provider's delegations that are not over, the newest first."""
    statement = select(Delegation).where(Delegation.care_provider_id == provider_id, Delegation.valid_to > now)
    statement = statement if after is None else statement.where(Delegation.id < after)
    return list(session.scalars(statement.order_by(Delegation.id.desc()).limit(limit)))


def _record(session: Session, event: Event, delegation: Delegation, *, by: Actor) -> None:
    audit.record(
        session,
        event,
        by=by,
        subjects=[Subject(kind="delegation", id=delegation.id, provider_id=delegation.care_provider_id)],
        args={"permission": delegation.permission, "to": str(delegation.to_assignment_id)},
    )
