"""What the list of slides costs: neither what was closed long ago nor what nobody may see is looked through."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from product import Database
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session
from world import Place, Somebody, World

from cases.access.actors import Actor
from cases.access.permissions import Role
from cases.records.pathology_case import CaseStatus
from cases.sharing.worklists import list_slides

CLOSED = """
INSERT INTO slide_image (id, version, care_provider_id, care_unit_id, case_id, original_digest, byte_size, status,
    pyramid, has_thumbnail, has_macro, attempts)
SELECT uuidv7(), 1, :provider, :unit, :case, encode(sha256(int4send(n)), 'hex'), 1, 'VERIFIED', 'NONE', false, false, 0
FROM generate_series(1, 10000) AS n
"""


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    with World(database) as world:
        yield world


def close_many(world: World, place: Place) -> None:
    """10,000 slides of a closed case, newer than all others."""
    case = place.case(place.patient(world.number()), status=CaseStatus.FINAL)
    for statement in ("ALTER TABLE slide_image DISABLE TRIGGER ring", "ALTER TABLE slide_image ENABLE TRIGGER ring"):
        world.database.query(statement)
        if "DISABLE" in statement:
            world.database.query(CLOSED, provider=place.provider.id, unit=place.unit.id, case=case.id)
    world.database.query("ANALYZE slide_image")


@contextmanager
def counting(session: Session) -> Iterator[list[int]]:
    """For each statement that finds slides to ask the gate about: pages of the database that it reads."""
    engine, pages = session.get_bind(), list[int]()
    assert isinstance(engine, Engine)

    def explain(connection: Any, cursor: Any, statement: str, parameters: Any, *others: Any) -> None:
        if "reachable" in statement:
            with cursor.connection.cursor() as aside:
                asked = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"
                plan = aside.execute(asked, parameters, prepare=False).fetchone()[0][0]["Plan"]
            pages.append(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])

    event.listen(engine, "before_cursor_execute", explain)
    try:
        yield pages
    finally:
        event.remove(engine, "before_cursor_execute", explain)


def look(who: Somebody, **changes: Any) -> tuple[int, list[int]]:
    """How many slides somebody finds, and what finding them reads."""
    with who.acting() as (session, actor), counting(session) as pages:
        by: Actor = replace(actor, **changes)
        return len(list_slides(session, by=by, now=datetime.now(UTC), limit=50)), pages


def test_closed_slides_cost_nothing(world: World) -> None:
    place = world.provider("Kalmar")
    who = place.person(Role.PAT)
    for _ in range(3):
        world.slide(place.case(place.patient(world.number())))
    found, before = look(who)
    close_many(world, place)
    again, after = look(who)
    assert found == again == 3
    # An index may grow by a level; a slide's page in between would be one of more than 200.
    assert sum(after) <= sum(before) + 20


def test_whoever_may_see_nothing_is_asked_about_once(world: World) -> None:
    place = world.provider("Kalmar")
    who = place.person(Role.PAT)
    case = place.case(place.patient(world.number()))
    for _ in range(120):
        world.slide(case)
    assert look(who)[0] == 50
    for changes in ({"processings": ()}, {"assurance": 2}, {"grants": ()}, {"ended": True}):
        found, pages = look(who, **changes)
        assert (found, len(pages)) == (0, 1), changes
