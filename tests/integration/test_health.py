"""Health, readiness and metrics, and how the web bears the loss of what it stands on."""

from __future__ import annotations

import os
import re
import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from gallery import Gallery
from makers import folder_for_everyone, wait_for, write_good_slide
from product import Database, Product, Web, put_pilot_in
from prometheus_client.parser import text_string_to_metric_families

from cases.migrate import migrate
from viewer.embedded import EmbeddedPostgreSQL, addresses


@pytest.fixture(scope="module")
def own_postgresql() -> Iterator[tuple[EmbeddedPostgreSQL, Product, Web, uuid.UUID]]:
    """A product on a PostgreSQL of its own, which may be stopped, with one slide."""
    with folder_for_everyone() as data, EmbeddedPostgreSQL(data) as postgresql:
        migrate(addresses(data).owner_database_url)
        put_pilot_in(Database(data))
        with Product(data, Database(data)) as product:
            slide_id = product.prepare(write_good_slide(data / "good.svs"))
            yield postgresql, product, product.start_web(), slide_id


def server_processes(postgresql: EmbeddedPostgreSQL) -> list[int]:
    assert postgresql.child is not None
    pid = postgresql.child.pid
    return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]


@contextmanager
def held(*pids: int) -> Iterator[None]:
    """Processes that are there but answer nothing, like a machine behind a broken cable."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_the_web_tells_that_it_is_alive_and_ready(stranger: httpx2.Client) -> None:
    assert stranger.get("/healthz").json() == {"status": "alive"}
    ready = stranger.get("/readyz")
    assert (ready.status_code, ready.json()) == (
        200,
        {"status": "ready", "database": "ok", "broker": "ok", "storage": "ok"},
    )


def test_metrics_are_counts_and_times_without_any_id(gallery: Gallery, browser: httpx2.Client) -> None:
    opened = browser.post("/api/viewings", json={"slide_id": str(gallery.available)}).json()
    tile = opened["dzi"].removesuffix(".dzi") + "_files/0/0_0.jpg"
    before, after = (read_tiles_served(browser) for _ in range(2) if browser.get(tile).status_code == 200)
    assert after == before + 1
    text = browser.get("/metrics").text
    names = {family.name for family in text_string_to_metric_families(text)}
    assert {"samsyn_tiles_served", "samsyn_tile_seconds"} <= names
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-", text)
    assert browser.cookies["samsyn_session"] not in text
    samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
    labels = {name for sample in samples for name in sample.labels}
    assert labels <= {"source", "le", "generation", "implementation", "major", "minor", "patchlevel", "version"}


def read_tiles_served(client: httpx2.Client) -> float:
    families = text_string_to_metric_families(client.get("/metrics").text)
    samples = [sample for family in families for sample in family.samples]
    return sum(one.value for one in samples if one.name == "samsyn_tiles_served_total")


@pytest.mark.parametrize("how", ["stopped", "held"])
def test_a_missing_broker_is_named_and_comes_back_by_itself(
    own_postgresql: tuple[EmbeddedPostgreSQL, Product, Web, uuid.UUID], how: str
) -> None:
    _, product, web, _ = own_postgresql
    missing = {"status": "not ready", "database": "ok", "broker": "the broker does not answer", "storage": "ok"}
    with web.stranger() as client:
        if how == "stopped":
            product.valkey.stop()
            answer = client.get("/readyz")
            product.valkey.start()
        else:
            assert product.valkey.child is not None
            with held(product.valkey.child.pid):
                answer = client.get("/readyz")
        assert (answer.status_code, answer.json()) == (503, missing)
        assert answer.elapsed.total_seconds() < 8
        wait_for(lambda: client.get("/readyz").status_code == 200)


def test_a_missing_database_is_named_darkens_tiles_and_comes_back_by_itself(
    own_postgresql: tuple[EmbeddedPostgreSQL, Product, Web, uuid.UUID],
) -> None:
    postgresql, _, web, slide_id = own_postgresql
    with web.demo_person() as client:
        opened = client.post("/api/viewings", json={"slide_id": str(slide_id)}).json()
        tile = opened["dzi"].removesuffix(".dzi") + "_files/0/0_0.jpg"
        assert client.get(tile).status_code == 200
        postgresql.stop()
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert (answer.json()["database"], answer.json()["broker"]) == ("the database does not answer", "ok")
        assert client.get("/healthz").status_code == 200
        for path in ("/api/slides", "/api/session", "/api/events"):
            refused = client.get(path)
            assert (refused.status_code, refused.json()["code"]) == (503, "DATABASE_UNAVAILABLE")
            assert refused.json()["detail"].startswith("The database does not answer just now.")
        wait_for(lambda: client.get(tile).status_code == 503, within_s=3)
        postgresql.start()
        wait_for(lambda: client.get("/readyz").status_code == 200)
        assert client.get(tile).status_code == 200
        assert client.get("/api/slides").status_code == 200


def test_a_database_that_does_not_answer_darkens_tiles_too(
    own_postgresql: tuple[EmbeddedPostgreSQL, Product, Web, uuid.UUID],
) -> None:
    postgresql, _, web, slide_id = own_postgresql
    with web.demo_person() as client:
        opened = client.post("/api/viewings", json={"slide_id": str(slide_id)}).json()
        tile = opened["dzi"].removesuffix(".dzi") + "_files/0/0_0.jpg"
        assert client.get(tile).status_code == 200
        with held(*server_processes(postgresql)):
            began = time.monotonic()
            shown = began
            # Architecture, decision 4: what has ended goes dark within 5 s. What cannot be asked counts as ended.
            while time.monotonic() < began + 7:
                try:
                    if client.get(tile, timeout=0.5).status_code == 200:
                        shown = time.monotonic()
                except httpx2.ReadTimeout:
                    break
                time.sleep(0.1)
            assert shown - began < 5
        wait_for(lambda: client.get(tile).status_code == 200)


def test_changes_arrive_again_after_the_database_was_away(
    own_postgresql: tuple[EmbeddedPostgreSQL, Product, Web, uuid.UUID],
) -> None:
    postgresql, product, web, slide_id = own_postgresql
    with web.demo_person() as client:
        postgresql.stop()
        postgresql.start()
        wait_for(lambda: client.get("/readyz").status_code == 200)
        with client.stream("GET", "/api/events") as stream:
            change = "UPDATE slide_image SET caption = 'Åter' || clock_timestamp() WHERE id = :id"
            for line in stream.iter_lines():
                if line == "event: stale":  # at the beginning, and when listening begins again only after that
                    product.database.query(change, id=slide_id)
                if "Åter" in line or "\\u00c5ter" in line:
                    return
        pytest.fail("the stream ended before it told of the change")
