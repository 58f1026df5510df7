"""Somebody acting: one person under one assignment in one session, as facts."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from cases.access.permissions import PERMITS, Permission, Role

FRESH_PROOF = timedelta(minutes=5)
"""Who signs, opens in an emergency or unprotects has shown this lately who they are. Source: domain rules, 11.4."""
OVERDUE = timedelta(days=30)
"""A role's need-and-risk analysis may be late by so much before the role stops working."""
RENEWERS = frozenset({Role.ADM, Role.HEAD})
"""Roles that do not stop then: whoever has them must be able to renew the analysis."""


class Purpose(StrEnum):
    """What somebody's assignment is for. Source: the national log contract, domain rules L36."""

    CARE = "Vård och behandling"
    QUALITY = "Kvalitetssäkring"
    OTHER_DOCUMENTATION = "Annan dokumentation enligt lag"
    STATISTICS = "Statistik"
    ADMINISTRATION = "Administration"
    QUALITY_REGISTER = "Kvalitetsregister"


@dataclass(frozen=True, slots=True)
class Period:
    """From a moment on, until another or for good."""

    start: datetime
    end: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """Whether a moment lies in it; the end does not."""
        return self.start <= now and (self.end is None or now < self.end)


@dataclass(frozen=True, slots=True)
class Grant:
    """A role that an assignment holds.

    Attributes:
        department_id: for which department; None for all of the care unit.
        analysis_due: when the role's need-and-risk analysis is to be made again.
    """

    role: Role
    department_id: uuid.UUID | None
    period: Period
    analysis_due: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who is asking, as the gate and the log need it.

    Attributes:
        unit_id: the care unit of law (PDL) that the assignment belongs to.
        rights: scopes of the commission: VE own unit, VG own provider, SJF coherent record.
        assurance: level of assurance of the sign-in, 2 or 3.
        demo: signed in without proof, in demo mode.
        authenticated_at: when the person last proved who they are.
        idle_until: when the session locks if nothing happens.
        ends_at: when it ends whatever happens.
        ended: it was ended.
        employed: for how long the assignment holds.
        provider_active: whether the provider takes part now.
        connections, processings: of the provider: connection agreements and data processing agreements.
        order_number: of the order that quality assurance or administration acts on.
        client_ip, user_agent_digest: for the log.
    """

    person_id: uuid.UUID
    assignment_id: uuid.UUID
    provider_id: uuid.UUID
    unit_id: uuid.UUID
    session_id: uuid.UUID
    purpose: Purpose
    rights: frozenset[str]
    grants: tuple[Grant, ...]
    assurance: int
    demo: bool
    authenticated_at: datetime
    idle_until: datetime
    ends_at: datetime
    ended: bool
    employed: Period
    provider_active: bool
    connections: tuple[Period, ...]
    processings: tuple[Period, ...]
    order_number: str | None = None
    client_ip: str | None = None
    user_agent_digest: str | None = None

    def roles(self, now: datetime) -> frozenset[Role]:
        """The roles that hold now, on an analysis that is not long overdue."""
        return frozenset(
            grant.role
            for grant in self.grants
            if grant.period.holds(now) and (grant.role in RENEWERS or now.date() - grant.analysis_due <= OVERDUE)
        )

    def proved_lately(self, now: datetime) -> bool:
        """Whether the person has shown within five minutes who they are."""
        return now - self.authenticated_at <= FRESH_PROOF

    def takes_part(self, now: datetime) -> bool:
        """Whether the care provider is active and its agreements with the platform's operator hold."""
        terms = (self.connections, self.processings)
        return self.provider_active and all(any(term.holds(now) for term in held) for held in terms)

    def may(self, permission: Permission, now: datetime) -> bool:
        """Whether one of the roles allows it. The gate and the state of things have their own say."""
        return not PERMITS[permission].isdisjoint(self.roles(now))
