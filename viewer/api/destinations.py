"""Destinations: where a care provider's answers are sent by themselves; and what was, is and could not be sent."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response, status
from pydantic import BaseModel, StringConstraints

from cases.access.actors import Actor
from cases.access.permissions import Permission
from cases.sharing import destinations, outbox
from cases.sharing.destinations import Answers, Destination, DestinationKind
from cases.sharing.outbox import MessageState
from cases.sharing.reports.words import Language
from viewer.api.fields import Line, example
from viewer.dependencies import After, Database, Limit, Match, Now, Settings, permit, require_version, set_etag
from viewer.idempotency import Again

router = APIRouter(prefix="/api", tags=["destinations"])
Administrator = Annotated[Actor, Depends(permit(Permission.CONFIGURE_PROVIDER), scope="function")]
Follower = Annotated[Actor, Depends(permit(Permission.FOLLOW_DELIVERIES), scope="function")]
WebAddress = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class DestinationChange(BaseModel):
    """What can be changed of a destination.

    Attributes:
        name: for people.
        address: of a webhook, https; none for a folder.
        answers: RECEIVED to your own requests, GIVEN by you, or BOTH.
        language: of headings and codes in what is sent.
    """

    model_config = example(name="Laboratoriesystemet", address="https://lis.example/samsyn/answers", answers="RECEIVED")

    name: Line
    address: WebAddress | None = None
    answers: Answers = Answers.BOTH
    language: Language = "sv"


class NewDestination(DestinationChange):
    """Somewhere to send answers to."""

    model_config = example(kind="WEBHOOK", name="Laboratoriesystemet", address="https://lis.example/samsyn/answers")

    kind: DestinationKind


class DestinationRow(BaseModel):
    """A destination as it is now.

    Attributes:
        failures: attempts in a row that failed; last_code says how the last one ended.
        rests_until: it did not answer, and is left alone until then.
        secret: what webhooks are signed with; told once, when it is made.
    """

    id: uuid.UUID
    name: str
    kind: DestinationKind
    address: str | None
    answers: Answers
    language: Language
    failures: int
    last_code: str | None
    rests_until: datetime | None
    ended_at: datetime | None
    version: int
    secret: str | None = None


class DestinationList(BaseModel):
    """Destinations that something is sent to, the oldest first."""

    items: list[DestinationRow]


class MessageRow(BaseModel):
    """A message to a destination.

    Attributes:
        short_id: of the request that was answered.
        withdrawn: it says that the answer was entered in error.
        last_code: how the last attempt ended: HTTP_503, TIMED_OUT, ADDRESS_REFUSED …
        next_attempt_at: of one that is pending.
    """

    id: uuid.UUID
    destination_id: uuid.UUID
    request_id: uuid.UUID
    short_id: str
    withdrawn: bool
    state: MessageState
    attempts: int
    created_at: datetime
    last_attempt_at: datetime | None
    last_code: str | None
    next_attempt_at: datetime
    sent_at: datetime | None


class MessageList(BaseModel):
    """Messages, the newest first."""

    items: list[MessageRow]
    next: uuid.UUID | None


def _show(row: Destination, *, secret: str | None = None) -> DestinationRow:
    shown = DestinationRow.model_validate(row, from_attributes=True)
    return shown.model_copy(update={"secret": secret})


@router.get("/destinations")
def read_destinations(database: Database, actor: Follower) -> DestinationList:
    """List where your care provider's answers are sent."""
    return DestinationList(items=[_show(row) for row in destinations.list_destinations(database, by=actor)])


@router.post("/destinations", status_code=status.HTTP_201_CREATED)
def create_destination(
    body: NewDestination, database: Database, settings: Settings, actor: Administrator, again: Again, response: Response
) -> DestinationRow:
    """Have answers sent somewhere. A webhook's secret is in this answer, and never again."""
    secret = None
    if again:
        row = destinations.find_destination(database, again.resource_id, by=actor)
    else:
        row, secret = destinations.add_destination(
            database, _read(body), kind=body.kind, opened=settings.opened, by=actor
        )
        again.remember(row.id)
    set_etag(response, row)
    return _show(row, secret=secret)


@router.put("/destinations/{destination_id}")
def change_destination(
    destination_id: uuid.UUID,
    body: DestinationChange,
    database: Database,
    settings: Settings,
    actor: Administrator,
    match: Match,
    response: Response,
) -> DestinationRow:
    """Call a destination, lead it or fill it otherwise."""
    row = destinations.find_destination(database, destination_id, by=actor)
    require_version(row, match)
    destinations.change_destination(database, row, _read(body), networks=settings.opened.networks, by=actor)
    set_etag(response, row)
    return _show(row)


@router.post("/destinations/{destination_id}/secret")
def renew_secret(
    destination_id: uuid.UUID, database: Database, actor: Administrator, again: Again, response: Response
) -> DestinationRow:
    """Make a new secret for a webhook, told this once; the old one signs nothing from now on."""
    row = destinations.find_destination(database, destination_id, by=actor)
    secret = None if again else destinations.renew_secret(database, row, by=actor)
    set_etag(response, row)
    return _show(row, secret=secret)


@router.delete("/destinations/{destination_id}")
def end_destination(
    destination_id: uuid.UUID, database: Database, actor: Administrator, now: Now, match: Match, response: Response
) -> DestinationRow:
    """Send nothing there any more; what still waits is given up."""
    row = destinations.find_destination(database, destination_id, by=actor)
    require_version(row, match)
    outbox.end_destination(database, row, by=actor, now=now)
    set_etag(response, row)
    return _show(row)


@router.get("/deliveries")
def read_deliveries(
    database: Database,
    actor: Follower,
    state: Annotated[MessageState | None, Query(description="Only those in this state; all by default.")] = None,
    limit: Limit = 50,
    after: After = None,
) -> MessageList:
    """List what was, is and could not be sent for your care provider."""
    states = [state] if state else list(MessageState)
    rows = outbox.list_messages(database, by=actor, states=states, limit=limit + 1, before=after)
    return MessageList(
        items=[MessageRow.model_validate(row, from_attributes=True) for row in rows[:limit]],
        next=rows[limit - 1].id if len(rows) > limit else None,
    )


@router.post("/deliveries/{message_id}/retry")
def retry_delivery(message_id: uuid.UUID, database: Database, actor: Follower, now: Now, again: Again) -> MessageRow:
    """Try again now to send what could not be sent."""
    row = outbox.find_message(database, message_id, by=actor)
    if not again:
        outbox.retry(database, row, by=actor, now=now)
    return MessageRow.model_validate(row, from_attributes=True)


def _read(body: DestinationChange) -> destinations.Wanted:
    return destinations.Wanted(name=body.name, address=body.address, answers=body.answers, language=body.language)
