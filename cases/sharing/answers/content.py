"""What an answer says, as one value that is kept, hashed and read back the same."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

LONGEST_TEXT = 20_000
"""Characters of one field of free text at the most."""


class Axis(StrEnum):
    """What a code is about: topography, morphology, aetiology, function, procedure, or another."""

    T = "T"
    M = "M"
    E = "E"
    F = "F"
    P = "P"
    OTHER = "OTHER"


class CodeSystem(StrEnum):
    """Where a code comes from."""

    SNOMED_SE = "SNOMED_SE"
    SCT = "SCT"
    ICD10SE = "ICD10SE"
    ICDO3 = "ICDO3"


class Agreement(StrEnum):
    """How an answer stands to the primary diagnosis. Source: domain rules, 3.5 and 5.5."""

    AGREE = "AGREE"
    MINOR_DISCREPANCY = "MINOR_DISCREPANCY"
    MAJOR_DISCREPANCY = "MAJOR_DISCREPANCY"
    NOT_ASSESSABLE = "NOT_ASSESSABLE"
    NOT_APPLICABLE = "NOT_APPLICABLE"


DISCREPANCIES = frozenset({Agreement.MINOR_DISCREPANCY, Agreement.MAJOR_DISCREPANCY})
"""What has to be reconciled before a request is closed."""


class DiscrepancyCategory(StrEnum):
    """What a discrepancy is about."""

    BENIGN_MALIGNANT = "BENIGN_MALIGNANT"
    TUMOUR_TYPE = "TUMOUR_TYPE"
    GRADE = "GRADE"
    STAGE = "STAGE"
    MARGIN = "MARGIN"
    BIOMARKER = "BIOMARKER"
    OTHER = "OTHER"


class Confidence(StrEnum):
    """How sure the author is."""

    DEFINITE = "DEFINITE"
    PROBABLE = "PROBABLE"
    UNCERTAIN = "UNCERTAIN"


class Platform(StrEnum):
    """On what the slides were read. Source: domain rules, 2.7."""

    GLASS = "GLASS"
    EXTERNAL_CE_VIEWER = "EXTERNAL_CE_VIEWER"
    THIS_VIEWER = "THIS_VIEWER"


class LimitationCode(StrEnum):
    """What an answer could not rest on. The first three are found out, the others are the author's to state."""

    NOT_ALL_SLIDES = "NOT_ALL_SLIDES"
    LOSSY_COPY = "LOSSY_COPY"
    ONLY_DIGITAL = "ONLY_DIGITAL"
    FOCUS = "FOCUS"
    SCAN_INCOMPLETE = "SCAN_INCOMPLETE"
    MATERIAL_SPARSE = "MATERIAL_SPARSE"
    CLINICAL_INFORMATION_MISSING = "CLINICAL_INFORMATION_MISSING"
    OTHER = "OTHER"


COMPUTED = frozenset({LimitationCode.NOT_ALL_SLIDES, LimitationCode.LOSSY_COPY, LimitationCode.ONLY_DIGITAL})
"""Limitations that nobody writes: they are what was and was not looked at."""


@dataclass(frozen=True, slots=True)
class DiagnosisCode:
    """One code of the diagnosis."""

    axis: Axis
    system: CodeSystem
    code: str
    display: str

    @property
    def malignant(self) -> bool:
        """Whether it says cancer: behaviour /3, /6 or /9 of a morphology, or C00 to C97.

        Source: ICD-O-3, behaviour codes; ICD-10-SE, chapter II.
        """
        if self.system is CodeSystem.ICD10SE:
            return bool(re.match(r"C\d\d", self.code.upper()))
        morphology = self.axis is Axis.M and self.system in (CodeSystem.ICDO3, CodeSystem.SNOMED_SE)
        return morphology and bool(re.fullmatch(r"M?-?\d{4}/?[369]\d?", self.code.upper()))


@dataclass(frozen=True, slots=True)
class Unexamined:
    """A slide that the author chose not to look at."""

    slide_id: uuid.UUID
    reason: str


