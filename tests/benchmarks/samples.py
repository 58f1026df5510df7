"""Slides to measure with: drawn, made of real tissue where its tool is at hand, enlarged, or in other formats."""

from __future__ import annotations

import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
from images import codings, scanners

from slides.drawing import Label, Tissue, stains, write_aperio
from slides.geometry import Region, Size
from slides.opening import open_slide
from slides.slide import Pixels
from tiler.bigtiff import BigTiffWriter, Directory

TOOL = Path(__file__).parents[3] / "shared" / "tools" / "make_benchmark_slide.py"
"""Lays out tissue of free slides at random; beside the repository where somebody put it."""
DRAWN = Size(12_000, 9_000)
"""The usual size of a biopsy, where the project's own slide is drawn."""
REAL = Size(40_000, 30_000)


def standard(folder: Path) -> Path:
    """The slide that is measured where none is given."""
    if TOOL.exists():
        target = folder / "tissue.svs"
        command = [sys.executable, str(TOOL), str(target), str(REAL.width), str(REAL.height)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return target
    return biopsy(folder)


def biopsy(folder: Path) -> Path:
    """A drawn slide of the usual size of a biopsy."""
    tissue = Tissue(DRAWN, 1, stains.HAEMATOXYLIN_EOSIN, "colon wall", 0.5)
    return write_aperio(folder / "drawn.svs", tissue, label=Label("Benchmark", "B26-00001 A1", "HE"), processes=2)


def repeated(source: Path, target: Path, across: int, down: int) -> Size:
    """A slide of one level whose full resolution is another's, laid out next to itself.

    Args:
        source: a slide whose tiles pass through, with tables of their own or shared.

    Returns:
        Its size.
    """
    with open_slide(source) as slide:
        level = slide.levels[0]
        if level.stored is None:
            sys.exit("The slide to enlarge must be one whose tiles are JPEG.")
        tile = level.stored.tile
        columns, rows = level.size.width // tile.width, level.size.height // tile.height
        tiles = [[slide.stored_tile(0, column, row) for column in range(columns)] for row in range(rows)]
    size = Size(columns * tile.width * across, rows * tile.height * down)
    with target.open("w+b") as file:
        writer = BigTiffWriter(file)
        streams = (stream for row in tiles * down for stream in row * across)
        offsets: list[int] = []
        counts: list[int] = []
        while some := list(islice(streams, 256)):
            offsets += writer.append(some)
            counts += map(len, some)
        places = np.array(offsets, np.uint64), np.array(counts, np.uint32)
        level_0 = Directory(size, tile.width, level.stored.colour, level.stored.tables, *places)
        writer.add(level_0, sample=tiles[0][0], spacing=None)
        writer.finish()
    return size


def jpeg_2000(source: Path, target: Path) -> Path:
    """The middle of a slide as an Aperio scanner writes JPEG 2000."""
    return scanners.write_aperio(target, _middle(source), codings.JPEG_2000_RGB, factors=(1, 4)).path


def trestle(source: Path, target: Path) -> Path:
    """The middle of a slide as a Trestle scanner writes it, which only OpenSlide reads."""
    return scanners.write_trestle(target, _middle(source)).path


def _middle(source: Path, side: int = 6144) -> Pixels:
    with open_slide(source) as slide:
        width, height = min(side, slide.size.width), min(side, slide.size.height)
        region = Region((slide.size.width - width) // 2, (slide.size.height - height) // 2, width, height)
        return slide.read(region, level=0)
