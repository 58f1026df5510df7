"""One slide in, one pyramid file out: all of it, or nothing.

Stored levels are copied as they lie in the slide. The missing ones are computed in blocks: a task decodes the
tiles under one block, halves its way up and encodes each tile once; the few levels above the blocks are
joined as the blocks come in. Memory holds a handful of blocks, however large the slide.
"""

from __future__ import annotations

import json
import math
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from slides.errors import DamagedFile
from slides.geometry import Size, Spacing
from slides.jpeg import Colour, blank, decode, split, subsampling
from slides.slide import Pixels, Slide
from tiler.bigtiff import BigTiffWriter, Directory
from tiler.colour import judge
from tiler.halving import Halving, halve, place
from tiler.layout import CopiedLevel, Layout, PixelPath, lay_out

Progress = Callable[[float], None]
"""Called now and then, from the building thread, with the share that is done, 0 to 1. May raise to stop."""

BLOCK_HALVINGS = 4
"""A block is 16 x 16 tiles of the level it is computed from: enough work for a task, little to hold."""
_Tile = tuple[int, int, int, bytes]


@dataclass(frozen=True)
class Built:
    """What became of a build.

    Attributes:
        pixel_path: whether full resolution is the slide's own bytes.
        psnr: in dB, of the re-encoded full resolution against the decoded original, pooled over the slide, 100
            at the most; None when it was passed through.
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


def build(slide: Slide, target: Path, *, progress: Progress | None = None, threads: int | None = None) -> Built:
    """Build the pyramid of an open slide.

    Args:
        slide: any; its label and its texts do not reach the pyramid.
        target: where the file appears when it is whole; an older one is replaced.
        threads: that decode and encode; one per core by default.

    Raises:
        DamagedFile: a tile of the slide cannot be fetched or decoded. Nothing is left at `target`.
        OSError: the disk is full or refuses. Likewise.
    """
    layout = lay_out(slide)
    with BigTiffWriter(target) as writer, ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        try:
            return _Build(slide, layout, writer, pool, progress or (lambda share: None)).run()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


class _Level:
    """Where one level's tiles have come to lie in the file."""

    def __init__(self, count: int) -> None:
        self.offsets = np.zeros(count, np.uint64)
        self.counts = np.zeros(count, np.uint32)
        self.tables: bytes | None = None
        self.colour = Colour.YCBCR
        self.sample = b""


