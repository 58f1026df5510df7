"""Pages of the lists, and how much stands in each. A page is one entry in the log, whatever it holds."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.orm import Session

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.decisions import subject_of
from cases.database import is_among, platform
from cases.records.pathology_case import OPEN, CaseStatus, PathologyCase, Priority
from cases.sharing.competences import Subspecialty
from cases.sharing.requests import UNANSWERED, RequestStatus, ShareRequest, Side, side_of
from cases.sharing.service_descriptions import RequestType, Urgency
from cases.sharing.worklists import lines, standing
from cases.sharing.worklists.lines import CaseLine, SlideCount
from cases.sharing.worklists.lists import CaseList, RequestList, holds_cases, holds_requests, is_at, is_late, may_have
from cases.sharing.worklists.places import Place, order_cases, order_requests
from cases.sharing.worklists.standing import EventLine, HoldLine, PartyLine, WorkLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What of a list is wanted; everything where nothing is said.

    Attributes:
        late: only what should have been done before now.
        stages: only requests that are, or were when they were held, at one of these.
        states: only cases in one of these.
        reader_id: only what this assignment reads, or answers for.
    """

    urgencies: Collection[Urgency] = ()
    late: bool = False
    reader_id: uuid.UUID | None = None
    types: Collection[RequestType] = ()
    subspecialties: Collection[Subspecialty] = ()
    stages: Collection[RequestStatus] = ()
    states: Collection[CaseStatus] = ()


@dataclass(frozen=True, slots=True)
class RequestRow:
    """A request as a list shows it.

    Attributes:
        side: on which the actor stands.
        late: it should have been answered, or accepted, before now.
        case: as far as the gate lets the actor see it.
        slides: of those that are to be handed out, how many are there.
        asked: whether the reader waits for the answer to a question.
        reader: who reads; None for nobody yet, or where staff's own data are protected.
    """

    request: ShareRequest
    side: Side
    late: bool
    case: CaseLine
    slides: SlideCount
    requester: PartyLine
    performer: PartyLine
    reader: str | None
    holds: Sequence[HoldLine]
    work: Sequence[WorkLine]
    asked: bool
    latest: EventLine | None


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A case of one's own provider as a list shows it.

    Attributes:
        late: it should have been answered before now.
        slides: how many are there; None where the gate said no.
        signs_out: the department that is to sign it out, which is another's while it is transferred.
        reader: who answers for it.
        work: what has been ordered on it from one's own laboratory.
    """

    case: CaseLine
    late: bool
    slides: SlideCount | None
    department: PartyLine
    signs_out: PartyLine
    reader: str | None
    work: Sequence[WorkLine]


Row = TypeVar("Row", RequestRow, CaseRow)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows, and where to go on."""

    rows: Sequence[Row]
    next: Place | None = None


def list_requests(
    session: Session,
    which: RequestList,
    *,
    wanted: Wanted = Wanted(),
    by: Actor,
    now: datetime,
    limit: int,
    after: Place | None = None,
) -> Page[RequestRow]:
    """A page of a list of requests, the most urgent first, and of what was sent the late first.

    Args:
        session: of this transaction.
        which: list.
        wanted: of it.
        by: who looks; may_have has been asked.
        now: when.
        limit: how many at the most.
        after: where the page before ended.
    """
    statement = select(ShareRequest).where(_among_requests(which, wanted, by=by, now=now))
    ordered = order_requests(statement, late_first=which is RequestList.SENT, now=now, after=after)
    requests, place = _cut(session, ordered, limit, after.as_of if after else now)
    rows = show_requests(session, requests, by=by, now=now)
    _record(session, which, [row.case for row in rows], by=by)
    return Page(rows, place)


def list_cases(
    session: Session,
    which: CaseList,
    *,
    wanted: Wanted = Wanted(),
    by: Actor,
    now: datetime,
    limit: int,
    after: Place | None = None,
) -> Page[CaseRow]:
    """A page of a list of one's own provider's cases, the most urgent first. As `list_requests`."""
    statement = select(PathologyCase).where(_among_cases(which, wanted, by=by, now=now))
    cases, place = _cut(session, order_cases(statement, after=after), limit, now)
    rows = show_cases(session, cases, by=by, now=now)
    _record(session, which, [row.case for row in rows], by=by)
    return Page(rows, place)


def count_lists(session: Session, *, by: Actor, now: datetime) -> dict[RequestList | CaseList, int]:
    """How much stands in each list that somebody has, in one statement."""
    counts: dict[RequestList | CaseList, Any] = {}
    for asked in RequestList:
        if may_have(asked, by=by, now=now):
            counts[asked] = select(func.count()).where(holds_requests(asked, by=by, now=now)).scalar_subquery()
    for kept in CaseList:
        if may_have(kept, by=by, now=now):
            counts[kept] = select(func.count()).where(holds_cases(kept, by=by, now=now)).scalar_subquery()
    if not counts:
        return {}
    return dict(zip(counts, session.execute(select(*counts.values())).one(), strict=True))


