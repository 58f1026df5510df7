"""The stream of a request: what was written about it and what happened to it, in one order, for both sides."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from cases.access.actors import Actor
from cases.access.people import Assignment, Person
from cases.sharing.messages import Message, find_beginning
from cases.sharing.moves import StateEvent
from cases.sharing.requests.request import ShareRequest


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote or did something.

    Attributes:
        name: None for somebody whose own data are protected.
    """

    assignment_id: uuid.UUID
    care_provider_id: uuid.UUID
    name: str | None
    title: str


def read_stream(
    session: Session, request: ShareRequest, *, by: Actor, limit: int, after: uuid.UUID | None = None
) -> list[Message | StateEvent]:
    """Messages and moves of a request, the newest first, from after a certain one on.

    The gate has let the reader into its case. Both have keys that sort by time, so they are one stream; the
    performer's begins with the offer.
    """
    begun = find_beginning(request, by=by)
    messages = select(Message).where(Message.request_id == request.id, Message.sent_at >= begun)
    events = select(StateEvent).where(StateEvent.request_id == request.id)
    # What led to the offer may have happened in the same moment.
    events = events.where(or_(StateEvent.at > begun, StateEvent.event == "offer"))
    if after is not None:
        messages, events = messages.where(Message.id < after), events.where(StateEvent.id < after)
    found: list[Message | StateEvent] = [
        *session.scalars(messages.order_by(Message.id.desc()).limit(limit)),
        *session.scalars(events.order_by(StateEvent.id.desc()).limit(limit)),
    ]
    return sorted(found, key=lambda one: one.id, reverse=True)[:limit]


def find_authors(session: Session, entries: Iterable[Message | StateEvent]) -> dict[uuid.UUID, Author]:
    """Who is behind some entries, by assignment."""
    ids = {one.author_id if isinstance(one, Message) else one.by_assignment_id for one in entries}
    rows = session.execute(
        select(Assignment, Person).join(Person, Person.id == Assignment.person_id).where(Assignment.id.in_(ids))
    )
    return {
        assignment.id: Author(assignment.id, assignment.care_provider_id, person.listed_name, person.title)
        for assignment, person in rows
    }
