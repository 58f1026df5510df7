"""What changes about who a patient is: further numbers, protection, objection, and doubt."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.errors import Conflict, NotPermitted, NotThere
from cases.access.identifiers import Identifier, IdentifierType
from cases.access.patients import (
    IdentifierStatus,
    Patient,
    PatientIdentifier,
    Protection,
    as_subject,
    find_number,
    new_number,
)
from cases.access.permissions import Permission
from cases.access.same_patients import note_changed

RANKS = (IdentifierType.PNR, IdentifierType.SNR, IdentifierType.NRID, IdentifierType.LRID)
"""Of a patient's numbers, the first of these kinds is the one to use."""
RESERVE = frozenset({IdentifierType.NRID, IdentifierType.LRID})


def link_identifier(
    session: Session,
    patient: Patient,
    identifier: Identifier,
    *,
    known_as: uuid.UUID | None = None,
    by: Actor,
    now: datetime,
) -> None:
    """Somebody turns out to have another number too: both are kept, and are one patient from now on.

    Blocks, objection and protection of either hold for both.

    Args:
        patient: of the actor's care provider.
        identifier: the further number, such as the personnummer of somebody who came with a reserve number.
        known_as: the patient that has this number here already and was found to be the same.

    Raises:
        Conflict: another patient has the number here and `known_as` does not name them.
    """
    number = find_number(session, identifier, by=by)
    if number is None:
        number = new_number(session, patient, identifier, by=by)
        session.add(number)
    else:
        other = session.get_one(Patient, number.patient_id)
        if other.same_as_id == patient.same_as_id:
            raise Conflict("The patient has this number already.")
        if known_as != other.id:
            raise Conflict(
                "Another patient here has this number. Search for it, and say that the two are one patient if they are."
            )
        _join(_load_rows(session, other), _load_rows(session, patient))
    number.linked_by, number.linked_at = by.assignment_id, now
    session.flush()
    _settle(session, patient, newest=number)
    audit.record(
        session,
        Event.PATIENT_LINKED,
        by=by,
        subjects=[as_subject(patient)],
        args={"number": str(number.id), "kind": identifier.type},
    )
    note_changed(session, [patient.id])


def unlink_identifier(session: Session, patient: Patient, number_id: uuid.UUID, *, by: Actor) -> None:
    """Take a number back that was given to the wrong patient. It stays on record as a mistake.

    A row that came with the number stands for itself again; what was blocked or objected to meanwhile stays with both.

    Raises:
        NotThere: the patient has no such number.
        Conflict: it is the only number.
    """
    numbers = _load_numbers(session, patient)
    number = next((one for one in numbers if one.id == number_id), None)
    if number is None:
        raise NotThere("The patient has no such number.")
    if len(numbers) == 1:
        raise Conflict("This is the only number that the patient has. Link the right one first.")
    note_changed(session, [patient.id])  # before it is taken apart: whoever looks at either half is asked again
    rows = _load_rows(session, patient)
    apart = [row for row in rows if row.id == number.patient_id]
    if len(rows) > 1 and not any(one.patient_id == number.patient_id and one is not number for one in numbers):
        # The number is this row's own: the row leaves with it.
        rest = [row for row in rows if row not in apart]
        for group in (apart, rest):
            for row in group:
                row.same_as_id = group[0].id
        number.linked_by = number.linked_at = None
    else:
        number.status = IdentifierStatus.ERROR
    session.flush()
    for row in rows:
        _settle(session, row)
    audit.record(
        session,
        Event.PATIENT_CHANGED,
        by=by,
        subjects=[as_subject(row) for row in rows],
        args={"number": str(number.id)},
    )


def set_protection(session: Session, patient: Patient, protection: Protection, *, by: Actor, now: datetime) -> None:
    """Say how somebody's identity is protected, as it was just looked up.

    Raises:
        NotPermitted: it would protect less than before, for which the role or the proof of identity does not do.
    """
    rows = _load_rows(session, patient)
    grades = list(Protection)
    before = max((row.protection for row in rows), key=grades.index)
    args = {"protection": protection}
    if grades.index(protection) < grades.index(before):
        _require_lowering(by, now=now)
        args["lowered_from"] = before
    for row in rows:
        row.protection, row.protection_checked_at = protection, now
    session.flush()
    audit.record(session, Event.PATIENT_CHANGED, by=by, subjects=[as_subject(patient)], args=args)
    note_changed(session, [patient.id])


def set_objection(session: Session, patient: Patient, *, objects: bool, by: Actor, now: datetime) -> None:
    """The patient objects to sharing, or no longer does. Objecting once more counts from now."""
    for row in _load_rows(session, patient):
        row.objection_at = now if objects else None
    session.flush()
    event = Event.OBJECTION_SET if objects else Event.OBJECTION_CLEARED
    audit.record(session, event, by=by, subjects=[as_subject(patient)])
    note_changed(session, [patient.id])


def set_mismatch(session: Session, patient: Patient, *, doubtful: bool, by: Actor, now: datetime) -> None:
    """Say that what is gathered under a patient may be different people's, or that this is settled.

    While it is open nobody sees any of it but those who have to find out.
    """
    for row in _load_rows(session, patient):
        row.mismatch_at = now if doubtful else None
    session.flush()
    audit.record(session, Event.PATIENT_MISMATCH, by=by, subjects=[as_subject(patient)], args={"doubtful": doubtful})
    note_changed(session, [patient.id])


def _require_lowering(by: Actor, *, now: datetime) -> None:
    if not by.may(Permission.ADMINISTER_BLOCKS, now):
        raise NotPermitted("Less protection of an identity is entered by the care provider's administrator. Ask them.")
    if not by.proved_lately(now):
        raise NotPermitted("Prove once more who you are: protecting less needs a proof at most five minutes old.")


def _load_rows(session: Session, patient: Patient) -> Sequence[Patient]:
    found = session.scalars(
        select(Patient).where(Patient.same_as_id == patient.same_as_id).order_by(Patient.id).with_for_update()
    )
    return found.all()


def _load_numbers(session: Session, patient: Patient) -> Sequence[PatientIdentifier]:
    found = session.scalars(
        select(PatientIdentifier)
        .join(Patient, Patient.id == PatientIdentifier.patient_id)
        .where(Patient.same_as_id == patient.same_as_id, PatientIdentifier.status != IdentifierStatus.ERROR)
        .order_by(PatientIdentifier.id)
    )
    return found.all()


def _join(standing: Sequence[Patient], joining: Sequence[Patient]) -> None:
    rows = [*standing, *joining]
    objections = [row.objection_at for row in rows if row.objection_at]
    doubts = [row.mismatch_at for row in rows if row.mismatch_at]
    strictest = max(rows, key=lambda row: list(Protection).index(row.protection))
    for row in rows:
        row.same_as_id = standing[0].same_as_id
        row.objection_at = max(objections, default=None)
        row.mismatch_at = min(doubts, default=None)
        row.protection, row.protection_checked_at = strictest.protection, strictest.protection_checked_at


def _settle(session: Session, patient: Patient, newest: PatientIdentifier | None = None) -> None:
    """One number is the one to use; the others say what became of them."""
    numbers = sorted(_load_numbers(session, patient), key=lambda one: (RANKS.index(one.type), one is not newest))
    for place, number in enumerate(numbers):
        if place == 0:
            number.status = IdentifierStatus.CURRENT
        elif number.type in RESERVE:
            number.status = IdentifierStatus.LINKED
        else:
            number.status = IdentifierStatus.REPLACED
    session.flush()
