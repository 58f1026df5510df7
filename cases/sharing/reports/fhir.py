"""A report as HL7 FHIR R4: one Bundle with everything that the DiagnosticReport refers to, the PDF within it.

A `collection`, because it is told, not ordered: what a receiver keeps of it, and under which ids, is the receiver's.
A transaction would overwrite the receiver's own patients and staff, a document would be signed by us anew. Ids are
those of our rows, so the same answer is the same resources whenever it is written.

Source: HL7 FHIR R4 (4.0.1); HL7 Sweden base profiles 1.1.0; domain rules, 10.2. Written with the models of R4B, whose
elements used here are those of R4.
"""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from fhir.resources.R4B.bundle import Bundle
from pydantic import ValidationError

from cases.access.identifiers import IdentifierType
from cases.access.patients import Protection
from cases.sharing.reports import words
from cases.sharing.reports.composition import Composition, compose
from cases.sharing.reports.pdf import write_pdf
from cases.sharing.reports.report import Report, ReportCode, ReportSignature, ReportSpecimen, Site, Staff
from cases.sharing.reports.text import write_text
from cases.sharing.reports.words import Language, say

Resource = dict[str, Any]

PROFILES = "http://hl7.se/fhir/ig/base/StructureDefinition/"
LABELS = "http://hl7.se/fhir/ig/base/CodeSystem/SecurityLabel"
HSA_ID = "urn:oid:1.2.752.29.4.19"
LICENCE = "urn:oid:1.2.752.116.3.1.1"
ORG_NUMBER = "urn:oid:2.5.4.97"
URI = "urn:ietf:rfc:3986"
LOINC = "http://loinc.org"
SNOMED_CT = "http://snomed.info/sct"
KINDS_OF_IDENTIFIER = "http://terminology.hl7.org/CodeSystem/v2-0203"
OURS = "urn:samsyn:"
"""Before the names of our own code systems and identifiers."""

NUMBERS: Mapping[IdentifierType, str] = {
    IdentifierType.PNR: "http://electronichealth.se/identifier/personnummer",
    IdentifierType.SNR: "http://electronichealth.se/identifier/samordningsnummer",
    IdentifierType.NRID: "http://electronichealth.se/identifier/nationelltReservnummer",
}
"""A local reserve number is known by the OID of who gave it."""
PROTECTIONS: Mapping[Protection, str] = {
    Protection.SEKRETESSMARKERING: "sekretessmarkering",
    Protection.SKYDDAD_FOLKBOKFORING: "skyddadFolkbokforing",
}
STATUSES: Mapping[str, str] = {
    "PRELIMINARY": "preliminary",
    "FINAL": "final",
    "ADDENDUM": "appended",
    "AMENDED": "amended",
    "CORRECTED": "corrected",
    "ENTERED_IN_ERROR": "entered-in-error",
}
"""Of a version that is not signed through yet: partial."""
KINDS: Mapping[str, tuple[str, str]] = {"PRIMARY_REPORT": ("11526-1", "Pathology study")}
"""LOINC; everything else is a pathology consult note."""
SECTIONS: Mapping[str, tuple[str, str]] = {
    "microscopy": ("22635-7", "Pathology report microscopic observation Narrative"),
    "statement": ("22638-1", "Pathology report comments Narrative"),
}
PRIORITIES: Mapping[str, str] = {"INTRAOP": "stat", "SNABB": "asap", "SVF": "urgent", "ROUTINE": "routine"}
SYSTEMS: Mapping[str, str] = {
    "SCT": SNOMED_CT,
    "ICD10SE": "http://hl7.org/fhir/sid/icd-10-se",
    "ICDO3": "http://terminology.hl7.org/CodeSystem/icd-o-3",
}
"""The Swedish codes derived from SNOMED have no system that others know; theirs is ours."""
SIGNATURES: Mapping[str, str] = {"AUTHOR": "1.2.840.10065.1.12.1.1", "COUNTERSIGN": "1.2.840.10065.1.12.1.3"}
"""Author's and co-signer's signature; any other is a witness's. Source: ASTM E1762-95."""


class BundleFailed(Exception):
    """A bundle could not be made: a fault of ours."""


