"""Agreements: the register, and what people do with one."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Response, status
from pydantic import BaseModel, Field
from pydantic.config import JsonDict

from cases.access import agreements
from cases.access.actors import Actor
from cases.access.agreements import (
    MOVES,
    Agreement,
    AgreementStatus,
    AgreementText,
    AgreementType,
    Ending,
    Stage,
)
from cases.access.permissions import Permission
from viewer.api.fields import Days, Line, Moment, Paragraph, example
from viewer.dependencies import After, Database, Limit, Match, Now, permit, require_version, set_etag

router = APIRouter(prefix="/api/agreements", tags=["agreements"])
Reader = Annotated[Actor, Depends(permit(Permission.SEE_AGREEMENTS, Permission.MANAGE_AGREEMENTS), scope="function")]
Manager = Annotated[Actor, Depends(permit(Permission.MANAGE_AGREEMENTS), scope="function")]

EXAMPLE: JsonDict = {
    "purpose": "Second opinion mellan Region Prov och Region Exempel",
    "document_ref": "Dnr 2026-0118",
    "doc_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "valid_from": "2026-12-01T00:00:00+01:00",
    "notice_period_days": 90,
    "run_off_days": 30,
}


class Text(BaseModel):
    """What is agreed, frozen as soon as somebody signed. Moments are in UTC or with their offset."""

    model_config = example(**EXAMPLE)

    purpose: Line
    document_ref: Line
    doc_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="Of the document, in lower case.")]
    valid_from: Moment
    valid_to: Annotated[Moment | None, Field(description="The first moment it no longer holds.")] = None
    notice_period_days: Days = 0
    run_off_days: Days = 0
    instructions_ref: Line | None = None
    sub_processors: Annotated[list[Line], Field(max_length=100)] = []

    def agreed(self) -> AgreementText:
        """As the rules take it."""
        return AgreementText(
            purpose=self.purpose,
            document_ref=self.document_ref,
            doc_sha256=self.doc_sha256,
            valid_from=self.valid_from,
            valid_to=self.valid_to,
            notice_period_days=self.notice_period_days,
            run_off_days=self.run_off_days,
            instructions_ref=self.instructions_ref,
            sub_processors=tuple(self.sub_processors),
        )


class NewAgreement(BaseModel):
    """A text to sign. One's own care provider is party a; party b is left out where it is the platform operator."""

    model_config = example(type="COOPERATION", party_b="01a20380-05c4-7b24-b1d4-3a0d5b6e4d04", text=EXAMPLE)

    type: AgreementType
    party_b: uuid.UUID | None = None
    text: Text


class Signature(BaseModel):
    """That a party signed: when, and under which assignment or as whom."""

    at: datetime
    assignment_id: uuid.UUID | None
    operator: str | None = None


class Termination(BaseModel):
    """How and why an agreement is ended before its time."""

    model_config = example(ending="UNDER_NOTICE", reason="Samarbetet ersätts av ett nytt avtal.")

    ending: Ending
    reason: Paragraph


class AgreementRow(BaseModel):
    """An agreement as it is now."""

    id: uuid.UUID
    type: AgreementType
    party_a: uuid.UUID
    party_b: uuid.UUID | None
    text: Text
    status: AgreementStatus
    stage: Stage
    moves: list[Stage]
    signature_a: Signature | None
    signature_b: Signature | None
    terminated_at: datetime | None
    ending_reason: str | None
    run_off_until: datetime | None
    version: int


class AgreementList(BaseModel):
    """Agreements, the newest first."""

    items: list[AgreementRow]
    next: uuid.UUID | None


def show(row: Agreement, now: datetime) -> AgreementRow:
    """A row as the API tells it."""
    return AgreementRow(
        id=row.id,
        type=row.type,
        party_a=row.party_a,
        party_b=row.party_b,
        text=Text.model_construct(
            **{name: getattr(row, name) for name in Text.model_fields},
        ),
        status=row.status(now),
        stage=row.stage,
        moves=sorted(MOVES[row.stage]),
        signature_a=Signature(at=row.signed_a_at, assignment_id=row.signed_a_by) if row.signed_a_at else None,
        signature_b=Signature(at=row.signed_b_at, assignment_id=row.signed_b_by, operator=row.operator_signatory)
        if row.signed_b_at
        else None,
        terminated_at=row.terminated_at,
        ending_reason=row.ending_reason,
        run_off_until=row.run_off_until,
        version=row.version,
    )


@router.get("")
def read_agreements(
    database: Database,
    actor: Reader,
    now: Now,
    type: AgreementType | None = None,  # noqa: A002 - it is what callers write
    limit: Limit = 50,
    after: After = None,
) -> AgreementList:
    """List the agreements that one's own care provider is a party of."""
    rows = agreements.list_agreements(database, by=actor, kind=type, limit=limit + 1, after=after)
    shown = rows[:limit]
    return AgreementList(items=[show(row, now) for row in shown], next=shown[-1].id if len(rows) > limit else None)


@router.post("", status_code=status.HTTP_201_CREATED)
def create_agreement(
    body: NewAgreement, database: Database, actor: Manager, now: Now, response: Response
) -> AgreementRow:
    """Write down a text for two parties to sign."""
    row = agreements.draft(database, body.type, body.text.agreed(), with_provider=body.party_b, by=actor)
    set_etag(response, row)
    return show(row, now)


@router.get("/{agreement_id}")
def read_agreement(
    agreement_id: uuid.UUID, database: Database, actor: Reader, now: Now, response: Response
) -> AgreementRow:
    """One agreement of one's own care provider."""
    row = agreements.find_agreement(database, agreement_id, by=actor)
    set_etag(response, row)
    return show(row, now)


@router.put("/{agreement_id}")
def correct_agreement(
    agreement_id: uuid.UUID,
    body: Text,
    database: Database,
    actor: Manager,
    now: Now,
    match: Match,
    response: Response,
) -> AgreementRow:
    """Change a text that nobody has signed."""
    row = _take(database, agreement_id, actor, match)
    agreements.correct(database, row, body.agreed(), by=actor)
    set_etag(response, row)
    return show(row, now)


@router.post("/{agreement_id}/signature")
def sign_agreement(
    agreement_id: uuid.UUID, database: Database, actor: Manager, now: Now, match: Match, response: Response
) -> AgreementRow:
    """Sign the version that was read, for one's own care provider."""
    row = _take(database, agreement_id, actor, match)
    agreements.sign(database, row, by=actor, now=now)
    set_etag(response, row)
    return show(row, now)


@router.post("/{agreement_id}/termination")
def terminate_agreement(
    agreement_id: uuid.UUID,
    body: Termination,
    database: Database,
    actor: Manager,
    now: Now,
    match: Match,
    response: Response,
) -> AgreementRow:
    """Withdraw an agreement that not both have signed, give notice, or rescind it for a breach."""
    row = _take(database, agreement_id, actor, match)
    agreements.terminate(database, row, body.ending, reason=body.reason, by=actor, now=now)
    set_etag(response, row)
    return show(row, now)


def _take(database: Database, agreement_id: uuid.UUID, actor: Actor, match: int) -> Agreement:
    row = agreements.find_agreement(database, agreement_id, by=actor)
    require_version(row, match)
    return row
