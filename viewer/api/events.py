"""The stream of changes that keeps lists current."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable

from fastapi import APIRouter, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from cases.access.sessions import find_session
from cases.database import transaction
from viewer.dependencies import cookie_name
from viewer.events import SlideEvents
from viewer.problems import NotSignedIn

router = APIRouter(prefix="/api/events", tags=["events"])

ASK_AGAIN = 2.0
"""Seconds between two looks whether the session still holds."""


@router.get("", response_class=EventSourceResponse)
async def stream_events(request: Request) -> AsyncIterable[ServerSentEvent]:
    """Stream changes: `slide` with the slide that changed, `stale` when the list must be fetched anew,
    `session` when the session has ended, after which the stream ends too."""
    token = request.cookies.get(cookie_name(request.app.state.settings)) or ""

    def holds() -> bool:
        with transaction(request.app.state.sessions) as session:
            return find_session(session, token) is not None

    if not await run_in_threadpool(holds):
        raise NotSignedIn("Sign in first; a session ends after ten hours or when it is signed out.")
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
                if not await run_in_threadpool(holds):
                    yield ServerSentEvent(event="session", data={"state": "ended"})
                    return
