"""When an agreement holds, and what it is called: derived from signatures and dates."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.access.agreements import (
    MOVES,
    WARNING,
    Agreement,
    AgreementStatus,
    AgreementType,
    Ending,
    Stage,
)

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def days(first: int, last: int) -> st.SearchStrategy[datetime]:
    """Moments some days and hours from now."""
    return st.integers(first * 24, last * 24).map(lambda hours: NOW + timedelta(hours=hours))


@st.composite
def agreements(draw: st.DrawFn) -> Agreement:
    """Agreements at every stage that the rules can bring them to, around now."""
    valid_from = draw(days(-400, 400))
    length = draw(st.none() | st.integers(1, 400))
    made = make(valid_from=valid_from, valid_to=None if length is None else valid_from + length * DAY)
    made.run_off_days = draw(st.integers(0, 30))
    made.signed_a_at = draw(st.none() | days(-400, 400))
    made.signed_b_at = draw(st.none() | days(-400, 400))
    if draw(st.booleans()):
        signed = made.signed_a_at is not None and made.signed_b_at is not None
        made.ending = draw(st.sampled_from([Ending.UNDER_NOTICE, Ending.RESCINDED] if signed else [Ending.WITHDRAWN]))
        made.terminated_at = draw(days(-400, 400))
    return made


def make(**fields: object) -> Agreement:
    """A cooperation agreement from ten days ago on, signed by both twenty days ago."""
    values: dict[str, object] = {
        "id": uuid.uuid4(),
        "type": AgreementType.COOPERATION,
        "party_a": uuid.uuid4(),
        "party_b": uuid.uuid4(),
        "valid_from": NOW - 10 * DAY,
        "run_off_days": 0,
        "signed_a_at": NOW - 20 * DAY,
        "signed_b_at": NOW - 20 * DAY,
    }
    return Agreement(**(values | fields))


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"signed_a_at": None, "signed_b_at": None}, AgreementStatus.DRAFT),
        ({"signed_b_at": None}, AgreementStatus.DRAFT),
        ({"valid_from": NOW + timedelta(microseconds=1)}, AgreementStatus.SIGNED),
        ({"valid_from": NOW}, AgreementStatus.ACTIVE),
        ({}, AgreementStatus.ACTIVE),
        ({"valid_to": NOW + 60 * DAY + timedelta(microseconds=1)}, AgreementStatus.ACTIVE),
        ({"valid_to": NOW + 60 * DAY}, AgreementStatus.EXPIRING),
        ({"valid_to": NOW + timedelta(microseconds=1)}, AgreementStatus.EXPIRING),
        ({"valid_to": NOW}, AgreementStatus.EXPIRED),
        ({"terminated_at": NOW + 90 * DAY, "ending": Ending.UNDER_NOTICE}, AgreementStatus.ACTIVE),
        ({"terminated_at": NOW + 30 * DAY, "ending": Ending.UNDER_NOTICE}, AgreementStatus.EXPIRING),
        ({"terminated_at": NOW, "ending": Ending.RESCINDED}, AgreementStatus.TERMINATED),
        ({"signed_b_at": None, "terminated_at": NOW, "ending": Ending.WITHDRAWN}, AgreementStatus.TERMINATED),
    ],
)
def test_status_follows_from_signatures_and_dates(fields: dict[str, object], status: AgreementStatus) -> None:
    assert make(**fields).status(NOW) == status


@given(agreements())
def test_it_holds_exactly_while_its_status_says_so(agreement: Agreement) -> None:
    says = agreement.status(NOW) in (AgreementStatus.ACTIVE, AgreementStatus.EXPIRING)
    assert says == (agreement.period is not None and agreement.period.holds(NOW))


@given(agreements())
def test_it_holds_only_inside_its_dates_and_after_both_signatures(agreement: Agreement) -> None:
    period = agreement.period
    if period is None or not period.holds(NOW):
        return
    assert agreement.signed_a_at is not None
    assert agreement.signed_b_at is not None
    assert max(agreement.signed_a_at, agreement.signed_b_at, agreement.valid_from) <= NOW
    assert all(end is None or end > NOW for end in (agreement.valid_to, agreement.terminated_at))


@given(agreements(), st.integers(0, 800), st.integers(0, 800))
def test_status_never_goes_back(agreement: Agreement, first: int, second: int) -> None:
    order = [
        AgreementStatus.DRAFT,
        AgreementStatus.SIGNED,
        AgreementStatus.ACTIVE,
        AgreementStatus.EXPIRING,
        AgreementStatus.EXPIRED,
        AgreementStatus.TERMINATED,
    ]
    earlier, later = sorted((first, second))
    seen = [agreement.status(NOW + hours * timedelta(hours=12)) for hours in (earlier, later)]
    assert order.index(seen[0]) <= order.index(seen[1])


@given(agreements())
def test_requests_run_off_only_after_an_end_and_never_after_a_breach(agreement: Agreement) -> None:
    end = agreement.period.end if agreement.period else None
    if end is None:
        assert agreement.run_off_until is None
        return
    granted = timedelta(0) if agreement.ending == Ending.RESCINDED else agreement.run_off_days * DAY
    assert agreement.run_off_until == end + granted


def test_g5_without_run_off_an_agreement_that_expired_yesterday_is_over() -> None:
    expired = make(valid_to=NOW - DAY)
    assert expired.status(NOW) == AgreementStatus.EXPIRED
    assert expired.run_off_until == NOW - DAY
    assert make(valid_to=NOW - DAY, run_off_days=14).run_off_until == NOW + 13 * DAY


@pytest.mark.parametrize(
    ("fields", "stage"),
    [
        ({"signed_a_at": None, "signed_b_at": None}, Stage.UNSIGNED),
        ({"signed_b_at": None}, Stage.SIGNED_BY_A),
        ({"signed_a_at": None}, Stage.SIGNED_BY_B),
        ({}, Stage.SIGNED_BY_BOTH),
        ({"ending": Ending.UNDER_NOTICE, "terminated_at": NOW + DAY}, Stage.UNDER_NOTICE),
        ({"ending": Ending.RESCINDED, "terminated_at": NOW}, Stage.RESCINDED),
        ({"signed_b_at": None, "ending": Ending.WITHDRAWN, "terminated_at": NOW}, Stage.WITHDRAWN),
    ],
)
def test_stage_says_what_people_did(fields: dict[str, object], stage: Stage) -> None:
    assert make(**fields).stage == stage


def test_every_stage_has_its_moves_and_both_must_sign() -> None:
    assert set(MOVES) == set(Stage)
    reached = {to for allowed in MOVES.values() for to in allowed}
    assert reached == set(Stage) - {Stage.UNSIGNED}
    assert {stage for stage, allowed in MOVES.items() if Stage.SIGNED_BY_BOTH in allowed} == {
        Stage.SIGNED_BY_A,
        Stage.SIGNED_BY_B,
    }
    assert WARNING == 60 * DAY
