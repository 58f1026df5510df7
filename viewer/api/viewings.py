"""Viewings: opening a slide. Its tiles are served by `viewer.tiles`."""

from __future__ import annotations

import uuid
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from cases.records import viewings
from slides.geometry import Size
from tiler.grid import Grid
from viewer.api.slides import Slide, find_slide, show
from viewer.dependencies import Database, SignedIn
from viewer.problems import NotFound

router = APIRouter(prefix="/api/viewings", tags=["viewings"])


class OpenSlide(BaseModel):
    """Which slide to open."""

    slide_id: uuid.UUID


class OpenedViewing(BaseModel):
    """An open slide: where its tiles are and what must be said beside them.

    Attributes:
        dzi: address of the descriptor; the tiles lie beside it.
        tile_size: side of its tiles in pixels; they do not overlap.
        levels: deep-zoom levels there are, from one pixel to full resolution.
        intended_use: what this viewer may be relied on for.
    """

    id: uuid.UUID
    slide: Slide
    dzi: str
    tile_size: int
    levels: int
    intended_use: Literal["COMMUNICATION"] = "COMMUNICATION"


class ViewingState(BaseModel):
    """Whether a viewing still holds."""

    id: uuid.UUID
    state: Literal["OPEN", "ENDED"]


@router.post("", status_code=201)
def create_viewing(body: OpenSlide, database: Database, signed_in: SignedIn) -> OpenedViewing:
    """Open a slide. The viewing holds until it is closed, the session ends or the right does."""
    slide = find_slide(database, body.slide_id)
    viewing = viewings.open_viewing(database, slide, by=signed_in)
    grid = Grid(Size(slide.width or 1, slide.height or 1), slide.tile_size or 1)
    return OpenedViewing(
        id=viewing.id,
        slide=show(slide),
        dzi=f"/viewings/{viewing.id}/slide.dzi",
        tile_size=grid.tile,
        levels=grid.last_level + 1,
    )


@router.get("/{viewing_id}")
def read_viewing(viewing_id: uuid.UUID, database: Database, signed_in: SignedIn) -> ViewingState:
    """Say whether a viewing still holds, for a viewer whose tiles stopped coming."""
    if viewings.find_viewing(database, viewing_id, by=signed_in) is None:
        raise NotFound("This session has opened no such viewing.")
    live = viewings.find_live(database, [viewing_id])
    return ViewingState(id=viewing_id, state="OPEN" if live else "ENDED")


@router.delete("/{viewing_id}", status_code=204)
def delete_viewing(viewing_id: uuid.UUID, database: Database, signed_in: SignedIn) -> None:
    """Close a viewing; its tiles go dark within a second."""
    viewing = viewings.find_viewing(database, viewing_id, by=signed_in)
    if viewing is None:
        raise NotFound("This session has opened no such viewing.")
    viewings.close_viewing(viewing)
