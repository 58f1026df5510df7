"""Opening a slide, whoever made it: each reader is asked in turn whether the file is its own."""

from __future__ import annotations

from pathlib import Path

import openslide
import tifffile

from slides.errors import DamagedFile, EmptyFile, UnsupportedFile
from slides.readers.leica import SeveralAreas
from slides.readers.limits import require_plain_dicom
from slides.readers.openslide import OpenSlideSlide
from slides.readers.tiff import TiffSlide
from slides.slide import Slide

_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_COMPANIONS = {
    ".mrxs": "A MIRAX slide is a .mrxs file and a folder of the same name beside it; the folder or part of it is "
    "missing. Copy both together.",
    ".vms": "A Hamamatsu VMS slide is a .vms file and the .jpg and .opt files it names; some are missing. Copy "
    "the whole folder.",
    ".vmu": "A Hamamatsu VMU slide is a .vmu file and the .ngr files it names; some are missing. Copy the whole "
    "folder.",
}
_TIFF_FORMATS = {"aperio", "philips", "leica", "generic-tiff"}


def open_slide(path: Path) -> Slide:
    """Open a slide file, or a folder of DICOM files that are one slide.

    Opening is not validation: `slides.inspection` reads tiles at every level.

    Returns:
        The open slide; close it, or use it as a context manager.

    Raises:
        EmptyFile: there is nothing in it.
        UnsupportedFile: it is not a slide, or of a kind not read here.
        DamagedFile: it is a slide whose structure is broken.
        OSError: the file system refuses.
    """
    if path.is_dir():
        files = [file for file in sorted(path.iterdir()) if file.is_file()]
        if not files:
            raise EmptyFile("The folder is empty. Copy the slide's files into it.")
        members = [file for file in files if is_dicom(file)]
        if not members:
            raise UnsupportedFile("The folder holds no DICOM files; open other slides by their file.")
        return _open_dicom(path, members)
    with path.open("rb") as file:
        start = file.read(4)
    if not start:
        raise EmptyFile("The file is empty (0 bytes). Copy it again from the scanner.")
    if is_dicom(path):
        return _open_dicom(path, [path])
    vendor = openslide.OpenSlide.detect_format(path)
    if start in _TIFF_STARTS and (vendor is None or vendor in _TIFF_FORMATS):
        format_ = vendor or ("ome-tiff" if _is_ome(path) else "generic-tiff")
        try:
            return TiffSlide(path, format="ome-tiff" if format_ == "generic-tiff" and _is_ome(path) else format_)
        except SeveralAreas:
            return OpenSlideSlide(path, format=format_)
    if vendor is not None:
        return OpenSlideSlide(path, format=vendor)
    if path.suffix.lower() in _COMPANIONS:
        raise UnsupportedFile(_COMPANIONS[path.suffix.lower()])
    raise UnsupportedFile(
        "The file is not a slide in a format read here (Aperio, Hamamatsu, Leica, MIRAX, Philips TIFF, Sakura, "
        "Trestle, Ventana, Zeiss, tiled TIFF, OME-TIFF, DICOM). Export it from the scanner in one of these."
    )


def is_dicom(path: Path) -> bool:
    """Whether a file carries DICOM's mark after its preamble. Source: DICOM PS3.10 section 7.1."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _open_dicom(path: Path, members: list[Path]) -> Slide:
    for file in members:
        require_plain_dicom(file)
    # Imported when a DICOM slide comes: its libraries take half a second to load.
    from slides.readers.dicom import DicomSlide

    return DicomSlide(path)


def _is_ome(path: Path) -> bool:
    try:
        with tifffile.TiffFile(path) as tiff:
            return bool(tiff.is_ome)
    except (tifffile.TiffFileError, ValueError, KeyError, IndexError, TypeError, OSError) as error:
        raise DamagedFile(
            f"The file begins as a TIFF, but its directories cannot be read ({type(error).__name__}). "
            "Copy or export the slide again."
        ) from error
