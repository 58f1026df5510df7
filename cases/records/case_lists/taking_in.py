"""Taking a planned list in: all of it, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event, Subject
from cases.access.identifiers import Identifier
from cases.access.organisations import Department
from cases.access.patients import Patient, register_patient
from cases.records.case_lists.planning import Outcome, Plan, Planned, arrival
from cases.records.case_moves import move_case
from cases.records.laboratories import find_laboratory, remember_columns
from cases.records.pathology_case import CaseStatus, PathologyCase, change_case, register_case
from cases.records.referrals import register_referral
from cases.records.specimens import (
    NewGlass,
    NewSpecimen,
    Specimen,
    change_material,
    register_glass_slide,
    register_specimen,
)


def take_in(session: Session, department: Department, plan: Plan, *, by: Actor, now: datetime) -> None:
    """Do what was planned for a list, and remember its columns for the laboratory's next one.

    Args:
        session: of this transaction, in which the plan was made.
        department: that it was made for.
        plan: without faults.
        by: who brings it in.
        now: the moment.

    Raises:
        ValueError: the plan has faults; nothing is taken in then.
    """
    if plan.faults:
        raise ValueError("A list with faults is not taken in; show them instead.")
    registered: dict[Identifier, Patient] = {}
    for one in plan.planned:
        if one.outcome in (Outcome.NEW, Outcome.CHANGED):
            _take_row(session, department, one, registered, by=by, now=now)
    laboratory = find_laboratory(session, department)
    left_out = {name: heading for name, heading in (laboratory.list_columns or {}).items() if not heading}
    found = {column.value: heading for column, heading in plan.columns.items()}
    remember_columns(session, laboratory, {**left_out, **found}, by=by)
    subject = Subject(kind="laboratory", id=laboratory.id, provider_id=by.provider_id, unit_id=by.unit_id)
    counts = {outcome.value.lower(): sum(one.outcome is outcome for one in plan.planned) for outcome in Outcome}
    audit.record(session, Event.LISTS_IMPORTED, by=by, subjects=[subject], args=counts)


def _take_row(
    session: Session,
    department: Department,
    one: Planned,
    registered: dict[Identifier, Patient],
    *,
    by: Actor,
    now: datetime,
) -> None:
    entry, case = one.entry, one.case
    if case is None:
        patient = one.patient or registered.get(entry.identifier)
        if patient is None:
            given, family = entry.names
            patient = register_patient(session, entry.identifier, given_name=given, family_name=family, by=by)
            registered[entry.identifier] = patient
        case = register_case(
            session,
            department=department,
            lid=entry.lid,
            patient=patient,
            accessioned_at=arrival(entry, now),
            details=one.details,
            by=by,
            now=now,
        )
    else:
        change_case(session, case, one.details, by=by, now=now)
    if one.referral:
        register_referral(session, case, one.referral, by=by)
    _take_specimens(session, case, one, by=by)
    if one.closes:
        move_case(session, case, CaseStatus.FINAL, by=by, now=now, at=entry.answered_at)


def _take_specimens(session: Session, case: PathologyCase, one: Planned, *, by: Actor) -> None:
    if not one.specimens and not one.glass:
        return
    statement = select(Specimen).where(Specimen.case_id == case.id, Specimen.counts()).order_by(Specimen.id)
    there = {specimen.letter: specimen for specimen in session.scalars(statement)} if one.case else {}
    waited = tuple(NewGlass() for _ in range(one.glass))
    wanted: Sequence[tuple[str, str | None]] = one.specimens or ([] if there else [("A", None)])
    for letter, kind in wanted:
        if letter in there:
            change_material(session, case, there[letter], {"type": kind}, by=by)
        else:
            # Which glass is of which specimen is not in a list; the first one has them until somebody says more.
            glass = () if there else waited
            there[letter] = register_specimen(session, case, NewSpecimen(letter=letter, type=kind, glass=glass), by=by)
            waited = waited[len(glass) :]
    first = next(iter(there.values()))
    for new in waited:
        register_glass_slide(session, case, new, specimen=first, by=by)
