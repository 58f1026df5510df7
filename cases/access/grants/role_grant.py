"""Roles: given by an administrator, held once a head of the unit has approved them. Two people, never oneself."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import date, datetime

from sqlalchemy import CheckConstraint, Enum, ForeignKey, ForeignKeyConstraint, Index, or_, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from cases.access import audit, rights
from cases.access.actors import Actor
from cases.access.audit import Event, Subject
from cases.access.errors import Conflict, IllegalMove, Invalid, NotPermitted, NotThere
from cases.access.grants.risk_analysis import REVIEW, RiskAnalysis, find_analysis
from cases.access.organisations import CareUnit, Department
from cases.access.people import Assignment, Person
from cases.access.permissions import LICENCES, UNGRANTED, Permission, Role
from cases.access.uniqueness import insert_unique
from cases.database import Base, Versioned


class RoleGrant(Versioned, Base):
    """A role given to an assignment. It holds from `valid_from` on once somebody else has approved it.

    Attributes:
        department_id: for which department; None for all of the care unit.
        granted_by, approved_by: assignments of two people; None for the platform itself.
        approved_at: None while it waits for approval, and does not hold.
        valid_to: the first moment it no longer holds; None for as long as the assignment.
        review_due: the day on which it is to be looked at again.
    """

    __tablename__ = "role_grant"
    __table_args__ = (
        ForeignKeyConstraint(["assignment_id", "care_provider_id"], ["assignment.id", "assignment.care_provider_id"]),
        ForeignKeyConstraint(["department_id", "care_provider_id"], ["department.id", "department.care_provider_id"]),
        ForeignKeyConstraint(
            ["risk_analysis_id", "care_provider_id"], ["risk_analysis.id", "risk_analysis.care_provider_id"]
        ),
        CheckConstraint("valid_to >= valid_from", "ends_after_it_begins"),
        CheckConstraint("approved_by IS NULL OR approved_at IS NOT NULL", "approval_has_a_time"),
        CheckConstraint(
            "approved_by <> granted_by AND approved_by <> assignment_id AND granted_by <> assignment_id", "two_people"
        ),
        Index(
            "uq_role_grant_assignment_id_role_department_id",
            "assignment_id",
            "role",
            "department_id",
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=text("valid_to IS NULL"),
        ),
    )

    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"), index=True)
    assignment_id: Mapped[uuid.UUID] = mapped_column(index=True)
    role: Mapped[Role] = mapped_column(Enum(Role, native_enum=False, length=40))
    department_id: Mapped[uuid.UUID | None]
    granted_by: Mapped[uuid.UUID | None]
    approved_by: Mapped[uuid.UUID | None]
    approved_at: Mapped[datetime | None]
    risk_analysis_id: Mapped[uuid.UUID]
    valid_from: Mapped[datetime]
    valid_to: Mapped[datetime | None]
    review_due: Mapped[date]

    def ended(self, now: datetime) -> bool:
        """Whether it is over."""
        return self.valid_to is not None and self.valid_to <= now


def grant_role(
    session: Session,
    assignment: Assignment,
    role: Role,
    *,
    department: Department | None = None,
    valid_from: datetime | None = None,
    valid_to: datetime | None = None,
    now: datetime,
    by: Actor | None,
) -> RoleGrant:
    """Give a role to an assignment. It waits until a head of the unit approves it.

    Args:
        session: of this transaction.
        assignment: whose.
        role: which.
        department: of the same care unit of law, to give it for that department alone.
        valid_from: None, or a moment that has passed, for now.
        valid_to: None for as long as the assignment.
        now: the moment.
        by: an administrator; None for the platform itself, whose grants hold at once: each provider's first ones.

    Raises:
        NotPermitted: it would be one's own, or is a role that no care provider gives.
        Invalid: the department is another unit's, the licence is missing or the times are the wrong way round.
        Conflict: no analysis of the role is in date, the assignment has ended, or the role is there already.
    """
    _require_grantable(session, assignment, role, by=by)
    begins = max(valid_from or now, now)
    if valid_to is not None and valid_to <= begins:
        raise Invalid("A role ends after it begins; give a later end, or none.", field="valid_to")
    if assignment.valid_to is not None and assignment.valid_to <= begins:
        raise Conflict("This assignment has ended by then. Enter a new assignment first.")
    if department is not None and _pdl_unit(session, department.care_unit_id) != _pdl_unit(
        session, assignment.care_unit_id
    ):
        raise Invalid("This department belongs to another care unit than the assignment.", field="department_id")
    analysis = _require_analysis(session, assignment.care_provider_id, role, now=now)
    grant = RoleGrant(
        care_provider_id=assignment.care_provider_id,
        assignment_id=assignment.id,
        role=role,
        department_id=department.id if department else None,
        granted_by=by.assignment_id if by else None,
        approved_at=None if by else now,
        risk_analysis_id=analysis.id,
        valid_from=begins,
        valid_to=valid_to,
        review_due=(begins + REVIEW).date(),
        created_by=by.assignment_id if by else None,
    )
    insert_unique(session, grant, taken="This assignment has the role already, or it waits for approval.")
    _record(session, Event.ROLE_GRANTED, grant, by=by)
    return grant


def approve_grant(session: Session, grant: RoleGrant, *, now: datetime, by: Actor) -> None:
    """Let a role hold that an administrator has given.

    Args:
        session: of this transaction.
        grant: waiting.
        now: the moment.
        by: a head of the care unit; neither who gave the role nor who gets it, under whatever assignment.

    Raises:
        IllegalMove: it is approved or over.
        NotPermitted: somebody else has to approve it.
        Conflict: no analysis of the role is in date any more.
    """
    if grant.approved_at is not None or grant.ended(now):
        raise IllegalMove("Only a role that waits for approval can be approved; this one is approved or over.")
    assignment = session.get_one(Assignment, grant.assignment_id)
    if assignment.person_id == by.person_id:
        raise NotPermitted("Nobody approves their own role. Ask another head of the unit.")
    if grant.granted_by and session.get_one(Assignment, grant.granted_by).person_id == by.person_id:
        raise NotPermitted("A role takes two people: who gave it cannot approve it too. Ask another head of the unit.")
    _require_head(session, assignment, grant.department_id, now=now, by=by)
    _require_analysis(session, grant.care_provider_id, grant.role, now=now)
    grant.approved_by, grant.approved_at = by.assignment_id, now
    _record(session, Event.ROLE_APPROVED, grant, by=by)
    session.flush()


def end_grant(session: Session, grant: RoleGrant, *, now: datetime, by: Actor | None) -> None:
    """Take a role back, or turn it down while it waits; what its holder looks at is decided again.

    Raises:
        IllegalMove: it is over already.
        NotPermitted: it is neither an administrator nor a head of the unit who asks.
    """
    if grant.ended(now):
        raise IllegalMove("This role is over already.")
    if by is not None and not by.may(Permission.MANAGE_PEOPLE, now):
        _require_head(session, session.get_one(Assignment, grant.assignment_id), grant.department_id, now=now, by=by)
    grant.valid_to = max(now, grant.valid_from)
    rights.changed(session, assignments=[grant.assignment_id])
    _record(session, Event.ROLE_REVOKED, grant, by=by)
    session.flush()


def find_grant(session: Session, grant_id: uuid.UUID, *, provider_id: uuid.UUID) -> RoleGrant:
    """A role grant of a care provider. Raises NotThere, for another provider's too."""
    grant = session.get(RoleGrant, grant_id)
    if grant is None or grant.care_provider_id != provider_id:
        raise NotThere("There is no such role grant.")
    return grant


