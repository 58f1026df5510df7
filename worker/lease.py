"""Keeping a lease while work goes on: a thread renews it and carries the progress to the row."""

from __future__ import annotations

import threading
import time
import uuid
from types import TracebackType
from typing import Self

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from cases.records.slide_images import LEASE, LeaseLost, renew
from cases.transaction import transaction

_RENEWAL = LEASE.total_seconds() / 4
_PROGRESS = 0.4
"""Seconds between updates of the progress bar."""


class Lease:
    """Holds one slide image for the length of a `with` block.

    Args:
        make: sessions of this process.
        slide_id: a row that this holder has claimed.
        holder: who claimed it.
    """

    def __init__(self, make: sessionmaker[Session], slide_id: uuid.UUID, *, holder: uuid.UUID) -> None:
        self._make, self._slide_id, self._holder = make, slide_id, holder
        self._progress: float | None = None
        self._lost = threading.Event()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def report(self, share: float) -> None:
        """Say how far the work has come, 0 to 1.

        Raises:
            LeaseLost: the slide is somebody else's by now; stop working on it.
        """
        if self._lost.is_set():
            raise LeaseLost("The lease on this slide ran out while it was worked on.")
        self._progress = share

    def _keep(self) -> None:
        renewed, shown = time.monotonic(), self._progress
        while not self._done.wait(_PROGRESS):
            now, share = time.monotonic(), self._progress
            if share == shown and now - renewed < _RENEWAL:
                continue
            try:
                with transaction(self._make) as session:
                    renew(session, self._slide_id, holder=self._holder, progress=share)
                renewed, shown = now, share
            except LeaseLost:
                self._lost.set()
                return
            except SQLAlchemyError:
                # The database is away for a moment; the lease decides when that has been too long.
                if now - renewed > LEASE.total_seconds():
                    self._lost.set()
                    return

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()
