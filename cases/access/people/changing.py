"""Changing what is known of somebody: their one employer may. Who has several is nobody's alone to change."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.errors import NotPermitted
from cases.access.people.assignment import Assignment
from cases.access.people.person import Person, record, require_other


def change_person(session: Session, person: Person, *, by: Actor | None, **fields: Any) -> None:
    """Change what is known of somebody.

    Args:
        session: of this transaction.
        person: of the actor's care provider, and of no other.
        by: somebody else than the person; None for the platform's operator, who changes those whom several rely on.
        fields: new values by column.

    Raises:
        NotPermitted: it is oneself, or another care provider relies on what is known of the person too.
    """
    if by is not None:
        require_other(person.id, by=by)
        require_sole(session, person.id, by=by)
    for field, value in fields.items():
        setattr(person, field, value)
    record(session, Event.PERSON_CHANGED, person, by=by, args={"what": ", ".join(sorted(fields))})
    session.flush()


def require_sole(session: Session, person_id: uuid.UUID, *, by: Actor) -> None:
    """Refuse to change somebody who works, or has worked, for another care provider too. Raises NotPermitted.

    Whoever knows a licence number and a name can employ its holder: that must not open what others rely on.
    """
    elsewhere = exists().where(Assignment.person_id == person_id, Assignment.care_provider_id != by.provider_id)
    if session.scalar(select(elsewhere)):
        raise NotPermitted(
            "This person also works, or has worked, for another care provider. Ask the platform's operator for it."
        )
