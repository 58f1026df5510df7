"""Patients, blocks, consents and relations over HTTP: who may, what an answer holds, and what never stands in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from patients import make_number
from product import Database
from starlette.testclient import TestClient
from world import Place, Somebody, World

from cases.access.identifiers import Identifier
from cases.access.permissions import Role
from viewer import problems
from viewer.api import blocks, consents, patients, relations
from viewer.settings import ViewerSettings

JSON = dict[str, Any]


@pytest.fixture(scope="module")
def world(module_database: Database) -> Iterator[World]:
    with World(module_database) as world:
        yield world


@pytest.fixture(scope="module")
def app(world: World, tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """These endpoints alone, on the real database as the web's role."""
    app = FastAPI()
    problems.install(app)
    for noun in (patients, blocks, consents, relations):
        app.include_router(noun.router)
    nowhere: Path = tmp_path_factory.mktemp("nowhere")
    app.state.settings = ViewerSettings(
        database_url=world.database.url("samsyn_app"), redis_url="redis://nowhere", data=nowhere
    )
    app.state.sessions = world.app
    return app


@pytest.fixture(scope="module")
def kalmar(world: World) -> Place:
    return world.provider("Region Kalmar län")


@pytest.fixture(scope="module")
def linkoping(world: World) -> Place:
    return world.provider("Region Östergötland")


@contextmanager
def browser(app: FastAPI, somebody: Somebody) -> Iterator[TestClient]:
    """Somebody's browser, signed in."""
    with TestClient(app, cookies={"samsyn_session": somebody.sign_in()}) as client:
        yield client


@pytest.fixture
def administrator(app: FastAPI, kalmar: Place) -> Iterator[TestClient]:
    with browser(app, kalmar.person(Role.ADM, Role.COO)) as client:
        yield client


@pytest.fixture
def pathologist(app: FastAPI, linkoping: Place) -> Iterator[TestClient]:
    with browser(app, linkoping.person(Role.PAT)) as client:
        yield client


def typed(number: Identifier) -> JSON:
    return {"type": number.type, "value": f"{number.extension[:8]}-{number.extension[8:]}"}


def register(client: TestClient, number: Identifier) -> JSON:
    """A patient, registered through the API."""
    body = {"number": typed(number), "given_name": "Tolvan", "family_name": "Tolvansson"}
    answer = client.post("/api/patients", json=body)
    assert answer.status_code == 201, answer.text
    found: JSON = answer.json()
    return found


