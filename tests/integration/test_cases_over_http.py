"""Cases over HTTP: registered whole, shown whole, changed by whoever has seen the newest, and never by a stranger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from product import Database
from starlette.testclient import TestClient
from world import Place, Somebody, World

from cases.access.permissions import Role
from viewer import problems
from viewer.api import case_lists, cases, slides, specimens
from viewer.settings import ViewerSettings

JSON = dict[str, Any]
NOW = datetime.now(UTC).replace(microsecond=0)
CAME = NOW - timedelta(days=2)


@pytest.fixture(scope="module")
def world(module_database: Database) -> Iterator[World]:
    with World(module_database) as world:
        yield world


@pytest.fixture(scope="module")
def app(world: World, tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """These endpoints alone, on the real database as the web's role."""
    app = FastAPI()
    problems.install(app)
    for noun in (cases, specimens, case_lists, slides):
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
def lab(app: FastAPI, kalmar: Place) -> Iterator[TestClient]:
    with browser(app, kalmar.person(Role.LAB)) as client:
        yield client


GLASS = [{"stain_code": "HE"}, {"stain_code": "CK20", "stain_kind": "IHC", "antibody": "CK20", "barcode": "7350001"}]


@pytest.fixture
def whole(world: World, kalmar: Place) -> JSON:
    """A case as a laboratory registers it in one request."""
    surgery = kalmar.other_unit()
    return {
        "department_id": str(kalmar.department.id),
        "lid": f"B26-{world.number().extension[-6:]}",
        "patient_id": str(kalmar.patient(world.number())),
        "accessioned_at": CAME.isoformat(),
        "collected_at": (CAME - timedelta(days=1)).isoformat(),
        "due_at": (NOW + timedelta(days=5)).isoformat(),
        "priority": "SVF",
        "svf_code": "C50",
        "category": "HISTOLOGY",
        "complexity_level": "L3",
        "points": 2.5,
        "clinical_question": "Malignitet?",
        "referral": {
            "referral_number": "R-42",
            "referring_unit_id": str(surgery.unit.id),
            "answer_recipients": [str(surgery.unit.id)],
            "question": "Malignitet?\nRadikalitet?",
            "cost_centre": "41100",
        },
        "specimens": [
            {"letter": "A", "type": "Bröstresektat", "laterality": "LEFT", "blocks": [{"glass": GLASS}, {}]},
            {"type": "Cellprov", "glass": [{"stain_code": "Pap", "stain_kind": "CYTO", "expected": False}]},
        ],
    }


def create(lab: TestClient, body: JSON) -> JSON:
    answer = lab.post("/api/cases", json=body)
    assert answer.status_code == 201, answer.text
    found: JSON = answer.json()
    return found


def test_a_case_is_registered_and_shown_with_everything_in_it(lab: TestClient, whole: JSON) -> None:
    created = create(lab, whole)
    shown = lab.get(f"/api/cases/{created['id']}")
    assert (shown.headers["etag"], shown.json()) == ('"1"', created)
    said = {name: value for name, value in whole.items() if name not in ("referral", "specimens")}
    for name, value in said.items():
        told = created[name]
        assert (told if not name.endswith("_at") else datetime.fromisoformat(told)) == (
            value if not name.endswith("_at") else datetime.fromisoformat(value)
        )
    assert (created["status"], created["signout_department_id"]) == ("REGISTERED", whole["department_id"])
    assert created["referral"].items() >= whole["referral"].items()
    a, b = created["specimens"]
    assert (a["letter"], a["laterality"], [block["number"] for block in a["blocks"]]) == ("A", "LEFT", [1, 2])
    assert [glass["name"] for glass in a["blocks"][0]["glass"]] == ["A1-1 HE", "A1-2 CK20"]
    assert (b["letter"], b["blocks"], [glass["name"] for glass in b["glass"]]) == ("B", [], ["B-1 Pap"])
    assert created["completeness"] == {
        "arrived": 0, "expected": 2, "missing": ["A1-1 HE", "A1-2 CK20"], "untied": 0, "text": "0 of 2 slides",
    }  # fmt: skip
    assert datetime.fromisoformat(created["lead_times"]["collected_at"]) == CAME - timedelta(days=1)
    assert [point for point, at in created["lead_times"].items() if at] == ["collected_at"]


