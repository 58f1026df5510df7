"""Pictures in which every mistake shows: no two places alike, no axis exchangeable, each corner its own colour."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Pixels: TypeAlias = npt.NDArray[np.uint8]
"""uint8, shape (height, width, 3), RGB, top row first."""

CORNERS = ((220, 20, 30), (20, 190, 40), (30, 40, 210), (230, 210, 20))
"""RGB of the corner patches: top left, top right, bottom left, bottom right."""
LOUD = (255, 0, 255)
"""RGB of padding that must never be seen; no pixel of a picture comes near it."""


def picture(width: int, height: int, *, seed: int = 0) -> Pixels:
    """A gradient with waves, grain, coloured discs and a patch in every corner.

    Returns:
        uint8, shape (height, width, 3), the same for the same arguments.
    """
    return _drawn(width, height, seed).copy()


@lru_cache(maxsize=40)
def _drawn(width: int, height: int, seed: int) -> Pixels:
    lot = np.random.default_rng((seed, width, height))
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    image = np.stack(
        [
            80 + 120 * x / max(width - 1, 1),
            200 - 110 * y / max(height - 1, 1) + 12 * np.sin(x / 23),
            130 + 50 * np.sin(x / 37 + seed) * np.cos(y / 29),
        ],
        axis=2,
    )
    for _ in range(max(3, width * height // 30_000)):
        centre, radius = lot.uniform((0, 0), (width, height)), lot.uniform(3, 30)
        left, top = (max(0, int(c - radius)) for c in centre)
        box = np.s_[top : int(centre[1] + radius) + 1, left : int(centre[0] + radius) + 1]
        image[box][(x[box] - centre[0]) ** 2 + (y[box] - centre[1]) ** 2 < radius**2] = lot.uniform(30, 190, 3)
    image += lot.normal(0, 5, (height, width, 1)).astype(np.float32)
    side = max(1, min(width, height, 320) // 8)
    for number, colour in enumerate(CORNERS):
        rows = slice(height - side, height) if number >= 2 else slice(0, side)
        columns = slice(width - side, width) if number % 2 else slice(0, side)
        image[rows, columns] = colour
    pixels: Pixels = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    return pixels


def box_mean(pixels: Pixels, factor: int = 2, *, up: bool = True) -> npt.NDArray[np.float64]:
    """The mean of each `factor` x `factor` square, not rounded.

    Args:
        up: whether a part of a square at the right and bottom edge becomes a pixel of its own; the last column
            and row are repeated to fill it. Otherwise it is left out, as Aperio does.
    """
    height, width = pixels.shape[:2]
    if up:
        pixels = np.pad(pixels, ((0, -height % factor), (0, -width % factor), (0, 0)), mode="edge")
    rows, columns = max(1, pixels.shape[0] // factor), max(1, pixels.shape[1] // factor)
    whole = pixels[: rows * factor, : columns * factor].astype(np.float64)
    if whole.shape[0] < factor or whole.shape[1] < factor:
        return whole[:1, :1]
    means: npt.NDArray[np.float64] = whole.reshape(rows, factor, columns, factor, 3).mean(axis=(1, 3))
    return means


def reduced(pixels: Pixels, factor: int, *, up: bool = False) -> Pixels:
    """The picture `factor` times smaller."""
    return np.rint(box_mean(pixels, factor, up=up)).astype(np.uint8)


def psnr(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> float:
    """Peak signal-to-noise ratio in dB, pooled over all samples; infinite for equal pictures."""
    assert first.shape == second.shape, f"{first.shape} is compared with {second.shape}"
    mean = float(np.mean((first.astype(np.float64) - second.astype(np.float64)) ** 2))
    return float(10 * np.log10(255**2 / mean)) if mean else float("inf")


def padded(pixels: Pixels, width: int, height: int, colour: tuple[int, int, int] | None = None) -> Pixels:
    """The picture filled up to a size, by repeating its edges or with a colour."""
    missing = ((0, height - pixels.shape[0]), (0, width - pixels.shape[1]), (0, 0))
    if colour is None:
        return np.pad(pixels, missing, mode="edge")
    canvas = np.full((height, width, 3), colour, np.uint8)
    canvas[: pixels.shape[0], : pixels.shape[1]] = pixels
    return canvas
