"""Specimens, tissue blocks and glass: registering them in a case, correcting them, entering them in error."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from cases.access.actors import Actor
from cases.access.errors import NotThere
from cases.access.permissions import Permission
from cases.records import specimens
from cases.records.pathology_case import PathologyCase
from cases.records.specimens import GlassSlide, Laterality, Specimen, StainKind, TissueBlock, name_glass
from cases.sharing.opened_cases import open_own_case
from viewer.api.fields import NUMBER, ClinicalText, Line, Moment, example
from viewer.dependencies import Database, Match, Now, permit, require_version, set_etag

router = APIRouter(prefix="/api", tags=["specimens"])
Registrar = Annotated[Actor, Depends(permit(Permission.REGISTER_RECORD), scope="function")]
Part = TypeVar("Part", Specimen, TissueBlock, GlassSlide)
Number = Annotated[int, NUMBER, Field(ge=1, le=999)]


class GlassFields(BaseModel):
    """What is known of a glass; what is left out of a change stays as it is."""

    stain_code: Annotated[Line, Field(max_length=40, examples=["HE"])] = "HE"
    stain_kind: StainKind = StainKind.HE
    antibody: Annotated[Line | None, Field(examples=["CK20"])] = None
    level: Number | None = None
    barcode: Line | None = None
    label_text: Line | None = None
    expected: Annotated[bool, Field(description="An image of it is waited for.")] = True


class NewGlassBody(GlassFields):
    """A glass to register; without a number it gets the next one."""

    number: Number | None = None


class NewGlassOf(NewGlassBody):
    """A glass to register, of a tissue block or of the specimen itself."""

    model_config = example(
        tissue_block_id="01a20385-4fd2-728a-873a-c190e25f830a", stain_code="CK20", stain_kind="IHC", antibody="CK20"
    )

    tissue_block_id: uuid.UUID | None = None


class GlassChange(GlassFields):
    """What is to be different; what is left out stays as it is. Entering in error is for good."""

    model_config = example(barcode="D26-00801-A1-2")

    entered_in_error: bool = False


class BlockFields(BaseModel):
    """What is known of a tissue block; what is left out of a change stays as it is."""

    embedding: Line | None = None
    description: Line | None = None
    location: Line | None = None


class NewBlockBody(BlockFields):
    """A tissue block to register with its glass; without a number it gets the next one."""

    model_config = example(description="Central skiva", glass=[{"stain_code": "HE", "barcode": "D26-00801-A1-1"}])

    number: Number | None = None
    glass: Annotated[list[NewGlassBody], Field(max_length=100)] = []


class BlockChange(BlockFields):
    """What is to be different; what is left out stays as it is. Entering in error is for good."""

    model_config = example(location="Arkiv 3, hylla 12")

    entered_in_error: bool = False


class SpecimenFields(BaseModel):
    """What is known of a specimen; what is left out of a change stays as it is."""

    type: Annotated[Line | None, Field(examples=["Hudbiopsi"])] = None
    type_code: Annotated[Line | None, Field(description="SNOMED CT", examples=["309066003"])] = None
    site: Line | None = None
    site_code: Annotated[Line | None, Field(description="SNOMED CT, body structure")] = None
    laterality: Laterality | None = None
    procedure: Line | None = None
    collected_at: Moment | None = None
    received_at: Moment | None = None
    fixative: Line | None = None
    gross_description: ClinicalText | None = None


class NewSpecimenBody(SpecimenFields):
    """A specimen to register, with all that has been made of it; without a letter it gets the next one."""

    model_config = example(
        letter="A",
        type="Hudbiopsi",
        type_code="309066003",
        site="Vänster underarm",
        laterality="LEFT",
        blocks=[{"glass": [{"stain_code": "HE", "barcode": "D26-00801-A1-1"}]}],
    )

    letter: Annotated[str | None, Field(pattern="^[A-Z]{1,2}$", examples=["A"])] = None
    blocks: Annotated[list[NewBlockBody], Field(max_length=100)] = []
    glass: Annotated[list[NewGlassBody], Field(max_length=100, description="That is of no tissue block.")] = []

    def new(self) -> specimens.NewSpecimen:
        """As the rules take it."""
        return specimens.NewSpecimen(
            **self.model_dump(exclude={"blocks", "glass"}),
            blocks=tuple(new_block(block) for block in self.blocks),
            glass=tuple(specimens.NewGlass(**glass.model_dump()) for glass in self.glass),
        )


class SpecimenChange(SpecimenFields):
    """What is to be different; what is left out stays as it is. Entering in error is for good."""

    model_config = example(gross_description="Hudbit 12 x 8 x 5 mm med pigmenterad förändring.")

    entered_in_error: bool = False


class GlassRow(GlassFields):
    """A glass."""

    id: uuid.UUID
    name: Annotated[str, Field(examples=["A1-2 HE"])]
    number: int
    entered_in_error_at: datetime | None
    version: int


class BlockRow(BlockFields):
    """A tissue block with its glass."""

    id: uuid.UUID
    number: int
    entered_in_error_at: datetime | None
    version: int
    glass: list[GlassRow]


class SpecimenRow(SpecimenFields):
    """A specimen with its tissue blocks, and the glass that is of none."""

    id: uuid.UUID
    letter: str
    entered_in_error_at: datetime | None
    version: int
    blocks: list[BlockRow]
    glass: list[GlassRow]


def new_block(body: NewBlockBody) -> specimens.NewBlock:
    """A tissue block as the rules take it."""
    glass = tuple(specimens.NewGlass(**glass.model_dump()) for glass in body.glass)
    return specimens.NewBlock(**body.model_dump(exclude={"glass"}), glass=glass)


def show_glass(glass: GlassSlide, specimen: Specimen, block: TissueBlock | None) -> GlassRow:
    """A glass as the API tells it."""
    return GlassRow(
        name=name_glass(glass, specimen.letter, block.number if block else None), **_read(glass, GlassRow, "name")
    )


def show_block(block: TissueBlock, specimen: Specimen, glass: Sequence[GlassSlide]) -> BlockRow:
    """A tissue block as the API tells it, with those of the glass that are of it."""
    found = [show_glass(one, specimen, block) for one in glass if one.tissue_block_id == block.id]
    return BlockRow(glass=found, **_read(block, BlockRow, "glass"))


def show_specimen(specimen: Specimen, blocks: Sequence[TissueBlock], glass: Sequence[GlassSlide]) -> SpecimenRow:
    """A specimen as the API tells it, with those of the blocks and the glass that are of it."""
    own = [one for one in glass if one.specimen_id == specimen.id]
    return SpecimenRow(
        blocks=[show_block(block, specimen, own) for block in blocks if block.specimen_id == specimen.id],
        glass=[show_glass(one, specimen, None) for one in own if one.tissue_block_id is None],
        **_read(specimen, SpecimenRow, "blocks", "glass"),
    )


def _read(row: Specimen | TissueBlock | GlassSlide, kind: type[BaseModel], *without: str) -> dict[str, Any]:
    return {name: getattr(row, name) for name in kind.model_fields if name not in without}


def _find(
    database: Session, kind: type[Part], row_id: uuid.UUID, actor: Actor, now: datetime
) -> tuple[PathologyCase, Part]:
    """A part of a case of one's own, with its case; it is the case that the gate is asked about."""
    row = database.get(kind, row_id)
    if row is None:
        raise NotThere("There is no such thing in any case.")
    return open_own_case(database, row.case_id, by=actor, now=now), row


