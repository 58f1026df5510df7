"""Access blocks (spärrar): a patient keeps information from other care units, or from other care providers.

Source: domain rules, L10 to L15, and section 4, step 3.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import CheckConstraint, Enum, ForeignKey, ForeignKeyConstraint, Select, select
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from cases.access import audit
from cases.access.actors import Actor, Period
from cases.access.audit import Event, Subject
from cases.access.blocks.facts import BlockFacts, BlockType, Lift
from cases.access.consents import AssertionType, ConsentAssertion
from cases.access.errors import IllegalMove, Invalid, NotThere
from cases.access.organisations import CareUnit
from cases.access.patients import Patient
from cases.access.patients import as_subject as patient_as_subject
from cases.access.same_patients import note_changed
from cases.database import Base, Versioned, is_among

__all__ = [
    "MOVES",
    "AccessBlock",
    "BlockFacts",
    "BlockSource",
    "BlockStatus",
    "BlockSyncState",
    "BlockType",
    "Lift",
    "Requester",
    "TemporaryRevoke",
    "as_facts",
    "as_subject",
    "delete_block",
    "find_blocks",
    "freshness",
    "list_blocks",
    "register_block",
    "revoke_block",
]

OF_AGE = 18
"""Years. Somebody younger is spoken for by guardians, who cannot block the child's information: L11."""


class Requester(StrEnum):
    """Who asked for a block: the patient, or somebody who speaks for an adult."""

    PATIENT = "PATIENT"
    REPRESENTATIVE = "REPRESENTATIVE"


class BlockSource(StrEnum):
    """Where a block was registered."""

    LOCAL = "LOCAL"
    NATIONAL = "NATIONAL"


class BlockStatus(StrEnum):
    """Whether a block is in force. Both ends are for good."""

    ACTIVE = "ACTIVE"
    REVOKED = "REVOKED"
    DELETED = "DELETED"


MOVES: Mapping[BlockStatus, frozenset[BlockStatus]] = {
    BlockStatus.ACTIVE: frozenset({BlockStatus.REVOKED, BlockStatus.DELETED}),
    BlockStatus.REVOKED: frozenset(),
    BlockStatus.DELETED: frozenset(),
}
"""Every move of a block that exists. Source: domain rules, 5.8."""


class AccessBlock(Versioned, Base):
    """A patient's block on one care provider's information.

    Attributes:
        care_provider_id: whose information is blocked.
        information_care_unit_id: which care unit's (of law); of an inner block only.
        information_start, information_end: only what was registered in between, both included; None is open.
        requested_at, registered_at: when the patient asked for it, and since when it holds.
        ended_at, ended_by, ended_reason: the patient took it back (REVOKED) or it was a mistake (DELETED).
    """

    __tablename__ = "access_block"
    __table_args__ = (
        ForeignKeyConstraint(["patient_id", "care_provider_id"], ["patient.id", "patient.care_provider_id"]),
        ForeignKeyConstraint(
            ["information_care_unit_id", "care_provider_id"], ["care_unit.id", "care_unit.care_provider_id"]
        ),
        CheckConstraint("(type = 'INNER') = (information_care_unit_id IS NOT NULL)", "only_inner_has_a_unit"),
        CheckConstraint("information_start <= information_end", "dates_in_order"),
        CheckConstraint("(status = 'ACTIVE') = (ended_at IS NULL)", "end_is_dated"),
    )

    patient_id: Mapped[uuid.UUID] = mapped_column(index=True)
    care_provider_id: Mapped[uuid.UUID] = mapped_column(index=True)
    type: Mapped[BlockType] = mapped_column(Enum(BlockType, native_enum=False, length=40))
    information_care_unit_id: Mapped[uuid.UUID | None]
    information_start: Mapped[datetime | None]
    information_end: Mapped[datetime | None]
    requester: Mapped[Requester] = mapped_column(Enum(Requester, native_enum=False, length=40))
    requested_at: Mapped[datetime]
    registered_at: Mapped[datetime]
    source: Mapped[BlockSource] = mapped_column(
        Enum(BlockSource, native_enum=False, length=40), default=BlockSource.LOCAL
    )
    status: Mapped[BlockStatus] = mapped_column(
        Enum(BlockStatus, native_enum=False, length=40), default=BlockStatus.ACTIVE
    )
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[uuid.UUID | None]
    ended_reason: Mapped[str | None]


