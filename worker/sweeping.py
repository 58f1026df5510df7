"""Finding what was lost: due rows whose message never came, originals without a row, files nobody writes any more."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from pathlib import Path

import structlog
from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from cases.access.log_anchors import AnchorsDamaged, anchor, read_heads
from cases.records.arrivals import find_unregistered, receive
from cases.records.slide_images import SlideStatus, find_due
from cases.transaction import transaction
from slides.staging import clear
from worker.queues import PYRAMIDS, VERIFICATION, ring, waiting
from worker.storage import Storage

EVERY = 5.0
"""Seconds between sweeps."""

_STEPS = {
    VERIFICATION: (SlideStatus.RECEIVED, SlideStatus.VERIFYING),
    PYRAMIDS: (SlideStatus.VERIFIED,),
}
"""Which queue a slide that is due waits in."""
_SETTLED_NS = 2 * 10**9
"""Nanoseconds after its last change that a folder of originals need not be looked at again."""

log = structlog.get_logger()


class Sweeper:
    """Sweeps one installation. Several at once do no harm.

    Args:
        app: that can ring.
        make: sessions of this process.
        storage: where the files are.
        anchors: where the log's chains are anchored; `anchors` in the data folder if not said.
    """

    def __init__(
        self, app: Celery, make: sessionmaker[Session], storage: Storage, *, anchors: Path | None = None
    ) -> None:
        self._app, self._make, self._storage = app, make, storage
        self._anchors = anchors or storage.data / "anchors"
        self._anchored: date | None = None
        self._looked_at: dict[Path, int] = {}
        self._swept = storage.data / "run" / "swept"
        """Touched after every sweep, for health checks."""

    def keep_sweeping(self) -> None:
        """Sweep for ever, by a clock that nobody can set."""
        self._swept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            try:
                self.sweep()
                self.anchor_log(datetime.now(UTC).date())
                self._swept.touch()
            except (SQLAlchemyError, OperationalError, RedisError, OSError, AnchorsDamaged) as error:
                log.warning("sweep put off", error=type(error).__name__)
            time.sleep(EVERY)

    def anchor_log(self, today: date) -> None:
        """Write down outside the database where the log's chains stand, once a day. Raises AnchorsDamaged."""
        if self._anchored != today:
            with transaction(self._make) as session:
                anchor(read_heads(session), self._anchors, today=today)
            self._anchored = today

    def sweep(self) -> int:
        """Ring for what is due, clear away what killed writers left, register what was archived without a row.

        Returns:
            How many rows were rung for.
        """
        rung = 0
        for queue, statuses in _STEPS.items():
            # While messages wait, those are the due rows; but for what was begun and never finished.
            busy = waiting(self._app, queue) > 0
            with transaction(self._make) as session:
                due = find_due(session, *statuses, begun=busy)
            rung += sum(ring(self._app, slide_id, queue=queue) for slide_id in due)
        for folder in self._storage.unfinished():
            clear(folder)
        self._register()
        return rung

    def _register(self) -> None:
        """Somebody who brings a slide in may be killed between the archive and the row: nothing is lost by that."""
        changed = {
            folder: at for folder, at in self._storage.originals.folders().items() if at != self._looked_at.get(folder)
        }
        for folder in changed:
            digests = [entry.name for entry in folder.iterdir() if entry.is_dir()]
            with transaction(self._make) as session:
                for digest in find_unregistered(session, digests):
                    receive(session, digest=digest, byte_size=self._storage.originals.byte_size(digest))
        # What comes within the same tick of the clock would not show.
        settled = time.time_ns() - _SETTLED_NS
        self._looked_at |= {folder: at for folder, at in changed.items() if at < settled}
