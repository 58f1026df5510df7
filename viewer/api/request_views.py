"""Requests as they are shown."""

from __future__ import annotations

import uuid
from datetime import date, datetime

from pydantic import BaseModel, Field

from cases.access.gate import Code
from cases.access.patients import IdentifierStatus, Sex
from cases.access.patients import PatientView as Patient
from cases.sharing.competences import Subspecialty
from cases.sharing.opened_requests import Content, Names, OpenedRequest
from cases.sharing.requests import HoldReason, LegalGround, ReasonCode, RequestHold, RequestStatus, ShareRequest, Side
from cases.sharing.requests.disclosure import DisclosureState, ItemKind, Manifest
from cases.sharing.requests.hold import MEANINGS
from cases.sharing.service_descriptions import Notifier, RequestType, ResponsibilityModel, Urgency


class PartyShown(BaseModel):
    """A department and whose it is."""

    department_id: uuid.UUID
    department: str = Field(examples=["Klinisk patologi Linköping"])
    care_provider_id: uuid.UUID
    care_provider: str = Field(examples=["Region Östergötland"])

    @classmethod
    def of(cls, department_id: uuid.UUID, provider_id: uuid.UUID, names: Names) -> PartyShown:
        """By its ids."""
        department, provider = names.departments[department_id]
        return cls(
            department_id=department_id, department=department, care_provider_id=provider_id, care_provider=provider
        )


class Participant(BaseModel):
    """Participant who has to do with it.

    Attributes:
        name: null for somebody whose own data are protected.
    """

    assignment_id: uuid.UUID
    name: str | None = Field(examples=["Eva Ek"])


class HoldShown(BaseModel):
    """What keeps it from going on, who can mend it, and how."""

    reason: HoldReason
    since: datetime
    whose_turn: Side
    sentence: str
    owner: str
    next_step: str


class PatientShown(BaseModel):
    """Who it is about.

    Attributes:
        redacted: the identity is protected: everything else is null.
    """

    redacted: bool
    given_name: str | None
    family_name: str | None
    number: str | None
    birth_date: date | None
    sex: Sex | None


class SharedContent(BaseModel):
    """What was handed out last, and until when it may be looked at.

    Attributes:
        version: counted up when more was handed out.
        until: at the latest.
    """

    version: int
    state: DisclosureState
    ground: LegalGround
    decided_at: datetime
    until: datetime


class RequestContent(BaseModel):
    """What of a request is the patient's.

    Attributes:
        working_diagnosis: null where there is none, or it is hidden from the reader until the first draft.
        slide_ids, glass_ids, attachment_ids, case_ids: what was handed out, or is to be.
    """

    lid: str
    case_id: uuid.UUID
    patient: PatientShown
    question: str
    working_diagnosis: str | None
    working_diagnosis_hidden: bool
    harm_test_comment: str | None
    shared: SharedContent | None
    slide_ids: list[uuid.UUID]
    glass_ids: list[uuid.UUID]
    attachment_ids: list[uuid.UUID]
    case_ids: list[uuid.UUID]


class RefusalShown(BaseModel):
    """Why the content is not shown, and what can be done about it."""

    code: Code
    detail: str
    next_step: str | None


class RequestView(BaseModel):
    """A request.

    Attributes:
        short_id: what may be said of it anywhere.
        side: on which you stand.
        moves: what you can do with it now: names of the addresses under it.
        content: null where you may not see it, for the reason in `refusal`; moves answer without it.
        responsibility: who signs the case out meanwhile, in words.
        recall_requested_at: the owner wants the case back; the performer's head confirms.
    """

    id: uuid.UUID
    short_id: str = Field(examples=["R-7K3F2Q"])
    type: RequestType
    status: RequestStatus
    held_from: RequestStatus | None
    side: Side
    moves: list[str] = Field(examples=[["accept", "decline"]])
    holds: list[HoldShown]
    owner: PartyShown
    performer: PartyShown
    requester: Participant
    watcher: Participant
    named_reader: Participant | None
    reader: Participant | None
    responsibility: str
    responsibility_model: ResponsibilityModel
    urgency: Urgency
    subspecialty: Subspecialty
    svf_code: str | None
    reason_code: ReasonCode
    blind: bool
    billable: bool
    legal_ground: LegalGround | None
    cancer_notification_by: Notifier | None
    receiver_accession: str | None
    parent_request_id: uuid.UUID | None
    end_reason: str | None
    end_text: str | None
    escalation: int
    requested_due_at: datetime | None
    accept_by: datetime | None
    due_at: datetime | None
    created_at: datetime
    submitted_at: datetime | None
    offered_at: datetime | None
    accepted_at: datetime | None
    assigned_at: datetime | None
    first_opened_at: datetime | None
    answered_at: datetime | None
    acknowledged_at: datetime | None
    closed_at: datetime | None
    ended_at: datetime | None
    recall_requested_at: datetime | None
    version: int
    content: RequestContent | None
    refusal: RefusalShown | None


