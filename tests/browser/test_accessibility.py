"""axe finds nothing to complain of, on any page, in either language, at any width, dialogs and panels included.

Source: WCAG 2.1 AA, as axe-core checks it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from makers import write_broken_slide, write_good_slide
from pages import save_for_humans, stage_of, violations
from playwright.sync_api import Page
from product import Product


@pytest.mark.parametrize("width", [390, 1280, 1920])
@pytest.mark.parametrize("language", ["sv", "en"])
def test_no_page_has_a_violation(
    language: str, width: int, module_product: Product, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    seed = width + ord(language[0])
    slide_id = module_product.prepare(write_good_slide(tmp_path / "good.svs", seed=seed))
    module_product.prepare(write_broken_slide(tmp_path / "broken.svs"))
    page = open_page("/slides", language=language, width=width)
    page.locator(f"[data-slide='{slide_id}']").wait_for()
    save_for_humans(page, f"slides-{language}-{width}")
    assert violations(page) == []
    page.goto(f"/slides/{slide_id}?drawer=canvas")
    stage_of(page)
    save_for_humans(page, f"viewer-{language}-{width}")
    assert violations(page) == []
    for key in ("t", "m", "i"):
        page.keyboard.press(key)
        page.wait_for_timeout(200)
        assert violations(page) == [], key
    page.keyboard.press("?")
    page.get_by_role("dialog").wait_for()
    save_for_humans(page, f"shortcuts-{language}-{width}")
    assert violations(page) == []


@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_is_wider_than_its_window(
    width: int, module_product: Product, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    slide_id = module_product.prepare(write_good_slide(tmp_path / "good.svs", seed=width * 3))
    page = open_page("/slides", width=width)
    page.locator(f"[data-slide='{slide_id}']").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.goto(f"/slides/{slide_id}")
    stage_of(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
