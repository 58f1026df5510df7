"""Countersigning: a second person signs the same, unchanged, or gives it back."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy.orm import Session

from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.decisions import admit
from cases.access.errors import Conflict, NotPermitted
from cases.access.gate import Intent
from cases.access.notifications import notify
from cases.access.people import Assignment
from cases.access.permissions import Role
from cases.sharing.answers.answer import (
    MOVES,
    AnswerStatus,
    AnswerVersion,
    Meaning,
)
from cases.sharing.answers.guards import check_competence, gather, require
from cases.sharing.answers.moving import lock, move_answer
from cases.sharing.answers.reading import describe_case, has_role, write_down
from cases.sharing.answers.register import find_author_signature, find_version
from cases.sharing.answers.releasing import release
from cases.sharing.answers.signatures import hash_version, put_name, void_signatures
from cases.sharing.intended_use import IntendedUse
from cases.sharing.moves import find_move
from cases.sharing.requests import ShareRequest, TaskRole, advance, tasks
from cases.sharing.requests.advancing import require_move
from cases.sharing.requests.deciding import require_reader


def countersign(session: Session, answer_id: uuid.UUID, *, by: Actor, now: datetime) -> AnswerVersion:
    """Sign what its author has signed, unchanged, so that it becomes the answer.

    Raises:
        IllegalMove: the answer does not wait for that.
        NotPermitted: the author, or no pathologist of the department that was asked.
        Refused: the gate said no.
        NotReady: the countersigner's competence is missing or has run out.
        Conflict: what the author signed is no longer what is there.
    """
    request, answer = lock(session, answer_id, by=by)
    find_move(MOVES, "countersign", answer.status)
    require_move(request, "countersign")
    version = find_version(session, answer, answer.head)
    _require_countersigner(session, request, version, by=by, now=now)
    decision = admit(session, describe_case(session, request, by=by, now=now), Intent.SIGN, by=by, now=now)
    signing = gather(session, answer, version, request, mode=IntendedUse.COMMUNICATION, by=by, now=now)
    require(signing, (check_competence,))
    if not find_author_signature(session, version).content_sha256 == version.content_sha256 == hash_version(version):
        raise Conflict("This is no longer what its author signed. Send it back to the author.")
    put_name(session, version, Meaning.COUNTERSIGN, by=by, now=now)
    move_answer(session, answer, "countersign", AnswerStatus.FINAL, by=by, now=now)
    release(session, answer, version, request, now=now)
    write_down(session, Event.ANSWER_COUNTERSIGNED, answer, request, by=by, number=version.number, decision=decision)
    advance(session, request, "countersign", by=by, now=now)
    return version


def send_back(session: Session, answer_id: uuid.UUID, comment: str, *, by: Actor, now: datetime) -> None:
    """Give an answer back to its author, whose signature ceases to hold; the version stays.

    Raises:
        IllegalMove: the answer does not wait for a countersignature.
        NotPermitted: the author, or no pathologist of the department that was asked.
        Refused: the gate said no.
    """
    request, answer = lock(session, answer_id, by=by)
    find_move(MOVES, "send_back", answer.status)
    require_move(request, "send_back")
    version = find_version(session, answer, answer.head)
    _require_countersigner(session, request, version, by=by, now=now)
    admit(session, describe_case(session, request, by=by, now=now), Intent.DRAFT, by=by, now=now)
    void_signatures(session, version, now=now)
    target = AnswerStatus.PRELIMINARY if answer.released else AnswerStatus.DRAFT
    move_answer(session, answer, "send_back", target, by=by, now=now, text=comment)
    advance(session, request, "send_back", by=by, now=now)


def ask_countersigner(
    session: Session, request: ShareRequest, assignment_id: uuid.UUID | None, *, by: Actor, now: datetime
) -> None:
    """Give somebody the task to countersign; without that any pathologist of the department may.

    Raises:
        Invalid: they are not there, have no such role, are not competent, or are away.
        Conflict: they are the author, or would judge their own work.
    """
    if assignment_id is None:
        return
    named = session.get(Assignment, assignment_id)
    if named is not None and named.person_id == by.person_id:
        raise Conflict("Nobody countersigns their own answer. Name a colleague.")
    require_reader(session, request, assignment_id, task=TaskRole.COUNTERSIGNER, now=now)
    tasks.give(session, request, assignment_id, TaskRole.COUNTERSIGNER, by=by, now=now)
    notify(
        session,
        "ANSWER_TO_COUNTERSIGN",
        subject_kind="request",
        subject_id=request.id,
        short_id=request.short_id,
        provider_id=request.performer_provider_id,
        assignments=[assignment_id],
    )


def _require_countersigner(
    session: Session, request: ShareRequest, version: AnswerVersion, *, by: Actor, now: datetime
) -> None:
    """Raise NotPermitted for the author, whichever hat they wear, and for anybody who was not asked."""
    author = session.get_one(Assignment, version.author_assignment_id)
    if author.person_id == by.person_id:
        raise NotPermitted("Nobody countersigns their own answer. Ask a colleague.")
    if not has_role(by, Role.PAT, request, now):
        raise NotPermitted("Answers are countersigned by a pathologist of the department that was asked.")
    asked = tasks.find_holder(session, request, TaskRole.COUNTERSIGNER)
    if asked is not None and asked.assignment_id != by.assignment_id:
        raise NotPermitted("Somebody else was asked to countersign this. Ask them, or the author.")
