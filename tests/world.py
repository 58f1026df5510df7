"""A small world for tests of sharing: three care providers that work, people, patients, cases and slides, committed.

world = World(database)
kalmar = world.provider("Kalmar")
doctor = kalmar.person(Role.PAT)
slide = world.slide(kalmar.case(world.number()))
with doctor.acting() as (session, actor):      # one request of theirs: the edge's own transaction
    open_viewing(session, session.get_one(SlideImage, slide), by=actor, now=datetime.now(UTC))
"""

from __future__ import annotations

import itertools
import secrets
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import contracts
from patients import make_number
from people import act, make_assignment, make_department, make_person, make_provider, make_unit
from product import Database
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session, sessionmaker

from cases.access.actors import Actor, Purpose
from cases.access.agreements import AgreementType
from cases.access.identifiers import Identifier
from cases.access.organisations import CareProvider, CareUnit, Department
from cases.access.patients import register_patient
from cases.access.people import Assignment, Person
from cases.access.permissions import Role
from cases.access.relations import NoticeChannel, give_notice
from cases.access.sessions import Method, begin_session, find_actor
from cases.access.vault import Vault
from cases.database import act_for, sessions
from cases.records.arrivals import receive
from cases.records.pathology_case import CaseStatus, PathologyCase
from cases.records.slide_images import SlideImage, SlideStatus
from cases.transaction import transaction

_LIDS = itertools.count(1)


@dataclass
class World:
    """Everything in one database. Use it as a context manager."""

    database: Database
    engines: list[Engine] = field(default_factory=list)

    def __enter__(self) -> World:
        return self

    def __exit__(self, *error: object) -> None:
        for engine in self.engines:
            engine.dispose()

    def make(self, role: str) -> sessionmaker[Session]:
        """Sessions of one of the database's roles, as a process has them."""
        engine = create_engine(self.database.url(role), pool_size=20)
        self.engines.append(engine)
        return sessions(engine, vault=self.vault)

    def __post_init__(self) -> None:
        self.vault = Vault(self.database.keys)
        self.app, self.worker, self.owner = (self.make(f"samsyn_{role}") for role in ("app", "worker", "owner"))

    def number(self) -> Identifier:
        """An identity number of somebody new."""
        return make_number()

    def provider(self, name: str, *, member: bool = True) -> Place:
        """A care provider with one unit of pathology, its agreements in force, its patients told how sharing works.

        Args:
            name: of it.
            member: whether it takes part in coherent records.
        """
        with transaction(self.owner) as session:
            provider = make_provider(session, name=name)
            contracts.make_agreement(session, AgreementType.CONNECTION, provider)
            contracts.make_agreement(session, AgreementType.PUB, provider)
            if member:
                contracts.make_agreement(session, AgreementType.COHERENT_RECORD, provider)
            unit = make_unit(session, provider)
            department = make_department(session, unit)
            clerk = act(session, make_assignment(session, make_person(session), unit, roles=[Role.COO]))
            give_notice(session, None, NoticeChannel.PUBLIC, text_version="1", by=clerk, now=datetime.now(UTC))
        return Place(self, provider, unit, department, clerk)

    def slide(self, case: PathologyCase | None, *, status: SlideStatus = SlideStatus.VERIFIED) -> uuid.UUID:
        """A slide of a case, verified unless said otherwise; without a file."""
        with transaction(self.worker) as session:
            unit = session.get_one(CareUnit, case.care_unit_id) if case else None
            slide = receive(session, digest=secrets.token_hex(32), byte_size=1, owner=unit, case=case)
            slide.status = status
            slide.width, slide.height, slide.tile_size = 4000, 3000, 256
            if status is SlideStatus.QUARANTINED:
                slide.reason_code, slide.reason = "DAMAGED_FILE", "It is damaged."
            return slide.id


@dataclass(frozen=True)
class Place:
    """A care provider, one of its units, a department there, and somebody who registers things."""

    world: World
    provider: CareProvider
    unit: CareUnit
    department: Department
    clerk: Actor

    def other_unit(self, name: str = "Kirurgkliniken") -> Place:
        """Another unit of the same provider."""
        with transaction(self.world.owner) as session:
            unit = make_unit(session, self.provider, name=name)
            department = make_department(session, unit)
            clerk = act(session, make_assignment(session, make_person(session), unit, roles=[Role.COO]))
        return Place(self.world, self.provider, unit, department, clerk)

    def person(
        self,
        *roles: Role,
        known: Person | None = None,
        purpose: Purpose = Purpose.CARE,
        department: Department | None = None,
    ) -> Somebody:
        """Somebody who works here, in these roles.

        Args:
            roles: that they hold.
            known: who works elsewhere too.
            purpose: of the assignment.
            department: the roles are for this one only.
        """
        with transaction(self.world.owner) as session:
            person = session.get_one(Person, known.id) if known else make_person(session)
            assignment = make_assignment(
                session, person, self.unit, roles=roles, purpose=purpose, department=department
            )
        return Somebody(self, person, assignment)

    def patient(self, number: Identifier, *, born: date = date(1950, 3, 1)) -> uuid.UUID:
        """A patient registered here; the same person elsewhere is another row."""
        with transaction(self.world.owner) as session:
            patient = register_patient(
                session, number, given_name="Tolvan", family_name="Tolvansson", birth_date=born, by=self.clerk
            )
            return patient.id

    def case(
        self,
        patient_id: uuid.UUID,
        *,
        status: CaseStatus = CaseStatus.IN_DIAGNOSIS,
        days_ago: int = 10,
        lid: str | None = None,
    ) -> PathologyCase:
        """A case of this unit's department, accessioned some days ago."""
        with transaction(self.world.owner) as session:
            at = datetime.now(UTC) - timedelta(days=days_ago)
            case = PathologyCase(
                care_provider_id=self.provider.id,
                care_unit_id=self.unit.id,
                department_id=self.department.id,
                lid=lid or f"B26-{next(_LIDS):05}",
                patient_id=patient_id,
                accessioned_at=at,
                last_registered_at=at,
                status=status,
            )
            session.add(case)
            session.flush()
            return case


@dataclass
class Somebody:
    """Somebody with one assignment, in one browser after another."""

    place: Place
    person: Person
    assignment: Assignment
    token: str | None = None

    def sign_in(self, *, assurance: int = 3, now: datetime | None = None) -> str:
        """Begin a session under the assignment. The browser's token."""
        with transaction(self.place.world.app) as session:
            person = session.get_one(Person, self.person.id)
            _, self.token = begin_session(
                session,
                person,
                method=Method.LOCAL,
                assurance=assurance,
                now=now or datetime.now(UTC),
                assignment_id=self.assignment.id,
            )
        return self.token

    @contextmanager
    def acting(self, *, now: datetime | None = None) -> Iterator[tuple[Session, Actor]]:
        """One request of theirs: signed in, acting for their provider, committed by the edge's own transaction."""
        token = self.token or self.sign_in()
        with transaction(self.place.world.app) as session:
            found = find_actor(session, token, now=now or datetime.now(UTC), client_ip="127.0.0.1")
            assert found is not None
            actor = found.require_actor()
            act_for(session, actor.provider_id)
            yield session, actor


def find_slide_row(session: Session, slide_id: uuid.UUID) -> SlideImage:
    """A slide that this session's provider may see."""
    return session.get_one(SlideImage, slide_id)
