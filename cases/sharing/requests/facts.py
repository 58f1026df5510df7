"""What requests are to one actor, as facts for the gate: what was handed out to them, and what they are named for."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Row, Select, bindparam, exists, func, or_, select
from sqlalchemy.orm import Bundle, Session, aliased

from cases.access.actors import Actor, Period
from cases.access.agreements import Agreement
from cases.access.gate import CareLink, Code, DisclosureFacts
from cases.access.permissions import PERMITS, Permission, Role
from cases.database import is_among
from cases.sharing.requests import agreed
from cases.sharing.requests.disclosure import DisclosedItem, Disclosure
from cases.sharing.requests.hold import MEANINGS, HoldReason, RequestHold
from cases.sharing.requests.request import (
    ANSWERED,
    OVER,
    TAKEN,
    RequestStatus,
    ShareRequest,
    TaskAssignment,
)
from cases.sharing.requests.tasks import GIVEN_ON
from cases.sharing.service_descriptions import RequestType, ServiceDescription

QUEUE = PERMITS[Permission.SEE_OFFERS]
"""Roles that a department's requests are there for."""
READERS = frozenset({Role.PAT, Role.RES})
"""Who looks at the images of what has not been accepted yet; others see what it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """The newest version of what was handed out with one request to the actor's care unit.

    Attributes:
        request_id: with which.
        case_id, type, parent_request_id: of the request.
        department_id: the performer's.
        over: nothing more is waited for.
        items: what it holds: ids of cases, slide images, glass slides, attachments.
        links: what ties the actor to it.
        facts: for something that it holds.
    """

    request_id: uuid.UUID
    case_id: uuid.UUID
    type: RequestType
    parent_request_id: uuid.UUID | None
    department_id: uuid.UUID
    over: bool
    items: frozenset[uuid.UUID]
    links: frozenset[CareLink]
    facts: DisclosureFacts


def find_shared(session: Session, ids: Collection[uuid.UUID], *, by: Actor, now: datetime) -> list[Shared]:
    """What was handed out to the actor's care unit with any of some things in it, in one query.

    Args:
        session: of this transaction, looking across care providers (`cases.database.platform`).
        ids: of cases, and of what belongs to them.
        by: who asks.
        now: when.
    """
    asked = {
        "ids": list(ids),
        "assignment_id": by.assignment_id,
        "provider_id": by.provider_id,
        "unit_id": by.unit_id,
    }
    rows = session.execute(_ask_shared(), asked).all()
    together: defaultdict[uuid.UUID, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        together[row.disclosure.id].append(row)
    return [_describe(same, by=by, now=now) for same in together.values()]


@cache
def _ask_shared() -> Select[Any]:
    # Built once: it is asked for every decision about another provider's case.
    tasks = select(func.array_agg(TaskAssignment.role)).where(
        TaskAssignment.request_id == ShareRequest.id,
        TaskAssignment.assignment_id == bindparam("assignment_id"),
        or_(TaskAssignment.released_at.is_(None), TaskAssignment.release_reason != GIVEN_ON),
    )
    holds = select(func.array_agg(RequestHold.reason)).where(
        RequestHold.request_id == ShareRequest.id, RequestHold.resolved_at.is_(None)
    )
    newer = aliased(Disclosure)
    return (
        select(
            DisclosedItem.resource_id,
            _bundle("request", ShareRequest, _REQUEST),
            _bundle("disclosure", Disclosure, _DISCLOSURE),
            _bundle("service", ServiceDescription, _SERVICE),
            _bundle("agreement", Agreement, _AGREEMENT),
            tasks.scalar_subquery().label("tasks"),
            holds.scalar_subquery().label("holds"),
        )
        .join(Disclosure, Disclosure.id == DisclosedItem.disclosure_id)
        .join(ShareRequest, ShareRequest.id == Disclosure.request_id)
        .join(ServiceDescription, ServiceDescription.id == ShareRequest.service_description_id)
        .join(Agreement, Agreement.id == ServiceDescription.agreement_id)
        .where(
            is_among(DisclosedItem.resource_id, "ids"),
            Disclosure.to_provider_id == bindparam("provider_id"),
            Disclosure.to_unit_id == bindparam("unit_id"),
            ~exists().where(newer.request_id == Disclosure.request_id, newer.version_no > Disclosure.version_no),
        )
    )


def find_own_links(
    session: Session, case_ids: Collection[uuid.UUID], *, by: Actor, now: datetime
) -> Mapping[uuid.UUID, frozenset[CareLink]]:
    """What ties somebody to cases of their own care provider because of what was asked about them, in one query."""
    rows = session.execute(
        select(
            ShareRequest.case_id,
            ShareRequest.unit_id,
            ShareRequest.requester_department_id,
            ShareRequest.status,
            ShareRequest.requester_assignment_id,
            ShareRequest.watcher_assignment_id,
            ShareRequest.stand_in_assignment_id,
        ).where(ShareRequest.case_id.in_(case_ids), ShareRequest.care_provider_id == by.provider_id)
    )
    found: defaultdict[uuid.UUID, set[CareLink]] = defaultdict(set)
    for case_id, unit_id, department_id, status, *people in rows:
        if by.assignment_id in people:
            found[case_id].add(CareLink.NAMED)
        if status not in OVER and unit_id == by.unit_id and _is_in_queue(by, department_id, now=now):
            found[case_id].add(CareLink.QUEUE)
    return {case_id: frozenset(links) for case_id, links in found.items()}


def _describe(rows: Sequence[Row[Any]], *, by: Actor, now: datetime) -> Shared:
    row = rows[0]
    request, made, service = row.request, row.disclosure, row.service
    stage: RequestStatus = request.held_from or request.status
    tasks = frozenset(row.tasks or ())
    links = set()
    if tasks or request.named_reader_id == by.assignment_id:
        links.add(CareLink.NAMED)
    if request.status not in OVER and _is_in_queue(by, request.performer_department_id, now=now):
        links.add(CareLink.QUEUE)
    return Shared(
        request_id=request.id,
        case_id=request.case_id,
        type=request.type,
        parent_request_id=request.parent_request_id,
        department_id=request.performer_department_id,
        over=request.status in OVER,
        items=frozenset(one.resource_id for one in rows),
        links=frozenset(links),
        facts=DisclosureFacts(
            provider_id=by.provider_id,
            unit_id=by.unit_id,
            # Whom the performer gave a task, such as the countersigner, is named as well.
            named=frozenset(made.to_named) | ({by.assignment_id} if made.to_named and tasks else frozenset()),
            contains=True,
            window=_find_window(request, made, service, stage),
            read_only=stage in ANSWERED,
            hold=_find_hold(row.holds) if request.status is RequestStatus.HELD else None,
            period=Period(made.valid_from, min(made.valid_to, made.ended_at or made.valid_to)),
            terms=agreed.find_terms(service, row.agreement),
            explicit_consent_at=None,
            decided_at=made.decided_at,
            harm_tested=made.harm_tested_at is not None,
            allow_download=service.allow_download,
            preview=stage is RequestStatus.OFFERED and not by.roles(now) & READERS,
        ),
    )


def _find_window(request: Any, made: Any, service: Any, stage: RequestStatus) -> Period | None:
    """When the request's state lets the performer look: from the offer on, and a while after the answer."""
    if request.offered_at is None:
        return None
    if stage is RequestStatus.OFFERED or stage in TAKEN:
        return Period(request.offered_at)
    if stage in ANSWERED and request.answered_at is not None:
        # What was opened anew after an amendment counts from then.
        since = max(request.answered_at, made.valid_from)
        return Period(request.offered_at, since + timedelta(days=service.post_answer_view_days))
    return None


def _find_hold(reasons: Sequence[str] | None) -> Code:
    known = [reason for reason in HoldReason if reason in (reasons or ())]
    return MEANINGS[known[0]].code if known else Code.D22


def _is_in_queue(by: Actor, department_id: uuid.UUID, *, now: datetime) -> bool:
    current = by.roles(now)
    return any(
        grant.role in QUEUE
        and grant.role in current
        and grant.period.holds(now)
        and grant.department_id in (None, department_id)
        for grant in by.grants
    )


def _bundle(name: str, of: type[Any], columns: str) -> Bundle[Any]:
    # Light and always fresh: rows that this transaction has loaded before may have changed meanwhile.
    return Bundle(name, *(getattr(of, column) for column in columns.split()))


_REQUEST = (
    "id case_id type status held_from offered_at answered_at named_reader_id performer_department_id parent_request_id"
)
_DISCLOSURE = "id to_named valid_from valid_to ended_at decided_at harm_tested_at"
_SERVICE = "valid_from valid_to accepted_at ended_at allow_download post_answer_view_days"
_AGREEMENT = "valid_from valid_to signed_a_at signed_b_at terminated_at ending run_off_days"
