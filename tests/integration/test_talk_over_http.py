"""Messages, the stream, clocks, work orders and notifications over HTTP, as the two sides of a request see them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from partners import Asked, Partners, make_partners
from product import Database
from starlette.testclient import TestClient
from world import Somebody, World

from cases.access.permissions import Role
from cases.records.pathology_case import add_member
from cases.records.slide_images import SlideStatus
from cases.records.specimens import NewBlock, NewSpecimen, register_specimen
from cases.sharing.requests import Manifest, deciding, holds, submitting
from cases.transaction import transaction
from viewer import problems
from viewer.api import messages, notifications, work_orders
from viewer.settings import ViewerSettings

JSON = dict[str, Any]
NOBODYS = str(uuid.UUID(int=7))
Browser = Callable[[Somebody], TestClient]


@pytest.fixture(scope="module")
def world(module_database: Database) -> Iterator[World]:
    """For all tests of this file."""
    with World(module_database) as world:
        yield world


@pytest.fixture(scope="module")
def partners(world: World) -> Partners:
    """Kalmar, which asks, and Linköping, which answers."""
    return make_partners(world)


@pytest.fixture(scope="module")
def laboratory(partners: Partners) -> Somebody:
    """In the owner's laboratory."""
    return partners.owner.person(Role.LAB)


@pytest.fixture
def asked(partners: Partners) -> Asked:
    """A request that is being read."""
    asked = partners.ask()
    partners.bring(asked, "IN_REVIEW")
    return asked


@pytest.fixture(scope="module")
def browser(world: World, tmp_path_factory: pytest.TempPathFactory) -> Browser:
    """Somebody's browser, signed in, at these endpoints alone, on the real database as the web's role."""
    app = FastAPI()
    problems.install(app)
    for noun in (messages, work_orders, notifications):
        app.include_router(noun.router)
    nowhere: Path = tmp_path_factory.mktemp("nowhere")
    app.state.settings = ViewerSettings(
        database_url=world.database.url("samsyn_app"), redis_url="redis://nowhere", data=nowhere
    )
    app.state.sessions = world.app

    def sign_in(who: Somebody) -> TestClient:
        return TestClient(app, cookies={"samsyn_session": who.sign_in()})

    return sign_in


def post(client: TestClient, path: str, body: JSON | None = None, *, key: str | None = None, status: int = 200) -> JSON:
    """Make a change once."""
    answer = client.post(path, json=body, headers={"idempotency-key": key or str(uuid.uuid4())})
    assert answer.status_code == status, answer.text
    found: JSON = answer.json()
    return found


def get(client: TestClient, path: str, **query: Any) -> JSON:
    """Read something."""
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    found: JSON = answer.json()
    return found


def test_both_sides_talk_in_one_stream(partners: Partners, asked: Asked, browser: Browser) -> None:
    sender, reader = browser(partners.sender), browser(partners.reader)
    path = f"/api/requests/{asked.request_id}"
    question = post(
        reader, f"{path}/messages", {"body": "Tidigare biopsi?", "kind": "QUESTION", "blocking": True}, status=201
    )
    stream = get(sender, f"{path}/stream")["items"]
    assert [(one["entry"], one.get("body") or one["event"]) for one in stream[:3]] == [
        ("event", "wait"),
        ("message", "Tidigare biopsi?"),
        ("event", "start"),
    ]
    assert stream[1]["by"] == {
        "assignment_id": str(partners.reader.assignment.id),
        "care_provider_id": str(partners.performer.provider.id),
        "name": partners.reader.person.name,
        "title": partners.reader.person.title,
    }
    assert stream[0]["reason"] == "waiting_owner"
    assert reader.put(f"{path}/stream/reading", json={"up_to": question["id"]}).status_code == 204
    assert sender.put(f"{path}/stream/reading", json={"up_to": question["id"]}).status_code == 204
    reply = {"body": "Ja, B24-118.", "kind": "REPLY", "reply_to_id": question["id"]}
    post(sender, f"{path}/messages", reply, status=201)
    newest = get(reader, f"{path}/stream")["items"]
    assert next(one["event"] for one in newest if one["entry"] == "event") == "resume"
    assert next(one for one in newest if one["id"] == question["id"])["read_by"] == [str(partners.sender.assignment.id)]


