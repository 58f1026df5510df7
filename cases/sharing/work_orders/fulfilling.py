"""What a laboratory does with a work order: takes it on, does it and hands the slides over, or says why it cannot."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.errors import Conflict, Invalid, NotPermitted
from cases.access.permissions import Role
from cases.database import platform
from cases.records.slide_images import SlideImage
from cases.records.specimens import GlassSlide
from cases.sharing import waiting
from cases.sharing.requests import disclosures
from cases.sharing.requests.request import UNANSWERED, ShareRequest, Side, side_of
from cases.sharing.work_orders.moving import lock_order, move, require_side, tell_laboratory, tell_reader
from cases.sharing.work_orders.order import (
    LOANS,
    NEW_GLASS,
    OPEN,
    DoneBy,
    RejectReason,
    WorkKind,
    WorkOrder,
    WorkOrderResult,
    WorkOrderStatus,
)

WITH_SLIDES = NEW_GLASS | {WorkKind.RESCAN, WorkKind.MORE_SLIDES}
"""What is done when there are images."""


def accept(session: Session, order_id: uuid.UUID, *, by: Actor, now: datetime) -> WorkOrder:
    """Take an order on, in the laboratory that is to do it. Raises NotPermitted, IllegalMove."""
    request, order = lock_order(session, order_id, by=by)
    require_side(request, order.done_by.side, by=by)
    move(session, request, order, "accept", Event.WORKORDER_ACCEPTED, by=by, now=now)
    return order


def start(session: Session, order_id: uuid.UUID, *, by: Actor, now: datetime) -> WorkOrder:
    """Say that it is being done. Raises NotPermitted, IllegalMove."""
    request, order = lock_order(session, order_id, by=by)
    require_side(request, order.done_by.side, by=by)
    move(session, request, order, "start", Event.WORKORDER_STARTED, by=by, now=now)
    return order


def fulfil(
    session: Session,
    order_id: uuid.UUID,
    *,
    slide_ids: Collection[uuid.UUID] = (),
    missing: str | None = None,
    by: Actor,
    now: datetime,
) -> WorkOrder:
    """Say that it is done. The owner's images are handed out to the performer with it, as a new version.

    Args:
        session: of this transaction.
        order_id: of the order.
        slide_ids: images of the case that came of it.
        missing: what could not be done, where it is done in part.
        by: in the laboratory that did it.
        now: when.

    Raises:
        NotPermitted: the other side's laboratory does it.
        IllegalMove: it is not being done.
        Invalid: images are wanted and none is given, or one is not of this case or cannot be opened.
        Conflict: it is a loan, which is fulfilled by being received.
    """
    request, order = lock_order(session, order_id, by=by)
    require_side(request, order.done_by.side, by=by)
    if order.kind in LOANS:
        raise Conflict("A loan is fulfilled when the performer has received it. Say that it was sent.")
    slides = list(dict.fromkeys(slide_ids))
    if order.kind in WITH_SLIDES and not slides and missing is None:
        raise Invalid("Name the images that came of it, or say what is missing.", field="slide_ids")
    event = "fulfil" if missing is None else "fulfil_partly"
    move(session, request, order, event, Event.WORKORDER_FULFILLED, by=by, now=now, text=missing)
    _hand_over(session, request, order, slides, by=by, now=now)
    if missing is not None:
        _expect_no_more(session, order, now=now)
    tell_reader(session, request, order, Event.WORKORDER_FULFILLED)
    waiting.settle(session, request, by=by, now=now)
    return order


def reject(
    session: Session, order_id: uuid.UUID, *, reason: RejectReason, text: str | None = None, by: Actor, now: datetime
) -> WorkOrder:
    """Say why it cannot be done; glass is expected of it no longer. Raises NotPermitted, IllegalMove."""
    request, order = lock_order(session, order_id, by=by)
    require_side(request, order.done_by.side, by=by)
    order.reject_reason = reason
    move(session, request, order, "reject", Event.WORKORDER_REJECTED, by=by, now=now, text=text)
    _expect_no_more(session, order, now=now)
    tell_reader(session, request, order, Event.WORKORDER_REJECTED)
    waiting.settle(session, request, by=by, now=now)
    return order


def cancel(session: Session, order_id: uuid.UUID, *, by: Actor, now: datetime) -> WorkOrder:
    """Call an order off before it is begun, as who reads or their head. Raises NotPermitted, IllegalMove."""
    request, order = lock_order(session, order_id, by=by)
    mine = by.assignment_id in (request.reader_assignment_id, order.created_by)
    if side_of(request, by) is not Side.PERFORMER or not (mine or Role.HEAD in by.roles(now)):
        raise NotPermitted("An order is called off by whoever reads the request, or by their head. Ask them to.")
    _cancel(session, request, order, by=by, now=now)
    waiting.settle(session, request, by=by, now=now)
    return order


def cancel_open(session: Session, request: ShareRequest, *, now: datetime) -> None:
    """A locked request has ended: what nobody has begun is called off, what has begun is finished."""
    open_orders = (
        select(WorkOrder)
        .where(
            WorkOrder.request_id == request.id,
            WorkOrder.status.in_((WorkOrderStatus.REQUESTED, WorkOrderStatus.ACCEPTED)),
        )
        .order_by(WorkOrder.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    for order in session.scalars(open_orders).all():
        _cancel(session, request, order, by=None, now=now)


def has_open(session: Session, request_id: uuid.UUID) -> bool:
    """Whether anything that was ordered is still to be done, or lent glass has not come back."""
    rows = session.execute(
        select(WorkOrder.status, WorkOrder.sent_at, WorkOrder.returned_at).where(WorkOrder.request_id == request_id)
    )
    return any(status in OPEN or (sent and not returned) for status, sent, returned in rows)


def has_blocking(session: Session, request_id: uuid.UUID) -> bool:
    """Whether the reader waits for something."""
    return waiting.find_cause(session, request_id) is not None


def _cancel(session: Session, request: ShareRequest, order: WorkOrder, *, by: Actor | None, now: datetime) -> None:
    move(session, request, order, "cancel", Event.WORKORDER_CANCELLED, by=by, now=now)
    _expect_no_more(session, order, now=now)
    tell_laboratory(session, request, order, Event.WORKORDER_CANCELLED)


def _hand_over(
    session: Session,
    request: ShareRequest,
    order: WorkOrder,
    slide_ids: list[uuid.UUID],
    *,
    by: Actor,
    now: datetime,
) -> None:
    found = session.scalars(
        select(SlideImage).where(SlideImage.id.in_(slide_ids), SlideImage.case_id == order.case_id)
    ).all()
    if {one.id for one in found if one.viewable} != set(slide_ids):
        raise Invalid(
            "Name images of this case that can be opened. Tie the others to the case first.", field="slide_ids"
        )
    session.add_all(
        WorkOrderResult(
            work_order_id=order.id, request_id=request.id, care_provider_id=by.provider_id, slide_image_id=one
        )
        for one in slide_ids
    )
    session.flush()
    if slide_ids and order.done_by is DoneBy.OWNER_LAB and request.status in UNANSWERED:
        disclosures.extend(session, request, slide_ids, by=by, now=now)


def _expect_no_more(session: Session, order: WorkOrder, *, now: datetime) -> None:
    """Glass that was expected of an order and has no image was never cut."""
    expected = select(WorkOrderResult.glass_slide_id).where(WorkOrderResult.work_order_id == order.id)
    with platform(session):
        scanned = select(SlideImage.glass_slide_id).where(SlideImage.case_id == order.case_id)
        for glass in session.scalars(
            select(GlassSlide).where(
                GlassSlide.id.in_(expected),
                GlassSlide.id.not_in(scanned.where(SlideImage.glass_slide_id.is_not(None))),
                GlassSlide.counts(),
            )
        ):
            glass.entered_in_error_at = now
