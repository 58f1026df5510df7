"""Tiled TIFF slides: Aperio SVS, Philips, Leica SCN, OME-TIFF and plain tiled TIFF.

The tiles lie in the file at offsets that the directories list. Where they are JPEG they are handed on byte
for byte; everything else is decoded by tifffile. Levels, descriptions and associated images follow each
maker's habits.

tifffile and imagecodecs raise errors of many kinds on broken input, hence the wide `except` around their work.

Sources: TIFF 6.0; TIFF Technical Note 2; OpenSlide's format pages (Aperio, Philips, Leica, generic TIFF);
OME-TIFF specification 6.
"""

from __future__ import annotations

import logging
import operator
import os
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from slides import metadata as stated
from slides.errors import DamagedFile, SlideError, UnsupportedFile
from slides.geometry import Region, Size
from slides.jpeg import Colour, Frame, Stream, browser_shows, decode
from slides.readers.leica import find_images
from slides.readers.limits import (
    LARGEST_PICTURE_PX,
    LARGEST_PROFILE_BYTES,
    require_canvas,
    require_modest,
    require_tile,
)
from slides.readers.samples import as_rgb, assemble
from slides.readers.spans import read_spans
from slides.slide import AssociatedKind, Level, Pixels, Slide, StoredJpeg

_JPEG, _JPEG_2000_YCBCR = 7, 33003
_COMPRESSIONS = {1, 5, 7, 8, 32773, 32946, 33003, 33004, 33005, 34712, 50000}
"""None, LZW, JPEG, deflate, PackBits, JPEG 2000, Zstandard: what slides use, and no more decoders than these."""
_DEPTHS = {np.dtype(np.uint8): 8, np.dtype(np.uint16): 16}
_COLOURS = {
    tifffile.PHOTOMETRIC.RGB: Colour.RGB,
    tifffile.PHOTOMETRIC.YCBCR: Colour.YCBCR,
    tifffile.PHOTOMETRIC.MINISBLACK: Colour.GREY,
}
# What it has to say about odd files it says with their names, which may hold a patient's.
logging.getLogger("tifffile").disabled = True


