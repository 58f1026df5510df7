"""Agreements in the database: who signs, what stays as it was signed, and who may know of it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from contracts import connect_provider, make_agreement, make_text
from people import act, make_assignment, make_person, make_provider, make_unit
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from cases.access import audit
from cases.access.actors import Actor
from cases.access.agreements import (
    Agreement,
    AgreementStatus,
    AgreementType,
    Ending,
    Operator,
    Stage,
    cooperation_terms,
    correct,
    draft,
    find_agreement,
    is_member,
    list_agreements,
    list_for_operator,
    sign,
    terminate,
    terms,
)
from cases.access.audit import AuditEvent, Event
from cases.access.errors import Conflict, IllegalMove, Invalid, NotThere
from cases.access.organisations import CareProvider
from cases.access.permissions import Role
from cases.access.rights import Changed
from cases.database import act_for, platform

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
OPERATOR = Operator("Drift Driftsson, driftchef")


def make_administrator(session: Session, name: str) -> Actor:
    """The agreement administrator of a new care provider."""
    unit = make_unit(session, make_provider(session, name=name))
    return act(session, make_assignment(session, make_person(session), unit, roles=[Role.AGR]))


@pytest.fixture
def kalmar(app_session: Session) -> Actor:
    """Kalmar's agreement administrator."""
    return make_administrator(app_session, "Region Kalmar län")


@pytest.fixture
def jonkoping(app_session: Session) -> Actor:
    """Jönköping's agreement administrator."""
    return make_administrator(app_session, "Region Jönköpings län")


@pytest.fixture
def stranger(app_session: Session) -> Actor:
    """A third care provider's agreement administrator."""
    return make_administrator(app_session, "Patologen AB")


def propose(
    session: Session, kalmar: Actor, jonkoping: Actor, *, notice_period_days: int = 0, run_off_days: int = 0
) -> Agreement:
    """A cooperation agreement that Kalmar has drafted and nobody signed."""
    act_for(session, kalmar.provider_id)
    wording = make_text(notice_period_days=notice_period_days, run_off_days=run_off_days)
    return draft(session, AgreementType.COOPERATION, wording, with_provider=jonkoping.provider_id, by=kalmar)


def sign_both(session: Session, agreement: Agreement, kalmar: Actor, jonkoping: Actor) -> None:
    """Both parties sign, each in its own name."""
    for by in (kalmar, jonkoping):
        act_for(session, by.provider_id)
        sign(session, agreement, by=by, now=NOW)


def changed(session: Session) -> set[uuid.UUID]:
    """Providers whose rights are to be looked at again."""
    noted = session.info.get("changed", Changed())
    assert isinstance(noted, Changed)
    return noted.providers


def events(session: Session, provider_id: uuid.UUID) -> list[str]:
    """What one care provider's people did, as its log has it."""
    audit.link(session)
    act_for(session, provider_id)
    return list(session.scalars(select(AuditEvent.event).where(AuditEvent.care_provider_id == provider_id)))


def test_it_holds_once_both_have_signed(app_session: Session, kalmar: Actor, jonkoping: Actor) -> None:
    agreement = propose(app_session, kalmar, jonkoping)
    assert agreement.status(NOW) == AgreementStatus.DRAFT
    assert cooperation_terms(app_session, kalmar.provider_id, jonkoping.provider_id) == ()
    sign_both(app_session, agreement, kalmar, jonkoping)
    assert agreement.stage == Stage.SIGNED_BY_BOTH
    assert agreement.status(NOW) == AgreementStatus.ACTIVE
    for one, other in ((kalmar, jonkoping), (jonkoping, kalmar)):
        (cooperation,) = cooperation_terms(app_session, one.provider_id, other.provider_id)
        assert cooperation.agreement_id == agreement.id
        assert not cooperation.period.holds(NOW - DAY), "it holds from the last signature on, whatever its dates say"
        assert cooperation.period.holds(NOW)
        assert cooperation.run_off_until is None


def test_every_move_is_logged_and_rights_are_looked_at_again(
    app_session: Session, kalmar: Actor, jonkoping: Actor
) -> None:
    agreement = propose(app_session, kalmar, jonkoping)
    correct(app_session, agreement, make_text(run_off_days=14), by=kalmar)
    sign_both(app_session, agreement, kalmar, jonkoping)
    terminate(app_session, agreement, Ending.RESCINDED, reason="Avtalsbrott", by=jonkoping, now=NOW)
    assert changed(app_session) == {kalmar.provider_id, jonkoping.provider_id}
    assert sorted(events(app_session, kalmar.provider_id)) == [
        Event.AGREEMENT_CORRECTED,
        Event.AGREEMENT_DRAFTED,
        Event.AGREEMENT_SIGNED,
    ]
    assert sorted(events(app_session, jonkoping.provider_id)) == [Event.AGREEMENT_SIGNED, Event.AGREEMENT_TERMINATED]


