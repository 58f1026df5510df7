"""Bowel: crypts side by side under a surface of goblet cells, and the layers of the wall beneath."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from slides.drawing.noise import Floats, cloud
from slides.drawing.plan import CELL_UM, Plan, soft
from slides.drawing.stamps import Kind
from slides.drawing.structures import Points, gland, marks, normals, resampled, row, vessel

_LINING_UM = 21.0
"""Height of the surface epithelium."""
_MUSCLE_OF_MUCOSA_UM = 38.0


@dataclass(frozen=True, eq=False)
class _Strip:
    """A strip of bowel: its surface as a curve, and what lies how deep under it.

    Attributes:
        surface: every 12 µm, the tissue on its right.
        inward: unit vectors into the tissue.
        mucosa_um: down to the muscularis mucosae.
        thickness_um: down to the cut edge, at each point of the surface.
    """

    surface: Points
    inward: Points
    mucosa_um: float
    thickness_um: npt.NDArray[np.float64]


def biopsies(width_um: float, height_um: float, rng: np.random.Generator) -> Plan:
    """Small pieces taken through the endoscope, side by side across the glass."""
    plan = Plan.over(width_um, height_um)
    count = int(np.clip(round(1.55 * width_um / height_um), 2, 4))
    room = width_um / count
    for piece in range(count):
        thick = room * rng.uniform(0.54, 0.62)
        middle = np.array([room * (piece + 0.5) + rng.normal(0, 0.02) * room, height_um * rng.uniform(0.47, 0.53)])
        length = height_um * rng.uniform(0.72, 0.84)
        turn = np.pi / 2 + rng.uniform(-0.12, 0.12) + (np.pi if rng.random() < 0.5 else 0)
        _lay(plan, _strip(middle, turn, length, thick, rng.uniform(-0.5, 0.5), min(0.72 * thick, 470), rng), rng)
    return plan


def wall(width_um: float, height_um: float, rng: np.random.Generator) -> Plan:
    """The whole thickness of the wall, from the lumen down to the fat around it."""
    plan = Plan.over(width_um, height_um)
    thick = 0.78 * height_um
    middle = np.array([width_um / 2, height_um * 0.5])
    _lay(plan, _strip(middle, 0.02, 0.93 * width_um, thick, rng.uniform(0.35, 0.5), 470, rng), rng)
    return plan


def _strip(
    middle: Points, turn: float, length: float, thick: float, bend: float, mucosa: float, rng: np.random.Generator
) -> _Strip:
    """A strip whose body is centred on `middle`, running in direction `turn`, bent by `bend` radians."""
    u = np.linspace(-1, 1, max(int(length / 12), 20))
    heading = turn + bend * u / 2
    for waves in (2, 3, 5, 9):
        heading = heading + rng.normal(0, 0.17 / waves**0.4) * np.sin(waves * np.pi * u / 2 + rng.uniform(0, 6.3))
    surface = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], axis=1), axis=0) * length / len(u)
    inward = normals(surface)
    depth = thick * (1 - np.abs(u) ** 4) ** 0.5
    depth = depth * (1 + 0.10 * np.sin(u * rng.uniform(3, 6) + rng.uniform(0, 6.3)))
    body = np.concatenate([surface, surface + inward * depth[:, None]])
    return _Strip(surface + middle - (body.min(axis=0) + body.max(axis=0)) / 2, inward, mucosa, depth)


def _depths(plan: Plan, strip: _Strip) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
    """For every cell of the map: µm under the surface, µm past the strip's ends, nearest surface point."""
    x, y = plan.centres()
    best = np.full((plan.rows, plan.columns), np.inf, np.float32)
    nearest = np.zeros((plan.rows, plan.columns), np.int64)
    every = 3
    for index in range(0, len(strip.surface), every):
        px, py = strip.surface[index].astype(np.float32)
        squared = (x - px) ** 2 + (y - py) ** 2
        closer = squared < best
        best[closer] = squared[closer]
        nearest[closer] = index
    # The exact foot of the perpendicular matters where layers are thin: take it along the local tangent.
    px, py = (strip.surface[:, i].astype(np.float32)[nearest] for i in (0, 1))
    nx, ny = (strip.inward[:, i].astype(np.float32)[nearest] for i in (0, 1))
    depth = (x - px) * nx + (y - py) * ny
    along = nearest * np.float32(12) + (x - px) * ny - (y - py) * nx
    past = np.maximum(-along, along - 12 * len(strip.surface))
    return depth, past.astype(np.float32), nearest


