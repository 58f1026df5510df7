"""Moving an answer: it and its request locked, its newest version in hand, its table of moves followed."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy.orm import Session

from cases.access.actors import Actor
from cases.access.errors import NotPermitted, Stale
from cases.sharing.answers.answer import (
    MOVES,
    Answer,
    AnswerStatus,
    AnswerVersion,
)
from cases.sharing.answers.register import find_answer, find_version, lock_answer
from cases.sharing.moves import find_move, write_event
from cases.sharing.requests import ShareRequest, lock_request

AT_HOME = frozenset({"begin", "sign_for_countersign", "send_back"})
"""Moves that are the performer's own affair: the owner is not told what a countersigner thinks of a draft."""


def lock(session: Session, answer_id: uuid.UUID, *, by: Actor) -> tuple[ShareRequest, Answer]:
    """An answer of the own care provider with its request, both locked, the request first. Raises NotThere."""
    request = lock_request(session, find_answer(session, answer_id).request_id, by=by)
    answer = lock_answer(session, answer_id)
    if answer.care_provider_id != by.provider_id:
        raise NotPermitted("An answer is signed and changed by the department that was asked.")
    return request, answer


def require_head(session: Session, answer: Answer, number: int) -> AnswerVersion:
    """The version that stands. Raises Stale where the given one is another."""
    if number != answer.head:
        raise Stale(f"Version {number} was given and {answer.head} is the newest. Read that one before you sign it.")
    return find_version(session, answer, number)


def move_answer(
    session: Session,
    answer: Answer,
    event: str,
    target: AnswerStatus,
    *,
    by: Actor,
    now: datetime,
    reason: str | None = None,
    text: str | None = None,
) -> None:
    """Move a locked answer along its table of moves, and write that down.

    Raises:
        IllegalMove: its state does not lead there.
    """
    find_move(MOVES, event, answer.status)
    before, answer.status = answer.status, target
    at_home = event in AT_HOME or (event == "enter_in_error" and answer.released is None)
    write_event(
        session,
        entity="answer",
        entity_id=answer.id,
        care_provider_id=answer.care_provider_id,
        event=event,
        before=before,
        after=target,
        by=by,
        now=now,
        request_id=None if at_home else answer.request_id,
        reason=reason,
        text=text,
    )
