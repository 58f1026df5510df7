"""Whatever happens, in whatever order: a stranger never sees a slide, a lawful reader always does, all is on record."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from patients import make_number
from people import make_grant
from product import Database
from sqlalchemy import func, select
from world import Place, Somebody, World

from cases.access.audit import AuditEvent, Event
from cases.access.blocks import BlockType, register_block, revoke_block
from cases.access.choices import ChoiceKind
from cases.access.consents import ConsentAssertion, ConsentForm, ConsentScope, end_consent, register_consent
from cases.access.decisions import AccessDecision
from cases.access.gate import Refused
from cases.access.grants import RoleGrant, end_grant
from cases.access.identities import set_objection
from cases.access.organisations import CareProvider, ProviderStatus, move_provider
from cases.access.patients import Patient
from cases.access.people import Assignment
from cases.access.permissions import Role
from cases.access.relations import RelationReason, end_relation, register_relation
from cases.database import act_for
from cases.records.pathology_case import CaseStatus, PathologyCase
from cases.records.slide_images import SlideImage
from cases.sharing.record_grants import look_up
from cases.sharing.viewings import Viewing, find_live, open_viewing, renew
from cases.sharing.worklists import list_slides
from cases.transaction import transaction

PLACES, PATIENTS = 2, 2
PLACE, PERSON, PATIENT = (st.integers(0, count - 1) for count in (PLACES, 2 * PLACES, PATIENTS))
"""A pathologist and a clinician at each of two care providers; each patient is known, and has a case, at both."""


@dataclass
class Reader:
    """One of the people, with what they rest on as this test keeps account of it."""

    who: Somebody
    place: int
    role: Role
    grant_id: uuid.UUID | None = None
    relations: dict[int, uuid.UUID] = field(default_factory=dict)
    consents: dict[int, uuid.UUID] = field(default_factory=dict)
    chosen: set[int] = field(default_factory=set)
    viewings: dict[tuple[int, int], uuid.UUID] = field(default_factory=dict)


class SharingMachine(RuleBasedStateMachine):
    """Two care providers, four people, two patients; every rule is one request of somebody's."""

    world: World

    @initialize()
    def begin(self) -> None:
        """New providers each time, in the same database."""
        self.places: list[Place] = [self.world.provider(f"Region {number}") for number in range(PLACES)]
        numbers = [make_number() for _ in range(PATIENTS)]
        self.patients = [[place.patient(number) for number in numbers] for place in self.places]
        self.cases: list[list[PathologyCase]] = [
            [place.case(patient_id) for patient_id in rows]
            for place, rows in zip(self.places, self.patients, strict=True)
        ]
        self.slides = [[self.world.slide(case) for case in cases] for cases in self.cases]
        self.closed: set[tuple[int, int]] = set()
        self.blocks: dict[tuple[int, int], uuid.UUID] = {}
        self.objections: set[tuple[int, int]] = set()
        self.suspended: set[int] = set()
        self.people = [
            Reader(place.person(role), number, role)
            for number, place in enumerate(self.places)
            for role in (Role.PAT, Role.CLN)
        ]
        for reader in self.people:
            with transaction(self.world.owner) as session:
                grants = select(RoleGrant.id).where(RoleGrant.assignment_id == reader.who.assignment.id)
                reader.grant_id = session.scalars(grants).one()

    def may(self, reader: Reader, place: int, patient: int) -> bool:
        """What the law says, in this test's own few words."""
        if reader.grant_id is None or reader.place in self.suspended:
            return False
        if reader.place == place:
            in_queue = reader.role is Role.PAT and (place, patient) not in self.closed
            return in_queue or patient in reader.relations
        return (
            patient in reader.relations
            and patient in reader.consents
            and patient in reader.chosen
            and (place, patient) not in self.blocks
            and (place, patient) not in self.objections
        )

    @rule(person=PERSON, place=PLACE, patient=PATIENT)
    def open_a_slide(self, person: int, place: int, patient: int) -> None:
        """Somebody tries; the gate and this test agree, and the attempt is on record."""
        reader, slide_id = self.people[person], self.slides[place][patient]
        before = self.count(reader)
        try:
            with reader.who.acting() as (session, actor):
                slide = session.get(SlideImage, slide_id)
                if slide is None:
                    assert not self.may(reader, place, patient), "the database hides what the law allows"
                    return
                viewing = open_viewing(session, slide, by=actor, now=datetime.now(UTC))
                reader.viewings[place, patient] = viewing.id
        except Refused as refused:
            assert not self.may(reader, place, patient), refused.decision.code
        else:
            assert self.may(reader, place, patient)
        decisions, entries = self.count(reader)
        assert (decisions, entries) == (before[0] + 1, before[1] + 1), "no attempt without a row"

    def count(self, reader: Reader) -> tuple[int, int]:
        """Decisions, and log entries about opening, of somebody so far."""
        with transaction(self.world.owner) as session:
            mine = reader.who.assignment.id
            decisions = select(func.count()).where(AccessDecision.assignment_id == mine)
            entries = select(func.count()).where(
                AuditEvent.assignment_id == mine, AuditEvent.event.in_((Event.SLIDE_OPENED, Event.ACCESS_DENIED))
            )
            # What other people's doing ended has its own rows; only those of opening are counted.
            ended = select(func.count()).where(
                AuditEvent.assignment_id == mine, AuditEvent.event == Event.SLIDE_CLOSED, AuditEvent.code.is_not(None)
            )
            over = session.scalars(ended).one()
            return session.scalars(decisions).one() - over, session.scalars(entries).one() - over

    @rule(person=PERSON, patient=PATIENT)
    def register_relation(self, person: int, patient: int) -> None:
        reader = self.people[person]
        if patient not in reader.relations:
            with reader.who.acting() as (session, actor):
                row = session.get_one(Patient, self.patients[reader.place][patient])
                made = register_relation(session, row, RelationReason.ADMISSION, by=actor, now=datetime.now(UTC))
                reader.relations[patient] = made.id

    @rule(person=PERSON, patient=PATIENT)
    def end_relation(self, person: int, patient: int) -> None:
        reader = self.people[person]
        if relation := reader.relations.pop(patient, None):
            with reader.who.acting() as (session, actor):
                end_relation(session, relation, by=actor, now=datetime.now(UTC))

    @rule(person=PERSON, patient=PATIENT)
    def register_consent(self, person: int, patient: int) -> None:
        reader = self.people[person]
        if patient not in reader.consents:
            with reader.who.acting() as (session, actor):
                row = session.get_one(Patient, self.patients[reader.place][patient])
                made = register_consent(
                    session, row, ConsentScope.SVOD, how=ConsentForm.ORAL, only_me=True, by=actor, now=datetime.now(UTC)
                )
                reader.consents[patient] = made.id
                # Who consents anew takes an earlier objection back, for whom it is.
                self.objections -= {(place, patient) for place in range(PLACES) if place != reader.place}

    @rule(person=PERSON, patient=PATIENT)
    def end_consent(self, person: int, patient: int) -> None:
        reader = self.people[person]
        if consent := reader.consents.pop(patient, None):
            with reader.who.acting() as (session, actor):
                end_consent(session, consent, by=actor, now=datetime.now(UTC))

    @rule(person=PERSON, patient=PATIENT)
    def look_up(self, person: int, patient: int) -> None:
        """An active choice; it finds just what may then be seen."""
        reader = self.people[person]
        with reader.who.acting() as (session, actor):
            row = session.get_one(Patient, self.patients[reader.place][patient])
            found = look_up(
                session, row, ChoiceKind.COHERENT_RECORD, reason="Inlagd hos oss", by=actor, now=datetime.now(UTC)
            )
            reader.chosen.add(patient)
        expected = {self.slides[place][patient] for place in range(PLACES) if self.may(reader, place, patient)}
        assert {listed.slide.id for listed in found.listed} == expected

    @rule(place=PLACE, patient=PATIENT)
    def block(self, place: int, patient: int) -> None:
        if (place, patient) not in self.blocks:
            with transaction(self.world.owner) as session:
                act_for(session, self.places[place].provider.id)
                row = session.get_one(Patient, self.patients[place][patient])
                clerk = self.places[place].clerk
                made = register_block(session, row, BlockType.OUTER, by=clerk, now=datetime.now(UTC))
                self.blocks[place, patient] = made.id

    @rule(place=PLACE, patient=PATIENT)
    def take_the_block_back(self, place: int, patient: int) -> None:
        if block := self.blocks.pop((place, patient), None):
            with transaction(self.world.owner) as session:
                act_for(session, self.places[place].provider.id)
                clerk = self.places[place].clerk
                revoke_block(session, block, reason="Patienten ångrade sig", by=clerk, now=datetime.now(UTC))

    @rule(place=PLACE, patient=PATIENT)
    def close_the_case(self, place: int, patient: int) -> None:
        """It leaves the queue; only who takes part or has a relation still sees it."""
        with transaction(self.world.owner) as session:
            session.get_one(PathologyCase, self.cases[place][patient].id).status = CaseStatus.FINAL
        self.closed.add((place, patient))
        for reader in self.people:
            if not self.may(reader, place, patient):
                reader.viewings.pop((place, patient), None)  # goes dark when it is renewed, within two minutes

    @rule(place=PLACE)
    def suspend_or_bring_back(self, place: int) -> None:
        """A care provider stops taking part, or takes part again."""
        to = ProviderStatus.ACTIVE if place in self.suspended else ProviderStatus.SUSPENDED
        with transaction(self.world.owner) as session:
            provider = session.get_one(CareProvider, self.places[place].provider.id)
            move_provider(session, provider, to=to, by=None)
        self.suspended ^= {place}

    @rule(person=PERSON, patient=PATIENT)
    def let_a_consent_run_out(self, person: int, patient: int) -> None:
        """The clock alone ends it; who renews a viewing after that is asked again."""
        reader = self.people[person]
        if consent := reader.consents.pop(patient, None):
            with transaction(self.world.owner) as session:
                session.get_one(ConsentAssertion, consent).end_at = datetime.now(UTC)
            for where in [where for where in reader.viewings if not self.may(reader, *where)]:
                viewing_id = reader.viewings.pop(where)
                with reader.who.acting() as (session, actor):
                    viewing = session.get_one(Viewing, viewing_id)
                    renew(session, viewing, by=actor, now=datetime.now(UTC) + timedelta(seconds=90))
                with transaction(self.world.app) as session:
                    assert find_live(session, [viewing_id]) == {}

    @rule(person=PERSON)
    def end_the_role(self, person: int) -> None:
        reader = self.people[person]
        if reader.grant_id:
            with transaction(self.world.owner) as session:
                end_grant(session, session.get_one(RoleGrant, reader.grant_id), by=None, now=datetime.now(UTC))
            reader.grant_id = None

    @rule(person=PERSON)
    def give_the_role_back(self, person: int) -> None:
        reader = self.people[person]
        if reader.grant_id is None:
            with transaction(self.world.owner) as session:
                assignment = session.get_one(Assignment, reader.who.assignment.id)
                reader.grant_id = make_grant(session, assignment, reader.role, since=datetime.now(UTC)).id

    @rule(place=PLACE, patient=PATIENT)
    def object_to_sharing(self, place: int, patient: int) -> None:
        with transaction(self.world.owner) as session:
            act_for(session, self.places[place].provider.id)
            row = session.get_one(Patient, self.patients[place][patient])
            set_objection(session, row, objects=True, by=self.places[place].clerk, now=datetime.now(UTC))
        self.objections.add((place, patient))

    @rule(person=PERSON)
    def look_at_the_list(self, person: int) -> None:
        """What a list shows equals what the gate allows."""
        reader = self.people[person]
        if reader.role is not Role.PAT or reader.grant_id is None or reader.place in self.suspended:
            return
        with reader.who.acting() as (session, actor):
            listed = {one.slide.id for one in list_slides(session, by=actor, now=datetime.now(UTC), limit=50)}
        queue = {
            self.slides[reader.place][patient]
            for patient in range(PATIENTS)
            if (reader.place, patient) not in self.closed
        }
        assert listed == queue

    @invariant()
    def nobody_looks_at_what_they_may_not(self) -> None:
        """Every open viewing is of somebody who may look; every other one is dark already."""
        viewings = {
            viewing: (reader, where)
            for reader in getattr(self, "people", [])
            for where, viewing in reader.viewings.items()
        }
        with transaction(self.world.app) as session:
            live = find_live(session, list(viewings)) if viewings else {}
        for viewing, (reader, where) in viewings.items():
            if viewing in live:
                assert self.may(reader, *where)
            else:
                assert not self.may(reader, *where), "a lawful reader went dark"
        for reader, where in viewings.values():
            if not self.may(reader, *where):
                reader.viewings.pop(where, None)


@pytest.fixture(scope="module")
def world(module_database: Database) -> object:
    with World(module_database) as made:
        yield made


def test_no_order_of_events_shows_a_slide_to_a_stranger(world: World) -> None:
    class Machine(SharingMachine):
        pass

    Machine.world = world
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=12, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
