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

Ids = frozenset[uuid.UUID] | None

log = structlog.get_logger()


class SlideEvents:
    """Hands the ids of changed slides to whoever subscribes.

    Args:
        database_url: to listen on.
    """

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._subscribers: set[asyncio.Queue[Ids]] = set()

    @contextlib.contextmanager
    def subscribe(self) -> Iterator[asyncio.Queue[Ids]]:
        """A queue of changed slides' ids for the length of a `with` block; None says that some may be missing."""
        queue: asyncio.Queue[Ids] = asyncio.Queue(_WAITING)
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
                    async for ids in _gather(connection):
                        self._hand_out(ids)
            except (psycopg.Error, OSError):
                log.warning("not listening to the database; trying again")
                await asyncio.sleep(1)

    def _hand_out(self, ids: Ids) -> None:
        for queue in self._subscribers:
            if queue.full():
                while not queue.empty():
                    queue.get_nowait()
                ids = None
            queue.put_nowait(ids)


async def _gather(connection: psycopg.AsyncConnection[object]) -> AsyncIterator[frozenset[uuid.UUID]]:
    """Ids that were rung for, gathered over short spells."""
    while True:
        ids: set[uuid.UUID] = set()
        async for notice in connection.notifies(timeout=None, stop_after=1):
            ids.add(uuid.UUID(notice.payload))
        async for notice in connection.notifies(timeout=GATHER):
            ids.add(uuid.UUID(notice.payload))
        yield frozenset(ids)
