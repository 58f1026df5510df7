"""Evidence: what a care provider states about itself once, for every pair that it is part of."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Enum, ForeignKey, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event, Subject
from cases.access.errors import Invalid, Stale
from cases.access.uniqueness import insert_unique
from cases.database import Base, Versioned


class EvidenceItem(StrEnum):
    """What no other row can show, so that somebody states it. Source: domain rules, 3.2."""

    DPIA = "DPIA"
    NETWORK = "NETWORK"
    WSI_VALIDATION = "WSI_VALIDATION"
    INTENDED_USE = "INTENDED_USE"
    BILLING_CONTACT = "BILLING_CONTACT"


class Evidence(Versioned, Base):
    """One statement of a care provider, or the plan to make it.

    Attributes:
        evidence_ref: where the document is, or who the contact is; None while it is planned.
        given_by: assignment of who stated it.
        valid_to: the first moment at which it no longer counts; None for good.
        owner: who in the organisation sees to it, by name or function.
        due: by when it is to be there.
    """

    __tablename__ = "evidence"
    __table_args__ = (
        UniqueConstraint("care_provider_id", "item"),
        CheckConstraint("num_nonnulls(evidence_ref, given_by, given_at) IN (0, 3)", "evidence_is_whole"),
    )

    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"))
    item: Mapped[EvidenceItem] = mapped_column(Enum(EvidenceItem, native_enum=False, length=40))
    evidence_ref: Mapped[str | None]
    given_by: Mapped[uuid.UUID | None]
    given_at: Mapped[datetime | None]
    valid_to: Mapped[datetime | None]
    owner: Mapped[str | None]
    due: Mapped[date | None]

    def counts(self, now: datetime) -> bool:
        """Whether it is there and in date."""
        return self.evidence_ref is not None and (self.valid_to is None or now < self.valid_to)


def find_evidence(session: Session, item: EvidenceItem, *, by: Actor) -> Evidence | None:
    """What the actor's care provider has stated about an item."""
    return session.scalar(select(Evidence).where(Evidence.care_provider_id == by.provider_id, Evidence.item == item))


def list_evidence(session: Session, *, by: Actor) -> list[Evidence]:
    """Everything that the actor's care provider has stated."""
    own = select(Evidence).where(Evidence.care_provider_id == by.provider_id)
    return list(session.scalars(own.order_by(Evidence.item)))


def give_evidence(
    session: Session,
    item: EvidenceItem,
    *,
    evidence_ref: str | None,
    valid_to: datetime | None = None,
    owner: str | None = None,
    due: date | None = None,
    seen: int | None = None,
    by: Actor,
    now: datetime,
) -> Evidence:
    """State an item for one's own care provider, or who sees to it by when; what was stated before is replaced.

    Args:
        seen: the version that was read, 0 where there was none; None to replace whichever there is.

    Raises:
        Invalid: nothing is stated, or what is stated has run out already.
        Conflict: somebody else stated it just now.
        Stale: it is another version than the one that was read.
    """
    if evidence_ref is None and owner is None and due is None:
        raise Invalid("State where the evidence is, or who sees to it by when.", field="evidence_ref")
    if valid_to is not None and (evidence_ref is None or valid_to <= now):
        raise Invalid("Evidence has run out at the time given, or is not there at all.", field="valid_to")
    found = find_evidence(session, item, by=by)
    if seen is not None and seen != (newest := found.version if found else 0):
        raise Stale(f"Somebody changed this meanwhile: version {seen} was given, {newest} is the newest, 0 being none.")
    row = found or Evidence(care_provider_id=by.provider_id, item=item, created_by=by.assignment_id)
    row.evidence_ref, row.valid_to, row.owner, row.due = evidence_ref, valid_to, owner, due
    row.given_by, row.given_at = (None, None) if evidence_ref is None else (by.assignment_id, now)
    if found is None:
        insert_unique(session, row, taken="Somebody stated this item just now. Read it again.")
    session.flush()
    audit.record(
        session,
        Event.EVIDENCE_GIVEN,
        by=by,
        subjects=[Subject(kind="evidence", id=row.id, provider_id=by.provider_id)],
        args={"item": item, "given": evidence_ref is not None},
    )
    return row