def _change(
    database: Session,
    case: PathologyCase,
    row: Specimen | TissueBlock | GlassSlide,
    body: GlassChange | BlockChange | SpecimenChange,
    match: int,
    actor: Actor,
    now: datetime,
) -> None:
    require_version(row, match)
    said = body.model_dump(include=body.model_fields_set - {"entered_in_error"})
    specimens.change_material(database, case, row, said, by=actor)
    if body.entered_in_error:
        specimens.enter_in_error(database, case, row, by=actor, now=now)


@router.post("/cases/{case_id}/specimens", status_code=201)
def create_specimen(
    case_id: uuid.UUID, body: NewSpecimenBody, database: Database, actor: Registrar, now: Now, response: Response
) -> SpecimenRow:
    """Register a specimen of a case, with the tissue blocks and the glass made of it."""
    case = open_own_case(database, case_id, by=actor, now=now)
    specimen = specimens.register_specimen(database, case, body.new(), by=actor)
    return _show_specimen(database, specimen, response)


@router.patch("/specimens/{specimen_id}")
def change_specimen(
    specimen_id: uuid.UUID,
    body: SpecimenChange,
    database: Database,
    actor: Registrar,
    now: Now,
    match: Match,
    response: Response,
) -> SpecimenRow:
    """Correct what is said of a specimen, or enter it in error."""
    case, specimen = _find(database, Specimen, specimen_id, actor, now)
    _change(database, case, specimen, body, match, actor, now)
    return _show_specimen(database, specimen, response)


