"""Image files: a slide's pyramid to take along, into a workstation that is a medical device."""

from __future__ import annotations

import re
import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, Header
from fastapi.responses import FileResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.decisions import AccessDecision, admit, subject_of
from cases.access.errors import Conflict, NotThere
from cases.access.gate import Intent
from cases.access.permissions import Permission
from cases.records.slide_images import PyramidState, SlideImage
from cases.sharing.requests import ItemKind, ShareRequest, find_request
from cases.sharing.requests.disclosures import find_disclosed
from cases.sharing.resources import describe_slides
from viewer.dependencies import Database, Files, Now, permit

router = APIRouter(prefix="/api/requests/{request_id}/slides", tags=["slides"])
TIFF = "image/tiff"


@router.get(
    "/{slide_id}/pyramid.tif",
    response_class=FileResponse,
    responses={
        200: {"content": {TIFF: {}}},
        206: {"description": "The part that was asked for.", "content": {TIFF: {}}},
        409: {"$ref": "#/components/responses/Conflict"},
        416: {"description": "There is no such part.", "content": {"text/plain": {}}},
    },
)
def read_pyramid(
    request_id: uuid.UUID,
    slide_id: uuid.UUID,
    database: Database,
    files: Files,
    actor: Annotated[Actor, Depends(permit(Permission.EXPORT), scope="function")],
    now: Now,
    wanted: Annotated[str | None, Header(alias="range", description="A part of it, as in RFC 9110.")] = None,
) -> FileResponse:
    """The pyramid of a slide as one BigTIFF without any name, its full resolution bit for bit the scanner's.

    For whom the service allows it, and for the owner's own unit. A broken download goes on where it stopped: `Range`.
    """
    request = find_request(database, request_id, by=actor)
    row = database.get(SlideImage, slide_id)
    resource = describe_slides(database, [row], by=actor, now=now).get(slide_id) if row else None
    told = row is not None and (row.case_id == request.case_id or slide_id in _list_told(database, request))
    if row is None or resource is None or not told:
        raise NotThere("There is no such slide in this request.")
    begun = _has_begun(database, slide_id, by=actor)
    decision = admit(database, resource, Intent.DOWNLOAD_ORIGINAL, by=actor, now=now)
    if row.pyramid is not PyramidState.READY or not (file := files.pyramid(slide_id)).is_file():
        raise Conflict("The file of this slide is not ready yet. Look at the slide's state, and try again later.")
    if not begun or _starts_at_the_beginning(wanted):
        audit.record(
            database,
            Event.ORIGINAL_DOWNLOADED,
            by=actor,
            subjects=[subject_of(resource)],
            basis=decision.basis,
            decision_id=decision.id,
            args={"format": "BigTIFF", "request": request.short_id, "bytes": file.stat().st_size},
        )
    return FileResponse(file, media_type=TIFF, filename=f"slide-{row.number}.tif")


def _list_told(database: Session, request: ShareRequest) -> set[uuid.UUID]:
    """Slides that were handed out with a request: of prior cases too."""
    return {item.resource_id for item in find_disclosed(database, request) if item.kind is ItemKind.SLIDE}


def _starts_at_the_beginning(wanted: str | None) -> bool:
    """Whether a request is for the file from its first byte on, which is how a download begins."""
    return wanted is None or re.search(r"[=,]\s*0+-", wanted) is not None


def _has_begun(database: Session, slide_id: uuid.UUID, *, by: Actor) -> bool:
    """Whether a download of this slide has begun in this session, so that another part of it is no other download."""
    allowed = select(AccessDecision.id).where(
        AccessDecision.session_id == by.session_id,
        AccessDecision.resource_id == slide_id,
        AccessDecision.intent == Intent.DOWNLOAD_ORIGINAL,
        AccessDecision.allowed,
    )
    return database.scalar(allowed.limit(1)) is not None
