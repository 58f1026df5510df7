"""Every address says who may ask, nothing is open that is not listed here, and no address takes free text."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from permission_table import ALLOWED, OUT
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
FREE = {
    ("/api/slides", "before"): "the number of a slide, which a page copies from the answer before",
    ("/api/worklists/cases/{which}", "after"): "where a page ended: times and ids, which the answer before made",
    ("/api/worklists/requests/{which}", "after"): "the same",
}
"""Parameters of paths and query strings in which something about a patient could be written, by path and name, and why
it is not. There is no text among them: what is looked for is sent in bodies."""


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


def list_parameters(app: FastAPI) -> Iterator[tuple[str, dict[str, Any]]]:
    """Path and description of every parameter of a path or query string."""
    for path, item in app.openapi()["paths"].items():
        for operation in item.values():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] in ("path", "query"):
                    yield path, parameter


def list_kinds(app: FastAPI, schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The schemas that a value may have one of, but for null."""
    if "$ref" in schema:
        schema = app.openapi()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        return [kind for one in schema["anyOf"] for kind in list_kinds(app, one)]
    if schema.get("type") == "array":
        return list_kinds(app, schema["items"])
    return [] if schema.get("type") == "null" else [schema]


def is_free(kind: dict[str, Any]) -> bool:
    """Whether a value of this kind could be a name or an identity number.

    An identifier of ours is not, nor is a word from a list, a moment, a yes, or a number that is kept too small.
    """
    if kind.get("format") in ("uuid", "date-time") or "enum" in kind or "const" in kind:
        return False
    if kind["type"] == "integer":
        return bool(kind.get("maximum", 10**9) >= 10**9)
    return str(kind["type"]) != "boolean"


def fill(app: FastAPI, path: str) -> str:
    """An address of a path: ids that nothing has, and the first word where a word is wanted."""
    values = {}
    for described, parameter in list_parameters(app):
        if described == path and parameter["in"] == "path":
            (kind,) = list_kinds(app, parameter["schema"])
            word = 1 if kind.get("type") == "integer" else kind.get("enum", [None])[0]
            values[parameter["name"]] = uuid.uuid4() if kind.get("format") == "uuid" else word
    return path.format_map(values)


def test_every_endpoint_is_open_by_name_or_answers_401(app: FastAPI) -> None:
    endpoints = list_endpoints(app)
    assert endpoints >= OPEN
    client = TestClient(app)
    for method, path in sorted(endpoints - OPEN):
        for headers in ({}, {"cookie": "samsyn_session="}, {"cookie": "another=1"}):
            answer = client.request(method, fill(app, path), headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "NOT_SIGNED_IN"), (method, path)
            assert answer.json()["detail"].startswith("Sign in first")


def test_the_permission_table_opens_the_same(app: FastAPI) -> None:
    assert {f"{method} {path}" for method, path in OPEN} == {route for route, who in ALLOWED.items() if OUT in who}


def test_no_path_or_query_string_takes_free_text(app: FastAPI) -> None:
    found = {
        (path, parameter["name"])
        for path, parameter in list_parameters(app)
        if any(is_free(kind) for kind in list_kinds(app, parameter["schema"]))
    }
    assert found == set(FREE)


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
