"""Consents of a patient, and emergencies in which nobody could be asked."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, status
from pydantic import BaseModel, Field

from cases.access import consents
from cases.access.actors import Actor
from cases.access.consents import AssertionType, ConsentForm, ConsentScope
from cases.access.patients import load_patient
from cases.access.permissions import Permission
from viewer.api.fields import Line, Moment, example
from viewer.dependencies import Database, Now, permit

router = APIRouter(prefix="/api", tags=["consents"])
Registrar = Annotated[Actor, Depends(permit(Permission.REGISTER_CONSENT), scope="function")]


class NewConsent(BaseModel):
    """That the patient consents, from now on, for one's own care unit.

    Attributes:
        only_me: for oneself alone.
        by_representative: somebody spoke for the patient.
    """

    model_config = example(type="CONSENT", scope="SVOD", how="ORAL")

    type: Literal[AssertionType.CONSENT]
    scope: ConsentScope
    how: ConsentForm
    only_me: bool = False
    by_representative: bool = False
    end_at: Moment | None = None


class NewEmergency(BaseModel):
    """That there is an emergency in which the patient cannot be asked; for oneself, for a day."""

    model_config = example(type="EMERGENCY", scope="SVOD", reason="Medvetslös; fryssnitt under pågående operation.")

    type: Literal[AssertionType.EMERGENCY]
    scope: ConsentScope
    reason: Line


class Consent(BaseModel):
    """A consent or an emergency on record.

    Attributes:
        assignment_id: for one employee; null for everybody at the unit.
        reason_text: of an emergency.
    """

    id: uuid.UUID
    patient_id: uuid.UUID
    care_unit_id: uuid.UUID
    assignment_id: uuid.UUID | None
    type: AssertionType
    scope: ConsentScope
    how: ConsentForm | None
    by_representative: bool
    reason_text: str | None
    start_at: datetime
    end_at: datetime | None
    ended_at: datetime | None
    deleted_at: datetime | None
    version: int


class ConsentList(BaseModel):
    """All that was asserted for a patient at this care provider, the newest first."""

    items: list[Consent]


@router.get("/patients/{patient_id}/consents")
def read_consents(patient_id: uuid.UUID, database: Database, actor: Registrar) -> ConsentList:
    """List a patient's consents at one's own care provider. It is logged."""
    rows = consents.list_consents(database, load_patient(database, patient_id, by=actor), by=actor)
    return ConsentList(items=[Consent.model_validate(row, from_attributes=True) for row in rows])


@router.post("/patients/{patient_id}/consents", status_code=status.HTTP_201_CREATED)
def create_consent(
    patient_id: uuid.UUID,
    body: Annotated[NewConsent | NewEmergency, Field(discriminator="type")],
    database: Database,
    actor: Registrar,
    now: Now,
) -> Consent:
    """Write down that the patient consents, or that it is an emergency."""
    patient = load_patient(database, patient_id, by=actor)
    if isinstance(body, NewEmergency):
        row = consents.assert_emergency(database, patient, body.scope, reason=body.reason, by=actor, now=now)
    else:
        row = consents.register_consent(
            database,
            patient,
            body.scope,
            how=body.how,
            only_me=body.only_me,
            by_representative=body.by_representative,
            end_at=body.end_at,
            by=actor,
            now=now,
        )
    return Consent.model_validate(row, from_attributes=True)


@router.post("/consents/{consent_id}/end")
def end_consent(consent_id: uuid.UUID, database: Database, actor: Registrar, now: Now) -> Consent:
    """The patient takes it back; nothing rests on it from now on, lifted blocks included."""
    return Consent.model_validate(consents.end_consent(database, consent_id, by=actor, now=now), from_attributes=True)


@router.post("/consents/{consent_id}/deletion")
def delete_consent(consent_id: uuid.UUID, database: Database, actor: Registrar, now: Now) -> Consent:
    """It was registered by mistake; it stays on record."""
    row = consents.delete_consent(database, consent_id, by=actor, now=now)
    return Consent.model_validate(row, from_attributes=True)
