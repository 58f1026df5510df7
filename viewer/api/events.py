"""The stream of changes that keeps lists current."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterable, Collection, Iterator
from datetime import UTC, datetime

from fastapi import APIRouter, Depends, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from cases.access.actors import Actor
from cases.access.errors import Rejected
from cases.access.notifications import count_unread
from cases.access.permissions import Permission
from cases.access.sessions import AssignmentMissing, EnrolmentMissing, SessionLocked
from cases.sharing.my_referrals import follow_referrals
from cases.sharing.worklists import CaseList, RequestList, follow_cases, follow_requests, list_these
from cases.transaction import transaction
from viewer.api.my_referrals import ListedReferral, show_referral
from viewer.api.slides import Slide, show
from viewer.api.worklists.rows import ListedOwnCase, ListedRequest, show_case, show_request
from viewer.dependencies import permit
from viewer.events import Change, Changes, Kind, SlideEvents
from viewer.problems import NotSignedIn

router = APIRouter(prefix="/api/events", tags=["events"])

ASK_AGAIN = 2.0
"""Seconds between two looks whether the session still holds."""
LAPSED = (NotSignedIn, SessionLocked, AssignmentMissing, EnrolmentMissing, Rejected)
"""Whoever streams may no longer."""
_get_actor = permit(Permission.SEE_OWN_WORKLIST, Permission.SEE_OWN_REFERRALS, active=False)


class RequestChange(BaseModel):
    """A request that changed, the lists it stands in now, and how it stands there; null where it is in none."""

    id: uuid.UUID
    lists: list[RequestList]
    request: ListedRequest | None


class CaseChange(BaseModel):
    """A case that changed, the lists it stands in now, and how it stands there; null where it is in none."""

    id: uuid.UUID
    lists: list[CaseList]
    case: ListedOwnCase | None


class Unread(BaseModel):
    """How many notifications have not been read, counted up to a hundred."""

    unread: int


Told = Slide | RequestChange | CaseChange | ListedReferral | Unread
NAMES: dict[type[BaseModel], str] = {
    Slide: "slide",
    RequestChange: "request",
    CaseChange: "case",
    ListedReferral: "referral",
    Unread: "notifications",
}
"""The event that each is told under."""


def read_changes(
    request: Request, changes: Collection[Change] = (), shown: Collection[uuid.UUID] = ()
) -> tuple[Actor, list[Told]]:
    """Who asks, and what of some changes they would find in their lists.

    Raises what `viewer.dependencies.permit` does. A stream keeps no connection for as long as it lasts.

    Args:
        request: of the stream.
        changes: that may concern them.
        shown: ids that this stream has told of before; others are logged as seen.
    """
    now = datetime.now(UTC)
    with transaction(request.app.state.sessions) as database:
        actor = _get_actor(request, database, now)
        ours = [change for change in changes if concerns(change, actor)]
        return actor, list(_follow(database, ours, shown, actor, now)) if ours else []


def concerns(change: Change, actor: Actor) -> bool:
    """Whether something may stand in somebody's lists; others' is not even looked up."""
    return not change.concerns.isdisjoint({actor.unit_id, actor.assignment_id, actor.provider_id})


def _follow(
    database: Session, changes: Collection[Change], shown: Collection[uuid.UUID], actor: Actor, now: datetime
) -> Iterator[Told]:
    ids = {kind: [change.id for change in changes if change.kind is kind] for kind in Kind}
    works = actor.may(Permission.SEE_OWN_WORKLIST, now)
    if ids[Kind.SLIDE] and works:
        for listed in list_these(database, ids[Kind.SLIDE], by=actor, now=now, shown=shown):
            yield show(listed)
    if ids[Kind.REQUEST] and works:
        for asked in follow_requests(database, ids[Kind.REQUEST], by=actor, now=now, shown=shown):
            row = show_request(asked.row) if asked.row else None
            yield RequestChange(id=asked.id, lists=list(asked.lists), request=row)
    if ids[Kind.CASE] and works:
        for kept in follow_cases(database, ids[Kind.CASE], by=actor, now=now, shown=shown):
            yield CaseChange(id=kept.id, lists=list(kept.lists), case=show_case(kept.row) if kept.row else None)
    if ids[Kind.CASE] and actor.may(Permission.SEE_OWN_REFERRALS, now):
        for sent in follow_referrals(database, ids[Kind.CASE], by=actor, now=now, shown=shown):
            yield show_referral(sent)
    if ids[Kind.NOTIFICATION]:
        yield Unread(unread=count_unread(database, by=actor, now=now))


def require_session(request: Request) -> None:
    """Refuse a stream to whoever may not have one."""
    read_changes(request)


@router.get("", response_class=EventSourceResponse, dependencies=[Depends(require_session)])
async def stream_events(request: Request) -> AsyncIterable[ServerSentEvent]:
    """Stream changes as they happen.

    `slide`: a slide of your list. `request`, `case`: what changed and the lists it stands in now, none where it has
    left yours. `referral`: one of your unit's that changed. `notifications`: how many you have not read. `stale`:
    fetch your lists anew. `session`: the session has ended or is locked, after which the stream ends too.
    """
    events: SlideEvents = request.app.state.events
    stopping: asyncio.Event = request.app.state.stopping
    clock = asyncio.get_running_loop().time
    with events.subscribe() as queue:
        yield ServerSentEvent(event="stale", data={})
        actor: Actor | None = None
        shown: set[uuid.UUID] = set()
        asked = 0.0
        while not stopping.is_set():
            changes: Changes = frozenset()
            with contextlib.suppress(TimeoutError):
                changes = await asyncio.wait_for(queue.get(), timeout=ASK_AGAIN / 4)
            if changes is None:
                yield ServerSentEvent(event="stale", data={})
            ours = [change for change in changes or () if actor is None or concerns(change, actor)]
            if not ours and clock() - asked < ASK_AGAIN:
                continue
            asked = clock()
            try:
                actor, told = await run_in_threadpool(read_changes, request, ours, frozenset(shown))
            except LAPSED:
                yield ServerSentEvent(event="session", data={"state": "ended"})
                return
            except SQLAlchemyError:
                return  # nobody's session is certain; the browser connects again by itself
            for one in told:
                if not isinstance(one, Unread):
                    shown.add(one.case.id if isinstance(one, ListedReferral) else one.id)
                yield ServerSentEvent(event=NAMES[type(one)], data=one)
