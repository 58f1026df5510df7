"""Working time: nights, weekends, holidays, the nights on which clocks are moved, and leap days."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.sharing.working_time import (
    CLOSES,
    DAY_MINUTES,
    OPENS,
    STOCKHOLM,
    add_working_minutes,
    count_working_days,
    is_working_day,
    working_minutes_between,
)

moments = st.datetimes(datetime(2020, 1, 1), datetime(2040, 12, 31), timezones=st.just(UTC))
minutes = st.integers(0, 20 * DAY_MINUTES)


def at(text: str) -> datetime:
    """A moment by the clock of Stockholm."""
    return datetime.fromisoformat(text).replace(tzinfo=STOCKHOLM)


@pytest.mark.parametrize(
    ("day", "works"),
    [
        (date(2026, 6, 18), True),
        (date(2026, 6, 19), False),  # Midsummer Eve
        (date(2025, 6, 20), False),  # Midsummer Eve
        (date(2026, 6, 20), False),  # Midsummer Day, a Saturday
        (date(2026, 12, 23), True),
        (date(2026, 12, 24), False),
        (date(2026, 12, 25), False),
        (date(2026, 12, 31), False),
        (date(2027, 1, 1), False),
        (date(2027, 1, 4), True),
        (date(2027, 1, 5), True),  # the afternoon before Epiphany is worked
        (date(2027, 1, 6), False),  # Epiphany
        (date(2026, 4, 3), False),  # Good Friday
        (date(2026, 4, 6), False),  # Easter Monday
        (date(2026, 5, 1), False),
        (date(2026, 5, 14), False),  # Ascension Day
        (date(2026, 5, 15), True),  # the Friday after it
        (date(2025, 6, 6), False),  # National Day, a Friday
        (date(2028, 2, 29), True),  # a Tuesday
        (date(2026, 11, 22), False),  # a Sunday
    ],
)
def test_days(day: date, works: bool) -> None:
    assert is_working_day(day) is works


@pytest.mark.parametrize(
    ("start", "added", "end"),
    [
        ("2026-11-23T09:00", 120, "2026-11-23T11:00"),
        ("2026-11-23T16:00", 120, "2026-11-24T09:00"),
        ("2026-11-23T08:00", 540, "2026-11-23T17:00"),  # the last moment of the day, not the first of the next
        ("2026-11-23T16:00", 540, "2026-11-24T16:00"),
        ("2026-11-20T16:30", 60, "2026-11-23T08:30"),  # over a weekend
        ("2026-11-21T12:00", 1, "2026-11-23T08:01"),  # from a Saturday
        ("2026-11-23T03:00", 60, "2026-11-23T09:00"),
        ("2026-03-27T16:30", 60, "2026-03-30T08:30"),  # the clocks go forward on the 29th
        ("2026-10-23T16:30", 60, "2026-10-26T08:30"),  # and back on the 25th
        ("2026-03-29T01:30", 60, "2026-03-30T09:00"),  # in the night itself
        ("2026-06-18T16:00", 120, "2026-06-22T09:00"),  # Midsummer
        ("2026-12-23T16:00", 120, "2026-12-28T09:00"),  # Christmas
        ("2028-02-28T16:00", 600, "2028-02-29T17:00"),  # a leap day is worked
        ("2026-11-23T12:00", 0, "2026-11-23T12:00"),
    ],
)
def test_adding(start: str, added: int, end: str) -> None:
    assert add_working_minutes(at(start), added) == at(end)
    assert add_working_minutes(at(start), added).tzinfo is UTC


def test_the_hour_that_comes_twice_is_nobodys_working_time() -> None:
    first = datetime(2026, 10, 25, 2, 30, tzinfo=STOCKHOLM, fold=0)
    second = datetime(2026, 10, 25, 2, 30, tzinfo=STOCKHOLM, fold=1)
    assert second.astimezone(UTC) - first.astimezone(UTC) == timedelta(hours=1)
    assert working_minutes_between(first, second) == 0
    assert add_working_minutes(first, 1) == add_working_minutes(second, 1) == at("2026-10-26T08:01")


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        ("2026-11-23T08:00", "2026-11-23T23:00", 0),
        ("2026-11-23T16:59", "2026-11-24T00:01", 1),
        ("2026-11-20T12:00", "2026-11-22T12:00", 0),  # Friday to Sunday
        ("2026-11-20T12:00", "2026-11-23T12:00", 1),
        ("2026-06-18T12:00", "2026-06-22T12:00", 1),
        ("2026-12-23T12:00", "2027-01-04T12:00", 4),
        ("2028-02-28T12:00", "2028-03-01T12:00", 2),
        ("2026-11-24T12:00", "2026-11-23T12:00", 0),
    ],
)
def test_counting_days(start: str, end: str, days: int) -> None:
    assert count_working_days(at(start), at(end)) == days


def test_days_are_counted_by_the_clock_of_stockholm() -> None:
    late = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)  # Tuesday there
    assert count_working_days(late, datetime(2026, 11, 24, 12, 0, tzinfo=UTC)) == 0


@given(moments, minutes)
def test_what_was_added_lies_between(start: datetime, added: int) -> None:
    end = add_working_minutes(start, added)
    assert end >= start
    assert working_minutes_between(start, end) == added
    assert working_minutes_between(end, start) == 0


@given(moments, st.integers(1, 20 * DAY_MINUTES))
def test_it_ends_while_somebody_works_and_no_earlier_moment_does(start: datetime, added: int) -> None:
    end = add_working_minutes(start, added)
    there = end.astimezone(STOCKHOLM)
    assert is_working_day(there.date())
    assert OPENS < there.time() <= CLOSES
    assert working_minutes_between(start, end - timedelta(microseconds=1)) == added - 1


@given(moments, minutes, minutes)
def test_adding_twice_is_adding_the_sum(start: datetime, one: int, other: int) -> None:
    assert add_working_minutes(add_working_minutes(start, one), other) == add_working_minutes(start, one + other)


@given(moments, st.timedeltas(timedelta(), timedelta(days=400)), st.timedeltas(timedelta(), timedelta(days=400)))
def test_more_time_is_not_less_working_time(start: datetime, one: timedelta, more: timedelta) -> None:
    assert working_minutes_between(start, start + one) <= working_minutes_between(start, start + one + more)
    assert count_working_days(start, start + one) <= count_working_days(start, start + one + more)


@given(moments, st.timedeltas(timedelta(), timedelta(days=400)))
def test_no_day_has_more_than_nine_hours(start: datetime, length: timedelta) -> None:
    days = count_working_days(start, start + length) + is_working_day(start.astimezone(STOCKHOLM).date())
    assert working_minutes_between(start, start + length) <= days * DAY_MINUTES
