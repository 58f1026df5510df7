"""Answers over HTTP: drafts that meet, what is missing, signing once, and what each side is shown."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from answering import Asked, ask, competent
from fastapi import FastAPI
from product import Database
from starlette.testclient import TestClient
from world import Place, Somebody, World

from cases.access.permissions import Role
from viewer import problems
from viewer.api import answer_follow_up, answer_signing, answers
from viewer.settings import ViewerSettings

JSON = dict[str, Any]
CONTENT: JSON = {
    "statement": "Tubulärt adenom.\nRadikalt avlägsnat.",
    "diagnosis": "Tubulärt adenom",
    "codes": [{"axis": "M", "system": "SNOMED_SE", "code": "M82110", "display": "Tubulärt adenom"}],
    "agreement": "AGREE",
    "platform": "THIS_VIEWER",
}


@pytest.fixture(scope="module")
def world(module_database: Database) -> Iterator[World]:
    with World(module_database) as world:
        yield world


@pytest.fixture(scope="module")
def app(world: World, tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """These endpoints alone, on the real database as the web's role."""
    app = FastAPI()
    problems.install(app)
    for router in (
        answers.requests_router,
        answers.router,
        answer_signing.router,
        answer_follow_up.requests_router,
        answer_follow_up.router,
        answer_follow_up.rules_router,
    ):
        app.include_router(router)
    nowhere: Path = tmp_path_factory.mktemp("nowhere")
    app.state.settings = ViewerSettings(
        database_url=world.database.url("samsyn_app"), redis_url="redis://nowhere", data=nowhere
    )
    app.state.sessions = world.app
    return app


@pytest.fixture(scope="module")
def places(world: World) -> tuple[Place, Place]:
    return world.provider("Region Kalmar"), world.provider("Region Östergötland")


@contextmanager
def browser(app: FastAPI, somebody: Somebody) -> Iterator[TestClient]:
    """Somebody's browser, signed in just now."""
    with TestClient(app, cookies={"samsyn_session": somebody.sign_in()}) as client:
        yield client


@pytest.fixture
def asked(places: tuple[Place, Place]) -> Asked:
    return ask(*places)


@pytest.fixture
def reader(app: FastAPI, asked: Asked) -> Iterator[TestClient]:
    with browser(app, asked.reader) as client:
        yield client


@pytest.fixture
def requester(app: FastAPI, asked: Asked) -> Iterator[TestClient]:
    with browser(app, asked.requester) as client:
        yield client


def key() -> dict[str, str]:
    return {"idempotency-key": str(uuid.uuid4())}


def save(client: TestClient, asked: Asked, base: int, **changes: object) -> Any:
    return client.put(
        f"/api/requests/{asked.request_id}/draft",
        json={"content": CONTENT | changes},
        headers={"if-match": f'"{base}"'},
    )


def post(client: TestClient, address: str, body: JSON | None = None, *, headers: dict[str, str] | None = None) -> Any:
    return client.post(address, json=body, headers=headers or key())


def signed(client: TestClient, asked: Asked, **changes: object) -> JSON:
    """Written and signed by the reader."""
    asked.open_slides(asked.slides)
    answer_id = save(client, asked, 0, **changes).json()["id"]
    answer = post(client, f"/api/answers/{answer_id}/signatures", {"number": 1})
    assert answer.status_code == 201, answer.text
    found: JSON = answer.json()
    return found


def test_a_draft_is_saved_read_and_saved_again(reader: TestClient, asked: Asked) -> None:
    assert reader.get(f"/api/requests/{asked.request_id}/draft").status_code == 404
    first = save(reader, asked, 0)
    assert (first.status_code, first.headers["etag"]) == (200, '"1"')
    assert first.json()["version"]["content"]["statement"] == CONTENT["statement"]
    found = reader.get(f"/api/requests/{asked.request_id}/draft")
    assert (found.headers["etag"], found.json()["version"]) == ('"1"', first.json()["version"])
    second = save(reader, asked, 1, statement="Två")
    assert (second.headers["etag"], second.json()["head"]) == ('"2"', 2)


