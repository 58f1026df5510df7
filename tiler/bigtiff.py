"""The pyramid's file: a tiled BigTIFF, one directory a level, written in one pass.

Tiles of any level may be appended in any order; the directories follow at the end. Until then the file is no
TIFF: its header names no directory.

Source: TIFF 6.0; BigTIFF (libtiff); TIFF Technical Note 2 for JPEG.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from slides.errors import DamagedFile
from slides.geometry import Size, Spacing
from slides.jpeg import Colour, Stream, subsampling
from slides.readers.spans import read_spans

_SHORT, _LONG, _ASCII, _RATIONAL, _UNDEFINED, _LONG8 = 3, 4, 2, 5, 7, 16
_WIDTHS = {1: 1, _ASCII: 1, _SHORT: 2, _LONG: 4, _RATIONAL: 8, _UNDEFINED: 1, _LONG8: 8}
_PHOTOMETRIC = {Colour.GREY: 1, Colour.RGB: 2, Colour.YCBCR: 6}
_SOFTWARE = "Samsyn"
_MOST_LEVELS = 32
"""TIFF counts pixels in 32 bits, so nothing can be halved more often."""
_AT_ONCE = 64
"""Tiles read at once for a digest."""
_HEADER = struct.Struct("<2sHHHQ")
_ENTRY = struct.Struct("<HHQ8s")


@dataclass(frozen=True)
class Directory:
    """One level of a pyramid file.

    Attributes:
        size: of the level in pixels.
        tile: side of its tiles in pixels.
        colour: what the streams' numbers mean.
        tables: the level's JPEG tables (SOI … EOI), or None.
        offsets: uint64, shape (tiles,), row-major: where each tile's stream begins, in bytes.
        counts: uint32, shape (tiles,), row-major: its length in bytes.
        description: free text of the first directory.
        icc_profile: of the pyramid, in the first directory.
    """

    size: Size
    tile: int
    colour: Colour
    tables: bytes | None
    offsets: npt.NDArray[np.uint64]
    counts: npt.NDArray[np.uint32]
    description: str = ""
    icc_profile: bytes | None = None


class BigTiffWriter:
    """Writes a pyramid file.

    Args:
        file: empty, open for reading and writing ("w+b"); whoever opened it names and closes it.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._file.write(_HEADER.pack(b"II", 43, 8, 0, 0))
        self._end = _HEADER.size
        self._link = 8

    def append(self, streams: Iterable[Stream]) -> list[int]:
        """Append tiles' streams. Returns the byte at which each begins."""
        offsets, parts = [], []
        for stream in streams:
            offsets.append(self._end)
            parts.append(stream)
            if len(stream) % 2:
                parts.append(b"\0")
            self._end += len(stream) + len(stream) % 2
        self._file.write(b"".join(parts))
        return offsets

    def add(self, directory: Directory, *, sample: bytes, spacing: Spacing | None) -> None:
        """Append a level's directory; full resolution first.

        Args:
            directory: of tiles that have been appended.
            sample: any of its streams, for the subsampling that the tags must state.
            spacing: of this level's pixels in micrometres.
        """
        components = 1 if directory.colour == Colour.GREY else 3
        tags: dict[int, tuple[int, int, bytes]] = {
            254: (_LONG, 1, struct.pack("<I", 0 if self._link == 8 else 1)),
            256: (_LONG, 1, struct.pack("<I", directory.size.width)),
            257: (_LONG, 1, struct.pack("<I", directory.size.height)),
            258: _shorts(*[8] * components),
            259: _shorts(7),
            262: _shorts(_PHOTOMETRIC[directory.colour]),
            277: _shorts(components),
            284: _shorts(1),
            305: (_ASCII, len(_SOFTWARE) + 1, _SOFTWARE.encode() + b"\0"),
            322: _shorts(directory.tile),
            323: _shorts(directory.tile),
            324: (_LONG8, len(directory.offsets), directory.offsets.astype("<u8").tobytes()),
            325: (_LONG, len(directory.counts), directory.counts.astype("<u4").tobytes()),
        }
        if directory.description:
            text = directory.description.encode("ascii") + b"\0"
            tags[270] = (_ASCII, len(text), text)
        if spacing:
            tags[282], tags[283] = _resolution(spacing.x), _resolution(spacing.y)
            tags[296] = _shorts(3)
        if directory.tables:
            tags[347] = (_UNDEFINED, len(directory.tables), directory.tables)
        if directory.colour == Colour.YCBCR:
            tags[530] = _shorts(*subsampling(sample))
        if directory.icc_profile:
            tags[34675] = (_UNDEFINED, len(directory.icc_profile), directory.icc_profile)
        entries = []
        for number, (kind, count, value) in sorted(tags.items()):
            inline = value.ljust(8, b"\0") if len(value) <= 8 else struct.pack("<Q", *self.append([value]))
            entries.append(_ENTRY.pack(number, kind, count, inline))
        self._file.write(b"\0" * (-self._end % 8))
        self._end += -self._end % 8
        (at,) = self.append([struct.pack("<Q", len(entries)) + b"".join(entries) + struct.pack("<Q", 0)])
        self._file.seek(self._link)
        self._file.write(struct.pack("<Q", at))
        self._file.seek(self._end)
        self._link = at + 8 + len(entries) * _ENTRY.size

    def digest(self, level: Directory) -> str:
        """`digest` of a level whose tiles have been appended."""
        self._file.flush()
        return digest(self._file.fileno(), level)

    def finish(self) -> int:
        """Hand everything to the operating system. Returns the file's size in bytes."""
        self._file.flush()
        return self._end


