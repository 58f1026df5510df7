"""Who may read and write answers: the gate's facts, and on which side of the request somebody stands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cases.access import audit
from cases.access.actors import Actor, Period
from cases.access.audit import Event, Subject
from cases.access.decisions import AccessDecision, admit
from cases.access.errors import NotThere
from cases.access.gate import Availability, CareLink, Intent, Resource
from cases.access.permissions import Role
from cases.database import new_id, platform
from cases.records.pathology_case import PathologyCase
from cases.sharing import requests
from cases.sharing.answers.answer import (
    Answer,
    AnswerKind,
    AnswerReading,
    AnswerStatus,
    AnswerVersion,
    Stage,
    Visibility,
)
from cases.sharing.answers.register import find_version, list_answers
from cases.sharing.requests import ANSWERED, ReasonCode, RequestStatus, ShareRequest, Side, find_request, side_of
from cases.sharing.requests.parties import holds_role, is_party
from cases.sharing.resources import describe_cases

AT_WORK = frozenset({Role.PAT, Role.RES, Role.COO, Role.HEAD})
"""Roles whose work a department's own answers are."""
ACKNOWLEDGED = frozenset({RequestStatus.ACKNOWLEDGED, RequestStatus.CLOSED})
"""Who asked has taken note of the answer."""


@dataclass(frozen=True)
class Reading:
    """An answer that somebody has opened."""

    answer: Answer
    request: ShareRequest
    version: AnswerVersion


def has_role(by: Actor, role: Role, request: ShareRequest, now: datetime) -> bool:
    """Whether somebody holds a role for the department that a request was sent to."""
    return by.unit_id == request.performer_unit_id and holds_role(by, request.performer_department_id, role, now=now)


def describe_case(session: Session, request: ShareRequest, *, by: Actor, now: datetime) -> Resource:
    """The case of a request, as facts for the gate."""
    with platform(session):
        case = session.get_one(PathologyCase, request.case_id)
    return describe_cases(session, [case], by=by, now=now)[case.id]


def describe_answer(session: Session, answer: Answer, request: ShareRequest, *, by: Actor, now: datetime) -> Resource:
    """An answer of the actor's own care provider, as facts for the gate.

    It is the performer's own record document and stays so when what was handed out may be looked at no longer.
    """
    case = describe_case(session, request, by=by, now=now)
    named = by.assignment_id in (answer.author_assignment_id, answer.amender_assignment_id)
    links = {CareLink.TEAM} if named or by.assignment_id == request.reader_assignment_id else set()
    if any(has_role(by, role, request, now) for role in AT_WORK):
        links.add(CareLink.QUEUE)
    return replace(
        case,
        kind="answer",
        id=answer.id,
        provider_id=answer.care_provider_id,
        unit_id=answer.unit_id,
        connections=by.connections,
        processings=by.processings,
        availability=Availability.READY,
        links=frozenset(links),
        disclosures=(),
        blocks=(),
        informed=Period(answer.created_at),
        named=CareLink.TEAM in links,
    )


def admit_to(
    session: Session, answer: Answer, request: ShareRequest, intent: Intent, *, by: Actor, now: datetime
) -> AccessDecision:
    """Ask the gate about an answer: the performer's people about their own document, the owner's about their case.

    Raises:
        Refused: the gate said no.
        NotThere: the answer is not for the actor's side.
    """
    if side_of(request, by) is Side.OWNER:
        resource = describe_case(session, request, by=by, now=now)
    else:
        resource = describe_answer(session, answer, request, by=by, now=now)
    return admit(session, resource, intent, by=by, now=now)


def admit_at_work(
    session: Session, answer: Answer, request: ShareRequest, intent: Intent, *, by: Actor, now: datetime
) -> AccessDecision:
    """Ask the gate for whoever signs: about the case while it is read, and once answered about their own document.

    Raises:
        Refused: the gate said no.
    """
    if request.status in ANSWERED:
        return admit_to(session, answer, request, intent, by=by, now=now)
    return admit(session, describe_case(session, request, by=by, now=now), intent, by=by, now=now)


def is_for(answer: Answer, request: ShareRequest, *, by: Actor, now: datetime) -> bool:
    """Whether somebody on the performer's side may see what is not signed yet."""
    if by.provider_id != answer.care_provider_id:
        return False
    shared = answer.visibility is Visibility.UNIT and by.unit_id == answer.unit_id
    judges = answer.status is AnswerStatus.AWAITING_COUNTERSIGN and has_role(by, Role.PAT, request, now)
    own = by.assignment_id in (answer.author_assignment_id, answer.amender_assignment_id)
    return own or shared or judges or has_role(by, Role.COO, request, now)


def is_handed_on(answer: Answer, request: ShareRequest) -> bool:
    """Whether a clinician may read an answer, where the gate opens its case: see `cases.sharing.my_referrals`."""
    return answer.released is not None and (
        answer.kind is AnswerKind.PRIMARY_REPORT
        or request.reason_code is ReasonCode.CLINICIAN_ORDER
        or request.status in ACKNOWLEDGED
    )


