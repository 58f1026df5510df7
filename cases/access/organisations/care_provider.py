"""Care providers: the legal persons that give care. Regions and private ones are the same in every respect."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from enum import StrEnum

from sqlalchemy import CheckConstraint, Enum, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from cases.access import rights
from cases.access.actors import Actor
from cases.access.errors import IllegalMove, NotThere
from cases.access.organisations.identity import parse_hsa_id, parse_org_number, record_change
from cases.access.uniqueness import insert_unique
from cases.database import Base, Versioned


class ProviderKind(StrEnum):
    """Who is behind a care provider. Nothing depends on it but the defaults of a new one."""

    REGION = "REGION"
    PRIVATE = "PRIVATE"


class RegionCode(StrEnum):
    """In which region's area a care provider works."""

    RJL = "RJL"
    RKL = "RKL"
    RO = "RO"
    OTHER = "OTHER"


class ProviderStatus(StrEnum):
    """Whether a care provider takes part."""

    ONBOARDING = "ONBOARDING"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    LEFT = "LEFT"


class ImageRelease(StrEnum):
    """From when on referring clinicians may look at a provider's images of their own referrals."""

    ON_AVAILABLE = "ON_AVAILABLE"
    ON_PRELIMINARY = "ON_PRELIMINARY"
    ON_FINAL = "ON_FINAL"


MOVES: Mapping[ProviderStatus, frozenset[ProviderStatus]] = {
    ProviderStatus.ONBOARDING: frozenset({ProviderStatus.ACTIVE, ProviderStatus.LEFT}),
    ProviderStatus.ACTIVE: frozenset({ProviderStatus.SUSPENDED, ProviderStatus.LEFT}),
    ProviderStatus.SUSPENDED: frozenset({ProviderStatus.ACTIVE, ProviderStatus.LEFT}),
    ProviderStatus.LEFT: frozenset(),
}
"""Every move of a care provider that exists."""


LONGEST_KEPT = 300
"""Seconds: patient data is not left lying in browsers for longer. Source: domain rules, 4, caching."""


class CareProvider(Versioned, Base):
    """A legal person that gives care; secrecy applies between two of them. Source: domain rules, 2.1.

    Attributes:
        hsa_id: in capitals, so that comparing ignores case.
        org_number: ten digits.
        extract_includes_name: whether a patient's log extract names the staff. Source: domain rules, L5.
        clinician_image_release: from when on referrers see images; with a banner while nothing is diagnosed.
        image_release_elsewhere: whether referrers at other care providers see them too, and not the answer alone.
        tile_cache_seconds: how long browsers may keep its tiles and small pictures on disk, 0 to `LONGEST_KEPT`.
        dpo_contact: how to reach the data protection officer.
        incident_contact: whom to call when something has gone wrong.
    """

    __tablename__ = "care_provider"
    __table_args__ = (
        CheckConstraint("hsa_id = upper(hsa_id)", "hsa_id_in_capitals"),
        CheckConstraint("org_number ~ '^[0-9]{10}$'", "org_number_has_ten_digits"),
        CheckConstraint("tile_cache_seconds BETWEEN 0 AND 300", "tiles_are_kept_briefly"),
    )

    hsa_id: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    org_number: Mapped[str]
    kind: Mapped[ProviderKind] = mapped_column(Enum(ProviderKind, native_enum=False, length=40))
    region_code: Mapped[RegionCode] = mapped_column(Enum(RegionCode, native_enum=False, length=40))
    extract_includes_name: Mapped[bool]
    default_language: Mapped[str] = mapped_column(default="sv")
    time_zone: Mapped[str] = mapped_column(default="Europe/Stockholm")
    status: Mapped[ProviderStatus] = mapped_column(
        Enum(ProviderStatus, native_enum=False, length=40), default=ProviderStatus.ONBOARDING
    )
    clinician_image_release: Mapped[ImageRelease] = mapped_column(
        Enum(ImageRelease, native_enum=False, length=40), default=ImageRelease.ON_AVAILABLE
    )
    image_release_elsewhere: Mapped[bool] = mapped_column(default=False)
    tile_cache_seconds: Mapped[int] = mapped_column(default=0)
    dpo_contact: Mapped[str | None]
    incident_contact: Mapped[str | None]


def register_provider(
    session: Session,
    *,
    hsa_id: str,
    name: str,
    org_number: str,
    kind: ProviderKind,
    region_code: RegionCode,
    extract_includes_name: bool | None = None,
    dpo_contact: str | None = None,
    incident_contact: str | None = None,
    by: Actor | None,
) -> CareProvider:
    """Enter a care provider that is going to take part.

    Args:
        extract_includes_name: None for what is usual: a region's log is public, a private provider's is not (L5).
        by: None for the platform itself, which is who takes providers on.

    Raises:
        Invalid: an identity has the wrong shape.
        Conflict: the HSA-id is known.
    """
    provider = CareProvider(
        hsa_id=parse_hsa_id(hsa_id),
        name=name,
        org_number=parse_org_number(org_number),
        kind=kind,
        region_code=region_code,
        extract_includes_name=kind is ProviderKind.REGION if extract_includes_name is None else extract_includes_name,
        status=ProviderStatus.ONBOARDING,
        dpo_contact=dpo_contact,
        incident_contact=incident_contact,
        created_by=by.assignment_id if by else None,
    )
    insert_unique(session, provider, taken="There is a care provider with this HSA-id already.")
    record_change(session, provider, provider_id=provider.id, what="registered", by=by)
    return provider


def move_provider(session: Session, provider: CareProvider, *, to: ProviderStatus, by: Actor | None) -> None:
    """Let a care provider take part, or stop it; whatever its people look at is decided again.

    Raises:
        IllegalMove: its status does not lead there.
    """
    allowed = MOVES[provider.status]
    if to not in allowed:
        raise IllegalMove(
            f"A care provider that is {provider.status} cannot become {to}; allowed now: "
            f"{', '.join(sorted(allowed)) or 'nothing'}.",
            allowed=allowed,
        )
    provider.status = to
    rights.changed(session, providers=[provider.id])
    record_change(session, provider, provider_id=provider.id, what=to, by=by)
    session.flush()


def find_provider(session: Session, provider_id: uuid.UUID) -> CareProvider:
    """A care provider by its id. Raises NotThere."""
    provider = session.get(CareProvider, provider_id)
    if provider is None:
        raise NotThere("There is no such care provider.")
    return provider


def list_providers(session: Session, *, after: uuid.UUID | None = None, limit: int = 50) -> list[CareProvider]:
    """Care providers, the newest first."""
    statement = select(CareProvider).order_by(CareProvider.id.desc()).limit(limit)
    return list(session.scalars(statement if after is None else statement.where(CareProvider.id < after)))
