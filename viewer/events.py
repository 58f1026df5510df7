"""Server-sent events: every browser sees a slide change as it changes.

One connection per process listens to PostgreSQL, which rings with the id of every changed slide; the row is
read once and handed to every browser that this process serves.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Iterator

import psycopg
import structlog
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker
from starlette.concurrency import run_in_threadpool

from cases.database import transaction
from cases.records.slide_images import SlideImage
from viewer.api.slides import Slide, show

GATHER = 0.1
"""Seconds for which changes are gathered, so that a burst of them is read once."""
_WAITING = 1000
"""Events kept for a browser that does not read; one that falls further behind must fetch the list anew."""

log = structlog.get_logger()


class SlideEvents:
    """Hands changed slides to whoever subscribes.

    Args:
        database_url: to listen on.
        make: sessions of this process.
    """

    def __init__(self, database_url: str, make: sessionmaker[Session]) -> None:
        self._url, self._make = database_url, make
        self._subscribers: set[asyncio.Queue[Slide | None]] = set()

    @contextlib.contextmanager
    def subscribe(self) -> Iterator[asyncio.Queue[Slide | None]]:
        """A queue of changed slides for the length of a `with` block; None says that some may be missing."""
        queue: asyncio.Queue[Slide | None] = asyncio.Queue(_WAITING)
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
                    self._hand_out([None])
                    async for ids in _gather(connection):
                        self._hand_out(await run_in_threadpool(self._read, ids))
            except (psycopg.Error, SQLAlchemyError, OSError):
                log.warning("not listening to the database; trying again")
                await asyncio.sleep(1)

    def _read(self, ids: set[uuid.UUID]) -> list[Slide | None]:
        with transaction(self._make) as session:
            rows = (session.get(SlideImage, slide_id) for slide_id in ids)
            return [show(row) for row in rows if row is not None]

    def _hand_out(self, events: list[Slide | None]) -> None:
        for queue in self._subscribers:
            for event in events:
                if queue.full():
                    while not queue.empty():
                        queue.get_nowait()
                    event = None
                queue.put_nowait(event)


async def _gather(connection: psycopg.AsyncConnection[object]) -> AsyncIterator[set[uuid.UUID]]:
    """Ids that were rung for, gathered over short spells."""
    while True:
        ids: set[uuid.UUID] = set()
        async for notice in connection.notifies(timeout=None, stop_after=1):
            ids.add(uuid.UUID(notice.payload))
        async for notice in connection.notifies(timeout=GATHER):
            ids.add(uuid.UUID(notice.payload))
        yield ids
