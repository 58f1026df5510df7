"""Which lists there are, and what stands in each. Others' cases have lists of their own and never stand among ours.

Mina            MINE: cases of one's own provider    READING: others', which one reads or countersigns
Inkorg          INBOX: offered to one's department, or accepted there and nobody's yet
Skickade        SENT: under way, answered and to be acknowledged, or come back lately; what is late first
Utkast          DRAFTS
Att komplettera INCOMPLETE: own cases that lack something    ORDERED: work for one's laboratory on others' cases
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache

from sqlalchemy import ColumnElement, Select, and_, exists, or_, select, union
from sqlalchemy.orm import aliased

from cases.access.actors import Actor
from cases.access.permissions import PERMITS, Permission, Role
from cases.database import is_one_of
from cases.records.completeness import VIEWABLE
from cases.records.pathology_case import OPEN, CaseMember, PathologyCase
from cases.records.slide_images import SlideImage, SlideStatus
from cases.records.specimens import GlassSlide
from cases.sharing.answers.answer import Answer, AnswerStatus
from cases.sharing.requests import TAKEN, UNANSWERED, RequestStatus, ShareRequest, TaskAssignment, TaskRole
from cases.sharing.work_orders.order import OPEN as TO_DO
from cases.sharing.work_orders.order import DoneBy, WorkOrder

CAME_BACK = frozenset({RequestStatus.DECLINED, RequestStatus.RETURNED, RequestStatus.EXPIRED})
"""The sender has to find somebody else."""
CAME_BACK_FOR = timedelta(days=14)
"""So long what came back stands among what was sent, unless it was sent on."""


class RequestList(StrEnum):
    """Lists of requests."""

    READING = "READING"
    INBOX = "INBOX"
    SENT = "SENT"
    DRAFTS = "DRAFTS"
    ORDERED = "ORDERED"


class CaseList(StrEnum):
    """Lists of one's own provider's cases."""

    MINE = "MINE"
    INCOMPLETE = "INCOMPLETE"


NEEDS: dict[RequestList | CaseList, Permission] = {
    RequestList.INBOX: Permission.SEE_OFFERS,
    RequestList.DRAFTS: Permission.CREATE_REQUEST,
    RequestList.ORDERED: Permission.FULFIL_WORK_ORDER,
}
"""What one may to have a list; for the others SEE_OWN_WORKLIST."""


@dataclass(frozen=True, slots=True)
class Queues:
    """The departments of one's care unit whose queues one stands at.

    Attributes:
        all: of the whole unit.
        departments: only these.
    """

    all: bool
    departments: frozenset[uuid.UUID]


def may_have(which: RequestList | CaseList, *, by: Actor, now: datetime) -> bool:
    """Whether somebody has a list at all."""
    return by.may(NEEDS.get(which, Permission.SEE_OWN_WORKLIST), now)


def find_queues(permission: Permission, *, by: Actor, now: datetime) -> Queues:
    """At which queues somebody's roles for something put them."""
    roles = PERMITS[permission] & by.roles(now)
    found = {grant.department_id for grant in by.grants if grant.role in roles and grant.period.holds(now)}
    return Queues(None in found, frozenset(one for one in found if one))


def holds_requests(which: RequestList, *, by: Actor, now: datetime) -> ColumnElement[bool]:
    """Which requests stand in a list, of those that the actor's care provider is a party of."""
    match which:
        case RequestList.READING:
            waiting = exists().where(
                Answer.request_id == ShareRequest.id, is_one_of(Answer.status, {AnswerStatus.AWAITING_COUNTERSIGN})
            )
            return and_(_in_hands_of(by), or_(is_at(*TAKEN), waiting))
        case RequestList.INBOX:
            return and_(_comes_to(by, now), is_at(RequestStatus.OFFERED, RequestStatus.ACCEPTED))
        case RequestList.SENT:
            under_way = is_one_of(ShareRequest.status, {*UNANSWERED, RequestStatus.ANSWERED})
            return and_(_goes_from(by, now), or_(under_way, ShareRequest.id.in_(_find_come_back(by, now))))
        case RequestList.DRAFTS:
            return and_(_goes_from(by, now), is_one_of(ShareRequest.status, {RequestStatus.DRAFT}))
        case RequestList.ORDERED:
            ordered = exists().where(
                WorkOrder.request_id == ShareRequest.id,
                is_one_of(WorkOrder.status, TO_DO),
                WorkOrder.done_by == DoneBy.PERFORMER_LAB,
            )
            return and_(_done_at(by, now), is_at(*TAKEN), ordered)


def holds_cases(which: CaseList, *, by: Actor, now: datetime) -> ColumnElement[bool]:
    """Which cases stand in a list, of those of the actor's care provider."""
    match which:
        case CaseList.MINE:
            return and_(PathologyCase.id.in_(_find_mine(by)), is_one_of(PathologyCase.status, OPEN))
        case CaseList.INCOMPLETE:
            return and_(_stands_here(by, now), _lacks_something())


