"""Computing the levels a slide file does not store: each pixel the mean of the 2 x 2 above it.

Interior tiles are halved inside the JPEG decoder; tiles at the right and bottom edge are decoded in full, so
that padding never bleeds into the picture. Pixels are encoded once, and halved again before that encoding.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from slides.jpeg import Frame, decode
from slides.slide import Pixels, Slide
from tiler.grid import Grid
from tiler.layout import Layout

Emit = Callable[[int, int, int, Pixels], None]
"""Called with halvings, column, row and the tile's pixels without padding."""


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
    wide = pixels.astype(np.uint16)
    rows = wide[0::2] + wide[1::2]
    return ((rows[:, 0::2] + rows[:, 1::2] + 2) >> 2).astype(np.uint8)


class Halving:
    """Computes tiles of one slide's missing levels. May be used from several threads at once.

    Args:
        slide: open.
        layout: of its pyramid.
    """

    def __init__(self, slide: Slide, layout: Layout) -> None:
        self._slide = slide
        self._layout = layout
        self._frames = {
            halvings: Frame.around(copied.sample, tables=copied.stored.tables, colour=copied.colour)
            for halvings, copied in enumerate(layout.copied)
            if copied
        }

    @property
    def grid(self) -> Grid:
        """Of the slide's pyramid."""
        return self._layout.grid

    def compute(self, halvings: int, column: int, row: int, emit: Emit | None = None) -> Pixels:
        """Compute a tile that is not copied, from the nearest finer level that is, or from the slide's pixels.

        Args:
            halvings: of a level that the layout does not copy.
            emit: is handed this tile and every computed one under it, children first.

        Returns:
            uint8, shape of the tile without padding.

        Raises:
            OutsideSlide: there is no such tile.
            DamagedFile: what lies under it cannot be decoded.
        """
        region = self.grid.region(halvings, column, row)
        if halvings == 0:
            pixels = self._slide.read(region, level=0)
        else:
            pixels = np.empty((region.height, region.width, 3), np.uint8)
            for x, y, across, down in self.grid.children(halvings, column, row):
                place(pixels, self.half(halvings - 1, x, y, emit), across, down, self.grid.tile)
        if emit:
            emit(halvings, column, row, pixels)
        return pixels

    def half(self, halvings: int, column: int, row: int, emit: Emit | None = None) -> Pixels:
        """A tile of any level at half its size."""
        copied = self._layout.copied[halvings]
        if copied is None:
            return halve(self.compute(halvings, column, row, emit))
        region, tile = self.grid.region(halvings, column, row), self.grid.tile
        stream = self.stored(halvings, column, row)
        if not stream:
            return np.full((-(-region.height // 2), -(-region.width // 2), 3), 255, np.uint8)
        picture = region.clipped(self._slide.levels[copied.level].size)
        if (picture.width, picture.height) == (tile, tile):
            return decode(stream, size=(tile // 2, tile // 2), whole=(tile, tile))
        pixels = decode(stream, whole=(tile, tile))[: picture.height, : picture.width]
        # A stored level rounded down lacks the grid's last column or row; what lies there is padding.
        short = (0, region.height - picture.height), (0, region.width - picture.width), (0, 0)
        return halve(np.pad(pixels, short, mode="edge"))

    def stored(self, halvings: int, column: int, row: int) -> bytes:
        """A copied level's tile as a complete JPEG; empty where the scanner stored nothing."""
        copied = self._layout.copied[halvings]
        if copied is None:
            raise ValueError(f"Level {halvings} is computed, not copied.")
        stream = self._slide.stored_tile(copied.level, column, row)
        return self._frames[halvings].complete(stream) if stream else b""


def place(pixels: Pixels, half: Pixels, across: int, down: int, tile: int) -> None:
    """Put a child's half into its quarter of a tile, in place."""
    height, width = half.shape[:2]
    x, y = across * tile // 2, down * tile // 2
    pixels[y : y + height, x : x + width] = half
