"""Who opens in an emergency, or what a patient has blocked, is seen doing it: the owner's log reviewers are told."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from product import Database
from world import Place, Somebody, World

from cases.access.blocks import BlockType, register_block
from cases.access.blocks.lifts import lift, reveal
from cases.access.choices import ChoiceKind
from cases.access.consents import AssertionType, ConsentForm
from cases.access.notifications import list_notifications
from cases.access.patients import Patient
from cases.access.permissions import Role
from cases.sharing.record_grants import look_up


@pytest.fixture(scope="module")
def world(module_database: Database) -> Iterator[World]:
    """For all tests of this file; each has its own care providers."""
    with World(module_database) as world:
        yield world


class Emergency:
    """A patient with a case in Kalmar, brought to Linköping, and whoever may hear of what is done there."""

    def __init__(self, world: World) -> None:
        self.kalmar, self.linkoping = world.provider("Kalmar"), world.provider("Linköping")
        number = world.number()
        self.at_home, self.here = self.kalmar.patient(number), self.linkoping.patient(number)
        self.case = self.kalmar.case(self.at_home)
        world.slide(self.case)
        self.clinician = self.linkoping.person(Role.CLN)

    def watchers(self, place: Place) -> tuple[Somebody, Somebody]:
        """Its log reviewer and its data protection officer."""
        return place.person(Role.LOG), place.person(Role.DPO)


def heard(who: Somebody) -> list[tuple[str, str, uuid.UUID]]:
    """What somebody has been told of."""
    with who.acting() as (session, actor):
        told = list_notifications(session, by=actor, now=datetime.now(UTC), limit=50)
        return [(one.event, one.subject_kind, one.subject_id) for one, _ in told]


def test_an_emergency_opening_is_told_to_the_owner(world: World) -> None:
    found = Emergency(world)
    watchers, doctor = found.watchers(found.kalmar), found.kalmar.person(Role.PAT)
    own = found.watchers(found.linkoping)
    with found.clinician.acting() as (session, actor):
        patient = session.get_one(Patient, found.here)
        now = datetime.now(UTC)
        opened = look_up(session, patient, ChoiceKind.EMERGENCY, reason="Medvetslös, blöder", by=actor, now=now)
        assert len(opened.listed) == 1
    expected = [("NODOPPNING", "patient", found.at_home)]
    assert [heard(one) for one in watchers] == [expected, expected]
    assert [heard(one) for one in (doctor, *own)] == [[], [], []]


def test_an_emergency_that_opened_nothing_is_told_to_nobody_else(world: World) -> None:
    found = Emergency(world)
    stranger = world.provider("Jönköping")
    watchers = found.watchers(stranger)
    with found.clinician.acting() as (session, actor):
        patient = session.get_one(Patient, found.here)
        look_up(session, patient, ChoiceKind.EMERGENCY, reason="Medvetslös", by=actor, now=datetime.now(UTC))
    assert [heard(one) for one in watchers] == [[], []]


@pytest.mark.parametrize(
    ("because", "event"), [(AssertionType.CONSENT, "BLOCK_LIFTED"), (AssertionType.EMERGENCY, "NODOPPNING")]
)
def test_a_lifted_block_is_told_to_whose_information_it_covers(
    world: World, because: AssertionType, event: str
) -> None:
    found = Emergency(world)
    watchers, administrator = found.watchers(found.kalmar), found.kalmar.person(Role.ADM)
    with administrator.acting() as (session, actor):
        patient = session.get_one(Patient, found.at_home)
        block_id = register_block(session, patient, BlockType.OUTER, by=actor, now=datetime.now(UTC)).id
    with found.clinician.acting() as (session, actor):
        now = datetime.now(UTC)
        patient = session.get_one(Patient, found.here)
        revealed = reveal(session, patient, because, how=ConsentForm.ORAL, reason="Akut bedömning", by=actor, now=now)
        assert [heard(one) for one in watchers] == [[], []]
        lift(
            session,
            block_id,
            assertion_id=revealed.assertion_id,
            reason="Akut bedömning",
            until=now + timedelta(hours=1),
            by=actor,
            now=now,
        )
    expected = [(event, "block", block_id)]
    assert [heard(one) for one in watchers] == [expected, expected]
