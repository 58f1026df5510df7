"""Who is competent in what, and who has validated reading it on a screen."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Enum, ForeignKey, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event, Subject
from cases.access.errors import Invalid, NotPermitted, Stale
from cases.access.people import Assignment, Person, require_sole
from cases.access.uniqueness import insert_unique
from cases.database import Base, Versioned


class Subspecialty(StrEnum):
    """A part of pathology. Source: domain rules, 3.1."""

    BREAST = "BREAST"
    GI = "GI"
    GYN = "GYN"
    URO = "URO"
    DERM = "DERM"
    HEMATO = "HEMATO"
    NEURO = "NEURO"
    LUNG = "LUNG"
    HEADNECK = "HEADNECK"
    ENDOCRINE = "ENDOCRINE"
    SOFT_TISSUE = "SOFT_TISSUE"
    LIVER = "LIVER"
    KIDNEY = "KIDNEY"
    CARDIO = "CARDIO"
    PEDIATRIC = "PEDIATRIC"
    CYTOLOGY = "CYTOLOGY"
    MOLECULAR = "MOLECULAR"
    AUTOPSY = "AUTOPSY"
    GENERAL = "GENERAL"


SUBSPECIALTIES: Mapping[Subspecialty, tuple[str, str]] = {
    Subspecialty.BREAST: ("Bröst", "Breast"),
    Subspecialty.GI: ("Mag-tarm", "Gastrointestinal"),
    Subspecialty.GYN: ("Gynekologi", "Gynaecology"),
    Subspecialty.URO: ("Urologi", "Urology"),
    Subspecialty.DERM: ("Hud", "Skin"),
    Subspecialty.HEMATO: ("Hematopatologi", "Haematopathology"),
    Subspecialty.NEURO: ("Neuropatologi", "Neuropathology"),
    Subspecialty.LUNG: ("Lunga", "Lung"),
    Subspecialty.HEADNECK: ("Huvud och hals", "Head and neck"),
    Subspecialty.ENDOCRINE: ("Endokrina organ", "Endocrine organs"),
    Subspecialty.SOFT_TISSUE: ("Mjukdelar och skelett", "Soft tissue and bone"),
    Subspecialty.LIVER: ("Lever", "Liver"),
    Subspecialty.KIDNEY: ("Njure", "Kidney"),
    Subspecialty.CARDIO: ("Hjärta och kärl", "Heart and vessels"),
    Subspecialty.PEDIATRIC: ("Barnpatologi", "Paediatric pathology"),
    Subspecialty.CYTOLOGY: ("Cytologi", "Cytology"),
    Subspecialty.MOLECULAR: ("Molekylär patologi", "Molecular pathology"),
    Subspecialty.AUTOPSY: ("Obduktion", "Autopsy"),
    Subspecialty.GENERAL: ("Allmän patologi", "General pathology"),
}
"""Their names in Swedish and in English."""


class CompetenceLevel(StrEnum):
    """How far somebody's competence reaches."""

    TRAINEE = "TRAINEE"
    GENERAL = "GENERAL"
    EXPERT = "EXPERT"


class Competence(Versioned, Base):
    """What a person can be asked in one subspecialty.

    Attributes:
        digital_validated_at: when reading it on a screen was validated; None while it was not.
        digital_validation_cases: how many were read both ways.
        digital_validation_concordance: per cent that came out alike.
        valid_to: the last day on which it counts; None for good.
        max_complexity_level: 1 to 6, the hardest to send here.
    """

    __tablename__ = "competence"
    __table_args__ = (
        UniqueConstraint("person_id", "subspecialty"),
        CheckConstraint("max_complexity_level BETWEEN 1 AND 6", "complexity_is_a_level"),
        CheckConstraint(
            "(digital_validated_at IS NULL) = (digital_validation_cases IS NULL)"
            " AND (digital_validated_at IS NULL) = (digital_validation_concordance IS NULL)",
            "validation_has_a_record",
        ),
        CheckConstraint("digital_validation_concordance BETWEEN 0 AND 100", "concordance_is_a_percentage"),
    )

    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("person.id"))
    subspecialty: Mapped[Subspecialty] = mapped_column(Enum(Subspecialty, native_enum=False, length=40))
    level: Mapped[CompetenceLevel] = mapped_column(Enum(CompetenceLevel, native_enum=False, length=40))
    digital_validated_at: Mapped[datetime | None]
    digital_validation_cases: Mapped[int | None]
    digital_validation_concordance: Mapped[float | None]
    valid_to: Mapped[date | None]
    max_complexity_level: Mapped[int]


