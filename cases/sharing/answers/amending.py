"""Changing what was signed: addendum, amendment, correction, and calling an answer an error. Nothing is taken away."""

from __future__ import annotations

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy.orm import Session

from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.errors import Conflict, Invalid, NotPermitted
from cases.access.gate import Intent
from cases.access.notifications import notify
from cases.access.permissions import Role
from cases.sharing.answers.answer import (
    COUNTING,
    FINISHED,
    MOVES,
    STANDS_AS,
    Answer,
    AnswerStatus,
    AnswerVersion,
    Stage,
)
from cases.sharing.answers.content import Amendment, AmendmentReason, AnswerContent
from cases.sharing.answers.countersigning import ask_countersigner
from cases.sharing.answers.guards import CHANGED, Guard, check_meaning, check_telling, gather, require
from cases.sharing.answers.moving import lock, move_answer, require_head
from cases.sharing.answers.reading import admit_to, has_role, write_down
from cases.sharing.answers.register import find_version
from cases.sharing.answers.releasing import release, tell_readers, withdraw
from cases.sharing.answers.signatures import void_signatures, write_signed
from cases.sharing.intended_use import IntendedUse
from cases.sharing.moves import find_move
from cases.sharing.requests import ANSWERED, RequestStatus, ShareRequest, advance, find_request
from cases.sharing.requests.advancing import require_move
from cases.sharing.requests.parties import find_colleague


class Change(StrEnum):
    """How a signed answer is changed, by the event's name. Source: domain rules, 5.5."""

    ADDENDUM = "addendum"
    AMEND = "amend"
    CORRECT = "correct"


BECOMES: dict[Change, Stage] = {
    Change.ADDENDUM: Stage.ADDENDUM,
    Change.AMEND: Stage.AMENDED,
    Change.CORRECT: Stage.CORRECTED,
}
GUARDS: dict[Change, tuple[Guard, ...]] = {
    Change.ADDENDUM: (*CHANGED, check_meaning),
    Change.AMEND: (*CHANGED, check_telling),
    Change.CORRECT: CHANGED,
}


def change(
    session: Session,
    answer_id: uuid.UUID,
    number: int,
    how: Change,
    amendment: Amendment,
    *,
    mode: IntendedUse = IntendedUse.COMMUNICATION,
    dictation_checked: bool = False,
    countersigner_id: uuid.UUID | None = None,
    by: Actor,
    now: datetime,
) -> AnswerVersion:
    """Sign what was changed in a signed answer: everybody who has read it is told, and it is acknowledged again.

    Where such an answer is countersigned, its change is too; the answer before it stands until then. A correction
    leaves the meaning alone and needs no second person.

    Args:
        session: of this transaction.
        answer_id: of the answer.
        number: of the draft that holds the change, which is the newest version.
        how: new information, another meaning, or a slip of the pen.
        amendment: why, what, and who was told.
        mode: of this installation.
        dictation_checked: the signer has read what somebody else typed.
        countersigner_id: as in `signing.sign`.
        by: the author, or whom the head named.
        now: the moment.

    Raises:
        IllegalMove: the answer is not final.
        NotPermitted: somebody else's.
        Refused: the gate said no; D01 where the signer has not shown lately who they are.
        Stale: there is a newer version.
        NotReady: something is missing; it holds all of it.
        Invalid: what was changed is no correction.
    """
    request, answer = lock(session, answer_id, by=by)
    find_move(MOVES, how, answer.status)
    require_move(request, "amend")
    _require_amender(answer, request, by=by, now=now)
    decision = admit_to(session, answer, request, Intent.SIGN, by=by, now=now)
    if how is Change.CORRECT and amendment.reason is not AmendmentReason.CLERICAL:
        raise Invalid("A correction mends a slip of the pen. Choose an amendment for anything else.", field="reason")
    draft = require_head(session, answer, number)
    stood = find_version(session, answer, answer.released or answer.head)
    if how is Change.CORRECT and _meaning(draft.said) != _meaning(stood.said):
        raise Invalid("Codes, agreement or malignancy differ, so the meaning does. Choose an amendment.", field="how")
    signing = gather(
        session,
        answer,
        draft,
        request,
        mode=mode,
        by=by,
        now=now,
        dictation_checked=dictation_checked,
        amendment=amendment,
        before=stood.said,
    )
    require(signing, GUARDS[how])
    stage = BECOMES[how]
    waits = signing.needs_countersign and how is not Change.CORRECT
    version = write_signed(session, signing, stage, by=by, now=now)
    event, target = ("sign_for_countersign", AnswerStatus.AWAITING_COUNTERSIGN) if waits else (how, STANDS_AS[stage])
    move_answer(session, answer, event, target, by=by, now=now, reason=amendment.reason)
    if waits:
        ask_countersigner(session, request, countersigner_id, by=by, now=now)
    else:
        release(session, answer, version, request, now=now)
    write_down(
        session,
        Event.ANSWER_SIGNED if waits else Event.ANSWER_AMENDED,
        answer,
        request,
        by=by,
        number=version.number,
        decision=decision,
        reason=amendment.reason,
    )
    if not waits:
        advance(session, request, "amend", by=by, now=now, reason=amendment.reason)
        tell_readers(session, answer, request, version)
    return version