class _Build:
    """One build under way."""

    def __init__(
        self, slide: Slide, layout: Layout, writer: BigTiffWriter, pool: ThreadPoolExecutor, progress: Progress
    ) -> None:
        self.slide, self.layout, self.grid = slide, layout, layout.grid
        self.writer, self.pool, self.progress = writer, pool, progress
        self.halving = Halving(slide, layout)
        self.levels = [_Level(self.grid.count(halvings)) for halvings in range(self.grid.depth + 1)]
        self.encode = layout.encoding.encode
        self.squared_error = 0
        # Copying a tile costs about a tenth of computing one.
        self.work = sum(len(level.counts) * (1 if copied else 10) for level, copied in self._pairs())
        self.done = 0

    def _pairs(self) -> Iterator[tuple[_Level, CopiedLevel | None]]:
        return zip(self.levels, self.layout.copied, strict=True)

    def run(self) -> Built:
        for halvings, (level, copied) in enumerate(self._pairs()):
            if copied:
                self._copy(level, copied, halvings)
        for source, last in self._runs():
            for column, row in self._tiles(last):
                blocks = self._compute_blocks(source, last, column, row)
                self._climb(source, last, column, row, blocks)
        if missing := sum(int(np.count_nonzero(level.counts == 0)) for level in self.levels):
            raise DamagedFile(f"{missing} tiles of the pyramid were not made; build it again.")
        return self._finish()

    def _copy(self, level: _Level, copied: CopiedLevel, halvings: int) -> None:
        columns = self.grid.columns(halvings)
        level.tables, level.colour, level.sample = copied.stored.tables, copied.colour, copied.sample
        empty: tuple[int, int] | None = None
        for index in range(len(level.counts)):
            stream = self.slide.stored_tile(copied.level, index % columns, index // columns)
            if stream:
                level.offsets[index], level.counts[index] = self.writer.append(stream), len(stream)
            else:
                if empty is None:
                    side = self.grid.tile
                    white = blank((side, side), copied.colour, subsampling(copied.sample))
                    empty = self.writer.append(white), len(white)
                level.offsets[index], level.counts[index] = empty
            self._advance(1)

    def _runs(self) -> Iterator[tuple[int, int]]:
        """Stretches of computed levels: (level they are computed from, last level of the stretch).

        A source of -1 means the slide's own pixels.
        """
        halvings = 0
        while halvings <= self.grid.depth:
            if self.layout.copied[halvings]:
                halvings += 1
                continue
            first = halvings
            while halvings <= self.grid.depth and self.layout.copied[halvings] is None:
                halvings += 1
            yield first - 1, halvings - 1

    def _tiles(self, halvings: int) -> Iterator[tuple[int, int]]:
        for row in range(self.grid.rows(halvings)):
            for column in range(self.grid.columns(halvings)):
                yield column, row

    def _compute_blocks(self, source: int, last: int, column: int, row: int) -> Iterator[Pixels]:
        """The blocks under one tile of the last level, in the order in which `_climb` asks for them."""
        waiting: deque[Future[tuple[Pixels, list[_Tile], int]]] = deque()
        top = min(last, source + BLOCK_HALVINGS)
        for x, y in self._under(last, column, row, top):
            waiting.append(self.pool.submit(self._compute_block, top, x, y))
            if len(waiting) > 3:
                yield self._collect(waiting.popleft())
        while waiting:
            yield self._collect(waiting.popleft())

    def _under(self, halvings: int, column: int, row: int, top: int) -> Iterator[tuple[int, int]]:
        if halvings == top:
            yield column, row
            return
        for x, y, _, _ in self.grid.children(halvings, column, row):
            yield from self._under(halvings - 1, x, y, top)

    def _compute_block(self, halvings: int, column: int, row: int) -> tuple[Pixels, list[_Tile], int]:
        """In a thread: one block's tiles, encoded, and the pixels of its topmost."""
        tiles: list[_Tile] = []
        squared_error = 0

        def emit(level: int, x: int, y: int, pixels: Pixels) -> None:
            nonlocal squared_error
            stream = self.encode(pixels)
            if level == 0:
                squared_error += _squared_error(pixels, stream)
            tiles.append((level, x, y, stream))

        return self.halving.compute(halvings, column, row, emit), tiles, squared_error

    def _collect(self, block: Future[tuple[Pixels, list[_Tile], int]]) -> Pixels:
        pixels, tiles, squared_error = block.result()
        self.squared_error += squared_error
        for halvings, column, row, stream in tiles:
            self._store(halvings, column, row, stream)
        return pixels

    def _climb(self, source: int, halvings: int, column: int, row: int, blocks: Iterator[Pixels]) -> Pixels:
        """Join blocks to the tiles above them, depth first."""
        if halvings == min(halvings, source + BLOCK_HALVINGS):
            return next(blocks)
        region = self.grid.region(halvings, column, row)
        pixels = np.empty((region.height, region.width, 3), np.uint8)
        for x, y, across, down in self.grid.children(halvings, column, row):
            place(pixels, halve(self._climb(source, halvings - 1, x, y, blocks)), across, down, self.grid.tile)
        self._store(halvings, column, row, self.encode(pixels))
        return pixels

    def _store(self, halvings: int, column: int, row: int, stream: bytes) -> None:
        level, index = self.levels[halvings], self.grid.index(halvings, column, row)
        level.sample, level.tables = split(stream)
        level.offsets[index], level.counts[index] = self.writer.append(level.sample), len(level.sample)
        self._advance(10)

    def _advance(self, work: int) -> None:
        before, self.done = self.done, self.done + work
        if before * 200 // self.work != self.done * 200 // self.work:
            self.progress(self.done / self.work)

    def _finish(self) -> Built:
        path, profile = self.layout.pixel_path, self.slide.metadata.icc_profile
        psnr = None if path == PixelPath.PASSTHROUGH else _psnr(self.squared_error, self.grid.size)
        directories = [
            Directory(
                self.grid.size.halved(halvings), self.grid.tile, level.colour, level.tables, level.offsets, level.counts
            )
            for halvings, level in enumerate(self.levels)
        ]
        digest = self.writer.digest(directories[0])
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


def _psnr(squared_error: int, size: Size) -> float:
    """Peak signal-to-noise ratio in dB, 100 at the most: 10 log10(255^2 / mean squared error)."""
    samples = size.width * size.height * 3
    return min(100.0, 10 * math.log10(255**2 * samples / max(squared_error, 1)))
