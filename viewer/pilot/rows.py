"""Finding the pilot's rows by what they are called, and logging those that no function of the rules wrote."""

from __future__ import annotations

import uuid
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from cases.access import audit
from cases.access.audit import Event, Subject
from cases.access.organisations import CareProvider
from cases.access.people import Assignment
from cases.access.permissions import Role
from cases.database import Base
from viewer.pilot import cast

_Row = TypeVar("_Row", bound=Base)


def find(session: Session, kind: type[_Row], **columns: object) -> _Row | None:
    """A row by some of its columns, or None."""
    return session.scalar(select(kind).filter_by(**columns).limit(1))


def get(session: Session, kind: type[_Row], **columns: object) -> _Row:
    """A row by some of its columns that is known to be there."""
    return session.scalars(select(kind).filter_by(**columns).limit(1)).one()


def log(session: Session, event: Event, kind: str, row: Base, *parties: uuid.UUID | None) -> None:
    """Write down that a row was made, in the chain of the first of those it concerns."""
    known = [party for party in parties if party]
    subjects = [Subject(kind=kind, id=row.id, provider_id=party) for party in known]
    audit.record(session, event, by=None, provider_id=known[0], subjects=subjects, args={"pilot": True})


def find_first(session: Session, provider_id: uuid.UUID, role: Role | None = None) -> Assignment:
    """The first assignment of a provider, with a role if one is asked for: who decides, who signs."""
    provider = session.get_one(CareProvider, provider_id)
    org_number = provider.hsa_id.partition("-")[0]
    posts = [post for member in cast.PEOPLE for post in member.posts if post.unit.startswith(org_number)]
    post = next(post for post in posts if role is None or role in post.roles)
    return get(session, Assignment, commission_hsa_id=post.commission)
