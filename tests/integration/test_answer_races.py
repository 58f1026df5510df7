"""Two at once about one answer: one wins, and the other is told why."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from answering import COMPLETE, Asked, ask, confirm, read, sign_change
from product import Database
from racing import race
from sqlalchemy import select
from world import Place, World

from cases.access.blocks import BlockType, register_block
from cases.access.errors import IllegalMove, NotThere, Stale
from cases.access.gate import Refused
from cases.access.patients import Patient
from cases.database import act_for
from cases.sharing.answers.answer import Answer, AnswerStatus, AnswerVersion, Stage
from cases.sharing.requests import RequestStatus, lock_request
from cases.sharing.requests.ending import recall
from cases.transaction import transaction


@pytest.fixture(scope="module")
def places(module_database: Database) -> Iterator[tuple[Place, Place]]:
    with World(module_database) as world:
        yield world.provider("Region Kalmar"), world.provider("Region Östergötland")


def signed_versions(asked: Asked) -> int:
    with transaction(asked.owner.world.owner) as session:
        signed = select(AnswerVersion.id).where(
            AnswerVersion.request_id == asked.request_id, AnswerVersion.stage != Stage.DRAFT
        )
        return len(session.scalars(signed).all())


@pytest.fixture
def asked(places: tuple[Place, Place]) -> Asked:
    """Everybody is signed in: who wins is not decided by that."""
    asked = ask(*places)
    asked.open_slides(asked.slides)
    asked.requester.sign_in()
    return asked


def test_two_sign(asked: Asked, round_: int) -> None:
    answer_id = asked.write()
    ends = race(*(lambda: asked.sign(answer_id),) * 2)
    assert [type(end) for end in ends if end] == [IllegalMove]
    assert (signed_versions(asked), asked.request().status) == (1, RequestStatus.ANSWERED)


def test_one_signs_and_one_saves(asked: Asked, round_: int) -> None:
    """Either what was signed is what the signer had read, or there is something newer and nothing was signed."""
    answer_id = asked.write()
    signed, saved = race(lambda: asked.sign(answer_id), lambda: asked.save(COMPLETE, base=1, saving="DICTATED"))
    assert saved is None
    with transaction(asked.owner.world.owner) as session:
        versions = session.scalars(select(AnswerVersion).where(AnswerVersion.answer_id == answer_id)).all()
        answer = session.get_one(Answer, answer_id)
        bases = {one.base_number for one in versions if one.stage is Stage.FINAL}
    if signed is None:
        assert (answer.status, bases) == (AnswerStatus.FINAL, {1})
    else:
        assert (type(signed), answer.status, bases) == (Stale, AnswerStatus.DRAFT, set())


def test_one_signs_and_one_recalls(asked: Asked, round_: int) -> None:
    answer_id = asked.write()

    def take_back() -> None:
        with asked.requester.acting() as (session, actor):
            request = lock_request(session, asked.request_id, by=actor)
            recall(session, request, text="Behövs inte", by=actor, now=datetime.now(UTC))

    signed, recalled = race(lambda: asked.sign(answer_id), take_back)
    assert (signed is None) is not (recalled is None)
    if signed is None:
        assert isinstance(recalled, IllegalMove)
        assert (asked.request().status, signed_versions(asked)) == (RequestStatus.ANSWERED, 1)
    else:
        assert isinstance(signed, IllegalMove | Refused | NotThere)
        assert (asked.request().status, signed_versions(asked)) == (RequestStatus.RECALLED, 0)


def test_one_signs_and_the_patient_blocks(asked: Asked, round_: int) -> None:
    answer_id = asked.write()

    def block() -> None:
        with transaction(asked.owner.world.app) as session:
            act_for(session, asked.owner.provider.id)
            register_block(
                session,
                session.get_one(Patient, asked.case.patient_id),
                BlockType.OUTER,
                by=asked.owner.clerk,
                now=datetime.now(UTC),
            )

    signed, blocked = race(lambda: asked.sign(answer_id), block)
    assert blocked is None
    status = asked.request().status
    if signed is None:
        assert (status, signed_versions(asked)) == (RequestStatus.ANSWERED, 1)
    else:
        assert (status, signed_versions(asked)) == (RequestStatus.HELD, 0)


def test_one_amends_and_one_acknowledges(asked: Asked, round_: int) -> None:
    """Nobody acknowledges a version that they have not read."""
    version = asked.sign(asked.write())
    read(asked.requester, version.answer_id)
    amended, _ = race(lambda: sign_change(asked, version), lambda: confirm(asked))
    assert amended is None
    assert asked.request().status is RequestStatus.ANSWERED
    with transaction(asked.owner.world.owner) as session:
        answer = session.get_one(Answer, version.answer_id)
        assert answer.released == answer.head
    newest = asked.seen_by_owner()
    assert newest is not None
    assert len(asked.signatures(newest)) == 1
