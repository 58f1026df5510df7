"""TIFF files without what is not needed to show them: descriptions, names, Exif, XMP, private tags, loose bytes.

Everything stays where it was, so no pixel is touched; what is not needed becomes zeros.
Source: TIFF 6.0; Adobe's BigTIFF design.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from slides.errors import DamagedFile

_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Of one value of each type."""
_NUMBERS = {3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_DATA = ((273, 279), (324, 325))
"""Tags that say where strips and tiles lie, and how long they are."""
_SUB_DIRECTORIES = 330
_NEEDED = frozenset(
    {
        *(254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 274, 277, 278, 279, 280, 281, 282, 283, 284),
        *(290, 291, 292, 293, 296, 297, 301, 317, 318, 319, 320, 321, 322, 323, 324, 325, 330, 332, 334, 336, 338),
        *(339, 340, 341, 347, 529, 530, 531, 532, 34675),
    }
)
"""Tags of the picture itself: sizes, coding, colours, places, resolution, which way up, the colour profile."""
_MOST_DIRECTORIES, _MOST_VALUES = 1000, 4_000_000


@dataclass(frozen=True)
class _Layout:
    """How numbers stand in a file: classic or BigTIFF, the lowest byte first or last."""

    order: str
    big: bool

    @property
    def entry(self) -> struct.Struct:
        return struct.Struct(f"{self.order}HHQ8s" if self.big else f"{self.order}HHI4s")

    @property
    def count(self) -> struct.Struct:
        return struct.Struct(f"{self.order}{'Q' if self.big else 'H'}")

    @property
    def offset(self) -> struct.Struct:
        return struct.Struct(f"{self.order}{'Q' if self.big else 'I'}")


@dataclass(frozen=True)
class _Entry:
    tag: int
    kind: int
    count: int
    value: bytes


def clean(data: bytes) -> bytes:
    """The same pages, with zeros in place of what is not needed to show them.

    Raises:
        DamagedFile: it is cut off, or its parts do not follow each other.
    """
    layout, first = _read_header(data)
    spans = [(0, 16 if layout.big else 8)]
    directories: dict[int, bytes] = {}
    waiting = [first]
    while waiting:
        at = waiting.pop()
        if at == 0 or at in directories:
            continue
        if len(directories) == _MOST_DIRECTORIES:
            raise DamagedFile(f"The TIFF file has more than {_MOST_DIRECTORIES} pages. Attach it in parts.")
        entries, following = _read_directory(data, at, layout)
        if following in directories or following == at:
            following = 0  # readers would go round for ever
        needed = [entry for entry in entries if entry.tag in _NEEDED]
        directories[at] = b"".join(
            [
                layout.count.pack(len(needed)),
                *(layout.entry.pack(entry.tag, entry.kind, entry.count, entry.value) for entry in needed),
                layout.offset.pack(following),
            ]
        )
        for entry in needed:
            spans += _find_value(entry, layout)
        spans += _find_data({entry.tag: entry for entry in needed}, data, layout)
        waiting += [following, *_find_sub_directories(needed, data, layout)]
    if not directories:
        raise DamagedFile("The TIFF file holds no picture. Save it again and attach that.")
    return _copy(data, spans, directories)


def _read_header(data: bytes) -> tuple[_Layout, int]:
    order = {b"II": "<", b"MM": ">"}[data[:2]]
    big = data[2:4] in (b"+\0", b"\0+")
    if len(data) < 16 or (big and struct.unpack_from(f"{order}HH", data, 4) != (8, 0)):
        raise _broken()
    layout = _Layout(order, big)
    return layout, layout.offset.unpack_from(data, 8 if big else 4)[0]


def _read_directory(data: bytes, at: int, layout: _Layout) -> tuple[list[_Entry], int]:
    start = at + layout.count.size
    if start > len(data):
        raise _broken()
    (count,) = layout.count.unpack_from(data, at)
    end = start + count * layout.entry.size
    if count == 0 or count > 4096 or end + layout.offset.size > len(data):
        raise _broken()
    entries = [_Entry(*found) for found in layout.entry.iter_unpack(data[start:end])]
    return entries, layout.offset.unpack_from(data, end)[0]


def _find_value(entry: _Entry, layout: _Layout) -> list[tuple[int, int]]:
    """Where a value lies that is too long to stand in its entry."""
    if entry.kind not in _BYTES:
        raise _broken()
    length = entry.count * _BYTES[entry.kind]
    if length <= layout.offset.size:
        return []
    (at,) = layout.offset.unpack(entry.value)
    return [(at, at + length)]


def _read_numbers(entry: _Entry, data: bytes, layout: _Layout) -> tuple[int, ...]:
    if entry.kind not in _NUMBERS or entry.count > _MOST_VALUES:
        raise _broken()
    spans = _find_value(entry, layout)
    at, end = spans[0] if spans else (0, entry.count * _BYTES[entry.kind])
    source = data if spans else entry.value
    if end > len(source):
        raise _broken()
    return struct.unpack_from(f"{layout.order}{entry.count}{_NUMBERS[entry.kind]}", source, at)


def _find_data(entries: dict[int, _Entry], data: bytes, layout: _Layout) -> list[tuple[int, int]]:
    """Where a page's strips and tiles lie."""
    spans = []
    for places, lengths in _DATA:
        if places in entries:
            if lengths not in entries or entries[places].count != entries[lengths].count:
                raise _broken()
            offsets = _read_numbers(entries[places], data, layout)
            counts = _read_numbers(entries[lengths], data, layout)
            spans += [(at, at + count) for at, count in zip(offsets, counts, strict=True) if count]
    return spans


def _find_sub_directories(entries: Iterable[_Entry], data: bytes, layout: _Layout) -> list[int]:
    return [at for entry in entries if entry.tag == _SUB_DIRECTORIES for at in _read_numbers(entry, data, layout)]


def _copy(data: bytes, spans: list[tuple[int, int]], directories: dict[int, bytes]) -> bytes:
    """What the spans and directories cover, and zeros between."""
    end = max([end for _, end in spans] + [at + len(text) for at, text in directories.items()])
    if end > len(data):
        raise _broken()
    cleaned = bytearray(end)
    covered = 0
    # Each byte once, however many spans lie over it.
    for start, stop in sorted(spans):
        if stop > covered:
            cleaned[max(start, covered) : stop] = data[max(start, covered) : stop]
            covered = stop
    for at, text in directories.items():
        cleaned[at : at + len(text)] = text
    return bytes(cleaned)


def _broken() -> DamagedFile:
    return DamagedFile("The TIFF file is cut off or broken. Save it again and attach that.")
