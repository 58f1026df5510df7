"""Countersigning: a second person signs the same, unchanged, or gives it back."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy.orm import Session

from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.errors import Conflict, NotPermitted
from cases.access.gate import Intent
from cases.access.people import Assignment
from cases.access.permissions import Role
from cases.sharing.answers.answer import (
    MOVES,
    STANDS_AS,
    AnswerVersion,
    Meaning,
    Stage,
)
from cases.sharing.answers.guards import check_competence, gather, require
from cases.sharing.answers.moving import lock, move_answer
from cases.sharing.answers.reading import admit_at_work, has_role, write_down
from cases.sharing.answers.register import find_author_signature, find_version
from cases.sharing.answers.releasing import release, tell_readers
from cases.sharing.answers.signatures import hash_version, put_name, void_signatures
from cases.sharing.intended_use import IntendedUse
from cases.sharing.moves import find_move
from cases.sharing.requests import ANSWERED, ShareRequest, TaskRole, advance, notices, tasks
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
    event = "amend" if request.status in ANSWERED else "countersign"
    require_move(request, event)
    version = find_version(session, answer, answer.head)
    _require_countersigner(session, request, version, by=by, now=now)
    decision = admit_at_work(session, answer, request, Intent.SIGN, by=by, now=now)
    signing = gather(session, answer, version, request, mode=IntendedUse.COMMUNICATION, by=by, now=now)
    require(signing, (check_competence,))
    if not find_author_signature(session, version).content_sha256 == version.content_sha256 == hash_version(version):
        raise Conflict("This is no longer what its author signed. Send it back to the author.")
    put_name(session, version, Meaning.COUNTERSIGN, by=by, now=now)
    reason = (version.amendment or {}).get("reason")
    move_answer(session, answer, "countersign", STANDS_AS[version.stage], by=by, now=now, reason=reason)
    release(session, answer, version, request, now=now)
    write_down(session, Event.ANSWER_COUNTERSIGNED, answer, request, by=by, number=version.number, decision=decision)
    advance(session, request, event, by=by, now=now, reason=reason)
    if version.amendment:
        tell_readers(session, answer, request, version)
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
    answered = request.status in ANSWERED
    if not answered:
        require_move(request, "send_back")
    version = find_version(session, answer, answer.head)
    _require_countersigner(session, request, version, by=by, now=now)
    admit_at_work(session, answer, request, Intent.DRAFT, by=by, now=now)
    void_signatures(session, version, now=now)
    stood = find_version(session, answer, answer.released).stage if answer.released else Stage.DRAFT
    move_answer(session, answer, "send_back", STANDS_AS[stood], by=by, now=now, text=comment)
    if not answered:
        advance(session, request, "send_back", by=by, now=now)
    else:
        notices.tell_author(session, request, version.author_assignment_id)


def ask_countersigner(
    session: Session, request: ShareRequest, assignment_id: uuid.UUID | None, *, by: Actor, now: datetime
) -> None:
    """Give somebody the task to countersign; without that whoever did it before may, or any pathologist there.

    Raises:
        Invalid: they are not there, have no such role, are not competent, or are away.
        Conflict: they are the author, or would judge their own work.
    """
    if assignment_id is not None:
        named = session.get(Assignment, assignment_id)
        if named is not None and named.person_id == by.person_id:
            raise Conflict("Nobody countersigns their own answer. Name a colleague.")
        require_reader(session, request, assignment_id, task=TaskRole.COUNTERSIGNER, now=now)
        tasks.give(session, request, assignment_id, TaskRole.COUNTERSIGNER, by=by, now=now)
    asked = tasks.find_holder(session, request, TaskRole.COUNTERSIGNER)
    notices.tell_countersigner(session, request, asked.assignment_id if asked else None)


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