class TemporaryRevoke(Versioned, Base):
    """That a block is lifted for one care unit, or one employee there, for a while.

    Attributes:
        care_provider_id: of those it is lifted for.
        information_provider_id: whose block it is.
        for_unit_id, for_assignment_id: for whom; no assignment means everybody at the unit.
        assertion_id: the consent or the emergency it rests on, and ends with.
    """

    __tablename__ = "temporary_revoke"
    __table_args__ = (
        ForeignKeyConstraint(["for_unit_id", "care_provider_id"], ["care_unit.id", "care_unit.care_provider_id"]),
        CheckConstraint("end_at > start_at AND end_at <= start_at + interval '7 days'", "lasts_7_days_at_most"),
    )

    block_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("access_block.id"), index=True)
    care_provider_id: Mapped[uuid.UUID] = mapped_column(index=True)
    information_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"), index=True)
    for_unit_id: Mapped[uuid.UUID]
    for_assignment_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("assignment.id"))
    assertion_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("consent_assertion.id"))
    reason: Mapped[AssertionType] = mapped_column(Enum(AssertionType, native_enum=False, length=40))
    reason_text: Mapped[str]
    start_at: Mapped[datetime]
    end_at: Mapped[datetime]
    cancelled_at: Mapped[datetime | None]
    cancelled_by: Mapped[uuid.UUID | None]


class BlockSyncState(Base):
    """How fresh the blocks from one source outside are.

    Attributes:
        source: its name.
        last_success_at: when they were last read completely.
        latest_cancellation_seen: the newest cancellation the source told of.
        status: in a word, for those who watch over it.
    """

    __tablename__ = "block_sync_state"

    source: Mapped[str] = mapped_column(unique=True)
    last_success_at: Mapped[datetime | None]
    latest_cancellation_seen: Mapped[datetime | None]
    status: Mapped[str]


def register_block(
    session: Session,
    patient: Patient,
    type: BlockType,  # noqa: A002 - the word of the contract it mirrors
    *,
    unit_id: uuid.UUID | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    requester: Requester = Requester.PATIENT,
    requested_at: datetime | None = None,
    by: Actor,
    now: datetime,
) -> AccessBlock:
    """Block a care provider's information on one of its patients, from now on.

    Args:
        unit_id: of an inner block: which care unit's information; a part of a unit stands for the unit.
        start, end: only what was registered in between, both included.
        requested_at: when the patient asked for it; now by default.

    Raises:
        Invalid: the unit does not fit the kind of block, the dates are not in order, or a child's guardian asks.
        NotThere: the actor's care provider has no such unit.
    """
    if (type is BlockType.INNER) is not (unit_id is not None):
        raise Invalid("An inner block names the care unit whose information it covers; an outer block names none.")
    if start is not None and end is not None and start > end:
        raise Invalid("The block would end before it begins. Give an end that is not before the start.", field="end")
    if requested_at is not None and requested_at > now:
        raise Invalid("The block was asked for at a time that is yet to come.", field="requested_at")
    if requester is Requester.REPRESENTATIVE:
        _require_adult(patient, now.date())
    block = AccessBlock(
        patient_id=patient.id,
        care_provider_id=by.provider_id,
        type=type,
        information_care_unit_id=_find_unit(session, unit_id, by=by) if unit_id else None,
        information_start=start,
        information_end=end,
        requester=requester,
        requested_at=requested_at or now,
        registered_at=now,
        created_by=by.assignment_id,
    )
    session.add(block)
    session.flush()
    _record(session, Event.BLOCK_REGISTERED, block, by=by)
    return block


def revoke_block(session: Session, block_id: uuid.UUID, *, reason: str, by: Actor, now: datetime) -> AccessBlock:
    """The patient takes a block back for good. Asked for again, it is a new block.

    Raises:
        Invalid: no reason is given.
        NotThere: the actor's care provider has no such block.
        IllegalMove: it has ended.
    """
    return _end(session, block_id, BlockStatus.REVOKED, reason=reason, by=by, now=now)


def delete_block(session: Session, block_id: uuid.UUID, *, reason: str, by: Actor, now: datetime) -> AccessBlock:
    """A block was registered by mistake. The row stays.

    Raises:
        Invalid, NotThere, IllegalMove: as `revoke_block`.
    """
    return _end(session, block_id, BlockStatus.DELETED, reason=reason, by=by, now=now)


def list_blocks(session: Session, patient: Patient, *, by: Actor) -> Sequence[AccessBlock]:
    """A patient's blocks at their care provider, the newest first, for those who administer them. It is logged."""
    audit.record(session, Event.LIST_VIEWED, by=by, subjects=[patient_as_subject(patient, kind="blocks")])
    return session.scalars(
        select(AccessBlock)
        .join(Patient, Patient.id == AccessBlock.patient_id)
        .where(Patient.same_as_id == patient.same_as_id, AccessBlock.care_provider_id == by.provider_id)
        .order_by(AccessBlock.id.desc())
    ).all()


