"""Doing something once, however often it is asked for: keys that a caller chooses, kept with what came of them.

Source: the IETF draft "The Idempotency-Key HTTP Header Field".
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from sqlalchemy import UniqueConstraint, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from cases.access.actors import Actor
from cases.access.errors import Invalid
from cases.database import Base, new_id

KEPT = timedelta(days=7)
"""For so long a key is remembered."""


class IdempotencyKey(Base):
    """That somebody has asked for something under a key.

    Attributes:
        assignment_id: under which it was asked; another's equal key is another key.
        fingerprint: SHA-256 of what was asked.
        resource_id: what was made by it, if anything was.
    """

    __tablename__ = "idempotency_key"
    __table_args__ = (UniqueConstraint("assignment_id", "key"),)

    care_provider_id: Mapped[uuid.UUID] = mapped_column(index=True)
    assignment_id: Mapped[uuid.UUID]
    key: Mapped[str]
    fingerprint: Mapped[bytes]
    resource_id: Mapped[uuid.UUID | None]


def take_key(session: Session, key: str, fingerprint: bytes, *, by: Actor) -> tuple[IdempotencyKey, bool]:
    """Take a key for what this transaction does; a second asker waits until it has ended.

    Args:
        session: of this transaction.
        key: chosen by the caller.
        fingerprint: SHA-256 of what is asked.
        by: who asks.

    Returns:
        Its row, and whether the same was done under it before.

    Raises:
        Invalid: something else was done under this key.
    """
    made = session.scalar(
        insert(IdempotencyKey)
        .values(
            id=new_id(),
            care_provider_id=by.provider_id,
            assignment_id=by.assignment_id,
            key=key,
            fingerprint=fingerprint,
        )
        .on_conflict_do_nothing(index_elements=[IdempotencyKey.assignment_id, IdempotencyKey.key])
        .returning(IdempotencyKey)
    )
    if made:
        return made, False
    known = session.scalars(
        select(IdempotencyKey).where(IdempotencyKey.assignment_id == by.assignment_id, IdempotencyKey.key == key)
    ).one()
    if known.fingerprint != fingerprint:
        raise Invalid("This Idempotency-Key was used for something else. Choose a new one for every new change.")
    return known, True


def forget_keys(session: Session, *, now: datetime) -> None:
    """Remove keys that nobody will repeat any more."""
    session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < now - KEPT))
