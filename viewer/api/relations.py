"""Care relations, and that patients have been told how sharing works."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, status
from pydantic import BaseModel

from cases.access import relations
from cases.access.actors import Actor
from cases.access.patients import load_patient
from cases.access.permissions import Permission
from cases.access.relations import NoticeChannel, RelationReason
from viewer.api.fields import Line, Moment, example
from viewer.dependencies import Database, Now, permit

router = APIRouter(prefix="/api", tags=["relations"])
Carer = Annotated[Actor, Depends(permit(Permission.REGISTER_RELATION), scope="function")]
Informer = Annotated[Actor, Depends(permit(Permission.REGISTER_CONSENT), scope="function")]
Publisher = Annotated[Actor, Depends(permit(Permission.CONFIGURE_PROVIDER), scope="function")]


class NewRelation(BaseModel):
    """That one takes part in a patient's care.

    Attributes:
        reason_text: needed where the reason is another one.
        whole_unit: everybody at one's care unit does.
    """

    model_config = example(reason="REFERRAL")

    reason: RelationReason
    reason_text: Line | None = None
    whole_unit: bool = False
    end_at: Moment | None = None


class Relation(BaseModel):
    """A care relation of one person or one care unit."""

    id: uuid.UUID
    patient_id: uuid.UUID
    care_unit_id: uuid.UUID | None
    assignment_id: uuid.UUID | None
    reason: RelationReason
    reason_text: str | None
    start_at: datetime
    end_at: datetime | None
    version: int


class RelationList(BaseModel):
    """All care relations of a patient at this care provider, the newest first."""

    items: list[Relation]


class NewNotice(BaseModel):
    """That a patient was told."""

    model_config = example(channel="LETTER", text_version="3")

    channel: NoticeChannel
    text_version: Line


class NewPublicNotice(BaseModel):
    """That all patients were told."""

    model_config = example(text_version="3")

    text_version: Line


class Notice(BaseModel):
    """That a patient, or all, were told how sharing works and that it can be blocked."""

    id: uuid.UUID
    patient_id: uuid.UUID | None
    channel: NoticeChannel
    text_version: str
    given_at: datetime
    end_at: datetime | None
    version: int


class NoticeList(BaseModel):
    """What a patient has been told, in person or with all others, the newest first."""

    items: list[Notice]


@router.get("/patients/{patient_id}/relations")
def read_relations(patient_id: uuid.UUID, database: Database, actor: Carer) -> RelationList:
    """List who takes or took part in a patient's care here. It is logged."""
    rows = relations.list_relations(database, load_patient(database, patient_id, by=actor), by=actor)
    return RelationList(items=[Relation.model_validate(row, from_attributes=True) for row in rows])


@router.post("/patients/{patient_id}/relations", status_code=status.HTTP_201_CREATED)
def create_relation(patient_id: uuid.UUID, body: NewRelation, database: Database, actor: Carer, now: Now) -> Relation:
    """Say that one takes part in a patient's care."""
    row = relations.register_relation(
        database,
        load_patient(database, patient_id, by=actor),
        body.reason,
        reason_text=body.reason_text,
        whole_unit=body.whole_unit,
        end_at=body.end_at,
        by=actor,
        now=now,
    )
    return Relation.model_validate(row, from_attributes=True)


@router.post("/relations/{relation_id}/end")
def end_relation(relation_id: uuid.UUID, database: Database, actor: Carer, now: Now) -> Relation:
    """The care relation is over."""
    row = relations.end_relation(database, relation_id, by=actor, now=now)
    return Relation.model_validate(row, from_attributes=True)


@router.get("/patients/{patient_id}/notices")
def read_notices(patient_id: uuid.UUID, database: Database, actor: Informer) -> NoticeList:
    """List what a patient has been told. It is logged."""
    rows = relations.list_notices(database, load_patient(database, patient_id, by=actor), by=actor)
    return NoticeList(items=[Notice.model_validate(row, from_attributes=True) for row in rows])


@router.post("/patients/{patient_id}/notices", status_code=status.HTTP_201_CREATED)
def create_notice(patient_id: uuid.UUID, body: NewNotice, database: Database, actor: Informer, now: Now) -> Notice:
    """Write down that a patient was told."""
    patient = load_patient(database, patient_id, by=actor)
    row = relations.give_notice(database, patient, body.channel, text_version=body.text_version, by=actor, now=now)
    return Notice.model_validate(row, from_attributes=True)


@router.post("/notices", status_code=status.HTTP_201_CREATED)
def create_public_notice(body: NewPublicNotice, database: Database, actor: Publisher, now: Now) -> Notice:
    """Write down that all patients of one's care provider were told."""
    row = relations.give_notice(database, None, NoticeChannel.PUBLIC, text_version=body.text_version, by=actor, now=now)
    return Notice.model_validate(row, from_attributes=True)


@router.post("/notices/{notice_id}/end")
def end_notice(
    notice_id: uuid.UUID,
    database: Database,
    actor: Annotated[
        Actor, Depends(permit(Permission.REGISTER_CONSENT, Permission.CONFIGURE_PROVIDER), scope="function")
    ],
    now: Now,
) -> Notice:
    """A notice no longer counts."""
    return Notice.model_validate(relations.end_notice(database, notice_id, by=actor, now=now), from_attributes=True)
