"""The one table from error to HTTP status, and problem documents. Source: RFC 9457."""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict
from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel
from sqlalchemy.exc import DataError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as NoFreeConnection
from sqlalchemy.orm.exc import StaleDataError
from starlette.exceptions import HTTPException

from cases.access import errors
from cases.access.accounts import Busy, WrongProof
from cases.access.attempts import TooManyAttempts
from cases.access.audit import LogUnavailable
from cases.access.gate import Refused
from cases.access.gate.codes import SENTENCES, Code
from cases.access.sessions import AssignmentMissing, EnrolmentMissing, SessionLocked
from cases.sharing.answers.guards import NotReady
from slides.errors import DamagedFile, OutsideSlide
from viewer.headers import HEADERS

MEDIA_TYPE = "application/problem+json"
log = structlog.get_logger()


class NotFound(Exception):
    """There is no such address."""


class NotSignedIn(Exception):
    """Nobody is signed in, or the session has ended."""


class ForeignSite(Exception):
    """Another site asked the browser for a change."""


class VersionMissing(Exception):
    """A change does not say which version it is a change of."""


class KeyMissing(Exception):
    """A change that must happen only once does not say which change it is."""


class MissingPart(BaseModel):
    """One thing that is missing before something can be done.

    Attributes:
        code: for programs and for translation.
        detail: what is wanted, and what to do.
        field: which part of what was sent it is about.
        slide_ids: which slides it is about.
    """

    code: str
    detail: str
    field: str | None = None
    slide_ids: list[uuid.UUID] = []


class Problem(BaseModel):
    """What every error answer looks like.

    Attributes:
        code: for programs and for translation.
        next_step: what a person can do about it.
        field: which part of what was sent is wrong.
        allowed: the moves that are possible now.
        missing: everything that is missing before it can be done.
    """

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    next_step: str | None = None
    field: str | None = None
    allowed: list[str] | None = None
    missing: list[MissingPart] | None = None


STATUSES: dict[type[Exception], tuple[HTTPStatus, str]] = {
    NotSignedIn: (HTTPStatus.UNAUTHORIZED, "NOT_SIGNED_IN"),
    SessionLocked: (HTTPStatus.UNAUTHORIZED, "SESSION_LOCKED"),
    EnrolmentMissing: (HTTPStatus.FORBIDDEN, "ENROLMENT_MISSING"),
    AssignmentMissing: (HTTPStatus.FORBIDDEN, "ASSIGNMENT_MISSING"),
    WrongProof: (HTTPStatus.UNAUTHORIZED, "WRONG_PROOF"),
    TooManyAttempts: (HTTPStatus.TOO_MANY_REQUESTS, "TOO_MANY_ATTEMPTS"),
    Busy: (HTTPStatus.SERVICE_UNAVAILABLE, "BUSY"),
    ForeignSite: (HTTPStatus.FORBIDDEN, "FOREIGN_SITE"),
    NotFound: (HTTPStatus.NOT_FOUND, "NOT_FOUND"),
    VersionMissing: (HTTPStatus.PRECONDITION_REQUIRED, "VERSION_MISSING"),
    KeyMissing: (HTTPStatus.PRECONDITION_REQUIRED, "KEY_MISSING"),
    errors.NotThere: (HTTPStatus.NOT_FOUND, "NOT_FOUND"),
    errors.NotPermitted: (HTTPStatus.FORBIDDEN, "D04"),
    errors.Invalid: (HTTPStatus.UNPROCESSABLE_ENTITY, "INVALID"),
    errors.IllegalMove: (HTTPStatus.CONFLICT, "ILLEGAL_MOVE"),
    NotReady: (HTTPStatus.CONFLICT, "NOT_READY"),
    errors.Conflict: (HTTPStatus.CONFLICT, "CONFLICT"),
    errors.Stale: (HTTPStatus.PRECONDITION_FAILED, "STALE"),
    LogUnavailable: (HTTPStatus.FORBIDDEN, "D90"),
    OutsideSlide: (HTTPStatus.NOT_FOUND, "OUTSIDE_SLIDE"),
    DamagedFile: (HTTPStatus.CONFLICT, "DAMAGED_FILE"),
}
"""The rules raise the left; only this table knows the right."""
STALE = STATUSES[errors.Stale]
"""For who answers with it rather than raises it, so that what was done stays done."""
AWAY = (OperationalError, NoFreeConnection)
"""A database that does not answer; what it said of it is for the log."""
RACES: dict[type[Exception], errors.Rejected] = {
    StaleDataError: errors.Stale("Somebody changed this meanwhile. Read it again and repeat the change."),
    IntegrityError: errors.Conflict("This contradicts something that was registered meanwhile. Read it again."),
    DataError: errors.Invalid("A character, a number or a date in this cannot be kept. Write it in another way."),
}
"""What the database itself refuses, as when two people do the same at once; what it said may name somebody."""
NOTHING_THERE = "There is no such thing, or none that you may see."


def problem(status: HTTPStatus, code: str, detail: str, **more: object) -> Response:
    """A problem document as an answer."""
    body = Problem.model_validate({"title": status.phrase, "status": status, "detail": detail, "code": code, **more})
    return Response(body.model_dump_json(exclude_none=True), status_code=status, media_type=MEDIA_TYPE)


def explain(error: Exception) -> Response | None:
    """The answer for an error in the table or of a database that is away, None for any other."""
    if isinstance(error, AWAY):
        log.warning("the database does not answer")
        detail = "The database does not answer just now. Try again in a moment, and tell IT if it goes on."
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, "DATABASE_UNAVAILABLE", detail)
    for race, meaning in RACES.items():
        if isinstance(error, race):
            error = meaning
    if isinstance(error, Refused):
        return _explain_refusal(error)
    for kind in type(error).__mro__:
        if kind in STATUSES:
            status, code = STATUSES[kind]
            detail = NOTHING_THERE if kind is errors.NotThere else str(error)
            explanation = SENTENCES[Code(code)] if code in Code.__members__ else None
            more = {"field": getattr(error, "field", None), "allowed": getattr(error, "allowed", None)}
            if isinstance(error, NotReady):
                more["missing"] = [asdict(lack) for lack in error.missing]
            answer = problem(status, code, detail, next_step=explanation and explanation.next_step, **more)
            if isinstance(error, TooManyAttempts):
                answer.headers["retry-after"] = str(error.seconds)
            return answer
    return None


def _explain_refusal(error: Refused) -> Response:
    decision = error.decision
    if decision.hidden or decision.code is None:
        return problem(*STATUSES[errors.NotThere], NOTHING_THERE)
    return problem(HTTPStatus.FORBIDDEN, decision.code, decision.sentence, next_step=decision.next_step)


def install(app: FastAPI) -> None:
    """Make an application answer every error with a problem document."""

    async def known(request: Request, error: Exception) -> Response:
        return explain(error) or problem(HTTPStatus.INTERNAL_SERVER_ERROR, "INTERNAL", str(error))

    async def invalid(request: Request, error: Exception) -> Response:
        # What was sent may be anything, so it is not repeated; the places and rules are.
        found = error.errors() if isinstance(error, RequestValidationError) else []
        places = [{"place": [str(part) for part in one["loc"]], "rule": one["type"]} for one in found]
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

    for kind in (*STATUSES, *AWAY, *RACES, Refused):
        app.add_exception_handler(kind, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, unknown)
