"""Glass and tissue blocks that travel: sent by the owner, received by the performer, and back again.

They are tissue samples, so where they are is always on record. Source: domain rules, L35; lag (2023:38) om biobanker.
"""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy.orm import Session

from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.errors import Conflict, Invalid
from cases.sharing import waiting
from cases.sharing.requests.request import ShareRequest, Side
from cases.sharing.work_orders.moving import lock_order, move, require_side, tell_laboratory, tell_reader
from cases.sharing.work_orders.order import LOANS, WorkOrder


def send(session: Session, order_id: uuid.UUID, *, carrier: str, at: datetime, by: Actor, now: datetime) -> WorkOrder:
    """Say that lent material has left the owner.

    Args:
        session: of this transaction.
        order_id: of the order.
        carrier: who carries it, and under what number.
        at: when it left.
        by: in the owner's laboratory.
        now: when this is said.

    Raises:
        NotPermitted: somebody of the performer.
        IllegalMove: it has not been taken on and begun, or is fulfilled.
        Conflict: it is no loan, or has been sent.
        Invalid: it left in the future.
    """
    request, order = _lock(session, order_id, Side.OWNER, at=at, by=by, now=now)
    if order.sent_at is not None:
        raise Conflict("It has been sent already. The performer says when it is there.")
    order.carrier, order.sent_at = carrier.strip(), at
    move(session, request, order, "send", Event.WORKORDER_SENT, by=by, now=now)
    tell_reader(session, request, order, Event.WORKORDER_SENT)
    return order


def receive(session: Session, order_id: uuid.UUID, *, at: datetime, by: Actor, now: datetime) -> WorkOrder:
    """Say that lent material is with the performer, which fulfils the order.

    Raises:
        NotPermitted: somebody of the owner.
        IllegalMove: it is not under way.
        Conflict: it is no loan, or has not been sent.
        Invalid: it came in the future, or before it was sent.
    """
    request, order = _lock(session, order_id, Side.PERFORMER, at=at, by=by, now=now)
    _require_sent(order, at)
    order.received_at = at
    move(session, request, order, "receive", Event.WORKORDER_FULFILLED, by=by, now=now)
    tell_reader(session, request, order, Event.WORKORDER_FULFILLED)
    waiting.settle(session, request, by=by, now=now)
    return order


def take_back(session: Session, order_id: uuid.UUID, *, at: datetime, by: Actor, now: datetime) -> WorkOrder:
    """Say that lent material is back with the owner.

    Raises:
        NotPermitted: somebody of the performer.
        IllegalMove: the performer has not received it.
        Conflict: it is no loan, or is back.
        Invalid: it came in the future, or before it was sent.
    """
    request, order = _lock(session, order_id, Side.OWNER, at=at, by=by, now=now)
    _require_sent(order, at)
    if order.returned_at is not None:
        raise Conflict("It is back already.")
    order.returned_at = at
    move(session, request, order, "take_back", Event.WORKORDER_RETURNED, by=by, now=now)
    tell_laboratory(session, request, order, Event.WORKORDER_RETURNED)
    return order


def _lock(
    session: Session, order_id: uuid.UUID, side: Side, *, at: datetime, by: Actor, now: datetime
) -> tuple[ShareRequest, WorkOrder]:
    request, order = lock_order(session, order_id, by=by)
    require_side(request, side, by=by)
    if order.kind not in LOANS:
        raise Conflict("Only lent glass and tissue blocks are sent. Say that the order is fulfilled.")
    if at > now:
        raise Invalid("Say when it happened, not when it will.", field="at")
    return request, order


def _require_sent(order: WorkOrder, at: datetime) -> None:
    if order.sent_at is None:
        raise Conflict("It has not been sent. The owner's laboratory says when it is.")
    if at < order.sent_at:
        raise Invalid("It cannot have come before it was sent; check the time.", field="at")
