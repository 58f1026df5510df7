"""What answers look like on the wire: what an author writes, and what a reader is shown."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy.orm import Session

from cases.sharing.answers.answer import (
    Answer,
    AnswerKind,
    AnswerStatus,
    AnswerVersion,
    Meaning,
    Saving,
    Signature,
    SigningMethod,
    Stage,
    Visibility,
)
from cases.sharing.answers.content import (
    LONGEST_TEXT,
    Agreement,
    AnswerContent,
    Axis,
    CodeSystem,
    Confidence,
    DiagnosisCode,
    DiscrepancyCategory,
    Limitation,
    LimitationCode,
    Platform,
    Unexamined,
    read_amendment,
)
from cases.sharing.answers.register import find_names, find_signatures
from cases.sharing.intended_use import BANNERS, IntendedUse
from cases.sharing.stream import Author
from viewer.api.fields import Line

Text = Annotated[str, StringConstraints(max_length=LONGEST_TEXT, pattern=r"^[^\x00-\x08\x0b-\x1f]*$")]
"""Clinical text of several lines; a draft's may be empty."""
Ids = Annotated[list[uuid.UUID], Field(max_length=2000)]


class Code(BaseModel):
    """A code of the diagnosis: what it is about, whose system, and what it stands for."""

    model_config = ConfigDict(from_attributes=True)

    axis: Axis
    system: CodeSystem
    code: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40, pattern=r"^[\w./:-]+$")]
    display: Line


class StatedLimitation(BaseModel):
    """Something that the answer could not rest on."""

    model_config = ConfigDict(from_attributes=True)

    code: LimitationCode
    text: Line | None = None
    slide_ids: Ids = []


class UnexaminedSlide(BaseModel):
    """A slide that the author has not looked at, and why."""

    model_config = ConfigDict(from_attributes=True)

    slide_id: uuid.UUID
    reason: Line


class Content(BaseModel):
    """What an author writes; in a draft everything may be missing.

    Attributes:
        agreement: with the primary diagnosis; a second opinion and a review need it.
        malignant: whether this is cancer, where no code says so.
        limitations: what the author states; slides not opened, lossy copies and the lack of glass are found out.
        platform: on what the slides were read; an external viewer with its name and version.
        read_elsewhere: slides read on glass or in that viewer.
        unexamined: slides not looked at.
        annotations: that the answer cites; signing locks them.
    """

    model_config = ConfigDict(from_attributes=True)

    statement: Text = ""
    diagnosis: Text = ""
    microscopy: Text | None = None
    ancillary: Text | None = None
    recommendations: Text | None = None
    codes: Annotated[list[Code], Field(max_length=100)] = []
    template_id: Line | None = None
    template_values: dict[Annotated[str, StringConstraints(max_length=100)], Line] = Field(default={}, max_length=300)
    agreement: Agreement | None = None
    discrepancy: DiscrepancyCategory | None = None
    impact: Text | None = None
    confidence: Confidence | None = None
    malignant: bool | None = None
    limitations: Annotated[list[StatedLimitation], Field(max_length=50)] = []
    platform: Platform | None = None
    platform_name: Line | None = None
    platform_version: Line | None = None
    read_elsewhere: Ids = []
    unexamined: Annotated[list[UnexaminedSlide], Field(max_length=2000)] = []
    annotations: Ids = []

    def as_content(self) -> AnswerContent:
        """The same for the rules."""
        given: dict[str, Any] = {name: getattr(self, name) for name in Content.model_fields}
        return AnswerContent(
            **given
            | {
                "codes": tuple(DiagnosisCode(one.axis, one.system, one.code, one.display) for one in self.codes),
                "limitations": tuple(Limitation(one.code, one.text, tuple(one.slide_ids)) for one in self.limitations),
                "unexamined": tuple(Unexamined(one.slide_id, one.reason) for one in self.unexamined),
                "read_elsewhere": tuple(self.read_elsewhere),
                "annotations": tuple(self.annotations),
            }
        )


class Found(BaseModel):
    """What was found out when it was signed.

    Attributes:
        slides_seen: opened here by the signer.
        read_elsewhere: read on glass or in another viewer, on the signer's word.
        limitations: stated and found out.
        annotations: cited, and which version of each.
    """

    model_config = ConfigDict(from_attributes=True)

    slides_seen: list[uuid.UUID]
    read_elsewhere: list[uuid.UUID]
    limitations: list[StatedLimitation]
    annotations: dict[str, int]


class Signer(BaseModel):
    """Somebody; not by name where their own data are protected."""

    model_config = ConfigDict(from_attributes=True)

    assignment_id: uuid.UUID
    care_provider_id: uuid.UUID
    name: str | None = Field(examples=["Eva Ek"])
    title: str = Field(examples=["Patolog"])