def test_a_change_needs_to_have_seen_the_newest(lab: TestClient, whole: JSON) -> None:
    path = f"/api/cases/{create(lab, whole)['id']}"
    assert lab.patch(path, json={"priority": "SNABB"}).json()["code"] == "VERSION_MISSING"
    seen = {"if-match": '"1"'}
    changed = lab.patch(path, json={"priority": "SNABB", "svf_code": None}, headers=seen).raise_for_status()
    assert (changed.json()["priority"], changed.json()["svf_code"]) == ("SNABB", None)
    assert changed.json()["due_at"] is not None, "what is left out stays"
    refused = lab.patch(path, json={"referral": {"phone_for_urgent": "0480-1"}}, headers=seen)
    assert (refused.status_code, refused.json()["code"]) == (412, "STALE")
    seen = {"if-match": changed.headers["etag"]}
    told = lab.patch(path, json={"referral": {"phone_for_urgent": "0480-1"}}, headers=seen).raise_for_status()
    assert (told.json()["referral"]["phone_for_urgent"], told.json()["referral"]["referral_number"]) == (
        "0480-1",
        "R-42",
    )
    assert told.headers["etag"] != changed.headers["etag"], "the referral is a part of the case"


def test_a_case_goes_where_its_state_leads_and_is_stamped(lab: TestClient, whole: JSON) -> None:
    path = f"/api/cases/{create(lab, whole)['id']}"
    ready = lab.patch(path, json={"status": "READY"}, headers={"if-match": '"1"'}).raise_for_status()
    released = ready.json()["lead_times"]["released_at"]
    assert released is not None
    etag = ready.headers["etag"]
    for status in ("IN_LAB", "READY"):
        etag = lab.patch(path, json={"status": status}, headers={"if-match": etag}).raise_for_status().headers["etag"]
    again = lab.get(path).json()
    assert (again["status"], again["lead_times"]["released_at"]) == ("READY", released), "the first time counts"
    refused = lab.patch(path, json={"status": "AMENDED"}, headers={"if-match": etag}).json()
    assert (refused["code"], refused["allowed"]) == (
        "ILLEGAL_MOVE",
        ["CANCELLED", "FINAL", "IN_DIAGNOSIS", "IN_LAB", "PRELIMINARY"],
    )


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"due_at": (CAME - timedelta(days=9)).isoformat()}, 422, "due_at"),
        ({"collected_at": (NOW + timedelta(days=9)).isoformat()}, 422, "collected_at"),
        ({"lid": "D26-00123 Tolvan Tolvansson som är för långt för ett nummer"}, 422, None),
        ({"points": -1}, 422, None),
        ({"referral": {"referring_unit_id": "00000000-0000-0000-0000-000000000000"}}, 422, "referring_unit_id"),
        ({"referral": {"answer_recipients": ["00000000-0000-0000-0000-000000000000"]}}, 422, "answer_recipients"),
        ({"responsible_assignment_id": "00000000-0000-0000-0000-000000000000"}, 422, "responsible_assignment_id"),
        ({"specimens": [{"letter": "A"}, {"letter": "A"}]}, 409, None),
        ({"specimens": [{"blocks": [{"number": 1}, {"number": 1}]}]}, 409, None),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_kept(
    world: World, lab: TestClient, whole: JSON, change: JSON, status: int, field: str | None
) -> None:
    refused = lab.post("/api/cases", json={**whole, **change})
    assert (refused.status_code, refused.json().get("field")) == (status, field), refused.text
    assert "Tolvan" not in refused.text
    assert world.database.query("SELECT FROM pathology_case WHERE lid = :lid", lid=whole["lid"]) == []


def test_a_number_that_is_not_the_laboratorys_is_refused_with_how_they_look(
    app: FastAPI, world: World, whole: JSON
) -> None:
    place = world.provider("Region Jönköpings län")
    whole["department_id"], whole["patient_id"] = str(place.department.id), str(place.patient(world.number()))
    whole["referral"] = None
    path = f"/api/departments/{place.department.id}/laboratory"
    with browser(app, place.person(Role.ADM)) as administrator:
        ways = administrator.get(path)
        assert (ways.headers["etag"], ways.json()["lid_pattern"]) == ('"0"', None)
        body = {"lid_pattern": "T##-#+|TC##-#+"}
        administrator.put(path, json=body, headers={"if-match": '"0"'}).raise_for_status()
        stale = administrator.put(path, json=body, headers={"if-match": '"0"'})
        assert (stale.status_code, stale.json()["code"]) == (412, "STALE")
    with browser(app, place.person(Role.LAB)) as lab:
        refused = lab.post("/api/cases", json=whole).json()
        assert (refused["field"], "look like T##-#+|TC##-#+" in refused["detail"]) == ("lid", True)
        for lid in ("T26-1", "TC26-123456"):
            create(lab, {**whole, "lid": lid})


