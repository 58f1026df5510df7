"""The stream of changes that keeps lists current."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Collection
from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from cases.access.permissions import Permission
from cases.access.sessions import AssignmentMissing, EnrolmentMissing, SessionLocked
from cases.sharing.worklists import list_these
from cases.transaction import transaction
from viewer.api.slides import Slide, show
from viewer.dependencies import permit
from viewer.events import SlideEvents
from viewer.problems import NotSignedIn

router = APIRouter(prefix="/api/events", tags=["events"])

ASK_AGAIN = 2.0
"""Seconds between two looks whether the session still holds."""
_get_actor = permit(Permission.SEE_OWN_WORKLIST, active=False)


def read_changes(request: Request, ids: Collection[UUID]) -> list[Slide]:
    """Those of some changed slides that whoever asks would find in the list.

    Raises what `viewer.dependencies.permit` does. A stream keeps no connection for as long as it lasts.
    """
    now = datetime.now(UTC)
    with transaction(request.app.state.sessions) as database:
        actor = _get_actor(request, database, now)
        return [show(listed) for listed in list_these(database, ids, by=actor, now=now)] if ids else []


def require_session(request: Request) -> None:
    """Refuse a stream to whoever may not have one."""
    read_changes(request, ())


@router.get("", response_class=EventSourceResponse, dependencies=[Depends(require_session)])
async def stream_events(request: Request) -> AsyncIterable[ServerSentEvent]:
    """Stream changes: `slide` with a slide of your list that changed, `stale` when the list must be fetched anew,
    `session` when the session has ended or is locked, after which the stream ends too."""
    events: SlideEvents = request.app.state.events
    stopping: asyncio.Event = request.app.state.stopping
    with events.subscribe() as queue:
        yield ServerSentEvent(event="stale", data={})
        asked = asyncio.get_running_loop().time()
        while not stopping.is_set():
            ids: frozenset[UUID] = frozenset()
            try:
                changed = await asyncio.wait_for(queue.get(), timeout=ASK_AGAIN / 4)
                if changed is None:
                    yield ServerSentEvent(event="stale", data={})
                else:
                    ids = changed
            except TimeoutError:
                pass
            if not ids and asyncio.get_running_loop().time() - asked < ASK_AGAIN:
                continue
            asked = asyncio.get_running_loop().time()
            try:
                for slide in await run_in_threadpool(read_changes, request, ids):
                    yield ServerSentEvent(event="slide", data=slide)
            except (NotSignedIn, SessionLocked, AssignmentMissing, EnrolmentMissing):
                yield ServerSentEvent(event="session", data={"state": "ended"})
                return
            except SQLAlchemyError:
                return  # nobody's session is certain; the browser connects again by itself
