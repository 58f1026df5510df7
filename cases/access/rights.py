"""What to look at again before the transaction ends, because somebody's right may have changed."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy.orm import Session


@dataclass
class Changed:
    """Ids of what changed in this transaction so far."""

    patients: set[uuid.UUID] = field(default_factory=set)
    assignments: set[uuid.UUID] = field(default_factory=set)
    providers: set[uuid.UUID] = field(default_factory=set)
    sessions: set[uuid.UUID] = field(default_factory=set)
    resources: set[uuid.UUID] = field(default_factory=set)

    def __bool__(self) -> bool:
        return any(vars(self).values())


def changed(
    session: Session,
    *,
    patients: Iterable[uuid.UUID] = (),
    assignments: Iterable[uuid.UUID] = (),
    providers: Iterable[uuid.UUID] = (),
    sessions: Iterable[uuid.UUID] = (),
    resources: Iterable[uuid.UUID] = (),
) -> None:
    """Note that rights may have ended: what these people look at is decided again before the commit.

    Args:
        session: of this transaction.
        patients: whose blocks, consents, relations, identities or protection changed.
        assignments: whose roles, tasks or dates changed.
        providers: whose agreements or status changed.
        sessions: sign-in sessions that ended.
        resources: what is no longer as it was: put in quarantine, moved to another patient.
    """
    noted = session.info.setdefault("changed", Changed())
    noted.patients.update(patients)
    noted.assignments.update(assignments)
    noted.providers.update(providers)
    noted.sessions.update(sessions)
    noted.resources.update(resources)
