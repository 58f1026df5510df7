"""Who takes up a discrepancy and says what comes of it; what is loaded to list an answer's versions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import sqlalchemy
from answering import COMPLETE, Asked, ask
from people import make_department
from product import Database
from world import Place, Somebody, World

from cases.access.errors import NotPermitted
from cases.access.permissions import Role
from cases.sharing.answers.content import Agreement
from cases.sharing.answers.reconciliations import Judgement, Reconciliation, ReconciliationOutcome, decide, start
from cases.sharing.answers.register import find_answer, list_versions
from cases.sharing.requests import lock_request
from cases.transaction import transaction

MAJOR = replace(COMPLETE, agreement=Agreement.MAJOR_DISCREPANCY, impact="Ny operation.")


@pytest.fixture(scope="module")
def places(module_database: Database) -> Iterator[tuple[Place, Place]]:
    with World(module_database) as world:
        yield world.provider("Region Kalmar"), world.provider("Region Östergötland")


def reconcile(who: Somebody, asked: Asked) -> None:
    """Begin, and say what came of it."""
    now = datetime.now(UTC)
    with who.acting() as (session, actor):
        start(session, lock_request(session, asked.request_id, by=actor), by=actor, now=now)
    settle(who, asked)


def settle(who: Somebody, asked: Asked) -> None:
    """Say what came of what was begun."""
    with who.acting() as (session, actor):
        row = session.scalars(
            sqlalchemy.select(Reconciliation).where(Reconciliation.request_id == asked.request_id)
        ).one()
        judgement = Judgement(outcome=ReconciliationOutcome.CONSENSUS_PRIMARY)
        decide(session, row, judgement, by=actor, now=datetime.now(UTC))


def elsewhere(place: Place, *roles: Role) -> Somebody:
    """Somebody of another department of the same care unit."""
    with transaction(place.world.owner) as session:
        department = make_department(session, place.unit, name="Cytologi")
    return place.person(*roles, department=department)


@pytest.mark.parametrize("role", [Role.PAT, Role.HEAD, Role.COO])
def test_a_discrepancy_is_for_the_department_that_asked(places: tuple[Place, Place], role: Role) -> None:
    asked = ask(*places)
    asked.answered(MAJOR)
    with asked.requester.acting() as (session, actor):
        start(session, lock_request(session, asked.request_id, by=actor), by=actor, now=datetime.now(UTC))
    for stranger, why in (
        (elsewhere(places[0], role), "This is for that department's"),
        (places[0].other_unit().person(role), "This is for another care unit"),
        (asked.performer.person(role), "reconciled by the department whose"),
    ):
        for attempt in (reconcile, settle):
            with pytest.raises(NotPermitted, match=why):
                attempt(stranger, asked)
    reconcile(places[0].person(role), asked)


def test_who_watches_a_request_reconciles_it_from_another_unit(places: tuple[Place, Place]) -> None:
    watcher = places[0].other_unit().person(Role.PAT)
    asked = ask(*places, watcher_assignment_id=watcher.assignment.id)
    asked.answered(MAJOR)
    reconcile(watcher, asked)


def test_a_list_of_versions_loads_none_of_what_they_say(places: tuple[Place, Place]) -> None:
    asked = ask(*places)
    answer_id = asked.answered(MAJOR).answer_id
    with asked.reader.acting() as (session, _):
        listed = list_versions(session, find_answer(session, answer_id), every=True)
        said = {"content", "findings", "amendment"}
        assert [one.version.number for one in listed] == [2, 1]
        assert [sqlalchemy.inspect(one.version).unloaded & said for one in listed] == [said, said]
        assert listed[0].version.said.impact == "Ny operation.", "what somebody asks for is fetched then"
