"""When somebody is told that something is late, whatever the service and the time of the year."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.sharing.escalations import (
    NEVER_SILENT,
    Level,
    Limit,
    find_step,
    list_answer_limits,
    list_offer_limits,
)
from cases.sharing.service_descriptions import Urgency

MONDAY = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
moments = st.datetimes(datetime(2025, 1, 1), datetime(2035, 12, 31), timezones=st.just(UTC))


def test_an_offer_of_four_hours() -> None:
    assert list_offer_limits(MONDAY, 240, Urgency.ROUTINE, None) == (
        Limit(MONDAY + 2 * HOUR, Level.REMINDED),
        Limit(MONDAY + 4 * HOUR, Level.HEADS),
        Limit(MONDAY + 8 * HOUR, None),
    )


def test_an_offer_ends_when_its_answer_is_due_but_not_before_its_time_is_up() -> None:
    soon = list_offer_limits(MONDAY, 240, Urgency.ROUTINE, MONDAY + 6 * HOUR)
    assert soon[2] == Limit(MONDAY + 6 * HOUR, None)
    late = list_offer_limits(MONDAY, 240, Urgency.ROUTINE, MONDAY + HOUR)
    assert late[2] == Limit(MONDAY + 4 * HOUR, None)


def test_on_the_table_every_minute_counts() -> None:
    night = MONDAY - 5 * HOUR
    assert [limit.at - night for limit in list_offer_limits(night, 10, Urgency.INTRAOP, None)] == [
        timedelta(minutes=5),
        timedelta(minutes=10),
        timedelta(minutes=20),
    ]


@pytest.mark.parametrize(
    ("urgency", "grave", "reminded"),
    [
        (Urgency.ROUTINE, False, timedelta(days=2, hours=9)),
        (Urgency.SVF, False, timedelta(hours=9)),
        (Urgency.SNABB, False, timedelta(hours=9)),
        (Urgency.ROUTINE, True, timedelta(hours=4)),
    ],
)
def test_an_answer_is_acknowledged_in_time(urgency: Urgency, grave: bool, reminded: timedelta) -> None:
    limits = list_answer_limits(MONDAY, urgency, grave=grave)
    assert limits[0] == Limit(MONDAY + reminded, Level.REMINDED)
    assert [limit.level for limit in limits][1:] == [Level.HEADS, Level.TELEPHONE][: 1 + grave]


@given(moments, st.integers(1, 20_000), st.sampled_from(Urgency), st.none() | moments)
def test_the_steps_of_an_offer_come_in_order(
    since: datetime, minutes: int, urgency: Urgency, due_at: datetime | None
) -> None:
    limits = list_offer_limits(since, minutes, urgency, due_at)
    assert since <= limits[0].at <= limits[1].at <= limits[2].at
    assert (limits[2].level is None) == (urgency not in NEVER_SILENT)


@given(moments, st.sampled_from(Urgency), st.booleans(), st.timedeltas(timedelta(), timedelta(days=60)))
def test_each_step_is_made_once_and_in_its_turn(
    since: datetime, urgency: Urgency, grave: bool, passed: timedelta
) -> None:
    limits, now, made = list_answer_limits(since, urgency, grave=grave), since + passed, [Level.NOBODY]
    while step := find_step(limits, made[-1], now):
        assert step.level is not None
        assert step.at <= now
        made.append(step.level)
    assert made == list(range(len(made)))
    assert len(made) - 1 == sum(limit.at <= now for limit in limits)