def test_nobody_signs_twice_or_for_somebody_else(
    app_session: Session, kalmar: Actor, jonkoping: Actor, stranger: Actor
) -> None:
    agreement = propose(app_session, kalmar, jonkoping)
    act_for(app_session, kalmar.provider_id)
    sign(app_session, agreement, by=kalmar, now=NOW)
    with pytest.raises(IllegalMove, match="SIGNED_BY_A cannot become SIGNED_BY_A; allowed now: SIGNED_BY_B") as error:
        sign(app_session, agreement, by=kalmar, now=NOW)
    assert error.value.allowed == ("SIGNED_BY_BOTH", "WITHDRAWN")
    for somebody in (stranger, OPERATOR):
        with pytest.raises(NotThere, match=r"There is no such agreement\."):
            sign(app_session, agreement, by=somebody, now=NOW)
    assert agreement.signed_b_at is None


def test_text_and_dates_are_frozen_once_somebody_signed(app_session: Session, kalmar: Actor, jonkoping: Actor) -> None:
    agreement = propose(app_session, kalmar, jonkoping)
    correct(app_session, agreement, replace(make_text(), purpose="Annat ändamål"), by=kalmar)
    assert agreement.purpose == "Annat ändamål"
    sign(app_session, agreement, by=kalmar, now=NOW)
    with pytest.raises(IllegalMove, match=r"frozen once somebody has signed, .* Draft a new agreement"):
        correct(app_session, agreement, make_text(), by=kalmar)


@pytest.mark.parametrize(
    "change",
    [
        "purpose = 'x'",
        "valid_to = now() + interval '9 years'",
        "run_off_days = 900",
        "signed_a_at = NULL, signed_a_by = NULL",
        "signed_b_by = gen_random_uuid()",
        "terminated_at = NULL, ending = NULL, ending_reason = NULL",
        "terminated_at = now() + interval '9 years'",
    ],
)
def test_the_database_keeps_what_was_signed(session: Session, change: str) -> None:
    a, b = make_provider(session), make_provider(session)
    agreement = make_agreement(session, AgreementType.COOPERATION, a, b)
    agreement.terminated_at, agreement.ending, agreement.ending_reason = NOW, Ending.UNDER_NOTICE, "Flytt"
    session.flush()
    with pytest.raises(IntegrityError, match="what was agreed in agreement stays as it was agreed"):
        session.execute(text(f"UPDATE agreement SET {change} WHERE id = :id"), {"id": agreement.id})  # noqa: S608


@pytest.mark.parametrize(
    ("make", "constraint"),
    [
        (lambda one: setattr(one, "party_b", one.party_a), "parties_are_two"),
        (lambda one: setattr(one, "party_b", None), "parties_fit_type"),
        (lambda one: setattr(one, "type", AgreementType.PUB), "parties_fit_type"),
        (lambda one: setattr(one, "doc_sha256", "0" * 63), "document_has_a_digest"),
        (lambda one: setattr(one, "valid_to", one.valid_from), "dates_in_order"),
        (lambda one: setattr(one, "run_off_days", -1), "days_are_not_negative"),
        (lambda one: setattr(one, "signed_a_at", NOW), "signature_a_is_whole"),
        (lambda one: setattr(one, "signed_b_at", NOW), "what was agreed in agreement"),  # nobody signs for the other
        (lambda one: setattr(one, "ending_reason", "x"), "ending_is_whole"),
    ],
)
def test_the_database_refuses_what_contradicts_itself(
    app_session: Session, kalmar: Actor, jonkoping: Actor, make: Callable[[Agreement], None], constraint: str
) -> None:
    agreement = propose(app_session, kalmar, jonkoping)
    make(agreement)
    with pytest.raises(IntegrityError, match=constraint):
        app_session.flush()


def test_the_operator_signs_what_is_between_it_and_a_provider(app_session: Session, kalmar: Actor) -> None:
    agreement = draft(app_session, AgreementType.PUB, make_text(kind=AgreementType.PUB), with_provider=None, by=kalmar)
    sign(app_session, agreement, by=kalmar, now=NOW)
    assert terms(app_session, kalmar.provider_id, AgreementType.PUB) == ()
    sign(app_session, agreement, by=OPERATOR, now=NOW)
    (period,) = terms(app_session, kalmar.provider_id, AgreementType.PUB)
    assert period.holds(NOW)
    assert agreement.operator_signatory == "Drift Driftsson, driftchef"
    assert events(app_session, kalmar.provider_id).count(Event.AGREEMENT_SIGNED) == 2, "both are in its log"


