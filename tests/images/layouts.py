"""Every layout of slide file that the tests know, by name, made when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from images import codings, scanners
from images.dicoms import Photometric, write_dicom
from images.pictures import picture
from images.scanners import Made

Maker = Callable[[Path], Made]


def aperio(coding: codings.Coding, **options: object) -> Maker:
    return lambda folder: scanners.write_aperio(folder / "slide.svs", coding=coding, **options)  # type: ignore[arg-type]


def generic(coding: codings.Coding, **options: object) -> Maker:
    return lambda folder: scanners.write_generic(folder / "slide.tif", coding=coding, **options)  # type: ignore[arg-type]


def dicom(photometric: Photometric, **options: object) -> Maker:
    return lambda folder: write_dicom(folder / "slide", photometric=photometric, **options)  # type: ignore[arg-type]


LAYOUTS: dict[str, tuple[Maker, str]] = {
    **{f"aperio {coding.name}": (aperio(coding), "aperio") for coding in codings.JPEG_CODINGS},
    **{
        f"aperio {coding.name}": (aperio(coding, pixels=picture(523, 397), factors=(1, 4)), "aperio")
        for coding in (*codings.LOSSLESS_CODINGS, *codings.JPEG_2000_CODINGS)
    },
    "aperio tile 256": (aperio(codings.YCBCR_420, tile=256), "aperio"),
    "aperio own tables": (aperio(codings.RGB, shared=False), "aperio"),
    "aperio sparse": (aperio(codings.RGB, sparse=frozenset({0, 7, 19})), "aperio"),
    "aperio one tile": (aperio(codings.RGB, pixels=picture(200, 130), factors=(1,)), "aperio"),
    **{
        f"generic {coding.name}": (generic(coding, pixels=None if coding.jpeg else picture(421, 301)), "generic-tiff")
        for coding in codings.CODINGS
    },
    **{
        f"generic {coding.name} {'big' if big else 'classic'} {order}": (
            generic(coding, order=order, big=big),
            "generic-tiff",
        )
        for coding in (codings.YCBCR_420, codings.PLAIN, codings.SIXTEEN, codings.LZW)
        for order, big in ((">", False), (">", True), ("<", True))
    },
    "generic tile 128": (generic(codings.YCBCR_420, tile=(128, 128)), "generic-tiff"),
    "generic tile 512": (generic(codings.RGB, tile=(512, 512)), "generic-tiff"),
    "generic tile 256 x 128": (generic(codings.YCBCR_422, tile=(256, 128)), "generic-tiff"),
    "generic tile 100 x 60": (generic(codings.DEFLATE, tile=(100, 60)), "generic-tiff"),
    "generic tile 250, JPEG": (generic(codings.YCBCR_444, tile=(250, 250)), "generic-tiff"),
    "generic nested levels": (generic(codings.YCBCR_420, nested=True), "generic-tiff"),
    "generic sparse": (generic(codings.LZW, sparse=frozenset({2, 8})), "generic-tiff"),
    "generic 1 px wide": (generic(codings.YCBCR_444, pixels=picture(1, 900), factors=(1,)), "generic-tiff"),
    "generic 1 px high": (generic(codings.PLAIN, pixels=picture(900, 1), factors=(1,)), "generic-tiff"),
    "generic 1 x 1 px": (generic(codings.RGB, pixels=picture(1, 1), factors=(1,)), "generic-tiff"),
    "philips": (lambda folder: scanners.write_philips(folder / "slide.tiff", levels=3), "philips"),
    "philips sparse": (
        lambda folder: scanners.write_philips(folder / "slide.tiff", levels=3, sparse=frozenset({1, 4})),
        "philips",
    ),
    "leica": (lambda folder: scanners.write_leica(folder / "slide.scn"), "leica"),
    "ome": (lambda folder: scanners.write_ome(folder / "slide.ome.tif"), "ome-tiff"),
    "ome rgb": (lambda folder: scanners.write_ome(folder / "slide.ome.tif", coding=codings.RGB), "ome-tiff"),
    "ome lzw": (lambda folder: scanners.write_ome(folder / "slide.ome.tif", coding=codings.LZW), "ome-tiff"),
    "trestle": (lambda folder: scanners.write_trestle(folder / "slide.tif"), "trestle"),
    "dicom ycbcr": (dicom("YBR_FULL_422"), "dicom"),
    "dicom rgb": (dicom("RGB"), "dicom"),
    "dicom grey": (dicom("MONOCHROME2"), "dicom"),
    "dicom native": (dicom("native"), "dicom"),
    "dicom rgb that is jfif": (dicom("RGB", jfif=True), "dicom"),
    "dicom frames of 500 px": (dicom("YBR_FULL_422", tile=500), "dicom"),
}


class Shelf:
    """Slide files in a folder, each made once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[str, Made] = {}

    def __getitem__(self, name: str) -> Made:
        if name not in self._made:
            folder = self._folder / str(len(self._made))
            folder.mkdir()
            self._made[name] = LAYOUTS[name][0](folder)
        return self._made[name]
