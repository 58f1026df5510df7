"""The stream of changes, as a browser hears it."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from gallery import Gallery
from makers import write_good_slide
from product import Product, Web


def listen(response: httpx2.Response) -> Iterator[tuple[str, Any]]:
    """Event after event: name and data. Source: HTML, server-sent events."""
    name = ""
    for line in response.iter_lines():
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


@pytest.fixture(scope="module")
def own_web(module_product: Product) -> Web:
    """A web process of this file's own."""
    return module_product.start_web()


def test_a_slide_is_seen_to_go_through_its_states(module_product: Product, own_web: Web, tmp_path: Path) -> None:
    module_product.start("work")
    with own_web.demo_person() as client, client.stream("GET", "/api/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert "no-cache" in stream.headers["cache-control"]
        events = listen(stream)
        assert next(events) == ("stale", {})
        slide_id = module_product.bring_in(write_good_slide(tmp_path / "good.svs"))
        states = []
        for name, data in events:
            if name == "slide" and data["id"] == str(slide_id):
                states.append(data["status"])
                if data["status"] == "AVAILABLE":
                    break
        assert data == client.get(f"/api/slides/{slide_id}").json()
        order = ["RECEIVED", "VERIFYING", "VERIFIED", "AVAILABLE"]
        assert states == sorted(states, key=order.index)
        assert {"RECEIVED", "AVAILABLE"} <= set(states)


def test_one_browser_hears_what_another_process_serves_and_all_hear_the_same(
    gallery: Gallery, browser: httpx2.Client, elsewhere: httpx2.Client
) -> None:
    with browser.stream("GET", "/api/events") as first, elsewhere.stream("GET", "/api/events") as second:
        streams = [listen(first), listen(second)]
        for events in streams:
            assert next(events)[0] == "stale"
        gallery.product.database.query("UPDATE slide_image SET caption = 'Buren' WHERE id = :id", id=gallery.received)
        heard = [next(data for name, data in events if name == "slide") for events in streams]
    assert heard[0] == heard[1]
    assert (heard[0]["id"], heard[0]["caption"]) == (str(gallery.received), "Buren")


def test_a_stream_says_that_its_session_has_ended_and_ends(gallery: Gallery, browser: httpx2.Client) -> None:
    with gallery.web.stranger() as other:
        other.cookies = browser.cookies
        with browser.stream("GET", "/api/events") as stream:
            events = listen(stream)
            assert next(events)[0] == "stale"
            assert other.delete("/api/session").status_code == 204
            ended = time.monotonic()
            rest = list(events)
            assert time.monotonic() - ended < 5
    assert [event for event in rest if event[0] != "slide"] == [("session", {"state": "ended"})]


def test_without_a_session_there_is_no_stream(stranger: httpx2.Client) -> None:
    answer = stranger.get("/api/events")
    assert (answer.status_code, answer.json()["code"]) == (401, "NOT_SIGNED_IN")


def test_many_streams_leave_connections_for_everything_else(gallery: Gallery, browser: httpx2.Client) -> None:
    with ExitStack() as stack, gallery.web.stranger() as listener:
        listener.cookies = browser.cookies
        for _ in range(30):  # three times as many as a process has database connections
            stream = stack.enter_context(listener.stream("GET", "/api/events"))
            assert next(listen(stream))[0] == "stale"
        for _ in range(5):
            assert browser.get("/api/slides", timeout=5).status_code == 200


def test_the_web_stops_within_five_seconds_with_streams_open(own_web: Web) -> None:
    web = own_web
    with web.demo_person() as client, client.stream("GET", "/api/events") as stream:
        assert next(listen(stream))[0] == "stale"
        asked = time.monotonic()
        web.child.send(signal.SIGTERM)
        # uvicorn ends in good order and then gives itself the signal again.
        assert web.child.wait(patience_s=10) == -signal.SIGTERM
        assert time.monotonic() - asked < 5
    assert "Traceback" not in web.child.log.read_text()
