"""The same tiles at the same addresses, straight from the slide while there is no pyramid yet."""

from __future__ import annotations

import threading

from cachetools import LRUCache

from slides.geometry import Size
from slides.jpeg import Frame, blank, subsampling, with_profile
from slides.scaling import read_scaled
from slides.slide import Pixels, Slide
from tiler.colour import embeddable
from tiler.halving import Halving
from tiler.layout import Layout, lay_out
from tiler.pyramid import Tiles, shrink

CACHE_BYTES = 32 << 20
"""Of computed tiles kept per slide. Stored tiles cost nothing to fetch again."""


class LiveTiles(Tiles):
    """A slide's tiles before its pyramid exists. May be used from several threads at once.

    Stored levels are passed through; the levels between are computed just as the pyramid's are. Where full
    resolution cannot be passed through, the nearest stored level is scaled, so that no reader waits for the
    whole slide to be decoded.

    Args:
        slide: open; closed with this.

    Raises:
        DamagedFile: its stored tiles cannot be fetched.
    """

    def __init__(self, slide: Slide) -> None:
        self._slide = slide
        self.layout: Layout = lay_out(slide)
        self.grid = self.layout.grid
        self._halving = Halving(slide, self.layout)
        self.profile = embeddable(slide.metadata.icc_profile)
        self._frames = [
            Frame.around(copied.sample, tables=copied.stored.tables, colour=copied.colour, icc_profile=self.profile)
            if copied
            else None
            for copied in self.layout.copied
        ]
        self._cache: LRUCache[tuple[int, int, int], bytes] = LRUCache(CACHE_BYTES, getsizeof=len)
        self._lock = threading.Lock()

    def tile(self, halvings: int, column: int, row: int) -> bytes:
        """A tile as a complete JPEG that a browser shows right, edge tiles padded to full size.

        Raises:
            OutsideSlide: there is no such tile.
            DamagedFile: what it is made from cannot be decoded.
        """
        if halvings > self.grid.depth:
            return shrink(self, halvings, column, row)
        copied, frame = self.layout.copied[halvings], self._frames[halvings]
        if copied and frame:
            stream = self._slide.stored_tile(copied.level, column, row)
            side = self.grid.tile
            return frame.complete(stream or blank((side, side), copied.colour, subsampling(copied.sample)))
        key = halvings, column, row
        with self._lock:
            made = self._cache.get(key)
        if made is None:
            made = self._make(*key)
            with self._lock:
                self._cache[key] = made
        return made

    def _make(self, halvings: int, column: int, row: int) -> bytes:
        passed_on = self.layout.copied[0] is not None
        make = self._halving.compute if passed_on else self._scale
        return with_profile(self.layout.encoding.encode(make(halvings, column, row)), self.profile)

    def _scale(self, halvings: int, column: int, row: int) -> Pixels:
        """A tile from the coarsest stored level that is at least as fine."""
        region, whole = self.grid.region(halvings, column, row), self.grid.size.halved(halvings)
        level = max(n for n, stored in enumerate(self._slide.levels) if stored.size.width >= whole.width)
        size = self._slide.levels[level].size
        across, down = size.width / whole.width, size.height / whole.height
        right, bottom = min(region.right * across, size.width), min(region.bottom * down, size.height)
        box = region.x * across, region.y * down, right, bottom
        return read_scaled(self._slide, box, Size(region.width, region.height), level=level)

    def close(self) -> None:
        """Give the slide back."""
        self._slide.close()
