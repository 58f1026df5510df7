"""Broken files: the right error in a sentence that names nobody, nothing left open, and never a crash."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from images import codings, scanners
from images.codings import PLAIN, RGB, YCBCR_420, Coding
from images.dicoms import write_dicom
from images.pictures import picture
from images.scanners import NAME
from images.tiffs import ASCII, SHORT, Page, stripped, tiled, write_tiff

from slides.errors import DamagedFile, EmptyFile, SlideError, UnsupportedFile
from slides.geometry import Region
from slides.inspection import inspect
from slides.opening import open_slide

PICTURE = picture(523, 397)
FILE = f"{NAME}.svs"


@pytest.fixture(autouse=True)
def nothing_left_open() -> Iterator[None]:
    before = set(os.listdir("/proc/self/fd"))  # noqa: PTH208 - no Path lists its own descriptor
    yield
    left = {name for name in os.listdir("/proc/self/fd") if name not in before}  # noqa: PTH208
    still = [target for name in left if (target := Path(f"/proc/self/fd/{name}")).exists()]
    assert not [str(target.readlink()) for target in still if "/pytest-" in str(target.readlink())]


def require_sentence(text: str) -> None:
    """A sentence for a help desk: whole, and without a name."""
    assert text[0].isupper(), text
    assert text.endswith("."), text
    for part in (NAME, "Pahittad", "19121212", "/tmp", "pytest", ".svs"):  # noqa: S108
        assert part not in text, text


def read_all(path: Path) -> None:
    with open_slide(path) as slide:
        for number, level in enumerate(slide.levels):
            slide.read(Region(0, 0, level.size.width, level.size.height), level=number)


def refusal(path: Path) -> SlideError:
    with pytest.raises(SlideError) as caught:
        read_all(path)
    require_sentence(str(caught.value))
    finding = inspect(path).finding
    assert finding is not None
    require_sentence(finding.sentence)
    assert finding.code == caught.value.code
    return caught.value


def aperio(folder: Path, coding: Coding = RGB) -> Path:
    return scanners.write_aperio(folder / FILE, PICTURE, coding, factors=(1, 4)).path


@pytest.mark.parametrize("coding", [RGB, PLAIN, codings.LZW, codings.JPEG_2000_RGB], ids=lambda coding: coding.name)
def test_truncated_anywhere(coding: Coding, tmp_path: Path) -> None:
    whole = aperio(tmp_path, coding).read_bytes()
    for share in (0.0003, 0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99):
        path = tmp_path / FILE
        path.write_bytes(whole[: max(5, int(len(whole) * share))])
        assert isinstance(refusal(path), DamagedFile | UnsupportedFile), share


def test_a_tile_beyond_the_end(tmp_path: Path) -> None:
    path = aperio(tmp_path)
    with tifffile.TiffFile(path) as tiff:
        at = tiff.pages.first.tags["TileOffsets"].valueoffset
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, at + 8, len(data) + 1000)
    path.write_bytes(data)
    error = refusal(path)
    assert isinstance(error, DamagedFile)
    assert "the file ends at byte" in str(error)
    found = inspect(path).finding
    assert found is not None
    assert "Of the 6 tiles of level 0, 1 lie beyond the end" in found.sentence


def test_a_tile_of_absurd_length(tmp_path: Path) -> None:
    path = scanners.write_generic(tmp_path / FILE, PICTURE, RGB, factors=(1,), big=True).path
    with tifffile.TiffFile(path) as tiff:
        at = tiff.pages.first.tags["TileByteCounts"].valueoffset
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, at, 0xFFFFFFF0)
    path.write_bytes(data)
    assert "4294967280 bytes" in str(refusal(path))


def test_fewer_tiles_than_the_size_needs(tmp_path: Path) -> None:
    page, _ = tiled(PICTURE, YCBCR_420)
    path = write_tiff(tmp_path / FILE, [Page(page.tags, page.segments[:3])])
    assert isinstance(refusal(path), DamagedFile)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda stream: stream[: len(stream) // 2],
        lambda stream: stream[: len(stream) // 2] + b"\xff\xd9",
        lambda stream: stream[:40] + bytes(len(stream) - 40),
        lambda stream: b"\0" * len(stream),
        lambda stream: b"\xff\xd8\xff\xd9",
    ],
    ids=["cut", "cut and ended", "zeros", "all zeros", "no frame"],
)
@pytest.mark.parametrize("coding", [RGB, YCBCR_420], ids=lambda coding: coding.name)
def test_a_broken_tile_inside(coding: Coding, spoil: Callable[[bytes], bytes], tmp_path: Path) -> None:
    page, _ = tiled(PICTURE, coding)
    streams = list(page.segments)
    streams[1] = spoil(streams[1])
    path = write_tiff(tmp_path / FILE, [Page(page.tags, streams)])
    assert isinstance(refusal(path), DamagedFile)


def test_a_tile_of_another_size_than_its_level(tmp_path: Path) -> None:
    page, _ = tiled(PICTURE, YCBCR_420, shared=False)
    streams = list(page.segments)
    streams[1] = codings.nameless(codings.jpeg_ycbcr(PICTURE[:128, :128]))
    error = refusal(write_tiff(tmp_path / FILE, [Page(page.tags, streams)]))
    assert isinstance(error, DamagedFile)
    assert "256 x 256 px was expected; its JPEG stream has 128 x 128 px" in str(error)


def without_tables(folder: Path) -> Path:
    page, _ = tiled(PICTURE, YCBCR_420)
    del page.tags[347]
    return write_tiff(folder / FILE, [page])


def palette(folder: Path) -> Path:
    page, _ = tiled(PICTURE, codings.GREY)
    page.tags |= {262: (SHORT, [3]), 320: (SHORT, [0] * 768)}
    return write_tiff(folder / FILE, [page])


def planar(folder: Path) -> Path:
    page, _ = tiled(PICTURE, codings.GREY)
    page.tags |= {262: (SHORT, [2]), 277: (SHORT, [3]), 258: (SHORT, [8] * 3), 284: (SHORT, [2])}
    return write_tiff(folder / FILE, [Page(page.tags, list(page.segments) * 3)])


def retagged(tags: dict[int, tuple[int, list[int]]], coding: Coding = PLAIN) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        page, _ = tiled(PICTURE, coding)
        page.tags |= tags
        return write_tiff(folder / FILE, [page])

    return make


def empty_folder(folder: Path) -> Path:
    (folder / NAME).mkdir()
    return folder / NAME


def other_folder(folder: Path) -> Path:
    (folder / NAME).mkdir()
    (folder / NAME / f"{NAME}.txt").write_text("no slide")
    return folder / NAME


def written(name: str, data: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return make


def dicom_without_frames(folder: Path) -> Path:
    path = next(write_dicom(folder / "slide", picture(300, 200), factors=(1,)).path.iterdir())
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path


NO_SLIDES = (
    "no bytes|empty folder|folder of something else|not a slide|MRXS alone|VMS alone|strips|planar|palette|floats|"
    "strange compression|tables missing|OME z-stack|OME channels|Leica z-stack|DICOM z-stack|DICOM of nothing|"
    "DICOM cut off|TIFF without directories|TIFF pointing nowhere"
)


@pytest.mark.parametrize(
    ("make", "kind", "word"),
    [
        (written(FILE, b""), EmptyFile, "0 bytes"),
        (empty_folder, EmptyFile, "folder is empty"),
        (other_folder, UnsupportedFile, "no DICOM files"),
        (written(FILE, b"no slide at all" * 100), UnsupportedFile, "not a slide"),
        (written(f"{NAME}.mrxs", b"\xff\xd8" + b"\0" * 500), UnsupportedFile, "folder of the same name"),
        (written(f"{NAME}.vms", b"[Virtual]\n"), UnsupportedFile, "Hamamatsu VMS"),
        (lambda f: write_tiff(f / FILE, [stripped(PICTURE, PLAIN, rows=16)[0]]), UnsupportedFile, "strips"),
        (planar, UnsupportedFile, "keeps red, green and blue apart"),
        (palette, UnsupportedFile, "PALETTE"),
        (retagged({339: (SHORT, [3] * 3), 258: (SHORT, [32] * 3)}), UnsupportedFile, "float32"),
        (retagged({259: (SHORT, [34676])}), UnsupportedFile, "34676"),
        (without_tables, DamagedFile, "cannot be decoded to its end"),
        (lambda f: scanners.write_ome(f / FILE, focus_planes=2).path, UnsupportedFile, "2 focus planes"),
        (lambda f: scanners.write_ome(f / FILE, channels=3).path, UnsupportedFile, "3 channels"),
        (lambda f: scanners.write_leica(f / FILE, planes=2).path, UnsupportedFile, "several focus planes"),
        (lambda f: write_dicom(f / NAME, focus_planes=2).path, UnsupportedFile, "2 focus planes"),
        (written(FILE, b"\0" * 128 + b"DICM" + b"\0" * 400), UnsupportedFile, "no whole-slide image"),
        (dicom_without_frames, SlideError, "DICOM"),
        (written(FILE, b"II*\0" + b"\0" * 60), DamagedFile, "holds no image"),
        (written(FILE, b"II*\0\xff\xff\xff\x7f"), DamagedFile, "TIFF"),
    ],
    ids=NO_SLIDES.split("|"),
)
def test_what_is_no_slide_here(make: Callable[[Path], Path], kind: type[SlideError], word: str, tmp_path: Path) -> None:
    error = refusal(make(tmp_path))
    assert isinstance(error, kind)
    assert word in str(error)


def test_a_missing_file_is_the_file_systems_word(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_slide(tmp_path / FILE)
    with pytest.raises(FileNotFoundError):
        inspect(tmp_path / FILE)


@pytest.mark.parametrize("seed", range(4))
def test_flipped_bytes_end_in_our_errors(seed: int, tmp_path: Path) -> None:
    print(f"seed {seed}")
    lot = random.Random(seed)  # noqa: S311 - a test's lot
    small = picture(130, 90, seed=seed)
    made = (
        scanners.write_aperio(tmp_path / "a.svs", small, tile=64, factors=(1, 4)),
        scanners.write_ome(tmp_path / "o.ome.tif", small),
        scanners.write_leica(tmp_path / "l.scn", small),
        scanners.write_philips(tmp_path / "p.tiff", np.ascontiguousarray(picture(512, 512)), levels=1),
    )[seed]
    whole = made.path.read_bytes()
    path = tmp_path / FILE
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(lot.choice((1, 1, 4, 30))):
            # Directories stand at the end, headers at the beginning: aim there.
            place = lot.choice((lot.randrange(16), lot.randrange(len(data)), len(data) - 1 - lot.randrange(900)))
            data[place] = lot.randrange(256)
        path.write_bytes(data)
        try:
            read_all(path)
        except SlideError as error:
            require_sentence(str(error))
            assert inspect(path).finding is not None


def test_xml_that_grows_is_refused(tmp_path: Path) -> None:
    bomb = (
        '<?xml version="1.0"?><!DOCTYPE OME [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">&b;</OME>'
    )
    page, _ = tiled(picture(100, 80), YCBCR_420)
    page.tags[270] = (ASCII, bomb.encode() + b"\0")
    refusal(write_tiff(tmp_path / "slide.ome.tif", [page]))