@router.post("/specimens/{specimen_id}/tissue-blocks", status_code=201)
def create_block(
    specimen_id: uuid.UUID, body: NewBlockBody, database: Database, actor: Registrar, now: Now, response: Response
) -> BlockRow:
    """Register a tissue block of a specimen, with its glass."""
    case, specimen = _find(database, Specimen, specimen_id, actor, now)
    block = specimens.register_tissue_block(database, case, new_block(body), specimen=specimen, by=actor)
    return _show_block(database, block, response)


@router.patch("/tissue-blocks/{tissue_block_id}")
def change_block(
    tissue_block_id: uuid.UUID,
    body: BlockChange,
    database: Database,
    actor: Registrar,
    now: Now,
    match: Match,
    response: Response,
) -> BlockRow:
    """Correct what is said of a tissue block, or enter it in error."""
    case, block = _find(database, TissueBlock, tissue_block_id, actor, now)
    _change(database, case, block, body, match, actor, now)
    return _show_block(database, block, response)


@router.post("/specimens/{specimen_id}/glass-slides", status_code=201)
def create_glass(
    specimen_id: uuid.UUID, body: NewGlassOf, database: Database, actor: Registrar, now: Now, response: Response
) -> GlassRow:
    """Register a glass of a specimen; an image of it is waited for from now on, unless you say otherwise."""
    case, specimen = _find(database, Specimen, specimen_id, actor, now)
    block = database.get(TissueBlock, body.tissue_block_id) if body.tissue_block_id else None
    if body.tissue_block_id and (block is None or block.specimen_id != specimen.id):
        raise NotThere("There is no such tissue block of this specimen.")
    new = specimens.NewGlass(**body.model_dump(exclude={"tissue_block_id"}))
    glass = specimens.register_glass_slide(database, case, new, specimen=specimen, block=block, by=actor)
    return _show_glass(database, glass, response)


@router.patch("/glass-slides/{glass_slide_id}")
def change_glass(
    glass_slide_id: uuid.UUID,
    body: GlassChange,
    database: Database,
    actor: Registrar,
    now: Now,
    match: Match,
    response: Response,
) -> GlassRow:
    """Correct what is said of a glass, no longer wait for it, or enter it in error."""
    case, glass = _find(database, GlassSlide, glass_slide_id, actor, now)
    _change(database, case, glass, body, match, actor, now)
    return _show_glass(database, glass, response)


def _show_specimen(database: Session, specimen: Specimen, response: Response) -> SpecimenRow:
    set_etag(response, specimen)
    _, blocks, glass = specimens.find_material(database, [specimen.case_id])
    return show_specimen(specimen, blocks, glass)


def _show_block(database: Session, block: TissueBlock, response: Response) -> BlockRow:
    set_etag(response, block)
    _, _, glass = specimens.find_material(database, [block.case_id])
    return show_block(block, database.get_one(Specimen, block.specimen_id), glass)


def _show_glass(database: Session, glass: GlassSlide, response: Response) -> GlassRow:
    set_etag(response, glass)
    block = database.get(TissueBlock, glass.tissue_block_id) if glass.tissue_block_id else None
    return show_glass(glass, database.get_one(Specimen, glass.specimen_id), block)
