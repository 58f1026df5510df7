"""How near computed levels come to the exact 2 x 2 mean, before and after encoding, and libvips' beside them."""

from __future__ import annotations

import math
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
from benchmarks.processes import DZSAVE, python, scratch

from slides.geometry import Region
from slides.jpeg import decode
from slides.opening import open_slide
from tiler.halving import Halving
from tiler.layout import lay_out

SAMPLE = 400
"""Tiles of the first computed level that are compared, evenly spread."""


def compare(path: Path) -> tuple[float, float, float, int]:
    """Compare the level half as large as a slide, which must be one whose full resolution passes through.

    Returns:
        Peak signal-to-noise ratio in dB against the exact mean, pooled over the compared tiles: ours before encoding,
        ours after, libvips' `dzsave` at the same quality and tile size; and how many tiles were compared.
    """
    with scratch() as folder, open_slide(path) as slide:
        layout = lay_out(slide)
        grid, halving = layout.grid, Halving(slide, layout)
        columns, rows = grid.columns(1) - 1, grid.rows(1) - 1  # whole tiles only
        subprocess.run(python(DZSAVE, path, folder, grid.tile, 0), check=True)
        theirs = Path(folder) / "pyramid_files" / str(grid.last_level - 1)
        errors, samples = np.zeros(3), 0
        chosen = range(0, columns * rows, max(1, columns * rows // SAMPLE))
        for index in chosen:
            column, row = index % columns, index // columns
            side = 2 * grid.tile
            whole = slide.read(Region(column * side, row * side, side, side), level=0).astype(np.float64)
            exact = (whole[0::2, 0::2] + whole[0::2, 1::2] + whole[1::2, 0::2] + whole[1::2, 1::2]) / 4
            ours = halving.compute(1, column, row)
            shown = decode(layout.encoding.encode(ours))
            peer = decode((theirs / f"{column}_{row}.jpg").read_bytes())
            errors += [_error(picture, exact) for picture in (ours, shown, peer)]
            samples += exact.size
    before, after, libvips = (10 * math.log10(255**2 * samples / error) for error in errors)
    return before, after, libvips, len(chosen)


def _error(picture: npt.NDArray[np.uint8], exact: npt.NDArray[np.float64]) -> float:
    return float(np.sum((picture - exact) ** 2))
