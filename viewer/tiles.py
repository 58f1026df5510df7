"""Tiles and descriptors: the hot path, as a plain ASGI endpoint.

    /viewings/{id}/slide.dzi
    /viewings/{id}/slide_files/{level}/{column}_{row}.jpg     ?cut=1 for a tile without padding

Every request needs the cookie of the session that opened the viewing. A tile of a pyramid is one read; what
has to be computed is computed in a thread.
"""

from __future__ import annotations

import os
import re
import time
import uuid
from functools import partial
from http import HTTPStatus

from anyio import CapacityLimiter, to_thread
from prometheus_client import Counter, Histogram
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from slides.errors import OutsideSlide, SlideError
from tiler.descriptor import MEDIA_TYPE, describe
from tiler.pyramid import Pyramid, Tiles, cut
from viewer.live_viewings import LiveViewings
from viewer.problems import explain, problem

CACHING = b"private, max-age=600"
"""Browsers may keep tiles for ten minutes; nobody else may."""

_ADDRESS = re.compile(
    r"/viewings/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/(?:slide\.dzi|slide_files/(\d{1,2})/(\d{1,9})_(\d{1,9})\.jpg)",
    re.ASCII,
)
_SERVED = Counter("samsyn_tiles_served", "Tiles served.", ["source"])
_SECONDS = Histogram(
    "samsyn_tile_seconds",
    "Time to have a tile ready.",
    ["source"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
_MEASURES = {source: (_SERVED.labels(source), _SECONDS.labels(source)) for source in ("pyramid", "original")}


class TileEndpoint:
    """Answers everything under /viewings/.

    Args:
        viewings: of this process.
        cookie: name of the session cookie.
    """

    def __init__(self, viewings: LiveViewings, *, cookie: str) -> None:
        self._viewings = viewings
        self._cookie = cookie.encode() + b"="
        # Tiles that must be computed wait for each other, never everybody else for them.
        self._limiter = CapacityLimiter(os.cpu_count() or 1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            answer = problem(HTTPStatus.METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "Tiles can only be fetched.")
            answer.headers["allow"] = "GET, HEAD"
            await answer(scope, receive, send)
            return
        address = _ADDRESS.fullmatch(scope["path"])
        if address is None:
            await _missing("There is no tile at this address.")(scope, receive, send)
            return
        started = time.perf_counter()
        viewing_id, token = uuid.UUID(address[1]), self._token(scope)
        viewing = self._viewings.known(viewing_id, token)
        if viewing is None and token:
            viewing = await run_in_threadpool(self._viewings.fetch, viewing_id, token)
        if viewing is None:
            # Ended, never opened, or somebody else's: all look the same from outside.
            await _missing("This viewing is not open in this session. Open the slide again.")(scope, receive, send)
            return
        try:
            tiles = self._viewings.open_tiles(viewing)
            if tiles is None:
                tiles = await run_in_threadpool(self._viewings.fetch_tiles, viewing)
            if address[2] is None:
                await Response(describe(tiles.grid), media_type=MEDIA_TYPE)(scope, receive, send)
                return
            halvings = tiles.grid.halvings(int(address[2]))
            column, row = int(address[3]), int(address[4])
            if isinstance(tiles, Pyramid) and halvings <= tiles.grid.depth and not scope["query_string"]:
                stream = tiles.tile(halvings, column, row)
            else:
                tiles.grid.index(halvings, column, row)
                made = partial(_make, tiles, halvings, column, row, scope["query_string"])
                stream = await to_thread.run_sync(made, limiter=self._limiter)
        except OutsideSlide as error:
            await _missing(str(error))(scope, receive, send)
            return
        except (SlideError, OSError) as error:
            answer = explain(error) or problem(
                HTTPStatus.SERVICE_UNAVAILABLE, "STORAGE_REFUSED", "The slide's file cannot be read just now."
            )
            await answer(scope, receive, send)
            return
        await _send_tile(stream, scope, send)
        served, seconds = _MEASURES["pyramid" if viewing.has_pyramid else "original"]
        served.inc()
        seconds.observe(time.perf_counter() - started)

    def _token(self, scope: Scope) -> str:
        """The session cookie's value, empty when there is none."""
        for name, value in scope["headers"]:
            if name == b"cookie":
                for part in value.split(b"; "):
                    if part.startswith(self._cookie):
                        return str(part[len(self._cookie) :].decode("latin-1"))
        return ""


def _make(tiles: Tiles, halvings: int, column: int, row: int, query: bytes) -> bytes:
    return cut(tiles, halvings, column, row) if b"cut=1" in query else tiles.tile(halvings, column, row)


async def _send_tile(stream: bytes, scope: Scope, send: Send) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [
                (b"content-type", b"image/jpeg"),
                (b"content-length", str(len(stream)).encode()),
                (b"cache-control", CACHING),
            ],
        }
    )
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else stream})


def _missing(detail: str) -> Response:
    return problem(HTTPStatus.NOT_FOUND, "NOT_FOUND", detail)
