"""Signing: what was written becomes the answer. One signer wins; everything that is missing is told at once."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy.orm import Session

from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.decisions import AccessDecision, admit
from cases.access.errors import NotPermitted
from cases.access.gate import Code, Decision, Intent, Refused
from cases.access.notifications import notify
from cases.access.permissions import Permission, Role
from cases.records.lead_times import Point, stamp
from cases.sharing import requests
from cases.sharing.answers.answer import (
    MOVES,
    Answer,
    AnswerStatus,
    AnswerVersion,
    Stage,
)
from cases.sharing.answers.countersigning import ask_countersigner
from cases.sharing.answers.guards import FINAL, PRELIMINARY, Signing, gather, require
from cases.sharing.answers.moving import lock, move_answer, require_head
from cases.sharing.answers.reading import describe_case, has_role, write_down
from cases.sharing.answers.register import find_version
from cases.sharing.answers.releasing import release
from cases.sharing.answers.signatures import write_signed
from cases.sharing.intended_use import IntendedUse
from cases.sharing.moves import find_move
from cases.sharing.requests import ShareRequest, advance
from cases.sharing.requests.advancing import require_move


def prepare(session: Session, answer: Answer, *, mode: IntendedUse, by: Actor, now: datetime) -> Signing:
    """What signing the newest version would ask for, without signing it. See `guards.find_lacks`.

    Raises:
        NotPermitted: it is not the actor's to sign.
        Refused: the gate said no.
    """
    request = requests.find_request(session, answer.request_id, by=by)
    resident = _require_signer(request, by=by, now=now)
    admit(session, describe_case(session, request, by=by, now=now), Intent.DRAFT, by=by, now=now)
    version = find_version(session, answer, answer.head)
    return gather(session, answer, version, request, mode=mode, by=by, now=now, resident=resident)


def sign_preliminary(
    session: Session,
    answer_id: uuid.UUID,
    number: int,
    *,
    mode: IntendedUse = IntendedUse.COMMUNICATION,
    dictation_checked: bool = False,
    by: Actor,
    now: datetime,
) -> AnswerVersion:
    """Sign a preliminary answer, which the owner sees at once; it may be repeated. Arguments and errors as `sign`."""
    request, answer = lock(session, answer_id, by=by)
    move = find_move(MOVES, "sign_preliminary", answer.status)
    require_move(request, "sign")
    if _require_signer(request, by=by, now=now):
        raise NotPermitted("A preliminary answer is signed by a pathologist. Ask the one who supervises you.")
    decision = _admit_signer(session, request, by=by, now=now)
    draft = require_head(session, answer, number)
    signing = gather(session, answer, draft, request, mode=mode, by=by, now=now, dictation_checked=dictation_checked)
    require(signing, PRELIMINARY)
    version = write_signed(session, signing, Stage.PRELIMINARY, by=by, now=now)
    move_answer(session, answer, move.event, AnswerStatus.PRELIMINARY, by=by, now=now)
    release(session, answer, version, request, now=now)
    write_down(session, Event.ANSWER_SIGNED, answer, request, by=by, number=version.number, decision=decision)
    tell_owner(session, "ANSWER_PRELIMINARY", request)
    return version


def sign(
    session: Session,
    answer_id: uuid.UUID,
    number: int,
    *,
    mode: IntendedUse = IntendedUse.COMMUNICATION,
    dictation_checked: bool = False,
    countersigner_id: uuid.UUID | None = None,
    by: Actor,
    now: datetime,
) -> AnswerVersion:
    """Sign an answer as its author. Where the service or a resident's part ask for it, somebody countersigns.

    Args:
        session: of this transaction.
        answer_id: of the answer.
        number: of the version that the signer has before them, which is the newest.
        mode: of this installation.
        dictation_checked: the signer has read what somebody else typed.
        countersigner_id: the assignment of who is to countersign, where somebody must; None for any pathologist.
        by: the reader.
        now: the moment.

    Returns:
        The signed version.

    Raises:
        IllegalMove: the answer, or the request, is not where somebody signs.
        NotPermitted: somebody else reads it.
        Refused: the gate said no; D01 where the signer has not shown lately who they are.
        Stale: there is a newer version.
        NotReady: something is missing; it holds all of it.
        Invalid: an annotation that is cited is not there, or not for those who will read the answer.
    """
    request, answer = lock(session, answer_id, by=by)
    find_move(MOVES, "sign", answer.status)
    require_move(request, "sign")
    resident = _require_signer(request, by=by, now=now)
    decision = _admit_signer(session, request, by=by, now=now)
    draft = require_head(session, answer, number)
    signing = gather(
        session,
        answer,
        draft,
        request,
        mode=mode,
        by=by,
        now=now,
        resident=resident,
        dictation_checked=dictation_checked,
    )
    event = "sign_for_countersign" if signing.needs_countersign else "sign"
    require(signing, FINAL)
    version = write_signed(session, signing, Stage.FINAL, by=by, now=now)
    if signing.primary:
        stamp(session, request.case_id, Point.READY_TO_SIGN, now)
    target = AnswerStatus.AWAITING_COUNTERSIGN if signing.needs_countersign else AnswerStatus.FINAL
    move_answer(session, answer, event, target, by=by, now=now)
    if signing.needs_countersign:
        ask_countersigner(session, request, countersigner_id, by=by, now=now)
    else:
        release(session, answer, version, request, now=now)
    write_down(session, Event.ANSWER_SIGNED, answer, request, by=by, number=version.number, decision=decision)
    advance(session, request, event, by=by, now=now)
    return version


def tell_owner(session: Session, event: str, request: ShareRequest) -> None:
    """Tell whoever asked, and whoever watches for the answer."""
    notify(
        session,
        event,
        subject_kind="request",
        subject_id=request.id,
        short_id=request.short_id,
        provider_id=request.care_provider_id,
        assignments=[
            request.requester_assignment_id,
            request.watcher_assignment_id,
            request.stand_in_assignment_id,
        ],
    )


def _require_signer(request: ShareRequest, *, by: Actor, now: datetime) -> bool:
    """Whether the reader is a resident, whose answer somebody countersigns. Raises NotPermitted for anybody else."""
    if by.assignment_id != request.reader_assignment_id:
        raise NotPermitted("An answer is signed by whoever reads the request. Ask your head to assign it to you.")
    if has_role(by, Role.PAT, request, now):
        return False
    if has_role(by, Role.RES, request, now):
        return True
    raise NotPermitted("Answers are signed by pathologists, and by residents for countersigning.")


def _admit_signer(session: Session, request: ShareRequest, *, by: Actor, now: datetime) -> AccessDecision:
    if by.may(Permission.SIGN_ANSWER, now):
        intent = Intent.SIGN
    else:
        # A resident may not sign what counts, but shows who they are all the same.
        intent = Intent.DRAFT
        require_proof(by, now=now)
    return admit(session, describe_case(session, request, by=by, now=now), intent, by=by, now=now)


def require_proof(by: Actor, *, now: datetime) -> None:
    """Raise Refused with D01 where somebody has not shown within five minutes who they are."""
    if not by.proved_lately(now):
        raise Refused(Decision(allow=False, intent=Intent.SIGN, code=Code.D01))
