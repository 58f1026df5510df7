"""Answers: what a performer says about a case, in versions of which none is ever lost."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, Enum, ForeignKey, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cases.database import Base, Versioned
from cases.sharing.answers.content import (
    Agreement,
    AnswerContent,
    DiscrepancyCategory,
    Findings,
    read_content,
    read_findings,
)
from cases.sharing.moves import Move
from cases.sharing.service_descriptions import RequestType


class AnswerKind(StrEnum):
    """What an answer is for. Source: domain rules, 3.5; preliminary answers are versions, oral ones `OralReport`."""

    CONSULT_OPINION = "CONSULT_OPINION"
    PRIMARY_REPORT = "PRIMARY_REPORT"
    MDT_STATEMENT = "MDT_STATEMENT"


KINDS = {
    RequestType.SECOND_OPINION: AnswerKind.CONSULT_OPINION,
    RequestType.REVIEW: AnswerKind.CONSULT_OPINION,
    RequestType.WORKLOAD_TRANSFER: AnswerKind.PRIMARY_REPORT,
    RequestType.INTRAOPERATIVE: AnswerKind.CONSULT_OPINION,
    RequestType.MDT_PREP: AnswerKind.MDT_STATEMENT,
}
"""The kind of answer that each type of request asks for. Source: domain rules, 5.1."""


class AnswerStatus(StrEnum):
    """Where an answer is in its life. Source: domain rules, 5.5; the words of FHIR R4 DiagnosticReport.status."""

    DRAFT = "DRAFT"
    PRELIMINARY = "PRELIMINARY"
    AWAITING_COUNTERSIGN = "AWAITING_COUNTERSIGN"
    FINAL = "FINAL"
    APPENDED = "APPENDED"
    AMENDED = "AMENDED"
    CORRECTED = "CORRECTED"
    ENTERED_IN_ERROR = "ENTERED_IN_ERROR"


UNSIGNED = frozenset({AnswerStatus.DRAFT, AnswerStatus.PRELIMINARY})
"""What can still be signed as final."""
FINISHED = frozenset({AnswerStatus.FINAL, AnswerStatus.APPENDED, AnswerStatus.AMENDED, AnswerStatus.CORRECTED})
"""What counts as the answer."""
STANDING = frozenset(AnswerStatus) - {AnswerStatus.DRAFT, AnswerStatus.ENTERED_IN_ERROR}
"""Of these a request has one at the most."""

MOVES: tuple[Move[AnswerStatus], ...] = (
    Move("begin", frozenset(), AnswerStatus.DRAFT, "performer: PAT, RES, COO"),
    Move("save", UNSIGNED | FINISHED, None, "performer: reader; COO as dictation"),
    Move("sign_preliminary", UNSIGNED, AnswerStatus.PRELIMINARY, "performer: PAT who reads"),
    Move("sign", UNSIGNED, AnswerStatus.FINAL, "performer: PAT who reads"),
    Move(
        "sign_for_countersign",
        UNSIGNED | FINISHED,
        AnswerStatus.AWAITING_COUNTERSIGN,
        "performer: PAT or RES who reads, or who changes",
    ),
    Move("countersign", frozenset({AnswerStatus.AWAITING_COUNTERSIGN}), None, "performer: another PAT"),
    Move("send_back", frozenset({AnswerStatus.AWAITING_COUNTERSIGN}), None, "performer: another PAT"),
    Move("addendum", FINISHED, AnswerStatus.APPENDED, "performer: author or named PAT"),
    Move("amend", FINISHED, AnswerStatus.AMENDED, "performer: author or named PAT"),
    Move("correct", FINISHED, AnswerStatus.CORRECTED, "performer: author or named PAT"),
    Move(
        "enter_in_error",
        frozenset(AnswerStatus) - {AnswerStatus.ENTERED_IN_ERROR},
        AnswerStatus.ENTERED_IN_ERROR,
        "performer: HEAD",
    ),
)
"""Every move of an answer. Countersigned it is what was signed, sent back what it was. Source: domain rules, 5.5."""


class Visibility(StrEnum):
    """Who sees a draft: its author, or the whole department, so that another reader can go on with it."""

    PRIVATE = "PRIVATE"
    UNIT = "UNIT"


class Stage(StrEnum):
    """What a version is: a draft, or signed as something."""

    DRAFT = "DRAFT"
    PRELIMINARY = "PRELIMINARY"
    FINAL = "FINAL"
    ADDENDUM = "ADDENDUM"
    AMENDED = "AMENDED"
    CORRECTED = "CORRECTED"


STANDS_AS: Mapping[Stage, AnswerStatus] = {
    Stage.DRAFT: AnswerStatus.DRAFT,
    Stage.PRELIMINARY: AnswerStatus.PRELIMINARY,
    Stage.FINAL: AnswerStatus.FINAL,
    Stage.ADDENDUM: AnswerStatus.APPENDED,
    Stage.AMENDED: AnswerStatus.AMENDED,
    Stage.CORRECTED: AnswerStatus.CORRECTED,
}
"""What an answer is, by the stage of the version that counts."""
COUNTING = frozenset(stage for stage, status in STANDS_AS.items() if status in FINISHED)
"""Versions that are the answer to a request, and no word in advance."""


class Answer(Versioned, Base):
    """One answer to a request.

    Attributes:
        care_provider_id, unit_id: the performer, whose document it is.
        author_assignment_id: who writes it.
        amender_assignment_id: whom the head named to change it after signing, if not the author.
        head: number of the version that stands; what was saved beside it stays, but does not count.
        last: highest number given to a version.
        released: number of the version that the owner sees, if any; and since when anything was.
        agreement, discrepancy: of that version.
    """

    __tablename__ = "answer"
    __table_args__ = (
        CheckConstraint("head BETWEEN 1 AND last", "head_is_a_version"),
        CheckConstraint("released <= last AND (released IS NULL) = (released_at IS NULL)", "release_is_whole"),
        Index(
            "uq_answer_request_id_standing",
            "request_id",
            unique=True,
            postgresql_where="status NOT IN ('DRAFT', 'ENTERED_IN_ERROR')",
        ),
    )

    request_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("share_request.id"), index=True)
    case_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("pathology_case.id"), index=True)
    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"), index=True)
    unit_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_unit.id"))
    author_assignment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("assignment.id"), index=True)
    amender_assignment_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("assignment.id"))
    kind: Mapped[AnswerKind] = mapped_column(Enum(AnswerKind, native_enum=False, length=40))
    status: Mapped[AnswerStatus] = mapped_column(
        Enum(AnswerStatus, native_enum=False, length=40), default=AnswerStatus.DRAFT
    )
    visibility: Mapped[Visibility] = mapped_column(
        Enum(Visibility, native_enum=False, length=40), default=Visibility.PRIVATE
    )
    head: Mapped[int] = mapped_column(default=1)
    last: Mapped[int] = mapped_column(default=1)
    released: Mapped[int | None]
    released_at: Mapped[datetime | None]
    agreement: Mapped[Agreement | None] = mapped_column(Enum(Agreement, native_enum=False, length=40))
    discrepancy: Mapped[DiscrepancyCategory | None] = mapped_column(
        Enum(DiscrepancyCategory, native_enum=False, length=40)
    )


class Saving(StrEnum):
    """How a version came about."""

    TYPED = "TYPED"
    AUTOSAVED = "AUTOSAVED"
    DICTATED = "DICTATED"
    SIGNED = "SIGNED"


class AnswerVersion(Base):
    """One version of an answer. It is written once; only its release is noted on it later.

    Attributes:
        number: 1, 2, 3 … within the answer.
        base_number: of the version that its author had seen; None for the first.
        stage: what it is; drafts are the performer's own.
        author_assignment_id: who saved or signed it.
        content: what it says; `said` reads it.
        findings: of a signed version, what was found out; `found` reads it.
        amendment: why a signed answer was changed, for versions after the first final one.
        content_sha256: of a signed version, hexadecimal; see `signing.hash_version`.
        released_at: since when the owner sees it.
    """

    __tablename__ = "answer_version"
    __table_args__ = (
        UniqueConstraint("answer_id", "number"),
        CheckConstraint("base_number < number AND (base_number IS NULL) = (number = 1)", "base_is_older"),
        CheckConstraint("(stage = 'DRAFT') = (content_sha256 IS NULL)", "signed_has_a_hash"),
        CheckConstraint("released_at IS NULL OR stage <> 'DRAFT'", "drafts_stay_at_home"),
    )

    answer_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("answer.id"))
    request_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("share_request.id"), index=True)
    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"))
    number: Mapped[int]
    base_number: Mapped[int | None]
    saving: Mapped[Saving] = mapped_column(Enum(Saving, native_enum=False, length=40))
    stage: Mapped[Stage] = mapped_column(Enum(Stage, native_enum=False, length=40), default=Stage.DRAFT)
    author_assignment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("assignment.id"))
    saved_at: Mapped[datetime]
    content: Mapped[dict[str, Any]] = mapped_column(JSONB)
    findings: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    amendment: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    content_sha256: Mapped[str | None]
    released_at: Mapped[datetime | None]

    @property
    def said(self) -> AnswerContent:
        """What its author wrote."""
        return read_content(self.content)

    @property
    def found(self) -> Findings:
        """What was found out when it was signed."""
        return read_findings(self.findings or {})


class Meaning(StrEnum):
    """What a signature says."""

    AUTHOR = "AUTHOR"
    COUNTERSIGN = "COUNTERSIGN"
    ACKNOWLEDGE = "ACKNOWLEDGE"
    DICTATION_CHECK = "DICTATION_CHECK"


class SigningMethod(StrEnum):
    """How the signer showed who they are."""

    REAUTH_OIDC = "REAUTH_OIDC"
    SITHS_SIGNATURE = "SITHS_SIGNATURE"
    REAUTH_LOCAL = "REAUTH_LOCAL"
    REAUTH_DEMO = "REAUTH_DEMO"


class Signature(Base):
    """That somebody signed a version.

    Attributes:
        care_provider_id: of the signer.
        auth_time: when the signer last showed who they are.
        content_sha256: of what was signed, hexadecimal.
        voided_at: when it ceased to hold, because the countersigner sent the answer back.
    """

    __tablename__ = "signature"
    __table_args__ = (
        UniqueConstraint("answer_version_id", "assignment_id", "meaning"),
        CheckConstraint("auth_time <= signed_at", "proof_comes_first"),
    )

    answer_version_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("answer_version.id"))
    request_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("share_request.id"), index=True)
    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"))
    assignment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("assignment.id"))
    meaning: Mapped[Meaning] = mapped_column(Enum(Meaning, native_enum=False, length=40))
    signed_at: Mapped[datetime]
    method: Mapped[SigningMethod] = mapped_column(Enum(SigningMethod, native_enum=False, length=40))
    auth_time: Mapped[datetime]
    content_sha256: Mapped[str]
    voided_at: Mapped[datetime | None]


class AnswerReading(Base):
    """That somebody has read a signed version for the first time.

    Attributes:
        care_provider_id: of the reader.
        at: when.
    """

    __tablename__ = "answer_reading"
    __table_args__ = (UniqueConstraint("answer_version_id", "assignment_id"),)

    answer_version_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("answer_version.id"))
    request_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("share_request.id"), index=True)
    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"))
    assignment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("assignment.id"))
    at: Mapped[datetime]