@dataclass(frozen=True, slots=True)
class Limitation:
    """Something that the answer could not rest on.

    Attributes:
        slide_ids: which slides it is about; none for all of them.
        text: in words.
    """

    code: LimitationCode
    text: str | None = None
    slide_ids: tuple[uuid.UUID, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerContent:
    """What an author writes. Everything may be missing in a draft; signing asks for what is needed.

    Attributes:
        agreement: with the primary diagnosis.
        impact: what a discrepancy means for the patient.
        malignant: whether the answer says cancer; None while that is not said.
        limitations: that the author states; those that can be found out are found out when it is signed.
        platform: on what it was read; `platform_name` and `platform_version` of an external viewer.
        read_elsewhere: slides that the author has read on glass or in the external viewer.
        unexamined: slides not looked at, each with the reason.
        annotations: cited by the answer; signing locks them.
        template_values: of a national structured template, by its own names.
    """

    statement: str = ""
    diagnosis: str = ""
    microscopy: str | None = None
    ancillary: str | None = None
    recommendations: str | None = None
    codes: tuple[DiagnosisCode, ...] = ()
    template_id: str | None = None
    template_values: Mapping[str, str] = field(default_factory=dict)
    agreement: Agreement | None = None
    discrepancy: DiscrepancyCategory | None = None
    impact: str | None = None
    confidence: Confidence | None = None
    malignant: bool | None = None
    limitations: tuple[Limitation, ...] = ()
    platform: Platform | None = None
    platform_name: str | None = None
    platform_version: str | None = None
    read_elsewhere: tuple[uuid.UUID, ...] = ()
    unexamined: tuple[Unexamined, ...] = ()
    annotations: tuple[uuid.UUID, ...] = ()

    @property
    def says_malignant(self) -> bool | None:
        """Whether it says cancer, by the author's word or by a code; None where neither says anything."""
        if any(code.malignant for code in self.codes):
            return True
        return self.malignant


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What was found out when a version was signed, beside what its author wrote.

    Attributes:
        slides_seen: of those handed out, opened here by the signer.
        read_elsewhere: of those handed out, read by the signer on glass or in another viewer, on the signer's word.
        limitations: stated and found out.
        intended_use: mode that the platform ran in.
        annotations: that are cited: which version of each.
    """

    slides_seen: tuple[uuid.UUID, ...] = ()
    read_elsewhere: tuple[uuid.UUID, ...] = ()
    limitations: tuple[Limitation, ...] = ()
    intended_use: str = "COMMUNICATION"
    annotations: Mapping[str, int] = field(default_factory=dict)


class Telling(StrEnum):
    """How somebody was told."""

    PHONE = "PHONE"
    IN_PERSON = "IN_PERSON"
    VIDEO = "VIDEO"
    MESSAGE = "MESSAGE"
    LETTER = "LETTER"


ORAL = frozenset({Telling.PHONE, Telling.IN_PERSON, Telling.VIDEO})
"""Ways in which two people spoke with each other."""


class AmendmentReason(StrEnum):
    """Why a signed answer is changed."""

    NEW_INFORMATION = "NEW_INFORMATION"
    NEW_MATERIAL = "NEW_MATERIAL"
    REINTERPRETATION = "REINTERPRETATION"
    WRONG_PATIENT_OR_SPECIMEN = "WRONG_PATIENT_OR_SPECIMEN"
    CLERICAL = "CLERICAL"
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """Why a signed answer was changed, what changed, and who was told.

    Attributes:
        significant: whether it matters to the patient's care; then somebody was spoken with.
        told_at: when.
    """

    reason: AmendmentReason
    changed: str
    significant: bool = False
    told_who: str | None = None
    told_how: Telling | None = None
    told_at: datetime | None = None


def to_json(value: AnswerContent | Findings | Amendment) -> dict[str, Any]:
    """A value as JSON keeps it, without what is not said."""
    kept: dict[str, Any] = json.loads(json.dumps(asdict(value), default=_plain))
    return {name: one for name, one in kept.items() if one not in (None, "", [], {})}


def read_content(kept: Mapping[str, Any]) -> AnswerContent:
    """The content of a version, from what was kept of it."""
    return AnswerContent(
        **{
            **_texts(kept, AnswerContent),
            "codes": tuple(
                DiagnosisCode(Axis(one["axis"]), CodeSystem(one["system"]), one["code"], one["display"])
                for one in kept.get("codes", ())
            ),
            "template_values": dict(kept.get("template_values", {})),
            "agreement": _maybe(Agreement, kept.get("agreement")),
            "discrepancy": _maybe(DiscrepancyCategory, kept.get("discrepancy")),
            "confidence": _maybe(Confidence, kept.get("confidence")),
            "platform": _maybe(Platform, kept.get("platform")),
            "limitations": _limitations(kept),
            "read_elsewhere": _ids(kept.get("read_elsewhere", ())),
            "unexamined": tuple(
                Unexamined(uuid.UUID(one["slide_id"]), one["reason"]) for one in kept.get("unexamined", ())
            ),
            "annotations": _ids(kept.get("annotations", ())),
        }
    )


def read_findings(kept: Mapping[str, Any]) -> Findings:
    """The findings of a signed version, from what was kept of them."""
    return Findings(
        slides_seen=_ids(kept.get("slides_seen", ())),
        read_elsewhere=_ids(kept.get("read_elsewhere", ())),
        limitations=_limitations(kept),
        intended_use=kept.get("intended_use", "COMMUNICATION"),
        annotations=dict(kept.get("annotations", {})),
    )


def read_amendment(kept: Mapping[str, Any]) -> Amendment:
    """Why a version was made, from what was kept of it."""
    told_at = kept.get("told_at")
    return Amendment(
        reason=AmendmentReason(kept["reason"]),
        changed=kept.get("changed", ""),
        significant=kept.get("significant", False),
        told_who=kept.get("told_who"),
        told_how=_maybe(Telling, kept.get("told_how")),
        told_at=datetime.fromisoformat(told_at) if told_at else None,
    )


def digest(*parts: object) -> str:
    """SHA-256 over canonical JSON, hexadecimal: sorted names, no white space, UTF-8.

    Source: RFC 8785, for values without fractions.
    """
    canonical = json.dumps(parts, default=_plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _texts(kept: Mapping[str, Any], of: type) -> dict[str, Any]:
    return {one.name: kept[one.name] for one in fields(of) if one.name in kept}


def _ids(kept: Sequence[str]) -> tuple[uuid.UUID, ...]:
    return tuple(uuid.UUID(one) for one in kept)


def _limitations(kept: Mapping[str, Any]) -> tuple[Limitation, ...]:
    return tuple(
        Limitation(LimitationCode(one["code"]), one.get("text"), _ids(one.get("slide_ids", ())))
        for one in kept.get("limitations", ())
    )


def _maybe(kind: type[Any], value: str | None) -> Any:
    return None if value is None else kind(value)
