"""Glands, surface linings and vessels: stamps set down in rows along an outline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from slides.drawing.stamps import ANGLES, MARKED, REACH_UM, VARIANTS, Kind

Points = npt.NDArray[np.float64]
"""Places in µm from the slide's top left corner, x and y: shape (n, 2)."""


_LIP_UM = 5.0
"""Radius of the bend where a crypt's wall becomes the surface."""


@dataclass(frozen=True, eq=False)
class Marks:
    """Stamps to set down, in this order.

    Attributes:
        kind: `Kind`, shape (n,).
        angle: 0 … `ANGLES` - 1, shape (n,).
        variant: as `stamp` takes it, shape (n,).
        place: in µm, shape (n, 2).
    """

    kind: npt.NDArray[np.int64]
    angle: npt.NDArray[np.int64]
    variant: npt.NDArray[np.int64]
    place: Points

    def bounds(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom in µm that hold every stamp whole."""
        reach = max(REACH_UM, float(np.max(np.where(self.kind == Kind.HOLE, self.variant, 0)) + 2))
        (left, top), (right, bottom) = self.place.min(axis=0) - reach, self.place.max(axis=0) + reach
        return float(left), float(top), float(right), float(bottom)

    def taken(self, index: npt.NDArray[np.int64]) -> Marks:
        """Only these, in this order."""
        return Marks(self.kind[index], self.angle[index], self.variant[index], self.place[index])


def joined(parts: list[Marks]) -> Marks:
    """One after the other."""
    return Marks(
        np.concatenate([part.kind for part in parts]),
        np.concatenate([part.angle for part in parts]),
        np.concatenate([part.variant for part in parts]),
        np.concatenate([part.place for part in parts]),
    )


def marks(
    kind: Kind | npt.NDArray[np.int64], place: Points, radians: npt.NDArray[np.float64], rng: np.random.Generator
) -> Marks:
    """Stamps at these places in these directions, each in a variant of its own."""
    count = len(place)
    angle = np.rint(radians / (2 * np.pi) * ANGLES).astype(np.int64) % ANGLES
    return Marks(
        np.broadcast_to(np.asarray(kind, np.int64), (count,)), angle, rng.integers(VARIANTS, size=count), place
    )


def holes(place: Points, radius_um: npt.NDArray[np.float64]) -> Marks:
    """Round holes that together free a lumen."""
    nothing = np.zeros(len(place), np.int64)
    return Marks(nothing + Kind.HOLE, nothing, np.maximum(np.rint(radius_um), 1).astype(np.int64), place)


def _lengths(path: Points) -> npt.NDArray[np.float64]:
    """µm along the path up to each of its points."""
    return np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])


def resampled(path: Points, step_um: float) -> Points:
    """The same path with a point every `step_um`, at least two."""
    length = _lengths(path)
    at = np.linspace(0, length[-1], max(int(length[-1] / step_um) + 1, 2))
    return np.stack([np.interp(at, length, path[:, 0]), np.interp(at, length, path[:, 1])], axis=1)


def normals(path: Points) -> Points:
    """Unit vectors to the right of the way along a path (y points down)."""
    way = np.gradient(path, axis=0)
    way /= np.maximum(np.hypot(way[:, 0], way[:, 1]), 1e-9)[:, None]
    return np.stack([-way[:, 1], way[:, 0]], axis=1)


def row(
    path: Points,
    facing: Points,
    share: npt.NDArray[np.float64],
    pitch_um: float,
    rng: np.random.Generator,
    waist_um: float = 0.0,
) -> tuple[Points, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Places every `pitch_um`, not quite evenly, along a path.

    Args:
        path: the way, shape (n, 2).
        facing: direction of whatever stands there, shape (n, 2).
        share: any number that runs along, shape (n,).
        waist_um: how far from the path the pitch holds; cells in a bend fan out or crowd at their base.

    Returns:
        (places, directions in radians, the number there).
    """
    length = _lengths(path + waist_um * facing)
    count = max(int(length[-1] / pitch_um), 1)
    at = (np.arange(count) + 0.5 + rng.uniform(-0.16, 0.16, count)) * length[-1] / count
    column = [np.interp(at, length, values) for values in (*path.T, *facing.T, share)]
    radians = np.arctan2(column[3], column[2]) + rng.normal(0, 0.05, count)
    return np.stack(column[:2], axis=1), radians, column[4]


def outline(
    spine: Points, radius_um: npt.NDArray[np.float64], *, open_start: bool = False
) -> tuple[Points, Points, npt.NDArray[np.float64]]:
    """The wall of a tube around a spine.

    Args:
        open_start: the tube turns outwards into a surface at its start instead of closing there.

    Returns:
        (points, the direction in which cells there face, how far along the spine they are: 0 … 1).
    """
    side = normals(spine)
    way = np.stack([side[:, 1], -side[:, 0]], axis=1)
    along = np.linspace(0, 1, len(spine))
    turn = np.linspace(0, np.pi, max(int(radius_um.max() / 2), 6))[1:-1, None]
    end = np.cos(turn) * side[-1] + np.sin(turn) * way[-1]
    start = -np.cos(turn) * side[0] - np.sin(turn) * way[0]
    right, left = spine + side * radius_um[:, None], spine - side * radius_um[:, None]
    parts = [(right, -side, along), (spine[-1] + end * radius_um[-1], -end, np.ones(len(end)))]
    parts.append((left[::-1], side[::-1], along[::-1]))
    if open_start:
        bend = np.linspace(0, np.pi / 2, 6)[:, None]
        mouth = []
        for edge, out in ((right[0], side[0]), (left[0], -side[0])):
            face = -np.cos(bend) * out - np.sin(bend) * way[0]
            corner = (edge + _LIP_UM * (out + face), face, np.zeros(len(face)))
            mouth.append(corner)
        parts = [(*(part[::-1] for part in mouth[0]),), *parts, mouth[1]]  # type: ignore[list-item]
    else:
        parts.append((spine[0] + start * radius_um[0], -start, np.zeros(len(start))))
        parts.append((right[:1], -side[:1], along[:1]))
    wall, facing, share = (np.concatenate([part[i] for part in parts]) for i in range(3))
    return wall, facing, share


def gland(
    spine: Points,
    radius_um: float,
    rng: np.random.Generator,
    *,
    cell: Kind = Kind.COLUMNAR,
    goblets: float = 0.0,
    open_start: bool = False,
    dividing: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]] | None = None,
) -> Marks:
    """A tube of epithelium around a lumen, cut along or (with a short spine) across.

    Args:
        spine: the middle of the lumen, from its mouth to its end.
        radius_um: out to the basement membrane.
        cell: `COLUMNAR` or `CUBOIDAL`.
        goblets: share of goblet cells.
        open_start: the tube opens to a surface at its mouth.
        dividing: chance that a nucleus carries the marker, by the way along the spine (0 … 1).
    """
    spine = resampled(spine, 3.0)
    along = np.linspace(0, 1, len(spine))
    radius = radius_um * (1 + 0.07 * np.sin(along * rng.uniform(4, 14) + rng.uniform(0, 6.3)))
    wall, inward, share = outline(spine, radius, open_start=open_start)
    if not open_start:
        around = np.linspace(0, 2 * np.pi, len(wall))
        wave = sum(rng.normal(0, 0.035) * np.sin(k * around + rng.uniform(0, 6.3)) for k in (2, 3, 4))
        wall = wall + inward * (radius_um * np.asarray(wave))[:, None]
    pitch, waist = (5.6, 8.0) if cell == Kind.COLUMNAR else (6.9, 3.0)
    place, radians, share = row(wall, inward, share, pitch, rng, waist)
    kinds = np.where(rng.random(len(place)) < goblets, int(Kind.GOBLET), int(cell))
    cells = marks(kinds, place, radians, rng)
    if dividing is not None:
        cells.variant[rng.random(len(place)) < dividing(share)] += MARKED
    cells = cells.taken(np.argsort(cells.kind == Kind.GOBLET, kind="stable"))
    step = max(int(radius_um / 18), 1)
    parts = [holes(spine[::step], radius[::step] + 0.4), holes(spine[-1:], radius[-1:] + 0.4), cells]
    if goblets:
        threads = spine[rng.random(len(spine)) < 0.06]
        parts.append(marks(Kind.MUCUS, threads, rng.uniform(0, 6.3, len(threads)), rng))
    return joined(parts)


