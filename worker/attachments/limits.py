"""How large a picture may be before a byte of it is decoded."""

from __future__ import annotations

from slides.errors import UnsupportedFile

LARGEST_PICTURE_PX = 150_000_000
"""Pixels of one page: more than any camera of a grossing station takes, and half a gigabyte once decoded."""
LARGEST_DOCUMENT_PX = 600_000_000
"""Pixels of all pages together."""


def require_modest(width: int, height: int) -> int:
    """How many pixels a picture has. Raises UnsupportedFile where those are too many, or none."""
    if width < 1 or height < 1 or width * height > LARGEST_PICTURE_PX:
        raise UnsupportedFile(
            f"The picture claims {width} x {height} px; at most {LARGEST_PICTURE_PX // 1_000_000} million pixels are "
            "taken as an attachment. Save it smaller, or bring it in as a slide."
        )
    return width * height
