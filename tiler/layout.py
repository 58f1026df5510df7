"""How a slide's pyramid will be made: its grid, and which levels are the file's own bytes.

Building and live viewing follow the same layout, so that nothing changes under the reader's eyes when the
pyramid is ready.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from slides.errors import DamagedFile
from slides.geometry import Size
from slides.jpeg import Colour, browser_shows, encode, says_itself, subsampling
from slides.slide import Pixels, Slide, StoredJpeg
from tiler.grid import Grid

TILE = 256
"""Side in pixels of the tiles that are made here."""

COMPUTED_QUALITY = 85
"""Of computed levels above passed-on tiles, on libjpeg's scale: what scanners use themselves."""
REENCODED_QUALITY = 90
"""Of every level where full resolution had to be encoded again. Source: domain rules, 11.2."""


class PixelPath(StrEnum):
    """What the full-resolution tiles are."""

    PASSTHROUGH = "PASSTHROUGH"
    """The file's own compressed bytes, untouched."""
    REENCODED_LOSSY = "REENCODED_LOSSY"
    """Decoded and encoded once more; the viewer and every answer say so."""


@dataclass(frozen=True)
class CopiedLevel:
    """A level whose stored tiles are passed on.

    Attributes:
        level: of the slide.
        stored: how its tiles are kept.
        colour: what the streams' numbers mean, by the streams' own word where they have one.
        sample: one of its streams.
    """

    level: int
    stored: StoredJpeg
    colour: Colour
    sample: bytes


@dataclass(frozen=True)
class Encoding:
    """How computed tiles are encoded, one setting for a whole pyramid.

    Attributes:
        quality: libjpeg's, 1 to 100.
        subsampling: of chroma, "444" or "420".
        tile: side in pixels that every tile is padded to by repeating its last column and row.
    """

    quality: int
    subsampling: str
    tile: int

    def encode(self, pixels: Pixels) -> bytes:
        """A tile as one complete JPEG."""
        height, width = pixels.shape[:2]
        if (height, width) != (self.tile, self.tile):
            pixels = np.pad(pixels, ((0, self.tile - height), (0, self.tile - width), (0, 0)), mode="edge")
        return encode(pixels, quality=self.quality, subsampling=self.subsampling)


@dataclass(frozen=True)
class Layout:
    """A grid and where each of its levels comes from.

    Attributes:
        copied: by halvings, 0 to grid.depth; None where the level is computed.
    """

    grid: Grid
    copied: tuple[CopiedLevel | None, ...]

    @property
    def pixel_path(self) -> PixelPath:
        """Whether the full resolution is passed on or encoded again."""
        return PixelPath.PASSTHROUGH if self.copied[0] else PixelPath.REENCODED_LOSSY

    @property
    def encoding(self) -> Encoding:
        """Of the computed levels: as finely as the scanner where it is passed on, finer where it is not."""
        base = self.copied[0]
        if base is None:
            return Encoding(REENCODED_QUALITY, "444", self.grid.tile)
        halved_chroma = base.colour == Colour.YCBCR and subsampling(base.sample) == (2, 2)
        return Encoding(COMPUTED_QUALITY, "420" if halved_chroma else "444", self.grid.tile)


def lay_out(slide: Slide) -> Layout:
    """Decide the layout of a slide's pyramid.

    Tiles are passed on when they are square with sides a multiple of 16 (TIFF 6.0, section 15) and a browser
    can show them; a smaller level when its size is the halving's, rounded either way, on the same tiles.

    Raises:
        DamagedFile: a stored tile that the file lists cannot be fetched.
    """
    base = _copied(slide, 0)
    if base is None:
        grid = Grid(slide.size, TILE)
        return Layout(grid, (None,) * (grid.depth + 1))
    grid = Grid(slide.size, base.stored.tile.width)
    levels: list[CopiedLevel | None] = [base]
    for halvings in range(1, grid.depth + 1):
        fits = [level for level in range(1, len(slide.levels)) if _fits(slide, level, grid, halvings)]
        levels.append(_copied(slide, fits[0]) if fits else None)
    return Layout(grid, tuple(levels))


def _fits(slide: Slide, level: int, grid: Grid, halvings: int) -> bool:
    stored, size = slide.levels[level].stored, slide.levels[level].size
    if stored is None or stored.tile != Size(grid.tile, grid.tile):
        return False
    up = grid.size.halved(halvings)
    return (
        size.width in (grid.size.width >> halvings, up.width)
        and size.height in (grid.size.height >> halvings, up.height)
        and slide.levels[level].columns == grid.columns(halvings)
        and slide.levels[level].rows == grid.rows(halvings)
    )


def _copied(slide: Slide, level: int) -> CopiedLevel | None:
    """The level as one to copy, or None when a browser would not show its tiles."""
    stored = slide.levels[level].stored
    if stored is None or stored.tile.width != stored.tile.height or stored.tile.width % 16:
        return None
    columns, rows = slide.levels[level].columns, slide.levels[level].rows
    middle = (rows // 2) * columns + columns // 2
    for index in (middle, *range(columns * rows)):
        sample = slide.stored_tile(level, index % columns, index // columns)
        if sample:
            break
    else:
        return None
    try:
        own = says_itself(sample, stored.tables)
    except DamagedFile:
        return None
    colour = own if own is not None and stored.colour != Colour.GREY else stored.colour
    return CopiedLevel(level, stored, colour, sample) if browser_shows(sample, stored.tables, colour) else None
