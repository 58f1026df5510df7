"""What happens by itself when time has passed: offering, reminding, expiring, giving back, closing, going dark.

Each move is made in a savepoint of its own, so that one that fails stops no other. `now` is given, never looked up.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import or_, select
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
from cases.sharing.requests.request import TAKEN, RequestStatus, ShareRequest
from cases.sharing.service_descriptions import ServiceDescription
from cases.sharing.viewings import Viewing

GIVEN_BACK_AFTER = timedelta(hours=4)
"""A transferred case that was asked back goes back by itself, if nobody has opened a slide. Source: 5.1."""
AT_ONCE = 200
"""Moves of a kind in one run at the most; the others follow in the next."""
_NOTED = ("log entries", "refused decisions", "changed")
"""What a session keeps in mind until its end, by its names there."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Timer:
    """One thing that happens by itself.

    Attributes:
        find: requests that it may concern, the most urgent first; without locks.
        act: does it to one that is locked, if it is so still. Whether anything happened.
    """

    find: Callable[[Session, datetime], Sequence[uuid.UUID]]
    act: Callable[[Session, ShareRequest, datetime], bool]


def run(session: Session, *, now: datetime) -> int:
    """Do everything whose time has come. What somebody else works on at this moment is left for the next run.

    Args:
        session: of this transaction, acting for nobody.
        now: the moment that counts.

    Returns:
        How many moves were made.
    """
    moved = 0
    for name, timer in TIMERS.items():
        with platform(session):
            due = timer.find(session, now)[:AT_ONCE]
        moved += sum(_try(session, name, timer, request_id, now=now) for request_id in due)
    return moved


def _try(session: Session, name: str, timer: Timer, request_id: uuid.UUID, *, now: datetime) -> bool:
    try:
        with _apart(session), platform(session):
            request = session.scalar(
                select(ShareRequest)
                .where(ShareRequest.id == request_id)
                .with_for_update(skip_locked=True)
                .execution_options(populate_existing=True)
            )
            return request is not None and timer.act(session, request, now)
    except Rejected:
        return False  # something stands against it still, and says so to whoever looks
    except Exception as error:
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            raise
        log.exception("a timer failed; the others go on", timer=name, request=str(request_id))
        return False


@contextmanager
def _apart(session: Session) -> Iterator[None]:
    """A savepoint. What a block noted for the end of the transaction is forgotten with it where it fails."""
    before = {key: deepcopy(session.info[key]) for key in _NOTED if key in session.info}
    try:
        with session.begin_nested():
            yield
    except BaseException:
        for key in _NOTED:
            session.info.pop(key, None)
        session.info |= before
        raise


def _settle(session: Session, request: ShareRequest, now: datetime) -> bool:
    """Offer what is ready, hold what has lost its ground, let go on what has it again."""
    before = request.status
    holds.settle(session, request, by=None, now=now)
    return request.status is not before


def _find_offers(session: Session, now: datetime) -> Sequence[uuid.UUID]:
    offers = session.scalars(
        select(ShareRequest).where(ShareRequest.status == RequestStatus.OFFERED).order_by(ShareRequest.offered_at)
    ).all()
    stages = find_stages(session, [one.id for one in offers])
    return [
        one.id
        for one in offers
        if (stage := stages.get(one.id))
        and (find_step(_limit_offer(session, one, stage), stage.level, now) or _has_new_limit(session, one, stage))
    ]


def _escalate_offer(session: Session, request: ShareRequest, now: datetime) -> bool:
    stage = find_stages(session, [request.id]).get(request.id)
    if request.status is not RequestStatus.OFFERED or stage is None:
        return False
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


def _find_recalls(session: Session, now: datetime) -> Sequence[uuid.UUID]:
    return session.scalars(
        select(ShareRequest.id)
        .where(
            ShareRequest.recall_requested_at <= now - GIVEN_BACK_AFTER,
            ShareRequest.first_opened_at.is_(None),
            ShareRequest.status.in_((*TAKEN, RequestStatus.HELD)),
        )
        .order_by(ShareRequest.recall_requested_at)
    ).all()


def _give_back(session: Session, request: ShareRequest, now: datetime) -> bool:
    if request.first_opened_at is not None or _has_been_looked_at(session, request):
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


def _find_answers(session: Session, now: datetime) -> Sequence[uuid.UUID]:
    answered = session.scalars(
        select(ShareRequest).where(ShareRequest.status == RequestStatus.ANSWERED).order_by(ShareRequest.answered_at)
    ).all()
    ids = [one.id for one in answered]
    stages, grave = find_stages(session, ids), _find_grave(session, ids)
    return [
        one.id
        for one in answered
        if (stage := stages.get(one.id)) and _find_answer_step(one, stage, one.id in grave, now) is not None
    ]


def _escalate_answer(session: Session, request: ShareRequest, now: datetime) -> bool:
    stage = find_stages(session, [request.id]).get(request.id)
    if request.status is not RequestStatus.ANSWERED or stage is None:
        return False
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


def _find_read(session: Session, now: datetime) -> Sequence[uuid.UUID]:
    rows = session.execute(
        select(ShareRequest.id, ServiceDescription.post_answer_view_days)
        .join(ServiceDescription, ServiceDescription.id == ShareRequest.service_description_id)
        .where(ShareRequest.status == RequestStatus.ACKNOWLEDGED)
        .order_by(ShareRequest.answered_at)
    ).all()
    stages = find_stages(session, [request_id for request_id, _ in rows])
    over = [
        request_id
        for request_id, days in rows
        if request_id in stages and stages[request_id].since + timedelta(days=days) <= now
    ]
    return [one for one in over if _can_be_closed(session, one)]


def _can_be_closed(session: Session, request_id: uuid.UUID) -> bool:
    return reconciliations.is_settled(session, request_id) and not work_orders.has_open(session, request_id)


def _close(session: Session, request: ShareRequest, now: datetime) -> bool:
    ending.close(session, request, by=None, now=now)
    return True


def _find_lapsed(session: Session, now: datetime) -> Sequence[uuid.UUID]:
    return session.scalars(
        select(Disclosure.request_id)
        .where(Disclosure.state.in_(LIVE), Disclosure.valid_to <= now)
        .order_by(Disclosure.valid_to)
    ).all()


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


TIMERS = {
    "settle": Timer(lambda session, now: holds.find_due(session, now=now), _settle),
    "offers": Timer(_find_offers, _escalate_offer),
    "recalls": Timer(_find_recalls, _give_back),
    "answers": Timer(_find_answers, _escalate_answer),
    "closing": Timer(_find_read, _close),
    "disclosures": Timer(_find_lapsed, _end_disclosure),
}
"""All of them, in the order in which they are looked at."""
