"""No request may fill the memory: bodies have a stated length and a limit, checked before a byte of them is read."""

from __future__ import annotations

import re
from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send

from cases.records import attachments
from viewer.problems import problem

LARGEST = 1 << 20
"""Bytes. Forms and JSON; slides do not come this way."""
LARGER = (
    # 100,000 positions of two numbers with all their digits.
    ("POST", re.compile(r"/api/slides/[^/]+/annotations"), 5_000_000),
    ("PUT", re.compile(r"/api/annotations/[^/]+"), 5_000_000),
    # Files, which go to the disk as they come.
    ("POST", re.compile(r"/api/cases/[^/]+/attachments"), attachments.LARGEST),
)
"""Method, path and bytes of what may be larger."""


class BodyLimit:
    """Refuses requests whose body is larger than `LARGEST`, or what `LARGER` says, or of unknown length."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD"):
            headers = dict(scope["headers"])
            length = headers.get(b"content-length", b"0")
            if b"transfer-encoding" in headers or not length.isdigit():
                detail = "The request does not say how long its body is. Send a Content-Length."
                await problem(HTTPStatus.LENGTH_REQUIRED, "LENGTH_REQUIRED", detail)(scope, receive, send)
                return
            if int(length) > (largest := find_limit(scope["method"], scope["path"])):
                detail = f"The request is {int(length)} bytes long; {largest} are accepted."
                await problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "TOO_LARGE", detail)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def find_limit(method: str, path: str) -> int:
    """Bytes that a request's body may have."""
    return next((most for verb, paths, most in LARGER if verb == method and paths.fullmatch(path)), LARGEST)
