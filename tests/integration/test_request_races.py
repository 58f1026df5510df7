"""Two at once about one request: one wins, the other is told what is possible. `make races`: a thousand times."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from partners import Asked, Partners, make_partners
from product import Database
from racing import race
from sqlalchemy import select
from sqlalchemy.orm import Session
from world import Somebody, World

from cases.access.actors import Actor
from cases.access.blocks import BlockType, register_block
from cases.access.errors import IllegalMove
from cases.access.gate import Refused
from cases.access.patients import Patient
from cases.database import act_for, platform
from cases.sharing import timers
from cases.sharing.requests import RequestStatus, ShareRequest, deciding, ending, submitting
from cases.sharing.requests.deciding import DeclineReason
from cases.sharing.service_descriptions import RequestType
from cases.sharing.viewings import Viewing
from cases.transaction import transaction
from viewer.simulation.checking import find_faults

AHEAD = timedelta(days=30)
"""Time enough for a request to expire."""
Step = Callable[[Session, ShareRequest, Actor, datetime], object]


@pytest.fixture(scope="module")
def partners(module_database: Database) -> Iterator[Partners]:
    with World(module_database) as world:
        made = make_partners(world)
        for one in (made.sender, made.owner_head, made.reader, made.colleague, made.head):
            one.sign_in()
        yield made


def accept(session: Session, row: ShareRequest, by: Actor, now: datetime) -> None:
    deciding.accept(session, row, by=by, now=now)


def decline(session: Session, row: ShareRequest, by: Actor, now: datetime) -> None:
    deciding.decline(session, row, reason=DeclineReason.CAPACITY, text="Fullt i dag.", by=by, now=now)


def recall(session: Session, row: ShareRequest, by: Actor, now: datetime) -> None:
    ending.recall(session, row, text="Behövs inte.", by=by, now=now)


def compete(partners: Partners, asked: Asked, *steps: tuple[Somebody, Step]) -> list[int]:
    """Several people act at once; the places of those who won. Whoever lost was told what is possible."""
    ends = race(*(lambda who=who, step=step: partners.do(who, asked, step) for who, step in steps))
    for end in ends:
        assert end is None or isinstance(end, IllegalMove), end
    return [place for place, end in enumerate(ends) if end is None]


def assert_sound(partners: Partners) -> None:
    """By the clock of the timer, which is ahead of people's."""
    with transaction(partners.world.worker) as session:
        assert find_faults(session, now=datetime.now(UTC) + AHEAD) == []


def test_two_accept(partners: Partners, round_: int) -> None:
    asked = partners.ask(type=RequestType.WORKLOAD_TRANSFER)
    partners.bring(asked, "OFFERED")
    assert len(compete(partners, asked, (partners.head, accept), (partners.reader, accept))) == 1
    assert partners.read(asked).status is RequestStatus.ACCEPTED


def test_one_accepts_and_one_declines(partners: Partners, round_: int) -> None:
    asked = partners.ask()
    partners.bring(asked, "OFFERED")
    (winner,) = compete(partners, asked, (partners.head, accept), (partners.reader, decline))
    assert partners.read(asked).status is (RequestStatus.ACCEPTED, RequestStatus.DECLINED)[winner]


def test_one_submits_and_one_cancels(partners: Partners, round_: int) -> None:
    """Cancelling wins whenever it comes before the offer, which is in the same transaction as the submitting."""
    asked = partners.ask()
    winners = compete(
        partners,
        asked,
        (partners.sender, lambda session, row, by, now: submitting.submit(session, row, by=by, now=now)),
        (partners.sender, lambda session, row, by, now: ending.cancel(session, row, by=by, now=now)),
    )
    assert len(winners) == 1
    assert partners.read(asked).status is (RequestStatus.OFFERED, RequestStatus.CANCELLED)[winners[0]]


def test_one_recalls_and_one_declines(partners: Partners, round_: int) -> None:
    asked = partners.ask()
    partners.bring(asked, "OFFERED")
    (winner,) = compete(partners, asked, (partners.sender, recall), (partners.head, decline))
    assert partners.read(asked).status is (RequestStatus.RECALLED, RequestStatus.DECLINED)[winner]


def test_a_timer_and_a_person(partners: Partners, round_: int) -> None:
    """It expires, or is accepted in the last moment: never both, and the timer goes on with everything else."""
    asked = partners.ask()
    partners.bring(asked, "OFFERED")

    def expire() -> None:
        now = datetime.now(UTC) + AHEAD
        timers.run(partial(transaction, partners.world.worker, now=now), now=now)

    timed, accepted = race(expire, lambda: partners.do(partners.head, asked, accept))
    assert timed is None
    status = partners.read(asked).status
    if accepted is None:
        assert status is RequestStatus.ACCEPTED
    else:
        assert isinstance(accepted, IllegalMove)
        assert status is RequestStatus.EXPIRED


def test_a_block_and_an_opening(partners: Partners, round_: int) -> None:
    """Either the slide was never opened, or it has gone dark in the transaction of the block."""
    asked = partners.ask()
    partners.bring(asked, "ASSIGNED")

    def block() -> None:
        clerk = partners.owner.clerk
        with transaction(partners.world.app) as session:
            act_for(session, clerk.provider_id)
            patient = session.get_one(Patient, asked.case.patient_id)
            register_block(session, patient, BlockType.OUTER, by=clerk, now=datetime.now(UTC))

    opened, blocked = race(lambda: partners.look(partners.reader, asked.slide_ids[0]), block)
    assert blocked is None
    assert opened is None or isinstance(opened, Refused)
    with transaction(partners.world.worker) as session, platform(session):
        live = session.scalars(
            select(Viewing).where(Viewing.slide_image_id == asked.slide_ids[0], Viewing.closed_at.is_(None))
        ).all()
    assert live == []
    assert partners.read(asked).status is RequestStatus.HELD


def test_nothing_of_all_this_is_out_of_order(partners: Partners) -> None:
    assert_sound(partners)
