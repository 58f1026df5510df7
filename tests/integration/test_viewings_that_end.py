"""Whatever ends a right ends what is looked at, in the same transaction. Source: domain rules, section 4."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from looking import Looking, at_home, from_elsewhere, open_as
from product import Database
from sqlalchemy import select
from sqlalchemy.orm import Session
from world import Place, World

from cases.access.actors import Actor
from cases.access.agreements import Agreement, AgreementType, Ending, Operator, terminate
from cases.access.blocks import BlockType, register_block
from cases.access.consents import ConsentAssertion, end_consent
from cases.access.gate import Basis, Code, Refused
from cases.access.grants import RoleGrant, end_grant
from cases.access.identities import set_mismatch, set_objection, set_protection
from cases.access.organisations import CareProvider, ProviderStatus, move_provider
from cases.access.patients import Patient, Protection
from cases.access.people import Assignment, end_assignment
from cases.access.permissions import Role
from cases.access.relations import PatientRelation, end_relation
from cases.access.sessions import Ending as SessionEnding
from cases.access.sessions import SignInSession, end_session, find_actor
from cases.database import act_for
from cases.records.pathology_case import add_member, release_member
from cases.records.slide_images import SlideImage
from cases.sharing.viewings import open_viewing
from cases.transaction import transaction


@pytest.fixture(scope="module")
def world(module_database: Database) -> Iterator[World]:
    with World(module_database) as world:
        yield world


@pytest.fixture(scope="module")
def kalmar(world: World) -> Place:
    return world.provider("Region Kalmar län")


@pytest.fixture(scope="module")
def linkoping(world: World) -> Place:
    return world.provider("Region Östergötland")


End = Callable[[Session, Looking], object]


def now() -> datetime:
    return datetime.now(UTC)


def own_relation(session: Session, looking: Looking) -> PatientRelation:
    return session.scalars(
        select(PatientRelation).where(PatientRelation.assignment_id == looking.who.assignment.id)
    ).one()


def own_consent(session: Session, looking: Looking) -> ConsentAssertion:
    return session.scalars(
        select(ConsentAssertion).where(ConsentAssertion.created_by == looking.who.assignment.id)
    ).one()


def acting(session: Session, looking: Looking) -> Actor:
    """The reader, as a request of theirs would have it."""
    assert looking.who.token is not None
    found = find_actor(session, looking.who.token, now=now())
    assert found is not None
    return found.require_actor()


def end_agreement(session: Session, looking: Looking, kind: AgreementType, place: Place) -> None:
    agreement = session.scalars(
        select(Agreement).where(Agreement.type == kind, Agreement.party_a == place.provider.id)
    ).one()
    operator = Operator("Drift Driftsson, driftchef")
    terminate(session, agreement, Ending.RESCINDED, reason="Avtalsbrott", by=operator, now=now())


def block(session: Session, looking: Looking, kind: BlockType) -> None:
    owner = looking.case
    clerk = _clerk(session, looking)
    patient = session.get_one(Patient, looking.patient_id)
    unit = owner.care_unit_id if kind is BlockType.INNER else None
    register_block(session, patient, kind, unit_id=unit, by=clerk, now=now())


def _clerk(session: Session, looking: Looking) -> Actor:
    clerk = CLERKS[looking.case.care_provider_id]
    act_for(session, clerk.provider_id)
    return clerk


CLERKS: dict[uuid.UUID, Actor] = {}


@pytest.fixture(scope="module", autouse=True)
def clerks(kalmar: Place, linkoping: Place) -> None:
    CLERKS.update({place.provider.id: place.clerk for place in (kalmar, linkoping)})


def patient_of(session: Session, looking: Looking) -> Patient:
    return session.get_one(Patient, looking.patient_id)


ENDS_AT_HOME: dict[str, tuple[End, Code]] = {
    "the role ends": (
        lambda session, looking: end_grant(
            session,
            session.scalars(select(RoleGrant).where(RoleGrant.assignment_id == looking.who.assignment.id)).one(),
            now=now(),
            by=None,
        ),
        Code.D04,
    ),
    "the assignment ends": (
        lambda session, looking: end_assignment(
            session, session.get_one(Assignment, looking.who.assignment.id), at=now(), now=now(), by=None
        ),
        Code.D03,
    ),
    "the session ends": (
        lambda session, looking: end_session(
            session,
            session.scalars(
                select(SignInSession).where(SignInSession.assignment_id == looking.who.assignment.id)
            ).one(),
            because=SessionEnding.ENDED_BY_PERSON,
            now=now(),
        ),
        Code.D01,
    ),
    "the patient's identity becomes doubtful": (
        lambda session, looking: set_mismatch(
            session, patient_of(session, looking), doubtful=True, by=_clerk(session, looking), now=now()
        ),
        Code.D06,
    ),
    "the identity becomes protected": (
        lambda session, looking: set_protection(
            session,
            patient_of(session, looking),
            Protection.SEKRETESSMARKERING,
            by=_clerk(session, looking),
            now=now(),
        ),
        Code.D40,
    ),
}
ENDS_ELSEWHERE: dict[str, tuple[End, Code]] = {
    "an outer block is registered": (lambda session, looking: block(session, looking, BlockType.OUTER), Code.D30),
    "an inner block is registered": (lambda session, looking: block(session, looking, BlockType.INNER), Code.D30),
    "the patient objects": (
        lambda session, looking: set_objection(
            session, patient_of(session, looking), objects=True, by=_clerk(session, looking), now=now()
        ),
        Code.D32,
    ),
    "the consent ends": (
        lambda session, looking: end_consent(
            session, own_consent(session, looking).id, by=acting(session, looking), now=now()
        ),
        Code.D23,
    ),
    "the relation ends": (
        lambda session, looking: end_relation(
            session, own_relation(session, looking).id, by=acting(session, looking), now=now()
        ),
        Code.D10,
    ),
}


@pytest.mark.parametrize("name", ENDS_AT_HOME)
def test_whatever_ends_a_right_at_home_ends_the_viewing_in_the_same_transaction(kalmar: Place, name: str) -> None:
    end, code = ENDS_AT_HOME[name]
    looking, other = at_home(kalmar), at_home(kalmar)
    assert looking.basis == Basis.OWN_UNIT and looking.live()
    with transaction(kalmar.world.owner) as session:
        end(session, looking)
    assert not looking.live()
    assert looking.ended_code() == code
    assert other.live(), "what somebody else looks at goes on"


@pytest.mark.parametrize("name", ENDS_ELSEWHERE)
def test_whatever_ends_a_right_elsewhere_ends_the_viewing_in_the_same_transaction(
    kalmar: Place, linkoping: Place, name: str
) -> None:
    end, code = ENDS_ELSEWHERE[name]
    looking, at_home_too = from_elsewhere(kalmar, linkoping), at_home(kalmar)
    assert looking.basis == Basis.COHERENT_RECORD and looking.live()
    with transaction(kalmar.world.owner) as session:
        end(session, looking)
    assert not looking.live()
    assert looking.ended_code() == code
    assert at_home_too.live()


def test_a_block_never_darkens_the_own_unit(kalmar: Place) -> None:
    looking = at_home(kalmar)
    with transaction(kalmar.world.owner) as session:
        block(session, looking, BlockType.INNER)
        block(session, looking, BlockType.OUTER)
    assert looking.live()


def test_being_released_from_a_case_ends_what_only_that_allowed(kalmar: Place) -> None:
    clinic = kalmar.other_unit()
    who = clinic.person(Role.CLN)
    case = kalmar.case(kalmar.patient(kalmar.world.number()))
    slide_id = kalmar.world.slide(case)
    with transaction(kalmar.world.owner) as session:
        add_member(session, case, assignment_id=who.assignment.id, by=kalmar.clerk)
    viewing_id, basis = open_as(who, slide_id)
    assert basis == Basis.OWN_PROVIDER
    with transaction(kalmar.world.owner) as session:
        release_member(session, case, assignment_id=who.assignment.id, by=kalmar.clerk, now=now())
    looking = Looking(who, case.patient_id, case, slide_id, viewing_id, basis)
    assert (looking.live(), looking.ended_code()) == (False, Code.D10)


@pytest.mark.parametrize("kind", [AgreementType.PUB, AgreementType.CONNECTION])
def test_without_the_owners_agreement_nobody_sees_anything(world: World, linkoping: Place, kind: AgreementType) -> None:
    """G22."""
    owner = world.provider(f"Utan {kind}")
    CLERKS[owner.provider.id] = owner.clerk
    home, elsewhere, stranger = at_home(owner), from_elsewhere(owner, linkoping), at_home(linkoping)
    with transaction(world.owner) as session:
        end_agreement(session, home, kind, owner)
    assert [(one.live(), one.ended_code()) for one in (home, elsewhere)] == [(False, Code.D03)] * 2
    assert stranger.live()


def test_a_suspended_provider_sees_nothing(world: World) -> None:
    place = world.provider("Avstängd")
    looking = at_home(place)
    with transaction(world.owner) as session:
        provider = session.get_one(CareProvider, place.provider.id)
        move_provider(session, provider, to=ProviderStatus.SUSPENDED, by=None)
    assert (looking.live(), looking.ended_code()) == (False, Code.D03)


def test_opening_and_ending_at_the_same_moment_never_miss_each_other(kalmar: Place, linkoping: Place) -> None:
    """The opening has asked the gate but not committed when the block is registered: it must not slip through."""
    looking = from_elsewhere(kalmar, linkoping)
    asked, blocked = threading.Event(), threading.Event()

    def register() -> None:
        asked.wait(10)
        with transaction(kalmar.world.owner) as session:
            block(session, looking, BlockType.OUTER)
            blocked.set()

    with ThreadPoolExecutor(1) as other:
        registering = other.submit(register)
        with looking.who.acting() as (session, actor):
            slide = session.get_one(SlideImage, looking.slide_id)
            viewing = open_viewing(session, slide, by=actor, now=now())
            asked.set()
            assert blocked.wait(10)
            time.sleep(0.3)
            assert not registering.done(), "the block waits for the opening to end"
        registering.result(timeout=10)
    again = replace(looking, viewing_id=viewing.id)
    assert (again.live(), again.ended_code()) == (False, Code.D30)
    with pytest.raises(Refused):
        open_as(looking.who, looking.slide_id)
