"""Consents, emergencies, care relations and notices: who registers them, for whom they hold, and when they end."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from patients import a_vault, make_actor, make_number, make_patient, read_changed, read_log
from sqlalchemy.orm import Session

from cases.access.actors import Actor, Period
from cases.access.consents import (
    AssertionType,
    ConsentAssertion,
    ConsentForm,
    ConsentScope,
    assert_emergency,
    delete_consent,
    end_consent,
    find_consents,
    list_consents,
    register_consent,
)
from cases.access.errors import Conflict, Invalid, NotPermitted, NotThere
from cases.access.patients import Patient
from cases.access.relations import (
    NoticeChannel,
    NoticeFacts,
    RelationReason,
    end_notice,
    end_relation,
    find_notices,
    find_relations,
    give_notice,
    list_notices,
    list_relations,
    register_relation,
)
from cases.database import act_for, platform

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
SVOD = ConsentScope.SVOD
ORAL = ConsentForm.ORAL


@pytest.fixture
def session(app_session: Session) -> Session:
    app_session.info["vault"] = a_vault()
    return app_session


@pytest.fixture
def actor(session: Session) -> Actor:
    return make_actor(session)


@pytest.fixture
def patient(session: Session, actor: Actor) -> Patient:
    made = make_patient(session, by=actor)
    read_changed(session)
    return made


@pytest.mark.parametrize("only_me", [False, True])
def test_a_consent_is_for_the_unit_or_for_one_person(
    session: Session, actor: Actor, patient: Patient, only_me: bool
) -> None:
    register_consent(session, patient, SVOD, how=ORAL, only_me=only_me, end_at=NOW + DAY, by=actor, now=NOW)
    (facts,) = find_consents(session, [patient.id])[patient.id]
    assert (facts.type, facts.scope, facts.period) == (AssertionType.CONSENT, SVOD, Period(NOW, NOW + DAY))
    assert facts.is_for(actor)
    assert facts.is_for(replace(actor, assignment_id=uuid.uuid4())) is not only_me
    assert not facts.is_for(replace(actor, unit_id=uuid.uuid4()))
    assert read_changed(session) == {patient.id}
    entry = read_log(session)[-1]
    assert (entry["event"], entry["patients"], entry["args"]) == (
        "CONSENT_REGISTERED",
        [patient.id],
        {"type": "CONSENT", "scope": "SVOD", "how": "ORAL"},
    )


@pytest.mark.parametrize(("end", "event"), [(end_consent, "CONSENT_ENDED"), (delete_consent, "CONSENT_DELETED")])
def test_a_consent_ends_once(
    session: Session, actor: Actor, patient: Patient, end: Callable[..., ConsentAssertion], event: str
) -> None:
    consent = register_consent(session, patient, SVOD, how=ORAL, by=actor, now=NOW)
    read_changed(session)
    end(session, consent.id, by=actor, now=NOW + DAY)
    assert consent.period == Period(NOW, NOW + DAY)
    assert read_changed(session) == {patient.id}
    assert read_log(session)[-1]["event"] == event
    for again in (end_consent, delete_consent):
        with pytest.raises(Conflict, match="has ended already"):
            again(session, consent.id, by=actor, now=NOW + DAY)
    kept = find_consents(session, [patient.id])[patient.id]
    assert [facts.period.holds(NOW + DAY) for facts in kept] == ([] if end is delete_consent else [False])
    assert list_consents(session, patient, by=actor) == [consent]


def test_a_consent_that_would_never_hold_is_refused(session: Session, actor: Actor, patient: Patient) -> None:
    with pytest.raises(Invalid, match="would end before it begins"):
        register_consent(session, patient, SVOD, how=ORAL, end_at=NOW, by=actor, now=NOW)


def test_another_providers_consent_is_not_there(session: Session, actor: Actor, patient: Patient) -> None:
    consent = register_consent(session, patient, SVOD, how=ORAL, by=actor, now=NOW)
    other = make_actor(session)
    with pytest.raises(NotThere, match="no such consent at this care provider"):
        end_consent(session, consent.id, by=other, now=NOW)


def test_an_emergency_holds_for_one_person_and_a_day(session: Session, actor: Actor, patient: Patient) -> None:
    assert_emergency(session, patient, SVOD, reason="Medvetslös", by=actor, now=NOW)
    (facts,) = find_consents(session, [patient.id])[patient.id]
    assert (facts.type, facts.period) == (AssertionType.EMERGENCY, Period(NOW, NOW + DAY))
    assert facts.assignment_id == actor.assignment_id
    entry = read_log(session)[-1]
    assert (entry["event"], entry["patients"], entry["args"]["type"]) == ("NODOPPNING", [patient.id], "EMERGENCY")


def test_an_emergency_is_asserted_by_those_who_treat_and_just_proved_who_they_are(
    session: Session, actor: Actor, patient: Patient
) -> None:
    stale = replace(actor, authenticated_at=NOW - timedelta(minutes=6))
    with pytest.raises(NotPermitted, match="Prove once more who you are"):
        assert_emergency(session, patient, SVOD, reason="Medvetslös", by=stale, now=NOW)
    with pytest.raises(Invalid, match="what the emergency is"):
        assert_emergency(session, patient, SVOD, reason="", by=actor, now=NOW)
    with pytest.raises(NotPermitted, match="for pathologists and clinicians"):
        assert_emergency(session, patient, SVOD, reason="Medvetslös", by=replace(actor, grants=()), now=NOW)


def test_a_consent_counts_where_the_same_persons_information_lies(session: Session) -> None:
    number = make_number()
    owner = make_actor(session)
    owned = make_patient(session, by=owner, number=number)
    reader = make_actor(session)
    read = make_patient(session, by=reader, number=number)
    read_changed(session)
    register_consent(session, read, SVOD, how=ORAL, by=reader, now=NOW)
    register_relation(session, read, RelationReason.CONSULT, by=reader, now=NOW)
    assert read_changed(session) == {owned.id, read.id}
    with platform(session):
        consents, relations = find_consents(session, [owned.id]), find_relations(session, [owned.id])
    assert [facts.is_for(reader) for facts in consents[owned.id]] == [True]
    assert [facts.is_for(reader) for facts in relations[owned.id]] == [True]
    act_for(session, owner.provider_id)
    assert find_consents(session, [owned.id])[owned.id] == ()
    assert find_relations(session, [owned.id])[owned.id] == ()


@pytest.mark.parametrize("whole_unit", [False, True])
def test_a_relation_is_ones_own_or_the_units(
    session: Session, actor: Actor, patient: Patient, whole_unit: bool
) -> None:
    relation = register_relation(session, patient, RelationReason.REFERRAL, whole_unit=whole_unit, by=actor, now=NOW)
    (facts,) = find_relations(session, [patient.id])[patient.id]
    assert facts.is_for(actor)
    assert facts.is_for(replace(actor, assignment_id=uuid.uuid4())) is whole_unit
    assert not facts.is_for(replace(actor, assignment_id=uuid.uuid4(), unit_id=uuid.uuid4()))
    assert read_changed(session) == {patient.id}
    end_relation(session, relation.id, by=actor, now=NOW + DAY)
    assert read_changed(session) == {patient.id}
    (facts,) = find_relations(session, [patient.id])[patient.id]
    assert facts.period == Period(NOW, NOW + DAY)
    assert [entry["event"] for entry in read_log(session)[-2:]] == ["RELATION_REGISTERED", "RELATION_ENDED"]
    with pytest.raises(Conflict, match="has ended already"):
        end_relation(session, relation.id, by=actor, now=NOW + DAY)
    assert list_relations(session, patient, by=actor) == [relation]


def test_a_relation_says_what_it_is(session: Session, actor: Actor, patient: Patient) -> None:
    with pytest.raises(Invalid, match="Say in a few words what the relation is"):
        register_relation(session, patient, RelationReason.OTHER, reason_text=" ", by=actor, now=NOW)
    with pytest.raises(Invalid, match="would end before it begins"):
        register_relation(session, patient, RelationReason.MDT, end_at=NOW, by=actor, now=NOW)
    other = make_actor(session)
    with pytest.raises(NotThere, match="no such care relation"):
        end_relation(session, uuid.uuid4(), by=other, now=NOW)


def test_a_notice_is_for_one_patient_or_for_all(session: Session, actor: Actor, patient: Patient) -> None:
    neighbour = make_patient(session, by=actor)
    public = give_notice(session, None, NoticeChannel.PUBLIC, text_version="3", by=actor, now=NOW)
    personal = give_notice(session, patient, NoticeChannel.LETTER, text_version="3", by=actor, now=NOW + DAY)
    found = find_notices(session, [patient.id, neighbour.id])
    assert {facts.period.start for facts in found[patient.id]} == {NOW, NOW + DAY}
    assert found[neighbour.id] == (NoticeFacts(provider_id=actor.provider_id, period=Period(NOW)),)
    assert list_notices(session, neighbour, by=actor) == [public]
    assert list_notices(session, patient, by=actor) == [personal, public]
    session.info.pop("changed", None)
    with pytest.raises(NotPermitted, match="ended by the care provider's administrator"):
        end_notice(session, public.id, by=replace(actor, grants=()), now=NOW + DAY)
    end_notice(session, public.id, by=actor, now=NOW + DAY)
    assert session.info["changed"].providers == {actor.provider_id}
    assert not find_notices(session, [neighbour.id])[neighbour.id][0].period.holds(NOW + DAY)
    read_changed(session)
    end_notice(session, personal.id, by=actor, now=NOW + 2 * DAY)
    assert read_changed(session) == {patient.id}
    with pytest.raises(Conflict, match="has ended already"):
        end_notice(session, personal.id, by=actor, now=NOW + 2 * DAY)


def test_a_notice_fits_its_channel(session: Session, actor: Actor, patient: Patient) -> None:
    for told, channel in ((None, NoticeChannel.LETTER), (patient, NoticeChannel.PUBLIC)):
        with pytest.raises(Invalid, match="A public notice is for all patients"):
            give_notice(session, told, channel, text_version="3", by=actor, now=NOW)
    with pytest.raises(Invalid, match="which version of the text"):
        give_notice(session, patient, NoticeChannel.ORAL, text_version=" ", by=actor, now=NOW)


def test_another_providers_public_notice_does_not_count(session: Session, actor: Actor, patient: Patient) -> None:
    other = make_actor(session)
    give_notice(session, None, NoticeChannel.PUBLIC, text_version="3", by=other, now=NOW)
    with platform(session):
        assert find_notices(session, [patient.id])[patient.id] == ()