def test_specimens_blocks_and_glass_are_added_and_corrected(lab: TestClient, whole: JSON) -> None:
    case = create(lab, whole)
    specimen = lab.post(f"/api/cases/{case['id']}/specimens", json={"type": "Lymfkörtel"}).raise_for_status()
    assert (specimen.status_code, specimen.json()["letter"]) == (201, "C")
    specimen_id = specimen.json()["id"]
    block = lab.post(f"/api/specimens/{specimen_id}/tissue-blocks", json={"glass": [{}]}).raise_for_status().json()
    assert (block["number"], [glass["name"] for glass in block["glass"]]) == (1, ["C1-1 HE"])
    path = f"/api/specimens/{specimen_id}/glass-slides"
    glass = lab.post(path, json={"tissue_block_id": block["id"], "level": 2}).raise_for_status()
    assert (glass.json()["name"], glass.json()["level"]) == ("C1-2 HE", 2)
    taken = lab.post(path, json={"tissue_block_id": block["id"], "number": 2})
    assert (taken.status_code, "There is a glass with the number of C1-2 HE" in taken.text) == (409, True)
    seen = {"if-match": glass.headers["etag"]}
    its = f"/api/glass-slides/{glass.json()['id']}"
    changed = lab.patch(its, json={"stain_code": "PAS", "stain_kind": "SPECIAL"}, headers=seen).raise_for_status()
    assert (changed.json()["name"], changed.json()["level"]) == ("C1-2 PAS", 2)
    assert lab.patch(its, json={"entered_in_error": True}, headers=seen).json()["code"] == "STALE"

    held = lab.patch(
        f"/api/specimens/{specimen_id}", json={"entered_in_error": True}, headers={"if-match": '"1"'}
    ).json()
    assert (held["code"], "Enter its tissue blocks and glass in error first" in held["detail"]) == ("CONFLICT", True)
    seen = {"if-match": changed.headers["etag"]}
    lab.patch(its, json={"entered_in_error": True}, headers=seen).raise_for_status()
    shown = lab.get(f"/api/cases/{case['id']}").json()["specimens"][2]["blocks"][0]
    assert [one["name"] for one in shown["glass"]] == ["C1-1 HE"]
    again = lab.post(path, json={"tissue_block_id": block["id"], "number": 2})
    assert again.status_code == 201, "a number that was a mistake is free"


def test_a_scan_is_the_glass_that_waits_for_it_and_can_be_told_otherwise(
    world: World, kalmar: Place, lab: TestClient, whole: JSON
) -> None:
    case = create(lab, whole)
    he, ck = (glass["id"] for glass in case["specimens"][0]["blocks"][0]["glass"])
    row = kalmar.case(kalmar.patient(world.number()))
    world.database.query("UPDATE pathology_case SET status = 'IN_LAB' WHERE id = :id RETURNING id", id=case["id"])
    first, second = world.slide(None), world.slide(None)
    for slide_id in (first, second):
        world.database.query(
            "UPDATE slide_image SET care_provider_id = :provider, care_unit_id = :unit WHERE id = :id RETURNING id",
            provider=kalmar.provider.id, unit=kalmar.unit.id, id=slide_id,
        )  # fmt: skip

    def tie(slide_id: object, body: JSON) -> JSON:
        seen = lab.get(f"/api/slides/{slide_id}").raise_for_status().headers["etag"]
        answer = lab.put(f"/api/slides/{slide_id}/case", json=body, headers={"if-match": seen})
        found: JSON = answer.raise_for_status().json()
        return found

    missing = lab.put(f"/api/slides/{first}/case", json={"case_id": case["id"]})
    assert (missing.status_code, missing.json()["code"]) == (428, "VERSION_MISSING")
    assert tie(first, {"case_id": case["id"]})["glass_slide_id"] is None, "two glass wait: nobody knows which it is"
    told = lab.get(f"/api/cases/{case['id']}").json()["completeness"]
    assert (told["text"], told["untied"]) == ("0 of 2 slides", 1)
    assert tie(first, {"case_id": case["id"], "glass_slide_id": ck})["glass_slide_id"] == ck
    told = lab.get(f"/api/cases/{case['id']}").json()["completeness"]
    assert (told["text"], told["missing"], told["untied"]) == ("1 of 2 slides", ["A1-1 HE"], 0)
    assert tie(second, {"case_id": case["id"]})["glass_slide_id"] == he
    assert lab.get(f"/api/cases/{case['id']}").json()["completeness"]["text"] == "2 of 2 slides"
    seen = lab.get(f"/api/slides/{second}").headers["etag"]
    moved = lab.put(f"/api/slides/{second}/case", json={"case_id": str(row.id)}, headers={"if-match": seen}).json()
    assert (moved["code"], "Ask the laboratory to correct its identity" in moved["detail"]) == ("CONFLICT", True)


