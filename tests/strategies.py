"""Hypothesis strategies of the imaging part: sizes, grids and tiles as real slides have them, and stranger ones."""

from __future__ import annotations

from hypothesis import strategies as st

from slides.geometry import Region, Size
from tiler.grid import Grid

lengths = st.one_of(
    st.integers(1, 700), st.integers(1, 200_000), st.sampled_from([1, 2, 255, 256, 257, 511, 512, 513, 65_536, 131_073])
)
"""A side in pixels: many small ones, where rounding matters, and up to the largest scans."""

sizes = st.builds(Size, lengths, lengths)
tile_sides = st.sampled_from([1, 16, 240, 254, 256, 512, 1024])
grids = st.builds(Grid, sizes, tile_sides.filter(lambda side: side > 1))
small_grids = st.builds(Grid, st.builds(Size, st.integers(1, 300), st.integers(1, 300)), st.sampled_from([16, 48, 240]))
"""Small enough to count every pixel."""


@st.composite
def grids_with_tiles(draw: st.DrawFn) -> tuple[Grid, int, int, int]:
    """A grid and one of its tiles: (grid, halvings, column, row)."""
    grid = draw(grids)
    halvings = draw(st.integers(0, grid.last_level))
    column = draw(st.integers(0, grid.columns(halvings) - 1))
    return grid, halvings, column, draw(st.integers(0, grid.rows(halvings) - 1))


@st.composite
def regions_within(draw: st.DrawFn, size: Size) -> Region:
    """A rectangle wholly inside a plane."""
    x, y = draw(st.integers(0, size.width - 1)), draw(st.integers(0, size.height - 1))
    return Region(x, y, draw(st.integers(1, size.width - x)), draw(st.integers(1, size.height - y)))
