"""Slides: the list, and one slide with its small pictures."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel
from sqlalchemy import select

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.decisions import admit, subject_of
from cases.access.errors import NotThere
from cases.access.gate import Intent
from cases.access.organisations import CareProvider
from cases.access.permissions import Permission
from cases.records.arrivals import assign_case
from cases.records.pathology_case import find_case
from cases.records.slide_images import PyramidState, SlideImage, SlideStatus
from cases.records.specimens import GlassSlide
from cases.sharing.resources import describe_slides
from cases.sharing.worklists import Listed, find_slide, list_slides
from tiler.colour import ColourProfile
from tiler.layout import PixelPath
from viewer.api.fields import example
from viewer.dependencies import Database, Files, Limit, Match, Now, permit, require_version, set_etag
from viewer.headers import caching

router = APIRouter(prefix="/api/slides", tags=["slides"])

Reader = Annotated[Actor, Depends(permit(Permission.READ_RECORD), scope="function")]


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


class CaseName(BaseModel):
    """The case that a slide belongs to, by its laboratory's number."""

    id: uuid.UUID
    lid: str


class Slide(BaseModel):
    """A slide as lists and the viewer show it.

    Attributes:
        viewable: whether the person who asks may open it now.
    """

    id: uuid.UUID
    number: int
    caption: str | None
    case: CaseName | None
    glass_slide_id: uuid.UUID | None
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
    """Slides of the own unit, the newest first.

    Attributes:
        next: number to go on before; None at the end.
    """

    slides: list[Slide]
    next: int | None


class SlidesCase(BaseModel):
    """Which case a slide belongs to, and which of its glass it is a scan of.

    Attributes:
        glass_slide_id: left out, it is the one glass of the case that waits for an image, if there is just one.
    """

    model_config = example(
        case_id="01a20385-4f40-758f-9761-dfd273a10a16", glass_slide_id="01a20385-5031-7179-b629-b08fd14e7209"
    )

    case_id: uuid.UUID
    glass_slide_id: uuid.UUID | None = None


def show(listed: Listed) -> Slide:
    """A slide as the API tells it to whoever it was listed for."""
    row, case = listed.slide, listed.case
    return Slide(
        id=row.id,
        number=row.number,
        caption=row.caption,
        case=CaseName(id=case.id, lid=case.lid) if case else None,
        glass_slide_id=row.glass_slide_id,
        status=row.status,
        pyramid=row.pyramid,
        progress=row.progress,
        viewable=listed.may_open,
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


@router.get("")
def read_slides(
    database: Database,
    actor: Annotated[Actor, Depends(permit(Permission.SEE_OWN_WORKLIST), scope="function")],
    now: Now,
    limit: Limit = 200,
    before: Annotated[
        int | None, Query(ge=1, le=2**31 - 1, description="Only lower numbers: `next` of the page before.")
    ] = None,
) -> SlideList:
    """List the slides of your own unit that you may know of."""
    found = list_slides(database, by=actor, now=now, limit=limit, before=before)
    return SlideList(
        slides=[show(listed) for listed in found], next=found[-1].slide.number if len(found) == limit else None
    )


@router.get("/{slide_id}")
def read_slide(slide_id: uuid.UUID, database: Database, actor: Reader, now: Now, response: Response) -> Slide:
    """One slide."""
    found = find_slide(database, slide_id, by=actor, now=now)
    set_etag(response, found.slide)
    return show(found)


@router.put("/{slide_id}/case")
def set_case(
    slide_id: uuid.UUID,
    body: SlidesCase,
    database: Database,
    actor: Annotated[Actor, Depends(permit(Permission.REGISTER_RECORD), scope="function")],
    now: Now,
    match: Match,
    response: Response,
) -> Slide:
    """Say which case a slide belongs to that has none yet, or which glass of its case it is a scan of."""
    found = find_slide(database, slide_id, by=actor, now=now)
    require_version(found.slide, match)
    glass = database.get(GlassSlide, body.glass_slide_id) if body.glass_slide_id else None
    if body.glass_slide_id and glass is None:
        raise NotThere("There is no such glass.")
    assign_case(database, found.slide, find_case(database, body.case_id), glass=glass, by=actor)
    set_etag(response, found.slide)
    return show(find_slide(database, slide_id, by=actor, now=now))


@router.get("/{slide_id}/{image}.jpg", response_class=FileResponse, responses={200: {"content": {"image/jpeg": {}}}})
def read_image(
    slide_id: uuid.UUID, image: Literal["thumbnail", "macro"], database: Database, files: Files, actor: Reader, now: Now
) -> FileResponse:
    """The thumbnail, or the whole glass with its label painted over, for whoever may open the slide."""
    row = database.get(SlideImage, slide_id)
    resource = describe_slides(database, [row], by=actor, now=now).get(slide_id) if row else None
    if row is None or resource is None:
        raise NotThere("There is no such slide.")
    decision = admit(database, resource, Intent.VIEW, by=actor, now=now)
    made = row.has_thumbnail if image == "thumbnail" else row.has_macro
    if not (made and row.viewable and (picture := files.preview(slide_id, image)).is_file()):
        raise NotThere(f"This slide has no {image} to show.")
    audit.record(
        database,
        Event.THUMBNAIL_VIEWED,
        by=actor,
        subjects=[subject_of(resource)],
        basis=decision.basis,
        decision_id=decision.id,
        args={"image": image},
    )
    kept = database.scalar(select(CareProvider.tile_cache_seconds).where(CareProvider.id == resource.provider_id))
    return FileResponse(picture, media_type="image/jpeg", headers={"cache-control": caching(kept or 0)})
