"""Notifications: that something has happened, told to somebody or to everybody with a role somewhere.

A notification holds ids and codes, never text about a patient. Who follows it is asked by the gate like anybody else.
Source: domain rules, 3.6.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    and_,
    false,
    func,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from cases.access.actors import Actor
from cases.access.errors import NotThere
from cases.access.permissions import Role
from cases.database import Base, new_id, platform

WATCHERS = (Role.LOG, Role.DPO)
"""Who is told that somebody has opened what was blocked, or anything in an emergency. Source: domain rules, 4."""


class Notification(Base):
    """That something has happened, for one assignment, or for everybody with one of some roles.

    Attributes:
        care_provider_id: of whom it is for.
        assignment_id: whom it is for; None where it is for roles.
        unit_id: those at this care unit of law (PDL); None for the whole care provider.
        department_id: those whose role holds for this department; None for every one.
        roles: one of these is enough.
        event: what happened, a code for translation: "REQUEST_OFFERED".
        subject_kind, subject_id: what it happened to, as the log names it.
        short_id: of the request, if it is about one.
    """

    __tablename__ = "notification"
    __table_args__ = (
        CheckConstraint(
            "(assignment_id IS NULL) = (cardinality(roles) > 0) AND (assignment_id IS NULL OR unit_id IS NULL)"
            " AND (department_id IS NULL OR unit_id IS NOT NULL)",
            "recipient_is_somebody_or_some_roles",
        ),
        Index("ix_notification_assignment_id", "assignment_id", "id", postgresql_where="assignment_id IS NOT NULL"),
        Index("ix_notification_care_provider_id", "care_provider_id", "id", postgresql_where="assignment_id IS NULL"),
    )

    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"))
    assignment_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("assignment.id"))
    unit_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("care_unit.id"))
    department_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("department.id"))
    roles: Mapped[list[str]] = mapped_column(ARRAY(String), default=list)
    event: Mapped[str]
    subject_kind: Mapped[str]
    subject_id: Mapped[uuid.UUID]
    short_id: Mapped[str | None]


class NotificationReading(Base):
    """That somebody has read a notification; what is for roles is read by each for themselves."""

    __tablename__ = "notification_reading"
    __table_args__ = (UniqueConstraint("assignment_id", "notification_id"),)

    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"), index=True)
    assignment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("assignment.id"))
    notification_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("notification.id"), index=True)
    read_at: Mapped[datetime]


def notify(
    session: Session,
    event: str,
    *,
    subject_kind: str,
    subject_id: uuid.UUID,
    short_id: str | None = None,
    provider_id: uuid.UUID,
    assignments: Iterable[uuid.UUID | None] = (),
    unit_id: uuid.UUID | None = None,
    department_id: uuid.UUID | None = None,
    roles: Iterable[Role] = (),
) -> None:
    """Tell some people, of whatever care provider, that something has happened; with this transaction.

    Args:
        session: of this transaction.
        event: what happened, such as one of the log's events.
        subject_kind, subject_id: what it happened to, as the log names it.
        short_id: of the request, if it is about one.
        provider_id: whose people they are.
        assignments: each of these; None is passed over.
        unit_id: with `roles`, those at one care unit of law (PDL) only.
        department_id: with `roles` and `unit_id`, those whose role holds for one department.
        roles: everybody who has one of these, whenever they look.
    """
    told = {"care_provider_id": provider_id, "event": event, "subject_kind": subject_kind, "subject_id": subject_id}
    told["short_id"] = short_id
    rows = [Notification(assignment_id=one, roles=[], **told) for one in dict.fromkeys(assignments) if one is not None]
    if held := sorted(set(roles)):
        rows.append(Notification(unit_id=unit_id, department_id=department_id, roles=held, **told))
    if rows:
        with platform(session):
            session.add_all(rows)


def list_notifications(
    session: Session,
    *,
    by: Actor,
    now: datetime,
    limit: int,
    after: uuid.UUID | None = None,
    unread: bool = False,
) -> list[tuple[Notification, datetime | None]]:
    """What somebody has been told, the newest first, each with when they read it.

    Args:
        session: of this transaction.
        by: whose.
        now: whose roles of now count.
        limit: how many at the most.
        after: only those before this one.
        unread: only what they have not read.
    """
    statement = (
        select(Notification, NotificationReading.read_at)
        .outerjoin(NotificationReading, _is_reading(by))
        .where(_is_for(by, now))
        .order_by(Notification.id.desc())
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(Notification.id < after)
    if unread:
        statement = statement.where(NotificationReading.id.is_(None))
    return [(notification, read_at) for notification, read_at in session.execute(statement)]


def count_unread(session: Session, *, by: Actor, now: datetime, most: int = 100) -> int:
    """How much somebody has not read, counted up to a number that nobody distinguishes from more."""
    unread = (
        select(Notification.id)
        .outerjoin(NotificationReading, _is_reading(by))
        .where(_is_for(by, now), NotificationReading.id.is_(None))
        .limit(most)
    )
    return session.scalars(select(func.count()).select_from(unread.subquery())).one()


def mark_read(session: Session, notification_id: uuid.UUID, *, by: Actor, now: datetime) -> None:
    """Somebody has read one. Reading it twice changes nothing. Raises NotThere where it is not for them."""
    found = session.scalar(select(Notification.id).where(Notification.id == notification_id, _is_for(by, now)))
    if found is None:
        raise NotThere("There is no such notification.")
    _write_readings(session, [found], by=by, now=now)


def mark_all_read(session: Session, up_to: uuid.UUID, *, by: Actor, now: datetime) -> None:
    """Somebody has read everything up to one, which is the newest that they were shown."""
    unread = (
        select(Notification.id)
        .outerjoin(NotificationReading, _is_reading(by))
        .where(_is_for(by, now), NotificationReading.id.is_(None), Notification.id <= up_to)
    )
    _write_readings(session, session.scalars(unread).all(), by=by, now=now)


def _is_for(by: Actor, now: datetime) -> ColumnElement[bool]:
    """Which notifications are for somebody, with the roles that they hold now."""
    roles = by.roles(now)
    held = (
        and_(
            Notification.roles.contains([grant.role]),
            or_(Notification.department_id.is_(None), Notification.department_id == grant.department_id)
            if grant.department_id
            else true(),
        )
        for grant in by.grants
        if grant.role in roles and grant.period.holds(now)
    )
    to_roles = and_(
        Notification.care_provider_id == by.provider_id,
        Notification.assignment_id.is_(None),
        or_(Notification.unit_id.is_(None), Notification.unit_id == by.unit_id),
        or_(false(), *held),
    )
    return or_(Notification.assignment_id == by.assignment_id, to_roles)


def _is_reading(by: Actor) -> ColumnElement[bool]:
    return and_(
        NotificationReading.notification_id == Notification.id,
        NotificationReading.assignment_id == by.assignment_id,
    )


def _write_readings(session: Session, found: Sequence[uuid.UUID], *, by: Actor, now: datetime) -> None:
    rows = [
        {
            "id": new_id(),
            "care_provider_id": by.provider_id,
            "assignment_id": by.assignment_id,
            "notification_id": one,
            "read_at": now,
        }
        for one in found
    ]
    if rows:
        session.execute(insert(NotificationReading).values(rows).on_conflict_do_nothing())
