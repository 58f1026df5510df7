"""DICOM files without who it is about and who was there: patients, persons, free texts, private elements, overlays.

Source: DICOM PS3.10, 7.1; PS3.15 annex E, of which this takes what names people and leaves what describes the image.
"""

from __future__ import annotations

import io

import pydicom
from pydicom.config import disable_value_validation
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.errors import InvalidDicomError

from slides.errors import DamagedFile, UnsupportedFile
from worker.attachments.limits import require_modest

_PATIENT, _CURVES, _OVERLAYS = 0x0010, range(0x5000, 0x5020), range(0x6000, 0x6020)
_TEXTS = frozenset({"PN", "LT", "ST", "UT", "UR", "UN"})
"""Representations that hold names and sentences that somebody wrote, or nobody knows what."""
_NAMED = frozenset(
    {
        "AccessionNumber",
        "AdmissionID",
        "InstitutionName",
        "InstitutionAddress",
        "InstitutionalDepartmentName",
        "IssuerOfAdmissionID",
        "IssuerOfPatientID",
        "OriginalAttributesSequence",
        "PatientIdentityRemoved",
        "PerformedProcedureStepDescription",
        "PersonIdentificationCodeSequence",
        "PlacerOrderNumberImagingServiceRequest",
        "FillerOrderNumberImagingServiceRequest",
        "ProtocolName",
        "ReferencedPatientSequence",
        "RequestAttributesSequence",
        "RequestedProcedureDescription",
        "RequestedProcedureID",
        "ScheduledProcedureStepDescription",
        "SeriesDescription",
        "ServiceEpisodeID",
        "StationName",
        "StudyDescription",
        "StudyID",
    }
)
"""Short fields in which laboratories write numbers and names of people."""


def clean(data: bytes) -> bytes:
    """The same image, with nobody named.

    Raises:
        DamagedFile: it is cut off or not DICOM within.
        UnsupportedFile: there is no image in it.
    """
    try:
        return _clean(data)
    except (InvalidDicomError, AttributeError, KeyError, ValueError, TypeError, EOFError, NotImplementedError) as error:
        raise DamagedFile(
            f"The DICOM file is cut off or broken ({type(error).__name__}). Export it again and attach that."
        ) from error


def _clean(data: bytes) -> bytes:
    with disable_value_validation():
        dataset = pydicom.dcmread(io.BytesIO(data))
        _require_whole(dataset)
        dataset.remove_private_tags()
        dataset.walk(_remove_named)
        for name in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex"):
            setattr(dataset, name, "")
        dataset.PatientIdentityRemoved = "YES"
        for element in list(dataset.file_meta):
            if element.keyword not in ("MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID", "TransferSyntaxUID"):
                del dataset.file_meta[element.tag]
        # The preamble may be anything, another format's header too.
        dataset.preamble = bytes(128)
        cleaned = io.BytesIO()
        dataset.save_as(cleaned, enforce_file_format=True)
    return cleaned.getvalue()


def _require_whole(dataset: Dataset) -> None:
    if "PixelData" not in dataset:
        raise UnsupportedFile("The DICOM file holds no image. Attach an image, or a document as PDF.")
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    frames = int(dataset.get("NumberOfFrames") or 1)
    require_modest(columns, rows * frames)
    if dataset.file_meta.TransferSyntaxUID.is_compressed and not dataset.file_meta.TransferSyntaxUID.is_deflated:
        whole = sum(1 for _ in generate_frames(dataset.PixelData, number_of_frames=frames)) >= frames
    else:
        bits = rows * columns * frames * int(dataset.get("SamplesPerPixel") or 1) * int(dataset.BitsAllocated)
        whole = len(dataset.PixelData) >= bits // 8
    if not whole:
        raise DamagedFile("The DICOM file ends before its image does. Export it again and attach that.")


def _remove_named(dataset: Dataset, element: DataElement) -> None:
    group = element.tag.group
    if group == _PATIENT or group in _CURVES or group in _OVERLAYS or element.VR in _TEXTS or element.keyword in _NAMED:
        del dataset[element.tag]