def test_what_does_not_fit_is_refused_in_words(app_session: Session, kalmar: Actor, jonkoping: Actor) -> None:
    fine = make_text()
    other = jonkoping.provider_id
    for kind, with_provider, wording, field, sentence in (
        (AgreementType.PUB, other, fine, "party_b", "is made with the platform operator"),
        (AgreementType.STAFF, None, fine, "party_b", "is made between two care providers"),
        (AgreementType.STAFF, kalmar.provider_id, fine, "party_b", "makes no agreement with itself"),
        (AgreementType.STAFF, uuid.uuid4(), fine, "party_b", "There is no such care provider"),
        (AgreementType.STAFF, other, replace(fine, run_off_days=1), "run_off_days", "Only a cooperation agreement"),
        (AgreementType.STAFF, other, replace(fine, notice_period_days=-1), "run_off_days", "0 or more"),
        (AgreementType.STAFF, other, replace(fine, valid_to=fine.valid_from), "valid_to", "ends after it begins"),
        (AgreementType.STAFF, other, replace(fine, doc_sha256="ABC"), "doc_sha256", "as sha256sum prints"),
        (AgreementType.PUB, None, fine, "instructions_ref", "documented instructions"),
    ):
        with pytest.raises(Invalid, match=sentence) as error:
            draft(app_session, kind, wording, with_provider=with_provider, by=kalmar)
        assert error.value.field == field


def test_notice_is_kept_and_a_breach_ends_at_once(app_session: Session, kalmar: Actor, jonkoping: Actor) -> None:
    agreement = propose(app_session, kalmar, jonkoping, notice_period_days=90, run_off_days=14)
    sign_both(app_session, agreement, kalmar, jonkoping)
    terminate(app_session, agreement, Ending.UNDER_NOTICE, reason="Nytt avtal", by=kalmar, now=NOW)
    assert agreement.terminated_at == NOW + 90 * DAY
    assert agreement.status(NOW) == AgreementStatus.ACTIVE
    (cooperation,) = cooperation_terms(app_session, kalmar.provider_id, jonkoping.provider_id)
    assert cooperation.run_off_until == NOW + 104 * DAY
    with pytest.raises(IllegalMove, match="UNDER_NOTICE cannot become UNDER_NOTICE; allowed now: RESCINDED"):
        terminate(app_session, agreement, Ending.UNDER_NOTICE, reason="Igen", by=jonkoping, now=NOW)
    terminate(app_session, agreement, Ending.RESCINDED, reason="Avtalsbrott", by=jonkoping, now=NOW + DAY)
    assert agreement.status(NOW + DAY) == AgreementStatus.TERMINATED
    (cooperation,) = cooperation_terms(app_session, kalmar.provider_id, jonkoping.provider_id)
    assert cooperation.run_off_until == NOW + DAY


def test_notice_never_lengthens_an_agreement(app_session: Session, kalmar: Actor, jonkoping: Actor) -> None:
    act_for(app_session, kalmar.provider_id)
    short = make_text(until=NOW + 10 * DAY, notice_period_days=90)
    agreement = draft(app_session, AgreementType.STAFF, short, with_provider=jonkoping.provider_id, by=kalmar)
    sign_both(app_session, agreement, kalmar, jonkoping)
    terminate(app_session, agreement, Ending.UNDER_NOTICE, reason="Flytt", by=jonkoping, now=NOW)
    assert agreement.terminated_at == NOW + 10 * DAY
    with pytest.raises(Conflict, match="has ended already"):
        terminate(app_session, agreement, Ending.RESCINDED, reason="Brott", by=jonkoping, now=NOW + 10 * DAY)


def test_a_draft_is_withdrawn_and_never_signed_again(app_session: Session, kalmar: Actor, jonkoping: Actor) -> None:
    agreement = propose(app_session, kalmar, jonkoping)
    with pytest.raises(IllegalMove, match="UNSIGNED cannot become RESCINDED"):
        terminate(app_session, agreement, Ending.RESCINDED, reason="Brott", by=kalmar, now=NOW)
    with pytest.raises(Invalid, match="Say why"):
        terminate(app_session, agreement, Ending.WITHDRAWN, reason=" ", by=kalmar, now=NOW)
    terminate(app_session, agreement, Ending.WITHDRAWN, reason="Fel part", by=kalmar, now=NOW)
    assert agreement.status(NOW) == AgreementStatus.TERMINATED
    with pytest.raises(IllegalMove, match="WITHDRAWN cannot become SIGNED_BY_A; allowed now: none"):
        sign(app_session, agreement, by=kalmar, now=NOW)


