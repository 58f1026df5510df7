"""Patients in the database: found by number, shown and logged, one provider's own, one person under several numbers."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from patients import a_vault, make_actor, make_number, make_patient, read_changed, read_log
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.orm import Session

from cases.access.actors import Actor
from cases.access.errors import Conflict, Invalid, NotPermitted, NotThere
from cases.access.identifiers import IdentifierType
from cases.access.identities import (
    link_identifier,
    set_mismatch,
    set_objection,
    set_protection,
    unlink_identifier,
)
from cases.access.patients import (
    IdentifierStatus,
    Patient,
    PatientIdentifier,
    Protection,
    Sex,
    check_keys,
    find_patient,
    load_patient,
    register_patient,
    show,
)
from cases.access.permissions import Role
from cases.access.same_patients import PatientFacts, find_facts, find_same
from cases.access.vault import Vault, WrongKeys
from cases.database import act_for, platform

NOW = datetime.now(UTC)
PNR, SNR, NRID, LRID = IdentifierType


@pytest.fixture(autouse=True)
def keys(app_session: Session) -> None:
    app_session.info["vault"] = a_vault()


@pytest.fixture
def ours(app_session: Session) -> Actor:
    return make_actor(app_session)


def numbers(session: Session, patient: Patient, by: Actor) -> dict[str, IdentifierStatus]:
    """A patient's numbers and what has become of them."""
    return {number.extension or "": number.status for number in show(session, patient, by=by).numbers}


def test_a_patient_is_found_by_number_and_shown(app_session: Session, ours: Actor) -> None:
    number = make_number()
    patient = register_patient(app_session, number, given_name=" Tolvan ", family_name="Tolvansson", by=ours)
    found = find_patient(app_session, number, by=ours)
    assert found is patient
    shown = show(app_session, found, by=ours)
    assert (shown.given_name, shown.family_name, shown.birth_date) == ("Tolvan", "Tolvansson", number.birth_date)
    assert shown.sex is (Sex.MALE if int(number.extension[10]) % 2 else Sex.FEMALE)
    assert [(one.type, one.extension, one.status) for one in shown.numbers] == [
        (PNR, number.extension, IdentifierStatus.CURRENT)
    ]
    assert not shown.redacted
    index = a_vault().index(number.root_oid, number.extension).hex()
    entries = read_log(app_session)
    assert [(entry["event"], entry["patients"], entry["by"]) for entry in entries] == [
        ("PATIENT_CREATED", [patient.id], ours.assignment_id),
        ("SEARCH_PATIENT", [patient.id], ours.assignment_id),
        ("PATIENT_VIEWED", [patient.id], ours.assignment_id),
    ]
    assert entries[1]["args"] == {"term": index, "hits": 1}


def test_a_search_that_finds_nobody_is_logged(app_session: Session, ours: Actor) -> None:
    number = make_number()
    assert find_patient(app_session, number, by=ours) is None
    (entry,) = read_log(app_session)
    assert (entry["event"], entry["patients"], entry["args"]["hits"]) == ("SEARCH_PATIENT", [], 0)
    assert entry["args"]["term"] == a_vault().index(number.root_oid, number.extension).hex()
    assert number.extension not in str(entry)


def test_nothing_in_the_database_names_the_patient(app_session: Session, ours: Actor) -> None:
    number = make_number()
    make_patient(app_session, by=ours, number=number)
    read_log(app_session)
    tables = ("patient", "patient_identifier", "audit_event", "audit_subject")
    rows = str([app_session.execute(text(f"SELECT * FROM {table}")).all() for table in tables])  # noqa: S608
    assert str(ours.provider_id) in rows
    for secret in (number.extension, "Tolvan", number.extension[2:]):
        assert secret not in rows
        assert secret.encode().hex() not in rows


def test_a_number_is_registered_once_at_a_provider(app_session: Session, ours: Actor) -> None:
    number = make_number()
    make_patient(app_session, by=ours, number=number)
    with pytest.raises(Conflict, match="registered here already"):
        make_patient(app_session, by=ours, number=number)
    theirs = make_actor(app_session)
    assert find_patient(app_session, number, by=theirs) is None
    make_patient(app_session, by=theirs, number=number)


def test_two_at_the_same_moment_register_one_patient(app_session: Session, ours: Actor) -> None:
    number = make_number()
    patient = make_patient(app_session, by=ours, number=number)
    row = app_session.scalars(select(PatientIdentifier)).one()
    copy = {
        column: getattr(row, column)
        for column in ("care_provider_id", "type", "root_oid", "extension_enc", "extension_hmac")
    }
    app_session.add(PatientIdentifier(patient_id=patient.id, **copy))
    with pytest.raises(IntegrityError, match="uq_patient_identifier_number"):
        app_session.flush()


