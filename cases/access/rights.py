"""What to look at again before the transaction ends, because somebody's right may have changed.

Who opens something and who ends a right it rests on must not miss each other: the one holds what the right rests on
(shared), the other claims it (alone) before looking for what is open. So either the opening sees the right end, or the
ending sees what was opened.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import text
from sqlalchemy.orm import Session


@dataclass
class Changed:
    """Ids of what changed in this transaction so far."""

    patients: set[uuid.UUID] = field(default_factory=set)
    assignments: set[uuid.UUID] = field(default_factory=set)
    providers: set[uuid.UUID] = field(default_factory=set)
    sessions: set[uuid.UUID] = field(default_factory=set)
    resources: set[uuid.UUID] = field(default_factory=set)

    @property
    def ids(self) -> set[uuid.UUID]:
        """All of them."""
        return set().union(*vars(self).values())

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


def hold(session: Session, ids: Iterable[uuid.UUID]) -> None:
    """Let nobody end a right that rests on any of these until this transaction has ended; before its facts are read."""
    session.execute(_SHARED, {"keys": _keys(ids)})


def claim(session: Session, changed: Changed) -> None:
    """Wait until nobody opens anything that rests on what changed, and let nobody begin to."""
    session.execute(_ALONE, {"keys": _keys(changed.ids)})


_SHARED = text("SELECT pg_advisory_xact_lock_shared(key) FROM unnest(CAST(:keys AS bigint[])) AS key")
_ALONE = text("SELECT pg_advisory_xact_lock(key) FROM unnest(CAST(:keys AS bigint[])) AS key")


def _keys(ids: Iterable[uuid.UUID]) -> list[int]:
    # In the same order everywhere, so that two transactions do not wait for each other in a ring.
    return sorted({int.from_bytes(one.bytes[8:], "big", signed=True) for one in ids})
