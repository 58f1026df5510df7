"""The stream of changes that keeps lists current."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable

from fastapi import APIRouter, Depends, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from cases.database import transaction
from viewer.dependencies import get_signed_in
from viewer.events import SlideEvents
from viewer.problems import NotSignedIn

router = APIRouter(prefix="/api/events", tags=["events"])

ASK_AGAIN = 2.0
"""Seconds between two looks whether the session still holds."""


def require_session(request: Request) -> None:
    """Raise NotSignedIn unless the session holds. A stream keeps no connection for as long as it lasts."""
    with transaction(request.app.state.sessions) as database:
        get_signed_in(request, database)


@router.get("", response_class=EventSourceResponse, dependencies=[Depends(require_session)])
async def stream_events(request: Request) -> AsyncIterable[ServerSentEvent]:
    """Stream changes: `slide` with the slide that changed, `stale` when the list must be fetched anew,
    `session` when the session has ended, after which the stream ends too."""
    events: SlideEvents = request.app.state.events
    stopping: asyncio.Event = request.app.state.stopping
    with events.subscribe() as queue:
        yield ServerSentEvent(event="stale", data={})
        asked = asyncio.get_running_loop().time()
        while not stopping.is_set():
            try:
                slide = await asyncio.wait_for(queue.get(), timeout=ASK_AGAIN / 4)
                yield ServerSentEvent(event="slide", data=slide) if slide else ServerSentEvent(event="stale", data={})
            except TimeoutError:
                pass
            if asyncio.get_running_loop().time() - asked > ASK_AGAIN:
                asked = asyncio.get_running_loop().time()
                try:
                    await run_in_threadpool(require_session, request)
                except NotSignedIn:
                    yield ServerSentEvent(event="session", data={"state": "ended"})
                    return
                except SQLAlchemyError:
                    return  # nobody's session is certain; the browser connects again by itself
