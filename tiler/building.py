"""One slide in, one pyramid file out.

Stored levels are copied as they lie in the slide. The missing ones are computed in blocks: a task decodes the
tiles under one block, halves its way up and encodes each tile once; the few levels above the blocks are
joined as the blocks come in. Threads fetch and compute, the calling thread writes; what they do next to each other
does not change a byte of the file. Memory holds a handful of blocks, however large the slide.
"""

from __future__ import annotations

import json
import math
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import zip_longest
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from slides.errors import DamagedFile
from slides.geometry import Region, Spacing
from slides.jpeg import Colour, Stream, blank, decode, split, subsampling
from slides.slide import Pixels, Slide
from tiler.bigtiff import BigTiffWriter, Directory, LevelDigest
from tiler.colour import judge
from tiler.halving import Halving, halve, place
from tiler.layout import CopiedLevel, Layout, PixelPath, lay_out

Progress = Callable[[float], None]
"""Called now and then, from the building thread, with the share that is done, 0 to 1. May raise to stop."""

_MOST_THREADS = 8
"""However many cores there are: each thread takes memory, and one slide is not the only one."""
_COPIED_AT_ONCE = 64
"""Tiles of a stored level in one task."""
_BLOCK = 2
"""Halvings within a block above passed-on tiles: 4 x 4 tiles of the first computed level, which stay in the cache."""
_READ_BLOCK = 3
"""The same where a large slide is read: its tiles that lie across a block's border are decoded for each block anew."""
_LARGE = 4096
"""Tiles. Of a smaller slide there would be too few such blocks to keep every thread busy."""
_COMPARED_IN_FULL = 1024
"""Re-encoded tiles up to which every one is decoded again to say how well it was encoded; of more, one in eight."""


@dataclass(frozen=True)
class Built:
    """What became of a build.

    Attributes:
        pixel_path: whether full resolution is the slide's own bytes.
        psnr: in dB, of the re-encoded full resolution against the decoded original, pooled over the slide, of a
            large one over an eighth of its tiles, evenly spread; 100 at the most; None when it was passed through.
        level0_digest: SHA-256 in hexadecimal over every full-resolution stream with its tables, row-major.
        tile: side of the tiles in pixels.
        levels: stored in the file.
        byte_size: of the file.
    """

    pixel_path: PixelPath
    psnr: float | None
    level0_digest: str
    tile: int
    levels: int
    byte_size: int


def build(slide: Slide, file: BinaryIO, *, progress: Progress | None = None, threads: int | None = None) -> Built:
    """Build the pyramid of an open slide.

    Args:
        slide: any; its label and its texts do not reach the pyramid.
        file: empty, open for reading and writing ("w+b"). The caller names it, brings it to disk (`slides.staging`)
            and removes it when this fails.
        threads: that decode and encode; one per core this process may use by default.

    Raises:
        DamagedFile: a tile of the slide cannot be fetched or decoded.
        OSError: the disk is full or refuses.
    """
    layout, count = lay_out(slide), threads or min(len(os.sched_getaffinity(0)), _MOST_THREADS)
    with ThreadPoolExecutor(count) as pool:
        try:
            return _Build(slide, layout, BigTiffWriter(file), progress or (lambda share: None)).run(pool, count)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


class _Level:
    """Where one level's tiles have come to lie in the file."""

    def __init__(self, count: int, side: int, copied: CopiedLevel | None) -> None:
        self.offsets: npt.NDArray[np.uint64] = np.zeros(count, np.uint64)
        self.counts: npt.NDArray[np.uint32] = np.zeros(count, np.uint32)
        self.copied = copied
        self.tables = copied.stored.tables if copied else None
        self.colour = copied.colour if copied else Colour.YCBCR
        self.sample = copied.sample if copied else b""
        self.white = blank((side, side), self.colour, subsampling(self.sample)) if copied else b""
        self.white_at = 0


@dataclass
class _Tiles:
    """What a task hands to the writer.

    Attributes:
        places: level and row-major index of each tile.
        streams: as they are to be written; empty where the scanner stored nothing.
        top: pixels of the block as one tile, where levels above it are waiting for it.
        squared_error, samples: of re-encoded full resolution, and over how many numbers.
    """

    places: list[tuple[int, int]]
    streams: list[Stream]
    tables: bytes | None = None
    top: Pixels | None = None
    squared_error: int = 0
    samples: int = 0


@dataclass(frozen=True)
class _Run:
    """Adjoining computed levels.

    Attributes:
        first, last: in halvings.
        top: where a block is one tile; beyond `last` when the run is shorter than a block is high.
    """

    first: int
    last: int
    top: int


