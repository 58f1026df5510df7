"""Geometry of annotations: GeoJSON in level-0 pixels of the full canvas, checked before it is kept.

Each kind has one way to be said. Source: RFC 7946, section 3.1; its coordinates are pixels here, as in QuPath.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

from cases.access.errors import Invalid
from cases.records.annotations.annotation import AnnotationKind

LARGEST_POSITIONS = 100_000
"""Of one annotation. Source: domain rules, 10.4."""
_SLACK = 1e-6
"""Share of a rectangle's diagonal by which its corners may miss: what rounding to a hundredth of a pixel leaves."""

GeoJson: TypeAlias = dict[str, Any]
Position: TypeAlias = tuple[float, float]

SHAPES = {
    AnnotationKind.POINT: "Point",
    AnnotationKind.LINE: "LineString",
    AnnotationKind.FREEHAND: "LineString",
    AnnotationKind.RECT: "Polygon",
    AnnotationKind.ELLIPSE: "Polygon",
    AnnotationKind.BOOKMARK: "Polygon",
    AnnotationKind.POLYGON: "Polygon",
}
"""Of which type of GeoJSON each kind is. An ellipse is the rectangle that it fills, a bookmark what was on screen."""
RECTANGLES = frozenset({AnnotationKind.RECT, AnnotationKind.ELLIPSE, AnnotationKind.BOOKMARK})
"""Kinds whose one ring has four corners with right angles, turned or not."""


def check_geometry(kind: AnnotationKind, geometry: GeoJson, *, width: int, height: int) -> int:
    """Make sure that a geometry fits its kind and lies on the slide.

    Args:
        kind: of the annotation.
        geometry: with "type" and "coordinates"; positions are pairs of numbers.
        width: of the full canvas in level-0 pixels.
        height: likewise.

    Returns:
        How many positions it has.

    Raises:
        Invalid: it does not fit; the sentence says where.
    """
    if geometry["type"] != SHAPES[kind]:
        raise _invalid(f"A {kind} is a {SHAPES[kind]}; a {geometry['type']} was given.")
    lines = _find_lines(geometry)
    count = sum(map(len, lines))
    if count > LARGEST_POSITIONS:
        raise _invalid(f"It has {count} positions; {LARGEST_POSITIONS} are kept at the most. Draw it more coarsely.")
    for x, y in (position for line in lines for position in line):
        # Not a number compares as false, so this refuses it too.
        if not (0 <= x <= width and 0 <= y <= height):
            raise _invalid(f"A position lies outside the slide, which has {width} x {height} px: ({x:.17g}, {y:.17g}).")
    match geometry["type"]:
        case "LineString" if count < 2:
            raise _invalid("A line has two positions or more.")
        case "Polygon":
            for ring in lines:
                _check_ring(ring)
    if kind in RECTANGLES and not (len(lines) == 1 and _is_rectangle(lines[0])):
        raise _invalid(f"A {kind} is one ring of four corners with right angles, the first position given again last.")
    return count


def _find_lines(geometry: GeoJson) -> Sequence[Sequence[Position]]:
    coordinates = geometry["coordinates"]
    match geometry["type"]:
        case "Point":
            return [[coordinates]]
        case "LineString":
            return [coordinates]
    if not coordinates:
        raise _invalid("A polygon has one ring or more.")
    return list(coordinates)


def _check_ring(ring: Sequence[Position]) -> None:
    if len(ring) < 4 or tuple(ring[0]) != tuple(ring[-1]):
        raise _invalid("A ring has four positions or more, and its last is its first.")
    if len({tuple(position) for position in ring}) < 3:
        raise _invalid("A ring goes through three different positions or more.")


def _is_rectangle(ring: Sequence[Position]) -> bool:
    if len(ring) != 5:
        return False
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = ring[:4]
    # Diagonals that halve each other and are of one length.
    slack = _SLACK * math.dist(ring[0], ring[2]) + 0.02
    return (
        math.hypot(ax + cx - bx - dx, ay + cy - by - dy) <= 2 * slack
        and abs(math.dist(ring[0], ring[2]) - math.dist(ring[1], ring[3])) <= slack
    )


def _invalid(sentence: str) -> Invalid:
    return Invalid(sentence, field="geometry")
