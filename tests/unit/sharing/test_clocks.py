"""The clocks of a request: what each counts, and that none ever runs backwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cases.sharing.clocks import Clocks, Span, Tick, compute_clocks
from cases.sharing.requests import OVER, RequestStatus
from cases.sharing.requests.moves import MOVES
from cases.sharing.waiting import Cause

S = RequestStatus
MONDAY = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def after(hours: float) -> datetime:
    """So many hours after a Monday at eight in Stockholm."""
    return MONDAY + hours * HOUR


def tick(state: RequestStatus, hours: float, reason: str | None = None) -> Tick:
    """A move into a state."""
    return Tick(state, after(hours), reason)


STORY = [
    tick(S.DRAFT, 0),
    tick(S.SUBMITTED, 1),
    tick(S.HELD, 2),
    tick(S.SUBMITTED, 3),
    tick(S.OFFERED, 4),
    tick(S.ACCEPTED, 6),
    tick(S.ASSIGNED, 7),
    tick(S.IN_REVIEW, 10),
    tick(S.WAITING, 12, Cause.OWNER),
    tick(S.HELD, 13),
    tick(S.WAITING, 15),
    tick(S.IN_REVIEW, 16),
    tick(S.WAITING, 17, Cause.PERFORMER_LAB),
    tick(S.IN_REVIEW, 20),
    tick(S.ANSWERED, 24),
    tick(S.ACKNOWLEDGED, 26),
    tick(S.ANSWERED, 30),
    tick(S.ACKNOWLEDGED, 40),
    tick(S.CLOSED, 50),
]
"""Held before it was offered and while its reader waited, waiting for both, answered, amended and closed."""


def hours(span: Span | None) -> float | None:
    """How long."""
    return span.length / HOUR if span else None


def total(spans: tuple[Span, ...]) -> float:
    """Together."""
    return sum((span.length for span in spans), timedelta()) / HOUR


def test_a_whole_story() -> None:
    clocks = compute_clocks(STORY, now=after(100))
    assert (hours(clocks.prepare), hours(clocks.accept), hours(clocks.first_look)) == (3, 2, 6)
    assert (hours(clocks.answer), hours(clocks.total), hours(clocks.acknowledge)) == (18, 23, 2)
    assert (total(clocks.waiting_owner), total(clocks.waiting_lab), total(clocks.held)) == (2, 3, 3)
    assert clocks.answer_net == 13 * HOUR
    assert not any(span.running for span in list_spans(clocks))


def test_what_is_under_way_runs_until_now() -> None:
    clocks = compute_clocks(STORY[:9], now=after(14))
    assert (hours(clocks.answer), clocks.answer and clocks.answer.running) == (8, True)
    assert (total(clocks.waiting_owner), clocks.waiting_owner[0].running) == (2, True)
    assert clocks.acknowledge is None


def test_what_ended_unanswered_no_longer_runs() -> None:
    clocks = compute_clocks([*STORY[:9], tick(S.RETURNED, 14)], now=after(100))
    assert (hours(clocks.answer), clocks.answer and clocks.answer.running) == (8, False)
    assert (hours(clocks.total), total(clocks.waiting_owner)) == (13, 2)
    declined = compute_clocks([*STORY[:5], tick(S.DECLINED, 9)], now=after(100))
    assert (hours(declined.accept), hours(declined.first_look), declined.answer) == (5, 5, None)


def test_working_time_beside_the_clock() -> None:
    clocks = compute_clocks([tick(S.SUBMITTED, 0), tick(S.OFFERED, 24.5)], now=after(100))
    assert clocks.prepare is not None
    assert (hours(clocks.prepare), clocks.prepare.working_minutes) == (24.5, 9 * 60 + 30)


def test_nothing_happened_yet() -> None:
    clocks = compute_clocks([], now=MONDAY)
    assert list(list_spans(clocks)) == []
    assert clocks.answer_net is None


def list_spans(clocks: Clocks) -> list[Span]:
    """All of them."""
    single = (clocks.prepare, clocks.accept, clocks.first_look, clocks.answer, clocks.total, clocks.acknowledge)
    return [*(span for span in single if span), *clocks.waiting_owner, *clocks.waiting_lab, *clocks.held]


@st.composite
def stories(draw: st.DrawFn) -> list[Tick]:
    """Moves that the table allows, by machines whose clocks differ."""
    ticks = [Tick(S.DRAFT, MONDAY)]
    state, came_from = S.DRAFT, S.DRAFT
    for _ in range(draw(st.integers(0, 40))):
        possible = sorted({(move.event, move.target) for move in MOVES if state in move.sources}, key=str)
        if not possible:
            break
        event, target = draw(st.sampled_from(possible))
        after = target or (came_from if event == "resolve" else state)
        came_from = state if after is S.HELD else came_from
        state = after
        reason = draw(st.sampled_from(Cause)) if event == "wait" else None
        skewed = draw(st.timedeltas(-HOUR, 100 * HOUR))
        ticks.append(Tick(state, ticks[-1].at + skewed, reason))
    return ticks


@given(stories(), st.timedeltas(-HOUR, 1000 * HOUR))
def test_no_clock_runs_backwards(ticks: list[Tick], later: timedelta) -> None:
    clocks = compute_clocks(ticks, now=ticks[-1].at + later)
    assert all(span.length >= timedelta() and span.working_minutes >= 0 for span in list_spans(clocks))
    assert clocks.answer_net is None or timedelta() <= clocks.answer_net <= clocks.answer.length  # type: ignore[union-attr]


@given(stories(), st.timedeltas(timedelta(), 1000 * HOUR))
def test_waiting_and_being_held_never_overlap(ticks: list[Tick], later: timedelta) -> None:
    clocks = compute_clocks(ticks, now=ticks[-1].at + later)
    spans = sorted((*clocks.waiting_owner, *clocks.waiting_lab, *clocks.held), key=lambda span: (span.start, span.end))
    assert all(one.end <= next_one.start for one, next_one in pairwise(spans))


@given(stories())
def test_every_moment_of_waiting_has_a_cause(ticks: list[Tick]) -> None:
    clocks = compute_clocks(ticks, now=ticks[-1].at)
    stays = [
        (one.at, max(one.at, another.at))
        for one, another in pairwise(_forward(ticks))
        if one.to_state is S.WAITING and clocks.answer and one.at < clocks.answer.end
    ]
    waited = sum((end - start for start, end in stays), timedelta())
    assert waited == sum((span.length for span in (*clocks.waiting_owner, *clocks.waiting_lab)), timedelta())


@given(stories())
def test_the_parts_are_the_whole(ticks: list[Tick]) -> None:
    clocks = compute_clocks(ticks, now=ticks[-1].at)
    if clocks.prepare and clocks.accept and clocks.answer and clocks.total:
        assert clocks.prepare.length + clocks.accept.length + clocks.answer.length == clocks.total.length
    over = any(tick.to_state in OVER for tick in ticks)
    assert not (over and any(span.running for span in list_spans(clocks) if span not in clocks.held))


def _forward(ticks: list[Tick]) -> list[Tick]:
    moments = [max(tick.at for tick in ticks[: place + 1]) for place in range(len(ticks))]
    return [Tick(tick.to_state, at, tick.reason) for tick, at in zip(ticks, moments, strict=True)]
