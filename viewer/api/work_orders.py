"""Work orders under a request: ordering sections, stains, glass and facts, and what becomes of the order."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.decisions import admit, subject_of
from cases.access.gate import Intent
from cases.access.permissions import Permission
from cases.records.pathology_case import find_case
from cases.sharing import work_orders
from cases.sharing.moves import list_events
from cases.sharing.onlookers import require_party
from cases.sharing.requests import ShareRequest, find_request, lock_request
from cases.sharing.resources import describe_cases
from cases.sharing.service_descriptions import Urgency
from cases.sharing.work_orders import (
    LOANS,
    MOVES,
    DoneBy,
    Order,
    RejectReason,
    TargetKind,
    WorkKind,
    WorkOrder,
    WorkOrderResult,
    WorkOrderStatus,
)
from viewer.api.fields import NUMBER, Line, Moment, example
from viewer.api.messages import Clinical
from viewer.dependencies import Database, Now, permit, set_etag
from viewer.idempotency import Again, Repeat

router = APIRouter(prefix="/api", tags=["work orders"])
Reader = Annotated[Actor, Depends(permit(Permission.READ_RECORD), scope="function")]
Orderer = Annotated[Actor, Depends(permit(Permission.PLACE_WORK_ORDER), scope="function")]
Laboratory = Annotated[Actor, Depends(permit(Permission.FULFIL_WORK_ORDER), scope="function")]


class NewWorkOrder(BaseModel):
    """What the reading of a request needs.

    Attributes:
        target_kind, target_id: the specimen, tissue block or glass that it is done to; needed to cut sections.
        code: stain, antibody or analysis.
        urgency: the request's if left out.
        blocking: the reader waits for it: the clock stops.
        slides: new glass slides that are wanted, where sections are cut.
    """

    model_config = example(
        kind="IHC",
        target_kind="BLOCK",
        target_id="01a20385-4fd2-728a-873a-c190e25f830a",
        code="CK20",
        comment="Från det mest atypiska området.",
    )

    kind: WorkKind
    target_kind: TargetKind | None = None
    target_id: uuid.UUID | None = None
    code: Annotated[Line, Field(max_length=80)] | None = None
    comment: Clinical | None = None
    urgency: Urgency | None = None
    done_by: DoneBy = DoneBy.OWNER_LAB
    blocking: bool = True
    slides: Annotated[int, NUMBER, Field(ge=1, le=50)] = 1


class WorkOrderRow(BaseModel):
    """A work order as it is now.

    Attributes:
        slides: glass slides that are expected of it.
        expected_glass_ids: glass that stands in the case for it; its images are on their way.
        slide_ids: images that came of it.
        carrier, sent_at, received_at, returned_at: where a loan is.
        allowed: what can happen with it now.
    """

    id: uuid.UUID
    request_id: uuid.UUID
    case_id: uuid.UUID
    kind: WorkKind
    target_kind: TargetKind | None
    target_id: uuid.UUID | None
    code: str | None
    comment: str | None
    urgency: Urgency
    done_by: DoneBy
    blocking: bool
    slides: int
    status: WorkOrderStatus
    reject_reason: RejectReason | None
    carrier: str | None
    sent_at: datetime | None
    received_at: datetime | None
    returned_at: datetime | None
    ordered_at: datetime
    expected_glass_ids: list[uuid.UUID]
    slide_ids: list[uuid.UUID]
    allowed: list[str] = Field(examples=[["accept", "cancel", "reject"]])
    version: int


class WorkOrderList(BaseModel):
    """The work orders of one request, the first placed first."""

    items: list[WorkOrderRow]


class Done(BaseModel):
    """What came of an order.

    Attributes:
        slide_ids: images of the case; the owner's are handed out to the performer with this.
        missing: what could not be done, where it was done in part.
    """

    model_config = example(
        slide_ids=["01a20385-52ab-7c20-9d31-2f6b7a815c23"], missing="Materialet räckte till två av tre nivåer."
    )

    slide_ids: Annotated[list[uuid.UUID], Field(max_length=50)] = []
    missing: Clinical | None = None


class Refused(BaseModel):
    """Why an order cannot be done."""

    model_config = example(reason="INSUFFICIENT_MATERIAL", text="Blocket är tomt.")

    reason: RejectReason
    text: Clinical | None = None


class Sent(BaseModel):
    """That lent glass or a tissue block has left.

    Attributes:
        carrier: who carries it, and under what number.
    """

    model_config = example(carrier="PostNord 00373500489530470000", at="2026-11-22T14:05:00+01:00")

    carrier: Line
    at: Moment


class Happened(BaseModel):
    """When something happened."""

    model_config = example(at="2026-11-22T14:05:00+01:00")

    at: Moment


@router.get("/requests/{request_id}/work-orders")
def read_work_orders(request_id: uuid.UUID, database: Database, actor: Reader, now: Now) -> WorkOrderList:
    """List what was ordered under a request. Logged."""
    request = find_request(database, request_id, by=actor)
    _admit(database, request, by=actor, now=now, viewed=True)
    rows = database.scalars(select(WorkOrder).where(WorkOrder.request_id == request.id).order_by(WorkOrder.id)).all()
    return WorkOrderList(items=_show_all(database, rows))


@router.post("/requests/{request_id}/work-orders", status_code=201)
def create_work_order(
    request_id: uuid.UUID,
    body: NewWorkOrder,
    database: Database,
    actor: Orderer,
    now: Now,
    again: Again,
    response: Response,
) -> WorkOrderRow:
    """Order what the reading needs. New glass stands in the case at once, as expected."""
    request = lock_request(database, request_id, by=actor)
    _admit(database, request, by=actor, now=now)
    if not again:
        order = work_orders.place(database, request, Order(**body.model_dump()), by=actor, now=now)
        again.remember(order.id)
    return _show(database, again.resource_id, response)


@router.get("/work-orders/{work_order_id}")
def read_work_order(
    work_order_id: uuid.UUID, database: Database, actor: Reader, now: Now, response: Response
) -> WorkOrderRow:
    """One work order. Logged."""
    order = work_orders.find_order(database, work_order_id, by=actor)
    _admit(database, find_request(database, order.request_id, by=actor), by=actor, now=now, viewed=True)
    return _show(database, order.id, response)


@router.post("/work-orders/{work_order_id}/acceptance")
def accept_work_order(
    work_order_id: uuid.UUID, database: Database, actor: Laboratory, now: Now, again: Again, response: Response
) -> WorkOrderRow:
    """Take an order on."""
    return _do(database, work_order_id, actor, now, again, response, work_orders.accept)


@router.post("/work-orders/{work_order_id}/start")
def start_work_order(
    work_order_id: uuid.UUID, database: Database, actor: Laboratory, now: Now, again: Again, response: Response
) -> WorkOrderRow:
    """Say that it is being done."""
    return _do(database, work_order_id, actor, now, again, response, work_orders.start)


@router.post("/work-orders/{work_order_id}/fulfilment")
def fulfil_work_order(
    work_order_id: uuid.UUID,
    body: Done,
    database: Database,
    actor: Laboratory,
    now: Now,
    again: Again,
    response: Response,
) -> WorkOrderRow:
    """Say that it is done, or done in part, and hand the images over."""
    move = partial(work_orders.fulfil, slide_ids=body.slide_ids, missing=body.missing)
    return _do(database, work_order_id, actor, now, again, response, move)


@router.post("/work-orders/{work_order_id}/rejection")
def reject_work_order(
    work_order_id: uuid.UUID,
    body: Refused,
    database: Database,
    actor: Laboratory,
    now: Now,
    again: Again,
    response: Response,
) -> WorkOrderRow:
    """Say why it cannot be done."""
    move = partial(work_orders.reject, reason=body.reason, text=body.text)
    return _do(database, work_order_id, actor, now, again, response, move)


@router.post("/work-orders/{work_order_id}/cancellation")
def cancel_work_order(
    work_order_id: uuid.UUID, database: Database, actor: Orderer, now: Now, again: Again, response: Response
) -> WorkOrderRow:
    """Call an order off before it is begun."""
    return _do(database, work_order_id, actor, now, again, response, work_orders.cancel)


@router.post("/work-orders/{work_order_id}/sending")
def send_loan(
    work_order_id: uuid.UUID,
    body: Sent,
    database: Database,
    actor: Laboratory,
    now: Now,
    again: Again,
    response: Response,
) -> WorkOrderRow:
    """Say that lent glass or a tissue block has left the owner."""
    move = partial(work_orders.send, carrier=body.carrier, at=body.at)
    return _do(database, work_order_id, actor, now, again, response, move)


@router.post("/work-orders/{work_order_id}/receipt")
def receive_loan(
    work_order_id: uuid.UUID,
    body: Happened,
    database: Database,
    actor: Laboratory,
    now: Now,
    again: Again,
    response: Response,
) -> WorkOrderRow:
    """Say that what was lent is with the performer."""
    move = partial(work_orders.receive, at=body.at)
    return _do(database, work_order_id, actor, now, again, response, move)


@router.post("/work-orders/{work_order_id}/return")
def take_loan_back(
    work_order_id: uuid.UUID,
    body: Happened,
    database: Database,
    actor: Laboratory,
    now: Now,
    again: Again,
    response: Response,
) -> WorkOrderRow:
    """Say that what was lent is back with the owner."""
    move = partial(work_orders.take_back, at=body.at)
    return _do(database, work_order_id, actor, now, again, response, move)


def _do(
    database: Session,
    work_order_id: uuid.UUID,
    actor: Actor,
    now: datetime,
    again: Repeat,
    response: Response,
    move: Callable[..., object],
) -> WorkOrderRow:
    """Move an order once, whoever may see its case."""
    order = work_orders.find_order(database, work_order_id, by=actor)
    _admit(database, find_request(database, order.request_id, by=actor), by=actor, now=now)
    if not again:
        move(database, order.id, by=actor, now=now)
    return _show(database, order.id, response)


def _admit(database: Session, request: ShareRequest, *, by: Actor, now: datetime, viewed: bool = False) -> None:
    require_party(request, by=by, now=now)
    case = find_case(database, request.case_id)
    resource = describe_cases(database, [case], by=by, now=now)[case.id]
    decision = admit(database, resource, Intent.READ, by=by, now=now)
    if viewed:
        audit.record(
            database,
            Event.REQUEST_VIEWED,
            by=by,
            subjects=[subject_of(resource)],
            basis=decision.basis,
            decision_id=decision.id,
            args={"request": request.short_id, "part": "work orders"},
        )


def _show(database: Session, order_id: uuid.UUID, response: Response) -> WorkOrderRow:
    order = database.get_one(WorkOrder, order_id)
    set_etag(response, order)
    return _show_all(database, [order])[0]


def _show_all(database: Session, orders: Sequence[WorkOrder]) -> list[WorkOrderRow]:
    results = database.scalars(
        select(WorkOrderResult)
        .where(WorkOrderResult.work_order_id.in_([order.id for order in orders]))
        .order_by(WorkOrderResult.id)
    ).all()
    return [_describe(order, [one for one in results if one.work_order_id == order.id]) for order in orders]


def _describe(order: WorkOrder, results: list[WorkOrderResult]) -> WorkOrderRow:
    never = {"fulfil", "fulfil_partly"} if order.kind in LOANS else {"send", "receive", "take_back"}
    return WorkOrderRow(
        id=order.id,
        request_id=order.request_id,
        case_id=order.case_id,
        kind=order.kind,
        target_kind=order.target_kind,
        target_id=order.target_id,
        code=order.code,
        comment=order.comment,
        urgency=order.urgency,
        done_by=order.done_by,
        blocking=order.blocking,
        slides=order.slides,
        status=order.status,
        reject_reason=order.reject_reason,
        carrier=order.carrier,
        sent_at=order.sent_at,
        received_at=order.received_at,
        returned_at=order.returned_at,
        ordered_at=order.created_at,
        expected_glass_ids=[one.glass_slide_id for one in results if one.glass_slide_id],
        slide_ids=[one.slide_image_id for one in results if one.slide_image_id],
        allowed=[event for event in list_events(MOVES, order.status) if event not in never],
        version=order.version,
    )
