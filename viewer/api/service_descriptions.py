"""Service descriptions: what one care provider does for another, proposed by one and accepted by the other."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Response, status
from pydantic import BaseModel, Field

from cases.access.actors import Actor
from cases.access.permissions import Permission
from cases.sharing import service_descriptions as services
from cases.sharing.competences import Subspecialty
from cases.sharing.legal_models import REASONS, LegalAnswers, LegalModel, choose_legal_model
from cases.sharing.service_descriptions import (
    CountersignRule,
    Notifier,
    RequestType,
    ResponsibilityModel,
    ServiceDescription,
    ServiceTerms,
    Urgency,
)
from viewer.api.fields import NUMBER, Days, Moment, example
from viewer.dependencies import After, Database, Limit, Match, Now, permit, require_version, set_etag

router = APIRouter(prefix="/api/service-descriptions", tags=["agreements"])
Reader = Annotated[Actor, Depends(permit(Permission.SEE_AGREEMENTS, Permission.MANAGE_AGREEMENTS), scope="function")]
Manager = Annotated[Actor, Depends(permit(Permission.MANAGE_AGREEMENTS), scope="function")]
Minutes = Annotated[int, NUMBER, Field(gt=0, le=525_600)]


class Terms(BaseModel):
    """The terms of one service; times in minutes of the clock for each urgency that is offered."""

    performer_department_id: uuid.UUID
    request_type: RequestType
    subspecialties: Annotated[list[Subspecialty], Field(description="None of them is every one.")] = []
    legal_model: LegalModel = LegalModel.DISCLOSURE
    responsibility_model: ResponsibilityModel = ResponsibilityModel.INDEPENDENT
    accept_minutes: dict[Urgency, Minutes]
    answer_minutes: dict[Urgency, Minutes]
    max_cases_per_week: Annotated[int, NUMBER, Field(gt=0, le=10_000)] | None = None
    requires_receiver_accession: bool = False
    countersign_rule: CountersignRule = CountersignRule.NONE
    cancer_notification_by: Notifier = Notifier.OWNER
    allow_download: bool = False
    price_list_id: uuid.UUID | None = None
    disclosure_ttl_days: Annotated[int, NUMBER, Field(ge=1, le=3650)] = 90
    post_answer_view_days: Days = 30
    valid_from: Moment
    valid_to: Annotated[Moment | None, Field(description="The first moment it no longer holds.")] = None

    def agreed(self) -> ServiceTerms:
        """As the rules take it."""
        return ServiceTerms(**dict(self) | {"subspecialties": tuple(dict.fromkeys(self.subspecialties))})


class NewService(BaseModel):
    """A service for the other party to accept; the customer is one of the agreement's parties."""

    model_config = example(
        agreement_id="01a20381-3e42-7d35-92e5-7c4b9d0a3e05",
        customer_id="01a20380-05c4-7b24-b1d4-3a0d5b6e4d04",
        terms={
            "performer_department_id": "01a20385-51b2-7d0c-a6f4-0c5a4c1f1e11",
            "request_type": "SECOND_OPINION",
            "subspecialties": ["GI"],
            "accept_minutes": {"ROUTINE": 1440},
            "answer_minutes": {"ROUTINE": 7200},
            "valid_from": "2026-12-01T00:00:00+01:00",
        },
    )

    agreement_id: uuid.UUID
    customer_id: uuid.UUID
    terms: Terms


class Service(BaseModel):
    """A service description as it is now.

    Attributes:
        holds: whether both agreed to it and its time is now; its agreement has its own say.
    """

    id: uuid.UUID
    agreement_id: uuid.UUID
    customer_id: uuid.UUID
    performer_id: uuid.UUID
    proposed_by: uuid.UUID
    accepted_at: datetime | None
    ended_at: datetime | None
    holds: bool
    terms: Terms
    version: int


class ServiceList(BaseModel):
    """Service descriptions, the newest first."""

    items: list[Service]
    next: uuid.UUID | None


class Answers(BaseModel):
    """Four questions about how the reading is done; the first yes decides."""

    model_config = example(works_for_owner=False, owner_sends_case=True, looks_up=False, only_technical=False)

    works_for_owner: bool
    owner_sends_case: bool
    looks_up: bool
    only_technical: bool


class LegalChoice(BaseModel):
    """The legal construction that fits, and why."""

    legal_model: LegalModel
    reason_sv: str
    reason_en: str


def show(row: ServiceDescription, now: datetime) -> Service:
    """A row as the API tells it."""
    return Service(
        id=row.id,
        agreement_id=row.agreement_id,
        customer_id=row.customer_id,
        performer_id=row.performer_id,
        proposed_by=row.proposed_by,
        accepted_at=row.accepted_at,
        ended_at=row.ended_at,
        holds=row.holds(now),
        terms=Terms.model_validate({name: getattr(row, name) for name in Terms.model_fields}),
        version=row.version,
    )


@router.get("")
def read_services(database: Database, actor: Reader, now: Now, limit: Limit = 50, after: After = None) -> ServiceList:
    """List the service descriptions that one's own care provider is a party of."""
    rows = services.list_services(database, by=actor, limit=limit + 1, after=after)
    shown = rows[:limit]
    return ServiceList(items=[show(row, now) for row in shown], next=shown[-1].id if len(rows) > limit else None)


@router.post("", status_code=status.HTTP_201_CREATED)
def propose_service(body: NewService, database: Database, actor: Manager, now: Now, response: Response) -> Service:
    """Describe a service for the other party to accept."""
    row = services.propose(
        database,
        agreement_id=body.agreement_id,
        customer_id=body.customer_id,
        service=body.terms.agreed(),
        by=actor,
        now=now,
    )
    set_etag(response, row)
    return show(row, now)


@router.post("/legal-model")
def choose_model(body: Answers, actor: Reader) -> LegalChoice:
    """Say which legal construction fits, and why."""
    model = choose_legal_model(LegalAnswers(**dict(body)))
    return LegalChoice(legal_model=model, reason_sv=REASONS[model].sv, reason_en=REASONS[model].en)


@router.get("/{service_id}")
def read_service(service_id: uuid.UUID, database: Database, actor: Reader, now: Now, response: Response) -> Service:
    """One service description of one's own care provider."""
    row = services.read_service(database, service_id, by=actor)
    set_etag(response, row)
    return show(row, now)


@router.post("/{service_id}/acceptance")
def accept_service(
    service_id: uuid.UUID, database: Database, actor: Manager, now: Now, match: Match, response: Response
) -> Service:
    """Agree to what the other party proposed."""
    row = _take(database, service_id, actor, match)
    services.accept(database, row, by=actor, now=now)
    set_etag(response, row)
    return show(row, now)


@router.post("/{service_id}/ending")
def end_service(
    service_id: uuid.UUID, database: Database, actor: Manager, now: Now, match: Match, response: Response
) -> Service:
    """Offer a service no longer, or withdraw a proposal."""
    row = _take(database, service_id, actor, match)
    services.end(database, row, by=actor, now=now)
    set_etag(response, row)
    return show(row, now)


def _take(database: Database, service_id: uuid.UUID, actor: Actor, match: int) -> ServiceDescription:
    row = services.read_service(database, service_id, by=actor)
    require_version(row, match)
    return row
