"""The real Chromium before the real product."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright
from product import Product, Web, find_demo_person

from cases.access.permissions import Role

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
# What a page asks for and is refused, as it should be: whoever must sign in, is not let in, or has to wait.
_HARMLESS = re.compile(r"Failed to load resource: the server responded with a status of (401|403|404|429)")

expect.set_options(timeout=15_000)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One headless Chromium for the whole run; each test gets a context of its own."""
    program = next((found for name in _PROGRAMS if (found := shutil.which(name))), None)
    assert program, "The browser tests need Chromium: apt install chromium (as root), then make test again."
    rootless = [] if os.geteuid() else ["--no-sandbox"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--disable-gpu", "--disable-background-networking", *rootless]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def web(module_product: Product) -> Web:
    """A web process for the tests of one file."""
    return module_product.start_web()


@pytest.fixture
def open_page(chromium: Browser, web: Web) -> Iterator[Callable[..., Page]]:
    """Opens pages as somebody of the pilot: `open_page("/slides", language="sv", width=1280, role=Role.PAT)`.

    A page that logs an error to its console fails the test, and so does one that its policy stopped from something.
    """
    contexts = []
    errors: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not _HARMLESS.match(message.text):
            errors.append(message.text)

    def open_page(
        path: str,
        *,
        language: str = "sv",
        width: int = 1280,
        height: int = 800,
        signed_in: bool = True,
        role: Role = Role.PAT,
        of: str = "Region Kalmar län",
    ) -> Page:
        context = chromium.new_context(base_url=web.address, viewport={"width": width, "height": height})
        contexts.append(context)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: errors.append(str(error)))
        if language != "sv":
            page.add_init_script(
                f"localStorage.getItem('samsyn.language') ?? localStorage.setItem('samsyn.language', '{language}')"
            )
        if signed_in:
            chosen = find_demo_person(context.request.get("/api/session").json(), role, of=of)
            assert context.request.post("/api/session", data=chosen).ok
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []
