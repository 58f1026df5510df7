"""Whose rows are the same person's: what is said of one holds for the others.

Rows of one care provider are the same where they were linked; those of several where they have a number in common,
which is found by its index without anybody learning the number.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, aliased

from cases.access import rights
from cases.access.patients import IdentifierStatus, Patient, PatientIdentifier, Protection
from cases.database import is_among, platform


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
    rows = session.execute(_ask_facts(), {"patient_ids": list(patient_ids)})
    return {one: PatientFacts(protected, objected, doubted) for one, protected, objected, doubted in rows}


def find_same(session: Session, patient_ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, frozenset[uuid.UUID]]:
    """For some patients, every row that is the same person, at any care provider that this transaction sees.

    Rows are the same where they were linked, or where they have a number in common.
    """
    found = {patient_id: {patient_id} for patient_id in patient_ids}
    for patient_id, same_id in session.execute(_ask_same(), {"patient_ids": list(patient_ids)}):
        found[patient_id].add(same_id)
    return {patient_id: frozenset(ids) for patient_id, ids in found.items()}


# Built once: the gate asks both for every decision, and making aliases takes longer than asking.
@cache
def _ask_facts() -> Select[uuid.UUID, bool, datetime, bool]:
    asked, row = aliased(Patient), aliased(Patient)
    return (
        select(
            asked.id,
            func.bool_or(row.protection != Protection.NONE),
            func.max(row.objection_at),
            func.bool_or(row.mismatch_at.is_not(None)),
        )
        .join(row, row.same_as_id == asked.same_as_id)
        .where(is_among(asked.id, "patient_ids"))
        .group_by(asked.id)
    )


@cache
def _ask_same() -> Select[uuid.UUID, uuid.UUID]:
    asked, own, match, theirs = (aliased(Patient) for _ in range(4))
    number, same = aliased(PatientIdentifier), aliased(PatientIdentifier)
    return (
        select(asked.id, theirs.id)
        .join(own, own.same_as_id == asked.same_as_id)
        .join(number, number.patient_id == own.id)
        .join(same, (same.extension_hmac == number.extension_hmac) & (same.root_oid == number.root_oid))
        .join(match, match.id == same.patient_id)
        .join(theirs, theirs.same_as_id == match.same_as_id)
        .where(
            is_among(asked.id, "patient_ids"),
            number.status != IdentifierStatus.ERROR,
            same.status != IdentifierStatus.ERROR,
        )
        .distinct()
    )


def note_changed(session: Session, patient_ids: Iterable[uuid.UUID]) -> None:
    """Something about patients changed that rights rest on, wherever the same people's information is looked at."""
    with platform(session):
        same = find_same(session, set(patient_ids))
    rights.changed(session, patients=frozenset().union(*same.values()))
