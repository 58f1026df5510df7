"""Working time: what a service level counts, 08 to 17 on Swedish working days, whatever the clocks do at night.

Moments come and go in UTC; days and hours are those of Stockholm. Source: domain rules, 5.1 and 8.1.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays

STOCKHOLM = ZoneInfo("Europe/Stockholm")
OPENS, CLOSES = time(8), time(17)
DAY_MINUTES = 540
"""Working minutes of one working day."""

_DAY, _MINUTE = timedelta(days=1), timedelta(minutes=1)


def is_working_day(day: date) -> bool:
    """Whether it is Monday to Friday and no public holiday, Midsummer Eve, Christmas Eve or New Year's Eve."""
    return day.weekday() < 5 and day not in _find_holidays(day.year)


def add_working_minutes(start: datetime, minutes: int) -> datetime:
    """The first moment at which so many working minutes have passed.

    Args:
        start: with its offset from UTC; at night, the counting begins in the morning.
        minutes: 0 or more; 0 gives the start.

    Returns:
        In UTC.
    """
    start, left = start.astimezone(UTC), timedelta(minutes=minutes)
    day = start.astimezone(STOCKHOLM).date()
    while left:
        opened, closed = _find_hours(day)
        worked = max(opened, start)
        if worked + left <= closed:
            return worked + left
        left -= max(closed - worked, timedelta())
        day += _DAY
    return start


def working_minutes_between(start: datetime, end: datetime) -> int:
    """Whole working minutes from one moment to another; 0 where the other comes first."""
    # Two moments of one zone would be compared by its clock, which shows some of them twice.
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    if end <= start:
        return 0
    first, last = start.astimezone(STOCKHOLM).date(), end.astimezone(STOCKHOLM).date()
    worked = timedelta()
    for ordinal in range(first.toordinal(), last.toordinal() + 1):
        opened, closed = _find_hours(date.fromordinal(ordinal))
        worked += max(min(closed, end) - max(opened, start), timedelta())
    return worked // _MINUTE


def count_working_days(start: datetime, end: datetime) -> int:
    """Working days after the first one's day, up to and with the other's: the same day is 0, and so is one before."""
    first, last = start.astimezone(STOCKHOLM).date(), end.astimezone(STOCKHOLM).date()
    later = range(first.toordinal() + 1, last.toordinal() + 1)
    return sum(is_working_day(date.fromordinal(ordinal)) for ordinal in later)


def _find_hours(day: date) -> tuple[datetime, datetime]:
    """When work begins and ends on a day, in UTC; both at once where nobody works."""
    # By day the offset never changes: the clocks are moved on Sunday nights.
    opened = datetime.combine(day, OPENS, STOCKHOLM).astimezone(UTC)
    return opened, opened + DAY_MINUTES * _MINUTE if is_working_day(day) else opened


@lru_cache(maxsize=64)
def _find_holidays(year: int) -> frozenset[date]:
    """The public holidays, and the eves that nobody works on though no law says so."""
    known = holidays.country_holidays("SE", years=year, categories=(holidays.PUBLIC, holidays.DE_FACTO))
    return frozenset(known)