def test_the_stream_goes_on_page_by_page(partners: Partners, asked: Asked, browser: Browser) -> None:
    sender = browser(partners.sender)
    path = f"/api/requests/{asked.request_id}"
    for number in range(3):
        post(sender, f"{path}/messages", {"body": f"Rad {number}"}, status=201)
    whole = [one["id"] for one in get(sender, f"{path}/stream")["items"]]
    pages, after = [], None
    while True:
        page = get(sender, f"{path}/stream", limit=2, **({"after": after} if after else {}))
        pages += [one["id"] for one in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert pages == whole
    assert len(whole) == len(set(whole)) >= 9


def test_what_was_said_and_held_before_anybody_was_asked_stays_with_the_owner(
    world: World, partners: Partners, browser: Browser
) -> None:
    case = partners.owner.case(partners.owner.patient(world.number()))
    slide_id = world.slide(case, status=SlideStatus.RECEIVED)
    asked = partners.ask(case=case, manifest=Manifest(slide_ids=(slide_id,)))
    partners.do(partners.sender, asked, lambda session, row, by, now: submitting.submit(session, row, by=by, now=now))
    assert partners.read(asked).status == "HELD"
    path = f"/api/requests/{asked.request_id}"
    sender = browser(partners.sender)
    inner = post(sender, f"{path}/messages", {"body": "Ska vi fråga dem igen?", "kind": "QUESTION"}, status=201)
    world.database.query("UPDATE slide_image SET status = 'VERIFIED' WHERE id = :id", id=slide_id)
    partners.do(partners.sender, asked, lambda session, row, by, now: holds.resolve(session, row, by=by, now=now))
    for step in (
        lambda session, row, by, now: deciding.accept(session, row, read_myself=True, by=by, now=now),
        lambda session, row, by, now: deciding.start(session, row, by=by, now=now),
    ):
        partners.do(partners.reader, asked, step)
    post(sender, f"{path}/messages", {"body": "Tack!"}, status=201)

    reader = browser(partners.reader)
    theirs, whole = (get(one, f"{path}/stream")["items"] for one in (reader, sender))
    told = [one.get("body") or one["event"] for one in theirs]
    assert told == ["Tack!", "start", "assign", "accept", "offer"]
    # What happened in one moment is in the order in which it was written down.
    assert [one.get("body") or one["event"] for one in whole] == [
        *told,
        "resolve",
        "Ska vi fråga dem igen?",
        "hold",
        "submit",
        "create",
    ]
    pages = get(reader, f"{path}/stream", limit=3)
    rest = get(reader, f"{path}/stream", limit=3, after=pages["next"])
    assert ([*pages["items"], *rest["items"]], rest["next"]) == (theirs, None)
    assert [len(get(one, f"{path}/clocks")["held"]) for one in (reader, sender)] == [0, 1]

    reply = {"body": "Ja", "kind": "REPLY", "reply_to_id": inner["id"]}
    answers = [
        post(reader, f"{path}/messages", {**reply, "reply_to_id": one}, status=422) for one in (inner["id"], NOBODYS)
    ]
    assert answers[0]["detail"] == answers[1]["detail"] == "There is no such question about this request."
    assert reader.put(f"{path}/stream/reading", json={"up_to": whole[0]["id"]}).status_code == 204
    read_by = {one["body"]: one["read_by"] for one in get(sender, f"{path}/stream")["items"] if "body" in one}
    assert read_by == {"Tack!": [str(partners.reader.assignment.id)], "Ska vi fråga dem igen?": []}


def test_a_message_that_is_sent_twice_is_written_once(partners: Partners, asked: Asked, browser: Browser) -> None:
    sender, key = browser(partners.sender), str(uuid.uuid4())
    path = f"/api/requests/{asked.request_id}"
    body = {"body": "Hör av er om något saknas."}
    first = post(sender, f"{path}/messages", body, key=key, status=201)
    assert post(sender, f"{path}/messages", body, key=key, status=201) == first
    assert sum(one["entry"] == "message" for one in get(sender, f"{path}/stream")["items"]) == 1
    missing = sender.post(f"{path}/messages", json=body)
    assert (missing.status_code, missing.json()["code"]) == (428, "KEY_MISSING")


def test_what_was_said_is_logged_as_written_and_as_read(partners: Partners, asked: Asked, browser: Browser) -> None:
    sender, reader = browser(partners.sender), browser(partners.reader)
    path = f"/api/requests/{asked.request_id}"
    post(sender, f"{path}/messages", {"body": "Hej"}, status=201)
    get(reader, f"{path}/stream")
    rows = partners.world.database.query(
        "SELECT e.event, e.assignment_id, s.patient_id FROM audit_event e JOIN audit_subject s ON s.event_id = e.id"
        " WHERE e.event IN ('MESSAGE_SENT', 'MESSAGE_VIEWED') AND s.patient_id = :patient_id ORDER BY e.at",
        patient_id=asked.case.patient_id,
    )
    assert [(row["event"], row["assignment_id"]) for row in rows] == [
        ("MESSAGE_SENT", partners.sender.assignment.id),
        ("MESSAGE_VIEWED", partners.reader.assignment.id),
    ]


def test_a_message_is_not_written_where_nobody_reads_it(partners: Partners, browser: Browser) -> None:
    draft = partners.ask()
    sender = browser(partners.sender)
    refused = post(sender, f"/api/requests/{draft.request_id}/messages", {"body": "Hej"}, status=409)
    assert refused["detail"].startswith("This request has not been sent")
    long = sender.post(
        f"/api/requests/{draft.request_id}/messages",
        json={"body": "x" * 20_001},
        headers={"idempotency-key": str(uuid.uuid4())},
    )
    assert long.status_code == 422


def test_strangers_find_nothing(world: World, partners: Partners, asked: Asked, browser: Browser) -> None:
    stranger = browser(world.provider("Jönköping").person(Role.PAT, Role.LAB))
    order = order_stain(browser(partners.reader), asked)
    for path in (
        f"/api/requests/{asked.request_id}/stream",
        f"/api/requests/{asked.request_id}/clocks",
        f"/api/requests/{asked.request_id}/work-orders",
        f"/api/work-orders/{order['id']}",
    ):
        assert (stranger.get(path).status_code, stranger.get(path).json()["code"]) == (404, "NOT_FOUND"), path
    post(stranger, f"/api/requests/{asked.request_id}/messages", {"body": "Hej"}, status=404)
    post(stranger, f"/api/work-orders/{order['id']}/acceptance", status=404)


def test_who_reads_something_else_at_the_performer_is_refused(
    partners: Partners, asked: Asked, browser: Browser
) -> None:
    clerk = browser(partners.performer.other_unit().person(Role.PAT))
    answer = clerk.get(f"/api/requests/{asked.request_id}/stream")
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


def test_a_clinician_reads_no_talk_about_what_others_asked(partners: Partners, asked: Asked, browser: Browser) -> None:
    clinician = partners.owner.person(Role.CLN)
    with transaction(partners.world.owner) as session:
        add_member(session, asked.case, assignment_id=clinician.assignment.id, by=partners.owner.clerk)
    path = f"/api/requests/{asked.request_id}"
    assert browser(clinician).get(f"{path}/stream").status_code == 404
    post(browser(clinician), f"{path}/messages", {"body": "Hej"}, status=404)
    both = partners.owner.person(Role.CLN, Role.RES)
    with transaction(partners.world.owner) as session:
        add_member(session, asked.case, assignment_id=both.assignment.id, by=partners.owner.clerk)
    assert browser(both).get(f"{path}/stream").status_code == 200


def test_clocks_say_who_is_waited_for(partners: Partners, asked: Asked, browser: Browser) -> None:
    reader = browser(partners.reader)
    order_stain(reader, asked)
    clocks = get(reader, f"/api/requests/{asked.request_id}/clocks")
    assert clocks["answer"]["running"]
    assert [one["running"] for one in clocks["waiting_owner"]] == [True]
    assert (clocks["waiting_lab"], clocks["held"], clocks["acknowledge"]) == ([], [], None)
    assert clocks["prepare"]["seconds"] >= 0


def order_stain(client: TestClient, asked: Asked, **changes: Any) -> JSON:
    """Order a stain, of a case whose specimens nobody has registered."""
    body = {"kind": "IHC", "code": "CK20", "comment": "Från det mest atypiska området.", **changes}
    return post(client, f"/api/requests/{asked.request_id}/work-orders", body, status=201)


def test_an_order_from_placing_to_what_came_of_it(
    partners: Partners, laboratory: Somebody, asked: Asked, browser: Browser
) -> None:
    with transaction(partners.world.owner) as session:
        register_specimen(session, asked.case, NewSpecimen(blocks=(NewBlock(),)), by=partners.owner.clerk)
    block_id = partners.world.database.query(
        "SELECT id FROM tissue_block WHERE case_id = :case_id", case_id=asked.case.id
    )[0]["id"]
    reader, lab = browser(partners.reader), browser(laboratory)
    order = order_stain(reader, asked, target_kind="BLOCK", target_id=str(block_id), slides=1)
    assert (order["status"], order["allowed"], len(order["expected_glass_ids"])) == (
        "REQUESTED",
        ["accept", "cancel", "reject"],
        1,
    )
    listed = get(lab, f"/api/requests/{asked.request_id}/work-orders")["items"]
    assert [(one["id"], one["comment"]) for one in listed] == [(order["id"], "Från det mest atypiska området.")]
    path = f"/api/work-orders/{order['id']}"
    refused = post(lab, f"{path}/fulfilment", {"slide_ids": []}, status=422)
    assert refused["field"] == "slide_ids"
    early = post(lab, f"{path}/fulfilment", {"slide_ids": [str(asked.slide_ids[0])]}, status=409)
    assert (early["code"], early["allowed"]) == ("ILLEGAL_MOVE", ["accept", "cancel", "reject"])
    key = str(uuid.uuid4())
    for _ in range(2):
        assert post(lab, f"{path}/acceptance", key=key)["status"] == "ACCEPTED"
    post(lab, f"{path}/start")
    slide_id = partners.world.slide(asked.case)
    done = post(lab, f"{path}/fulfilment", {"slide_ids": [str(slide_id)]})
    assert (done["status"], done["slide_ids"], done["allowed"]) == ("FULFILLED", [str(slide_id)], [])
    assert partners.read(asked).status == "IN_REVIEW"
    assert partners.look(partners.reader, slide_id)


def test_an_order_that_cannot_be_done(partners: Partners, laboratory: Somebody, asked: Asked, browser: Browser) -> None:
    reader, lab = browser(partners.reader), browser(laboratory)
    order = order_stain(reader, asked)
    path = f"/api/work-orders/{order['id']}"
    said = post(lab, f"{path}/rejection", {"reason": "INSUFFICIENT_MATERIAL", "text": "Blocket är tomt."})
    assert (said["status"], said["reject_reason"]) == ("REJECTED", "INSUFFICIENT_MATERIAL")
    assert get(reader, f"/api/requests/{asked.request_id}/stream")["items"][0]["event"] == "resume"
    late = post(reader, f"{path}/cancellation", status=409)
    assert (late["code"], late["allowed"]) == ("ILLEGAL_MOVE", [])


def test_a_loan_over_http(partners: Partners, laboratory: Somebody, asked: Asked, browser: Browser) -> None:
    reader, lab = browser(partners.reader), browser(laboratory)
    there = browser(partners.coordinator)
    order = order_stain(reader, asked, kind="GLASS_LOAN", code=None, blocking=False)
    path = f"/api/work-orders/{order['id']}"
    post(lab, f"{path}/acceptance")
    assert post(lab, f"{path}/start")["allowed"] == ["receive", "send"]
    at = datetime.now(UTC).isoformat()
    sent = post(lab, f"{path}/sending", {"carrier": "PostNord 1", "at": at})
    assert (sent["carrier"], sent["status"]) == ("PostNord 1", "IN_PROGRESS")
    at = datetime.now(UTC).isoformat()
    assert post(there, f"{path}/receipt", {"at": at})["status"] == "FULFILLED"
    at = datetime.now(UTC).isoformat()
    assert post(lab, f"{path}/return", {"at": at})["returned_at"] is not None


def test_notifications_lead_to_what_happened(partners: Partners, asked: Asked, browser: Browser) -> None:
    sender = browser(partners.sender)
    post(browser(partners.reader), f"/api/requests/{asked.request_id}/messages", {"body": "Hej"}, status=201)
    newest = get(sender, "/api/notifications", limit=1)
    (told,) = newest["items"]
    assert (told["event"], told["subject_kind"], told["subject_id"]) == (
        "MESSAGE_SENT",
        "request",
        str(asked.request_id),
    )
    assert (told["personal"], told["read_at"], told["short_id"]) == (True, None, partners.read(asked).short_id)
    before = get(sender, "/api/notifications/count")["unread"]
    assert sender.put(f"/api/notifications/{told['id']}/reading").status_code == 204
    assert get(sender, "/api/notifications/count") == {"unread": before - 1, "more": False}
    assert get(sender, "/api/notifications", limit=1, unread=True)["items"][0]["id"] != told["id"]
    assert sender.put("/api/notifications/reading", json={"up_to": told["id"]}).status_code == 204
    assert get(sender, "/api/notifications/count") == {"unread": 0, "more": False}
    another = browser(partners.owner.person(Role.PAT)).put(f"/api/notifications/{told['id']}/reading")
    assert (another.status_code, another.json()["code"]) == (404, "NOT_FOUND")
