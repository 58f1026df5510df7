"""Accounting to a patient: every access to their data, by our own users and by others at our data (L6)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from cases.access.log.entries import AuditEvent, AuditSubject
from cases.access.log.events import Outcome
from cases.access.log.words import ACTIVITIES, BASES, KINDS, PURPOSES, SYSTEM, Words, describe
from cases.access.organisations import CareProvider, CareUnit
from cases.access.people import Assignment, Person
from cases.access.same_patients import find_same
from cases.database import platform

T = TypeVar("T", CareProvider, CareUnit)


def account(
    session: Session,
    patient_id: uuid.UUID,
    *,
    provider_id: uuid.UUID,
    since: datetime,
    until: datetime,
    kinds: Mapping[str, Words],
) -> dict[str, Any]:
    """List who took part of a patient's data, when, where, for what purpose and on what basis.

    A name is given only where both the provider that is asked and the user's own give names, and never of somebody
    whose data are protected. Attempts that were refused are no accesses, and are left out.

    Args:
        session: acting for the provider that is asked.
        patient_id: its patient.
        provider_id: which provider is asked.
        since, until: the period; the end is not in it.
        kinds: what the floors above call the kinds of things that they log.

    Returns:
        What goes out as JSON; times in RFC 3339 with the offset of the provider's clock. Every field of AccessLogType
        is there: provider, unit, date, user id, name, title, purpose, resource type. Source: domain rules, 7.4.
    """
    asked = session.get_one(CareProvider, provider_id)
    zone = ZoneInfo(asked.time_zone)
    rows = session.execute(
        select(AuditEvent, AuditSubject)
        .join(AuditSubject, AuditSubject.event_id == AuditEvent.id)
        .where(
            AuditSubject.patient_id.in_(find_rows(session, patient_id)),
            or_(AuditSubject.care_provider_id == provider_id, AuditSubject.provider_id == provider_id),
            AuditSubject.at >= since,
            AuditSubject.at < until,
            AuditEvent.activity.is_not(None),
            AuditEvent.outcome == Outcome.OK,
        )
        .order_by(AuditEvent.at, AuditEvent.id, AuditSubject.ordinal)
    ).all()
    about: dict[uuid.UUID, list[AuditSubject]] = {}
    for entry, subject in rows:
        about.setdefault(entry.id, []).append(subject)
    entries = {entry.id: entry for entry, _ in rows}
    users = find_users(session, {entry.assignment_id for entry in entries.values() if entry.assignment_id})
    owners = {subject.provider_id for _, subject in rows if subject.provider_id}
    providers = _find(session, CareProvider, {entry.care_provider_id for entry in entries.values()} | owners)
    units = _find(session, CareUnit, {entry.unit_id for entry in entries.values() if entry.unit_id})

    def tell(entry: AuditEvent) -> dict[str, Any]:
        provider, unit = providers.get(entry.care_provider_id), units.get(entry.unit_id)
        assignment, person = users.get(entry.assignment_id, (None, None))
        named = (
            asked.extract_includes_name
            and provider is not None
            and provider.extract_includes_name
            and person is not None
            and not person.protected
        )
        owner = providers.get(next((one.provider_id for one in about[entry.id] if one.provider_id), None))
        words = BASES.get(entry.basis or "")
        basis = words and Words(*(text.format(owner=owner.name if owner else "") for text in words))
        return {
            "at": entry.at.astimezone(zone).isoformat(timespec="seconds"),
            "care_provider": provider and {"hsa_id": provider.hsa_id, "name": provider.name},
            "care_unit": unit and {"hsa_id": unit.hsa_id, "name": unit.name},
            "title": {"sv": person.title, "en": person.title} if person else SYSTEM._asdict(),
            "user_hsa_id": assignment.employee_hsa_id if assignment and named else None,
            "name": person.name if person and named else None,
            "activity": ACTIVITIES[entry.activity]._asdict() if entry.activity else None,
            "what": describe((one.kind for one in about[entry.id]), {**KINDS, **kinds})._asdict(),
            "purpose": PURPOSES[entry.purpose]._asdict() if entry.purpose else None,
            "basis": basis and basis._asdict(),
        }

    return {
        "care_provider": {"hsa_id": asked.hsa_id, "name": asked.name},
        "patient_id": str(patient_id),
        "since": since.astimezone(zone).isoformat(timespec="seconds"),
        "until": until.astimezone(zone).isoformat(timespec="seconds"),
        "entries": [tell(entry) for entry in entries.values()],
    }


def find_rows(session: Session, patient_id: uuid.UUID) -> frozenset[uuid.UUID]:
    """Every row that is the same person as a patient: what our users saw at other providers is under theirs."""
    with platform(session):
        return find_same(session, [patient_id])[patient_id]


def find_users(session: Session, ids: set[uuid.UUID]) -> dict[uuid.UUID | None, tuple[Assignment, Person]]:
    """Who acted under some assignments."""
    rows = session.execute(
        select(Assignment, Person).join(Person, Person.id == Assignment.person_id).where(Assignment.id.in_(ids))
    )
    return {assignment.id: (assignment, person) for assignment, person in rows}


def _find(session: Session, kind: type[T], ids: set[uuid.UUID]) -> dict[uuid.UUID | None, T]:
    return {row.id: row for row in session.scalars(select(kind).where(kind.id.in_(ids)))}
