"""PNG files without texts, times, Exif and what stands after the end. Source: PNG specification, third edition."""

from __future__ import annotations

import struct
import zlib

from slides.errors import DamagedFile

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_NEEDED = frozenset(b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP cICP sBIT bKGD pHYs".split())
"""The picture, its colours and how large a pixel is."""


def clean(data: bytes) -> bytes:
    """The same picture: the chunks that hold it and say how it is shown.

    Raises:
        DamagedFile: it is cut off, or a chunk is not what its checksum says.
    """
    kept, at = [SIGNATURE], len(SIGNATURE)
    while True:
        if at + 12 > len(data):
            raise DamagedFile("The PNG file ends before its picture does. Save it again and attach that.")
        length, name = struct.unpack_from(">I4s", data, at)
        chunk = data[at : at + 12 + length]
        if len(chunk) != 12 + length or zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:], "big"):
            raise DamagedFile("A part of the PNG file is broken. Save it again and attach that.")
        if at == len(SIGNATURE) and name != b"IHDR":
            raise DamagedFile("The PNG file does not begin as one. Save it again and attach that.")
        if name in _NEEDED:
            kept.append(chunk)
        if name == b"IEND":
            return b"".join(kept)
        at += 12 + length
