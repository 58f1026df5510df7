"""Samples as files keep them (grey, 16 bits, alpha, inverted) made into the pixels everybody else sees."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from slides.slide import Pixels


def as_rgb(samples: npt.NDArray[Any], *, inverted: bool = False) -> Pixels:
    """Any accepted layout as RGB.

    Args:
        samples: uint8 or uint16, shape (height, width, 1 to 4): grey or RGB, an alpha channel last, which is
            dropped. 16 bits are scaled linearly over their full range, since files seldom state another.
        inverted: 0 is white (TIFF WhiteIsZero, DICOM MONOCHROME1).

    Returns:
        uint8, shape (height, width, 3).
    """
    if samples.dtype == np.uint16:
        samples = ((samples.astype(np.uint32) * 255 + 32_767) // 65_535).astype(np.uint8)
    if samples.shape[2] in (2, 4):
        samples = samples[:, :, :-1]
    if inverted:
        samples = 255 - samples
    pixels: Pixels = np.repeat(samples, 3, axis=2) if samples.shape[2] == 1 else samples
    return pixels