def write_fhir(report: Report, language: Language = "sv") -> str:
    """A report as a FHIR Bundle in JSON, with the PDF and the plain text as its presented forms.

    Args:
        report: of a signed version.
        language: of what is not written by people.

    Raises:
        BundleFailed: FHIR's own models refuse it: a fault of ours.
    """
    collected = _Collector(report, language).collect()
    try:
        return Bundle.model_validate(collected).model_dump_json()
    except ValidationError as error:
        # What was refused is about a patient, and what is raised here ends up on a log.
        places = {".".join(map(str, one["loc"])) for one in error.errors(include_input=False, include_context=False)}
        raise BundleFailed(f"FHIR's models refuse {', '.join(sorted(places))}.") from None


class _Collector:
    def __init__(self, report: Report, language: Language) -> None:
        self._report, self._language = report, language
        self._page: Composition = compose(report, language)
        self._patient = _refer("Patient", report.patient.id)

    def collect(self) -> Resource:
        report = self._report
        resources = [self._describe_report(), *self._observe(), self._describe_request(), self._describe_patient()]
        resources += self._describe_specimens()
        resources += [one for site in (report.owner, report.performer) for one in _describe_site(site)]
        people = {by.assignment_id: by for by in (report.requester, *(one.by for one in report.signatures))}
        resources += [one for by in people.values() for one in self._describe_staff(by)]
        resources += [self._describe_signature(one) for one in report.signatures]
        once = {(one["resourceType"], one["id"]): one for one in resources}
        bundle: Resource = {
            "resourceType": "Bundle",
            "id": str(_derive(report.id, "bundle")),
            "meta": self._label(),
            "identifier": {"system": URI, "value": report.id.urn},
            "type": "collection",
            "timestamp": report.finished_at,
            "entry": [{"fullUrl": uuid.UUID(one["id"]).urn, "resource": one} for one in once.values()],
        }
        pruned: Resource = _prune(bundle)
        return pruned

    def _label(self, *, profile: str | None = None) -> Resource:
        protection = PROTECTIONS.get(self._report.patient.protection)
        return {
            "profile": [PROFILES + profile] if profile else [],
            "security": [{"system": LABELS, "code": protection}] if protection else [],
        }

    def _describe_report(self) -> Resource:
        report = self._report
        code, display = KINDS.get(report.kind, ("60570-9", "Pathology Consult note"))
        return {
            "resourceType": "DiagnosticReport",
            "id": str(report.answer_id),
            "meta": {**self._label(), "versionId": str(report.number), "lastUpdated": report.finished_at},
            "language": report.content_language,
            "identifier": [{"system": URI, "value": report.answer_id.urn}],
            "basedOn": [_refer("ServiceRequest", report.request_id)],
            "status": STATUSES.get(report.status, "partial"),
            "category": [_code("http://terminology.hl7.org/CodeSystem/v2-0074", "PAT")],
            "code": {**_code(LOINC, code, display), "text": self._page.title},
            "subject": self._patient,
            "effectiveDateTime": report.finished_at,
            "issued": report.finished_at,
            "performer": [_refer("Organization", report.performer.unit_id)],
            "resultsInterpreter": [
                _refer("PractitionerRole", one.by.assignment_id)
                for one in report.signatures
                if one.meaning in ("AUTHOR", "COUNTERSIGN")
            ],
            "specimen": [_refer("Specimen", one.id) for one in self._list_specimens()],
            "result": [_refer("Observation", uuid.UUID(one["id"])) for one in self._observe()],
            "conclusion": report.diagnosis_text,
            "conclusionCode": [_describe_code(one) for one in report.codes],
            "presentedForm": [
                self._attach("application/pdf", write_pdf(report, self._language)),
                self._attach("text/plain; charset=utf-8", write_text(report, self._language).encode()),
            ],
        }

    def _attach(self, kind: str, content: bytes) -> Resource:
        return {
            "contentType": kind,
            "language": self._language,
            "data": base64.b64encode(content).decode(),
            "size": len(content),
            "hash": base64.b64encode(hashlib.sha1(content, usedforsecurity=False).digest()).decode(),
            "title": f"{self._page.title} {self._report.short_id}",
            "creation": self._report.finished_at,
        }

    def _observe(self) -> Iterator[Resource]:
        report = self._report
        if report.agreement != "NOT_APPLICABLE":
            agreement = say(words.AGREEMENTS, report.agreement, self._language)
            category = report.discrepancy_category
            yield self._observation("agreement") | {
                "valueCodeableConcept": {
                    **_code(f"{OURS}code-system:agreement", report.agreement),
                    "text": agreement,
                },
                "component": [self._discrepancy(category)] if category else [],
                "note": [{"text": report.impact_comment}],
            }
        for name in ("statement", "microscopy", "ancillary", "recommendations"):
            text: str | None = getattr(report, name)
            if text:
                yield self._observation(name) | {"valueString": text}
        if report.limitations:
            yield self._observation("limitations") | {"valueString": "\n".join(self._page.limitations)}

    def _observation(self, name: str) -> Resource:
        report = self._report
        known = SECTIONS.get(name)
        final = {"ENTERED_IN_ERROR": "entered-in-error", "PRELIMINARY": "preliminary"}.get(report.status, "final")
        ours = {"system": f"{OURS}code-system:report-section", "code": name}
        coded = [{"system": LOINC, "code": known[0], "display": known[1]}] if known else []
        return {
            "resourceType": "Observation",
            "id": str(_derive(report.answer_id, name)),
            "status": final,
            "code": {"coding": [*coded, ours], "text": say(words.LABELS, name, self._language)},
            "subject": self._patient,
            "effectiveDateTime": report.finished_at,
        }

    def _discrepancy(self, category: str) -> Resource:
        value = _code(f"{OURS}code-system:discrepancy", category, say(words.DISCREPANCIES, category, self._language))
        return {
            "code": _code(f"{OURS}code-system:report-section", "discrepancy"),
            "valueCodeableConcept": value,
        }

    def _describe_request(self) -> Resource:
        report = self._report
        kind = say(words.REQUEST_TYPES, report.request_type, self._language)
        return {
            "resourceType": "ServiceRequest",
            "id": str(report.request_id),
            "identifier": [{"system": f"{OURS}identifier:request", "value": report.short_id}],
            "requisition": {"value": report.referral_number},
            "status": "completed",
            "intent": "order",
            "priority": PRIORITIES[report.urgency],
            "code": {**_code(f"{OURS}code-system:request-type", report.request_type), "text": kind},
            "subject": self._patient,
            "authoredOn": report.requested_at,
            "requester": _refer("PractitionerRole", report.requester.assignment_id),
            "performer": [_refer("Organization", report.performer.unit_id)],
            "reasonCode": [{"text": report.question}],
            "specimen": [_refer("Specimen", one.id) for one in self._list_specimens()],
            "note": [{"text": report.working_diagnosis}],
        }

    def _describe_patient(self) -> Resource:
        patient = self._report.patient
        known = patient.number
        system = known and NUMBERS.get(known.type, f"urn:oid:{known.root_oid}")
        return {
            "resourceType": "Patient",
            "id": str(patient.id),
            "meta": self._label(profile="SEBasePatient"),
            "identifier": [{"system": system, "value": known.extension}] if known else [],
            "name": [{"family": patient.family_name, "given": [patient.given_name]}],
            "gender": patient.sex and patient.sex.lower(),
            "birthDate": patient.birth_date,
        }

    def _list_specimens(self) -> tuple[ReportSpecimen, ...]:
        # The case number needs something to stand on where the laboratory lists no specimens.
        unlisted = ReportSpecimen(id=_derive(self._report.case_id, "specimen"), letter="")
        return self._report.specimens or (unlisted,)

    def _describe_specimens(self) -> Iterator[Resource]:
        report = self._report
        for one in self._list_specimens():
            yield {
                "resourceType": "Specimen",
                "id": str(one.id),
                "accessionIdentifier": {
                    "value": report.lid,
                    "assigner": _refer("Organization", report.owner.unit_id),
                },
                "identifier": [{"value": f"{report.lid}-{one.letter}" if one.letter else None}],
                "type": _describe_concept(one.type, one.type_code),
                "subject": self._patient,
                "receivedTime": report.accessioned_at,
                "collection": {
                    "collectedDateTime": one.collected_at,
                    "bodySite": _describe_concept(one.site, one.site_code),
                },
            }

    def _describe_staff(self, staff: Staff) -> Iterator[Resource]:
        sites = (self._report.owner, self._report.performer)
        employer = next(site for site in sites if site.provider_id == staff.provider_id)
        yield {
            "resourceType": "Practitioner",
            "id": str(staff.person_id),
            "meta": {"profile": [f"{PROFILES}SEBasePractitioner"]},
            "identifier": [_hsa_id(staff.hsa_id)],
            "name": [{"family": staff.family_name, "given": [staff.given_name]}],
            "qualification": [
                {"identifier": [{"system": LICENCE, "value": staff.license_number}], "code": {"text": staff.title}}
            ]
            if staff.license_number
            else [],
        }
        yield {
            "resourceType": "PractitionerRole",
            "id": str(staff.assignment_id),
            "practitioner": _refer("Practitioner", staff.person_id),
            "organization": _refer("Organization", employer.unit_id),
            "code": [{"text": staff.title}],
        }

    def _describe_signature(self, signature: ReportSignature) -> Resource:
        who = _refer("PractitionerRole", signature.by.assignment_id)
        meaning = SIGNATURES.get(signature.meaning, "1.2.840.10065.1.12.1.9")
        return {
            "resourceType": "Provenance",
            "id": str(signature.id),
            "target": [_refer("DiagnosticReport", self._report.answer_id)],
            "recorded": signature.signed_at,
            "agent": [{"who": who}],
            "signature": [
                {
                    "type": [{"system": "urn:iso-astm:E1762-95:2013", "code": meaning}],
                    "when": signature.signed_at,
                    "who": who,
                }
            ],
        }


