"""What somebody can do with a request as it stands: what its state leads to, of what their role is for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from cases.access.actors import Actor
from cases.access.grants import delegated
from cases.access.permissions import DELEGABLE, PERMITS, Permission, Role
from cases.sharing.requests import parties
from cases.sharing.requests.advancing import find_allowed
from cases.sharing.requests.request import TAKEN, ShareRequest, Side, side_of
from cases.sharing.requests.submitting import needed_for
from cases.sharing.service_descriptions import RequestType

NEEDS: Mapping[str, tuple[Side, Permission]] = {
    "submit": (Side.OWNER, Permission.DECIDE_DISCLOSURE),
    "cancel": (Side.OWNER, Permission.CREATE_REQUEST),
    "resolve": (Side.OWNER, Permission.CREATE_REQUEST),
    "recall": (Side.OWNER, Permission.RECALL_REQUEST),
    "ask_recall": (Side.OWNER, Permission.RECALL_REQUEST),
    "take_back": (Side.OWNER, Permission.RECALL_REQUEST),
    "acknowledge": (Side.OWNER, Permission.ACKNOWLEDGE_ANSWER),
    "close": (Side.OWNER, Permission.ACKNOWLEDGE_ANSWER),
    "accept": (Side.PERFORMER, Permission.ACCEPT_REQUEST),
    "decline": (Side.PERFORMER, Permission.ACCEPT_REQUEST),
    "assign": (Side.PERFORMER, Permission.ASSIGN_READER),
    "reassign": (Side.PERFORMER, Permission.ASSIGN_READER),
    "start": (Side.PERFORMER, Permission.DRAFT_ANSWER),
    "return": (Side.PERFORMER, Permission.RETURN_REQUEST),
    "confirm_recall": (Side.PERFORMER, Permission.RETURN_REQUEST),
    "sign": (Side.PERFORMER, Permission.DRAFT_ANSWER),
    "countersign": (Side.PERFORMER, Permission.COUNTERSIGN_ANSWER),
    "send_back": (Side.PERFORMER, Permission.COUNTERSIGN_ANSWER),
    "amend": (Side.PERFORMER, Permission.AMEND_ANSWER),
}
"""Which side makes a move, and what it takes; the others happen by themselves or along with these."""
READERS_OWN = frozenset({"start", "sign"})
"""What only whoever reads it does."""


def find_moves(session: Session, request: ShareRequest, *, by: Actor, now: datetime) -> list[str]:
    """The moves that somebody can make now, in the order of the alphabet. The moves themselves look again.

    Raises:
        NotThere: the actor's care provider is no party.
    """
    side = side_of(request, by)
    owner = side is Side.OWNER
    if by.unit_id != (request.unit_id if owner else request.performer_unit_id):
        return []
    department_id = request.requester_department_id if owner else request.performer_department_id
    handed = (
        delegated(session, by.assignment_id, department_id=department_id, now=now)
        if by.may(Permission.CREATE_REQUEST, now)
        else frozenset()
    )

    def may(permission: Permission) -> bool:
        held = parties.holds_role(by, department_id, *PERMITS[permission], now=now)
        return held or (permission in DELEGABLE and permission in handed)

    head = parties.holds_role(by, department_id, Role.HEAD, now=now)
    reads = request.reader_assignment_id == by.assignment_id
    possible = []
    for event in find_allowed(request):
        needed = NEEDS.get(event)
        if needed is None or needed[0] is not side or not may(_find_permission(event, request, needed[1])):
            continue
        if event in READERS_OWN and not (reads or (event == "start" and request.reader_assignment_id is None)):
            continue
        if _fits(event, request, by=by, head=head, reads=reads):
            possible.append(event)
    return possible


def _find_permission(event: str, request: ShareRequest, permission: Permission) -> Permission:
    return needed_for(request.type) if event == "submit" else permission


def _fits(event: str, request: ShareRequest, *, by: Actor, head: bool, reads: bool) -> bool:
    asked_back = request.type is RequestType.WORKLOAD_TRANSFER and request.stage in TAKEN
    match event:
        case "cancel":
            return head or by.assignment_id == request.requester_assignment_id
        case "recall":
            return not asked_back
        case "ask_recall":
            return asked_back and request.recall_requested_at is None
        case "take_back":
            return head and request.type is RequestType.WORKLOAD_TRANSFER
        case "confirm_recall":
            return head and request.recall_requested_at is not None
        case "return":
            return head or reads
        case _:
            return True
