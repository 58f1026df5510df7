"""Requests: drafting, looking at who will see what before it is sent, and reading."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field
from pydantic.config import JsonDict

from cases.access.actors import Actor
from cases.access.permissions import Permission
from cases.sharing.competences import Subspecialty
from cases.sharing.opened_requests import (
    find_mine,
    find_names,
    find_requests,
    open_read_case,
    open_request,
    show_standing,
)
from cases.sharing.requests import LegalGround, Manifest, ReasonCode, agreed, drafting, lock_request, submitting
from cases.sharing.requests.drafting import Wish
from cases.sharing.service_descriptions import Notifier, RequestType, ServiceDescription, Urgency
from viewer.api.fields import ClinicalText, Line, Moment, example
from viewer.api.request_views import PartyShown, RequestView, show_request
from viewer.dependencies import Database, Match, Now, permit, require_version, set_etag
from viewer.idempotency import Again

router = APIRouter(prefix="/api/requests", tags=["requests"])

cases_router = APIRouter(prefix="/api/cases/{case_id}/requests", tags=["requests"])

Asker = Annotated[Actor, Depends(permit(Permission.CREATE_REQUEST), scope="function")]
Reader = Annotated[Actor, Depends(permit(Permission.READ_RECORD), scope="function")]
Ids = Annotated[list[uuid.UUID], Field(max_length=200)]

EXAMPLE: JsonDict = {
    "type": "SECOND_OPINION",
    "performer_department_id": "01a20385-51b2-7d0c-a6f4-0c5a4c1f1e11",
    "subspecialty": "GI",
    "urgency": "ROUTINE",
    "reason_code": "DIFFICULT",
    "question": "Höggradig dysplasi eller invasiv växt?",
    "working_diagnosis": "Höggradig dysplasi",
    "slide_ids": ["01a20385-52aa-7b11-8a7a-1b0a8f4a2b22"],
    "legal_ground": "CONSENT_PRESUMED_REFERRAL",
    "harm_weighed": True,
}


class RequestDraft(BaseModel):
    """What somebody wants to ask.

    Attributes:
        named_reader_id: an assignment at the performer, if it is for one person alone.
        watcher_assignment_id: who sees to it that an answer comes; you, if left out.
        blind: the working diagnosis is hidden from the reader until their first draft.
        slide_ids, glass_ids, attachment_ids: what is handed out: scans, glass whose scans are on their way, documents.
        case_ids: prior cases of the same patient, of which slides are among the others.
        harm_weighed: you have weighed whether handing this out harms the patient.
        parent_request_id: an earlier request that this one follows.
    """

    model_config = example(**EXAMPLE)

    type: RequestType
    performer_department_id: uuid.UUID
    subspecialty: Subspecialty
    urgency: Urgency = Urgency.ROUTINE
    reason_code: ReasonCode
    question: ClinicalText | None = None
    working_diagnosis: ClinicalText | None = None
    blind: bool = False
    named_reader_id: uuid.UUID | None = None
    watcher_assignment_id: uuid.UUID | None = None
    stand_in_assignment_id: uuid.UUID | None = None
    svf_code: Annotated[Line, Field(max_length=20)] | None = None
    requested_due_at: Moment | None = None
    slide_ids: Ids = []
    glass_ids: Ids = []
    attachment_ids: Ids = []
    case_ids: Ids = []
    legal_ground: LegalGround | None = None
    harm_weighed: bool = False
    harm_test_comment: ClinicalText | None = None
    consent_assertion_id: uuid.UUID | None = None
    cancer_notification_by: Notifier | None = None
    parent_request_id: uuid.UUID | None = None

    def read(self) -> Wish:
        """As the rules take it."""
        lists = {"slide_ids", "glass_ids", "attachment_ids", "case_ids"}
        told = self.model_dump(exclude={*lists, "case_id", "question"})
        manifest = Manifest(**{name: tuple(getattr(self, name)) for name in lists})
        return Wish(**told, question=self.question or "", manifest=manifest)


class NewRequest(RequestDraft):
    """What somebody wants to ask about a case."""

    model_config = example(case_id="01a20385-4f40-758f-9761-dfd273a10a16", **EXAMPLE)

    case_id: uuid.UUID


class ServiceShown(BaseModel):
    """The service that a request would be made under.

    Attributes:
        answer_minutes: of working time, from submitting to the signed answer.
    """

    id: uuid.UUID
    accept_minutes: int | None
    answer_minutes: int | None
    allow_download: bool
    requires_receiver_accession: bool
    disclosure_ttl_days: int
    post_answer_view_days: int


class MissingShown(BaseModel):
    """One thing that stands against submitting, and who can mend it."""

    field: str = Field(examples=["working_diagnosis"])
    sentence: str
    who: str = Field(examples=["The requester"])


class Preview(BaseModel):
    """What would happen: who will see what, from when until when, and what is still missing.

    Attributes:
        ready: nothing stands against submitting.
        to: the department whose readers will see it; or `named_reader` alone.
        from_when: the state from which on: as soon as it is offered.
        until: when looking ends at the latest; it ends earlier with the answer's time for looking, or when you recall.
        slides: how many would be handed out.
        default_legal_ground: which you are asked to confirm.
    """

    ready: bool
    missing: list[MissingShown]
    to: PartyShown
    named_reader: str | None
    from_when: str = Field(examples=["OFFERED"])
    until: datetime | None
    slides: int
    attachments: int
    prior_cases: int
    due_at: datetime | None
    service: ServiceShown | None
    default_legal_ground: LegalGround


class RequestList(BaseModel):
    """Requests about a case."""

    items: list[RequestView]


@router.post("", status_code=201)
def create_request(
    body: NewRequest, database: Database, actor: Asker, now: Now, response: Response, again: Again
) -> RequestView:
    """Begin a request about a case of your own. Nobody else sees it until it is submitted."""
    if not again:
        case = open_read_case(database, body.case_id, by=actor, now=now)
        again.remember(drafting.create_draft(database, case, body.read(), by=actor, now=now).id)
    request = find_mine(database, again.resource_id, by=actor)
    set_etag(response, request)
    return show_request(open_request(database, request, by=actor, now=now), find_names(database, [request]))


@router.post("/preview")
def preview_request(body: NewRequest, database: Database, actor: Asker, now: Now) -> Preview:
    """Look at what a request would do before it is sent; nothing is kept."""
    case = open_read_case(database, body.case_id, by=actor, now=now)
    request = drafting.preview_draft(database, case, body.read(), by=actor, now=now)
    missing = submitting.find_missing(database, request, case, by=actor, now=now)
    service = submitting.find_offered_service(database, request, now=now)
    minutes = service.answer_minutes.get(request.urgency) if service else None
    names = find_names(database, [request])
    return Preview(
        ready=not missing,
        missing=[MissingShown(field=one.field, sentence=one.sentence, who=one.who) for one in missing],
        to=PartyShown.of(request.performer_department_id, request.performer_provider_id, names),
        named_reader=names.people.get(request.named_reader_id) if request.named_reader_id else None,
        from_when="OFFERED",
        until=now + timedelta(days=service.disclosure_ttl_days) if service else None,
        slides=len(body.slide_ids) + len(body.glass_ids),
        attachments=len(body.attachment_ids),
        prior_cases=len(body.case_ids),
        due_at=agreed.add_time(now, minutes, request.urgency) if minutes else None,
        service=_show_service(service, request.urgency) if service else None,
        default_legal_ground=submitting.find_default_ground(database, case, service, now=now),
    )


@router.get("/{request_id}")
def read_request(request_id: uuid.UUID, database: Database, actor: Reader, now: Now, response: Response) -> RequestView:
    """One request: how it stands, what you can do with it, and its content where you may see it. Logged."""
    request = find_mine(database, request_id, by=actor)
    set_etag(response, request)
    return show_request(open_request(database, request, by=actor, now=now), find_names(database, [request]))


@router.put("/{request_id}")
def change_request(
    request_id: uuid.UUID,
    body: RequestDraft,
    database: Database,
    actor: Asker,
    now: Now,
    match: Match,
    response: Response,
) -> RequestView:
    """Replace what a draft says."""
    request = lock_request(database, find_mine(database, request_id, by=actor).id, by=actor)
    require_version(request, match)
    case = open_read_case(database, request.case_id, by=actor, now=now)
    drafting.change_draft(database, request, case, body.read(), by=actor, now=now)
    set_etag(response, request)
    return show_request(show_standing(database, request, by=actor, now=now), find_names(database, [request]))


@cases_router.get("")
def list_case_requests(case_id: uuid.UUID, database: Database, actor: Reader, now: Now) -> RequestList:
    """List what was asked about a case, by your care unit or of it, the newest first; each without its content."""
    open_read_case(database, case_id, by=actor, now=now)
    found = find_requests(database, case_id, by=actor)
    names = find_names(database, found)
    shown = [show_request(show_standing(database, one, by=actor, now=now), names) for one in found]
    return RequestList(items=shown)


def _show_service(service: ServiceDescription, urgency: Urgency) -> ServiceShown:
    return ServiceShown(
        id=service.id,
        accept_minutes=service.accept_minutes.get(urgency),
        answer_minutes=service.answer_minutes.get(urgency),
        allow_download=service.allow_download,
        requires_receiver_accession=service.requires_receiver_accession,
        disclosure_ttl_days=service.disclosure_ttl_days,
        post_answer_view_days=service.post_answer_view_days,
    )
