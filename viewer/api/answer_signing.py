"""Signing answers: what is missing, preliminary and final, countersigning, and changing what was signed."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from cases.access.actors import Actor
from cases.access.permissions import Permission
from cases.sharing.answers import amending, countersigning, signing
from cases.sharing.answers.amending import Change
from cases.sharing.answers.answer import AnswerVersion
from cases.sharing.answers.content import Amendment, AmendmentReason, Platform, Telling
from cases.sharing.answers.guards import FINAL, find_lacks, find_platforms
from cases.sharing.answers.limitations import find_out
from cases.sharing.answers.reading import open_answer
from cases.sharing.answers.register import find_answer
from viewer.api.answer_forms import AnswerRead, Found, Text, show_answer
from viewer.api.fields import NUMBER, Line, Moment, Paragraph, example
from viewer.dependencies import Database, Now, Settings, permit
from viewer.idempotency import Again
from viewer.problems import MissingPart

router = APIRouter(prefix="/api/answers/{answer_id}", tags=["answers"])

Writer = Annotated[Actor, Depends(permit(Permission.DRAFT_ANSWER), scope="function")]
Countersigner = Annotated[Actor, Depends(permit(Permission.COUNTERSIGN_ANSWER), scope="function")]
Amender = Annotated[Actor, Depends(permit(Permission.AMEND_ANSWER), scope="function")]
Head = Annotated[Actor, Depends(permit(Permission.ASSIGN_READER), scope="function")]
Number = Annotated[int, NUMBER, Field(ge=1, le=1_000_000)]


class Readiness(BaseModel):
    """What signing the newest version would ask for.

    Attributes:
        number: of that version, to be named when it is signed.
        missing: what has to be done first; nothing means that it can be signed.
        needs_countersign: a second person signs too.
        found: what the answer will state besides what is written.
        unread: slides neither opened here nor read elsewhere.
        platforms: on what this answer may rest, in this installation.
        fresh_proof: whether you have shown within five minutes who you are.
    """

    number: int
    missing: list[MissingPart]
    needs_countersign: bool
    found: Found
    unread: list[uuid.UUID]
    platforms: list[Platform]
    fresh_proof: bool


class NewSignature(BaseModel):
    """Sign the newest version.

    Attributes:
        number: of the version that you have before you.
        kind: a preliminary answer may be followed by others; a final one is the answer.
        dictation_checked: you have read what somebody else typed.
        countersigner_id: assignment of the colleague who is to countersign, where somebody must.
    """

    model_config = example(number=7, kind="FINAL")

    number: Number
    kind: Literal["PRELIMINARY", "FINAL"] = "FINAL"
    dictation_checked: bool = False
    countersigner_id: uuid.UUID | None = None


class ReturnToAuthor(BaseModel):
    """Why an answer goes back to its author. The owner is not told."""

    model_config = example(comment="Snittytan i 3 är inte beskriven.")

    comment: Paragraph


class NewChange(BaseModel):
    """Sign what was changed in a signed answer.

    Attributes:
        number: of the draft that holds the change.
        how: addendum: new information, the diagnosis as it was; amend: another meaning; correct: a slip of the pen.
        changed: what is different now.
        significant: it matters to the patient's care; then somebody has been spoken with.
        told_who, told_how, told_at: who was told, by what means and when.
        countersigner_id: as with a signature; a correction needs none.
    """

    model_config = example(
        number=9,
        how="amend",
        reason="REINTERPRETATION",
        changed="Höggradig dysplasi i stället för låggradig.",
        significant=True,
        told_who="Dr Ek, kirurgkliniken",
        told_how="PHONE",
        told_at="2026-11-22T14:05:00+01:00",
    )

    number: Number
    how: Change
    reason: AmendmentReason
    changed: Text
    significant: bool = False
    told_who: Line | None = None
    told_how: Telling | None = None
    told_at: Moment | None = None
    dictation_checked: bool = False
    countersigner_id: uuid.UUID | None = None


class WrongAnswer(BaseModel):
    """Why an answer was never right."""

    model_config = example(reason="Skriven på fel fall.")

    reason: Paragraph


class NewAmender(BaseModel):
    """Who may change a signed answer besides its author: an assignment of the own care provider."""

    model_config = example(assignment_id="01a20380-2d31-7c52-8b2d-6e3a8c9f1b02")

    assignment_id: uuid.UUID


@router.get("/readiness")
def read_readiness(answer_id: uuid.UUID, database: Database, actor: Writer, now: Now, settings: Settings) -> Readiness:
    """Read what is missing before you can sign, all of it at once."""
    mode = settings.intended_use_mode
    ready = signing.prepare(database, find_answer(database, answer_id), mode=mode, by=actor, now=now)
    return Readiness(
        number=ready.version.number,
        missing=[MissingPart.model_validate(lack, from_attributes=True) for lack in find_lacks(ready, FINAL)],
        needs_countersign=ready.needs_countersign,
        found=Found.model_validate(find_out(ready.content, ready.material, mode=mode)),
        unread=sorted(ready.material.unread(ready.content)),
        platforms=sorted(find_platforms(ready.answer.kind, mode)),
        fresh_proof=actor.proved_lately(now),
    )


@router.post("/signatures", status_code=201)
def sign_answer(
    answer_id: uuid.UUID,
    body: NewSignature,
    database: Database,
    actor: Writer,
    now: Now,
    again: Again,
    settings: Settings,
) -> AnswerRead:
    """Sign as its author. Show who you are first (POST /api/session/reauthentication), at most five minutes before.

    With 409 and NOT_READY, `missing` lists everything that signing asks for.
    """
    if not again:
        if body.kind == "PRELIMINARY":
            version = signing.sign_preliminary(
                database,
                answer_id,
                body.number,
                mode=settings.intended_use_mode,
                dictation_checked=body.dictation_checked,
                by=actor,
                now=now,
            )
        else:
            version = signing.sign(
                database,
                answer_id,
                body.number,
                mode=settings.intended_use_mode,
                dictation_checked=body.dictation_checked,
                countersigner_id=body.countersigner_id,
                by=actor,
                now=now,
            )
        again.remember(version.id)
    return _show_made(database, answer_id, again.resource_id, actor, now)


@router.post("/countersignatures", status_code=201)
def countersign_answer(
    answer_id: uuid.UUID, database: Database, actor: Countersigner, now: Now, again: Again
) -> AnswerRead:
    """Sign what a colleague has signed, unchanged. Show who you are first."""
    if not again:
        again.remember(countersigning.countersign(database, answer_id, by=actor, now=now).id)
    return _show_made(database, answer_id, again.resource_id, actor, now)


@router.post("/returns", status_code=204)
def return_answer(
    answer_id: uuid.UUID, body: ReturnToAuthor, database: Database, actor: Countersigner, now: Now, again: Again
) -> None:
    """Give an answer that waits for your signature back to its author, who goes on from the same text."""
    if not again:
        countersigning.send_back(database, answer_id, body.comment, by=actor, now=now)


@router.post("/changes", status_code=201)
def change_answer(
    answer_id: uuid.UUID,
    body: NewChange,
    database: Database,
    actor: Amender,
    now: Now,
    again: Again,
    settings: Settings,
) -> AnswerRead:
    """Sign a change of a signed answer. Everybody who has read it is told, and the owner acknowledges it anew."""
    if not again:
        version = amending.change(
            database,
            answer_id,
            body.number,
            body.how,
            Amendment(
                reason=body.reason,
                changed=body.changed,
                significant=body.significant,
                told_who=body.told_who,
                told_how=body.told_how,
                told_at=body.told_at,
            ),
            mode=settings.intended_use_mode,
            dictation_checked=body.dictation_checked,
            countersigner_id=body.countersigner_id,
            by=actor,
            now=now,
        )
        again.remember(version.id)
    return _show_made(database, answer_id, again.resource_id, actor, now)


@router.post("/errors", status_code=204)
def enter_answer_in_error(
    answer_id: uuid.UUID, body: WrongAnswer, database: Database, actor: Head, now: Now, again: Again
) -> None:
    """Say that an answer was never right. It stays readable, struck out; for the head of who answered."""
    if not again:
        amending.enter_in_error(database, answer_id, body.reason, by=actor, now=now)


@router.put("/amender", status_code=204)
def name_amender(answer_id: uuid.UUID, body: NewAmender, database: Database, actor: Head, now: Now) -> None:
    """Say who may change a signed answer whose author is away; for the head of who answered."""
    amending.name_amender(database, find_answer(database, answer_id), body.assignment_id, by=actor, now=now)


def _show_made(
    database: Database, answer_id: uuid.UUID, version_id: uuid.UUID, actor: Actor, now: datetime
) -> AnswerRead:
    """The version that this made, now or when it was asked for before."""
    made = database.get_one(AnswerVersion, version_id)
    opened = open_answer(database, find_answer(database, answer_id), number=made.number, by=actor, now=now)
    return show_answer(database, opened.answer, opened.version, provider_id=actor.provider_id)
