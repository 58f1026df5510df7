"""Reports, image files and destinations over HTTP: who gets what, in which form, and what the log then says."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openslide
import pikepdf
import pytest
import tifffile
from answering import Asked, ask
from fastapi import FastAPI
from fhir.resources.R4B.bundle import Bundle
from makers import write_good_slide
from product import Database
from sqlalchemy import update
from starlette.testclient import TestClient
from world import Place, Somebody, World

from cases.access.permissions import Role
from cases.records.slide_images import PyramidState, SlideImage, SlideStatus
from cases.transaction import transaction
from slides.opening import open_slide
from tiler.building import build
from viewer import problems
from viewer.api import destinations, image_files, reports
from viewer.settings import ViewerSettings
from worker.storage import Storage

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
    for noun in (reports, image_files, destinations):
        app.include_router(noun.router)
    data: Path = tmp_path_factory.mktemp("data")
    app.state.settings = ViewerSettings(
        database_url=world.database.url("samsyn_app"), redis_url="redis://nowhere", data=data, delivery_folder=data
    )
    app.state.sessions = world.app
    app.state.storage = Storage(data)
    return app


@pytest.fixture(scope="module")
def kalmar(world: World) -> Place:
    return world.provider("Region Kalmar län")


@pytest.fixture(scope="module")
def linkoping(world: World) -> Place:
    return world.provider("Region Östergötland")


@pytest.fixture(scope="module")
def asked(kalmar: Place, linkoping: Place) -> Asked:
    """An answered request; the signed version is number 2, after its draft."""
    asked = ask(kalmar, linkoping, service={"allow_download": True})
    assert asked.answered().number == 2
    return asked


@contextmanager
def browser(app: FastAPI, somebody: Somebody) -> Iterator[TestClient]:
    """Somebody's browser, signed in."""
    with TestClient(app, cookies={"samsyn_session": somebody.sign_in()}) as client:
        yield client


def list_events(world: World, who: Somebody) -> list[str]:
    """What the log says that somebody did with records, in order."""
    rows = world.database.query(
        "SELECT event FROM audit_event WHERE person_id = :who AND activity IS NOT NULL ORDER BY at, id",
        who=who.person.id,
    )
    return [row["event"] for row in rows]


def test_a_report_as_page_text_and_fhir(app: FastAPI, world: World, asked: Asked) -> None:
    path = f"/api/requests/{asked.request_id}/answers/2"
    request = asked.request()
    with browser(app, asked.requester) as client:
        page = client.get(f"{path}/report.pdf")
        text = client.get(f"{path}/report.txt?language=en")
        bundle = client.get(f"{path}/report.fhir.json")
        printed = client.get(f"{path}/report.pdf?use=print")
        shown = client.get(f"{path}/report.txt?use=view")
    assert page.headers["content-type"] == "application/pdf"
    assert page.headers["content-disposition"] == f'attachment; filename="{request.short_id}-v2.pdf"'
    with pikepdf.open(io.BytesIO(page.content)) as pdf, pdf.open_metadata() as metadata:
        assert metadata["pdfuaid:part"] == "1"
        assert request.short_id in metadata["dc:title"]
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert text.text.startswith("CONSULTATION REPORT: Final, version 2")
    assert "Tolvan Tolvansson" in text.text
    assert f"Case number: {asked.case.lid}" in text.text
    assert "2 of 2 slides seen by the signer." in " ".join(text.text.split())
    assert bundle.headers["content-type"] == "application/fhir+json"
    Bundle.model_validate_json(bundle.content)
    assert printed.headers["content-disposition"].startswith("inline")
    assert shown.status_code == 200
    assert list_events(world, asked.requester) == [
        *("ANSWER_VIEWED", "PDF_EXPORTED"),
        *("ANSWER_VIEWED", "TEXT_EXPORTED"),
        *("ANSWER_VIEWED", "FHIR_EXPORTED"),
        *("ANSWER_VIEWED", "PRINTED"),
        "ANSWER_VIEWED",
    ]


