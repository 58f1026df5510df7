"""The map of a section: what kind of tissue lies where, on a coarse grid over the whole slide."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from slides.drawing.noise import Floats
from slides.drawing.structures import Marks, Points

CELL_UM = 8.0
"""Side of one cell of the map; a slide of 5 x 4 mm has 300,000."""


@dataclass(eq=False)
class Plan:
    """A section before it is drawn. Every map is float32, shape (rows, columns), one value a cell.

    Attributes:
        inside: µm from the edge of the tissue, positive inside.
        pink, blue: even dye amount of the ground, 0 … 255.
        collagen, wisp, muscle: chance that a fibre lies at a place of the fibre grid.
        angle: direction of the fibres, radians.
        scatter: how far single fibres stray from it, radians.
        spindle, lymphocyte, plasma, blast: chance of a nucleus at a place of the nucleus grid.
        fat: 1 where fat cells lie.
        dividing: chance that a free nucleus carries the marker.
        structures: glands and vessels, set down over all this in their order.
    """

    rows: int
    columns: int
    structures: list[Marks] = field(default_factory=list)
    inside: Floats = field(init=False)
    pink: Floats = field(init=False)
    blue: Floats = field(init=False)
    collagen: Floats = field(init=False)
    wisp: Floats = field(init=False)
    muscle: Floats = field(init=False)
    angle: Floats = field(init=False)
    scatter: Floats = field(init=False)
    spindle: Floats = field(init=False)
    lymphocyte: Floats = field(init=False)
    plasma: Floats = field(init=False)
    blast: Floats = field(init=False)
    fat: Floats = field(init=False)
    dividing: Floats = field(init=False)

    MAPS = (
        "inside", "pink", "blue", "collagen", "wisp", "muscle", "angle", "scatter",
        "spindle", "lymphocyte", "plasma", "blast", "fat", "dividing",
    )  # fmt: skip

    def __post_init__(self) -> None:
        for name in self.MAPS:
            setattr(self, name, np.zeros((self.rows, self.columns), np.float32))
        self.inside -= 1000.0

    @classmethod
    def over(cls, width_um: float, height_um: float) -> Plan:
        """An empty plan that covers a slide of this size."""
        return cls(int(height_um / CELL_UM) + 2, int(width_um / CELL_UM) + 2)

    def centres(self) -> tuple[Floats, Floats]:
        """x and y of every cell's centre in µm: shapes (1, columns) and (rows, 1)."""
        x = (np.arange(self.columns, dtype=np.float32) + 0.5) * CELL_UM
        y = (np.arange(self.rows, dtype=np.float32) + 0.5) * CELL_UM
        return x[None, :], y[:, None]

    def paint(self, where: Floats, **values: float | Floats) -> None:
        """Blend values into maps: `where` is the share of the new value, 0 … 1, shape (rows, columns)."""
        for name, value in values.items():
            below: Floats = getattr(self, name)
            below += (np.asarray(value, np.float32) - below) * where

    def at(self, values: Floats, place: Points) -> Floats:
        """A map's value at places in µm (the cell that holds each): shape (n,)."""
        column, row = self.cells(place)
        return values[row, column]

    def cells(self, place: Points) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Column and row of the cell that holds each place, the nearest for places off the map."""
        column = np.clip(np.floor(place[:, 0] / CELL_UM), 0, self.columns - 1).astype(np.int64)
        row = np.clip(np.floor(place[:, 1] / CELL_UM), 0, self.rows - 1).astype(np.int64)
        return column, row


def soft(distance_um: Floats, blur_um: float) -> Floats:
    """1 where positive, 0 where negative, gradual over `blur_um`."""
    return np.asarray(np.clip(0.5 + distance_um / blur_um, 0, 1), np.float32)
