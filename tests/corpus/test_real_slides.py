"""Every file of a corpus opens with right colours, and its pyramid too, or gives a sentence."""

from __future__ import annotations

import io
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import openslide
import pytest
from fuzzing.cases import Case
from fuzzing.children import try_all
from images.pictures import Pixels, psnr
from PIL import Image

from slides.errors import SlideError
from slides.files import SlideFiles
from slides.geometry import Region
from slides.inspection import find_damage, sample_regions
from slides.jpeg import Colour, says_itself
from slides.opening import open_slide
from slides.slide import Slide
from tiler.building import build
from tiler.layout import PixelPath
from tiler.live import LiveTiles
from tiler.pyramid import Pyramid

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what DICOM libraries say of their own dependencies while they load
    import wsidicom  # noqa: F401

CUTS = 20
SMALL_BYTES = 2 << 20
# Real files break rules that pydicom warns of; they are read all the same, and here it is pixels that count.
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def test_a_slide_or_a_sentence(
    corpus_slide: SlideFiles, slide_path: Path, corpus: Path, summary: dict[str, str], tmp_path: Path
) -> None:
    path = slide_path
    place = str(corpus_slide.members[0][0].relative_to(corpus))
    summary[place] = "FAILED"
    try:
        slide = open_slide(path)
    except SlideError as error:
        summary[place] = require_sentence(error, path)
        return
    with slide:
        finding = find_damage(slide)
        if finding:
            summary[place] = f"{finding.code}: {finding.sentence}"
            require_words(finding.sentence, path)
            return
        compared = compare(slide, path)
        with (tmp_path / "pyramid").open("w+b") as file:
            built = build(slide, file)
        kept = f"re-encoded, {built.psnr:.1f} dB" if built.psnr else "passed through"
        shown = compare_pyramid(slide, tmp_path / "pyramid", built.pixel_path)
    size = f"{slide.size.width} x {slide.size.height}"
    summary[place] = f"{slide.format}, {size}, {len(slide.levels)} levels, {kept}; {compared}; pyramid {shown}"


