"""Who at the performer has a request to work on."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from cases.access import rights
from cases.access.actors import Actor
from cases.sharing.requests.request import ShareRequest, TaskAssignment, TaskRole

GIVEN_ON = "reassigned"
"""Why somebody has a task no more who has nothing to do with the request any longer; others are told how it ended."""
RELEASING = frozenset({"recall", "confirm_recall", "take_back", "return", "expire", "decline"})
"""Moves with which nobody has anything to do with it any more."""


def find_tasks(session: Session, request: ShareRequest) -> Sequence[TaskAssignment]:
    """Everybody who has or had it, the first first."""
    return session.scalars(
        select(TaskAssignment).where(TaskAssignment.request_id == request.id).order_by(TaskAssignment.id)
    ).all()


def find_holder(session: Session, request: ShareRequest, role: TaskRole) -> TaskAssignment | None:
    """Who has a task in a certain role now."""
    return session.scalar(
        select(TaskAssignment).where(
            TaskAssignment.request_id == request.id, TaskAssignment.role == role, TaskAssignment.released_at.is_(None)
        )
    )


def give(
    session: Session, request: ShareRequest, assignment_id: uuid.UUID, role: TaskRole, *, by: Actor, now: datetime
) -> None:
    """Let somebody have a task, in place of whoever had it."""
    release(session, request, role, now=now, reason=GIVEN_ON)
    session.add(
        TaskAssignment(
            care_provider_id=request.performer_provider_id,
            request_id=request.id,
            assignment_id=assignment_id,
            role=role,
            assigned_by=by.assignment_id,
            assigned_at=now,
            created_by=by.assignment_id,
        )
    )
    session.flush()


def release(session: Session, request: ShareRequest, role: TaskRole, *, now: datetime, reason: str) -> None:
    """Nobody has a task any more; what they look at is decided again."""
    if held := find_holder(session, request, role):
        held.released_at, held.release_reason = now, reason
        rights.changed(session, assignments=[held.assignment_id])
        session.flush()


def follow(session: Session, request: ShareRequest, event: str, *, now: datetime) -> None:
    """Tasks end with the request."""
    if event in RELEASING:
        for role in TaskRole:
            release(session, request, role, now=now, reason=event)
        request.reader_assignment_id = None