class LevelDigest:
    """SHA-256 over a level's streams, each after the level's tables, in row-major order."""

    def __init__(self, tables: bytes | None) -> None:
        self._tables, self._found = tables or b"", hashlib.sha256()

    def update(self, streams: Iterable[Stream]) -> None:
        """Go on with the next tiles' streams."""
        self._found.update(b"".join(part for stream in streams for part in (self._tables, stream)))

    def __str__(self) -> str:
        """In hexadecimal."""
        return self._found.hexdigest()


def digest(file: int, level: Directory) -> str:
    """The digest of a level that has been written, in hexadecimal.

    Args:
        file: descriptor of the pyramid file.

    Raises:
        DamagedFile: the file ends before a tile does.
    """
    found = LevelDigest(level.tables)
    offsets, counts = level.offsets.tolist(), level.counts.tolist()
    for first in range(0, len(offsets), _AT_ONCE):
        wanted = counts[first : first + _AT_ONCE]
        streams = read_spans(file, offsets[first : first + _AT_ONCE], wanted)
        if wanted != [len(stream) for stream in streams]:
            raise DamagedFile("The pyramid file ends before its tiles do; build it again from the slide.")
        found.update(streams)
    return str(found)


def read_directories(file: int) -> list[Directory]:
    """Read the levels of a pyramid file that `BigTiffWriter` wrote.

    Args:
        file: descriptor, open for reading.

    Raises:
        DamagedFile: it is not such a file, or was cut off.
    """
    try:
        order, version, _, _, at = _HEADER.unpack(os.pread(file, _HEADER.size, 0))
        if (order, version) != (b"II", 43):
            raise DamagedFile("A pyramid file was expected; build it again from the slide.")
        directories = []
        while at:
            directory, at = _read_directory(file, at)
            directories.append(directory)
            if len(directories) > _MOST_LEVELS:
                raise ValueError(len(directories))
    except (struct.error, KeyError, ValueError, OverflowError) as error:
        raise DamagedFile("The pyramid file was cut off or changed; build it again from the slide.") from error
    if not directories:
        raise DamagedFile("The pyramid file holds no level; build it again from the slide.")
    return directories


def _read_directory(file: int, at: int) -> tuple[Directory, int]:
    (count,) = struct.unpack("<Q", os.pread(file, 8, at))
    if count > 64:
        raise ValueError(count)
    block = os.pread(file, count * _ENTRY.size + 8, at + 8)
    tags: dict[int, bytes] = {}
    for number, kind, length, inline in _ENTRY.iter_unpack(block[:-8]):
        size = _WIDTHS[kind] * length
        if size > os.fstat(file).st_size:
            raise ValueError(size)
        tags[number] = inline[:size] if size <= 8 else os.pread(file, size, struct.unpack("<Q", inline)[0])
        if len(tags[number]) != size:
            raise ValueError(number)
    colours = {number: colour for colour, number in _PHOTOMETRIC.items()}
    directory = Directory(
        size=Size(int.from_bytes(tags[256], "little"), int.from_bytes(tags[257], "little")),
        tile=int.from_bytes(tags[322], "little"),
        colour=colours[int.from_bytes(tags[262], "little")],
        tables=tags.get(347),
        offsets=np.frombuffer(tags[324], "<u8"),
        counts=np.frombuffer(tags[325], "<u4"),
        description=tags.get(270, b"\0")[:-1].decode("ascii"),
        icc_profile=tags.get(34675),
    )
    length = os.fstat(file).st_size
    beyond = (directory.offsets > length) | (directory.offsets + directory.counts > length)
    if directory.tile < 1 or len(directory.offsets) != len(directory.counts) or beyond.any():
        raise ValueError(directory.size)
    return directory, struct.unpack("<Q", block[-8:])[0]


def _shorts(*values: int) -> tuple[int, int, bytes]:
    return _SHORT, len(values), struct.pack(f"<{len(values)}H", *values)


def _resolution(spacing: float) -> tuple[int, int, bytes]:
    """Pixels per centimetre as TIFF's RATIONAL, to seven digits."""
    per_centimetre = 10_000 / spacing
    denominator = 1000 if per_centimetre < 4_000_000 else 1
    return _RATIONAL, 1, struct.pack("<II", round(per_centimetre * denominator), denominator)
