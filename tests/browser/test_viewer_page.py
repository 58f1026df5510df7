"""The viewer: looking at one slide."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from clients import make_client
from images import codings
from images.pictures import picture
from images.scanners import write_aperio, write_generic
from pages import stage_of
from playwright.sync_api import Locator, Page, expect
from product import Product

SPACING_UM = 0.5


@pytest.fixture(scope="module")
def slide_id(module_product: Product, tmp_path_factory: pytest.TempPathFactory) -> UUID:
    """A passed-through slide of 3000 x 2000 px at 0.5 µm."""
    path = tmp_path_factory.mktemp("slides") / "slide.svs"
    made = write_aperio(path, picture(3000, 2000), codings.YCBCR_420, tile=256, spacing_um=SPACING_UM, profile=None)
    return module_product.prepare(made.path)


@pytest.fixture(scope="module")
def bare_id(module_product: Product, tmp_path_factory: pytest.TempPathFactory) -> UUID:
    """A slide that states no spacing and had to be encoded again."""
    path = tmp_path_factory.mktemp("slides") / "bare.tif"
    return module_product.prepare(write_generic(path, picture(900, 700), codings.DEFLATE).path)


def zoom_of(stage: Locator) -> float:
    return float(stage.get_attribute("data-zoom") or "nan")


def test_number_keys_magnify_and_the_scale_bar_tells_the_truth(slide_id: UUID, open_page: Callable[..., Page]) -> None:
    page = open_page(f"/slides/{slide_id}?drawer=canvas")
    stage_of(page)
    # 10x is 1 µm on one pixel of the screen: 10 / µm per pixel, the convention of scanners' objectives.
    for key, power in (("3", 5), ("4", 10), ("5", 20)):
        page.keyboard.press(key)
        expect(page.locator("[data-magnification]")).to_have_text(f"{power}×")
        zoom = power * SPACING_UM / 10
        page.wait_for_function(
            "z => Math.abs(document.querySelector('[data-zoom]').dataset.zoom / z - 1) < 1e-4", arg=zoom
        )
        bar = page.locator("[data-micrometres]")
        length = float(bar.get_attribute("data-micrometres") or "nan")
        box = bar.bounding_box()
        assert box
        assert box["width"] == pytest.approx(length / SPACING_UM * zoom, abs=2.5)
    page.keyboard.press("7")
    page.wait_for_function("() => document.querySelector('[data-zoom]').dataset.zoom < 0.5")


def test_turning_moving_and_zooming_by_keyboard(slide_id: UUID, open_page: Callable[..., Page]) -> None:
    page = open_page(f"/slides/{slide_id}?drawer=canvas")
    stage = stage_of(page)
    page.keyboard.press("r")
    expect(stage).to_have_attribute("data-rotation", "90.0")
    page.keyboard.press("Shift+R")
    expect(stage).to_have_attribute("data-rotation", "0.0")
    page.keyboard.press("5")
    expect(page.locator("[data-magnification]")).to_have_text("20×")
    centre = stage.get_attribute("data-centre")
    page.keyboard.press("ArrowRight")
    expect(stage).not_to_have_attribute("data-centre", centre or "")
    before = zoom_of(stage)
    page.keyboard.press("-")
    page.wait_for_function("z => parseFloat(document.querySelector('[data-zoom]').dataset.zoom) < z", arg=before)


def test_a_link_shows_the_exact_view_to_somebody_else(slide_id: UUID, open_page: Callable[..., Page]) -> None:
    page = open_page(f"/slides/{slide_id}?drawer=canvas#x=1234.5&y=678.5&zoom=0.75&rotation=90")
    stage_of(page)
    page.keyboard.press("l")
    link = page.evaluate("navigator.clipboard.readText()")
    assert re.search(r"#x=1234\.5&y=678\.5&zoom=0\.75&rotation=90$", link)
    other = open_page(link.partition("/slides")[1] + link.partition("/slides")[2])
    stage = stage_of(other)
    expect(stage).to_have_attribute("data-centre", "1234.5,678.5")
    expect(stage).to_have_attribute("data-rotation", "90.0")
    assert zoom_of(stage) == pytest.approx(0.75, rel=1e-3)


def test_single_letters_can_be_switched_off_and_rest_while_typing(
    slide_id: UUID, open_page: Callable[..., Page]
) -> None:
    page = open_page(f"/slides/{slide_id}?drawer=canvas")
    stage = stage_of(page)
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    dialog.get_by_role("checkbox").or_(dialog.get_by_role("switch")).first.click()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.keyboard.press("r")
    page.wait_for_timeout(400)
    expect(stage).to_have_attribute("data-rotation", "0.0")
    page.reload()
    stage = stage_of(page)
    page.keyboard.press("r")
    page.wait_for_timeout(400)
    expect(stage).to_have_attribute("data-rotation", "0.0")


def test_what_must_be_said_is_said(slide_id: UUID, bare_id: UUID, open_page: Callable[..., Page]) -> None:
    page = open_page(f"/slides/{slide_id}")
    stage_of(page)
    expect(page.get_by_text("Visningen är avsedd för kommunikation och konsultation")).to_be_visible()
    expect(page.get_by_text("färgprofil saknas", exact=False).first).to_be_visible()
    expect(page.get_by_text("förlustkomprimerad kopia", exact=False)).to_have_count(0)
    page = open_page(f"/slides/{bare_id}")
    stage_of(page)
    expect(page.get_by_text("förlustkomprimerad kopia", exact=False).first).to_be_visible()
    expect(page.locator("[data-micrometres]")).to_have_count(0)
    expect(page.get_by_text("anger inget pixelavstånd").first).to_be_visible()


def test_the_macro_image_comes_without_its_label(slide_id: UUID, open_page: Callable[..., Page]) -> None:
    page = open_page(f"/slides/{slide_id}")
    stage_of(page)
    page.keyboard.press("m")
    expect(page.locator("img[src*='macro.jpg']")).to_be_visible()


def test_the_tray_leads_to_the_next_slide(slide_id: UUID, bare_id: UUID, open_page: Callable[..., Page]) -> None:
    page = open_page(f"/slides/{slide_id}")
    stage_of(page)
    page.keyboard.press("t")
    page.locator(f"[data-slide='{bare_id}'] a, a[href*='{bare_id}']").first.click()
    page.wait_for_url(f"**/slides/{bare_id}*")
    expect(page.locator(f"[data-ready][data-slide='{bare_id}']")).to_have_attribute("data-sharp", "true")


def test_nothing_moves_when_tiling_ends(
    module_product: Product, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    made = write_aperio(tmp_path / "late.svs", picture(2500, 1800, seed=4), codings.YCBCR_420, tile=256, factors=(1,))
    slide_id = module_product.prepare(made.path, steps=1)
    page = open_page(f"/slides/{slide_id}?drawer=canvas#x=1250&y=900&zoom=0.25")
    stage = stage_of(page)
    before = page.locator("[data-ready] canvas").first.screenshot()
    worker = module_product.start("work")
    module_product.ring(slide_id)
    module_product.wait_for_row(slide_id, pyramid="READY")
    worker.stop()
    page.wait_for_timeout(1500)
    page.reload()
    stage = stage_of(page)
    assert stage.get_attribute("data-centre") == "1250.0,900.0"
    assert page.locator("[data-ready] canvas").first.screenshot() == before


def test_a_session_that_ends_leaves_a_dark_explanation(
    slide_id: UUID, module_product: Product, open_page: Callable[..., Page], web: object
) -> None:
    page = open_page(f"/slides/{slide_id}")
    stage_of(page)
    (token,) = (cookie["value"] for cookie in page.context.cookies() if cookie.get("name") == "samsyn_session")
    with make_client(page.evaluate("location.origin"), token) as client:
        client.delete("/api/session").raise_for_status()
    explanation = page.locator("[data-obstacle]").or_(page.get_by_role("heading", name="Logga in"))
    expect(explanation.first).to_be_visible(timeout=6_000)
    expect(page.locator("[data-ready] canvas")).to_have_count(0)
