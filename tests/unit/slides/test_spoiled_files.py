"""What `make fuzz` once broke: each made anew, each refused in the sentence that says what is wrong."""

from __future__ import annotations

import logging
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from fuzzing.directories import TiffFile, map_tiff
from images import codings, scanners
from images.dicoms import write_dicom
from images.pictures import Pixels, picture
from images.scanners import NAME
from images.tiffs import LONG, Page, text, tiled, write_tiff
from pydicom.uid import DeflatedExplicitVRLittleEndian

from slides.files import find_slides
from slides.geometry import Region
from slides.inspection import Finding, inspect
from slides.opening import open_slide
from tiler.building import build

PICTURE = picture(150, 100)
SIDE = (64, 64)
Spoil = Callable[[TiffFile], object]


def finding(path: Path) -> Finding:
    found = inspect(path).finding
    assert found is not None
    assert found.sentence[0].isupper()
    assert found.sentence.endswith(".")
    assert NAME not in found.sentence
    return found


def spoiled(path: Path, spoil: Spoil, *, big: bool = False) -> Path:
    """A sound tiled TIFF with something changed in its bytes."""
    scanners.write_generic(path, PICTURE, codings.YCBCR_420, tile=SIDE, factors=(1,), big=big)
    file = map_tiff(path.read_bytes())
    spoil(file)
    path.write_bytes(file.data)
    return path


def put(tag: int, *, kind: int | None = None, count: int | None = None, value: int | None = None) -> Spoil:
    """Change what the first directory says of a tag: its type, how many values, its first value."""

    def spoil(file: TiffFile) -> None:
        entry = next(entry for entry in file.directories[0] if entry.tag == tag)
        if value is not None:
            file.put_number(entry, 0, value)
        if count is not None:
            file.put(file.order + ("Q" if file.big else "I"), entry.at + 4, count)
        if kind is not None:
            file.put(file.order + "H", entry.at + 2, kind)

    return spoil


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (put(325, count=3), "lists 3 tiles; 6 are needed"),
        (put(325, count=0), "lists 1 tiles; 6 are needed"),
        (put(324, kind=9, value=-30_224), "no numbers"),
        (put(324, kind=2), "no numbers"),
        (put(325, kind=7), "no numbers"),
        (put(323, kind=2), "no numbers"),
        (put(323, value=0), "cannot be read"),
        (put(256, value=1 << 31), "more than any glass"),
        (put(257, value=(1 << 20) + 1), "more than any glass"),
        (lambda file: [put(tag, value=5000)(file) for tag in (322, 323)], "at most 16777216 px each"),
        (put(262, kind=2), "of kind unknown"),
        (put(259, value=34_887), "not read here (number 34887)"),
    ],
)
def test_directories_that_state_nonsense(spoil: Spoil, words: str, tmp_path: Path) -> None:
    assert words in finding(spoiled(tmp_path / "slide.tif", spoil)).sentence


def test_a_tile_whose_place_and_length_add_up_to_little(tmp_path: Path) -> None:
    path = spoiled(tmp_path / "slide.tif", put(324, value=(1 << 64) - 100), big=True)
    assert "Of the 6 tiles of level 0, 1 lie beyond the end" in finding(path).sentence


def test_a_profile_that_is_a_number_asks_for_no_memory(tmp_path: Path) -> None:
    page, _ = tiled(PICTURE, codings.YCBCR_420, tile=SIDE)
    page.tags[34675] = (LONG, [0xFFFFFFF0])
    found = inspect(write_tiff(tmp_path / "slide.tif", [page]))
    assert found.finding is None
    assert found.metadata.icc_profile is None


def with_tile(path: Path, coding: codings.Coding, spoil: Callable[[bytes], bytes]) -> Path:
    """A slide of which one tile, not the one in the middle, is stored otherwise."""
    page, _ = tiled(PICTURE, coding, tile=SIDE)
    streams = [*page.segments]
    streams[3] = spoil(streams[3])
    return write_tiff(path, [Page(page.tags, streams)])


def in_many_passes(stream: bytes) -> bytes:
    """A progressive stream whose last scan comes a thousand times."""
    frame = bytearray(b"".join(part for marker, part in codings.segments_of(stream) if marker == 0xC0))
    frame[1] = 0xC2
    scan = bytes([0xFF, 0xDA, 0, 8, 1, frame[10], 0, 0, 0, 1]) + b"\0" * 30
    return b"\xff\xd8" + bytes(frame) + scan * 1000 + b"\xff\xd9"


def of_twelve_bits(stream: bytes) -> bytes:
    at = stream.index(b"\xff\xc0") + 4
    return stream[:at] + b"\x0c" + stream[at + 1 :]


def of_odd_sampling(stream: bytes) -> bytes:
    """4:4:1: four lines of luma for each of chroma."""
    at = stream.index(b"\xff\xc0") + 11
    return stream[:at] + b"\x14" + stream[at + 1 :]


def enormous(stream: bytes) -> bytes:
    return stream[:8] + struct.pack(">II", 65_500, 65_500) + stream[16:]


