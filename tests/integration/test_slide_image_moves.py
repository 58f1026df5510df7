"""Whatever happens to a slide image in whatever order: only listed states, one holder, and an end to attempts."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from product import Database
from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from cases.records.arrivals import receive
from cases.records.slide_images import (
    ATTEMPTS,
    MOVES,
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

FACTS = SlideFacts(
    format="aperio",
    width=1300,
    height=900,
    tile_size=256,
    spacing_x=None,
    spacing_y=None,
    objective=None,
    scanner=None,
    scanned_at=None,
    colour_profile="MISSING",
    has_thumbnail=True,
    has_macro=False,
)
WORKERS = [uuid.UUID(int=number) for number in range(1, 4)]
HOLDERS = st.sampled_from(WORKERS)


@pytest.fixture
def connection(quiet_database: Database) -> Iterator[Connection]:
    with quiet_database.engine("samsyn_worker") as engine, engine.connect() as connection:
        yield connection


def test_no_order_of_events_leads_out_of_the_table(connection: Connection) -> None:
    class SlideImageLife(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.outer = connection.begin()
            self.session = Session(connection, join_transaction_mode="create_savepoint")
            self.slide = receive(self.session, digest="a" * 64, byte_size=1)
            self.seen: SlideStatus = self.slide.status
            self.holder: uuid.UUID | None = None  # who may work, by our own account
            self.attempts = 0

        def teardown(self) -> None:
            self.session.close()
            self.outer.rollback()

        def take(self, worker: uuid.UUID) -> SlideImage | None:
            """What a worker gets that comes back with a result."""
            try:
                slide = take_back(self.session, self.slide.id, holder=worker)
            except LeaseLost:
                assert worker != self.holder
                return None
            assert worker == self.holder
            return slide

        @rule(worker=HOLDERS)
        def claim(self, worker: uuid.UUID) -> None:
            due = self.slide.id in find_due(self.session, *SlideStatus)
            building = self.slide.status == SlideStatus.VERIFIED
            taken = claim(self.session, self.slide.id, holder=worker)
            self.session.flush()
            assert not (taken and not due), "a slide that nobody had to work on was taken"
            if taken:
                assert self.attempts < ATTEMPTS, "a step was begun too often"
                self.holder = worker
            elif due:
                assert self.attempts == ATTEMPTS
                self.holder = None
                ended = self.slide.pyramid == PyramidState.FAILED if building else self.slide.status == "QUARANTINED"
                assert ended

        @rule(worker=HOLDERS, share=st.floats(0, 1))
        def renew(self, worker: uuid.UUID, share: float) -> None:
            try:
                renew(self.session, self.slide.id, holder=worker, progress=share)
            except LeaseLost:
                assert worker != self.holder
            else:
                assert worker == self.holder
            self.session.refresh(self.slide)

        @precondition(lambda self: self.slide.leased_until is not None)
        @rule()
        def time_passes(self) -> None:
            self.slide.leased_until = datetime.now(UTC) - timedelta(seconds=1)
            self.session.flush()

        @rule(worker=HOLDERS)
        def verify(self, worker: uuid.UUID) -> None:
            self._end(worker, lambda slide: verify(slide, FACTS))

        @rule(worker=HOLDERS)
        def quarantine(self, worker: uuid.UUID) -> None:
            self._end(worker, lambda slide: quarantine(slide, code="DAMAGED_FILE", sentence="It is damaged."))

        @rule(worker=HOLDERS)
        def complete(self, worker: uuid.UUID) -> None:
            pyramid = TilePyramid(tile_size=256, levels=1, level0_digest="ab", byte_size=1, built_by="0")
            self._end(
                worker,
                lambda slide: complete_pyramid(self.session, slide, pyramid, pixel_path="PASSTHROUGH", psnr=None),
            )

        @rule(worker=HOLDERS)
        def fail(self, worker: uuid.UUID) -> None:
            if self.slide.status == SlideStatus.VERIFIED:  # as the worker asks before
                self._end(worker, lambda slide: fail_pyramid(slide, code="TILING_FAILED", sentence="It failed."))

        @rule(worker=HOLDERS, attempt=st.booleans())
        def give_back(self, worker: uuid.UUID, attempt: bool) -> None:
            slide = self.take(worker)
            if slide is not None:
                code, sentence = "STORAGE_REFUSED", "The disk is full."
                give_back(slide, after=timedelta(minutes=4), code=code, sentence=sentence, attempt=attempt)
                self.session.flush()
                self.attempts += attempt

        def _end(self, worker: uuid.UUID, how: object) -> None:
            slide = self.take(worker)
            if slide is None:
                return
            assert callable(how)
            before = slide.status
            try:
                with self.session.begin_nested():
                    how(slide)
                    self.session.flush()
            except IllegalMove as refused:
                assert all(allowed in str(refused) for allowed in MOVES[before])
                assert self.slide.status == before
                return
            self.holder, self.attempts = None, 0

        @invariant()
        def the_row_makes_sense(self) -> None:
            row = self.session.execute(text("SELECT * FROM slide_image WHERE id = :id"), {"id": self.slide.id}).one()
            status = SlideStatus(row.status)
            reachable = {self.seen} | MOVES[self.seen] | {end for step in MOVES[self.seen] for end in MOVES[step]}
            assert status in reachable
            self.seen = status
            assert row.lease_holder == self.holder
            assert (row.leased_until is None) == (self.holder is None)
            assert 0 <= row.attempts <= ATTEMPTS
            count = self.session.execute(text("SELECT count(*) FROM tile_pyramid")).scalar_one()
            assert count == (status == SlideStatus.AVAILABLE)
            if self.holder is None and status in (SlideStatus.AVAILABLE, SlideStatus.QUARANTINED):
                assert find_due(self.session, *SlideStatus) == []

    run_state_machine_as_test(
        SlideImageLife,
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
