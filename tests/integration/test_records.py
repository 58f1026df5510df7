"""What a case consists of, in the database: who sees it, what is counted, what a scan is taken for, what is stamped."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from product import Database
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from world import Place, World

from cases.access.actors import Actor
from cases.access.errors import Conflict
from cases.access.organisations import CareUnit
from cases.access.permissions import Role
from cases.database import act_for, platform
from cases.records.arrivals import receive
from cases.records.case_moves import move_case
from cases.records.completeness import Completeness, find_completeness
from cases.records.lead_times import Point, note_digitised, stamp
from cases.records.pathology_case import CaseStatus, PathologyCase
from cases.records.record_grant import RecordGrant
from cases.records.slide_images import SlideImage, SlideStatus
from cases.records.specimens import (
    GlassSlide,
    NewBlock,
    NewGlass,
    NewSpecimen,
    Specimen,
    find_material,
    register_glass_slide,
    register_specimen,
)
from cases.transaction import transaction

NOW = datetime.now(UTC)
HE, PAS = NewGlass(label_text="D26-1 A1 HE", barcode="73500"), NewGlass(stain_code="PAS")


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


def make_case(place: Place, *glass: NewGlass) -> PathologyCase:
    """A case with one specimen in one tissue block, of which this glass is made."""
    case = place.case(place.patient(place.world.number()))
    with place.person(Role.LAB).acting() as (session, actor):
        new = NewSpecimen(type="Kolonbiopsi", blocks=(NewBlock(glass=glass),))
        register_specimen(session, case, new, by=actor)
    return case


def scan(
    world: World, case: PathologyCase, *, status: SlideStatus = SlideStatus.VERIFIED, label: str | None = None
) -> uuid.UUID | None:
    """Bring a scan of a case in, as the ingest does. The glass that it was taken for."""
    with transaction(world.worker) as session:
        owner = session.get_one(CareUnit, case.care_unit_id)
        digest = secrets.token_hex(32)
        slide = receive(session, digest=digest, byte_size=1, owner=owner, case=case, label=label)
        slide.status = status
        slide.reason = "It is damaged." if status is SlideStatus.QUARANTINED else None
        return slide.glass_slide_id


def count(world: World, case: PathologyCase) -> Completeness:
    with transaction(world.owner) as session:
        return find_completeness(session, [case.id])[case.id]


def find_glass(world: World, case: PathologyCase) -> list[uuid.UUID]:
    with transaction(world.owner) as session:
        return [glass.id for glass in find_material(session, [case.id])[2]]


def test_glass_is_counted_when_its_image_can_be_opened(world: World, kalmar: Place) -> None:
    case = make_case(kalmar, HE)
    assert count(world, case) == Completeness(arrived=0, expected=1, missing=("A1-1 HE",))
    (glass,) = find_glass(world, case)
    assert scan(world, case, status=SlideStatus.QUARANTINED) == glass
    assert str(count(world, case)) == "0 of 1 slides"
    assert scan(world, case, status=SlideStatus.VERIFYING) == glass, "what is in quarantine is waited for again"
    assert (str(count(world, case)), count(world, case).complete) == ("0 of 1 slides", False)
    assert scan(world, case) is None, "an image of it is being checked, so this one is of something else"
    assert count(world, case) == Completeness(arrived=0, expected=1, missing=("A1-1 HE",), untied=1)


def test_a_scan_is_the_only_glass_that_waits_or_the_one_its_label_names(world: World, kalmar: Place) -> None:
    case = make_case(kalmar, HE, PAS)
    he, pas = find_glass(world, case)
    assert scan(world, case, label="D26-1 A9 HE") is None, "two wait, and neither has this label"
    assert scan(world, case, label="73500") == he
    assert scan(world, case) == pas
    assert count(world, case) == Completeness(arrived=2, expected=2, untied=1)
    assert scan(world, case, label="D26-1 A1 HE") == he, "a glass may be scanned again"
    assert str(count(world, case)) == "2 of 2 slides"


def test_two_scans_at_once_are_not_both_the_last_glass(world: World, kalmar: Place) -> None:
    for _ in range(5):
        case = make_case(kalmar, HE)
        start = Barrier(2)

        def bring_in(case: PathologyCase = case, start: Barrier = start) -> uuid.UUID | None:
            start.wait()
            return scan(world, case)

        with ThreadPoolExecutor(2) as pool:
            taken = [job.result() for job in [pool.submit(bring_in) for _ in range(2)]]
        assert sorted(taken, key=str) == [*find_glass(world, case), None]


def test_a_case_without_registered_glass_has_what_has_come(world: World, kalmar: Place) -> None:
    case = kalmar.case(kalmar.patient(world.number()))
    assert (str(count(world, case)), count(world, case).complete) == ("0 of 0 slides", False)
    scan(world, case)
    assert (str(count(world, case)), count(world, case).complete) == ("1 of 1 slides", True)


def test_glass_that_nobody_waits_for_is_not_missing(world: World, kalmar: Place) -> None:
    case = make_case(kalmar, HE, NewGlass(stain_code="Giemsa", expected=False))
    he, _ = find_glass(world, case)
    assert scan(world, case) == he
    assert count(world, case) == Completeness(arrived=1, expected=1)


def test_an_image_is_of_a_glass_of_its_own_case(world: World, kalmar: Place) -> None:
    one, other = make_case(kalmar, HE), make_case(kalmar, HE)
    scan(world, one)
    with pytest.raises(IntegrityError, match="fk_slide_image_glass_slide_id_case_id"), world.owner() as session:
        slide = session.scalars(select(SlideImage).where(SlideImage.case_id == one.id)).one()
        slide.glass_slide_id = find_glass(world, other)[0]
        session.flush()


def let_in(session: Session, case: PathologyCase, place: Place) -> None:
    with platform(session):
        session.add(
            RecordGrant(
                case_id=case.id,
                owner_provider_id=case.care_provider_id,
                to_provider_id=place.provider.id,
                basis="TEST",
                valid_until=NOW + timedelta(hours=1),
            )
        )


def test_what_a_case_consists_of_is_seen_with_the_case_and_changed_by_its_owner_alone(
    world: World, kalmar: Place, linkoping: Place
) -> None:
    case = make_case(kalmar, HE)
    somebody = linkoping.person(Role.PAT)
    with somebody.acting() as (session, _):
        assert [list(rows) for rows in find_material(session, [case.id])] == [[], [], []]
        let_in(session, case, linkoping)
        specimens, blocks, glass = find_material(session, [case.id])
        assert (len(specimens), len(blocks), len(glass)) == (1, 1, 1)
    with somebody.acting() as (session, _):
        statement = update(GlassSlide).where(GlassSlide.case_id == case.id).values(stain_code="PAS")
        assert session.scalars(statement.returning(GlassSlide.id)).all() == []


def test_whoever_reads_a_case_elsewhere_puts_glass_to_wait_for_into_it(
    world: World, kalmar: Place, linkoping: Place
) -> None:
    case = make_case(kalmar, HE)
    with linkoping.person(Role.PAT).acting() as (session, actor), platform(session):
        specimen = session.scalars(select(Specimen).where(Specimen.case_id == case.id)).one()
        glass = register_glass_slide(session, case, NewGlass(stain_code="Ki-67"), specimen=specimen, by=actor)
        assert (glass.care_provider_id, glass.created_by) == (kalmar.provider.id, actor.assignment_id)
    assert count(world, case).missing == ("A1-1 HE", "A-1 Ki-67")


def test_the_first_time_a_case_comes_to_a_point_counts(world: World, kalmar: Place, linkoping: Place) -> None:
    case = kalmar.case(kalmar.patient(world.number()))
    with linkoping.person(Role.PAT).acting() as (session, _):
        stamp(session, case.id, "diagnosis_started_at", NOW)
        stamp(session, case.id, Point.DIAGNOSIS_STARTED, NOW + timedelta(hours=1))
    with transaction(world.owner) as session:
        row = session.get_one(PathologyCase, case.id)
        assert (row.diagnosis_started_at, row.report_sent_at) == (NOW, None)
        with pytest.raises(ValueError, match="'lid' is not a valid Point"):
            stamp(session, case.id, "lid", NOW)


def test_a_case_is_digitised_when_its_last_glass_was_scanned(world: World, kalmar: Place) -> None:
    case = make_case(kalmar, HE, PAS)
    scan(world, case, label="73500")

    def note() -> datetime | None:
        with transaction(world.worker) as session:
            note_digitised(session, case.id)
        with transaction(world.owner) as session:
            return session.get_one(PathologyCase, case.id).digitised_at

    assert note() is None, "one glass is missing"
    scan(world, case)
    with transaction(world.worker) as session:
        first, last = session.scalars(select(SlideImage).where(SlideImage.case_id == case.id).order_by(SlideImage.id))
        first.scanned_at, last.scanned_at = "2026-01-02T08:00:00+01:00", "2026-01-02T09:30:00+01:00"
    assert note() == datetime(2026, 1, 2, 8, 30, tzinfo=UTC)
    with transaction(world.worker) as session:
        session.get_one(SlideImage, last.id).scanned_at = "2026-01-02T09:30:00"
    assert note() == datetime(2026, 1, 2, 8, 30, tzinfo=UTC), "the first time counts"


def test_without_an_offset_a_scan_is_as_old_as_its_arrival(world: World, kalmar: Place) -> None:
    case = make_case(kalmar, HE)
    scan(world, case)
    with transaction(world.worker) as session:
        image = session.scalars(select(SlideImage).where(SlideImage.case_id == case.id)).one()
        image.scanned_at = "2026-01-02T08:00:00"
        session.flush()
        note_digitised(session, case.id)
    with transaction(world.owner) as session:
        assert session.get_one(PathologyCase, case.id).digitised_at == image.created_at


def test_a_case_is_signed_out_where_it_came_in_until_somebody_says_otherwise(kalmar: Place, world: World) -> None:
    assert kalmar.case(kalmar.patient(world.number())).signout_department_id == kalmar.department.id


def test_a_case_that_is_signed_out_elsewhere_is_not_closed_by_its_laboratory(
    world: World, kalmar: Place, linkoping: Place
) -> None:
    case = kalmar.case(kalmar.patient(world.number()))
    with kalmar.person(Role.LAB).acting() as (session, actor):
        row = session.get_one(PathologyCase, case.id)
        with platform(session):
            row.signout_department_id = linkoping.department.id
        with pytest.raises(Conflict, match="Recall the transfer, or wait for its answer"):
            move_case(session, row, CaseStatus.FINAL, by=actor, now=NOW)
        move_case(session, row, CaseStatus.READY, by=actor, now=NOW)
        assert (row.status, row.released_at) == (CaseStatus.READY, NOW)
        with platform(session):
            row.signout_department_id = kalmar.department.id


def test_registering_more_lets_blocks_cover_the_case_from_now_on(world: World, kalmar: Place) -> None:
    case = kalmar.case(kalmar.patient(world.number()), status=CaseStatus.IN_LAB)
    with kalmar.person(Role.LAB).acting() as (session, actor):
        register_specimen(session, case, NewSpecimen(), by=actor)
    assert read_registered(world, case) > case.accessioned_at + timedelta(days=9)
    with transaction(world.owner) as session:
        came_with = _make_together(session, kalmar, kalmar.clerk)
    assert read_registered(world, came_with) == came_with.accessioned_at, "what is registered with a case came with it"


def _make_together(session: Session, place: Place, actor: Actor) -> PathologyCase:
    act_for(session, place.provider.id)
    case = PathologyCase(
        care_provider_id=place.provider.id,
        care_unit_id=place.unit.id,
        department_id=place.department.id,
        lid=f"T-{secrets.token_hex(4)}",
        patient_id=place.patient(place.world.number()),
        accessioned_at=NOW - timedelta(days=5),
        last_registered_at=NOW - timedelta(days=5),
    )
    session.add(case)
    session.flush()
    register_specimen(session, case, NewSpecimen(), by=actor)
    return case


def read_registered(world: World, case: PathologyCase) -> datetime:
    with transaction(world.owner) as session:
        return session.get_one(PathologyCase, case.id).last_registered_at