@pytest.mark.parametrize(
    ("coding", "spoil", "words"),
    [
        (codings.YCBCR_420, in_many_passes, "more than 100 passes"),
        (codings.YCBCR_420, of_odd_sampling, "cannot be decoded"),
        (codings.YCBCR_420, of_twelve_bits, "cannot be decoded as the others"),
        (codings.JPEG_2000_RGB, enormous, "64 x 64 px was expected; its stream has 65500 x 65500 px"),
    ],
)
def test_one_tile_among_sound_ones(
    coding: codings.Coding, spoil: Callable[[bytes], bytes], words: str, tmp_path: Path
) -> None:
    assert words in finding(with_tile(tmp_path / "slide.tif", coding, spoil)).sentence


def test_a_macro_image_that_cannot_be_decoded(tmp_path: Path) -> None:
    path = scanners.write_aperio(tmp_path / "slide.svs", PICTURE, tile=64, factors=(1,)).path
    file = map_tiff(path.read_bytes())
    macro = next(entry for entry in file.directories[-1] if entry.tag == 273)
    start = file.numbers(macro)[0]
    file.data[start : start + 300] = bytes(300)
    path.write_bytes(file.data)
    assert "The macro image cannot be decoded" in finding(path).sentence


def test_an_ome_tiff_opens_no_other_file(tmp_path: Path) -> None:
    scanners.write_ome(tmp_path / "other.ome.tif", picture(300, 200, seed=5))
    path = scanners.write_ome(tmp_path / "slide.ome.tif", picture(300, 200)).path
    file = map_tiff(path.read_bytes())
    entry = next(entry for entry in file.directories[0] if entry.tag == 270)
    words = bytes(file.data[entry.values_at : entry.values_at + entry.size])
    away = b'<TiffData IFD="0" PlaneCount="1"><UUID FileName="other.ome.tif">urn:uuid:1</UUID></TiffData>'
    at = words.index(b"<TiffData")
    file.replace(entry, words[:at] + away + words[words.index(b"/>", at) + 2 :])
    path.write_bytes(file.data)
    with open_slide(path) as slide:
        shown = slide.read(Region(0, 0, 300, 200), level=0)
    assert abs(shown.astype(int) - seen(tmp_path, seed=0)).max() == 0
    assert abs(shown.astype(int) - seen(tmp_path, seed=5)).max() > 50


def seen(folder: Path, *, seed: int) -> Pixels:
    return scanners.write_ome(folder / "again.ome.tif", picture(300, 200, seed=seed)).planes[0].pixels


@pytest.mark.parametrize("share", [0.0, 0.005, 0.1, 0.3, 0.7, 0.95])
def test_a_dicom_series_without_its_full_resolution_is_no_smaller_slide(share: float, tmp_path: Path) -> None:
    folder = write_dicom(tmp_path / "slide", PICTURE, tile=64).path
    first = sorted(folder.iterdir())[0]
    first = first.rename(folder / "0.dcm")
    data = first.read_bytes()
    first.write_bytes(data[: int(len(data) * share)])
    assert finding(folder).code == "DAMAGED_FILE"


def test_a_deflated_dicom_file_is_not_unpacked(tmp_path: Path) -> None:
    path = sorted(write_dicom(tmp_path / "slide", PICTURE, tile=64, factors=(1,)).path.iterdir())[0]
    meta = pydicom.filereader.read_file_meta_info(path)
    meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    with path.open("wb") as file:
        file.write(bytes(128) + b"DICM")
        pydicom.filewriter.write_file_meta_info(file, meta)  # type: ignore[arg-type]
        for _ in range(256):  # a gibibyte, in a mebibyte
            file.write(packer.compress(bytes(4 << 20)))
        file.write(packer.flush())
    assert "deflated as a whole" in finding(path).sentence
    assert len(find_slides(tmp_path)) == 1


def test_dicom_elements_nested_thousands_deep(tmp_path: Path) -> None:
    path = sorted(write_dicom(tmp_path / "slide", PICTURE, tile=64, factors=(1,)).path.iterdir())[0]
    nested = struct.pack("<HH2sHIHHI", 0x0008, 0x0006, b"SQ", 0, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF)
    data = path.read_bytes()
    at = data.index(struct.pack("<HH2s", 0x0008, 0x0008, b"CS"))
    path.write_bytes(data[:at] + nested * 20_000)
    assert len(find_slides(tmp_path)) == 1
    assert finding(path).code == "UNSUPPORTED_FILE"


def test_what_libraries_say_of_odd_files_reaches_no_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ome, _ = tiled(PICTURE, codings.YCBCR_420, tile=SIDE)
    ome.tags[270] = text(f'<?xml version="1.0"?><OME xmlns="x"><Image Name="{NAME}"><Pixels')
    write_tiff(tmp_path / f"{NAME}.ome.tif", [ome])
    folder = write_dicom(tmp_path / NAME, PICTURE, tile=64).path
    for file in folder.iterdir():
        data = file.read_bytes()
        at = data.index(b"UI", 400)
        file.write_bytes(data[:at] + b"LO" + data[at + 2 : at + 300])
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings():
        warnings.simplefilter("error")
        find_slides(tmp_path)
        inspect(tmp_path / f"{NAME}.ome.tif")
        inspect(folder)
    assert NAME not in caplog.text


def test_what_is_sound_stays_sound(tmp_path: Path) -> None:
    """The limits leave alone what is as large as slides are."""
    page, _ = tiled(PICTURE, codings.YCBCR_420, tile=(1024, 1024))
    path = write_tiff(tmp_path / "slide.tif", [page])
    assert inspect(path).finding is None
    with open_slide(path) as slide, (tmp_path / "pyramid").open("w+b") as file:
        assert build(slide, file).tile == 1024
