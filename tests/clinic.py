"""A care unit with somebody who gives roles and somebody who approves them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from people import act, make_analysis, make_assignment, make_grant, make_person, make_provider, make_unit
from sqlalchemy.orm import Session

from cases.access.actors import Actor
from cases.access.organisations import CareProvider, CareUnit
from cases.access.people import Assignment
from cases.access.permissions import Role

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
DAY = timedelta(days=1)
SINCE = NOW - 30 * DAY


@dataclass(frozen=True)
class Clinic:
    """A care unit with an administrator and a head, and a colleague who holds no role."""

    provider: CareProvider
    unit: CareUnit
    administrator: Actor
    head: Actor
    colleague: Assignment


def make_clinic(session: Session) -> Clinic:
    """All of them since a month before `NOW`; the roles' analyses were decided then."""
    provider = make_provider(session)
    unit = make_unit(session, provider)
    administrator, head, colleague = (
        make_assignment(session, make_person(session), unit, since=SINCE) for _ in range(3)
    )
    for role in (Role.ADM, Role.HEAD, Role.PAT, Role.COO):
        make_analysis(session, head, role, decided_at=SINCE)
    make_grant(session, administrator, Role.ADM)
    make_grant(session, head, Role.HEAD)
    return Clinic(provider, unit, act(session, administrator, now=NOW), act(session, head, now=NOW), colleague)