def is_at(*stages: RequestStatus) -> ColumnElement[bool]:
    """Which requests are at some stage, or were when they were held."""
    held = and_(is_one_of(ShareRequest.status, {RequestStatus.HELD}), is_one_of(ShareRequest.held_from, stages))
    return or_(is_one_of(ShareRequest.status, stages), held)


def is_late(now: datetime) -> ColumnElement[bool]:
    """Which requests should have been answered, or accepted, before now."""
    unaccepted = and_(ShareRequest.status == RequestStatus.OFFERED, ShareRequest.accept_by < now)
    return and_(ShareRequest.status.in_(UNANSWERED), or_(ShareRequest.due_at < now, unaccepted))


def _in_hands_of(by: Actor) -> ColumnElement[bool]:
    tasks = select(TaskAssignment.request_id).where(
        TaskAssignment.assignment_id == by.assignment_id,
        TaskAssignment.released_at.is_(None),
        TaskAssignment.role.in_((TaskRole.READER, TaskRole.COUNTERSIGNER)),
    )
    read = select(ShareRequest.id).where(ShareRequest.reader_assignment_id == by.assignment_id)
    return ShareRequest.id.in_(union(read, tasks))


def _comes_to(by: Actor, now: datetime) -> ColumnElement[bool]:
    """Offers that name a reader are for them, and for who distributes the work."""
    conditions = [_done_at(by, now, Permission.SEE_OFFERS)]
    if by.roles(now).isdisjoint({Role.HEAD, Role.COO}):
        named = ShareRequest.named_reader_id
        conditions.append(or_(named.is_(None), named == by.assignment_id))
    return and_(*conditions)


def _done_at(by: Actor, now: datetime, permission: Permission = Permission.FULFIL_WORK_ORDER) -> ColumnElement[bool]:
    queues = find_queues(permission, by=by, now=now)
    at_unit = ShareRequest.performer_unit_id == by.unit_id
    return at_unit if queues.all else and_(at_unit, ShareRequest.performer_department_id.in_(queues.departments))


def _goes_from(by: Actor, now: datetime) -> ColumnElement[bool]:
    queues = find_queues(Permission.SEE_OWN_WORKLIST, by=by, now=now)
    from_unit = ShareRequest.unit_id == by.unit_id
    return from_unit if queues.all else and_(from_unit, ShareRequest.requester_department_id.in_(queues.departments))


def _find_come_back(by: Actor, now: datetime) -> Select[uuid.UUID]:
    """Requests that came back lately without an answer, and in whose place no other was made."""
    came_back, next_one = _name_twice()
    return select(came_back.id).where(
        came_back.unit_id == by.unit_id,
        is_one_of(came_back.status, CAME_BACK),
        came_back.ended_at > now - CAME_BACK_FOR,
        ~select(next_one.id).where(next_one.parent_request_id == came_back.id).exists(),
    )


# Made once: making aliases takes longer than asking.
@cache
def _name_twice() -> tuple[type[ShareRequest], type[ShareRequest]]:
    return aliased(ShareRequest), aliased(ShareRequest)


def _find_mine(by: Actor) -> ColumnElement[uuid.UUID]:
    return union(
        select(PathologyCase.id).where(PathologyCase.responsible_assignment_id == by.assignment_id),
        select(CaseMember.case_id).where(CaseMember.assignment_id == by.assignment_id, CaseMember.ended_at.is_(None)),
    ).scalar_subquery()


def _stands_here(by: Actor, now: datetime) -> ColumnElement[bool]:
    """Open cases in the queues of one's departments."""
    queues = find_queues(Permission.SEE_OWN_WORKLIST, by=by, now=now)
    here = and_(PathologyCase.care_unit_id == by.unit_id, is_one_of(PathologyCase.status, OPEN))
    return here if queues.all else and_(here, PathologyCase.department_id.in_(queues.departments))


def _lacks_something() -> ColumnElement[bool]:
    """Cases without glass that is waited for, with a slide in quarantine, or with an order. Asked of each open case."""
    scan = aliased(SlideImage)
    scanned = exists().where(scan.glass_slide_id == GlassSlide.id, is_one_of(scan.status, VIEWABLE))
    return or_(
        exists().where(
            GlassSlide.case_id == PathologyCase.id,
            GlassSlide.expected,
            GlassSlide.entered_in_error_at.is_(None),
            ~scanned.correlate(GlassSlide),
        ),
        exists().where(SlideImage.case_id == PathologyCase.id, is_one_of(SlideImage.status, {SlideStatus.QUARANTINED})),
        exists().where(
            WorkOrder.case_id == PathologyCase.id,
            is_one_of(WorkOrder.status, TO_DO),
            WorkOrder.done_by == DoneBy.OWNER_LAB,
        ),
    )
