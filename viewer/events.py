"""Server-sent events: every browser sees a slide change as it changes, if its person would find it in the list.

One connection per process listens to PostgreSQL, which rings with the id of every changed slide; each stream asks
the gate for its own person.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Iterator

import psycopg
import structlog
from sqlalchemy.engine import make_url

GATHER = 0.1
"""Seconds for which changes are gathered, so that a burst of them is read once."""
_WAITING = 1000
"""Events kept for a browser that does not read; one that falls further behind must fetch the list anew."""

Changes = frozenset[tuple[uuid.UUID, uuid.UUID | None]] | None
"""Slides that changed, each with the care unit whose it is; None says that some may be missing."""

log = structlog.get_logger()


class SlideEvents:
    """Hands changed slides' ids, with their units', to whoever subscribes.

    Args:
        database_url: to listen on.
    """

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._subscribers: set[asyncio.Queue[Changes]] = set()

    @contextlib.contextmanager
    def subscribe(self) -> Iterator[asyncio.Queue[Changes]]:
        """A queue of changed slides' ids for the length of a `with` block; None says that some may be missing."""
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
                    await connection.execute("LISTEN slide_image")
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
        rung: set[str] = set()
        async for notice in connection.notifies(timeout=None, stop_after=1):
            rung.add(notice.payload)
        async for notice in connection.notifies(timeout=GATHER):
            rung.add(notice.payload)
        pairs = (payload.partition(" ") for payload in rung)
        yield frozenset((uuid.UUID(slide), uuid.UUID(unit) if unit else None) for slide, _, unit in pairs)
