"""A report as plain text for old systems and as FHIR for new ones."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle
from report_facts import AUTHOR, COUNTERSIGNER, KALMAR, LINKOPING, PATIENT, PROTECTED, make_report

from cases.access.patients import Protection
from cases.sharing.reports import words
from cases.sharing.reports.fhir import write_fhir
from cases.sharing.reports.report import Report, ReportPatient
from cases.sharing.reports.text import WIDTH, write_text


def read(report: Report) -> dict[str, Any]:
    """A bundle as JSON, after FHIR's own models have accepted it."""
    text = write_fhir(report)
    Bundle.model_validate_json(text)
    bundle: dict[str, Any] = json.loads(text)
    return bundle


def pick(bundle: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The resources of one kind."""
    return [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind]


def test_plain_text_is_narrow_whole_and_without_markup() -> None:
    text = write_text(make_report())
    assert max(map(len, text.splitlines())) <= WIDTH
    for said in (
        "KONSULTATIONSUTLÅTANDE: Slutsvar, version 4",
        "Identitetsnummer: 19121212-1212",
        "Ingen säker invasion.",
        "- M  M82632  Tubulovillöst adenom",
        "- B1-2  MSH2  Hade inte kommit in",
        "- Kontrasignerat  Maria Åberg, Överläkare",
        "8f3a0c1be4d29f7716a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f701",
    ):
        assert said in text, said
    assert not any(ord(one) >= 0xD800 or (ord(one) < 32 and one != "\n") for one in text)


def test_a_warning_comes_before_anything_else_in_plain_text() -> None:
    lines = write_text(make_report(status="ENTERED_IN_ERROR"), "en").splitlines()
    assert lines[0] == "CONSULTATION REPORT: Entered in error, version 4"
    assert "! This answer was entered in error and is not valid. Do not use it." in lines[:6]


def test_every_word_is_in_both_languages() -> None:
    tables = [table for name, table in vars(words).items() if name.isupper() and isinstance(table, dict)]
    assert len(tables) > 10
    for table in tables:
        for code, said in table.items():
            assert said.sv and said.en, code


def test_a_bundle_holds_everything_that_it_refers_to() -> None:
    bundle = read(make_report())
    assert bundle["type"] == "collection"
    there = {entry["fullUrl"] for entry in bundle["entry"]}
    assert len(there) == len(bundle["entry"])
    asked_for: set[str] = set()

    def walk(value: object) -> None:
        if isinstance(value, dict):
            if "reference" in value:
                asked_for.add(value["reference"])
            for one in value.values():
                walk(one)
        elif isinstance(value, list):
            for one in value:
                walk(one)

    walk(bundle)
    assert asked_for
    assert asked_for <= there


def test_the_report_itself_in_fhir() -> None:
    bundle = read(make_report())
    (report,) = pick(bundle, "DiagnosticReport")
    assert report["status"] == "final"
    assert report["code"]["coding"][0] == {
        "system": "http://loinc.org",
        "code": "60570-9",
        "display": "Pathology Consult note",
    }
    assert [one["coding"][0]["code"] for one in report["conclusionCode"]] == ["T67200", "M82632"]
    assert report["conclusion"].endswith("Ingen säker invasion.")
    pdf, text = report["presentedForm"]
    assert base64.b64decode(pdf["data"]).startswith(b"%PDF")
    assert base64.b64decode(text["data"]).decode() == write_text(make_report())
    assert len(base64.b64decode(pdf["data"])) == pdf["size"]
    interpreters = [one["reference"] for one in report["resultsInterpreter"]]
    assert interpreters == [AUTHOR.assignment_id.urn, COUNTERSIGNER.assignment_id.urn]
    agreement = next(one for one in pick(bundle, "Observation") if one["code"]["text"] == "Överensstämmelse")
    assert agreement["valueCodeableConcept"]["coding"][0]["code"] == "MINOR_DISCREPANCY"
    assert agreement["component"][0]["valueCodeableConcept"]["coding"][0]["code"] == "GRADE"
    (request,) = pick(bundle, "ServiceRequest")
    assert request["identifier"][0]["value"] == "R-7K3F2Q"
    assert request["priority"] == "urgent"
    specimens = pick(bundle, "Specimen")
    assert {one["accessionIdentifier"]["value"] for one in specimens} == {"B26-17890"}
    assert {one["accessionIdentifier"]["assigner"]["reference"] for one in specimens} == {KALMAR.unit_id.urn}
    units = {one["id"]: one for one in pick(bundle, "Organization")}
    assert units[str(LINKOPING.unit_id)]["partOf"]["reference"] == LINKOPING.provider_id.urn
    assert len(pick(bundle, "Provenance")) == 2


def test_a_patient_in_fhir() -> None:
    (patient,) = pick(read(make_report()), "Patient")
    assert patient["identifier"] == [
        {"system": "http://electronichealth.se/identifier/personnummer", "value": "191212121212"}
    ]
    assert patient["name"] == [{"family": "Tolvansson", "given": ["Tolvan"]}]
    assert (patient["gender"], patient["birthDate"]) == ("male", "1912-12-12")


@pytest.mark.parametrize(
    ("protection", "code"),
    [(Protection.SEKRETESSMARKERING, "sekretessmarkering"), (Protection.SKYDDAD_FOLKBOKFORING, "skyddadFolkbokforing")],
)
def test_a_protected_patient_is_labelled_and_unnamed_everywhere(protection: Protection, code: str) -> None:
    patient = ReportPatient(id=PATIENT.id, protection=protection)
    bundle = read(make_report(patient=patient))
    label = {"system": "http://hl7.se/fhir/ig/base/CodeSystem/SecurityLabel", "code": code}
    (found,) = pick(bundle, "Patient")
    assert found["meta"]["security"] == [label]
    assert set(found) == {"resourceType", "id", "meta"}
    assert bundle["meta"]["security"] == [label]
    assert pick(bundle, "DiagnosticReport")[0]["meta"]["security"] == [label]
    assert "Tolvan" not in json.dumps(bundle)
    assert "Tolvan" not in write_text(make_report(patient=PROTECTED))


def test_ids_are_the_same_for_the_same_answer_and_the_version_grows() -> None:
    first, second = read(make_report()), read(make_report(id=PATIENT.id, number=9, status="AMENDED"))
    ids = [[entry["fullUrl"] for entry in bundle["entry"]] for bundle in (first, second)]
    assert ids[0] == ids[1]
    assert write_fhir(make_report()) == write_fhir(make_report())
    versions = [pick(bundle, "DiagnosticReport")[0]["meta"]["versionId"] for bundle in (first, second)]
    assert versions == ["4", "9"]
    assert first["identifier"] != second["identifier"]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("PRELIMINARY", "preliminary"),
        ("FINAL", "final"),
        ("ADDENDUM", "appended"),
        ("AMENDED", "amended"),
        ("CORRECTED", "corrected"),
        ("ENTERED_IN_ERROR", "entered-in-error"),
        ("AWAITING_COUNTERSIGN", "partial"),
    ],
)
def test_every_status_in_fhirs_own_words(status: str, said: str) -> None:
    assert pick(read(make_report(status=status)), "DiagnosticReport")[0]["status"] == said


def test_a_case_without_listed_specimens_still_has_its_number() -> None:
    specimens = pick(read(make_report(specimens=())), "Specimen")
    assert [one["accessionIdentifier"]["value"] for one in specimens] == ["B26-17890"]


def test_a_transferred_case_says_who_answers_for_it_and_who_notifies() -> None:
    text = write_text(
        make_report(
            request_type="WORKLOAD_TRANSFER",
            kind="PRIMARY_REPORT",
            agreement="NOT_APPLICABLE",
            cancer_notification_by="OWNER",
        )
    )
    flat = " ".join(text.split())
    assert "Region Östergötland har övertagit granskningen från Region Kalmar län och svarar för primärsvaret" in flat
    assert "Canceranmälan görs av Region Kalmar län." in flat
    assert "Överensstämmelse" not in text
