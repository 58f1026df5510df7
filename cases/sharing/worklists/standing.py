"""How requests stand: what holds them, what they wait for, who reads, between whom, and what happened last."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from sqlalchemy import ColumnElement, Select, and_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from cases.access.organisations import CareProvider, Department
from cases.access.people import Assignment, Person
from cases.database import is_among
from cases.sharing.messages import Message, MessageKind
from cases.sharing.moves import StateEvent
from cases.sharing.requests import HoldReason, RequestHold
from cases.sharing.work_orders.order import OPEN, DoneBy, WorkKind, WorkOrder, WorkOrderStatus


@dataclass(frozen=True, slots=True)
class HoldLine:
    """One thing that holds a request."""

    reason: HoldReason
    began_at: datetime


@dataclass(frozen=True, slots=True)
class WorkLine:
    """One open order. The reader waits where it is blocking."""

    kind: WorkKind
    done_by: DoneBy
    status: WorkOrderStatus
    blocking: bool


@dataclass(frozen=True, slots=True)
class PartyLine:
    """A department, with whose it is."""

    department_id: uuid.UUID
    department: str
    provider_id: uuid.UUID
    provider: str


@dataclass(frozen=True, slots=True)
class EventLine:
    """What happened last."""

    event: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """How some requests stand, each by its id; departments and people by theirs."""

    holds: Mapping[uuid.UUID, list[HoldLine]]
    work: Mapping[uuid.UUID, list[WorkLine]]
    questions: Collection[uuid.UUID]
    latest: Mapping[uuid.UUID, EventLine]


def find_standing(session: Session, request_ids: Collection[uuid.UUID]) -> Standing:
    """How requests stand, in four queries. Inside `cases.database.platform`, for requests that one is a party of."""
    holds = defaultdict(list)
    for row in session.execute(
        select(RequestHold.request_id, RequestHold.reason, RequestHold.began_at)
        .where(is_among(RequestHold.request_id, request_ids), RequestHold.resolved_at.is_(None))
        .order_by(RequestHold.id)
    ):
        holds[row.request_id].append(HoldLine(row.reason, row.began_at))
    events = session.execute(
        select(StateEvent.request_id, StateEvent.event, StateEvent.at)
        .where(is_among(StateEvent.request_id, request_ids))
        .ext(distinct_on(StateEvent.request_id))
        .order_by(StateEvent.request_id, StateEvent.at.desc(), StateEvent.id.desc())
    )
    return Standing(
        holds,
        _find_work(session, WorkOrder.request_id, is_among(WorkOrder.request_id, request_ids)),
        _find_questions(session, request_ids),
        {row.request_id: EventLine(row.event, row.at) for row in events},
    )


def find_ordered(session: Session, case_ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, list[WorkLine]]:
    """What has been ordered on own cases from their own laboratory and is not done."""
    here = and_(is_among(WorkOrder.case_id, case_ids), WorkOrder.done_by == DoneBy.OWNER_LAB)
    return _find_work(session, WorkOrder.case_id, here)


def _find_work(
    session: Session, by_what: InstrumentedAttribute[uuid.UUID], which: ColumnElement[bool]
) -> Mapping[uuid.UUID, list[WorkLine]]:
    found = defaultdict(list)
    orders = session.execute(
        select(by_what.label("about"), WorkOrder.kind, WorkOrder.done_by, WorkOrder.status, WorkOrder.blocking)
        .where(which, WorkOrder.status.in_(OPEN))
        .order_by(WorkOrder.id)
    )
    for order in orders:
        found[order.about].append(WorkLine(order.kind, order.done_by, order.status, order.blocking))
    return found


def _find_questions(session: Session, request_ids: Collection[uuid.UUID]) -> frozenset[uuid.UUID]:
    """Requests with a question that the reader waits for the answer to."""
    return frozenset(session.scalars(_ask_questions(), {"request_ids": list(request_ids)}))


# Built once: making aliases takes longer than asking.
@cache
def _ask_questions() -> Select[uuid.UUID]:
    reply = aliased(Message)
    return select(Message.request_id).where(
        is_among(Message.request_id, "request_ids"),
        Message.kind == MessageKind.QUESTION,
        Message.blocking,
        ~select(reply.id).where(reply.reply_to_id == Message.id).exists(),
    )


def find_parties(session: Session, department_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, PartyLine]:
    """Departments with their care providers."""
    rows = session.execute(
        select(Department.id, Department.name, CareProvider.id, CareProvider.name)
        .join(CareProvider, CareProvider.id == Department.care_provider_id)
        .where(is_among(Department.id, department_ids))
    )
    return {row[0]: PartyLine(*row) for row in rows}


def find_names(session: Session, assignment_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, str | None]:
    """Who works under assignments; None where the person's own data are protected. Source: domain rules, L27."""
    rows = session.execute(
        select(Assignment.id, Person.given_name, Person.family_name, Person.protected)
        .join(Person, Person.id == Assignment.person_id)
        .where(is_among(Assignment.id, assignment_ids))
    )
    return {row.id: None if row.protected else f"{row.given_name} {row.family_name}" for row in rows}
