"""Patients' extracts of the log."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response, status
from pydantic import BaseModel, Field

from cases.access.actors import Actor
from cases.access.errors import Invalid
from cases.access.log import extracts as log_extracts
from cases.access.log.extracts import AccessLogExtract, Delivery, ExtractState, IdentityProof
from cases.access.permissions import Permission
from cases.sharing.log_words import KINDS
from viewer.api.fields import Moment, example
from viewer.dependencies import After, Database, Limit, Match, Now, permit, require_version, set_etag

router = APIRouter(prefix="/api/log/extracts", tags=["log"])
Officer = Annotated[Actor, Depends(permit(Permission.DELIVER_LOG_EXTRACT), scope="function")]


class NewExtract(BaseModel):
    """Whose accesses, of which period."""

    model_config = example(
        patient_id="01a20384-4a53-7e46-83f6-8d5cae1b4f06",
        since="2026-01-01T00:00:00+01:00",
        until="2026-11-22T00:00:00+01:00",
    )

    patient_id: uuid.UUID
    since: Moment
    until: Moment = Field(description="Not in the period itself.")


class ExtractRow(BaseModel):
    """An extract in a list: without what it tells."""

    id: uuid.UUID
    patient_id: uuid.UUID
    period_start: datetime
    period_end: datetime
    state: ExtractState
    created_at: datetime
    identity_proof: IdentityProof | None
    identity_checked_at: datetime | None
    generated_at: datetime | None
    reviewed_at: datetime | None
    delivery: Delivery | None
    delivered_at: datetime | None
    version: int


class Extract(ExtractRow):
    """An extract with what it tells, in Swedish and English."""

    moves: list[ExtractState] = Field(description="Where it can go from here.")
    content: dict[str, Any] | None


class ExtractList(BaseModel):
    """Extracts, the newest first."""

    items: list[ExtractRow]
    next: uuid.UUID | None


class ExtractMove(BaseModel):
    """Where an extract goes, and what has to be said with it."""

    model_config = example(to="IDENTITY_CHECKED", identity_proof="ID_CARD")

    to: ExtractState
    identity_proof: IdentityProof | None = Field(default=None, description="With IDENTITY_CHECKED.")
    delivery: Delivery | None = Field(default=None, description="With DELIVERED.")


def show(row: AccessLogExtract) -> Extract:
    """A row as the API tells it."""
    shown = ExtractRow.model_validate(row, from_attributes=True)
    return Extract(**shown.model_dump(), moves=sorted(log_extracts.MOVES[row.state]), content=row.content)


@router.get("")
def read_extracts(database: Database, actor: Officer, limit: Limit = 50, after: After = None) -> ExtractList:
    """List the extracts that patients of the own care provider asked for."""
    rows = log_extracts.list_extracts(database, limit=limit + 1, after=after, by=actor)
    return ExtractList(
        items=[ExtractRow.model_validate(row, from_attributes=True) for row in rows[:limit]],
        next=rows[limit - 1].id if len(rows) > limit else None,
    )


@router.post("", status_code=status.HTTP_201_CREATED)
def create_extract(body: NewExtract, response: Response, database: Database, actor: Officer) -> Extract:
    """A patient asks for an extract."""
    row = log_extracts.request_extract(database, body.patient_id, since=body.since, until=body.until, by=actor)
    set_etag(response, row)
    return show(row)


@router.get("/{extract_id}")
def read_extract(extract_id: uuid.UUID, response: Response, database: Database, actor: Officer) -> Extract:
    """One extract."""
    row = log_extracts.view_extract(database, extract_id, by=actor)
    set_etag(response, row)
    return show(row)


@router.post("/{extract_id}/moves")
def move_extract(
    extract_id: uuid.UUID,
    body: ExtractMove,
    database: Database,
    actor: Officer,
    now: Now,
    match: Match,
    response: Response,
) -> Extract:
    """Check the identity, generate, review, deliver."""
    row = log_extracts.view_extract(database, extract_id, by=actor)
    require_version(row, match)
    match body.to:
        case ExtractState.IDENTITY_CHECKED:
            if body.identity_proof is None:
                raise Invalid("Say how the patient's identity was checked.", field="identity_proof")
            log_extracts.check_identity(database, row, body.identity_proof, by=actor, now=now)
        case ExtractState.GENERATED:
            log_extracts.generate_extract(database, row, kinds=KINDS, by=actor, now=now)
        case ExtractState.REVIEWED:
            log_extracts.review_extract(database, row, by=actor, now=now)
        case ExtractState.DELIVERED:
            if body.delivery is None:
                raise Invalid("Say how the patient got the extract.", field="delivery")
            log_extracts.deliver_extract(database, row, body.delivery, by=actor, now=now)
        case ExtractState.REQUESTED:
            raise log_extracts.refuse_move(row, body.to)
    database.flush()
    set_etag(response, row)
    return show(row)