def test_a_save_on_top_of_an_old_version_is_refused_and_kept(reader: TestClient, asked: Asked) -> None:
    save(reader, asked, 0)
    save(reader, asked, 1, statement="Två")
    late = save(reader, asked, 1, statement="Två, annan flik")
    assert (late.status_code, late.json()["code"], late.headers["etag"]) == (412, "STALE", '"2"')
    assert late.headers["content-type"] == "application/problem+json"
    assert "Yours was kept beside it as version 3" in late.json()["detail"]
    kept = reader.get(late.headers["location"])
    assert kept.json()["version"]["content"]["statement"] == "Två, annan flik"
    answer_id = kept.json()["id"]
    listed = reader.get(f"/api/answers/{answer_id}/versions", params={"every": True}).json()["items"]
    assert [(one["number"], one["stands"], one["beside"]) for one in listed] == [
        (3, False, True),
        (2, True, False),
        (1, False, False),
    ]
    assert save(reader, asked, 0).status_code == 412


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ({"statement": "x" * 20_001}, "statement"),
        ({"statement": "noll\0tecken"}, "statement"),
        ({"agreement": "MAYBE"}, "agreement"),
        ({"codes": [{"axis": "M", "system": "ICDO3", "code": "<b>", "display": "x"}]}, "code"),
    ],
)
def test_what_cannot_be_an_answer_is_refused(reader: TestClient, asked: Asked, content: JSON, place: str) -> None:
    answer = save(reader, asked, 0, **content)
    assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_REQUEST")
    assert place in answer.json()["detail"]


def test_a_save_says_what_it_is_based_on(reader: TestClient, asked: Asked) -> None:
    answer = reader.put(f"/api/requests/{asked.request_id}/draft", json={"content": CONTENT})
    assert (answer.status_code, answer.json()["code"]) == (428, "VERSION_MISSING")


def test_everything_that_is_missing_can_be_shown(reader: TestClient, asked: Asked) -> None:
    answer_id = save(reader, asked, 0, diagnosis="", platform=None).json()["id"]
    ready = reader.get(f"/api/answers/{answer_id}/readiness").json()
    codes = ["DIAGNOSIS_MISSING", "PLATFORM_MISSING", "SLIDES_UNREAD"]
    assert [one["code"] for one in ready["missing"]] == codes
    assert set(ready["unread"]) == set(map(str, asked.slides))
    assert ready["platforms"] == ["EXTERNAL_CE_VIEWER", "GLASS", "THIS_VIEWER"]
    assert (ready["number"], ready["needs_countersign"], ready["fresh_proof"]) == (1, False, True)
    refused = post(reader, f"/api/answers/{answer_id}/signatures", {"number": 1})
    assert (refused.status_code, refused.json()["code"]) == (409, "NOT_READY")
    assert [one["code"] for one in refused.json()["missing"]] == codes
    assert set(refused.json()["missing"][2]["slide_ids"]) == set(map(str, asked.slides))
    assert "Write the diagnosis." in refused.json()["detail"]


