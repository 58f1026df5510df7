"""Drafts of requests: what somebody wants to ask, before anything leaves the owner."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.consents import ConsentAssertion
from cases.access.errors import Conflict, Invalid, NotPermitted
from cases.access.permissions import Permission, Role
from cases.database import platform
from cases.records.pathology_case import PathologyCase
from cases.sharing.competences import Subspecialty
from cases.sharing.moves import write_event
from cases.sharing.requests import parties
from cases.sharing.requests.disclosure import Manifest
from cases.sharing.requests.disclosures import check_manifest
from cases.sharing.requests.request import (
    LegalGround,
    ReasonCode,
    RequestStatus,
    ShareRequest,
    Side,
    make_short_id,
    subject_of,
)
from cases.sharing.service_descriptions import Notifier, RequestType, Urgency

LONGEST_TEXT = 20_000
"""Characters of a question or a comment."""
ORDERED_BY: Mapping[Role, RequestType] = {Role.CLN: RequestType.REVIEW, Role.MDT: RequestType.MDT_PREP}
"""What those who are no pathologists can ask for. Source: domain rules, section 6."""
FREE = frozenset({ReasonCode.POLICY_DOUBLE_READ, ReasonCode.QA})
"""Reviews on own initiative cost nothing. Source: domain rules, 5.1, after W23."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody wants to ask; whether it is complete is looked at when it is submitted.

    Attributes:
        performer_department_id: of whom.
        named_reader_id: an assignment there, if it is for one person alone.
        watcher_assignment_id: who sees to it that an answer comes; whoever asks, by default.
        working_diagnosis: what is judged; `blind` hides it from the reader before their first draft.
        requested_due_at: when an answer is wished for; the service says when it can be had.
        manifest: what is handed out.
        legal_ground: which the sender confirms, with `harm_weighed` and a comment on it.
        consent_assertion_id: of the patient's explicit consent, where that is the ground.
        parent_request_id: an earlier request that this one follows.
    """

    type: RequestType
    performer_department_id: uuid.UUID
    subspecialty: Subspecialty
    urgency: Urgency
    reason_code: ReasonCode
    question: str
    working_diagnosis: str | None = None
    blind: bool = False
    named_reader_id: uuid.UUID | None = None
    watcher_assignment_id: uuid.UUID | None = None
    stand_in_assignment_id: uuid.UUID | None = None
    svf_code: str | None = None
    requested_due_at: datetime | None = None
    manifest: Manifest = field(default_factory=Manifest)
    legal_ground: LegalGround | None = None
    harm_weighed: bool = False
    harm_test_comment: str | None = None
    consent_assertion_id: uuid.UUID | None = None
    cancer_notification_by: Notifier | None = None
    parent_request_id: uuid.UUID | None = None


def create_draft(session: Session, case: PathologyCase, wish: Wish, *, by: Actor, now: datetime) -> ShareRequest:
    """Begin a request about a case of one's own care unit. Nobody else sees it until it is offered.

    Raises:
        NotPermitted: the case is another's, or the role orders other things.
        Invalid: something in the wish contradicts something else.
    """
    request = _make(session, case, wish, by=by, now=now)
    with platform(session):
        while session.scalar(select(ShareRequest.id).where(ShareRequest.short_id == request.short_id)):
            request.short_id = make_short_id()
    session.add(request)
    session.flush()
    write_event(
        session,
        entity="request",
        entity_id=request.id,
        care_provider_id=request.care_provider_id,
        event="create",
        before=None,
        after=RequestStatus.DRAFT,
        by=by,
        now=now,
        request_id=request.id,
    )
    audit.record(session, Event.REQUEST_CREATED, by=by, subjects=[subject_of(request, case.patient_id)])
    return request


def preview_draft(session: Session, case: PathologyCase, wish: Wish, *, by: Actor, now: datetime) -> ShareRequest:
    """The request as it would be, for looking at what is missing; it is not kept. Raises as `create_draft`."""
    return _make(session, case, wish, by=by, now=now)


def change_draft(
    session: Session, request: ShareRequest, case: PathologyCase, wish: Wish, *, by: Actor, now: datetime
) -> None:
    """Replace what a draft says.

    Raises:
        Conflict: it is no draft any more.
        NotPermitted, Invalid: as `create_draft`.
    """
    parties.require_side(session, request, Side.OWNER, Permission.CREATE_REQUEST, by=by, now=now)
    if request.status is not RequestStatus.DRAFT:
        raise Conflict("A request is changed while it is a draft. Extend what is shared, or recall it and copy it.")
    for name, value in _columns(session, case, wish, by=by, now=now).items():
        setattr(request, name, value)
    session.flush()
    audit.record(session, Event.REQUEST_CHANGED, by=by, subjects=[subject_of(request, case.patient_id)])


def _make(session: Session, case: PathologyCase, wish: Wish, *, by: Actor, now: datetime) -> ShareRequest:
    elsewhere = case.care_unit_id != by.unit_id and Role.CLN not in by.roles(now)
    if case.care_provider_id != by.provider_id or elsewhere:
        raise NotPermitted("Requests are made by the care unit that owns the case. Ask there.")
    return ShareRequest(
        short_id=make_short_id(),
        case_id=case.id,
        care_provider_id=case.care_provider_id,
        unit_id=case.care_unit_id,
        requester_assignment_id=by.assignment_id,
        requester_department_id=case.department_id,
        status=RequestStatus.DRAFT,
        created_by=by.assignment_id,
        **_columns(session, case, wish, by=by, now=now),
    )


def _columns(session: Session, case: PathologyCase, wish: Wish, *, by: Actor, now: datetime) -> dict[str, Any]:
    """What of a draft's row comes from a wish."""
    _check(session, case, wish, by=by, now=now)
    department, unit = parties.find_department_unit(
        session, wish.performer_department_id, field="performer_department_id"
    )
    if department.care_provider_id == by.provider_id:
        raise Invalid("Requests go to another care provider's department.", field="performer_department_id")
    if wish.named_reader_id:
        parties.find_colleague(
            session,
            wish.named_reader_id,
            provider_id=department.care_provider_id,
            unit_id=unit.id,
            field="named_reader_id",
            now=now,
        )
    for name in ("watcher_assignment_id", "stand_in_assignment_id"):
        if assignment_id := getattr(wish, name):
            parties.find_colleague(
                session, assignment_id, provider_id=by.provider_id, unit_id=by.unit_id, field=name, now=now
            )
    taken_over = {one.name for one in fields(wish)} - {"manifest", "harm_weighed", "watcher_assignment_id"}
    return {name: getattr(wish, name) for name in taken_over} | {
        "watcher_assignment_id": wish.watcher_assignment_id or by.assignment_id,
        "performer_provider_id": department.care_provider_id,
        "performer_unit_id": unit.id,
        "manifest": wish.manifest.keep(),
        "billable": not (wish.type is RequestType.REVIEW and wish.reason_code in FREE),
        "harm_tested_by": by.assignment_id if wish.harm_weighed else None,
        "harm_tested_at": now if wish.harm_weighed else None,
    }


