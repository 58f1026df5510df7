"""Drafts: every save is a version of its own, and whoever saves on top of an old one loses nothing."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.decisions import admit
from cases.access.errors import Conflict, NotPermitted
from cases.access.gate import Intent
from cases.access.permissions import Role
from cases.database import new_id
from cases.sharing.answers.answer import (
    FINISHED,
    KINDS,
    MOVES,
    STANDING,
    UNSIGNED,
    Answer,
    AnswerStatus,
    AnswerVersion,
    Saving,
    Stage,
    Visibility,
)
from cases.sharing.answers.content import AnswerContent, to_json
from cases.sharing.answers.reading import admit_at_work, describe_case, has_role, write_down
from cases.sharing.answers.register import find_version, lock_answer
from cases.sharing.moves import find_move, write_event
from cases.sharing.requests import (
    RequestStatus,
    ShareRequest,
    Side,
    advance,
    find_request,
    lock_request,
    side_of,
)

WRITTEN_IN = frozenset({RequestStatus.ASSIGNED, RequestStatus.IN_REVIEW, RequestStatus.WAITING})
"""While a request is here its reader writes."""


@dataclass(frozen=True)
class Saved:
    """What came of saving.

    Attributes:
        stands: whether this version is the newest; False where somebody had saved another one meanwhile: it is kept
            beside that one, and a person puts the two together.
    """

    answer: Answer
    version: AnswerVersion
    stands: bool


def save_draft(
    session: Session,
    request_id: uuid.UUID,
    content: AnswerContent,
    *,
    base: int,
    saving: Saving = Saving.TYPED,
    by: Actor,
    now: datetime,
) -> Saved:
    """Save what somebody has written so far in the answer to a request, as a new version.

    Args:
        session: of this transaction.
        request_id: of the request.
        content: all of it.
        base: number of the version it was written on top of; 0 where there was none.
        saving: by hand or by itself; what a coordinator saves is dictation, whichever is said.
        by: the reader, or a coordinator who types the reader's dictation.
        now: the moment.

    Raises:
        NotThere: there is no such request.
        NotPermitted: somebody else reads it.
        IllegalMove: the answer waits for a countersignature, or the request is not in anybody's hands.
        Refused: the gate said no.
    """
    request = find_request(session, request_id, by=by)
    if side_of(request, by) is not Side.PERFORMER:
        raise NotPermitted("The answer is written by the department that was asked.")
    answer = find_open(session, request, by=by)
    if answer is None or request.status is RequestStatus.ASSIGNED:
        # What begins, begins once: of two who save for the first time the second goes on from the first.
        request = lock_request(session, request_id, by=by)
        answer = find_open(session, request, by=by)
    dictated = _require_writer(request, answer, by=by, now=now)
    saving = Saving.DICTATED if dictated else saving
    if answer is None:
        return _begin(session, request, content, base=base, saving=saving, by=by, now=now)
    answer = lock_answer(session, answer.id)
    # Whoever signed while this waited has moved the request too.
    session.refresh(request)
    _require_writer(request, answer, by=by, now=now)
    decision = admit_at_work(session, answer, request, Intent.DRAFT, by=by, now=now)
    if request.status is RequestStatus.ASSIGNED:
        advance(session, request, "start", by=by, now=now)
    kept = to_json(content)
    head = find_version(session, answer, answer.head)
    if _is_repeat(head, kept, base=base, by=by):
        return Saved(answer, head, stands=True)
    stands = base == answer.head
    version = add_version(session, answer, kept, base=base, saving=saving, by=by, now=now, stands=stands)
    if stands and not dictated and answer.status in UNSIGNED:
        answer.author_assignment_id = by.assignment_id
    session.flush()
    write_down(session, Event.ANSWER_DRAFT_SAVED, answer, request, by=by, number=version.number, decision=decision)
    return Saved(answer, version, stands)


def find_open(session: Session, request: ShareRequest, *, by: Actor) -> Answer | None:
    """The answer that somebody goes on with: the one that stands, their own, or one shared with their unit.

    For a coordinator it is the reader's.
    """
    writer = request.reader_assignment_id or by.assignment_id
    found = session.scalars(
        select(Answer)
        .where(
            Answer.request_id == request.id,
            Answer.status != AnswerStatus.ENTERED_IN_ERROR,
            or_(
                Answer.status.in_(STANDING),
                Answer.author_assignment_id == writer,
                (Answer.visibility == Visibility.UNIT) & (Answer.unit_id == by.unit_id),
            ),
        )
        .order_by(Answer.id.desc())
    ).all()
    order = (
        lambda one: one.status in STANDING,
        lambda one: one.author_assignment_id == writer,
        lambda one: True,
    )
    return next((one for wanted in order for one in found if wanted(one)), None)


def set_visibility(session: Session, answer: Answer, visibility: Visibility, *, by: Actor, now: datetime) -> None:
    """Say whether the own unit sees a draft, so that another reader can go on with it.

    Raises:
        NotPermitted: it is somebody else's.
    """
    if by.assignment_id != answer.author_assignment_id:
        raise NotPermitted("A draft is its author's own until it is signed. Ask the author.")
    request = find_request(session, answer.request_id, by=by)
    answer.visibility = visibility
    session.flush()
    write_down(session, Event.ANSWER_DRAFT_SAVED, answer, request, by=by, reason=visibility)


def add_version(
    session: Session,
    answer: Answer,
    content: Mapping[str, Any],
    *,
    base: int | None,
    saving: Saving,
    by: Actor,
    now: datetime,
    stage: Stage = Stage.DRAFT,
    stands: bool = True,
    **signed: Any,
) -> AnswerVersion:
    """Add a version to a locked answer. `base` is a version there is; `signed` are columns of signed versions."""
    answer.last += 1
    version = AnswerVersion(
        answer_id=answer.id,
        request_id=answer.request_id,
        care_provider_id=answer.care_provider_id,
        number=answer.last,
        base_number=min(max(base or 1, 1), answer.last - 1) if answer.last > 1 else None,
        saving=saving,
        stage=stage,
        author_assignment_id=by.assignment_id,
        saved_at=now,
        content=dict(content),
        **signed,
    )
    session.add(version)
    if stands:
        answer.head = version.number
    return version


def _begin(
    session: Session,
    request: ShareRequest,
    content: AnswerContent,
    *,
    base: int,
    saving: Saving,
    by: Actor,
    now: datetime,
) -> Saved:
    if base:
        raise Conflict("There is no draft yet, so nothing can be saved on top of one. Save with base 0.")
    decision = admit(session, describe_case(session, request, by=by, now=now), Intent.DRAFT, by=by, now=now)
    if request.status is RequestStatus.ASSIGNED:
        advance(session, request, "start", by=by, now=now)
    answer = Answer(
        request_id=request.id,
        case_id=request.case_id,
        care_provider_id=by.provider_id,
        unit_id=by.unit_id,
        author_assignment_id=request.reader_assignment_id,
        kind=KINDS[request.type],
        status=AnswerStatus.DRAFT,
        head=0,
        last=0,
        created_by=by.assignment_id,
    )
    session.add(answer)
    with session.no_autoflush:
        answer.id = answer.id or new_id()
        version = add_version(session, answer, to_json(content), base=None, saving=saving, by=by, now=now)
    session.flush()
    write_event(
        session,
        entity="answer",
        entity_id=answer.id,
        care_provider_id=answer.care_provider_id,
        event="begin",
        before=None,
        after=AnswerStatus.DRAFT,
        by=by,
        now=now,
        request_id=None,
    )
    write_down(session, Event.ANSWER_DRAFT_SAVED, answer, request, by=by, number=1, decision=decision)
    return Saved(answer, version, stands=True)


def _require_writer(request: ShareRequest, answer: Answer | None, *, by: Actor, now: datetime) -> bool:
    """Whether what is written is another's dictation. Raises NotPermitted, IllegalMove and Conflict."""
    if answer is not None:
        find_move(MOVES, "save", answer.status)
    if answer is not None and answer.status in FINISHED:
        if by.assignment_id in (answer.author_assignment_id, answer.amender_assignment_id):
            return False
        raise NotPermitted("A signed answer is changed by its author, or by whom the head of department named.")
    if request.reader_assignment_id is None:
        raise Conflict("Nobody has been given this request to read. Assign it first.")
    if request.stage not in WRITTEN_IN:
        raise Conflict(f"In the state {request.status} nobody writes an answer. Accept, assign and start it first.")
    if by.assignment_id == request.reader_assignment_id:
        return False
    if has_role(by, Role.COO, request, now):
        return True
    raise NotPermitted("Somebody else reads this. A draft is its author's own until it is signed.")


def _is_repeat(head: AnswerVersion, content: Mapping[str, Any], *, base: int, by: Actor) -> bool:
    """The same again: an answer that was lost on its way, or nothing new."""
    return (
        head.stage is Stage.DRAFT
        and head.author_assignment_id == by.assignment_id
        and base in (head.number, head.base_number or 0)
        and head.content == content
    )
