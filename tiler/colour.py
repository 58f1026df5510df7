"""Colour profiles: which travel with every tile, and what the viewer says of them."""

from __future__ import annotations

from enum import StrEnum

LARGEST_EMBEDDED = 4096
"""Bytes. A larger profile in every tile would cost more than the tile. Source: domain rules, 11.2."""


class ColourProfile(StrEnum):
    """What happens to the file's colour profile when its tiles are shown."""

    APPLIED = "APPLIED"
    """Embedded in every tile; the browser applies it."""
    NOT_APPLIED = "NOT_APPLIED"
    """The file has one that is too large for tiles."""
    MISSING = "MISSING"
    """The file has none."""


def judge(profile: bytes | None) -> ColourProfile:
    """What the viewer has to say about a file's profile."""
    if not profile:
        return ColourProfile.MISSING
    return ColourProfile.APPLIED if len(profile) <= LARGEST_EMBEDDED else ColourProfile.NOT_APPLIED


def embeddable(profile: bytes | None) -> bytes | None:
    """The profile if it goes into every tile, else None."""
    return profile if judge(profile) == ColourProfile.APPLIED else None