def test_who_wrote_it_has_it_too(app: FastAPI, asked: Asked) -> None:
    with browser(app, asked.reader) as client:
        assert client.get(f"/api/requests/{asked.request_id}/answers/2/report.txt").status_code == 200


@pytest.mark.parametrize("ending", ["pdf", "txt", "fhir.json"])
def test_what_is_not_there_or_not_for_somebody_looks_the_same(
    app: FastAPI, world: World, asked: Asked, ending: str
) -> None:
    stranger = world.provider("Region Jönköpings län").person(Role.PAT)
    path = f"/api/requests/{asked.request_id}/answers"
    with browser(app, asked.reader) as client:
        assert client.get(f"{path}/1/report.{ending}").status_code == 404  # the draft makes no report
        assert client.get(f"{path}/3/report.{ending}").status_code == 404
        assert client.get(f"/api/requests/{uuid.uuid4()}/answers/2/report.{ending}").status_code == 404
    with browser(app, stranger) as client:
        answer = client.get(f"{path}/2/report.{ending}")
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


def test_roles_that_read_no_answers_get_no_report(app: FastAPI, kalmar: Place, asked: Asked) -> None:
    for role in (Role.LAB, Role.FIN, Role.ADM):
        with browser(app, kalmar.person(role)) as client:
            answer = client.get(f"/api/requests/{asked.request_id}/answers/2/report.pdf")
        assert (answer.status_code, answer.json()["code"]) == (403, "D04"), role


