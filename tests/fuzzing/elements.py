"""DICOM files with something wrong in their elements, their nesting, their frames or the tables of these.

Source: DICOM PS3.5 sections 7.1 (elements), 7.5 (sequences) and A.4 (encapsulated frames), PS3.10 section 7.1.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from fuzzing.lot import Lot
from fuzzing.originals import Files
from fuzzing.streams import flip, spoil

_START = 132
_LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
_VRS = tuple(
    vr.encode()
    for vr in "AE AS AT CS DA DS DT FD FL IS LO LT OB OD OW PN SH SL SQ SS ST TM UI UL UN US UT UV ZZ".split()  # noqa: SIM905
)
_UNDEFINED = 0xFFFFFFFF
_PIXEL_DATA = (0x7FE0, 0x0010)
_SYNTAXES = tuple(
    f"1.2.840.10008.1.2{rest}".encode()
    for rest in ("", ".1", ".1.99", ".2", ".4.50", ".4.51", ".4.57", ".4.70", ".4.80", ".4.90", ".4.91", ".4.201", ".5")
)
_NESTED = struct.pack("<HH2sHI", 0x0040, 0x0560, b"SQ", 0, _UNDEFINED) + struct.pack("<HHI", 0xFFFE, 0xE000, _UNDEFINED)
_ITEM, _END_OF_ITEMS = struct.pack("<HH", 0xFFFE, 0xE000), struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
_NUMBERED = {
    *((0x0028, 0x0008), (0x0028, 0x0010), (0x0028, 0x0011), (0x0028, 0x0002), (0x0028, 0x0100), (0x0028, 0x0101)),
    *((0x0048, 0x0006), (0x0048, 0x0007), (0x0048, 0x0303), (0x0048, 0x0302), (0x0028, 0x0006), (0x0028, 0x0103)),
}
"""Rows, columns, frames, bits: what decides how much is read and made room for."""
_WORDS = {
    (0x0028, 0x0004): (b"RGB ", b"YBR_FULL", b"YBR_ICT ", b"YBR_RCT ", b"MONOCHROME1 ", b"PALETTE COLOR ", b"", b"X "),
    (0x0020, 0x9311): (b"TILED_SPARSE", b"TILED_FULL", b"3D", b""),
    (0x0008, 0x0008): (b"ORIGINAL\\PRIMARY\\LABEL\\NONE ", b"ORIGINAL\\PRIMARY\\OVERVIEW\\NONE", b"", b"A\\B "),
    (0x0002, 0x0010): _SYNTAXES,
    (0x0048, 0x0010): (b"YES ", b"NO", b""),
}


@dataclass(frozen=True)
class Element:
    """One data element of the topmost level, header and value."""

    tag: tuple[int, int]
    vr: bytes
    value: bytes
    undefined: bool = False

    def encode(self, length: int | None = None) -> bytes:
        """As bytes, with a stated length that may be another than the value's."""
        stated = (_UNDEFINED if self.undefined else len(self.value)) if length is None else length
        head = struct.pack("<HH2s", *self.tag, self.vr)
        if self.vr in _LONG:
            return head + struct.pack("<HI", 0, stated & _UNDEFINED) + self.value
        return head + struct.pack("<H", stated & 0xFFFF) + self.value


def read_elements(data: bytes) -> list[Element]:
    """The topmost elements of a sound file in explicit little-endian."""
    elements, at = [], _START
    while at + 8 <= len(data):
        group, number, vr, short = struct.unpack_from("<HH2sH", data, at)
        start, length = at + 8, short
        if vr in _LONG:
            start, length = at + 12, struct.unpack_from("<I", data, at + 8)[0]
        undefined = length == _UNDEFINED
        end = _end_of_items(data, start) if undefined else start + length
        elements.append(Element((group, number), vr, data[start:end], undefined))
        at = end
    return elements


def _end_of_items(data: bytes, at: int) -> int:
    while data[at : at + 4] == _ITEM:
        at += 8 + int(struct.unpack_from("<I", data, at + 4)[0])
    return at + len(_END_OF_ITEMS)


def _place(lot: Lot, elements: list[Element]) -> int:
    telling = [n for n, element in enumerate(elements) if element.tag in _NUMBERED or element.tag in _WORDS]
    return lot.choice(telling) if telling and lot.random() < 0.5 else lot.randrange(len(elements))


def _exchange(elements: list[Element], place: int, *, vr: bytes | None = None, value: bytes | None = None) -> None:
    was = elements[place]
    elements[place] = Element(was.tag, vr or was.vr, was.value if value is None else value, was.undefined)


