"""Whose rows are the same person's: what is said of one holds for the others.

Rows of one care provider are the same where they were linked; those of several where they have a number in common,
which is found by its index without anybody learning the number.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from cases.access import rights
from cases.access.patients import IdentifierStatus, Patient, PatientIdentifier
from cases.database import platform


@dataclass(frozen=True, slots=True)
class PatientFacts:
    """What the gate needs to know of a patient.

    Attributes:
        protected: only those who are named may see.
        objection_at: when the patient objected to sharing.
        mismatch: it is not certain whose the information is.
    """

    protected: bool
    objection_at: datetime | None
    mismatch: bool


def find_facts(session: Session, patient_ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, PatientFacts]:
    """What the gate needs to know of some patients. What is said of one row holds for all rows of the patient."""
    asked, row = aliased(Patient), aliased(Patient)
    found: dict[uuid.UUID, list[Patient]] = {}
    for patient_id, one in session.execute(
        select(asked.id, row).join(row, row.same_as_id == asked.same_as_id).where(asked.id.in_(patient_ids))
    ):
        found.setdefault(patient_id, []).append(one)
    return {
        patient_id: PatientFacts(
            protected=any(row.protected for row in rows),
            objection_at=max((row.objection_at for row in rows if row.objection_at), default=None),
            mismatch=any(row.mismatch_at for row in rows),
        )
        for patient_id, rows in found.items()
    }


def find_same(session: Session, patient_ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, frozenset[uuid.UUID]]:
    """For some patients, every row that is the same person, at any care provider that this transaction sees.

    Rows are the same where they were linked, or where they have a number in common.
    """
    asked, own, match, theirs = (aliased(Patient) for _ in range(4))
    number, same = aliased(PatientIdentifier), aliased(PatientIdentifier)
    rows = session.execute(
        select(asked.id, theirs.id)
        .join(own, own.same_as_id == asked.same_as_id)
        .join(number, number.patient_id == own.id)
        .join(same, (same.extension_hmac == number.extension_hmac) & (same.root_oid == number.root_oid))
        .join(match, match.id == same.patient_id)
        .join(theirs, theirs.same_as_id == match.same_as_id)
        .where(
            asked.id.in_(patient_ids),
            number.status != IdentifierStatus.ERROR,
            same.status != IdentifierStatus.ERROR,
        )
        .distinct()
    )
    found = {patient_id: {patient_id} for patient_id in patient_ids}
    for patient_id, same_id in rows:
        found[patient_id].add(same_id)
    return {patient_id: frozenset(ids) for patient_id, ids in found.items()}


def note_changed(session: Session, patient_ids: Iterable[uuid.UUID]) -> None:
    """Something about patients changed that rights rest on, wherever the same people's information is looked at."""
    with platform(session):
        same = find_same(session, set(patient_ids))
    rights.changed(session, patients=frozenset().union(*same.values()))