@pytest.mark.parametrize(("given_name", "family_name"), [("", "Tolvansson"), ("Tolvan", "  ")])
def test_a_patient_has_a_name(app_session: Session, ours: Actor, given_name: str, family_name: str) -> None:
    with pytest.raises(Invalid, match="a given name and a family name"):
        register_patient(app_session, make_number(), given_name=given_name, family_name=family_name, by=ours)


def test_another_providers_patient_is_not_there(app_session: Session, ours: Actor) -> None:
    patient = make_patient(app_session, by=ours)
    theirs = make_actor(app_session)
    for unknown in (patient.id, uuid.uuid4()):
        with pytest.raises(NotThere, match="There is no such patient at this care provider"):
            load_patient(app_session, unknown, by=theirs)
    act_for(app_session, ours.provider_id)
    assert load_patient(app_session, patient.id, by=ours) is patient


def test_the_database_itself_shows_each_provider_its_own(app_session: Session, ours: Actor) -> None:
    mine = make_patient(app_session, by=ours)
    theirs = make_actor(app_session)
    other = make_patient(app_session, by=theirs)
    assert app_session.scalars(select(Patient.id)).all() == [other.id]
    with platform(app_session):
        assert set(app_session.scalars(select(Patient.id))) >= {mine.id, other.id}
    act_for(app_session, ours.provider_id)
    assert app_session.scalars(select(PatientIdentifier.patient_id)).all() == [mine.id]
    with pytest.raises(ProgrammingError, match="violates row-level security policy"):
        app_session.execute(
            text("UPDATE patient SET care_provider_id = :other, same_as_id = id"), {"other": theirs.provider_id}
        )


@pytest.mark.parametrize("protection", [Protection.SEKRETESSMARKERING, Protection.SKYDDAD_FOLKBOKFORING])
def test_a_protected_identity_is_shown_to_those_who_are_named(
    app_session: Session, ours: Actor, protection: Protection
) -> None:
    patient = make_patient(app_session, by=ours)
    read_changed(app_session)
    set_protection(app_session, patient, protection, by=ours, now=NOW)
    assert read_changed(app_session) == {patient.id}
    shown = show(app_session, patient, by=ours)
    assert shown.redacted
    assert (shown.given_name, shown.family_name, shown.birth_date, shown.sex) == (None, None, None, None)
    assert [number.extension for number in shown.numbers] == [None]
    assert (shown.protection, shown.protection_checked_at) == (protection, NOW)
    assert show(app_session, patient, by=ours, named=True).given_name == "Tolvan"
    assert find_facts(app_session, [patient.id])[patient.id].protected
    assert [entry["event"] for entry in read_log(app_session)][1:] == [
        "PATIENT_CHANGED",
        "PATIENT_VIEWED",
        "PATIENT_VIEWED",
    ]


@pytest.mark.parametrize("protection", [Protection.SEKRETESSMARKERING, Protection.NONE])
def test_less_protection_takes_an_administrator_and_a_fresh_proof(
    app_session: Session, ours: Actor, protection: Protection
) -> None:
    strictest = Protection.SKYDDAD_FOLKBOKFORING
    patient = make_patient(app_session, by=ours)
    laboratory = replace(ours, grants=tuple(one for one in ours.grants if one.role is not Role.ADM))
    set_protection(app_session, patient, strictest, by=laboratory, now=NOW)
    stale = replace(ours, authenticated_at=NOW - timedelta(minutes=5, seconds=1))
    set_protection(app_session, patient, strictest, by=stale, now=NOW)
    for by, why in ((laboratory, "entered by the care provider's administrator"), (stale, "Prove once more")):
        with pytest.raises(NotPermitted, match=why):
            set_protection(app_session, patient, protection, by=by, now=NOW)
    assert patient.protection is strictest
    set_protection(app_session, patient, protection, by=replace(ours, authenticated_at=NOW), now=NOW)
    assert read_log(app_session)[-1]["args"] == {"protection": protection, "lowered_from": strictest}


def test_an_objection_is_set_and_cleared(app_session: Session, ours: Actor) -> None:
    patient = make_patient(app_session, by=ours)
    for objects, event, at in ((True, "OBJECTION_SET", NOW), (False, "OBJECTION_CLEARED", None)):
        read_changed(app_session)
        set_objection(app_session, patient, objects=objects, by=ours, now=NOW)
        assert find_facts(app_session, [patient.id])[patient.id] == PatientFacts(False, at, False)
        assert read_log(app_session)[-1]["event"] == event
        assert read_changed(app_session) == {patient.id}


