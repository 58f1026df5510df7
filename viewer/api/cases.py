"""Cases: registering and changing one with all that belongs to it, who takes part, looking further for a patient."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.choices import ChoiceKind
from cases.access.gate.codes import SENTENCES, Code
from cases.access.organisations import find_department
from cases.access.patients import load_patient
from cases.access.people import find_assignment
from cases.access.permissions import Permission
from cases.records import pathology_case
from cases.records.case_moves import move_case
from cases.records.lead_times import Point
from cases.records.pathology_case import (
    MOST_POINTS,
    CaseDetails,
    CaseStatus,
    Category,
    Complexity,
    PathologyCase,
    Priority,
    details_of,
)
from cases.records.referrals import ReferralDetails, find_referral, referral_details, register_referral
from cases.records.related_cases import RelationType, relate
from cases.records.specimens import register_specimen
from cases.sharing.opened_cases import gather, open_case, open_own_case
from cases.sharing.record_grants import look_up
from viewer.api.fields import NUMBER, ClinicalText, Line, Moment, example
from viewer.api.referrals import ReferralBody, ReferralRow, show_referral
from viewer.api.slides import Slide, show
from viewer.api.specimens import NewSpecimenBody, SpecimenRow, show_specimen
from viewer.dependencies import Database, Match, Now, permit, require_version, set_etag

router = APIRouter(prefix="/api/cases", tags=["cases"])
patients_router = APIRouter(prefix="/api/patients", tags=["patients"])

Registrar = Annotated[Actor, Depends(permit(Permission.REGISTER_RECORD), scope="function")]


class CaseFields(BaseModel):
    """What a laboratory says about a case; what is left out of a change stays as it is, null takes it away."""

    category: Category = Category.HISTOLOGY
    priority: Priority = Priority.ROUTINE
    svf_code: Line | None = None
    due_at: Moment | None = None
    clinical_question: ClinicalText | None = None
    clinical_history: ClinicalText | None = None
    complexity_level: Annotated[Complexity | None, Field(examples=["L3"])] = None
    points: Annotated[Decimal, NUMBER, Field(ge=0, lt=MOST_POINTS, decimal_places=2, examples=[2.5])] | None = None
    responsible_assignment_id: uuid.UUID | None = None
    referral_decided_at: Moment | None = None
    collected_at: Annotated[Moment | None, Field(examples=["2026-11-20T09:30:00Z"])] = None
    grossing_started_at: Moment | None = None
    patient_informed_at: Moment | None = None


class NewCase(CaseFields):
    """A case to register in one's own laboratory, with everything that is known of it."""

    model_config = example(
        department_id="01a20385-51b2-7d0c-a6f4-0c5a4c1f1e11",
        lid="D26-00801",
        patient_id="01a20384-4a53-7e46-83f6-8d5cae1b4f06",
        accessioned_at="2026-11-21T09:00:00+01:00",
        clinical_question="Malignitet?",
        due_at="2026-12-01T16:00:00+01:00",
        referral={"referral_number": "R2611-0042", "question": "Malignitet?"},
        specimens=[
            {
                "type": "Hudbiopsi",
                "site": "Vänster underarm",
                "blocks": [{"glass": [{"stain_code": "HE", "barcode": "D26-00801-A1-1"}]}],
            }
        ],
    )

    department_id: uuid.UUID
    lid: Annotated[Line, Field(max_length=40)]
    patient_id: uuid.UUID
    accessioned_at: Moment
    referral: ReferralBody | None = None
    specimens: Annotated[list[NewSpecimenBody], Field(max_length=50)] = []


class CaseChange(CaseFields):
    """What is to be different; what is left out stays as it is."""

    model_config = example(status="READY", priority="SNABB")

    status: CaseStatus | None = None
    referral: ReferralBody | None = None


class NewRelation(BaseModel):
    """Another case of the same patient that this one has to do with, or radiology's number of an examination."""

    model_config = example(type="PRIOR", related_case_id="01a20384-6c75-7068-a518-af7ec03d6108")

    type: RelationType
    related_case_id: uuid.UUID | None = None
    reference: Annotated[Line | None, Field(max_length=40)] = None


class RelationRow(NewRelation):
    """What a case has to do with."""

    id: uuid.UUID


class CompletenessRow(BaseModel):
    """How much of the case's glass can be looked at.

    Attributes:
        missing: glass that an image is waited for.
        untied: images of which nobody has said which glass they are of.
    """

    arrived: int
    expected: int
    missing: Annotated[list[str], Field(examples=[["A2-1 HE"]])]
    untied: int
    text: Annotated[str, Field(examples=["7 of 8 slides"])]


class Case(CaseFields):
    """A case with everything that belongs to it.

    Attributes:
        signout_department_id: which department is to sign it out.
        lead_times: when it came to each point of its way, by SKR's model; null where nobody has said.
    """

    id: uuid.UUID
    lid: str
    department_id: uuid.UUID
    signout_department_id: uuid.UUID
    patient_id: uuid.UUID
    accessioned_at: datetime
    status: CaseStatus
    points: float | None  # type: ignore[assignment]  # JSON has one kind of numbers
    lead_times: dict[Point, datetime | None]
    referral: ReferralRow | None
    specimens: list[SpecimenRow]
    related: list[RelationRow]
    completeness: CompletenessRow
    version: int


class FurtherLook(BaseModel):
    """An active choice to look beyond what one's own unit has of a patient."""

    model_config = example(kind="OTHER_UNIT", reason="Tidigare biopsi behövs för jämförelse.")

    kind: ChoiceKind
    reason: Line


class Refusal(BaseModel):
    """Why some of it stays closed; not whose it is."""

    code: Code
    detail: str
    next_step: str


