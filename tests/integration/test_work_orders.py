"""Work orders: what a reader needs, what the laboratory makes of it, and whom the clock counts against."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from errand import DAY, HOUR, MONDAY, Errand
from product import Database
from sqlalchemy import select
from sqlalchemy.orm import Session
from world import Somebody, World

from cases.access.errors import Conflict, IllegalMove, Invalid, NotPermitted
from cases.records.specimens import GlassSlide
from cases.sharing import messages, waiting, work_orders
from cases.sharing.clocks import read_clocks
from cases.sharing.messages import MessageKind
from cases.sharing.requests import RequestStatus, disclosures, ending
from cases.sharing.requests.disclosure import Manifest
from cases.sharing.requests.ending import ReturnReason
from cases.sharing.work_orders import (
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

NOW = MONDAY + 2 * HOUR


@pytest.fixture(scope="module")
def world(module_database: Database) -> Iterator[World]:
    """For all tests of this file; each has its own care providers."""
    with World(module_database) as world:
        yield world


@pytest.fixture
def errand(world: World) -> Errand:
    """A request that is being read."""
    errand = Errand(world)
    errand.take()
    return errand


def place(errand: Errand, *, now: datetime = NOW, by: Somebody | None = None, **order: Any) -> uuid.UUID:
    """Order something: a stain of the errand's tissue block unless told otherwise."""
    wanted: dict[str, Any] = {"kind": WorkKind.IHC, "code": "CK20"}
    if order.get("kind", WorkKind.IHC) in (WorkKind.IHC, WorkKind.LEVELS):
        wanted |= {"target_kind": TargetKind.BLOCK, "target_id": errand.block_id}
    with errand.moving(by or errand.reader, now) as (session, actor, request):
        return work_orders.place(session, request, Order(**{**wanted, **order}), by=actor, now=now).id


def do(who: Somebody, move: Callable[..., WorkOrder], order_id: uuid.UUID, *, now: datetime = NOW, **more: Any) -> None:
    """Let somebody move an order."""
    with who.acting() as (session, actor):
        move(session, order_id, by=actor, now=now, **more)


def begin(errand: Errand, order_id: uuid.UUID) -> None:
    """Let the owner's laboratory take an order on and begin."""
    do(errand.laboratory, work_orders.accept, order_id)
    do(errand.laboratory, work_orders.start, order_id)


def read(errand: Errand, order_id: uuid.UUID) -> WorkOrder:
    """An order as it stands."""
    with transaction(errand.world.owner) as session:
        return session.get_one(WorkOrder, order_id)


def find_glass(session: Session, order_id: uuid.UUID) -> list[GlassSlide]:
    """The glass that is expected of an order."""
    ids = select(WorkOrderResult.glass_slide_id).where(WorkOrderResult.work_order_id == order_id)
    return list(session.scalars(select(GlassSlide).where(GlassSlide.id.in_(ids)).order_by(GlassSlide.number)))


def scan(errand: Errand) -> uuid.UUID:
    """A new image of the case."""
    return errand.world.slide(errand.case)


def test_what_is_ordered_is_expected_at_once_and_stops_the_clock(errand: Errand) -> None:
    order_id = place(errand, slides=2)
    assert read(errand, order_id).status is WorkOrderStatus.REQUESTED
    with transaction(errand.world.owner) as session:
        glass = find_glass(session, order_id)
        assert [(one.number, one.stain_code, one.antibody, one.expected) for one in glass] == [
            (2, "CK20", "CK20", True),
            (3, "CK20", "CK20", True),
        ]
        assert {one.care_provider_id for one in glass} == {errand.owner.provider.id}
    assert errand.row().status is RequestStatus.WAITING
    assert errand.story()[-1] == ("wait", "waiting_owner")
    assert errand.told(errand.laboratory) == ["WORKORDER_PLACED"]
    stamped = "SELECT ancillary_ordered_at AS at FROM pathology_case WHERE id = :case_id"
    assert errand.world.database.query(stamped, case_id=errand.case.id) == [{"at": NOW}]


def test_what_came_of_it_is_handed_out_and_the_clock_goes_on(errand: Errand) -> None:
    order_id = place(errand)
    begin(errand, order_id)
    slide_id = scan(errand)
    do(errand.laboratory, work_orders.fulfil, order_id, slide_ids=[slide_id], now=NOW + DAY)
    assert read(errand, order_id).status is WorkOrderStatus.FULFILLED
    assert errand.row().status is RequestStatus.IN_REVIEW
    assert set(Manifest.read(errand.row().manifest).slide_ids) == {errand.slide_id, slide_id}
    with transaction(errand.world.owner) as session:
        last = disclosures.find_last(session, errand.row())
        assert last is not None
        assert (last.version_no, last.decided_by) == (2, errand.laboratory.assignment.id)
        clocks = read_clocks(session, errand.id, now=NOW + 2 * DAY)
        assert [span.length for span in clocks.waiting_owner] == [DAY]
    assert errand.moves("work_order") == [
        ("work_order", "place", None),
        ("work_order", "accept", None),
        ("work_order", "start", None),
        ("work_order", "fulfil", None),
    ]
    assert errand.told(errand.reader)[-2:] == ["WORKORDER_FULFILLED", "REQUEST_RESUMED"]