def test_small_files_whole_and_cut_off_stay_within_limits(
    corpus_slide: SlideFiles, corpus: Path, summary: dict[str, str]
) -> None:
    main = corpus_slide.members[0][0]
    if len(corpus_slide.members) > 1 or main.stat().st_size > SMALL_BYTES:
        return  # the test above reads it
    data, layout = main.read_bytes(), "dicom" if main.suffix == ".dcm" else ""
    cut = [data[: len(data) * share // CUTS] for share in range(CUTS + 1)]
    name = f"slide{main.suffix}"
    outcomes = list(try_all(Case("cut", share, layout, {name: cut[share]}) for share in range(CUTS + 1)))
    broken = [f"cut off at {one.case.number} of {CUTS}: {one.complaint}" for one in outcomes if one.complaint]
    assert not broken, "\n".join(broken)
    found = Counter(one.result for one in outcomes)
    told = ", ".join(f"{count} {result}" for result, count in found.most_common())
    summary[f"{main.relative_to(corpus)}, cut off at {CUTS} places"] = told


def require_sentence(error: SlideError, path: Path) -> str:
    require_words(str(error), path)
    return f"{error.code}: {error}"


def require_words(sentence: str, path: Path) -> None:
    assert sentence[0].isupper() and sentence.endswith("."), sentence
    assert path.name not in sentence
    assert str(path.parent) not in sentence


def seen_by_openslide(path: Path) -> openslide.OpenSlide | None:
    """The file as OpenSlide opens it, None where it does not."""
    if path.is_dir():
        candidates = sorted(path.glob("*.dcm"))
        return (
            openslide.OpenSlide(candidates[0])
            if candidates and openslide.OpenSlide.detect_format(candidates[0])
            else None
        )
    try:
        return openslide.OpenSlide(path) if openslide.OpenSlide.detect_format(path) else None
    except openslide.OpenSlideError:
        return None


def contradicted(slide: Slide) -> bool:
    """Whether the file calls its streams RGB while they carry a JFIF marker.

    JFIF 1.02 allows YCbCr and grey only, and libjpeg, hence every browser, goes by that; OpenSlide believes the
    file and shows such a slide in wrong colours. It is no witness then.
    """
    stored = slide.levels[0].stored
    if stored is None or stored.colour != Colour.RGB:
        return False
    return says_itself(slide.stored_tile(0, 0, 0), stored.tables) == Colour.YCBCR


def over_white(image: Image.Image) -> Pixels:
    canvas = Image.new("RGB", image.size, "white")
    canvas.paste(image, mask=image.getchannel("A"))
    return np.asarray(canvas)


def compare(slide: Slide, path: Path) -> str:
    """Full resolution beside OpenSlide's, at the places that inspection looks at."""
    other = seen_by_openslide(path)
    if other is None or other.dimensions != (slide.size.width, slide.size.height):
        return "OpenSlide reads another canvas or nothing"
    if contradicted(slide):
        other.close()
        return "OpenSlide shows JFIF as RGB: no witness"
    worst = 0
    background = other.properties.get("openslide.background-color", "FFFFFF")
    for region in sample_regions(slide.size):
        ours = slide.read(region, level=0).astype(int)
        theirs = other.read_region((region.x, region.y), 0, (region.width, region.height))
        holes = np.asarray(theirs)[:, :, 3] == 0
        difference = np.abs(ours - over_white(theirs)).max(axis=2)
        worst = max(worst, int(difference[~holes].max(initial=0)))
    other.close()
    # Two decoders may round the conversion of colours differently, by 2 at the most (JPEG 2000 in YCbCr).
    assert worst <= 2, f"a pixel differs from OpenSlide's by {worst} (background {background})"
    return f"OpenSlide differs by {worst}"


def compare_pyramid(slide: Slide, path: Path, pixel_path: PixelPath) -> str:
    """The pyramid in OpenSlide beside the slide, tiles as a browser gets them beside both."""
    pyramid = Pyramid(path)
    lowest = float("inf")
    with openslide.OpenSlide(path) as other:
        assert other.dimensions == (slide.size.width, slide.size.height)
        for region in sample_regions(slide.size):
            theirs = over_white(other.read_region((region.x, region.y), 0, (region.width, region.height)))
            lowest = min(lowest, psnr(theirs, slide.read(region, level=0)))
    grid = pyramid.grid
    live = LiveTiles(slide)
    for halvings in range(grid.depth + 1):
        column, row = grid.columns(halvings) // 2, grid.rows(halvings) // 2
        region = grid.region(halvings, column, row)
        tiles = [
            np.array(Image.open(io.BytesIO(of.tile(halvings, column, row))).convert("RGB")) for of in (pyramid, live)
        ]
        if pixel_path == PixelPath.PASSTHROUGH:
            assert np.array_equal(tiles[0], tiles[1]), f"another tile than the slide's, {halvings} halvings"
        if halvings == 0 and pixel_path == PixelPath.PASSTHROUGH:
            ours = slide.read(Region(region.x, region.y, region.width, region.height), level=0)
            assert np.array_equal(tiles[0][: region.height, : region.width], ours)
    pyramid.close()
    if pixel_path == PixelPath.PASSTHROUGH:
        assert lowest == float("inf"), "full resolution was passed through, yet pixels differ"
        return "equal"
    assert lowest > 28, "encoding at quality 90 loses less on any slide"
    return f"within {lowest:.1f} dB at the worst place"


def test_the_same_slide_as_svs_and_as_dicom_has_the_same_colours(corpus: Path, summary: dict[str, str]) -> None:
    """The public CMU-1-Small-Region exists in both layouts; the DICOM one calls its JFIF streams RGB."""
    svs = next(corpus.rglob("CMU-1-Small-Region.svs"), None)
    dicom = next((folder for folder in corpus.rglob("cmu-1-small-region") if folder.is_dir()), None)
    if svs is None or dicom is None:
        return  # a corpus of other slides says nothing about this one
    with open_slide(svs) as first, open_slide(dicom) as second:
        assert first.size == second.size
        region = Region(600, 900, 900, 900)
        ours, theirs = first.read(region, level=0), second.read(region, level=0)
    other = seen_by_openslide(dicom)
    assert other is not None
    as_rgb = over_white(other.read_region((region.x, region.y), 0, (region.width, region.height)))
    other.close()
    agreement, otherwise = psnr(ours, theirs), psnr(ours, as_rgb)
    summary["CMU-1-Small-Region, SVS beside DICOM"] = f"{agreement:.1f} dB; its streams as RGB {otherwise:.1f} dB"
    # Whoever made the DICOM one decoded and encoded the pixels again: noise, but no other colours.
    assert np.abs(ours.mean((0, 1)) - theirs.mean((0, 1))).max() < 1
    assert agreement > otherwise + 10
