"""What people attach comes out as the same picture with nobody's name in it, or not at all."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
import tifffile
from attached_files import (
    NAME,
    PROFILE,
    huge_jpeg,
    huge_png,
    write_dicom,
    write_jpeg,
    write_pdf,
    write_png,
    write_tiff,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from slides.errors import DamagedFile, SlideError, UnsupportedFile
from worker.attachments.formats import clean

TRACES = [part.encode() for part in ("Tolvan", "TOLVAN", "191212121212", "19121212")]

WRITERS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "jpeg": ("image/jpeg", write_jpeg),
    "progressive jpeg": ("image/jpeg", partial(write_jpeg, progressive=True)),
    "grey jpeg": ("image/jpeg", partial(write_jpeg, mode="L")),
    "cmyk jpeg": ("image/jpeg", partial(write_jpeg, mode="CMYK")),
    "png": ("image/png", write_png),
    "tiff": ("image/tiff", write_tiff),
    "tiff, other order": ("image/tiff", partial(write_tiff, order=">")),
    "tiff in tiles": ("image/tiff", partial(write_tiff, tiled=True)),
    "bigtiff": ("image/tiff", partial(write_tiff, big=True)),
    "bigtiff, other order": ("image/tiff", partial(write_tiff, big=True, order=">", tiled=True)),
    "dicom": ("application/dicom", write_dicom),
    "compressed dicom": ("application/dicom", partial(write_dicom, compressed=True)),
}


def pixels(data: bytes) -> list[npt.NDArray[np.uint8]]:
    """Of every page, as decoded, without turning."""
    if data[128:132] == b"DICM":
        dataset = pydicom.dcmread(io.BytesIO(data))
        return [np.frombuffer(dataset.PixelData, np.uint8)]
    if data[:2] in (b"II", b"MM"):
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            return [page.asarray() for page in file.pages]
    with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data)) as image:
        return [np.asarray(image)]


@pytest.mark.parametrize(("media_type", "write"), WRITERS.values(), ids=WRITERS)
def test_nobody_is_named_and_no_pixel_is_touched(media_type: str, write: Callable[[], bytes]) -> None:
    data = write()
    found, cleaned = clean(data)
    assert found == media_type
    assert any(trace in data for trace in TRACES), "there was nothing to take out"
    assert [trace for trace in TRACES if trace in cleaned] == []
    before, after = pixels(data), pixels(cleaned)
    assert len(before) == len(after)
    assert all(np.array_equal(one, other) for one, other in zip(before, after, strict=True))
    assert clean(cleaned) == (found, cleaned), "cleaning what is clean changes nothing"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_stays_the_right_way_up(orientation: int) -> None:
    _, cleaned = clean(write_jpeg(orientation=orientation))
    with Image.open(io.BytesIO(cleaned)) as image:
        assert image.getexif().get(0x0112, 1) == orientation
        assert set(image.getexif()) <= {0x0112}
        assert image.info["icc_profile"] == PROFILE
        assert "comment" not in image.info


def test_a_png_keeps_its_colours_and_size() -> None:
    with Image.open(io.BytesIO(clean(write_png())[1])) as image:
        assert image.info["icc_profile"] == PROFILE
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.01)
        assert set(image.info) == {"icc_profile", "dpi"}


def test_a_tiff_keeps_what_shows_it() -> None:
    _, cleaned = clean(write_tiff())
    with tifffile.TiffFile(io.BytesIO(cleaned)) as file:
        assert len(file.pages) == 2
        for page in file.pages:
            assert isinstance(page, tifffile.TiffPage)
            assert page.tags["InterColorProfile"].value == PROFILE
            assert page.tags["XResolution"].value == (300, 1)
            assert not {"ImageDescription", "Software", "Artist", "XMP"} & {tag.name for tag in page.tags}


def test_a_dicom_image_says_that_nobody_is_named() -> None:
    dataset = pydicom.dcmread(io.BytesIO(clean(write_dicom())[1]))
    assert (dataset.PatientName, dataset.PatientID, dataset.PatientIdentityRemoved) == ("", "", "YES")
    assert dataset.AnatomicRegionSequence[0].CodeMeaning == "Kolon"
    assert dataset.preamble == bytes(128)
    assert "SourceApplicationEntityTitle" not in dataset.file_meta


def test_a_pdf_stays_as_it_is() -> None:
    data = write_pdf()
    assert clean(data) == ("application/pdf", data)


@pytest.mark.parametrize("write", [write_jpeg, write_png, write_tiff, write_pdf], ids=lambda write: write.__name__)
def test_what_hides_behind_the_end_is_gone(write: Callable[[], bytes]) -> None:
    archive = io.BytesIO(write())
    archive.seek(0, io.SEEK_END)
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("payload.html", "<script>alert(1)</script>")
    data = archive.getvalue()
    assert zipfile.is_zipfile(io.BytesIO(data)), "it passes for both"
    _, cleaned = clean(data)
    assert not zipfile.is_zipfile(io.BytesIO(cleaned))
    assert b"payload" not in cleaned


def test_a_dicom_file_that_passes_for_a_tiff_is_one_of_the_two() -> None:
    tiff = write_tiff(pages=1)
    both = tiff[:128] + b"DICM" + tiff[132:]
    try:
        found, cleaned = clean(both)
    except DamagedFile:
        return
    assert found == "image/tiff"
    assert cleaned[128:132] != b"DICM"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        b"<html><script>alert(1)</script></html>",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"MZ" + bytes(200),
        b"PK\x03\x04" + bytes(200),
        b"GIF89a" + bytes(200),
        b"BM" + bytes(200),
        b"\n\n%PDF-1.7\n",
        b"{\\rtf1}",
    ],
)
def test_other_kinds_are_not_taken(data: bytes) -> None:
    with pytest.raises(UnsupportedFile, match="no PDF, JPEG, PNG, TIFF or DICOM by its content"):
        clean(data)


@pytest.mark.parametrize(("media_type", "write"), WRITERS.values(), ids=WRITERS)
def test_a_file_that_is_cut_off_is_refused(media_type: str, write: Callable[[], bytes]) -> None:
    data = write()
    whole = data.rindex(NAME.encode()) if media_type == "image/tiff" else len(data)
    for share in (0.2, 0.5, 0.9, 0.999):
        with pytest.raises(SlideError, match=r"Save it|Export it|Attach|no PDF") as refused:
            clean(data[: int(whole * share)])
        assert "Tolvan" not in str(refused.value)
    with pytest.raises(DamagedFile, match="PDF file ends before"):
        clean(write_pdf()[:-30])


@pytest.mark.parametrize("data", [huge_png(100_000, 100_000), huge_png(2**31 - 1, 1), huge_jpeg()])
def test_a_picture_that_claims_to_be_huge_is_refused_before_it_is_decoded(data: bytes) -> None:
    with pytest.raises(UnsupportedFile, match="at most 150 million pixels are taken"):
        clean(data)


def test_a_dicom_image_that_claims_to_be_huge_is_refused() -> None:
    dataset = pydicom.dcmread(io.BytesIO(write_dicom()))
    dataset.Rows, dataset.Columns, dataset.NumberOfFrames = 60_000, 60_000, 10
    file = io.BytesIO()
    dataset.save_as(file)
    with pytest.raises(UnsupportedFile, match="at most 150 million pixels"):
        clean(file.getvalue())
    del dataset.PixelData
    file = io.BytesIO()
    dataset.save_as(file)
    with pytest.raises(UnsupportedFile, match="holds no image"):
        clean(file.getvalue())


def test_directories_that_point_at_each_other_end() -> None:
    data = bytearray(write_tiff(pages=1))
    first = int.from_bytes(data[4:8], "little")
    count = int.from_bytes(data[first : first + 2], "little")
    data[first + 2 + 12 * count : first + 6 + 12 * count] = first.to_bytes(4, "little")
    cleaned = clean(bytes(data))[1]
    assert np.array_equal(pixels(bytes(cleaned))[0], pixels(write_tiff(pages=1))[0])


SEEDS = [write() for _, write in WRITERS.values()] + [write_pdf()]


@settings(deadline=None)
@given(st.data())
def test_whatever_is_broken_ends_in_a_sentence(data: st.DataObject) -> None:
    seed = bytearray(data.draw(st.sampled_from(SEEDS)))
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(seed) - 1))
        seed[at] = data.draw(st.integers(0, 255))
    try:
        found, cleaned = clean(bytes(seed))
    except SlideError as error:
        assert str(error).endswith(".")
    else:
        assert clean(cleaned)[0] == found
