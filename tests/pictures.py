"""Takes the pictures of the documentation: `python tests/pictures.py ADDRESS` of a running demo with its slides."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from pages import stage_of
from PIL import Image
from playwright.sync_api import sync_playwright

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"
SIZES = ((1280, 800), (1920, 1080))
COLOURS = 256
"""Of a picture's palette: enough for tissue, a third of the bytes."""


def main(address: str) -> None:
    """Take the list and the viewer, at each size, in Swedish."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        for width, height in SIZES:
            page = browser.new_page(base_url=address, viewport={"width": width, "height": height})
            page.goto("/")
            page.get_by_role("button", name="Karin Ekfors").first.click()
            page.locator("[data-slide] img").last.wait_for()
            page.wait_for_timeout(1000)
            _save(page.screenshot(), f"slides-sv-{width}")
            page.locator("[data-slide]", has_text="Kolonvägg").get_by_role("link").first.click()
            stage_of(page)
            page.goto(page.url.partition("#")[0] + "#x=6400&y=2500&zoom=0.5")
            page.reload()
            stage_of(page)
            page.wait_for_timeout(500)
            _save(page.screenshot(), f"viewer-sv-{width}")
            page.close()
        browser.close()


def _save(shot: bytes, name: str) -> None:
    path = FOLDER / f"{name}.png"
    path.write_bytes(shot)
    with Image.open(path) as image:
        small = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.FLOYDSTEINBERG)
    small.save(path, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1])
