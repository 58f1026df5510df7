"""Answers reach where a care provider wants them: once where all goes well, at least once whatever happens."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fhir.resources.R4B.bundle import Bundle
from posting import PATIENCE, Post, make_post
from product import Database
from receivers import HERE, Manner, Receiver
from sqlalchemy import select, update
from world import World

from cases.access.errors import Conflict, IllegalMove, NotThere
from cases.access.patients import Patient, Protection
from cases.access.permissions import Role
from cases.sharing.answers.amending import enter_in_error
from cases.sharing.answers.answer import AnswerVersion
from cases.sharing.destinations import (
    Answers,
    Destination,
    Wanted,
    change_destination,
    find_destination,
    list_destinations,
    renew_secret,
)
from cases.sharing.outbox import (
    ATTEMPTS,
    LATE,
    Attempt,
    CourierLate,
    MessageState,
    OutboxMessage,
    end_destination,
    enqueue_answer,
    find_message,
    list_messages,
    retry,
    serve,
    settle,
    take_message,
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


def test_an_answer_reaches_both_parties_systems(post: Post, tmp_path: Path) -> None:
    with Receiver() as receiver:
        webhook, secret = post.add(receiver)
        folder, _ = post.add(None, answers=Answers.GIVEN, by=post.other_administrator)
        for own in (post.administrator, post.other_administrator):
            wrong = Answers.GIVEN if own is post.administrator else Answers.RECEIVED
            post.add(receiver, answers=wrong, by=own)
        asked = post.ask()
        version = asked.answered()
        assert post.message(webhook).state is MessageState.PENDING
        assert {webhook, folder} <= set(post.due())
        courier = post.courier(receiver, folder=tmp_path)
        assert [courier.deliver(one) for one in (webhook, folder)] == [1, 1]
        (received,) = receiver.received
        assert courier.deliver(webhook) == 0  # it was sent
    request = asked.request()

    assert received.path == "/answers?lab=1"
    assert received.headers["samsyn-request"] == request.short_id
    assert received.headers["samsyn-event"] == "answer.released"
    assert received.headers["samsyn-delivery"] == str(post.message(webhook).id)
    told = f"{received.headers['samsyn-timestamp']}.{received.headers['samsyn-delivery']}.".encode() + received.body
    assert secret is not None
    expected = hmac.new(secret.encode(), told, hashlib.sha256).hexdigest()
    assert received.headers["samsyn-signature"] == f"v1={expected}"
    assert "Tolvan" not in received.path + json.dumps(received.headers)

    bundle = json.loads(received.body)
    Bundle.model_validate_json(received.body)
    report = bundle["entry"][0]["resource"]
    assert report["id"] == str(version.answer_id)
    assert report["conclusion"] == "Tubulärt adenom"
    assert "Tolvansson" in received.body.decode()

    laid = tmp_path / post.linkoping.provider.hsa_id
    name = f"{request.short_id}-v{version.number}"
    assert sorted(one.name for one in laid.iterdir()) == [f"{name}.fhir.json", f"{name}.pdf", f"{name}.txt"]
    assert (laid / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    assert "Tubulärt adenom" in (laid / f"{name}.txt").read_text()
    assert list((tmp_path / "incoming").iterdir()) == []

    row = post.message(webhook)
    assert (row.state, row.attempts, row.last_code) == (MessageState.SENT, 1, "HTTP_200")
    logged = post.world.database.query(
        "SELECT event.care_provider_id, outcome, subject.patient_id FROM audit_event AS event"
        " JOIN audit_subject AS subject ON subject.event_id = event.id"
        " WHERE event.event = 'INTEGRATION_OUT' AND args ->> 'message' IN (:sent, :laid)",
        sent=str(row.id),
        laid=str(post.message(folder).id),
    )
    assert {one["care_provider_id"] for one in logged} == {post.kalmar.provider.id, post.linkoping.provider.id}
    assert {one["patient_id"] for one in logged} == {asked.case.patient_id}
    assert {one["outcome"] for one in logged} == {"OK"}


def test_what_waits_to_be_sent_holds_no_word_of_it(post: Post) -> None:
    with Receiver() as receiver:
        webhook, secret = post.add(receiver)
        post.ask().answered()
        (row,) = post.world.database.query("SELECT * FROM outbox_message WHERE destination_id = :id", id=webhook)
        (kept,) = post.world.database.query("SELECT * FROM destination WHERE id = :id", id=webhook)
    assert "adenom" not in str(row)
    assert secret is not None
    assert secret not in str(kept)


def test_it_is_written_with_what_it_is_about_or_not_at_all(post: Post) -> None:
    with Receiver() as receiver:
        webhook, _ = post.add(receiver)
        asked = post.ask()
        asked.open_slides(asked.slides)
        answer_id = asked.write()

        class Interrupted(Exception):
            """Something after the signature."""

        from cases.sharing.answers.signing import sign

        with pytest.raises(Interrupted), asked.reader.acting() as (session, actor):
            sign(session, answer_id, 1, by=actor, now=datetime.now(UTC))
            assert session.execute(select(AnswerVersion.id).where(AnswerVersion.answer_id == answer_id)).all()
            raise Interrupted
        assert post.messages(webhook) == []
        version = asked.sign(answer_id)
        assert len(post.messages(webhook)) == 1
        with asked.reader.acting() as (session, _):
            assert enqueue_answer(session, session.get_one(AnswerVersion, version.id)) == 1
        assert len(post.messages(webhook)) == 1  # the same twice is the same


def test_a_withdrawn_answer_is_sent_as_withdrawn(post: Post) -> None:
    head = post.linkoping.person(Role.HEAD)
    with Receiver() as receiver:
        webhook, _ = post.add(receiver, language="en")
        version = post.ask().answered()
        courier = post.courier(receiver)
        assert courier.deliver(webhook) == 1
        with head.acting() as (session, actor):
            enter_in_error(session, version.answer_id, "Fel patient.", by=actor, now=datetime.now(UTC))
        assert courier.deliver(webhook) == 1
    first, second = receiver.received
    assert [one.headers["samsyn-event"] for one in (first, second)] == ["answer.released", "answer.withdrawn"]
    statuses = [json.loads(one.body)["entry"][0]["resource"]["status"] for one in (first, second)]
    assert statuses == ["final", "entered-in-error"]
    assert json.loads(first.body)["entry"][0]["resource"]["code"]["text"] == "Consultation report"


def test_of_a_protected_identity_nothing_leaves(post: Post) -> None:
    with Receiver() as receiver:
        webhook, _ = post.add(receiver)
        asked = post.ask()
        asked.answered()
        with transaction(post.world.owner) as session:
            session.get_one(Patient, asked.case.patient_id).protection = Protection.SKYDDAD_FOLKBOKFORING
        assert post.courier(receiver).deliver(webhook) == 1
    body = receiver.received[0].body.decode()
    assert "skyddadFolkbokforing" in body
    assert "Tolvan" not in body
    assert asked.case.lid in body


def test_one_message_that_is_refused_keeps_back_only_its_own_request(post: Post) -> None:
    head = post.linkoping.person(Role.HEAD)
    with Receiver(Manner.REFUSES) as receiver:
        webhook, _ = post.add(receiver)
        version = post.ask().answered()
        courier = post.courier(receiver)
        assert courier.deliver(webhook) == 0
        receiver.manner = Manner.TAKES
        with head.acting() as (session, actor):
            enter_in_error(session, version.answer_id, "Fel patient.", by=actor, now=datetime.now(UTC))
        other = post.ask().answered()
        assert courier.deliver(webhook) == 1  # another request's
        assert [one.answer_version_id for one in post.messages(webhook) if one.sent_at] == [other.id]
        post.let_time_pass(webhook)
        assert courier.deliver(webhook) == 2  # in their order
    events = [one.headers["samsyn-event"] for one in receiver.received]
    assert events == ["answer.released", "answer.released", "answer.released", "answer.withdrawn"]


def test_a_slow_receiver_stops_nobody(post: Post) -> None:
    with Receiver(Manner.HANGS) as slow, Receiver() as quick:
        held, _ = post.add(slow)
        free, _ = post.add(quick)
        for _ in range(3):
            post.ask().answered()
        couriers = [post.courier(slow) for _ in range(2)]
        began, ended = time.monotonic(), dict[str, float]()

        def work(name: str, courier: Courier, *destinations: uuid.UUID) -> None:
            for one in destinations:
                courier.deliver(one)
            ended[name] = time.monotonic() - began

        threads = [
            threading.Thread(target=work, args=("stuck", couriers[0], held)),
            threading.Thread(target=work, args=("busy", couriers[1], held, free)),
        ]
        for thread in threads:
            thread.start()
            time.sleep(0.2)
        for thread in threads:
            thread.join(timeout=20)
        assert len(quick.received) == 3
        assert len(slow.received) == 1  # the second courier did not queue behind the first
        assert post.messages(held)[0].last_code == "TIMED_OUT"
        assert ended["stuck"] >= PATIENCE
        assert post.due() == [] or held not in post.due()


def test_who_failed_last_is_served_last(post: Post) -> None:
    with Receiver(Manner.BUSY) as failing, Receiver() as well:
        first, _ = post.add(failing)
        second, _ = post.add(well)
        post.ask().answered()
        assert post.courier(failing).deliver(first) == 0
        post.let_time_pass(first)
        due = [one for one in post.due() if one in (first, second)]
    assert due == [second, first]


def test_a_courier_that_dies_is_followed_by_another(post: Post) -> None:
    with Receiver() as receiver:
        webhook, _ = post.add(receiver)
        post.ask().answered()
        dead = uuid.uuid4()
        with transaction(post.world.worker) as session:
            assert serve(session, webhook, holder=dead)
            taken = take_message(session, webhook, holder=dead)
        assert taken is not None
        assert webhook not in post.due()
        assert post.courier(receiver).deliver(webhook) == 0  # the first may still be on the way
        with transaction(post.world.owner) as session:
            past = datetime(2026, 1, 1, tzinfo=UTC)
            session.execute(update(Destination).where(Destination.id == webhook).values(leased_until=past))
        assert webhook in post.due()
        assert post.courier(receiver).deliver(webhook) == 1
        with pytest.raises(CourierLate), transaction(post.world.worker) as session:
            settle(session, taken[1].id, Attempt(False, "TIMED_OUT"), holder=dead, subject=None)
    assert post.message(webhook).state is MessageState.SENT


def test_after_many_attempts_somebody_must_look(post: Post) -> None:
    coordinator, elsewhere = post.kalmar.person(Role.COO), post.linkoping.person(Role.COO)
    with Receiver(Manner.BUSY) as receiver:
        webhook, _ = post.add(receiver)
        post.ask().answered()
        with transaction(post.world.owner) as session:
            session.execute(
                update(OutboxMessage).where(OutboxMessage.destination_id == webhook).values(attempts=ATTEMPTS - 1)
            )
        courier = post.courier(receiver)
        assert courier.deliver(webhook) == 0
        dead = post.message(webhook)
        assert dead.state is MessageState.DEAD
        assert told_of(post, dead) == ["DELIVERY_FAILED"]
        post.let_time_pass(webhook)
        assert webhook not in post.due()
        with coordinator.acting() as (session, actor):
            assert [one.id for one in list_messages(session, by=actor, states=[MessageState.DEAD])] == [dead.id]
        with elsewhere.acting() as (session, actor):
            assert list_messages(session, by=actor) == []
            with pytest.raises(NotThere):
                find_message(session, dead.id, by=actor)
        receiver.manner = Manner.TAKES
        with coordinator.acting() as (session, actor):
            retry(session, find_message(session, dead.id, by=actor), by=actor, now=datetime.now(UTC))
        assert courier.deliver(webhook) == 1
    with coordinator.acting() as (session, actor):
        sent = find_message(session, dead.id, by=actor)
        assert sent.state is MessageState.SENT
        with pytest.raises(IllegalMove, match="not sent twice"):
            retry(session, sent, by=actor, now=datetime.now(UTC))
    ends = post.world.database.query(
        "SELECT outcome FROM audit_event WHERE event = 'INTEGRATION_OUT' AND args ->> 'message' = :id ORDER BY at",
        id=str(dead.id),
    )
    assert [one["outcome"] for one in ends] == ["ERROR", "OK"]


def test_what_waits_for_long_is_told_once(post: Post) -> None:
    with Receiver(Manner.BUSY) as receiver:
        webhook, _ = post.add(receiver)
        post.ask().answered()
        courier = post.courier(receiver)
        assert courier.deliver(webhook) == 0
        assert told_of(post, post.message(webhook)) == []
        with transaction(post.world.owner) as session:
            long_ago = datetime.now(UTC) - LATE - timedelta(seconds=5)
            of = update(OutboxMessage).where(OutboxMessage.destination_id == webhook)
            session.execute(of.values(created_at=long_ago, last_attempt_at=long_ago))
        for _ in range(2):
            post.let_time_pass(webhook)
            assert courier.deliver(webhook) == 0
    assert told_of(post, post.message(webhook)) == ["DELIVERY_LATE"]


def told_of(post: Post, message: OutboxMessage) -> list[str]:
    """What those who follow deliveries were told about a message."""
    rows = post.world.database.query(
        "SELECT event, roles, care_provider_id FROM notification WHERE subject_id = :id", id=message.id
    )
    assert all(row["roles"] == ["ADM", "COO"] for row in rows)
    assert all(row["care_provider_id"] == message.care_provider_id for row in rows)
    return [row["event"] for row in rows]


def test_a_folder_that_is_not_there_or_refuses(post: Post, tmp_path: Path) -> None:
    folder, _ = post.add(None)
    post.ask().answered()
    assert post.courier().deliver(folder) == 0
    assert post.message(folder).last_code == "NO_FOLDER"
    post.let_time_pass(folder)
    (tmp_path / post.kalmar.provider.hsa_id).write_text("a file in its place")
    assert post.courier(folder=tmp_path).deliver(folder) == 0
    assert post.message(folder).last_code == "FOLDER_REFUSED"
    (tmp_path / post.kalmar.provider.hsa_id).unlink()
    post.let_time_pass(folder)
    assert post.courier(folder=tmp_path).deliver(folder) == 1


def test_a_destination_that_ends_gets_nothing_more(post: Post) -> None:
    with Receiver() as receiver:
        webhook, _ = post.add(receiver)
        post.ask().answered()
        with post.administrator.acting() as (session, actor):
            row = find_destination(session, webhook, by=actor)
            end_destination(session, row, by=actor, now=datetime.now(UTC))
        assert post.message(webhook).state is MessageState.DEAD
        assert post.courier(receiver).deliver(webhook) == 0
        post.ask().answered()
        assert len(post.messages(webhook)) == 1
        with post.administrator.acting() as (session, actor):
            assert list_destinations(session, by=actor) == []
            row = find_destination(session, webhook, by=actor)
            for change in (
                lambda: end_destination(session, row, by=actor, now=datetime.now(UTC)),
                lambda: renew_secret(session, row, by=actor),
                lambda: retry(session, list_messages(session, by=actor)[0], by=actor, now=datetime.now(UTC)),
            ):
                with pytest.raises(Conflict, match="has ended"):
                    change()
    assert receiver.received == []


def test_a_new_address_and_a_new_secret_hold_at_once(post: Post) -> None:
    with Receiver(Manner.BUSY) as old, Receiver() as new:
        webhook, before = post.add(old)
        post.ask().answered()
        assert post.courier(old).deliver(webhook) == 0
        with post.administrator.acting() as (session, actor):
            row = find_destination(session, webhook, by=actor)
            wanted = Wanted(name="Nytt", address=new.address, answers=Answers.BOTH, language="sv")
            change_destination(session, row, wanted, networks=HERE, by=actor)
            after = renew_secret(session, row, by=actor)
        assert after != before
        with transaction(post.world.owner) as session:
            assert session.get_one(Destination, webhook).rests_until is None
        post.let_time_pass(webhook)
        assert post.courier(new).deliver(webhook) == 1
        (received,) = new.received
    head = f"{received.headers['samsyn-timestamp']}.{received.headers['samsyn-delivery']}."
    signed = hmac.new(after.encode(), head.encode() + received.body, hashlib.sha256).hexdigest()
    assert received.headers["samsyn-signature"] == f"v1={signed}"


def test_another_providers_destination_is_not_there(post: Post) -> None:
    with Receiver() as receiver:
        webhook, _ = post.add(receiver)
    with post.other_administrator.acting() as (session, actor), pytest.raises(NotThere):
        find_destination(session, webhook, by=actor)
