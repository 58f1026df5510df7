"""Small sound slides of every layout, from which broken ones are made: the same bytes on every run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
from images import codings, scanners
from images.dicoms import write_dicom
from images.pictures import picture
from images.scanners import Made
from images.tiffs import LONG, Value, text, tiled, write_tiff
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import PYDICOM_ROOT_UID, JPEG2000Lossless, generate_uid

Files = dict[str, bytes]
"""Content by name: one file, or the several of a folder that is one slide."""


def _aperio(coding: codings.Coding, *, shared: bool = True) -> Callable[[Path], Made]:
    return lambda folder: scanners.write_aperio(
        folder / "slide.svs", picture(150, 100), coding, tile=64, factors=(1, 4), shared=shared
    )


def _generic(
    coding: codings.Coding,
    *,
    tile: tuple[int, int] = (64, 64),
    factors: Sequence[int] = (1, 2),
    order: codings.Order = "<",
    big: bool = False,
    nested: bool = False,
    sparse: frozenset[int] = frozenset(),
) -> Callable[[Path], Made]:
    return lambda folder: scanners.write_generic(
        folder / "slide.tif",
        picture(150, 100),
        coding,
        tile=tile,
        factors=factors,
        order=order,
        big=big,
        nested=nested,
        sparse=sparse,
        per_unit=(40_000, 3),
    )


def _for_openslide(tags: dict[int, tuple[int, Value]]) -> Callable[[Path], Made]:
    """A tiled TIFF with the tags by which OpenSlide knows a maker whose files only it reads."""

    def make(folder: Path) -> Made:
        pages, planes = [], []
        for factor in (1, 2):
            page, plane = tiled(picture(160 // factor, 128 // factor), codings.YCBCR_420, tile=(64, 64))
            page.tags |= {254: (LONG, [factor - 1])} | tags
            pages.append(page)
            planes.append(plane)
        return Made(write_tiff(folder / "slide.tif", pages), tuple(planes))

    return make


def _dicom_jpeg_2000(folder: Path) -> Made:
    """An uncompressed DICOM slide with its frames encoded as JPEG 2000."""
    made = write_dicom(folder, picture(150, 100), "native", tile=64)
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        frames = np.frombuffer(dataset.PixelData, np.uint8).reshape(dataset.NumberOfFrames, 64, 64, 3)
        dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
        dataset.PixelData = encapsulate(
            [bytes(imagecodecs.jpeg2k_encode(frame, level=0, codecformat="j2k", reversible=True)) for frame in frames]
        )
        dataset["PixelData"].is_undefined_length = True
        dataset.PhotometricInterpretation = "YBR_RCT"
        dataset.save_as(path)
    return made


_VENTANA = (
    '<iScan Magnification="40" ScanRes="0.25" ScannerModel="VS200" UnitNumber="1" '
    f'UserName="{scanners.NAME}"><AOI0/></iScan>'
)

_MAKERS: dict[str, Callable[[Path], Made]] = {
    "aperio rgb": _aperio(codings.RGB),
    "aperio ycbcr, own tables": _aperio(codings.YCBCR_420, shared=False),
    "aperio grey": _aperio(codings.JPEG_GREY),
    "aperio JPEG 2000": _aperio(codings.JPEG_2000_RGB),
    "aperio JPEG 2000, ycbcr": _aperio(codings.JPEG_2000_YCBCR),
    "aperio lzw": _aperio(codings.LZW),
    "generic ycbcr": _generic(codings.YCBCR_420),
    "generic ycbcr 4:2:2, Big": _generic(codings.YCBCR_422, big=True),
    "generic ycbcr, big-endian": _generic(codings.YCBCR_440, order=">"),
    "generic 16 bits, big-endian Big": _generic(codings.SIXTEEN, order=">", big=True),
    "generic plain": _generic(codings.PLAIN),
    "generic alpha": _generic(codings.WITH_ALPHA),
    "generic predicted": _generic(codings.PREDICTED),
    "generic grey 16 bits": _generic(codings.GREY_16),
    "generic inverted": _generic(codings.INVERTED),
    "generic nested": _generic(codings.YCBCR_444, nested=True),
    "generic sparse": _generic(codings.RGB, sparse=frozenset({1, 4})),
    "generic odd tiles": _generic(codings.DEFLATE, tile=(50, 30)),
    "generic one large tile": _generic(codings.RGB, tile=(160, 112), factors=(1,)),
    "philips": lambda folder: scanners.write_philips(folder / "slide.tiff", picture(512, 512), levels=2),
    "leica": lambda folder: scanners.write_leica(folder / "slide.scn", picture(256, 256)),
    "ome": lambda folder: scanners.write_ome(folder / "slide.ome.tif", picture(300, 200)),
    "trestle": lambda folder: scanners.write_trestle(folder / "slide.tif", picture(150, 100)),
    "ventana": _for_openslide({700: text(_VENTANA), 270: text("level=0 mag=40 quality=90")}),
    "hamamatsu": _for_openslide(
        {65420: (LONG, [1]), 65421: (LONG, [20]), 271: text("Hamamatsu"), 65449: text("Product=NanoZoomer")}
    ),
    "dicom ycbcr": lambda folder: write_dicom(folder, picture(150, 100), "YBR_FULL_422", tile=64),
    "dicom rgb": lambda folder: write_dicom(folder, picture(150, 100), "RGB", tile=64),
    "dicom grey": lambda folder: write_dicom(folder, picture(150, 100), "MONOCHROME2", tile=64, factors=(1,)),
    "dicom JPEG 2000": _dicom_jpeg_2000,
    "dicom native": lambda folder: write_dicom(folder, picture(150, 100), "native", tile=64),
}


def write_originals(folder: Path) -> dict[str, Files]:
    """Make every original in a folder of its own. Returns their files by the layout's name."""
    return {name: _files(make(_made(folder / str(number)))) for number, (name, make) in enumerate(_MAKERS.items())}


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _files(made: Made) -> Files:
    if made.path.is_file():
        return {made.path.name: made.path.read_bytes()}
    settled: dict[str, str] = {}
    for path in sorted(made.path.iterdir()):
        dataset = pydicom.dcmread(path)
        dataset.walk(partial(_settle_uid, settled))
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.save_as(path)
    return {f"slide-{number}.dcm": path.read_bytes() for number, path in enumerate(sorted(made.path.iterdir()))}


def _settle_uid(settled: dict[str, str], dataset: Dataset, element: pydicom.DataElement) -> None:
    """Put a lasting identifier in place of one drawn by lot: equal ones stay equal."""
    if element.VR == "UI" and str(element.value).startswith(PYDICOM_ROOT_UID):
        lasting = settled.setdefault(str(element.value), generate_uid(entropy_srcs=[str(len(settled))]))
        dataset[element.tag].value = lasting
