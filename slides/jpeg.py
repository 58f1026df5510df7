"""JPEG streams and their tables: a stored tile becomes a file that every decoder shows right, untouched.

Slide files keep tiles as abbreviated streams: the quantisation and Huffman tables stand once per level,
and what the colour numbers mean is said by the container, not by the stream. `Frame` puts both back in
front of the stream; the compressed pixels are never opened.

Source: ITU-T T.81 annex B (markers), TIFF Technical Note 2 (JPEGTables), Adobe TN 5116 (APP14),
ICC.1:2022 annex B.4 (profiles in JPEG).
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TypeAlias, cast

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image

from slides.errors import DamagedFile

SOI = b"\xff\xd8"
EOI = b"\xff\xd9"
_SOF0, _SOF1, _DQT, _DHT, _DRI, _SOS, _APP0, _APP14, _COM = 0xC0, 0xC1, 0xDB, 0xC4, 0xDD, 0xDA, 0xE0, 0xEE, 0xFE
_STANDALONE = {0x01, *range(0xD0, 0xDA)}
_BROWSER_FRAMES = {0xC0, 0xC1, 0xC2}
"""Baseline, extended and progressive Huffman frames: what browsers decode (at 8 bits a sample)."""
_ALL_FRAMES = set(range(0xC0, 0xD0)) - {_DHT, 0xC8, 0xCC}


Stream: TypeAlias = bytes | memoryview
"""A JPEG stream as a file stores it: bytes of its own or a view of what was read with it."""


class Colour(StrEnum):
    """What the numbers in a stream mean, by the word of the file that holds it."""

    RGB = "RGB"
    YCBCR = "YCBCR"
    GREY = "GREY"


def segments(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """Walk the marker segments before the compressed pixels.

    Yields:
        (marker's second byte, the whole segment with marker and length), SOI and EOI left out. The last
        one is SOS, which holds everything to the end of the stream.

    Raises:
        DamagedFile: this is no JPEG stream, or it ends inside a segment.
    """
    if stream[:2] != SOI:
        raise DamagedFile("A JPEG stream was expected, but it does not begin as one. Export the slide again.")
    at = 2
    while at + 2 <= len(stream):
        if stream[at] != 0xFF:
            raise DamagedFile("A JPEG stream is broken between two of its parts. Export the slide again.")
        marker = stream[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker == _SOS:
            yield marker, stream[at:]
            return
        elif marker in _STANDALONE:
            at += 2
        else:
            end = at + 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
            if end > len(stream) or end < at + 4:
                raise DamagedFile("A JPEG stream ends inside its own header. Export the slide again.")
            yield marker, stream[at:end]
            at = end


def says_itself(stream: bytes, tables: bytes | None = None) -> Colour | None:
    """What a stream itself says its three components mean; None when only the container knows.

    A JFIF marker means YCbCr, an Adobe marker says which. Decoders, browsers among them, believe these
    before anything else, and files exist whose container contradicts them, so they are believed here too.
    """
    parts = [*segments(stream), *segments(tables or SOI + EOI)]
    if any(marker == _APP0 and part[4:8] == b"JFIF" for marker, part in parts):
        return Colour.YCBCR
    for marker, part in parts:
        if marker == _APP14 and part[4:9] == b"Adobe" and len(part) >= 16:
            return Colour.YCBCR if part[15] == 1 else Colour.RGB
    return None


def browser_shows(stream: bytes, tables: bytes | None, colour: Colour) -> bool:
    """Whether a browser draws this stream right once its tables and colour are put in front.

    False for 12-bit, lossless, arithmetic and hierarchical JPEG, for JPEG 2000 and for other numbers of
    components than the container's colour needs.
    """
    try:
        parts = [*segments(stream), *segments(tables or SOI + EOI)]
    except DamagedFile:
        return False
    frames = [(marker, body) for marker, body in parts if marker in _ALL_FRAMES]
    if len(frames) != 1 or frames[0][0] not in _BROWSER_FRAMES or not any(m == _SOS for m, _ in parts):
        return False
    body = frames[0][1]
    return len(body) > 9 and body[4] == 8 and body[9] == (1 if colour == Colour.GREY else 3)


def subsampling(stream: bytes) -> tuple[int, int]:
    """How many times wider and higher luma is sampled than chroma: (1, 1), (2, 1), (2, 2) … Source: T.81 B.2.2."""
    for marker, part in segments(stream):
        if marker in _ALL_FRAMES and len(part) >= 16:
            luma, chroma = part[11], part[14]
            return (luma >> 4) // max(1, chroma >> 4), (luma & 15) // max(1, chroma & 15)
    return 1, 1


def blank(size: tuple[int, int], colour: Colour, sampling: tuple[int, int]) -> bytes:
    """A white tile that fits among a level's streams.

    Args:
        size: (width, height) in pixels.
        colour: of the level's streams.
        sampling: of the level's streams, as `subsampling` tells it; ignored for RGB and grey.
    """
    if colour == Colour.YCBCR:
        names = {(2, 1): "422", (2, 2): "420", (1, 2): "440", (4, 1): "411"}
        stream = encode(
            np.full((size[1], size[0], 3), 255, np.uint8), quality=90, subsampling=names.get(sampling, "444")
        )
    else:
        buffer = io.BytesIO()
        image = Image.new("L" if colour == Colour.GREY else "RGB", size, "white")
        image.save(buffer, "JPEG", quality=90, subsampling=0, keep_rgb=colour == Colour.RGB)
        stream = buffer.getvalue()
    return _with_own_tables(stream)


def _with_own_tables(stream: bytes) -> bytes:
    """A baseline stream whose tables stand in places 2 and 3, so that a level's shared ones in 0 and 1 stay.

    libtiff loads shared tables once and lets a stream that brings others overwrite them for every tile after
    it. Four places want an extended frame. Source: T.81 B.2.4.
    """
    parts = [SOI]
    for marker, segment in segments(stream):
        if marker in (_APP0, _APP14):
            continue  # what its colours mean is said by the level's frame, as for its other streams
        part = bytearray(segment)
        if marker in (_DQT, _DHT):
            part[4] += 2
        elif marker == _SOF0:
            part[1] = _SOF1
            part[12 : 12 + 3 * part[9] : 3] = bytes(place + 2 for place in part[12 : 12 + 3 * part[9] : 3])
        elif marker == _SOS:
            part[6 : 6 + 2 * part[4] : 2] = bytes(place + 0x22 for place in part[6 : 6 + 2 * part[4] : 2])
        parts.append(bytes(part))
    return b"".join(parts)


def with_profile(stream: bytes, icc_profile: bytes | None) -> bytes:
    """A complete YCbCr JPEG of ours with a colour profile embedded, as tiles from the scanner have it."""
    if icc_profile is None:
        return stream
    abbreviated, tables = split(stream)
    frame = Frame.around(abbreviated, tables=tables, colour=Colour.YCBCR, icc_profile=icc_profile)
    return frame.complete(abbreviated)


def split(stream: bytes) -> tuple[bytes, bytes]:
    """Take a complete JPEG apart as slide files keep it.

    Returns:
        (abbreviated stream without tables, JFIF and comments; the tables as SOI … EOI). Streams encoded
        with the same settings have equal tables.
    """
    at = stream.find(bytes([0xFF, _SOS]))
    if at < 0:
        raise DamagedFile("A JPEG stream has no pixels after its header. Export the slide again.")
    short, tables = _split_header(stream[: at + 2])
    return short + stream[at + 2 :], tables


@lru_cache(maxsize=16)
def _split_header(header: bytes) -> tuple[bytes, bytes]:
    """`split` of a stream up to the marker of its scan: the same for every tile that is encoded alike."""
    tables, rest = [SOI], [SOI]
    for marker, part in segments(header):
        if marker in (_DQT, _DHT):
            tables.append(part)
        elif marker not in (_APP0, _COM):
            rest.append(part)
    return b"".join(rest), b"".join([*tables, EOI])


@dataclass(frozen=True)
class Frame:
    """What goes around a level's stored streams to make each a file of its own.

    Attributes:
        prefix: SOI, the colour marker where the stream needs one, the profile, the level's tables.
    """

    prefix: bytes

    @classmethod
    def around(cls, stream: bytes, *, tables: bytes | None, colour: Colour, icc_profile: bytes | None = None) -> Frame:
        """Prepare the prefix for a level.

        Args:
            stream: any stored stream of the level; the others are written alike.
            tables: the level's JPEGTables (SOI … EOI), or None.
            colour: what the container says the numbers mean.
            icc_profile: embedded as one APP2 segment, at most 65,519 bytes.
        """
        parts = [SOI]
        if colour != Colour.GREY and says_itself(stream, tables) is None:
            # Without it decoders guess YCbCr from the component numbers; RGB slides turn pink and green.
            transform = 0 if colour == Colour.RGB else 1
            parts.append(b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + bytes([transform]))
        if icc_profile:
            body = b"ICC_PROFILE\x00\x01\x01" + icc_profile
            parts.append(b"\xff\xe2" + (len(body) + 2).to_bytes(2, "big") + body)
        if tables:
            parts.append(tables[2:-2])
        return cls(b"".join(parts))

    def complete(self, stream: Stream) -> bytes:
        """The stored stream as a file that a browser shows right."""
        return b"".join((self.prefix, stream[2:]))


@dataclass(frozen=True)
class Chain:
    """Takes many tiles of one level through the decoder in one go, at half their size.

    A baseline scan begins on a whole byte with its predictors at zero, just as it does after a restart marker. So
    streams with equal headers, put one after another with restart markers between, are one picture whose tiles lie
    one below the other. The decoder sets itself up once, not once per tile.

    Source: T.81 B.2.4.4 and E.1.4 (restart intervals).

    Attributes:
        head: what every stream must begin with, all but the compressed pixels.
        before, after: what goes around the number of lines in the common header.
        side: of the square tiles in pixels.
    """

    head: bytes
    before: bytes
    after: bytes
    side: int

    @classmethod
    def of(cls, sample: bytes, *, frame: Frame, tables: bytes | None, side: int) -> Chain | None:
        """Prepare for the streams of a level, or None where its streams cannot be chained.

        Args:
            sample: one of the level's streams.
            frame: of the level.
            tables: the level's JPEGTables (SOI … EOI), or None.
        """
        parts = [*segments(sample)]
        frames = [part for marker, part in parts if marker in (_SOF0, _SOF1)]
        restarts = any(marker == _DRI for marker, _ in (*parts, *segments(tables or SOI + EOI)))
        scan = parts[-1][1]
        across, down = subsampling(sample)
        # Other samplings are enlarged across the border of two tiles when decoded at half scale.
        if restarts or len(frames) != 1 or scan[4] != frames[0][9] or (across, down) not in ((1, 1), (2, 1), (2, 2)):
            return None
        largest = [max(place >> shift & 15 for place in frames[0][11::3]) for shift in (4, 0)]
        size = frames[0][5:9]
        if largest != [across, down] or size != 2 * side.to_bytes(2, "big") or side % (8 * across) or side % (8 * down):
            return None
        head = sample[: len(sample) - len(scan) + 2 + int.from_bytes(scan[2:4], "big")]
        interval = (side // (8 * across)) * (side // (8 * down))
        if interval > 0xFFFF:
            return None
        lines = head.index(frames[0]) + 5
        restart = bytes([0xFF, _DRI, 0, 4, *interval.to_bytes(2, "big")])
        return cls(head, frame.prefix + restart + head[2:lines], head[lines + 2 :], side)

    def decode(self, streams: Sequence[Stream], scratch: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8] | None:
        """Decode tiles at half their size.

        Args:
            scratch: uint8, room for the result, which lies in it; cheaper than fresh memory for each.

        Returns:
            uint8, shape (tiles, side / 2, side / 2, 3), RGB; None where a stream begins otherwise or is damaged,
            so that they must be decoded one by one.
        """
        length = len(self.head)
        parts: list[Stream] = [self.before, (self.side * len(streams)).to_bytes(2, "big"), self.after]
        for place, stream in enumerate(streams):
            if stream[:length] != self.head or stream[-2:] != EOI:
                return None
            parts += [stream[length:-2], bytes([0xFF, 0xD0 + place % 8])]
        parts[-1] = EOI
        half = self.side // 2
        try:
            pixels = simplejpeg.decode_jpeg(
                b"".join(parts), "RGB", min_height=half * len(streams), min_width=half, buffer=scratch
            )
        except ValueError:
            return None
        return cast("npt.NDArray[np.uint8]", pixels).reshape(len(streams), half, half, 3)


def encode(pixels: npt.NDArray[np.uint8], *, quality: int, subsampling: str) -> bytes:
    """Encode uint8 (height, width, 3) RGB as one complete baseline JPEG. `subsampling`: "444", "420" …"""
    return cast(
        bytes,
        simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality, "RGB", subsampling, fastdct=False),
    )


_HARMLESS = ("extraneous bytes", "Unknown Adobe color transform", "unknown JFIF revision")
"""libjpeg's words for oddities that leave the pixels whole; scanners write some of them."""


def decode(
    stream: bytes, *, size: tuple[int, int] | None = None, whole: tuple[int, int] | None = None
) -> npt.NDArray[np.uint8]:
    """Decode a complete JPEG, in full or at a half, quarter or eighth inside the decoder.

    Decoding at half scale agrees with the mean of each 2 x 2 pixels to 47.8 dB and better (measured on
    tissue, docs/performance.md) and takes a quarter less time.

    Args:
        stream: with its tables, as `Frame.complete` returns it.
        size: (width, height) wanted at the least; the smallest scale that reaches it is taken.
        whole: (width, height) that the stream must have in full, checked before any pixel is decoded.

    Returns:
        uint8, shape (height, width, 3), RGB.

    Raises:
        DamagedFile: the stream cannot be decoded to its end, or has another size.
    """
    width, height = size or (0, 0)
    try:
        if whole and whole != (found := simplejpeg.decode_jpeg_header(stream)[1::-1]):
            raise DamagedFile(
                f"A tile of {whole[0]} x {whole[1]} px was expected; its JPEG stream has {found[0]} x {found[1]} px. "
                "Export the slide again."
            )
        try:
            pixels = simplejpeg.decode_jpeg(stream, "RGB", min_height=height, min_width=width)
        except ValueError as error:
            if not any(words in str(error) for words in _HARMLESS):
                raise
            pixels = simplejpeg.decode_jpeg(stream, "RGB", min_height=height, min_width=width, strict=False)
    except (ValueError, KeyError) as error:  # a KeyError for samplings that it does not know
        raise DamagedFile(
            f"A tile's JPEG stream cannot be decoded to its end ({error}). Export the slide again."
        ) from error
    return cast("npt.NDArray[np.uint8]", pixels)
