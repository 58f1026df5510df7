"""What the browser tests do on pages."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page

import viewer

AXE = Path(viewer.__file__).parent / "web" / "node_modules" / "axe-core" / "axe.min.js"
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}


def violations(page: Page) -> list[str]:
    """What axe finds: rule and place."""
    page.evaluate(AXE.read_text("utf-8"))
    found: list[dict[str, Any]] = page.evaluate("rules => axe.run(document, rules).then(r => r.violations)", RULES)
    return [f"{one['id']}: {node['html'][:160]}" for one in found for node in one["nodes"]]


def demo_button(page: Page, name: str) -> Locator:
    """What the sign-in page offers to become somebody of the pilot; the first of several assignments."""
    return page.get_by_role("button", name=name).first


def stage_of(page: Page) -> Locator:
    """The viewer's stage, once everything in view is there at full sharpness."""
    stage = page.locator("[data-ready=true][data-sharp=true]")
    stage.wait_for(timeout=20_000)
    # What is there is painted with the next frame, which a busy machine may be late with.
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(null))))")
    return stage


def save_for_humans(page: Page, name: str) -> None:
    """Keep a screenshot where `SAMSYN_TEST_PICTURES` says, for looking at."""
    if folder := os.environ.get("SAMSYN_TEST_PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png")
