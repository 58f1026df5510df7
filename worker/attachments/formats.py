"""Which kind of file something is, by its content, and a copy of it that names nobody."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import tifffile
from PIL import Image

from slides.errors import DamagedFile, SlideError, UnsupportedFile
from worker.attachments import dicom, jpeg, pdf, png, tiff
from worker.attachments.limits import LARGEST_DOCUMENT_PX, require_modest


@dataclass(frozen=True)
class Format:
    """A kind of file that is taken in.

    Attributes:
        begins: whether bytes are the beginning of one.
        clean: a copy that names nobody.
        decode: reads the copy to its end, where that can be done.
    """

    media_type: str
    begins: Callable[[bytes], bool]
    clean: Callable[[bytes], bytes]
    decode: Callable[[bytes], None] | None = None


def _decode_picture(data: bytes, name: str) -> None:
    Image.MAX_IMAGE_PIXELS = None  # our own limit holds instead, which refuses with a sentence
    with Image.open(io.BytesIO(data), formats=[name]) as picture:
        require_modest(*picture.size)
        picture.load()


def _decode_pages(data: bytes) -> None:
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        pixels = 0
        for page in file.pages:
            if not isinstance(page, tifffile.TiffPage):
                raise UnsupportedFile("The pages of the TIFF file are not whole. Save it again and attach that.")
            pixels += require_modest(page.imagewidth, page.imagelength * page.imagedepth)
            if pixels > LARGEST_DOCUMENT_PX:
                raise UnsupportedFile("The pages have too many pixels together. Attach the file in parts.")
            page.asarray()


FORMATS = (
    Format(
        "image/jpeg", lambda head: head.startswith(b"\xff\xd8\xff"), jpeg.clean, partial(_decode_picture, name="JPEG")
    ),
    Format("image/png", lambda head: head.startswith(png.SIGNATURE), png.clean, partial(_decode_picture, name="PNG")),
    Format("image/tiff", lambda head: head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), tiff.clean, _decode_pages),
    Format("application/pdf", lambda head: head.startswith(b"%PDF-"), pdf.clean),
    Format("application/dicom", lambda head: head[128:132] == b"DICM", dicom.clean),
)
"""The first that recognises a file reads it; what else it may pass for is gone from its copy. Domain rules, 3.4."""


def clean(data: bytes) -> tuple[str, bytes]:
    """The media type of a file, and a copy of it that names nobody, decoded once from beginning to end.

    Raises:
        UnsupportedFile: it is none of the kinds that are taken in, or too large a picture.
        DamagedFile: it is cut off or broken.
    """
    # What libraries warn of may quote the file.
    with warnings.catch_warnings(action="ignore"):
        for kind in FORMATS:
            if kind.begins(data[:132]):
                cleaned = kind.clean(data)
                if kind.decode:
                    _try(kind.decode, cleaned)
                return kind.media_type, cleaned
    raise UnsupportedFile("The file is no PDF, JPEG, PNG, TIFF or DICOM by its content. Save it as one of these.")


def _try(decode: Callable[[bytes], None], data: bytes) -> None:
    try:
        decode(data)
    except (SlideError, MemoryError):
        raise
    except Exception as error:
        # Decoders have errors of many kinds, and say in all of them that the file is not what it should be.
        raise DamagedFile(
            f"The picture cannot be decoded to its end ({type(error).__name__}). Save it again and attach that."
        ) from error
