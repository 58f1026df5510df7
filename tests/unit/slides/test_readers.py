"""Every layout, read: sizes, words, pixels and stored bytes as the maker wrote them and as others read them."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import openslide
import pytest
from images import codings, scanners
from images.dicoms import write_dicom
from images.layouts import LAYOUTS, Shelf
from images.pictures import Pixels, picture
from images.scanners import PROFILE, Made
from images.tiffs import LONG, tiled, write_tiff

from slides.errors import OutsideSlide
from slides.geometry import Region, Size, Spacing
from slides.opening import open_slide
from slides.slide import AssociatedKind, Slide
from tiler.layout import lay_out

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # whatever DICOM libraries say of their own dependencies while they load
    import wsidicom  # noqa: F401

STORED = [
    name
    for name, (_, format_) in LAYOUTS.items()
    if format_ != "trestle"
    and not any(word in name for word in ("plain", "lzw", "deflate", "2000", "native", "100 x"))
    and name not in ("generic sparse", "generic 1 px high")
]
NOT_IN_OPENSLIDE = {
    # Classic big-endian files are not either: OpenSlide 4.0.1 takes them for no TIFF; Pillow and libvips read them.
    "aperio plain-rgb": "libtiff takes uncompressed tiles of 240 px for damaged",
    "aperio plain-grey": "likewise",
    "aperio plain-grey-white-is-zero": "likewise",
    "aperio lzw-grey-16-bit": "libtiff shifts the edge tiles of 16-bit grey; vips agrees with the maker",
    "generic lzw-grey-16-bit": "likewise",
    "aperio jpeg-jfif-called-rgb": "OpenSlide believes the tag, libjpeg and browsers the stream",
    "generic jpeg-jfif-called-rgb": "likewise",
    "dicom rgb that is jfif": "likewise",
    "generic jpeg2000-rgb": "compression that OpenSlide reads in SVS only",
    "generic jpeg2000-ycbcr": "likewise",
    "dicom grey": "OpenSlide reads colour only",
    "aperio sparse": "OpenSlide fills missing tiles from a lower level; here they are white, and said to be so",
    "leica": "OpenSlide draws the scanned area on a canvas of the whole glass",
}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("shelf"))


@pytest.fixture(params=list(LAYOUTS))
def layout(request: pytest.FixtureRequest, shelf: Shelf) -> tuple[str, Made]:
    """One layout after the other: its name and the file."""
    name: str = request.param
    return name, shelf[name]


def whole(slide: Slide, level: int) -> Pixels:
    size = slide.levels[level].size
    return slide.read(Region(0, 0, size.width, size.height), level=level)


def test_levels_and_pixels_are_what_the_maker_wrote(layout: tuple[str, Made]) -> None:
    name, made = layout
    with open_slide(made.path) as slide:
        assert slide.format == LAYOUTS[name][1]
        assert [(level.size.width, level.size.height) for level in slide.levels] == [
            plane.size for plane in made.planes
        ]
        for number, plane in enumerate(made.planes):
            assert np.array_equal(whole(slide, number), plane.pixels), f"level {number}"


def test_openslide_sees_the_same(layout: tuple[str, Made]) -> None:
    name, made = layout
    file = next(made.path.iterdir()) if made.path.is_dir() else made.path
    if name in NOT_IN_OPENSLIDE or name.endswith("classic >"):
        return  # then the maker's own pixels, decoded by Pillow or imagecodecs, are the witness: the test above
    with openslide.OpenSlide(file) as other, open_slide(made.path) as slide:
        for number, plane in enumerate(made.planes):
            if number >= other.level_count:
                assert name.startswith("ome"), "OpenSlide follows no SubIFDs"
                continue
            assert other.level_dimensions[number] == plane.size
            seen = other.read_region((0, 0), number, plane.size)
            canvas = np.where(np.array(seen)[:, :, 3:] == 0, 255, np.array(seen)[:, :, :3]).astype(np.uint8)
            # JPEG 2000 in YCbCr: OpenSlide and Pillow round the conversion differently, by 1.
            tolerance = 1 if name == "aperio jpeg2000-ycbcr" else 0
            assert np.abs(canvas.astype(int) - whole(slide, number)).max() <= tolerance
        if slide.format == "ome-tiff":
            return  # OpenSlide reads no OME-XML
        spacing, stated = slide.metadata.spacing, other.properties.get("openslide.mpp-x")
        assert (float(stated) if stated else None) == pytest.approx(spacing.x if spacing else None)


@pytest.mark.parametrize("name", STORED)
def test_stored_tiles_are_the_makers_bytes(name: str, shelf: Shelf) -> None:
    made = shelf[name]
    with open_slide(made.path) as slide:
        for number, plane in enumerate(made.planes):
            level = slide.levels[number]
            assert level.stored is not None
            assert (level.stored.tile.width, level.stored.tile.height) == plane.tile
            assert level.stored.tables == plane.tables
            columns = -(-plane.size[0] // plane.tile[0])
            assert (level.columns, level.columns * level.rows) == (columns, len(plane.streams))
            for index, stream in enumerate(plane.streams):
                assert slide.stored_tile(number, index % columns, index // columns) == stream
            for column, row in ((-1, 0), (level.columns, 0), (0, level.rows), (0, -1)):
                with pytest.raises(OutsideSlide, match=f"Tile column {column}, row {row} was asked for"):
                    slide.stored_tile(number, column, row)


def test_odd_dicom_frames_come_without_their_padding(tmp_path: Path) -> None:
    made = write_dicom(tmp_path / "slide")
    assert any(len(stream) % 2 for plane in made.planes for stream in plane.streams), "no odd frame was made"
    with open_slide(made.path) as slide:
        for index, stream in enumerate(made.planes[0].streams):
            assert slide.stored_tile(0, index % 3, index // 3) == stream


@pytest.mark.parametrize("name", ["aperio plain-rgb", "generic tile 100 x 60", "dicom native", "trestle"])
def test_what_cannot_be_passed_on_says_so(name: str, shelf: Shelf) -> None:
    with open_slide(shelf[name].path) as slide, pytest.raises(OutsideSlide, match="cannot be passed on"):
        slide.stored_tile(0, 0, 0)


@pytest.mark.parametrize(
    "name", ["aperio jpeg-rgb", "generic tile 256 x 128", "philips", "ome", "trestle", "dicom rgb"]
)
def test_regions_across_tiles_and_edges(name: str, shelf: Shelf) -> None:
    made = shelf[name]
    lot = np.random.default_rng(11)
    with open_slide(made.path) as slide:
        for number, plane in enumerate(made.planes):
            width, height = plane.size
            tile = plane.tile
            regions = [Region(0, 0, 1, 1), Region(width - 1, height - 1, 1, 1), Region(width - 1, 0, 1, height)]
            if width > tile[0] + 2 and height > tile[1] + 2:
                regions.append(Region(tile[0] - 1, tile[1] - 1, 3, 3))
            for _ in range(12):
                x, y = int(lot.integers(width)), int(lot.integers(height))
                regions.append(Region(x, y, int(lot.integers(1, width - x + 1)), int(lot.integers(1, height - y + 1))))
            for region in regions:
                expected = plane.pixels[region.y : region.bottom, region.x : region.right]
                if name == "trestle" and number:
                    # OpenSlide takes corners in level-0 pixels and blends what lies between two pixels: a quarter
                    # of a pixel at the worst, which the mean of 3 x 3 does not notice.
                    read = slide.read(region, level=number).astype(float)
                    assert np.abs(read.mean((0, 1)) - expected.mean((0, 1))).max() < 60 / np.sqrt(region.width)
                    continue
                assert np.array_equal(slide.read(region, level=number), expected), region


@pytest.mark.parametrize("name", ["aperio jpeg-rgb", "generic lzw-rgb", "trestle", "dicom native", "dicom rgb"])
def test_regions_and_levels_outside_are_refused(name: str, shelf: Shelf) -> None:
    with open_slide(shelf[name].path) as slide:
        width, height = slide.size.width, slide.size.height
        for region in (
            Region(-1, 0, 5, 5), Region(0, -1, 5, 5), Region(width - 4, 0, 5, 5), Region(0, height - 4, 5, 5),
            Region(width, height, 1, 1), Region(0, 0, width + 1, 1),
        ):  # fmt: skip
            with pytest.raises(OutsideSlide, match=f"level 0 is {width} x {height} px"):
                slide.read(region, level=0)
        for level in (-1, len(slide.levels)):
            with pytest.raises(OutsideSlide, match=f"levels 0 to {len(slide.levels) - 1}"):
                slide.read(Region(0, 0, 1, 1), level=level)


@pytest.mark.parametrize("name", ["aperio jpeg-rgb", "generic tile 100 x 60", "trestle", "dicom native", "dicom rgb"])
def test_several_threads_read_the_same(name: str, shelf: Shelf) -> None:
    made = shelf[name]
    pixels = made.planes[0].pixels
    regions = [Region(x, y, 300, 200) for x in range(0, 400, 57) for y in range(0, 330, 57)]
    with open_slide(made.path) as slide, ThreadPoolExecutor(8) as pool:
        for region, read in zip(regions, pool.map(lambda r: slide.read(r, level=0), regions), strict=True):
            assert np.array_equal(read, pixels[region.y : region.bottom, region.x : region.right])


SAID = {
    "aperio jpeg-rgb": (
        Spacing(0.499, 0.499), 20.0, "SS1234", datetime(2009, 12, 29, 9, 59, 15, tzinfo=timezone(timedelta(hours=1))),
        PROFILE, {"LABEL", "MACRO", "THUMBNAIL"},
    ),
    "philips": (Spacing(0.24, 0.25), None, "PHILIPS", datetime(2015, 8, 12, 14, 31, 45), None, {"LABEL", "MACRO"}),
    "leica": (
        Spacing(0.25, 0.25), 40.0, "Leica SCN400", datetime(2013, 5, 8, 14, 14, 15, 230_000, tzinfo=UTC), None,
        {"MACRO"},
    ),
    "ome": (Spacing(0.25, 0.26), 40.0, "Axio Scan", datetime(2021, 3, 4, 5, 6, 7), None, set()),
    "trestle": (Spacing(0.25, 0.25), 20.0, None, None, None, set()),
    "dicom ycbcr": (Spacing(0.25, 0.25), 40.0, "Made Up 1", datetime(2021, 3, 4, 5, 6, 7), PROFILE, set()),
    "generic jpeg-rgb": (None, None, None, None, None, set()),
}  # fmt: skip


@pytest.mark.parametrize("name", SAID)
def test_what_the_file_says_of_itself(name: str, shelf: Shelf) -> None:
    spacing, objective, scanner, moment, profile, associated = SAID[name]
    with open_slide(shelf[name].path) as slide:
        said = slide.metadata
        assert (said.spacing is None) == (spacing is None)
        if said.spacing and spacing:
            assert (said.spacing.x, said.spacing.y) == pytest.approx((spacing.x, spacing.y))
        assert (said.objective, said.scanner, said.scanned_at) == (objective, scanner, moment)
        assert said.icc_profile == profile
        assert {kind.value for kind in slide.associated} == associated


@pytest.mark.parametrize("name", ["aperio jpeg-rgb", "philips"])
def test_associated_images(name: str, shelf: Shelf) -> None:
    made = shelf[name]
    with open_slide(made.path) as slide:
        assert {kind.lower() for kind in slide.associated} == set(made.associated)
        for kind in slide.associated:
            assert np.array_equal(slide.read_associated(kind), made.associated[kind.lower()])


@pytest.mark.parametrize("name", ["generic jpeg-rgb", "trestle", "dicom rgb"])
def test_associated_images_that_are_not_there(name: str, shelf: Shelf) -> None:
    with open_slide(shelf[name].path) as slide:
        for kind in AssociatedKind:
            with pytest.raises(OutsideSlide, match=f"The {kind.lower()} image was asked for; this slide carries none"):
                slide.read_associated(kind)


@pytest.mark.parametrize(
    ("per_unit", "expected"),
    [
        (None, None),
        ((72, 2), None),
        ((96, 2), None),
        ((300, 2), None),
        ((40_000, 1), None),
        ((0, 3), None),
        ((40_000, 3), 0.25),
        ((101_600, 2), 0.25),
    ],
    ids=["nothing", "72 dpi", "96 dpi", "300 dpi", "no unit", "zero", "per centimetre", "per inch"],
)
def test_spacing_is_believed_only_where_a_scanner_may_have_said_it(
    per_unit: tuple[float, int] | None, expected: float | None, tmp_path: Path
) -> None:
    made = scanners.write_generic(tmp_path / "slide.tif", factors=(1,), per_unit=per_unit)
    with open_slide(made.path) as slide:
        spacing = slide.metadata.spacing
        assert (spacing.x if spacing else None) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("unit", "value", "expected"), [("µm", 0.25, 0.25), (None, 0.25, 0.25), ("nm", 250, 0.25), ("mm", 0.00025, 0.25),
                                    ("pixel", 1, None), ("reference frame", 1, None)]
)  # fmt: skip
def test_ome_units(unit: str | None, value: float, expected: float | None, tmp_path: Path) -> None:
    made = scanners.write_ome(tmp_path / "slide.ome.tif", unit=unit, spacing=(value, value))
    with open_slide(made.path) as slide:
        spacing = slide.metadata.spacing
        assert (spacing.x if spacing else None) == pytest.approx(expected)


def test_an_aperio_file_that_states_no_spacing(tmp_path: Path) -> None:
    made = scanners.write_aperio(tmp_path / "slide.svs", spacing_um=None, profile=None)
    with open_slide(made.path) as slide:
        assert (slide.metadata.spacing, slide.metadata.objective, slide.metadata.icc_profile) == (None, None, None)


def test_two_scanned_areas_share_openslides_canvas(tmp_path: Path) -> None:
    made = scanners.write_leica(tmp_path / "slide.scn", areas=2)
    with open_slide(made.path) as slide, openslide.OpenSlide(made.path) as other:
        assert slide.size == Size(*other.dimensions)
        assert all(level.stored is None for level in slide.levels)
        area = made.planes[0].pixels
        for top in (1600, 5200):
            assert np.array_equal(slide.read(Region(1000, top, 1024, 768), level=0), area)
        assert (slide.read(Region(0, 0, 100, 100), level=0) == 255).all(), "the bare glass is white"


def test_padded_philips_levels_are_halvings(tmp_path: Path) -> None:
    made = scanners.write_philips(tmp_path / "slide.tiff", picture(1536, 1536), levels=3)
    with open_slide(made.path) as slide:
        found = [(level.size.width, level.size.height) for level in slide.levels]
    assert found == [plane.size for plane in made.planes] == [(1536, 1536), (768, 768), (384, 384)]


def test_pictures_that_only_share_a_tiff_are_no_levels(tmp_path: Path) -> None:
    pixels = picture(600, 500)
    base, plane = tiled(pixels, codings.YCBCR_420)
    label, _ = tiled(picture(300, 250, seed=5), codings.YCBCR_420)
    label.tags[254] = (LONG, [0])
    with open_slide(write_tiff(tmp_path / "slide.tif", [base, label])) as slide:
        assert [level.size for level in slide.levels] == [Size(*plane.size)]
        assert lay_out(slide).copied[1] is None


def test_the_dicom_file_alone_is_its_level(tmp_path: Path) -> None:
    made = write_dicom(tmp_path / "slide", factors=(1,))
    with open_slide(next(made.path.iterdir())) as slide:
        assert np.array_equal(whole(slide, 0), made.planes[0].pixels)


def test_closing_twice_is_allowed(layout: tuple[str, Made]) -> None:
    slide = open_slide(layout[1].path)
    slide.close()
    slide.close()
