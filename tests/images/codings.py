"""Ways in which slide files store a tile: each encodes RGB and says which pixels a right reader gets back.

What comes back is decoded here by Pillow, imagecodecs or nothing at all, never by the code under test.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import imagecodecs
import numpy as np
import simplejpeg
from images.pictures import Pixels
from PIL import Image

Order = Literal["<", ">"]
_DQT, _DHT, _SOS, _APP0, _APP14 = 0xDB, 0xC4, 0xDA, 0xE0, 0xEE


@dataclass(frozen=True)
class Coding:
    """One way to store tiles in a TIFF.

    Attributes:
        name: for test ids.
        compression, photometric, bits, samples: as the TIFF tags state them.
        encode: uint8 (height, width, 3) RGB and the file's byte order to (a whole stream, the RGB a right
            reader shows).
        subsampling: horizontal and vertical, for YCbCr.
        jpeg: the stream is a JPEG whose tables may be shared.
        predictor: TIFF tag 317.
    """

    name: str
    compression: int
    photometric: int
    encode: Callable[[Pixels, Order], tuple[bytes, Pixels]]
    bits: int = 8
    samples: int = 3
    subsampling: tuple[int, int] | None = None
    jpeg: bool = False
    predictor: int = 1


def segments_of(stream: bytes) -> list[tuple[int, bytes]]:
    """(marker, segment) of a JPEG up to and with its first scan, which takes the rest along."""
    found, at = [], 2
    while stream[at + 1] != _SOS:
        end = at + 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
        found.append((stream[at + 1], stream[at:end]))
        at = end
    return [*found, (_SOS, stream[at:])]


def without(stream: bytes, *markers: int) -> bytes:
    """The stream less all segments of these markers."""
    return b"\xff\xd8" + b"".join(part for marker, part in segments_of(stream) if marker not in markers)


def nameless(stream: bytes) -> bytes:
    """The stream without JFIF and Adobe markers: it no longer says what its colours mean."""
    return without(stream, _APP0, _APP14)


def abbreviated(stream: bytes) -> tuple[bytes, bytes]:
    """(stream without its tables, the tables as SOI … EOI)."""
    tables = b"".join(part for marker, part in segments_of(stream) if marker in (_DQT, _DHT))
    return without(stream, _DQT, _DHT), b"\xff\xd8" + tables + b"\xff\xd9"


def shown(stream: bytes) -> Pixels:
    """A complete JPEG as Pillow shows it, RGB."""
    return np.array(Image.open(io.BytesIO(stream)).convert("RGB"))


def jpeg_rgb(pixels: Pixels, quality: int = 80) -> bytes:
    """A complete JPEG of RGB components, with the Adobe marker that says so."""
    return bytes(imagecodecs.jpeg8_encode(pixels, quality, colorspace="RGB", outcolorspace="RGB", subsampling="444"))


def jpeg_ycbcr(pixels: Pixels, quality: int = 80, subsampling: str = "420") -> bytes:
    """A complete JFIF stream."""
    return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality, "RGB", subsampling))


def jpeg_grey(pixels: Pixels, quality: int = 80) -> bytes:
    """A complete JFIF stream of one component."""
    return bytes(simplejpeg.encode_jpeg(_grey(pixels), quality, "GRAY", "Gray"))


def _grey(pixels: Pixels) -> Pixels:
    """Shape (height, width, 1)."""
    return np.ascontiguousarray(pixels[:, :, 1:2])


def _rgb(pixels: Pixels, _: Order) -> tuple[bytes, Pixels]:
    stream = jpeg_rgb(pixels)
    return nameless(stream), shown(stream)


def _ycbcr(subsampling: str) -> Callable[[Pixels, Order], tuple[bytes, Pixels]]:
    def encode(pixels: Pixels, _: Order) -> tuple[bytes, Pixels]:
        stream = jpeg_ycbcr(pixels, subsampling=subsampling)
        return nameless(stream), shown(stream)

    return encode


def _jpeg_grey(pixels: Pixels, _: Order) -> tuple[bytes, Pixels]:
    stream = jpeg_grey(pixels)
    return nameless(stream), shown(stream)


def _jfif_called_rgb(pixels: Pixels, _: Order) -> tuple[bytes, Pixels]:
    """JFIF, hence YCbCr, in a file that calls it RGB. Source: JFIF 1.02, "Standard, 24-bit colour"."""
    stream = jpeg_ycbcr(pixels, subsampling="444")
    return stream, shown(stream)


def _raw(
    prepare: Callable[[Pixels], np.ndarray[tuple[int, ...], np.dtype[np.uint8 | np.uint16]]],
    show: Callable[[Pixels], Pixels],
    pack: Callable[[bytes], bytes] = bytes,
) -> Callable[[Pixels, Order], tuple[bytes, Pixels]]:
    def encode(pixels: Pixels, order: Order) -> tuple[bytes, Pixels]:
        samples = prepare(pixels)
        return pack(samples.astype(samples.dtype.newbyteorder(order)).tobytes()), show(pixels)

    return encode


def _differences(pixels: Pixels) -> Pixels:
    """Horizontal differencing. Source: TIFF 6.0, section 14."""
    different = pixels.copy()
    different[:, 1:] -= pixels[:, :-1]
    return different


def _with_alpha(pixels: Pixels) -> Pixels:
    return np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])


def _sixteen(pixels: Pixels) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8 | np.uint16]]:
    return pixels.astype(np.uint16) * 257


def _show_grey(pixels: Pixels) -> Pixels:
    return np.repeat(_grey(pixels), 3, axis=2)


def _jpeg2000(ycbcr: bool) -> Callable[[Pixels, Order], tuple[bytes, Pixels]]:
    def encode(pixels: Pixels, _: Order) -> tuple[bytes, Pixels]:
        stored = np.array(Image.fromarray(pixels).convert("YCbCr")) if ycbcr else pixels
        stream = bytes(imagecodecs.jpeg2k_encode(stored, level=0, codecformat="j2k", reversible=True, mct=not ycbcr))
        back = np.asarray(imagecodecs.jpeg2k_decode(stream))
        if ycbcr:
            back = np.array(Image.fromarray(back, "YCbCr").convert("RGB"))
        return stream, back

    return encode


def _lzw(data: bytes) -> bytes:
    return bytes(imagecodecs.lzw_encode(data))


def _same(pixels: Pixels) -> Pixels:
    return pixels


RGB = Coding("jpeg-rgb", 7, 2, _rgb, jpeg=True)
YCBCR_420 = Coding("jpeg-ycbcr-420", 7, 6, _ycbcr("420"), subsampling=(2, 2), jpeg=True)
YCBCR_422 = Coding("jpeg-ycbcr-422", 7, 6, _ycbcr("422"), subsampling=(2, 1), jpeg=True)
YCBCR_444 = Coding("jpeg-ycbcr-444", 7, 6, _ycbcr("444"), subsampling=(1, 1), jpeg=True)
YCBCR_440 = Coding("jpeg-ycbcr-440", 7, 6, _ycbcr("440"), subsampling=(1, 2), jpeg=True)
JPEG_GREY = Coding("jpeg-grey", 7, 1, _jpeg_grey, samples=1, jpeg=True)
JFIF_CALLED_RGB = Coding("jpeg-jfif-called-rgb", 7, 2, _jfif_called_rgb, jpeg=True)
JPEG_CODINGS = (RGB, YCBCR_420, YCBCR_422, YCBCR_444, YCBCR_440, JPEG_GREY, JFIF_CALLED_RGB)

PLAIN = Coding("plain-rgb", 1, 2, _raw(_same, _same))
LZW = Coding("lzw-rgb", 5, 2, _raw(_same, _same, _lzw))
DEFLATE = Coding("deflate-rgb", 8, 2, _raw(_same, _same, zlib.compress))
PREDICTED = Coding("deflate-predicted-rgb", 8, 2, _raw(_differences, _same, zlib.compress), predictor=2)
SIXTEEN = Coding("deflate-rgb-16-bit", 8, 2, _raw(_sixteen, _same, zlib.compress), bits=16)
WITH_ALPHA = Coding("plain-rgba", 1, 2, _raw(_with_alpha, _same), samples=4)
GREY = Coding("plain-grey", 1, 1, _raw(_grey, _show_grey), samples=1)
INVERTED = Coding("plain-grey-white-is-zero", 1, 0, _raw(lambda p: 255 - _grey(p), _show_grey), samples=1)
GREY_16 = Coding("lzw-grey-16-bit", 5, 1, _raw(lambda p: _sixteen(_grey(p)), _show_grey, _lzw), bits=16, samples=1)
JPEG_2000_RGB = Coding("jpeg2000-rgb", 33005, 2, _jpeg2000(ycbcr=False))
JPEG_2000_YCBCR = Coding("jpeg2000-ycbcr", 33003, 2, _jpeg2000(ycbcr=True))
LOSSLESS_CODINGS = (PLAIN, LZW, DEFLATE, PREDICTED, SIXTEEN, WITH_ALPHA, GREY, INVERTED, GREY_16)
JPEG_2000_CODINGS = (JPEG_2000_RGB, JPEG_2000_YCBCR)
CODINGS = (*JPEG_CODINGS, *LOSSLESS_CODINGS, *JPEG_2000_CODINGS)
