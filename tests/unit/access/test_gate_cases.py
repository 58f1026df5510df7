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
    DAY,
    LINKOPING,
    NOBODY,
    NOW,
    OTHER_ASSIGNMENT,
    OTHER_UNIT,
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
    Intent,
    Resource,
    Step,
    decide,
)
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
CONFERENCE = frozenset({CareLink.CONFERENCE})


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
    Case(
        "G13 emergency, the patient has objected",
        reader(),
        looked_up(consented(consented_at=None), links=frozenset({CareLink.EMERGENCY}), objection_at=NOW - DAY),
        Code.D32,
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
