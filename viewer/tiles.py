"""Tiles and descriptors: the hot path, in front of the rest of the application.

    /viewings/{id}/slide.dzi
    /viewings/{id}/slide_files/{level}/{column}_{row}.jpg     ?cut=1 for a tile without padding
    /viewings/{id}/right                                      for a proxy: may this session see it, and which tiles

Every request needs the cookie of the session that opened the viewing. A tile that lies in memory is answered at
once, without a thread, a lock or a look at the database; whatever has to wait for a disk, a database or a
computation waits where it holds up nobody else.
"""

from __future__ import annotations

import os
import re
import time
from functools import cache, partial
from http import HTTPStatus

from anyio import CapacityLimiter, to_thread
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from slides.errors import OutsideSlide, SlideError
from tiler.descriptor import MEDIA_TYPE, describe
from tiler.pyramid import Pyramid, Tiles
from viewer.headers import HEADERS, SecurityHeaders, caching
from viewer.live_viewings import LiveViewings, Shown
from viewer.problems import STATUSES, explain, problem
from viewer.tile_measures import measure
from worker.sandbox import Crashed

READING = 16
"""Tiles that wait for a disk at the same time."""

_ADDRESS = re.compile(
    r"/viewings/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    r"/(?:slide_files/(\d{1,2})/(\d{1,9})_(\d{1,9})\.jpg|slide\.dzi|(right))",
    re.ASCII,
)


@cache
def _tile_headers(kept_seconds: int) -> tuple[tuple[bytes, bytes], ...]:
    """Of a tile that its owner lets browsers keep for so long; a proxy that asks for the right each time may too."""
    return ((b"content-type", b"image/jpeg"), (b"cache-control", caching(kept_seconds).encode()), *HEADERS)


class Refusal:
    """An answer whose messages are made beforehand, so that being asked for nonsense costs next to nothing."""

    def __init__(self, answer: Response) -> None:
        self.answer = answer
        headers = [*answer.raw_headers, *HEADERS]
        self.start: Message = {"type": "http.response.start", "status": answer.status_code, "headers": headers}
        self.body: Message = {"type": "http.response.body", "body": answer.body}


class NoTile(Refusal):
    """The same about a tile that its slide does not have, with the figures that were asked for."""

    _answer = problem(*STATUSES[OutsideSlide], "SENTENCE")
    _before, _, _after = bytes(_answer.body).partition(b"SENTENCE")
    _headers = (*HEADERS, *((name, value) for name, value in _answer.raw_headers if name != b"content-length"))

    def __init__(self, error: OutsideSlide) -> None:
        # Its sentences hold nothing that JSON would have to escape.
        body = b"%b%b%b" % (self._before, str(error).encode(), self._after)
        headers = [(b"content-length", b"%d" % len(body)), *self._headers]
        self.start = {"type": "http.response.start", "status": self._answer.status_code, "headers": headers}
        self.body = {"type": "http.response.body", "body": body}