def test_the_clock_counts_against_whoever_is_waited_for(errand: Errand) -> None:
    ours = place(errand, done_by=DoneBy.PERFORMER_LAB)
    assert errand.story()[-1] == ("wait", "waiting_performer_lab")
    theirs = place(errand, now=NOW + HOUR)
    assert errand.story()[-2:] == [("resume", None), ("wait", "waiting_owner")]
    do(errand.laboratory, work_orders.reject, theirs, reason=RejectReason.INSUFFICIENT_MATERIAL, now=NOW + 3 * HOUR)
    assert errand.story()[-2:] == [("resume", None), ("wait", "waiting_performer_lab")]
    do(errand.reader, work_orders.cancel, ours, now=NOW + 7 * HOUR)
    assert errand.story()[-1] == ("resume", None)
    with transaction(errand.world.owner) as session:
        clocks = read_clocks(session, errand.id, now=NOW + DAY)
    assert [span.length / HOUR for span in clocks.waiting_owner] == [2]
    assert [span.length / HOUR for span in clocks.waiting_lab] == [1, 4]


def test_what_nobody_waits_for_stops_no_clock(errand: Errand) -> None:
    order_id = place(errand, blocking=False)
    assert errand.row().status is RequestStatus.IN_REVIEW
    with transaction(errand.world.owner) as session:
        assert (work_orders.has_open(session, errand.id), work_orders.has_blocking(session, errand.id)) == (True, False)
    do(errand.reader, work_orders.cancel, order_id)
    with transaction(errand.world.owner) as session:
        assert not work_orders.has_open(session, errand.id)


@pytest.mark.parametrize("how", ["reject", "cancel", "partly"])
def test_glass_that_will_not_come_is_expected_no_longer(errand: Errand, how: str) -> None:
    order_id = place(errand, slides=2)
    if how == "reject":
        do(errand.laboratory, work_orders.reject, order_id, reason=RejectReason.NOT_AVAILABLE, text="Blocket är tomt")
    elif how == "cancel":
        do(errand.reader, work_orders.cancel, order_id)
    else:
        begin(errand, order_id)
        do(errand.laboratory, work_orders.fulfil, order_id, missing="Materialet tog slut")
        assert errand.moves("work_order")[-1] == ("work_order", "fulfil_partly", None)
    with transaction(errand.world.owner) as session:
        assert [one.entered_in_error_at for one in find_glass(session, order_id)] == [NOW, NOW]
    assert errand.row().status is RequestStatus.IN_REVIEW


def test_a_question_waits_for_its_reply(errand: Errand) -> None:
    with errand.moving(errand.reader, NOW) as (session, actor, request):
        asked = messages.write_message(
            session, request, "Tidigare biopsi?", kind=MessageKind.QUESTION, blocking=True, by=actor, now=NOW
        )
        waiting.settle(session, request, by=actor, now=NOW)
    assert errand.story()[-1] == ("wait", "waiting_owner")
    assert errand.told(errand.requester)[-2:] == ["MESSAGE_SENT", "REQUEST_WAITING"]
    with errand.moving(errand.requester, NOW + HOUR) as (session, actor, request):
        messages.write_message(
            session, request, "Ja, 2024.", kind=MessageKind.REPLY, reply_to_id=asked.id, by=actor, now=NOW + HOUR
        )
        waiting.settle(session, request, by=actor, now=NOW + HOUR)
    assert errand.story()[-1] == ("resume", None)


def test_a_loan_is_where_it_is_said_to_be(errand: Errand) -> None:
    order_id = place(errand, kind=WorkKind.BLOCK_LOAN, code=None)
    begin(errand, order_id)
    with pytest.raises(Conflict, match="fulfilled when the performer has received it"):
        do(errand.laboratory, work_orders.fulfil, order_id)
    with pytest.raises(Conflict, match="has not been sent"):
        do(errand.their_laboratory, work_orders.receive, order_id, at=NOW)
    do(errand.laboratory, work_orders.send, order_id, carrier="PostNord 1", at=NOW, now=NOW + HOUR)
    with pytest.raises(NotPermitted, match="for the performer's laboratory"):
        do(errand.laboratory, work_orders.receive, order_id, at=NOW + DAY, now=NOW + DAY)
    with pytest.raises(Invalid, match="cannot have come before it was sent"):
        do(errand.their_laboratory, work_orders.receive, order_id, at=NOW - HOUR, now=NOW + DAY)
    with pytest.raises(Invalid, match="not when it will"):
        do(errand.their_laboratory, work_orders.receive, order_id, at=NOW + 2 * DAY, now=NOW + DAY)
    do(errand.their_laboratory, work_orders.receive, order_id, at=NOW + DAY, now=NOW + DAY)
    assert (read(errand, order_id).status, errand.row().status) == (WorkOrderStatus.FULFILLED, RequestStatus.IN_REVIEW)
    with transaction(errand.world.owner) as session:
        assert work_orders.has_open(session, errand.id)  # it is not back
    do(errand.laboratory, work_orders.take_back, order_id, at=NOW + 3 * DAY, now=NOW + 3 * DAY)
    lent = read(errand, order_id)
    assert (lent.sent_at, lent.received_at, lent.returned_at) == (NOW, NOW + DAY, NOW + 3 * DAY)
    with transaction(errand.world.owner) as session:
        assert not work_orders.has_open(session, errand.id)
    with pytest.raises(Conflict, match="back already"):
        do(errand.laboratory, work_orders.take_back, order_id, at=NOW + 4 * DAY, now=NOW + 4 * DAY)


