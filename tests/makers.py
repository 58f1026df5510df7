"""What the tests are made of: folders, small slides good and bad, and a way to wait for things."""

from __future__ import annotations

import asyncio
import io
import shutil
import tempfile
import time
import zlib
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

from viewer.embedded.addresses import socket_folder

_T = TypeVar("_T")
TILE = 256
SPACING = 0.5


@contextmanager
def folder_for_everyone() -> Iterator[Path]:
    """A folder that PostgreSQL's account can reach too, which pytest's own folders do not let it."""
    folder = Path(tempfile.mkdtemp(prefix="samsyn-"))
    try:
        folder.chmod(0o711)
        yield folder
    finally:
        # Where the path was too long or too odd, the sockets lie elsewhere.
        for data in (folder, folder / "data"):
            shutil.rmtree(socket_folder(data), ignore_errors=True)
        shutil.rmtree(folder)


def wait_for(what: Callable[[], bool], *, within_s: float = 10.0, every_s: float = 0.02) -> None:
    """Wait until something is so, or fail."""
    deadline = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(every_s)


def run_apart(work: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine in a thread of its own: the browser's tests may have a loop running in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def write_good_slide(path: Path, *, width: int = 1300, height: int = 900, seed: int = 1) -> Path:
    """An Aperio slide of two stored levels with a macro image; the patient on its label does not exist.

    Every seed gives other content, hence another digest.
    """
    picture = _draw(width, height, seed)
    with tifffile.TiffWriter(path) as file:
        for level in (picture, picture[::4, ::4]):
            rows, columns = level.shape[:2]
            file.write(
                _encode_tiles(level),
                shape=level.shape,
                dtype=np.uint8,
                tile=(TILE, TILE),
                photometric="ycbcr",
                subsampling=(2, 2),
                compression="jpeg",
                description=f"Aperio Image Library v12.0.0\r\n{columns}x{rows} JPEG|AppMag = 20|MPP = {SPACING}",
                metadata=None,
            )
        macro = _draw(640, 280, seed + 1)
        file.write(
            macro,
            photometric="rgb",
            description="Aperio Image Library v12.0.0\r\nmacro 640x280",
            metadata=None,
        )
    return path


def write_copy(slide: Path, path: Path, number: int) -> Path:
    """The same slide to look at, of other content: something stands behind its last byte."""
    path.write_bytes(slide.read_bytes() + number.to_bytes(4, "little"))
    return path


def write_slow_slide(path: Path, *, side: int = 6144) -> Path:
    """A slide whose every tile must be encoded again, so that its pyramid takes seconds; a small file all the same."""
    tile = zlib.compress(_draw(TILE, TILE, 7).tobytes())
    count = (side // TILE) ** 2
    tifffile.imwrite(
        path,
        iter([tile] * count),
        shape=(side, side, 3),
        dtype=np.uint8,
        tile=(TILE, TILE),
        photometric="rgb",
        compression="adobe_deflate",
        metadata=None,
    )
    return path


def write_broken_slide(path: Path) -> Path:
    """The good slide cut off within its full resolution, as an aborted copy leaves it, its directories in front."""
    whole = write_good_slide(path, seed=23).read_bytes()
    with tifffile.TiffFile(path) as file:
        level = file.pages.first
        last = max(range(len(level.dataoffsets)), key=lambda index: level.dataoffsets[index])
        at, count = level.dataoffsets[last], level.databytecounts[last]
    path.write_bytes(whole[:at] + bytes(count) + whole[at + count :])
    return path


def write_no_slide(path: Path) -> Path:
    """A text that somebody gave a slide's suffix."""
    path.write_text("This is not a slide.\n" * 100)
    return path


def decode(jpeg: bytes) -> npt.NDArray[np.uint8]:
    """A JPEG's pixels: uint8, shape (height, width, 3), RGB."""
    with Image.open(io.BytesIO(jpeg)) as image:
        return np.asarray(image.convert("RGB"))


def _draw(width: int, height: int, seed: int) -> npt.NDArray[np.uint8]:
    """uint8, shape (height, width, 3): slopes with blobs, so that no two tiles are alike."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    picture = np.stack([x * 200 / width, y * 200 / height, (x + y) % 256], axis=-1)
    for _ in range(12):
        at_x, at_y, radius = random.integers(0, width), random.integers(0, height), random.integers(20, 90)
        picture[(x - at_x) ** 2 + (y - at_y) ** 2 < radius**2] = random.integers(0, 255, 3)
    drawn: npt.NDArray[np.uint8] = picture.clip(0, 255).astype(np.uint8)
    return drawn


def _encode_tiles(picture: npt.NDArray[np.uint8]) -> Iterator[bytes]:
    height, width = picture.shape[:2]
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            part = picture[top : top + TILE, left : left + TILE]
            padding = ((0, TILE - part.shape[0]), (0, TILE - part.shape[1]), (0, 0))
            buffer = io.BytesIO()
            Image.fromarray(np.pad(part, padding, mode="edge")).save(buffer, "JPEG", quality=85, subsampling=2)
            yield buffer.getvalue()
