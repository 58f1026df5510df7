"""Go-live checklists of pairs of care providers, and the evidence that each states about itself."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel

from cases.access.actors import Actor
from cases.access.permissions import Permission
from cases.sharing import checklists
from cases.sharing.checklists import Checklist, Evidence, EvidenceItem, ItemCode, ItemState
from viewer.api.fields import Line, Moment, example
from viewer.dependencies import Database, Match, Now, permit, set_etag

router = APIRouter(prefix="/api", tags=["agreements"])
Reader = Annotated[Actor, Depends(permit(Permission.SEE_AGREEMENTS, Permission.MANAGE_AGREEMENTS), scope="function")]
Manager = Annotated[Actor, Depends(permit(Permission.MANAGE_AGREEMENTS), scope="function")]


class ChecklistItem(BaseModel):
    """One thing that must be in place, and who must do what about it."""

    code: ItemCode
    state: ItemState
    sentence_sv: str
    sentence_en: str
    owner_provider: uuid.UUID
    evidence_ref: str | None
    due: date | None
    responsible: str | None


class PairChecklist(BaseModel):
    """Whether a customer can ask a performer, and what is missing."""

    customer_id: uuid.UUID
    performer_id: uuid.UUID
    ready: bool
    items: list[ChecklistItem]


class PairChecklists(BaseModel):
    """Both directions with every other care provider, by name."""

    items: list[PairChecklist]


class NewEvidence(BaseModel):
    """Where the evidence is, or who sees to it by when."""

    model_config = example(evidence_ref="Dnr 2026-0121", valid_to="2028-01-01T00:00:00+01:00")

    evidence_ref: Line | None = None
    valid_to: Moment | None = None
    owner: Line | None = None
    due: date | None = None


class EvidenceRow(NewEvidence):
    """What a care provider states about one item; version 0 while it has stated nothing."""

    item: EvidenceItem
    given_at: datetime | None = None
    version: int = 0


class EvidenceList(BaseModel):
    """Every item, stated or not."""

    items: list[EvidenceRow]


def show(found: Checklist) -> PairChecklist:
    """A checklist as the API tells it."""
    return PairChecklist(
        customer_id=found.customer_id,
        performer_id=found.performer_id,
        ready=found.ready,
        items=[ChecklistItem.model_validate(item, from_attributes=True) for item in found.items],
    )


def show_evidence(item: EvidenceItem, row: Evidence | None) -> EvidenceRow:
    """What is stated about an item as the API tells it."""
    return EvidenceRow(item=item) if row is None else EvidenceRow.model_validate(row, from_attributes=True)


@router.get("/checklists")
def read_checklists(database: Database, actor: Reader, now: Now) -> PairChecklists:
    """List the checklists of every pair that one's own care provider is one of."""
    return PairChecklists(items=[show(found) for found in checklists.list_checklists(database, by=actor, now=now)])


@router.get("/checklists/{customer_id}/{performer_id}")
def read_checklist(
    customer_id: uuid.UUID, performer_id: uuid.UUID, database: Database, actor: Reader, now: Now
) -> PairChecklist:
    """One pair's checklist, for a customer that asks and a performer that does."""
    return show(checklists.find_checklist(database, customer_id, performer_id, by=actor, now=now))


@router.get("/evidence")
def read_evidence(database: Database, actor: Reader) -> EvidenceList:
    """List what one's own care provider states about itself."""
    stated = {row.item: row for row in checklists.list_evidence(database, by=actor)}
    return EvidenceList(items=[show_evidence(item, stated.get(item)) for item in EvidenceItem])


@router.put("/evidence/{item}")
def put_evidence(
    item: EvidenceItem,
    body: NewEvidence,
    database: Database,
    actor: Manager,
    now: Now,
    match: Match,
    response: Response,
) -> EvidenceRow:
    """State an item, or who sees to it by when; it replaces the version that was read, 0 for none."""
    row = checklists.give_evidence(
        database,
        item,
        evidence_ref=body.evidence_ref,
        valid_to=body.valid_to,
        owner=body.owner,
        due=body.due,
        seen=match,
        by=actor,
        now=now,
    )
    set_etag(response, row)
    return show_evidence(item, row)