def _lay(plan: Plan, strip: _Strip, rng: np.random.Generator) -> None:
    """Put a strip onto the plan: its layers, then its crypts and vessels."""
    shape = (plan.rows, plan.columns)
    depth, past, nearest = _depths(plan, strip)
    thickness = strip.thickness_um.astype(np.float32)[nearest]
    fray = 9 * cloud(*shape, 60 / CELL_UM, rng, 3)
    inside = np.minimum(np.minimum(depth - _LINING_UM + 3, thickness - depth + fray), -past + 0.4 * fray)
    here = soft(inside + 60, 10)
    tangent = np.arctan2(-strip.inward[:, 0], strip.inward[:, 1]).astype(np.float32)[nearest]
    drift = cloud(*shape, 240 / CELL_UM, rng, 2)
    plan.inside = np.maximum(plan.inside, inside)
    # Lamina propria first; what lies deeper is painted over it.
    plan.paint(
        here, pink=66 + 7 * drift, blue=10, wisp=0.30, collagen=0.0, muscle=0.0, scatter=1.7, spindle=0.06,
        lymphocyte=0.10, plasma=0.16, blast=0.0, fat=0.0, dividing=0.03, angle=tangent + np.float32(np.pi / 2),
    )  # fmt: skip
    border = strip.mucosa_um + 10 * cloud(*shape, 150 / CELL_UM, rng)
    under = depth - border
    submucosa = here * soft(under, 10)
    plan.paint(
        submucosa, pink=26 + 8 * drift, blue=2, wisp=0.16, collagen=0.30 + 0.07 * drift, scatter=0.55,
        spindle=0.055, lymphocyte=0.012, plasma=0.004, angle=tangent + 0.5 * drift,
    )  # fmt: skip
    thin = here * soft(under, 6) * soft(_MUSCLE_OF_MUCOSA_UM - under, 6)
    plan.paint(
        thin, pink=96, blue=6, wisp=0.1, collagen=0.0, muscle=0.46, scatter=0.10, spindle=0.16, plasma=0.0,
        lymphocyte=0.01, angle=tangent,
    )  # fmt: skip
    deep = float(strip.thickness_um.max())
    follicles = _follicles(plan, strip, inside, rng)
    if deep > 1200:
        _paint_outer_layers(plan, here, depth, tangent, drift, strip.mucosa_um, deep, rng)
    _paint_follicles(plan, follicles, rng)
    _plant_vessels(plan, strip, inside, depth, rng)
    _plant_crypts(plan, strip, inside, follicles, rng)


