"""Viewings: opened by the gate, ended in the same transaction as any right they rest on, renewed without notice."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from product import Database
from sqlalchemy import select
from sqlalchemy.orm import Session
from world import Place, Somebody, World

from cases.access.actors import Actor
from cases.access.agreements import Agreement, AgreementType, Ending, Operator, terminate
from cases.access.audit import AuditEvent, Event, LogUnavailable
from cases.access.blocks import BlockType, register_block
from cases.access.choices import ChoiceKind
from cases.access.consents import ConsentAssertion, ConsentForm, ConsentScope, end_consent, register_consent
from cases.access.decisions import AccessDecision
from cases.access.gate import Basis, Code, Refused
from cases.access.grants import RoleGrant, end_grant
from cases.access.identities import set_mismatch, set_objection, set_protection
from cases.access.organisations import CareProvider, ProviderStatus, move_provider
from cases.access.patients import Patient, Protection
from cases.access.people import Assignment, end_assignment
from cases.access.permissions import Role
from cases.access.relations import PatientRelation, RelationReason, end_relation, register_relation
from cases.access.sessions import Ending as SessionEnding
from cases.access.sessions import SignInSession, end_session
from cases.database import act_for, platform
from cases.records.pathology_case import PathologyCase, add_member, release_member
from cases.records.slide_images import SlideImage, SlideStatus, quarantine
from cases.sharing.record_grants import look_up
from cases.sharing.viewings import Viewing, close_viewing, find_live, open_viewing, renew
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


@dataclass
class Looking:
    """Somebody with a slide open."""

    who: Somebody
    patient_id: uuid.UUID
    case: PathologyCase
    slide_id: uuid.UUID
    viewing_id: uuid.UUID
    basis: str

    def live(self) -> bool:
        """Whether the tile server would serve it."""
        with transaction(self.who.place.world.app) as session:
            return self.viewing_id in find_live(session, [self.viewing_id])

    def ended_code(self) -> str | None:
        """Why it ended."""
        with transaction(self.who.place.world.owner) as session:
            return session.get_one(Viewing, self.viewing_id).ended_code


def open_as(who: Somebody, slide_id: uuid.UUID) -> tuple[uuid.UUID, str]:
    """Open a slide in a request of its own: the viewing's id and its basis."""
    with who.acting() as (session, actor):
        viewing = open_viewing(session, session.get_one(SlideImage, slide_id), by=actor, now=datetime.now(UTC))
        return viewing.id, viewing.basis


def at_home(place: Place, *, team: bool = False) -> Looking:
    """A pathologist of the owner's own unit: by the department's queue, or as one of the team."""
    who = place.person(Role.PAT)
    patient_id = place.patient(place.world.number())
    case = place.case(patient_id)
    slide_id = place.world.slide(case)
    if team:
        with transaction(place.world.owner) as session:
            add_member(session, case, assignment_id=who.assignment.id, by=place.clerk)
    return Looking(who, patient_id, case, slide_id, *open_as(who, slide_id))


def from_elsewhere(owner: Place, reader: Place) -> Looking:
    """A clinician of another provider who looks up what the owner has of a patient in their care who consents."""
    number = owner.world.number()
    patient_id, there = owner.patient(number), reader.patient(number)
    case = owner.case(patient_id)
    slide_id = owner.world.slide(case)
    who = reader.person(Role.CLN)
    now = datetime.now(UTC)
    with who.acting() as (session, actor):
        patient = session.get_one(Patient, there)
        register_relation(session, patient, RelationReason.ADMISSION, by=actor, now=now)
        register_consent(session, patient, ConsentScope.SVOD, how=ConsentForm.ORAL, by=actor, now=now)
    with who.acting() as (session, actor):
        patient = session.get_one(Patient, there)
        found = look_up(session, patient, ChoiceKind.COHERENT_RECORD, reason="Inlagd hos oss", by=actor, now=now)
        assert [(listed.slide.id, listed.may_open) for listed in found.listed] == [(slide_id, True)]
    return Looking(who, patient_id, case, slide_id, *open_as(who, slide_id))


Event_ = Callable[[Session, Looking], object]


def now() -> datetime:
    return datetime.now(UTC)


def one(session: Session, statement: object) -> object:
    return session.scalars(statement).one()  # type: ignore[call-overload]


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
    from cases.access.sessions import find_actor

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


