"""Viewings: opening a slide. Its tiles are served by `viewer.tiles`."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from cases.access.actors import Actor
from cases.access.decisions import AccessDecision
from cases.access.errors import NotThere
from cases.access.gate import Basis, Obligation
from cases.access.gate.codes import SENTENCES, Code
from cases.access.permissions import Permission
from cases.records.pathology_case import PathologyCase
from cases.records.slide_images import SlideImage
from cases.sharing import viewings
from cases.sharing.intended_use import IntendedUse
from cases.sharing.worklists import Listed
from slides.geometry import Size
from tiler.grid import Grid
from viewer.api.fields import example
from viewer.api.slides import Slide, show
from viewer.dependencies import Database, Now, Settings, permit

router = APIRouter(prefix="/api/viewings", tags=["viewings"])


class OpenSlide(BaseModel):
    """Which slide to open."""

    model_config = example(slide_id="01a20385-52aa-7b11-8a7a-1b0a8f4a2b22")

    slide_id: uuid.UUID


class OpenedViewing(BaseModel):
    """An open slide: where its tiles are and what must be said beside them.

    Attributes:
        dzi: address of the descriptor; the tiles lie beside it.
        tile_size: side of its tiles in pixels; they do not overlap.
        levels: deep-zoom levels there are, from one pixel to full resolution.
        basis: why it may be seen.
        obligations: what must be said or left out while it is open.
        until: when it goes dark unless renewed.
        intended_use: what this viewer may be relied on for.
    """

    id: uuid.UUID
    slide: Slide
    dzi: str
    tile_size: int
    levels: int
    basis: Basis
    obligations: list[Obligation]
    until: datetime
    intended_use: IntendedUse


class ViewingState(BaseModel):
    """Whether a viewing still holds, and if not, why.

    Attributes:
        code, detail, next_step: the gate's reason, where a right ended.
    """

    id: uuid.UUID
    state: Literal["OPEN", "ENDED"]
    until: datetime
    code: Code | None = None
    detail: str | None = None
    next_step: str | None = None


def _tell(viewing: viewings.Viewing, now: datetime) -> ViewingState:
    live = viewings.is_live(viewing, now)
    code = Code(viewing.ended_code) if viewing.ended_code else None
    why = SENTENCES[code] if code else None
    return ViewingState(
        id=viewing.id,
        state="OPEN" if live else "ENDED",
        until=viewing.until,
        code=code,
        detail=why and why.sentence,
        next_step=why and why.next_step,
    )


@router.post("", status_code=201)
def create_viewing(
    body: OpenSlide,
    database: Database,
    actor: Annotated[Actor, Depends(permit(Permission.OPEN_IMAGE), scope="function")],
    settings: Settings,
    now: Now,
) -> OpenedViewing:
    """Open a slide. The viewing holds while its page renews it, until it is closed or a right ends."""
    slide = database.get(SlideImage, body.slide_id)
    if slide is None:
        raise NotThere("There is no such slide.")
    viewing = viewings.open_viewing(database, slide, by=actor, now=now)
    decision = database.get_one(AccessDecision, viewing.decision_id)
    case = database.get(PathologyCase, slide.case_id) if slide.case_id else None
    grid = Grid(Size(slide.width or 1, slide.height or 1), slide.tile_size or 1)
    return OpenedViewing(
        id=viewing.id,
        slide=show(Listed(slide, case, may_open=True)),
        dzi=f"/viewings/{viewing.id}/slide.dzi",
        tile_size=grid.tile,
        levels=grid.last_level + 1,
        basis=Basis(viewing.basis),
        obligations=[Obligation(one) for one in decision.obligations],
        until=viewing.until,
        intended_use=settings.intended_use_mode,
    )


@router.get("/{viewing_id}")
def read_viewing(
    viewing_id: uuid.UUID,
    database: Database,
    actor: Annotated[Actor, Depends(permit(active=False), scope="function")],
    now: Now,
) -> ViewingState:
    """Say whether a viewing still holds, for a viewer whose tiles stopped coming."""
    return _tell(viewings.find_viewing(database, viewing_id, by=actor), now)


@router.post("/{viewing_id}/renewals")
def renew_viewing(
    viewing_id: uuid.UUID,
    database: Database,
    actor: Annotated[Actor, Depends(permit(active=False), scope="function")],
    now: Now,
) -> ViewingState:
    """Somebody still looks. Asked every few seconds by the page; the gate is asked when the time runs out."""
    viewing = viewings.find_viewing(database, viewing_id, by=actor)
    viewings.renew(database, viewing, by=actor, now=now)
    return _tell(viewing, now)


@router.delete("/{viewing_id}", status_code=204)
def delete_viewing(
    viewing_id: uuid.UUID,
    database: Database,
    actor: Annotated[Actor, Depends(permit(active=False), scope="function")],
    now: Now,
) -> None:
    """Close a viewing; its tiles go dark within a second."""
    viewing = viewings.find_viewing(database, viewing_id, by=actor)
    viewings.close_viewing(database, viewing, by=actor, now=now)
