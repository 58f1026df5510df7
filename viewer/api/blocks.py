"""Access blocks: registering and ending them, and opening what is blocked in two steps of active choice."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, status
from pydantic import BaseModel

from cases.access import blocks
from cases.access.actors import Actor
from cases.access.blocks import BlockSource, BlockStatus, BlockType, Requester, lifts
from cases.access.consents import AssertionType, ConsentForm
from cases.access.patients import load_patient
from cases.access.permissions import Permission
from viewer.api.fields import Line, Moment, example
from viewer.dependencies import Database, Now, permit

router = APIRouter(prefix="/api", tags=["blocks"])
Administrator = Annotated[Actor, Depends(permit(Permission.ADMINISTER_BLOCKS), scope="function")]
Opener = Annotated[Actor, Depends(permit(Permission.LIFT_BLOCK, Permission.OPEN_IN_EMERGENCY), scope="function")]
Canceller = Annotated[
    Actor,
    Depends(
        permit(Permission.LIFT_BLOCK, Permission.OPEN_IN_EMERGENCY, Permission.ADMINISTER_BLOCKS), scope="function"
    ),
]


class NewBlock(BaseModel):
    """A block that a patient asked for.

    Attributes:
        information_care_unit_id: of an inner block: whose information it covers.
        information_start, information_end: only what was registered in between, both included.
    """

    model_config = example(
        type="INNER",
        information_care_unit_id="01a20380-0a2e-7f13-a0c3-4f1e6a7d2c03",
        requested_at="2026-11-22T14:05:00+01:00",
    )

    type: BlockType
    information_care_unit_id: uuid.UUID | None = None
    information_start: Moment | None = None
    information_end: Moment | None = None
    requester: Requester = Requester.PATIENT
    requested_at: Moment | None = None


class Block(BaseModel):
    """A block, as those who administer blocks see it."""

    id: uuid.UUID
    patient_id: uuid.UUID
    type: BlockType
    status: BlockStatus
    information_care_unit_id: uuid.UUID | None
    information_start: datetime | None
    information_end: datetime | None
    requester: Requester
    requested_at: datetime
    registered_at: datetime
    source: BlockSource
    ended_at: datetime | None
    ended_reason: str | None
    version: int


class BlockList(BaseModel):
    """All blocks of a patient at this care provider, the newest first."""

    items: list[Block]


class Ending(BaseModel):
    """Why a block ends."""

    model_config = example(reason="Patienten har begärt det.")

    reason: Line


class Blocked(BaseModel):
    """That something is blocked, and nothing else."""

    blocked: bool


class FirstChoice(BaseModel):
    """Why somebody needs to see what is blocked.

    Attributes:
        how: the patient consented.
    """

    model_config = example(because="CONSENT", how="ORAL", reason="Tidigare biopsi behövs för jämförelse.")

    because: AssertionType
    how: ConsentForm | None = None
    by_representative: bool = False
    reason: Line


class RevealedBlock(BaseModel):
    """Where something is blocked.

    Attributes:
        unit_name: null where only the provider may be told.
    """

    block_id: uuid.UUID
    type: BlockType
    provider_name: str
    unit_name: str | None


class Revealed(BaseModel):
    """Where it is blocked, and what the second choice rests on."""

    assertion_id: uuid.UUID
    blocks: list[RevealedBlock]


class SecondChoice(BaseModel):
    """Lift a block for a while.

    Attributes:
        assertion_id: from the first choice.
        until: seven days from now at the latest.
        whole_unit: for everybody at one's care unit; on consent only.
    """

    model_config = example(
        assertion_id="01a20386-72b4-74ac-a95c-e3b20471a50c",
        reason="Tidigare biopsi behövs för jämförelse.",
        until="2026-11-23T14:05:00+01:00",
    )

    assertion_id: uuid.UUID
    reason: Line
    until: Moment
    whole_unit: bool = False


class Lift(BaseModel):
    """That a block is lifted for somebody for a while."""

    id: uuid.UUID
    block_id: uuid.UUID
    for_unit_id: uuid.UUID
    for_assignment_id: uuid.UUID | None
    reason: AssertionType
    start_at: datetime
    end_at: datetime
    cancelled_at: datetime | None


@router.get("/patients/{patient_id}/blocks")
def read_blocks(patient_id: uuid.UUID, database: Database, actor: Administrator) -> BlockList:
    """List a patient's blocks at one's own care provider."""
    rows = blocks.list_blocks(database, load_patient(database, patient_id, by=actor), by=actor)
    return BlockList(items=[Block.model_validate(row, from_attributes=True) for row in rows])


@router.post("/patients/{patient_id}/blocks", status_code=status.HTTP_201_CREATED)
def create_block(patient_id: uuid.UUID, body: NewBlock, database: Database, actor: Administrator, now: Now) -> Block:
    """Register a block. Whoever looks at what it covers stops seeing it."""
    block = blocks.register_block(
        database,
        load_patient(database, patient_id, by=actor),
        body.type,
        unit_id=body.information_care_unit_id,
        start=body.information_start,
        end=body.information_end,
        requester=body.requester,
        requested_at=body.requested_at,
        by=actor,
        now=now,
    )
    return Block.model_validate(block, from_attributes=True)


@router.post("/blocks/{block_id}/revocation")
def revoke_block(block_id: uuid.UUID, body: Ending, database: Database, actor: Administrator, now: Now) -> Block:
    """The patient takes a block back for good."""
    block = blocks.revoke_block(database, block_id, reason=body.reason, by=actor, now=now)
    return Block.model_validate(block, from_attributes=True)


@router.post("/blocks/{block_id}/deletion")
def delete_block(block_id: uuid.UUID, body: Ending, database: Database, actor: Administrator, now: Now) -> Block:
    """A block was registered by mistake; it stays on record."""
    block = blocks.delete_block(database, block_id, reason=body.reason, by=actor, now=now)
    return Block.model_validate(block, from_attributes=True)


@router.get("/patients/{patient_id}/blocked")
def read_blocked(patient_id: uuid.UUID, database: Database, actor: Opener, now: Now) -> Blocked:
    """Say whether anything about a patient is blocked for you, and never where. It is logged."""
    patient = load_patient(database, patient_id, by=actor)
    return Blocked(blocked=lifts.show_blocked(database, patient, by=actor, now=now))


@router.post("/patients/{patient_id}/blocked", status_code=status.HTTP_201_CREATED)
def reveal_blocked(patient_id: uuid.UUID, body: FirstChoice, database: Database, actor: Opener, now: Now) -> Revealed:
    """The first choice: on the patient's consent or in an emergency, learn where something is blocked."""
    patient = load_patient(database, patient_id, by=actor)
    revealed = lifts.reveal(
        database,
        patient,
        body.because,
        how=body.how,
        by_representative=body.by_representative,
        reason=body.reason,
        by=actor,
        now=now,
    )
    return Revealed.model_validate(revealed, from_attributes=True)


@router.post("/blocks/{block_id}/lifts", status_code=status.HTTP_201_CREATED)
def create_lift(block_id: uuid.UUID, body: SecondChoice, database: Database, actor: Opener, now: Now) -> Lift:
    """The second choice: lift a block for a while."""
    lifted = lifts.lift(
        database,
        block_id,
        assertion_id=body.assertion_id,
        reason=body.reason,
        until=body.until,
        whole_unit=body.whole_unit,
        by=actor,
        now=now,
    )
    return Lift.model_validate(lifted, from_attributes=True)


@router.delete("/lifts/{lift_id}")
def cancel_lift(lift_id: uuid.UUID, database: Database, actor: Canceller, now: Now) -> Lift:
    """Let the block hold again before its lift runs out."""
    return Lift.model_validate(lifts.cancel_lift(database, lift_id, by=actor, now=now), from_attributes=True)
