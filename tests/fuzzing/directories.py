"""TIFF files with something wrong in their directories, their tiles, or in what points to what.

Source: TIFF 6.0, section 2; BigTIFF (libtiff); TIFF Technical Note 1 (SubIFDs).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from fuzzing.lot import TELLING, Lot
from fuzzing.streams import flip, spoil

_WIDTHS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_OFFSETS, _COUNTS, _STRIP_OFFSETS, _STRIP_COUNTS, _SUB_IFDS = 324, 325, 273, 279, 330
_NUMBERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_TAGS = (
    *(254, 256, 257, 258, 259, 262, 266, 270, 273, 274, 277, 278, 279, 282, 283, 284, 296, 305, 306, 317, 320, 322),
    *(323, 324, 325, 330, 338, 339, 347, 512, 513, 514, 519, 529, 530, 532, 700, 34675, 32997, 65420, 65421, 65426),
)
_CHOICES = {
    258: (1, 2, 4, 7, 8, 12, 16, 24, 32, 64),
    259: (1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946, 33003, 33005, 34712, 34887, 34892, 34925, 50000, 50001, 50002, 52546),
    262: (0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 32803, 32844, 32845, 34892),
    277: (0, 1, 2, 3, 4, 5, 255),
    284: (0, 1, 2, 3),
    317: (1, 2, 3, 34892, 34893, 34894),
    339: (1, 2, 3, 4, 5, 6),
    530: (0, 1, 2, 4, 8, 255),
}
"""Values that mean something for a tag, where any number would mostly say "unknown"."""


@dataclass(frozen=True)
class Entry:
    """One tag of a directory: where it stands and where its values lie, in bytes."""

    at: int
    tag: int
    kind: int
    count: int
    values_at: int

    @property
    def size(self) -> int:
        """Of all its values, in bytes."""
        return _WIDTHS[self.kind] * self.count


@dataclass
class TiffFile:
    """A sound TIFF's bytes with a map of them; mutations change the bytes, never the map."""

    data: bytearray
    order: str
    big: bool
    directories: list[list[Entry]] = field(default_factory=list)
    links: list[int] = field(default_factory=list)
    """Where a directory's place is written: the header and the end of every directory."""
    starts: list[int] = field(default_factory=list)

    @property
    def offset(self) -> str:
        """How a place is written, in the words of `struct`."""
        return self.order + ("Q" if self.big else "I")

    @property
    def entries(self) -> list[Entry]:
        """Of all directories."""
        return [entry for directory in self.directories for entry in directory]

    def put(self, form: str, at: int, value: int) -> None:
        """Write a number, cut to the width of its field, where there is still room for it."""
        bits = 8 * struct.calcsize(form)
        if at + bits // 8 <= len(self.data):
            struct.pack_into(form, self.data, at, value % (1 << bits))

    def numbers(self, entry: Entry) -> list[int]:
        """The values of a tag of whole numbers."""
        form = f"{self.order}{entry.count}{_NUMBERS[entry.kind]}"
        return list(struct.unpack_from(form, self.data, entry.values_at))

    def put_number(self, entry: Entry, index: int, value: int) -> None:
        """Exchange one of a tag's values."""
        form = self.order + _NUMBERS[entry.kind]
        self.put(form, entry.values_at + index * struct.calcsize(form), value)

    def replace(self, entry: Entry, value: bytes) -> None:
        """Give a tag of bytes another value, appended to the file."""
        self.put(self.order + ("Q" if self.big else "I"), entry.at + 4, len(value))
        if len(value) > (8 if self.big else 4):
            self.put(self.offset, entry.at + (12 if self.big else 8), len(self.data))
            self.data += value
        else:
            at = entry.at + (12 if self.big else 8)
            self.data[at : at + len(value)] = value