@pytest.mark.parametrize("kind", [WorkKind.BLOCK_LOAN, WorkKind.RESCAN])
def test_where_no_sections_are_cut_no_glass_is_expected(errand: Errand, kind: WorkKind) -> None:
    def count() -> int:
        with transaction(errand.world.owner) as session:
            return len(session.scalars(select(GlassSlide.id).where(GlassSlide.case_id == errand.case.id)).all())

    before = count()
    place(errand, kind=kind, code=None, target_kind=TargetKind.BLOCK, target_id=errand.block_id)
    assert count() == before


def test_a_request_that_ends_calls_off_what_nobody_has_begun(errand: Errand) -> None:
    waits, begun = place(errand, slides=1), place(errand, slides=1)
    begin(errand, begun)
    with errand.moving(errand.chief, NOW + HOUR) as (session, actor, request):
        ending.return_unanswered(
            session, request, reason=ReturnReason.INSUFFICIENT_MATERIAL, text="Räcker inte", by=actor, now=NOW + HOUR
        )
    assert read(errand, waits).status is WorkOrderStatus.CANCELLED
    assert read(errand, begun).status is WorkOrderStatus.IN_PROGRESS
    assert errand.told(errand.laboratory)[-1] == "WORKORDER_CANCELLED"
    do(errand.laboratory, work_orders.fulfil, begun, slide_ids=[scan(errand)], now=NOW + DAY)
    assert (read(errand, begun).status, errand.row().status) == (WorkOrderStatus.FULFILLED, RequestStatus.RETURNED)


def test_who_may_order_and_who_may_do_it(errand: Errand) -> None:
    for who in (errand.queue, errand.requester):
        with pytest.raises(NotPermitted, match="ordered by whoever reads"):
            place(errand, by=who)
    order_id = place(errand, by=errand.chief)
    with pytest.raises(NotPermitted, match="for the owner's laboratory"):
        do(errand.their_laboratory, work_orders.accept, order_id)
    with pytest.raises(NotPermitted, match="called off by whoever reads"):
        do(errand.laboratory, work_orders.cancel, order_id)


def test_what_cannot_be_ordered(errand: Errand) -> None:
    other = Errand(errand.world)
    for order, sentence in (
        ({"target_id": other.block_id}, "no such specimen, tissue block or glass in this case"),
        ({"target_id": None}, "A target has a kind and an id"),
        ({"target_id": None, "target_kind": None}, "Say what the sections are cut from"),
        ({"code": " "}, "Say which stain or antibody"),
        ({"slides": 51}, "from 1 to 50"),
        ({"kind": WorkKind.GLASS_LOAN, "done_by": DoneBy.PERFORMER_LAB}, "lent by the owner"),
    ):
        with pytest.raises(Invalid, match=sentence):
            place(errand, **order)
    with pytest.raises(Conflict, match="this one is OFFERED"), other.moving(other.chief, NOW) as (session, actor, row):
        work_orders.place(session, row, Order(kind=WorkKind.RADIOLOGY), by=actor, now=NOW)


def test_what_is_done_needs_images_of_the_case(errand: Errand) -> None:
    order_id = place(errand)
    begin(errand, order_id)
    other = Errand(errand.world)
    with pytest.raises(Invalid, match="Name the images that came of it"):
        do(errand.laboratory, work_orders.fulfil, order_id)
    with pytest.raises(Invalid, match="Name images of this case that can be opened"):
        do(errand.laboratory, work_orders.fulfil, order_id, slide_ids=[other.slide_id])
    assert read(errand, order_id).status is WorkOrderStatus.IN_PROGRESS


def test_an_order_goes_only_where_its_table_leads(errand: Errand) -> None:
    order_id = place(errand)
    with pytest.raises(IllegalMove) as refused:
        do(errand.laboratory, work_orders.start, order_id)
    assert refused.value.allowed == ("accept", "cancel", "reject")
    begin(errand, order_id)
    with pytest.raises(IllegalMove, match="In the state IN_PROGRESS nobody can cancel"):
        do(errand.reader, work_orders.cancel, order_id)
