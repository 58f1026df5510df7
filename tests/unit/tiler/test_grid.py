"""The arithmetic of deep zoom, as properties and against OpenSlide's own."""

from __future__ import annotations

import numpy as np
import openslide
import pytest
from hypothesis import given, settings
from openslide.deepzoom import DeepZoomGenerator
from PIL import Image
from strategies import grids, grids_with_tiles, small_grids

from slides.errors import OutsideSlide
from slides.geometry import Region, Size, Spacing
from tiler.descriptor import describe
from tiler.grid import Grid


@given(small_grids)
@settings(max_examples=60, deadline=None)
def test_the_tiles_of_a_level_cover_every_pixel_once(grid: Grid) -> None:
    for halvings in range(grid.last_level + 1):
        size = grid.size.halved(halvings)
        covered = np.zeros((size.height, size.width), np.uint8)
        for row in range(grid.rows(halvings)):
            for column in range(grid.columns(halvings)):
                region = grid.region(halvings, column, row)
                assert region.inside(size)
                covered[region.y : region.bottom, region.x : region.right] += 1
        assert (covered == 1).all(), "a pixel is in no tile or in several"


@given(grids_with_tiles())
def test_from_tile_to_region_and_back(place: tuple[Grid, int, int, int]) -> None:
    grid, halvings, column, row = place
    region = grid.region(halvings, column, row)
    assert region.inside(grid.size.halved(halvings))
    for x, y in ((region.x, region.y), (region.right - 1, region.bottom - 1)):
        assert grid.tile_at(halvings, x, y) == (column, row)
    assert grid.index(halvings, column, row) == row * grid.columns(halvings) + column < grid.count(halvings)


@given(grids_with_tiles())
def test_children_cover_their_parent(place: tuple[Grid, int, int, int]) -> None:
    grid, halvings, column, row = place
    if halvings == 0:
        return
    region = grid.region(halvings, column, row)
    children = list(grid.children(halvings, column, row))
    across = sum(grid.region(halvings - 1, x, y).width for x, y, _, down in children if not down)
    below = sum(grid.region(halvings - 1, x, y).height for x, y, right, _ in children if not right)
    finer = grid.size.halved(halvings - 1)
    assert across == min(2 * region.width, finer.width - 2 * region.x)
    assert below == min(2 * region.height, finer.height - 2 * region.y)
    for x, y, right, down in children:
        assert (x, y) == (2 * column + right, 2 * row + down)


@given(grids)
def test_every_tile_has_one_parent(grid: Grid) -> None:
    for halvings in range(1, grid.last_level + 1):
        columns, rows = grid.columns(halvings - 1), grid.rows(halvings - 1)
        assert (-(-columns // 2), -(-rows // 2)) == (grid.columns(halvings), grid.rows(halvings))


@given(grids)
def test_the_depth_is_the_first_level_that_fits_in_one_tile(grid: Grid) -> None:
    assert grid.count(grid.depth) == 1
    assert grid.depth == 0 or grid.count(grid.depth - 1) > 1
    assert grid.depth <= grid.last_level
    assert grid.size.halved(grid.last_level) == Size(1, 1)


class OfSize(openslide.ImageSlide):
    """A slide that has a size and no pixels: all that DeepZoomGenerator's arithmetic asks for."""

    def __init__(self, size: Size) -> None:
        super().__init__(Image.new("RGB", (1, 1)))
        self._size = size

    @property
    def level_dimensions(self) -> tuple[tuple[int, int]]:
        return ((self._size.width, self._size.height),)

    @property
    def dimensions(self) -> tuple[int, int]:
        return self._size.width, self._size.height


@given(grids)
@settings(max_examples=50, deadline=None)
def test_it_equals_openslides_deep_zoom(grid: Grid) -> None:
    other = DeepZoomGenerator(OfSize(grid.size), tile_size=grid.tile, overlap=0)
    assert other.level_count == grid.last_level + 1
    for level in range(other.level_count):
        halvings = grid.halvings(level)
        assert other.level_dimensions[level] == (grid.size.halved(halvings).width, grid.size.halved(halvings).height)
        assert other.level_tiles[level] == (grid.columns(halvings), grid.rows(halvings))
        last = grid.columns(halvings) - 1, grid.rows(halvings) - 1
        region = grid.region(halvings, *last)
        assert other.get_tile_dimensions(level, last) == (region.width, region.height)


def test_a_level_table_written_out() -> None:
    grid = Grid(Size(2220, 2967), 256)
    assert [(grid.size.halved(n).width, grid.size.halved(n).height) for n in range(5)] == [
        (2220, 2967),
        (1110, 1484),
        (555, 742),
        (278, 371),
        (139, 186),
    ]
    assert (grid.depth, grid.last_level) == (4, 12)
    assert [grid.count(n) for n in range(5)] == [9 * 12, 5 * 6, 3 * 3, 2 * 2, 1]


@given(grids_with_tiles())
def test_tiles_and_levels_beyond_the_grid_are_refused(place: tuple[Grid, int, int, int]) -> None:
    grid, halvings, column, row = place
    columns, rows = grid.columns(halvings), grid.rows(halvings)
    for outside in ((columns, row), (column, rows), (-1, row), (column, -1)):
        with pytest.raises(OutsideSlide, match=f"the level has {columns} columns and {rows} rows"):
            grid.region(halvings, *outside)
    for level in (-1, grid.last_level + 1):
        with pytest.raises(OutsideSlide, match=f"levels 0 to {grid.last_level}"):
            grid.halvings(level)
    for beyond in (-1, grid.last_level + 1):
        with pytest.raises(OutsideSlide):
            grid.index(beyond, 0, 0)


def test_nonsense_is_refused_when_it_is_made() -> None:
    for width, height in ((0, 1), (1, 0), (-3, 4)):
        with pytest.raises(ValueError, match="at least 1 x 1 px"):
            Size(width, height)
        with pytest.raises(ValueError, match="at least 1 x 1 px"):
            Region(0, 0, width, height)
    for spacing in (0.0, -0.25, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="positive and finite"):
            Spacing(spacing, 0.25)
    with pytest.raises(ValueError, match="at least 1 px wide"):
        Grid(Size(10, 10), 0)
    with pytest.raises(ValueError, match="at least 1 x 1 px"):
        Region(20, 0, 5, 5).clipped(Size(10, 10))


def test_the_descriptor_says_what_the_grid_is() -> None:
    words = describe(Grid(Size(1111, 777), 240))
    assert 'TileSize="240"' in words
    assert 'Width="1111" Height="777"' in words
    assert 'Overlap="0"' in words
    assert 'Format="jpg"' in words