class FoundFurther(BaseModel):
    """What looking further found.

    Attributes:
        blocked: the patient has blocked something somewhere.
    """

    slides: list[Slide]
    blocked: bool
    refusals: list[Refusal]


def _show(database: Session, case: PathologyCase, actor: Actor, response: Response) -> Case:
    opened = gather(database, case)
    set_etag(response, case)
    if opened.referral:
        audit.record(database, Event.REFERRAL_VIEWED, by=actor, subjects=[pathology_case.subject_of(case)])
    own = {name for name in Case.model_fields if hasattr(case, name)} - {"points"}
    return Case(
        **{name: getattr(case, name) for name in own},
        points=None if case.points is None else float(case.points),
        lead_times={point: getattr(case, point.value) for point in Point},
        referral=show_referral(opened.referral) if opened.referral else None,
        specimens=[show_specimen(one, opened.blocks, opened.glass) for one in opened.specimens],
        related=[RelationRow.model_validate(one, from_attributes=True) for one in opened.related],
        completeness=CompletenessRow(
            arrived=opened.completeness.arrived,
            expected=opened.completeness.expected,
            missing=list(opened.completeness.missing),
            untied=opened.completeness.untied,
            text=str(opened.completeness),
        ),
    )


@router.post("", status_code=201)
def create_case(body: NewCase, database: Database, actor: Registrar, now: Now, response: Response) -> Case:
    """Register a case of your own laboratory, with its referral, specimens, tissue blocks and glass."""
    case = pathology_case.register_case(
        database,
        department=find_department(database, body.department_id, provider_id=actor.provider_id),
        lid=body.lid,
        patient=load_patient(database, body.patient_id, by=actor),
        accessioned_at=body.accessioned_at,
        details=CaseDetails(**{name: getattr(body, name) for name in CaseFields.model_fields}),
        by=actor,
        now=now,
    )
    if body.referral:
        register_referral(database, case, body.referral.changed(ReferralDetails()), by=actor)
    for specimen in body.specimens:
        register_specimen(database, case, specimen.new(), by=actor)
    return _show(database, case, actor, response)


@router.get("/{case_id}")
def read_case(
    case_id: uuid.UUID,
    database: Database,
    actor: Annotated[Actor, Depends(permit(Permission.READ_RECORD), scope="function")],
    now: Now,
    response: Response,
) -> Case:
    """One case with everything that belongs to it."""
    return _show(database, open_case(database, case_id, by=actor, now=now), actor, response)


@router.patch("/{case_id}")
def change_case(
    case_id: uuid.UUID,
    body: CaseChange,
    database: Database,
    actor: Registrar,
    now: Now,
    match: Match,
    response: Response,
) -> Case:
    """Say again what is known of a case or its referral, or where it is in its life."""
    case = open_own_case(database, case_id, by=actor, now=now)
    require_version(case, match)
    said = {name: getattr(body, name) for name in CaseFields.model_fields if name in body.model_fields_set}
    pathology_case.change_case(database, case, replace(details_of(case), **said), by=actor, now=now)
    if body.referral:
        there = find_referral(database, case.id)
        before = referral_details(there) if there else ReferralDetails()
        register_referral(database, case, body.referral.changed(before), by=actor)
        # The referral is a part of the case: whoever changes it next is to have seen this.
        case.updated_at = now
    if body.status and body.status is not case.status:
        move_case(database, case, body.status, by=actor, now=now)
    return _show(database, case, actor, response)


@router.post("/{case_id}/related-cases", status_code=201)
def create_relation(
    case_id: uuid.UUID, body: NewRelation, database: Database, actor: Registrar, now: Now
) -> RelationRow:
    """Say that a case has to do with another one of the same patient. Saying it twice is once."""
    case = open_own_case(database, case_id, by=actor, now=now)
    other = open_own_case(database, body.related_case_id, by=actor, now=now) if body.related_case_id else None
    row = relate(database, case, body.type, other=other, reference=body.reference, by=actor)
    return RelationRow.model_validate(row, from_attributes=True)


@router.put("/{case_id}/members/{assignment_id}", status_code=204)
def add_member(case_id: uuid.UUID, assignment_id: uuid.UUID, database: Database, actor: Registrar, now: Now) -> None:
    """Let somebody of your own care provider take part in a case."""
    case = open_own_case(database, case_id, by=actor, now=now)
    assignment = find_assignment(database, assignment_id, provider_id=actor.provider_id)
    pathology_case.add_member(database, case, assignment_id=assignment.id, by=actor)


@router.delete("/{case_id}/members/{assignment_id}", status_code=204)
def release_member(
    case_id: uuid.UUID, assignment_id: uuid.UUID, database: Database, actor: Registrar, now: Now
) -> None:
    """Somebody no longer takes part; what they look at goes dark unless something else allows it."""
    case = open_own_case(database, case_id, by=actor, now=now)
    pathology_case.release_member(database, case, assignment_id=assignment_id, by=actor, now=now)


@patients_router.post("/{patient_id}/look-ups", status_code=201)
def create_look_up(
    patient_id: uuid.UUID,
    body: FurtherLook,
    database: Database,
    actor: Annotated[Actor, Depends(permit(Permission.READ_RECORD), scope="function")],
    now: Now,
) -> FoundFurther:
    """Choose actively to look into other units, or other providers, for one patient; in an emergency too."""
    patient = load_patient(database, patient_id, by=actor)
    found = look_up(database, patient, body.kind, reason=body.reason, by=actor, now=now)
    return FoundFurther(
        slides=[show(listed) for listed in found.listed],
        blocked=found.blocked,
        refusals=[
            Refusal(code=code, detail=SENTENCES[code].sentence, next_step=SENTENCES[code].next_step)
            for code in sorted(found.refusals)
        ],
    )
