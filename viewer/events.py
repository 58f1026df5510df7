"""Server-sent events: every browser sees its lists change as they change, if its person would find it in them.

One connection per process listens to PostgreSQL, which rings with the id of everything that changed and whom it may
concern; each stream asks the gate for its own person.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from enum import StrEnum

import psycopg
import structlog
from sqlalchemy.engine import make_url

GATHER = 0.1
"""Seconds for which changes are gathered, so that a burst of them is read once."""
_WAITING = 1000
"""Bursts kept for a browser that does not read; one that falls further behind must fetch its lists anew."""


class Kind(StrEnum):
    """What changed; the database's channels have these names."""

    SLIDE = "slide_image"
    CASE = "pathology_case"
    REQUEST = "share_request"
    NOTIFICATION = "notification"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that changed.

    Attributes:
        concerns: care units, or of a notification one assignment, unit or care provider, whose people it may concern.
    """

    kind: Kind
    id: uuid.UUID
    concerns: frozenset[uuid.UUID]


Changes = frozenset[Change] | None
"""What changed; None says that some may be missing."""

log = structlog.get_logger()


class SlideEvents:
    """Hands what changed to whoever subscribes.

    Args:
        database_url: to listen on.
    """

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._subscribers: set[asyncio.Queue[Changes]] = set()

    @contextlib.contextmanager
    def subscribe(self) -> Iterator[asyncio.Queue[Changes]]:
        """A queue of what changed for the length of a `with` block; None says that some may be missing."""
        queue: asyncio.Queue[Changes] = asyncio.Queue(_WAITING)
        self._subscribers.add(queue)
        try:
            yield queue
        finally:
            self._subscribers.discard(queue)

    async def listen(self) -> None:
        """Run until cancelled; a lost connection is made again."""
        url = make_url(self._url).set(drivername="postgresql").render_as_string(hide_password=False)
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
                    for kind in Kind:
                        await connection.execute(f"LISTEN {kind}".encode())
                    self._hand_out(None)
                    async for changes in _gather(connection):
                        self._hand_out(changes)
            except (psycopg.Error, OSError):
                log.warning("not listening to the database; trying again")
                await asyncio.sleep(1)

    def _hand_out(self, changes: Changes) -> None:
        for queue in self._subscribers:
            if queue.full():
                while not queue.empty():
                    queue.get_nowait()
                changes = None
            queue.put_nowait(changes)


async def _gather(connection: psycopg.AsyncConnection[object]) -> AsyncIterator[Changes]:
    """Changes that were rung for, gathered over short spells."""
    while True:
        rung: set[tuple[str, str]] = set()
        async for notice in connection.notifies(timeout=None, stop_after=1):
            rung.add((notice.channel, notice.payload))
        async for notice in connection.notifies(timeout=GATHER):
            rung.add((notice.channel, notice.payload))
        yield frozenset(_read(channel, payload) for channel, payload in rung)


def _read(channel: str, payload: str) -> Change:
    """A ring: the id of what changed, then whom it may concern."""
    first, *concerns = (uuid.UUID(part) for part in payload.split())
    return Change(Kind(channel), first, frozenset(concerns))