ENDS_AT_HOME: dict[str, tuple[Event_, Code]] = {
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
ENDS_ELSEWHERE: dict[str, tuple[Event_, Code]] = {
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


def test_a_slide_put_in_quarantine_goes_dark_for_readers(kalmar: Place) -> None:
    looking = at_home(kalmar)
    with transaction(kalmar.world.worker) as session:
        quarantine(session.get_one(SlideImage, looking.slide_id), code="DAMAGED_FILE", sentence="It is damaged.")
    assert not looking.live()


def test_quality_control_opens_what_is_in_quarantine(kalmar: Place) -> None:
    """G18."""
    case = kalmar.case(kalmar.patient(kalmar.world.number()))
    slide_id = kalmar.world.slide(case, status=SlideStatus.QUARANTINED)
    viewing_id, _ = open_as(kalmar.person(Role.LAB), slide_id)
    with transaction(kalmar.world.app) as session:
        assert viewing_id in find_live(session, [viewing_id])
    with pytest.raises(Refused) as refused:
        open_as(kalmar.person(Role.PAT), slide_id)
    assert refused.value.decision.code is Code.D05


def test_a_viewing_lasts_two_minutes_and_is_renewed_while_somebody_looks(kalmar: Place) -> None:
    looking = at_home(kalmar)
    later = now() + timedelta(seconds=70)
    with looking.who.acting() as (session, actor):
        viewing = session.get_one(Viewing, looking.viewing_id)
        began = viewing.until
        renew(session, viewing, by=actor, now=now())
        assert viewing.until == began, "there is time enough left"
        renew(session, viewing, by=actor, now=later)
        assert viewing.until == later + timedelta(minutes=2)
    with transaction(kalmar.world.owner) as session:
        session.get_one(Viewing, looking.viewing_id).until = now()
    assert not looking.live()


def test_renewing_asks_the_gate_again(kalmar: Place) -> None:
    looking = at_home(kalmar)
    with transaction(kalmar.world.owner) as session:
        # As if it had ended by itself: nobody noted that a right changed.
        grant = session.scalars(select(RoleGrant).where(RoleGrant.assignment_id == looking.who.assignment.id)).one()
        grant.valid_to = now()
    assert looking.live()
    with looking.who.acting() as (session, actor):
        renew(session, session.get_one(Viewing, looking.viewing_id), by=actor, now=now() + timedelta(seconds=70))
    assert (looking.live(), looking.ended_code()) == (False, Code.D04)


def test_opening_and_closing_are_on_record_with_the_decision(kalmar: Place) -> None:
    looking = at_home(kalmar)
    with looking.who.acting() as (session, actor):
        viewing = session.get_one(Viewing, looking.viewing_id)
        close_viewing(session, viewing, by=actor, now=now())
        close_viewing(session, viewing, by=actor, now=now())
    with transaction(kalmar.world.owner) as session:
        decision = session.get_one(AccessDecision, session.get_one(Viewing, looking.viewing_id).decision_id)
        assert (decision.allowed, decision.basis, decision.resource_id) == (True, "OWN_UNIT", looking.slide_id)
        entries = session.scalars(
            select(AuditEvent).where(AuditEvent.assignment_id == looking.who.assignment.id).order_by(AuditEvent.seq)
        ).all()
        events = [entry.event for entry in entries if entry.event in (Event.SLIDE_OPENED, Event.SLIDE_CLOSED)]
        assert events == [Event.SLIDE_OPENED, Event.SLIDE_CLOSED]
        assert {entry.decision_id for entry in entries if entry.event in events} == {decision.id}


def test_a_refusal_stays_on_record_although_the_transaction_is_rolled_back(kalmar: Place) -> None:
    case = kalmar.case(kalmar.patient(kalmar.world.number()))
    slide_id = kalmar.world.slide(case)
    clinician = kalmar.other_unit().person(Role.CLN)
    with pytest.raises(Refused) as refused:
        open_as(clinician, slide_id)
    assert refused.value.decision.code is Code.D10
    with transaction(kalmar.world.owner) as session:
        entry = session.scalars(
            select(AuditEvent).where(
                AuditEvent.assignment_id == clinician.assignment.id, AuditEvent.event == Event.ACCESS_DENIED
            )
        ).one()
        assert (entry.code, entry.outcome) == ("D10", "DENIED")
        decision = session.get_one(AccessDecision, entry.decision_id)
        assert (decision.allowed, decision.code, decision.resource_id) == (False, "D10", slide_id)
        assert session.scalars(select(Viewing).where(Viewing.slide_image_id == slide_id)).all() == []


def test_no_log_no_access(world: World) -> None:
    """G20."""
    place = world.provider("Utan logg")
    case = place.case(place.patient(world.number()))
    slide_id, who = world.slide(case), place.person(Role.PAT)
    who.sign_in()
    world.database.query("REVOKE INSERT ON audit_event FROM samsyn_app")
    try:
        with pytest.raises(LogUnavailable):
            open_as(who, slide_id)
    finally:
        world.database.query("GRANT INSERT ON audit_event TO samsyn_app")
    with transaction(world.owner) as session:
        assert session.scalars(select(Viewing).where(Viewing.slide_image_id == slide_id)).all() == []
    assert open_as(who, slide_id)


def test_a_query_that_forgets_its_filter_returns_nothing_of_others(world: World, kalmar: Place) -> None:
    at_home(kalmar)
    looking = at_home(world.provider("Ännu ingen"))
    for model in (Patient, PathologyCase, SlideImage, Viewing, RoleGrant, AccessDecision, AuditEvent):
        with transaction(kalmar.world.app) as session:
            assert session.scalars(select(model)).all() == [], f"{model.__name__}: nobody acts, yet rows are seen"
        with looking.who.acting() as (session, actor):
            rows = session.scalars(select(model)).all()
            assert rows, f"{model.__name__}: the own rows are there"
            owners = {row.care_provider_id for row in rows}  # type: ignore[attr-defined]
            if model is not AuditEvent:
                assert owners == {actor.provider_id}, f"{model.__name__}: others' rows are seen"
    with transaction(kalmar.world.app) as session, platform(session):
        assert len({row.care_provider_id for row in session.scalars(select(Patient))}) >= 2


def test_the_database_hides_a_case_again_when_the_choice_is_over(kalmar: Place, linkoping: Place) -> None:
    looking = from_elsewhere(kalmar, linkoping)
    with looking.who.acting() as (session, _):
        assert session.get(SlideImage, looking.slide_id) is not None
    kalmar.world.database.query("UPDATE record_grant SET valid_until = now() - interval '1 second'")
    with looking.who.acting() as (session, _):
        assert session.get(SlideImage, looking.slide_id) is None


