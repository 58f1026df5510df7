"""Monthly reviews of the log, and what was found."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Response, status
from pydantic import BaseModel, Field
from sqlalchemy import select

from cases.access.actors import Actor
from cases.access.log import review as log_review
from cases.access.log.review import LogReview, LogReviewFinding, Result, ReviewState
from cases.access.log.sampling import Reason
from cases.access.permissions import Permission
from viewer.api.fields import Day, Line, Paragraph, example
from viewer.dependencies import After, Database, Limit, Match, Now, permit, require_version, set_etag

router = APIRouter(prefix="/api/log/reviews", tags=["log"])
Reviewer = Annotated[Actor, Depends(permit(Permission.REVIEW_LOG), scope="function")]


class NewReview(BaseModel):
    """Which month is to be reviewed."""

    model_config = example(month="2026-11-01")

    month: Day = Field(description="Any day of it.")


class Review(BaseModel):
    """A review of one month."""

    id: uuid.UUID
    month: date
    state: ReviewState
    moves: list[ReviewState] = Field(description="Where it can go from here.")
    pairs: int | None = Field(description="Of a user and a patient in that month.")
    wanted: int | None = Field(description="Drawn at the least.")
    sampled_at: datetime | None
    finished_at: datetime | None
    incident_ref: str | None
    version: int


class ReviewList(BaseModel):
    """Reviews, the newest first."""

    items: list[Review]
    next: uuid.UUID | None


class ReviewMove(BaseModel):
    """Where a review goes. Whether it ends as done or escalated is decided by its findings."""

    model_config = example(to="IN_REVIEW")

    to: ReviewState
    incident_ref: Line | None = None


class Finding(BaseModel):
    """One user and one patient that were drawn."""

    id: uuid.UUID
    assignment_id: uuid.UUID
    person_id: uuid.UUID
    unit_id: uuid.UUID
    patient_id: uuid.UUID
    reasons: list[Reason]
    entries: int
    first_at: datetime
    last_at: datetime
    reviewer_id: uuid.UUID | None
    question: str | None
    answer: str | None
    result: Result | None
    comment: str | None
    closed_at: datetime | None
    version: int


class FindingList(BaseModel):
    """Findings, the newest first."""

    items: list[Finding]
    next: uuid.UUID | None


class FindingChange(BaseModel):
    """A question to the line manager, or the result."""

    model_config = example(question="Varför öppnades fallet på natten?")

    question: Paragraph | None = None
    answer: Paragraph | None = None
    result: Result | None = None
    comment: Paragraph | None = None


def show(row: LogReview) -> Review:
    """A row as the API tells it."""
    return Review(
        id=row.id,
        month=row.month,
        state=row.state,
        moves=sorted(log_review.MOVES[row.state]),
        pairs=row.pairs,
        wanted=row.wanted,
        sampled_at=row.sampled_at,
        finished_at=row.finished_at,
        incident_ref=row.incident_ref,
        version=row.version,
    )


def show_finding(row: LogReviewFinding) -> Finding:
    """A row as the API tells it."""
    return Finding.model_validate(row, from_attributes=True)


@router.get("")
def read_reviews(database: Database, actor: Reviewer, limit: Limit = 50, after: After = None) -> ReviewList:
    """List the reviews of the own care provider."""
    asked = select(LogReview).order_by(LogReview.id.desc()).limit(limit + 1)
    rows = database.scalars(asked.where(LogReview.id < after) if after else asked).all()
    return ReviewList(items=[show(row) for row in rows[:limit]], next=rows[limit - 1].id if len(rows) > limit else None)


@router.post("", status_code=status.HTTP_201_CREATED)
def create_review(body: NewReview, response: Response, database: Database, actor: Reviewer, now: Now) -> Review:
    """Plan the review of a month."""
    row = log_review.plan_review(database, body.month, by=actor, now=now)
    set_etag(response, row)
    return show(row)


@router.get("/{review_id}")
def read_review(review_id: uuid.UUID, response: Response, database: Database, actor: Reviewer) -> Review:
    """One review."""
    row = log_review.find_review(database, review_id, by=actor)
    set_etag(response, row)
    return show(row)


@router.post("/{review_id}/moves")
def move_review(
    review_id: uuid.UUID,
    body: ReviewMove,
    database: Database,
    actor: Reviewer,
    now: Now,
    match: Match,
    response: Response,
) -> Review:
    """Draw the sample, begin, or finish."""
    row = log_review.find_review(database, review_id, by=actor)
    require_version(row, match)
    log_review.move_review(database, row, body.to, incident_ref=body.incident_ref, by=actor, now=now)
    database.flush()
    set_etag(response, row)
    return show(row)


@router.get("/{review_id}/findings")
def read_findings(
    review_id: uuid.UUID, database: Database, actor: Reviewer, limit: Limit = 50, after: After = None
) -> FindingList:
    """What was drawn, and what came of it."""
    log_review.find_review(database, review_id, by=actor)
    asked = select(LogReviewFinding).where(LogReviewFinding.review_id == review_id)
    asked = asked.order_by(LogReviewFinding.id.desc()).limit(limit + 1)
    rows = database.scalars(asked.where(LogReviewFinding.id < after) if after else asked).all()
    return FindingList(
        items=[show_finding(row) for row in rows[:limit]], next=rows[limit - 1].id if len(rows) > limit else None
    )


@router.patch("/{review_id}/findings/{finding_id}")
def change_finding(
    review_id: uuid.UUID,
    finding_id: uuid.UUID,
    body: FindingChange,
    database: Database,
    actor: Reviewer,
    now: Now,
    match: Match,
    response: Response,
) -> Finding:
    """Ask the line manager, or close the finding with a result."""
    row = log_review.find_finding(database, review_id, finding_id)
    require_version(row, match)
    if body.question:
        log_review.ask_manager(database, row, body.question, by=actor, now=now)
    if body.result:
        log_review.close_finding(
            database, row, body.result, answer=body.answer, comment=body.comment, by=actor, now=now
        )
    database.flush()
    set_etag(response, row)
    return show_finding(row)