def _check(session: Session, case: PathologyCase, wish: Wish, *, by: Actor, now: datetime) -> None:
    if wish.type is RequestType.INTRAOPERATIVE:
        raise Invalid("Frozen sections are announced by telephone, not asked for with a request.", field="type")
    others = by.roles(now) & {Role.PAT, Role.RES, Role.COO, Role.HEAD}
    if not others and wish.type not in {ORDERED_BY[role] for role in by.roles(now) & ORDERED_BY.keys()}:
        raise NotPermitted("Clinicians order reviews, and conference coordinators what a conference needs.")
    for name in ("question", "working_diagnosis", "harm_test_comment"):
        if len(getattr(wish, name) or "") > LONGEST_TEXT:
            raise Invalid(f"Write {LONGEST_TEXT} characters at the most.", field=name)
    if wish.blind and wish.type not in (RequestType.SECOND_OPINION, RequestType.REVIEW):
        raise Invalid("Only second opinions and reviews can be read blind.", field="blind")
    if wish.parent_request_id:
        parent = session.get(ShareRequest, wish.parent_request_id)
        if parent is None or parent.case_id != case.id:
            raise Invalid("The request that this one follows is about the same case.", field="parent_request_id")
    if wish.consent_assertion_id and session.get(ConsentAssertion, wish.consent_assertion_id) is None:
        raise Invalid(
            "There is no such consent at this care provider. Register it first.", field="consent_assertion_id"
        )
    check_manifest(session, case, wish.manifest)
