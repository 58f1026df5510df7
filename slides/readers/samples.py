"""Samples as files keep them (grey, 16 bits, alpha, inverted) and tiles, made into the pixels everybody else sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from slides.geometry import Region, Size
from slides.slide import Pixels


def as_rgb(samples: npt.NDArray[Any], *, inverted: bool = False, ycbcr: bool = False) -> Pixels:
    """Any accepted layout as RGB.

    Args:
        samples: uint8 or uint16, shape (height, width, 1 to 4): grey or RGB, an alpha channel last, which is
            dropped. 16 bits are scaled linearly over their full range, since files seldom state another.
        inverted: 0 is white (TIFF WhiteIsZero, DICOM MONOCHROME1).
        ycbcr: the three samples are luma and chroma that the decoder left as they were, as in Aperio's JPEG 2000
            of compression 33003. Source: OpenSlide, "Aperio format".

    Returns:
        uint8, shape (height, width, 3).
    """
    if samples.dtype == np.uint16:
        samples = ((samples.astype(np.uint32) * 255 + 32_767) // 65_535).astype(np.uint8)
    if samples.shape[2] in (2, 4):
        samples = samples[:, :, :-1]
    if ycbcr:
        samples = np.asarray(Image.fromarray(samples, "YCbCr").convert("RGB"))
    if inverted:
        samples = 255 - samples
    pixels: Pixels = np.repeat(samples, 3, axis=2) if samples.shape[2] == 1 else samples
    return pixels


def assemble(region: Region, tile: Size, fetch: Callable[[int, int], Pixels | None]) -> Pixels:
    """A rectangle of a level from its stored tiles.

    Args:
        region: in pixels of the level.
        tile: size of every stored tile.
        fetch: gives a tile's pixels by column and row, None where the scanner stored nothing.

    Returns:
        uint8, shape (region.height, region.width, 3), white where nothing is stored.
    """
    pixels = np.full((region.height, region.width, 3), 255, np.uint8)
    for row in range(region.y // tile.height, -(-region.bottom // tile.height)):
        for column in range(region.x // tile.width, -(-region.right // tile.width)):
            found = fetch(column, row)
            if found is None:
                continue
            x, y = column * tile.width - region.x, row * tile.height - region.y
            left, top = max(x, 0), max(y, 0)
            right, bottom = min(x + tile.width, region.width), min(y + tile.height, region.height)
            pixels[top:bottom, left:right] = found[top - y : bottom - y, left - x : right - x]
    return pixels
