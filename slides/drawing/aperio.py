"""A drawn section as an Aperio SVS file, laid out as the scanner writes it.

Page order, descriptions and tags follow files from an AT2 (classic pages: base, thumbnail, lower levels,
label, macro) and TIFF 6.0 with Technical Note 2 for JPEG.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, ImageCms

from slides import jpeg
from slides.drawing.glass import Label, draw_label, draw_macro
from slides.drawing.stains import Pixels
from slides.drawing.studio import drawn_in_order
from slides.drawing.tissue import Tissue, averaged
from slides.geometry import Region, Size

Encoding = Literal["YCbCr 4:2:0", "RGB 4:4:4"]
"""`RGB 4:4:4` is stored without an Adobe marker while the tag claims 2 x 2 subsampling, as older scanners
do: only the photometric tag says that it is RGB."""
Progress = Callable[[int, int], None]

_BIG_BYTES = 1 << 28
"""Slides with more bytes of pixels are written as BigTIFF, long before classic TIFF ends at 4 GB."""
_TILES_AT_ONCE = 4
_LIBRARY = "Aperio Image Library v12.0.15 "
_DATE = "Date = 03/14/26|Time = 09:26:53|Time Zone = GMT+0100"


@dataclass(frozen=True)
class Press:
    """How pixels become the streams of one file: picklable, so that drawing processes can encode too.

    Attributes:
        quality: JPEG quality, 1 … 100.
        tile: side of a tile in pixels.
        colour: what is stored.
    """

    quality: int
    tile: int
    colour: Encoding

    def encoded(self, pixels: Pixels) -> tuple[bytes, bytes]:
        """Encode uint8 (h, w, 3): the abbreviated stream, and the tables that all such streams share."""
        pixels = np.ascontiguousarray(pixels)
        if self.colour == "YCbCr 4:2:0":
            return jpeg.split(jpeg.encode(pixels, quality=self.quality, subsampling="420"))
        whole = imagecodecs.jpeg8_encode(
            pixels, self.quality, colorspace="RGB", outcolorspace="RGB", subsampling="444", optimize=False
        )
        stream, tables = jpeg.split(bytes(whole))
        return _nameless(stream), tables

    def tags(self) -> dict[str, Any]:
        """What tells a reader how to take the streams, for `TiffWriter.write`."""
        _, tables = self.encoded(np.zeros((16, 16, 3), np.uint8))
        tags: dict[str, Any] = {"compression": "jpeg", "jpegtables": tables}
        if self.colour == "YCbCr 4:2:0":
            return tags | {"photometric": "ycbcr", "subsampling": (2, 2)}
        return tags | {"photometric": "rgb", "subsampling": (2, 2), "compressionargs": {"outcolorspace": "rgb"}}

    def drawn(self, tissue: Tissue, region: Region) -> tuple[list[list[bytes]], Pixels]:
        """Draw and encode a part of level 0.

        Returns:
            (rows of tiles, those over the edge padded with what is there; the part at a quarter: uint8
            (region.height // 4, region.width // 4, 3)).
        """
        pixels = tissue.draw(region)
        rows = [list(self.tiles(pixels[y : y + self.tile])) for y in range(0, region.height, self.tile)]
        height, width = region.height // 4 * 4, region.width // 4 * 4
        return rows, averaged(pixels[:height, :width], 4)

    def tiles(self, band: Pixels) -> Iterator[bytes]:
        """Encode a band of at most one tile's height, tile by tile."""
        side = self.tile
        for x in range(0, band.shape[1], side):
            part = band[:, x : x + side]
            missing = (0, side - part.shape[0]), (0, side - part.shape[1]), (0, 0)
            yield self.encoded(np.pad(part, missing, mode="edge"))[0]


def write_aperio(
    path: Path,
    tissue: Tissue,
    *,
    label: Label,
    spacing_um: float | None = None,
    objective: int | None = None,
    levels: tuple[int, ...] | None = None,
    progress: Progress | None = None,
    quality: int = 80,
    tile: int = 256,
    colour: Encoding = "YCbCr 4:2:0",
    processes: int = 1,
) -> Path:
    """Draw a section into an SVS file.

    The file gets its name only when it is whole. Held in memory: a few parts being drawn, one band of
    encoded tiles, and the level at a quarter.

    Args:
        spacing_um: as the file states it; the tissue's own by default.
        objective: magnification stated; 10 / spacing by default.
        levels: downsampling of every level, powers of two from 4 on after the 1; by default (1, 4, 16)
            and, where the long side passes 12,000 px, 32.
        progress: called with (pixels drawn, pixels in all).
        tile: side of a tile, a multiple of 16.
        processes: 1 draws here, more draw in as many processes beside this one.

    Returns:
        `path`.
    """
    size, press = tissue.size, Press(quality, tile, colour)
    levels = levels or ((1, 4, 16, 32) if max(size.width, size.height) > 12_000 else (1, 4, 16))
    spacing_um = spacing_um or tissue.spacing_um
    about = _about(size, spacing_um, objective or round(10 / spacing_um), path.stem)
    half_written = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with tifffile.TiffWriter(half_written, bigtiff=size.width * size.height * 3 > _BIG_BYTES) as file:
            _write_pages(file, tissue, press, label, levels, about, progress, processes)
        with half_written.open("rb") as written:
            os.fsync(written.fileno())
        half_written.replace(path)
    finally:
        half_written.unlink(missing_ok=True)
    return path


def _write_pages(
    file: tifffile.TiffWriter,
    tissue: Tissue,
    press: Press,
    label: Label,
    levels: tuple[int, ...],
    about: str,
    progress: Progress | None,
    processes: int,
) -> None:
    size, side = tissue.size, press.tile
    whole = f"{size.width}x{size.height}"
    kind = f"JPEG/{'YCC' if press.colour == 'YCbCr 4:2:0' else 'RGB'} Q={press.quality}"
    common: dict[str, Any] = {"dtype": np.uint8, "metadata": None, "software": False}
    tiled = common | press.tags() | {"tile": (side, side), "iccprofile": srgb_profile()}
    quarter = np.zeros((max(size.height // 4, 1), max(size.width // 4, 1), 3), np.uint8)
    file.write(
        _base_tiles(tissue, press, quarter, progress, processes),
        shape=(size.height, size.width, 3),
        description=f"{_LIBRARY}\r\n{whole} [0,0 {whole}] ({side}x{side}) {kind}|{about}",
        **tiled,
    )
    small = Image.fromarray(quarter)
    small.thumbnail((1024, 768), Image.Resampling.BOX)
    thumbnail = np.asarray(small)
    shown = f"{small.width}x{small.height}"
    _write_strips(file, thumbnail, press, common, f"{_LIBRARY}\r\n{whole} -> {shown} - |{about}", 0)
    reduced, reached = quarter, 4
    for level in levels[1:]:
        by = level // reached
        rows, columns = reduced.shape[0] // by * by, reduced.shape[1] // by * by
        reduced, reached = averaged(reduced[:rows, :columns], by), level
        height, width = reduced.shape[:2]
        file.write(
            (stream for y in range(0, height, side) for stream in press.tiles(reduced[y : y + side])),
            shape=reduced.shape,
            description=f"{_LIBRARY}\r\n{whole} [0,0 {whole}] ({side}x{side}) -> {width}x{height} {kind}",
            **tiled,
        )
    sticker = draw_label(label)
    file.write(
        sticker,
        photometric="rgb",
        compression="lzw",
        predictor=True,
        rowsperstrip=7,
        subfiletype=1,
        description=f"{_LIBRARY}\r\nlabel {sticker.shape[1]}x{sticker.shape[0]}",
        metadata=None,
        software=False,
    )
    macro = draw_macro(sticker, thumbnail)
    _write_strips(file, macro, press, common, f"{_LIBRARY}\r\nmacro {macro.shape[1]}x{macro.shape[0]}", 9)


def _write_strips(
    file: tifffile.TiffWriter, pixels: Pixels, press: Press, common: dict[str, Any], about: str, kind: int
) -> None:
    """Write a small picture as JPEG strips of 16 rows."""
    strips = (press.encoded(pixels[y : y + 16])[0] for y in range(0, len(pixels), 16))
    settings = common | press.tags() | {"rowsperstrip": 16, "subfiletype": kind}
    file.write(strips, shape=pixels.shape, description=about, **settings)


def _base_tiles(
    tissue: Tissue, press: Press, quarter: Pixels, progress: Progress | None, processes: int
) -> Iterator[bytes]:
    """Level 0, tile by tile in reading order; fills in the level at a quarter on the way."""
    size, step = tissue.size, press.tile * _TILES_AT_ONCE
    parts = [
        Region(x, y, min(step, size.width - x), min(step, size.height - y))
        for y in range(0, size.height, step)
        for x in range(0, size.width, step)
    ]
    done, band = 0, list[list[list[bytes]]]()
    for region, (rows, small) in zip(parts, drawn_in_order(press.drawn, tissue, parts, processes), strict=True):
        y, x = region.y // 4, region.x // 4
        quarter[y : y + small.shape[0], x : x + small.shape[1]] = small
        done += region.width * region.height
        if progress is not None:
            progress(done, size.width * size.height)
        band.append(rows)
        if region.right == size.width:
            for across in zip(*band, strict=True):
                for tiles in across:
                    yield from tiles
            band = []


def _about(size: Size, spacing_um: float, objective: int, name: str) -> str:
    """The scanner's own words on a scan, after the first line."""
    return (
        f"AppMag = {objective}|StripeWidth = 2040|ScanScope ID = SS0000|Filename = {name}|{_DATE}|"
        f"User = 00000000-0000-0000-0000-000000000000|MPP = {spacing_um:.4f}|Left = 24.100000|Top = 12.300000|"
        f"LineCameraSkew = -0.000424|LineAreaXOffset = 0.000000|LineAreaYOffset = 0.000000|"
        f"Focus Offset = 0.000000|ImageID = 1|OriginalWidth = {size.width}|OriginalHeight = {size.height}|"
        "ICC Profile = sRGB"
    )


def _nameless(stream: bytes) -> bytes:
    """The stream without its Adobe marker and with components 0, 1, 2 instead of R, G, B.

    So nothing in the stream says RGB any more, as in files of the AT2 and its forerunners.
    """
    parts = [jpeg.SOI]
    for marker, part in jpeg.segments(stream):
        body = bytearray(part)
        if marker == 0xC0:
            body[10:19:3] = bytes(range(3))
        elif marker == 0xDA:
            body[5:11:2] = bytes(range(3))
        if marker != 0xEE:
            parts.append(bytes(body))
    return b"".join(parts)


def srgb_profile() -> bytes:
    """A small sRGB profile, the same bytes every time."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    # ICC.1:2022, 7.2.8: date and time of creation, six big-endian numbers. 7.2.18: the profile's ID.
    profile[24:36] = b"".join(number.to_bytes(2, "big") for number in (2026, 1, 1, 0, 0, 0))
    profile[84:100] = bytes(16)
    return bytes(profile)
