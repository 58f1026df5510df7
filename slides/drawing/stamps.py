"""The small things that tissue is made of, each drawn once and then set down many times.

A stamp holds the dye amounts of one nucleus, cell, fibre or hole, turned one way. Setting it down first
takes away what it covers (`keep`), then adds its own dyes where they are the stronger. Sizes in micrometres
follow ordinary histology: nuclei 6 to 10, columnar cells 22 tall, red cells 7.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, auto
from functools import lru_cache

import numpy as np

from slides.drawing.noise import Floats, cloud
from slides.drawing.stains import Pixels

ANGLES = 48
"""Directions a stamp is drawn in, over a full turn; steps of 7.5 degrees are not seen in tissue."""
VARIANTS = 6
REACH_UM = 34.0
"""No stamp but a hole reaches further from its place than this."""

MARKED = 128
"""Added to a variant: this nucleus carries the stain's marker."""


class Kind(IntEnum):
    """What a stamp shows. `HOLE` takes its radius in µm as variant."""

    HOLE = auto()
    COLLAGEN = auto()
    WISP = auto()
    MUSCLE = auto()
    MURAL = auto()
    SPINDLE = auto()
    ENDOTHELIUM = auto()
    LYMPHOCYTE = auto()
    PLASMA_CELL = auto()
    EOSINOPHIL = auto()
    BLAST = auto()
    RED_CELL = auto()
    COLUMNAR = auto()
    CUBOIDAL = auto()
    GOBLET = auto()
    MUCUS = auto()


@dataclass(frozen=True, eq=False)
class Stamp:
    """Dye amounts to set down around a place.

    Attributes:
        keep: uint8 (h, w), the most that may remain of what is underneath; None leaves everything.
        dyes: uint8 (3, h, w), H, E and X; None for a mere hole.
        half_width, half_height: from the left and top edge to the place, in pixels.
    """

    keep: Pixels | None
    dyes: Pixels | None
    half_width: int
    half_height: int

    def turned(self, quarters: int) -> Stamp:
        """The stamp turned clockwise about its place."""
        keep = None if self.keep is None else np.ascontiguousarray(np.rot90(self.keep, -quarters))
        dyes = None if self.dyes is None else np.ascontiguousarray(np.rot90(self.dyes, -quarters, axes=(1, 2)))
        across, down = (self.half_height, self.half_width) if quarters % 2 else (self.half_width, self.half_height)
        return Stamp(keep, dyes, across, down)


@dataclass(frozen=True, eq=False)
class _Bench:
    """The grid a stamp is drawn on: along and across its axis, in µm from its place."""

    along: Floats
    across: Floats
    pixel_um: float
    rng: np.random.Generator

    def cover(self, outside_um: Floats, blur_um: float = 0.3) -> Floats:
        """1 where `outside_um` is negative, 0 where positive, soft over about a pixel."""
        soft = max(self.pixel_um, blur_um)
        return np.asarray(np.clip(0.5 - outside_um / soft, 0, 1), np.float32)

    def ellipse(self, at: float, length: float, width: float, side: float = 0.0) -> Floats:
        """Distance outside an ellipse in µm, near enough close to its rim."""
        reach = np.hypot((self.along - at) / (length / 2), (self.across - side) / (width / 2))
        return np.asarray((reach - 1) * min(length, width) / 2, np.float32)

    def speckle(self, grain_um: float) -> Floats:
        """Noise of mean 0 and spread 1 with grains of this size."""
        height, width = self.along.shape
        field = cloud(height, width, max(grain_um / self.pixel_um, 1.0), self.rng)
        return np.asarray((field - field.mean()) / (field.std() + 1e-6), np.float32)


def _bench(angle: int, along_um: tuple[float, float], width_um: float, pixel_um: float, seed: list[int]) -> _Bench:
    """A grid that holds the rectangle `along_um` x `width_um` when turned by `angle` steps."""
    turn = 2 * np.pi * angle / ANGLES
    cos, sin = np.cos(turn), np.sin(turn)
    corners = [(a * cos - w * sin, a * sin + w * cos) for a in along_um for w in (-width_um / 2, width_um / 2)]
    half_x = int(max(abs(x) for x, _ in corners) / pixel_um) + 2
    half_y = int(max(abs(y) for _, y in corners) / pixel_um) + 2
    x = (np.arange(-half_x, half_x + 1, dtype=np.float32) * pixel_um)[None, :]
    y = (np.arange(-half_y, half_y + 1, dtype=np.float32) * pixel_um)[:, None]
    return _Bench(x * cos + y * sin, y * cos - x * sin, pixel_um, np.random.default_rng(seed))


