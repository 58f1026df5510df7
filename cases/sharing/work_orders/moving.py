"""What every move of a work order does: it is found and locked, written down, and told to those it concerns."""

from __future__ import annotations

import uuid
from datetime import datetime
from functools import partial

from sqlalchemy import select
from sqlalchemy.orm import Session

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.errors import NotPermitted, NotThere
from cases.access.notifications import notify
from cases.access.permissions import Role
from cases.database import platform
from cases.records.pathology_case import PathologyCase
from cases.sharing.moves import find_move, write_event
from cases.sharing.requests.request import ShareRequest, Side, find_request, lock_request, side_of, subject_of
from cases.sharing.work_orders.order import MOVES, WorkOrder, WorkOrderStatus

LABORATORY = (Role.LAB, Role.COO)
"""Who does what is ordered."""


def find_order(session: Session, order_id: uuid.UUID, *, by: Actor) -> WorkOrder:
    """An order of a request that the actor's care provider is a party of. Raises NotThere."""
    order = session.get(WorkOrder, order_id)
    if order is None:
        raise NotThere("There is no such work order.")
    find_request(session, order.request_id, by=by)
    return order


def lock_order(session: Session, order_id: uuid.UUID, *, by: Actor | None) -> tuple[ShareRequest, WorkOrder]:
    """The same with its request, as they stand now, to be moved: the request first, as everywhere. Raises NotThere."""
    found = session.get(WorkOrder, order_id)
    if found is None:
        raise NotThere("There is no such work order.")
    request = lock_request(session, found.request_id, by=by)
    locked = select(WorkOrder).where(WorkOrder.id == order_id).with_for_update()
    return request, session.scalars(locked.execution_options(populate_existing=True)).one()


def require_side(request: ShareRequest, side: Side, *, by: Actor) -> None:
    """Raise NotPermitted where something is for the other side to do."""
    if side_of(request, by) is not side:
        whose = "owner" if side is Side.OWNER else "performer"
        raise NotPermitted(f"This is for the {whose}'s laboratory to do. Write to them on the request.")


def move(
    session: Session,
    request: ShareRequest,
    order: WorkOrder,
    event: str,
    logged: Event,
    *,
    by: Actor | None,
    now: datetime,
    text: str | None = None,
) -> None:
    """Move a locked order by an event.

    Raises:
        IllegalMove: its state does not lead there; it carries what is possible.
    """
    before = order.status
    order.status = find_move(MOVES, event, before).target or before
    write_down(session, request, order, event, logged, before=before, by=by, now=now, text=text)


def write_down(
    session: Session,
    request: ShareRequest,
    order: WorkOrder,
    event: str,
    logged: Event,
    *,
    before: WorkOrderStatus | None,
    by: Actor | None,
    now: datetime,
    text: str | None = None,
) -> None:
    """Keep a move that was made, for the stream and in the log."""
    write_event(
        session,
        entity="work_order",
        entity_id=order.id,
        care_provider_id=order.care_provider_id,
        event=event,
        before=before,
        after=order.status,
        by=by,
        now=now,
        request_id=request.id,
        reason=order.reject_reason,
        text=text,
    )
    with platform(session):
        patient_id = session.scalar(select(PathologyCase.patient_id).where(PathologyCase.id == order.case_id))
    audit.record(
        session,
        logged,
        by=by,
        provider_id=order.care_provider_id,
        subjects=[subject_of(request, patient_id)],
        args={"work_order": str(order.id), "kind": order.kind, "to": order.status},
    )
    session.flush()


def tell_laboratory(session: Session, request: ShareRequest, order: WorkOrder, event: Event) -> None:
    """Tell whose laboratory does it."""
    owner = order.done_by.side is Side.OWNER
    _tell(session, request, order, event)(
        provider_id=request.care_provider_id if owner else request.performer_provider_id,
        unit_id=request.unit_id if owner else request.performer_unit_id,
        department_id=request.requester_department_id if owner else request.performer_department_id,
        roles=LABORATORY,
    )


def tell_reader(session: Session, request: ShareRequest, order: WorkOrder, event: Event) -> None:
    """Tell who reads, and who ordered."""
    _tell(session, request, order, event)(
        provider_id=request.performer_provider_id, assignments=(request.reader_assignment_id, order.created_by)
    )


def _tell(session: Session, request: ShareRequest, order: WorkOrder, event: Event) -> partial[None]:
    return partial(notify, session, event, subject_kind="work_order", subject_id=order.id, short_id=request.short_id)