class _Build:
    """One build under way."""

    def __init__(self, slide: Slide, layout: Layout, writer: BigTiffWriter, progress: Progress) -> None:
        self.slide, self.layout, self.grid = slide, layout, layout.grid
        self.writer, self.progress = writer, progress
        self.halving, self.encoding = Halving(slide, layout), layout.encoding
        self.levels = [
            _Level(self.grid.count(halvings), self.grid.tile, copied) for halvings, copied in enumerate(layout.copied)
        ]
        self.digest = LevelDigest(self.levels[0].tables) if layout.copied[0] else None
        self.squared_error = self.samples = 0
        # Copying a tile costs about a tenth of computing one.
        self.work = sum(len(level.counts) * (1 if level.copied else 10) for level in self.levels)
        self.done = 0

    def run(self, pool: Executor, threads: int) -> Built:
        runs = list(self._runs())
        tops = self._finished(pool, threads, runs)
        for run in runs:
            if run.last > run.top:
                for column, row in self._tiles(run.last):
                    self._climb(run, run.last, column, row, tops)
        for _ in tops:
            raise AssertionError("A block was computed that no level waited for.")
        if missing := sum(int(np.count_nonzero(level.counts == 0)) for level in self.levels):
            raise DamagedFile(f"{missing} tiles of the pyramid were not made; build it again.")
        return self._finish()

    def _runs(self) -> Iterator[_Run]:
        halvings = 0
        while halvings <= self.grid.depth:
            first = halvings
            while halvings <= self.grid.depth and self.layout.copied[halvings] is None:
                halvings += 1
            if halvings > first:
                reading = first == 0 and self.grid.count(0) > _LARGE
                yield _Run(first, halvings - 1, first + (_READ_BLOCK if reading else _BLOCK))
            halvings += 1

    def _tiles(self, halvings: int) -> Iterator[tuple[int, int]]:
        for row in range(self.grid.rows(halvings)):
            for column in range(self.grid.columns(halvings)):
                yield column, row

    def _finished(self, pool: Executor, threads: int, runs: list[_Run]) -> Iterator[Pixels]:
        """Do all tasks, write what they made in their order, and hand on the blocks that levels wait for."""
        waiting: deque[Future[_Tiles]] = deque()
        copying = (partial(self._fetch, *part) for part in self._parts())
        computing = (partial(self._compute, run, *block) for run in runs for block in self._blocks(run))
        # In turns: while one thread computes, the other's tiles are hashed and written.
        for task in (task for pair in zip_longest(copying, computing) for task in pair if task):
            waiting.append(pool.submit(task))
            if len(waiting) > 2 * threads + 2:
                yield from self._keep(waiting.popleft().result())
        while waiting:
            yield from self._keep(waiting.popleft().result())

    def _parts(self) -> Iterator[tuple[int, int, int]]:
        """The copied levels in parts: halvings, first tile, tiles."""
        for halvings, level in enumerate(self.levels):
            for first in range(0, len(level.counts) if level.copied else 0, _COPIED_AT_ONCE):
                yield halvings, first, min(_COPIED_AT_ONCE, len(level.counts) - first)

    def _blocks(self, run: _Run) -> Iterator[tuple[int, int]]:
        """Column and row of a run's blocks, in the order in which `_climb` asks for them."""
        highest = max(run.last, run.top)
        for column, row in self._tiles(highest):
            yield from self._under(highest, column, row, run.top)

    def _under(self, halvings: int, column: int, row: int, top: int) -> Iterator[tuple[int, int]]:
        if halvings == top:
            yield column, row
            return
        for x, y, _, _ in self.grid.children(halvings, column, row):
            yield from self._under(halvings - 1, x, y, top)

    def _fetch(self, halvings: int, first: int, count: int) -> _Tiles:
        """In a thread: stored tiles."""
        copied = self.levels[halvings].copied
        if copied is None:
            raise ValueError(f"Level {halvings} is computed, not copied.")
        streams = self.slide.stored_tiles(copied.level, first, count)
        return _Tiles([(halvings, index) for index in range(first, first + count)], list(streams), copied.stored.tables)

    def _compute(self, run: _Run, column: int, row: int) -> _Tiles:
        """In a thread: a block's tiles, encoded."""
        made = _Tiles([], [])
        side = 1 << (run.top - run.first)
        column, row = column * side, row * side
        pixels = self.halving.compute_first(run.first, self._area(run.first, column, row, side))
        for halvings in range(run.first, min(run.last, run.top) + 1):
            if halvings > run.first:
                pixels, column, row = halve(pixels), column // 2, row // 2
            self._encode(pixels, halvings, column, row, made)
        if run.last > run.top:
            made.top = pixels
        return made

    def _area(self, halvings: int, column: int, row: int, side: int) -> Region:
        size, tile = self.grid.size.halved(halvings), self.grid.tile
        return Region(column * tile, row * tile, side * tile, side * tile).clipped(size)

    def _encode(self, pixels: Pixels, halvings: int, column: int, row: int, made: _Tiles) -> None:
        """Encode part of a level, whose first tile is at a column and row, tile by tile."""
        tile, columns = self.grid.tile, self.grid.columns(halvings)
        for y in range(0, pixels.shape[0], tile):
            for x in range(0, pixels.shape[1], tile):
                part, at = pixels[y : y + tile, x : x + tile], (column + x // tile, row + y // tile)
                whole = self.encoding.encode(part)
                stream, made.tables = split(whole)
                made.places.append((halvings, at[1] * columns + at[0]))
                made.streams.append(stream)
                if halvings == 0 and (self.grid.count(0) <= _COMPARED_IN_FULL or (at[0] + 3 * at[1]) % 8 == 0):
                    made.squared_error += _squared_error(part, whole)
                    made.samples += part.size

    def _keep(self, tiles: _Tiles) -> Iterator[Pixels]:
        """Write tiles; hand on the block they come from where a level waits for it."""
        for (halvings, index), offset, stream in zip(
            tiles.places, self.writer.append(tiles.streams), tiles.streams, strict=True
        ):
            level = self.levels[halvings]
            if stream:
                level.offsets[index], level.counts[index] = offset, len(stream)
            else:
                level.offsets[index], level.counts[index] = self._white(level), len(level.white)
            if not level.copied:
                level.sample, level.tables = bytes(stream), tiles.tables
        halvings = tiles.places[0][0]
        if halvings == 0 and self.digest:
            self.digest.update(stream or self.levels[0].white for stream in tiles.streams)
        self.squared_error += tiles.squared_error
        self.samples += tiles.samples
        self._advance(len(tiles.places) * (1 if self.levels[halvings].copied else 10))
        if tiles.top is not None:
            yield tiles.top

    def _white(self, level: _Level) -> int:
        """Where the level's one white tile lies."""
        if not level.white_at:
            (level.white_at,) = self.writer.append([level.white])
        return level.white_at

    def _climb(self, run: _Run, halvings: int, column: int, row: int, blocks: Iterator[Pixels]) -> Pixels:
        """Join blocks to the tiles above them, depth first."""
        if halvings == run.top:
            return next(blocks)
        region = self.grid.region(halvings, column, row)
        pixels = np.empty((region.height, region.width, 3), np.uint8)
        for x, y, across, down in self.grid.children(halvings, column, row):
            place(pixels, halve(self._climb(run, halvings - 1, x, y, blocks)), across, down, self.grid.tile)
        made = _Tiles([], [])
        self._encode(pixels, halvings, column, row, made)
        list(self._keep(made))
        return pixels

    def _advance(self, work: int) -> None:
        before, self.done = self.done, self.done + work
        if before * 200 // self.work != self.done * 200 // self.work:
            self.progress(self.done / self.work)

    def _finish(self) -> Built:
        path, profile = self.layout.pixel_path, self.slide.metadata.icc_profile
        psnr = None if path == PixelPath.PASSTHROUGH else _psnr(self.squared_error, self.samples)
        directories = [
            Directory(
                self.grid.size.halved(halvings), self.grid.tile, level.colour, level.tables, level.offsets, level.counts
            )
            for halvings, level in enumerate(self.levels)
        ]
        digest = str(self.digest) if self.digest else self.writer.digest(directories[0])
        said = {"pixel_path": path, "psnr": psnr, "level0_sha256": digest, "colour_profile": judge(profile)}
        directories[0] = replace(directories[0], description=json.dumps(said), icc_profile=profile)
        spacing = self.slide.metadata.spacing
        for halvings, directory in enumerate(directories):
            self.writer.add(
                directory,
                sample=self.levels[halvings].sample,
                spacing=Spacing(spacing.x * 2**halvings, spacing.y * 2**halvings) if spacing else None,
            )
        return Built(path, psnr, digest, self.grid.tile, len(directories), self.writer.finish())


def _squared_error(pixels: Pixels, stream: bytes) -> int:
    shown = decode(stream)[: pixels.shape[0], : pixels.shape[1]]
    difference = shown.astype(np.int32) - pixels
    return int(np.sum(difference * difference))


def _psnr(squared_error: int, samples: int) -> float:
    """Peak signal-to-noise ratio in dB, 100 at the most: 10 log10(255^2 / mean squared error)."""
    return min(100.0, 10 * math.log10(255**2 * samples / max(squared_error, 1)))