def vessel(spine: Points, radius_um: float, wall_um: float, fullness: float, rng: np.random.Generator) -> Marks:
    """A vessel: wall of smooth muscle in rings, endothelium, red cells.

    Args:
        spine: its middle; two points close together for one cut across.
        radius_um: out to where the wall ends.
        wall_um: thickness of the wall; 0 for a capillary.
        fullness: 0 … 1, how closely the red cells lie.
    """
    spine = resampled(spine, 2.0)
    ones = np.ones(len(spine))
    lumen = radius_um - wall_um
    parts = [holes(spine, ones * (radius_um + 1.0))]
    for ring in np.arange(radius_um, lumen, -2.6):
        wall, inward, share = outline(spine, ones * ring)
        place, radians, _ = row(wall, inward, share, 8.5, rng)
        parts.append(marks(Kind.MURAL, place, radians + np.pi / 2, rng))
        nuclei = rng.random(len(place)) < 0.22
        parts.append(marks(Kind.ENDOTHELIUM, place[nuclei], radians[nuclei] + np.pi / 2, rng))
    wall, inward, share = outline(spine, ones * lumen)
    place, radians, _ = row(wall, inward, share, 4.5, rng)
    parts.append(marks(Kind.MURAL, place[::2], radians[::2] + np.pi / 2, rng))
    parts.append(holes(spine, ones * (lumen - 1.6)))
    nuclei = rng.random(len(place)) < 0.3
    parts.append(marks(Kind.ENDOTHELIUM, place[nuclei], radians[nuclei] + np.pi / 2, rng))
    room = max(lumen - 4.5, 0.5)
    count = int(fullness * (np.pi * room**2 + 2 * room * 2 * len(spine)) / 30) + 1
    middle = spine[rng.integers(len(spine), size=count)]
    turn, out = rng.uniform(0, 2 * np.pi, count), room * np.sqrt(rng.random(count))
    place = middle + np.stack([np.cos(turn), np.sin(turn)], axis=1) * out[:, None]
    parts.append(marks(Kind.RED_CELL, place, rng.uniform(0, 6.3, count), rng))
    return joined([part for part in parts if len(part.kind)])