@dataclass(frozen=True, slots=True)
class Validation:
    """That somebody reads a subspecialty on a screen as well as on glass. Source: domain rules, 11.1.

    Attributes:
        at: when it was shown.
        cases: how many were read both ways.
        concordance: per cent that came out alike.
    """

    at: datetime
    cases: int
    concordance: float


def set_competence(
    session: Session,
    person: Person,
    subspecialty: Subspecialty,
    *,
    level: CompetenceLevel,
    max_complexity_level: int,
    validation: Validation | None = None,
    valid_to: date | None = None,
    seen: int | None = None,
    now: datetime,
    by: Actor | None,
) -> Competence:
    """Say what a person can be asked in a subspecialty, in place of what was said before.

    Args:
        session: of this transaction.
        person: who.
        subspecialty: in which.
        level: how far.
        max_complexity_level: 1 to 6.
        validation: of reading on a screen; None while there is none.
        valid_to: the last day; None for good.
        seen: the version that was read, 0 where there was none; None to replace whichever there is.
        now: the moment.
        by: somebody else; None for the platform itself.

    Raises:
        NotPermitted: it is one's own, or another care provider, for which the person works too, has entered it.
        Invalid: the validation is of the future or of no cases, or a figure is out of bounds.
        Conflict: somebody else entered it just now.
        Stale: it is another version than the one that was read.
    """
    if by is not None and by.person_id == person.id:
        raise NotPermitted("Nobody judges their own competence. Ask a head or another administrator.")
    if not 1 <= max_complexity_level <= 6:
        raise Invalid("Complexity goes from 1 to 6.", field="max_complexity_level")
    if validation is not None and (
        validation.at > now or validation.cases < 1 or not 0 <= validation.concordance <= 100
    ):
        raise Invalid(
            "A validation lies in the past, of one case at least, its concordance between 0 and 100 per cent.",
            field="validation",
        )
    found = find_competence(session, person.id, subspecialty)
    if found is not None and by is not None:
        entered_by = found.created_by and session.get(Assignment, found.created_by)
        if not entered_by or entered_by.care_provider_id != by.provider_id:
            require_sole(session, person.id, by=by)
    if seen is not None and seen != (newest := found.version if found else 0):
        raise Stale(f"Somebody changed this meanwhile: version {seen} was given, {newest} is the newest, 0 being none.")
    competence = found or Competence(
        person_id=person.id, subspecialty=subspecialty, created_by=by.assignment_id if by else None
    )
    competence.level, competence.max_complexity_level, competence.valid_to = level, max_complexity_level, valid_to
    competence.digital_validated_at = validation.at if validation else None
    competence.digital_validation_cases = validation.cases if validation else None
    competence.digital_validation_concordance = validation.concordance if validation else None
    if found is None:
        insert_unique(session, competence, taken="Somebody entered this competence just now. Read it again.")
    session.flush()
    audit.record(
        session,
        Event.COMPETENCE_CHANGED,
        by=by,
        subjects=[Subject(kind="competence", id=competence.id, provider_id=by.provider_id if by else None)],
        args={"person": str(person.id), "subspecialty": subspecialty, "level": level, "validated": bool(validation)},
    )
    return competence


def find_competence(session: Session, person_id: uuid.UUID, subspecialty: Subspecialty) -> Competence | None:
    """A person's competence in one subspecialty, or None."""
    return session.scalar(
        select(Competence).where(Competence.person_id == person_id, Competence.subspecialty == subspecialty)
    )


def find_competences(session: Session, person_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, list[Competence]]:
    """The competences of people, by person, in the order of their subspecialties' codes."""
    rows = session.scalars(
        select(Competence).where(Competence.person_id.in_(person_ids)).order_by(Competence.subspecialty)
    ).all()
    return {person_id: [row for row in rows if row.person_id == person_id] for person_id in person_ids}
