"""Slide files as the makers of scanners lay them out, small and generated, with what a reader must find in them.

Sources: OpenSlide's format pages (Aperio, Leica, Philips, Trestle, generic tiled TIFF); OME-TIFF specification 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from images import codings
from images.codings import Coding, Order
from images.pictures import Pixels, picture, reduced
from images.tiffs import LONG, UNDEFINED, Page, Plane, resolution, stripped, text, tiled, write_tiff

NAME = "Pahittad Ake 19121212-1212"
"""The made-up patient that is written wherever a scanner or a person could have written one."""
PROFILE = bytes(range(256)) * 2
"""Stands for a colour profile: 512 bytes; nobody interprets it here."""
STRIPS = Coding("jpeg-rgb-strips", 7, 2, codings.RGB.encode, jpeg=True)


@dataclass(frozen=True)
class Made:
    """A slide file and the truth about it.

    Attributes:
        planes: its levels, full resolution first.
        associated: pixels by "label", "macro" and "thumbnail".
    """

    path: Path
    planes: tuple[Plane, ...]
    associated: dict[str, Pixels] = field(default_factory=dict)


def _levels(
    pixels: Pixels,
    coding: Coding,
    factors: Sequence[int],
    tile: tuple[int, int],
    *,
    up: bool = False,
    sparse: frozenset[int] = frozenset(),
    order: Order = "<",
    shared: bool = True,
    padding: tuple[int, int, int] | None = None,
) -> list[tuple[Page, Plane]]:
    return [
        tiled(
            pixels if factor == 1 else reduced(pixels, factor, up=up),
            coding,
            tile=tile,
            order=order,
            sparse=sparse if factor == 1 else frozenset(),
            shared=shared,
            padding=padding,
        )
        for factor in factors
    ]


def write_aperio(
    path: Path,
    pixels: Pixels | None = None,
    coding: Coding = codings.RGB,
    *,
    tile: int = 240,
    factors: Sequence[int] = (1, 4, 16),
    sparse: frozenset[int] = frozenset(),
    shared: bool = True,
    padding: tuple[int, int, int] | None = None,
    spacing_um: float | None = 0.499,
    profile: bytes | None = PROFILE,
    up: bool = False,
) -> Made:
    """An SVS as an Aperio scanner writes it: base, thumbnail, lower levels rounded down, label, macro.

    Args:
        up: levels rounded up instead.
        spacing_um: None leaves MPP and AppMag out.
    """
    pixels = picture(1111, 777) if pixels is None else pixels
    height, width = pixels.shape[:2]
    levels = _levels(pixels, coding, factors, (tile, tile), sparse=sparse, shared=shared, padding=padding, up=up)
    optics = f"|AppMag = 20|MPP = {spacing_um}" if spacing_um else ""
    about = (
        f"Aperio Image Library v11.2.1 \r\n{width}x{height} [0,0 {width}x{height}] ({tile}x{tile}) JPEG/RGB Q=80"
        f"{optics}|ScanScope ID = SS1234|Filename = {NAME}|User = {NAME}|Date = 12/29/09|Time = 09:59:15"
        f"|Time Zone = GMT+0100|ImageID = 1004486"
    )
    for number, (page, plane) in enumerate(levels):
        page.tags[270] = text(about if number == 0 else f"Aperio Image Library v11.2.1 \r\n-> {plane.size}")
        if profile:
            page.tags[34675] = (UNDEFINED, profile)
    levels[0][0].tags[306] = text("2009:12:29 09:59:15")
    levels[0][0].tags[315] = text(NAME)
    thumbnail, seen = stripped(reduced(pixels, 8), STRIPS)
    thumbnail.tags[270] = text("Aperio Image Library v11.2.1 \r\n-> 138x97 - |AppMag = 20")
    label, label_seen = stripped(picture(90, 100, seed=7), codings.LZW, rows=25)
    label.tags |= {254: (LONG, [1]), 270: text(f"Aperio Image Library v11.2.1 \r\nlabel 90x100 {NAME}")}
    macro, macro_seen = stripped(picture(300, 110, seed=8), STRIPS)
    macro.tags |= {254: (LONG, [9]), 270: text(f"Aperio Image Library v11.2.1 \r\nmacro 300x110 {NAME}")}
    write_tiff(path, [levels[0][0], thumbnail, *(page for page, _ in levels[1:]), label, macro])
    images = {"thumbnail": seen, "label": label_seen, "macro": macro_seen}
    return Made(path, tuple(plane for _, plane in levels), images)


def write_generic(
    path: Path,
    pixels: Pixels | None = None,
    coding: Coding = codings.YCBCR_420,
    *,
    tile: tuple[int, int] = (256, 256),
    factors: Sequence[int] = (1, 2, 4),
    order: Order = "<",
    big: bool = False,
    nested: bool = False,
    shared: bool = True,
    per_unit: tuple[float, int] | None = None,
    profile: bytes | None = None,
    sparse: frozenset[int] = frozenset(),
) -> Made:
    """A tiled TIFF as libvips and others write it.

    Args:
        nested: lower levels in SubIFDs of the first directory.
        per_unit: (pixels per unit, TIFF's ResolutionUnit).
    """
    pixels = picture(700, 531) if pixels is None else pixels
    levels = _levels(pixels, coding, factors, tile, order=order, shared=shared, sparse=sparse)
    first, *others = (page for page, _ in levels)
    for page in others:
        page.tags[254] = (LONG, [1])
    first.tags |= {270: text(NAME), 315: text(NAME)}
    if per_unit:
        first.tags |= resolution(*per_unit)
    if profile:
        first.tags[34675] = (UNDEFINED, profile)
    if nested:
        first.children = others
    write_tiff(path, [first, *([] if nested else others)], order=order, big=big)
    planes = [plane for _, plane in levels]
    return Made(path, tuple(planes[:1] if nested else planes))


def write_philips(
    path: Path, pixels: Pixels | None = None, *, levels: int = 5, sparse: frozenset[int] = frozenset()
) -> Made:
    """A Philips TIFF: XML in the first directory, levels padded to whole tiles, background tiles left out.

    Args:
        pixels: of whole tiles, as Philips scans them.
    """
    pixels = picture(1536, 1024) if pixels is None else pixels
    tile = 512
    pages, planes = [], []
    for halvings in range(levels):
        true = reduced(pixels, 2**halvings) if halvings else pixels
        page, plane = tiled(
            true,
            codings.YCBCR_420,
            tile=(tile, tile),
            sparse=sparse if not halvings else frozenset(),
            padding=(255, 255, 255),
            stated=(-(-true.shape[1] // tile) * tile, -(-true.shape[0] // tile) * tile),
        )
        page.tags[254] = (LONG, [0 if not halvings else 1])
        page.tags[305] = text("Philips DP v1.0")
        pages.append(page)
        planes.append(plane)
    spacings = "".join(
        '<DataObject ObjectType="PixelDataRepresentation">'
        + _attribute("DICOM_PIXEL_SPACING", f"&quot;{0.00025 * 2**n}&quot; &quot;{0.00024 * 2**n}&quot;")
        + _attribute("PIIM_PIXEL_DATA_REPRESENTATION_NUMBER", str(n))
        + "</DataObject>"
        for n in range(levels)
    )
    pages[0].tags[270] = text(
        '<?xml version="1.0" encoding="UTF-8" ?><DataObject ObjectType="DPUfsImport">'
        + _attribute("DICOM_MANUFACTURER", "PHILIPS")
        + _attribute("DICOM_ACQUISITION_DATETIME", "20150812143145.000000")
        + _attribute("PIM_DP_UFS_BARCODE", NAME)
        + '<Attribute Name="PIM_DP_SCANNED_IMAGES" Group="0x301D" Element="0x1003" PMSVR="IDataObjectArray"><Array>'
        + '<DataObject ObjectType="DPScannedImage">'
        + _attribute("PIM_DP_IMAGE_TYPE", "WSI")
        + _attribute("DICOM_PIXEL_SPACING", "&quot;0.00025&quot; &quot;0.00024&quot;")
        + '<Attribute Name="PIIM_PIXEL_DATA_REPRESENTATION_SEQUENCE" Group="0x1001" Element="0x8B01" '
        + f'PMSVR="IDataObjectArray"><Array>{spacings}</Array></Attribute>'
        + "</DataObject></Array></Attribute></DataObject>"
    )
    label, label_seen = stripped(picture(90, 100, seed=7), STRIPS)
    label.tags |= {254: (LONG, [1]), 270: text("Label")}
    macro, macro_seen = stripped(picture(300, 110, seed=8), STRIPS)
    macro.tags |= {254: (LONG, [1]), 270: text("Macro -offset=(0,0)-pixelsize=(0.0315,0.0315)-rois=((1,2,3,4))")}
    write_tiff(path, [*pages, macro, label], big=True)
    return Made(path, tuple(planes), {"label": label_seen, "macro": macro_seen})


def _attribute(name: str, value: str) -> str:
    return f'<Attribute Name="{name}" Group="0x0028" Element="0x0030" PMSVR="IString">{value}</Attribute>'


def write_leica(path: Path, pixels: Pixels | None = None, *, areas: int = 1, planes: int = 1) -> Made:
    """A Leica SCN: a macro image of the whole glass and one or more scanned areas, placed in nanometres."""
    pixels = picture(1024, 768) if pixels is None else pixels
    pages: list[Page] = []
    made: list[Plane] = []
    spacing_nm = 250

    def image(name: str, source: Pixels, nanometres: int, corner: tuple[int, int], factors: Sequence[int]) -> str:
        dimensions = ""
        for number, factor in enumerate(factors):
            page, plane = tiled(reduced(source, factor) if factor > 1 else source, codings.YCBCR_444, tile=(256, 256))
            page.tags[254] = (LONG, [0])
            per_centimetre = 10_000_000 / nanometres / factor
            page.tags |= resolution(per_centimetre, 3)
            for focus in range(planes if name == "area" else 1):
                dimensions += (
                    f'<dimension sizeX="{plane.size[0]}" sizeY="{plane.size[1]}" r="{number}" z="{focus}" '
                    f'ifd="{len(pages)}"/>'
                )
                pages.append(Page(dict(page.tags), page.segments))
            if name == "area":
                made.append(plane)
        width, height = source.shape[1] * nanometres, source.shape[0] * nanometres
        return (
            f'<image name="{NAME}" uuid="{name}"><creationDate>2013-05-08T14:14:15.23Z</creationDate>'
            f'<device model="Leica SCN400" version="1.4"/><pixels sizeX="{source.shape[1]}" '
            f'sizeY="{source.shape[0]}">{dimensions}</pixels>'
            f'<view sizeX="{width}" sizeY="{height}" offsetX="{corner[0]}" offsetY="{corner[1]}" spacingZ="0"/>'
            "<scanSettings><objectiveSettings><objective>40</objective></objectiveSettings><illuminationSettings>"
            "<numericalAperture>0.65</numericalAperture><illuminationSource>brightfield</illuminationSource>"
            "</illuminationSettings></scanSettings></image>"
        )

    macro = picture(300, 800, seed=8)
    macro_nm = 8_000
    parts = image("macro", macro, macro_nm, (0, 0), (1,))
    for area in range(areas):
        corner = 100_000 * spacing_nm // 100, 400_000 + area * 900_000
        parts += image("area", pixels, spacing_nm, corner, (1, 4))
    pages[0].tags[270] = text(
        '<?xml version="1.0"?><scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01">'
        f'<collection name="{NAME}" uuid="c" sizeX="{300 * macro_nm}" sizeY="{800 * macro_nm}">'
        f"<barcode>{NAME}</barcode>{parts}</collection></scn>"
    )
    write_tiff(path, pages, big=True)
    return Made(path, tuple(made))


def write_ome(
    path: Path,
    pixels: Pixels | None = None,
    coding: Coding = codings.YCBCR_420,
    *,
    unit: str | None = "µm",
    spacing: tuple[float, float] | None = (0.25, 0.26),
    channels: int = 1,
    focus_planes: int = 1,
) -> Made:
    """An OME-TIFF as Bio-Formats and QuPath write it: levels in SubIFDs.

    Args:
        channels: more than one makes separate grey planes of them (fluorescence).
        focus_planes: more than one makes a z-stack.
    """
    pixels = picture(900, 640) if pixels is None else pixels
    size = f'SizeX="{pixels.shape[1]}" SizeY="{pixels.shape[0]}"'
    if channels > 1:
        coding = codings.JPEG_GREY
    written: list[Page] = []
    planes: list[Plane] = []
    for _ in range(channels * focus_planes):
        levels = _levels(pixels, coding, (1, 2, 4), (256, 256))
        first, *others = (page for page, _ in levels)
        for page in others:
            page.tags[254] = (LONG, [1])
        first.children = others
        written.append(first)
        planes = planes or [plane for _, plane in levels]
    physical = ""
    if spacing:
        for axis, value in zip("XY", spacing, strict=True):
            physical += f' PhysicalSize{axis}="{value}"' + (f' PhysicalSize{axis}Unit="{unit}"' if unit else "")
    samples = 1 if channels > 1 else coding.samples
    channel = f'<Channel ID="Channel:0:{{}}" SamplesPerPixel="{samples}"/>'
    data = "".join(
        f'<TiffData IFD="{n}" PlaneCount="1" FirstC="{n % channels}" FirstZ="{n // channels}"/>'
        for n in range(len(written))
    )
    written[0].tags[270] = text(
        '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<Instrument ID="Instrument:0"><Microscope Model="Axio Scan"/>'
        '<Objective ID="Objective:0" NominalMagnification="40.0"/></Instrument>'
        f'<Image ID="Image:0" Name="{NAME}"><AcquisitionDate>2021-03-04T05:06:07</AcquisitionDate>'
        f'<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" {size} SizeC="{samples * channels}" '
        f'SizeZ="{focus_planes}" SizeT="1"{physical}>'
        + "".join(channel.format(n) for n in range(channels))
        + f"{data}</Pixels></Image></OME>"
    )
    write_tiff(path, written)
    return Made(path, tuple(planes))


def write_trestle(path: Path, pixels: Pixels | None = None) -> Made:
    """A Trestle TIFF: a slide that is read through OpenSlide's pixels."""
    pixels = picture(700, 531) if pixels is None else pixels
    levels = _levels(pixels, codings.YCBCR_420, (1, 2, 4), (128, 128))
    for number, (page, _) in enumerate(levels):
        page.tags |= {305: text("MedScan"), 254: (LONG, [0 if not number else 1])}
        page.tags |= resolution(0.25 * 2**number, 3)  # Trestle states micrometres here
    levels[0][0].tags[270] = text("Objective Power=20;Background Color=F0F0F0;OverlapsXY= 0 0 0 0 0 0")
    write_tiff(path, [page for page, _ in levels])
    return Made(path, tuple(plane for _, plane in levels))


def flat(width: int, height: int, colour: tuple[int, int, int]) -> Pixels:
    """A picture of one colour."""
    return np.full((height, width, 3), colour, np.uint8)