def _paint_outer_layers(
    plan: Plan, here: Floats, depth: Floats, tangent: Floats, drift: Floats, mucosa: float, deep: float,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    """Fat in the submucosa, two coats of muscle with a nerve layer between, fat outside."""
    shape = (plan.rows, plan.columns)
    first = mucosa + 0.27 * (deep - mucosa)
    second, outer = mucosa + 0.60 * (deep - mucosa), mucosa + 0.82 * (deep - mucosa)
    uneven = 22 * cloud(*shape, 350 / CELL_UM, rng, 2)
    lobes = soft(cloud(*shape, 260 / CELL_UM, rng, 2) * 60 - 34, 8)
    plan.paint(here * lobes * soft(depth - mucosa - 130, 20) * soft(first - depth - 40, 20), fat=1.0)
    septa = np.abs(cloud(*shape, 150 / CELL_UM, rng, 2))
    bundle = 0.55 * soft(septa * 40 - 4, 4)
    for top, bottom, stray, way in ((first, second, 0.09, 0.0), (second + 34, outer, 0.35, 1.2)):
        coat = here * soft(depth - top + uneven, 8) * soft(bottom - depth - uneven, 8)
        plan.paint(
            coat, pink=88 + 8 * drift + 26 * bundle, blue=6, collagen=0.03, wisp=0.03, muscle=bundle, fat=0.0,
            spindle=0.13, lymphocyte=0.002, plasma=0.0, scatter=stray, angle=tangent + way + 0.12 * drift,
        )  # fmt: skip
    outside = here * soft(depth - outer + uneven, 10)
    edge = soft(depth - outer - 60 + uneven + 50 * drift, 8)
    plan.paint(outside, pink=30, collagen=0.34, muscle=0.0, wisp=0.14, spindle=0.05, scatter=0.5, angle=tangent)
    plan.paint(outside * edge * soft(cloud(*shape, 300 / CELL_UM, rng, 2) * 50 + 40, 8), fat=1.0)


def _follicles(plan: Plan, strip: _Strip, inside: Floats, rng: np.random.Generator) -> list[tuple[Points, float]]:
    """Centres and radii in µm of the lymphoid follicles, just under the mucosa."""
    found = list[tuple[Points, float]]()
    for index in range(40, len(strip.surface) - 40, 10):
        radius = rng.uniform(105, 185)
        centre = strip.surface[index] + strip.inward[index] * (strip.mucosa_um + 0.12 * radius)
        room = plan.at(inside, centre[None])[0] > radius * 0.85
        if room and rng.random() < 0.11 and all(np.hypot(*(centre - c)) > 4 * (radius + r) for c, r in found):
            found.append((centre, radius))
    return found


def _paint_follicles(plan: Plan, follicles: list[tuple[Points, float]], rng: np.random.Generator) -> None:
    x, y = plan.centres()
    uneven = 9 * cloud(plan.rows, plan.columns, 90 / CELL_UM, rng)
    for centre, radius in follicles:
        middle = np.hypot(x - centre[0], (y - centre[1]) * 1.08).astype(np.float32) + uneven
        plan.paint(
            soft(radius - middle, 14), pink=52, blue=44, wisp=0.05, collagen=0.0, muscle=0.0, fat=0.0, spindle=0.01,
            lymphocyte=0.88, plasma=0.0, blast=0.0, dividing=0.05,
        )  # fmt: skip
        plan.paint(soft(0.58 * radius - middle, 10), pink=80, blue=14, lymphocyte=0.04, blast=0.46, dividing=0.75)


def _plant_vessels(plan: Plan, strip: _Strip, inside: Floats, depth: Floats, rng: np.random.Generator) -> None:
    """Arteries and veins below the mucosa, capillaries within it."""
    height, width = plan.rows * CELL_UM, plan.columns * CELL_UM
    taken: list[tuple[Points, float]] = []
    for _ in range(int(height * width / 6000)):
        centre = rng.uniform(0, 1, 2) * (width, height)
        below = plan.at(depth, centre[None])[0] - strip.mucosa_um
        turn = rng.uniform(0, 2 * np.pi)
        way = np.array([np.cos(turn), np.sin(turn)])
        if below > 90:
            radius = float(rng.choice([14, 20, 30, 46], p=[0.4, 0.3, 0.2, 0.1])) * rng.uniform(0.85, 1.2)
            artery, share = rng.random() < 0.5, 0.07 if below < 620 else 0.035
        else:
            radius, artery, share = rng.uniform(4.5, 7.5), False, 0.5 if below < -20 else 0.0
        clear = all(np.hypot(*(centre - c)) > 2.2 * (radius + r) for c, r in taken)
        if rng.random() > share or not clear or plan.at(inside, centre[None])[0] < 1.6 * radius:
            continue
        if plan.at(plan.lymphocyte, centre[None])[0] > 0.3:
            continue
        taken.append((centre, radius))
        stretch = rng.uniform(0.2, 0.7 if artery else 1.6) * radius
        wall_um = radius * (0.42 if artery else 0.14) if radius > 9 else 0.6
        spine = np.stack([centre - way * stretch / 2, centre + way * stretch / 2])
        plan.structures.append(vessel(spine, radius, wall_um, rng.uniform(0.3, 1.0), rng))


def _plant_crypts(
    plan: Plan, strip: _Strip, inside: Floats, follicles: list[tuple[Points, float]], rng: np.random.Generator
) -> None:
    """The surface lining and the crypts that open through it, test tubes in a rack."""
    base = resampled(strip.surface + strip.inward * _LINING_UM, 4.0)
    outward = -normals(base)
    length = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(base, axis=0).T))])
    along, mouths = 20.0, []
    while along < length[-1]:
        radius = rng.uniform(22, 28)
        along += radius + rng.uniform(7, 14)
        index = min(int(np.searchsorted(length, along)), len(base) - 1)
        along += radius + rng.uniform(7, 14)
        spine = _crypt(base[index], -outward[index], strip.mucosa_um - radius - _LINING_UM - 6, rng)
        free = plan.at(inside, spine) > radius + 6
        for centre, follicle in follicles:
            free &= np.hypot(*(spine - centre).T) > follicle + radius + 8
        head = min(int((radius + _LINING_UM) / 2) + 6, len(spine) - 1)
        free[:head] = free[head]
        spine = spine[: len(free) if free.all() else int(np.argmin(free))]
        if len(spine) < 2 * head:
            continue
        mouths.append((base[index], radius))
        for part, opens in _sections(spine, radius, rng):
            share = rng.uniform(0.45, 0.68)
            plan.structures.append(gland(part, radius, rng, goblets=share, open_start=opens, dividing=_dividing))
    place, radians, _ = row(base, outward, np.zeros(len(base)), 5.8, rng)
    there = plan.at(inside, place) > -14
    for mouth, radius in mouths:
        there &= np.hypot(*(place - mouth).T) > radius + 8
    kinds = np.where(rng.random(len(place)) < 0.2, int(Kind.GOBLET), int(Kind.COLUMNAR))
    lining = marks(kinds, place, radians, rng)
    for stretch in np.array_split(np.flatnonzero(there), max(len(place) // 60, 1)):
        if len(stretch):
            plan.structures.append(lining.taken(stretch))


def _sections(spine: Points, radius: float, rng: np.random.Generator) -> list[tuple[Points, bool]]:
    """What the knife leaves of a crypt: all of it, or parts with gaps where it leaves the plane."""
    if rng.random() < 0.45 or len(spine) < 70:
        return [(spine, True)]
    cut = int(rng.uniform(0.3, 0.6) * len(spine))
    gap = int(rng.uniform(1.15, 1.5) * radius)
    below = spine[cut + gap :]
    parts = [(spine[:cut], True)]
    if len(below) > 2.6 * radius and rng.random() < 0.6:
        middle = int(rng.uniform(0.25, 0.4) * len(below))
        parts.append((below[:middle], False))
        below = below[middle + gap :]
    return [*parts, *([(below, False)] if len(below) > 2 else [])]


def _crypt(mouth: Points, inward: Points, length: float, rng: np.random.Generator) -> Points:
    """The middle line of a crypt, a point every 2 µm, nearly straight."""
    s = np.arange(5.0, max(length * rng.uniform(0.86, 1.0), 20), 2.0)
    sway = rng.normal(0, 7) * np.sin(s / 80 + rng.uniform(0, 6.3)) + rng.normal(0, 0.03) * s
    side = np.array([-inward[1], inward[0]])
    spine: Points = mouth + s[:, None] * inward + (sway - sway[0])[:, None] * side
    return spine


def _dividing(share: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Crypt cells divide in the lower third."""
    return 0.85 * np.clip((share - 0.5) / 0.2, 0.01, 1)
