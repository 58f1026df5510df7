"""The pilot's cases: each with its referral, its specimens and the glass that images are waited for."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy.orm import Session

from cases.access import audit
from cases.access.audit import Event
from cases.access.organisations import CareUnit, Department
from cases.access.patients import Patient
from cases.access.people import Assignment
from cases.records.pathology_case import Category, PathologyCase, subject_of
from cases.records.referrals import Referral, ReferralDetails, register_referral
from cases.records.specimens import NewBlock, NewGlass, NewSpecimen, Specimen, register_specimen
from viewer.pilot import cast
from viewer.pilot.rows import find, get

DAY = timedelta(days=1)


def seed_case(session: Session, wanted: cast.Case, unit: CareUnit, patient: Patient, *, now: datetime) -> None:
    """Put a case in, if it is not there; and what belongs to it, where it has nothing of that yet.

    Args:
        session: that acts for the care provider.
        wanted: the case.
        unit: of the laboratory.
        patient: registered there.
        now: the moment.
    """
    case = find(session, PathologyCase, care_unit_id=unit.id, lid=wanted.lid) or _add_case(
        session, wanted, unit, patient, now=now
    )
    if not find(session, Referral, case_id=case.id):
        surgeons = find(session, CareUnit, hsa_id=cast.SURGERY) if wanted.unit == cast.KALMAR else None
        details = ReferralDetails(
            referring_unit_id=surgeons.id if surgeons else None,
            referral_number=f"R-{wanted.lid}",
            ordered_at=case.accessioned_at - DAY,
            question=wanted.question,
            phone_for_urgent="010-000 00 00",
            answer_recipients=(surgeons.id,) if surgeons else (),
        )
        register_referral(session, case, details, by=None)
    if not find(session, Specimen, case_id=case.id):
        for material in wanted.material:
            register_specimen(session, case, _read_material(wanted, material, case), by=None)


def _add_case(session: Session, wanted: cast.Case, unit: CareUnit, patient: Patient, *, now: datetime) -> PathologyCase:
    came = now - wanted.days * DAY
    posts = [post for one in cast.PEOPLE for post in one.posts if post.unit == wanted.unit]
    responsible = next((post.commission for post in posts if post.number == wanted.responsible), None)
    department = "Cytologi" if wanted.category is Category.CYTOLOGY else "Histopatologi"
    case = PathologyCase(
        care_provider_id=unit.care_provider_id,
        care_unit_id=unit.id,
        department_id=get(session, Department, care_unit_id=unit.id, name=department).id,
        lid=wanted.lid,
        patient_id=patient.id,
        accessioned_at=came,
        last_registered_at=came,
        status=wanted.status,
        responsible_assignment_id=get(session, Assignment, commission_hsa_id=responsible).id if responsible else None,
        category=wanted.category,
        priority=wanted.priority,
        complexity_level=wanted.complexity,
        points=Decimal(wanted.points),
        clinical_question=wanted.question,
        collected_at=came - DAY,
        due_at=now + wanted.due * DAY,
    )
    session.add(case)
    session.flush()
    audit.record(session, Event.CASE_CREATED, by=None, provider_id=case.care_provider_id, subjects=[subject_of(case)])
    return case


def _read_material(wanted: cast.Case, material: cast.Material, case: PathologyCase) -> NewSpecimen:
    blocks: dict[int, list[NewGlass]] = {}
    for one in material.glass.split(", "):
        block, _, stain = one.rpartition(" ")
        label = f"{wanted.lid} {material.letter}{block} {stain}"
        glass = NewGlass(stain_code=stain, stain_kind=cast.STAINS[stain], label_text=label)
        blocks.setdefault(int(block or 0), []).append(glass)
    loose = blocks.pop(0, [])
    return NewSpecimen(
        letter=material.letter,
        type=material.type,
        collected_at=case.collected_at,
        received_at=case.accessioned_at,
        blocks=tuple(NewBlock(number=number, glass=tuple(glass)) for number, glass in blocks.items()),
        glass=tuple(loose),
    )
