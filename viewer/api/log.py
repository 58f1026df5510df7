"""The log: looking things up in it. Reviews and patients' extracts have files of their own."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from cases.access.actors import Actor, Purpose
from cases.access.log.accounts import find_users
from cases.access.log.entries import AuditEvent, AuditSubject
from cases.access.log.events import Activity, Event, Outcome
from cases.access.log.search import Question, Whose, search_log
from cases.access.people import Assignment, Person
from cases.access.permissions import Permission
from viewer.api import log_extracts, log_reviews
from viewer.api.fields import NUMBER, Moment, example
from viewer.dependencies import Database, permit

router = APIRouter(tags=["log"])
Reviewer = Annotated[Actor, Depends(permit(Permission.REVIEW_LOG), scope="function")]


class LogQuestion(BaseModel):
    """What is looked for in the log; what is left out does not matter."""

    model_config = example(
        whose="OUR_DATA", since="2026-11-01T00:00:00+01:00", until="2026-12-01T00:00:00+01:00", event="SLIDE_OPENED"
    )

    whose: Whose = Field(default=Whose.OUR_USERS, description="Our users' entries, or others' at our data.")
    since: Moment | None = None
    until: Moment | None = Field(default=None, description="Not in the period itself.")
    person_id: uuid.UUID | None = None
    patient_id: uuid.UUID | None = None
    event: Event | None = None
    outcome: Outcome | None = None
    limit: Annotated[int, NUMBER] = Field(default=50, ge=1, le=200, description="How many at the most.")
    after: uuid.UUID | None = Field(default=None, description="Go on after this one: `next` of the page before.")


class LogUser(BaseModel):
    """Who did it. No name where the person's own data are protected."""

    person_id: uuid.UUID
    assignment_id: uuid.UUID | None
    unit_id: uuid.UUID | None
    hsa_id: str | None
    name: str | None
    title: str | None


class LogSubject(BaseModel):
    """What it was done to, or who."""

    kind: str
    id: uuid.UUID | None
    patient_id: uuid.UUID | None
    provider_id: uuid.UUID | None
    unit_id: uuid.UUID | None


class LogEntry(BaseModel):
    """One entry. Of other providers' users only what concerns our data."""

    id: uuid.UUID
    at: datetime
    care_provider_id: uuid.UUID
    seq: int
    event: Event
    activity: Activity | None
    outcome: Outcome
    code: str | None
    basis: str | None
    decision_id: uuid.UUID | None
    purpose: Purpose | None
    user: LogUser | None
    session_id: uuid.UUID | None
    client_ip: str | None
    args: dict[str, Any]
    subjects: list[LogSubject]


class LogPage(BaseModel):
    """Entries, the newest first."""

    items: list[LogEntry]
    next: uuid.UUID | None


def show(
    entry: AuditEvent, subjects: list[AuditSubject], user: tuple[Assignment, Person] | None, *, own: bool
) -> LogEntry:
    """An entry as the API tells it."""
    assignment, person = user or (None, None)
    return LogEntry(
        id=entry.id,
        at=entry.at,
        care_provider_id=entry.care_provider_id,
        seq=entry.seq,
        event=entry.event,
        activity=entry.activity,
        outcome=entry.outcome,
        code=entry.code,
        basis=entry.basis,
        decision_id=entry.decision_id,
        purpose=entry.purpose,
        user=LogUser(
            person_id=entry.person_id,
            assignment_id=entry.assignment_id,
            unit_id=entry.unit_id,
            hsa_id=assignment.employee_hsa_id if assignment else None,
            name=person.listed_name if person else None,
            title=person.title if person else None,
        )
        if entry.person_id
        else None,
        session_id=entry.session_id if own else None,
        client_ip=entry.client_ip if own else None,
        args=entry.args if own else {},
        subjects=[
            LogSubject(
                kind=one.kind,
                id=one.subject_id,
                patient_id=one.patient_id,
                provider_id=one.provider_id,
                unit_id=one.unit_id,
            )
            for one in subjects
        ],
    )


@router.post("/api/log/search")
def search(body: LogQuestion, database: Database, actor: Reviewer) -> LogPage:
    """Look something up in the log of the own care provider. The search is an entry itself."""
    question = Question(**body.model_dump(exclude={"limit", "after"}))
    found = search_log(database, question, limit=body.limit, after=body.after, by=actor)
    users = find_users(database, {entry.assignment_id for entry in found.entries if entry.assignment_id})
    return LogPage(
        items=[
            show(
                entry,
                list(found.subjects[entry.id]),
                users.get(entry.assignment_id),
                own=entry.care_provider_id == actor.provider_id,
            )
            for entry in found.entries
        ],
        next=found.next,
    )


router.include_router(log_reviews.router)
router.include_router(log_extracts.router)