def find_blocks(session: Session, patient_ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, tuple[BlockFacts, ...]]:
    """What the gate needs to know of the blocks in force: for each patient, those of all their linked rows."""
    rows = session.execute(_ask_blocks(), {"patient_ids": list(patient_ids)})
    found: dict[uuid.UUID, dict[uuid.UUID, BlockFacts]] = {id_: {} for id_ in patient_ids}
    for patient_id, block_id, type_, provider_id, unit_id, start, end, registered_at, sound, *lifted in rows:
        blocks = found[patient_id]
        block = blocks.get(block_id) or BlockFacts(type_, provider_id, unit_id, start, end, registered_at)
        if sound:
            for_unit, for_assignment, start_at, end_at = lifted
            block = replace(block, lifts=(*block.lifts, Lift(for_unit, for_assignment, Period(start_at, end_at))))
        blocks[block_id] = block
    return {patient_id: tuple(blocks.values()) for patient_id, blocks in found.items()}


@cache  # the gate asks for every decision, and making the aliases takes longer than asking
def _ask_blocks() -> Select[*tuple[Any, ...]]:
    asked, own, block, lift, consent = (
        aliased(Patient),
        aliased(Patient),
        AccessBlock,
        TemporaryRevoke,
        ConsentAssertion,
    )
    return (
        select(
            asked.id,
            block.id,
            block.type,
            block.care_provider_id,
            block.information_care_unit_id,
            block.information_start,
            block.information_end,
            block.registered_at,
            consent.ended_at.is_(None) & consent.deleted_at.is_(None) & lift.id.is_not(None),
            lift.for_unit_id,
            lift.for_assignment_id,
            lift.start_at,
            lift.end_at,
        )
        .join(own, own.same_as_id == asked.same_as_id)
        .join(block, block.patient_id == own.id)
        .outerjoin(lift, (lift.block_id == block.id) & lift.cancelled_at.is_(None))
        .outerjoin(consent, consent.id == lift.assertion_id)
        .where(is_among(asked.id, "patient_ids"), block.status == BlockStatus.ACTIVE)
    )


def as_facts(block: AccessBlock) -> BlockFacts:
    """A block as facts, as if nobody had it lifted."""
    return BlockFacts(
        type=block.type,
        provider_id=block.care_provider_id,
        unit_id=block.information_care_unit_id,
        start=block.information_start,
        end=block.information_end,
        registered_at=block.registered_at,
        ended_at=block.ended_at,
    )


def as_subject(block: AccessBlock) -> Subject:
    """A block, for the log."""
    return Subject(
        kind="block",
        id=block.id,
        patient_id=block.patient_id,
        provider_id=block.care_provider_id,
        unit_id=block.information_care_unit_id,
    )


def freshness(session: Session, now: datetime) -> datetime | None:
    """Up to when all blocks are known: now, while every block is registered here.

    Returns:
        None where the blocks of some source have never been read.
    """
    read = session.scalars(select(BlockSyncState.last_success_at)).all()
    known = [at for at in read if at is not None]
    return min([now, *known]) if len(known) == len(read) else None


def _end(
    session: Session, block_id: uuid.UUID, status: BlockStatus, *, reason: str, by: Actor, now: datetime
) -> AccessBlock:
    if not reason.strip():
        raise Invalid("Say why the block ends.", field="reason")
    block = session.scalar(
        select(AccessBlock)
        .where(AccessBlock.id == block_id, AccessBlock.care_provider_id == by.provider_id)
        .with_for_update()
    )
    if block is None:
        raise NotThere("There is no such block at this care provider.")
    if status not in MOVES[block.status]:
        raise IllegalMove("This block has ended for good. Where the patient asks for it again, register a new one.")
    block.status, block.ended_at, block.ended_by, block.ended_reason = status, now, by.assignment_id, reason.strip()
    session.flush()
    event = Event.BLOCK_REVOKED if status is BlockStatus.REVOKED else Event.BLOCK_DELETED
    _record(session, event, block, by=by)
    return block


def _record(session: Session, event: Event, block: AccessBlock, *, by: Actor) -> None:
    audit.record(session, event, by=by, subjects=[as_subject(block)], args={"type": block.type})
    note_changed(session, [block.patient_id])


def _find_unit(session: Session, unit_id: uuid.UUID, *, by: Actor) -> uuid.UUID:
    unit = session.scalar(select(CareUnit).where(CareUnit.id == unit_id, CareUnit.care_provider_id == by.provider_id))
    if unit is None:
        raise NotThere("There is no such care unit at this care provider.")
    return unit.pdl_unit_id


def _require_adult(patient: Patient, today: date) -> None:
    born = patient.birth_date
    if born is None:
        raise Invalid("Whether the patient is of age is not known, so nobody can block for them.", field="requester")
    age = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    if age < OF_AGE:
        raise Invalid("Guardians cannot block a child's information; the child can.", field="requester")
