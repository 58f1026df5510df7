"""Cases: registering one, who takes part, and looking further for a patient."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.choices import ChoiceKind
from cases.access.decisions import admit, subject_of
from cases.access.errors import NotPermitted
from cases.access.gate import Intent
from cases.access.gate.codes import SENTENCES, Code
from cases.access.organisations import find_department
from cases.access.patients import load_patient
from cases.access.people import find_assignment
from cases.access.permissions import Permission
from cases.records import pathology_case
from cases.records.pathology_case import CaseStatus, PathologyCase, find_case
from cases.sharing.record_grants import look_up
from cases.sharing.resources import describe_cases
from viewer.api.fields import Line, Moment
from viewer.api.slides import Slide, show
from viewer.dependencies import Database, Now, permit, set_etag

router = APIRouter(prefix="/api/cases", tags=["cases"])
patients_router = APIRouter(prefix="/api/patients", tags=["patients"])

Registrar = Annotated[Actor, Depends(permit(Permission.REGISTER_RECORD), scope="function")]


class NewCase(BaseModel):
    """A case to register in one's own laboratory."""

    department_id: uuid.UUID
    lid: Annotated[Line, Field(max_length=40)]
    patient_id: uuid.UUID
    accessioned_at: Moment


class Case(BaseModel):
    """A case."""

    id: uuid.UUID
    lid: str
    department_id: uuid.UUID
    patient_id: uuid.UUID
    accessioned_at: datetime
    status: CaseStatus
    version: int


class FurtherLook(BaseModel):
    """An active choice to look beyond what one's own unit has of a patient."""

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


def _show(case: PathologyCase, response: Response) -> Case:
    set_etag(response, case)
    return Case(
        id=case.id,
        lid=case.lid,
        department_id=case.department_id,
        patient_id=case.patient_id,
        accessioned_at=case.accessioned_at,
        status=case.status,
        version=case.version,
    )


def _read(database: Database, case_id: uuid.UUID, actor: Actor, now: datetime) -> PathologyCase:
    case = find_case(database, case_id)
    resource = describe_cases(database, [case], by=actor, now=now)[case.id]
    decision = admit(database, resource, Intent.READ, by=actor, now=now)
    audit.record(
        database,
        Event.CASE_VIEWED,
        by=actor,
        subjects=[subject_of(resource)],
        basis=decision.basis,
        decision_id=decision.id,
    )
    return case


def _read_own(database: Database, case_id: uuid.UUID, actor: Actor, now: datetime) -> PathologyCase:
    """A case to change, which is for its owner alone, whoever else has been let into it."""
    case = _read(database, case_id, actor, now)
    if case.care_provider_id != actor.provider_id:
        raise NotPermitted("Who takes part in a case is decided by the care provider that owns it. Ask there.")
    return case


@router.post("", status_code=201)
def create_case(body: NewCase, database: Database, actor: Registrar, now: Now, response: Response) -> Case:
    """Register a case of your own laboratory."""
    return _show(
        pathology_case.register_case(
            database,
            department=find_department(database, body.department_id, provider_id=actor.provider_id),
            lid=body.lid,
            patient=load_patient(database, body.patient_id, by=actor),
            accessioned_at=body.accessioned_at,
            by=actor,
            now=now,
        ),
        response,
    )


@router.get("/{case_id}")
def read_case(
    case_id: uuid.UUID,
    database: Database,
    actor: Annotated[Actor, Depends(permit(Permission.READ_RECORD), scope="function")],
    now: Now,
    response: Response,
) -> Case:
    """One case."""
    return _show(_read(database, case_id, actor, now), response)


@router.put("/{case_id}/members/{assignment_id}", status_code=204)
def add_member(case_id: uuid.UUID, assignment_id: uuid.UUID, database: Database, actor: Registrar, now: Now) -> None:
    """Let somebody of your own care provider take part in a case."""
    case = _read_own(database, case_id, actor, now)
    assignment = find_assignment(database, assignment_id, provider_id=actor.provider_id)
    pathology_case.add_member(database, case, assignment_id=assignment.id, by=actor)


@router.delete("/{case_id}/members/{assignment_id}", status_code=204)
def release_member(
    case_id: uuid.UUID, assignment_id: uuid.UUID, database: Database, actor: Registrar, now: Now
) -> None:
    """Somebody no longer takes part; what they look at goes dark unless something else allows it."""
    case = _read_own(database, case_id, actor, now)
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
