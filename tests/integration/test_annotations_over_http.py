"""Annotations over HTTP: drawn by whoever may annotate, read by whoever may look, changed by their authors alone."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from partners import Asked, Partners, make_partners
from product import Product
from region import Region, make_region

from cases.access.permissions import Role

POINT = {"kind": "POINT", "geometry": {"type": "Point", "coordinates": [10.5, 20]}, "visibility": "CASE"}


@pytest.fixture(scope="module")
def region(module_product: Product) -> Iterator[Region]:
    with make_region(module_product) as region:
        yield region


@pytest.fixture(scope="module")
def partners(region: Region) -> Partners:
    return make_partners(region.world, owner=region.kalmar, performer=region.linkoping)


@pytest.fixture
def asked(partners: Partners) -> Asked:
    asked = partners.ask()
    partners.bring(asked, "ASSIGNED")
    return asked


@pytest.fixture
def sender(region: Region, partners: Partners) -> Iterator[httpx2.Client]:
    with region.browser(partners.sender) as client:
        yield client


@pytest.fixture
def reader(region: Region, partners: Partners) -> Iterator[httpx2.Client]:
    with region.browser(partners.reader) as client:
        yield client


def draw(client: httpx2.Client, slide_id: uuid.UUID, *, key: str | None = None, **changes: Any) -> httpx2.Response:
    headers = {"idempotency-key": key or str(uuid.uuid4())}
    return client.post(f"/api/slides/{slide_id}/annotations", json={**POINT, **changes}, headers=headers)


def drawn(client: httpx2.Client, slide_id: uuid.UUID, **changes: Any) -> dict[str, Any]:
    answer = draw(client, slide_id, **changes)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    assert answer.headers["etag"] == f'"{made["version"]}"'
    return made


def listed(client: httpx2.Client, slide_id: uuid.UUID) -> list[dict[str, Any]]:
    answer = client.get(f"/api/slides/{slide_id}/annotations")
    assert answer.status_code == 200, answer.text
    assert answer.json()["next"] is None
    found: list[dict[str, Any]] = answer.json()["annotations"]
    return found


def put(client: httpx2.Client, made: dict[str, Any], **changes: Any) -> httpx2.Response:
    headers = {"if-match": f'"{made["version"]}"'}
    return client.put(f"/api/annotations/{made['id']}", json={**POINT, **changes}, headers=headers)


def test_both_sides_draw_and_read(
    region: Region, partners: Partners, asked: Asked, sender: httpx2.Client, reader: httpx2.Client
) -> None:
    (slide_id,) = asked.slide_ids
    said = {"label": "Titta här", "comment": "Två\nrader"}
    theirs = drawn(sender, slide_id, visibility="REQUEST", request_id=str(asked.request_id), **said)
    assert theirs["author"] == {
        "assignment_id": str(partners.sender.assignment.id),
        "name": "Prov Provsson",
        "unit": "Klinisk patologi",
    }
    assert (theirs["own"], theirs["locked"], theirs["geometry"]) == (True, False, POINT["geometry"])
    ring = [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]
    answer = drawn(
        reader, slide_id, kind="ELLIPSE", geometry={"type": "Polygon", "coordinates": [ring]}, classification="Mitos"
    )
    private = drawn(reader, slide_id, visibility="PRIVATE")
    assert listed(reader, slide_id) == [{**theirs, "own": False}, answer, private]
    assert listed(sender, slide_id) == [theirs, {**answer, "own": False}]
    never = sender.get(f"/api/annotations/{uuid.uuid4()}")
    for path in ("", "/versions"):
        hidden = sender.get(f"/api/annotations/{private['id']}{path}")
        assert (hidden.status_code, hidden.content) == (404, never.content)
    assert put(sender, private).content == never.content


def test_a_person_with_protected_data_is_not_named(region: Region, partners: Partners, asked: Asked) -> None:
    who = region.kalmar.person(Role.PAT)
    region.world.database.query("UPDATE person SET protected = true WHERE id = :id", id=who.person.id)
    with region.browser(who) as client:
        made = drawn(client, asked.slide_ids[0])
        assert made["author"]["name"] is None
        assert "Provsson" not in str(made)


def test_the_same_key_draws_once(asked: Asked, sender: httpx2.Client) -> None:
    (slide_id,), key = asked.slide_ids, str(uuid.uuid4())
    first = draw(sender, slide_id, key=key)
    assert draw(sender, slide_id, key=key).json() == first.json()
    assert len(listed(sender, slide_id)) == 1
    assert draw(sender, slide_id, key=key, label="x").status_code == 422
    missing = sender.post(f"/api/slides/{slide_id}/annotations", json=POINT)
    assert (missing.status_code, missing.json()["code"]) == (428, "KEY_MISSING")


def test_versions_and_restoring(asked: Asked, sender: httpx2.Client, reader: httpx2.Client) -> None:
    (slide_id,) = asked.slide_ids
    made = drawn(sender, slide_id, label="Ett")
    path = f"/api/annotations/{made['id']}"
    assert sender.put(path, json=POINT).json()["code"] == "VERSION_MISSING"
    second = put(sender, made, label="Två").json()
    assert (second["version"], second["label"]) == (2, "Två")
    stale = put(sender, made, label="Tre")
    assert (stale.status_code, stale.json()["code"]) == (412, "STALE")
    others = put(reader, second, label="Min")
    assert (others.status_code, others.json()["code"]) == (403, "D04")
    assert "by its author alone" in others.json()["detail"]
    assert sender.delete(path, headers={"if-match": '"2"'}).status_code == 204
    assert sender.get(path).status_code == 404 and listed(sender, slide_id) == []
    versions = sender.get(f"{path}/versions").json()
    assert [(one["version"], one["label"], one["deleted"]) for one in versions] == [
        (3, "Två", True),
        (2, "Två", False),
        (1, "Ett", False),
    ]
    assert reader.get(f"{path}/versions").status_code == 404
    restored = sender.post(f"{path}/restorations", json={"version": 1}, headers={"if-match": '"3"'})
    assert (restored.status_code, restored.json()["label"], restored.json()["version"]) == (200, "Ett", 4)
    assert [one["label"] for one in listed(reader, slide_id)] == ["Ett"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"geometry": {"type": "Point", "coordinates": [4001, 1]}}, "INVALID"),
        ({"geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [2, 0], [0, 0]]]}}, "INVALID"),
        ({"visibility": "REQUEST"}, "INVALID"),
        ({"request_id": str(uuid.uuid4())}, "INVALID"),
        ({"geometry": {"type": "Point", "coordinates": ["1", None]}}, "INVALID_REQUEST"),
        ({"geometry": {"type": "Point", "coordinates": [1, 2, 3]}}, "INVALID_REQUEST"),
        ({"geometry": {"type": "MultiPoint", "coordinates": [[1, 2]]}}, "INVALID_REQUEST"),
        ({"label": "två\nrader"}, "INVALID_REQUEST"),
        ({"comment": "x" * 20_001}, "INVALID_REQUEST"),
        ({"visibility": "EVERYBODY"}, "INVALID_REQUEST"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    asked: Asked, sender: httpx2.Client, changes: dict[str, Any], code: str
) -> None:
    answer = draw(sender, asked.slide_ids[0], **changes)
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    assert listed(sender, asked.slide_ids[0]) == []


def test_numbers_that_are_none_are_refused(asked: Asked, sender: httpx2.Client) -> None:
    body = '{"kind": "POINT", "visibility": "CASE", "geometry": {"type": "Point", "coordinates": [NaN, 1e999]}}'
    headers = {"idempotency-key": "nan", "content-type": "application/json"}
    answer = sender.post(f"/api/slides/{asked.slide_ids[0]}/annotations", content=body, headers=headers)
    assert answer.status_code == 422


def test_a_line_of_100000_positions_goes_in_and_comes_out(asked: Asked, sender: httpx2.Client) -> None:
    line = [[(i * 0.039999) % 4000 + 1 / 3, (i * 0.7) % 2999 + 1 / 7] for i in range(99_990)]
    geometry = {"type": "LineString", "coordinates": [[min(x, 4000), y] for x, y in line]}
    made = drawn(sender, asked.slide_ids[0], kind="FREEHAND", geometry=geometry)
    (found,) = listed(sender, asked.slide_ids[0])
    assert found["geometry"] == geometry == made["geometry"]
    longer = {**geometry, "coordinates": [*geometry["coordinates"], *[[1.0, 1.0]] * 11]}
    assert draw(sender, asked.slide_ids[0], kind="FREEHAND", geometry=longer).status_code == 422


def test_who_may_not_look_or_annotate_does_not(
    region: Region, partners: Partners, asked: Asked, sender: httpx2.Client
) -> None:
    (slide_id,) = asked.slide_ids
    made = drawn(sender, slide_id)
    never = uuid.uuid4()
    for who, reads, draws in (
        (region.kalmar.person(Role.LAB), 200, 201),
        (region.kalmar.person(Role.COO), 403, 403),
        (region.kalmar.other_unit().person(Role.PAT), 403, 403),
        (region.linkoping.other_unit("Hud").person(Role.PAT), 404, 404),
        (region.world.provider("Capio").person(Role.PAT), 404, 404),
    ):
        with region.browser(who) as client:
            answer = client.get(f"/api/slides/{slide_id}/annotations")
            assert answer.status_code == reads, (who.place.unit.name, answer.text)
            assert client.get(f"/api/annotations/{made['id']}").status_code == reads
            assert draw(client, slide_id).status_code == draws
            if reads == 404:
                assert answer.content == client.get(f"/api/slides/{never}/annotations").content


def test_after_a_recall_nothing_is_read_or_drawn(asked: Asked, sender: httpx2.Client, reader: httpx2.Client) -> None:
    (slide_id,) = asked.slide_ids
    made = drawn(reader, slide_id)
    headers = {"idempotency-key": str(uuid.uuid4())}
    assert sender.post(f"/api/requests/{asked.request_id}/recall", json={"text": "Flyttat"}, headers=headers).is_success
    for answer in (
        reader.get(f"/api/slides/{slide_id}/annotations"),
        reader.get(f"/api/annotations/{made['id']}"),
        draw(reader, slide_id),
        put(reader, made, label="x"),
    ):
        assert answer.status_code in (403, 404)
    assert [one["id"] for one in listed(sender, slide_id)] == [made["id"]]


def test_looking_at_the_list_is_logged(region: Region, asked: Asked, reader: httpx2.Client) -> None:
    listed(reader, asked.slide_ids[0])
    entries = region.world.database.query(
        "SELECT basis, args FROM audit_event WHERE event = 'LIST_VIEWED' AND args->>'list' = 'annotations'"
        " AND id IN (SELECT event_id FROM audit_subject WHERE subject_id = :id)",
        id=asked.slide_ids[0],
    )
    assert [entry["basis"] for entry in entries] == ["DISCLOSED"]
