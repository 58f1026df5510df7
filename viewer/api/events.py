"""The stream of changes that keeps lists current."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterable, Collection
from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from cases.access.actors import Actor
from cases.access.errors import Rejected
from cases.access.permissions import Permission
from cases.access.sessions import AssignmentMissing, EnrolmentMissing, SessionLocked
from cases.sharing.worklists import list_these
from cases.transaction import transaction
from viewer.api.slides import Slide, show
from viewer.dependencies import permit
from viewer.events import Changes, SlideEvents
from viewer.problems import NotSignedIn

router = APIRouter(prefix="/api/events", tags=["events"])

ASK_AGAIN = 2.0
"""Seconds between two looks whether the session still holds."""
LAPSED = (NotSignedIn, SessionLocked, AssignmentMissing, EnrolmentMissing, Rejected)
"""Whoever streams may no longer."""
_get_actor = permit(Permission.SEE_OWN_WORKLIST, active=False)


def read_changes(request: Request, changes: Changes = None, shown: Collection[UUID] = ()) -> tuple[Actor, list[Slide]]:
    """Who asks, and those of some changed slides that they would find in their list.

    Raises what `viewer.dependencies.permit` does. A stream keeps no connection for as long as it lasts.

    Args:
        request: of the stream.
        changes: slides with their units.
        shown: slides that this stream has told of before; others are logged as seen.
    """
    now = datetime.now(UTC)
    with transaction(request.app.state.sessions) as database:
        actor = _get_actor(request, database, now)
        own = [slide_id for slide_id, unit_id in changes or () if unit_id == actor.unit_id]
        listed = list_these(database, own, by=actor, now=now, shown=shown) if own else []
        return actor, [show(one) for one in listed]


def require_session(request: Request) -> None:
    """Refuse a stream to whoever may not have one."""
    read_changes(request)


@router.get("", response_class=EventSourceResponse, dependencies=[Depends(require_session)])
async def stream_events(request: Request) -> AsyncIterable[ServerSentEvent]:
    """Stream changes: `slide` with a slide of your list that changed, `stale` when the list must be fetched anew,
    `session` when the session has ended or is locked, after which the stream ends too."""
    events: SlideEvents = request.app.state.events
    stopping: asyncio.Event = request.app.state.stopping
    clock = asyncio.get_running_loop().time
    with events.subscribe() as queue:
        yield ServerSentEvent(event="stale", data={})
        unit_id: UUID | None = None
        shown: set[UUID] = set()
        asked = 0.0
        while not stopping.is_set():
            changes: Changes = frozenset()
            with contextlib.suppress(TimeoutError):
                changes = await asyncio.wait_for(queue.get(), timeout=ASK_AGAIN / 4)
            if changes is None:
                yield ServerSentEvent(event="stale", data={})
            # Another unit's slides are nobody's business here; they are not even looked up.
            ours = unit_id is None or any(unit == unit_id for _, unit in changes or ())
            if not (changes and ours) and clock() - asked < ASK_AGAIN:
                continue
            asked = clock()
            try:
                actor, slides = await run_in_threadpool(read_changes, request, changes, frozenset(shown))
            except LAPSED:
                yield ServerSentEvent(event="session", data={"state": "ended"})
                return
            except SQLAlchemyError:
                return  # nobody's session is certain; the browser connects again by itself
            unit_id = actor.unit_id
            shown.update(slide.id for slide in slides)
            for slide in slides:
                yield ServerSentEvent(event="slide", data=slide)
