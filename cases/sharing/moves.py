"""Moves: from which states what leads where. Each machine is a table; docs/states.md is drawn from the tables."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, Session, mapped_column

from cases.access.actors import Actor
from cases.access.errors import IllegalMove
from cases.database import Base

State = TypeVar("State", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Move(Generic[State]):
    """One row of a table of moves.

    Attributes:
        event: what happens, a verb: "accept".
        sources: the states it can happen in; none where it is the beginning.
        target: the state it leads to; None where it stays, or goes back to where it came from.
        who: who does it, for the drawing: roles of the owner's or the performer's side, or SYS.
    """

    event: str
    sources: frozenset[State]
    target: State | None
    who: str


class StateEvent(Base):
    """That something moved: what, from where, to where, when and by whom. Rows are only ever added.

    Attributes:
        care_provider_id: whose record the moved thing is.
        request_id: the request it belongs to, whose parties see it; None for what belongs to none.
        entity, entity_id: what moved, such as "request" or "answer", and which.
        from_state: None for the beginning.
        by_assignment_id: None for the system.
        reason: a code.
        text: what somebody wrote about it.
    """

    __tablename__ = "state_event"
    __table_args__ = (Index("ix_state_event_entity_id_at", "entity_id", "at"),)

    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"))
    request_id: Mapped[uuid.UUID | None] = mapped_column(index=True)
    entity: Mapped[str]
    entity_id: Mapped[uuid.UUID]
    event: Mapped[str]
    from_state: Mapped[str | None]
    to_state: Mapped[str]
    by_assignment_id: Mapped[uuid.UUID | None]
    reason: Mapped[str | None]
    text: Mapped[str | None]
    at: Mapped[datetime]


def find_move(moves: Sequence[Move[State]], event: str, state: State) -> Move[State]:
    """The row for an event in a state.

    Raises:
        IllegalMove: the state does not lead there; it carries the events that are possible.
    """
    for move in moves:
        if move.event == event and state in move.sources:
            return move
    allowed = list_events(moves, state)
    possible = f"Possible now: {', '.join(allowed)}." if allowed else "Nothing more can be done with it."
    raise IllegalMove(f"In the state {state} nobody can {event.replace('_', ' ')}. {possible}", allowed=allowed)


def list_events(moves: Iterable[Move[State]], state: State) -> list[str]:
    """What can happen in a state, in the order of the alphabet."""
    return sorted({move.event for move in moves if state in move.sources})


def write_event(
    session: Session,
    *,
    entity: str,
    entity_id: uuid.UUID,
    care_provider_id: uuid.UUID,
    event: str,
    before: StrEnum | None,
    after: StrEnum,
    by: Actor | None,
    now: datetime,
    request_id: uuid.UUID | None = None,
    reason: str | None = None,
    text: str | None = None,
) -> StateEvent:
    """Write down a move that has been made; see `StateEvent` for what is what. `by` None is the system."""
    written = StateEvent(
        care_provider_id=care_provider_id,
        request_id=request_id,
        entity=entity,
        entity_id=entity_id,
        event=event,
        from_state=before,
        to_state=after,
        by_assignment_id=by and by.assignment_id,
        reason=reason,
        text=text,
        at=now,
    )
    session.add(written)
    return written
