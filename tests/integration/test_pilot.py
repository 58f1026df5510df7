"""The pilot: what is in it, that it goes in once, and that a region can follow later."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from product import Database, put_pilot_in
from sqlalchemy import select, text
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from cases.access.identifiers import IdentifierType, parse
from cases.access.log.chain import verify
from cases.access.organisations import CareProvider, RegionCode
from cases.access.vault import Vault
from cases.database import act_for, sessions
from cases.sharing.checklists import ItemCode, ItemState, checklist
from cases.transaction import transaction
from slides.drawing.catalogue import DEMO_SLIDES
from viewer.cli import app
from viewer.pilot import SLIDES, cast, seed_pilot

RKL, RO, RJL, OTHER = RegionCode.RKL, RegionCode.RO, RegionCode.RJL, RegionCode.OTHER
CONTENT = """
SELECT 'person' AS kind, given_name || ' ' || family_name || coalesce(license_number, '') AS what FROM person
UNION ALL SELECT 'post', commission_hsa_id || ' ' || care_unit.hsa_id || ' ' || person.family_name FROM assignment
    JOIN care_unit ON care_unit.id = care_unit_id JOIN person ON person.id = person_id
UNION ALL SELECT 'role', role || ' ' || commission_hsa_id || ' ' || (approved_at IS NOT NULL) FROM role_grant
    JOIN assignment ON assignment.id = assignment_id
UNION ALL SELECT 'analysis', role || ' ' || hsa_id FROM risk_analysis
    JOIN care_provider ON care_provider.id = care_provider_id
UNION ALL SELECT 'department', department.name || ' ' || hsa_id FROM department
    JOIN care_unit ON care_unit.id = care_unit_id
UNION ALL SELECT 'agreement', document_ref || ' ' || coalesce(signed_b_at IS NOT NULL, false) FROM agreement
UNION ALL SELECT 'service', request_type || ' ' || customer.name || ' ' || performer.name FROM service_description
    JOIN care_provider customer ON customer.id = customer_id JOIN care_provider performer ON performer.id = performer_id
UNION ALL SELECT 'evidence', item || ' ' || name || ' ' || coalesce(evidence_ref, owner) FROM evidence
    JOIN care_provider ON care_provider.id = care_provider_id
UNION ALL SELECT 'notice', name FROM patient_information_notice
    JOIN care_provider ON care_provider.id = care_provider_id
UNION ALL SELECT 'competence', family_name || ' ' || subspecialty || ' ' || level FROM competence
    JOIN person ON person.id = person_id
UNION ALL SELECT 'patient', encode(extension_hmac, 'hex') || ' ' || name FROM patient_identifier
    JOIN care_provider ON care_provider.id = care_provider_id
UNION ALL SELECT 'case', lid || ' ' || hsa_id || ' ' || status FROM pathology_case
    JOIN care_unit ON care_unit.id = care_unit_id
UNION ALL SELECT 'glass', label_text || ' ' || care_provider.name FROM glass_slide
    JOIN care_provider ON care_provider.id = care_provider_id
UNION ALL SELECT 'referral', referral_number || ' ' || question || coalesce(care_unit.name, '') FROM referral
    LEFT JOIN care_unit ON care_unit.id = referring_unit_id
