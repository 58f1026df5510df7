"""What holds a request: the reason, whose turn it is, and what they can do. Source: domain rules, 5.1."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Enum, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from cases.access.gate import Code
from cases.database import Base
from cases.sharing.requests.request import Side


class HoldReason(StrEnum):
    """Why a request cannot go on."""

    AGREEMENT = "AGREEMENT"
    SPARR = "SPARR"
    CONSENT = "CONSENT"
    IMAGE_NOT_READY = "IMAGE_NOT_READY"
    QC_FAIL = "QC_FAIL"
    IDENTITY = "IDENTITY"
    PROTECTED_REVIEW = "PROTECTED_REVIEW"


@dataclass(frozen=True, slots=True)
class HoldMeaning:
    """What a person is told of a hold.

    Attributes:
        code: what the gate answers meanwhile.
        sentence: what is the matter.
        owner: who can mend it.
        next_step: how.
    """

    code: Code
    sentence: str
    owner: str
    next_step: str


MEANINGS: Mapping[HoldReason, HoldMeaning] = {
    HoldReason.AGREEMENT: HoldMeaning(
        Code.D21,
        "The agreement or the service between the two care providers is not in force.",
        "The agreement administrators of both care providers",
        "Agree on a new one, then recall or cancel this request and ask anew under it.",
    ),
    HoldReason.SPARR: HoldMeaning(
        Code.D30,
        "The patient has blocked this information from other care providers.",
        "The requester",
        "Ask the patient. With an explicit consent to this disclosure, registered after the block, it goes on; "
        "otherwise recall or cancel the request.",
    ),
    HoldReason.CONSENT: HoldMeaning(
        Code.D32,
        "The patient has objected to sharing, or has taken back the consent it rests on.",
        "The requester",
        "Ask the patient. With a new explicit consent it goes on; otherwise recall or cancel the request.",
    ),
    HoldReason.IMAGE_NOT_READY: HoldMeaning(
        Code.D05,
        "Slides that are to be sent are not there yet, or have not been verified.",
        "The owner's laboratory",
        "Bring in the missing slides, or take them off the list; it is offered by itself when they are there.",
    ),
    HoldReason.QC_FAIL: HoldMeaning(
        Code.D05,
        "A slide that is to be sent is in quarantine.",
        "The owner's laboratory",
        "Settle the quarantine or scan the glass again.",
    ),
    HoldReason.IDENTITY: HoldMeaning(
        Code.D06,
        "It is not certain that everything belongs to the same patient.",
        "The owner's laboratory",
        "Settle whose the case and its slides are.",
    ),
    HoldReason.PROTECTED_REVIEW: HoldMeaning(
        Code.D40,
        "The patient's identity is protected, and the request names nobody or was not weighed for it.",
        "The requester's head",
        "Name a reader and record the harm test; then it goes on.",
    ),
}
"""Of each."""


class RequestHold(Base):
    """One reason for which a request is or was held.

    Attributes:
        care_provider_id: the owner of the request.
        whose_turn: the side that can mend it.
        resolved_by: None where it resolved by itself.
    """

    __tablename__ = "request_hold"
    __table_args__ = (
        Index("uq_request_hold_open", "request_id", "reason", unique=True, postgresql_where="resolved_at IS NULL"),
    )

    request_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("share_request.id"), index=True)
    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"))
    reason: Mapped[HoldReason] = mapped_column(Enum(HoldReason, native_enum=False, length=40))
    whose_turn: Mapped[Side] = mapped_column(Enum(Side, native_enum=False, length=40))
    began_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]
    resolved_by: Mapped[uuid.UUID | None]
