"""Computing the levels a slide file does not store: each pixel the mean of the 2 x 2 above it.

Interior tiles are halved inside the JPEG decoder; tiles at the right and bottom edge are decoded in full, so
that padding never bleeds into the picture. Pixels are encoded once, and halved again before that encoding.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from slides.geometry import Region
from slides.jpeg import Chain, Frame, Stream, decode
from slides.slide import Pixels, Slide
from tiler.grid import Grid
from tiler.layout import CopiedLevel, Layout

_BAND = 256
"""Rows halved at once: few enough to stay in the processor's cache."""


def halve(pixels: Pixels) -> Pixels:
    """Half the width and height, rounded up: the exact mean of each 2 x 2, halves rounded up.

    An odd last column or row is averaged with itself.

    Args:
        pixels: uint8, shape (height, width, 3).

    Returns:
        uint8, shape (ceil(height / 2), ceil(width / 2), 3).
    """
    height, width = pixels.shape[:2]
    if height % 2 or width % 2:
        pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        height, width = pixels.shape[:2]
    half = np.empty((height // 2, width // 2, 3), np.uint8)
    for top in range(0, height, _BAND):
        band = pixels[top : top + _BAND]
        rows = np.add(band[0::2], band[1::2], dtype=np.uint16).reshape(-1, width * 3)
        # Whole rows of sums at every pixel, of which every other is needed, are quicker than the needed ones by threes.
        sums = rows[:, :-3] + rows[:, 3:]
        sums += 2
        sums >>= 2
        for colour in range(3):
            half[top // 2 : (top + _BAND) // 2, :, colour] = sums[:, colour::6]
    return half


@dataclass(frozen=True)
class _Source:
    """A copied level to compute the next one from.

    Attributes:
        whole: columns and rows of tiles that are picture to their last pixel.
    """

    copied: CopiedLevel
    frame: Frame
    chain: Chain | None
    whole: tuple[int, int]


class Halving:
    """Computes parts of one slide's missing levels. May be used from several threads at once.

    Args:
        slide: open.
        layout: of its pyramid.
    """

    def __init__(self, slide: Slide, layout: Layout) -> None:
        self._slide = slide
        self._own = threading.local()
        self.grid: Grid = layout.grid
        self._sources = [self._source(copied) if copied else None for copied in layout.copied]

    def _room(self, size: int) -> npt.NDArray[np.uint8]:
        """Memory of this thread's own, to be used until the next call."""
        if len(getattr(self._own, "room", ())) < size:
            self._own.room = np.empty(size, np.uint8)
        room: npt.NDArray[np.uint8] = self._own.room
        return room

    def _source(self, copied: CopiedLevel) -> _Source:
        tables, side = copied.stored.tables, self.grid.tile
        frame = Frame.around(copied.sample, tables=tables, colour=copied.colour)
        size = self._slide.levels[copied.level].size
        chain = Chain.of(copied.sample, frame=frame, tables=tables, side=side)
        return _Source(copied, frame, chain, (size.width // side, size.height // side))

    def compute(self, halvings: int, column: int, row: int) -> Pixels:
        """Compute a tile that is not copied, from the nearest finer level that is, or from the slide's pixels.

        Args:
            halvings: of a level that the layout does not copy.

        Returns:
            uint8, shape of the tile without padding.

        Raises:
            OutsideSlide: there is no such tile.
            DamagedFile: what lies under it cannot be decoded.
        """
        region, tile = self.grid.region(halvings, column, row), self.grid.tile
        if halvings == 0 or self._sources[halvings - 1]:
            return self.compute_first(halvings, region)
        pixels = np.empty((region.height, region.width, 3), np.uint8)
        for x, y, across, down in self.grid.children(halvings, column, row):
            place(pixels, halve(self.compute(halvings - 1, x, y)), across, down, tile)
        return pixels

    def compute_first(self, halvings: int, region: Region) -> Pixels:
        """Compute part of a level whose next finer one is copied, or of the re-encoded full resolution.

        Args:
            region: in pixels of the level, of whole tiles, their padding left out.

        Returns:
            uint8, shape (region.height, region.width, 3).

        Raises:
            DamagedFile: what lies under it cannot be decoded.
        """
        if halvings == 0:
            return self._slide.read(region, level=0)
        source, half = self._sources[halvings - 1], self.grid.tile // 2
        if source is None:
            raise ValueError(f"Level {halvings - 1} is computed, not copied.")
        pixels = np.empty((region.height, region.width, 3), np.uint8)
        columns = range(region.x // half, -(-region.right // half))
        for row in range(region.y // half, -(-region.bottom // half)):
            strip = pixels[row * half - region.y :][:half]
            self._halve_tiles(strip, source, halvings - 1, columns, row)
        return pixels

    def _halve_tiles(self, strip: Pixels, source: _Source, halvings: int, columns: range, row: int) -> None:
        """Fill half a row of tiles with the halves of the source's tiles in some columns of a row."""
        first = row * self.grid.columns(halvings) + columns.start
        streams = self._slide.stored_tiles(source.copied.level, first, len(columns))
        half = self.grid.tile // 2
        whole = min(len(columns), max(0, source.whole[0] - columns.start)) if row < source.whole[1] else 0
        chained = None
        if source.chain and whole > 1:
            chained = source.chain.decode(streams[:whole], self._room(whole * half * half * 3))
        if chained is not None:
            strip[:, : whole * half].reshape(half, whole, half, 3)[:] = chained.swapaxes(0, 1)
        for place_, stream in enumerate(streams):
            if chained is None or place_ >= whole:
                part = strip[:, place_ * half : (place_ + 1) * half]
                part[:] = self._halve_tile(stream, source, halvings, columns[place_], row)

    def _halve_tile(self, stream: Stream, source: _Source, halvings: int, column: int, row: int) -> Pixels:
        region, tile = self.grid.region(halvings, column, row), self.grid.tile
        if not stream:
            return np.full((-(-region.height // 2), -(-region.width // 2), 3), 255, np.uint8)
        complete = source.frame.complete(stream)
        if column < source.whole[0] and row < source.whole[1]:
            return decode(complete, size=(tile // 2, tile // 2), whole=(tile, tile))
        picture = region.clipped(self._slide.levels[source.copied.level].size)
        pixels = decode(complete, whole=(tile, tile))[: picture.height, : picture.width]
        # A stored level rounded down lacks the grid's last column or row; what lies there is padding.
        short = (0, region.height - picture.height), (0, region.width - picture.width), (0, 0)
        return halve(np.pad(pixels, short, mode="edge"))


def place(pixels: Pixels, half: Pixels, across: int, down: int, tile: int) -> None:
    """Put a child's half into its quarter of a tile, in place."""
    height, width = half.shape[:2]
    x, y = across * tile // 2, down * tile // 2
    pixels[y : y + height, x : x + width] = half
