"""Bringing slides in from the command line, with a progress bar for each."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from cases.database import connect, sessions, transaction
from cases.records.slide_images import PyramidState, SlideImage, SlideStatus, receive
from slides.errors import SlideError
from slides.files import SlideFiles
from worker.app import create_app
from worker.queues import VERIFICATION, ring
from worker.settings import WorkerSettings
from worker.storage import Storage

_T = TypeVar("_T")
PATIENCE_S = 120.0
"""For which a database that is away, because it is started again, does not end the command."""
_LOOK = 0.3
"""Seconds between two looks at the rows."""


@dataclass(frozen=True)
class Arrival:
    """A slide to bring in: its files and what lists call it."""

    files: SlideFiles
    caption: str | None = None


class Ingest:
    """Archives slides, registers them and follows their progress.

    Args:
        settings: where database, broker and files are.
        console: to draw on.
    """

    def __init__(self, settings: WorkerSettings, console: Console) -> None:
        self._make = sessions(connect(settings.database_url, connections=2))
        self._storage = Storage(settings.data)
        self._app = create_app(settings)
        self._console = console
        self.progress = Progress(
            SpinnerColumn(finished_text=" "),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            console=console,
        )

    def bring_in(self, arrivals: Iterable[Arrival], *, wait: bool = True) -> bool:
        """Bring slides in, one after another; a slide that is already there is not brought in twice.

        Args:
            arrivals: may be made while this runs; each is archived as it comes.
            wait: until every slide is ready or refused.

        Returns:
            Whether all of them are sound.
        """
        following: dict[uuid.UUID, TaskID] = {}
        sound = True
        with self.progress:
            for number, arrival in enumerate(arrivals, start=1):
                bar = self.progress.add_task(
                    f"{escape(arrival.caption or f'Slide {number}')}: copying", total=max(1, arrival.files.byte_size)
                )
                try:
                    slide_id = self._patiently(lambda: self._register(arrival, bar))  # noqa: B023 - called at once
                except (SlideError, OSError) as error:
                    self.progress.remove_task(bar)
                    # Without the file's name, which an OSError would tell and which may hold a patient's.
                    why = f"{error.strerror}." if isinstance(error, OSError) else str(error)
                    self._console.print(f"[red]Not brought in[/]: {why}")
                    sound = False
                    continue
                if slide_id is None:
                    self.progress.remove_task(bar)
                else:
                    following[slide_id] = bar
                sound = self._patiently(lambda: self._look(following)) and sound
            while wait and following:
                sound = self._patiently(lambda: self._look(following)) and sound
                time.sleep(_LOOK)
        return sound

    def _patiently(self, work: Callable[[], _T]) -> _T:
        """Do something that may be done twice; again for a while if the database is away."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return work()
            except DBAPIError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(1)

    def _register(self, arrival: Arrival, bar: TaskID) -> uuid.UUID | None:
        original = self._storage.originals.store(
            arrival.files, progress=lambda count: self.progress.advance(bar, count)
        )
        with transaction(self._make) as session:
            slide = receive(session, digest=original.digest, byte_size=original.byte_size, caption=arrival.caption)
        if slide.status not in (SlideStatus.RECEIVED, SlideStatus.VERIFYING):
            self._console.print(
                f"Already here as slide {slide.number}: {escape(arrival.caption or 'the same content')}."
            )
            return None
        ring(self._app, slide.id, queue=VERIFICATION)
        return slide.id

    def _look(self, following: dict[uuid.UUID, TaskID]) -> bool:
        """Bring the bars up to date; forget slides that are settled. Returns whether those are sound."""
        sound = True
        with transaction(self._make) as session:
            rows = list(session.scalars(select(SlideImage).where(SlideImage.id.in_(following))))
        for row in rows:
            name = f"Slide {row.number}" + (f", {escape(row.caption)}" if row.caption else "")
            bar = following[row.id]
            if row.status == SlideStatus.QUARANTINED or row.pyramid == PyramidState.FAILED:
                self._console.print(f"[red]{name}[/]: {row.reason}")
                self.progress.remove_task(following.pop(row.id))
                sound = False
            elif row.pyramid == PyramidState.READY:
                self.progress.update(bar, description=f"{name}: ready", total=1, completed=1)
                del following[row.id]
            else:
                step = {SlideStatus.RECEIVED: "waiting", SlideStatus.VERIFYING: "checking"}.get(row.status, "levels")
                self.progress.update(bar, description=f"{name}: {step}", total=1, completed=row.progress or 0)
        return sound


def list_arrivals(slides: list[SlideFiles], *, caption: str | None) -> list[Arrival]:
    """Give slides their caption, numbered when there are several."""
    if caption is None or len(slides) == 1:
        return [Arrival(files, caption) for files in slides]
    return [Arrival(files, f"{caption} {number}") for number, files in enumerate(slides, start=1)]