def test_a_doubt_about_who_it_is_is_open_until_it_is_settled(app_session: Session, ours: Actor) -> None:
    patient = make_patient(app_session, by=ours)
    for doubtful in (True, False):
        read_changed(app_session)
        set_mismatch(app_session, patient, doubtful=doubtful, by=ours, now=NOW)
        assert find_facts(app_session, [patient.id])[patient.id].mismatch is doubtful
        entry = read_log(app_session)[-1]
        assert (entry["event"], entry["args"]) == ("PATIENT_MISMATCH", {"doubtful": doubtful})
        assert read_changed(app_session) == {patient.id}


def test_a_reserve_number_is_linked_to_the_personnummer_and_both_are_kept(app_session: Session, ours: Actor) -> None:
    reserve, personal = make_number(LRID), make_number()
    patient = make_patient(app_session, by=ours, number=reserve)
    read_changed(app_session)
    link_identifier(app_session, patient, personal, by=ours, now=NOW)
    assert read_changed(app_session) == {patient.id}
    assert numbers(app_session, patient, ours) == {
        reserve.extension: IdentifierStatus.LINKED,
        personal.extension: IdentifierStatus.CURRENT,
    }
    row = app_session.scalars(select(PatientIdentifier).where(PatientIdentifier.type == PNR)).one()
    assert (row.linked_by, row.linked_at) == (ours.assignment_id, NOW)
    for number in (reserve, personal):
        assert find_patient(app_session, number, by=ours) is patient
    entry = next(entry for entry in read_log(app_session) if entry["event"] == "PATIENT_LINKED")
    assert (entry["patients"], entry["args"]) == ([patient.id], {"number": str(row.id), "kind": "PNR"})
    with pytest.raises(Conflict, match="has this number already"):
        link_identifier(app_session, patient, personal, by=ours, now=NOW)


@pytest.mark.parametrize(
    ("first", "then", "of_first", "of_then"),
    [
        (PNR, LRID, IdentifierStatus.CURRENT, IdentifierStatus.LINKED),
        (SNR, PNR, IdentifierStatus.REPLACED, IdentifierStatus.CURRENT),
        (PNR, PNR, IdentifierStatus.REPLACED, IdentifierStatus.CURRENT),
        (LRID, SNR, IdentifierStatus.LINKED, IdentifierStatus.CURRENT),
    ],
)
def test_one_number_is_the_one_to_use(
    app_session: Session,
    ours: Actor,
    first: IdentifierType,
    then: IdentifierType,
    of_first: IdentifierStatus,
    of_then: IdentifierStatus,
) -> None:
    one, other = make_number(first), make_number(then)
    patient = make_patient(app_session, by=ours, number=one)
    link_identifier(app_session, patient, other, by=ours, now=NOW)
    assert numbers(app_session, patient, ours) == {one.extension: of_first, other.extension: of_then}


def test_two_patients_who_turn_out_to_be_one_share_what_holds_for_either(app_session: Session, ours: Actor) -> None:
    reserve, personal = make_number(LRID), make_number()
    came_as = make_patient(app_session, by=ours, number=reserve)
    known_as = make_patient(app_session, by=ours, number=personal)
    set_objection(app_session, known_as, objects=True, by=ours, now=NOW)
    set_protection(app_session, came_as, Protection.SEKRETESSMARKERING, by=ours, now=NOW)
    with pytest.raises(Conflict, match="Another patient here has this number"):
        link_identifier(app_session, came_as, personal, by=ours, now=NOW)
    with pytest.raises(Conflict, match="Another patient here has this number"):
        link_identifier(app_session, came_as, personal, known_as=came_as.id, by=ours, now=NOW)
    read_changed(app_session)
    link_identifier(app_session, came_as, personal, known_as=known_as.id, by=ours, now=NOW)
    assert read_changed(app_session) == {came_as.id, known_as.id}
    both = frozenset({came_as.id, known_as.id})
    assert find_same(app_session, both) == {came_as.id: both, known_as.id: both}
    assert set(find_facts(app_session, both).values()) == {PatientFacts(True, NOW, False)}
    shown = show(app_session, came_as, by=ours, named=True)
    assert {number.extension for number in shown.numbers} == {reserve.extension, personal.extension}
    set_objection(app_session, came_as, objects=False, by=ours, now=NOW)
    assert known_as.objection_at is None


