"""Sizes, points, regions and spacings that refuse nonsense when they are made.

All pixel values are whole numbers with the origin in the top left corner, x to the right, y down. Which
plane they belong to (level 0, another level, deep zoom) is said by whoever passes them on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Size:
    """Width and height in pixels, both at least 1."""

    width: int
    height: int

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(f"A size needs at least 1 x 1 px, not {self.width} x {self.height}.")

    def halved(self, times: int = 1) -> Size:
        """The size after `times` halvings, each rounded up. Source: Deep Zoom, level sizes."""
        scale = 1 << times
        return Size(-(-self.width // scale), -(-self.height // scale))

    def __str__(self) -> str:
        return f"{self.width} x {self.height} px"


@dataclass(frozen=True)
class Region:
    """A rectangle: its top left corner and its size, in pixels of one plane."""

    x: int
    y: int
    width: int
    height: int

    def __post_init__(self) -> None:
        Size(self.width, self.height)

    @property
    def right(self) -> int:
        """First column to the right of the rectangle."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """First row below the rectangle."""
        return self.y + self.height

    def inside(self, size: Size) -> bool:
        """Whether the whole rectangle lies within a plane of `size`."""
        return self.x >= 0 and self.y >= 0 and self.right <= size.width and self.bottom <= size.height

    def clipped(self, size: Size) -> Region:
        """The part within a plane of `size`. Raises ValueError when there is none."""
        x, y = max(self.x, 0), max(self.y, 0)
        return Region(x, y, min(self.right, size.width) - x, min(self.bottom, size.height) - y)


@dataclass(frozen=True)
class Spacing:
    """Distance between the centres of neighbouring pixels at level 0, in micrometres."""

    x: float
    y: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.x) and math.isfinite(self.y) and self.x > 0 and self.y > 0):
            raise ValueError(f"A spacing is positive and finite, not {self.x} x {self.y} µm.")
