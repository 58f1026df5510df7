"""Acknowledging: the owner has read the answer and takes it over. Source: SKR's "Svar bekräftat"; domain rules, 5.1."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy.orm import Session

from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.decisions import admit
from cases.access.errors import Conflict, NotPermitted
from cases.access.gate import Intent
from cases.access.permissions import Role
from cases.records.lead_times import Point, stamp
from cases.sharing import referrers
from cases.sharing.answers.answer import AnswerKind, Meaning
from cases.sharing.answers.content import Agreement
from cases.sharing.answers.reading import describe_case, write_down
from cases.sharing.answers.reconciliations import find_reconciliation
from cases.sharing.answers.register import find_answer, find_signed, has_read
from cases.sharing.answers.signatures import put_name
from cases.sharing.requests import ReasonCode, ShareRequest, Side, advance, lock_request, side_of
from cases.sharing.requests.advancing import require_move
from cases.sharing.requests.parties import holds_role
from cases.sharing.service_descriptions import RequestType


def acknowledge(session: Session, request_id: uuid.UUID, *, by: Actor, now: datetime) -> ShareRequest:
    """Confirm that the answer to one's own request was received and read.

    Raises:
        IllegalMove: there is no answer to acknowledge.
        NotPermitted: the other side, or a coordinator where no clinician ordered the review.
        Conflict: the newest version has not been opened, or a major discrepancy is not being reconciled.
        Refused: the gate said no.
    """
    request = lock_request(session, request_id, by=by)
    if side_of(request, by) is not Side.OWNER:
        raise NotPermitted("An answer is acknowledged by the department that asked for it.")
    require_move(request, "acknowledge")
    _require_recipient(request, by=by, now=now)
    decision = admit(session, describe_case(session, request, by=by, now=now), Intent.READ, by=by, now=now)
    version = find_signed(session, request)
    if version is None:
        raise Conflict("There is no answer to acknowledge. Wait for one.")
    if not has_read(session, version, assignment_id=by.assignment_id):
        raise Conflict("You have not opened the newest version of the answer. Read it first.")
    answer = find_answer(session, version.answer_id)
    if answer.agreement is Agreement.MAJOR_DISCREPANCY and find_reconciliation(session, version) is None:
        raise Conflict("The answer states a major discrepancy. Begin its reconciliation first.")
    put_name(session, version, Meaning.ACKNOWLEDGE, by=by, now=now)
    if answer.kind is AnswerKind.PRIMARY_REPORT:
        stamp(session, request.case_id, Point.REPORT_ACKNOWLEDGED, now)
    write_down(session, Event.ANSWER_ACKNOWLEDGED, answer, request, by=by, number=version.number, decision=decision)
    advance(session, request, "acknowledge", by=by, now=now)
    if answer.kind is not AnswerKind.PRIMARY_REPORT:
        # Opinions between pathologists are shown to who sent the referral once they have been taken over.
        referrers.tell(session, request.case_id, Event.ANSWER_ACKNOWLEDGED)
    return request


def _require_recipient(request: ShareRequest, *, by: Actor, now: datetime) -> None:
    """Who asked, who watches, or a pathologist or head there; a coordinator for what a clinician ordered."""
    people = (request.requester_assignment_id, request.watcher_assignment_id, request.stand_in_assignment_id)
    ordered = request.type is RequestType.REVIEW and request.reason_code is ReasonCode.CLINICIAN_ORDER
    roles = {Role.PAT, Role.HEAD} | ({Role.COO} if ordered else set())
    there = by.unit_id == request.unit_id and holds_role(by, request.requester_department_id, *roles, now=now)
    if not (by.assignment_id in people and not roles.isdisjoint(by.roles(now))) and not there:
        raise NotPermitted("An answer is acknowledged by a pathologist or the head of the department that asked.")
