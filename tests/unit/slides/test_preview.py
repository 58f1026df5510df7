"""Small pictures for lists: right colours, the slide's profile, and never a label."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from images import codings, scanners
from images.dicoms import write_dicom
from images.pictures import CORNERS, picture
from images.scanners import NAME, PROFILE
from PIL import Image

from slides.geometry import Size
from slides.inspection import inspect, sample_regions
from slides.opening import open_slide
from slides.preview import LONGEST, draw_macro, draw_thumbnail


@pytest.mark.parametrize(
    ("size", "expected"),
    [((1300, 900), (640, 443)), ((900, 1300), (443, 640)), ((300, 200), (300, 200)), ((1, 900), (1, 640)),
     ((900, 1), (640, 1)), ((1, 1), (1, 1)), ((640, 640), (640, 640))],
)  # fmt: skip
def test_a_thumbnail_keeps_the_shape_of_the_slide(
    size: tuple[int, int], expected: tuple[int, int], tmp_path: Path
) -> None:
    made = scanners.write_generic(tmp_path / "slide.tif", picture(*size), codings.YCBCR_444, factors=(1,))
    with open_slide(made.path) as slide:
        thumbnail = Image.open(io.BytesIO(draw_thumbnail(slide)))
    assert thumbnail.size == expected
    assert max(thumbnail.size) <= LONGEST


@pytest.mark.parametrize("factors", [(1,), (1, 2), (1, 4, 16)])
def test_a_thumbnail_shows_the_slide_with_its_profile(factors: tuple[int, ...], tmp_path: Path) -> None:
    made = scanners.write_aperio(tmp_path / "slide.svs", picture(1400, 1000), factors=factors)
    with open_slide(made.path) as slide:
        thumbnail = Image.open(io.BytesIO(draw_thumbnail(slide)))
    assert thumbnail.info["icc_profile"] == PROFILE
    width, height = thumbnail.size
    places = ((3, 3), (width - 4, 3), (3, height - 4), (width - 4, height - 4))
    for place, colour in zip(places, CORNERS, strict=True):
        seen = thumbnail.getpixel(place)
        assert isinstance(seen, tuple)
        # Two encodings at quality 80 and 85, one with chroma at half size.
        assert np.abs(np.array(seen) - colour).max() < 25, f"the corner at {place} has another colour"


def test_the_macro_image_hides_the_label(tmp_path: Path) -> None:
    made = scanners.write_aperio(tmp_path / "slide.svs", picture(300, 200), factors=(1,))
    with open_slide(made.path) as slide:
        macro = draw_macro(slide)
    assert macro is not None
    for form in (NAME.encode(), NAME.encode("utf-16-le")):
        assert form not in macro
    seen = np.array(Image.open(io.BytesIO(macro))).astype(int)
    assert seen.shape == (110, 300, 3)
    hidden = seen[:, : 96 - 16]  # less the block of 16 px in which JPEG mixes both sides
    assert (hidden.max(axis=(0, 1)) - hidden.min(axis=(0, 1)) <= 2).all(), "something shows through"
    assert seen[:, 100:].std() > 20, "the glass itself is to be seen"


def test_other_makers_macro_image_is_not_shown(tmp_path: Path) -> None:
    for made in (
        scanners.write_philips(tmp_path / "slide.tiff", picture(512, 512), levels=1),
        scanners.write_leica(tmp_path / "slide.scn", picture(256, 256)),
        scanners.write_generic(tmp_path / "slide.tif", picture(256, 256), factors=(1,)),
        write_dicom(tmp_path / "dicom", picture(256, 256), factors=(1,)),
    ):
        with open_slide(made.path) as slide:
            assert draw_macro(slide) is None


def test_an_inspection_tells_what_was_found(tmp_path: Path) -> None:
    made = scanners.write_aperio(tmp_path / f"{NAME}.svs", picture(700, 500), factors=(1, 4))
    found = inspect(made.path)
    assert found.finding is None
    assert (found.format, found.levels) == ("aperio", (Size(700, 500), Size(175, 125)))
    assert found.metadata.objective == 20
    assert {kind.value for kind in found.associated} == {"LABEL", "MACRO", "THUMBNAIL"}


@pytest.mark.parametrize("size", [Size(1, 1), Size(100, 3), Size(256, 256), Size(257, 300), Size(50_000, 40_000)])
def test_samples_lie_within_and_reach_every_corner(size: Size) -> None:
    regions = sample_regions(size)
    assert all(region.inside(size) for region in regions)
    assert min(r.x for r in regions) == min(r.y for r in regions) == 0
    assert max(r.right for r in regions) == size.width
    assert max(r.bottom for r in regions) == size.height
    assert regions == sample_regions(size), "a second run would look elsewhere"
