"""A tile that the disk must be waited for holds up nobody else's."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from makers import run_apart, wait_for, write_good_slide
from product import Product
from starlette.types import Message, Scope

from cases.database import sessions
from tiler.pyramid import Pyramid
from viewer.live_viewings import LiveViewings
from viewer.tiles import TileServer
from worker.sandbox import Sandbox

SLOW_S = 0.5


class OnSlowDisk(Pyramid):
    """A pyramid whose disk takes its time; what lies in memory is as fast as ever."""

    read_by: threading.Thread | None = None

    def stored(self, halvings: int, column: int, row: int) -> bytes:
        self.read_by = threading.current_thread()
        time.sleep(SLOW_S)
        return super().stored(halvings, column, row)


@pytest.fixture
def path(product: Product, tmp_path: Path) -> Path:
    """Of a pyramid, on disk and no longer in memory."""
    path = product.storage.pyramid(product.prepare(write_good_slide(tmp_path / "good.svs")))
    forget(path)
    return path


def forget(path: Path) -> None:
    """Have the kernel drop a file from memory. Source: posix_fadvise(2), POSIX_FADV_DONTNEED."""
    file = os.open(path, os.O_RDONLY)

    def forgotten() -> bool:
        os.fsync(file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        with suppress(BlockingIOError):
            return os.preadv(file, [bytearray(1)], path.stat().st_size // 2, os.RWF_NOWAIT) == 0
        return True

    try:
        wait_for(forgotten)
    finally:
        os.close(file)


def test_a_tile_is_at_hand_only_when_it_lies_in_memory(path: Path) -> None:
    pyramid = Pyramid(path)
    forget(path)
    assert pyramid.tile_now(0, 3, 2) is None
    for halvings in range(pyramid.grid.depth + 1):
        for row in range(pyramid.grid.rows(halvings)):
            for column in range(pyramid.grid.columns(halvings)):
                tile = pyramid.tile(halvings, column, row)
                assert bytes(pyramid.tile_now(halvings, column, row) or b"") == tile
    pyramid.close()


@pytest.mark.parametrize("place", [(0, 6, 0), (0, 0, 4), (0, -1, 0), (0, 0, -1), (99, 0, 0), (4, 0, 0)])
def test_what_does_not_exist_or_must_be_made_is_not_at_hand(path: Path, place: tuple[int, int, int]) -> None:
    pyramid = Pyramid(path)
    assert pyramid.tile_now(*place) is None
    pyramid.close()


def test_a_slow_tile_holds_up_nobody(product: Product, path: Path) -> None:
    with product.start_web().demo_person() as client:
        viewing_id = client.post("/api/viewings", json={"slide_id": path.stem}).raise_for_status().json()["id"]
        cookies = f"samsyn_session={client.cookies['samsyn_session']}".encode()
    pyramid = OnSlowDisk(path)

    async def get(server: TileServer, column: int) -> tuple[int, bytes, float]:
        """Status, body and the seconds it took."""
        messages: list[Message] = []

        async def send(message: Message) -> None:
            messages.append(message)

        async def receive() -> Message:
            raise AssertionError("a tile's request has no body")

        scope: Scope = {
            "type": "http",
            "method": "GET",
            "path": f"/viewings/{viewing_id}/slide_files/11/{column}_0.jpg",
            "query_string": b"",
            "headers": [(b"cookie", cookies)],
        }
        began = time.monotonic()
        await server(scope, receive, send)
        return messages[0]["status"], bytes(messages[1]["body"]), time.monotonic() - began

    async def look() -> None:
        with product.database.engine("samsyn_app") as engine:
            live = LiveViewings(sessions(engine), product.storage, Sandbox(), cookie="samsyn_session")
            server = TileServer(nobody, viewings=live)
            shown = await live.fetch(str(viewing_id), cookies)
            assert shown
            live._tiles[shown.source] = pyramid
            warm = pyramid.tile(0, 0, 0)
            forget(path)
            # Without reading ahead, which would fetch all of so small a file.
            os.posix_fadvise(pyramid._file, 0, 0, os.POSIX_FADV_RANDOM)
            os.pread(pyramid._file, pyramid._counts[0][0], pyramid._offsets[0][0])
            slow = asyncio.create_task(get(server, 5))
            await asyncio.sleep(0.02)
            quick = [await get(server, 0) for _ in range(20)]
            assert not slow.done()
            assert {(status, body) for status, body, _ in quick} == {(200, warm)}
            assert max(took for _, _, took in quick) < SLOW_S / 4
            status, body, took = await slow
            assert (status, took >= SLOW_S) == (200, True)
            assert pyramid.read_by not in (None, threading.main_thread())
            assert body == bytes(pyramid.tile_now(0, 5, 0) or b""), "it was not in memory afterwards"

    async def nobody(*_: object) -> None:
        raise AssertionError("this is a tile's address")

    run_apart(look())
    pyramid.close()
