"""What taking in a list would do, row by row, before anything is done."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.errors import Invalid
from cases.access.identifiers import Identifier
from cases.access.organisations import CareUnit, Department
from cases.access.patients import IdentifierStatus, Patient, PatientIdentifier, as_subject
from cases.access.vault import Vault, find_vault
from cases.records.case_lists.columns import Column, find_columns
from cases.records.case_lists.entries import Entry, Fault, read_entry
from cases.records.case_lists.reading import List, read_list
from cases.records.laboratories import find_laboratory
from cases.records.pathology_case import OPEN, CaseDetails, PathologyCase, check_details, details_of
from cases.records.referrals import Referral, ReferralDetails, referral_details
from cases.records.specimens import Specimen, find_material


class Outcome(StrEnum):
    """What becomes of a row."""

    NEW = "NEW"
    CHANGED = "CHANGED"
    UNCHANGED = "UNCHANGED"
    CLOSED = "CLOSED"
    """The case is closed here and stays as it is."""


class Note(StrEnum):
    """What somebody should look at, although the row can be taken in."""

    UNIT_UNKNOWN = "UNIT_UNKNOWN"
    SIGNED_ELSEWHERE = "SIGNED_ELSEWHERE"


NOTES: Mapping[Note, str] = {
    Note.UNIT_UNKNOWN: "The unit that referred takes no part here, so it is left out of the referral.",
    Note.SIGNED_ELSEWHERE: "Another department is to sign this case out, so it is not closed by the list.",
}


@dataclass(frozen=True, slots=True)
class Planned:
    """What a row would do.

    Attributes:
        case, patient: that there are already; a patient who is not there is registered with the case.
        details, referral: as they are to be; no referral where nothing is said of one.
        specimens: letter and kind of those that are missing or called something else.
        glass: how many more are to be waited for.
        closes: the laboratory system has sent the answer.
        notes: what somebody should look at.
    """

    entry: Entry
    outcome: Outcome
    case: PathologyCase | None
    patient: Patient | None
    details: CaseDetails
    referral: ReferralDetails | None
    specimens: Sequence[tuple[str, str]]
    glass: int
    closes: bool
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What taking in a list would do: all that is planned; nothing while there are faults.

    Attributes:
        columns: which heading was taken for what.
    """

    read: List
    columns: Mapping[Column, str]
    planned: Sequence[Planned]
    faults: Sequence[Fault]

    @property
    def ignored(self) -> list[str]:
        """Headings that stand for nothing here."""
        used = set(self.columns.values())
        return [heading for heading in self.read.headings if heading and heading not in used]


@dataclass(frozen=True, slots=True)
class _Known:
    """What there is already of what a list is about."""

    cases: Mapping[str, PathologyCase]
    patients: Mapping[bytes, Patient]
    people: Mapping[uuid.UUID, uuid.UUID]
    referrals: Mapping[uuid.UUID, Referral]
    specimens: Mapping[uuid.UUID, Mapping[str, Specimen]]
    glass: Counter[uuid.UUID] = field(default_factory=Counter)
    units: Mapping[str, uuid.UUID] = field(default_factory=dict)


def plan(
    session: Session,
    department: Department,
    content: bytes,
    *,
    by: Actor,
    now: datetime,
) -> Plan:
    """Find out what taking in a list of a laboratory's cases would do. Looking up its patients is logged.

    Args:
        session: of this transaction.
        department: of the actor's own unit.
        content: of the file.
        by: who brings it in.
        now: the moment.

    Raises:
        Invalid: the department is not of the actor's unit, or this is no list of cases.
    """
    if department.care_unit_id != by.unit_id or department.archived_at is not None:
        raise Invalid("Cases are registered in an open department of your own care unit.", field="department_id")
    read, laboratory = read_list(content), find_laboratory(session, department)
    columns = find_columns(read.headings, laboratory.list_columns)
    faults: list[Fault] = []
    entries: dict[str, Entry] = {}
    for row in read.rows:
        entry, wrong = read_entry(row, columns, lid_pattern=laboratory.lid_pattern, now=now)
        faults += wrong
        if entry and entry.lid in entries:
            sentence = f"The same case stands on line {entries[entry.lid].line} already. Leave one of the two."
            faults.append(Fault(row.number, Column.LID, columns[Column.LID], "LID_TWICE", sentence))
        elif entry:
            entries[entry.lid] = entry
    known = _find_known(session, list(entries.values()), by=by)
    planned = []
    for entry in entries.values():
        try:
            planned.append(_plan_row(session, department, entry, known, by=by, now=now))
        except _Wrong as wrong_row:
            column = wrong_row.column
            faults.append(Fault(entry.line, column, columns.get(column), wrong_row.code, str(wrong_row)))
    found = [one.patient for one in planned if one.patient]
    audit.record(
        session,
        Event.SEARCH_PATIENT,
        by=by,
        subjects=[as_subject(patient) for patient in {one.id: one for one in found}.values()],
        args={"list": "cases", "rows": len(read.rows), "hits": len(found)},
    )
    return Plan(read, columns, planned, sorted(faults, key=lambda fault: fault.line))


