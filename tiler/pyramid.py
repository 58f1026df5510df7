"""Which bytes are this tile? Reading a pyramid file."""

from __future__ import annotations

import os
import weakref
from array import array
from pathlib import Path
from typing import Protocol

from slides.errors import DamagedFile
from slides.jpeg import SOI, Frame, decode, encode, with_profile
from slides.slide import Pixels
from tiler.bigtiff import Directory, digest, read_directories
from tiler.colour import embeddable
from tiler.grid import Grid
from tiler.halving import halve

_NOW = getattr(os, "RWF_NOWAIT", 0)
"""Read only what is in memory. Linux; preadv2(2)."""


class Tiles(Protocol):
    """Anything that has the tiles of one slide: a pyramid, or the slide itself while there is none."""

    grid: Grid
    profile: bytes | None
    """Embedded in every tile."""

    def tile(self, halvings: int, column: int, row: int) -> bytes:
        """A tile as a complete JPEG that a browser shows right, edge tiles padded to full size.

        Raises:
            OutsideSlide: there is no such tile.
            DamagedFile: it is not where it should be.
        """

    def tile_now(self, halvings: int, column: int, row: int) -> bytes | bytearray | None:
        """The same if it is at hand; None when a disk or a computation would have to be waited for."""
        return None

    def cut(self, halvings: int, column: int, row: int) -> bytes:
        """The same without padding, for clients that cannot cut it themselves.

        An edge tile is decoded and encoded again at quality 95, 4:4:4; others are handed on untouched.
        """
        stream = self.tile(halvings, column, row)
        region = self.grid.region(halvings, column, row)
        pixels = decode(stream)
        if pixels.shape[:2] == (region.height, region.width):
            return stream
        whole = encode(pixels[: region.height, : region.width], quality=95, subsampling="444")
        return with_profile(whole, self.profile)

    def close(self) -> None:
        """Give the file back."""


class Pyramid(Tiles):
    """An open pyramid file. May be used from several threads at once.

    Args:
        path: of a file that `tiler.building.build` made.

    Raises:
        DamagedFile: it is not such a file, or was cut off.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDONLY)
        # Whoever still holds the pyramid may read on; the file is closed when nobody does, or by close().
        self._close = weakref.finalize(self, os.close, self._file)
        try:
            self._directories = read_directories(self._file)
            self.grid = Grid(self._directories[0].size, self._directories[0].tile)
            self._check()
            self.profile = embeddable(self._directories[0].icc_profile)
            self._frames = [self._frame(directory, self.profile) for directory in self._directories]
        except BaseException:
            self._close()
            raise
        # Python's arrays answer an index much faster than numpy's, in an eighth of a list's memory.
        self._offsets = [array("Q", directory.offsets.tobytes()) for directory in self._directories]
        self._counts = [array("I", directory.counts.tobytes()) for directory in self._directories]
        self._shapes = [(self.grid.columns(h), self.grid.rows(h)) for h in range(self.grid.depth + 1)]

    def _check(self) -> None:
        sizes = [directory.size for directory in self._directories]
        counts = [len(directory.offsets) for directory in self._directories]
        depth = range(self.grid.depth + 1)
        if sizes != [self.grid.size.halved(h) for h in depth] or counts != [self.grid.count(h) for h in depth]:
            raise DamagedFile("The pyramid file's levels do not fit together; build it again from the slide.")

    def _frame(self, directory: Directory, profile: bytes | None) -> Frame:
        stream = os.pread(self._file, int(directory.counts[0]), int(directory.offsets[0]))
        return Frame.around(stream, tables=directory.tables, colour=directory.colour, icc_profile=profile)

    @property
    def description(self) -> str:
        """What the pyramid says of itself, as JSON."""
        return self._directories[0].description

    def level0_digest(self) -> str:
        """SHA-256 in hexadecimal over every full-resolution stream with its tables, row-major, read anew."""
        return digest(self._file, self._directories[0])

    def stored(self, halvings: int, column: int, row: int) -> bytes:
        """A tile's stream as it lies in the file. Raises OutsideSlide and DamagedFile."""
        index = self.grid.index(halvings, column, row)
        count = self._counts[halvings][index]
        stream = os.pread(self._file, count, self._offsets[halvings][index])
        if len(stream) != count:
            raise DamagedFile("The pyramid file ends before this tile does; build it again from the slide.")
        return stream

    def tile(self, halvings: int, column: int, row: int) -> bytes:
        """A tile as a complete JPEG that a browser shows right, edge tiles padded to full size.

        Raises:
            OutsideSlide: there is no such tile.
            DamagedFile: the file ends before it does.
        """
        if halvings > self.grid.depth:
            return shrink(self, halvings, column, row)
        return self._frames[halvings].complete(self.stored(halvings, column, row))

    def tile_now(self, halvings: int, column: int, row: int) -> bytearray | None:
        """The same if it lies in memory; None when it must be read from disk, computed, or does not exist.

        The event loop calls this for every tile: a read that could wait for a slow disk would hold up everybody.
        """
        if halvings > self.grid.depth:
            return None
        columns, rows = self._shapes[halvings]
        if not (0 <= column < columns and 0 <= row < rows):
            return None
        index = row * columns + column
        prefix, count = self._frames[halvings].prefix, self._counts[halvings][index]
        # The stream's own SOI lands where the prefix ends and is written over: no copy but the kernel's.
        at = len(prefix) - len(SOI)
        tile = bytearray(at + count)
        try:
            read = os.preadv(self._file, [memoryview(tile)[at:]], self._offsets[halvings][index], _NOW)
        except OSError:  # EAGAIN: it would wait. EOPNOTSUPP: this file system cannot say.
            return None
        if read != count:
            return None
        tile[: len(prefix)] = prefix
        return tile

    def close(self) -> None:
        """Give the file back. Closing twice is allowed."""
        self._close()


def shrink(tiles: Tiles, halvings: int, column: int, row: int) -> bytes:
    """The one tile of a level smaller than a tile, down to one pixel, made from the smallest stored level."""
    tiles.grid.index(halvings, column, row)
    depth = tiles.grid.depth
    region = tiles.grid.region(depth, 0, 0)
    pixels: Pixels = decode(tiles.tile(depth, 0, 0))[: region.height, : region.width]
    for _ in range(halvings - depth):
        pixels = halve(pixels)
    return with_profile(encode(pixels, quality=90, subsampling="444"), tiles.profile)
