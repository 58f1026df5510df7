"""Before there is a pyramid: the same tiles at the same addresses."""

from __future__ import annotations

import io
import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from images import codings
from images.layouts import LAYOUTS
from images.pictures import Pixels, picture, psnr
from images.scanners import PROFILE, write_aperio, write_generic
from PIL import Image

from slides.errors import OutsideSlide
from slides.geometry import Region, Size
from slides.opening import open_slide
from slides.scaling import read_scaled
from tiler.building import build
from tiler.live import LiveTiles
from tiler.pyramid import Pyramid


def shown(stream: bytes) -> Pixels:
    return np.array(Image.open(io.BytesIO(stream)).convert("RGB"))


def pair(name: str, folder: Path) -> tuple[LiveTiles, Pyramid]:
    made = LAYOUTS[name][0](folder)
    with open_slide(made.path) as slide, (folder / "pyramid").open("w+b") as file:
        build(slide, file)
    return LiveTiles(open_slide(made.path)), Pyramid(folder / "pyramid")


@pytest.mark.parametrize(
    "name", ["aperio jpeg-rgb", "aperio jpeg-ycbcr-420", "aperio sparse", "aperio jpeg-grey", "philips sparse", "leica",
             "ome", "dicom ycbcr", "dicom rgb that is jfif", "aperio one tile", "generic 1 px wide"]
)  # fmt: skip
def test_passed_through_layouts_look_alike_before_and_after(name: str, tmp_path: Path) -> None:
    live, pyramid = pair(name, tmp_path)
    assert live.grid == pyramid.grid
    grid = live.grid
    for halvings in range(grid.last_level + 1):
        for row, column in itertools.product(range(grid.rows(halvings)), range(grid.columns(halvings))):
            before, after = live.tile(halvings, column, row), pyramid.tile(halvings, column, row)
            assert np.array_equal(shown(before), shown(after)), (halvings, column, row)
    assert shown(live.tile(grid.last_level, 0, 0)).shape == ((1, 1, 3) if grid.depth < grid.last_level else
                                                             shown(live.tile(0, 0, 0)).shape)  # fmt: skip
    live.close()
    pyramid.close()


@pytest.mark.parametrize(
    ("name", "least_db"),
    [
        # The same pixels are encoded in the same way: full resolution is equal. Smaller levels come from the
        # nearest stored one, here a rounded box mean of its own, instead of the level above.
        ("aperio jpeg2000-rgb", 28.0),
        ("generic lzw-rgb", 28.0),
        ("trestle", 28.0),
        ("dicom native", 28.0),
        ("dicom frames of 500 px", 28.0),
        ("generic tile 250, JPEG", 28.0),
    ],
)
def test_copies_encoded_again_look_nearly_alike(name: str, least_db: float, tmp_path: Path) -> None:
    live, pyramid = pair(name, tmp_path)
    grid = live.grid
    for halvings in range(grid.depth + 1):
        for row, column in itertools.product(range(grid.rows(halvings)), range(grid.columns(halvings))):
            region = grid.region(halvings, column, row)
            before, after = (shown(tiles.tile(halvings, column, row)) for tiles in (live, pyramid))
            part = np.s_[: region.height, : region.width]
            if halvings == 0:
                assert np.array_equal(before, after)
            else:
                assert psnr(before[part], after[part]) > least_db, (halvings, column, row)
    live.close()
    pyramid.close()


def test_cut_and_missing_tiles(tmp_path: Path) -> None:
    live, pyramid = pair("aperio jpeg-rgb", tmp_path)
    grid = live.grid
    for halvings in range(grid.last_level + 1):
        last = grid.columns(halvings) - 1, grid.rows(halvings) - 1
        region = grid.region(halvings, *last)
        assert shown(live.cut(halvings, *last)).shape[:2] == (region.height, region.width)
        for column, row in ((-1, 0), (0, -1), (grid.columns(halvings), 0), (0, grid.rows(halvings))):
            with pytest.raises(OutsideSlide, match=f"column {column}, row {row} was asked for"):
                live.tile(halvings, column, row)
    for halvings in (-1, grid.last_level + 1):
        with pytest.raises(OutsideSlide, match=f"{halvings} halvings"):
            live.tile(halvings, 0, 0)
    live.close()
    pyramid.close()