def _describe_site(site: Site) -> Iterator[Resource]:
    profile = {"meta": {"profile": [f"{PROFILES}SEBaseOrganization"]}}
    number = {"system": ORG_NUMBER, "type": _code(KINDS_OF_IDENTIFIER, "XX"), "value": site.org_number}
    yield {
        "resourceType": "Organization",
        "id": str(site.provider_id),
        **profile,
        "identifier": [_hsa_id(site.provider_hsa_id), number],
        "name": site.provider,
    }
    yield {
        "resourceType": "Organization",
        "id": str(site.unit_id),
        **profile,
        "identifier": [_hsa_id(site.unit_hsa_id)],
        "name": site.unit,
        "partOf": _refer("Organization", site.provider_id),
    }


def _describe_code(code: ReportCode) -> Resource:
    system = SYSTEMS.get(code.system, f"{OURS}code-system:{code.system.lower()}")
    return {**_code(system, code.code, code.display), "text": " ".join(filter(None, [code.code, code.display]))}


def _describe_concept(text: str | None, code: str | None) -> Resource:
    return {**(_code(SNOMED_CT, code) if code else {}), "text": text}


def _code(system: str, code: str, display: str | None = None) -> Resource:
    return {"coding": [{"system": system, "code": code, "display": display}]}


def _hsa_id(value: str) -> Resource:
    return {"system": HSA_ID, "type": _code(KINDS_OF_IDENTIFIER, "PRN"), "value": value}


def _refer(kind: str, to: uuid.UUID) -> Resource:
    return {"reference": to.urn, "type": kind}


def _derive(own: uuid.UUID, name: str) -> uuid.UUID:
    """An id for what has no row of its own, the same every time. Source: RFC 9562, version 5."""
    return uuid.uuid5(own, name)


def _prune(value: Any) -> Any:
    """Without what is not known: FHIR has no empty elements. Source: HL7 FHIR R4, JSON representation."""
    if isinstance(value, dict):
        pruned = {name: _prune(one) for name, one in value.items()}
        return {name: one for name, one in pruned.items() if one not in (None, {}, [])}
    if isinstance(value, list):
        return [one for one in map(_prune, value) if one not in (None, {}, [])]
    return value