class SignatureRow(BaseModel):
    """That somebody signed it.

    Attributes:
        auth_time: when they last showed who they are.
        voided_at: since when it does not hold.
    """

    meaning: Meaning
    by: Signer | None
    signed_at: datetime
    method: SigningMethod
    auth_time: datetime
    content_sha256: str
    voided_at: datetime | None


class AmendmentRow(BaseModel):
    """Why a signed answer was changed."""

    model_config = ConfigDict(from_attributes=True)

    reason: str
    changed: str
    significant: bool
    told_who: str | None
    told_how: str | None
    told_at: datetime | None


class VersionLine(BaseModel):
    """A version of an answer in a list.

    Attributes:
        base_number: which one it was written on top of.
        stands: whether it is the newest.
        beside: somebody had gone on from the same one already; a person puts the two together.
    """

    number: int
    base_number: int | None
    stage: Stage
    saving: Saving
    by: Signer | None
    saved_at: datetime
    released_at: datetime | None
    stands: bool
    beside: bool


class Version(BaseModel):
    """One version of an answer.

    Attributes:
        content_sha256: of a signed one, hexadecimal.
        intended_use: what must stand on it, in Swedish and in English; none where the viewer is a device.
    """

    number: int
    stage: Stage
    saving: Saving
    by: Signer | None
    saved_at: datetime
    released_at: datetime | None
    content: Content
    found: Found | None
    amendment: AmendmentRow | None
    content_sha256: str | None
    signatures: list[SignatureRow]
    intended_use: Mapping[str, str]


class AnswerLine(BaseModel):
    """An answer in a list.

    Attributes:
        head: number of the newest version; for the owner the released one.
        released: number of the version that the owner sees.
    """

    id: uuid.UUID
    request_id: uuid.UUID
    kind: AnswerKind
    status: AnswerStatus
    author: Signer | None
    visibility: Visibility
    head: int
    released: int | None
    released_at: datetime | None
    agreement: Agreement | None


class AnswerRead(AnswerLine):
    """An answer with the version that was asked for."""

    version: Version


def show_lines(database: Session, answers: Sequence[Answer], *, provider_id: uuid.UUID) -> list[AnswerLine]:
    """Answers in a list."""
    names = find_names(database, [answer.author_assignment_id for answer in answers])
    return [AnswerLine(**_line(answer, names, provider_id)) for answer in answers]


def show_answer(database: Session, answer: Answer, version: AnswerVersion, *, provider_id: uuid.UUID) -> AnswerRead:
    """An answer with one of its versions."""
    signatures = find_signatures(database, [version.id])[version.id]
    people = {answer.author_assignment_id, version.author_assignment_id, *(one.assignment_id for one in signatures)}
    names = find_names(database, people)
    return AnswerRead(**_line(answer, names, provider_id), version=show_version(version, signatures, names))


def show_version(version: AnswerVersion, signatures: Iterable[Signature], names: Mapping[uuid.UUID, Author]) -> Version:
    """One version with its signatures."""
    found = version.found
    warned = version.findings is not None and found.intended_use != IntendedUse.DEVICE
    return Version(
        number=version.number,
        stage=version.stage,
        saving=version.saving,
        by=show_signer(names, version.author_assignment_id),
        saved_at=version.saved_at,
        released_at=version.released_at,
        content=Content.model_validate(version.said),
        found=Found.model_validate(found) if version.findings is not None else None,
        amendment=AmendmentRow.model_validate(read_amendment(version.amendment)) if version.amendment else None,
        content_sha256=version.content_sha256,
        signatures=[
            SignatureRow(
                meaning=one.meaning,
                by=show_signer(names, one.assignment_id),
                signed_at=one.signed_at,
                method=one.method,
                auth_time=one.auth_time,
                content_sha256=one.content_sha256,
                voided_at=one.voided_at,
            )
            for one in signatures
        ],
        intended_use=BANNERS if warned else {},
    )


def show_signer(names: Mapping[uuid.UUID, Author], assignment_id: uuid.UUID) -> Signer | None:
    """Somebody by an assignment."""
    author = names.get(assignment_id)
    return Signer.model_validate(author) if author else None


def _line(answer: Answer, names: Mapping[uuid.UUID, Author], provider_id: uuid.UUID) -> dict[str, Any]:
    own = provider_id == answer.care_provider_id
    return {
        "id": answer.id,
        "request_id": answer.request_id,
        "kind": answer.kind,
        "status": answer.status,
        "author": show_signer(names, answer.author_assignment_id),
        "visibility": answer.visibility,
        "head": answer.head if own else answer.released,
        "released": answer.released,
        "released_at": answer.released_at,
        "agreement": answer.agreement,
    }
