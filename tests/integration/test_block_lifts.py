"""Opening what is blocked: two active choices, for a while, for some only, and every step on the log."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from patients import Clinic, a_vault, make_actor, make_clinic, make_number, make_patient, read_changed, read_log
from people import act, make_assignment, make_person, make_unit
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.orm import Session

from cases.access.actors import Actor, Period
from cases.access.blocks import AccessBlock, BlockType, Lift, find_blocks, register_block
from cases.access.blocks.lifts import RevealedBlock, cancel_lift, lift, reveal, show_blocked
from cases.access.consents import AssertionType, ConsentForm, end_consent
from cases.access.errors import Conflict, Invalid, NotPermitted, NotThere
from cases.access.identities import link_identifier
from cases.access.organisations import CareProvider
from cases.access.permissions import Role
from cases.database import platform

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
INNER, OUTER = BlockType
CONSENT, EMERGENCY = AssertionType
REASON = "Patienten bad om det"


@pytest.fixture
def session(app_session: Session) -> Session:
    app_session.info["vault"] = a_vault()
    return app_session


@pytest.fixture
def owner(session: Session) -> Clinic:
    """Where the information lies."""
    return make_clinic(session, name="Region A")


def make_reader(session: Session, owner: Clinic, role: Role = Role.PAT) -> Clinic:
    """At another care provider, where the same person is a patient."""
    number = make_number()
    link_identifier(session, owner.patient, number, by=owner.actor, now=NOW)
    return make_clinic(session, roles=[role], number=number)


def make_colleague(session: Session, clinic: Clinic) -> Clinic:
    """At another care unit of the same provider."""
    unit = make_unit(session, session.get_one(CareProvider, clinic.actor.provider_id), name="Kirurgi")
    return Clinic(act(session, make_assignment(session, make_person(session), unit, roles=[Role.PAT])), clinic.patient)


def block_outer(session: Session, owner: Clinic) -> AccessBlock:
    return register_block(session, owner.patient, OUTER, by=owner.enter(session).actor, now=NOW)


def test_the_first_step_says_only_that_something_is_blocked(session: Session, owner: Clinic) -> None:
    reader = make_reader(session, owner)
    assert not show_blocked(session, reader.patient, by=reader.actor, now=NOW)
    block_outer(session, owner)
    reader.enter(session)
    assert show_blocked(session, reader.patient, by=reader.actor, now=NOW) is True
    entry = read_log(session)[-1]
    assert (entry["event"], entry["patients"], entry["args"]) == (
        "BLOCK_STEP1_SHOWN",
        [reader.patient.id],
        {"blocked": True},
    )
    assert entry["owners"] == []
    owner.enter(session)
    assert not show_blocked(session, owner.patient, by=owner.actor, now=NOW)


def test_on_consent_it_is_told_where_and_the_block_is_lifted(session: Session, owner: Clinic) -> None:
    reader = make_reader(session, owner)
    owner.enter(session)
    block = register_block(session, owner.patient, INNER, unit_id=owner.actor.unit_id, by=owner.actor, now=NOW)
    reader.enter(session)
    revealed = reveal(session, reader.patient, CONSENT, how=ConsentForm.ORAL, reason=REASON, by=reader.actor, now=NOW)
    assert revealed.blocks == (
        RevealedBlock(block_id=block.id, type=INNER, provider_name="Region A", unit_name="Patologi"),
    )
    read_changed(session)
    lifted = lift(
        session,
        block.id,
        assertion_id=revealed.assertion_id,
        reason=REASON,
        until=NOW + 7 * DAY,
        whole_unit=True,
        by=reader.actor,
        now=NOW,
    )
    assert read_changed(session) == {owner.patient.id, reader.patient.id}
    with platform(session):
        (facts,) = find_blocks(session, [owner.patient.id])[owner.patient.id]
    assert facts.lifts == (Lift(reader.actor.unit_id, None, Period(NOW, NOW + 7 * DAY)),)
    entries = read_log(session)[-3:]
    assert [entry["event"] for entry in entries] == ["CONSENT_REGISTERED", "BLOCK_STEP2_REVEALED", "BLOCK_LIFTED"]
    for entry in entries[1:]:
        assert (entry["patients"], entry["owners"]) == ([owner.patient.id], [owner.actor.provider_id])
    assert entries[2]["args"] == {
        "lift": str(lifted.id),
        "because": "CONSENT",
        "whole_unit": True,
        "until": (NOW + 7 * DAY).isoformat(),
    }


def test_in_an_emergency_the_provider_is_told_and_one_person_let_in(session: Session, owner: Clinic) -> None:
    reader = make_reader(session, owner)
    owner.enter(session)
    block = register_block(session, owner.patient, INNER, unit_id=owner.actor.unit_id, by=owner.actor, now=NOW)
    reader.enter(session)
    revealed = reveal(session, reader.patient, EMERGENCY, reason="Medvetslös, blöder", by=reader.actor, now=NOW)
    assert [(one.provider_name, one.unit_name) for one in revealed.blocks] == [("Region A", None)]

    def open_it(whole_unit: bool = False, by: Actor = reader.actor) -> None:
        lift(
            session,
            block.id,
            assertion_id=revealed.assertion_id,
            reason="Medvetslös, blöder",
            until=NOW + 7 * DAY,
            whole_unit=whole_unit,
            by=by,
            now=NOW,
        )

    with pytest.raises(Invalid, match="lifted for one person at a time"):
        open_it(whole_unit=True)
    with pytest.raises(NotPermitted, match="a proof that is at most five minutes old"):
        open_it(by=replace(reader.actor, authenticated_at=NOW - timedelta(minutes=5, seconds=1)))
    open_it()
    with platform(session):
        (facts,) = find_blocks(session, [owner.patient.id])[owner.patient.id]
    assert facts.lifts == (Lift(reader.actor.unit_id, reader.actor.assignment_id, Period(NOW, NOW + DAY)),)
    assert [entry["event"] for entry in read_log(session)[-3:]] == [
        "NODOPPNING",
        "BLOCK_STEP2_REVEALED",
        "NODOPPNING",
    ]


def test_inside_ones_own_provider_the_unit_is_told_in_an_emergency(session: Session, owner: Clinic) -> None:
    register_block(session, owner.patient, INNER, unit_id=owner.actor.unit_id, by=owner.actor, now=NOW)
    colleague = make_colleague(session, owner)
    revealed = reveal(session, owner.patient, EMERGENCY, reason="Medvetslös", by=colleague.actor, now=NOW)
    assert [one.unit_name for one in revealed.blocks] == ["Patologi"]


@pytest.mark.parametrize("minutes", [5, 6])
def test_an_emergency_needs_a_fresh_proof_of_identity(session: Session, owner: Clinic, minutes: int) -> None:
    reader = make_reader(session, owner)
    block_outer(session, owner)
    stale = replace(reader.enter(session).actor, authenticated_at=NOW - timedelta(minutes=minutes))
    if minutes == 5:
        assert reveal(session, reader.patient, EMERGENCY, reason="Medvetslös", by=stale, now=NOW).blocks
    else:
        with pytest.raises(NotPermitted, match="Prove once more who you are"):
            reveal(session, reader.patient, EMERGENCY, reason="Medvetslös", by=stale, now=NOW)


@pytest.mark.parametrize(
    ("role", "because", "why"),
    [
        (Role.COO, EMERGENCY, "for pathologists and clinicians who treat patients"),
        (Role.RES, EMERGENCY, "for pathologists and clinicians who treat patients"),
        (Role.RES, CONSENT, "Your roles do not let you lift a block"),
        (Role.LAB, CONSENT, "Your roles do not let you lift a block"),
    ],
)
def test_who_may_not_open_learns_nothing(
    session: Session, owner: Clinic, role: Role, because: AssertionType, why: str
) -> None:
    reader = make_reader(session, owner, role=role)
    block_outer(session, owner)
    reader.enter(session)
    with pytest.raises(NotPermitted, match=why):
        reveal(session, reader.patient, because, how=ConsentForm.ORAL, reason=REASON, by=reader.actor, now=NOW)


def test_the_first_choice_needs_words_and_a_form_of_consent(session: Session, owner: Clinic) -> None:
    reader = make_reader(session, owner)
    block_outer(session, owner)
    reader.enter(session)
    with pytest.raises(Invalid, match="Say why, in a few words"):
        reveal(session, reader.patient, CONSENT, how=ConsentForm.ORAL, reason=" . ", by=reader.actor, now=NOW)
    with pytest.raises(Invalid, match="Say how the patient consented"):
        reveal(session, reader.patient, CONSENT, reason=REASON, by=reader.actor, now=NOW)


def test_where_nothing_is_blocked_no_consent_is_registered(session: Session, owner: Clinic) -> None:
    reader = make_reader(session, owner)
    with pytest.raises(Conflict, match="Nothing about this patient is blocked for you"):
        reveal(session, reader.patient, EMERGENCY, reason="Medvetslös", by=reader.actor, now=NOW)
    assert session.execute(text("SELECT count(*) FROM consent_assertion")).scalar_one() == 0


def test_the_second_choice_rests_on_ones_own_first_of_the_last_half_hour(session: Session, owner: Clinic) -> None:
    reader = make_reader(session, owner)
    block = block_outer(session, owner)
    reader.enter(session)
    first = reveal(session, reader.patient, CONSENT, how=ConsentForm.ORAL, reason=REASON, by=reader.actor, now=NOW)

    def open_it(
        *,
        by: Actor = reader.actor,
        after: timedelta = timedelta(0),
        block_id: uuid.UUID = block.id,
        assertion_id: uuid.UUID = first.assertion_id,
        lasts: timedelta = DAY,
    ) -> None:
        now = NOW + after
        lift(session, block_id, assertion_id=assertion_id, reason=REASON, until=now + lasts, by=by, now=now)

    for again, wrong in (
        ("Take the first step first", {"by": replace(reader.actor, assignment_id=uuid.uuid4())}),
        ("Take the first step first", {"after": timedelta(minutes=30, seconds=1)}),
        ("Take the first step first", {"assertion_id": uuid.uuid4()}),
        ("There is no such block", {"block_id": uuid.uuid4()}),
    ):
        with pytest.raises(NotThere, match=again):
            open_it(**wrong)
    for lasts in (timedelta(0), 7 * DAY + timedelta(seconds=1)):
        with pytest.raises(Invalid, match="seven days at the most"):
            open_it(lasts=lasts)
    open_it(after=timedelta(minutes=30), lasts=7 * DAY)


def test_a_block_of_somebody_else_is_not_lifted_on_this_consent(session: Session, owner: Clinic) -> None:
    reader = make_reader(session, owner)
    block_outer(session, owner)
    other = register_block(session, make_patient(session, by=owner.actor), OUTER, by=owner.actor, now=NOW)
    reader.enter(session)
    first = reveal(session, reader.patient, CONSENT, how=ConsentForm.ORAL, reason=REASON, by=reader.actor, now=NOW)
    with pytest.raises(NotThere, match="There is no such block"):
        lift(
            session,
            other.id,
            assertion_id=first.assertion_id,
            reason=REASON,
            until=NOW + DAY,
            by=reader.actor,
            now=NOW,
        )


def make_lift(session: Session, owner: Clinic, reader: Clinic) -> tuple[uuid.UUID, uuid.UUID]:
    """A lift and the consent it rests on."""
    block = block_outer(session, owner)
    reader.enter(session)
    first = reveal(session, reader.patient, CONSENT, how=ConsentForm.ORAL, reason=REASON, by=reader.actor, now=NOW)
    lifted = lift(
        session, block.id, assertion_id=first.assertion_id, reason=REASON, until=NOW + DAY, by=reader.actor, now=NOW
    )
    return lifted.id, first.assertion_id


@pytest.mark.parametrize("canceller", ["reader", "owner"])
def test_a_lift_is_cancelled_by_either_side(session: Session, owner: Clinic, canceller: str) -> None:
    reader = make_reader(session, owner)
    lift_id, _ = make_lift(session, owner, reader)
    stranger = make_actor(session)
    with pytest.raises(NotThere, match="There is no such lift at this care provider"):
        cancel_lift(session, lift_id, by=stranger, now=NOW)
    side = (reader if canceller == "reader" else owner).enter(session)
    read_changed(session)
    cancel_lift(session, lift_id, by=side.actor, now=NOW)
    assert read_changed(session) == {owner.patient.id, reader.patient.id}
    with platform(session):
        (facts,) = find_blocks(session, [owner.patient.id])[owner.patient.id]
    assert facts.lifts == ()
    assert read_log(session)[-1]["event"] == "BLOCK_LIFT_CANCELLED"
    with pytest.raises(Conflict, match="has ended already: the block holds"):
        cancel_lift(session, lift_id, by=side.actor, now=NOW)


def test_a_lift_ends_with_the_consent_it_rests_on(session: Session, owner: Clinic) -> None:
    reader = make_reader(session, owner)
    _, assertion_id = make_lift(session, owner, reader)
    read_changed(session)
    end_consent(session, assertion_id, by=reader.actor, now=NOW + DAY / 2)
    assert read_changed(session) == {owner.patient.id, reader.patient.id}
    with platform(session):
        (facts,) = find_blocks(session, [owner.patient.id])[owner.patient.id]
    assert facts.lifts == ()


def test_the_database_refuses_a_lift_of_more_than_seven_days(session: Session, owner: Clinic) -> None:
    make_lift(session, owner, make_reader(session, owner))
    with pytest.raises(IntegrityError, match="lasts_7_days_at_most"):
        session.execute(text("UPDATE temporary_revoke SET end_at = start_at + interval '7 days 1 s'"))


def test_a_stranger_sees_no_lift_and_makes_none(session: Session, owner: Clinic) -> None:
    make_lift(session, owner, make_reader(session, owner))
    make_clinic(session)
    assert session.execute(text("SELECT count(*) FROM temporary_revoke")).scalar_one() == 0
    assert session.execute(text("UPDATE temporary_revoke SET end_at = end_at RETURNING id")).all() == []
    with pytest.raises(ProgrammingError, match="permission denied for table temporary_revoke"):
        session.execute(text("DELETE FROM temporary_revoke"))
