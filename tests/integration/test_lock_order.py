"""Whoever moves a request and whoever changes what it rests on never wait for each other in a ring.

Each test lets both lock what they lock before either commits: what waits in a ring would be ended by the database.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from threading import Barrier

import pytest
from partners import Asked, Partners, make_partners
from product import Database
from racing import race
from sqlalchemy.orm import Session
from world import Somebody, World

from cases.access.actors import Actor
from cases.access.blocks import BlockType, register_block
from cases.access.errors import Conflict
from cases.access.patients import Patient
from cases.access.permissions import Role
from cases.database import act_for
from cases.records.case_moves import move_case
from cases.records.pathology_case import CaseStatus, PathologyCase
from cases.sharing.requests import RequestStatus, ShareRequest, deciding, ending, lock_request
from cases.sharing.service_descriptions import RequestType
from cases.transaction import transaction

Step = Callable[[Session, ShareRequest, Actor, datetime], object]


@pytest.fixture(scope="module")
def partners(module_database: Database) -> Iterator[Partners]:
    with World(module_database) as world:
        made = make_partners(world)
        for one in (made.sender, made.owner_head, made.head):
            one.sign_in()
        yield made


def recall(session: Session, row: ShareRequest, by: Actor, now: datetime) -> None:
    ending.recall(session, row, text="Behövs inte.", by=by, now=now)


def accept(session: Session, row: ShareRequest, by: Actor, now: datetime) -> None:
    deciding.accept(session, row, by=by, now=now)


def move(who: Somebody, asked: Asked, step: Step, both: Barrier) -> None:
    """Lock a request, wait until the other one has locked something too, then move it."""
    with who.acting() as (session, actor):
        row = lock_request(session, asked.request_id, by=actor)
        both.wait(timeout=10)
        step(session, row, actor, datetime.now(UTC))


def block(partners: Partners, asked: Asked) -> None:
    """The patient blocks what the owner has from other care providers."""
    clerk = partners.owner.clerk
    with transaction(partners.world.app) as session:
        act_for(session, clerk.provider_id)
        patient = session.get_one(Patient, asked.case.patient_id)
        register_block(session, patient, BlockType.OUTER, by=clerk, now=datetime.now(UTC))


def test_two_requests_about_one_slide_are_recalled_at_once(partners: Partners, round_: int) -> None:
    """Each, on ending, concerns the other: it looks at the same slides."""
    first = partners.ask()
    second = partners.ask(case=first.case)
    for asked in (first, second):
        partners.bring(asked, "OFFERED")
    both = Barrier(2)
    ends = race(
        lambda: move(partners.sender, first, recall, both), lambda: move(partners.owner_head, second, recall, both)
    )
    assert ends == [None, None]
    assert {partners.read(one).status for one in (first, second)} == {RequestStatus.RECALLED}


def test_a_case_is_moved_while_its_transfer_is_accepted(partners: Partners, round_: int) -> None:
    """The one has locked the case and concerns the request, the other has locked the request and changes the case."""
    asked = partners.ask(type=RequestType.WORKLOAD_TRANSFER)
    partners.bring(asked, "OFFERED")
    laboratory = partners.owner.person(Role.LAB)
    both = Barrier(2)

    def report() -> None:
        with laboratory.acting() as (session, actor):
            case = session.get_one(PathologyCase, asked.case.id)
            move_case(session, case, CaseStatus.PRELIMINARY, by=actor, now=datetime.now(UTC))
            both.wait(timeout=10)

    assert race(report, lambda: move(partners.head, asked, accept, both)) == [None, None]
    assert partners.read(asked).status is RequestStatus.ACCEPTED
    with transaction(partners.world.owner) as session:
        case = session.get_one(PathologyCase, asked.case.id)
        assert (case.status, case.signout_department_id) == (
            CaseStatus.PRELIMINARY,
            partners.performer.department.id,
        )


def test_a_case_ends_while_its_transfer_is_accepted(partners: Partners, round_: int) -> None:
    """Whoever accepts is told that there is nothing to take over any more."""
    asked = partners.ask(type=RequestType.WORKLOAD_TRANSFER)
    partners.bring(asked, "OFFERED")
    laboratory = partners.owner.person(Role.LAB)
    both = Barrier(2)

    def end() -> None:
        with laboratory.acting() as (session, actor):
            case = session.get_one(PathologyCase, asked.case.id)
            move_case(session, case, CaseStatus.FINAL, by=actor, now=datetime.now(UTC))
            both.wait(timeout=10)

    ended, accepted = race(end, lambda: move(partners.head, asked, accept, both))
    assert ended is None
    assert isinstance(accepted, Conflict)
    assert "has ended this case meanwhile" in str(accepted)
    assert partners.read(asked).status is RequestStatus.OFFERED


def test_a_block_waits_for_nobody_and_holds_what_was_being_moved(partners: Partners, round_: int) -> None:
    """The block is in force while somebody still has a request locked; that one is held as soon as they are done."""
    asked = partners.ask()
    other = partners.ask(case=asked.case)
    for one in (asked, other):
        partners.bring(one, "OFFERED")
    blocking = threading.Thread(target=block, args=(partners, asked))
    with partners.head.acting() as (session, actor):
        row = lock_request(session, asked.request_id, by=actor)
        blocking.start()
        held_until = time.monotonic() + 10
        while partners.read(other).status is not RequestStatus.HELD:
            assert time.monotonic() < held_until, "the block waits for the request that is locked"
            time.sleep(0.01)
        assert partners.read(asked).status is RequestStatus.OFFERED
        deciding.accept(session, row, by=actor, now=datetime.now(UTC))
    blocking.join(timeout=10)
    held = partners.read(asked)
    assert (held.status, held.held_from) == (RequestStatus.HELD, RequestStatus.ACCEPTED)
