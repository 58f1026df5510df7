"""Where a simulation plays: a database with the pilot in it, its people, and a clock that only goes forward."""

from __future__ import annotations

import random
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from cases.access.actors import Actor
from cases.access.organisations import CareUnit
from cases.access.people import Assignment, Person
from cases.access.sessions import Method, begin_session, find_actor
from cases.database import act_for
from cases.records.arrivals import receive
from cases.records.pathology_case import PathologyCase
from cases.records.specimens import GlassSlide
from cases.transaction import transaction
from slides.drawing import stains
from slides.drawing.aperio import write_aperio
from slides.drawing.glass import Label
from slides.drawing.tissue import Organ, Tissue
from slides.files import gather
from slides.geometry import Size
from worker.preparation import Preparation
from worker.sandbox import Sandbox
from worker.storage import Storage

SIZE = Size(1600, 1200)
"""Of each drawn section, in pixels."""
SPACING_UM = 0.5
ORGANS: tuple[Organ, ...] = ("colon biopsies", "colon wall")


class Clock:
    """The moment that everybody acts in."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def go_to(self, moment: datetime) -> None:
        """Go forward; never back."""
        self.now = max(self.now, moment)

    def tick(self) -> datetime:
        """A second later: no two things happen at one moment."""
        self.now += timedelta(seconds=1)
        return self.now


@dataclass(frozen=True)
class Stage:
    """The database and the files.

    Attributes:
        app, worker: sessions of the two roles.
        storage: where slides are put.
        clock: for everybody.
        chance: from one seed, so that the same number plays the same.
    """

    app: sessionmaker[Session]
    worker: sessionmaker[Session]
    storage: Storage
    sandbox: Sandbox
    clock: Clock
    chance: random.Random

    @contextmanager
    def acting(self, commission: str) -> Iterator[tuple[Session, Actor]]:
        """Somebody of the pilot does something: signed in just now, in a transaction of their own.

        Args:
            commission: HSA-id of the assignment.
        """
        now = self.clock.tick()
        with transaction(self.app) as session:
            assignment = session.scalars(select(Assignment).where(Assignment.commission_hsa_id == commission)).one()
            person = session.get_one(Person, assignment.person_id)
            _, token = begin_session(
                session, person, method=Method.DEMO, assurance=3, now=now, assignment_id=assignment.id
            )
        with transaction(self.app) as session:
            found = find_actor(session, token, now=now)
            if found is None:
                raise LookupError("The session that was just begun is not there.")
            actor = found.require_actor()
            act_for(session, actor.provider_id)
            yield session, actor

    def find_assignment(self, commission: str) -> uuid.UUID:
        """The id of an assignment of the pilot."""
        with transaction(self.app) as session:
            return session.scalars(select(Assignment.id).where(Assignment.commission_hsa_id == commission)).one()

    def scan(self, case_id: uuid.UUID, glass_id: uuid.UUID) -> uuid.UUID:
        """A section is drawn, brought in for its glass and made ready, by the worker's own steps.

        Returns:
            The slide image.
        """
        with tempfile.TemporaryDirectory() as folder, transaction(self.worker) as session:
            case = session.get_one(PathologyCase, case_id)
            unit = session.get_one(CareUnit, case.care_unit_id)
            tissue = Tissue(
                SIZE, self.chance.randrange(1 << 30), stains.HAEMATOXYLIN_EOSIN, self.chance.choice(ORGANS), SPACING_UM
            )
            path = write_aperio(Path(folder) / "section.svs", tissue, label=Label("Påhittad", case.lid, "HE"))
            original = self.storage.originals.store(gather(path))
            slide = receive(session, digest=original.digest, byte_size=original.byte_size, owner=unit, case=case)
            slide.glass_slide_id = session.get_one(GlassSlide, glass_id).id
            slide.caption = f"HE, fall {case.lid}"
            slide_id = slide.id
        preparation = Preparation(self.worker, self.storage, self.sandbox)
        while preparation.advance(slide_id):
            pass
        return slide_id
