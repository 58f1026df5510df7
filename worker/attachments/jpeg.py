"""JPEG files without what is not needed to show them: Exif, XMP, IPTC, comments, thumbnails, what stands after the end.

Source: ITU-T T.81 annex B; JFIF 1.02; Exif 2.32, 4.6.4.
"""

from __future__ import annotations

import re
import struct

from slides.errors import DamagedFile

_START, _END, _SCAN, _COMMENT = 0xD8, 0xD9, 0xDA, 0xFE
_APPLICATION = range(0xE0, 0xF0)
_ALONE = {0x01, *range(0xD0, 0xD8)}
"""Markers without a length, which stand between coded bytes only."""
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
"""Where coded bytes end: an FF among them is followed by 00, a restart marker or another FF."""
_ORIENTATION, _SHORT = 0x0112, 3


def clean(data: bytes) -> bytes:
    """The same picture: every segment that decoding needs, its colour profile and which way up it is.

    Raises:
        DamagedFile: it is cut off, or its parts do not follow each other.
    """
    kept, at, scans = [data[:2]], 2, 0
    while True:
        at, marker = _read_marker(data, at)
        if marker == _END:
            if not scans:
                raise DamagedFile("The JPEG file holds no picture. Save it again and attach that.")
            return b"".join([*kept, b"\xff\xd9"])
        if marker in _ALONE or marker == _START:
            raise DamagedFile("The parts of the JPEG file do not follow each other. Save it again and attach that.")
        length = int.from_bytes(data[at : at + 2], "big")
        segment = data[at + 2 : at + length]
        if length < 2 or len(segment) != length - 2:
            raise _cut_off()
        at += length
        if marker in _APPLICATION or marker == _COMMENT:
            segment = _find_needed(marker, segment)
            if not segment:
                continue
        kept.append(struct.pack(">BBH", 0xFF, marker, len(segment) + 2) + segment)
        if marker == _SCAN:
            scans += 1
            found = _NEXT_MARKER.search(data, at)
            if found is None:
                raise _cut_off()
            kept.append(data[at : found.start()])
            at = found.start()


def _read_marker(data: bytes, at: int) -> tuple[int, int]:
    """The place behind the next marker, and the marker."""
    if data[at : at + 1] != b"\xff":
        raise _cut_off()
    while data[at : at + 1] == b"\xff":
        at += 1
    if at >= len(data):
        raise _cut_off()
    return at + 1, data[at]


def _find_needed(marker: int, segment: bytes) -> bytes:
    """What is needed of an application's segment; nothing of most."""
    match marker:
        case 0xE0 if segment.startswith(b"JFIF\0") and len(segment) >= 14:
            return segment[:12] + b"\0\0"  # without its thumbnail
        case 0xE1 if segment.startswith(b"Exif\0\0"):
            return _keep_orientation(segment[6:])
        case 0xE2 if segment.startswith(b"ICC_PROFILE\0"):
            return segment
        case 0xEE if segment.startswith(b"Adobe"):
            return segment[:12]
    return b""


def _keep_orientation(exif: bytes) -> bytes:
    """Exif that says which way up the picture is, and nothing else; none where that is as stored."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None or len(exif) < 8:
        return b""
    (at,) = struct.unpack_from(f"{order}I", exif, 4)
    if at + 2 > len(exif):
        return b""
    (count,) = struct.unpack_from(f"{order}H", exif, at)
    for entry in range(at + 2, min(at + 2 + 12 * count, len(exif) - 11), 12):
        tag, kind, _, value = struct.unpack_from(f"{order}HHIH", exif, entry)
        if (tag, kind) == (_ORIENTATION, _SHORT) and 2 <= value <= 8:
            directory = struct.pack("<HHHIHHI", 1, _ORIENTATION, _SHORT, 1, value, 0, 0)
            return b"Exif\0\0" + struct.pack("<4sI", b"II*\0", 8) + directory
    return b""


def _cut_off() -> DamagedFile:
    return DamagedFile("The JPEG file ends before its picture does, or is broken. Save it again and attach that.")
