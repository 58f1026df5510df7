"""DICOM whole-slide images as scanners and archives write them, small and generated.

Source: DICOM PS3.3 A.32.8 (VL Whole Slide Microscopy Image), PS3.5 A.4 (encapsulated frames).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from images.codings import jpeg_grey, jpeg_rgb, jpeg_ycbcr, nameless, shown
from images.pictures import Pixels, padded, picture, reduced
from images.scanners import NAME, PROFILE, Made
from images.tiffs import Plane
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence as Items
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGBaseline8Bit, generate_uid

Photometric = Literal["RGB", "YBR_FULL_422", "MONOCHROME2", "native"]
_VL_WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"


def write_dicom(
    folder: Path,
    pixels: Pixels | None = None,
    photometric: Photometric = "YBR_FULL_422",
    *,
    tile: int = 256,
    factors: Sequence[int] = (1, 2),
    spacing_um: float = 0.25,
    jfif: bool = False,
    series: str | None = None,
    focus_planes: int = 1,
) -> Made:
    """A folder with one file a level.

    Args:
        photometric: "native" is uncompressed RGB.
        jfif: frames carry a JFIF marker, whatever `photometric` says.
        series: SeriesInstanceUID, a fresh one by default.
        focus_planes: more than one makes a z-stack.
    """
    pixels = picture(700, 531) if pixels is None else pixels
    folder.mkdir(parents=True, exist_ok=True)
    uids = {name: generate_uid() for name in ("study", "frame", "pyramid")}
    uids["series"] = UID(series) if series else generate_uid()
    planes = []
    for number, factor in enumerate(factors):
        level = pixels if factor == 1 else reduced(pixels, factor)
        dataset, plane = _instance(level, photometric, tile, spacing_um * factor, uids, jfif, focus_planes)
        dataset.ImageType = [
            "ORIGINAL" if factor == 1 else "DERIVED",
            "PRIMARY",
            "VOLUME",
            "NONE" if factor == 1 else "RESAMPLED",
        ]
        dataset.InstanceNumber = number + 1
        dataset.save_as(folder / f"{NAME}-{number}.dcm", enforce_file_format=True)
        planes.append(plane)
    return Made(folder, tuple(planes))


def _instance(
    pixels: Pixels,
    photometric: Photometric,
    tile: int,
    spacing_um: float,
    uids: dict[str, UID],
    jfif: bool,
    focus_planes: int,
) -> tuple[Dataset, Plane]:
    height, width = pixels.shape[:2]
    columns, rows = -(-width // tile), -(-height // tile)
    canvas = np.zeros((rows * tile, columns * tile, 3), np.uint8)
    frames: list[bytes] = []
    for index in range(rows * columns):
        x, y = index % columns * tile, index // columns * tile
        frame, seen = _frame(padded(pixels[y : y + tile, x : x + tile], tile, tile), photometric, jfif)
        frames.append(frame)
        canvas[y : y + tile, x : x + tile] = seen
    dataset = _attributes(uids, spacing_um)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = UID(_VL_WHOLE_SLIDE)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    native = photometric == "native"
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian if native else JPEGBaseline8Bit
    dataset.TotalPixelMatrixColumns, dataset.TotalPixelMatrixRows = width, height
    dataset.Columns = dataset.Rows = tile
    dataset.NumberOfFrames = len(frames) * focus_planes
    dataset.TotalPixelMatrixFocalPlanes = focus_planes
    dataset.SamplesPerPixel = 1 if photometric == "MONOCHROME2" else 3
    dataset.PhotometricInterpretation = "RGB" if native else photometric
    if dataset.SamplesPerPixel == 3:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    if not native:
        dataset.LossyImageCompressionMethod = "ISO_10918_1"
        dataset.LossyImageCompressionRatio = 10.0
    dataset.LossyImageCompression = "00" if native else "01"
    frames = frames * focus_planes
    dataset.PixelData = b"".join(frames) if native else encapsulate(frames)
    if native and len(dataset.PixelData) % 2:
        dataset.PixelData += b"\0"
    dataset["PixelData"].VR = "OB"
    if not native:
        dataset["PixelData"].is_undefined_length = True
    return dataset, Plane(canvas[:height, :width], (tile, tile), tuple(frames))


def _frame(pixels: Pixels, photometric: Photometric, jfif: bool) -> tuple[bytes, Pixels]:
    """(the frame as stored, RGB that a right reader shows)."""
    if photometric == "native":
        return pixels.tobytes(), pixels
    if jfif or photometric == "YBR_FULL_422":
        whole = jpeg_ycbcr(pixels, subsampling="422")
        return (whole if jfif else nameless(whole)), shown(whole)
    whole = jpeg_rgb(pixels) if photometric == "RGB" else jpeg_grey(pixels)
    return nameless(whole), shown(whole)


def _attributes(uids: dict[str, UID], spacing_um: float) -> Dataset:
    """Everything that does not depend on the pixels."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = _VL_WHOLE_SLIDE, generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = uids["study"], uids["series"]
    dataset.FrameOfReferenceUID, dataset.PyramidUID = uids["frame"], uids["pyramid"]
    dataset.PatientName, dataset.PatientID = NAME.replace(" ", "^"), NAME
    dataset.PatientBirthDate, dataset.PatientSex = "19121212", "O"
    dataset.StudyDate, dataset.StudyTime, dataset.StudyID = "20210304", "050607", "1"
    dataset.ReferringPhysicianName, dataset.AccessionNumber = "", NAME[:16]
    dataset.Modality, dataset.SeriesNumber = "SM", 1
    dataset.PositionReferenceIndicator = "SLIDE_CORNER"
    dataset.Manufacturer, dataset.ManufacturerModelName = "Made", "Up 1"
    dataset.DeviceSerialNumber, dataset.SoftwareVersions = "1", "1"
    dataset.ContentDate, dataset.ContentTime = "20210304", "050607"
    dataset.AcquisitionDateTime = "20210304050607"
    dataset.AcquisitionContextSequence = Items([])
    dataset.ContainerIdentifier, dataset.IssuerOfTheContainerIdentifierSequence = NAME, Items([])
    dataset.ContainerTypeCodeSequence = Items([_code("433466003", "SCT", "Microscope slide")])
    dataset.SpecimenLabelInImage, dataset.BurnedInAnnotation = "NO", "NO"
    dataset.FocusMethod, dataset.ExtendedDepthOfField = "AUTO", "NO"
    dataset.VolumetricProperties = "VOLUME"
    dataset.ImagedVolumeWidth, dataset.ImagedVolumeHeight, dataset.ImagedVolumeDepth = 15.0, 15.0, 1.0
    dataset.DimensionOrganizationType = "TILED_FULL"
    dataset.NumberOfOpticalPaths = 1
    specimen = Dataset()
    specimen.SpecimenIdentifier, specimen.SpecimenUID = NAME, generate_uid()
    specimen.IssuerOfTheSpecimenIdentifierSequence = Items([])
    specimen.SpecimenPreparationSequence = Items([])
    dataset.SpecimenDescriptionSequence = Items([specimen])
    path = Dataset()
    path.OpticalPathIdentifier, path.ObjectiveLensPower, path.ICCProfile = "1", 40.0, PROFILE
    path.IlluminationTypeCodeSequence = Items([_code("111744", "DCM", "Brightfield illumination")])
    path.IlluminationColorCodeSequence = Items([_code("414298005", "SCT", "Full Spectrum")])
    dataset.OpticalPathSequence = Items([path])
    measures = Dataset()
    measures.PixelSpacing = [spacing_um / 1000, spacing_um / 1000]
    measures.SliceThickness, measures.SpacingBetweenSlices = 0.001, 0.001
    kind = Dataset()
    kind.FrameType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    groups = Dataset()
    groups.PixelMeasuresSequence = Items([measures])
    groups.WholeSlideMicroscopyImageFrameTypeSequence = Items([kind])
    dataset.SharedFunctionalGroupsSequence = Items([groups])
    origin = Dataset()
    origin.XOffsetInSlideCoordinateSystem, origin.YOffsetInSlideCoordinateSystem = 10.0, 10.0
    dataset.TotalPixelMatrixOriginSequence = Items([origin])
    dataset.ImageOrientationSlide = [0.0, -1.0, 0.0, -1.0, 0.0, 0.0]
    return dataset


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code
