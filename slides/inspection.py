"""Is this file complete and usable? Findings in sentences; only a disk that refuses is an error.

Opening a slide is not validation: many broken files open. Here tiles of every level are decoded.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

from slides.errors import SlideError
from slides.geometry import Region, Size
from slides.metadata import Metadata
from slides.opening import open_slide
from slides.slide import AssociatedKind, Slide

SAMPLES = 12
"""Places decoded at each level: the corners, the middle and others drawn by lot, the same for every run."""
_SIDE = 256


@dataclass(frozen=True)
class Finding:
    """Something wrong with a slide.

    Attributes:
        code: stable upper-case name, as on `SlideError`.
        sentence: for a help desk; names no file and no person.
    """

    code: str
    sentence: str


@dataclass(frozen=True)
class Inspection:
    """What was found out about a slide file.

    Attributes:
        finding: what is wrong, None when nothing is.
        levels: sizes in pixels, full resolution first; empty when the file did not open.
    """

    finding: Finding | None
    format: str | None = None
    levels: tuple[Size, ...] = ()
    metadata: Metadata = field(default_factory=Metadata)
    associated: frozenset[AssociatedKind] = frozenset()


def inspect(path: Path) -> Inspection:
    """Open a slide and decode a sample of every level.

    Raises:
        OSError: the disk refuses, which says nothing about the slide.
    """
    try:
        with open_slide(path) as slide:
            return Inspection(
                find_damage(slide),
                slide.format,
                tuple(level.size for level in slide.levels),
                slide.metadata,
                slide.associated,
            )
    except SlideError as error:
        return Inspection(Finding(error.code, str(error)))


def find_damage(slide: Slide) -> Finding | None:
    """Decode a sample of every level of an open slide; the first thing wrong, or None."""
    missing = slide.check_stored()
    if missing:
        return Finding("DAMAGED_FILE", missing)
    try:
        for number, level in enumerate(slide.levels):
            for region in sample_regions(level.size):
                slide.read(region, level=number)
        if AssociatedKind.MACRO in slide.associated:
            slide.read_associated(AssociatedKind.MACRO)  # lists show it; the others are for the owner's laboratory
    except SlideError as error:
        return Finding(error.code, str(error))
    return None


def sample_regions(size: Size) -> list[Region]:
    """Small regions spread over a plane: its corners, its middle, and some drawn by lot."""
    width, height = min(_SIDE, size.width), min(_SIDE, size.height)
    right, bottom = size.width - width, size.height - height
    places = {(0, 0), (right, 0), (0, bottom), (right, bottom), (right // 2, bottom // 2)}
    lot = random.Random(0)  # noqa: S311 - a sample, not a secret
    while len(places) < SAMPLES and len(places) < (right + 1) * (bottom + 1):
        places.add((lot.randint(0, right), lot.randint(0, bottom)))
    return [Region(x, y, width, height) for x, y in sorted(places)]
