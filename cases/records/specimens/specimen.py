"""Specimens, tissue blocks (klossar) and glass slides: what was taken from the patient and what became of it."""

from __future__ import annotations

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    Enum,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from cases.database import Base, Versioned

_RIGHT = "entered_in_error_at IS NULL"


class Laterality(StrEnum):
    """On which side it was."""

    LEFT = "LEFT"
    RIGHT = "RIGHT"
    BILATERAL = "BILATERAL"


class StainKind(StrEnum):
    """How a glass is stained. Source: domain rules, 3.4."""

    HE = "HE"
    SPECIAL = "SPECIAL"
    IHC = "IHC"
    ISH = "ISH"
    IF = "IF"
    CYTO = "CYTO"


class Material(Versioned):
    """What a case consists of: it belongs to one, and is never deleted.

    Attributes:
        entered_in_error_at: it was a mistake; kept and no longer counted.
    """

    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"), index=True)
    entered_in_error_at: Mapped[datetime | None]

    @classmethod
    def counts(cls) -> ColumnElement[bool]:
        """Whether a row is no mistake."""
        return cls.entered_in_error_at.is_(None)


class Specimen(Material, Base):
    """Material sent to the laboratory, named by a letter in its case.

    Attributes:
        type, type_code: what it is, in words and in SNOMED CT: a specimen, not a procedure.
        site, site_code: where in the body it was, in words and in SNOMED CT (body structure).
        procedure: how it was taken.
        gross_description: what was seen before it was cut.

    Source: domain rules, 3.4; IHE PaLM DPOW.
    """

    __tablename__ = "specimen"
    __table_args__ = (
        UniqueConstraint("id", "case_id"),
        Index("uq_specimen_case_id_letter", "case_id", "letter", unique=True, postgresql_where=_RIGHT),
    )

    case_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("pathology_case.id"))
    letter: Mapped[str]
    type: Mapped[str | None]
    type_code: Mapped[str | None]
    site: Mapped[str | None]
    site_code: Mapped[str | None]
    laterality: Mapped[Laterality | None] = mapped_column(Enum(Laterality, native_enum=False, length=40))
    procedure: Mapped[str | None]
    collected_at: Mapped[datetime | None]
    received_at: Mapped[datetime | None]
    fixative: Mapped[str | None]
    gross_description: Mapped[str | None]


class TissueBlock(Material, Base):
    """A piece of a specimen in paraffin (kloss), numbered in its specimen.

    Attributes:
        description: what it is taken from.
        location: where the laboratory keeps it.
    """

    __tablename__ = "tissue_block"
    __table_args__ = (
        UniqueConstraint("id", "specimen_id"),
        ForeignKeyConstraint(["specimen_id", "case_id"], ["specimen.id", "specimen.case_id"]),
        CheckConstraint("number > 0", "number_is_positive"),
        Index("uq_tissue_block_specimen_id_number", "specimen_id", "number", unique=True, postgresql_where=_RIGHT),
    )

    case_id: Mapped[uuid.UUID] = mapped_column(index=True)
    specimen_id: Mapped[uuid.UUID]
    number: Mapped[int]
    embedding: Mapped[str | None]
    description: Mapped[str | None]
    location: Mapped[str | None]


class GlassSlide(Material, Base):
    """A section on glass, numbered in its tissue block, or in its specimen where there is no block.

    Attributes:
        stain_code: the laboratory's own short name of the stain: "HE", "CK20".
        antibody: of an immunohistochemical stain.
        level: how deep in the block, 1 the first.
        barcode, label_text: as on its label, which is what a scan is matched with.
        expected: an image of it is waited for, which it is before the glass exists too.
    """

    __tablename__ = "glass_slide"
    __table_args__ = (
        UniqueConstraint("id", "case_id"),
        ForeignKeyConstraint(["specimen_id", "case_id"], ["specimen.id", "specimen.case_id"]),
        ForeignKeyConstraint(["tissue_block_id", "specimen_id"], ["tissue_block.id", "tissue_block.specimen_id"]),
        CheckConstraint("number > 0", "number_is_positive"),
        Index(
            "uq_glass_slide_specimen_id_tissue_block_id_number",
            "specimen_id",
            "tissue_block_id",
            "number",
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=_RIGHT,
        ),
    )

    case_id: Mapped[uuid.UUID] = mapped_column(index=True)
    specimen_id: Mapped[uuid.UUID]
    tissue_block_id: Mapped[uuid.UUID | None] = mapped_column(index=True)
    number: Mapped[int]
    stain_code: Mapped[str]
    stain_kind: Mapped[StainKind] = mapped_column(Enum(StainKind, native_enum=False, length=40))
    antibody: Mapped[str | None]
    level: Mapped[int | None]
    barcode: Mapped[str | None] = mapped_column(index=True)
    label_text: Mapped[str | None]
    expected: Mapped[bool] = mapped_column(default=True)


def name_glass(glass: GlassSlide, letter: str, block: int | None) -> str:
    """What people call a glass: "A1-2 HE" is the second one of the first tissue block of specimen A.

    Args:
        glass: to name.
        letter: of its specimen.
        block: number of its tissue block, if it is of one.
    """
    return f"{letter}{block or ''}-{glass.number} {glass.stain_code}"