def _value(lot: Lot, elements: list[Element]) -> bytes:
    place = _place(lot, elements)
    element = elements[place]
    forms = {b"US": "<H", b"SS": "<h", b"UL": "<I", b"SL": "<i", b"FL": "<f", b"FD": "<d"}
    if element.tag in _WORDS and lot.random() < 0.7:
        value = lot.choice(_WORDS[element.tag])
    elif element.vr in (b"US", b"UL") and len(element.value) == struct.calcsize(forms[element.vr]):
        width = len(element.value)
        number = lot.number(int.from_bytes(element.value, "little")) % (1 << 8 * width)
        value = number.to_bytes(width, "little")
    elif element.vr in (b"FL", b"FD"):
        value = struct.pack(forms[element.vr], lot.choice((0.0, -1.0, 1e-30, 1e30, float("nan"), float("inf"))))
    elif element.tag == _PIXEL_DATA:
        value = flip(lot, element.value)
    elif element.vr == b"IS":
        value = str(lot.number(int(element.value or b"0"))).encode()
    else:
        value = lot.words(element.value)
    _exchange(elements, place, value=value + b" " * (len(value) % 2))
    return _joined(elements)


def _vr(lot: Lot, elements: list[Element]) -> bytes:
    _exchange(elements, _place(lot, elements), vr=lot.choice(_VRS))
    return _joined(elements)


def _length(lot: Lot, elements: list[Element]) -> bytes:
    place = _place(lot, elements)
    length = lot.choice((lot.number(len(elements[place].value)), _UNDEFINED))
    return b"".join(e.encode(length if n == place else None) for n, e in enumerate(elements))


def _left_out(lot: Lot, elements: list[Element]) -> bytes:
    del elements[_place(lot, elements)]
    return _joined(elements)


def _repeated(lot: Lot, elements: list[Element]) -> bytes:
    place = _place(lot, elements)
    elements[place:place] = [elements[place]] * lot.choice((1, 2, 1000))
    return _joined(elements)


def _tag(lot: Lot, elements: list[Element]) -> bytes:
    place = _place(lot, elements)
    element, other = elements[place], lot.choice(elements)
    elements[place] = Element(other.tag, element.vr, element.value, element.undefined)
    return _joined(elements)


def _nested(lot: Lot, elements: list[Element]) -> bytes:
    """Sequences within sequences within sequences."""
    depth = lot.choice((3, 100, 2000, 20_000))
    end = struct.pack("<HHI", 0xFFFE, 0xE00D, 0) + _END_OF_ITEMS
    deep = _NESTED * depth + (end * depth if lot.random() < 0.7 else b"")
    place = next((n for n, element in enumerate(elements) if element.tag > (0x0040, 0x0560)), len(elements))
    return _joined(elements[:place]) + deep + _joined(elements[place:])


def _frames(lot: Lot, elements: list[Element]) -> bytes:
    """One frame's stream, the frames' number, their lengths or the table of their places."""
    place = next((n for n, element in enumerate(elements) if element.tag == _PIXEL_DATA), None)
    if place is None or not elements[place].undefined:
        return _value(lot, elements)
    value, items = elements[place].value, []
    at = 0
    while value[at : at + 4] == _ITEM:
        end = at + 8 + int(struct.unpack_from("<I", value, at + 4)[0])
        items.append(value[at + 8 : end])
        at = end
    which = lot.randrange(1, len(items))
    way = lot.choice(("stream", "stream", "stream", "all", "less", "more", "none", "empty", "table", "length", "end"))
    if way in ("stream", "all"):
        spoiled = spoil(lot, items[which])
        spoiled += b"\0" * (len(spoiled) % 2)
        items[1:] = [spoiled if way == "all" or n == which else item for n, item in enumerate(items[1:], start=1)]
    elif way == "less":
        del items[which:]
    elif way == "more":
        items[which:which] = [items[which]] * lot.choice((1, 500))
    elif way == "none":
        items = []
    elif way == "empty":
        items[which] = b""
    elif way == "table":
        places = [lot.number(n * 1000) & _UNDEFINED for n in range(lot.choice((len(items) - 1, 1, 1000)))]
        items[0] = struct.pack(f"<{len(places)}I", *places)
    lengths = [len(item) for item in items]
    if way == "length":
        lengths[which] = lot.number(lengths[which]) & _UNDEFINED
    joined = b"".join(_ITEM + struct.pack("<I", length) + item for length, item in zip(lengths, items, strict=True))
    _exchange(elements, place, value=joined + (b"" if way == "end" else _END_OF_ITEMS))
    return _joined(elements)


def _joined(elements: list[Element]) -> bytes:
    return b"".join(element.encode() for element in elements)


_WAYS: tuple[Callable[[Lot, list[Element]], bytes], ...] = (
    *(_value, _value, _value, _value, _vr, _length, _left_out, _repeated, _tag, _nested, _frames, _frames, _frames),
)


def spoil_dicom(lot: Lot, files: Files) -> Files:
    """A DICOM slide with something wrong in one of its files, or with a file too few or too many."""
    files = dict(files)
    name = lot.choice(sorted(files))
    way = lot.random()
    if way < 0.04 and len(files) > 1:
        del files[name]
    elif way < 0.06:
        files["slide-9.dcm"] = files[name]
    elif way < 0.12:
        files[name] = flip(lot, files[name])
    else:
        made = lot.choice(_WAYS)(lot, read_elements(files[name]))
        files[name] = files[name][:_START] + made
    return files
