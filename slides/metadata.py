"""What a slide file states about how it was scanned: as it states it, and None where it does not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from xml.etree.ElementTree import Element

from defusedxml.ElementTree import ParseError, fromstring

from slides.errors import DamagedFile
from slides.geometry import Spacing

COARSEST_SPACING = 20.0
"""Micrometres. A TIFF resolution coarser than this is a print resolution (72 dpi is 353 µm), not a scan's."""


@dataclass(frozen=True)
class Metadata:
    """How a slide was scanned.

    Attributes:
        spacing: of level-0 pixels, in micrometres.
        objective: magnification of the scanner's objective, 40 for 40x.
        scanner: maker, model or identity of the scanner as the file words it.
        scanned_at: with a time zone only where the file gives one.
        icc_profile: the embedded colour profile.
    """

    spacing: Spacing | None = None
    objective: float | None = None
    scanner: str | None = None
    scanned_at: datetime | None = None
    icc_profile: bytes | None = None

    def with_profile(self, profile: bytes | None) -> Metadata:
        """The same with the profile that stands elsewhere in the file."""
        return replace(self, icc_profile=profile or None)


def parse_aperio(description: str) -> Metadata:
    """Read the ImageDescription of an Aperio SVS: a headline, then `key = value` between bars."""
    pairs = {
        key.strip(): value.strip() for key, _, value in (part.partition("=") for part in description.split("|")[1:])
    }
    spacing = _number(pairs.get("MPP"))
    moment = None
    if "Date" in pairs and "Time" in pairs:
        stated = f"{pairs['Date']} {pairs['Time']} {pairs.get('Time Zone', '').removeprefix('GMT')}".strip()
        moment = _moment(
            stated, "%m/%d/%y %H:%M:%S %z", "%m/%d/%Y %H:%M:%S %z", "%m/%d/%y %H:%M:%S", "%m/%d/%Y %H:%M:%S"
        )
    return Metadata(
        spacing=Spacing(spacing, spacing) if spacing else None,
        objective=_number(pairs.get("AppMag")),
        scanner=pairs.get("ScanScope ID") or None,
        scanned_at=moment,
    )


def parse_philips(description: str) -> Metadata:
    """Read the XML of a Philips TIFF (DICOM attributes by name)."""
    root = _xml(description, "Philips")
    stated = _philips_attributes(root)
    # The label, the macro image and every level state a spacing too; full resolution's stands first in the slide.
    slides = [node for node in root.iter("DataObject") if _philips_attributes(node).get("PIM_DP_IMAGE_TYPE") == "WSI"]
    spacings = [
        node.text or "" for slide in slides for node in slide.iter() if node.get("Name") == "DICOM_PIXEL_SPACING"
    ]
    rows_columns = [_number(text) for text in re.findall(r'[^"\s]+', spacings[0] if spacings else "")]
    spacing = None
    if len(rows_columns) == 2 and rows_columns[0] and rows_columns[1]:
        spacing = Spacing(rows_columns[1] * 1000, rows_columns[0] * 1000)
    words = [stated.get("DICOM_MANUFACTURER", ""), stated.get("DICOM_MANUFACTURERS_MODEL_NAME", "")]
    return Metadata(
        spacing=spacing,
        objective=None,
        scanner=" ".join(word for word in words if word) or None,
        scanned_at=parse_dicom_moment(stated.get("DICOM_ACQUISITION_DATETIME", "")),
    )


def _philips_attributes(node: Element) -> dict[str, str]:
    """What one object of a Philips description states itself, without the objects inside it."""
    return {item.get("Name", ""): (item.text or "").strip() for item in node.findall("Attribute") if len(item) == 0}