class TileServer:
    """Answers everything under /viewings/ and hands on everything else.

    Args:
        app: the rest of the application.
        viewings: of this process.
    """

    def __init__(self, app: ASGIApp, *, viewings: LiveViewings) -> None:
        self._app, self._viewings = app, viewings
        self._answer_in_time = SecurityHeaders(self._answer)
        # What must be computed waits for its like, and so does what must be read, never one for the other.
        self._computing, self._reading = CapacityLimiter(os.cpu_count() or 1), CapacityLimiter(READING)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/viewings/"):
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        found = self._find_at_once(scope, began)
        if found is None:
            await self._answer_in_time(scope, receive, send)
        elif isinstance(found, Refusal):
            await send(found.start)
            await send(found.body)
        else:
            tile, kept_seconds = found
            headers = [(b"content-length", b"%d" % len(tile)), *_tile_headers(kept_seconds)]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": tile})
            measure("pyramid", time.monotonic() - began)

    def _find_at_once(self, scope: Scope, now: float) -> tuple[bytes | bytearray, int] | Refusal | None:
        """The tile and for how many seconds it may be kept, or why there is none, if that is known without waiting.

        None leaves it to `_answer`.
        """
        if scope["query_string"] or scope["method"] not in ("GET", "HEAD"):
            return None
        address = _ADDRESS.fullmatch(scope["path"])
        if address is None:
            return _NO_ADDRESS
        viewing_id, level, column, row, _ = address.groups()
        if level is None:
            return None
        cookies = _cookies(scope)
        shown = self._viewings.known(viewing_id, cookies, now)
        if shown is None:
            return _NOT_OPEN if self._viewings.refuses(viewing_id, cookies, now) else None
        if (tiles := self._viewings.open_tiles(shown)) is None:
            return None
        try:
            place = tiles.grid.halvings(int(level)), int(column), int(row)
            if (tile := tiles.tile_now(*place)) is None:
                tiles.grid.index(*place)
                return None
            return tile, shown.viewing.kept_seconds
        except OutsideSlide as error:
            return NoTile(error)
        except (SlideError, OSError):
            return None

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.monotonic()
        if scope["method"] not in ("GET", "HEAD"):
            answer = problem(HTTPStatus.METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "Tiles can only be fetched.")
            answer.headers["allow"] = "GET, HEAD"
            await answer(scope, receive, send)
            return
        address = _ADDRESS.fullmatch(scope["path"])
        if address is None:
            await _NO_ADDRESS.answer(scope, receive, send)
            return
        viewing_id, level, column, row, right = address.groups()
        try:
            shown = await self._viewings.fetch(viewing_id, _cookies(scope))
            if right:
                answer = self._tell_right(shown)
            elif shown is None:
                answer = _NOT_OPEN.answer
            else:
                tiles = self._viewings.open_tiles(shown) or await self._viewings.fetch_tiles(shown)
                if level is None:
                    answer = Response(describe(tiles.grid), media_type=MEDIA_TYPE)
                else:
                    query = scope["query_string"].split(b"&")
                    stream = await self._make(tiles, b"cut=1" in query, int(level), int(column), int(row))
                    answer = Response(
                        stream, media_type="image/jpeg", headers={"cache-control": caching(shown.viewing.kept_seconds)}
                    )
                    measure("pyramid" if shown.viewing.has_pyramid else "original", time.monotonic() - began)
        except Exception as error:
            unreadable = "The slide's file cannot be read just now."
            refused = explain(error)
            if refused is None and isinstance(error, SlideError | OSError | Crashed):
                refused = problem(HTTPStatus.SERVICE_UNAVAILABLE, "STORAGE_REFUSED", unreadable)
            if refused is None:
                raise
            answer = refused
        await answer(scope, receive, send)

    async def _make(self, tiles: Tiles, cutting: bool, level: int, column: int, row: int) -> bytes:
        halvings = tiles.grid.halvings(level)
        tiles.grid.index(halvings, column, row)
        made = partial(tiles.cut if cutting else tiles.tile, halvings, column, row)
        stored = isinstance(tiles, Pyramid) and not cutting and halvings <= tiles.grid.depth
        return await to_thread.run_sync(made, limiter=self._reading if stored else self._computing)

    def _tell_right(self, shown: Shown | None) -> Response:
        """For nginx's auth_request: 204 or 403, which tiles they are, and for how long that may be believed."""
        if shown is None:
            return _NO_RIGHT
        headers = {"x-samsyn-pyramid": shown.source, "x-accel-expires": str(self._viewings.seconds_to_believe(shown))}
        return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)


def _cookies(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == b"cookie":
            return bytes(value)
    return b""


_NO_ADDRESS = Refusal(problem(HTTPStatus.NOT_FOUND, "NOT_FOUND", "There is no tile at this address."))
# Ended, never opened, or somebody else's: all look the same from outside.
_NOT_OPEN = Refusal(
    problem(HTTPStatus.NOT_FOUND, "NOT_FOUND", "This viewing is not open in this session. Open the slide again.")
)
_NO_RIGHT = problem(HTTPStatus.FORBIDDEN, "NOT_ALLOWED", "This viewing is not open in this session.")
# The least that nginx knows, so that a viewer that goes on asking after the end costs one question a second.
_NO_RIGHT.headers["x-accel-expires"] = "1"
