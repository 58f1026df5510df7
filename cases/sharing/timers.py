"""What happens by itself when time has passed: offering, reminding, expiring, giving back, closing, going dark.

Everything that is due is walked through in one run, a page at a time, and each move is a transaction of its own: what
refuses to move or fails stands in nobody's way, and nothing stays locked while the others are seen to. `now` is given,
never looked up.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from cases.access import audit, rights
from cases.access.audit import Event, Subject
from cases.access.errors import Rejected
from cases.access.notifications import notify
from cases.database import platform
from cases.records.pathology_case import PathologyCase
from cases.sharing import escalations, work_orders
from cases.sharing.answers import reconciliations
from cases.sharing.answers.answer import STANDING, Answer
from cases.sharing.answers.content import Agreement, DiscrepancyCategory
from cases.sharing.escalations import Limit, Stage, find_stages, find_step, list_answer_limits, list_offer_limits
from cases.sharing.requests import disclosures, ending, holds
from cases.sharing.requests.disclosure import LIVE, Disclosure, DisclosureState
from cases.sharing.requests.request import TAKEN, UNANSWERED, RequestStatus, ShareRequest
from cases.sharing.service_descriptions import ServiceDescription
from cases.sharing.viewings import Viewing

GIVEN_BACK_AFTER = timedelta(hours=4)
"""A transferred case that was asked back goes back by itself, if nobody has opened a slide. Source: 5.1."""
PAGE = 200
"""Requests that are read at once."""

log = structlog.get_logger()
Begin = Callable[[], AbstractContextManager[Session]]
"""Begins a transaction that acts for nobody, and commits it at its end: `cases.transaction`, of some process."""


@dataclass(frozen=True, slots=True)
class Timer:
    """One thing that happens by itself.

    Attributes:
        concerns: which requests it may concern, as far as a query tells.
        pick: those whose time has come; asked of a page without locks, and of each once more when it is locked.
        act: does it to one that is locked. Whether anything happened.
    """

    concerns: Callable[[datetime], ColumnElement[bool]]
    pick: Callable[[Session, Sequence[ShareRequest], datetime], Sequence[ShareRequest]]
    act: Callable[[Session, ShareRequest, datetime], bool]


def run(begin: Begin, *, now: datetime, thorough: bool = False) -> int:
    """Do everything whose time has come. What somebody else works on at this moment is left for the next run.

    Args:
        begin: a transaction for each page and for each move; the moment it counts by is the same.
        now: the moment that counts.
        thorough: look again at everything that is under way, not only at what is known to wait for a moment.

    Returns:
        How many moves were made.
    """
    timers = TIMERS | ({"settle": THOROUGH} if thorough else {})
    return sum(
        _try(begin, name, timer, request_id, now=now)
        for name, timer in timers.items()
        for request_id in _walk(begin, name, timer, now=now)
    )


def _walk(begin: Begin, name: str, timer: Timer, *, now: datetime) -> Iterator[uuid.UUID]:
    """Requests whose time has come, in the order of their ids, whatever becomes of those before."""
    after = uuid.UUID(int=0)
    while True:
        ids: list[uuid.UUID] = []
        try:
            with begin() as session, platform(session):
                page = session.scalars(
                    select(ShareRequest)
                    .where(timer.concerns(now), ShareRequest.id > after)
                    .order_by(ShareRequest.id)
                    .limit(PAGE)
                ).all()
                ids = [one.id for one in page]
                due = [one.id for one in timer.pick(session, page, now)]
        except Exception as error:
            if _is_cut_off(error):
                raise
            log.exception("a timer could not tell what is due on a page; each is tried", timer=name)
            due = ids
        yield from due
        if len(ids) < PAGE:
            return
        after = ids[-1]


def _try(begin: Begin, name: str, timer: Timer, request_id: uuid.UUID, *, now: datetime) -> bool:
    try:
        with begin() as session, platform(session):
            request = session.scalar(
                select(ShareRequest)
                .where(ShareRequest.id == request_id, timer.concerns(now))
                .with_for_update(skip_locked=True)
            )
            if request is None or not timer.pick(session, [request], now):
                return False
            return timer.act(session, request, now)
    except Rejected:
        return False  # something stands against it still, and says so to whoever looks
    except Exception as error:
        if _is_cut_off(error):
            raise
        log.exception("a timer failed; the others go on", timer=name, request=str(request_id))
        return False


def _is_cut_off(error: Exception) -> bool:
    """Whether the database is not there, so that nothing else can be done either. What it refuses has a code."""
    return isinstance(error, DBAPIError) and (
        error.connection_invalidated or getattr(error.orig, "sqlstate", None) is None
    )


def _settle(session: Session, request: ShareRequest, now: datetime) -> bool:
    """Offer what is ready, hold what has lost its ground, let go on what has it again."""
    before = request.status
    holds.settle(session, request, by=None, now=now)
    return request.status is not before


def _pick_offers(session: Session, offers: Sequence[ShareRequest], now: datetime) -> Sequence[ShareRequest]:
    stages = find_stages(session, [one.id for one in offers])
    return [
        one
        for one in offers
        if (stage := stages.get(one.id))
        and (find_step(_limit_offer(session, one, stage), stage.level, now) or _has_new_limit(session, one, stage))
    ]


def _escalate_offer(session: Session, request: ShareRequest, now: datetime) -> bool:
    stage = find_stages(session, [request.id])[request.id]
    limits = _limit_offer(session, request, stage)
    request.accept_by = limits[1].at
    step = find_step(limits, stage.level, now)
    if step is not None:
        escalations.escalate_offer(session, request, step, now=now)
    session.flush()
    return step is not None


def _limit_offer(session: Session, request: ShareRequest, stage: Stage) -> tuple[Limit, ...]:
    service = session.get_one(ServiceDescription, request.service_description_id)
    minutes = service.accept_minutes[request.urgency]
    return list_offer_limits(stage.since, minutes, request.urgency, request.due_at)


def _has_new_limit(session: Session, request: ShareRequest, stage: Stage) -> bool:
    """It was offered, or went on, since somebody last worked out until when it is to be accepted."""
    return request.accept_by != _limit_offer(session, request, stage)[1].at


def _was_asked_back(now: datetime) -> ColumnElement[bool]:
    return (
        (ShareRequest.recall_requested_at <= now - GIVEN_BACK_AFTER)
        & ShareRequest.first_opened_at.is_(None)
        & ShareRequest.status.in_((*TAKEN, RequestStatus.HELD))
    )


def _give_back(session: Session, request: ShareRequest, now: datetime) -> bool:
    if _has_been_looked_at(session, request):
        return False
    ending.confirm_recall(session, request, by=None, now=now)
    return True


def _has_been_looked_at(session: Session, request: ShareRequest) -> bool:
    """Whether anybody of the performer has had a slide of it open, whoever was to read it."""
    disclosed = [item.resource_id for item in disclosures.find_disclosed(session, request)]
    looked = select(Viewing.id).where(
        Viewing.care_provider_id == request.performer_provider_id,
        Viewing.slide_image_id.in_(disclosed),
        Viewing.created_at >= request.accepted_at,
    )
    return session.scalar(looked.limit(1)) is not None


def _pick_answers(session: Session, answered: Sequence[ShareRequest], now: datetime) -> Sequence[ShareRequest]:
    ids = [one.id for one in answered]
    stages, grave = find_stages(session, ids), _find_grave(session, ids)
    return [
        one
        for one in answered
        if (stage := stages.get(one.id)) and _find_answer_step(one, stage, one.id in grave, now) is not None
    ]


def _escalate_answer(session: Session, request: ShareRequest, now: datetime) -> bool:
    stage = find_stages(session, [request.id])[request.id]
    step = _find_answer_step(request, stage, bool(_find_grave(session, [request.id])), now)
    if step is not None:
        escalations.escalate_answer(session, request, step, now=now)
    return step is not None


def _find_answer_step(request: ShareRequest, stage: Stage, grave: bool, now: datetime) -> Limit | None:
    return find_step(list_answer_limits(stage.since, request.urgency, grave=grave), stage.level, now)


def _find_grave(session: Session, request_ids: Collection[uuid.UUID]) -> frozenset[uuid.UUID]:
    """Requests whose answer changes what is done for the patient."""
    return frozenset(
        session.scalars(
            select(Answer.request_id).where(
                Answer.request_id.in_(request_ids),
                Answer.status.in_(STANDING),
                or_(
                    Answer.agreement == Agreement.MAJOR_DISCREPANCY,
                    Answer.discrepancy == DiscrepancyCategory.BENIGN_MALIGNANT,
                ),
            )
        )
    )


def _pick_read(session: Session, read: Sequence[ShareRequest], now: datetime) -> Sequence[ShareRequest]:
    stages = find_stages(session, [one.id for one in read])
    rows = session.execute(
        select(ServiceDescription.id, ServiceDescription.post_answer_view_days).where(
            ServiceDescription.id.in_({one.service_description_id for one in read})
        )
    )
    days = dict(rows.all())
    return [
        one
        for one in read
        if (stage := stages.get(one.id))
        and one.service_description_id
        and stage.since + timedelta(days=days[one.service_description_id]) <= now
        and _can_be_closed(session, one.id)
    ]


def _can_be_closed(session: Session, request_id: uuid.UUID) -> bool:
    return reconciliations.is_settled(session, request_id) and not work_orders.has_open(session, request_id)


def _close(session: Session, request: ShareRequest, now: datetime) -> bool:
    ending.close(session, request, by=None, now=now)
    return True


def _has_lapsed(now: datetime) -> ColumnElement[bool]:
    return ShareRequest.id.in_(
        select(Disclosure.request_id).where(Disclosure.state.in_(LIVE), Disclosure.valid_to <= now)
    )


def _end_disclosure(session: Session, request: ShareRequest, now: datetime) -> bool:
    """The time for which it was handed out is over; whoever looks at it goes dark."""
    made = disclosures.find_live(session, request)
    if made is None or made.valid_to > now:
        return False
    made.state, made.ended_at, made.end_reason = DisclosureState.ENDED, now, "time is over"
    session.flush()
    subject = Subject(
        kind="disclosure",
        id=made.id,
        patient_id=session.get_one(PathologyCase, made.case_id).patient_id,
        provider_id=made.care_provider_id,
        unit_id=made.unit_id,
    )
    audit.record(
        session,
        Event.DISCLOSURE_ENDED,
        by=None,
        provider_id=made.care_provider_id,
        subjects=[subject],
        args={"request": request.short_id, "version": made.version_no},
    )
    notify(
        session,
        Event.DISCLOSURE_ENDED,
        subject_kind="request",
        subject_id=request.id,
        short_id=request.short_id,
        provider_id=request.care_provider_id,
        assignments=(request.requester_assignment_id, request.watcher_assignment_id),
    )
    rights.changed(session, resources=[item.resource_id for item in disclosures.find_disclosed(session, request)])
    return True


def _all(session: Session, page: Sequence[ShareRequest], now: datetime) -> Sequence[ShareRequest]:
    return page


def _in(status: RequestStatus) -> Callable[[datetime], ColumnElement[bool]]:
    return lambda now: ShareRequest.status == status


TIMERS = {
    "settle": Timer(holds.may_be_due, _all, _settle),
    "offers": Timer(_in(RequestStatus.OFFERED), _pick_offers, _escalate_offer),
    "recalls": Timer(_was_asked_back, _all, _give_back),
    "answers": Timer(_in(RequestStatus.ANSWERED), _pick_answers, _escalate_answer),
    "closing": Timer(_in(RequestStatus.ACKNOWLEDGED), _pick_read, _close),
    "disclosures": Timer(_has_lapsed, _all, _end_disclosure),
}
"""All of them, in the order in which they are looked at."""
THOROUGH = Timer(lambda now: ShareRequest.status.in_(UNANSWERED), _all, _settle)
"""In place of "settle": for what ends without a word, such as a consent, and what a change could not look at again."""
