"""Whatever two laboratories do with work orders, in whatever order: what must hold, holds."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, ClassVar

import pytest
from errand import HOUR, MONDAY, Errand
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from product import Database
from sqlalchemy import exists, func, select
from world import World

from cases.access.errors import Rejected
from cases.access.log.entries import AuditEvent
from cases.records.slide_images import SlideImage
from cases.records.specimens import GlassSlide
from cases.sharing import work_orders
from cases.sharing.clocks import read_clocks
from cases.sharing.moves import StateEvent
from cases.sharing.requests import RequestStatus, ShareRequest
from cases.sharing.waiting import Cause, find_cause
from cases.sharing.work_orders import (
    MOVES,
    OPEN,
    DoneBy,
    Order,
    RejectReason,
    TargetKind,
    WorkKind,
    WorkOrder,
    WorkOrderResult,
    WorkOrderStatus,
)
from cases.transaction import transaction

KINDS = (WorkKind.LEVELS, WorkKind.IHC, WorkKind.MOLECULAR, WorkKind.BLOCK_LOAN)
S = WorkOrderStatus


class Machine(RuleBasedStateMachine):
    """One request that is being read, its reader, and the laboratories on both sides."""

    world: ClassVar[World]

    @initialize()
    def begin(self) -> None:
        """Somebody reads."""
        self.errand = Errand(self.world)
        self.errand.take()
        self.orders: dict[uuid.UUID, S] = {}
        self.moved = 0
        self.clock = itertools.count(1)
        self.now = MONDAY + 2 * HOUR

    def tell_time(self) -> datetime:
        """Later than anything before."""
        self.now = MONDAY + 2 * HOUR + next(self.clock) * HOUR
        return self.now

    @precondition(lambda self: len(self.orders) < 4)
    @rule(kind=st.sampled_from(KINDS), done_by=st.sampled_from(DoneBy), blocking=st.booleans())
    def place(self, kind: WorkKind, done_by: DoneBy, blocking: bool) -> None:
        """The reader orders."""
        cuts = kind in (WorkKind.LEVELS, WorkKind.IHC)
        order = Order(
            kind=kind,
            target_kind=TargetKind.BLOCK if cuts else None,
            target_id=self.errand.block_id if cuts else None,
            code="CK20" if kind is WorkKind.IHC else None,
            done_by=DoneBy.OWNER_LAB if kind is WorkKind.BLOCK_LOAN else done_by,
            blocking=blocking,
        )
        now = self.tell_time()
        with self.errand.moving(self.errand.reader, now) as (session, actor, request):
            placed = work_orders.place(session, request, order, by=actor, now=now)
            self.orders[placed.id] = S.REQUESTED
        self.moved += 1

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), event=st.sampled_from(sorted({move.event for move in MOVES} - {"place"})))
    def move(self, data: st.DataObject, event: str) -> None:
        """Somebody tries something with an order; it happens where the table and their side allow it."""
        order_id = data.draw(st.sampled_from(sorted(self.orders)), label="order")
        who = data.draw(st.sampled_from(("reader", "laboratory", "their_laboratory")), label="who")
        before = self.read(order_id)
        now = self.tell_time()
        try:
            with getattr(self.errand, who).acting() as (session, actor):
                self.list_doings(now)[event](session, order_id, by=actor, now=now)
        except Rejected:
            assert self.read(order_id).status is before.status
            return
        found = [one for one in MOVES if one.event == event and before.status in one.sources]
        assert [one.target or before.status for one in found] == [self.read(order_id).status]
        self.orders[order_id] = self.read(order_id).status
        self.moved += 1

    def list_doings(self, now: datetime) -> dict[str, Callable[..., Any]]:
        """What can be tried, by the event it makes."""

        def fulfil(session: Any, order_id: uuid.UUID, **by: Any) -> None:
            order = session.get_one(WorkOrder, order_id)
            slides = [self.world.slide(self.errand.case)] if order.slides else []
            work_orders.fulfil(session, order_id, slide_ids=slides, **by)

        return {
            "accept": work_orders.accept,
            "start": work_orders.start,
            "fulfil": fulfil,
            "fulfil_partly": lambda *of, **by: work_orders.fulfil(*of, missing="Räckte inte", **by),
            "reject": lambda *of, **by: work_orders.reject(*of, reason=RejectReason.NOT_AVAILABLE, **by),
            "cancel": work_orders.cancel,
            "send": lambda *of, **by: work_orders.send(*of, carrier="Bud", at=now, **by),
            "receive": lambda *of, **by: work_orders.receive(*of, at=now, **by),
            "take_back": lambda *of, **by: work_orders.take_back(*of, at=now, **by),
        }

    def read(self, order_id: uuid.UUID) -> WorkOrder:
        """An order as it stands."""
        with transaction(self.world.owner) as session:
            return session.get_one(WorkOrder, order_id)

    @invariant()
    def every_move_is_written_down_twice(self) -> None:
        """In the stream and in the log, and nothing else is."""
        with transaction(self.world.owner) as session:
            events = select(func.count()).where(
                StateEvent.request_id == self.errand.id, StateEvent.entity == "work_order"
            )
            assert session.scalar(events) == self.moved
            entries = select(func.count()).where(
                AuditEvent.event.like("WORKORDER_%"),
                AuditEvent.args["work_order"].astext.in_([str(one) for one in self.orders]),
            )
            assert session.scalar(entries) == self.moved

    @invariant()
    def the_request_waits_exactly_while_something_blocks(self) -> None:
        """For whom it waits is what the last move into waiting says, and the clocks agree."""
        with transaction(self.world.owner) as session:
            request = session.get_one(ShareRequest, self.errand.id)
            cause = find_cause(session, request.id)
            waits = request.status is RequestStatus.WAITING
            assert waits == (cause is not None)
            clocks = read_clocks(session, request.id, now=self.now + HOUR / 2)
            running = {
                Cause.OWNER: any(span.running for span in clocks.waiting_owner),
                Cause.PERFORMER_LAB: any(span.running for span in clocks.waiting_lab),
            }
            assert {one for one, runs in running.items() if runs} == ({cause} if cause else set())

    @invariant()
    def glass_is_expected_of_what_can_still_come_or_came(self) -> None:
        """And of nothing that was called off; and no order was lost."""
        with transaction(self.world.owner) as session:
            rows = session.execute(
                select(
                    WorkOrder.status,
                    GlassSlide.entered_in_error_at,
                    exists().where(SlideImage.glass_slide_id == GlassSlide.id),
                )
                .join(WorkOrderResult, WorkOrderResult.work_order_id == WorkOrder.id)
                .join(GlassSlide, GlassSlide.id == WorkOrderResult.glass_slide_id)
                .where(WorkOrder.request_id == self.errand.id)
            )
            for status, gone, scanned in rows:
                assert (gone is None) == (status in OPEN or status is S.FULFILLED or scanned), status
            found = session.execute(
                select(WorkOrder.id, WorkOrder.status).where(WorkOrder.request_id == self.errand.id)
            )
            assert dict(iter(found)) == self.orders


@pytest.fixture(scope="module")
def world(module_database: Database) -> Iterator[World]:
    """One database; each run has its own care providers."""
    with World(module_database) as world:
        yield world


def test_work_orders(world: World) -> None:
    """A few long runs: each step is several transactions of several people."""

    class Here(Machine):
        pass

    Here.world = world
    few = settings(
        max_examples=5,
        stateful_step_count=20,
        deadline=None,
        # Making a failing example smaller would take minutes; it is told as it was found.
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Here, settings=few)
