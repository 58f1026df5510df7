"""How requests end: cancelled, recalled, returned, expired, closed. Who answered for the case then answers again."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy.orm import Session

from cases.access.actors import Actor
from cases.access.errors import Conflict, NotPermitted
from cases.access.permissions import Permission, Role
from cases.sharing import work_orders
from cases.sharing.answers import reconciliations
from cases.sharing.requests import parties
from cases.sharing.requests.advancing import advance
from cases.sharing.requests.deciding import require_text
from cases.sharing.requests.request import ANSWERED, TAKEN, ShareRequest, Side, TaskRole
from cases.sharing.requests.tasks import find_holder
from cases.sharing.service_descriptions import RequestType


class ReturnReason(StrEnum):
    """Why a performer gives a request back without an answer."""

    CAPACITY = "CAPACITY"
    COMPETENCE = "COMPETENCE"
    CONFLICT = "CONFLICT"
    INSUFFICIENT_MATERIAL = "INSUFFICIENT_MATERIAL"
    QUALITY = "QUALITY"
    ABSENCE = "ABSENCE"
    OTHER = "OTHER"


def cancel(session: Session, request: ShareRequest, *, text: str | None = None, by: Actor, now: datetime) -> None:
    """Drop a locked request that nobody has been offered yet.

    Raises:
        NotPermitted: it is for who made it, or their head.
        IllegalMove: it has been offered; it can be recalled.
    """
    parties.require_side(session, request, Side.OWNER, Permission.CREATE_REQUEST, by=by, now=now)
    heads = parties.holds_role(by, request.requester_department_id, Role.HEAD, now=now)
    if by.assignment_id != request.requester_assignment_id and not heads:
        raise NotPermitted("A request is cancelled by who made it, or by their head.")
    advance(session, request, "cancel", by=by, now=now, text=text)


def recall(session: Session, request: ShareRequest, *, text: str, by: Actor, now: datetime) -> None:
    """Take a locked request back: it goes dark for the performer at once.

    A transferred case that was accepted is somebody else's to sign out: it is asked back, and the performer's head
    confirms. Once it is answered the owner's head takes it back: the answer stays, and what changes later is theirs.

    Raises:
        NotPermitted: it is for others.
        IllegalMove: it was not offered, or there is an answer already and it is no transfer.
        Invalid: it is not said why.
        Conflict: it has been asked back already.
    """
    parties.require_side(session, request, Side.OWNER, Permission.RECALL_REQUEST, by=by, now=now)
    why = require_text(text)
    if request.type is RequestType.WORKLOAD_TRANSFER and request.stage in TAKEN:
        if request.recall_requested_at is not None:
            raise Conflict("The case has been asked back already; the performer's head confirms, or telephones.")
        advance(session, request, "ask_recall", by=by, now=now, text=why)
    elif request.type is RequestType.WORKLOAD_TRANSFER and request.status in ANSWERED:
        if not parties.holds_role(by, request.requester_department_id, Role.HEAD, now=now):
            raise NotPermitted("An answered case is taken back by the head of the department that sent it. Ask them.")
        advance(session, request, "take_back", by=by, now=now, reason="TAKEN_BACK", text=why)
        work_orders.cancel_open(session, request, now=now)
    else:
        advance(session, request, "recall", by=by, now=now, reason="RECALLED", text=why)
        work_orders.cancel_open(session, request, now=now)


def confirm_recall(session: Session, request: ShareRequest, *, by: Actor | None, now: datetime) -> None:
    """Give a transferred case back that was asked for; None for the system, when nobody has opened a slide for long.

    Raises:
        NotPermitted: it is for the performer's head.
        Conflict: nobody has asked for it.
    """
    if by is not None:
        parties.require_side(session, request, Side.PERFORMER, Permission.RETURN_REQUEST, by=by, now=now)
        if not parties.holds_role(by, request.performer_department_id, Role.HEAD, now=now):
            raise NotPermitted("That a transferred case goes back is confirmed by the performer's head.")
    if request.recall_requested_at is None:
        raise Conflict("The owner has not asked for the case. It can be returned instead.")
    advance(session, request, "confirm_recall", by=by, now=now, reason="RECALLED")
    work_orders.cancel_open(session, request, now=now)


def return_unanswered(
    session: Session, request: ShareRequest, *, reason: ReturnReason, text: str, by: Actor, now: datetime
) -> None:
    """Give a locked request back without an answer; a transferred case is the owner's again at once.

    Raises:
        NotPermitted: it is for its reader or the performer's head.
        IllegalMove: nobody has begun to read it; it can be declined before that.
        Invalid: it is not said why.
    """
    parties.require_side(session, request, Side.PERFORMER, Permission.RETURN_REQUEST, by=by, now=now)
    reader = find_holder(session, request, TaskRole.READER)
    heads = parties.holds_role(by, request.performer_department_id, Role.HEAD, now=now)
    if not heads and (reader is None or reader.assignment_id != by.assignment_id):
        raise NotPermitted("A request is returned by its reader or by the performer's head.")
    advance(session, request, "return", by=by, now=now, reason=reason, text=require_text(text))
    work_orders.cancel_open(session, request, now=now)


def expire(session: Session, request: ShareRequest, *, now: datetime) -> None:
    """Nobody accepted a locked request in time. Raises IllegalMove."""
    advance(session, request, "expire", by=None, now=now, reason="EXPIRED")


def close(session: Session, request: ShareRequest, *, by: Actor | None, now: datetime) -> None:
    """Be done with a locked request whose answer was acknowledged; None for the system, when its time is over.

    Raises:
        NotPermitted: it is for the owner.
        IllegalMove: the answer has not been acknowledged.
        Conflict: a discrepancy has not been reconciled, or something that was ordered is not done.
    """
    if by is not None:
        parties.require_side(session, request, Side.OWNER, Permission.ACKNOWLEDGE_ANSWER, by=by, now=now)
    advance(session, request, "close", by=by, now=now)
    if not reconciliations.is_settled(session, request.id):
        raise Conflict("The answer states a discrepancy. Decide what comes of it, then close the request.")
    if work_orders.has_open(session, request.id):
        raise Conflict("Something that was ordered is not done, or lent glass is not back. Settle that first.")
