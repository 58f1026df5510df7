"""Viewings: opened by the gate, renewed without notice, on record, and behind the database's own walls."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from looking import at_home, from_elsewhere, open_as
from product import Database
from sqlalchemy import select
from world import Place, World

from cases.access.audit import AuditEvent, Event, LogUnavailable
from cases.access.decisions import AccessDecision
from cases.access.gate import Code, Refused
from cases.access.grants import RoleGrant
from cases.access.patients import Patient
from cases.access.permissions import Role
from cases.database import platform
from cases.records.pathology_case import PathologyCase
from cases.records.slide_images import SlideImage, SlideStatus, quarantine
from cases.sharing.viewings import Viewing, close_viewing, find_live, renew
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


def now() -> datetime:
    return datetime.now(UTC)


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
