"""What a care provider asks of answers that are signed there or for it."""

from __future__ import annotations

import uuid

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event, Subject
from cases.access.errors import Stale
from cases.access.uniqueness import insert_unique
from cases.database import Base, Versioned


class AnswerRules(Versioned, Base):
    """What one care provider asks of answers.

    Attributes:
        codes_required: whether a primary report carries a code of topography and one of morphology.
    """

    __tablename__ = "answer_rules"

    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"), unique=True)
    codes_required: Mapped[bool]


def find_rules(session: Session, provider_id: uuid.UUID) -> AnswerRules | None:
    """What a care provider asks for; None where it has said nothing."""
    return session.scalar(select(AnswerRules).where(AnswerRules.care_provider_id == provider_id))


def set_rules(session: Session, *, codes_required: bool, seen: int, by: Actor) -> AnswerRules:
    """Say what the actor's own care provider asks for.

    Args:
        session: of this transaction.
        codes_required: as on `AnswerRules`.
        seen: the version that was read, 0 where there was none.
        by: somebody who configures the care provider.

    Raises:
        Stale: it is another version than the one that was read.
        Conflict: somebody else said it just now.
    """
    found = find_rules(session, by.provider_id)
    if seen != (newest := found.version if found else 0):
        raise Stale(f"Somebody changed this meanwhile: version {seen} was given, {newest} is the newest, 0 being none.")
    rules = found or AnswerRules(care_provider_id=by.provider_id, created_by=by.assignment_id)
    rules.codes_required = codes_required
    if found is None:
        insert_unique(session, rules, taken="Somebody said this just now. Read it again.")
    session.flush()
    audit.record(
        session,
        Event.CONFIG_CHANGED,
        by=by,
        subjects=[Subject(kind="answer_rules", id=rules.id, provider_id=by.provider_id)],
        args={"codes_required": codes_required},
    )
    return rules