class _Wrong(Exception):
    def __init__(self, column: Column, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.column, self.code = column, code


def _find_known(session: Session, entries: Sequence[Entry], *, by: Actor) -> _Known:
    vault = find_vault(session)
    cases = session.scalars(
        select(PathologyCase).where(
            PathologyCase.care_unit_id == by.unit_id, PathologyCase.lid.in_([entry.lid for entry in entries])
        )
    ).all()
    numbers = session.execute(
        select(PatientIdentifier.extension_hmac, Patient)
        .join(Patient, Patient.id == PatientIdentifier.patient_id)
        .where(
            PatientIdentifier.care_provider_id == by.provider_id,
            PatientIdentifier.status != IdentifierStatus.ERROR,
            PatientIdentifier.extension_hmac.in_([_index(vault, entry.identifier) for entry in entries]),
        )
    )
    case_ids = [case.id for case in cases]
    people = select(Patient.id, Patient.same_as_id).where(Patient.id.in_({case.patient_id for case in cases}))
    specimens, _, glass = find_material(session, case_ids)
    by_letter: dict[uuid.UUID, dict[str, Specimen]] = {}
    for specimen in specimens:
        by_letter.setdefault(specimen.case_id, {})[specimen.letter] = specimen
    hsa_ids = {entry.referring_unit.upper() for entry in entries if entry.referring_unit}
    return _Known(
        cases={case.lid: case for case in cases},
        patients=dict(numbers.all()),
        people=dict(session.execute(people).all()),
        referrals={one.case_id: one for one in session.scalars(select(Referral).where(Referral.case_id.in_(case_ids)))},
        specimens=by_letter,
        glass=Counter(one.case_id for one in glass),
        units=dict(session.execute(select(CareUnit.hsa_id, CareUnit.id).where(CareUnit.hsa_id.in_(hsa_ids))).all()),
    )


def _plan_row(
    session: Session, department: Department, entry: Entry, known: _Known, *, by: Actor, now: datetime
) -> Planned:
    case = known.cases.get(entry.lid)
    patient = known.patients.get(_index(find_vault(session), entry.identifier))
    if case and case.department_id != department.id:
        raise _Wrong(Column.LID, "LID_ELSEWHERE", "Another department of your care unit has a case with this number.")
    if case and (patient is None or patient.same_as_id != known.people[case.patient_id]):
        raise _Wrong(
            Column.PATIENT_NUMBER,
            "OTHER_PATIENT",
            "The case with this number is another patient's here. Find out which is right before anything else.",
        )
    if patient is None and not all(entry.names):
        raise _Wrong(
            Column.PATIENT_NUMBER,
            "NAME_MISSING",
            "The patient is not registered here yet, and the row does not give both names to register them by.",
        )
    notes = [Note.UNIT_UNKNOWN] if entry.referring_unit and _unit(entry, known) is None else []
    held = case is not None and case.signout_department_id != case.department_id
    if entry.answered_at and held:
        notes.append(Note.SIGNED_ELSEWHERE)
    before = details_of(case) if case else CaseDetails()
    details = replace(before, **entry.details)
    if details != before:
        arrived = case.accessioned_at if case else arrival(entry, now)
        try:
            check_details(session, details, accessioned_at=arrived, provider_id=by.provider_id, now=now)
        except Invalid as error:
            column = Column.DUE if error.field == "due_at" else Column.LID
            raise _Wrong(column, f"BAD_{column.name}", str(error)) from None
    specimens = [(letter, kind) for letter, kind in entry.specimens if _kind(known, case, letter) != kind]
    referral, changed = _plan_referral(entry, case, known)
    glass = max(0, (entry.slides or 0) - (known.glass[case.id] if case else 0))
    closes = entry.answered_at is not None and not held
    if case is None:
        outcome = Outcome.NEW
    elif case.status not in OPEN:
        outcome = Outcome.CLOSED
    else:
        differs = details != before or changed or specimens or glass or closes
        outcome = Outcome.CHANGED if differs else Outcome.UNCHANGED
    return Planned(entry, outcome, case, patient, details, referral, specimens, glass, closes, tuple(notes))


def arrival(entry: Entry, now: datetime) -> datetime:
    """When a case came in, as far as its row says it; now where it does not."""
    return entry.accessioned_at or entry.details.get("collected_at") or now


def _plan_referral(entry: Entry, case: PathologyCase | None, known: _Known) -> tuple[ReferralDetails | None, bool]:
    there = known.referrals.get(case.id) if case else None
    before = referral_details(there) if there else ReferralDetails()
    after = replace(before, **entry.referral)
    unit = _unit(entry, known)
    if unit:
        after = replace(after, referring_unit_id=unit)
    if there is None and after == ReferralDetails():
        return None, False
    return after, after != before


def _unit(entry: Entry, known: _Known) -> uuid.UUID | None:
    return known.units.get(entry.referring_unit.upper()) if entry.referring_unit else None


def _kind(known: _Known, case: PathologyCase | None, letter: str) -> str | None:
    specimen = known.specimens.get(case.id, {}).get(letter) if case else None
    return specimen.type if specimen else None


def _index(vault: Vault, identifier: Identifier) -> bytes:
    return vault.index(identifier.root_oid, identifier.extension)
