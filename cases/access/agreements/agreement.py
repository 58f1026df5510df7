"""Agreements: what two parties signed, from when to when it holds, and who may move it how.

Party b of a connection, data processing or coherent record agreement is the platform operator; its column is empty.
Nothing here says whether an agreement holds: that follows from signatures and dates, at the moment of asking.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ARRAY, CheckConstraint, Enum, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from cases.access.actors import Period
from cases.database import Base, Versioned

WARNING = timedelta(days=60)
"""An agreement that ends within so long is told of."""


class AgreementType(StrEnum):
    """What an agreement is for. Source: ExDIN's layers of contracts; GDPR article 28; law 2022:913."""

    CONNECTION = "CONNECTION"
    COOPERATION = "COOPERATION"
    PUB = "PUB"
    COHERENT_RECORD = "COHERENT_RECORD"
    STAFF = "STAFF"


WITH_OPERATOR = frozenset({AgreementType.CONNECTION, AgreementType.PUB, AgreementType.COHERENT_RECORD})
"""Those whose party b is the platform operator; the others are between two care providers."""


class AgreementStatus(StrEnum):
    """Where an agreement is at a moment. Source: domain rules, 5.8."""

    DRAFT = "DRAFT"
    SIGNED = "SIGNED"
    ACTIVE = "ACTIVE"
    EXPIRING = "EXPIRING"
    EXPIRED = "EXPIRED"
    TERMINATED = "TERMINATED"


class Stage(StrEnum):
    """How far people have brought an agreement."""

    UNSIGNED = "UNSIGNED"
    SIGNED_BY_A = "SIGNED_BY_A"
    SIGNED_BY_B = "SIGNED_BY_B"
    SIGNED_BY_BOTH = "SIGNED_BY_BOTH"
    UNDER_NOTICE = "UNDER_NOTICE"
    RESCINDED = "RESCINDED"
    WITHDRAWN = "WITHDRAWN"


MOVES: dict[Stage, frozenset[Stage]] = {
    Stage.UNSIGNED: frozenset({Stage.SIGNED_BY_A, Stage.SIGNED_BY_B, Stage.WITHDRAWN}),
    Stage.SIGNED_BY_A: frozenset({Stage.SIGNED_BY_BOTH, Stage.WITHDRAWN}),
    Stage.SIGNED_BY_B: frozenset({Stage.SIGNED_BY_BOTH, Stage.WITHDRAWN}),
    Stage.SIGNED_BY_BOTH: frozenset({Stage.UNDER_NOTICE, Stage.RESCINDED}),
    Stage.UNDER_NOTICE: frozenset({Stage.RESCINDED}),
    Stage.RESCINDED: frozenset(),
    Stage.WITHDRAWN: frozenset(),
}
"""Every move that exists, from stage to stages."""


class Ending(StrEnum):
    """How people end an agreement: before both signed, with the notice agreed on, or at once for a breach."""

    WITHDRAWN = "WITHDRAWN"
    UNDER_NOTICE = "UNDER_NOTICE"
    RESCINDED = "RESCINDED"


@dataclass(frozen=True, slots=True)
class Operator:
    """The platform operator acting, from the command line of the server.

    Attributes:
        name: of who signs, and as what.
    """

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementText:
    """What is agreed, frozen as soon as somebody signed.

    Attributes:
        purpose: what it is for, in a sentence.
        document_ref: where the signed document is kept: a record number in somebody's registry.
        doc_sha256: of the document, 64 hexadecimal digits in lower case.
        valid_to: the first moment at which it no longer holds; None for until further notice.
        run_off_days: how long open requests may run on after its end; 0 unless the text grants it.
        instructions_ref: the controller's documented instructions, of a PUB agreement.
    """

    purpose: str
    document_ref: str
    doc_sha256: str
    valid_from: datetime
    valid_to: datetime | None = None
    notice_period_days: int = 0
    run_off_days: int = 0
    instructions_ref: str | None = None
    sub_processors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cooperation:
    """For how long a cooperation agreement holds.

    Attributes:
        run_off_until: until when requests that were open at its end may run on; None while it has no end.
    """

    agreement_id: uuid.UUID
    period: Period
    run_off_until: datetime | None


def find_period(
    valid_from: datetime,
    valid_to: datetime | None,
    signed_a_at: datetime | None,
    signed_b_at: datetime | None,
    terminated_at: datetime | None,
) -> Period | None:
    """When an agreement with these dates holds: never before the last signature. None where it never does."""
    if signed_a_at is None or signed_b_at is None:
        return None
    start = max(valid_from, signed_a_at, signed_b_at)
    end = min((end for end in (valid_to, terminated_at) if end is not None), default=None)
    return Period(start, end) if end is None or start < end else None


