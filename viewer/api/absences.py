"""When the people of one's own care provider are away."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Response, status
from pydantic import BaseModel

from cases.access import absences, people
from cases.access.absences import AbsenceKind
from cases.access.actors import Actor
from cases.access.permissions import Permission
from viewer.api.fields import Moment, example
from viewer.dependencies import After, Database, Limit, Match, Now, permit, require_version, set_etag

router = APIRouter(prefix="/api", tags=["people"])
Reader = Annotated[Actor, Depends(permit(Permission.SEE_PEOPLE), scope="function")]
Planner = Annotated[Actor, Depends(permit(Permission.PLAN_ABSENCE), scope="function")]


class NewAbsence(BaseModel):
    """When somebody will be away."""

    model_config = example(
        assignment_id="01a20380-2d31-7c52-8b2d-6e3a8c9f1b02",
        starts_at="2026-12-21T00:00:00+01:00",
        ends_at="2027-01-04T00:00:00+01:00",
        kind="VACATION",
    )

    assignment_id: uuid.UUID
    starts_at: Moment
    ends_at: Moment
    kind: AbsenceKind


class AbsenceRow(NewAbsence):
    """An absence as it is now."""

    id: uuid.UUID
    cancelled_at: datetime | None
    version: int


class AbsenceList(BaseModel):
    """Absences that are not over, the newest entered first."""

    items: list[AbsenceRow]
    next: uuid.UUID | None


@router.get("/absences")
def read_absences(database: Database, actor: Reader, now: Now, limit: Limit = 50, after: After = None) -> AbsenceList:
    """List when people of one's own care provider are away, now or later."""
    rows = absences.list_absences(database, actor.provider_id, now=now, after=after, limit=limit + 1)
    shown = rows[:limit]
    return AbsenceList(
        items=[AbsenceRow.model_validate(row, from_attributes=True) for row in shown],
        next=shown[-1].id if len(rows) > limit else None,
    )


@router.post("/absences", status_code=status.HTTP_201_CREATED)
def create_absence(body: NewAbsence, database: Database, actor: Planner, response: Response) -> AbsenceRow:
    """Say that somebody of one's own care unit will be away."""
    row = absences.plan_absence(
        database,
        people.find_assignment(database, body.assignment_id, provider_id=actor.provider_id),
        starts_at=body.starts_at,
        ends_at=body.ends_at,
        kind=body.kind,
        by=actor,
    )
    set_etag(response, row)
    return AbsenceRow.model_validate(row, from_attributes=True)


@router.delete("/absences/{absence_id}")
def cancel_absence(
    absence_id: uuid.UUID, database: Database, actor: Planner, now: Now, match: Match, response: Response
) -> AbsenceRow:
    """Call an absence off."""
    row = absences.find_absence(database, absence_id, provider_id=actor.provider_id)
    require_version(row, match)
    absences.cancel_absence(database, row, now=now, by=actor)
    set_etag(response, row)
    return AbsenceRow.model_validate(row, from_attributes=True)