def test_an_agreement_whose_time_is_over_is_not_signed(app_session: Session, kalmar: Actor, jonkoping: Actor) -> None:
    act_for(app_session, kalmar.provider_id)
    old = make_text(until=NOW - DAY)
    agreement = draft(app_session, AgreementType.STAFF, old, with_provider=jonkoping.provider_id, by=kalmar)
    with pytest.raises(Conflict, match="time of this agreement is over"):
        sign(app_session, agreement, by=kalmar, now=NOW)


def test_membership_is_an_agreement_that_holds(session: Session) -> None:
    provider = make_provider(session)
    make_agreement(session, AgreementType.COHERENT_RECORD, provider, since=NOW - 9 * DAY, until=NOW + DAY)
    found = [is_member(session, provider.id, NOW + days * DAY) for days in (-10, -9, 0, 1)]
    assert found == [False, True, True, False]
    assert not is_member(session, make_provider(session).id, NOW)


def test_terms_are_the_earliest_first_and_of_one_type(session: Session) -> None:
    provider = make_provider(session)
    make_agreement(session, AgreementType.PUB, provider, since=NOW + 10 * DAY)
    make_agreement(session, AgreementType.PUB, provider, since=NOW - 90 * DAY, until=NOW + 10 * DAY)
    make_agreement(session, AgreementType.CONNECTION, provider)
    found = terms(session, provider.id, AgreementType.PUB)
    assert [period.start for period in found] == [NOW - 90 * DAY, NOW + 10 * DAY]
    assert [period.end for period in found] == [NOW + 10 * DAY, None]


def test_a_third_provider_learns_nothing(
    app_session: Session, kalmar: Actor, jonkoping: Actor, stranger: Actor
) -> None:
    agreement = propose(app_session, kalmar, jonkoping)
    connect_provider(app_session, app_session.get_one(CareProvider, kalmar.provider_id))
    act_for(app_session, jonkoping.provider_id)
    assert find_agreement(app_session, agreement.id, by=jonkoping) is agreement
    assert list_agreements(app_session, by=jonkoping, limit=9) == [agreement]
    act_for(app_session, stranger.provider_id)
    with pytest.raises(NotThere, match=r"There is no such agreement\."):
        find_agreement(app_session, agreement.id, by=stranger)
    assert list_agreements(app_session, by=stranger, limit=9) == []
    assert app_session.scalars(select(Agreement.id)).all() == [], "even a query that forgets its filter"
    assert terms(app_session, kalmar.provider_id, AgreementType.PUB) == ()
    with platform(app_session):
        assert len(terms(app_session, kalmar.provider_id, AgreementType.PUB)) == 1


def test_the_list_is_read_page_by_page(app_session: Session, kalmar: Actor, jonkoping: Actor) -> None:
    drafted = [propose(app_session, kalmar, jonkoping).id for _ in range(5)]
    first = [one.id for one in list_agreements(app_session, by=kalmar, limit=3)]
    rest = [one.id for one in list_agreements(app_session, by=kalmar, limit=3, after=first[-1])]
    assert first + rest == drafted[::-1]
    assert list_agreements(app_session, by=kalmar, limit=9, kind=AgreementType.PUB) == []


def test_a_row_for_others_cannot_be_written(app_session: Session, kalmar: Actor, stranger: Actor) -> None:
    a, b = make_provider(app_session), make_provider(app_session)
    make_agreement(app_session, AgreementType.STAFF, a, b)
    act_for(app_session, stranger.provider_id)
    foreign = Agreement(
        type=AgreementType.CONNECTION, party_a=kalmar.provider_id, sub_processors=[], notice_period_days=0,
        run_off_days=0, purpose="x", document_ref="x", doc_sha256="0" * 64, valid_from=NOW,
    )  # fmt: skip
    app_session.add(foreign)
    with pytest.raises(DBAPIError, match="row-level security"):
        app_session.flush()


def test_of_two_who_change_the_same_one_wins(app_session: Session, kalmar: Actor, jonkoping: Actor) -> None:
    agreement = propose(app_session, kalmar, jonkoping)
    app_session.execute(text("UPDATE agreement SET version = version + 1 WHERE id = :id"), {"id": agreement.id})
    with pytest.raises(StaleDataError):
        sign(app_session, agreement, by=kalmar, now=NOW)


def test_the_operator_sees_its_own_agreements_only(app_session: Session, kalmar: Actor, jonkoping: Actor) -> None:
    propose(app_session, kalmar, jonkoping)
    pub = draft(app_session, AgreementType.PUB, make_text(kind=AgreementType.PUB), with_provider=None, by=kalmar)
    with platform(app_session):
        found = list_for_operator(app_session)
    assert [one for one in found if one.party_a == kalmar.provider_id] == [pub]