def test_a_patient_is_registered_found_and_changed(administrator: TestClient) -> None:
    number = make_number()
    patient = register(administrator, number)
    assert (patient["given_name"], patient["redacted"], patient["version"]) == ("Tolvan", False, 1)
    assert [(one["type"], one["extension"]) for one in patient["numbers"]] == [("PNR", number.extension)]
    found = administrator.post("/api/patients/search", json=typed(number)).json()
    assert [one["id"] for one in found["items"]] == [patient["id"]]
    assert administrator.post("/api/patients/search", json=typed(make_number())).json() == {"items": []}

    address = f"/api/patients/{patient['id']}"
    assert administrator.get(address).headers["etag"] == '"1"'
    protected = administrator.put(
        f"{address}/protection", json={"protection": "SEKRETESSMARKERING"}, headers={"if-match": '"1"'}
    )
    assert (protected.status_code, protected.headers["etag"]) == (200, '"2"')
    assert (protected.json()["redacted"], protected.json()["given_name"]) == (True, None)
    assert number.extension not in protected.text
    objected = administrator.put(f"{address}/objection", json={"objects": True}, headers={"if-match": '"2"'})
    assert objected.json()["objection_at"] is not None
    doubted = administrator.put(f"{address}/mismatch", json={"doubtful": True}, headers={"if-match": '"3"'})
    assert doubted.json()["mismatch_at"] is not None
    for headers, status, code in (({}, 428, "VERSION_MISSING"), ({"if-match": '"1"'}, 412, "STALE")):
        answer = administrator.put(f"{address}/objection", json={"objects": False}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_wrong_number_is_refused_without_being_repeated(administrator: TestClient) -> None:
    wrong = "19121212-1213"
    answer = administrator.post("/api/patients/search", json={"type": "PNR", "value": wrong})
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (422, "INVALID", "value")
    assert "last digit of the personnummer" in answer.json()["detail"]
    assert wrong not in answer.text
    again = register(administrator, make_number())
    assert again["numbers"][0]["extension"] not in str(administrator.get(f"/api/patients/{again['id']}").url)


def test_numbers_are_linked_and_taken_back(administrator: TestClient) -> None:
    number, known = make_number(), make_number()
    patient, other = register(administrator, number), register(administrator, known)
    address = f"/api/patients/{patient['id']}/identifiers"
    refused = administrator.post(address, json={"number": typed(known)})
    assert (refused.status_code, refused.json()["code"]) == (409, "CONFLICT")
    assert "Another patient here has this number" in refused.json()["detail"]
    linked = administrator.post(address, json={"number": typed(known), "known_as": other["id"]})
    assert linked.status_code == 201
    assert linked.json()["same_as_id"] == other["same_as_id"]
    mistake = next(one["id"] for one in linked.json()["numbers"] if one["extension"] == known.extension)
    parted = administrator.delete(f"{address}/{mistake}", headers={"if-match": linked.headers["etag"]})
    assert parted.status_code == 200, parted.text
    assert [one["extension"] for one in parted.json()["numbers"]] == [number.extension]


def test_another_providers_patient_looks_like_none(administrator: TestClient, pathologist: TestClient) -> None:
    patient = register(administrator, make_number())
    nobody = "01900000-0000-7000-8000-00000000dead"
    for end in ("", "/blocked", "/consents", "/relations", "/notices"):
        theirs, none = (pathologist.get(f"/api/patients/{one}{end}") for one in (patient["id"], nobody))
        assert (theirs.status_code, theirs.json()) == (404, none.json())
        assert theirs.json()["code"] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("role", "method", "path", "body"),
    [
        (Role.AGR, "POST", "/api/patients/search", {"type": "PNR", "value": "191212121212"}),
        (Role.HEAD, "POST", "/api/patients", None),
        (Role.PAT, "GET", "/api/patients/{id}/blocks", None),
        (Role.PAT, "POST", "/api/patients/{id}/blocks", {"type": "OUTER"}),
        (Role.COO, "POST", "/api/blocks/{id}/revocation", {"reason": "Patienten bad om det"}),
        (Role.LAB, "GET", "/api/patients/{id}/blocked", None),
        (Role.LAB, "POST", "/api/patients/{id}/consents", None),
        (Role.LAB, "POST", "/api/patients/{id}/relations", {"reason": "CONSULT"}),
        (Role.PAT, "POST", "/api/notices", {"text_version": "1"}),
    ],
)
def test_each_is_for_some_roles_only(
    app: FastAPI, kalmar: Place, administrator: TestClient, role: Role, method: str, path: str, body: JSON | None
) -> None:
    number = make_number()
    patient = register(administrator, number)
    usual: dict[str, JSON] = {
        "/api/patients": {"number": typed(make_number()), "given_name": "A", "family_name": "B"},
        "/api/patients/{id}/consents": {"type": "CONSENT", "scope": "SVOD", "how": "ORAL"},
    }
    sent = body or (usual.get(path) if method == "POST" else None)
    with browser(app, kalmar.person(role)) as client:
        answer = client.request(method, path.format(id=patient["id"]), json=sent)
    assert (answer.status_code, answer.json()["code"]) == (403, "D04"), answer.text
    assert answer.json()["detail"].startswith("None of your roles allows this")


