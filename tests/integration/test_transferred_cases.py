"""How requests end, and who signs a transferred case out meanwhile: exactly one department, always."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from partners import Asked, Partners, make_partners
from product import Database
from sqlalchemy import select
from world import World

from cases.access.errors import Conflict, IllegalMove, Invalid, NotPermitted
from cases.records.pathology_case import CaseStatus, PathologyCase
from cases.sharing.requests import (
    Disclosure,
    DisclosureState,
    RequestStatus,
    ShareRequest,
    advance,
    deciding,
    ending,
    holds,
)
from cases.sharing.requests.ending import ReturnReason
from cases.sharing.service_descriptions import RequestType
from cases.transaction import transaction

TRANSFER: dict[str, Any] = {"type": RequestType.WORKLOAD_TRANSFER}


@pytest.fixture(scope="module")
def partners(module_database: Database) -> Iterator[Partners]:
    with World(module_database) as world:
        yield make_partners(world)


def read_disclosures(partners: Partners, asked: Asked) -> list[DisclosureState]:
    with transaction(partners.world.owner) as session:
        return list(
            session.scalars(
                select(Disclosure.state)
                .where(Disclosure.request_id == asked.request_id)
                .order_by(Disclosure.version_no)
            )
        )


def find_holder(partners: Partners, asked: Asked) -> uuid.UUID:
    """Which department signs the case out."""
    with transaction(partners.world.owner) as session:
        return session.get_one(PathologyCase, asked.case.id).signout_department_id


def test_a_transfer_moves_who_signs_the_case_out_and_back_at_once_when_it_is_returned(partners: Partners) -> None:
    asked = partners.ask(**TRANSFER)
    partners.bring(asked, "OFFERED")
    assert find_holder(partners, asked) == partners.owner.department.id, "an offer moves nothing"
    partners.do(partners.head, asked, lambda session, row, by, now: deciding.accept(session, row, by=by, now=now))
    assert find_holder(partners, asked) == partners.performer.department.id
    partners.do(
        partners.head,
        asked,
        lambda session, row, by, now: deciding.assign(session, row, partners.reader.assignment.id, by=by, now=now),
    )
    partners.do(partners.reader, asked, lambda session, row, by, now: deciding.start(session, row, by=by, now=now))
    partners.do(
        partners.reader,
        asked,
        lambda session, row, by, now: ending.return_unanswered(
            session, row, reason=ReturnReason.INSUFFICIENT_MATERIAL, text="För lite material", by=by, now=now
        ),
    )
    assert find_holder(partners, asked) == partners.owner.department.id
    assert read_disclosures(partners, asked) == [DisclosureState.ENDED]


def test_a_case_is_transferred_once_at_a_time_and_not_once_it_is_reported(partners: Partners) -> None:
    asked = partners.ask(**TRANSFER)
    partners.bring(asked, "OFFERED")
    second = partners.ask(case=asked.case, **TRANSFER)
    with pytest.raises(Invalid, match="being transferred already"):
        partners.bring(second, "SUBMITTED")
    done = partners.owner.case(partners.owner.patient(partners.world.number()), status=CaseStatus.FINAL)
    reported = partners.ask(case=done, **TRANSFER)
    with pytest.raises(Invalid, match="final report"):
        partners.bring(reported, "SUBMITTED")


def test_a_transfer_that_was_accepted_is_asked_back_and_confirmed(partners: Partners) -> None:
    asked = partners.ask(**TRANSFER)
    partners.bring(asked, "ASSIGNED")
    partners.do(
        partners.owner_head,
        asked,
        lambda session, row, by, now: ending.recall(session, row, text="Patienten flyttas", by=by, now=now),
    )
    request = partners.read(asked)
    assert request.status is RequestStatus.ASSIGNED and request.recall_requested_at is not None
    with pytest.raises(Conflict, match="asked back already"):
        partners.do(
            partners.owner_head,
            asked,
            lambda session, row, by, now: ending.recall(session, row, text="Igen", by=by, now=now),
        )
    with pytest.raises(NotPermitted, match="performer's head"):
        partners.do(
            partners.reader, asked, lambda session, row, by, now: ending.confirm_recall(session, row, by=by, now=now)
        )
    partners.do(partners.head, asked, lambda session, row, by, now: ending.confirm_recall(session, row, by=by, now=now))
    assert partners.read(asked).status is RequestStatus.RECALLED
    assert find_holder(partners, asked) == partners.owner.department.id
    assert read_disclosures(partners, asked) == [DisclosureState.REVOKED]


def test_only_a_reader_or_the_head_returns_and_only_what_was_begun(partners: Partners) -> None:
    asked = partners.ask()
    partners.bring(asked, "ASSIGNED")

    def give_back(who: object) -> None:
        partners.do(
            who,  # type: ignore[arg-type]
            asked,
            lambda session, row, by, now: ending.return_unanswered(
                session, row, reason=ReturnReason.COMPETENCE, text="Utanför mitt område", by=by, now=now
            ),
        )

    with pytest.raises(NotPermitted, match="its reader"):
        give_back(partners.colleague)
    with pytest.raises(IllegalMove):
        give_back(partners.reader)


def test_an_agreement_that_ends_holds_what_is_open_unless_it_runs_off(module_database: Database) -> None:
    with World(module_database) as world:
        for run_off_days, expected in ((0, "HELD"), (14, "ASSIGNED")):
            partners = make_partners(world, run_off_days=run_off_days)
            asked = partners.ask()
            partners.bring(asked, "ASSIGNED")
            world.database.query(
                "UPDATE agreement SET terminated_at = now() - interval '1 day', ending = 'UNDER_NOTICE',"
                " ending_reason = 'Uppsagt' WHERE id = :id",
                id=partners.agreement_id,
            )
            due = select(ShareRequest.id).where(holds.may_be_due(datetime.now(UTC)))
            with transaction(world.owner) as session:
                assert asked.request_id in session.scalars(due).all()
            with transaction(world.worker) as session:
                holds.recheck(session, providers=[partners.owner.provider.id], now=datetime.now(UTC))
            assert partners.read(asked).status == expected
            with pytest.raises(Invalid, match="No service in force"):
                partners.bring(partners.ask(case=asked.case), "SUBMITTED")


def test_the_database_lets_no_department_sign_out_what_was_not_transferred_to_it(partners: Partners) -> None:
    asked = partners.ask(**TRANSFER)
    partners.bring(asked, "OFFERED")
    steal = "UPDATE pathology_case SET signout_department_id = :d WHERE id = :id"
    with pytest.raises(Exception, match="Exactly one department"):
        partners.world.database.query(steal, d=partners.performer.department.id, id=asked.case.id)
    with pytest.raises(Exception, match="Exactly one department"):
        partners.world.database.query(
            "UPDATE share_request SET status = 'ACCEPTED', accepted_at = now() WHERE id = :id", id=asked.request_id
        )
    partners.do(partners.head, asked, lambda session, row, by, now: deciding.accept(session, row, by=by, now=now))
    with pytest.raises(Exception, match="Exactly one department"):
        partners.world.database.query(steal, d=partners.owner.department.id, id=asked.case.id)


def test_of_a_recall_and_a_signature_at_once_one_wins(partners: Partners) -> None:
    """Both at the same moment, from two connections, as `answers.sign` and the owner's head do it."""
    for _ in range(8):
        asked = partners.ask()
        partners.bring(asked, "IN_REVIEW")

        def sign(asked: Asked = asked) -> None:
            partners.do(
                partners.reader, asked, lambda session, row, by, now: advance(session, row, "sign", by=by, now=now)
            )

        def recall(asked: Asked = asked) -> None:
            partners.do(
                partners.sender,
                asked,
                lambda session, row, by, now: ending.recall(session, row, text="Ångrat", by=by, now=now),
            )

        with ThreadPoolExecutor(2) as pool:
            errors = [one.exception() for one in [pool.submit(sign), pool.submit(recall)]]
        lost = [error for error in errors if error is not None]
        assert len(lost) == 1 and isinstance(lost[0], IllegalMove), errors
        request = partners.read(asked)
        signed = errors[0] is None
        assert request.status == ("ANSWERED" if signed else "RECALLED")
        assert read_disclosures(partners, asked) == [DisclosureState.ACTIVE if signed else DisclosureState.REVOKED]


@pytest.mark.parametrize("status", [CaseStatus.FINAL, CaseStatus.CANCELLED])
def test_a_case_that_its_owner_has_ended_is_taken_over_by_nobody(partners: Partners, status: CaseStatus) -> None:
    asked = partners.ask(**TRANSFER)
    partners.bring(asked, "OFFERED")
    with transaction(partners.world.owner) as session:
        session.get_one(PathologyCase, asked.case.id).status = status
    with pytest.raises(Conflict, match="ended this case meanwhile"):
        partners.do(partners.head, asked, lambda session, row, by, now: deciding.accept(session, row, by=by, now=now))
    assert find_holder(partners, asked) == partners.owner.department.id
    assert partners.read(asked).status is RequestStatus.OFFERED
