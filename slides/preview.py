"""Small pictures for lists: the slide itself, and the whole glass with its label painted over."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from slides.geometry import Size
from slides.scaling import read_scaled
from slides.slide import AssociatedKind, Pixels, Slide

LONGEST = 640
"""Pixels of a preview's longer side."""
_LABEL_SHARE = {"aperio": 0.32}
"""Share of the macro image's width, from the left, in which this maker's scanners show the label.

A label takes 20-25 mm of a 76 mm glass; the scanned area begins behind it. Other makers turn the glass, so
their macro image is not shown before somebody has looked at one.
"""
_PAINT = (72, 76, 84)


def draw_thumbnail(slide: Slide) -> bytes:
    """The slide in small, from its smallest level that is large enough.

    Returns:
        A JPEG with the slide's colour profile, the longer side `LONGEST` px or the slide's own.

    Raises:
        DamagedFile: the level cannot be decoded.
    """
    level = max(
        (number for number, one in enumerate(slide.levels) if max(one.size.width, one.size.height) >= LONGEST),
        default=0,
    )
    size = slide.levels[level].size
    scale = min(1.0, LONGEST / max(size.width, size.height))
    small = Size(max(1, round(size.width * scale)), max(1, round(size.height * scale)))
    thumbnail = Image.fromarray(read_scaled(slide, (0, 0, size.width, size.height), small, level=level))
    return _jpeg(thumbnail, slide.metadata.icc_profile)


def draw_macro(slide: Slide) -> bytes | None:
    """The whole glass with the label's area painted over.

    Returns:
        A JPEG; None when the file has no macro image or it is not known where the label lies on it.

    Raises:
        DamagedFile: the macro image cannot be decoded.
    """
    share = _LABEL_SHARE.get(slide.format)
    if share is None or AssociatedKind.MACRO not in slide.associated:
        return None
    return _jpeg(Image.fromarray(mask_label(slide.read_associated(AssociatedKind.MACRO), share)), None)


def mask_label(macro: Pixels, share: float) -> Pixels:
    """A copy of a macro image whose left `share` (0 to 1) is painted in one colour, over its full height."""
    masked = np.array(macro)
    masked[:, : round(masked.shape[1] * share)] = _PAINT
    return masked


def _jpeg(image: Image.Image, profile: bytes | None) -> bytes:
    image.thumbnail((LONGEST, LONGEST))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85, icc_profile=profile)
    return buffer.getvalue()
