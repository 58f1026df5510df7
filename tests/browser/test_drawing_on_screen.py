"""What Chromium paints is what the slide holds: colours, places and edges, whatever way the tiles were stored."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from images import codings
from images.dicoms import write_dicom
from images.pictures import picture
from images.scanners import write_aperio, write_generic
from pages import stage_of
from PIL import Image
from playwright.sync_api import Page
from product import Product

from slides.geometry import Region
from slides.opening import open_slide

Pixels = npt.NDArray[np.uint8]

TOLERANCE = 1.5
"""Mean difference per sample. Two JPEG decoders differ by up to 2 (IDCT rounding, T.83 compliance) and by more
where one of them smooths chroma between pixels; half a pixel's shift differs by 3, a wrong colour by tens."""
ENCODED_AGAIN = 3.5
"""The same where quality 90 lies between: 38 dB on this noisy picture is a mean difference of about 2.7."""

LAYOUTS: dict[str, Callable[[Path], Path]] = {
    "RGB without a marker, tiles of 240": lambda folder: (
        write_aperio(folder / "a.svs", picture(1111, 777), codings.RGB, tile=240, profile=None).path
    ),
    "4:2:0": lambda folder: (
        write_aperio(folder / "b.svs", picture(1000, 800), codings.YCBCR_420, tile=256, profile=None).path
    ),
    "4:2:2": lambda folder: (
        write_aperio(folder / "c.svs", picture(901, 650), codings.YCBCR_422, tile=256, profile=None).path
    ),
    "grey, encoded again": lambda folder: write_generic(folder / "d.tif", picture(700, 900), codings.GREY).path,
    "deflate, encoded again": lambda folder: write_generic(folder / "e.tif", picture(800, 600), codings.DEFLATE).path,
    "DICOM": lambda folder: write_dicom(folder / "f", picture(700, 531)).path,
}

LOSSY = {layout for layout in LAYOUTS if layout.endswith("encoded again")}


def painted(page: Page) -> Pixels:
    """The stage as painted: uint8, shape (height, width, 3)."""
    canvas = page.locator("[data-ready] canvas").first
    # The minimap and the scale bar lie over the canvas.
    canvas.evaluate(
        "canvas => document.querySelectorAll('body *').forEach(other => {"
        "  if (!other.contains(canvas)) other.style.visibility = 'hidden' })"
    )
    before, now = b"", canvas.screenshot()
    while now != before:
        page.wait_for_timeout(150)
        before, now = now, canvas.screenshot()
    return np.asarray(Image.open(io.BytesIO(now)).convert("RGB"))


@pytest.mark.parametrize("steps", [1, 2], ids=["before the pyramid", "from the pyramid"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_full_resolution_and_its_corner_are_painted_as_stored(
    layout: str, steps: int, module_product: Product, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    path = LAYOUTS[layout](tmp_path)
    slide_id = module_product.prepare(path, steps=steps)
    with open_slide(path) as slide:
        size = slide.size
        whole = slide.read(Region(0, 0, size.width, size.height), level=0).astype(int)
    page = open_page(f"/slides/{slide_id}", width=900, height=700)
    box = stage_of(page).bounding_box()
    assert box
    # The slide's bottom right corner is put in the middle of the stage, on a whole pixel of the screen: a quarter
    # of the stage is slide, the rest is not.
    page.wait_for_url(re.compile("#x="))  # the address has followed the first view, and will not follow it later
    odd_x, odd_y = round(box["width"]) % 2, round(box["height"]) % 2
    page.goto(f"/slides/{slide_id}#x={size.width - odd_x / 2}&y={size.height - odd_y / 2}&zoom=1")
    page.reload()
    stage_of(page)
    seen = painted(page).astype(int)
    middle_x, middle_y = (seen.shape[1] + odd_x) // 2, (seen.shape[0] + odd_y) // 2
    across, down = middle_x - 8, middle_y - 8
    wanted = whole[-down:, -across:]
    height, width = wanted.shape[:2]
    found = seen[middle_y - height : middle_y, middle_x - width : middle_x]
    inner = np.s_[8:-8, 8:-8]
    assert np.abs(found[inner] - wanted[inner]).mean() < (ENCODED_AGAIN if layout in LOSSY else TOLERANCE)
    ground = seen[-40:, -40:].reshape(-1, 3)
    assert np.ptp(ground, axis=0).max() == 0, "nothing is painted beyond the slide"
    beyond = seen[middle_y + 2 :, : middle_x + 2]
    assert np.abs(beyond - ground[0]).max() <= 1, "no padding is painted below the slide"
    right = seen[: middle_y + 2, middle_x + 2 :]
    assert np.abs(right - ground[0]).max() <= 1, "no padding is painted to the right of the slide"


def test_a_halved_level_is_painted_where_full_resolution_is(
    module_product: Product, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    path = write_aperio(tmp_path / "a.svs", picture(2001, 1501), codings.YCBCR_420, tile=256, profile=None).path
    slide_id = module_product.prepare(path)
    with open_slide(path) as slide:
        whole = slide.read(Region(0, 0, 2001, 1501), level=0)
    page = open_page(f"/slides/{slide_id}#x=1000&y=750&zoom=0.25", width=900, height=700)
    stage_of(page)
    seen = painted(page).astype(int)
    wanted = np.asarray(Image.fromarray(whole).resize((500, 375), Image.Resampling.BOX)).astype(int)
    top, left = round(seen.shape[0] / 2 - 750 * 0.25), round(seen.shape[1] / 2 - 1000 * 0.25)
    found = seen[top : top + 375, left : left + 500]
    # Scaled by the browser from computed levels at quality 85; a shift of one pixel would differ by far more.
    assert np.abs(found[4:-4, 4:-4] - wanted[4:-4, 4:-4]).mean() < 6
