"""Which pairs of a user and a patient a review looks at."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.access.log.risks import find_unusual
from cases.access.log.sampling import ALWAYS, Pair, Reason, draw, wanted

AT = datetime(2026, 10, 5, 9, tzinfo=UTC)
RISKS = [risk for risk in Reason if risk is not Reason.RANDOM]


def make_pairs(count: int, *risks: Reason, start: int = 1) -> list[Pair]:
    return [
        Pair(
            assignment_id=uuid.UUID(int=number),
            person_id=uuid.UUID(int=number),
            unit_id=uuid.UUID(int=1),
            patient_id=uuid.UUID(int=10**6 + number),
            entries=1,
            first_at=AT,
            last_at=AT,
            risks=frozenset(risks),
        )
        for number in range(start, start + count)
    ]


@pytest.mark.parametrize(
    ("pairs", "least"), [(0, 0), (7, 7), (20, 20), (21, 20), (1000, 20), (1001, 21), (1050, 21), (5000, 100)]
)
def test_twenty_are_drawn_or_two_percent(pairs: int, least: int) -> None:
    assert wanted(pairs) == least
    assert len(draw(make_pairs(pairs), b"seed")) == least


def test_two_fifths_are_drawn_by_chance_and_the_rest_by_risk() -> None:
    pairs = make_pairs(4000) + make_pairs(1000, Reason.OUTSIDE_HOURS, start=5000)
    drawn = draw(pairs, b"seed")
    by_chance = [pair for pair, reasons in drawn if Reason.RANDOM in reasons]
    by_risk = [pair for pair, reasons in drawn if Reason.RANDOM not in reasons]
    assert (len(by_chance), len(by_risk)) == (40, 60)
    assert all(pair.risks == {Reason.OUTSIDE_HOURS} for pair in by_risk)
    assert any(not pair.risks for pair in by_chance), "chance does not look at risks"


def test_those_with_the_most_risks_come_first() -> None:
    worst = make_pairs(12, Reason.OUTSIDE_HOURS, Reason.SAME_SURNAME, start=9000)
    drawn = draw(make_pairs(500, Reason.OUTSIDE_HOURS) + worst, b"seed")
    assert {pair.assignment_id for pair in worst} <= {pair.assignment_id for pair, _ in drawn}


@pytest.mark.parametrize("risk", sorted(ALWAYS))
def test_emergencies_and_protected_identities_are_all_drawn_and_chance_keeps_its_share(risk: Reason) -> None:
    drawn = draw(make_pairs(900) + make_pairs(100, risk, start=5000), b"seed")
    assert sum(risk in reasons for _, reasons in drawn) == 100
    assert sum(Reason.RANDOM in reasons for _, reasons in drawn) == 8


def test_chance_fills_up_where_too_few_are_risky() -> None:
    drawn = draw(make_pairs(200) + make_pairs(3, Reason.REFUSED_OFTEN, start=500), b"seed")
    assert len(drawn) == 20
    assert sum(Reason.RANDOM in reasons for _, reasons in drawn) >= 17
    assert sum(Reason.REFUSED_OFTEN in reasons for _, reasons in drawn) == 3


def test_the_seed_decides_whatever_the_order() -> None:
    pairs = make_pairs(300)
    assert draw(pairs, b"one") == draw(pairs[::-1], b"one")
    assert {pair.assignment_id for pair, _ in draw(pairs, b"one")} != {
        pair.assignment_id for pair, _ in draw(pairs, b"two")
    }


def test_chance_is_even() -> None:
    pairs = make_pairs(40)
    counts = Counter(pair.assignment_id for number in range(400) for pair, _ in draw(pairs, number.to_bytes(2, "big")))
    # Each is drawn with probability 1/2: 200 of 400, standard deviation 10. Five of them: one run in 50,000 fails.
    assert all(150 <= counts[pair.assignment_id] <= 250 for pair in pairs)


@given(st.lists(st.frozensets(st.sampled_from(RISKS)), max_size=80), st.binary(min_size=16, max_size=16))
def test_every_draw_is_right(risks: list[frozenset[Reason]], seed: bytes) -> None:
    pairs = [replace(pair, risks=of) for pair, of in zip(make_pairs(len(risks)), risks, strict=True)]
    drawn = draw(pairs, seed)
    assert len({pair.assignment_id for pair, _ in drawn}) == len(drawn) >= wanted(len(pairs))
    assert {pair for pair in pairs if pair.risks & ALWAYS} <= {pair for pair, _ in drawn}
    assert all(reasons for _, reasons in drawn)
    assert all(reasons - {Reason.RANDOM} <= pair.risks for pair, reasons in drawn)


def test_far_more_patients_than_the_others_is_unusual() -> None:
    users = {uuid.UUID(int=number): 20 + number % 5 for number in range(1, 30)}
    assert find_unusual(users) == frozenset()
    assert find_unusual(users | {uuid.UUID(int=99): 400}) == {uuid.UUID(int=99)}
    assert find_unusual({}) == frozenset()
