"""Whether a reader waits, and for whom: a request stops its clock while an order or a question that blocks is open."""

from __future__ import annotations

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from cases.access.actors import Actor
from cases.sharing.messages import find_open_questions
from cases.sharing.moves import StateEvent
from cases.sharing.requests.advancing import advance
from cases.sharing.requests.request import RequestStatus, ShareRequest
from cases.sharing.work_orders.order import OPEN, DoneBy, WorkOrder


class Cause(StrEnum):
    """Whom a reader waits for: the reason of the move, and a clock segment of its own. Source: domain rules, 5.1."""

    OWNER = "waiting_owner"
    PERFORMER_LAB = "waiting_performer_lab"


def find_cause(session: Session, request_id: uuid.UUID) -> Cause | None:
    """Whom a request waits for: the owner, if anything is to come from there; None for nobody."""
    blocking = select(WorkOrder.done_by).where(
        WorkOrder.request_id == request_id, WorkOrder.blocking, WorkOrder.status.in_(OPEN)
    )
    waited_for = set(session.scalars(blocking))
    if DoneBy.OWNER_LAB in waited_for or find_open_questions(session, request_id):
        return Cause.OWNER
    return Cause.PERFORMER_LAB if waited_for else None


def settle(session: Session, request: ShareRequest, *, by: Actor | None, now: datetime) -> None:
    """Stop the clock of a request, let it go on, or count for another cause, by what is open now.

    To be called after everything that opens or ends what blocks. A held request is left alone until it goes on.

    Args:
        session: of this transaction.
        request: locked.
        by: who did what changed it; None for the system.
        now: when.
    """
    session.flush()
    cause = find_cause(session, request.id)
    waited_for = _read_cause(session, request) if request.status is RequestStatus.WAITING else None
    if cause == waited_for:
        return
    if request.status is RequestStatus.WAITING:
        advance(session, request, "resume", by=None, now=now)
    if cause is not None and request.status is RequestStatus.IN_REVIEW:
        advance(session, request, "wait", by=by, now=now, reason=cause)


def _read_cause(session: Session, request: ShareRequest) -> str | None:
    return session.scalar(
        select(StateEvent.reason)
        .where(StateEvent.entity_id == request.id, StateEvent.entity == "request", StateEvent.event == "wait")
        .order_by(StateEvent.id.desc())
        .limit(1)
    )
