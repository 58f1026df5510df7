"""What may be drawn on a slide, and what may not: every kind in its one way, and nothing outside the canvas."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.access.errors import Invalid
from cases.records.annotations import AnnotationKind
from cases.records.annotations.geometry import LARGEST_POSITIONS, SHAPES, check_geometry

WIDTH, HEIGHT = 4000, 3000
SQUARE = [[10.0, 10.0], [90.0, 10.0], [90.0, 90.0], [10.0, 90.0], [10.0, 10.0]]


def check(kind: AnnotationKind, coordinates: Any, *, shape: str | None = None) -> int:
    geometry = {"type": shape or SHAPES[kind], "coordinates": coordinates}
    return check_geometry(kind, geometry, width=WIDTH, height=HEIGHT)


def turned(degrees: float, *, width: float, height: float, decimals: int | None = None) -> list[list[float]]:
    """A rectangle about the middle of the slide, closed."""
    angle = math.radians(degrees)
    corners = [(-width / 2, -height / 2), (width / 2, -height / 2), (width / 2, height / 2), (-width / 2, height / 2)]
    ring = [
        [2000 + x * math.cos(angle) - y * math.sin(angle), 1500 + x * math.sin(angle) + y * math.cos(angle)]
        for x, y in corners
    ]
    rounded = [[round(x, decimals), round(y, decimals)] for x, y in ring] if decimals is not None else ring
    return [*rounded, rounded[0]]


@pytest.mark.parametrize(
    ("kind", "coordinates", "positions"),
    [
        (AnnotationKind.POINT, [0, 0], 1),
        (AnnotationKind.POINT, [WIDTH, HEIGHT], 1),
        (AnnotationKind.LINE, [[0, 0], [1.5, 2.25]], 2),
        (AnnotationKind.FREEHAND, [[1, 1], [2, 2], [1, 1]], 3),
        (AnnotationKind.RECT, [SQUARE], 5),
        (AnnotationKind.ELLIPSE, [SQUARE], 5),
        (AnnotationKind.BOOKMARK, [SQUARE], 5),
        (AnnotationKind.POLYGON, [[[0, 0], [9, 0], [0, 9], [0, 0]]], 4),
        (AnnotationKind.POLYGON, [[[0, 0], [900, 0], [0, 900], [0, 0]], SQUARE], 9),
    ],
)
def test_each_kind_is_said_in_its_way(kind: AnnotationKind, coordinates: Any, positions: int) -> None:
    assert check(kind, coordinates) == positions


@pytest.mark.parametrize(
    ("kind", "coordinates", "why"),
    [
        (AnnotationKind.POINT, [-0.001, 5], r"outside the slide, which has 4000 x 3000 px: \(-0.001"),
        (AnnotationKind.POINT, [5, 3000.5], "outside the slide"),
        (AnnotationKind.POINT, [float("nan"), 5], "outside the slide"),
        (AnnotationKind.POINT, [float("inf"), 5], "outside the slide"),
        (AnnotationKind.LINE, [[1, 1]], "two positions or more"),
        (AnnotationKind.LINE, [], "two positions or more"),
        (AnnotationKind.POLYGON, [], "one ring or more"),
        (AnnotationKind.POLYGON, [[[0, 0], [9, 0], [0, 9]]], "its last is its first"),
        (AnnotationKind.POLYGON, [[[0, 0], [9, 0], [0, 9], [0, 0.5]]], "its last is its first"),
        (AnnotationKind.POLYGON, [[[0, 0], [9, 0], [0, 0], [0, 0]]], "three different positions"),
        (AnnotationKind.POLYGON, [SQUARE, []], "its last is its first"),
        (AnnotationKind.RECT, [SQUARE, SQUARE], "one ring of four corners"),
        (AnnotationKind.RECT, [[[0, 0], [90, 10], [90, 90], [10, 90], [0, 0]]], "right angles"),
        (AnnotationKind.ELLIPSE, [[[0, 0], [90, 0], [99, 90], [9, 90], [0, 0]]], "right angles"),
        (AnnotationKind.BOOKMARK, [[[0, 0], [9, 0], [0, 9], [0, 0]]], "four corners"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_reason(kind: AnnotationKind, coordinates: Any, why: str) -> None:
    with pytest.raises(Invalid, match=why) as refused:
        check(kind, coordinates)
    assert refused.value.field == "geometry"


@pytest.mark.parametrize("kind", AnnotationKind)
def test_another_shape_than_the_kinds_is_refused(kind: AnnotationKind) -> None:
    other = "Point" if SHAPES[kind] != "Point" else "Polygon"
    with pytest.raises(Invalid, match=f"A {kind} is a {SHAPES[kind]}; a {other} was given."):
        check(kind, [1, 1], shape=other)


def test_positions_are_counted_over_all_rings() -> None:
    ring = [[float(i % 3000), float(i // 3000)] for i in range(LARGEST_POSITIONS - 5)]
    ring[-1] = ring[0]
    assert check(AnnotationKind.POLYGON, [ring, SQUARE]) == LARGEST_POSITIONS
    with pytest.raises(Invalid, match="100001 positions; 100000 are kept"):
        check(AnnotationKind.POLYGON, [[*ring, ring[0]], SQUARE])


@settings(deadline=None)
@given(
    degrees=st.floats(0, 360),
    width=st.floats(1, 2000),
    height=st.floats(1, 2000),
    decimals=st.sampled_from([None, 2, 3]),
)
def test_a_rectangle_stays_one_however_it_is_turned(
    degrees: float, width: float, height: float, decimals: int | None
) -> None:
    assert check(AnnotationKind.RECT, [turned(degrees, width=width, height=height, decimals=decimals)]) == 5


@settings(deadline=None)
@given(degrees=st.floats(0, 360), lean=st.floats(1, 40))
def test_a_leaning_ring_is_no_rectangle(degrees: float, lean: float) -> None:
    ring = turned(degrees, width=400, height=300)
    ring[2] = [ring[2][0] + lean, ring[2][1] + lean]
    with pytest.raises(Invalid, match="right angles"):
        check(AnnotationKind.RECT, [ring])
