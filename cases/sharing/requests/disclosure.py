"""Disclosures: what an owner handed out, to whom, why and until when. A row is never rewritten; it can only end.

What is handed out later is a new version, which takes the place of the one before it. Source: domain rules, L16, L17.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ARRAY, CheckConstraint, Enum, ForeignKey, Index, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from cases.access.actors import Period, Purpose
from cases.database import Base
from cases.sharing.requests.request import LegalGround


class DisclosureState(StrEnum):
    """Whether what was handed out may be looked at. SUSPENDED until it is offered, and while the request is held."""

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    ENDED = "ENDED"
    REVOKED = "REVOKED"


LIVE = frozenset({DisclosureState.ACTIVE, DisclosureState.SUSPENDED})
"""Not over yet."""


class ItemKind(StrEnum):
    """What can be handed out."""

    SLIDE = "SLIDE"
    GLASS = "GLASS"
    ATTACHMENT = "ATTACHMENT"
    CASE = "CASE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What is to be handed out of a case: what the requester chose, nothing more.

    Attributes:
        slide_ids: slide images, of the case or of a prior case among `case_ids`.
        glass_ids: glass slides whose images are not there yet; the images come along when they arrive.
        attachment_ids: documents and photographs.
        case_ids: prior cases of the same patient.
    """

    slide_ids: tuple[uuid.UUID, ...] = ()
    glass_ids: tuple[uuid.UUID, ...] = ()
    attachment_ids: tuple[uuid.UUID, ...] = ()
    case_ids: tuple[uuid.UUID, ...] = ()

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> Manifest:
        """One as a request's row keeps it."""
        return cls(**{name: tuple(map(uuid.UUID, ids)) for name, ids in kept.items()})

    def keep(self) -> dict[str, list[str]]:
        """As a request's row keeps it."""
        return {name: [str(one) for one in dict.fromkeys(getattr(self, name))] for name in self.__slots__}


class Disclosure(Base):
    """One version of what was handed out for a request.

    Attributes:
        care_provider_id, unit_id: who handed it out: the owner.
        to_named: assignments it is for; none for everybody at the unit.
        manifest_sha256: of the items' kinds and ids, sorted, a line each.
        decided_by, decided_at: who decided it, and when.
        agreement_snapshot_ids: the agreement and the service it rested on then.
        state, ended_at, ended_by, end_reason: the only columns that ever change.
    """

    __tablename__ = "disclosure"
    __table_args__ = (
        UniqueConstraint("request_id", "version_no"),
        Index(
            "uq_disclosure_live",
            "request_id",
            unique=True,
            postgresql_where="state IN ('ACTIVE', 'SUSPENDED')",
        ),
        CheckConstraint("(state IN ('ENDED', 'REVOKED')) = (ended_at IS NOT NULL)", "end_is_whole"),
        CheckConstraint("valid_to > valid_from", "dates_in_order"),
        CheckConstraint("legal_ground <> 'CONSENT_EXPLICIT' OR consent_assertion_id IS NOT NULL", "consent_is_named"),
    )

    request_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("share_request.id"))
    version_no: Mapped[int]
    case_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("pathology_case.id"), index=True)
    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"))
    unit_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_unit.id"))
    to_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"))
    to_unit_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_unit.id"))
    to_named: Mapped[list[uuid.UUID]] = mapped_column(ARRAY(Uuid))
    purpose: Mapped[Purpose] = mapped_column(Enum(Purpose, native_enum=False, length=40))
    legal_ground: Mapped[LegalGround] = mapped_column(Enum(LegalGround, native_enum=False, length=40))
    consent_assertion_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("consent_assertion.id"))
    harm_test_comment: Mapped[str | None]
    harm_tested_by: Mapped[uuid.UUID]
    harm_tested_at: Mapped[datetime]
    manifest_sha256: Mapped[bytes]
    decided_by: Mapped[uuid.UUID]
    decided_at: Mapped[datetime]
    valid_from: Mapped[datetime]
    valid_to: Mapped[datetime]
    agreement_snapshot_ids: Mapped[list[uuid.UUID]] = mapped_column(ARRAY(Uuid))
    state: Mapped[DisclosureState] = mapped_column(
        Enum(DisclosureState, native_enum=False, length=40), default=DisclosureState.SUSPENDED
    )
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[uuid.UUID | None]
    end_reason: Mapped[str | None]

    @property
    def period(self) -> Period:
        """When it holds."""
        return Period(self.valid_from, min(self.valid_to, self.ended_at) if self.ended_at else self.valid_to)


class DisclosedItem(Base):
    """One thing that a version of a disclosure holds."""

    __tablename__ = "disclosed_item"
    __table_args__ = (UniqueConstraint("disclosure_id", "kind", "resource_id"),)

    disclosure_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("disclosure.id"))
    request_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("share_request.id"))
    kind: Mapped[ItemKind] = mapped_column(Enum(ItemKind, native_enum=False, length=40))
    resource_id: Mapped[uuid.UUID] = mapped_column(index=True)
