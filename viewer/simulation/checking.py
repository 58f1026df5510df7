"""What must be true of requests, answers and the log whatever happened to them, looked at row by row."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cases.access.audit import AuditEvent
from cases.access.log.chain import verify
from cases.database import platform
from cases.records.pathology_case import PathologyCase
from cases.records.record_grant import RecordGrant
from cases.sharing.answers.answer import AnswerVersion, Signature, Stage
from cases.sharing.answers.signatures import hash_version
from cases.sharing.clocks import Tick, compute_clocks
from cases.sharing.moves import Move, StateEvent, find_move
from cases.sharing.requests import ANSWERED, MOVES, OVER, STOPPED, Disclosure, RequestStatus, ShareRequest
from cases.sharing.requests.disclosure import LIVE
from cases.sharing.service_descriptions import RequestType


def find_faults(session: Session, *, now: datetime) -> list[str]:
    """Everything that is not as it must be, each as a sentence; nothing where all is well."""
    with platform(session):
        requests = session.scalars(select(ShareRequest).order_by(ShareRequest.id)).all()
        events: dict[uuid.UUID, list[StateEvent]] = defaultdict(list)
        for event in session.scalars(select(StateEvent).where(StateEvent.entity == "request").order_by(StateEvent.id)):
            events[event.entity_id].append(event)
        return [
            *(fault for one in requests for fault in _check_moves(one, events[one.id], now=now)),
            *_check_holders(session, requests),
            *_check_disclosures(session, requests, now=now),
            *_check_answers(session, requests),
            *_check_log(session, sum(map(len, events.values()))),
        ]


def _check_moves(request: ShareRequest, events: Sequence[StateEvent], *, now: datetime) -> Iterator[str]:
    """Every move stands in the table and begins where the one before it ended."""
    name = request.short_id
    if not events or events[0].event != "create":
        yield f"{name} does not begin with being created."
        return
    state = RequestStatus(events[0].to_state)
    for event in events[1:]:
        if event.from_state != state:
            yield f"{name}: {event.event} begins in {event.from_state}, and the move before it ended in {state}."
        after = RequestStatus(event.to_state)
        move: Move[RequestStatus] = find_move(MOVES, event.event, RequestStatus(event.from_state or state))
        if move.target not in (None, after):
            yield f"{name}: {event.event} leads to {after}, and the table says {move.target}."
        state = after
    if state is not request.status:
        yield f"{name} is {request.status}, and its last move led to {state}."
    ticks = [Tick(RequestStatus(event.to_state), event.at, event.reason) for event in events]
    clocks = compute_clocks(ticks, now=now)
    for clock in (clocks.prepare, clocks.accept, clocks.answer, clocks.total, clocks.acknowledge):
        if clock is not None and clock.length < timedelta():
            yield f"{name} has a clock that is negative."


def _check_holders(session: Session, requests: Sequence[ShareRequest]) -> Iterator[str]:
    """A case is signed out by its own department, or by that of the one transfer that was accepted."""
    taken = {
        request.case_id: request.performer_department_id
        for request in requests
        if request.type is RequestType.WORKLOAD_TRANSFER and request.accepted_at
        if request.status not in STOPPED
    }
    for case in session.scalars(select(PathologyCase)):
        if case.signout_department_id != taken.get(case.id, case.department_id):
            yield f"Case {case.id} is signed out by the wrong department."


def _check_disclosures(session: Session, requests: Sequence[ShareRequest], *, now: datetime) -> Iterator[str]:
    """What is over shows nothing to anybody any more."""
    over = {request.id: request for request in requests if request.status in OVER}
    for disclosure in session.scalars(select(Disclosure).where(Disclosure.request_id.in_(over))):
        if disclosure.state in LIVE:
            yield f"{over[disclosure.request_id].short_id} is over, and what it handed out is {disclosure.state}."
    open_cases = {request.case_id for request in requests if request.id not in over}
    for grant in session.scalars(select(RecordGrant).where(RecordGrant.valid_until > now)):
        if grant.case_id not in open_cases:
            yield f"Case {grant.case_id} is visible to another care provider without a request."


def _check_answers(session: Session, requests: Sequence[ShareRequest]) -> Iterator[str]:
    """What was answered has a signed version, and every signature is for what stands there."""
    signed = {version.id: version for version in session.scalars(select(AnswerVersion)) if version.stage != Stage.DRAFT}
    answered = {version.request_id for version in signed.values()}
    for request in requests:
        if request.status in ANSWERED and request.id not in answered:
            yield f"{request.short_id} is {request.status} without a signed answer."
    for version in signed.values():
        if hash_version(version) != version.content_sha256:
            yield f"Answer version {version.id} is not what was signed."
    for signature in session.scalars(select(Signature)):
        if signature.content_sha256 != signed[signature.answer_version_id].content_sha256:
            yield f"Signature {signature.id} is for something else."


def _check_log(session: Session, moves: int) -> Iterator[str]:
    """Each move is in the log."""
    logged = session.scalar(
        select(func.count())
        .select_from(AuditEvent)
        .where(AuditEvent.event.startswith("REQUEST_"), AuditEvent.event.not_in(("REQUEST_VIEWED", "REQUEST_CHANGED")))
    )
    if (logged or 0) < moves:
        yield f"The log has {logged} entries for {moves} moves."
    yield from (finding.sentence for finding in verify(session, []).findings)
