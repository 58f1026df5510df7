"""Answers: writing drafts, and reading what was signed."""

from __future__ import annotations

import uuid
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field

from cases.access.actors import Actor
from cases.access.errors import NotThere
from cases.access.permissions import Permission
from cases.sharing.answers import drafts, reading
from cases.sharing.answers.answer import Answer, Saving, Visibility
from cases.sharing.answers.drafts import find_open, save_draft, set_visibility
from cases.sharing.answers.reading import open_answer, open_list
from cases.sharing.answers.register import find_answer, find_names, list_versions
from cases.sharing.requests import find_request
from viewer import problems
from viewer.api.answer_forms import (
    AnswerLine,
    AnswerRead,
    Content,
    VersionLine,
    show_answer,
    show_lines,
    show_signer,
)
from viewer.api.fields import example
from viewer.dependencies import Database, Match, Now, permit

requests_router = APIRouter(prefix="/api/requests/{request_id}", tags=["answers"])
router = APIRouter(prefix="/api/answers", tags=["answers"])

Writer = Annotated[Actor, Depends(permit(Permission.DRAFT_ANSWER), scope="function")]
Reader = Annotated[Actor, Depends(permit(Permission.READ_ANSWER), scope="function")]


class Draft(BaseModel):
    """What has been written so far: all of it, each time.

    Attributes:
        saving: by the author's hand, or by itself every few seconds. What a coordinator saves counts as dictation.
    """

    model_config = example(
        content={
            "statement": "Tubulärt adenom med låggradig dysplasi. Radikalt avlägsnat.",
            "diagnosis": "Tubulärt adenom, låggradig dysplasi",
            "codes": [
                {"axis": "T", "system": "SNOMED_SE", "code": "T67600", "display": "Colon sigmoideum"},
                {"axis": "M", "system": "SNOMED_SE", "code": "M82110", "display": "Tubulärt adenom"},
            ],
            "agreement": "AGREE",
            "confidence": "DEFINITE",
            "malignant": False,
            "platform": "EXTERNAL_CE_VIEWER",
            "platform_name": "Granskaren",
            "platform_version": "4.2",
            "read_elsewhere": ["01a20385-52aa-7b11-8a7a-1b0a8f4a2b22"],
            "unexamined": [{"slide_id": "01a20385-52ab-7c20-9d31-2f6b7a815c23", "reason": "Samma snitt som A1-1"}],
        }
    )

    content: Content
    saving: Literal["TYPED", "AUTOSAVED"] = "TYPED"


class DraftVisibility(BaseModel):
    """Who sees a draft: its author alone, or the whole unit, so that another reader can go on with it."""

    model_config = example(visibility="UNIT")

    visibility: Visibility


class AnswerList(BaseModel):
    """The answers to a request, the oldest first; more than one only where a reader was replaced or one was wrong."""

    items: list[AnswerLine]


class VersionList(BaseModel):
    """Versions of an answer, the newest first."""

    items: list[VersionLine]


def set_head(response: Response, answer: Answer) -> None:
    """Say on top of which version the next draft is to be saved."""
    response.headers["etag"] = f'"{answer.head}"'


@requests_router.get("/answers")
def list_request_answers(request_id: uuid.UUID, database: Database, actor: Reader, now: Now) -> AnswerList:
    """List the answers to a request that you may know of: what was released to its owner, and your own drafts."""
    request = find_request(database, request_id, by=actor)
    found = open_list(database, request, by=actor, now=now)
    return AnswerList(items=show_lines(database, found, provider_id=actor.provider_id))


@requests_router.get("/draft")
def read_draft(request_id: uuid.UUID, database: Database, actor: Writer, now: Now, response: Response) -> AnswerRead:
    """Read the draft that you would go on with. Its ETag is what the next save names in If-Match."""
    request = find_request(database, request_id, by=actor)
    answer = find_open(database, request, by=actor)
    if answer is None:
        raise NotThere("There is no draft yet.")
    opened = open_answer(database, answer, number=answer.head, by=actor, now=now)
    set_head(response, answer)
    return show_answer(database, answer, opened.version, provider_id=actor.provider_id)


