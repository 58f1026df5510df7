"""Chance that always falls the same way: for a place on the slide, for a map, for a texture.

Everything drawn asks here, so that a drawing depends on its seed and the place alone, never on which
rectangle is drawn or in what order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Floats = npt.NDArray[np.floating[Any]]
"""Mostly float32: twice the speed, and far finer than a dye amount."""
Ints = npt.NDArray[np.int64]

_STEP = np.uint64(0x9E3779B97F4A7C15)


def scattered(columns: Ints, rows: Ints, salt: int, draws: int) -> Floats:
    """Numbers between 0 and 1 for each cell of an endless grid.

    Returns:
        float32, shape (draws, number of cells). Source: SplitMix64 (Steele, Lea and Flood, 2014), used as
        a hash of the cell's place.
    """
    state = columns.astype(np.uint64) * np.uint64(0xD1342543DE82EF95)
    state ^= rows.astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F)
    state += np.uint64(salt * 0xA24BAED4963EE407 % 2**64)
    numbers = np.empty((draws, len(state)), np.float32)
    for draw in range(draws):
        state += _STEP
        mixed = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        # 24 bits are what a float32 between 0 and 1 holds without ever rounding up to 1.
        numbers[draw] = ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(40)).astype(np.float32) / (1 << 24)
    return numbers


def cloud(height: int, width: int, grain: float, rng: np.random.Generator, octaves: int = 1) -> Floats:
    """Smooth hills and valleys about `grain` cells wide: float32 (height, width), mean near 0, spread near 1."""
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        cell = max(grain / 2**octave, 1.0)
        rows, columns = int(height / cell) + 3, int(width / cell) + 3
        seeds = Image.fromarray(rng.standard_normal((rows, columns)).astype(np.float32))
        box = (1.0, 1.0, 1.0 + width / cell, 1.0 + height / cell)
        total += np.asarray(seeds.resize((width, height), Image.Resampling.BICUBIC, box=box)) * 1.5 / 2**octave
    return total


def torus(side: int, grain: float, rng: np.random.Generator) -> Floats:
    """A square of smooth noise that continues at its own opposite edge: float32, mean 0, spread 1."""
    frequency = np.fft.fftfreq(side)
    squared = frequency[:, None] ** 2 + frequency[None, :] ** 2
    spectrum = np.fft.fft2(rng.standard_normal((side, side))) * np.exp(-squared * (np.pi * grain) ** 2 / 2)
    spectrum[0, 0] = 0
    field = np.fft.ifft2(spectrum).real
    return np.asarray(field / field.std(), np.float32)
