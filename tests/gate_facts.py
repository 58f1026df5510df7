"""Facts for the gate as plain values: an actor and a resource with everything in order, for tests to spoil."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from cases.access.actors import Actor, Grant, Period, Purpose
from cases.access.blocks import BlockType
from cases.access.blocks.facts import BlockFacts, Lift
from cases.access.gate import Availability, CareLink, CoherentFacts, DisclosureFacts, Resource
from cases.access.permissions import Role

NOW = datetime(2026, 11, 22, 14, 5, tzinfo=UTC)
DAY, YEAR = timedelta(days=1), timedelta(days=365)
ALWAYS = Period(NOW - YEAR, NOW + YEAR)
PAST = Period(NOW - YEAR, NOW - DAY)
KALMAR, OSTERGOTLAND = uuid.UUID(int=1), uuid.UUID(int=2)
"""Two care providers: the owner and, where they are two, the reader's."""
KALMAR_PATHOLOGY, KALMAR_SURGERY, LINKOPING = uuid.UUID(int=11), uuid.UUID(int=12), uuid.UUID(int=21)
"""Their care units."""
PERSON, ASSIGNMENT, OTHER_ASSIGNMENT = uuid.UUID(int=101), uuid.UUID(int=102), uuid.UUID(int=103)

NOBODY = frozenset[CareLink]()
OTHER_UNIT = {"unit_id": KALMAR_SURGERY}


def grant(role: Role = Role.PAT, **facts: Any) -> Grant:
    """A role that holds, with its analysis in date."""
    return replace(Grant(role, None, ALWAYS, date(2027, 1, 1)), **facts)


def actor(**facts: Any) -> Actor:
    """A pathologist of Kalmar, just signed in, with everything in order."""
    return replace(
        Actor(
            person_id=PERSON,
            assignment_id=ASSIGNMENT,
            provider_id=KALMAR,
            unit_id=KALMAR_PATHOLOGY,
            session_id=uuid.UUID(int=201),
            purpose=Purpose.CARE,
            rights=frozenset({"VE", "VG", "SJF"}),
            grants=(grant(),),
            assurance=3,
            demo=False,
            authenticated_at=NOW,
            idle_until=NOW + timedelta(minutes=15),
            ends_at=NOW + timedelta(hours=10),
            ended=False,
            employed=ALWAYS,
            provider_active=True,
            connections=(ALWAYS,),
            processings=(ALWAYS,),
        ),
        **facts,
    )


def reader(**facts: Any) -> Actor:
    """The same in Linköping, for what Kalmar owns."""
    return actor(**({"provider_id": OSTERGOTLAND, "unit_id": LINKOPING} | facts))


def own(**facts: Any) -> Resource:
    """Something of Kalmar's pathology that the actor takes part in."""
    return replace(
        Resource(
            kind="slide",
            id=uuid.UUID(int=301),
            patient_id=uuid.UUID(int=302),
            provider_id=KALMAR,
            unit_id=KALMAR_PATHOLOGY,
            owner_active=True,
            connections=(ALWAYS,),
            processings=(ALWAYS,),
            availability=Availability.READY,
            identity_verified=True,
            links=frozenset({CareLink.TEAM}),
            blocks_read_at=NOW,
            informed=Period(NOW - timedelta(days=30), NOW - timedelta(days=20)),
        ),
        **facts,
    )


def disclosure(**facts: Any) -> DisclosureFacts:
    """Kalmar has handed it to Linköping, a week ago, under agreements that hold."""
    return replace(
        DisclosureFacts(
            provider_id=OSTERGOTLAND,
            unit_id=LINKOPING,
            named=frozenset(),
            contains=True,
            window=Period(NOW - 6 * DAY),
            read_only=False,
            hold=None,
            period=Period(NOW - 7 * DAY, NOW + 90 * DAY),
            terms=(ALWAYS,),
            explicit_consent_at=None,
            decided_at=NOW - 7 * DAY,
            harm_tested=True,
            allow_download=False,
        ),
        **facts,
    )


def disclosed(made: DisclosureFacts | None = None, **facts: Any) -> Resource:
    """What Kalmar has disclosed to Linköping, where the reader is assigned to it."""
    return own(**({"links": frozenset({CareLink.NAMED}), "disclosures": (made or disclosure(),)} | facts))


def looked_up(coherent: CoherentFacts | None = None, **facts: Any) -> Resource:
    """What Kalmar has of a patient who is in the reader's care and consents to looking it up."""
    facts = {"links": frozenset({CareLink.RELATION}), "relation": ALWAYS} | facts
    return own(coherent=coherent or consented(), **facts)


def consented(**facts: Any) -> CoherentFacts:
    """Both are members, the patient knows and consents, and the reader has chosen."""
    return replace(
        CoherentFacts(
            members=(ALWAYS,),
            informed=True,
            available=True,
            consents=(ALWAYS,),
            consented_at=ALWAYS.start,
            chosen=True,
        ),
        **facts,
    )


def block(kind: BlockType = BlockType.OUTER, *, lifts: tuple[Lift, ...] = (), **facts: Any) -> BlockFacts:
    """The patient has blocked everything of Kalmar's, or of its pathology, three days ago."""
    unit = KALMAR_PATHOLOGY if kind is BlockType.INNER else None
    made = BlockFacts(
        type=kind,
        provider_id=KALMAR,
        unit_id=unit,
        start=None,
        end=None,
        registered_at=NOW - 3 * DAY,
        lifts=lifts,
        ended_at=None,
    )
    return replace(made, **facts)
