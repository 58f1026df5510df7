"""The arithmetic of deep zoom: level sizes, tile counts, tile to region. No pixels.

A *halving* counts down from full resolution: level 0 halvings is the slide, each further one is half as wide
and half as high, rounded up, down to one tile. A *deep-zoom level* counts up from one pixel, as the addresses
do. Source: Deep Zoom file format; tiles do not overlap here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from slides.errors import OutsideSlide
from slides.geometry import Region, Size


@dataclass(frozen=True)
class Grid:
    """How a slide is cut into tiles at every halving.

    Attributes:
        size: of the full resolution, in level-0 pixels.
        tile: side of the square tiles in pixels, the same at every level.
    """

    size: Size
    tile: int

    def __post_init__(self) -> None:
        if self.tile < 1:
            raise ValueError(f"A tile is at least 1 px wide, not {self.tile}.")

    @cached_property
    def depth(self) -> int:
        """Halvings until the whole slide fits in one tile; the pyramid stores levels 0 to `depth`."""
        depth = 0
        while max(self.size.halved(depth).width, self.size.halved(depth).height) > self.tile:
            depth += 1
        return depth

    @cached_property
    def last_level(self) -> int:
        """The deep-zoom level of full resolution: the smallest n with 2**n at least the longer side."""
        return (max(self.size.width, self.size.height) - 1).bit_length()

    def halvings(self, level: int) -> int:
        """Halvings of a deep-zoom level. Raises OutsideSlide for one that does not exist."""
        if not 0 <= level <= self.last_level:
            raise OutsideSlide(f"Deep-zoom level {level} was asked for; there are levels 0 to {self.last_level}.")
        return self.last_level - level

    def columns(self, halvings: int) -> int:
        """Tiles in a row."""
        return -(-self.size.halved(halvings).width // self.tile)

    def rows(self, halvings: int) -> int:
        """Rows of tiles."""
        return -(-self.size.halved(halvings).height // self.tile)

    def count(self, halvings: int) -> int:
        """Tiles of a level."""
        return self.columns(halvings) * self.rows(halvings)

    def index(self, halvings: int, column: int, row: int) -> int:
        """Place of a tile in row-major order. Raises OutsideSlide for one that does not exist."""
        if not 0 <= halvings <= self.last_level:
            raise OutsideSlide(f"{halvings} halvings were asked for; there are 0 to {self.last_level}.")
        columns, rows = self.columns(halvings), self.rows(halvings)
        if not (0 <= column < columns and 0 <= row < rows):
            raise OutsideSlide(
                f"Tile column {column}, row {row} was asked for; the level has {columns} columns and {rows} rows."
            )
        return row * columns + column

    def region(self, halvings: int, column: int, row: int) -> Region:
        """The part of its level that a tile shows, padding left out, in pixels of that level.

        Raises:
            OutsideSlide: the level has no such tile.
        """
        self.index(halvings, column, row)
        size = self.size.halved(halvings)
        x, y = column * self.tile, row * self.tile
        return Region(x, y, min(self.tile, size.width - x), min(self.tile, size.height - y))

    def tile_at(self, halvings: int, x: int, y: int) -> tuple[int, int]:
        """Column and row of the tile that shows a pixel of its level."""
        return x // self.tile, y // self.tile

    def children(self, halvings: int, column: int, row: int) -> Iterator[tuple[int, int, int, int]]:
        """The one to four tiles of the next finer level under a tile.

        Yields:
            (column, row) of the child, then which half of the tile it fills: 0 or 1 across, 0 or 1 down.
        """
        columns, rows = self.columns(halvings - 1), self.rows(halvings - 1)
        for down in (0, 1):
            for across in (0, 1):
                if 2 * column + across < columns and 2 * row + down < rows:
                    yield 2 * column + across, 2 * row + down, across, down
