"""What the log of a month says of each user and patient, and which of it is worth a closer look."""

from __future__ import annotations

import statistics
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Row, select, text
from sqlalchemy.orm import Session

from cases.access.log.sampling import Pair, Reason
from cases.access.organisations import CareProvider
from cases.access.patients import Patient
from cases.access.people import Person
from cases.access.same_patients import find_facts
from cases.access.vault import find_vault
from cases.database import platform

OPENS, CLOSES = 6, 19
"""Working hours begin and end on these hours of the provider's clock, Monday to Friday."""
OFTEN = 3
"""So many refusals are a risk. Source: domain rules, 7.3."""
SIGMAS = 3
"""So many standard deviations over the mean number of patients is unusual. Source: domain rules, 7.3."""
_AT_ONCE = 5_000

_PAIRS = text(
    """
    SELECT event.assignment_id, event.person_id, min(event.unit_id::text)::uuid AS unit_id, subject.patient_id,
        count(DISTINCT event.id) AS entries, min(event.at) AS first_at, max(event.at) AS last_at,
        bool_or(event.event = 'NODOPPNING') AS emergency,
        bool_or(event.args ->> 'lowered_from' IS NOT NULL
            OR event.event IN ('OBJECTION_CLEARED', 'BLOCK_REVOKED', 'BLOCK_DELETED')) AS lowered,
        count(DISTINCT event.id) FILTER (WHERE event.outcome = 'DENIED') AS refusals,
        bool_or(extract(isodow FROM event.at AT TIME ZONE :zone) > 5
            OR extract(hour FROM event.at AT TIME ZONE :zone) NOT BETWEEN :opens AND :closes - 1) AS outside_hours
    FROM audit_event AS event JOIN audit_subject AS subject ON subject.event_id = event.id
    WHERE event.care_provider_id = :provider AND event.at >= :since AND event.at < :until
        AND event.activity IS NOT NULL AND event.assignment_id IS NOT NULL AND subject.patient_id IS NOT NULL
    GROUP BY event.assignment_id, event.person_id, subject.patient_id
    """
)


def collect_pairs(session: Session, provider_id: uuid.UUID, month: date) -> list[Pair]:
    """Every user of a provider and every patient that one had to do with in a month, with the risks they meet.

    Args:
        session: acting for the provider, with the vault, since surnames are compared.
        provider_id: whose users.
        month: its first day; it begins and ends by the provider's clock.
    """
    zone = session.get_one(CareProvider, provider_id).time_zone
    since = datetime(month.year, month.month, 1, tzinfo=ZoneInfo(zone))
    until = (since + timedelta(days=32)).replace(day=1)
    rows = session.execute(
        _PAIRS,
        {"provider": provider_id, "since": since, "until": until, "zone": zone, "opens": OPENS, "closes": CLOSES},
    ).all()
    patients = {row.patient_id for row in rows}
    protected = _find_protected(session, patients)
    surnames = _find_surnames(session, provider_id, patients)
    names = _find_family_names(session, {row.person_id for row in rows})
    busy = find_unusual(Counter(row.assignment_id for row in rows))

    def judge(row: Row[tuple[object, ...]]) -> Iterator[Reason]:
        if row.emergency:
            yield Reason.EMERGENCY
        if row.patient_id in protected:
            yield Reason.PROTECTED_IDENTITY
        if row.lowered:
            yield Reason.PROTECTION_LOWERED
        if row.patient_id in surnames and surnames[row.patient_id] == names.get(row.person_id):
            yield Reason.SAME_SURNAME
        if row.outside_hours:
            yield Reason.OUTSIDE_HOURS
        if row.assignment_id in busy:
            yield Reason.UNUSUAL_VOLUME
        if row.refusals >= OFTEN:
            yield Reason.REFUSED_OFTEN

    return [
        Pair(
            assignment_id=row.assignment_id,
            person_id=row.person_id,
            unit_id=row.unit_id,
            patient_id=row.patient_id,
            entries=row.entries,
            first_at=row.first_at,
            last_at=row.last_at,
            risks=frozenset(judge(row)),
        )
        for row in rows
    ]


def find_unusual(patients: Mapping[uuid.UUID, int]) -> frozenset[uuid.UUID]:
    """Users with far more patients than the others.

    Args:
        patients: how many each user had to do with.
    """
    counts = list(patients.values())
    limit = statistics.fmean(counts) + SIGMAS * statistics.pstdev(counts) if counts else 0.0
    return frozenset(user for user, count in patients.items() if count > limit)


def _find_protected(session: Session, patients: set[uuid.UUID]) -> set[uuid.UUID]:
    # Also those of other providers: whoever opened their information was told so.
    with platform(session):
        found = [find_facts(session, some) for some in _batches(patients)]
    return {patient_id for facts in found for patient_id, one in facts.items() if one.protected}


def _find_surnames(session: Session, provider_id: uuid.UUID, patients: set[uuid.UUID]) -> dict[uuid.UUID, str]:
    vault = find_vault(session)
    rows = [
        row
        for some in _batches(patients)
        for row in session.execute(select(Patient.id, Patient.family_name_enc).where(Patient.id.in_(some)))
    ]
    return {patient_id: vault.decrypt(provider_id, name).casefold() for patient_id, name in rows}


def _find_family_names(session: Session, people: set[uuid.UUID]) -> dict[uuid.UUID, str]:
    return {
        person_id: name.casefold()
        for some in _batches(people)
        for person_id, name in session.execute(select(Person.id, Person.family_name).where(Person.id.in_(some)))
    }


def _batches(ids: set[uuid.UUID]) -> Iterator[Sequence[uuid.UUID]]:
    listed = sorted(ids)
    return (listed[start : start + _AT_ONCE] for start in range(0, len(listed), _AT_ONCE))