"""
"""Everything that the pilot is, without ids and times."""


def read_content(database: Database) -> list[tuple[str, str]]:
    return sorted((row["kind"], row["what"]) for row in database.query(CONTENT))


@pytest.fixture
def owner(pilot_database: Database) -> Iterator[Session]:
    with pilot_database.engine() as engine, Session(engine) as session:
        yield session


def seed(database: Database, *regions: RegionCode) -> None:
    vault = Vault(database.keys)
    with database.engine("samsyn_app") as engine, transaction(sessions(engine, vault=vault)) as session:
        seed_pilot(session, now=datetime.now(UTC), only=regions)


def test_what_is_in_stays_as_it_is(pilot_database: Database) -> None:
    before = read_content(pilot_database)
    assert len(before) == len(set(before))
    written = pilot_database.query("SELECT count(*) AS n FROM audit_event")
    pilot_database.query(
        "UPDATE role_grant SET valid_to = now() FROM assignment"
        " WHERE assignment.id = assignment_id AND commission_name = 'Ekonom'"
    )
    put_pilot_in(pilot_database)
    assert read_content(pilot_database) == before
    assert pilot_database.query("SELECT count(*) AS n FROM audit_event") == written
    (ended,) = pilot_database.query("SELECT count(*) AS n FROM role_grant WHERE valid_to IS NOT NULL")
    assert ended["n"] == 1, "what an administrator took away came back"


def test_a_region_can_follow_later(pilot_database: Database, database: Database) -> None:
    seed(database, RKL, OTHER)
    without = read_content(database)
    assert not any("Linköping" in what or "Östergötland" in what for _, what in without)
    seed(database, RO)
    seed(database, RJL)
    assert set(without) <= set(read_content(database))
    assert read_content(database) == read_content(pilot_database)


def test_every_row_is_in_the_log_and_the_log_is_whole(owner: Session) -> None:
    report = verify(owner, [])
    assert (report.findings, report.chains) == ((), 5)  # four care providers, and the platform
    for table, event in (
        ("pathology_case", "CASE_CREATED"),
        ("patient", "PATIENT_CREATED"),
        ("assignment", "ASSIGNMENT_REGISTERED"),
        ("role_grant", "ROLE_GRANTED"),
        ("evidence", "EVIDENCE_GIVEN"),
    ):
        missing = owner.scalar(
            text(
                f"SELECT count(*) FROM {table} WHERE id NOT IN (SELECT subject_id FROM audit_subject"  # noqa: S608
                " JOIN audit_event ON audit_event.id = event_id WHERE audit_event.event = :event)"
            ),
            {"event": event},
        )
        assert missing == 0, table


def test_everybody_is_made_up(owner: Session) -> None:
    assert owner.scalars(text("SELECT family_name FROM person WHERE NOT demo")).all() == []
    patients = {case.patient for case in cast.CASES}
    assert len({patient.number for patient in patients}) == len(patients) == 9
    for patient in patients:
        number = parse(patient.number, kind=patient.kind, today=date(2026, 11, 22))
        if patient.kind is IdentifierType.PNR:
            assert 980 <= int(number.extension[8:11]) <= 999
    assert {patient.kind for patient in patients} == {IdentifierType.PNR, IdentifierType.NRID}
    assert sum(patient.protection != "NONE" for patient in patients) == 1


def test_the_drawn_slides_belong_to_cases_of_the_patients_on_their_labels() -> None:
    cases = {(case.unit, case.lid): case for case in cast.CASES}
    for slide in DEMO_SLIDES:
        lid = slide.label.lid.partition(" ")[0]
        patient = cases[SLIDES[lid], lid].patient
        assert slide.file_name.startswith(f"{lid}-")
        assert slide.label.person == f"{patient.given_name} {patient.family_name}"


def test_every_drawn_slide_has_a_glass_that_waits_for_it(pilot_database: Database) -> None:
    labels = {row["label_text"] for row in pilot_database.query("SELECT label_text FROM glass_slide WHERE expected")}
    assert {f"{slide.label.lid} {slide.label.stain}" for slide in DEMO_SLIDES} <= labels


def test_checklists_say_who_is_ready_and_what_is_missing(owner: Session) -> None:
    ids = {one.region_code: one.id for one in owner.scalars(select(CareProvider))}
    missing = {}
    for customer, performer in ((RKL, RO), (RO, RKL), (OTHER, RO), (RKL, RJL), (RJL, RO), (RO, RJL)):
        act_for(owner, ids[customer])
        found = checklist(owner, ids[customer], ids[performer], datetime.now(UTC))
        missing[customer, performer] = {item.code for item in found.items if item.state is ItemState.MISSING}
    assert missing == {
        (RKL, RO): set(),
        (RO, RKL): set(),
        (OTHER, RO): set(),
        (RKL, RJL): {ItemCode.WSI_VALIDATION},
        (RJL, RO): {ItemCode.COOPERATION, ItemCode.SERVICE},
        (RO, RJL): {ItemCode.COOPERATION, ItemCode.SERVICE, ItemCode.WSI_VALIDATION},
    }


def test_the_command_seeds_and_refuses_where_patients_may_be(database: Database) -> None:
    settings = {"SAMSYN_DATABASE_URL": database.url("samsyn_app"), "SAMSYN_KEYS": str(database.keys), "COLUMNS": "1000"}
    refused = CliRunner(env={**settings, "SAMSYN_ENV": "production"}).invoke(app, ["seed", "pilot"])
    assert (refused.exit_code, database.query("SELECT * FROM person")) == (2, [])
    assert "SAMSYN_ENV is production: the pilot's people sign in without proof. Nothing was done." in refused.output
    done = CliRunner(env=settings).invoke(app, ["seed", "pilot", "--region", "RKL"])
    assert (done.exit_code, done.output) == (0, "The pilot is in: in demo mode its people sign in with one click.\n")
    assert [row["name"] for row in database.query("SELECT name FROM care_provider")] == ["Region Kalmar län"]