@lru_cache(maxsize=6000)
def stamp(kind: Kind, angle: int, variant: int, pixel_um: float, *, mucin: bool) -> Stamp:
    """The stamp of a kind, direction and variant at this pixel size, drawn at the first call.

    Args:
        angle: 0 … `ANGLES` - 1, clockwise on the screen from pointing right. Cells point from their base
            to the lumen.
        variant: for `HOLE` the radius in µm; otherwise any number, and `MARKED` or more for a nucleus
            that carries the marker.
        mucin: whether the third dye shows mucin (otherwise it shows the marker).
    """
    if kind == Kind.HOLE:
        hole = _bench(0, (-variant - 1.0, variant + 1.0), 2.0 * variant + 2, pixel_um, [0])
        keep = 1 - hole.cover(np.hypot(hole.along, hole.across) - variant, 0.8)
        half_height, half_width = keep.shape[0] // 2, keep.shape[1] // 2
        return Stamp((255 * keep).astype(np.uint8), None, half_width, half_height)
    quarter, turn = divmod(angle, ANGLES // 4)
    if quarter:
        # Drawing costs more than turning: three of four directions are quarter turns of the first.
        return stamp(kind, turn, variant, pixel_um, mucin=mucin).turned(quarter)
    marked, variant = variant >= MARKED, variant % MARKED
    seed = [int(kind), angle, variant]
    draw = _HANDS.get(kind, _nucleus)
    nucleus, pink, mucus, keep_part = draw(kind, angle, pixel_um, seed)
    blue = np.clip(nucleus, 0, 255)
    third = np.clip(mucus, 0, 255) if mucin else np.zeros_like(blue)
    if marked and not mucin:
        # DAB hides the blue beneath it; the cell's own cytoplasm stays clear of it.
        third = np.where(blue > 64, blue * 1.05, 0)
        blue = np.where(blue > 64, blue * 0.35, blue)
    dyes = np.clip(np.stack([blue, pink, third]), 0, 255).astype(np.uint8)
    half_height, half_width = dyes.shape[1] // 2, dyes.shape[2] // 2
    keep_pixels = None if keep_part is None else (255 * keep_part).astype(np.uint8)
    return Stamp(keep_pixels, dyes, half_width, half_height)


_Drawn = tuple[Floats, Floats, Floats, Floats | None]
"""Amounts of H, E and X (0 … 255), and the share of what lies underneath that stays."""

_NUCLEI: dict[Kind, tuple[float, float, float, float, float]] = {
    # length, width in µm; darkness of rim and inside; width of the cytoplasm
    Kind.SPINDLE: (15.0, 3.3, 205, 165, 0),
    Kind.ENDOTHELIUM: (9.5, 2.6, 215, 180, 0),
    Kind.LYMPHOCYTE: (6.9, 6.4, 232, 188, 0.5),
    Kind.PLASMA_CELL: (7.0, 6.4, 225, 165, 2.4),
    Kind.EOSINOPHIL: (6.0, 4.6, 225, 190, 2.4),
    Kind.BLAST: (9.6, 8.6, 172, 84, 1.2),
}


def _chromatin(bench: _Bench, outside: Floats, rim: float, inside: float) -> Floats:
    """A nucleus: dark membrane, clumps along it, paler between them."""
    body = bench.cover(outside)
    membrane = np.exp(-((outside + 0.5) ** 2) / 0.45)
    clumps = np.clip(bench.speckle(1.1) + 0.6 * membrane, 0, 2.2)
    depth = inside + (rim - inside) * np.clip(membrane + 0.45 * clumps, 0, 1.1) + 9 * bench.speckle(0.5)
    return np.asarray(body * np.clip(depth, 40, 252), np.float32)


def _nucleus(kind: Kind, angle: int, pixel_um: float, seed: list[int]) -> _Drawn:
    """A free nucleus with the little cytoplasm that its cell shows."""
    length, width, rim, inside, around = _NUCLEI[kind]
    chance = np.random.default_rng([*seed, 1])
    length, width = length * chance.uniform(0.78, 1.16), width * chance.uniform(0.85, 1.15)
    bench = _bench(angle, (-length / 2 - around - 1, length / 2 + around + 1), width + 2 * around + 4, pixel_um, seed)
    bend = chance.uniform(-0.9, 0.9) * (length > 2 * width)
    side = bench.across + bend * (bench.along / (length / 2)) ** 2
    pointed = 1.35 if length > 2 * width else 1.0
    reach = np.hypot(np.abs(bench.along / (length / 2)) ** (1 / pointed), side / (width / 2))
    wobble = 0.05 * bench.speckle(3.0)
    outside = ((reach - 1 + wobble) * width / 2).astype(np.float32)
    blue = _chromatin(bench, outside, rim * chance.uniform(0.9, 1.05), inside * chance.uniform(0.8, 1.12))
    pink = np.zeros_like(blue)
    if kind == Kind.BLAST:
        spot = bench.ellipse(chance.uniform(-1.5, 1.5), 1.7, 1.7, chance.uniform(-1.5, 1.5))
        blue = np.maximum(blue, 190 * bench.cover(spot))
    if around > 0.8:
        body = bench.cover(bench.ellipse(around * 0.5, length + 1.6 * around, width + 1.5 * around))
        if kind == Kind.EOSINOPHIL:
            pink = body * (212 + 26 * np.clip(bench.speckle(0.7), -1, 1))
        else:
            pink = body * (86 + 10 * bench.speckle(0.8))
            blue = np.maximum(blue, body * (52 + 10 * bench.speckle(1.0)))
    return blue, pink.astype(np.float32), np.zeros_like(blue), None


def _fibre(kind: Kind, angle: int, pixel_um: float, seed: list[int]) -> _Drawn:
    """A wavy bundle of collagen, a thin wisp of it, or a straight smooth-muscle fibre."""
    chance = np.random.default_rng([*seed, 1])
    length, width, strength, wave = {
        Kind.COLLAGEN: (54.0, 7.5, 148.0, 2.6),
        Kind.WISP: (38.0, 2.3, 112.0, 3.0),
        Kind.MUSCLE: (60.0, 6.0, 150.0, 0.7),
        Kind.MURAL: (17.0, 4.2, 150.0, 0.2),
    }[kind]
    length, width = length * chance.uniform(0.7, 1.0), width * chance.uniform(0.6, 1.25)
    strength *= chance.uniform(0.72, 1.14)
    bench = _bench(angle, (-length / 2, length / 2), width + 2.4 * wave + 3, pixel_um, seed)
    swing = wave * np.sin(bench.along * chance.uniform(0.16, 0.30) + chance.uniform(0, 6.3))
    swing += 0.3 * wave * np.sin(bench.along * 0.63 + chance.uniform(0, 6.3))
    side = bench.across + swing
    ends = np.clip((length / 2 - np.abs(bench.along)) / (0.3 * length), 0, 1) ** 0.7
    body = bench.cover(np.abs(side) - width / 2 * ends, 0.9)
    threads = 0.80 + 0.16 * np.sin(side * chance.uniform(3.0, 4.4) + 1.4 * np.sin(bench.along * 0.2))
    pink = body * strength * (threads + 0.08 * bench.speckle(1.2)) * (0.55 + 0.45 * ends)
    nothing = np.zeros_like(pink, dtype=np.float32)
    return nothing, pink.astype(np.float32), (nothing + 0.10 * pink).astype(np.float32), None


def _epithelium(kind: Kind, angle: int, pixel_um: float, seed: list[int]) -> _Drawn:
    """A columnar, cuboidal or goblet cell, its base at the place, pointing to the lumen."""
    chance = np.random.default_rng([*seed, 1])
    tall, wide, at, long, broad = {
        Kind.COLUMNAR: (21.5, 6.6, 6.6, 9.6, 5.2),
        Kind.CUBOIDAL: (11.0, 7.6, 5.0, 7.4, 6.4),
        Kind.GOBLET: (21.5, 6.8, 3.8, 5.2, 5.6),
    }[kind]
    tall *= chance.uniform(0.96, 1.03)
    goblet = kind == Kind.GOBLET
    bench = _bench(angle, (-2.0, tall + 1.5), wide + (6.5 if goblet else 5.5), pixel_um, seed)
    along, across = bench.along, bench.across
    dome = along + 0.14 * across**2
    # A little broader at the base, so that no gap shows where a wall bends.
    aside = np.abs(across) - wide / 2 - 1.6 * np.clip(1 - along / tall, 0, 1) ** 2
    body = bench.cover(np.maximum(-along, dome - tall), 0.6) * bench.cover(aside - 0.7, 0.8)
    border = np.exp(-(aside**2) / 0.35)
    top = np.exp(-((dome - tall + 0.5) ** 2) / 0.7)
    pink = body * (104 + 16 * along / tall + 26 * border + 44 * top + 9 * bench.speckle(0.8))
    blue = body * (34 - 14 * along / tall + 7 * bench.speckle(1.3))
    membrane = bench.cover(np.abs(along + 0.6) - 0.5) * bench.cover(aside - 0.6)
    pink, mucus = np.maximum(pink, 132 * membrane), 62 * membrane
    at += chance.uniform(-0.9, 1.6)
    outside = bench.ellipse(at, long * chance.uniform(0.88, 1.1), broad * chance.uniform(0.88, 1.05))
    outside += 0.2 * bench.speckle(2.5)
    blue = np.maximum(blue, _chromatin(bench, outside, 212, 122 * chance.uniform(0.8, 1.25)))
    keep = None
    if goblet:
        middle, length, width = tall * 0.64, tall * 0.68, chance.uniform(7.8, 9.6)
        narrowing = 1.0 - 0.22 * (along - middle) / (length / 2)
        reach = np.hypot((along - middle) / (length / 2), across / (width / 2 * np.clip(narrowing, 0.5, 1.3)))
        rim = ((reach - 1) * width / 2).astype(np.float32)
        drop = bench.cover(rim, 0.7)
        wall = np.exp(-((rim - 0.2) ** 2) / 0.3)
        keep = 1 - drop
        blue, pink = blue * keep + drop * (16 + 5 * bench.speckle(1.5)), pink * keep
        pink = np.maximum(pink, 120 * wall * (along < tall)) + drop * (14 + 7 * bench.speckle(1.6))
        mucus = mucus * keep + drop * np.clip(140 + 34 * bench.speckle(1.6), 30, 255)
    return blue.astype(np.float32), pink.astype(np.float32), mucus.astype(np.float32), keep


def _red_cell(kind: Kind, angle: int, pixel_um: float, seed: list[int]) -> _Drawn:
    """A red blood cell, paler in its middle."""
    chance = np.random.default_rng([*seed, 1])
    bench = _bench(angle, (-4.5, 4.5), 9, pixel_um, seed)
    outside = bench.ellipse(0, 6.6 * chance.uniform(0.9, 1.1), 6.2 * chance.uniform(0.75, 1.05))
    pink = bench.cover(outside) * np.clip(238 - 34 * np.exp(-((outside + 3) ** 2) / 1.6), 0, 255)
    nothing = np.zeros_like(pink)
    return nothing, pink, nothing, None


def _mucus(kind: Kind, angle: int, pixel_um: float, seed: list[int]) -> _Drawn:
    """A pale thread of secretion in a lumen."""
    bench = _bench(angle, (-12.0, 12.0), 14, pixel_um, seed)
    thread = np.abs(bench.across + 2.2 * np.sin(bench.along * 0.35 + seed[-1])) - 1.6
    ends = np.clip((12 - np.abs(bench.along)) / 6, 0, 1)
    body = bench.cover(thread, 1.6) * ends * np.clip(0.6 + 0.4 * bench.speckle(1.5), 0, 1)
    return body * 22, body * 26, body * 90, None


_HANDS = {
    Kind.COLLAGEN: _fibre,
    Kind.WISP: _fibre,
    Kind.MUSCLE: _fibre,
    Kind.MURAL: _fibre,
    Kind.COLUMNAR: _epithelium,
    Kind.CUBOIDAL: _epithelium,
    Kind.GOBLET: _epithelium,
    Kind.RED_CELL: _red_cell,
    Kind.MUCUS: _mucus,
}
"""Who draws what is not simply a nucleus."""
