"""Notifications: whom they reach, who has read them, and what they hold."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from people import make_department
from product import Database
from world import Place, Somebody, World

from cases.access.errors import NotThere
from cases.access.notifications import (
    Notification,
    count_unread,
    list_notifications,
    mark_all_read,
    mark_read,
    notify,
)
from cases.access.permissions import Role
from cases.transaction import transaction


@pytest.fixture(scope="module")
def world(module_database: Database) -> Iterator[World]:
    """For all tests of this file; each has its own care providers."""
    with World(module_database) as world:
        yield world


@pytest.fixture
def kalmar(world: World) -> Place:
    """A care provider of this test."""
    return world.provider("Kalmar")


def tell(world: World, event: str, place: Place, **whom: object) -> None:
    """Tell people something, as a worker does."""
    with transaction(world.worker) as session:
        notify(
            session,
            event,
            subject_kind="request",
            subject_id=uuid.uuid4(),
            provider_id=place.provider.id,
            **whom,  # type: ignore[arg-type]
        )


def heard(who: Somebody, *, unread: bool = False) -> list[str]:
    """What somebody finds, the newest first."""
    with who.acting() as (session, actor):
        now = datetime.now(UTC)
        return [one.event for one, _ in list_notifications(session, by=actor, now=now, limit=50, unread=unread)]


def unread(who: Somebody, most: int = 100) -> int:
    """How many somebody has not read."""
    with who.acting() as (session, actor):
        return count_unread(session, by=actor, now=datetime.now(UTC), most=most)


def test_one_person_and_nobody_else(world: World, kalmar: Place) -> None:
    reader, colleague, stranger = kalmar.person(Role.PAT), kalmar.person(Role.PAT), world.provider("X").person(Role.PAT)
    tell(world, "ASSIGNED", kalmar, assignments=[reader.assignment.id, None, reader.assignment.id])
    assert (heard(reader), heard(colleague), heard(stranger)) == (["ASSIGNED"], [], [])


def test_everybody_with_a_role_in_a_department(world: World, kalmar: Place) -> None:
    with transaction(world.owner) as session:
        cytology = make_department(session, kalmar.unit, name="Cytologi")
    whole, here = kalmar.person(Role.PAT), kalmar.person(Role.PAT, department=kalmar.department)
    there, clerk = kalmar.person(Role.PAT, department=cytology), kalmar.person(Role.COO)
    surgeon = kalmar.other_unit().person(Role.PAT)
    tell(
        world,
        "OFFERED",
        kalmar,
        unit_id=kalmar.unit.id,
        department_id=kalmar.department.id,
        roles=[Role.PAT, Role.HEAD],
    )
    assert [heard(one) for one in (whole, here, there, clerk, surgeon)] == [["OFFERED"], ["OFFERED"], [], [], []]


def test_everybody_with_a_role_at_a_care_provider(world: World, kalmar: Place) -> None:
    reviewer, elsewhere = kalmar.person(Role.LOG), kalmar.other_unit().person(Role.DPO)
    doctor, stranger = kalmar.person(Role.PAT), world.provider("X").person(Role.LOG)
    tell(world, "NODOPPNING", kalmar, roles=[Role.LOG, Role.DPO])
    assert [heard(one) for one in (reviewer, elsewhere, doctor, stranger)] == [["NODOPPNING"], ["NODOPPNING"], [], []]


def test_who_has_two_of_the_roles_is_told_once(world: World, kalmar: Place) -> None:
    head = kalmar.person(Role.PAT, Role.HEAD)
    tell(world, "OFFERED", kalmar, unit_id=kalmar.unit.id, roles=[Role.PAT, Role.HEAD])
    assert heard(head) == ["OFFERED"]


def test_each_reads_for_themselves(world: World, kalmar: Place) -> None:
    one, other = kalmar.person(Role.LOG), kalmar.person(Role.LOG)
    for event in ("FIRST", "SECOND", "THIRD"):
        tell(world, event, kalmar, roles=[Role.LOG])
    with one.acting() as (session, actor):
        now = datetime.now(UTC)
        listed = list_notifications(session, by=actor, now=now, limit=50)
        mark_read(session, listed[1][0].id, by=actor, now=now)
        mark_read(session, listed[1][0].id, by=actor, now=now)
    assert (heard(one, unread=True), unread(one), unread(other)) == (["THIRD", "FIRST"], 2, 3)
    assert unread(other, most=2) == 2
    with one.acting() as (session, actor):
        mark_all_read(session, listed[0][0].id, by=actor, now=datetime.now(UTC))
    assert (unread(one), unread(other)) == (0, 3)


def test_reading_up_to_one_leaves_what_came_later(world: World, kalmar: Place) -> None:
    who = kalmar.person(Role.PAT)
    tell(world, "EARLIER", kalmar, assignments=[who.assignment.id])
    with who.acting() as (session, actor):
        shown = list_notifications(session, by=actor, now=datetime.now(UTC), limit=1)[0][0].id
    tell(world, "LATER", kalmar, assignments=[who.assignment.id])
    with who.acting() as (session, actor):
        mark_all_read(session, shown, by=actor, now=datetime.now(UTC))
    assert heard(who, unread=True) == ["LATER"]


def test_nobody_reads_for_another(world: World, kalmar: Place) -> None:
    who, colleague = kalmar.person(Role.PAT), kalmar.person(Role.PAT)
    tell(world, "ASSIGNED", kalmar, assignments=[who.assignment.id])
    with who.acting() as (session, actor):
        mine = list_notifications(session, by=actor, now=datetime.now(UTC), limit=1)[0][0].id
    with colleague.acting() as (session, actor), pytest.raises(NotThere, match="There is no such notification"):
        mark_read(session, mine, by=actor, now=datetime.now(UTC))
    with colleague.acting() as (session, actor):
        mark_all_read(session, mine, by=actor, now=datetime.now(UTC))
    assert unread(who) == 1


def test_pages_go_on_where_the_last_one_ended(world: World, kalmar: Place) -> None:
    who = kalmar.person(Role.PAT)
    for number in range(5):
        tell(world, f"E{number}", kalmar, assignments=[who.assignment.id])
    with who.acting() as (session, actor):
        now = datetime.now(UTC)
        first = list_notifications(session, by=actor, now=now, limit=3)
        rest = list_notifications(session, by=actor, now=now, limit=3, after=first[-1][0].id)
    assert [one.event for one, _ in (*first, *rest)] == ["E4", "E3", "E2", "E1", "E0"]


def test_another_provider_can_be_told_and_what_is_told_cannot_be_changed(world: World, kalmar: Place) -> None:
    teller = world.provider("Linköping").person(Role.PAT)
    reviewer = kalmar.person(Role.LOG)
    with teller.acting() as (session, _):
        notify(
            session,
            "NODOPPNING",
            subject_kind="patient",
            subject_id=uuid.uuid4(),
            provider_id=kalmar.provider.id,
            roles=[Role.LOG],
        )
        assert session.query(Notification).count() == 0  # it is not the teller's to see
    assert heard(reviewer) == ["NODOPPNING"]


def test_nobody_is_told_where_nobody_is_named(world: World, kalmar: Place) -> None:
    before = world.database.query("SELECT count(*) FROM notification")
    tell(world, "NOTHING", kalmar, assignments=[None])
    assert world.database.query("SELECT count(*) FROM notification") == before
