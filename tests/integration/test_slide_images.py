"""The life of a slide image: its moves, its lease, and what the database itself refuses."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from product import Database
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from world import World

from cases.database import sessions
from cases.records import slide_images
from cases.records.arrivals import find_unregistered, receive
from cases.records.slide_images import (
    ATTEMPTS,
    LEASE,
    IllegalMove,
    LeaseLost,
    PyramidState,
    SlideFacts,
    SlideImage,
    SlideStatus,
    TilePyramid,
    claim,
    complete_pyramid,
    fail_pyramid,
    find_due,
    give_back,
    quarantine,
    renew,
    take_back,
    verify,
)
from cases.transaction import transaction

RECEIVED, VERIFYING, VERIFIED, AVAILABLE, QUARANTINED = SlideStatus
FACTS = SlideFacts(
    format="aperio",
    width=1300,
    height=900,
    tile_size=256,
    spacing_x=0.5,
    spacing_y=0.5,
    objective=20.0,
    scanner=None,
    scanned_at=None,
    colour_profile="MISSING",
    has_thumbnail=True,
    has_macro=False,
)

# The whole table of domain rules 5.6, as far as it exists, written out a second time.
ALLOWED = {
    (RECEIVED, VERIFYING),
    (VERIFYING, VERIFIED),
    (VERIFYING, QUARANTINED),
    (VERIFIED, AVAILABLE),
    (VERIFIED, QUARANTINED),
    (AVAILABLE, QUARANTINED),
    (QUARANTINED, VERIFYING),
}


def make_pyramid() -> TilePyramid:
    return TilePyramid(tile_size=256, levels=4, level0_digest="ab", byte_size=1, built_by="0")


def put(session: Session, status: SlideStatus, **columns: object) -> SlideImage:
    """A slide in a certain state, as if it had come there."""
    slide = receive(session, digest=2 * uuid.uuid4().hex, byte_size=1)
    slide.status = status
    slide.reason = "for a reason" if status == QUARANTINED else None
    slide.pyramid = PyramidState.READY if status == AVAILABLE else PyramidState.NONE
    for name, value in columns.items():
        setattr(slide, name, value)
    session.flush()
    return slide


def hold(session: Session, slide: SlideImage) -> uuid.UUID:
    holder = uuid.uuid4()
    assert claim(session, slide.id, holder=holder) is slide
    return holder


MOVERS: dict[SlideStatus, Callable[[Session, SlideImage], object]] = {
    VERIFIED: lambda session, slide: verify(slide, FACTS),
    QUARANTINED: lambda session, slide: quarantine(slide, code="DAMAGED_FILE", sentence="It is damaged."),
    AVAILABLE: lambda session, slide: complete_pyramid(
        session, slide, make_pyramid(), pixel_path="PASSTHROUGH", psnr=None
    ),
}


@pytest.mark.parametrize("to", MOVERS)
@pytest.mark.parametrize("start", SlideStatus)
def test_every_move_is_in_the_table_and_every_other_is_refused_with_those_that_are(
    worker_session: Session, start: SlideStatus, to: SlideStatus
) -> None:
    slide = put(worker_session, start)
    if (start, to) in ALLOWED:
        MOVERS[to](worker_session, slide)
        worker_session.flush()
        assert slide.status == to
        return
    with pytest.raises(IllegalMove) as refused:
        MOVERS[to](worker_session, slide)
    allowed = sorted(end for begin, end in ALLOWED if begin == start)
    assert str(refused.value) == f"A slide that is {start} cannot become {to}; allowed now: {', '.join(allowed)}."
    assert slide.status == start


def test_the_table_of_moves_is_the_one_of_the_domain_rules() -> None:
    assert {(start, to) for start, ends in slide_images.MOVES.items() for to in ends} == ALLOWED
    assert set(slide_images.MOVES) == set(SlideStatus)


@pytest.mark.parametrize("status", [AVAILABLE, QUARANTINED])
def test_a_settled_slide_cannot_be_claimed(worker_session: Session, status: SlideStatus) -> None:
    assert claim(worker_session, put(worker_session, status).id, holder=uuid.uuid4()) is None


def test_a_slide_without_a_pyramid_that_can_be_built_is_not_claimed_again(worker_session: Session) -> None:
    slide = put(worker_session, VERIFIED, pyramid=PyramidState.BUILDING)
    fail_pyramid(slide, code="TILING_FAILED", sentence="It cannot be built.")
    worker_session.flush()
    assert slide.viewable
    assert claim(worker_session, slide.id, holder=uuid.uuid4()) is None
    assert slide.id not in find_due(worker_session, *SlideStatus)


def test_an_unknown_slide_cannot_be_claimed(worker_session: Session) -> None:
    assert claim(worker_session, uuid.uuid4(), holder=uuid.uuid4()) is None


def test_a_slide_goes_all_the_way(worker_session: Session) -> None:
    slide = receive(worker_session, digest="e" * 64, byte_size=7, caption="Glas")
    assert (slide.status, slide.pyramid, slide.viewable) == (RECEIVED, PyramidState.NONE, False)
    hold(worker_session, slide)
    assert (slide.status, slide.attempts, slide.progress) == (VERIFYING, 0, 0.0)
    verify(slide, FACTS)
    worker_session.flush()
    assert (slide.status, slide.lease_holder, slide.progress, slide.attempts) == (VERIFIED, None, None, 0)
    assert (slide.width, slide.spacing_x, slide.viewable) == (1300, 0.5, True)
    hold(worker_session, slide)
    assert (slide.status, slide.pyramid, slide.viewable) == (VERIFIED, PyramidState.BUILDING, True)
    complete_pyramid(worker_session, slide, make_pyramid(), pixel_path="PASSTHROUGH", psnr=None)
    worker_session.flush()
    assert (slide.status, slide.pyramid, slide.lease_holder) == (AVAILABLE, PyramidState.READY, None)


def test_a_rebuilt_pyramid_replaces_the_row_of_the_older_one(worker_session: Session) -> None:
    slide = put(worker_session, VERIFIED)
    worker_session.add(TilePyramid(slide_image_id=slide.id, **{**vars_of(make_pyramid()), "level0_digest": "old"}))
    worker_session.flush()
    complete_pyramid(worker_session, slide, make_pyramid(), pixel_path="PASSTHROUGH", psnr=None)
    worker_session.flush()
    digests = worker_session.execute(
        text("SELECT level0_digest FROM tile_pyramid WHERE slide_image_id = :id"), {"id": slide.id}
    )
    assert list(digests.scalars()) == ["ab"]


def vars_of(pyramid: TilePyramid) -> dict[str, object]:
    return {name: getattr(pyramid, name) for name in ("tile_size", "levels", "byte_size", "built_by")}


def test_of_two_connections_that_claim_at_once_one_wins(database: Database) -> None:
    rounds, winners = 100, []
    with database.engine("samsyn_worker") as engine, engine.connect() as kept:
        kept.rollback()
        make = sessions(engine)
        with transaction(make) as session:
            ids = [receive(session, digest=f"{number:064x}", byte_size=1).id for number in range(rounds)]
        start = threading.Barrier(2)
        won: list[tuple[uuid.UUID, uuid.UUID]] = []

        def compete() -> None:
            with engine.connect() as connection:
                for slide_id in ids:
                    holder = uuid.uuid4()
                    start.wait(timeout=30)
                    with Session(connection) as session:
                        if claim(session, slide_id, holder=holder) is not None:
                            won.append((slide_id, holder))
                        session.commit()

        threads = [threading.Thread(target=compete) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        winners = database.query("SELECT id, lease_holder, attempts FROM slide_image ORDER BY number")
    assert sorted(slide_id for slide_id, _ in won) == sorted(ids)
    assert [(row["id"], row["lease_holder"]) for row in winners] == won
    assert {row["attempts"] for row in winners} == {0}


def test_a_lease_that_was_lost_can_neither_be_renewed_nor_used(worker_session: Session) -> None:
    slide = receive(worker_session, digest="f" * 64, byte_size=1)
    first = hold(worker_session, slide)
    renew(worker_session, slide.id, holder=first, progress=0.5)
    worker_session.refresh(slide)
    assert slide.progress == 0.5
    renew(worker_session, slide.id, holder=first)
    worker_session.refresh(slide)
    assert slide.progress == 0.5  # nothing new about the progress keeps the old
    slide.leased_until = datetime.now(UTC) - timedelta(seconds=1)
    worker_session.flush()
    second = hold(worker_session, slide)
    for refused in (renew, take_back):
        with pytest.raises(LeaseLost, match="ran out while it was worked on"):
            refused(worker_session, slide.id, holder=first)
    assert take_back(worker_session, slide.id, holder=second) is slide


def test_a_finished_slide_is_nobodys_to_renew(worker_session: Session) -> None:
    slide = receive(worker_session, digest="f" * 64, byte_size=1)
    holder = hold(worker_session, slide)
    quarantine(slide, code="DAMAGED_FILE", sentence="It is damaged.")
    worker_session.flush()
    with pytest.raises(LeaseLost):
        renew(worker_session, slide.id, holder=holder)


def test_what_is_due_is_what_nobody_works_on_the_longest_waiting_first(worker_session: Session) -> None:
    now = datetime.now(UTC)
    leases = {"lease_holder": uuid.uuid4(), "leased_until": now + LEASE}
    ran_out = {"lease_holder": uuid.uuid4(), "leased_until": now - timedelta(seconds=1)}
    for state in (AVAILABLE, QUARANTINED):
        put(worker_session, state)
    put(worker_session, VERIFIED, pyramid=PyramidState.FAILED)
    put(worker_session, VERIFYING, **leases)
    put(worker_session, VERIFIED, pyramid=PyramidState.BUILDING, **leases)
    due = [
        put(worker_session, RECEIVED, updated_at=now - timedelta(hours=1)),
        put(worker_session, VERIFIED, updated_at=now - timedelta(hours=3)),
        put(worker_session, VERIFYING, **ran_out, updated_at=now - timedelta(hours=2)),
        put(worker_session, VERIFIED, pyramid=PyramidState.BUILDING, **ran_out, updated_at=now - timedelta(hours=4)),
    ]
    wanted = [due[3].id, due[1].id, due[2].id, due[0].id]
    assert find_due(worker_session, *SlideStatus) == wanted


@pytest.mark.parametrize(
    ("status", "ends", "code"),
    [
        (RECEIVED, (QUARANTINED, PyramidState.NONE), "DAMAGED_FILE"),
        (VERIFIED, (VERIFIED, PyramidState.FAILED), "TILING_FAILED"),
    ],
)
def test_a_step_whose_reader_is_always_ended_is_given_up(
    worker_session: Session, status: SlideStatus, ends: tuple[SlideStatus, PyramidState], code: str
) -> None:
    slide = put(worker_session, status)
    for attempt in range(1, ATTEMPTS + 1):
        hold(worker_session, slide)
        give_back(slide, after=timedelta(), code="READER_ENDED", sentence="It was ended.", attempt=True)
        worker_session.flush()
        worker_session.refresh(slide)
        assert slide.attempts == attempt
    assert claim(worker_session, slide.id, holder=uuid.uuid4()) is None
    worker_session.flush()
    assert (slide.status, slide.pyramid) == ends
    assert (slide.reason_code, slide.lease_holder) == (code, None)
    assert slide.reason == "Reading this slide was ended 5 times before it was done. Export it again."
    assert find_due(worker_session, *SlideStatus) == []


def test_a_step_given_back_is_no_attempt_and_falls_due_after_its_pause(worker_session: Session) -> None:
    slide = receive(worker_session, digest="a" * 64, byte_size=1)
    for _ in range(ATTEMPTS + 1):
        hold(worker_session, slide)
        give_back(slide, after=timedelta(minutes=4), code="STORAGE_REFUSED", sentence="The disk is full.")
        worker_session.flush()
        assert (slide.attempts, slide.reason, slide.status) == (0, "The disk is full.", VERIFYING)
        assert claim(worker_session, slide.id, holder=uuid.uuid4()) is None
        assert find_due(worker_session, *SlideStatus) == []
        slide.leased_until = datetime.now(UTC) - timedelta(seconds=1)
        worker_session.flush()
    hold(worker_session, slide)
    verify(slide, FACTS)
    assert (slide.reason_code, slide.reason) == (None, None)


def test_a_worker_that_dies_is_never_the_slides_fault(worker_session: Session) -> None:
    slide = receive(worker_session, digest="a" * 64, byte_size=1)
    for _ in range(3 * ATTEMPTS):
        hold(worker_session, slide)
        slide.leased_until = datetime.now(UTC) - timedelta(seconds=1)
        worker_session.flush()
    assert slide.id in find_due(worker_session, *SlideStatus)


def test_a_lease_from_before_the_clock_was_set_back_has_run_out(worker_session: Session) -> None:
    slide = receive(worker_session, digest="a" * 64, byte_size=1)
    hold(worker_session, slide)
    slide.leased_until = datetime.now(UTC) + timedelta(hours=1)
    worker_session.flush()
    assert find_due(worker_session, *SlideStatus) == [slide.id]
    hold(worker_session, slide)
    assert find_due(worker_session, *SlideStatus) == []


def test_the_same_content_is_one_slide_whoever_brings_it_in(worker_session: Session) -> None:
    found = receive(worker_session, digest="a" * 64, byte_size=1)
    assert find_unregistered(worker_session, ["a" * 64, "b" * 64]) == ["b" * 64]
    again = receive(worker_session, digest="a" * 64, byte_size=1, caption="Glas")
    assert (again is found, found.caption) == (True, "Glas")
    assert receive(worker_session, digest="a" * 64, byte_size=1, caption="Prov").caption == "Glas"


def test_what_is_registered_while_the_sweeper_looks_is_not_registered_again_as_nobodys(database: Database) -> None:
    digest, found = "c" * 64, []
    with World(database) as world:
        kalmar = world.provider("Kalmar")
        with transaction(world.worker) as bringing:
            mine = receive(bringing, digest=digest, byte_size=1, owner=kalmar.unit)

            def sweep() -> None:
                with transaction(world.worker) as sweeping:
                    if find_unregistered(sweeping, [digest]):
                        found.append(receive(sweeping, digest=digest, byte_size=1).id)

            sweeper = threading.Thread(target=sweep)
            sweeper.start()
            sweeper.join(timeout=1)
            assert sweeper.is_alive(), "the sweeper waits for whoever registers this content"
        sweeper.join(timeout=30)
    assert found == [mine.id]
    assert len(database.query("SELECT FROM slide_image")) == 1


@pytest.mark.parametrize(
    ("constraint", "change"),
    [
        ("progress_is_a_share", "progress = 1.01"),
        ("progress_is_a_share", "progress = -0.01"),
        ("lease_is_whole", "lease_holder = gen_random_uuid()"),
        ("lease_is_whole", "leased_until = now()"),
        ("quarantine_has_a_reason", "status = 'QUARANTINED'"),
        ("available_has_a_pyramid", "status = 'AVAILABLE'"),
        ("available_has_a_pyramid", "status = 'AVAILABLE', pyramid = 'FAILED'"),
        ("slide_status", "status = 'LOST'"),
        ("pyramid_state", "pyramid = 'HALF'"),
        ("original_digest", "original_digest = NULL"),
        ("version", "version = NULL"),
    ],
)
def test_the_database_refuses_rows_that_make_no_sense(worker_session: Session, constraint: str, change: str) -> None:
    receive(worker_session, digest="a" * 64, byte_size=1)
    with pytest.raises(IntegrityError, match=constraint):
        worker_session.execute(text(f"UPDATE slide_image SET {change}"))  # noqa: S608 - the changes stand above


def test_the_database_refuses_a_second_pyramid_and_one_of_no_slide(worker_session: Session) -> None:
    slide = receive(worker_session, digest="a" * 64, byte_size=1)
    first, second, stray = make_pyramid(), make_pyramid(), make_pyramid()
    first.slide_image_id = second.slide_image_id = slide.id
    stray.slide_image_id = uuid.uuid4()
    worker_session.add(first)
    worker_session.flush()
    for refused, constraint in ((second, "uq_tile_pyramid_slide_image_id"), (stray, "fk_tile_pyramid_slide_image_id")):
        with pytest.raises(IntegrityError, match=constraint), worker_session.begin_nested():
            worker_session.add(refused)
