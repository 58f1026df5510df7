"""A signed answer with everything that must be said beside it, as facts. How it looks is for pdf, fhir and text."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cases.access.identifiers import IdentifierType
from cases.access.patients import Protection, Sex


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A department of a care unit of a care provider, as outsiders know it."""

    provider_id: uuid.UUID
    provider: str
    provider_hsa_id: str
    org_number: str
    unit_id: uuid.UUID
    unit: str
    unit_hsa_id: str
    department_id: uuid.UUID
    department: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Staff:
    """Somebody under one assignment.

    Attributes:
        given_name, family_name: None where the person's own data are protected.
        license_number: of the licence to practise.
        provider_id, unit: of the assignment.
    """

    assignment_id: uuid.UUID
    person_id: uuid.UUID
    provider_id: uuid.UUID
    given_name: str | None
    family_name: str | None
    title: str
    license_number: str | None
    hsa_id: str
    unit: str

    @property
    def name(self) -> str | None:
        """In full; None where it is protected."""
        return f"{self.given_name or ''} {self.family_name or ''}".strip() or None


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientNumber:
    """An identity number in use."""

    type: IdentifierType
    root_oid: str
    extension: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportPatient:
    """Whom it is about. Of a protected identity nothing is told but that it is one; the case number leads to it.

    Attributes:
        number: the one to use.
        birth_date: ISO 8601.
    """

    id: uuid.UUID
    protection: Protection
    given_name: str | None = None
    family_name: str | None = None
    number: PatientNumber | None = None
    birth_date: str | None = None
    sex: Sex | None = None

    @property
    def protected(self) -> bool:
        """Whether the identity is protected."""
        return self.protection is not Protection.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSpecimen:
    """What was examined.

    Attributes:
        type_code, site_code: in SNOMED CT.
    """

    id: uuid.UUID
    letter: str
    type: str | None = None
    type_code: str | None = None
    site: str | None = None
    site_code: str | None = None
    collected_at: datetime | None = None


class Seeing(StrEnum):
    """Whether the signer saw a slide: opened here, read on glass or in another viewer by the signer's own word, not
    at all, or not because there was nothing to see yet.
    """

    OPENED = "OPENED"
    ELSEWHERE = "ELSEWHERE"
    NOT_SEEN = "NOT_SEEN"
    MISSING = "MISSING"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSlide:
    """A slide that the answer could rest on.

    Attributes:
        id: of the image, or of the glass where there is none.
        name: "A1-2", or the image's number where the glass is not known.
        specimen_id: what it was cut from.
        unseen_reason: why the signer did not look at it, in the signer's words.
        lossy: its full resolution was compressed anew.
    """

    id: uuid.UUID
    name: str
    specimen_id: uuid.UUID | None = None
    stain: str | None = None
    seeing: Seeing
    unseen_reason: str | None = None
    lossy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportLimitation:
    """What the answer could not rest on.

    Attributes:
        slides: names of those it is about; none for all of them.
    """

    code: str
    text: str | None = None
    slides: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportCode:
    """A code of the diagnosis: its axis (T, M …), its code system by our short name, and what it stands for."""

    axis: str
    system: str
    code: str
    display: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSignature:
    """That somebody put their name to it.

    Attributes:
        meaning: AUTHOR, COUNTERSIGN …
        method: how they showed who they are.
    """

    id: uuid.UUID
    meaning: str
    by: Staff
    signed_at: datetime
    method: str
    content_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportAmendment:
    """Why a signed answer was changed, what changed, and who was told.

    Attributes:
        told_how: PHONE, LETTER …
    """

    reason: str
    changed: str
    told_who: str | None = None
    told_how: str | None = None
    told_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherVersion:
    """Another signed version of the same answer."""

    number: int
    status: str
    signed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One signed version of an answer. Words in capitals are the codes of the domain rules, 3.5 and 5.5.

    Attributes:
        id: of the version.
        number: of the version; drafts are counted too.
        status: what the version is signed as: FINAL, AMENDED …
        short_id: of the request.
        owner: whose case it is.
        performer: who answers.
        lid: the owner's case number.
        receiver_accession: the performer's own number for it.
        responsibility_model: INDEPENDENT or UNDER_OWNER.
        referral_number: of the referral that the case came with.
        content_language: that the clinical texts are written in.
        amendment: of a version that changes a signed one.
        replaces: the signed version before this one.
        replaced_by: the newest one, where this is not it.
        reading_platform: what it was read on, with the name of another viewer.
        intended_use_mode: of this installation when it was signed.
        content_sha256: of what was signed, in hexadecimal.
        finished_at: when the last signature was given.
    """

    id: uuid.UUID
    answer_id: uuid.UUID
    request_id: uuid.UUID
    case_id: uuid.UUID
    number: int
    status: str
    kind: str
    short_id: str
    request_type: str
    urgency: str
    responsibility_model: str
    owner: Site
    performer: Site
    requester: Staff
    patient: ReportPatient
    lid: str
    receiver_accession: str | None = None
    accessioned_at: datetime
    requested_at: datetime
    finished_at: datetime
    referral_number: str | None = None
    question: str
    working_diagnosis: str | None = None
    specimens: tuple[ReportSpecimen, ...] = ()
    slides: tuple[ReportSlide, ...] = ()
    diagnosis_text: str
    statement: str
    microscopy: str | None = None
    ancillary: str | None = None
    recommendations: str | None = None
    codes: tuple[ReportCode, ...] = ()
    agreement: str
    discrepancy_category: str | None = None
    impact_comment: str | None = None
    confidence: str | None = None
    limitations: tuple[ReportLimitation, ...] = ()
    reading_platform: str
    reading_platform_name: str | None = None
    intended_use_mode: str
    cancer_notification_by: str | None = None
    content_language: str = "sv"
    amendment: ReportAmendment | None = None
    replaces: OtherVersion | None = None
    replaced_by: OtherVersion | None = None
    signatures: tuple[ReportSignature, ...]
    content_sha256: str
