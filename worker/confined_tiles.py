"""Tiles that must be decoded, made where nothing else can be done: what the web shows of strangers' files."""

from __future__ import annotations

import weakref
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from queue import Empty, LifoQueue
from threading import BoundedSemaphore
from typing import Any

from slides.errors import DamagedFile, SlideError
from slides.geometry import Size
from tiler.grid import Grid
from tiler.pyramid import Pyramid, Tiles
from worker.sandbox import TILE_S, Child, Sandbox

CHILDREN = 2
"""That make tiles of one slide at the same time."""


class ConfinedTiles(Tiles):
    """Tiles made by confined children; a child that dies costs one tile.

    Args:
        sandbox: that forks them.
        job: "show" for a slide that has no pyramid, "show pyramid" for a pyramid.
        path: of that.

    Raises:
        SlideError, Crashed, OSError: as `Sandbox.check` does.
    """

    def __init__(self, sandbox: Sandbox, job: str, path: Path) -> None:
        self._sandbox, self._job, self._path = sandbox, job, path
        self._idle: LifoQueue[Child] = LifoQueue()
        self._places = BoundedSemaphore(CHILDREN)
        # Whoever still waits for a tile gets it; the children end when nobody holds the tiles, or by close().
        self._close = weakref.finalize(self, _leave_all, self._idle)
        child, said, profile = self._open()
        try:
            self.grid = Grid(Size(int(said["width"]), int(said["height"])), int(said["tile"]))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            child.end()
            raise DamagedFile("Reading this file gave no sense. Export the slide again.") from error
        self.profile = profile if said.get("profile") else None
        self._idle.put(child)

    def _open(self) -> tuple[Child, dict[str, Any], bytes]:
        child = self._sandbox.child(self._job, self._path)
        try:
            said, blobs = child.wait(TILE_S)
            return child, dict(said), b"".join(blobs)
        except BaseException:
            child.end()
            raise

    def tile(self, halvings: int, column: int, row: int) -> bytes:
        """A tile as the child makes it. Raises OutsideSlide, DamagedFile, Crashed and OSError."""
        return self._ask(halvings, column, row, cut=False)

    def cut(self, halvings: int, column: int, row: int) -> bytes:
        """The same without its padding."""
        return self._ask(halvings, column, row, cut=True)

    def _ask(self, halvings: int, column: int, row: int, *, cut: bool) -> bytes:
        with self._places:
            return self._ask_one(halvings, column, row, cut=cut)

    def _ask_one(self, halvings: int, column: int, row: int, *, cut: bool) -> bytes:
        try:
            child = self._idle.get_nowait()
        except Empty:
            child = self._open()[0]
        try:
            wanted = {"halvings": halvings, "column": column, "row": row, "cut": cut}
            blobs = child.ask(wanted, patience_s=TILE_S)[1]
        except SlideError:
            self._give_back(child)
            raise
        except BaseException:
            child.end()
            raise
        if len(blobs) != 1:
            child.end()
            raise DamagedFile("Reading this file gave no sense. Export the slide again.")
        self._give_back(child)
        return blobs[0]

    def _give_back(self, child: Child) -> None:
        if not child.ended:
            self._idle.put(child)
        if not self._close.alive:
            _leave_all(self._idle)

    def close(self) -> None:
        """End the children. A tile under way is still finished. Closing twice is allowed."""
        self._close()


def _leave_all(idle: LifoQueue[Child]) -> None:
    with suppress(Empty):
        while True:
            idle.get_nowait().leave()


class ConfinedPyramid(Pyramid):
    """A pyramid that hands out what is stored, and has decoded elsewhere what must be.

    Args:
        path: of a pyramid file.
        sandbox: that forks children, once such a tile is asked for.

    Raises:
        DamagedFile: it is not such a file, or was cut off.
    """

    def __init__(self, path: Path, *, sandbox: Sandbox) -> None:
        super().__init__(path)
        self._path, self._sandbox = path, sandbox

    @cached_property
    def _decoded(self) -> ConfinedTiles:
        return ConfinedTiles(self._sandbox, "show pyramid", self._path)

    def tile(self, halvings: int, column: int, row: int) -> bytes:
        """As of any pyramid; a level smaller than a tile is made from one."""
        if halvings > self.grid.depth:
            return self._decoded.tile(halvings, column, row)
        return super().tile(halvings, column, row)

    def cut(self, halvings: int, column: int, row: int) -> bytes:
        """A tile without its padding."""
        return self._decoded.cut(halvings, column, row)
