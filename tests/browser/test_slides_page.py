"""The list of slides: what a laboratory sees while slides come in."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from makers import write_broken_slide, write_good_slide, write_no_slide, write_slow_slide
from playwright.sync_api import Page, expect
from product import CASE, Product, Web

from cases.access.permissions import Role


def test_an_empty_list_says_whose_it_is_and_how_slides_come_in(open_page: Callable[..., Page]) -> None:
    page = open_page("/slides", language="en", role=Role.LAB, of="Region Jönköpings län")
    expect(page.get_by_role("heading", name=re.compile("No slides at Klinisk patologi, .*Ryhov"))).to_be_visible()
    expect(page.get_by_text("samsyn ingest")).to_be_visible()
    page = open_page("/slides", language="en", role=Role.HEAD, of="Region Jönköpings län")
    expect(page.get_by_role("heading", name=re.compile("No slides at"))).to_be_visible()
    expect(page.get_by_text("samsyn ingest")).to_have_count(0)


def test_slides_say_their_case_and_why_they_stay_closed(
    module_product: Product, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    with_case = module_product.prepare(write_good_slide(tmp_path / "with.svs", seed=51))
    without = module_product.prepare(write_good_slide(tmp_path / "without.svs", seed=52), lid=None)
    page = open_page("/slides", role=Role.COO)
    row = page.locator(f"[data-slide='{with_case}']")
    expect(row).to_contain_text(CASE)
    expect(row).to_contain_text("Din roll ser listan men öppnar inga bilder.")
    row.get_by_role("link").click()
    expect(page.locator("[data-obstacle=refused][data-code=D04]")).to_contain_text("Ingen av dina roller tillåter det")
    page = open_page("/slides", role=Role.LAB)
    expect(page.locator(f"[data-slide='{without}']")).to_contain_text("Inget fall ännu")


@pytest.mark.usefixtures("web")
def test_slides_arrive_and_advance_without_reload(
    module_product: Product, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    page = open_page("/slides", language="en", role=Role.LAB)
    worker = module_product.start("work")
    slow = module_product.bring_in(write_slow_slide(tmp_path / "slow.tif", side=4096))
    row = page.locator(f"[data-slide='{slow}']")
    expect(row).to_be_visible()
    expect(row.get_by_role("progressbar")).to_be_visible()
    expect(row).to_have_attribute("data-pyramid", "READY", timeout=60_000)
    expect(row.locator("img")).to_be_visible()
    good = module_product.bring_in(write_good_slide(tmp_path / "good.svs"))
    expect(page.locator(f"[data-slide='{good}']")).to_have_attribute("data-status", "AVAILABLE", timeout=30_000)
    worker.stop()


def test_a_slide_that_is_not_sound_says_why_in_both_languages(
    module_product: Product, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    broken = module_product.prepare(write_broken_slide(tmp_path / "broken.svs"))
    stranger = module_product.prepare(write_no_slide(tmp_path / "text.svs"))
    swedish = open_page("/slides")
    expect(swedish.locator(f"[data-slide='{broken}']")).to_contain_text("I karantän")
    english = open_page("/slides", language="en")
    row = english.locator(f"[data-slide='{stranger}']")
    expect(row).to_contain_text("uarantine")
    expect(row).to_contain_text("not a slide in a format read here")


def test_the_list_is_worked_by_keyboard(
    module_product: Product, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    first = module_product.prepare(write_good_slide(tmp_path / "one.svs", seed=31))
    second = module_product.prepare(write_good_slide(tmp_path / "two.svs", seed=32))
    page = open_page("/slides")
    expect(page.locator(f"[data-slide='{first}']")).to_be_visible()
    page.keyboard.press("j")
    expect(page.locator(f"[data-slide='{second}'] a").first).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/slides/{first}*")
    page.go_back()
    page.keyboard.press("/")
    page.keyboard.type("no such slide")
    expect(page.locator(f"[data-slide='{first}']")).to_have_count(0)


def test_the_choice_of_language_is_remembered(open_page: Callable[..., Page], web: Web) -> None:
    page = open_page("/slides")
    page.get_by_role("button", name="Konto").click()
    page.get_by_role("button", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.reload()
    expect(page.get_by_role("heading", name="Slides", exact=True)).to_be_visible()