def test_a_block_is_registered_opened_in_two_steps_and_ended(
    administrator: TestClient, pathologist: TestClient, kalmar: Place
) -> None:
    number = make_number()
    here, there = register(administrator, number), register(pathologist, number)
    blocked = f"/api/patients/{there['id']}/blocked"
    assert pathologist.get(blocked).json() == {"blocked": False}
    made = administrator.post(
        f"/api/patients/{here['id']}/blocks",
        json={"type": "INNER", "information_care_unit_id": str(kalmar.unit.id)},
    )
    assert made.status_code == 201, made.text
    block_id = made.json()["id"]

    first = pathologist.get(blocked)
    assert first.json() == {"blocked": True}
    for telling in (block_id, here["id"], str(kalmar.provider.id), kalmar.provider.name):
        assert telling not in first.text
    choice = {"because": "EMERGENCY", "reason": "Medvetslös, blöder"}
    revealed = pathologist.post(blocked, json=choice)
    assert revealed.status_code == 201, revealed.text
    assert revealed.json()["blocks"] == [
        {"block_id": block_id, "type": "INNER", "provider_name": "Region Kalmar län", "unit_name": None}
    ]
    second = {
        "assertion_id": revealed.json()["assertion_id"],
        "reason": "Medvetslös, blöder",
        "until": "2199-01-01T00:00:00Z",
    }
    late = pathologist.post(f"/api/blocks/{block_id}/lifts", json=second)
    assert (late.status_code, late.json()["code"], late.json()["field"]) == (422, "INVALID", "until")
    second["until"] = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    lifted = pathologist.post(f"/api/blocks/{block_id}/lifts", json=second)
    assert (lifted.status_code, lifted.json()["reason"]) == (201, "EMERGENCY"), lifted.text
    cancelled = administrator.delete(f"/api/lifts/{lifted.json()['id']}")
    assert (cancelled.status_code, cancelled.json()["cancelled_at"] is None) == (200, False), cancelled.text
    consented = pathologist.post(
        blocked, json={"because": "CONSENT", "how": "ORAL", "reason": "Patienten bad om det"}
    ).json()
    assert consented["blocks"][0]["unit_name"] == kalmar.unit.name

    ended = administrator.post(f"/api/blocks/{block_id}/revocation", json={"reason": "Patienten bad om det"})
    assert (ended.status_code, ended.json()["status"]) == (200, "REVOKED")
    again = administrator.post(f"/api/blocks/{block_id}/deletion", json={"reason": "Patienten bad om det"})
    assert (again.status_code, again.json()["code"]) == (409, "ILLEGAL_MOVE")
    assert pathologist.get(blocked).json() == {"blocked": False}
    listed = administrator.get(f"/api/patients/{here['id']}/blocks").json()
    assert [(one["id"], one["status"]) for one in listed["items"]] == [(block_id, "REVOKED")]


def test_consents_relations_and_notices_are_registered_listed_and_ended(pathologist: TestClient) -> None:
    address = f"/api/patients/{register(pathologist, make_number())['id']}"
    for noun, body in (
        ("consents", {"type": "CONSENT", "scope": "SVOD", "how": "WRITTEN", "only_me": True}),
        ("consents", {"type": "EMERGENCY", "scope": "SVOD", "reason": "Medvetslös"}),
        ("relations", {"reason": "CONSULT", "whole_unit": True}),
        ("notices", {"channel": "LETTER", "text_version": "3"}),
    ):
        made = pathologist.post(f"{address}/{noun}", json=body)
        assert made.status_code == 201, made.text
        assert made.json()["id"] in [one["id"] for one in pathologist.get(f"{address}/{noun}").json()["items"]]
        ended = pathologist.post(f"/api/{noun}/{made.json()['id']}/end")
        assert ended.status_code == 200, ended.text
        again = pathologist.post(f"/api/{noun}/{made.json()['id']}/end")
        assert (again.status_code, again.json()["code"]) == (409, "CONFLICT")