def test_cases_of_the_same_patient_are_related(world: World, kalmar: Place, lab: TestClient, whole: JSON) -> None:
    case = create(lab, whole)
    prior = create(lab, {**whole, "lid": f"{whole['lid']}-2", "specimens": []})
    other = kalmar.case(kalmar.patient(world.number()))
    path = f"/api/cases/{case['id']}/related-cases"
    body = {"type": "FROZEN_TO_PARAFFIN", "related_case_id": prior["id"]}
    rows = [lab.post(path, json=body).raise_for_status().json() for _ in range(2)]
    assert rows[0] == rows[1]
    lab.post(path, json={"type": "RADIOLOGY", "reference": "RIS-7"}).raise_for_status()
    related = lab.get(f"/api/cases/{case['id']}").json()["related"]
    assert [(one["type"], one["related_case_id"], one["reference"]) for one in related] == [
        ("FROZEN_TO_PARAFFIN", prior["id"], None),
        ("RADIOLOGY", None, "RIS-7"),
    ]
    for body, field in (
        ({"type": "PRIOR", "related_case_id": str(other.id)}, "related_case_id"),
        ({"type": "RADIOLOGY", "related_case_id": prior["id"]}, "type"),
        ({"type": "PRIOR"}, "type"),
    ):
        assert lab.post(path, json=body).json()["field"] == field


def test_a_stranger_learns_nothing_and_changes_nothing(
    app: FastAPI, world: World, linkoping: Place, lab: TestClient, whole: JSON
) -> None:
    case = create(lab, whole)
    specimen = case["specimens"][0]
    block = specimen["blocks"][0]
    glass = block["glass"][0]
    asked = [
        ("GET", f"/api/cases/{case['id']}", None),
        ("PATCH", f"/api/cases/{case['id']}", {"priority": "SNABB"}),
        ("POST", f"/api/cases/{case['id']}/specimens", {}),
        ("POST", f"/api/cases/{case['id']}/related-cases", {"type": "RADIOLOGY", "reference": "1"}),
        ("PATCH", f"/api/specimens/{specimen['id']}", {"type": "x"}),
        ("POST", f"/api/specimens/{specimen['id']}/tissue-blocks", {}),
        ("POST", f"/api/specimens/{specimen['id']}/glass-slides", {}),
        ("PATCH", f"/api/tissue-blocks/{block['id']}", {"location": "x"}),
        ("PATCH", f"/api/glass-slides/{glass['id']}", {"expected": False}),
        ("GET", f"/api/departments/{whole['department_id']}/laboratory", None),
        ("PUT", f"/api/departments/{whole['department_id']}/laboratory", {"lid_pattern": "#"}),
    ]
    with browser(app, linkoping.person(Role.LAB, Role.PAT, Role.COO)) as stranger:
        for method, path, body in asked:
            answer = stranger.request(method, path, json=body, headers={"if-match": '"1"'})
            assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND"), (method, path)
    assert lab.get(f"/api/cases/{case['id']}").json() == case


def test_every_reading_and_change_is_in_the_log(world: World, lab: TestClient, whole: JSON) -> None:
    case = create(lab, whole)
    path = f"/api/cases/{case['id']}"
    lab.patch(path, json={"points": 3, "priority": "SVF"}, headers={"if-match": '"1"'}).raise_for_status()
    entries = world.database.query(
        "SELECT audit_event.event, args FROM audit_event JOIN audit_subject ON audit_event.id = event_id"
        " WHERE subject_id = :id ORDER BY audit_event.id",
        id=case["id"],
    )
    assert [entry["event"] for entry in entries] == [
        "CASE_CREATED", "CASE_CHANGED", "CASE_CHANGED", "CASE_CHANGED", "REFERRAL_VIEWED",
        "CASE_VIEWED", "CASE_CHANGED", "REFERRAL_VIEWED",
    ]  # fmt: skip
    assert [sorted(entry["args"]) for entry in entries[1:4]] == [["referral"], ["specimen"], ["specimen"]]
    assert entries[6]["args"] == {"details": "points"}, "names of what changed, never what it says"
