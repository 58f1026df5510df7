"""Requests from one care provider to another: their rows, their machine, and the one way in which they move.

request.py      the row that both see, who works on it
moves.py        the machine as a table; advancing.py makes a move
drafting.py     create, change                 submitting.py  submit, offer
deciding.py     accept, decline, assign, reassign, start
ending.py       cancel, recall, return, expire, close
holds.py        what keeps a request from going on, and looking again
disclosures.py  what is handed out, and to whom
signout.py      who answers for a transferred case
"""

from cases.sharing.requests.advancing import advance
from cases.sharing.requests.disclosure import DisclosedItem, Disclosure, DisclosureState, ItemKind, Manifest
from cases.sharing.requests.hold import HoldReason, RequestHold
from cases.sharing.requests.moves import MOVES
from cases.sharing.requests.request import (
    ANSWERED,
    BEFORE_OFFERED,
    OVER,
    STOPPED,
    TAKEN,
    UNANSWERED,
    LegalGround,
    ReasonCode,
    RequestStatus,
    ShareRequest,
    Side,
    TaskAssignment,
    TaskRole,
    find_request,
    lock_request,
    side_of,
    subject_of,
)

__all__ = [
    "ANSWERED",
    "BEFORE_OFFERED",
    "MOVES",
    "OVER",
    "STOPPED",
    "TAKEN",
    "UNANSWERED",
    "DisclosedItem",
    "Disclosure",
    "DisclosureState",
    "HoldReason",
    "ItemKind",
    "LegalGround",
    "Manifest",
    "ReasonCode",
    "RequestHold",
    "RequestStatus",
    "ShareRequest",
    "Side",
    "TaskAssignment",
    "TaskRole",
    "advance",
    "find_request",
    "lock_request",
    "side_of",
    "subject_of",
]
