"""Breast: lobules and ducts in dense collagen, with fat between."""

from __future__ import annotations

import numpy as np

from slides.drawing.noise import Floats, cloud
from slides.drawing.plan import CELL_UM, Plan, soft
from slides.drawing.stamps import Kind
from slides.drawing.structures import Points, gland, vessel


def breast(width_um: float, height_um: float, rng: np.random.Generator) -> Plan:
    """One larger piece and one smaller, as cut from an excision."""
    plan = Plan.over(width_um, height_um)
    shape = (plan.rows, plan.columns)
    x, y = plan.centres()
    for middle, half_width, half_height in ((0.36, 0.285, 0.40), (0.83, 0.125, 0.34)):
        turn = np.arctan2((y / height_um - 0.5) / half_height, (x / width_um - middle) / half_width)
        lobes = sum(rng.normal(0, 0.045) * np.cos(k * turn + rng.uniform(0, 6.3)) for k in (2, 3, 4, 6, 9))
        reach = np.hypot((x / width_um - middle) / half_width, (y / height_um - 0.5) / half_height)
        edge = (1 + lobes - reach) * half_height * height_um * 0.8 + 10 * cloud(*shape, 70 / CELL_UM, rng, 3)
        plan.inside = np.maximum(plan.inside, edge.astype(np.float32))
    here = soft(plan.inside + 60, 10)
    drift = cloud(*shape, 300 / CELL_UM, rng, 2)
    flow = cloud(*shape, 420 / CELL_UM, rng, 2)
    plan.paint(
        here, pink=62 + 12 * drift, blue=1, collagen=0.52 + 0.08 * drift, wisp=0.10, scatter=0.35, spindle=0.060,
        lymphocyte=0.006, plasma=0.002, dividing=0.03, angle=1.3 * flow,
    )  # fmt: skip
    fat = soft((cloud(*shape, 430 / CELL_UM, rng, 2) - 0.42) * 90, 8)
    plan.paint(here * fat, fat=1.0, collagen=0.25)
    taken: list[tuple[Points, float]] = []
    _plant_ducts(plan, taken, rng)
    _plant_lobules(plan, taken, rng)
    _plant_vessels(plan, taken, rng)
    return plan


def _free(plan: Plan, centre: Points, radius: float, taken: list[tuple[Points, float]], gap: float) -> bool:
    """Whether a disc lies wholly in collagen and keeps its distance from what is there."""
    turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    rim = centre + radius * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    if plan.at(plan.inside, rim).min() < 25 or plan.at(plan.fat, rim).max() > 0.5:
        return False
    return all(np.hypot(*(centre - other)) > radius + size + gap for other, size in taken)


def _somewhere(plan: Plan, rng: np.random.Generator) -> Points:
    return rng.uniform(0, 1, 2) * (plan.columns * CELL_UM, plan.rows * CELL_UM)


def _around(plan: Plan, centre: Points, radius: float, uneven: Floats | float = 0.0) -> Floats:
    """µm inside a rounded area, everywhere on the map."""
    x, y = plan.centres()
    return np.asarray(radius - np.hypot(x - centre[0], y - centre[1]) + uneven, np.float32)


def _plant_ducts(plan: Plan, taken: list[tuple[Points, float]], rng: np.random.Generator) -> None:
    for _ in range(int(plan.rows * plan.columns * CELL_UM**2 / 5e4)):
        centre, radius = _somewhere(plan, rng), rng.uniform(34, 62)
        length, turn = rng.uniform(20, 330), rng.uniform(0, 2 * np.pi)
        half = length / 2 + radius
        if not _free(plan, centre, half, taken, 30) or rng.random() > 0.5:
            continue
        taken.append((centre, half))
        s = np.linspace(-length / 2, length / 2, 24)
        sway = rng.normal(0, 16) * np.sin(s / 70 + rng.uniform(0, 6.3))
        way, side = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
        spine = centre + s[:, None] * way + sway[:, None] * side
        sleeve = np.maximum.reduce([_around(plan, p, radius + 22) for p in spine[::4]])
        plan.paint(soft(sleeve, 12), pink=58, collagen=0.34, wisp=0.3, lymphocyte=0.03, plasma=0.01, spindle=0.10)
        plan.structures.append(gland(spine, radius, rng, cell=Kind.CUBOIDAL))
        plan.structures.append(gland(spine, radius - 4.5, rng, cell=Kind.COLUMNAR))


def _plant_lobules(plan: Plan, taken: list[tuple[Points, float]], rng: np.random.Generator) -> None:
    uneven = 14 * cloud(plan.rows, plan.columns, 80 / CELL_UM, rng, 2)
    for _ in range(int(plan.rows * plan.columns * CELL_UM**2 / 7e3)):
        centre, radius = _somewhere(plan, rng), rng.uniform(90, 230)
        if not _free(plan, centre, radius, taken, 36):
            continue
        taken.append((centre, radius))
        busy = rng.random() < 0.3
        plan.paint(
            soft(_around(plan, centre, radius + 8, uneven), 12), pink=50, blue=7, collagen=0.0, wisp=0.34,
            scatter=1.2, spindle=0.11, lymphocyte=0.22 if busy else 0.05, plasma=0.06 if busy else 0.02,
        )  # fmt: skip
        acini: list[tuple[Points, float]] = []
        for _ in range(int(radius**2 / 60)):
            turn, out = rng.uniform(0, 2 * np.pi), radius * np.sqrt(rng.random())
            place, size = centre + out * np.array([np.cos(turn), np.sin(turn)]), rng.uniform(15, 24)
            if all(np.hypot(*(place - other)) > size + r + 3.5 for other, r in acini):
                acini.append((place, size))
                way = np.array([np.cos(turn * 3), np.sin(turn * 3)]) * rng.uniform(1.5, 11)
                spine = np.stack([place - way, place + way])
                plan.structures.append(gland(spine, size - 2, rng, cell=Kind.CUBOIDAL))


def _plant_vessels(plan: Plan, taken: list[tuple[Points, float]], rng: np.random.Generator) -> None:
    for _ in range(int(plan.rows * plan.columns * CELL_UM**2 / 1.1e4)):
        centre, radius = _somewhere(plan, rng), float(rng.choice([6, 9, 16, 28], p=[0.45, 0.3, 0.17, 0.08]))
        if not _free(plan, centre, radius + 6, taken, 10):
            continue
        taken.append((centre, radius))
        turn = rng.uniform(0, 2 * np.pi)
        way = np.array([np.cos(turn), np.sin(turn)]) * radius * rng.uniform(0.1, 0.9)
        artery = rng.random() < 0.5 and radius > 12
        wall_um = radius * (0.42 if artery else 0.14) if radius > 8 else 0.6
        plan.structures.append(
            vessel(np.stack([centre - way, centre + way]), radius, wall_um, rng.uniform(0.3, 1), rng)
        )