class TiffSlide(Slide):
    """A slide in a tiled TIFF.

    Args:
        path: the file.
        format: "aperio", "philips", "leica", "ome-tiff" or "generic-tiff".

    Raises:
        UnsupportedFile: a TIFF, but not of a kind that is a slide here.
        DamagedFile: its directories cannot be read.
    """

    def __init__(self, path: Path, *, format: str) -> None:  # noqa: A002 - the field's word
        self.format = format
        self._lock = threading.Lock()
        self._shown: dict[int, bool] = {}
        try:
            # An OME-TIFF may name other files as its parts; a stranger's file opens none.
            self._tiff = tifffile.TiffFile(path, _multifile=False)
        except Exception as error:
            raise DamagedFile(_unreadable(error)) from error
        try:
            self._pages = self._find_levels()
            self._file = os.open(path, os.O_RDONLY)
            self._close = weakref.finalize(self, os.close, self._file)
        except SlideError:
            self._tiff.close()
            raise
        except Exception as error:
            self._tiff.close()
            raise DamagedFile(_unreadable(error)) from error
        try:
            self.levels = tuple(_level(page, size) for page, size in zip(self._pages, self._sizes(), strict=True))
            self.metadata = self._state()
            self._associated = self._find_associated()
        except SlideError:
            self.close()
            raise
        except Exception as error:
            self.close()
            raise DamagedFile(_unreadable(error)) from error
        self.associated = frozenset(self._associated)

    def _find_levels(self) -> list[Any]:
        """The directories of the slide's levels, full resolution first."""
        pages: list[Any] = list(self._tiff.pages)
        if not pages:
            raise DamagedFile("The TIFF file holds no image. Export the slide again.")
        if self._goes_on():
            raise DamagedFile(
                "The file's list of images goes on where the file ends: it was cut off on its way. Copy the slide "
                "again from the scanner."
            )
        self._description: str = pages[0].description
        if self.format == "leica":
            self._images = find_images(self._description)
            candidates = [pages[ifd] for ifd in self._images.slide_directories if ifd < len(pages)]
        elif self.format == "ome-tiff":
            series = self._tiff.series[0]
            extra = [
                f"{size} {name}"
                for axis, size in zip(series.axes, series.shape, strict=True)
                if size > 1 and (name := {"C": "channels", "Z": "focus planes", "T": "time points"}.get(axis))
            ]
            if extra:
                raise UnsupportedFile(
                    f"The OME-TIFF holds {' and '.join(extra)}; a slide here is one plane of red, green and blue "
                    "or grey. Export the plane to be read."
                )
            candidates = [level.keyframe for level in series.levels]
        elif self.format == "generic-tiff":
            # Other pictures may share the file; levels are marked. Source: OpenSlide, "Generic tiled TIFF format".
            candidates = [pages[0], *(page for page in pages[1:] if page.is_reduced)]
        else:
            candidates = pages
        if not candidates:
            raise DamagedFile("The description names an image that the file does not hold. Export the slide again.")
        base = candidates[0]
        _require_slide(base)
        levels = [base]
        for page in candidates[1:]:
            ratios = levels[-1].imagewidth / page.imagewidth, levels[-1].imagelength / page.imagelength
            smaller = min(ratios) > 1.0 or (ratios != (1.0, 1.0) and min(ratios) == 1.0)
            same_view = abs(base.imagewidth * page.imagelength / (base.imagelength * page.imagewidth) - 1) < 0.25
            padded = self.format == "philips" or min(page.imagewidth, page.imagelength) < 64
            if page.is_tiled and smaller and (same_view or padded):
                _require_slide(page)
                levels.append(page)
        return levels

    def _goes_on(self) -> bool:
        """Whether the last directory that could be read names another after it."""
        file, kind = self._tiff.filehandle, self._tiff.tiff
        file.seek(self._tiff.pages.next_page_offset or 0)
        return any(file.read(kind.offsetsize))

    def _sizes(self) -> list[Size]:
        sizes = [Size(page.imagewidth, page.imagelength) for page in self._pages]
        if self.format == "philips":
            # Philips pads the size of every smaller level to whole tiles; the true one is the next halving that
            # gives the same tiles.
            size = sizes[0]
            for index, page in enumerate(self._pages[1:], start=1):
                while size != Size(1, 1):
                    size = Size(max(1, size.width // 2), max(1, size.height // 2))
                    if _whole_tiles(size, page) == _whole_tiles(sizes[index], page):
                        sizes[index] = size
                        break
        return sizes

    def _state(self) -> stated.Metadata:
        base = self._pages[0]
        profile = base.tags.get("InterColorProfile")
        if self.format == "aperio":
            found = stated.parse_aperio(self._description)
        elif self.format == "philips":
            found = stated.parse_philips(self._description)
        elif self.format == "leica":
            found = stated.parse_leica(self._description, image=self._images.slide_index, width=base.imagewidth)
        elif self.format == "ome-tiff":
            found = stated.parse_ome(self._description)
        else:
            x, y = (base.tags.get(name) for name in ("XResolution", "YResolution"))
            unit = base.tags.get("ResolutionUnit")
            spacing = None
            if x and y and x.value[1] and y.value[1]:
                spacing = stated.spacing_from_resolution(
                    x.value[0] / x.value[1], y.value[0] / y.value[1], int(unit.value) if unit else 2
                )
            found = stated.Metadata(spacing=spacing)
        if profile is None or not isinstance(profile.value, bytes) or len(profile.value) > LARGEST_PROFILE_BYTES:
            return found
        return found.with_profile(profile.value)

    def _find_associated(self) -> dict[AssociatedKind, Any]:
        pages: list[Any] = list(self._tiff.pages)
        found: dict[AssociatedKind, Any] = {}
        if self.format == "aperio":
            for index, page in enumerate(pages):
                headline = page.description.partition("\n")[2].strip().lower()
                if page.is_tiled:
                    continue
                if headline.startswith("label"):
                    found[AssociatedKind.LABEL] = page
                elif headline.startswith("macro"):
                    found[AssociatedKind.MACRO] = page
                elif index == 1:
                    found[AssociatedKind.THUMBNAIL] = page
        elif self.format == "philips":
            for page in pages[1:]:
                for kind in (AssociatedKind.LABEL, AssociatedKind.MACRO):
                    if page.description.lower().startswith(kind.lower()):
                        found[kind] = page
        elif self.format == "leica" and self._images.macro_directories:
            found[AssociatedKind.MACRO] = pages[self._images.macro_directories[-1]]
        return found

    def read(self, region: Region, *, level: int) -> Pixels:
        self.require_region(region, level)
        page = self._pages[level]
        columns = -(-page.imagewidth // page.tilewidth)
        tile = Size(page.tilewidth, page.tilelength)
        return assemble(region, tile, lambda column, row: self._decode(level, row * columns + column))

    def stored_tile(self, level: int, column: int, row: int) -> bytes:
        self.require_tile(level, column, row)
        page = self._pages[level]
        return self._stored(page, row * -(-page.imagewidth // page.tilewidth) + column)

    def stored_tiles(self, level: int, first: int, count: int) -> Sequence[Stream]:
        page = self._pages[level]
        offsets, counts = page.dataoffsets[first : first + count], page.databytecounts[first : first + count]
        length = os.fstat(self._file).st_size
        whole = len(offsets) == len(counts) == count and 0 not in offsets and 0 not in counts
        if whole and max(map(operator.add, offsets, counts)) <= length:
            return read_spans(self._file, offsets, counts)
        # One by one: tiles that were never stored are empty, tiles that the file does not hold are an error.
        return super().stored_tiles(level, first, count)

    def _stored(self, page: Any, index: int) -> bytes:
        try:
            offset, count = page.dataoffsets[index], page.databytecounts[index]
        except IndexError as error:
            raise DamagedFile(
                f"Tile {index} of {page.imagewidth} x {page.imagelength} px is not listed in the file. Export the "
                "slide again."
            ) from error
        if count == 0 or offset == 0:
            return b""
        length = os.fstat(self._file).st_size
        if offset + count > length:
            raise DamagedFile(
                f"Tile {index} should be {count} bytes at byte {offset}, but the file ends at byte {length}. Copy "
                "the slide again from the scanner."
            )
        return os.pread(self._file, count, offset)

    def _decode(self, level: int, index: int) -> Pixels | None:
        """One stored tile as RGB, shape (tile height, tile width, 3); None where nothing is stored."""
        page, stored = self._pages[level], self.levels[level].stored
        stream = self._stored(page, index)
        if not stream:
            return None
        shown = stored is not None and browser_shows(stream, stored.tables, stored.colour)
        if self._shown.setdefault(level, shown) != shown:
            # One such tile speaks for all when a level is passed on.
            raise DamagedFile(
                f"Tile {index} of {page.imagewidth} x {page.imagelength} px cannot be decoded as the others of "
                "its level are. Export the slide again."
            )
        if stored and shown:
            require_modest(stream, stored.tile)
            frame = Frame.around(stream, tables=stored.tables, colour=stored.colour)
            return decode(frame.complete(stream), whole=(stored.tile.width, stored.tile.height))
        require_modest(stream, Size(page.tilewidth, page.tilelength))
        try:
            samples, _, _ = page.decode(stream, index, jpegtables=page.jpegtables, _fullsize=True)
            pixels = as_rgb(
                samples[0],
                inverted=page.photometric == tifffile.PHOTOMETRIC.MINISWHITE,
                ycbcr=page.compression == _JPEG_2000_YCBCR,
            )
            if pixels.shape != (page.tilelength, page.tilewidth, 3) or pixels.dtype != np.uint8:
                raise ValueError(pixels.shape)
        except Exception as error:
            raise DamagedFile(
                f"Tile {index} of {page.imagewidth} x {page.imagelength} px cannot be decoded "
                f"({type(error).__name__}). Export the slide again."
            ) from error
        return pixels

    def read_associated(self, kind: AssociatedKind) -> Pixels:
        page = self._associated.get(kind)
        if page is None:
            raise self.no_such_image(kind)
        try:
            part = Size(max(page.imagewidth, page.tilewidth), max(page.imagelength, page.tilelength))
            if part.width * part.height > LARGEST_PICTURE_PX or page.compression not in _COMPRESSIONS:
                raise ValueError(part)
            for index in range(len(page.dataoffsets)):
                require_modest(self._stored(page, index), part)
            with self._lock:
                samples = page.asarray()
            pixels = as_rgb(np.atleast_3d(samples), inverted=page.photometric == tifffile.PHOTOMETRIC.MINISWHITE)
            if pixels.shape != (page.imagelength, page.imagewidth, 3) or pixels.dtype != np.uint8:
                raise ValueError(pixels.shape)
        except SlideError:
            raise
        except Exception as error:
            raise DamagedFile(
                f"The {kind.lower()} image cannot be decoded ({type(error).__name__}). Export the slide again."
            ) from error
        return pixels

    def check_stored(self) -> str | None:
        length = os.fstat(self._file).st_size
        for number, page in enumerate(self._pages):
            listed = min(len(page.dataoffsets), len(page.databytecounts))
            expected = -(-page.imagewidth // page.tilewidth) * -(-page.imagelength // page.tilelength)
            if listed < expected:
                return f"Level {number} lists {listed} tiles; {expected} are needed. Export the slide again."
            offsets = np.asarray(page.dataoffsets[:expected], np.uint64)
            counts = np.asarray(page.databytecounts[:expected], np.uint64)
            # Added up, the largest numbers would begin again at 0.
            beyond = int(np.count_nonzero((offsets > length) | (counts > length - np.minimum(offsets, length))))
            if beyond:
                return (
                    f"Of the {expected} tiles of level {number}, {beyond} lie beyond the end of the file: it was "
                    "cut off on its way. Copy the slide again from the scanner."
                )
        return None

    def close(self) -> None:
        self._tiff.close()
        self._close()


def _require_slide(page: Any) -> None:
    """Refuse, in a sentence, directories that cannot be a slide's level."""
    if not page.is_tiled:
        raise UnsupportedFile(
            "The TIFF keeps its image in strips; a slide is kept in tiles. Export it again as a tiled TIFF."
        )
    sides = page.imagewidth, page.imagelength, page.tilewidth, page.tilelength, page.samplesperpixel
    for numbers in (sides, page.dataoffsets, page.databytecounts):
        # Bytes count as numbers one by one, but not as a list of them.
        listed = not isinstance(numbers, bytes | str)
        if not listed or not all(isinstance(number, int | np.integer) and number >= 0 for number in numbers):
            raise DamagedFile("A directory of the TIFF lists sizes or places that are no numbers. Export it again.")
    require_canvas(Size(page.imagewidth, page.imagelength))
    require_tile(Size(page.tilewidth, page.tilelength))
    if page.imagedepth != 1 or page.tiledepth != 1:
        raise UnsupportedFile("The TIFF holds a volume; a slide is one plane. Export the plane to be read.")
    if page.planarconfig != tifffile.PLANARCONFIG.CONTIG and page.samplesperpixel > 1:
        raise UnsupportedFile(
            "The TIFF keeps red, green and blue apart; a slide keeps them together. Export it with contiguous samples."
        )
    greys = (tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.MINISWHITE)
    known = page.photometric in _COLOURS or page.photometric in greys
    if not known or page.samplesperpixel not in ((1, 2) if page.photometric in greys else (3, 4)):
        raise UnsupportedFile(
            f"The TIFF has {page.samplesperpixel} samples per pixel of kind "
            f"{getattr(page.photometric, 'name', 'unknown')}; a slide is red, green and blue, or grey."
        )
    if page.dtype not in _DEPTHS:
        raise UnsupportedFile(f"The TIFF has samples of type {page.dtype}; a slide has unsigned 8 or 16 bits.")
    try:
        supported = page.compression in _COMPRESSIONS and (
            page.compression == 1 or tifffile.TIFF.DECOMPRESSORS[page.compression] is not None
        )
    except KeyError:
        supported = False
    if not supported:
        raise UnsupportedFile(
            f"The TIFF is compressed in a way that is not read here (number {int(page.compression)}). Export it "
            "with JPEG, JPEG 2000, LZW or deflate."
        )


def _whole_tiles(size: Size, page: Any) -> tuple[int, int]:
    """Columns and rows of a directory's tiles that cover a size."""
    return -(-size.width // page.tilewidth), -(-size.height // page.tilelength)


def _level(page: Any, size: Size) -> Level:
    colour = _COLOURS.get(page.photometric)
    bits = _DEPTHS[page.dtype]
    samples = 1 if colour == Colour.GREY else 3
    if page.compression != _JPEG or colour is None or bits != 8 or page.samplesperpixel != samples:
        return Level(size)
    if page.jpegtables is not None and not isinstance(page.jpegtables, bytes):
        raise DamagedFile("The JPEG tables of a level are no bytes. Export the slide again.")
    return Level(size, StoredJpeg(Size(page.tilewidth, page.tilelength), page.jpegtables, colour))


def _unreadable(error: BaseException) -> str:
    return (
        f"The file begins as a TIFF, but its directories cannot be read ({type(error).__name__}). "
        "Copy or export the slide again."
    )
