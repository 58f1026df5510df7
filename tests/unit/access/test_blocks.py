"""When a block keeps information from somebody: every rule of step 3, alone and in every combination."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.access.actors import Period
from cases.access.blocks import BlockFacts, BlockType, Lift

A, B = uuid.UUID(int=10), uuid.UUID(int=20)
A1, A2, B1 = uuid.UUID(int=11), uuid.UUID(int=12), uuid.UUID(int=21)
ME, COLLEAGUE = uuid.UUID(int=1), uuid.UUID(int=2)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)
REGISTERED = Period(NOW - 20 * DAY, NOW - 10 * DAY)
OUTER = BlockFacts(BlockType.OUTER, A, None, None, None, NOW - 5 * DAY)
INNER = replace(OUTER, type=BlockType.INNER, unit_id=A1)


def applies(
    block: BlockFacts,
    *,
    of: tuple[uuid.UUID, uuid.UUID] = (A, A1),
    to: tuple[uuid.UUID, uuid.UUID] = (B, B1),
    assignment_id: uuid.UUID = ME,
    informed: Period = REGISTERED,
    now: datetime = NOW,
) -> bool:
    """Whether a block keeps the information of `of` from people at `to`."""
    return block.applies(
        provider_id=of[0],
        unit_id=of[1],
        actor_provider_id=to[0],
        actor_unit_id=to[1],
        actor_assignment_id=assignment_id,
        informed=informed,
        now=now,
    )


@pytest.mark.parametrize(
    ("block", "of", "to", "kept"),
    [
        (OUTER, (A, A1), (B, B1), True),
        (OUTER, (A, A1), (A, A2), False),
        (OUTER, (A, A1), (A, A1), False),
        (OUTER, (B, B1), (A, A1), False),
        (OUTER, (B, B1), (B, B1), False),
        (INNER, (A, A1), (A, A2), True),
        (INNER, (A, A1), (B, B1), True),
        (INNER, (A, A1), (A, A1), False),
        (INNER, (A, A2), (A, A1), False),
        (INNER, (A, A2), (B, B1), False),
        (INNER, (B, B1), (A, A2), False),
    ],
)
def test_whose_information_is_kept_from_whom(
    block: BlockFacts, of: tuple[uuid.UUID, uuid.UUID], to: tuple[uuid.UUID, uuid.UUID], kept: bool
) -> None:
    assert applies(block, of=of, to=to) is kept


moments = st.integers(-40, 0).map(lambda days: NOW + days * DAY)
bounds = st.one_of(st.none(), moments)


@given(start=bounds, end=bounds, informed=st.tuples(moments, moments).map(sorted))
def test_it_covers_what_was_registered_at_any_moment_of_its_time(
    start: datetime | None, end: datetime | None, informed: list[datetime]
) -> None:
    first, last = informed
    days = [first + n * DAY for n in range((last - first).days + 1)]
    covered = any((start is None or start <= day) and (end is None or day <= end) for day in days)
    if start is None or end is None or start <= end:
        assert applies(replace(OUTER, start=start, end=end), informed=Period(first, last)) is covered


@pytest.mark.parametrize(
    ("start", "end", "kept"),
    [
        (REGISTERED.end, None, True),
        (NOW - 10 * DAY + timedelta(microseconds=1), None, False),
        (None, REGISTERED.start, True),
        (None, NOW - 20 * DAY - timedelta(microseconds=1), False),
        (NOW - 17 * DAY, NOW - 15 * DAY, True),
    ],
)
def test_its_bounds_are_included(start: datetime | None, end: datetime | None, kept: bool) -> None:
    assert applies(replace(OUTER, start=start, end=end)) is kept


def test_information_that_is_still_growing_has_no_last_moment() -> None:
    growing = Period(NOW - 20 * DAY)
    assert applies(replace(OUTER, start=NOW + DAY), informed=growing)
    assert not applies(replace(OUTER, end=NOW - 21 * DAY), informed=growing)


def test_it_holds_from_its_registration_until_it_ends() -> None:
    ended = replace(OUTER, ended_at=NOW)
    assert not applies(OUTER, now=OUTER.registered_at - timedelta(microseconds=1))
    assert applies(OUTER, now=OUTER.registered_at)
    assert applies(ended, now=NOW - timedelta(microseconds=1))
    assert not applies(ended)


@pytest.mark.parametrize(
    ("unit_id", "assignment_id", "lifted_for_me", "lifted_for_colleague"),
    [(B1, None, True, True), (B1, ME, True, False), (B1, COLLEAGUE, False, True), (A2, None, False, False)],
)
def test_a_lift_is_for_a_unit_or_for_one_person_there(
    unit_id: uuid.UUID, assignment_id: uuid.UUID | None, lifted_for_me: bool, lifted_for_colleague: bool
) -> None:
    block = replace(OUTER, lifts=(Lift(unit_id, assignment_id, Period(NOW - DAY, NOW + DAY)),))
    assert applies(block) is not lifted_for_me
    assert applies(block, assignment_id=COLLEAGUE) is not lifted_for_colleague


def test_a_lift_ends() -> None:
    block = replace(OUTER, lifts=(Lift(B1, None, Period(NOW - DAY, NOW + DAY)),))
    assert applies(block, now=NOW - DAY - timedelta(microseconds=1))
    assert not applies(block, now=NOW - DAY)
    assert not applies(block, now=NOW + DAY - timedelta(microseconds=1))
    assert applies(block, now=NOW + DAY)


def test_of_several_lifts_the_longest_counts() -> None:
    ends = (NOW + DAY, NOW + 3 * DAY, NOW + 2 * DAY)
    block = replace(OUTER, lifts=tuple(Lift(B1, None, Period(NOW - DAY, end)) for end in ends))
    assert block.lifted_until(unit_id=B1, assignment_id=ME, now=NOW) == NOW + 3 * DAY
    assert block.lifted_until(unit_id=A2, assignment_id=ME, now=NOW) is None


providers = st.sampled_from([(A, A1), (A, A2), (B, B1)])


@given(
    type=st.sampled_from(BlockType),
    blocked=providers,
    of=providers,
    start=bounds,
    end=bounds,
    registered_at=moments,
)
def test_ones_own_unit_is_never_blocked(
    type: BlockType,  # noqa: A002
    blocked: tuple[uuid.UUID, uuid.UUID],
    of: tuple[uuid.UUID, uuid.UUID],
    start: datetime | None,
    end: datetime | None,
    registered_at: datetime,
) -> None:
    unit_id = blocked[1] if type is BlockType.INNER else None
    block = BlockFacts(type, blocked[0], unit_id, start, end, registered_at)
    assert not applies(block, of=of, to=of)
