"""Finding what was lost: due rows whose message never came, originals without a row, files nobody writes any more.

And what happens to requests by itself when time has passed.
"""

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

from cases.access.audit import LogUnavailable
from cases.access.idempotency import forget_keys
from cases.access.log.anchors import AnchorsDamaged, anchor, read_heads
from cases.records.arrivals import find_unregistered, receive
from cases.records.slide_images import SlideStatus, find_due
from cases.sharing import outbox, timers
from cases.transaction import transaction
from slides.staging import clear
from worker.attachments.keeping import remove_unknown, scan_waiting
from worker.queues import DELIVERIES, PYRAMIDS, VERIFICATION, ring, waiting
from worker.storage import Storage

EVERY = 5.0
"""Seconds between sweeps."""
TIDYING = 3600.0
"""Seconds between looks for attached files without a row."""
PATROL = 3600.0
"""Seconds between looks at all requests under way."""

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
        clamd: "host:port" of a virus scanner for attached files; empty where there is none.
    """

    def __init__(
        self,
        app: Celery,
        make: sessionmaker[Session],
        storage: Storage,
        *,
        anchors: Path | None = None,
        clamd: str = "",
    ) -> None:
        self._app, self._make, self._storage = app, make, storage
        self._anchors = anchors or storage.data / "anchors"
        self._anchored: date | None = None
        self._forgotten: date | None = None
        self._clamd, self._tidied, self._patrolled = clamd, -TIDYING, -PATROL
        self._looked_at: dict[Path, int] = {}
        self._swept = storage.data / "run" / "swept"
        """Touched after every sweep, for health checks."""

    def keep_sweeping(self) -> None:
        """Sweep for ever, by a clock that nobody can set."""
        self._swept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            try:
                self.run_timers(datetime.now(UTC))
                self.sweep()
                self.look_after_attachments(datetime.now(UTC))
                self.anchor_log(datetime.now(UTC).date())
                self._swept.touch()
            except (SQLAlchemyError, OperationalError, RedisError, OSError, AnchorsDamaged, LogUnavailable) as error:
                log.warning("sweep put off", error=type(error).__name__)
            time.sleep(EVERY)

    def run_timers(self, now: datetime) -> int:
        """Let happen what happens by itself when time has passed. How many moves were made."""
        if self._forgotten != now.date():
            with transaction(self._make, now=now) as session:
                forget_keys(session, now=now)
            self._forgotten = now.date()
        thorough = time.monotonic() - self._patrolled >= PATROL
        moved = timers.run(lambda: transaction(self._make, now=now), now=now, thorough=thorough)
        if thorough:
            self._patrolled = time.monotonic()
        return moved

    def look_after_attachments(self, now: datetime) -> None:
        """Ask the virus scanner about files that wait for it; once an hour remove files that no row knows."""
        scan_waiting(self._make, self._storage, clamd=self._clamd, now=now)
        if time.monotonic() - self._tidied >= TIDYING:
            remove_unknown(self._make, self._storage)
            self._tidied = time.monotonic()

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
        rung += self._send_couriers()
        for folder in self._storage.unfinished():
            clear(folder)
        self._register()
        return rung

    def _send_couriers(self) -> int:
        """Ring for destinations that answers wait for, unless nobody has yet heard of the ones before."""
        if waiting(self._app, DELIVERIES):
            return 0
        with transaction(self._make) as session:
            due = outbox.find_due(session)
        return sum(ring(self._app, destination_id, queue=DELIVERIES) for destination_id in due)

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