def test_many_threads_get_the_same(tmp_path: Path) -> None:
    live, pyramid = pair("aperio jpeg-rgb", tmp_path)
    grid = live.grid
    places = [(n, x, y) for n in range(grid.depth + 1) for y in range(grid.rows(n)) for x in range(grid.columns(n))]
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda place: live.tile(*place), places * 5))
    assert made == [live.tile(*place) for place in places] * 5
    live.close()
    pyramid.close()


def test_the_cache_keeps_its_budget(tmp_path: Path) -> None:
    live, pyramid = pair("generic lzw-rgb", tmp_path)
    live._cache = type(live._cache)(60_000, getsizeof=len)
    grid = live.grid
    for _ in range(2):
        for halvings in range(grid.depth + 1):
            for row, column in itertools.product(range(grid.rows(halvings)), range(grid.columns(halvings))):
                live.tile(halvings, column, row)
                assert live._cache.currsize <= 60_000
    live.close()
    pyramid.close()


def test_a_level_whose_first_tile_is_empty_keeps_its_colours(tmp_path: Path) -> None:
    made = write_aperio(tmp_path / "slide", picture(1000, 700), codings.RGB, sparse=frozenset({0}))
    with open_slide(made.path) as slide, (tmp_path / "pyramid").open("w+b") as file:
        build(slide, file)
    live, pyramid = LiveTiles(open_slide(made.path)), Pyramid(tmp_path / "pyramid")
    for column in range(3):
        assert np.array_equal(shown(live.tile(0, column, 1)), shown(pyramid.tile(0, column, 1)))
    assert shown(pyramid.tile(0, 0, 0)).min() >= 253, "where nothing is stored the glass is white"
    live.close()
    pyramid.close()


@pytest.mark.parametrize("coding", [codings.YCBCR_420, codings.DEFLATE], ids=["passed through", "encoded again"])
def test_every_tile_carries_the_profile_before_and_after(coding: codings.Coding, tmp_path: Path) -> None:
    made = write_generic(tmp_path / "slide", picture(900, 700), coding, factors=(1,), profile=PROFILE)
    with open_slide(made.path) as slide, (tmp_path / "pyramid").open("w+b") as file:
        build(slide, file)
    for tiles in (LiveTiles(open_slide(made.path)), Pyramid(tmp_path / "pyramid")):
        for halvings in range(tiles.grid.last_level + 1):
            assert PROFILE in tiles.tile(halvings, 0, 0), halvings
        assert PROFILE in tiles.cut(0, tiles.grid.columns(0) - 1, tiles.grid.rows(0) - 1)
        tiles.close()


def test_a_tile_of_a_large_slide_with_one_level_is_read_in_strips(tmp_path: Path) -> None:
    made = write_generic(tmp_path / "slide", picture(4000, 3000), codings.DEFLATE, factors=(1,))
    with open_slide(made.path) as slide:
        tallest = 0
        read = slide.read

        def watched(region: Region, *, level: int) -> Pixels:
            nonlocal tallest
            tallest = max(tallest, region.width * region.height)
            return read(region, level=level)

        slide.read = watched  # type: ignore[method-assign]
        whole = read_scaled(slide, (0, 0, 4000, 3000), Size(250, 188), level=0)
    assert tallest < 4000 * 3000
    exact = np.asarray(Image.fromarray(picture(4000, 3000)).resize((250, 188), Image.Resampling.BOX))
    assert np.abs(whole.astype(int) - exact).max() <= 1, "strips leave no seams"