def list_grants(
    session: Session,
    provider_id: uuid.UUID,
    *,
    waiting: bool = False,
    now: datetime,
    after: uuid.UUID | None = None,
    limit: int = 50,
) -> list[RoleGrant]:
    """A care provider's role grants that are not over, the newest first.

    Args:
        session: of this transaction.
        provider_id: whose.
        waiting: only those that wait for approval.
        now: the moment.
        after, limit: which part of the list.
    """
    statement = select(RoleGrant).where(
        RoleGrant.care_provider_id == provider_id, or_(RoleGrant.valid_to.is_(None), RoleGrant.valid_to > now)
    )
    if waiting:
        statement = statement.where(RoleGrant.approved_at.is_(None))
    if after is not None:
        statement = statement.where(RoleGrant.id < after)
    return list(session.scalars(statement.order_by(RoleGrant.id.desc()).limit(limit)))


def roles_of(
    session: Session, assignment_ids: Collection[uuid.UUID], *, now: datetime
) -> dict[uuid.UUID, frozenset[Role]]:
    """The roles that hold now, by assignment."""
    rows = session.execute(
        select(RoleGrant.assignment_id, RoleGrant.role).where(
            RoleGrant.assignment_id.in_(assignment_ids),
            RoleGrant.approved_at.is_not(None),
            RoleGrant.valid_from <= now,
            or_(RoleGrant.valid_to.is_(None), RoleGrant.valid_to > now),
        )
    ).all()
    return {
        assignment_id: frozenset(role for holder, role in rows if holder == assignment_id)
        for assignment_id in assignment_ids
    }


def _require_grantable(session: Session, assignment: Assignment, role: Role, *, by: Actor | None) -> None:
    if role is Role.PTN or (by is not None and role in UNGRANTED):
        raise NotPermitted(f"No care provider gives the role {role}. Choose another, or ask the platform's operator.")
    if by is not None and assignment.person_id == by.person_id:
        raise NotPermitted("Nobody gives a role to themselves, under whatever assignment. Ask another administrator.")
    needed = LICENCES.get(role)
    if needed and needed not in session.get_one(Person, assignment.person_id).license_professions:
        raise Invalid(
            f"The role {role} needs a licence to practise as {needed}. Enter the licence first.", field="role"
        )


def _require_analysis(session: Session, provider_id: uuid.UUID, role: Role, *, now: datetime) -> RiskAnalysis:
    analysis = find_analysis(session, provider_id, role)
    if analysis is None or analysis.review_due < now.date():
        raise Conflict(
            f"The role {role} has no need-and-risk analysis that is in date. Decide one and register it first."
        )
    return analysis


def _require_head(
    session: Session, assignment: Assignment, department_id: uuid.UUID | None, *, now: datetime, by: Actor
) -> None:
    covers = any(
        grant.role is Role.HEAD and grant.period.holds(now) and grant.department_id in (None, department_id)
        for grant in by.grants
    )
    if not covers or by.unit_id != _pdl_unit(session, assignment.care_unit_id):
        raise NotPermitted("Only a head of the assignment's own care unit can decide this. Ask one of them.")


def _pdl_unit(session: Session, unit_id: uuid.UUID) -> uuid.UUID:
    return session.get_one(CareUnit, unit_id).pdl_unit_id


def _record(session: Session, event: Event, grant: RoleGrant, *, by: Actor | None) -> None:
    audit.record(
        session,
        event,
        by=by,
        provider_id=grant.care_provider_id,
        subjects=[Subject(kind="role_grant", id=grant.id, provider_id=grant.care_provider_id)],
        args={"role": grant.role, "assignment": str(grant.assignment_id)},
    )
