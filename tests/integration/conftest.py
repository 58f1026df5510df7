"""What the tests of the web share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from clients import make_client
from gallery import Gallery
from makers import folder_for_everyone, write_broken_slide, write_copy, write_good_slide
from product import Product, cloned

from viewer.embedded import EmbeddedPostgreSQL


@pytest.fixture(scope="session")
def gallery(
    postgresql: EmbeddedPostgreSQL, cluster: Path, pilot: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gallery]:
    """Shared by every test of the web; whoever changes a slide in it changes it back."""
    scanned = tmp_path_factory.mktemp("scanned")
    good = write_good_slide(scanned / "good.svs")
    with (
        cloned(postgresql, cluster, template=pilot) as database,
        folder_for_everyone() as folder,
        Product(folder, database) as product,
    ):
        yield Gallery(
            product,
            product.start_web(),
            product.start_web(),
            available=product.prepare(good),
            verified=product.prepare(write_copy(good, scanned / "verified.svs", 1), steps=1),
            quarantined=product.prepare(write_broken_slide(scanned / "broken.svs"), steps=1),
            received=product.bring_in(write_copy(good, scanned / "received.svs", 2), ringing=False),
        )


@pytest.fixture
def stranger(gallery: Gallery) -> Iterator[httpx2.Client]:
    """A browser that is not signed in."""
    with gallery.web.stranger() as client:
        yield client


@pytest.fixture
def browser(gallery: Gallery) -> Iterator[httpx2.Client]:
    """A browser in which a pathologist of the pilot's laboratory in Kalmar is signed in."""
    with gallery.web.demo_person() as client:
        yield client


@pytest.fixture
def elsewhere(gallery: Gallery, browser: httpx2.Client) -> Iterator[httpx2.Client]:
    """The same browser, whose requests reach the other web process."""
    with make_client(gallery.second.address) as client:
        client.cookies = browser.cookies
        yield client
