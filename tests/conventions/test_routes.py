"""Every address says who may ask, and nothing is open that is not listed here."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from viewer.app import create_app
from viewer.settings import ViewerSettings

OPEN = {
    ("GET", "/api/session"),  # the sign-in page asks it first
    ("POST", "/api/session"),  # signing in
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
}
"""What answers without a session, besides the pages, their assets and the API's description."""

PAGES = {"/api/openapi.json", "/assets", "/{page:path}"}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """The application before it is started: it has connected to nothing, and refusing needs no connection."""
    nowhere = tmp_path_factory.mktemp("nowhere")
    return create_app(
        ViewerSettings(
            database_url=f"postgresql+psycopg://samsyn_app@/samsyn?host={nowhere}",
            redis_url=f"redis+socket://{nowhere}/valkey.sock?virtual_host=0",
            data=nowhere,
        )
    )


def list_endpoints(app: FastAPI) -> set[tuple[str, str]]:
    """Method and path of everything that the API's description lists."""
    return {(method.upper(), path) for path, item in app.openapi()["paths"].items() for method in item}


def test_every_endpoint_is_open_by_name_or_answers_401(app: FastAPI) -> None:
    endpoints = list_endpoints(app)
    assert endpoints >= OPEN
    client = TestClient(app)
    for method, path in sorted(endpoints - OPEN):
        address = re.sub(r"\{image\}", "thumbnail", re.sub(r"\{\w+_id\}", str(uuid.uuid4()), path))
        for headers in ({}, {"cookie": "samsyn_session="}, {"cookie": "another=1"}):
            answer = client.request(method, address, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "NOT_SIGNED_IN"), (method, path)
            assert answer.json()["detail"].startswith("Sign in first")


def test_what_the_description_does_not_list_is_known_too(app: FastAPI) -> None:
    described = {path for _, path in list_endpoints(app)}
    routes = {route.path for route in app.routes if isinstance(route, Route | Mount)}
    assert routes - described == PAGES


def test_tiles_without_a_session_are_not_found(app: FastAPI) -> None:
    client = TestClient(app)
    for end in ("slide.dzi", "slide_files/0/0_0.jpg"):
        answer = client.get(f"/viewings/{uuid.uuid4()}/{end}")
        assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
        assert answer.json()["detail"] == "This viewing is not open in this session. Open the slide again."


def test_the_description_names_no_folder_of_this_machine(app: FastAPI) -> None:
    assert str(Path.home()) not in str(app.openapi())
