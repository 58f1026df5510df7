"""Slides: the list, and one slide with its small pictures."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Literal

from fastapi import APIRouter
from fastapi.responses import FileResponse
from pydantic import BaseModel

from cases.records.slide_images import PyramidState, SlideImage, SlideStatus, list_slides
from tiler.colour import ColourProfile
from tiler.layout import PixelPath
from viewer.dependencies import Database, Files, SignedIn
from viewer.problems import NotFound

router = APIRouter(prefix="/api/slides", tags=["slides"])


class Pixels(BaseModel):
    """Width and height of the full-resolution canvas, in pixels."""

    width: int
    height: int


class Micrometres(BaseModel):
    """Micrometres per level-0 pixel."""

    x: float
    y: float


class Reason(BaseModel):
    """Why a slide is quarantined, waits, or has no pyramid."""

    code: str
    detail: str


class Slide(BaseModel):
    """A slide as lists and the viewer show it."""

    id: uuid.UUID
    number: int
    caption: str | None
    status: SlideStatus
    pyramid: PyramidState
    progress: float | None
    viewable: bool
    reason: Reason | None
    received_at: datetime
    byte_size: int
    format: str | None
    size: Pixels | None
    spacing: Micrometres | None
    objective: float | None
    scanner: str | None
    scanned_at: str | None
    pixel_path: PixelPath | None
    psnr: float | None
    colour_profile: ColourProfile | None
    images: list[Literal["thumbnail", "macro"]]
    version: int


class SlideList(BaseModel):
    """Every slide, the newest first."""

    slides: list[Slide]


def show(row: SlideImage) -> Slide:
    """A row as the API tells it."""
    return Slide(
        id=row.id,
        number=row.number,
        caption=row.caption,
        status=row.status,
        pyramid=row.pyramid,
        progress=row.progress,
        viewable=row.viewable,
        reason=Reason(code=row.reason_code or "", detail=row.reason) if row.reason else None,
        received_at=row.created_at,
        byte_size=row.byte_size,
        format=row.format,
        size=Pixels(width=row.width, height=row.height) if row.width and row.height else None,
        spacing=Micrometres(x=row.spacing_x, y=row.spacing_y) if row.spacing_x and row.spacing_y else None,
        objective=row.objective,
        scanner=row.scanner,
        scanned_at=row.scanned_at,
        pixel_path=PixelPath(row.pixel_path) if row.pixel_path else None,
        psnr=row.psnr,
        colour_profile=ColourProfile(row.colour_profile) if row.colour_profile else None,
        images=[
            *(["thumbnail"] if row.has_thumbnail else []),
            *(["macro"] if row.has_macro else []),
        ],
        version=row.version,
    )


def find_slide(database: Database, slide_id: uuid.UUID) -> SlideImage:
    """A row by its id. Raises NotFound."""
    row = database.get(SlideImage, slide_id)
    if row is None:
        raise NotFound("There is no such slide.")
    return row


@router.get("")
def read_slides(database: Database, signed_in: SignedIn) -> SlideList:
    """List every slide; until cases exist, every slide counts as tied to the demo account."""
    return SlideList(slides=[show(row) for row in list_slides(database)])


@router.get("/{slide_id}")
def read_slide(slide_id: uuid.UUID, database: Database, signed_in: SignedIn) -> Slide:
    """One slide."""
    return show(find_slide(database, slide_id))


@router.get("/{slide_id}/{image}.jpg", response_class=FileResponse, responses={200: {"content": {"image/jpeg": {}}}})
def read_image(
    slide_id: uuid.UUID, image: Literal["thumbnail", "macro"], database: Database, files: Files, signed_in: SignedIn
) -> FileResponse:
    """The thumbnail, or the whole glass with its label painted over. A quarantined slide shows neither."""
    row = find_slide(database, slide_id)
    made = row.has_thumbnail if image == "thumbnail" else row.has_macro
    if not (made and row.viewable and (picture := files.preview(slide_id, image)).is_file()):
        raise NotFound(f"This slide has no {image} to show.")
    return FileResponse(picture, media_type="image/jpeg", headers={"cache-control": "private, max-age=600"})