@requests_router.put(
    "/draft",
    responses={
        412: {
            "description": "Somebody else had saved meanwhile. What you sent was kept all the same, as a version of "
            "its own beside the newest; Location says where it is."
        }
    },
)
def save_request_draft(
    request_id: uuid.UUID,
    body: Draft,
    database: Database,
    actor: Writer,
    now: Now,
    match: Match,
    response: Response,
) -> AnswerRead:
    """Save the whole draft on top of the version in If-Match, which is "0" the first time. Nothing is ever lost.

    Every save is a version. On top of an old one it is kept too, beside the newest, and answered with 412.
    """
    saved = save_draft(
        database,
        request_id,
        body.content.as_content(),
        base=match,
        saving=Saving(body.saving),
        by=actor,
        now=now,
    )
    if not saved.stands:
        return _keep_beside(saved)  # type: ignore[return-value]  # a problem document, as the description says
    set_head(response, saved.answer)
    return show_answer(database, saved.answer, saved.version, provider_id=actor.provider_id)


def _keep_beside(saved: drafts.Saved) -> Response:
    """A refusal that must not undo what was kept, so that it is answered rather than raised."""
    kept, newest = saved.version.number, saved.answer.head
    answer = problems.problem(
        *problems.STALE,
        f"Somebody else saved version {newest} meanwhile. Yours was kept beside it as version {kept}; read both, and "
        f"save what is to stand on top of version {newest}.",
    )
    answer.headers["location"] = f"/api/answers/{saved.answer.id}/versions/{kept}"
    answer.headers["etag"] = f'"{newest}"'
    return answer


@router.get("/{answer_id}")
def read_answer(answer_id: uuid.UUID, database: Database, actor: Reader, now: Now, response: Response) -> AnswerRead:
    """Read an answer: what counts, and for who may write it the newest draft. Logged, and noted as read."""
    opened = open_answer(database, find_answer(database, answer_id), by=actor, now=now)
    set_head(response, opened.answer)
    return show_answer(database, opened.answer, opened.version, provider_id=actor.provider_id)


@router.get("/{answer_id}/versions")
def list_answer_versions(
    answer_id: uuid.UUID,
    database: Database,
    actor: Reader,
    now: Now,
    every: Annotated[bool, Query(description="Every draft, not only the last of those within five minutes.")] = False,
) -> VersionList:
    """List the versions of an answer. Nothing is ever deleted."""
    answer = find_answer(database, answer_id)
    drafts_too = reading.admit_to_versions(database, answer, by=actor, now=now)
    shown = [
        one for one in list_versions(database, answer, every=every) if drafts_too or one.version.released_at is not None
    ]
    names = find_names(database, [one.version.author_assignment_id for one in shown])
    head = answer.head if drafts_too else answer.released
    return VersionList(
        items=[
            VersionLine(
                number=version.number,
                base_number=version.base_number,
                stage=version.stage,
                saving=version.saving,
                by=show_signer(names, version.author_assignment_id),
                saved_at=version.saved_at,
                released_at=version.released_at,
                stands=version.number == head,
                beside=one.beside,
            )
            for one in shown
            for version in (one.version,)
        ]
    )


@router.get("/{answer_id}/versions/{number}")
def read_answer_version(
    answer_id: uuid.UUID,
    number: Annotated[int, Field(ge=1, le=1_000_000)],
    database: Database,
    actor: Reader,
    now: Now,
) -> AnswerRead:
    """Read one version of an answer. Logged."""
    opened = open_answer(database, find_answer(database, answer_id), number=number, by=actor, now=now)
    return show_answer(database, opened.answer, opened.version, provider_id=actor.provider_id)


@router.put("/{answer_id}/visibility")
def change_visibility(
    answer_id: uuid.UUID, body: DraftVisibility, database: Database, actor: Writer, now: Now
) -> AnswerLine:
    """Show your draft to your unit, or to nobody. Said twice it is said once."""
    answer = find_answer(database, answer_id)
    set_visibility(database, answer, body.visibility, by=actor, now=now)
    return show_lines(database, [answer], provider_id=actor.provider_id)[0]
