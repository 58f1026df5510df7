"""What each step of the gate asks, on facts as values. The acceptance cases: tests/unit/access/test_gate_cases.py."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from gate_facts import (
    ALWAYS,
    ASSIGNMENT,
    DAY,
    KALMAR,
    KALMAR_SURGERY,
    LINKOPING,
    NOBODY,
    NOW,
    OTHER_ASSIGNMENT,
    OTHER_UNIT,
    PAST,
    actor,
    block,
    consented,
    disclosed,
    disclosure,
    grant,
    looked_up,
    own,
    reader,
)

from cases.access.actors import Actor, Period, Purpose
from cases.access.blocks.facts import Lift
from cases.access.gate import (
    Availability,
    Basis,
    CareLink,
    Code,
    Decision,
    Intent,
    Obligation,
    Resource,
    decide,
)
from cases.access.gate.codes import SENTENCES
from cases.access.permissions import Role


def test_signing_needs_a_proof_of_the_last_five_minutes() -> None:
    for age, expected in ((timedelta(minutes=5), True), (timedelta(minutes=5, seconds=1), False)):
        signer = actor(authenticated_at=NOW - age)
        assert decide(signer, own(), Intent.SIGN, NOW).allow == expected
        assert decide(signer, own(), Intent.VIEW, NOW).allow


@pytest.mark.parametrize(
    "facts",
    [{"ended": True}, {"idle_until": NOW}, {"ends_at": NOW}],
    ids=["ended", "idle", "too old"],
)
def test_a_session_that_is_over_opens_nothing(facts: dict[str, object]) -> None:
    assert decide(actor(**facts), own(), Intent.VIEW, NOW).code is Code.D01


@pytest.mark.parametrize(
    "facts", [{"provider_active": False}, {"connections": ()}, {"processings": ()}, {"employed": PAST}]
)
def test_the_actors_side_must_be_in_force(facts: dict[str, object]) -> None:
    assert decide(actor(**facts), own(), Intent.VIEW, NOW).code is Code.D03


def test_the_owner_must_take_part_too() -> None:
    suspended = own(owner_active=False)
    assert decide(actor(), suspended, Intent.VIEW, NOW).code is Code.D03
    assert decide(reader(), disclosed(owner_active=False), Intent.READ, NOW).code is Code.D03


def test_quality_assurance_looks_on_an_order_and_does_nothing_else() -> None:
    ordered = actor(purpose=Purpose.QUALITY, order_number="2026:17")
    followed_up = own(links=frozenset({CareLink.ORDER}))
    assert decide(ordered, followed_up, Intent.VIEW, NOW).allow
    assert decide(ordered, followed_up, Intent.SIGN, NOW).code is Code.D03
    assert decide(replace(ordered, order_number=None), followed_up, Intent.VIEW, NOW).code is Code.D03


def test_a_role_whose_analysis_is_a_month_late_no_longer_works() -> None:
    for days, expected in ((30, None), (31, Code.D04)):
        late = grant(analysis_due=(NOW - timedelta(days=days)).date())
        assert decide(actor(grants=(late,)), own(), Intent.VIEW, NOW).code is expected


def test_a_late_analysis_takes_every_role_but_those_who_can_renew_it() -> None:
    def holding(days: int) -> set[Role]:
        due = (NOW - timedelta(days=days)).date()
        return set(actor(grants=tuple(grant(role, analysis_due=due) for role in Role)).roles(NOW))

    assert holding(30) == set(Role)
    assert holding(31) == {Role.ADM, Role.HEAD}
    head = grant(Role.HEAD, analysis_due=(NOW - timedelta(days=31)).date())
    assert decide(actor(grants=(head,)), own(), Intent.VIEW, NOW).code is Code.D04


def test_a_role_for_one_department_is_none_in_another() -> None:
    cytology, histology = uuid.UUID(int=401), uuid.UUID(int=402)
    cytologist = actor(grants=(grant(department_id=cytology),))
    assert decide(cytologist, own(departments=frozenset({cytology, histology})), Intent.VIEW, NOW).allow
    assert decide(cytologist, own(departments=frozenset({histology})), Intent.VIEW, NOW).code is Code.D04
    assert decide(cytologist, own(), Intent.VIEW, NOW).allow, "where no department is known, every grant counts"
    both = replace(cytologist, grants=(*cytologist.grants, grant()))
    assert decide(both, own(departments=frozenset({histology})), Intent.VIEW, NOW).allow, "for all of the unit"
    cytologist_here = reader(grants=(grant(department_id=cytology),))
    assert decide(cytologist_here, disclosed(departments=frozenset({histology})), Intent.SIGN, NOW).code is Code.D04


def test_another_unit_of_the_own_provider_needs_a_choice_unless_directly_involved() -> None:
    elsewhere = actor(**OTHER_UNIT)
    related = own(links=frozenset({CareLink.RELATION}))
    assert decide(elsewhere, related, Intent.VIEW, NOW).code is Code.D20
    assert decide(elsewhere, replace(related, chosen=True), Intent.VIEW, NOW).basis is Basis.OWN_PROVIDER
    assert decide(elsewhere, own(), Intent.VIEW, NOW).basis is Basis.OWN_PROVIDER


@pytest.mark.parametrize(
    "facts",
    [{"members": ()}, {"informed": False}, {"available": False}, {"chosen": False}],
    ids=["not members", "not informed", "not made available", "no active choice"],
)
def test_looking_up_needs_every_part(facts: dict[str, object]) -> None:
    assert decide(reader(), looked_up(consented(**facts)), Intent.VIEW, NOW).code is Code.D20


def test_looking_up_needs_the_commissions_right() -> None:
    assert decide(reader(rights=frozenset({"VE", "VG"})), looked_up(), Intent.VIEW, NOW).code is Code.D20


def test_disclosure_to_another_unit_of_the_provider_is_none() -> None:
    elsewhere = disclosure(unit_id=KALMAR_SURGERY)
    assert decide(reader(), disclosed(elsewhere), Intent.VIEW, NOW).code is Code.D20


def test_the_newest_disclosure_that_holds_counts() -> None:
    ended = disclosure(period=PAST, decided_at=NOW - 20 * DAY)
    assert decide(reader(), disclosed(disclosures=(disclosure(), ended)), Intent.VIEW, NOW).allow
    assert decide(reader(), disclosed(ended), Intent.VIEW, NOW).code is Code.D26


def test_a_held_request_answers_with_the_code_of_its_hold() -> None:
    assert decide(reader(), disclosed(disclosure(hold=Code.D23)), Intent.VIEW, NOW).code is Code.D23


def test_a_lift_is_for_the_unit_or_the_one_employee_and_ends() -> None:
    for lift, expected in (
        (Lift(LINKOPING, None, ALWAYS), None),
        (Lift(LINKOPING, ASSIGNMENT, ALWAYS), None),
        (Lift(LINKOPING, OTHER_ASSIGNMENT, ALWAYS), Code.D30),
        (Lift(KALMAR_SURGERY, None, ALWAYS), Code.D30),
        (Lift(LINKOPING, None, PAST), Code.D30),
    ):
        assert decide(reader(), looked_up(blocks=(block(lifts=(lift,)),)), Intent.VIEW, NOW).code is expected


def test_an_objection_ends_sharing_until_a_later_consent() -> None:
    objected = NOW - DAY
    assert decide(reader(), disclosed(objection_at=objected), Intent.VIEW, NOW).code is Code.D32
    later = disclosure(explicit_consent_at=NOW - timedelta(hours=1))
    assert decide(reader(), disclosed(later, objection_at=objected), Intent.VIEW, NOW).allow
    assert decide(reader(), looked_up(objection_at=objected), Intent.VIEW, NOW).code is Code.D32
    anew = consented(consented_at=NOW - timedelta(hours=1))
    assert decide(reader(), looked_up(anew, objection_at=objected), Intent.VIEW, NOW).allow
    emergency = consented(consents=(Period(NOW - timedelta(hours=1)),), consented_at=None)
    assert decide(reader(), looked_up(emergency), Intent.VIEW, NOW).allow
    assert decide(reader(), looked_up(emergency, objection_at=objected), Intent.VIEW, NOW).code is Code.D32
    assert decide(actor(), own(objection_at=objected), Intent.VIEW, NOW).allow


def test_a_protected_identity_is_handed_out_only_after_the_harm_was_weighed() -> None:
    for tested, expected in ((True, None), (False, Code.D40)):
        made = disclosure(harm_tested=tested)
        assert decide(reader(), disclosed(made, protected=True, named=True), Intent.VIEW, NOW).code is expected


@pytest.mark.parametrize(
    ("who", "what", "intent", "expected"),
    [
        (actor(), own(), Intent.DOWNLOAD_ORIGINAL, None),
        (reader(), disclosed(), Intent.DOWNLOAD_ORIGINAL, Code.D42),
        (reader(), disclosed(disclosure(allow_download=True)), Intent.DOWNLOAD_ORIGINAL, None),
        (actor(grants=(grant(Role.LAB),)), own(), Intent.VIEW_LABEL, None),
        (reader(grants=(grant(Role.LAB),)), disclosed(), Intent.VIEW_LABEL, Code.D42),
        (actor(), own(), Intent.VIEW_LABEL, Code.D04),
        (reader(), looked_up(), Intent.ANNOTATE, Code.D42),
        (reader(), disclosed(disclosure(read_only=True)), Intent.ANNOTATE, Code.D42),
        (reader(), disclosed(), Intent.ANNOTATE, None),
    ],
)
def test_what_goes_beyond_looking(who: Actor, what: Resource, intent: Intent, expected: Code | None) -> None:
    assert decide(who, what, intent, NOW).code is expected


def test_how_it_stands_may_be_read_before_it_can_be_shown() -> None:
    waiting = own(availability=Availability.HELD_BACK)
    assert decide(actor(), waiting, Intent.READ, NOW).allow
    assert decide(actor(), waiting, Intent.VIEW, NOW).code is Code.D05
    assert decide(actor(), own(availability=Availability.WITHDRAWN), Intent.READ, NOW).code is Code.D05


def test_a_decision_lasts_until_the_first_thing_it_rests_on_ends() -> None:
    def until(who: Actor, what: Resource) -> timedelta:
        decision = decide(who, what, Intent.VIEW, NOW)
        assert decision.until is not None
        return decision.until - NOW

    soon = timedelta(seconds=30)
    ending = Period(NOW - DAY, NOW + soon)
    assert until(actor(), own()) == timedelta(minutes=2)
    assert until(actor(ends_at=NOW + soon), own()) == soon
    assert until(actor(employed=ending), own()) == soon
    assert until(actor(grants=(grant(period=ending),)), own()) == soon
    assert until(actor(), own(processings=(ending,))) == soon
    assert until(actor(), own(processings=(ending, ALWAYS))) == timedelta(minutes=2)
    assert until(reader(), disclosed(disclosure(terms=(ending,)))) == soon
    assert until(reader(), disclosed(disclosure(window=ending))) == soon
    assert until(reader(), disclosed(disclosure(period=ending))) == soon
    assert until(reader(), looked_up(consented(consents=(ending,)))) == soon
    assert until(reader(), looked_up(relation=ending)) == soon
    assert until(reader(), looked_up(chosen_until=NOW + soon)) == soon
    related = own(links=frozenset({CareLink.RELATION}), chosen=True, chosen_until=NOW + soon)
    assert until(actor(**OTHER_UNIT), related) == soon
    assert until(actor(), related) == timedelta(minutes=2), "the own unit rests on no choice"
    assert until(reader(), looked_up(blocks=(block(lifts=(Lift(LINKOPING, None, ending),)),))) == soon


def test_what_must_be_done_and_said_is_told() -> None:
    def obligations(who: Actor, what: Resource, intent: Intent = Intent.VIEW) -> set[Obligation]:
        return set(decide(who, what, intent, NOW).obligations)

    always = {Obligation.INTENDED_USE_BANNER, Obligation.MASK_LABEL}
    assert obligations(actor(), own()) == always
    assert obligations(actor(), own(protected=True, named=True)) == always | {Obligation.PROTECTED_BANNER}
    assert obligations(actor(), own(other_blocks=True)) == always | {Obligation.BLOCK_NOTICE}
    assert obligations(reader(), looked_up()) == always | {Obligation.READ_ONLY}
    laboratory = actor(grants=(grant(Role.LAB),))
    assert obligations(laboratory, own(), Intent.VIEW_LABEL) == {Obligation.INTENDED_USE_BANNER}


def test_only_a_strangers_refusal_hides_that_there_is_anything() -> None:
    assert decide(reader(), own(links=NOBODY), Intent.VIEW, NOW).hidden
    assert not decide(actor(), own(links=NOBODY), Intent.VIEW, NOW).hidden
    assert not decide(reader(), disclosed(disclosure(window=None)), Intent.VIEW, NOW).hidden


def test_every_refusal_says_what_can_be_done() -> None:
    assert set(SENTENCES) == set(Code)
    for code in Code:
        refused = Decision(allow=False, intent=Intent.VIEW, code=code)
        assert refused.sentence.endswith(".") and refused.next_step and refused.next_step.endswith(".")


def test_an_identity_in_doubt_is_for_the_laboratory_to_settle() -> None:
    doubtful = own(identity_verified=False)
    assert decide(actor(), doubtful, Intent.VIEW, NOW).code is Code.D06
    assert decide(actor(grants=(grant(Role.LAB),)), doubtful, Intent.VIEW_LABEL, NOW).allow
    strangers = actor(grants=(grant(Role.LAB),), provider_id=KALMAR, unit_id=KALMAR_SURGERY)
    assert decide(strangers, doubtful, Intent.VIEW, NOW).code is Code.D06
