"""The API's description of itself: what every address can refuse is read from what it asks for.

An endpoint says what it answers with; `/api/openapi.json` says besides which problem documents it can answer with
instead, from its method, its parameters and the dependencies in `viewer.dependencies`. Source: OpenAPI 3.1.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from viewer import dependencies, idempotency
from viewer.api import events
from viewer.api.session import asking
from viewer.problems import MEDIA_TYPE, Problem

SAFE = {"GET", "HEAD"}
SESSION = "session"
"""Name of the scheme by which somebody is known."""
MEANINGS: dict[HTTPStatus, str] = {
    HTTPStatus.BAD_REQUEST: "What was sent cannot be read at all.",
    HTTPStatus.UNAUTHORIZED: "Nobody is signed in, the session is locked, or what was shown as proof is not right.",
    HTTPStatus.FORBIDDEN: "It is there, but not allowed; `code` and `next_step` say why, and what would change it.",
    HTTPStatus.NOT_FOUND: "There is no such thing, or none that you may know of.",
    HTTPStatus.CONFLICT: "It cannot be, as things are; `allowed` lists the moves that are possible.",
    HTTPStatus.LENGTH_REQUIRED: "The request does not say how long its body is.",
    HTTPStatus.PRECONDITION_FAILED: "Somebody changed it since it was read.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is larger than what is accepted.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "What was sent does not have the form described here, or breaks a rule.",
    HTTPStatus.PRECONDITION_REQUIRED: "The change does not say which version it is a change of, or has no key.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many attempts; Retry-After says when to try again, in seconds.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The database does not answer, or too many sign in at once. Try again.",
}
"""Every problem that is described, in words."""
ASKING = {asking.get_found, asking.get_unlocked, asking.require_token, events.require_session}
"""What asks for somebody, besides `viewer.dependencies.permit`."""
_PROVING = {"/api/session", "/api/session/unlock", "/api/session/reauthentication", "/api/session/enrolment"}
"""Where proof is looked at, so that it can be wrong, or shown too often."""


class DescribedAPI(FastAPI):
    """An application whose description lists the problems too."""

    def openapi(self) -> dict[str, Any]:
        """As `/api/openapi.json` answers it."""
        if self.openapi_schema is None:
            description = super().openapi()
            components = description["components"]
            components["responses"] = {_name(status): _describe(status) for status in MEANINGS}
            problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            components["schemas"] |= problem.pop("$defs", {}) | {"Problem": problem}
            for unused in ("HTTPValidationError", "ValidationError"):  # FastAPI's own form of 422, which nobody gets
                components["schemas"].pop(unused, None)
            components["securitySchemes"] = {
                SESSION: {"type": "apiKey", "in": "cookie", "name": dependencies.cookie_name(self.state.settings)}
            }
            for route in iter_route_contexts(self.routes):
                if isinstance(route.original_route, APIRoute) and route.include_in_schema:
                    for method in route.methods or ():
                        operation = description["paths"][route.path_format][method.lower()]
                        _complete(operation, method, str(route.path_format), set(_list_calls(route.dependant)))
        return self.openapi_schema or {}


def _complete(operation: dict[str, Any], method: str, path: str, calls: set[object]) -> None:
    """Add the problems that an operation can answer with, and whether it asks for somebody."""
    asks = calls & ASKING or any(hasattr(call, "permissions") for call in calls)
    changes, sends = method not in SAFE, "requestBody" in operation
    found: set[HTTPStatus] = set()
    if asks:
        operation["security"] = [{SESSION: []}]
        found |= {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
    if path in _PROVING and changes:
        found |= {HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND, HTTPStatus.TOO_MANY_REQUESTS}
    if calls & {dependencies.get_transaction, asking.get_make}:
        found |= {HTTPStatus.SERVICE_UNAVAILABLE}
    if changes:
        found |= {HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED}
        found |= {HTTPStatus.LENGTH_REQUIRED, HTTPStatus.REQUEST_ENTITY_TOO_LARGE}
    if sends:
        found |= {HTTPStatus.BAD_REQUEST}
    if sends or "parameters" in operation:
        found |= {HTTPStatus.UNPROCESSABLE_ENTITY}
    if "{" in path or sends:
        found |= {HTTPStatus.NOT_FOUND}
    if calls & {dependencies.get_match, idempotency.get_repeat}:
        found |= {HTTPStatus.PRECONDITION_REQUIRED}
    for status in sorted(found):
        operation["responses"][str(status.value)] = {"$ref": f"#/components/responses/{_name(status)}"}


def _list_calls(dependant: Dependant) -> Iterator[object]:
    """Every function that an endpoint depends on."""
    for one in dependant.dependencies:
        yield one.call
        yield from _list_calls(one)


def _name(status: HTTPStatus) -> str:
    return status.phrase.title().replace(" ", "")


def _describe(status: HTTPStatus) -> dict[str, Any]:
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": MEANINGS[status], "content": content}
