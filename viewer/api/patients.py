"""Patients: taking one in, searching by number, and what changes about who somebody is. No number in any address."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Response, status
from pydantic import BaseModel, Field

from cases.access.actors import Actor
from cases.access.identifiers import Identifier, IdentifierType, parse
from cases.access.identities import link_identifier, set_mismatch, set_objection, set_protection, unlink_identifier
from cases.access.patients import (
    IdentifierStatus,
    Patient,
    Protection,
    Sex,
    find_patient,
    load_patient,
    register_patient,
    show,
)
from cases.access.permissions import Permission
from viewer.api.fields import Line, example
from viewer.dependencies import Database, Match, Now, permit, require_version, set_etag

router = APIRouter(prefix="/api/patients", tags=["patients"])
Searcher = Annotated[Actor, Depends(permit(Permission.FIND_PATIENT), scope="function")]
Registrar = Annotated[Actor, Depends(permit(Permission.REGISTER_PATIENT), scope="function")]
Spokesman = Annotated[
    Actor, Depends(permit(Permission.REGISTER_CONSENT, Permission.ADMINISTER_BLOCKS), scope="function")
]
BirthDate = Annotated[date, Field(ge=date(1800, 1, 1), le=date(2200, 1, 1))]


class Number(BaseModel):
    """An identity number as typed.

    Attributes:
        root_oid: of a local reserve number's region; the national kinds have their own.
    """

    model_config = example(type="PNR", value="19121212-1212")

    type: IdentifierType
    value: Line
    root_oid: Line | None = None

    def read(self, now: datetime) -> Identifier:
        """The number in its one form. Raises Invalid."""
        return parse(self.value, kind=self.type, today=now.date(), root_oid=self.root_oid)


class NewPatient(BaseModel):
    """Somebody to take in; birth date and sex where the number does not state them."""

    model_config = example(
        number={"type": "PNR", "value": "19121212-1212"}, given_name="Tolvan", family_name="Tolvansson"
    )

    number: Number
    given_name: Line
    family_name: Line
    birth_date: BirthDate | None = None
    sex: Sex | None = None


class FurtherNumber(BaseModel):
    """Another number of a patient.

    Attributes:
        known_as: the patient that has this number here already and was found to be the same person.
    """

    model_config = example(number={"type": "SNR", "value": "19701063-2391"})

    number: Number
    known_as: uuid.UUID | None = None


class NewProtection(BaseModel):
    """How the tax agency protects the identity, as just looked up."""

    model_config = example(protection="SEKRETESSMARKERING")

    protection: Protection


class NewObjection(BaseModel):
    """Whether the patient objects to sharing."""

    model_config = example(objects=True)

    objects: bool


class NewMismatch(BaseModel):
    """Whether what is gathered under the patient may be different people's."""

    model_config = example(doubtful=True)

    doubtful: bool


class NumberView(BaseModel):
    """A number of a patient.

    Attributes:
        extension: the number; null where the identity is protected.
    """

    id: uuid.UUID
    type: IdentifierType
    root_oid: str
    extension: str | None
    status: IdentifierStatus
    linked_at: datetime | None


class PatientView(BaseModel):
    """A patient.

    Attributes:
        same_as_id: the same for all rows that are this patient here.
        redacted: the identity is protected: names, numbers, birth date and sex are null.
    """

    id: uuid.UUID
    same_as_id: uuid.UUID
    given_name: str | None
    family_name: str | None
    birth_date: date | None
    sex: Sex | None
    numbers: list[NumberView]
    deceased_at: datetime | None
    protection: Protection
    protection_checked_at: datetime | None
    objection_at: datetime | None
    mismatch_at: datetime | None
    redacted: bool
    version: int


class PatientsFound(BaseModel):
    """Who has a number: nobody or one."""

    items: list[PatientView]


def _show(database: Database, patient: Patient, actor: Actor, response: Response | None = None) -> PatientView:
    if response is not None:
        set_etag(response, patient)
    return PatientView.model_validate(show(database, patient, by=actor), from_attributes=True)


@router.post("", status_code=status.HTTP_201_CREATED)
def create_patient(body: NewPatient, database: Database, actor: Registrar, now: Now, response: Response) -> PatientView:
    """Take a patient in under one number."""
    patient = register_patient(
        database,
        body.number.read(now),
        given_name=body.given_name,
        family_name=body.family_name,
        birth_date=body.birth_date,
        sex=body.sex,
        by=actor,
    )
    return _show(database, patient, actor, response)


@router.post("/search")
def search_patients(body: Number, database: Database, actor: Searcher, now: Now) -> PatientsFound:
    """Search by identity number. It is logged, also when nobody is found."""
    patient = find_patient(database, body.read(now), by=actor)
    return PatientsFound(items=[_show(database, patient, actor)] if patient else [])


@router.get("/{patient_id}")
def read_patient(patient_id: uuid.UUID, database: Database, actor: Searcher, response: Response) -> PatientView:
    """Show a patient. It is logged."""
    return _show(database, load_patient(database, patient_id, by=actor), actor, response)


@router.post("/{patient_id}/identifiers", status_code=status.HTTP_201_CREATED)
def link_number(
    patient_id: uuid.UUID, body: FurtherNumber, database: Database, actor: Registrar, now: Now, response: Response
) -> PatientView:
    """Say that a patient has another number too. Both are kept, and are one patient from now on."""
    patient = load_patient(database, patient_id, by=actor)
    link_identifier(database, patient, body.number.read(now), known_as=body.known_as, by=actor, now=now)
    return _show(database, patient, actor, response)


@router.delete("/{patient_id}/identifiers/{identifier_id}")
def unlink_number(
    patient_id: uuid.UUID,
    identifier_id: uuid.UUID,
    database: Database,
    actor: Registrar,
    match: Match,
    response: Response,
) -> PatientView:
    """Take a number back that was given to the wrong patient. It stays on record as a mistake."""
    patient = load_patient(database, patient_id, by=actor)
    require_version(patient, match)
    unlink_identifier(database, patient, identifier_id, by=actor)
    return _show(database, patient, actor, response)


@router.put("/{patient_id}/protection")
def put_protection(
    patient_id: uuid.UUID,
    body: NewProtection,
    database: Database,
    actor: Registrar,
    now: Now,
    match: Match,
    response: Response,
) -> PatientView:
    """Say how the identity is protected."""
    patient = load_patient(database, patient_id, by=actor)
    require_version(patient, match)
    set_protection(database, patient, body.protection, by=actor, now=now)
    return _show(database, patient, actor, response)


@router.put("/{patient_id}/objection")
def put_objection(
    patient_id: uuid.UUID,
    body: NewObjection,
    database: Database,
    actor: Spokesman,
    now: Now,
    match: Match,
    response: Response,
) -> PatientView:
    """The patient objects to sharing, or no longer does."""
    patient = load_patient(database, patient_id, by=actor)
    require_version(patient, match)
    set_objection(database, patient, objects=body.objects, by=actor, now=now)
    return _show(database, patient, actor, response)


@router.put("/{patient_id}/mismatch")
def put_mismatch(
    patient_id: uuid.UUID,
    body: NewMismatch,
    database: Database,
    actor: Registrar,
    now: Now,
    match: Match,
    response: Response,
) -> PatientView:
    """Say that what is gathered here may be different people's, which closes all of it, or that this is settled."""
    patient = load_patient(database, patient_id, by=actor)
    require_version(patient, match)
    set_mismatch(database, patient, doubtful=body.doubtful, by=actor, now=now)
    return _show(database, patient, actor, response)
