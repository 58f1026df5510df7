"""Placing a work order, and the glass that is expected from then on."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.errors import Conflict, Invalid, NotPermitted
from cases.access.permissions import Role
from cases.database import platform
from cases.records import lead_times
from cases.records.lead_times import Point
from cases.records.pathology_case import PathologyCase
from cases.records.specimens import (
    GlassSlide,
    NewGlass,
    Specimen,
    StainKind,
    TissueBlock,
    find_material,
    register_glass_slide,
)
from cases.sharing import waiting
from cases.sharing.requests.request import RequestStatus, ShareRequest, Side, side_of
from cases.sharing.service_descriptions import Urgency
from cases.sharing.work_orders.moving import tell_laboratory, write_down
from cases.sharing.work_orders.order import (
    LOANS,
    NEW_GLASS,
    DoneBy,
    TargetKind,
    WorkKind,
    WorkOrder,
    WorkOrderResult,
    WorkOrderStatus,
)

WHILE_READING = (RequestStatus.IN_REVIEW, RequestStatus.WAITING)
_STAINS = {WorkKind.SPECIAL_STAIN: StainKind.SPECIAL, WorkKind.IHC: StainKind.IHC, WorkKind.ISH: StainKind.ISH}
"""What their glass is stained with; other sections with haematoxylin and eosin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a reader orders.

    Attributes:
        target_kind, target_id: what it is done to; needed where sections are cut, so that they have a place.
        code: the stain, antibody or analysis.
        urgency: None as the request's.
        blocking: the reader waits for it.
        slides: how many new glass slides are wanted, where sections are cut.
    """

    kind: WorkKind
    target_kind: TargetKind | None = None
    target_id: uuid.UUID | None = None
    code: str | None = None
    comment: str | None = None
    urgency: Urgency | None = None
    done_by: DoneBy = DoneBy.OWNER_LAB
    blocking: bool = True
    slides: int = 1


def place(session: Session, request: ShareRequest, order: Order, *, by: Actor, now: datetime) -> WorkOrder:
    """Order what the reading needs. The glass that will come of it stands in the case at once, as expected.

    Args:
        session: of this transaction.
        request: locked.
        order: what is wanted.
        by: who reads, or their head; the gate has let them into the case.
        now: when.

    Raises:
        NotPermitted: somebody else than the reader or a head of theirs.
        Conflict: it is not being read now.
        Invalid: no target where sections are cut, one that is not of this case, no code for a stain, or an owner's
            loan from the performer.
    """
    _require_reader(request, by=by, now=now)
    if request.status not in WHILE_READING:
        raise Conflict(f"Orders are placed while a request is read; this one is {request.status}.")
    target = _find_target(session, request, order)
    count = order.slides if order.kind in NEW_GLASS else 0
    row = WorkOrder(
        request_id=request.id,
        case_id=request.case_id,
        care_provider_id=by.provider_id,
        kind=order.kind,
        target_kind=order.target_kind,
        target_id=order.target_id,
        code=(order.code or "").strip() or None,
        comment=(order.comment or "").strip() or None,
        urgency=order.urgency or request.urgency,
        done_by=order.done_by,
        blocking=order.blocking,
        slides=count,
        status=WorkOrderStatus.REQUESTED,
        created_by=by.assignment_id,
    )
    session.add(row)
    session.flush()
    if target is not None and order.kind in NEW_GLASS:
        _expect_glass(session, row, *target, by=by)
    write_down(session, request, row, "place", Event.WORKORDER_PLACED, before=None, by=by, now=now)
    lead_times.stamp(session, request.case_id, Point.ANCILLARY_ORDERED, now)
    tell_laboratory(session, request, row, Event.WORKORDER_PLACED)
    waiting.settle(session, request, by=by, now=now)
    return row


def _require_reader(request: ShareRequest, *, by: Actor, now: datetime) -> None:
    reads = request.reader_assignment_id == by.assignment_id
    if side_of(request, by) is not Side.PERFORMER or not (reads or Role.HEAD in by.roles(now)):
        raise NotPermitted("Work is ordered by whoever reads the request, or by their head. Ask them to.")


def _find_target(session: Session, request: ShareRequest, order: Order) -> tuple[Specimen, TissueBlock | None] | None:
    """What it is done to: the specimen, and the tissue block if it is of one."""
    if order.kind in LOANS and order.done_by is not DoneBy.OWNER_LAB:
        raise Invalid("Glass and tissue blocks are lent by the owner; done_by is OWNER_LAB.", field="done_by")
    if order.kind in _STAINS and not (order.code or "").strip():
        raise Invalid("Say which stain or antibody, by its short name.", field="code")
    if order.kind in NEW_GLASS and not 1 <= order.slides <= 50:
        raise Invalid("Say how many slides are wanted, from 1 to 50.", field="slides")
    if (order.target_kind is None) != (order.target_id is None):
        raise Invalid("A target has a kind and an id.", field="target_id")
    with platform(session):
        if order.target_kind is None:
            if order.kind in NEW_GLASS and find_material(session, [request.case_id])[0]:
                raise Invalid("Say what the sections are cut from: a tissue block or a specimen.", field="target_id")
            return None
        found: Specimen | TissueBlock | GlassSlide | None
        match order.target_kind:
            case TargetKind.SPECIMEN:
                found = session.get(Specimen, order.target_id)
            case TargetKind.BLOCK:
                found = session.get(TissueBlock, order.target_id)
            case TargetKind.GLASS:
                found = session.get(GlassSlide, order.target_id)
        if found is None or found.case_id != request.case_id or found.entered_in_error_at is not None:
            raise Invalid("There is no such specimen, tissue block or glass in this case.", field="target_id")
        if isinstance(found, Specimen):
            return found, None
        block_id = found.id if isinstance(found, TissueBlock) else found.tissue_block_id
        return session.get_one(Specimen, found.specimen_id), session.get(TissueBlock, block_id) if block_id else None


def _expect_glass(
    session: Session, order: WorkOrder, specimen: Specimen, block: TissueBlock | None, *, by: Actor
) -> None:
    new = NewGlass(
        stain_code=order.code or "HE",
        stain_kind=_STAINS.get(order.kind, StainKind.HE),
        antibody=order.code if order.kind is WorkKind.IHC else None,
    )
    with platform(session):
        case = session.get_one(PathologyCase, order.case_id)
        glass = [
            register_glass_slide(session, case, new, specimen=specimen, block=block, by=by) for _ in range(order.slides)
        ]
    session.add_all(
        WorkOrderResult(
            work_order_id=order.id,
            request_id=order.request_id,
            care_provider_id=order.care_provider_id,
            glass_slide_id=one.id,
        )
        for one in glass
    )
    session.flush()