def test_signing_is_done_once_however_often_it_is_asked_for(reader: TestClient, asked: Asked) -> None:
    asked.open_slides(asked.slides)
    answer_id = save(reader, asked, 0).json()["id"]
    address, headers = f"/api/answers/{answer_id}/signatures", key()
    assert post(reader, address, {"number": 1}, headers={"idempotency-key": ""}).status_code == 428
    first = post(reader, address, {"number": 1}, headers=headers)
    again = post(reader, address, {"number": 1}, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    other = post(reader, address, {"number": 1})
    assert (other.status_code, other.json()["code"]) == (409, "ILLEGAL_MOVE")
    assert other.json()["allowed"] == ["addendum", "amend", "correct", "enter_in_error", "save", "sign_for_countersign"]


def test_the_owner_reads_what_was_signed_and_nothing_else(
    reader: TestClient, requester: TestClient, asked: Asked
) -> None:
    requests = f"/api/requests/{asked.request_id}"
    save(reader, asked, 0, statement="Hemligt utkast")
    assert requester.get(f"{requests}/answers").json() == {"items": []}
    asked.open_slides(asked.slides)
    answer_id = reader.get(f"{requests}/draft").json()["id"]
    assert requester.get(f"/api/answers/{answer_id}").status_code == 404
    save(reader, asked, 1, statement="Klart")
    assert post(reader, f"/api/answers/{answer_id}/signatures", {"number": 2}).status_code == 201
    save(reader, asked, 3, statement="Ett tillägg på gång")
    shown = requester.get(f"/api/answers/{answer_id}")
    assert (shown.json()["head"], shown.json()["version"]["content"]["statement"]) == (3, "Klart")
    assert shown.json()["version"]["intended_use"]["sv"].startswith("Visningen är avsedd för kommunikation")
    assert [one["code"] for one in shown.json()["version"]["found"]["limitations"]] == ["ONLY_DIGITAL"]
    assert [one["meaning"] for one in shown.json()["version"]["signatures"]] == ["AUTHOR"]
    listed = requester.get(f"/api/answers/{answer_id}/versions", params={"every": True}).json()["items"]
    assert [(one["number"], one["stands"]) for one in listed] == [(3, True)]
    for number in (1, 2, 4):
        assert requester.get(f"/api/answers/{answer_id}/versions/{number}").status_code == 404
    assert [one["id"] for one in requester.get(f"{requests}/answers").json()["items"]] == [answer_id]


def test_the_answers_to_other_requests_about_the_case_are_not_the_performers(
    app: FastAPI, world: World, places: tuple[Place, Place], asked: Asked, reader: TestClient
) -> None:
    answer = signed(reader, asked)
    third = world.provider("Region Jönköping")
    other = ask(places[0], third)
    with browser(app, other.reader) as client:
        for address in (
            f"/api/answers/{answer['id']}",
            f"/api/answers/{answer['id']}/versions",
            f"/api/requests/{asked.request_id}/answers",
            f"/api/requests/{asked.request_id}/reconciliations",
        ):
            refused = client.get(address)
            assert (refused.status_code, refused.json()["code"]) == (404, "NOT_FOUND"), address


def test_countersigning_sending_back_and_the_comment_stays_at_home(app: FastAPI, places: tuple[Place, Place]) -> None:
    asked = ask(*places, service={"countersign_rule": "ALWAYS"})
    second = competent(places[1], Role.PAT)
    with browser(app, asked.reader) as author, browser(app, second) as other, browser(app, asked.requester) as owner:
        answer = signed(author, asked)
        assert answer["status"] == "AWAITING_COUNTERSIGN"
        address = f"/api/answers/{answer['id']}"
        assert owner.get(address).status_code == 404
        assert post(author, f"{address}/countersignatures").json()["code"] == "D04"
        back = post(other, f"{address}/returns", {"comment": "Beskriv snitt 3."})
        assert back.status_code == 204
        assert other.get(address).status_code == 404
        returned = author.get(address).json()
        assert returned["status"] == "DRAFT"
        assert returned["version"]["signatures"][0]["voided_at"] is not None
        number = save(author, asked, 2, statement="Snitt 3 också.").json()["head"]
        post(author, f"{address}/signatures", {"number": number, "countersigner_id": str(second.assignment.id)})
        done = post(other, f"{address}/countersignatures")
        assert (done.status_code, done.json()["status"]) == (201, "FINAL")
        assert [one["meaning"] for one in done.json()["version"]["signatures"]] == ["AUTHOR", "COUNTERSIGN"]
        assert owner.get(address).json()["version"]["content"]["statement"] == "Snitt 3 också."


def test_a_change_is_signed_and_acknowledged_anew(
    app: FastAPI, reader: TestClient, requester: TestClient, asked: Asked
) -> None:
    answer = signed(reader, asked)
    address, requests = f"/api/answers/{answer['id']}", f"/api/requests/{asked.request_id}"
    unread = post(requester, f"{requests}/acknowledgements")
    assert (unread.status_code, unread.json()["code"]) == (409, "CONFLICT")
    requester.get(address)
    done = post(requester, f"{requests}/acknowledgements")
    assert (done.status_code, done.json()["status"]) == (201, "ACKNOWLEDGED")
    number = save(reader, asked, 2, diagnosis="Adenom, höggradig dysplasi").json()["head"]
    body = {"number": number, "how": "amend", "reason": "REINTERPRETATION", "changed": "Höggradig dysplasi."}
    missing = post(reader, f"{address}/changes", body)
    assert [one["code"] for one in missing.json()["missing"]] == ["NOBODY_TOLD"]
    changed = post(reader, f"{address}/changes", body | {"told_who": "Dr Ek", "told_how": "PHONE"})
    assert (changed.status_code, changed.json()["status"]) == (201, "AMENDED")
    assert changed.json()["version"]["amendment"]["told_who"] == "Dr Ek"
    assert requester.get(address).json()["version"]["stage"] == "AMENDED"
    with browser(app, asked.performer.person(Role.HEAD)) as head:
        wrong = post(head, f"{address}/errors", {"reason": "Fel fall."})
        assert wrong.status_code == 204
    assert requester.get(address).json()["status"] == "ENTERED_IN_ERROR"


def test_a_discrepancy_is_reconciled_and_its_number_stays_at_home(
    reader: TestClient, requester: TestClient, asked: Asked
) -> None:
    answer = signed(reader, asked, agreement="MAJOR_DISCREPANCY")
    requests = f"/api/requests/{asked.request_id}"
    requester.get(f"/api/answers/{answer['id']}")
    assert "Begin its reconciliation" in post(requester, f"{requests}/acknowledgements").json()["detail"]
    begun = post(requester, f"{requests}/reconciliations")
    assert (begun.status_code, begun.json()["outcome"]) == (201, None)
    outcome = f"/api/reconciliations/{begun.json()['id']}/outcome"
    body = {"outcome": "PRIMARY_AMENDED", "deviation_ref": "AVV-118"}
    stale = requester.put(outcome, json=body, headers={"if-match": '"7"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "STALE")
    decided = requester.put(outcome, json=body, headers={"if-match": begun.headers["etag"]})
    assert (decided.status_code, decided.json()["deviation_ref"]) == (200, "AVV-118")
    assert post(requester, f"{requests}/acknowledgements").status_code == 201
    (seen,) = reader.get(f"{requests}/reconciliations").json()["items"]
    assert (seen["outcome"], seen["deviation_ref"]) == ("PRIMARY_AMENDED", None)


def test_what_was_said_is_kept_for_both_sides(reader: TestClient, requester: TestClient, asked: Asked) -> None:
    address = f"/api/requests/{asked.request_id}/oral-reports"
    body = {
        "given_to_name": "Dr Ek",
        "given_to_role": "Operatör",
        "given_to_unit": "Kirurgkliniken",
        "at": "2026-01-22T14:02:00+01:00",
        "text": "Fri resektionsrand.",
        "read_back": True,
    }
    headers = key()
    made = [post(reader, address, body, headers=headers) for _ in range(2)]
    assert [one.status_code for one in made] == [201, 201]
    (listed,) = requester.get(address).json()["items"]
    assert listed == made[0].json() == made[1].json()
    assert post(requester, address, body).json()["code"] == "D04"


def test_rules_of_a_care_provider_are_its_administrators(app: FastAPI, world: World) -> None:
    place = world.provider("Region Prov")
    with browser(app, place.person(Role.ADM)) as client:
        assert client.get("/api/answer-rules").json() == {"codes_required": False, "version": 0}
        first = client.put("/api/answer-rules", json={"codes_required": True}, headers={"if-match": '"0"'})
        assert (first.status_code, first.headers["etag"]) == (200, '"1"')
        stale = client.put("/api/answer-rules", json={"codes_required": False}, headers={"if-match": '"0"'})
        assert stale.status_code == 412
    with browser(app, place.person(Role.PAT)) as client:
        assert client.get("/api/answer-rules").json()["code"] == "D04"


def test_two_who_sign_at_once_have_one_winner(app: FastAPI, asked: Asked) -> None:
    asked.open_slides(asked.slides)
    tokens = [asked.reader.sign_in() for _ in range(2)]
    with TestClient(app, cookies={"samsyn_session": tokens[0]}) as client:
        answer_id = save(client, asked, 0).json()["id"]
    found: list[int] = []
    barrier = threading.Barrier(2)

    def sign(token: str) -> None:
        with TestClient(app, cookies={"samsyn_session": token}) as client:
            barrier.wait()
            found.append(post(client, f"/api/answers/{answer_id}/signatures", {"number": 1}).status_code)

    threads = [threading.Thread(target=sign, args=(token,)) for token in tokens]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [201, 409]
