"""Who works for a care provider: nobody else's people are seen from there."""

from __future__ import annotations

import uuid

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Session

from cases.access.errors import NotThere
from cases.access.people.assignment import Assignment
from cases.access.people.person import Person


def find_person(session: Session, person_id: uuid.UUID, *, provider_id: uuid.UUID) -> Person:
    """Somebody who works or has worked for a care provider. Raises NotThere, for anybody else too."""
    person = session.scalar(select(Person).where(Person.id == person_id, _works_for(provider_id)))
    if person is None:
        raise NotThere("There is no such person.")
    return person


def list_people(
    session: Session, provider_id: uuid.UUID, *, after: uuid.UUID | None = None, limit: int = 50
) -> list[Person]:
    """Everybody who works or has worked for a care provider, the newest first."""
    statement = select(Person).where(_works_for(provider_id))
    statement = statement if after is None else statement.where(Person.id < after)
    return list(session.scalars(statement.order_by(Person.id.desc()).limit(limit)))


def _works_for(provider_id: uuid.UUID) -> ColumnElement[bool]:
    return exists().where(Assignment.person_id == Person.id, Assignment.care_provider_id == provider_id)