def map_tiff(data: bytes) -> TiffFile:
    """Map a sound TIFF: every directory, SubIFDs included."""
    order = "<" if data[:2] == b"II" else ">"
    file = TiffFile(bytearray(data), order, struct.unpack_from(order + "H", data, 2)[0] == 43)
    waiting = [8 if file.big else 4]
    while waiting:
        link = waiting.pop(0)
        (at,) = struct.unpack_from(file.offset, data, link)
        if link not in _sub_links(file):
            file.links.append(link)
        if not at:
            continue
        head, width = ("Q", 20) if file.big else ("H", 12)
        (count,) = struct.unpack_from(order + head, data, at)
        first = at + struct.calcsize(order + head)
        directory = [_entry(file, first + number * width) for number in range(count)]
        file.starts.append(at)
        file.directories.append(directory)
        waiting.append(first + count * width)
        waiting.extend(
            entry.values_at + number * struct.calcsize(file.offset)
            for entry in directory
            if entry.tag == _SUB_IFDS
            for number in range(entry.count)
        )
    return file


def _sub_links(file: TiffFile) -> set[int]:
    width = struct.calcsize(file.offset)
    return {e.values_at + n * width for e in file.entries if e.tag == _SUB_IFDS for n in range(e.count)}


def _entry(file: TiffFile, at: int) -> Entry:
    tag, kind, count = struct.unpack_from(file.order + ("HHQ" if file.big else "HHI"), file.data, at)
    inline = at + (12 if file.big else 8)
    values_at = inline
    if _WIDTHS[kind] * count > (8 if file.big else 4):
        (values_at,) = struct.unpack_from(file.offset, file.data, inline)
    return Entry(at, tag, kind, count, values_at)


def _places(file: TiffFile) -> tuple[int, ...]:
    """Places that a pointer should not point to."""
    return (*file.starts, *file.links, len(file.data), len(file.data) - 1, len(file.data) - 4, len(file.data) + 1)


def _value(lot: Lot, file: TiffFile) -> None:
    entry = lot.choice([entry for entry in file.entries if entry.kind in _NUMBERS and entry.count])
    index = lot.randrange(entry.count)
    was = file.numbers(entry)[index]
    value = lot.choice(_CHOICES[entry.tag]) if entry.tag in _CHOICES and lot.random() < 0.8 else None
    file.put_number(entry, index, lot.number(was, *_places(file)) if value is None else value)


def _dimension(lot: Lot, file: TiffFile) -> None:
    """Width, height or the size of tiles: alone, or of all levels alike."""
    tag = lot.choice((256, 257, 322, 323))
    entries = [entry for entry in file.entries if entry.tag == tag]
    if entries:
        value = lot.number(file.numbers(entries[0])[0])
        for entry in entries if lot.random() < 0.3 else [lot.choice(entries)]:
            file.put_number(entry, 0, value)


def _kind(lot: Lot, file: TiffFile) -> None:
    entry = lot.choice(file.entries)
    file.put(file.order + "H", entry.at + 2, lot.choice((*_WIDTHS, 0, 14, 15, 19, 255, 65_535)))


def _count(lot: Lot, file: TiffFile) -> None:
    entry = lot.choice(file.entries)
    file.put(file.order + ("Q" if file.big else "I"), entry.at + 4, lot.number(entry.count))


def _pointer(lot: Lot, file: TiffFile) -> None:
    """A tag's values lie elsewhere: outside the file, in the tag itself, over another's."""
    entry = lot.choice(file.entries)
    also = (entry.at, entry.values_at + 1, lot.choice(file.entries).values_at, *_places(file))
    file.put(file.offset, entry.at + (12 if file.big else 8), lot.number(entry.values_at, *also))


def _tag(lot: Lot, file: TiffFile) -> None:
    file.put(file.order + "H", lot.choice(file.entries).at, lot.choice(_TAGS))


def _link(lot: Lot, file: TiffFile) -> None:
    """A directory follows itself, an earlier one, one that is none, or nothing."""
    file.put(file.offset, lot.choice(file.links), lot.choice((*_places(file), *file.starts, lot.choice(TELLING))))


def _sub_ifd(lot: Lot, file: TiffFile) -> None:
    """A SubIFD that is its own parent; where there is none, another tag becomes one."""
    entry = lot.choice([e for e in file.entries if e.tag == _SUB_IFDS] or [e for e in file.entries if e.kind == 4])
    file.put(file.order + "H", entry.at, _SUB_IFDS)
    file.put_number(entry, lot.randrange(max(1, entry.count)), lot.choice((*file.starts, *_places(file))))


