"""How much a slide file may ask for before anything is decoded: small files can claim to be enormous.

The sizes are stated in a few bytes, so they are compared with what belongs there before memory is given.

Source: ITU-T T.81 B.2.2 (JPEG frame header), ITU-T T.800 A.5.1 (JPEG 2000 SIZ marker).
"""

from __future__ import annotations

from pathlib import Path

from slides.errors import DamagedFile, UnsupportedFile
from slides.geometry import Size

LARGEST_SIDE_PX = 1 << 20
"""Of a slide. The longest glass, 76 mm, at 0.1 micrometres a pixel has three quarters of it."""
LARGEST_TILE_PX = 1 << 24
"""Of one tile, width times height: 4096 x 4096."""
LARGEST_PICTURE_PX = 1 << 26
"""Of a label or macro image, which are decoded in one piece."""
LARGEST_PROFILE_BYTES = 16 << 20
"""Of a colour profile; scanners' have a few hundred kilobytes at the most."""
MOST_SCANS = 100
"""Of a progressive JPEG: encoders write about ten. Each costs a pass over the whole picture."""
_JPEG_2000 = b"\xff\x4f\xff\x51"
_FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
"""Beginnings of frames; 0xF7 is JPEG-LS. Source: ITU-T T.87 C.1.2."""


def require_canvas(size: Size) -> None:
    """Refuse a slide larger than any glass, with UnsupportedFile."""
    if max(size.width, size.height) > LARGEST_SIDE_PX:
        raise UnsupportedFile(
            f"The slide claims {size}; at most {LARGEST_SIDE_PX} px either way are read here, more than any glass "
            "holds. Export the slide again."
        )


def require_tile(tile: Size) -> None:
    """Refuse tiles too large to be decoded one by one, with UnsupportedFile."""
    if tile.width * tile.height > LARGEST_TILE_PX:
        raise UnsupportedFile(
            f"The slide's tiles have {tile}; at most {LARGEST_TILE_PX} px each are read here. Export the slide with "
            "tiles of 256 or 512 px."
        )


def require_plain_dicom(path: Path) -> None:
    """Refuse DICOM whose elements are deflated, with UnsupportedFile: they unpack to any size, in memory."""
    # Imported when a DICOM slide comes: it takes a while to load.
    from pydicom.filereader import read_file_meta_info
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    try:
        syntax = read_file_meta_info(path).get("TransferSyntaxUID")
    except OSError:
        raise
    except Exception as error:  # pydicom's share no base
        raise UnsupportedFile(
            f"The beginning of the DICOM file cannot be read ({type(error).__name__}). Export it again."
        ) from error
    if syntax == DeflatedExplicitVRLittleEndian:
        raise UnsupportedFile("The DICOM file is deflated as a whole, which no slide is. Export it without that.")


def require_modest(stream: bytes, tile: Size) -> None:
    """Refuse a JPEG or JPEG 2000 stream that would take more to decode than its tile may, with DamagedFile.

    Args:
        stream: of one tile; any other kind passes.
        tile: its size in pixels; a picture at the edge may be smaller.
    """
    found = _stated_size(stream)
    if found is not None and (found[0] > tile.width or found[1] > tile.height):
        raise DamagedFile(
            f"A tile of {tile} was expected; its stream has {found[0]} x {found[1]} px. Export the slide again."
        )
    if stream[:2] == b"\xff\xd8" and stream.count(b"\xff\xda") > MOST_SCANS:
        raise DamagedFile(
            f"A tile's JPEG stream is drawn in more than {MOST_SCANS} passes, which no scanner does. Export the "
            "slide again."
        )


def _stated_size(stream: bytes) -> tuple[int, int] | None:
    """Width and height that a stream states, None when it does not."""
    if stream[:2] == b"\xff\xd8":
        at = 2
        while at + 9 <= len(stream) and stream[at] == 0xFF:
            if stream[at + 1] in _FRAMES:
                return int.from_bytes(stream[at + 7 : at + 9], "big"), int.from_bytes(stream[at + 5 : at + 7], "big")
            at += 1 if stream[at + 1] == 0xFF else 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
        return None
    at = stream.find(_JPEG_2000)
    if at < 0 or len(stream) < at + 24:
        return None
    right, bottom, left, top = (int.from_bytes(stream[at + n : at + n + 4], "big") for n in (8, 12, 16, 20))
    return right - left, bottom - top
