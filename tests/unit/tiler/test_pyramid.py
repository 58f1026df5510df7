"""Reading pyramid files: every tile of every level, cut or padded, and damaged files told from whole ones."""

from __future__ import annotations

import io
import itertools
import os
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from images import codings, scanners
from images.pictures import Pixels, box_mean, picture, psnr
from PIL import Image

from slides.errors import DamagedFile, OutsideSlide
from slides.opening import open_slide
from tiler.building import build
from tiler.pyramid import Pyramid


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pyramid")
    made = scanners.write_aperio(folder / "slide.svs", picture(700, 523), codings.YCBCR_420, factors=(1, 4))
    with open_slide(made.path) as slide, (folder / "pyramid").open("w+b") as file:
        build(slide, file)
    return folder / "pyramid"


def shown(stream: bytes) -> Pixels:
    return np.array(Image.open(io.BytesIO(stream)).convert("RGB"))


def test_every_deep_zoom_level_down_to_one_pixel(path: Path) -> None:
    pyramid = Pyramid(path)
    grid = pyramid.grid
    for level in range(grid.last_level + 1):
        halvings = grid.halvings(level)
        for row, column in itertools.product(range(grid.rows(halvings)), range(grid.columns(halvings))):
            region = grid.region(halvings, column, row)
            tile = shown(pyramid.tile(halvings, column, row))
            part = shown(pyramid.cut(halvings, column, row))
            assert part.shape[:2] == (region.height, region.width)
            if halvings <= grid.depth:
                assert tile.shape[:2] == (grid.tile, grid.tile), "edge tiles stay padded"
                # Cutting decodes and encodes at quality 95, full chroma: one more loss, a small one.
                assert psnr(part, tile[: region.height, : region.width]) > 37
            else:
                assert tile.shape[:2] == (region.height, region.width)
    assert shown(pyramid.tile(grid.last_level, 0, 0)).shape == (1, 1, 3)
    pyramid.close()


def test_levels_below_one_tile_are_the_mean_of_the_one_above(path: Path) -> None:
    pyramid = Pyramid(path)
    grid = pyramid.grid
    region = grid.region(grid.depth, 0, 0)
    expected = shown(pyramid.tile(grid.depth, 0, 0))[: region.height, : region.width].astype(float)
    for halvings in range(grid.depth + 1, grid.last_level + 1):
        expected = box_mean(np.rint(expected).astype(np.uint8))
        tile = shown(pyramid.tile(halvings, 0, 0)).astype(float)
        # Small pictures are all edges: what quality 90 leaves of them differs by some steps, their mean does not.
        assert np.abs(tile.mean((0, 1)) - expected.mean((0, 1))).max() < 4
    pyramid.close()


def test_whole_tiles_are_handed_on_uncut(path: Path) -> None:
    pyramid = Pyramid(path)
    assert pyramid.cut(0, 0, 0) == pyramid.tile(0, 0, 0)
    pyramid.close()


def test_tiles_that_are_not_there(path: Path) -> None:
    pyramid = Pyramid(path)
    grid = pyramid.grid
    for halvings in range(grid.last_level + 1):
        for column, row in ((-1, 0), (0, -1), (grid.columns(halvings), 0), (0, grid.rows(halvings))):
            for ask in (pyramid.tile, pyramid.cut):
                with pytest.raises(OutsideSlide, match=f"column {column}, row {row} was asked for"):
                    ask(halvings, column, row)
    for halvings in (-1, grid.last_level + 1, 99):
        with pytest.raises(OutsideSlide, match=f"{halvings} halvings"):
            pyramid.tile(halvings, 0, 0)
    pyramid.close()


def test_many_threads_read_the_same(path: Path) -> None:
    pyramid = Pyramid(path)
    places = [(0, x, y) for y in range(pyramid.grid.rows(0)) for x in range(pyramid.grid.columns(0))] * 40
    expected = [pyramid.tile(*place) for place in places]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda place: pyramid.tile(*place), places)) == expected
    pyramid.close()


def read_all(path: Path) -> None:
    pyramid = Pyramid(path)
    try:
        grid = pyramid.grid
        for halvings in range(grid.depth + 1):
            for row, column in itertools.product(range(grid.rows(halvings)), range(grid.columns(halvings))):
                pyramid.tile(halvings, column, row)
        pyramid.level0_digest()
        assert isinstance(pyramid.description, str)
    finally:
        pyramid.close()


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.001, 0.1, 0.5, 0.9, 0.99, 0.9999])
def test_a_pyramid_that_was_cut_off(share: float, path: Path, tmp_path: Path) -> None:
    data = path.read_bytes()
    damaged = tmp_path / "damaged"
    damaged.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DamagedFile, match=r"build it again from the slide\.$"):
        Pyramid(damaged)


@pytest.mark.parametrize("start", [b"II*\0", b"MM\0+", b"\0\0\0\0", b"\xff\xd8\xff\xe0"])
def test_a_file_that_is_no_pyramid(start: bytes, path: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    damaged.write_bytes(start + path.read_bytes()[4:])
    with pytest.raises(DamagedFile, match="A pyramid file was expected"):
        Pyramid(damaged)


def test_directories_in_a_circle_end(path: Path, tmp_path: Path) -> None:
    data = bytearray(path.read_bytes())
    first = int.from_bytes(data[8:16], "little")
    end = first + 8 + 20 * int.from_bytes(data[first : first + 8], "little")
    data[end : end + 8] = first.to_bytes(8, "little")
    (tmp_path / "damaged").write_bytes(data)
    with pytest.raises(DamagedFile, match="cut off or changed"):
        Pyramid(tmp_path / "damaged")


@pytest.mark.parametrize("seed", range(3))
def test_flipped_bytes_never_crash_or_hang(seed: int, path: Path, tmp_path: Path) -> None:
    print(f"seed {seed}")
    lot = random.Random(seed)  # noqa: S311 - a test's lot
    data = path.read_bytes()
    first = int.from_bytes(data[8:16], "little")
    open_before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    refused = 0
    for _ in range(150):
        damaged = bytearray(data)
        for _ in range(lot.choice((1, 1, 2, 8))):
            place = lot.choice((lot.randrange(16), lot.randrange(first, len(data)), lot.randrange(len(data))))
            damaged[place] = lot.choice((0, 1, 0x7F, 0xFF, lot.randrange(256)))
        (tmp_path / "damaged").write_bytes(damaged)
        try:
            read_all(tmp_path / "damaged")
        except DamagedFile as error:
            refused += 1
            assert str(error)[0].isupper()
            assert str(error).endswith(".")
    assert refused > 10, "the directories were not hit"
    assert len(os.listdir("/proc/self/fd")) == open_before  # noqa: PTH208
