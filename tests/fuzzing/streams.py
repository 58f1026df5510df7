"""JPEG streams with something wrong in them.

Source: ITU-T T.81 annex B (markers and their segments).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

from fuzzing.lot import Lot

_SOS, _EOI = 0xDA, 0xD9
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_MARKERS = (*range(0xC0, 0xE0), 0xE0, 0xEE, 0xFE, 0x01)


def spoil(lot: Lot, stream: bytes) -> bytes:
    """A JPEG stream, or its tables, with one thing wrong; anything else gets some bytes exchanged."""
    parts = _parts(stream)
    if len(parts) < 2 or lot.random() < 0.1:
        return flip(lot, stream)
    return lot.choice(_WAYS)(lot, parts)


def flip(lot: Lot, data: bytes) -> bytes:
    """Any bytes with a few of them exchanged, cut out or put in."""
    changed = bytearray(data or b"\0")
    for _ in range(lot.choice((1, 1, 2, 8, 40))):
        place = lot.randrange(len(changed))
        changed[place] = lot.choice((lot.randrange(256), 0, 255, changed[place] ^ 1 << lot.randrange(8)))
    if lot.random() < 0.2:
        place = lot.randrange(len(changed))
        changed[place : place + lot.randrange(30)] = lot.randbytes(lot.randrange(30))
    return bytes(changed)


def _parts(stream: bytes) -> list[bytes]:
    """A stream cut at its markers: SOI, each segment, then SOS with all that follows."""
    parts, at = [stream[:2]], 2
    while at + 4 <= len(stream) and stream[at] == 0xFF and stream[at + 1] not in (_SOS, _EOI):
        end = at + 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
        parts.append(stream[at:end])
        at = end
    parts.append(stream[at:])
    return parts


def _segment(lot: Lot, parts: Sequence[bytes]) -> int:
    return lot.randrange(1, len(parts))


def _length(lot: Lot, parts: list[bytes]) -> bytes:
    place = _segment(lot, parts)
    length = struct.pack(">H", lot.number(len(parts[place]) - 2) & 0xFFFF)
    parts[place] = parts[place][:2] + length + parts[place][4:]
    return b"".join(parts)


def _frame(lot: Lot, parts: list[bytes]) -> bytes:
    """Precision, height, width, the number of components, or a component's sampling and tables."""
    for place, part in enumerate(parts):
        if len(part) > 9 and part[0] == 0xFF and part[1] in _FRAMES:
            frame = bytearray(part)
            field = lot.choice(("precision", "height", "width", "components", "component", "kind"))
            if field in ("height", "width"):
                at = 5 if field == "height" else 7
                struct.pack_into(">H", frame, at, lot.number(int.from_bytes(frame[at : at + 2], "big")) & 0xFFFF)
            elif field == "component":
                frame[lot.randrange(10, len(frame))] = lot.choice((0, 1, 0x11, 0x14, 0x21, 0x22, 0x44, 0xFF))
            elif field == "kind":
                frame[1] = lot.choice(sorted(_FRAMES))
            else:
                frame[4 if field == "precision" else 9] = lot.choice((0, 1, 2, 3, 4, 8, 12, 16, 255))
            parts[place] = bytes(frame)
    return b"".join(parts)


def _marker(lot: Lot, parts: list[bytes]) -> bytes:
    place = _segment(lot, parts)
    parts[place] = parts[place][:1] + bytes([lot.choice(_MARKERS)]) + parts[place][2:]
    return b"".join(parts)


def _left_out(lot: Lot, parts: list[bytes]) -> bytes:
    del parts[_segment(lot, parts)]
    return b"".join(parts)


def _repeated(lot: Lot, parts: list[bytes]) -> bytes:
    place = _segment(lot, parts)
    parts[place:place] = [parts[place]] * lot.choice((1, 2, 5, 300))
    return b"".join(parts)


def _moved(lot: Lot, parts: list[bytes]) -> bytes:
    part = parts.pop(_segment(lot, parts))
    parts.insert(lot.randrange(1, len(parts) + 1), part)
    return b"".join(parts)


def _inside(lot: Lot, parts: list[bytes]) -> bytes:
    place = _segment(lot, parts)
    parts[place] = parts[place][:4] + flip(lot, parts[place][4:])
    return b"".join(parts)


def _restarts(lot: Lot, parts: list[bytes]) -> bytes:
    """A restart interval that the scan does not keep, or restart markers that nobody announced."""
    interval = b"\xff\xdd\x00\x04" + struct.pack(">H", lot.choice((0, 1, 2, 7, 65_535)))
    scan = bytearray(parts.pop())
    for _ in range(lot.choice((0, 1, 20))):
        place = lot.randrange(len(scan) + 1)
        scan[place:place] = bytes([0xFF, lot.randrange(0xD0, 0xD8)])
    return b"".join([*parts, *lot.choice(([], [interval])), bytes(scan)])


def _scan_cut(lot: Lot, parts: list[bytes]) -> bytes:
    scan = parts.pop()
    kept = scan[: lot.randrange(len(scan) + 1)]
    rest = lot.choice((b"", b"\xff\xd9", bytes(len(scan) - len(kept)), b"\xff" * (len(scan) - len(kept))))
    return b"".join([*parts, kept, rest])


def _progressive(lot: Lot, parts: list[bytes]) -> bytes:
    """The tables of the stream, then a progressive frame whose empty scans each cost a whole pass."""
    frame = next((part for part in parts if len(part) > 9 and part[1] in _FRAMES), b"")
    if not frame:
        return flip(lot, b"".join(parts))
    bomb = bytearray(frame)
    bomb[1] = 0xC2
    if lot.random() < 0.4:
        struct.pack_into(">HH", bomb, 5, *lot.choice(((65_500, 65_500), (4096, 4096), (65_500, 1))))
    first = bytes([0xFF, _SOS, 0, 8, 1, bomb[10], 0, 1, 63, 0x0D]) + b"\0\0"
    tables = [part for part in parts[1:-1] if part is not frame]
    scans = first[:-2] + b"\x00" * lot.choice((0, 2, 60))
    return b"".join([parts[0], *tables, bytes(bomb), scans * lot.choice((1, 10, 3000, 30_000)), b"\xff\xd9"])


_WAYS: tuple[Callable[[Lot, list[bytes]], bytes], ...] = (
    _length,
    _frame,
    _frame,
    _frame,
    _marker,
    _left_out,
    _repeated,
    _moved,
    _inside,
    _inside,
    _restarts,
    _scan_cut,
    _progressive,
)