@pytest.fixture(scope="module")
def pyramid(app: FastAPI, world: World, asked: Asked, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pyramid of the request's first slide, built from a slide with somebody's name on it."""
    slide_id = asked.slides[0]
    original = write_good_slide(tmp_path_factory.mktemp("scanned") / "good.svs")
    storage: Storage = app.state.storage
    with open_slide(original) as slide, storage.staged_pyramid(slide_id) as file:
        build(slide, file, threads=1)
    with transaction(world.owner) as session:
        ready = {"status": SlideStatus.AVAILABLE, "pyramid": PyramidState.READY}
        session.execute(update(SlideImage).where(SlideImage.id == slide_id).values(**ready))
    return storage.pyramid(slide_id)


def test_a_pyramid_is_taken_along_whole_and_nameless(
    app: FastAPI, world: World, asked: Asked, pyramid: Path, tmp_path: Path
) -> None:
    path = f"/api/requests/{asked.request_id}/slides/{asked.slides[0]}/pyramid.tif"
    before = len(list_events(world, asked.reader))
    with browser(app, asked.reader) as client:
        answer = client.get(path)
        assert answer.headers["content-type"] == "image/tiff"
        assert answer.headers["accept-ranges"] == "bytes"
        assert asked.case.lid not in answer.headers["content-disposition"]
        assert list_events(world, asked.reader)[before:] == ["ORIGINAL_DOWNLOADED"]
        # Going on where it stopped is the same download, and beginning anew is another.
        rest = client.get(path, headers={"range": "bytes=1000-", "if-range": answer.headers["etag"]})
        assert (rest.status_code, rest.content) == (206, answer.content[1000:])
        assert list_events(world, asked.reader)[before:] == ["ORIGINAL_DOWNLOADED"]
        again = client.get(path, headers={"range": "bytes=0-9"})
        assert (again.status_code, again.content) == (206, answer.content[:10])
        assert list_events(world, asked.reader)[before:] == ["ORIGINAL_DOWNLOADED"] * 2
        wrong = client.get(path, headers={"range": f"bytes={len(answer.content)}-"})
        assert wrong.status_code == 416
    assert answer.content == pyramid.read_bytes()
    assert not any(name in answer.content for name in (b"Tolvan", b"1912", asked.case.lid.encode()))
    taken = tmp_path / "taken.tif"
    taken.write_bytes(answer.content)
    with openslide.OpenSlide(taken) as slide:
        assert slide.dimensions == (1300, 900)
        assert slide.level_count > 1
        assert slide.read_region((0, 0), 0, (64, 64)).size == (64, 64)
    with tifffile.TiffFile(taken) as file:
        assert file.is_bigtiff


def test_a_download_that_begins_in_the_middle_is_logged_too(
    app: FastAPI, world: World, linkoping: Place, asked: Asked, pyramid: Path
) -> None:
    with browser(app, asked.reader) as client:  # a new session
        before = len(list_events(world, asked.reader))
        path = f"/api/requests/{asked.request_id}/slides/{asked.slides[0]}/pyramid.tif"
        assert client.get(path, headers={"range": "bytes=1-"}).status_code == 206
    assert list_events(world, asked.reader)[before:] == ["ORIGINAL_DOWNLOADED"]


def test_a_pyramid_that_is_not_built_yet_says_so(app: FastAPI, asked: Asked) -> None:
    with browser(app, asked.reader) as client:
        answer = client.get(f"/api/requests/{asked.request_id}/slides/{asked.slides[1]}/pyramid.tif")
    assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT")
    assert "not ready yet" in answer.json()["detail"]


def test_only_where_the_service_allows_it(app: FastAPI, kalmar: Place, linkoping: Place) -> None:
    closed = ask(kalmar, linkoping, service={"allow_download": False})
    path = f"/api/requests/{closed.request_id}/slides/{closed.slides[0]}/pyramid.tif"
    with browser(app, closed.reader) as client:
        answer = client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (403, "D42")
        other = ask(kalmar, linkoping)
        foreign = f"/api/requests/{closed.request_id}/slides/{other.slides[0]}/pyramid.tif"
        assert client.get(foreign).status_code == 404  # not of this request
    with browser(app, closed.requester) as client:
        assert client.get(path).status_code == 409  # the owner may, once there is one
    with browser(app, kalmar.person(Role.LAB)) as client:
        assert client.get(path).json()["code"] == "D04"


WEBHOOK = {"name": "Laboratoriesystemet", "kind": "WEBHOOK", "address": "https://lis.example:8443/samsyn"}


def test_destinations_are_made_changed_and_ended(app: FastAPI, linkoping: Place) -> None:
    with browser(app, linkoping.person(Role.ADM)) as client:
        key = {"idempotency-key": str(uuid.uuid4())}
        made = client.post("/api/destinations", json=WEBHOOK, headers=key)
        assert made.status_code == 201
        row = made.json()
        assert len(row["secret"]) > 40
        again = client.post("/api/destinations", json=WEBHOOK, headers=key)
        assert again.json() == {**row, "secret": None}  # made once, and told once
        listed = client.get("/api/destinations").json()["items"]
        assert listed == [{**row, "secret": None}]
        path = f"/api/destinations/{row['id']}"
        change = {"name": "Nytt namn", "address": WEBHOOK["address"], "answers": "RECEIVED", "language": "en"}
        assert client.put(path, json=change).status_code == 428
        changed = client.put(path, json=change, headers={"if-match": made.headers["etag"]})
        assert (changed.status_code, changed.json()["name"], changed.json()["language"]) == (200, "Nytt namn", "en")
        stale = client.put(path, json=change, headers={"if-match": made.headers["etag"]})
        assert stale.status_code == 412
        renewed = client.post(f"{path}/secret", headers={"idempotency-key": str(uuid.uuid4())}).json()
        assert renewed["secret"] not in (None, row["secret"])
        ended = client.delete(path, headers={"if-match": f'"{renewed["version"]}"'})
        assert ended.json()["ended_at"] is not None
        assert client.get("/api/destinations").json()["items"] == []


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({**WEBHOOK, "address": "https://127.0.0.1/"}, 422, "INVALID", "address"),
        ({**WEBHOOK, "address": "https://169.254.169.254/latest"}, 422, "INVALID", "address"),
        ({**WEBHOOK, "address": "http://lis.example/"}, 422, "INVALID", "address"),
        ({**WEBHOOK, "address": None}, 422, "INVALID", "address"),
        ({**WEBHOOK, "kind": "FOLDER"}, 422, "INVALID", "address"),
        ({**WEBHOOK, "kind": "FOLDER", "address": "/etc"}, 422, "INVALID", "address"),
        ({**WEBHOOK, "name": "a\x00b"}, 422, "INVALID_REQUEST", None),
    ],
)
def test_what_cannot_be_a_destination_is_refused_with_the_reason(
    app: FastAPI, linkoping: Place, body: JSON, status: int, code: str, field: str | None
) -> None:
    with browser(app, linkoping.person(Role.ADM)) as client:
        answer = client.post("/api/destinations", json=body, headers={"idempotency-key": str(uuid.uuid4())})
    told = answer.json()
    assert (answer.status_code, told["code"], told.get("field")) == (status, code, field)


def test_a_folder_is_chosen_only_where_the_operator_opened_one(app: FastAPI, linkoping: Place) -> None:
    folder = {"name": "Filer", "kind": "FOLDER"}
    with browser(app, linkoping.person(Role.ADM)) as client:
        made = client.post("/api/destinations", json=folder, headers={"idempotency-key": str(uuid.uuid4())})
        assert (made.status_code, made.json()["secret"], made.json()["address"]) == (201, None, None)
        opened = app.state.settings
        app.state.settings = opened.model_copy(update={"delivery_folder": None})
        try:
            refused = client.post("/api/destinations", json=folder, headers={"idempotency-key": str(uuid.uuid4())})
        finally:
            app.state.settings = opened
    assert (refused.status_code, refused.json()["code"]) == (409, "CONFLICT")
    assert "SAMSYN_DELIVERY_FOLDER" in refused.json()["detail"]


def test_who_configures_and_who_follows(app: FastAPI, kalmar: Place, linkoping: Place) -> None:
    with browser(app, linkoping.person(Role.COO)) as client:
        assert client.get("/api/destinations").status_code == 200
        assert client.get("/api/deliveries").status_code == 200
        refused = client.post("/api/destinations", json=WEBHOOK, headers={"idempotency-key": str(uuid.uuid4())})
        assert refused.json()["code"] == "D04"
    with browser(app, linkoping.person(Role.PAT)) as client:
        assert client.get("/api/deliveries").json()["code"] == "D04"


def test_what_waits_is_listed_page_by_page_and_tried_again(app: FastAPI, world: World, linkoping: Place) -> None:
    owner = world.provider("Region Jönköpings län")
    with browser(app, owner.person(Role.ADM, Role.COO)) as client:
        key = {"idempotency-key": str(uuid.uuid4())}
        destination = client.post("/api/destinations", json=WEBHOOK, headers=key).json()
        for _ in range(3):
            ask(owner, linkoping).answered()
        first = client.get("/api/deliveries?limit=2").json()
        rest = client.get(f"/api/deliveries?limit=2&after={first['next']}").json()
        rows = first["items"] + rest["items"]
        assert [row["destination_id"] for row in rows] == [destination["id"]] * 3
        assert rest["next"] is None
        assert {row["state"] for row in rows} == {"PENDING"}
        assert all(row["short_id"].startswith("R-") for row in rows)
        assert "Tolvan" not in json.dumps(rows)
        assert client.get("/api/deliveries?state=DEAD").json()["items"] == []
        world.database.query("UPDATE outbox_message SET state = 'DEAD', attempts = 20 WHERE id = :id", id=rows[0]["id"])
        (dead,) = client.get("/api/deliveries?state=DEAD").json()["items"]
        path = f"/api/deliveries/{dead['id']}/retry"
        assert client.post(path).status_code == 428
        tried = client.post(path, headers={"idempotency-key": str(uuid.uuid4())}).json()
        assert (tried["state"], tried["attempts"]) == ("PENDING", 0)
    with browser(app, linkoping.person(Role.COO)) as client:
        answer = client.post(path, headers={"idempotency-key": str(uuid.uuid4())})
        assert answer.status_code == 404