def test_a_number_linked_by_mistake_is_taken_back(app_session: Session, ours: Actor) -> None:
    reserve, wrong, right = make_number(LRID), make_number(), make_number()
    patient = make_patient(app_session, by=ours, number=reserve)
    link_identifier(app_session, patient, wrong, by=ours, now=NOW)
    mistake = app_session.scalars(select(PatientIdentifier).where(PatientIdentifier.type == PNR)).one()
    read_changed(app_session)
    unlink_identifier(app_session, patient, mistake.id, by=ours)
    assert read_changed(app_session) == {patient.id}
    assert numbers(app_session, patient, ours) == {
        reserve.extension: IdentifierStatus.CURRENT,
    }, "the number of somebody else is shown"
    assert mistake.status is IdentifierStatus.ERROR
    assert find_patient(app_session, wrong, by=ours) is None
    somebody = make_patient(app_session, by=ours, number=wrong)
    assert find_same(app_session, [patient.id])[patient.id] == {patient.id}
    link_identifier(app_session, patient, right, by=ours, now=NOW)
    assert find_patient(app_session, wrong, by=ours) is somebody
    with pytest.raises(NotThere, match="no such number"):
        unlink_identifier(app_session, patient, mistake.id, by=ours)


def test_the_only_number_is_not_taken_back(app_session: Session, ours: Actor) -> None:
    patient = make_patient(app_session, by=ours)
    number = app_session.scalars(select(PatientIdentifier)).one()
    with pytest.raises(Conflict, match="the only number"):
        unlink_identifier(app_session, patient, number.id, by=ours)


@pytest.mark.parametrize("which", ["reserve", "personal"])
def test_two_patients_linked_by_mistake_part_again(app_session: Session, ours: Actor, which: str) -> None:
    reserve, personal = make_number(LRID), make_number()
    one = make_patient(app_session, by=ours, number=reserve)
    other = make_patient(app_session, by=ours, number=personal)
    link_identifier(app_session, one, personal, known_as=other.id, by=ours, now=NOW)
    kind = LRID if which == "reserve" else PNR
    mistake = app_session.scalars(select(PatientIdentifier).where(PatientIdentifier.type == kind)).one()
    read_changed(app_session)
    unlink_identifier(app_session, one, mistake.id, by=ours)
    assert read_changed(app_session) == {one.id, other.id}
    assert find_same(app_session, [one.id, other.id]) == {one.id: {one.id}, other.id: {other.id}}
    assert numbers(app_session, one, ours) == {reserve.extension: IdentifierStatus.CURRENT}
    assert numbers(app_session, other, ours) == {personal.extension: IdentifierStatus.CURRENT}


def test_the_same_person_is_known_across_providers_to_the_platform_alone(app_session: Session, ours: Actor) -> None:
    reserve, personal = make_number(LRID), make_number()
    came_as = make_patient(app_session, by=ours, number=reserve)
    known_as = make_patient(app_session, by=ours, number=personal)
    link_identifier(app_session, came_as, personal, known_as=known_as.id, by=ours, now=NOW)
    theirs = make_actor(app_session)
    there = make_patient(app_session, by=theirs, number=personal)
    stranger = make_patient(app_session, by=theirs)
    everybody = frozenset({came_as.id, known_as.id, there.id})
    with platform(app_session):
        assert find_same(app_session, [came_as.id, there.id, stranger.id]) == {
            came_as.id: everybody,
            there.id: everybody,
            stranger.id: {stranger.id},
        }
    assert find_same(app_session, [there.id])[there.id] == {there.id}
    read_changed(app_session)
    set_objection(app_session, there, objects=True, by=theirs, now=NOW)
    assert read_changed(app_session) == everybody
    act_for(app_session, ours.provider_id)
    assert find_facts(app_session, [came_as.id])[came_as.id].objection_at is None


def test_the_keys_are_tried_on_the_database(
    app_session: Session, ours: Actor, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert check_keys(app_session) == 0
    make_patient(app_session, by=ours)
    assert check_keys(app_session) == 1
    other = Vault.create(tmp_path_factory.mktemp("keys"))
    app_session.info["vault"] = other
    with pytest.raises(WrongKeys, match="Key number 1 is not the one"):
        check_keys(app_session)
    mixed = tmp_path_factory.mktemp("mixed")
    mixed.chmod(0o700)
    for name, vault in (("search.key", other), ("encryption-0001.key", a_vault())):
        (mixed / name).write_bytes((vault.folder / name).read_bytes())
        (mixed / name).chmod(0o600)
    app_session.info["vault"] = Vault(mixed)
    with pytest.raises(WrongKeys, match="The search key is not the one of this database"):
        check_keys(app_session)


def test_a_reserve_number_states_no_sex(app_session: Session, ours: Actor) -> None:
    patient = make_patient(app_session, by=ours, number=make_number(LRID))
    assert patient.sex is None
    assert replace(show(app_session, patient, by=ours), numbers=()).birth_date == date(1950, 3, 1)
