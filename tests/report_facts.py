"""A report for tests of how reports look: a second opinion from Linköping about a case in Kalmar, about nobody real.

report = make_report(status="AMENDED", agreement="MAJOR_DISCREPANCY")
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cases.access.identifiers import IdentifierType
from cases.access.patients import Protection, Sex
from cases.sharing.reports.report import (
    PatientNumber,
    Report,
    ReportCode,
    ReportLimitation,
    ReportPatient,
    ReportSignature,
    ReportSlide,
    ReportSpecimen,
    Seeing,
    Site,
    Staff,
)

SIGNED = datetime(2026, 11, 22, 13, 5, 0, 123456, tzinfo=UTC)
DIGEST = "8f3a0c1be4d29f7716a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f701"


def make_id(number: int) -> uuid.UUID:
    """The same for the same number."""
    return uuid.UUID(int=number)


KALMAR = Site(
    provider_id=make_id(1),
    provider="Region Kalmar län",
    provider_hsa_id="SE2321000073-K1",
    org_number="2321000073",
    unit_id=make_id(2),
    unit="Klinisk patologi, Länssjukhuset Kalmar",
    unit_hsa_id="SE2321000073-K2",
    department_id=make_id(3),
    department="Histologi",
)
LINKOPING = Site(
    provider_id=make_id(4),
    provider="Region Östergötland",
    provider_hsa_id="SE2321000040-L1",
    org_number="2321000040",
    unit_id=make_id(5),
    unit="Klinisk patologi, Universitetssjukhuset i Linköping",
    unit_hsa_id="SE2321000040-L2",
    department_id=make_id(6),
    department="Mag-tarm",
)


def make_staff(number: int, given_name: str, family_name: str, title: str, site: Site) -> Staff:
    """Somebody of a site."""
    return Staff(
        assignment_id=make_id(number),
        person_id=make_id(number + 100),
        provider_id=site.provider_id,
        given_name=given_name,
        family_name=family_name,
        title=title,
        license_number=str(200_000 + number),
        hsa_id=f"SE2321000040-P{number}",
        unit=site.unit,
    )


def make_signature(number: int, meaning: str, by: Staff, *, before: timedelta = timedelta()) -> ReportSignature:
    """That somebody signed, so long before the answer was finished."""
    return ReportSignature(
        id=make_id(number),
        meaning=meaning,
        by=by,
        signed_at=SIGNED - before,
        method="REAUTH_LOCAL",
        content_sha256=DIGEST,
    )


PATIENT = ReportPatient(
    id=make_id(70),
    protection=Protection.NONE,
    given_name="Tolvan",
    family_name="Tolvansson",
    number=PatientNumber(type=IdentifierType.PNR, root_oid="1.2.752.129.2.1.3.1", extension="191212121212"),
    birth_date="1912-12-12",
    sex=Sex.MALE,
)
PROTECTED = ReportPatient(id=make_id(70), protection=Protection.SEKRETESSMARKERING)
SPECIMENS = (
    ReportSpecimen(
        id=make_id(20),
        letter="A",
        type="Biopsi",
        type_code="119376003",
        site="colon ascendens",
        site_code="9040008",
        collected_at=SIGNED - timedelta(days=9),
    ),
    ReportSpecimen(id=make_id(21), letter="B", type="Biopsi", site="rektum"),
)
SLIDES = (
    ReportSlide(id=make_id(30), name="A1-1", specimen_id=make_id(20), stain="HE", seeing=Seeing.OPENED),
    ReportSlide(id=make_id(31), name="A1-2", specimen_id=make_id(20), stain="Ki-67", seeing=Seeing.OPENED, lossy=True),
    ReportSlide(id=make_id(32), name="A2-1", specimen_id=make_id(20), stain="HE", seeing=Seeing.ELSEWHERE),
    ReportSlide(
        id=make_id(33), name="B1-1", stain="p53", seeing=Seeing.NOT_SEEN, unseen_reason="utan betydelse för frågan"
    ),
    ReportSlide(id=make_id(34), name="B1-2", stain="MSH2", seeing=Seeing.MISSING),
)
AUTHOR = make_staff(61, "Lars", "Lind", "ST-läkare", LINKOPING)
COUNTERSIGNER = make_staff(62, "Maria", "Åberg", "Överläkare", LINKOPING)

_REPORT = Report(
    id=make_id(50),
    answer_id=make_id(51),
    request_id=make_id(52),
    case_id=make_id(53),
    number=4,
    status="FINAL",
    kind="CONSULT_OPINION",
    short_id="R-7K3F2Q",
    request_type="SECOND_OPINION",
    urgency="SVF",
    responsibility_model="INDEPENDENT",
    owner=KALMAR,
    performer=LINKOPING,
    requester=make_staff(60, "Karin", "Ek", "Överläkare", KALMAR),
    patient=PATIENT,
    lid="B26-17890",
    receiver_accession="L26-04411",
    accessioned_at=SIGNED - timedelta(days=8),
    requested_at=SIGNED - timedelta(days=3),
    finished_at=SIGNED,
    referral_number="REM-88231",
    question="Adenom med höggradig dysplasi eller invasivt karcinom?",
    working_diagnosis="Tubulovillöst adenom, fokal misstanke om invasion.",
    specimens=SPECIMENS,
    slides=SLIDES,
    diagnosis_text="Tubulovillöst adenom med höggradig dysplasi (A).\nIngen säker invasion.",
    statement="A: Komplex arkitektur i cirka 40 % av ytan.\n\nB: Lindrig ospecifik inflammation.",
    microscopy="Ki-67 visar ökad proliferation upp till ytan, ≥ 60 %.",
    recommendations="Endoskopisk kontroll enligt vårdprogram.",
    codes=(
        ReportCode(axis="T", system="SNOMED_SE", code="T67200", display="Colon ascendens"),
        ReportCode(axis="M", system="SNOMED_SE", code="M82632", display="Tubulovillöst adenom"),
    ),
    agreement="MINOR_DISCREPANCY",
    discrepancy_category="GRADE",
    impact_comment="Ytterligare kirurgi behövs inte.",
    confidence="PROBABLE",
    limitations=(
        ReportLimitation(code="NOT_ALL_SLIDES", slides=("B1-1", "B1-2")),
        ReportLimitation(code="LOSSY_COPY", slides=("A1-2",)),
        ReportLimitation(code="FOCUS", slides=("A1-1",), text="kanten av snittet är oskarp"),
    ),
    reading_platform="THIS_VIEWER",
    intended_use_mode="COMMUNICATION",
    signatures=(
        make_signature(80, "AUTHOR", AUTHOR, before=timedelta(minutes=50)),
        make_signature(81, "COUNTERSIGN", COUNTERSIGNER),
    ),
    content_sha256=DIGEST,
)


def make_report(**changes: Any) -> Report:
    """A report, with what is to be different."""
    return replace(_REPORT, **changes)
