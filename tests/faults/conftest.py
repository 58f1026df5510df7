"""What the tests of faults share."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from faults.installation import Installation
from faults.slide_supply import SlideSupply
from faults.timeline import Timeline
from makers import folder_for_everyone


@pytest.fixture(scope="session")
def supply(tmp_path_factory: pytest.TempPathFactory) -> SlideSupply:
    """New slides for every test."""
    return SlideSupply(tmp_path_factory.mktemp("supply"), random.Random(1))  # noqa: S311


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    """One for the tests of a file, each of which leaves it well."""
    with folder_for_everyone() as folder, Installation(folder / "data", Timeline()) as installation:
        installation.start()
        yield installation