_SAME = RequestView.model_fields.keys() - {
    "side",
    "moves",
    "holds",
    "owner",
    "performer",
    "requester",
    "watcher",
    "named_reader",
    "reader",
    "responsibility",
    "content",
    "refusal",
}
"""What is shown as the row has it."""


def show_request(opened: OpenedRequest, names: Names) -> RequestView:
    """A request as somebody opened it."""
    request, decision = opened.request, opened.decision
    refusal = None
    if decision is not None and decision.code is not None:
        refusal = RefusalShown(code=decision.code, detail=decision.sentence, next_step=decision.next_step)
    owner = PartyShown.of(request.requester_department_id, request.care_provider_id, names)
    performer = PartyShown.of(request.performer_department_id, request.performer_provider_id, names)
    return RequestView(
        **{name: getattr(request, name) for name in _SAME},
        side=opened.side,
        moves=list(opened.moves),
        holds=[_show_hold(hold) for hold in opened.holds],
        owner=owner,
        performer=performer,
        requester=Participant(
            assignment_id=request.requester_assignment_id, name=names.people.get(request.requester_assignment_id)
        ),
        watcher=Participant(
            assignment_id=request.watcher_assignment_id, name=names.people.get(request.watcher_assignment_id)
        ),
        named_reader=_show_somebody(request.named_reader_id, names),
        reader=_show_somebody(request.reader_assignment_id, names),
        responsibility=_say_who_signs_out(request, owner, performer),
        content=_show_content(request, opened.content) if opened.content else None,
        refusal=refusal,
    )


def _say_who_signs_out(request: ShareRequest, owner: PartyShown, performer: PartyShown) -> str:
    if request.type is not RequestType.WORKLOAD_TRANSFER:
        return f"Konsultation: {owner.care_provider} behåller svarsansvaret."
    if request.accepted_at is None:
        return f"Övertag har erbjudits: {owner.care_provider} svarar ut tills det är accepterat."
    if request.ended_at is not None:
        return f"Återlämnat: {owner.care_provider} svarar ut."
    return f"Övertaget fall: {performer.care_provider} svarar ut."


def _show_somebody(assignment_id: uuid.UUID | None, names: Names) -> Participant | None:
    return Participant(assignment_id=assignment_id, name=names.people.get(assignment_id)) if assignment_id else None


def _show_hold(hold: RequestHold) -> HoldShown:
    meaning = MEANINGS[hold.reason]
    return HoldShown(
        reason=hold.reason,
        since=hold.began_at,
        whose_turn=hold.whose_turn,
        sentence=meaning.sentence,
        owner=meaning.owner,
        next_step=meaning.next_step,
    )


def _show_content(request: ShareRequest, content: Content) -> RequestContent:
    if content.items:
        ids = {kind: [one.resource_id for one in content.items if one.kind is kind] for kind in ItemKind}
    else:
        manifest = Manifest.read(request.manifest)
        ids = {
            ItemKind.SLIDE: list(manifest.slide_ids),
            ItemKind.GLASS: list(manifest.glass_ids),
            ItemKind.ATTACHMENT: list(manifest.attachment_ids),
            ItemKind.CASE: list(manifest.case_ids),
        }
    made = content.disclosure
    return RequestContent(
        lid=content.case.lid,
        case_id=content.case.id,
        patient=_show_patient(content.patient),
        question=request.question,
        working_diagnosis=content.working_diagnosis,
        working_diagnosis_hidden=content.hidden,
        harm_test_comment=request.harm_test_comment,
        shared=made
        and SharedContent(
            version=made.version_no,
            state=made.state,
            ground=made.legal_ground,
            decided_at=made.decided_at,
            until=made.valid_to,
        ),
        slide_ids=ids[ItemKind.SLIDE],
        glass_ids=ids[ItemKind.GLASS],
        attachment_ids=ids[ItemKind.ATTACHMENT],
        case_ids=[one for one in ids[ItemKind.CASE] if one != request.case_id],
    )


def _show_patient(patient: Patient) -> PatientShown:
    current = (number.extension for number in patient.numbers if number.status is IdentifierStatus.CURRENT)
    return PatientShown(
        redacted=patient.redacted,
        given_name=patient.given_name,
        family_name=patient.family_name,
        number=next(current, None),
        birth_date=patient.birth_date,
        sex=patient.sex,
    )
