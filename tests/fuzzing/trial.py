"""What must be true of every file, however broken: a finding in a sentence, or a slide right to its last tile."""

from __future__ import annotations

import gc
import io
import logging
import os
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from fuzzing.cases import FIRST_NAME
from images.scanners import NAME
from PIL import Image

from slides.errors import SlideError
from slides.files import find_slides
from slides.inspection import inspect
from slides.opening import open_slide
from slides.preview import draw_macro, draw_thumbnail
from tiler.building import build
from tiler.live import LiveTiles
from tiler.pyramid import Pyramid

MOST_TILES = 3000
"""Of a pyramid that are decoded one by one."""
_NAMES = (*NAME.split(), *FIRST_NAME.split(), "/tmp", ".svs", ".tif", ".scn", ".dcm")  # noqa: S108
_PYRAMID = "pyramid"


class Broken(Exception):
    """Something that must be true is not, said in a line or a traceback."""


def try_slide(path: Path, scratch: Path) -> str:
    """Put one slide through everything that happens to an original.

    Args:
        path: of the slide, alone in its folder.
        scratch: empty folder to write in, on the same disk.

    Returns:
        The finding's code, or "SOUND".

    Raises:
        Broken: see the module.
    """
    return watch(lambda: _through_everything(path, scratch))


def watch(what: Callable[[], str]) -> str:
    """Do something, and listen for what it must not say, raise or leave behind. Raises Broken."""
    before = _descriptors()
    heard = _Listener()
    logging.getLogger().addHandler(heard)
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            result = what()
    except SlideError as error:
        raise Broken(f"An inspected slide was refused afterwards: {error}\n{_trace(error)}") from error
    except Broken:
        raise
    except BaseException as error:
        raise Broken(f"{type(error).__name__} instead of a sentence:\n{_trace(error)}") from error
    finally:
        logging.getLogger().removeHandler(heard)
    for words in (*heard.words, *(str(warning.message) for warning in warned)):
        _require_no_name(words)
    if _descriptors() > before:
        gc.collect()  # what an error of another's library still holds in a circle
    if left := _descriptors() - before:
        raise Broken(f"{left} files were left open.")
    return result


def _through_everything(path: Path, scratch: Path) -> str:
    found = _search(path)
    if found:
        return found
    inspection = inspect(path)
    if inspection.finding is not None:
        _require_sentence(inspection.finding.sentence)
        return inspection.finding.code
    with open_slide(path) as slide:
        try:
            pictures = [draw_thumbnail(slide), draw_macro(slide)]
        except SlideError as error:
            _require_sentence(str(error))
            return error.code
        for picture in pictures:
            if picture is not None:
                Image.open(io.BytesIO(picture)).load()
        with (scratch / _PYRAMID).open("w+b") as file:
            build(slide, file)
        _require_right(slide.size.width, slide.size.height, scratch / _PYRAMID)
        live = LiveTiles(slide)
        _shown(live.tile(live.grid.depth, 0, 0), live.grid.tile)
    return "SOUND"


def _search(path: Path) -> str | None:
    """What `find_slides` says when it is given the folder: it reads headers too."""
    try:
        find_slides(path.parent)
    except SlideError as error:
        _require_sentence(str(error))
        return error.code
    return None


def _require_right(width: int, height: int, path: Path) -> None:
    pyramid = Pyramid(path)
    try:
        grid = pyramid.grid
        if (grid.size.width, grid.size.height) != (width, height):
            raise Broken(f"The pyramid has {grid.size}, the slide {width} x {height} px.")
        tiles = [
            (halvings, column, row)
            for halvings in range(grid.depth, -1, -1)
            for row in range(min(grid.rows(halvings), MOST_TILES))
            for column in range(min(grid.columns(halvings), MOST_TILES))
        ]
        for halvings, column, row in tiles[:MOST_TILES]:
            _shown(pyramid.tile(halvings, column, row), grid.tile)
    finally:
        pyramid.close()


def _shown(tile: bytes, side: int) -> None:
    """Decode a tile as somebody else does."""
    try:
        image = Image.open(io.BytesIO(tile))
        image.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise Broken(f"A tile of the pyramid cannot be decoded by Pillow: {error}") from error
    if image.size != (side, side):
        raise Broken(f"A tile of the pyramid has {image.size} px, not {side}.")
    if np.asarray(image.convert("RGB")).shape != (side, side, 3):
        raise Broken("A tile of the pyramid is neither colour nor grey.")


def _require_sentence(text: str) -> None:
    if not (text[:1].isupper() and text.endswith(".") and len(text) < 400 and text.isprintable()):
        raise Broken(f"No sentence: {text!r}")
    _require_no_name(text)


def _require_no_name(words: str) -> None:
    for name in _NAMES:
        if name in words:
            raise Broken(f"A name is told ({name}): {words}")


class _Listener(logging.Handler):
    """Keeps what libraries write to the log."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.words.append(record.getMessage())


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - no Path lists its own descriptor


def _trace(error: BaseException) -> str:
    """The innermost calls, without the errors that led to this one."""
    return "".join(traceback.format_exception(error, limit=-6, chain=False))
