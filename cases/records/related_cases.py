"""Cases that belong together: earlier ones, the same operation, a frozen section and what was made of it later."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from enum import StrEnum

from sqlalchemy import CheckConstraint, Enum, ForeignKey, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.errors import Invalid
from cases.access.patients import Patient
from cases.database import Base, Versioned
from cases.records.pathology_case import PathologyCase, subject_of


class RelationType(StrEnum):
    """What another case is to this one. Source: domain rules, 2.6 and 3.4."""

    PRIOR = "PRIOR"
    FROZEN_TO_PARAFFIN = "FROZEN_TO_PARAFFIN"
    SAME_OPERATION = "SAME_OPERATION"
    RADIOLOGY = "RADIOLOGY"


class RelatedCase(Versioned, Base):
    """That a case has to do with another one of the same patient and care provider.

    Attributes:
        related_case_id: the other one.
        reference: number of an examination elsewhere, which is no case here: radiology's.
    """

    __tablename__ = "related_case"
    __table_args__ = (
        UniqueConstraint("case_id", "type", "related_case_id", "reference", postgresql_nulls_not_distinct=True),
        CheckConstraint("case_id <> related_case_id", "another_case"),
        CheckConstraint(
            "(related_case_id IS NULL) = (type = 'RADIOLOGY') AND (reference IS NULL) = (type <> 'RADIOLOGY')",
            "case_or_reference",
        ),
    )

    case_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("pathology_case.id"))
    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"), index=True)
    type: Mapped[RelationType] = mapped_column(Enum(RelationType, native_enum=False, length=40))
    related_case_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("pathology_case.id"), index=True)
    reference: Mapped[str | None]


def relate(
    session: Session,
    case: PathologyCase,
    kind: RelationType,
    *,
    other: PathologyCase | None = None,
    reference: str | None = None,
    by: Actor,
) -> RelatedCase:
    """Say that a case has to do with another one, or with an examination in radiology. Saying it twice is once.

    Args:
        session: of this transaction.
        case: in question.
        kind: what the other one is to it.
        other: of the same patient and care provider.
        reference: radiology's number.
        by: who says so.

    Raises:
        Invalid: both or neither are given, or the other case is another patient's or care provider's.
    """
    if (other is None) != (kind is RelationType.RADIOLOGY) or (reference is None) == (kind is RelationType.RADIOLOGY):
        raise Invalid("Radiology is named by its number (reference), anything else by the other case.", field="type")
    if other is not None:
        people = select(Patient.same_as_id).where(Patient.id.in_([case.patient_id, other.patient_id])).distinct()
        if other.id == case.id or len(session.scalars(people).all()) != 1:
            raise Invalid("Only another case of the same patient here is related.", field="related_case_id")
    known = select(RelatedCase).where(
        RelatedCase.case_id == case.id,
        RelatedCase.type == kind,
        RelatedCase.related_case_id == other.id if other else RelatedCase.reference == reference,
    )
    row = session.scalar(known)
    if row is None:
        row = RelatedCase(
            case_id=case.id,
            care_provider_id=case.care_provider_id,
            type=kind,
            related_case_id=other.id if other else None,
            reference=reference,
            created_by=by.assignment_id,
        )
        session.add(row)
        session.flush()
        args = {"related": str(other.id) if other else "radiology"}
        audit.record(session, Event.CASE_CHANGED, by=by, subjects=[subject_of(case)], args=args)
    return row


def find_related(session: Session, case_id: uuid.UUID) -> Sequence[RelatedCase]:
    """What a case has to do with, in the order it was said."""
    return session.scalars(select(RelatedCase).where(RelatedCase.case_id == case_id).order_by(RelatedCase.id)).all()