def require_told(session: Session, request: ShareRequest, *, by: Actor, now: datetime) -> None:
    """Let only those see what belongs to a request who are a party of it, or whom an answer to it was handed on to.

    Raises:
        NotThere: it is between the laboratories, so far.
    """
    if not is_party(request, by=by, now=now) and not any(
        is_handed_on(answer, request) for answer in list_answers(session, request)
    ):
        raise NotThere("There is no such request.")


def open_answer(session: Session, answer: Answer, *, number: int | None = None, by: Actor, now: datetime) -> Reading:
    """Open an answer to read it: logged, and noted as read where it is signed.

    Args:
        session: of this transaction.
        answer: which.
        number: of the version; None for the one that stands for this reader.
        by: who reads.
        now: the moment.

    Raises:
        NotThere: there is no such version for this reader.
        Refused: the gate said no.
    """
    request = find_request(session, answer.request_id, by=by)
    if number is None:
        number = answer.head if is_for(answer, request, by=by, now=now) else answer.released
    version = find_version(session, answer, number) if number else None
    if version is None or not (
        (version.released_at and _is_released_to(answer, request, by=by, now=now))
        or is_for(answer, request, by=by, now=now)
    ):
        raise NotThere("There is no such answer.")
    decision = admit_to(session, answer, request, Intent.READ, by=by, now=now)
    if version.stage is not Stage.DRAFT:
        note_reading(session, version, by=by, now=now)
    write_down(session, Event.ANSWER_VIEWED, answer, request, by=by, number=version.number, decision=decision)
    return Reading(answer, request, version)


def open_list(session: Session, request: ShareRequest, *, by: Actor, now: datetime) -> list[Answer]:
    """The answers to a request that somebody may know of, the oldest first; logged.

    Raises:
        NotThere: nothing of the request is for the actor.
        Refused: the gate said no.
    """
    require_told(session, request, by=by, now=now)
    known = [
        answer
        for answer in list_answers(session, request)
        if _is_released_to(answer, request, by=by, now=now) or is_for(answer, request, by=by, now=now)
    ]
    if not known:
        admit(session, describe_case(session, request, by=by, now=now), Intent.READ, by=by, now=now)
    for answer in known:
        decision = admit_to(session, answer, request, Intent.READ, by=by, now=now)
        write_down(session, Event.LIST_VIEWED, answer, request, by=by, decision=decision)
    return known


def admit_to_versions(session: Session, answer: Answer, *, by: Actor, now: datetime) -> bool:
    """Ask for the list of an answer's versions; whether its drafts are among what the actor may see.

    Raises:
        NotThere: nothing of it is for the actor.
        Refused: the gate said no.
    """
    request = find_request(session, answer.request_id, by=by)
    drafts_too = is_for(answer, request, by=by, now=now)
    if not drafts_too and not _is_released_to(answer, request, by=by, now=now):
        raise NotThere("There is no such answer.")
    decision = admit_to(session, answer, request, Intent.READ, by=by, now=now)
    write_down(session, Event.LIST_VIEWED, answer, request, by=by, decision=decision)
    return drafts_too


def write_down(
    session: Session,
    event: Event,
    answer: Answer,
    request: ShareRequest,
    *,
    by: Actor,
    number: int | None = None,
    decision: AccessDecision | None = None,
    reason: str | None = None,
) -> None:
    """Log what somebody did with an answer, for both parties' logs; `reason` is a code, never text."""
    with platform(session):
        patient_id = session.get_one(PathologyCase, request.case_id).patient_id
    made = Subject(
        kind="answer",
        id=answer.id,
        patient_id=patient_id,
        provider_id=answer.care_provider_id,
        unit_id=answer.unit_id,
    )
    audit.record(
        session,
        event,
        by=by,
        subjects=[made, requests.subject_of(request, patient_id)],
        basis=decision.basis if decision else None,
        decision_id=decision.id if decision else None,
        args={"request": request.short_id, "version": number, "reason": reason},
    )


def note_reading(session: Session, version: AnswerVersion, *, by: Actor, now: datetime) -> None:
    """Somebody has opened a signed version; the first time counts."""
    session.execute(
        insert(AnswerReading)
        .values(
            id=new_id(),
            answer_version_id=version.id,
            request_id=version.request_id,
            care_provider_id=by.provider_id,
            assignment_id=by.assignment_id,
            at=now,
        )
        .on_conflict_do_nothing()
    )


def _is_released_to(answer: Answer, request: ShareRequest, *, by: Actor, now: datetime) -> bool:
    """Whether there is something signed of an answer that is for somebody."""
    return is_handed_on(answer, request) or (answer.released is not None and is_party(request, by=by, now=now))