class Agreement(Versioned, Base):
    """One agreement, as two parties sign it. A new version of a signed text is a new agreement.

    Attributes:
        party_a: who drafted it.
        party_b: the other care provider; None for the platform operator.
        signed_a_by, signed_b_by: assignments under which it was signed.
        operator_signatory: who signed for the platform operator, and as what.
        terminated_at: when it ends, or ended, before its time.
        ending: how it was ended, and `ending_reason` why.

    The others are those of `AgreementText`.
    """

    __tablename__ = "agreement"
    __table_args__ = (
        CheckConstraint("(type IN ('COOPERATION', 'STAFF')) = (party_b IS NOT NULL)", "parties_fit_type"),
        CheckConstraint("party_a <> party_b", "parties_are_two"),
        CheckConstraint("doc_sha256 ~ '^[0-9a-f]{64}$'", "document_has_a_digest"),
        CheckConstraint("valid_to > valid_from", "dates_in_order"),
        CheckConstraint("notice_period_days >= 0 AND run_off_days >= 0", "days_are_not_negative"),
        CheckConstraint("run_off_days = 0 OR type = 'COOPERATION'", "only_cooperation_runs_off"),
        CheckConstraint("type <> 'PUB' OR instructions_ref IS NOT NULL", "processing_has_instructions"),
        CheckConstraint("(signed_a_at IS NULL) = (signed_a_by IS NULL)", "signature_a_is_whole"),
        CheckConstraint(
            "(signed_b_at IS NULL) = (signed_b_by IS NULL AND operator_signatory IS NULL)", "signature_b_is_whole"
        ),
        CheckConstraint("operator_signatory IS NULL OR party_b IS NULL", "operator_signs_for_itself"),
        CheckConstraint("num_nonnulls(terminated_at, ending, ending_reason) IN (0, 3)", "ending_is_whole"),
    )

    type: Mapped[AgreementType] = mapped_column(Enum(AgreementType, native_enum=False, length=40))
    party_a: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"), index=True)
    party_b: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("care_provider.id"), index=True)

    purpose: Mapped[str]
    document_ref: Mapped[str]
    doc_sha256: Mapped[str]
    valid_from: Mapped[datetime]
    valid_to: Mapped[datetime | None]
    notice_period_days: Mapped[int]
    run_off_days: Mapped[int]
    instructions_ref: Mapped[str | None]
    sub_processors: Mapped[list[str]] = mapped_column(ARRAY(String))

    signed_a_by: Mapped[uuid.UUID | None]
    signed_a_at: Mapped[datetime | None]
    signed_b_by: Mapped[uuid.UUID | None]
    signed_b_at: Mapped[datetime | None]
    operator_signatory: Mapped[str | None]
    terminated_at: Mapped[datetime | None]
    ending: Mapped[Ending | None] = mapped_column(Enum(Ending, native_enum=False, length=40))
    ending_reason: Mapped[str | None]

    @property
    def parties(self) -> frozenset[uuid.UUID]:
        """The care providers that are parties."""
        return frozenset(party for party in (self.party_a, self.party_b) if party is not None)

    @property
    def stage(self) -> Stage:
        """How far people have brought it."""
        if self.ending is not None:
            return Stage(self.ending)
        return {
            (False, False): Stage.UNSIGNED,
            (True, False): Stage.SIGNED_BY_A,
            (False, True): Stage.SIGNED_BY_B,
            (True, True): Stage.SIGNED_BY_BOTH,
        }[self.signed_a_at is not None, self.signed_b_at is not None]

    @property
    def period(self) -> Period | None:
        """When it holds: never before the last signature, whatever its dates say. None where it never does."""
        return find_period(self.valid_from, self.valid_to, self.signed_a_at, self.signed_b_at, self.terminated_at)

    @property
    def run_off_until(self) -> datetime | None:
        """Until when what was open at its end may run on; after a breach not at all. None while it has no end."""
        if self.period is None or self.period.end is None:
            return None
        days = 0 if self.ending == Ending.RESCINDED else self.run_off_days
        return self.period.end + timedelta(days=days)

    def status(self, now: datetime) -> AgreementStatus:
        """Where it is at a moment."""
        if self.terminated_at is not None and self.terminated_at <= now:
            return AgreementStatus.TERMINATED
        if self.signed_a_at is None or self.signed_b_at is None:
            return AgreementStatus.DRAFT
        if self.valid_to is not None and self.valid_to <= now:
            return AgreementStatus.EXPIRED
        if self.period is None or now < self.period.start:
            return AgreementStatus.SIGNED
        soon = self.period.end is not None and self.period.end - now <= WARNING
        return AgreementStatus.EXPIRING if soon else AgreementStatus.ACTIVE
