"""`pytest tests/corpus --corpus FOLDER`: the reading and tiling tests over a folder of real slides.

Without the option there is nothing to test here, and nothing is collected.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from slides.errors import EmptyFile
from slides.files import SlideFiles, find_slides

_ROWS = pytest.StashKey[dict[str, str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--corpus", type=Path, help="a folder of slides to read and tile")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_ROWS] = {}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the corpus tests out, without a word, where no corpus is given."""
    here = collection_path.parent == Path(__file__).parent and collection_path.name.startswith("test_")
    return True if here and config.getoption("corpus", default=None) is None else None


@pytest.fixture(scope="session")
def corpus(request: pytest.FixtureRequest) -> Path:
    """The folder of slides."""
    folder: Path = request.config.getoption("corpus")
    return folder.resolve()


@pytest.fixture
def summary(request: pytest.FixtureRequest) -> dict[str, str]:
    """Rows of the table that is printed at the end: a slide's place in the corpus to what became of it."""
    return request.config.stash[_ROWS]


@pytest.fixture
def slide_path(corpus_slide: SlideFiles, tmp_path: Path) -> Path:
    """What to open: the slide's main file, or a folder of links to the DICOM files of one series."""
    main = corpus_slide.members[0][0]
    if len(corpus_slide.members) == 1 or main.suffix.lower() in (".mrxs", ".vms", ".vmu"):
        return main
    folder = tmp_path / "series"
    folder.mkdir()
    for file, name in corpus_slide.members:
        (folder / name).symlink_to(file)
    return folder


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "corpus_slide" not in metafunc.fixturenames:
        return
    folder = metafunc.config.getoption("corpus").resolve()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom warns of what real files get wrong
            found = find_slides(folder)
    except EmptyFile:
        found = []
    names = [str(slide.members[0][0].relative_to(folder)) for slide in found]
    metafunc.parametrize("corpus_slide", found, ids=names)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    rows = terminalreporter.config.stash[_ROWS]
    if rows:
        terminalreporter.section("corpus")
        width = max(map(len, rows))
        for place, outcome in rows.items():
            terminalreporter.write_line(f"{place:{width}}  {outcome}")
