"""Broken slides by number: the same number is the same slide, on every machine and run.

Two generators: `mutations` without end, and `truncations`, which cut each original at a hundred places.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from fuzzing.directories import spoil_tiff
from fuzzing.elements import spoil_dicom
from fuzzing.lot import Lot
from fuzzing.originals import Files, write_originals

CUTS = 100
"""Places at which each original is cut off."""
FIRST_NAME = "Pahittad Ake 19121212-1212"
"""Stands in the name of every file and folder: no sentence may repeat it."""


@dataclass(frozen=True)
class Case:
    """One broken slide.

    Attributes:
        generator: "mutations" or "truncations".
        number: which of the generator's.
        layout: what it was before.
        files: its one file, or the files of a folder.
    """

    generator: str
    number: int
    layout: str
    files: Files

    @property
    def command(self) -> str:
        """What makes and tries it again, in the folder `tests`."""
        return f"python -m fuzzing --generator {self.generator} --seed {self.number} --count 1"

    def write(self, folder: Path) -> Path:
        """Write the slide into an empty folder. Returns what is to be opened."""
        if len(self.files) == 1 and not self.layout.startswith("dicom"):
            name, data = next(iter(self.files.items()))
            path = folder / f"{FIRST_NAME} {name}"
            path.write_bytes(data)
            return path
        slide = folder / FIRST_NAME
        slide.mkdir()
        for name, data in self.files.items():
            (slide / name).write_bytes(data)
        return slide


@lru_cache(maxsize=1)
def originals() -> dict[str, Files]:
    """Every layout's sound files, made once for each process."""
    with tempfile.TemporaryDirectory() as folder:
        return write_originals(Path(folder))


def mutate(number: int) -> Case:
    """The mutation of a number, which seeds its lot."""
    lot = Lot(number)
    layout = lot.choice(sorted(originals()))
    files = originals()[layout]
    if layout.startswith("dicom"):
        files = spoil_dicom(lot, files)
    else:
        files = {name: spoil_tiff(lot, data) for name, data in files.items()}
    return Case("mutations", number, layout, files)


def truncate(number: int) -> Case:
    """The truncation of a number: its hundreds choose the original, the rest the place."""
    layouts = sorted(originals())
    layout = layouts[number // CUTS % len(layouts)]
    files = dict(originals()[layout])
    name = sorted(files)[number % len(files)]
    data = files[name]
    files[name] = data[: len(data) * (number % CUTS) // CUTS]
    return Case("truncations", number, layout, files)


def truncations() -> int:
    """How many truncations there are."""
    return CUTS * len(originals())


GENERATORS: dict[str, Callable[[int], Case]] = {"mutations": mutate, "truncations": truncate}
