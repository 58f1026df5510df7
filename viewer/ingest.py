"""Bringing slides in from the command line, with a progress bar for each."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from cases.access import audit
from cases.access.agreements import AgreementType, terms
from cases.access.audit import Event, Subject
from cases.access.errors import Conflict, NotThere, Rejected
from cases.access.organisations import CareProvider, CareUnit, parse_hsa_id
from cases.database import connect, sessions
from cases.records.arrivals import receive
from cases.records.pathology_case import PathologyCase
from cases.records.slide_images import PyramidState, SlideImage, SlideStatus
from cases.transaction import transaction
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
    """A slide to bring in: its files, whose they are and what lists call it.

    Attributes:
        unit: HSA-id of the care unit that owns it.
        lid: of the case there that it belongs to; without one only the laboratory sees it.
        label: what the label of the glass says, where that is known.
    """

    files: SlideFiles
    unit: str
    lid: str | None = None
    caption: str | None = None
    label: str | None = None


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
        told: set[str] = set()
        with self.progress:
            for number, arrival in enumerate(arrivals, start=1):
                bar = self.progress.add_task(
                    f"{escape(arrival.caption or f'Slide {number}')}: copying", total=max(1, arrival.files.byte_size)
                )
                try:
                    slide_id = self._patiently(lambda: self._register(arrival, bar))  # noqa: B023 - called at once
                except (SlideError, OSError, Rejected) as error:
                    self.progress.remove_task(bar)
                    # Without the file's name, which an OSError would tell and which may hold a patient's.
                    why = f"{error.strerror}." if isinstance(error, OSError) else str(error)
                    # What is wrong with the owner is wrong for every slide, and said once.
                    if why not in told:
                        self._console.print(f"[red]Not brought in[/]: {why}")
                    if isinstance(error, Rejected):
                        told.add(why)
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
        with transaction(self._make) as session:
            find_owner(session, arrival.unit, arrival.lid)
        original = self._storage.originals.store(
            arrival.files, progress=lambda count: self.progress.advance(bar, count)
        )
        with transaction(self._make) as session:
            owner, case = find_owner(session, arrival.unit, arrival.lid)
            known = session.scalar(
                select(SlideImage.id).where(
                    SlideImage.original_digest == original.digest,
                    SlideImage.care_provider_id == owner.care_provider_id,
                )
            )
            slide = receive(
                session,
                digest=original.digest,
                byte_size=original.byte_size,
                caption=arrival.caption,
                owner=owner,
                case=case,
                label=arrival.label,
            )
            if known is None:
                _record_upload(session, slide, case)
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


def list_arrivals(slides: list[SlideFiles], *, unit: str, lid: str | None, caption: str | None) -> list[Arrival]:
    """Give slides their owner and their caption, numbered when there are several."""
    if caption is None or len(slides) == 1:
        return [Arrival(files, unit, lid, caption) for files in slides]
    return [Arrival(files, unit, lid, f"{caption} {number}") for number, files in enumerate(slides, start=1)]


def find_owner(session: Session, unit: str, lid: str | None) -> tuple[CareUnit, PathologyCase | None]:
    """Whose a slide is to be, as long as its care provider lets the platform keep anything. Source: domain rules, 2.3.

    Args:
        session: of the worker's role.
        unit: HSA-id of the care unit.
        lid: of its case, if it is known.

    Raises:
        Invalid: the HSA-id has another shape.
        NotThere: there is no such unit, or no such case of it.
        Conflict: no data processing agreement of the care provider is in force.
    """
    owner = session.scalar(select(CareUnit).where(CareUnit.hsa_id == parse_hsa_id(unit, field="unit")))
    if owner is None:
        raise NotThere("There is no care unit with this HSA-id. Copy it from the HSA catalogue.")
    provider = session.get_one(CareProvider, owner.care_provider_id)
    now = datetime.now(UTC)
    if not any(period.holds(now) for period in terms(session, provider.id, AgreementType.PUB)):
        raise Conflict(
            f"{provider.name} has no data processing agreement (PUB) in force, so nothing of it may be kept here. "
            "Its agreement administrator signs one first."
        )
    if lid is None:
        return owner, None
    case = session.scalar(
        select(PathologyCase).where(PathologyCase.care_unit_id == owner.pdl_unit_id, PathologyCase.lid == lid)
    )
    if case is None:
        raise NotThere("This care unit has no case with that number (LID). Register the case first.")
    return owner, case


def _record_upload(session: Session, slide: SlideImage, case: PathologyCase | None) -> None:
    subject = Subject(
        kind="slide",
        id=slide.id,
        patient_id=case.patient_id if case else None,
        provider_id=slide.care_provider_id,
        unit_id=slide.care_unit_id,
    )
    audit.record(session, Event.SLIDE_UPLOADED, by=None, provider_id=slide.care_provider_id, subjects=[subject])