def parse_leica(description: str, *, image: int, width: int) -> Metadata:
    """Read the XML of a Leica SCN.

    Args:
        description: the first directory's ImageDescription.
        image: which `<image>` element is the slide.
        width: of its full resolution in pixels; the XML states the scanned width in nanometres.
    """
    root = _xml(description, "Leica")
    node = list(root.iterfind(".//{*}image"))[image]
    view, device = node.find("{*}view"), node.find("{*}device")
    nanometres = _number(view.get("sizeX")) if view is not None else None
    spacing = nanometres / 1000 / width if nanometres else None
    return Metadata(
        spacing=Spacing(spacing, spacing) if spacing else None,
        objective=_number(node.findtext(".//{*}objective")),
        scanner=device.get("model") if device is not None else None,
        scanned_at=_moment(node.findtext("{*}creationDate") or "", "%Y-%m-%dT%H:%M:%S.%f%z", "%Y-%m-%dT%H:%M:%S%z"),
    )


def parse_ome(description: str) -> Metadata:
    """Read the first Image of OME-XML. Source: OME data model 2016-06, Pixels and Objective."""
    root = _xml(description, "OME")
    pixels = root.find("{*}Image/{*}Pixels")
    if pixels is None:
        return Metadata()
    scale = {"µm": 1.0, "um": 1.0, "nm": 0.001, "mm": 1000.0, "cm": 10_000.0}
    x, y = (
        (_number(pixels.get(f"PhysicalSize{axis}")) or 0) * scale.get(pixels.get(f"PhysicalSize{axis}Unit", "µm"), 0)
        for axis in "XY"
    )
    objective = root.find("{*}Instrument/{*}Objective")
    microscope = root.find("{*}Instrument/{*}Microscope")
    return Metadata(
        spacing=Spacing(x, y) if x and y else None,
        objective=_number(objective.get("NominalMagnification")) if objective is not None else None,
        scanner=microscope.get("Model") if microscope is not None else None,
        scanned_at=_moment(
            root.findtext("{*}Image/{*}AcquisitionDate") or "", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"
        ),
    )


def parse_dicom_moment(text: str) -> datetime | None:
    """Read a DICOM date and time (value representation DT). Source: DICOM PS3.5 section 6.2."""
    return _moment(text, *(f"%Y%m%d%H%M%S{rest}" for rest in (".%f%z", "%z", ".%f", "")))


def parse_openslide(properties: Mapping[str, str]) -> Metadata:
    """Read OpenSlide's own properties. Source: OpenSlide, "Standard properties"."""
    x, y = _number(properties.get("openslide.mpp-x")), _number(properties.get("openslide.mpp-y"))
    return Metadata(
        spacing=Spacing(x, y) if x and y else None,
        objective=_number(properties.get("openslide.objective-power")),
        scanner=next((properties[key] for key in _SCANNER_KEYS if properties.get(key)), None),
    )


_SCANNER_KEYS = (
    "mirax.GENERAL.SLIDE_SCANNER_TYPE",
    "mirax.NONHIERLAYER_0_SECTION.SCANNER_HARDWARE_ID",
    "hamamatsu.Product",
    "ventana.ScannerModel",
    "ventana.DeviceModel",
    "tiff.Model",
)


def spacing_from_resolution(x: float, y: float, unit: int) -> Spacing | None:
    """Spacing from TIFF's XResolution and YResolution in pixels per unit.

    Args:
        x, y: pixels per unit.
        unit: 2 is the inch, 3 the centimetre; anything else says nothing about length. Source: TIFF 6.0,
            ResolutionUnit.
    """
    micrometres = {2: 25_400.0, 3: 10_000.0}.get(unit)
    if micrometres is None or x <= 0 or y <= 0 or min(micrometres / x, micrometres / y) > COARSEST_SPACING:
        return None
    return Spacing(micrometres / x, micrometres / y)


def _number(text: str | None) -> float | None:
    try:
        value = float((text or "").replace(",", "."))
    except ValueError:
        return None
    return value if 0 < value < float("inf") else None


def _moment(text: str, *patterns: str) -> datetime | None:
    for pattern in patterns:
        try:
            return datetime.strptime(text, pattern)
        except ValueError:
            continue
    return None


def _xml(text: str, maker: str) -> Element:
    try:
        root: Any = fromstring(text.lstrip("﻿"), forbid_dtd=False)
    except (ParseError, ValueError) as error:
        raise DamagedFile(
            f"The {maker} description inside the file is not readable XML. Export the slide again."
        ) from error
    return root  # type: ignore[no-any-return]