def show_requests(session: Session, requests: Sequence[ShareRequest], *, by: Actor, now: datetime) -> list[RequestRow]:
    """Requests that the actor's care provider is a party of, as rows; in a fixed number of queries."""
    if not requests:
        return []
    ids = [request.id for request in requests]
    with platform(session):
        cases = session.scalars(
            select(PathologyCase).where(is_among(PathologyCase.id, {request.case_id for request in requests}))
        ).all()
        found = lines.find_cases(session, cases, by=by, now=now)
        slides = lines.count_requests(session, requests)
        stands = standing.find_standing(session, ids)
        parties = standing.find_parties(
            session,
            {one.requester_department_id for one in requests} | {one.performer_department_id for one in requests},
        )
        names = standing.find_names(session, _known(one.reader_assignment_id for one in requests))
    return [
        RequestRow(
            request=request,
            side=side_of(request, by),
            late=_is_late(request, now),
            case=found[request.case_id],
            slides=slides[request.id],
            requester=parties[request.requester_department_id],
            performer=parties[request.performer_department_id],
            reader=names.get(request.reader_assignment_id) if request.reader_assignment_id else None,
            holds=stands.holds.get(request.id, ()),
            work=stands.work.get(request.id, ()),
            asked=request.id in stands.questions,
            latest=stands.latest.get(request.id),
        )
        for request in requests
    ]


def show_cases(session: Session, cases: Sequence[PathologyCase], *, by: Actor, now: datetime) -> list[CaseRow]:
    """Cases of the actor's care provider as rows; in a fixed number of queries."""
    if not cases:
        return []
    with platform(session):
        found = lines.find_cases(session, cases, by=by, now=now)
        slides = lines.count_cases(session, [case.id for case in cases if found[case.id].decision.allow])
        work = standing.find_ordered(session, [case.id for case in cases])
        parties = standing.find_parties(
            session, {case.department_id for case in cases} | {case.signout_department_id for case in cases}
        )
        names = standing.find_names(session, _known(case.responsible_assignment_id for case in cases))
    return [
        CaseRow(
            case=found[case.id],
            late=case.status in OPEN and case.due_at is not None and case.due_at < now,
            slides=slides.get(case.id),
            department=parties[case.department_id],
            signs_out=parties[case.signout_department_id],
            reader=names.get(case.responsible_assignment_id) if case.responsible_assignment_id else None,
            work=work.get(case.id, ()),
        )
        for case in cases
    ]


def _among_requests(which: RequestList, wanted: Wanted, *, by: Actor, now: datetime) -> ColumnElement[bool]:
    conditions = [holds_requests(which, by=by, now=now)]
    for column, values in (
        (ShareRequest.urgency, wanted.urgencies),
        (ShareRequest.type, wanted.types),
        (ShareRequest.subspecialty, wanted.subspecialties),
    ):
        if values:
            conditions.append(column.in_(values))
    if wanted.stages:
        conditions.append(is_at(*wanted.stages))
    if wanted.late:
        conditions.append(is_late(now))
    if wanted.reader_id:
        conditions.append(ShareRequest.reader_assignment_id == wanted.reader_id)
    return and_(*conditions)


def _among_cases(which: CaseList, wanted: Wanted, *, by: Actor, now: datetime) -> ColumnElement[bool]:
    conditions = [holds_cases(which, by=by, now=now)]
    if wanted.urgencies:
        conditions.append(PathologyCase.priority.in_([Priority(one) for one in wanted.urgencies]))
    if wanted.states:
        conditions.append(PathologyCase.status.in_(wanted.states))
    if wanted.late:
        conditions.append(PathologyCase.due_at < now)
    if wanted.reader_id:
        conditions.append(PathologyCase.responsible_assignment_id == wanted.reader_id)
    return and_(*conditions)


def _cut(session: Session, ordered: Select[Any], limit: int, as_of: datetime) -> tuple[list[Any], Place | None]:
    """The rows of a page, and the place where it ends if there are more."""
    found = session.execute(ordered.limit(limit + 1)).all()
    place = None
    if len(found) > limit:
        row, on_time, rank, due_at = found[limit - 1]
        place = Place(as_of, on_time, rank, due_at, row.id)
    return [row[0] for row in found[:limit]], place


def _record(session: Session, which: RequestList | CaseList, shown: Iterable[CaseLine], *, by: Actor) -> None:
    subjects = {one.case.id: subject_of(one.resource) for one in shown if one.lid}
    audit.record(session, Event.LIST_VIEWED, by=by, subjects=list(subjects.values()), args={"list": which})


def _known(ids: Iterable[uuid.UUID | None]) -> set[uuid.UUID]:
    return {one for one in ids if one}


def _is_late(request: ShareRequest, now: datetime) -> bool:
    """As `lists.is_late`, of a row."""
    limits = [request.due_at, request.accept_by if request.status is RequestStatus.OFFERED else None]
    return request.status in UNANSWERED and any(limit < now for limit in limits if limit)