def _meaning(content: AnswerContent) -> tuple[object, ...]:
    """What a correction leaves alone: a slip of the pen is in words."""
    return content.codes, content.agreement, content.discrepancy, content.says_malignant


def name_amender(session: Session, answer: Answer, assignment_id: uuid.UUID, *, by: Actor, now: datetime) -> None:
    """The head names who may change a signed answer, where its author is away.

    Raises:
        NotPermitted: the actor is not head of the department that answered.
        Conflict: the answer is not signed.
        Invalid: the assignment is not of the same care unit.
    """
    request = find_request(session, answer.request_id, by=by)
    _require_head_of_department(answer, request, by=by, now=now)
    if answer.status not in FINISHED:
        raise Conflict("Only a signed answer is changed by somebody else. Give the request to another reader.")
    find_colleague(
        session,
        assignment_id,
        provider_id=request.performer_provider_id,
        unit_id=request.performer_unit_id,
        field="assignment_id",
        now=now,
    )
    admit_to(session, answer, request, Intent.READ, by=by, now=now)
    answer.amender_assignment_id = assignment_id
    session.flush()
    write_down(session, Event.ANSWER_AMENDER_NAMED, answer, request, by=by)
    notify(
        session,
        "ANSWER_AMENDER_NAMED",
        subject_kind="answer",
        subject_id=answer.id,
        short_id=request.short_id,
        provider_id=answer.care_provider_id,
        assignments=[assignment_id],
    )


def enter_in_error(session: Session, answer_id: uuid.UUID, reason: str, *, by: Actor, now: datetime) -> None:
    """Say that an answer was never right: it stays readable, struck out, and its request is read once more.

    Raises:
        IllegalMove: that was said before.
        NotPermitted: the actor is not head of the department that answered.
        Refused: the gate said no.
    """
    request, answer = lock(session, answer_id, by=by)
    find_move(MOVES, "enter_in_error", answer.status)
    _require_head_of_department(answer, request, by=by, now=now)
    decision = admit_to(session, answer, request, Intent.READ, by=by, now=now)
    before = answer.status
    move_answer(session, answer, "enter_in_error", AnswerStatus.ENTERED_IN_ERROR, by=by, now=now, text=reason)
    write_down(session, Event.ANSWER_ENTERED_IN_ERROR, answer, request, by=by, decision=decision)
    if before is AnswerStatus.AWAITING_COUNTERSIGN:
        void_signatures(session, find_version(session, answer, answer.head), now=now)
        if request.status is RequestStatus.COUNTERSIGN:
            advance(session, request, "send_back", by=by, now=now)
    if answer.released:
        version = find_version(session, answer, answer.released)
        withdraw(session, answer, version, request, now=now)
        if version.stage in COUNTING and request.status in ANSWERED:
            advance(session, request, "reopen", by=by, now=now, reason="ENTERED_IN_ERROR")
        tell_readers(session, answer, request, version, event="ANSWER_ENTERED_IN_ERROR")


def _require_amender(answer: Answer, request: ShareRequest, *, by: Actor, now: datetime) -> None:
    named = by.assignment_id in (answer.author_assignment_id, answer.amender_assignment_id)
    if not (named and has_role(by, Role.PAT, request, now)):
        raise NotPermitted("A signed answer is changed by its author, or by a pathologist whom the head named.")


def _require_head_of_department(answer: Answer, request: ShareRequest, *, by: Actor, now: datetime) -> None:
    if by.provider_id != answer.care_provider_id or not has_role(by, Role.HEAD, request, now):
        raise NotPermitted("This is for the head of the department that answered. Ask there.")
