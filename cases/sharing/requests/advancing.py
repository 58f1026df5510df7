"""The one way in which a request moves: state, clocks, what hangs on the state, who is told, and the log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from cases.access import audit, rights
from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.errors import IllegalMove
from cases.database import platform
from cases.records.pathology_case import PathologyCase
from cases.sharing.moves import Move, write_event
from cases.sharing.requests import disclosures, notices, signout, tasks
from cases.sharing.requests.moves import MOVES
from cases.sharing.requests.request import STOPPED, RequestStatus, ShareRequest, subject_of

EVENTS: Mapping[str, Event] = {
    "create": Event.REQUEST_CREATED,
    "submit": Event.REQUEST_SUBMITTED,
    "cancel": Event.REQUEST_CANCELLED,
    "hold": Event.REQUEST_HELD,
    "resolve": Event.REQUEST_RESOLVED,
    "offer": Event.REQUEST_OFFERED,
    "accept": Event.REQUEST_ACCEPTED,
    "decline": Event.REQUEST_DECLINED,
    "escalate": Event.REQUEST_ESCALATED,
    "expire": Event.REQUEST_EXPIRED,
    "recall": Event.REQUEST_RECALLED,
    "ask_recall": Event.REQUEST_RECALL_ASKED,
    "confirm_recall": Event.REQUEST_RECALLED,
    "assign": Event.REQUEST_ASSIGNED,
    "reassign": Event.REQUEST_REASSIGNED,
    "start": Event.REQUEST_STARTED,
    "wait": Event.REQUEST_WAITING,
    "resume": Event.REQUEST_RESUMED,
    "return": Event.REQUEST_RETURNED,
    "sign": Event.REQUEST_ANSWERED,
    "sign_for_countersign": Event.REQUEST_COUNTERSIGN_ASKED,
    "countersign": Event.REQUEST_COUNTERSIGNED,
    "send_back": Event.REQUEST_SENT_BACK,
    "acknowledge": Event.REQUEST_ACKNOWLEDGED,
    "amend": Event.REQUEST_AMENDED,
    "reopen": Event.REQUEST_REOPENED,
    "take_back": Event.REQUEST_TAKEN_BACK,
    "close": Event.REQUEST_CLOSED,
}
"""What the log calls each move."""
CLOCKS: Mapping[str, str] = {
    "submit": "submitted_at",
    "offer": "offered_at",
    "accept": "accepted_at",
    "start": "first_opened_at",
    "sign": "answered_at",
    "countersign": "answered_at",
    "ask_recall": "recall_requested_at",
}
"""The first time counts: what comes later is in the state events."""
LATEST: Mapping[str, str] = {
    "assign": "assigned_at",
    "reassign": "assigned_at",
    "acknowledge": "acknowledged_at",
    "close": "closed_at",
}
"""The last time counts: another reader begins anew, and an amended answer is acknowledged once more."""

BACK: Mapping[str, tuple[str, ...]] = {
    "amend": ("acknowledged_at", "closed_at"),
    "reopen": ("answered_at", "acknowledged_at", "closed_at"),
}
"""What has not happened after all: an amended answer is not acknowledged, one that was an error was none."""


def find_allowed(request: ShareRequest) -> list[str]:
    """What can happen with a request as it stands, in the order of the alphabet."""
    return sorted(move.event for move in MOVES if _leads(move, request))


def advance(
    session: Session,
    request: ShareRequest,
    event: str,
    *,
    by: Actor | None,
    now: datetime,
    reason: str | None = None,
    text: str | None = None,
) -> None:
    """Move a request by an event, with everything that hangs on its state.

    The row is locked (`lock_request`), and whoever calls this has checked that the actor may and that nothing else
    stands against it.

    Args:
        session: of this transaction.
        request: locked.
        event: of the table of moves.
        by: who; None for the system.
        now: when.
        reason: a code.
        text: what somebody wrote about it.

    Raises:
        IllegalMove: its state does not lead there; it carries what is possible.
    """
    move = require_move(request, event)
    before = request.status
    after = move.target or (request.held_from if event == "resolve" else None) or before
    if after is not before:
        request.status, request.held_from = after, before if after is RequestStatus.HELD else None
    if (clock := CLOCKS.get(event)) and getattr(request, clock) is None:
        setattr(request, clock, now)
    if latest := LATEST.get(event):
        setattr(request, latest, now)
    for clock in BACK.get(event, ()):
        setattr(request, clock, None)
    if after in STOPPED:
        request.ended_at, request.end_reason, request.end_text = now, reason, text
    with platform(session):
        case = session.get_one(PathologyCase, request.case_id)
        if after is not before or event == "amend":
            request.escalation = 0  # what was late is done, or begins anew; neither side's to say
    disclosures.follow(session, request, event, by=by, now=now)
    if event == "reopen":  # what has been blocked or ended since the answer stands against it once more
        rights.changed(session, patients=[case.patient_id])
    tasks.follow(session, request, event, now=now)
    signout.follow(session, request, case, event, now=now)
    notices.tell(session, request, event, EVENTS[event])
    write_event(
        session,
        entity="request",
        entity_id=request.id,
        care_provider_id=request.care_provider_id,
        event=event,
        before=before,
        after=after,
        by=by,
        now=now,
        request_id=request.id,
        reason=reason,
        text=text,
    )
    audit.record(
        session,
        EVENTS[event],
        by=by,
        provider_id=request.care_provider_id,
        subjects=[subject_of(request, case.patient_id)],
        args={"from": before, "to": after, "reason": reason},
    )
    session.flush()


def require_move(request: ShareRequest, event: str) -> Move[RequestStatus]:
    """The row of the table for an event; a held request goes only where it could have gone before, or on.

    Raises:
        IllegalMove: the request does not lead there; it carries the events that are possible.
    """
    for move in MOVES:
        if move.event == event and _leads(move, request):
            return move
    allowed = find_allowed(request)
    possible = f"Possible now: {', '.join(allowed)}." if allowed else "Nothing more can be done with it."
    held = f" and was {request.held_from}" if request.held_from else ""
    raise IllegalMove(
        f"The request is {request.status}{held}, where nobody can {event.replace('_', ' ')}. {possible}",
        allowed=allowed,
    )


def _leads(move: Move[RequestStatus], request: ShareRequest) -> bool:
    if request.status not in move.sources:
        return False
    return request.held_from is None or move.event == "resolve" or request.held_from in move.sources
