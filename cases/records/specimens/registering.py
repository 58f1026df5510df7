"""Registering specimens, tissue blocks and glass, one by one or a whole specimen at once."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from cases.access.actors import Actor
from cases.access.errors import Conflict, Invalid
from cases.access.uniqueness import insert_unique
from cases.records.pathology_case import PathologyCase, note_registration
from cases.records.specimens.changing import record_change
from cases.records.specimens.specimen import GlassSlide, Laterality, Specimen, StainKind, TissueBlock, name_glass

LETTERS = (*string.ascii_uppercase, *(a + b for a in string.ascii_uppercase for b in string.ascii_uppercase))
"""What specimens are named by, in their order."""


@dataclass(frozen=True, kw_only=True)
class NewGlass:
    """A glass to register; see `GlassSlide`. Without a number it gets the next one."""

    number: int | None = None
    stain_code: str = "HE"
    stain_kind: StainKind = StainKind.HE
    antibody: str | None = None
    level: int | None = None
    barcode: str | None = None
    label_text: str | None = None
    expected: bool = True


@dataclass(frozen=True, kw_only=True)
class NewBlock:
    """A tissue block to register, with its glass; see `TissueBlock`. Without a number it gets the next one."""

    number: int | None = None
    embedding: str | None = None
    description: str | None = None
    location: str | None = None
    glass: tuple[NewGlass, ...] = ()


@dataclass(frozen=True, kw_only=True)
class NewSpecimen:
    """A specimen to register, with all that has been made of it; see `Specimen`.

    Attributes:
        letter: A to ZZ; the next one of the case where it is left out.
        glass: that is of no tissue block, as smears are.
    """

    letter: str | None = None
    type: str | None = None
    type_code: str | None = None
    site: str | None = None
    site_code: str | None = None
    laterality: Laterality | None = None
    procedure: str | None = None
    collected_at: datetime | None = None
    received_at: datetime | None = None
    fixative: str | None = None
    gross_description: str | None = None
    blocks: tuple[NewBlock, ...] = ()
    glass: tuple[NewGlass, ...] = ()


GLASS, BLOCK = NewGlass(), NewBlock()
New = TypeVar("New", NewBlock, NewGlass)


def register_specimen(session: Session, case: PathologyCase, new: NewSpecimen, *, by: Actor | None) -> Specimen:
    """Register a specimen of a case, with the tissue blocks and the glass made of it.

    Raises:
        Invalid: the letter is no letter.
        Conflict: the case has a specimen with this letter, or a number is given twice.
    """
    letter = (new.letter or _next_letter(session, case)).strip().upper()
    if letter not in LETTERS:
        raise Invalid("A specimen is named by one or two letters, A to ZZ.", field="letter")
    specimen = Specimen(**_of(case, by), letter=letter, **_rest(new, "letter", "blocks", "glass"))
    insert_unique(session, specimen, taken=f"The case has a specimen {letter} already. Change that one instead.")
    blocks = [(_make_block(case, specimen, block, number, by=by), block) for number, block in _count(new.blocks)]
    session.add_all(block for block, _ in blocks)
    session.flush()
    session.add_all(_make_glass(case, specimen, None, one, number, by=by) for number, one in _count(new.glass))
    for block, said in blocks:
        session.add_all(_make_glass(case, specimen, block, one, number, by=by) for number, one in _count(said.glass))
    _note(session, case, {"specimen": str(specimen.id)}, by=by)
    return specimen


def register_tissue_block(
    session: Session, case: PathologyCase, new: NewBlock = BLOCK, *, specimen: Specimen, by: Actor | None
) -> TissueBlock:
    """Register a tissue block of a specimen, with its glass.

    Raises:
        Conflict: the specimen has a block with this number.
    """
    number = new.number or _next(session, TissueBlock, TissueBlock.specimen_id == specimen.id)
    block = _make_block(case, specimen, new, number, by=by)
    insert_unique(session, block, taken=f"Specimen {specimen.letter} has a tissue block {number} already.")
    session.add_all(_make_glass(case, specimen, block, one, number, by=by) for number, one in _count(new.glass))
    _note(session, case, {"block": str(block.id)}, by=by)
    return block


def register_glass_slide(
    session: Session,
    case: PathologyCase,
    new: NewGlass = GLASS,
    *,
    specimen: Specimen,
    block: TissueBlock | None = None,
    by: Actor | None,
) -> GlassSlide:
    """Register a glass, which an image is waited for from now on unless it says otherwise.

    Args:
        session: of this transaction; inside `platform` where the case is another provider's.
        case: that it is for.
        new: what is known of it.
        specimen: that it is of.
        block: of that specimen, that it is cut from.
        by: who says so; None for the system.

    Raises:
        Invalid: the block is of another specimen.
        Conflict: there is a glass with this number.
    """
    if specimen.case_id != case.id or (block is not None and block.specimen_id != specimen.id):
        raise Invalid("The tissue block, the specimen and the case do not belong together.", field="tissue_block_id")
    of_block = GlassSlide.tissue_block_id == (block.id if block else None)
    number = new.number or _next(session, GlassSlide, and_(GlassSlide.specimen_id == specimen.id, of_block))
    glass = _make_glass(case, specimen, block, new, number, by=by)
    name = name_glass(glass, specimen.letter, block.number if block else None)
    insert_unique(session, glass, taken=f"There is a glass with the number of {name} already.")
    _note(session, case, {"glass": str(glass.id)}, by=by)
    return glass


def _make_block(
    case: PathologyCase, specimen: Specimen, new: NewBlock, number: int, *, by: Actor | None
) -> TissueBlock:
    return TissueBlock(**_of(case, by), specimen_id=specimen.id, number=number, **_rest(new, "number", "glass"))


def _make_glass(
    case: PathologyCase,
    specimen: Specimen,
    block: TissueBlock | None,
    new: NewGlass,
    number: int,
    *,
    by: Actor | None,
) -> GlassSlide:
    block_id = block.id if block else None
    return GlassSlide(
        **_of(case, by), specimen_id=specimen.id, tissue_block_id=block_id, number=number, **_rest(new, "number")
    )


def _rest(new: NewSpecimen | NewBlock | NewGlass, *without: str) -> dict[str, Any]:
    return {name: value for name, value in vars(new).items() if name not in without}


def _count(made: Sequence[New]) -> list[tuple[int, New]]:
    """Number what is made of one thing: as it is said, and on from there. Raises Conflict for a number said twice."""
    found: dict[int, New] = {}
    for one in made:
        number = one.number or max(found, default=0) + 1
        if number in found:
            raise Conflict(f"The number {number} is given twice. Give each tissue block and glass its own.")
        found[number] = one
    return list(found.items())


def _next_letter(session: Session, case: PathologyCase) -> str:
    used = set(session.scalars(select(Specimen.letter).where(Specimen.case_id == case.id, Specimen.counts())))
    return next((one for one in LETTERS if one not in used), "")


def _note(session: Session, case: PathologyCase, args: Mapping[str, str], *, by: Actor | None) -> None:
    note_registration(session, case)
    record_change(session, case, args, by=by)


def _next(session: Session, kind: type[TissueBlock] | type[GlassSlide], of: ColumnElement[bool]) -> int:
    return (session.scalar(select(func.max(kind.number)).where(of, kind.counts())) or 0) + 1


def _of(case: PathologyCase, by: Actor | None) -> dict[str, Any]:
    return {
        "case_id": case.id,
        "care_provider_id": case.care_provider_id,
        "created_by": by and by.assignment_id,
    }
