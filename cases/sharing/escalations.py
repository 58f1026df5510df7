"""What is late: an offer that nobody accepts, an answer that nobody acknowledges. Who is told, and when.

Source: domain rules, 5.1.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from functools import partial

from sqlalchemy import and_, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session, aliased

from cases.access.notifications import notify
from cases.access.permissions import Role
from cases.sharing.moves import StateEvent
from cases.sharing.requests import ending
from cases.sharing.requests.advancing import advance
from cases.sharing.requests.agreed import add_time
from cases.sharing.requests.request import ShareRequest
from cases.sharing.service_descriptions import Urgency
from cases.sharing.working_time import DAY_MINUTES, add_working_minutes

BEGINNINGS = ("offer", "resolve", "sign", "countersign", "amend")
"""Moves from which something is waited for anew."""
NEVER_SILENT = frozenset({Urgency.INTRAOP, Urgency.SNABB, Urgency.SVF})
"""An offer as urgent as this does not expire: somebody telephones."""
GRAVE_MINUTES = 240
"""Working minutes to acknowledge an answer that changes what is done for the patient."""
ACKNOWLEDGE_MINUTES: Mapping[Urgency, int] = {
    Urgency.INTRAOP: DAY_MINUTES,
    Urgency.SNABB: DAY_MINUTES,
    Urgency.SVF: DAY_MINUTES,
    Urgency.ROUTINE: 3 * DAY_MINUTES,
}
"""Working minutes to acknowledge any other answer."""


class Level(IntEnum):
    """How far it has gone; a request's row keeps the number."""

    NOBODY = 0
    REMINDED = 1
    HEADS = 2
    TELEPHONE = 3


@dataclass(frozen=True, slots=True)
class Stage:
    """What is waited for.

    Attributes:
        since: when the waiting began.
        level: who has been told since.
    """

    since: datetime
    level: Level


@dataclass(frozen=True, slots=True)
class Limit:
    """From when on somebody is told.

    Attributes:
        level: who; None for nobody any more: the offer expires.
    """

    at: datetime
    level: Level | None


def list_offer_limits(since: datetime, minutes: int, urgency: Urgency, due_at: datetime | None) -> tuple[Limit, ...]:
    """Half of the time to accept: a reminder; all of it: both heads; twice, or when the answer is due: the end of it.

    Args:
        since: when it was offered, or went on after being held.
        minutes: that the service gives to accept it.
        urgency: by the clock where somebody lies on the table, otherwise in working time.
        due_at: when the answer is due.
    """
    half, whole, twice = (add_time(since, count, urgency) for count in (minutes // 2, minutes, 2 * minutes))
    end = max(whole, min(twice, due_at)) if due_at else twice
    last = Level.TELEPHONE if urgency in NEVER_SILENT else None
    return Limit(half, Level.REMINDED), Limit(whole, Level.HEADS), Limit(end, last)


def list_answer_limits(since: datetime, urgency: Urgency, *, grave: bool) -> tuple[Limit, ...]:
    """The time to acknowledge: a reminder; twice: the head, and by telephone where it is grave.

    Args:
        since: when it was signed, or amended.
        urgency: of the request.
        grave: it states a major discrepancy, or malignant against benign.
    """
    minutes = GRAVE_MINUTES if grave else ACKNOWLEDGE_MINUTES[urgency]
    once, twice = add_working_minutes(since, minutes), add_working_minutes(since, 2 * minutes)
    limits = (Limit(once, Level.REMINDED), Limit(twice, Level.HEADS))
    return (*limits, Limit(twice, Level.TELEPHONE)) if grave else limits


def find_step(limits: tuple[Limit, ...], level: Level, now: datetime) -> Limit | None:
    """The next thing to do: one step at a time, so that nobody is passed over after a long night."""
    left = limits[level:]
    return left[0] if left and left[0].at <= now else None


def find_stages(session: Session, request_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Stage]:
    """What requests wait for, from what has happened to them."""
    begun = (
        select(StateEvent)
        .ext(distinct_on(StateEvent.entity_id))
        .where(StateEvent.entity_id.in_(request_ids), StateEvent.entity == "request", StateEvent.event.in_(BEGINNINGS))
        .order_by(StateEvent.entity_id, StateEvent.id.desc())
        .subquery()
    )
    told = aliased(StateEvent)
    rows = session.execute(
        select(begun.c.entity_id, begun.c.at, func.count(told.id))
        .outerjoin(told, and_(told.entity_id == begun.c.entity_id, told.event == "escalate", told.id > begun.c.id))
        .group_by(begun.c.entity_id, begun.c.at)
    )
    return {request_id: Stage(since, Level(min(count, Level.TELEPHONE))) for request_id, since, count in rows}


def escalate_offer(session: Session, request: ShareRequest, step: Limit, *, now: datetime) -> None:
    """Remind the performer, tell both heads, have somebody telephone, or let a locked offer expire."""
    if step.level is None:
        ending.expire(session, request, now=now)
        return
    _escalate(session, request, step.level, now=now)
    tell = _teller(session, request, f"ACCEPT_{step.level.name}")
    if step.level is Level.REMINDED and request.named_reader_id:
        tell(provider_id=request.performer_provider_id, assignments=[request.named_reader_id])
        return
    roles = (Role.PAT, Role.COO, Role.HEAD) if step.level is Level.REMINDED else (Role.HEAD,)
    tell(
        provider_id=request.performer_provider_id,
        unit_id=request.performer_unit_id,
        department_id=request.performer_department_id,
        roles=roles,
    )
    if step.level > Level.REMINDED:
        _tell_owner(request, tell)
        _tell_owners_head(request, tell)


def escalate_answer(session: Session, request: ShareRequest, step: Limit, *, now: datetime) -> None:
    """Remind who asked, tell their head, or have the reader telephone, about a locked request that is answered."""
    level = step.level or Level.TELEPHONE
    _escalate(session, request, level, now=now)
    tell = _teller(session, request, f"ACKNOWLEDGE_{level.name}")
    _tell_owner(request, tell)
    if level > Level.REMINDED:
        _tell_owners_head(request, tell)
    if level is Level.TELEPHONE:
        tell(provider_id=request.performer_provider_id, assignments=[request.reader_assignment_id])


def _escalate(session: Session, request: ShareRequest, level: Level, *, now: datetime) -> None:
    request.escalation = level
    advance(session, request, "escalate", by=None, now=now, reason=level.name)


def _teller(session: Session, request: ShareRequest, event: str) -> partial[None]:
    return partial(notify, session, event, subject_kind="request", subject_id=request.id, short_id=request.short_id)


def _tell_owner(request: ShareRequest, tell: partial[None]) -> None:
    mine = (request.requester_assignment_id, request.watcher_assignment_id, request.stand_in_assignment_id)
    tell(provider_id=request.care_provider_id, assignments=mine)


def _tell_owners_head(request: ShareRequest, tell: partial[None]) -> None:
    tell(
        provider_id=request.care_provider_id,
        unit_id=request.unit_id,
        department_id=request.requester_department_id,
        roles=(Role.HEAD,),
    )
