"""Work orders: what a reader needs done before they can answer, by whose laboratory, and how far it has come."""

from __future__ import annotations

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Enum, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from cases.database import Base, Versioned
from cases.sharing.moves import Move
from cases.sharing.requests.request import Side
from cases.sharing.service_descriptions import Urgency


class WorkKind(StrEnum):
    """What is to be done. Source: domain rules, 3.5."""

    LEVELS = "LEVELS"
    RECUT = "RECUT"
    SPECIAL_STAIN = "SPECIAL_STAIN"
    IHC = "IHC"
    ISH = "ISH"
    MOLECULAR = "MOLECULAR"
    RESCAN = "RESCAN"
    MORE_SLIDES = "MORE_SLIDES"
    GLASS_LOAN = "GLASS_LOAN"
    BLOCK_LOAN = "BLOCK_LOAN"
    CLINICAL_INFO = "CLINICAL_INFO"
    RADIOLOGY = "RADIOLOGY"


NEW_GLASS = frozenset({WorkKind.LEVELS, WorkKind.RECUT, WorkKind.SPECIAL_STAIN, WorkKind.IHC, WorkKind.ISH})
"""Sections are cut, so glass is expected that was not there."""
LOANS = frozenset({WorkKind.GLASS_LOAN, WorkKind.BLOCK_LOAN})
"""Tissue travels, and comes back. Source: domain rules, L35."""


class TargetKind(StrEnum):
    """What it is done to."""

    SPECIMEN = "SPECIMEN"
    BLOCK = "BLOCK"
    GLASS = "GLASS"


class DoneBy(StrEnum):
    """Whose laboratory does it."""

    OWNER_LAB = "OWNER_LAB"
    PERFORMER_LAB = "PERFORMER_LAB"

    @property
    def side(self) -> Side:
        """The side of the request that it is on."""
        return Side.OWNER if self is DoneBy.OWNER_LAB else Side.PERFORMER


class RejectReason(StrEnum):
    """Why it cannot be done. Source: domain rules, 5.7; DPOW's "unable"."""

    INSUFFICIENT_MATERIAL = "INSUFFICIENT_MATERIAL"
    NOT_AVAILABLE = "NOT_AVAILABLE"
    COST_NOT_APPROVED = "COST_NOT_APPROVED"


class WorkOrderStatus(StrEnum):
    """How far it has come. Source: domain rules, 5.7."""

    REQUESTED = "REQUESTED"
    ACCEPTED = "ACCEPTED"
    IN_PROGRESS = "IN_PROGRESS"
    FULFILLED = "FULFILLED"
    PARTLY_FULFILLED = "PARTLY_FULFILLED"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"


S = WorkOrderStatus
OPEN = frozenset({S.REQUESTED, S.ACCEPTED, S.IN_PROGRESS})
"""Something is still to be done."""


def _move(event: str, sources: set[S], target: S | None, who: str) -> Move[S]:
    return Move(event, frozenset(sources), target, who)


MOVES: tuple[Move[WorkOrderStatus], ...] = (
    _move("place", set(), S.REQUESTED, "performer PAT RES HEAD"),
    _move("accept", {S.REQUESTED}, S.ACCEPTED, "LAB COO of whose laboratory does it"),
    _move("start", {S.ACCEPTED}, S.IN_PROGRESS, "LAB COO of whose laboratory does it"),
    _move("fulfil", {S.IN_PROGRESS}, S.FULFILLED, "LAB COO of whose laboratory does it"),
    _move("fulfil_partly", {S.IN_PROGRESS}, S.PARTLY_FULFILLED, "LAB COO of whose laboratory does it"),
    _move("reject", {S.REQUESTED, S.ACCEPTED}, S.REJECTED, "LAB COO of whose laboratory does it"),
    _move("cancel", {S.REQUESTED, S.ACCEPTED}, S.CANCELLED, "performer PAT RES HEAD, SYS"),
    _move("send", {S.IN_PROGRESS}, None, "owner LAB COO"),
    _move("receive", {S.IN_PROGRESS}, S.FULFILLED, "performer LAB COO"),
    _move("take_back", {S.FULFILLED}, None, "owner LAB COO"),
)
"""Every move there is; the last three are of loans."""


class WorkOrder(Versioned, Base):
    """One order under a request.

    Attributes:
        care_provider_id: who ordered it: the performer.
        target_kind, target_id: what it is done to; None where that is said in words.
        code: the stain, antibody or analysis, by the laboratory's short name.
        blocking: the reader waits for it, and the request with them.
        slides: how many glass slides are expected of it.
        carrier, sent_at, received_at, returned_at: of a loan: sent to the performer, there, and back with the owner.
    """

    __tablename__ = "work_order"
    __table_args__ = (
        CheckConstraint("(target_kind IS NULL) = (target_id IS NULL)", "target_is_whole"),
        CheckConstraint("(status = 'REJECTED') = (reject_reason IS NOT NULL)", "rejection_has_a_reason"),
        CheckConstraint("slides BETWEEN 0 AND 50", "slides_are_some"),
        CheckConstraint("(sent_at IS NULL) = (carrier IS NULL)", "shipment_is_whole"),
        CheckConstraint(
            "(received_at IS NULL OR received_at >= sent_at) AND (returned_at IS NULL OR returned_at >= sent_at)"
            " AND (sent_at IS NOT NULL OR num_nonnulls(received_at, returned_at) = 0)",
            "shipment_dates_in_order",
        ),
    )

    request_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("share_request.id"), index=True)
    case_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("pathology_case.id"), index=True)
    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"))
    kind: Mapped[WorkKind] = mapped_column(Enum(WorkKind, native_enum=False, length=40))
    target_kind: Mapped[TargetKind | None] = mapped_column(Enum(TargetKind, native_enum=False, length=40))
    target_id: Mapped[uuid.UUID | None]
    code: Mapped[str | None]
    comment: Mapped[str | None]
    urgency: Mapped[Urgency] = mapped_column(Enum(Urgency, native_enum=False, length=40))
    done_by: Mapped[DoneBy] = mapped_column(Enum(DoneBy, native_enum=False, length=40))
    blocking: Mapped[bool]
    slides: Mapped[int]
    status: Mapped[WorkOrderStatus] = mapped_column(Enum(WorkOrderStatus, native_enum=False, length=40))
    reject_reason: Mapped[RejectReason | None] = mapped_column(Enum(RejectReason, native_enum=False, length=40))
    carrier: Mapped[str | None]
    sent_at: Mapped[datetime | None]
    received_at: Mapped[datetime | None]
    returned_at: Mapped[datetime | None]


class WorkOrderResult(Base):
    """One thing that an order led to: glass that is expected, or an image that was handed over.

    Attributes:
        care_provider_id: who wrote it down: of glass the performer, of images whose laboratory it was.
    """

    __tablename__ = "work_order_result"
    __table_args__ = (CheckConstraint("num_nonnulls(glass_slide_id, slide_image_id) = 1", "result_is_one_thing"),)

    work_order_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("work_order.id"), index=True)
    request_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("share_request.id"), index=True)
    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"))
    glass_slide_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("glass_slide.id"))
    slide_image_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("slide_image.id"))
