"""What looking does to a request: its reader begins by opening its first slide."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from cases.access.actors import Actor
from cases.records.slide_images import SlideImage
from cases.sharing.requests.advancing import advance
from cases.sharing.requests.disclosure import DisclosedItem
from cases.sharing.requests.request import RequestStatus, ShareRequest


def lock_unbegun(session: Session, slide: SlideImage, *, by: Actor) -> Sequence[ShareRequest]:
    """Requests with a slide of another care provider that somebody is assigned and has not begun, locked.

    To be called before anything else is locked: whoever recalls a request locks it first, too.
    """
    if slide.care_provider_id == by.provider_id:
        return ()
    held = [one for one in (slide.id, slide.glass_slide_id) if one]
    return session.scalars(
        select(ShareRequest)
        .where(
            ShareRequest.reader_assignment_id == by.assignment_id,
            ShareRequest.status == RequestStatus.ASSIGNED,
            ShareRequest.id.in_(select(DisclosedItem.request_id).where(DisclosedItem.resource_id.in_(held))),
        )
        .order_by(ShareRequest.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()


def begin(session: Session, requests: Iterable[ShareRequest], *, by: Actor, now: datetime) -> None:
    """Their reader has opened a slide."""
    for request in requests:
        advance(session, request, "start", by=by, now=now)
