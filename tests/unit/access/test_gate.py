"""The gate's acceptance cases G1 to G27 on facts as values. Source: domain rules, 4.1.

Through HTTP, with tiles really fetched: tests/integration/test_gate_over_http.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from gate_facts import (
    ALWAYS,
    ASSIGNMENT,
    DAY,
    KALMAR,
    KALMAR_SURGERY,
    LINKOPING,
    NOW,
    OTHER_ASSIGNMENT,
    PAST,
    PERSON,
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
from cases.access.blocks import BlockType
from cases.access.blocks.facts import Lift
from cases.access.gate import (
    STEPS,
    Availability,
    Basis,
    CareLink,
    Code,
    Decision,
    Intent,
    Obligation,
    Resource,
    Step,
    decide,
)
from cases.access.gate.codes import SENTENCES
from cases.access.permissions import Role


@dataclass(frozen=True)
class Case:
    """A situation and what the gate must say to it."""

    name: str
    actor: Actor
    resource: Resource
    expected: Basis | Code
    intent: Intent = Intent.VIEW

    def holds(self, steps: tuple[Step, ...] = STEPS) -> bool:
        """Whether the gate, or one with other steps, says what it must."""
        decision = decide(self.actor, self.resource, self.intent, NOW, steps=steps)
        return (decision.basis if decision.allow else decision.code) is self.expected


LATE = timedelta(minutes=20)
NOBODY = frozenset[CareLink]()
CONFERENCE = frozenset({CareLink.CONFERENCE})
OTHER_UNIT = {"unit_id": KALMAR_SURGERY}


def conference(start: timedelta, end: timedelta) -> Resource:
    """What is shown at a conference, from its deadline to its end, seen from now."""
    return looked_up(links=CONFERENCE, relation=None, conference=Period(NOW + start, NOW + end))


CASES = [
    Case("G1 own unit, on the team", actor(), own(), Basis.OWN_UNIT),
    Case("G2 own unit, no link", actor(), own(links=NOBODY), Code.D10),
    Case("G3 other provider, no disclosure, no link", reader(), own(links=NOBODY), Code.D10),
    Case("G4 disclosed, accepted, assigned", reader(), disclosed(), Basis.DISCLOSED),
    Case("G5 cooperation expired yesterday", reader(), disclosed(disclosure(terms=(PAST,))), Code.D21),
    Case("G6 request recalled", reader(), disclosed(disclosure(window=None)), Code.D22),
    Case("G7 added later, not in the manifest", reader(), disclosed(disclosure(contains=False)), Code.D25),
    Case("G8 outer block after disclosure", reader(), disclosed(blocks=(block(),)), Code.D30),
    Case(
        "G9 explicit consent after the block",
        reader(),
        disclosed(disclosure(explicit_consent_at=NOW - DAY), blocks=(block(),)),
        Basis.DISCLOSED,
    ),
    Case(
        "G10 inner block, other unit of the same provider",
        actor(**OTHER_UNIT),
        own(blocks=(block(BlockType.INNER),)),
        Code.D30,
    ),
    Case("G10 inner block, own unit", actor(), own(blocks=(block(BlockType.INNER),)), Basis.OWN_UNIT),
    Case(
        "G11 block ends before the case was registered",
        reader(),
        disclosed(blocks=(block(end=NOW - 40 * DAY),)),
        Basis.DISCLOSED,
    ),
    Case("G12 blocks not read for 20 minutes, performer", reader(), disclosed(blocks_read_at=NOW - LATE), Code.D31),
    Case("G12 blocks not read for 20 minutes, own unit", actor(), own(blocks_read_at=NOW - LATE), Basis.OWN_UNIT),
    Case(
        "G13 emergency, both steps",
        reader(),
        looked_up(links=frozenset({CareLink.EMERGENCY}), blocks=(block(lifts=(Lift(LINKOPING, None, ALWAYS),)),)),
        Basis.COHERENT_RECORD,
    ),
    Case("G14 relation and consent", reader(), looked_up(), Basis.COHERENT_RECORD),
    Case("G14 consent ended", reader(), looked_up(consented(consents=(PAST,))), Code.D23),
    Case("G15 with the Kalmar hat on, Linköping's case", actor(), own(provider_id=LINKOPING, links=NOBODY), Code.D10),
    Case(
        "G15 after switching the commission",
        reader(),
        own(provider_id=reader().provider_id, unit_id=LINKOPING),
        Basis.OWN_UNIT,
    ),
    Case(
        "G16 own diagnosis under the other hat",
        reader(),
        disclosed(conflicted=frozenset({PERSON})),
        Code.D41,
        Intent.SIGN,
    ),
    Case("G17 one factor", actor(assurance=2), own(), Code.D02),
    Case("G17 purpose administration", actor(purpose=Purpose.ADMINISTRATION), own(), Code.D03),
    Case("G18 quarantined, reader", reader(), disclosed(availability=Availability.HELD_BACK), Code.D05),
    Case(
        "G18 quarantined, quality control of the owner",
        actor(grants=(grant(Role.LAB),)),
        own(availability=Availability.HELD_BACK),
        Basis.OWN_UNIT,
    ),
    Case(
        "G19 protected patient, head not named",
        actor(grants=(grant(Role.HEAD),)),
        own(links=frozenset({CareLink.QUEUE}), protected=True),
        Code.D40,
    ),
    Case("G21 conference before its deadline", reader(), conference(DAY, 2 * DAY), Code.D24),
    Case("G21 conference", reader(), conference(-DAY, DAY), Basis.COHERENT_RECORD),
    Case("G21 conference, 25 hours after", reader(), conference(-3 * DAY, -timedelta(hours=25)), Code.D24),
    Case("G22 owner's PUB agreement terminated, reader", reader(), disclosed(processings=(PAST,)), Code.D03),
    Case("G22 owner's PUB agreement terminated, owner", actor(processings=(PAST,)), own(processings=(PAST,)), Code.D03),
    Case(
        "G24 named colleague of the same unit",
        reader(),
        disclosed(disclosure(named=frozenset({OTHER_ASSIGNMENT}))),
        Code.D27,
    ),
    Case("G25 economist", actor(purpose=Purpose.ADMINISTRATION, grants=(grant(Role.FIN),)), own(), Code.D03),
    Case("G26 verified, not tiled yet", reader(), disclosed(), Basis.DISCLOSED),
    Case("answered, only looking left", reader(), disclosed(disclosure(read_only=True)), Code.D42, Intent.ANNOTATE),
]
"""G20 (the log refuses), G23 (a guardian's block) and G27 (a copied address) are not the gate's to decide: they are
tested with the log, with blocks and through HTTP."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_acceptance_case(case: Case) -> None:
    decision = decide(case.actor, case.resource, case.intent, NOW)
    assert (decision.basis if decision.allow else decision.code) is case.expected
    assert decision.allow == isinstance(case.expected, Basis)


Spoil = Callable[[Actor, Resource], tuple[Actor, Resource]]

SPOILED: dict[Code, Spoil] = {
    Code.D01: lambda a, r: (replace(a, authenticated_at=NOW - timedelta(minutes=6)), r),
    Code.D02: lambda a, r: (replace(a, assurance=2), r),
    Code.D03: lambda a, r: (replace(a, employed=PAST), r),
    Code.D04: lambda a, r: (replace(a, grants=(grant(Role.CLN),)), r),
    Code.D05: lambda a, r: (a, replace(r, availability=Availability.HELD_BACK)),
    Code.D06: lambda a, r: (a, replace(r, identity_verified=False)),
    Code.D10: lambda a, r: (a, replace(r, links=NOBODY)),
    Code.D22: lambda a, r: (a, replace(r, disclosures=(replace(r.disclosures[0], window=None),))),
    Code.D30: lambda a, r: (a, replace(r, blocks=(block(),))),
    Code.D31: lambda a, r: (a, replace(r, blocks_read_at=None)),
    Code.D32: lambda a, r: (a, replace(r, objection_at=NOW - DAY)),
    Code.D40: lambda a, r: (a, replace(r, protected=True)),
    Code.D41: lambda a, r: (a, replace(r, conflicted=frozenset({PERSON}))),
    Code.D42: lambda a, r: (a, replace(r, disclosures=(replace(r.disclosures[0], read_only=True),))),
}
"""For each step in their order, what makes just that step say no to somebody who signs."""
ORDER = list(SPOILED)

TWICE = [
    Case(f"{first} before {second}", *SPOILED[second](*SPOILED[first](reader(), disclosed())), first, Intent.SIGN)
    for number, first in enumerate(ORDER)
    for second in ORDER[number + 1 :]
    if {first, second} != {Code.D22, Code.D42}  # the same fact of the disclosure says both
]
"""Two things wrong at once: the earlier step answers."""


def test_there_is_one_way_to_spoil_each_step() -> None:
    assert len(ORDER) == len(STEPS)
    for code, step in zip(ORDER, STEPS, strict=True):
        case = Case(code, *SPOILED[code](reader(), disclosed()), code, Intent.SIGN)
        assert case.holds(), code
        without = tuple(other for other in STEPS if other is not step)
        assert not case.holds(without), f"nothing but {step.__name__} says {code}"


@pytest.mark.parametrize("case", TWICE, ids=lambda case: case.name)
def test_the_first_step_that_fails_answers(case: Case) -> None:
    assert case.holds()


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_a_gate_without_one_step_turns_a_case_red(step: Step) -> None:
    steps = tuple(other for other in STEPS if other is not step)
    assert not all(case.holds(steps) for case in [*CASES, *TWICE])


@pytest.mark.parametrize("place", range(len(STEPS)))
def test_a_gate_with_two_steps_swapped_turns_a_case_red(place: int) -> None:
    for other in range(place + 1, len(STEPS)):
        steps = list(STEPS)
        steps[place], steps[other] = steps[other], steps[place]
        assert not all(case.holds(tuple(steps)) for case in [*CASES, *TWICE]), (STEPS[place], STEPS[other])


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
    anew = consented(consents=(Period(NOW - timedelta(hours=1)),))
    assert decide(reader(), looked_up(anew, objection_at=objected), Intent.VIEW, NOW).allow
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
