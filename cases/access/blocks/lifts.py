"""Opening what a patient has blocked, in two steps of active choice, and for a while only.

Somebody is shown only that something is blocked. They choose consent or emergency, and learn where. They choose once
more, and the block is lifted for them or their care unit for seven days at the most. Source: domain rules, L10, L12
and section 4.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.blocks import AccessBlock, BlockStatus, BlockType, TemporaryRevoke, as_facts, as_subject
from cases.access.consents import (
    AssertionType,
    ConsentAssertion,
    ConsentForm,
    ConsentScope,
    assert_emergency,
    register_consent,
    require_emergency,
)
from cases.access.errors import Conflict, Invalid, NotPermitted, NotThere
from cases.access.notifications import WATCHERS, notify
from cases.access.organisations import CareProvider, CareUnit
from cases.access.patients import Patient
from cases.access.patients import as_subject as patient_as_subject
from cases.access.permissions import Permission
from cases.access.same_patients import find_same, note_changed
from cases.database import platform

LONGEST = timedelta(days=7)
"""A lift lasts no longer. Source: domain rules, L12."""
SECOND_STEP_WITHIN = timedelta(minutes=30)
"""The second step follows the first within this time; otherwise the first is taken again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevealedBlock:
    """Where something is blocked, as told after the first step.

    Attributes:
        provider_name: whose information it is.
        unit_name: which care unit's; told on the patient's consent, and inside one's own care provider.
    """

    block_id: uuid.UUID
    type: BlockType
    provider_name: str
    unit_name: str | None


@dataclass(frozen=True, slots=True)
class Revealed:
    """What the first step has shown.

    Attributes:
        assertion_id: the consent or the emergency that the second step rests on.
    """

    assertion_id: uuid.UUID
    blocks: tuple[RevealedBlock, ...]


def show_blocked(session: Session, patient: Patient, *, by: Actor, now: datetime) -> bool:
    """Whether anything about a patient is blocked for somebody, here or anywhere: not what, and not where. Logged."""
    blocked = bool(_find_concealed(session, patient, by=by, now=now))
    audit.record(
        session, Event.BLOCK_STEP1_SHOWN, by=by, subjects=[patient_as_subject(patient)], args={"blocked": blocked}
    )
    return blocked


def reveal(
    session: Session,
    patient: Patient,
    because: AssertionType,
    *,
    how: ConsentForm | None = None,
    by_representative: bool = False,
    reason: str,
    by: Actor,
    now: datetime,
) -> Revealed:
    """The first choice: the patient consents, or there is an emergency. It tells where something is blocked.

    Args:
        how: the patient consented.
        reason: in their own words.

    Raises:
        NotPermitted: the role lifts no blocks, or opens in no emergency; or the proof of identity is too old for one.
        Invalid: no reason is given, or it is not said how the patient consented.
        Conflict: nothing is blocked.
    """
    _require_reason(reason)
    if because is AssertionType.EMERGENCY:
        require_emergency(by, reason=reason, now=now)
    elif not by.may(Permission.LIFT_BLOCK, now):
        raise NotPermitted("Your roles do not let you lift a block. Ask a pathologist, clinician or coordinator.")
    elif how is None:
        raise Invalid("Say how the patient consented.", field="how")
    blocks = _find_concealed(session, patient, by=by, now=now)
    if not blocks:
        raise Conflict("Nothing about this patient is blocked for you.")
    if because is AssertionType.EMERGENCY:
        assertion = assert_emergency(session, patient, ConsentScope.BLOCK_LIFT, reason=reason, by=by, now=now)
    else:
        assertion = register_consent(
            session,
            patient,
            ConsentScope.BLOCK_LIFT,
            how=how or ConsentForm.ORAL,
            by_representative=by_representative,
            by=by,
            now=now,
        )
    audit.record(
        session,
        Event.BLOCK_STEP2_REVEALED,
        by=by,
        subjects=[as_subject(block) for block in blocks],
        args={"because": because, "assertion": str(assertion.id)},
    )
    shown = (_show(session, block, because=because, by=by) for block in blocks)
    return Revealed(assertion.id, tuple(shown))


