"""The one table from error to HTTP status, and problem documents. Source: RFC 9457."""

from __future__ import annotations

import json
from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoFreeConnection
from starlette.exceptions import HTTPException

from cases.access.sessions import NotAllowed
from slides.errors import DamagedFile, OutsideSlide
from viewer.headers import HEADERS

MEDIA_TYPE = "application/problem+json"
log = structlog.get_logger()


class NotFound(Exception):
    """There is no such thing, or none that this person may know of."""


class NotSignedIn(Exception):
    """Nobody is signed in, or the session has ended."""


class Problem(BaseModel):
    """What every error answer looks like."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str


STATUSES: dict[type[Exception], tuple[HTTPStatus, str]] = {
    NotSignedIn: (HTTPStatus.UNAUTHORIZED, "NOT_SIGNED_IN"),
    NotAllowed: (HTTPStatus.FORBIDDEN, "NOT_ALLOWED"),
    NotFound: (HTTPStatus.NOT_FOUND, "NOT_FOUND"),
    OutsideSlide: (HTTPStatus.NOT_FOUND, "OUTSIDE_SLIDE"),
    DamagedFile: (HTTPStatus.CONFLICT, "DAMAGED_FILE"),
}
"""The rules raise the left; only this table knows the right."""
AWAY = (OperationalError, NoFreeConnection)
"""A database that does not answer; what it said of it is for the log."""


def problem(status: HTTPStatus, code: str, detail: str) -> Response:
    """A problem document as an answer."""
    body = Problem(title=status.phrase, status=status, detail=detail, code=code)
    return Response(body.model_dump_json(), status_code=status, media_type=MEDIA_TYPE)


def explain(error: Exception) -> Response | None:
    """The answer for an error in the table or of a database that is away, None for any other."""
    if isinstance(error, AWAY):
        log.warning("the database does not answer")
        detail = "The database does not answer just now. Try again in a moment, and tell IT if it goes on."
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, "DATABASE_UNAVAILABLE", detail)
    for kind in type(error).__mro__:
        if kind in STATUSES:
            status, code = STATUSES[kind]
            return problem(status, code, str(error))
    return None


def install(app: FastAPI) -> None:
    """Make an application answer every error with a problem document."""

    async def known(request: Request, error: Exception) -> Response:
        return explain(error) or problem(HTTPStatus.INTERNAL_SERVER_ERROR, "INTERNAL", str(error))

    async def invalid(request: Request, error: Exception) -> Response:
        # What was sent may be anything, so it is not repeated; the places and rules are.
        found = error.errors() if isinstance(error, RequestValidationError) else []
        places = [{"place": [str(part) for part in one["loc"]], "rule": one["msg"]} for one in found]
        detail = "The request does not have the form described in /api/openapi.json: " + json.dumps(places)
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "INVALID_REQUEST", detail)

    async def http(request: Request, error: Exception) -> Response:
        status = HTTPStatus(error.status_code if isinstance(error, HTTPException) else 500)
        answer = problem(status, status.name, f"{status.phrase}: {status.description or 'the request was refused'}.")
        if isinstance(error, HTTPException) and error.headers:
            answer.headers.update(error.headers)
        return answer

    async def unknown(request: Request, error: Exception) -> Response:
        log.exception("unexpected error", exc_info=error)
        detail = "Something went wrong on our side; it has been logged. Try again, and tell IT if it happens again."
        answer = problem(HTTPStatus.INTERNAL_SERVER_ERROR, "INTERNAL", detail)
        answer.raw_headers.extend(HEADERS)  # this handler alone works outside of SecurityHeaders
        return answer

    for kind in (*STATUSES, *AWAY):
        app.add_exception_handler(kind, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, unknown)
