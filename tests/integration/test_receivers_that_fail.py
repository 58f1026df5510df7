"""Receivers that fail, hang, drip, are late or are somebody else: what they get, and what they do not."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from posting import PATIENCE, Post, make_post
from product import Database
from receivers import LATE, Manner, Receiver
from world import World

from cases.sharing.destinations import (
    Destination,
)
from cases.sharing.outbox import (
    MessageState,
)
from cases.transaction import transaction
from worker.delivery import Courier


@pytest.fixture(scope="module")
def world(module_database: Database) -> Iterator[World]:
    with World(module_database) as world:
        yield world


@pytest.fixture
def post(world: World) -> Post:
    return make_post(world)


@pytest.mark.parametrize(
    ("manner", "code"),
    [
        (Manner.BUSY, "HTTP_503"),
        (Manner.REDIRECTS, "HTTP_302"),
        (Manner.HANGS, "TIMED_OUT"),
        (Manner.DRIPS, "TIMED_OUT"),
        (Manner.HANGS_UP, "CONNECTION_FAILED"),
        (Manner.MUMBLES, "CONNECTION_FAILED"),
    ],
)
def test_a_receiver_that_fails_rests_and_gets_it_later_as_the_same(post: Post, manner: Manner, code: str) -> None:
    with Receiver(manner) as receiver:
        webhook, _ = post.add(receiver)
        post.ask().answered()
        post.ask().answered()
        courier = post.courier(receiver)
        began = time.monotonic()
        assert courier.deliver(webhook) == 0
        assert time.monotonic() - began < PATIENCE + 5
        first, second = post.messages(webhook)
        assert (first.state, first.attempts, first.last_code) == (MessageState.PENDING, 1, code)
        assert second.attempts == 0  # it would have fared no better
        assert webhook not in post.due()
        assert courier.deliver(webhook) == 0
        assert len(receiver.received) == 1  # nothing was followed, and it was left alone
        receiver.manner = Manner.TAKES
        post.let_time_pass(webhook)
        assert webhook in post.due()
        assert courier.deliver(webhook) == 2
    deliveries = [one.headers["samsyn-delivery"] for one in receiver.received]
    assert deliveries == [str(first.id), str(first.id), str(second.id)]
    assert [one.state for one in post.messages(webhook)] == [MessageState.SENT] * 2
    with transaction(post.world.owner) as session:
        assert session.get_one(Destination, webhook).failures == 0


def test_a_receiver_that_answers_late_has_answered(post: Post) -> None:
    with Receiver(Manner.IS_LATE) as receiver:
        webhook, _ = post.add(receiver)
        post.ask().answered()
        began = time.monotonic()
        assert post.courier(receiver).deliver(webhook) == 1
        assert time.monotonic() - began >= LATE
    assert post.message(webhook).last_code == "HTTP_204"


def test_nobody_is_there(post: Post) -> None:
    with Receiver() as receiver:
        webhook, _ = post.add(receiver)
    post.ask().answered()
    assert post.courier(receiver).deliver(webhook) == 0
    assert post.message(webhook).last_code == "CONNECTION_FAILED"


def test_a_stranger_with_the_receivers_name_gets_nothing(post: Post) -> None:
    with Receiver() as receiver:
        webhook, _ = post.add(receiver)
        post.ask().answered()
        assert post.courier().deliver(webhook) == 0  # who believes the system's authorities only
    assert post.message(webhook).last_code == "CERTIFICATE_REFUSED"
    assert receiver.received == []


def test_a_name_that_leads_inside_is_not_followed(post: Post) -> None:
    with Receiver() as receiver:
        webhook, _ = post.add(receiver)
        post.ask().answered()
        closed = Courier(post.world.worker, networks=(), trust=receiver.trust, patience=PATIENCE)
        assert closed.deliver(webhook) == 0
    assert post.message(webhook).last_code == "ADDRESS_REFUSED"
    assert receiver.received == []
