"""The whole glass as the scanner's overview camera sees it, and the label that is stuck on it."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from slides.drawing.stains import Pixels

LABEL_SIZE = (387, 463)
MACRO_SIZE = (1280, 431)
"""Width and height in pixels, as an AT2 scanner makes them."""


_RING, _DOTS = "\N{COMBINING RING ABOVE}", "\N{COMBINING DIAERESIS}"
_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_Ink = tuple[int, int, int]


@dataclass(frozen=True)
class Label:
    """What is printed on a label. Everybody on it is made up.

    Attributes:
        person: a name.
        lid: the laboratory's number of the glass.
        stain: short name.
        laboratory: as printed in the top line.
    """

    person: str
    lid: str
    stain: str
    laboratory: str = "Patologi · DEMO"


def draw_label(label: Label) -> Pixels:
    """The printed label: uint8, shape (463, 387, 3), sRGB."""
    width, height = LABEL_SIZE
    paper = Image.new("RGB", LABEL_SIZE, (246, 245, 240))
    pen = ImageDraw.Draw(paper)
    ink = (24, 24, 30)
    _write(pen, (24, 22), label.laboratory, ImageFont.load_default(26), ink)
    pen.line((24, 62, width - 24, 62), fill=ink, width=2)
    _write(pen, (24, 78), label.lid, _fitting(label.lid, width - 48, 46), ink)
    _write(pen, (24, 140), label.person, _fitting(label.person, width - 48, 36), ink)
    _write(pen, (24, 196), label.stain, ImageFont.load_default(34), ink)
    _pattern(pen, (width - 24 - 20 * 9, height - 30 - 20 * 9), 9, label.lid, ink)
    return np.asarray(paper)


def _write(pen: ImageDraw.ImageDraw, corner: tuple[int, int], text: str, font: _Font, ink: _Ink) -> None:
    """Write a line. Pillow's own font has no å, ä and ö: their rings and dots are drawn over a and o."""
    x, y = corner
    letters = unicodedata.normalize("NFD", text)
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    pen.text(corner, plain, fill=ink, font=font)
    before = 0
    for letter in letters:
        if not unicodedata.combining(letter):
            before += 1
            continue
        left, right = font.getlength(plain[: before - 1]), font.getlength(plain[:before])
        middle, size = x + (left + right) / 2, font.getlength("o") / 8
        top = y + font.getbbox(plain[before - 1])[1] - 3.1 * size
        if letter == _RING:
            pen.ellipse((middle - 1.6 * size, top - 1.6 * size, middle + 1.6 * size, top + 1.6 * size), None, ink, 2)
        for side in (-1.7 * size, 1.7 * size) if letter == _DOTS else ():
            pen.ellipse((middle + side - size, top - size, middle + side + size, top + size), fill=ink)


def _fitting(text: str, width: int, size: int) -> _Font:
    """The largest type up to `size` in which the text is no wider than `width`."""
    font = ImageFont.load_default(size)
    while size > 14 and font.getlength(text) > width:
        size -= 2
        font = ImageFont.load_default(size)
    return font


def _pattern(
    pen: ImageDraw.ImageDraw, corner: tuple[int, int], side: int, text: str, ink: tuple[int, int, int]
) -> None:
    """Something that looks like a Data Matrix; it says nothing."""
    cells = np.random.default_rng(list(text.encode())).random((20, 20)) < 0.5
    cells[:, 0], cells[-1] = True, True
    cells[0, ::2], cells[0, 1::2] = True, False
    cells[1::2, -1], cells[::2, -1] = True, False
    for row, column in np.argwhere(cells):
        x, y = corner[0] + int(column) * side, corner[1] + int(row) * side
        pen.rectangle((x, y, x + side - 1, y + side - 1), fill=ink)


def draw_macro(label: Pixels, thumbnail: Pixels) -> Pixels:
    """The whole glass, label to the left, the tissue where it was scanned.

    The tissue is shown larger than true to scale, so that it is seen.

    Args:
        label: uint8 (h, w, 3), as `draw_label` returns it.
        thumbnail: uint8 (h, w, 3), the whole scanned area.

    Returns:
        uint8, shape (431, 1280, 3), sRGB.
    """
    width, height = MACRO_SIZE
    column, row = np.arange(width)[None, :], np.arange(height)[:, None]
    light = 236 - 7 * ((column / width - 0.6) ** 2 + (row / height - 0.5) ** 2)
    edge = np.minimum(np.minimum(row, height - 1 - row), width - 1 - column)
    light = light - 70 * np.exp(-(((edge - 7) / 2.5) ** 2)) - 24 * (edge < 4)
    noise = np.random.default_rng(5).normal(0, 1.6, (height, width))
    shown = np.clip(np.stack([light + noise, light + noise, light + 2 + noise], axis=-1), 0, 255).astype(np.uint8)
    glass = Image.fromarray(shown)
    sticker = Image.fromarray(label)
    sticker.thumbnail((370, height - 24))
    glass.paste(sticker, (10, (height - sticker.height) // 2))
    section = Image.fromarray(thumbnail)
    section.thumbnail((760, height - 90))
    left = 420 + (width - 420 - 30 - section.width) // 2
    top = (height - section.height) // 2
    around = glass.crop((left, top, left + section.width, top + section.height))
    darker = np.minimum(np.asarray(section), 240).astype(np.float32) / 240
    glass.paste(Image.fromarray((np.asarray(around) * darker).astype(np.uint8)), (left, top))
    return np.asarray(glass)
