"""Who is told of what happens to a request; by ids and codes only."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from sqlalchemy.orm import Session

from cases.access.audit import Event
from cases.access.notifications import notify
from cases.access.permissions import Role
from cases.sharing.requests.request import RequestStatus, ShareRequest, Side
from cases.sharing.service_descriptions import RequestType

QUEUE = (Role.PAT, Role.COO, Role.HEAD)
"""Who watches a department's offers."""
TOLD: Mapping[str, Side] = {
    "hold": Side.OWNER,
    "resolve": Side.OWNER,
    "offer": Side.PERFORMER,
    "accept": Side.OWNER,
    "decline": Side.OWNER,
    "expire": Side.OWNER,
    "assign": Side.PERFORMER,
    "reassign": Side.PERFORMER,
    "recall": Side.PERFORMER,
    "confirm_recall": Side.OWNER,
    "wait": Side.OWNER,
    "resume": Side.PERFORMER,
    "return": Side.OWNER,
    "sign": Side.OWNER,
    "countersign": Side.OWNER,
    "send_back": Side.PERFORMER,
    "acknowledge": Side.PERFORMER,
    "amend": Side.OWNER,
    "reopen": Side.OWNER,
    "take_back": Side.PERFORMER,
}
"""Which side is told of a move by itself. Timers tell more where something is late."""


def tell(session: Session, request: ShareRequest, event: str, logged: Event) -> None:
    """Tell those whom a move concerns: who asked and who watches, or who reads and otherwise the queue."""
    side = TOLD.get(event)
    if side is Side.OWNER:
        _tell_owner(session, request, logged)
        if event == "hold" and request.held_from is not RequestStatus.SUBMITTED:
            _tell_performer(session, request, logged)
        if event == "return" and request.type is RequestType.WORKLOAD_TRANSFER:
            _tell_roles(session, request, logged, Side.OWNER, (Role.HEAD,))
    elif side is Side.PERFORMER:
        _tell_performer(session, request, logged)
    elif event == "ask_recall":
        _tell_roles(session, request, logged, Side.PERFORMER, (Role.HEAD,))


def tell_countersigner(session: Session, request: ShareRequest, assignment_id: uuid.UUID | None) -> None:
    """Tell whoever is to countersign an answer, or every pathologist of the department where nobody was named."""
    if assignment_id is None:
        _tell_roles(session, request, Event.REQUEST_COUNTERSIGN_ASKED, Side.PERFORMER, (Role.PAT,))
    else:
        _tell_one(session, request, Event.REQUEST_COUNTERSIGN_ASKED, assignment_id)


def tell_author(session: Session, request: ShareRequest, assignment_id: uuid.UUID) -> None:
    """Tell the author of an answer that whoever was to countersign it gave it back."""
    _tell_one(session, request, Event.REQUEST_SENT_BACK, assignment_id)


def tell_extended(session: Session, request: ShareRequest) -> None:
    """Tell whoever reads that more was handed out."""
    if request.offered_at is not None:
        _tell_performer(session, request, Event.DISCLOSURE_EXTENDED)


def _tell_owner(session: Session, request: ShareRequest, logged: Event) -> None:
    notify(
        session,
        logged,
        subject_kind="request",
        subject_id=request.id,
        short_id=request.short_id,
        provider_id=request.care_provider_id,
        assignments=(
            request.requester_assignment_id,
            request.watcher_assignment_id,
            request.stand_in_assignment_id,
        ),
    )


def _tell_performer(session: Session, request: ShareRequest, logged: Event) -> None:
    reader = request.reader_assignment_id or request.named_reader_id
    if reader is None:
        _tell_roles(session, request, logged, Side.PERFORMER, QUEUE)
        return
    _tell_one(session, request, logged, reader)


def _tell_one(session: Session, request: ShareRequest, logged: Event, assignment_id: uuid.UUID) -> None:
    notify(
        session,
        logged,
        subject_kind="request",
        subject_id=request.id,
        short_id=request.short_id,
        provider_id=request.performer_provider_id,
        assignments=(assignment_id,),
    )


def _tell_roles(session: Session, request: ShareRequest, logged: Event, side: Side, roles: tuple[Role, ...]) -> None:
    owner = side is Side.OWNER
    notify(
        session,
        logged,
        subject_kind="request",
        subject_id=request.id,
        short_id=request.short_id,
        provider_id=request.care_provider_id if owner else request.performer_provider_id,
        unit_id=request.unit_id if owner else request.performer_unit_id,
        department_id=request.requester_department_id if owner else request.performer_department_id,
        roles=roles,
    )
