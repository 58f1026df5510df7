"""A small TIFF writer of its own: classic and BigTIFF, either byte order, every oddity that tests want.

Source: TIFF 6.0; BigTIFF (libtiff); TIFF Technical Note 1 (SubIFDs) and 2 (JPEGTables).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from images.codings import Coding, Order, abbreviated
from images.pictures import Pixels, padded

ASCII, SHORT, LONG, RATIONAL, UNDEFINED, IFD, LONG8, IFD8 = 2, 3, 4, 5, 7, 13, 16, 18
_FORMATS = {SHORT: "H", LONG: "I", RATIONAL: "I", IFD: "I", LONG8: "Q", IFD8: "Q"}
Value = bytes | Sequence[int]


@dataclass(frozen=True)
class Plane:
    """A level as it was written and as it must be read.

    Attributes:
        pixels: RGB that a right reader shows, without padding, white where nothing is stored.
        tile: (width, height) of its tiles.
        streams: as they lie in the file, row-major; empty where nothing is stored.
        tables: shared JPEG tables as they lie in the file.
    """

    pixels: Pixels
    tile: tuple[int, int]
    streams: tuple[bytes, ...]
    tables: bytes | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]

    @property
    def columns(self) -> int:
        """Tiles in a row."""
        return -(-self.size[0] // self.tile[0])


@dataclass
class Page:
    """A directory to be written.

    Attributes:
        tags: number to (type, values), those of the segments left out.
        segments: the streams of its tiles or strips.
        tiled: whether the segments are tiles.
        children: SubIFDs.
    """

    tags: dict[int, tuple[int, Value]]
    segments: Sequence[bytes]
    tiled: bool = True
    children: list[Page] = field(default_factory=list)


def tiled(
    pixels: Pixels,
    coding: Coding,
    *,
    tile: tuple[int, int] = (256, 256),
    order: Order = "<",
    sparse: frozenset[int] = frozenset(),
    shared: bool = True,
    padding: tuple[int, int, int] | None = None,
    stated: tuple[int, int] | None = None,
) -> tuple[Page, Plane]:
    """Cut a picture into tiles and encode them.

    Args:
        sparse: numbers of tiles that are not stored (byte count 0).
        shared: JPEG tables stand once in JPEGTables; otherwise in every stream.
        padding: of tiles at the edge; None repeats the last column and row.
        stated: (width, height) that the tags state instead of the true one (Philips).

    Returns:
        (the directory to write, what a reader must find).
    """
    height, width = pixels.shape[:2]
    columns, rows = -(-width // tile[0]), -(-height // tile[1])
    canvas = np.full((rows * tile[1], columns * tile[0], 3), 255, np.uint8)
    streams: list[bytes] = []
    tables: bytes | None = None
    for index in range(rows * columns):
        x, y = index % columns * tile[0], index // columns * tile[1]
        if index in sparse:
            streams.append(b"")
            continue
        part = padded(pixels[y : y + tile[1], x : x + tile[0]], tile[0], tile[1], padding)
        stream, seen = coding.encode(part, order)
        if coding.jpeg and shared:
            stream, tables = abbreviated(stream)
        streams.append(stream)
        canvas[y : y + tile[1], x : x + tile[0]] = seen
    tags: dict[int, tuple[int, Value]] = {
        256: (LONG, [(stated or (width, height))[0]]),
        257: (LONG, [(stated or (width, height))[1]]),
        258: (SHORT, [coding.bits] * coding.samples),
        259: (SHORT, [coding.compression]),
        262: (SHORT, [coding.photometric]),
        277: (SHORT, [coding.samples]),
        284: (SHORT, [1]),
        322: (SHORT, [tile[0]]),
        323: (SHORT, [tile[1]]),
    }
    if coding.subsampling:
        tags[530] = (SHORT, coding.subsampling)
    if coding.predictor != 1:
        tags[317] = (SHORT, [coding.predictor])
    if coding.samples in (2, 4):
        tags[338] = (SHORT, [2])  # unassociated alpha
    if tables:
        tags[347] = (UNDEFINED, tables)
    return Page(tags, streams), Plane(canvas[:height, :width], tile, tuple(streams), tables)


def stripped(pixels: Pixels, coding: Coding, *, rows: int | None = None, order: Order = "<") -> tuple[Page, Pixels]:
    """A picture in strips. Returns (the directory, RGB that a right reader shows)."""
    height, width = pixels.shape[:2]
    rows = rows or height
    made = [coding.encode(np.ascontiguousarray(pixels[y : y + rows]), order) for y in range(0, height, rows)]
    page, _ = tiled(pixels[:1, :1], coding, order=order, tile=(16, 16))
    for number in (322, 323, 347):
        page.tags.pop(number, None)
    page.tags |= {256: (LONG, [width]), 257: (LONG, [height]), 278: (LONG, [rows])}
    return Page(page.tags, [stream for stream, _ in made], tiled=False), np.vstack([seen for _, seen in made])


def text(words: str) -> tuple[int, Value]:
    """A tag's value of text."""
    return ASCII, words.encode("utf-8") + b"\0"


def resolution(per_unit: float, unit: int) -> dict[int, tuple[int, Value]]:
    """XResolution, YResolution and ResolutionUnit (2: inch, 3: centimetre)."""
    value = (RATIONAL, [round(per_unit * 1000), 1000])
    return {282: value, 283: value, 296: (SHORT, [unit])}


def write_tiff(path: Path, pages: Sequence[Page], *, order: Order = "<", big: bool = False) -> Path:
    """Write directories and their segments; returns `path`."""
    file = _File(order, big)
    link = 8 if big else 4
    for page in pages:
        at, end = file.page(page)
        struct.pack_into(order + ("Q" if big else "I"), file.data, link, at)
        link = end
    path.write_bytes(file.data)
    return path


class _File:
    def __init__(self, order: Order, big: bool) -> None:
        self.order, self.big, self.width = order, big, 8 if big else 4
        mark = b"II" if order == "<" else b"MM"
        self.data = bytearray(
            mark + struct.pack(order + ("HHHQ" if big else "HI"), *((43, 8, 0, 0) if big else (42, 0)))
        )

    def append(self, data: bytes) -> int:
        self.data += b"\0" * (-len(self.data) % 8)
        at = len(self.data)
        self.data += data
        return at

    def page(self, page: Page) -> tuple[int, int]:
        """Write one directory. Returns where it begins and where its link to the next lies."""
        long = LONG8 if self.big else LONG
        tags = dict(page.tags)
        offsets = [self.append(segment) if segment else 0 for segment in page.segments]
        tags[324 if page.tiled else 273] = (long, offsets)
        tags[325 if page.tiled else 279] = (LONG, [len(segment) for segment in page.segments])
        if page.children:
            tags[330] = (IFD8 if self.big else IFD, [self.page(child)[0] for child in page.children])
        entries = b""
        for number, (kind, value) in sorted(tags.items()):
            if isinstance(value, bytes):
                body, count = value, len(value)
            else:
                count = len(value) // 2 if kind == RATIONAL else len(value)
                body = struct.pack(f"{self.order}{len(value)}{_FORMATS[kind]}", *value)
            if len(body) > self.width:
                body = struct.pack(self.order + ("Q" if self.big else "I"), self.append(body))
            entries += struct.pack(self.order + ("HHQ" if self.big else "HHI"), number, kind, count)
            entries += body.ljust(self.width, b"\0")
        head = struct.pack(self.order + ("Q" if self.big else "H"), len(tags))
        at = self.append(head + entries + b"\0" * self.width)
        return at, at + len(head) + len(entries)