def lift(
    session: Session,
    block_id: uuid.UUID,
    *,
    assertion_id: uuid.UUID,
    reason: str,
    until: datetime,
    whole_unit: bool = False,
    by: Actor,
    now: datetime,
) -> TemporaryRevoke:
    """The second choice: lift a block for oneself, or for everybody at one's care unit.

    Args:
        assertion_id: from the first choice, at most half an hour ago.
        until: seven days from now at the latest; what the lift rests on may end before.

    Raises:
        NotThere: the first choice revealed no such block.
        NotPermitted: an emergency, for which the role or the proof of identity does not do.
        Invalid: no reason is given, `until` is out of bounds, or an emergency is meant to do for a whole unit.
    """
    _require_reason(reason)
    if not now < until <= now + LONGEST:
        raise Invalid("A block is lifted for seven days at the most, from now on.", field="until")
    assertion = _load_assertion(session, assertion_id, by=by, now=now)
    if assertion.type is AssertionType.EMERGENCY:
        require_emergency(by, reason=reason, now=now)
        if whole_unit:
            raise Invalid("In an emergency a block is lifted for one person at a time.", field="whole_unit")
    elif not by.may(Permission.LIFT_BLOCK, now):
        raise NotPermitted("Your roles do not let you lift a block. Ask a pathologist, clinician or coordinator.")
    block = _load_concealed(session, block_id, assertion, by=by, now=now)
    lifted = TemporaryRevoke(
        block_id=block.id,
        care_provider_id=by.provider_id,
        information_provider_id=block.care_provider_id,
        for_unit_id=by.unit_id,
        for_assignment_id=None if whole_unit else by.assignment_id,
        assertion_id=assertion.id,
        reason=assertion.type,
        reason_text=reason.strip(),
        start_at=now,
        end_at=min(until, assertion.period.end or until),
        created_by=by.assignment_id,
    )
    session.add(lifted)
    session.flush()
    event = Event.NODOPPNING if assertion.type is AssertionType.EMERGENCY else Event.BLOCK_LIFTED
    audit.record(
        session,
        event,
        by=by,
        subjects=[as_subject(block)],
        args={
            "lift": str(lifted.id),
            "because": assertion.type,
            "whole_unit": whole_unit,
            "until": lifted.end_at.isoformat(),
        },
    )
    notify(
        session,
        event,
        subject_kind="block",
        subject_id=block.id,
        provider_id=block.care_provider_id,
        roles=WATCHERS,
    )
    note_changed(session, [block.patient_id])
    return lifted


def cancel_lift(session: Session, lift_id: uuid.UUID, *, by: Actor, now: datetime) -> TemporaryRevoke:
    """Let a block hold again before its lift runs out: for those it was lifted for, and for the block's owner.

    Raises:
        NotThere: the actor's care provider has to do with no such lift.
        Conflict: it has ended.
    """
    lifted = session.scalar(
        select(TemporaryRevoke)
        .where(
            TemporaryRevoke.id == lift_id,
            (TemporaryRevoke.care_provider_id == by.provider_id)
            | (TemporaryRevoke.information_provider_id == by.provider_id),
        )
        .with_for_update()
    )
    if lifted is None:
        raise NotThere("There is no such lift at this care provider.")
    if lifted.cancelled_at is not None or lifted.end_at <= now:
        raise Conflict("This lift has ended already: the block holds.")
    lifted.cancelled_at, lifted.cancelled_by = now, by.assignment_id
    session.flush()
    with platform(session):
        block = session.get_one(AccessBlock, lifted.block_id)
    args = {"lift": str(lifted.id)}
    audit.record(session, Event.BLOCK_LIFT_CANCELLED, by=by, subjects=[as_subject(block)], args=args)
    note_changed(session, [block.patient_id])
    return lifted


def _find_concealed(session: Session, patient: Patient, *, by: Actor, now: datetime) -> Sequence[AccessBlock]:
    with platform(session):
        same = find_same(session, [patient.id])[patient.id]
        blocks = session.scalars(
            select(AccessBlock)
            .where(AccessBlock.patient_id.in_(same), AccessBlock.status == BlockStatus.ACTIVE)
            .order_by(AccessBlock.id)
        ).all()
    return [
        block
        for block in blocks
        if as_facts(block).conceals(actor_provider_id=by.provider_id, actor_unit_id=by.unit_id, now=now)
    ]


def _load_concealed(
    session: Session, block_id: uuid.UUID, assertion: ConsentAssertion, *, by: Actor, now: datetime
) -> AccessBlock:
    with platform(session):
        patient = session.get_one(Patient, assertion.patient_id)
    block = next((one for one in _find_concealed(session, patient, by=by, now=now) if one.id == block_id), None)
    if block is None:
        raise NotThere("There is no such block. Take the first step again: it shows what is blocked now.")
    return block


def _load_assertion(session: Session, assertion_id: uuid.UUID, *, by: Actor, now: datetime) -> ConsentAssertion:
    assertion = session.scalar(
        select(ConsentAssertion).where(
            ConsentAssertion.id == assertion_id,
            ConsentAssertion.scope == ConsentScope.BLOCK_LIFT,
            ConsentAssertion.created_by == by.assignment_id,
            ConsentAssertion.start_at >= now - SECOND_STEP_WITHIN,
        )
    )
    if assertion is None or not assertion.period.holds(now):
        raise NotThere("Take the first step first: say that the patient consents, or that it is an emergency.")
    return assertion


def _show(session: Session, block: AccessBlock, *, because: AssertionType, by: Actor) -> RevealedBlock:
    unit_id = block.information_care_unit_id
    tell_unit = because is AssertionType.CONSENT or block.care_provider_id == by.provider_id
    return RevealedBlock(
        block_id=block.id,
        type=block.type,
        provider_name=session.get_one(CareProvider, block.care_provider_id).name,
        unit_name=session.get_one(CareUnit, unit_id).name if unit_id and tell_unit else None,
    )


def _require_reason(reason: str) -> None:
    if len(reason.strip()) < 5:
        raise Invalid("Say why, in a few words: log reviewers read it.", field="reason")
