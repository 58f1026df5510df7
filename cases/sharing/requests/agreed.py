"""When the agreement and the service behind a request hold, and until when they promise what."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from cases.access.actors import Period
from cases.access.agreements import Ending
from cases.access.agreements.agreement import find_period
from cases.sharing.service_descriptions import Urgency
from cases.sharing.working_time import add_working_minutes


class Service(Protocol):
    """What of a service description says when it holds."""

    valid_from: datetime
    valid_to: datetime | None
    accepted_at: datetime | None
    ended_at: datetime | None


class Cooperation(Protocol):
    """What of an agreement says when it holds."""

    valid_from: datetime
    valid_to: datetime | None
    signed_a_at: datetime | None
    signed_b_at: datetime | None
    terminated_at: datetime | None
    ending: Ending | None
    run_off_days: int


def find_terms(service: Service, agreement: Cooperation) -> tuple[Period, ...]:
    """The time in which a request that was made under them can be read and answered.

    What is open when they end runs on for as long as the agreement's text grants; after a breach not at all.
    Source: domain rules, 5.8.
    """
    period = find_period(
        agreement.valid_from,
        agreement.valid_to,
        agreement.signed_a_at,
        agreement.signed_b_at,
        agreement.terminated_at,
    )
    if period is None or service.accepted_at is None:
        return ()
    start = max(period.start, service.valid_from, service.accepted_at)
    ends = [end for end in (period.end, service.valid_to, service.ended_at) if end is not None]
    if not ends:
        return (Period(start),)
    run_off = timedelta(days=0 if agreement.ending == Ending.RESCINDED else agreement.run_off_days)
    return (Period(start, min(ends) + run_off),)


def add_time(start: datetime, minutes: int, urgency: Urgency) -> datetime:
    """When a service's time is up: working minutes, or by the clock where somebody lies on the table."""
    if urgency is Urgency.INTRAOP:
        return start + timedelta(minutes=minutes)
    return add_working_minutes(start, minutes)
