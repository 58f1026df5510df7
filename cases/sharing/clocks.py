"""How long a request has taken, and whom it waited for: computed from what happened to it, never kept.

Source: domain rules, 8.1, sharing clocks.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from cases.sharing.moves import StateEvent
from cases.sharing.requests.request import OVER, RequestStatus
from cases.sharing.waiting import Cause
from cases.sharing.working_time import working_minutes_between

S = RequestStatus


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time.

    Attributes:
        running: it goes on; the end is the moment of asking.
    """

    start: datetime
    end: datetime
    running: bool = False

    @property
    def length(self) -> timedelta:
        """By the clock."""
        return self.end - self.start

    @property
    def working_minutes(self) -> int:
        """Of it in working time."""
        return working_minutes_between(self.start, self.end)


@dataclass(frozen=True, slots=True)
class Tick:
    """One move of a request, as the clocks need it."""

    to_state: RequestStatus
    at: datetime
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """The clocks of one request. One that has not begun is None; one that ended with the request is no longer running.

    Attributes:
        prepare: from submitting to offering, being held included.
        accept: from offering to accepting.
        first_look: from offering to when somebody began to read.
        answer: from accepting to answering, waiting and being held included.
        total: from submitting to answering.
        acknowledge: from answering to acknowledging.
        waiting_owner, waiting_lab: stretches within `answer` in which the reader waited for the owner, or for their
            own laboratory.
        held: stretches in which the request was held, whenever.
    """

    prepare: Span | None
    accept: Span | None
    first_look: Span | None
    answer: Span | None
    total: Span | None
    acknowledge: Span | None
    waiting_owner: tuple[Span, ...]
    waiting_lab: tuple[Span, ...]
    held: tuple[Span, ...]

    @property
    def answer_net(self) -> timedelta | None:
        """`answer` without the waiting; to be shown only beside it."""
        if self.answer is None:
            return None
        waited = (span.length for span in (*self.waiting_owner, *self.waiting_lab))
        return self.answer.length - sum(waited, timedelta())


def read_clocks(session: Session, request_id: uuid.UUID, *, now: datetime) -> Clocks:
    """The clocks of a request as they stand."""
    rows = session.execute(
        select(StateEvent.to_state, StateEvent.at, StateEvent.reason)
        .where(StateEvent.entity_id == request_id, StateEvent.entity == "request")
        .order_by(StateEvent.id)
    )
    return compute_clocks([Tick(RequestStatus(state), at, reason) for state, at, reason in rows], now=now)


def compute_clocks(ticks: Sequence[Tick], *, now: datetime) -> Clocks:
    """What some moves, in the order in which they were made, say of the time that passed.

    Each clock counts from the first time that its states were reached: an amended answer has been answered before.
    Nothing is negative, though the machines that wrote the moves may have disagreed about the time.
    """
    ticks = _in_order(ticks)
    now = max((now, *(tick.at for tick in ticks)))
    over = next((tick.at for tick in ticks if tick.to_state in OVER), None)
    first: dict[RequestStatus, datetime] = {}
    for tick in ticks:
        first.setdefault(tick.to_state, tick.at)

    def span(start: RequestStatus, end: RequestStatus) -> Span | None:
        if start not in first:
            return None
        ended = first.get(end, over)
        return Span(first[start], max(first[start], ended or now), running=ended is None)

    answer = span(S.ACCEPTED, S.ANSWERED)
    return Clocks(
        prepare=span(S.SUBMITTED, S.OFFERED),
        accept=span(S.OFFERED, S.ACCEPTED),
        first_look=span(S.OFFERED, S.IN_REVIEW),
        answer=answer,
        total=span(S.SUBMITTED, S.ANSWERED),
        acknowledge=span(S.ANSWERED, S.ACKNOWLEDGED),
        waiting_owner=_within(answer, _find_stays(ticks, S.WAITING, now=now, reason=Cause.OWNER)),
        waiting_lab=_within(answer, _find_stays(ticks, S.WAITING, now=now, reason=Cause.PERFORMER_LAB)),
        held=tuple(_find_stays(ticks, S.HELD, now=now)),
    )


def _in_order(ticks: Iterable[Tick]) -> list[Tick]:
    """Time stands still rather than going back."""
    ordered: list[Tick] = []
    for tick in ticks:
        at = max(tick.at, ordered[-1].at) if ordered else tick.at
        ordered.append(Tick(tick.to_state, at, tick.reason))
    return ordered


def _find_stays(
    ticks: Sequence[Tick], state: RequestStatus, *, now: datetime, reason: str | None = None
) -> Iterable[Span]:
    """Stretches in a state; where a reason is given, those that were entered for it."""
    entered_for: str | None = None
    for place, tick in enumerate(ticks):
        if tick.to_state is not state:
            # Who was held while they waited goes on waiting for the same.
            entered_for = entered_for if tick.to_state is S.HELD else None
            continue
        entered_for = tick.reason or entered_for
        if reason is None or entered_for == reason:
            last = place + 1 == len(ticks)
            yield Span(tick.at, now if last else ticks[place + 1].at, running=last)


def _within(whole: Span | None, parts: Iterable[Span]) -> tuple[Span, ...]:
    if whole is None:
        return ()
    return tuple(
        Span(max(part.start, whole.start), min(part.end, whole.end), running=part.running)
        for part in parts
        if part.start < whole.end and part.end > whole.start
    )
