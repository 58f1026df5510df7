"""Any rectangle of a made-up section, drawn on its own and without seams."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from slides.drawing import breast, colon
from slides.drawing.noise import Floats, scattered, torus
from slides.drawing.plan import CELL_UM, Plan
from slides.drawing.stains import Pixels, Stain
from slides.drawing.stamps import ANGLES, MARKED, REACH_UM, VARIANTS, Kind, Stamp, stamp
from slides.errors import OutsideSlide
from slides.geometry import Region, Size

Organ = Literal["colon biopsies", "colon wall", "breast"]

_ORGANS: dict[str, Callable[[float, float, np.random.Generator], Plan]] = {
    "colon biopsies": colon.biopsies,
    "colon wall": colon.wall,
    "breast": breast.breast,
}
_BLOCK = 1024
"""Side of what is drawn at a time: memory stays near 20 MB and the canvas within the processor's cache."""
_FIBRE_PITCH_UM = 9.0
_NUCLEUS_PITCH_UM = 6.6
_NUCLEUS_REACH_UM = 12.0
_FAT_PITCH_UM = 62.0
_FAT_ROUND_UM = 2.5
_GRAIN = 512


class Tissue:
    """A section on glass that exists only as its seed, until a rectangle of it is drawn.

    Everything drawn is set down at its own place by a rule that looks at that place alone, so neighbouring
    rectangles fit to the pixel and may be drawn in different processes.
    """

    def __init__(
        self, size: Size, seed: int, stain: Stain, organ: Organ = "colon biopsies", spacing_um: float = 0.25
    ) -> None:
        """Plan the section. Takes a second or two for 15 mm² of glass.

        Args:
            size: of the whole slide at full resolution.
            seed: another number is another patient.
            spacing_um: side of a pixel, 0.1 … 1.
        """
        if not 0.1 <= spacing_um <= 1:
            raise ValueError(f"Tissue is drawn at 0.1 to 1 µm per pixel, not {spacing_um}.")
        self.size, self.seed, self.stain, self.organ, self.spacing_um = size, seed, stain, organ, spacing_um
        rng = np.random.default_rng(seed)
        self._plan = _ORGANS[organ](size.width * spacing_um, size.height * spacing_um, rng)
        self._salt = seed * 64
        self._bounds = np.array([marks.bounds() for marks in self._plan.structures], np.float64).reshape(-1, 4)
        # The ground is worked out once a micrometre and stretched: nothing in it is finer.
        self._step = max(round(1 / spacing_um), 1)
        self._edge, self._grain, self._sensor = _textures(spacing_um)

    def __reduce__(self) -> tuple[type[Tissue], tuple[object, ...]]:
        """Travel to another process as the recipe, not as the plan."""
        return Tissue, (self.size, self.seed, self.stain, self.organ, self.spacing_um)

    def draw(self, region: Region, downsample: int = 1) -> Pixels:
        """Draw a rectangle.

        Args:
            region: in pixels of the plane whose sides are those of the slide divided by `downsample`,
                rounded down.
            downsample: 1 for full resolution; otherwise each pixel is the mean of a square of this side.

        Returns:
            uint8, shape (region.height, region.width, 3), sRGB.

        Raises:
            OutsideSlide: part of the rectangle lies outside that plane.
        """
        plane = Size(self.size.width // downsample, self.size.height // downsample)
        if not region.inside(plane):
            raise OutsideSlide(f"A rectangle up to {region.right}, {region.bottom} was asked of {plane}.")
        pixels = np.empty((region.height, region.width, 3), np.uint8)
        side = max(_BLOCK // downsample, 1)
        for y in range(0, region.height, side):
            for x in range(0, region.width, side):
                part = pixels[y : y + side, x : x + side]
                height, width = part.shape[0] * downsample, part.shape[1] * downsample
                full = self._drawn((region.x + x) * downsample, (region.y + y) * downsample, width, height)
                part[:] = averaged(full, downsample)
        return pixels

    def _drawn(self, x: int, y: int, width: int, height: int) -> Pixels:
        """One block at full resolution."""
        um = self.spacing_um
        window = (x * um, y * um, (x + width) * um, (y + height) * um)
        canvas = np.zeros((3, height, width), np.uint8)
        if self._anything(window):
            self._lay_ground(canvas, x, y)
            self._scatter_fibres(canvas, x, y, window)
            self._lay_fat(canvas, x, y)
            self._scatter_nuclei(canvas, x, y, window)
            meets = (self._bounds[:, 0] < window[2]) & (self._bounds[:, 2] > window[0])
            meets &= (self._bounds[:, 1] < window[3]) & (self._bounds[:, 3] > window[1])
            for index in np.flatnonzero(meets):
                marks = self._plan.structures[index]
                self._set_down(canvas, x, y, marks.kind, marks.angle, marks.variant, marks.place)
            self._grain_over(canvas, x, y)
        rows, columns = np.arange(y, y + height) % _GRAIN, np.arange(x, x + width) % _GRAIN
        sensor = self._sensor[:, rows[:, None], columns[None, :]]
        np.minimum(canvas, 247, out=canvas)
        canvas += sensor
        return self.stain.colour(canvas)

    def _anything(self, window: tuple[float, float, float, float]) -> bool:
        """Whether anything but glass can show in a window (left, top, right, bottom in µm)."""
        reach = REACH_UM + 2 * CELL_UM
        corners = np.array([[window[0] - reach, window[1] - reach], [window[2] + reach, window[3] + reach]])
        columns, rows = self._plan.cells(corners)
        part = self._plan.inside[rows[0] : rows[1] + 1, columns[0] : columns[1] + 1]
        return bool((part > -45).any())

    # The ground: even dye under everything, and fat, which is mostly holes in it.

    def _lattice(self, x: int, y: int, width: int, height: int) -> tuple[Floats, Floats]:
        """Places in µm of the ground's own grid that cover a block: shapes (1, columns), (rows, 1)."""
        step = self._step
        columns = np.arange(x // step, (x + width - 1) // step + 2)
        rows = np.arange(y // step, (y + height - 1) // step + 2)
        scale = step * self.spacing_um
        return (columns * scale).astype(np.float32)[None, :], (rows * scale).astype(np.float32)[:, None]

    def _stretched(self, values: Pixels, x: int, y: int, width: int, height: int) -> Pixels:
        """Values on the lattice, brought to every pixel of the block by straight lines between them."""
        step = self._step
        coarse = values.astype(np.uint16)
        tall = np.empty(((coarse.shape[0] - 1) * step, coarse.shape[1]), np.uint16)
        for k in range(step):
            tall[k::step] = coarse[:-1] * (step - k) + coarse[1:] * k
        tall = tall[y % step : y % step + height]
        wide = np.empty((height, (coarse.shape[1] - 1) * step), np.uint16)
        for k in range(step):
            wide[:, k::step] = (tall[:, :-1] * (step - k) + tall[:, 1:] * k) // (step * step)
        return wide[:, x % step : x % step + width].astype(np.uint8)

    def _mapped(self, values: Floats, xs: Floats, ys: Floats) -> Floats:
        """A map of the plan at lattice places, straight lines between the cells' centres."""
        column = np.clip(xs[0] / CELL_UM - 0.5, 0, self._plan.columns - 1.001)
        row = np.clip(ys[:, 0] / CELL_UM - 0.5, 0, self._plan.rows - 1.001)
        left, top = column.astype(np.int64), row.astype(np.int64)
        beside = (column - left).astype(np.float32)[None, :]
        below = (row - top).astype(np.float32)[:, None]
        upper = values[top]
        mixed = upper + (values[top + 1] - upper) * below
        west = mixed[:, left]
        result: Floats = west + (mixed[:, left + 1] - west) * beside
        return result

    def _edge_at(self, xs: Floats, ys: Floats) -> Floats:
        """Unevenness of outlines in µm, one value a micrometre."""
        column, row = np.rint(xs[0]).astype(np.int64) % _GRAIN, np.rint(ys[:, 0]).astype(np.int64) % _GRAIN
        edge: Floats = self._edge[row[:, None], column[None, :]]
        return edge

    def _lay_ground(self, canvas: Pixels, x: int, y: int) -> None:
        height, width = canvas.shape[1:]
        xs, ys = self._lattice(x, y, width, height)
        edge = self._edge_at(xs, ys)
        there = np.clip((self._mapped(self._plan.inside, xs, ys) + edge) / 2.5 + 0.5, 0, 1)
        mottle = 1 + 0.02 * edge
        for plane, values in ((0, self._plan.blue), (1, self._plan.pink)):
            amount = np.clip(self._mapped(values, xs, ys) * mottle, 0, 240) * there
            canvas[plane] = self._stretched(amount.astype(np.uint8), x, y, width, height)

    def _fat(self, xs: Floats, ys: Floats) -> tuple[Floats, Floats]:
        """µm from the nearest wall between fat cells, and 1 where the place lies in a fat cell.

        Each fat cell is what lies nearest to its own centre, on a grid shaken by chance.
        """
        xs, ys = np.broadcast_arrays(xs, ys)
        column, row = np.floor(xs / _FAT_PITCH_UM).astype(np.int64), np.floor(ys / _FAT_PITCH_UM).astype(np.int64)
        low_column, low_row = int(column.min()) - 2, int(row.min()) - 2
        columns, rows = int(column.max()) - low_column + 3, int(row.max()) - low_row + 3
        grid_row, grid_column = (g.ravel() for g in np.mgrid[:rows, :columns])
        shake = scattered(grid_column + low_column, grid_row + low_row, self._salt + 3, 2)
        cx = (grid_column + low_column + 0.5 * (grid_row + low_row & 1) + 0.1 + 0.8 * shake[0]) * _FAT_PITCH_UM
        cy = (grid_row + low_row + 0.1 + 0.8 * shake[1]) * _FAT_PITCH_UM
        place = np.stack([cx, cy], axis=1)
        fatty = (self._plan.at(self._plan.fat, place) > 0.5) & (self._plan.at(self._plan.inside, place) > 26)
        cx, cy = cx.astype(np.float32), cy.astype(np.float32)
        index = (row - low_row) * columns + column - low_column
        around = [index + down * columns + right for down in range(-2, 3) for right in range(-2, 3)]
        distances = np.stack([np.hypot(xs - cx[i], ys - cy[i]) for i in around])
        nearest = distances.argmin(axis=0)
        first = distances.min(axis=0)
        belongs = fatty[np.choose(nearest, around)].astype(np.float32)
        # A plain second-nearest distance makes sharp corners; real vacuoles round them off.
        gap = (distances - first) / 2 + _FAT_ROUND_UM
        np.put_along_axis(gap, nearest[None], np.float32(1e6), axis=0)
        inverse = 1 / (gap * gap)
        soft = 1 / np.sqrt(np.sqrt((inverse * inverse).sum(axis=0)))
        return soft - _FAT_ROUND_UM, belongs

    def _lay_fat(self, canvas: Pixels, x: int, y: int) -> None:
        height, width = canvas.shape[1:]
        xs, ys = self._lattice(x, y, width, height)
        if not (self._mapped(self._plan.fat, xs[:, ::8], ys[::8]) > 0.02).any():
            return
        warp = 0.16 * self._edge_at(xs, ys)
        wall, belongs = self._fat(xs + warp, ys - warp)
        vacuole = np.clip((wall - 1.1) / 1.2 + 0.5, 0, 1) * belongs
        keep = self._stretched((255 * (1 - vacuole)).astype(np.uint8), x, y, width, height)
        membrane = np.clip(1.7 - np.abs(wall - 0.5), 0, 1) * belongs
        pink = self._stretched((96 * membrane).astype(np.uint8), x, y, width, height)
        np.minimum(canvas, keep, out=canvas)
        np.maximum(canvas[1], pink, out=canvas[1])

    # Fibres and free nuclei: one chance for each place of a fine grid.

    def _chances(
        self, window: tuple[float, float, float, float], pitch: float, reach: float, salt: int
    ) -> tuple[npt.NDArray[np.float64], Floats]:
        """Places in µm around a window, in a fixed order, and six numbers between 0 and 1 for each."""
        columns = np.arange(int((window[0] - reach) // pitch), int((window[2] + reach) // pitch) + 1)
        rows = np.arange(int((window[1] - reach) // pitch), int((window[3] + reach) // pitch) + 1)
        row, column = (g.ravel() for g in np.meshgrid(rows, columns, indexing="ij"))
        draws = scattered(column, row, self._salt + salt, 8)
        place = np.stack([(column + draws[0]) * pitch, (row + draws[1]) * pitch], axis=1).astype(np.float64)
        within = self._plan.at(self._plan.inside, place) > -2
        return place[within], draws[2:, within]

    def _scatter_fibres(self, canvas: Pixels, x: int, y: int, window: tuple[float, float, float, float]) -> None:
        place, chance = self._chances(window, _FIBRE_PITCH_UM, REACH_UM, 1)
        if not len(place):
            return
        plan = self._plan
        wisp, collagen, muscle = (plan.at(m, place) for m in (plan.wisp, plan.collagen, plan.muscle))
        steps = np.cumsum([muscle, collagen, wisp], axis=0)
        kind = np.select([chance[0] < step for step in steps], [Kind.MUSCLE, Kind.COLLAGEN, Kind.WISP], 0)
        stray = (chance[1] + chance[2] - 1) * 2 * plan.at(plan.scatter, place)
        angle = np.rint((plan.at(plan.angle, place) + stray) / (2 * np.pi) * ANGLES).astype(np.int64) % ANGLES
        chosen = kind > 0
        variant = (chance[3] * VARIANTS).astype(np.int64)
        self._set_down(canvas, x, y, kind[chosen], angle[chosen], variant[chosen], place[chosen])

    def _scatter_nuclei(self, canvas: Pixels, x: int, y: int, window: tuple[float, float, float, float]) -> None:
        place, chance = self._chances(window, _NUCLEUS_PITCH_UM, _NUCLEUS_REACH_UM, 2)
        if not len(place):
            return
        plan = self._plan
        maps = (plan.blast, plan.lymphocyte, plan.plasma, plan.spindle)
        steps = np.cumsum([plan.at(m, place) for m in maps], axis=0)
        plasma = np.where(chance[5] < 0.08, Kind.EOSINOPHIL, Kind.PLASMA_CELL)
        kinds = [np.full(len(place), Kind.BLAST), np.full(len(place), Kind.LYMPHOCYTE), plasma]
        kind = np.select([chance[0] < s for s in steps], [*kinds, np.full(len(place), Kind.SPINDLE)], 0)
        turn = np.where(
            kind == Kind.SPINDLE,
            plan.at(plan.angle, place) + (chance[1] + chance[2] - 1) * plan.at(plan.scatter, place),
            2 * np.pi * chance[1],
        )
        angle = np.rint(turn / (2 * np.pi) * ANGLES).astype(np.int64) % ANGLES
        variant = (chance[3] * VARIANTS).astype(np.int64)
        variant += MARKED * (chance[4] < plan.at(plan.dividing, place))
        chosen = np.flatnonzero(kind > 0)
        if plan.at(plan.fat, place[chosen]).any():
            _, in_fat = self._fat(place[chosen, 0].astype(np.float32), place[chosen, 1].astype(np.float32))
            chosen = chosen[in_fat == 0]
        self._set_down(canvas, x, y, kind[chosen], angle[chosen], variant[chosen], place[chosen])

    def _set_down(
        self,
        canvas: Pixels,
        x: int,
        y: int,
        kind: npt.NDArray[np.int64],
        angle: npt.NDArray[np.int64],
        variant: npt.NDArray[np.int64],
        place: npt.NDArray[np.float64],
    ) -> None:
        """Set stamps down on a block whose corner is x, y, in the order given."""
        spot = np.rint(place / self.spacing_um).astype(np.int64) - (x, y)
        reach = (
            int(np.ceil(np.where(kind == Kind.HOLE, variant + 2, REACH_UM).max() / self.spacing_um)) if len(kind) else 0
        )
        height, width = canvas.shape[1:]
        near = (spot > -reach).all(axis=1) & (spot[:, 0] < width + reach) & (spot[:, 1] < height + reach)
        chosen = zip(
            kind[near].tolist(), angle[near].tolist(), variant[near].tolist(), spot[near].tolist(), strict=True
        )
        um, mucin = self.spacing_um, not self.stain.marker
        for what, turn, which, (column, row) in chosen:
            _press(canvas, stamp(what, turn, which, um, mucin=mucin), column, row)

    def _grain_over(self, canvas: Pixels, x: int, y: int) -> None:
        """Give every dye the unevenness that real sections have."""
        height, width = canvas.shape[1:]
        rows, columns = np.arange(y, y + height) % _GRAIN, np.arange(x, x + width) % _GRAIN
        grain = self._grain[rows[:, None], columns[None, :]]
        for plane in (0, 1):
            canvas[plane] = np.minimum(canvas[plane] * grain >> 7, 255)


@cache
def _textures(spacing_um: float) -> tuple[Floats, npt.NDArray[np.uint16], Pixels]:
    """Noise that repeats every 512: of outlines in µm, of dye amounts (128 is even), of the sensor (3 planes)."""
    noise = np.random.default_rng(1)
    edge = 7 * torus(_GRAIN, 14, noise) + 3 * torus(_GRAIN, 4, noise)
    fine = 0.055 * torus(_GRAIN, 0.8 / spacing_um, noise) + 0.045 * torus(_GRAIN, 5 / spacing_um, noise)
    grain = np.clip(128 * (1 + fine), 60, 200).astype(np.uint16)
    return edge, grain, np.clip(noise.normal(2.2, 1.8, (3, _GRAIN, _GRAIN)), 0, 8).astype(np.uint8)


def _press(canvas: Pixels, what: Stamp, column: int, row: int) -> None:
    """Set one stamp down with its place at a pixel, as much of it as the block holds."""
    left, top = column - what.half_width, row - what.half_height
    right, bottom = column + what.half_width + 1, row + what.half_height + 1
    if left >= canvas.shape[2] or top >= canvas.shape[1] or right <= 0 or bottom <= 0:
        return
    cut_left, cut_top = max(-left, 0), max(-top, 0)
    there = canvas[:, max(top, 0) : bottom, max(left, 0) : right]
    cut = slice(cut_top, cut_top + there.shape[1]), slice(cut_left, cut_left + there.shape[2])
    if what.keep is not None:
        np.minimum(there, what.keep[cut], out=there)
    if what.dyes is not None:
        np.maximum(there, what.dyes[:, cut[0], cut[1]], out=there)


def averaged(pixels: Pixels, by: int) -> Pixels:
    """Each square of `by` x `by` pixels as its mean: uint8 (h // by, w // by, 3). Sides are multiples."""
    if by == 1:
        return pixels
    height, width = pixels.shape[0] // by, pixels.shape[1] // by
    rows = pixels.reshape(height, by, width * by, 3).sum(axis=1, dtype=np.uint32)
    total = rows.reshape(height, width, by, 3).sum(axis=2, dtype=np.uint32)
    return np.asarray((total + by * by // 2) // (by * by), np.uint8)
