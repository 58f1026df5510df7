"""No request may fill the memory: bodies have a stated length and a limit, checked before a byte of them is read."""

from __future__ import annotations

from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send

from viewer.problems import problem

LARGEST = 1 << 20
"""Bytes. Forms and JSON; slides do not come this way."""


class BodyLimit:
    """Refuses requests whose body is larger than `LARGEST` or of unknown length."""

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
            if int(length) > LARGEST:
                detail = f"The request is {int(length)} bytes long; {LARGEST} are accepted."
                await problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "TOO_LARGE", detail)(scope, receive, send)
                return
        await self._app(scope, receive, send)
