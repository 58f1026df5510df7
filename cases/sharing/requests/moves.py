"""The machine of requests: what leads from where to where. Source: domain rules, 5.1."""

from __future__ import annotations

from cases.sharing.moves import Move
from cases.sharing.requests.request import ANSWERED, TAKEN, RequestStatus

S = RequestStatus
IN_HAND = frozenset({S.OFFERED, *TAKEN})


def _move(event: str, sources: frozenset[S] | set[S], target: S | None, who: str) -> Move[S]:
    return Move(event, frozenset(sources), target, who)


MOVES: tuple[Move[RequestStatus], ...] = (
    _move("create", set(), S.DRAFT, "owner PAT RES COO HEAD CLN MDT"),
    _move("submit", {S.DRAFT}, S.SUBMITTED, "owner PAT HEAD"),
    _move("cancel", {S.DRAFT, S.SUBMITTED, S.HELD}, S.CANCELLED, "owner's author, HEAD"),
    _move("hold", {S.SUBMITTED, *IN_HAND}, S.HELD, "SYS"),
    _move("resolve", {S.HELD}, None, "SYS, owner COO"),
    _move("offer", {S.SUBMITTED}, S.OFFERED, "SYS"),
    _move("accept", {S.OFFERED}, S.ACCEPTED, "performer PAT HEAD"),
    _move("decline", {S.OFFERED, S.HELD}, S.DECLINED, "performer PAT HEAD"),
    _move("escalate", {S.OFFERED, S.ANSWERED}, None, "SYS"),
    _move("expire", {S.OFFERED, S.HELD}, S.EXPIRED, "SYS"),
    _move("recall", {*IN_HAND, S.HELD}, S.RECALLED, "owner PAT HEAD"),
    _move("ask_recall", {*TAKEN, S.HELD}, None, "owner PAT HEAD"),
    _move("confirm_recall", {*TAKEN, S.HELD}, S.RECALLED, "performer HEAD, SYS"),
    _move("assign", {S.ACCEPTED}, S.ASSIGNED, "performer HEAD COO PAT"),
    _move("reassign", {S.ASSIGNED, S.IN_REVIEW}, S.ASSIGNED, "performer HEAD COO PAT"),
    _move("start", {S.ASSIGNED}, S.IN_REVIEW, "performer's reader, SYS"),
    _move("wait", {S.IN_REVIEW}, S.WAITING, "performer PAT RES"),
    _move("resume", {S.WAITING}, S.IN_REVIEW, "SYS"),
    _move("return", {S.IN_REVIEW, S.WAITING, S.HELD}, S.RETURNED, "performer PAT HEAD"),
    _move("sign", {S.IN_REVIEW}, S.ANSWERED, "performer PAT"),
    _move("sign_for_countersign", {S.IN_REVIEW}, S.COUNTERSIGN, "performer RES PAT"),
    _move("countersign", {S.COUNTERSIGN}, S.ANSWERED, "performer PAT, not the author"),
    _move("send_back", {S.COUNTERSIGN}, S.IN_REVIEW, "performer's countersigner"),
    _move("acknowledge", {S.ANSWERED}, S.ACKNOWLEDGED, "owner PAT COO HEAD"),
    _move("close", {S.ACKNOWLEDGED}, S.CLOSED, "SYS, owner"),
    _move("amend", {*ANSWERED}, S.ANSWERED, "performer PAT"),
    _move("reopen", {*ANSWERED}, S.IN_REVIEW, "performer HEAD, whose answer was an error"),
    _move("take_back", {*ANSWERED}, S.RECALLED, "owner HEAD, of a transfer"),
)
"""Every move there is. A held request can do what it could before, of what has HELD among its sources."""
