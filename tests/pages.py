"""What the browser tests do on pages."""

from __future__ import annotations

import os
from pathlib import Path

from playwright.sync_api import Locator, Page


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