def _length_of_directory(lot: Lot, file: TiffFile) -> None:
    index = lot.randrange(len(file.starts))
    number = lot.number(len(file.directories[index]))
    file.put(file.order + ("Q" if file.big else "H"), file.starts[index], number)


def _entry_copied(lot: Lot, file: TiffFile) -> None:
    """One tag stands over another: missing, twice, or another level's."""
    source, target = lot.choice(file.entries), lot.choice(file.entries)
    width = 20 if file.big else 12
    file.data[target.at : target.at + width] = file.data[source.at : source.at + width]


def _header(lot: Lot, file: TiffFile) -> None:
    way = lot.randrange(4)
    if way == 0:
        file.data[:2] = lot.choice((b"II", b"MM", b"EP", b"IM"))
    elif way == 1:
        file.put(file.order + "H", 2, lot.choice((42, 43, 0, 85, 20_306)))
    elif way == 2:
        file.put(file.order + "H", 4, lot.choice((0, 4, 8, 16)))
    else:
        file.data[4:16] = flip(lot, bytes(file.data[4:16]))


def _text(lot: Lot, file: TiffFile) -> None:
    """The words or the profile of a directory."""
    entry = lot.choice([e for e in file.entries if e.kind == 2 or e.tag in (700, 34675)] or file.entries)
    file.replace(entry, lot.words(bytes(file.data[entry.values_at : entry.values_at + entry.size])))


def _segments(file: TiffFile) -> list[tuple[Entry, Entry]]:
    pairs = []
    for directory in file.directories:
        found = {entry.tag: entry for entry in directory}
        for offsets, counts in ((_OFFSETS, _COUNTS), (_STRIP_OFFSETS, _STRIP_COUNTS)):
            if offsets in found and counts in found:
                pairs.append((found[offsets], found[counts]))
    return pairs


def _stream(lot: Lot, file: TiffFile) -> None:
    """What one tile or strip holds."""
    offsets, counts = lot.choice(_segments(file))
    index = lot.randrange(offsets.count)
    start, count = file.numbers(offsets)[index], file.numbers(counts)[index]
    if not 0 < count <= 1 << 20 or start + count > len(file.data):
        return
    spoiled = spoil(lot, bytes(file.data[start : start + count]))
    if lot.random() < 0.3:  # every tile of the level
        for number in range(offsets.count):
            file.put_number(offsets, number, len(file.data))
            file.put_number(counts, number, len(spoiled))
    file.put_number(offsets, index, len(file.data))
    file.put_number(counts, index, len(spoiled))
    file.data += spoiled


def _tables(lot: Lot, file: TiffFile) -> None:
    entries = [entry for entry in file.entries if entry.tag == 347]
    if entries:
        entry = lot.choice(entries)
        file.replace(entry, spoil(lot, bytes(file.data[entry.values_at : entry.values_at + entry.size])))
    else:
        _stream(lot, file)


def _shared(lot: Lot, file: TiffFile) -> None:
    """Every tile of a level lies in the same place, or each over its neighbour."""
    offsets, counts = lot.choice(_segments(file))
    places, lengths = file.numbers(offsets), file.numbers(counts)
    longest, step = max(lengths), lot.choice((0, 0, 1, 2))
    for index in range(offsets.count):
        file.put_number(offsets, index, places[0] + index * step)
        file.put_number(counts, index, lot.choice((longest, lengths[0])))


_WAYS: tuple[Callable[[Lot, TiffFile], None], ...] = (
    *(_value, _value, _value, _dimension, _dimension, _kind, _count, _pointer, _tag, _link, _sub_ifd),
    *(_length_of_directory, _entry_copied, _header, _text, _text, _stream, _stream, _stream, _tables, _shared),
)


def spoil_tiff(lot: Lot, data: bytes) -> bytes:
    """A TIFF with one to three things wrong."""
    file = map_tiff(data)
    for _ in range(lot.choice((1, 1, 1, 2, 3))):
        lot.choice(_WAYS)(lot, file)
    return flip(lot, bytes(file.data)) if lot.random() < 0.05 else bytes(file.data)
