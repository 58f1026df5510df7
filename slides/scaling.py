"""Part of a level in another size, read in strips so that memory does not grow with the slide."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from slides.geometry import Region, Size
from slides.slide import Pixels, Slide

_STRIP = 8 << 20
"""Pixels of a level read at once."""


def read_scaled(slide: Slide, box: tuple[float, float, float, float], size: Size, *, level: int) -> Pixels:
    """Read a rectangle of a level, each pixel the mean of what it covers.

    Args:
        box: left, top, right and bottom in pixels of `level`, fractions allowed, within it.
        size: of the result, not larger than the rectangle.

    Returns:
        uint8, shape (size.height, size.width, 3), RGB in the file's own colours.

    Raises:
        DamagedFile: the pixels cannot be decoded.
    """
    left, top, right, bottom = box
    x, width = math.floor(left), math.ceil(right) - math.floor(left)
    down = (bottom - top) / size.height
    rows = max(1, int(_STRIP / (width * down)))
    result = np.empty((size.height, size.width, 3), np.uint8)
    for first in range(0, size.height, rows):
        last = min(first + rows, size.height)
        upper, lower = top + first * down, min(bottom, top + last * down)
        y = math.floor(upper)
        strip = slide.read(Region(x, y, width, math.ceil(lower) - y), level=level)
        if strip.shape[:2] == (last - first, size.width):
            result[first:last] = strip
        else:
            small = Image.fromarray(strip).resize(
                (size.width, last - first), Image.Resampling.BOX, box=(left - x, upper - y, right - x, lower - y)
            )
            result[first:last] = np.asarray(small)
    return result
