"""What the API says of a request, a case and a patient in a list."""

from __future__ import annotations

import uuid
from datetime import date, datetime

from pydantic import BaseModel, ConfigDict

from cases.access.gate import Code
from cases.access.gate.codes import SENTENCES
from cases.access.patients import Sex
from cases.records.pathology_case import CaseStatus, Category
from cases.sharing.competences import Subspecialty
from cases.sharing.requests import HoldReason, RequestStatus, Side
from cases.sharing.requests.hold import MEANINGS
from cases.sharing.service_descriptions import RequestType, Urgency
from cases.sharing.work_orders.order import DoneBy, WorkKind, WorkOrderStatus
from cases.sharing.worklists import CaseRow, RequestRow
from cases.sharing.worklists.lines import CaseLine, SlideCount


class Plain(BaseModel):
    """Made from a row of the rules."""

    model_config = ConfigDict(from_attributes=True)


class Refusal(BaseModel):
    """Why something is not shown, and what can be done about it."""

    code: Code
    detail: str
    next_step: str


class ListedPatient(Plain):
    """Who it is about."""

    id: uuid.UUID
    given_name: str
    family_name: str
    number: str | None
    birth_date: date | None
    sex: Sex | None


class ListedSpecimen(Plain):
    """One specimen of a case."""

    letter: str
    type: str | None
    site: str | None


class Slides(Plain):
    """How many of the slides are there: 7 of 8.

    Attributes:
        missing: glass that is waited for, by name.
        thumbnails: slides whose thumbnail can be asked for.
    """

    arrived: int
    expected: int
    missing: list[str]
    quarantined: int
    thumbnails: list[uuid.UUID]


class ListedCase(BaseModel):
    """A case as far as you may see it.

    Attributes:
        lid: the laboratory's number; null where you may not know it.
        protected: the identity is protected; without `patient` you are not named for it.
        patient: null where `refusal` says why.
    """

    id: uuid.UUID
    lid: str | None
    protected: bool
    patient: ListedPatient | None
    specimens: list[ListedSpecimen]
    refusal: Refusal | None


class Hold(BaseModel):
    """One thing that holds a request: what is the matter, who can mend it, and how."""

    reason: HoldReason
    detail: str
    owner: str
    next_step: str
    since: datetime


class Work(Plain):
    """An order that is not done yet; where it is blocking, the reader waits for it."""

    kind: WorkKind
    done_by: DoneBy
    status: WorkOrderStatus
    blocking: bool


class Party(Plain):
    """A department, with whose it is."""

    department_id: uuid.UUID
    department: str
    provider_id: uuid.UUID
    provider: str


class Latest(Plain):
    """What happened last."""

    event: str
    at: datetime


class ListedRequest(BaseModel):
    """A request as lists show it.

    Attributes:
        side: on which of its two sides you stand.
        stage: where it is, or was when it was held.
        late: it should have been answered, or accepted, before now.
        waits_for: what the reader waits for: kinds of orders, and QUESTION for an answer.
        reader: who reads, if anybody yet.
    """

    id: uuid.UUID
    short_id: str
    type: RequestType
    side: Side
    status: RequestStatus
    stage: RequestStatus
    urgency: Urgency
    svf_code: str | None
    subspecialty: Subspecialty
    due_at: datetime | None
    accept_by: datetime | None
    late: bool
    escalation: int
    recall_requested_at: datetime | None
    requester: Party
    performer: Party
    reader_assignment_id: uuid.UUID | None
    reader: str | None
    case: ListedCase
    slides: Slides
    holds: list[Hold]
    work: list[Work]
    waits_for: list[str]
    latest: Latest | None
    version: int


class ListedOwnCase(BaseModel):
    """A case of one's own care provider as lists show it.

    Attributes:
        late: it should have been answered before now.
        signs_out: the department that signs it out: another's while it is transferred.
        reader: who answers for it, if anybody yet.
        slides: null where `case.refusal` says why.
    """

    case: ListedCase
    status: CaseStatus
    category: Category
    urgency: Urgency
    svf_code: str | None
    due_at: datetime | None
    late: bool
    accessioned_at: datetime
    department: Party
    signs_out: Party
    reader_assignment_id: uuid.UUID | None
    reader: str | None
    slides: Slides | None
    work: list[Work]
    version: int


def show_refusal(code: Code) -> Refusal:
    """A refusal in words."""
    return Refusal(code=code, detail=SENTENCES[code].sentence, next_step=SENTENCES[code].next_step)


def show_line(line: CaseLine) -> ListedCase:
    """A case as far as it may be seen."""
    return ListedCase(
        id=line.case.id,
        lid=line.lid,
        protected=line.protected,
        patient=ListedPatient.model_validate(line.patient) if line.patient else None,
        specimens=[ListedSpecimen.model_validate(one) for one in line.specimens],
        refusal=show_refusal(line.decision.code) if line.decision.code else None,
    )


def show_request(row: RequestRow) -> ListedRequest:
    """A request as lists show it."""
    request = row.request
    return ListedRequest(
        id=request.id,
        short_id=request.short_id,
        type=request.type,
        side=row.side,
        status=request.status,
        stage=request.stage,
        urgency=request.urgency,
        svf_code=request.svf_code,
        subspecialty=request.subspecialty,
        due_at=request.due_at,
        accept_by=request.accept_by,
        late=row.late,
        escalation=request.escalation,
        recall_requested_at=request.recall_requested_at,
        requester=Party.model_validate(row.requester),
        performer=Party.model_validate(row.performer),
        reader_assignment_id=request.reader_assignment_id,
        reader=row.reader,
        case=show_line(row.case),
        slides=_show_slides(row.slides, row.case),
        holds=[
            Hold(
                reason=hold.reason,
                detail=MEANINGS[hold.reason].sentence,
                owner=MEANINGS[hold.reason].owner,
                next_step=MEANINGS[hold.reason].next_step,
                since=hold.began_at,
            )
            for hold in row.holds
        ],
        work=[Work.model_validate(one) for one in row.work],
        waits_for=[*dict.fromkeys(one.kind for one in row.work if one.blocking), *(["QUESTION"] if row.asked else [])],
        latest=Latest.model_validate(row.latest) if row.latest else None,
        version=request.version,
    )


def show_case(row: CaseRow) -> ListedOwnCase:
    """A case of one's own care provider as lists show it."""
    case = row.case.case
    return ListedOwnCase(
        case=show_line(row.case),
        status=case.status,
        category=case.category,
        urgency=Urgency(case.priority),
        svf_code=case.svf_code,
        due_at=case.due_at,
        late=row.late,
        accessioned_at=case.accessioned_at,
        department=Party.model_validate(row.department),
        signs_out=Party.model_validate(row.signs_out),
        reader_assignment_id=case.responsible_assignment_id,
        reader=row.reader,
        slides=_show_slides(row.slides, row.case) if row.slides else None,
        work=[Work.model_validate(one) for one in row.work],
        version=case.version,
    )


def _show_slides(slides: SlideCount, case: CaseLine) -> Slides:
    return Slides(
        arrived=slides.arrived,
        expected=slides.expected,
        missing=list(slides.missing),
        quarantined=slides.quarantined,
        thumbnails=list(slides.thumbnails) if case.decision.allow else [],
    )
