"""Messages about a request, in one stream with what happened to it, and its clocks."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy.orm import Session

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.decisions import admit, subject_of
from cases.access.gate import Intent
from cases.access.permissions import Permission
from cases.records.pathology_case import find_case
from cases.sharing import messages, waiting
from cases.sharing.clocks import Span, read_clocks
from cases.sharing.messages import LONGEST, Message, MessageKind
from cases.sharing.moves import StateEvent
from cases.sharing.requests import ShareRequest, find_request, lock_request
from cases.sharing.resources import describe_cases
from cases.sharing.stream import Author, find_authors, read_stream
from viewer.api.fields import example
from viewer.dependencies import After, Database, Limit, Now, permit
from viewer.idempotency import Again

router = APIRouter(prefix="/api/requests/{request_id}", tags=["requests"])
Reader = Annotated[Actor, Depends(permit(Permission.READ_RECORD), scope="function")]
Writer = Annotated[Actor, Depends(permit(Permission.WRITE_MESSAGE), scope="function")]
Clinical = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST, pattern=r"^[^\x00-\x08\x0b-\x1f]*$"),
]
"""Text of several lines that may be long."""


class NewMessage(BaseModel):
    """Something to write about a request.

    Attributes:
        blocking: a question without whose answer the reader cannot go on: it stops the clock.
        reply_to_id: with a reply, the question.
        annotation_id: the place on a slide that it is about.
    """

    model_config = example(body="Finns det en tidigare biopsi från samma lesion?", kind="QUESTION", blocking=True)

    body: Clinical
    kind: MessageKind = MessageKind.COMMENT
    blocking: bool = False
    reply_to_id: uuid.UUID | None = None
    annotation_id: uuid.UUID | None = None


class Who(BaseModel):
    """Somebody who wrote or did something.

    Attributes:
        name: not told of somebody whose own data are protected.
    """

    assignment_id: uuid.UUID
    care_provider_id: uuid.UUID
    name: str | None = Field(examples=["Eva Ek"])
    title: str = Field(examples=["Patolog"])


class MessageEntry(BaseModel):
    """A message in the stream.

    Attributes:
        read_by: assignments under which it has been read.
    """

    entry: Literal["message"] = "message"
    id: uuid.UUID
    at: datetime
    by: Who | None
    kind: MessageKind
    body: str
    blocking: bool
    reply_to_id: uuid.UUID | None
    annotation_id: uuid.UUID | None
    read_by: list[uuid.UUID]


class EventEntry(BaseModel):
    """A move in the stream.

    Attributes:
        by: nobody where it happened by itself.
        entity, entity_id: what moved: the request, an answer, a work order.
        reason: a code.
        text: what somebody wrote about it.
    """

    entry: Literal["event"] = "event"
    id: uuid.UUID
    at: datetime
    by: Who | None
    entity: str = Field(examples=["request"])
    entity_id: uuid.UUID
    event: str = Field(examples=["accept"])
    from_state: str | None = Field(examples=["OFFERED"])
    to_state: str = Field(examples=["ACCEPTED"])
    reason: str | None
    text: str | None


class Stream(BaseModel):
    """Messages and moves, the newest first."""

    items: list[Annotated[MessageEntry | EventEntry, Field(discriminator="entry")]]
    next: uuid.UUID | None


class UpTo(BaseModel):
    """The newest one that was shown."""

    model_config = example(up_to="01a20387-83c5-75bd-ba6d-f4c31582b60d")

    up_to: uuid.UUID


class Clock(BaseModel):
    """A stretch of time.

    Attributes:
        seconds: by the clock.
        working_minutes: of it in working time: 08 to 17 on Swedish working days.
        running: it goes on.
    """

    start: datetime
    end: datetime
    seconds: int = Field(examples=[5400])
    working_minutes: int = Field(examples=[90])
    running: bool


class RequestClocks(BaseModel):
    """How long a request has taken; what has not begun is null.

    Attributes:
        prepare: from submitting to offering.
        accept: from offering to accepting.
        first_look: from offering to reading.
        answer: from accepting to answering.
        answer_net_seconds: `answer` without the waiting.
        total: from submitting to answering.
        acknowledge: from answering to acknowledging.
        waiting_owner, waiting_lab: when the reader waited for the owner, or for their own laboratory.
        held: when the request was held.
    """

    prepare: Clock | None
    accept: Clock | None
    first_look: Clock | None
    answer: Clock | None
    answer_net_seconds: int | None
    total: Clock | None
    acknowledge: Clock | None
    waiting_owner: list[Clock]
    waiting_lab: list[Clock]
    held: list[Clock]


def _admit(database: Session, request: ShareRequest, event: Event | None, *, by: Actor, now: datetime) -> None:
    """Ask the gate for the case of a request that somebody talks about; log what is read."""
    messages.require_talker(request, by=by, now=now)
    case = find_case(database, request.case_id)
    resource = describe_cases(database, [case], by=by, now=now)[case.id]
    decision = admit(database, resource, Intent.READ, by=by, now=now)
    if event is not None:
        audit.record(
            database,
            event,
            by=by,
            subjects=[subject_of(resource)],
            basis=decision.basis,
            decision_id=decision.id,
            args={"request": request.short_id},
        )


@router.get("/stream")
def read_request_stream(
    request_id: uuid.UUID, database: Database, actor: Reader, now: Now, limit: Limit = 50, after: After = None
) -> Stream:
    """Read what was written about a request and what happened to it. Logged."""
    request = find_request(database, request_id, by=actor)
    _admit(database, request, Event.MESSAGE_VIEWED, by=actor, now=now)
    entries = read_stream(database, request, by=actor, limit=limit + 1, after=after)
    shown = entries[:limit]
    authors = find_authors(database, shown)
    readers = messages.find_readers(database, [one.id for one in shown if isinstance(one, Message)])
    return Stream(
        items=[
            _show_message(one, authors, readers[one.id]) if isinstance(one, Message) else _show_event(one, authors)
            for one in shown
        ],
        next=shown[-1].id if len(entries) > limit else None,
    )


@router.post("/messages", status_code=201)
def create_message(
    request_id: uuid.UUID, body: NewMessage, database: Database, actor: Writer, now: Now, again: Again
) -> MessageEntry:
    """Write to whoever works on a request, on both sides. Nobody can change or remove it afterwards."""
    request = lock_request(database, request_id, by=actor)
    _admit(database, request, None, by=actor, now=now)
    if not again:
        message = messages.write_message(
            database,
            request,
            body.body,
            kind=body.kind,
            blocking=body.blocking,
            reply_to_id=body.reply_to_id,
            annotation_id=body.annotation_id,
            by=actor,
            now=now,
        )
        waiting.settle(database, request, by=actor, now=now)
        again.remember(message.id)
    written = database.get_one(Message, again.resource_id)
    return _show_message(
        written, find_authors(database, [written]), messages.find_readers(database, [written.id])[written.id]
    )


@router.put("/stream/reading", status_code=204)
def read_up_to(request_id: uuid.UUID, body: UpTo, database: Database, actor: Reader, now: Now) -> None:
    """Say that you have read the messages up to the newest one that you were shown."""
    request = find_request(database, request_id, by=actor)
    _admit(database, request, None, by=actor, now=now)
    messages.mark_read(database, request, body.up_to, by=actor, now=now)


@router.get("/clocks")
def read_request_clocks(
    request_id: uuid.UUID,
    database: Database,
    actor: Annotated[Actor, Depends(permit(Permission.SEE_OFFERS, Permission.SEE_OWN_WORKLIST), scope="function")],
    now: Now,
) -> RequestClocks:
    """Read how long a request has taken, and whom it waited for. Says nothing about the patient."""
    request = find_request(database, request_id, by=actor)
    clocks = read_clocks(database, request.id, now=now)
    begun = messages.find_beginning(request, by=actor)
    return RequestClocks(
        prepare=_show_clock(clocks.prepare),
        accept=_show_clock(clocks.accept),
        first_look=_show_clock(clocks.first_look),
        answer=_show_clock(clocks.answer),
        answer_net_seconds=None if clocks.answer_net is None else int(clocks.answer_net.total_seconds()),
        total=_show_clock(clocks.total),
        acknowledge=_show_clock(clocks.acknowledge),
        waiting_owner=[_clock(span) for span in clocks.waiting_owner],
        waiting_lab=[_clock(span) for span in clocks.waiting_lab],
        held=[_clock(span) for span in clocks.held if span.start >= begun],
    )


def _show_clock(span: Span | None) -> Clock | None:
    return None if span is None else _clock(span)


def _clock(span: Span) -> Clock:
    return Clock(
        start=span.start,
        end=span.end,
        seconds=int(span.length.total_seconds()),
        working_minutes=span.working_minutes,
        running=span.running,
    )


def _who(authors: dict[uuid.UUID, Author], assignment_id: uuid.UUID | None) -> Who | None:
    author = authors.get(assignment_id) if assignment_id else None
    return None if author is None else Who.model_validate(author, from_attributes=True)


def _show_message(message: Message, authors: dict[uuid.UUID, Author], read_by: list[uuid.UUID]) -> MessageEntry:
    return MessageEntry(
        id=message.id,
        at=message.sent_at,
        by=_who(authors, message.author_id),
        kind=message.kind,
        body=message.body,
        blocking=message.blocking,
        reply_to_id=message.reply_to_id,
        annotation_id=message.annotation_id,
        read_by=read_by,
    )


def _show_event(event: StateEvent, authors: dict[uuid.UUID, Author]) -> EventEntry:
    return EventEntry(
        id=event.id,
        at=event.at,
        by=_who(authors, event.by_assignment_id),
        entity=event.entity,
        entity_id=event.entity_id,
        event=event.event,
        from_state=event.from_state,
        to_state=event.to_state,
        reason=event.reason,
        text=event.text,
    )
