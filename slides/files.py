"""Which files on disk are one slide, and what they are called once the names given by people are gone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from slides.errors import EmptyFile, UnsupportedFile
from slides.opening import is_dicom
from slides.readers.limits import require_plain_dicom

SUFFIXES = frozenset(
    ".bif .czi .dcm .mrxs .ndpi .scn .svs .svslide .tif .tiff .btf .tf8 .vms .vmu".split()  # noqa: SIM905
)
"""Of files that may be a slide; everything else in a folder is passed over."""
_INDEX_BYTES = 1 << 20
"""Of a Hamamatsu index that are looked through; real ones have a few kilobytes."""


@dataclass(frozen=True)
class SlideFiles:
    """The files of one slide.

    Attributes:
        members: (file on disk, name in the archive with "/" between folders), the main file first. The
            names in the archive say nothing that a person wrote, except where one file names another.
    """

    members: tuple[tuple[Path, str], ...]

    @property
    def byte_size(self) -> int:
        """Of all files together."""
        return sum(path.stat().st_size for path, _ in self.members)


def find_slides(path: Path) -> list[SlideFiles]:
    """The slides at a path: one for a file, any number for a folder, which is searched to its bottom.

    DICOM files of one series in one folder are one slide; a MIRAX file takes its folder along.

    Raises:
        EmptyFile: the folder holds no slide.
        FileNotFoundError: there is nothing at the path.
    """
    if not path.exists():
        raise FileNotFoundError("There is no file or folder at the given path.")
    if path.is_file():
        return [gather(path)]
    found = [*_slides_in(path)]
    for folder in sorted(entry for entry in path.rglob("*") if entry.is_dir()):
        if not any(folder == main.with_suffix("") for main in folder.parent.glob("*.mrxs")):
            found.extend(_slides_in(folder))
    if not found:
        raise EmptyFile(f"The folder holds no slide; files ending in {', '.join(sorted(SUFFIXES))} were looked for.")
    return found


def gather(main: Path) -> SlideFiles:
    """The files that belong to a slide's main file."""
    suffix = main.suffix.lower()
    if suffix == ".mrxs":
        folder = main.with_suffix("")
        beside = sorted(file for file in folder.rglob("*") if file.is_file()) if folder.is_dir() else []
        members = [(file, f"slide/{file.relative_to(folder).as_posix()}") for file in beside]
        return SlideFiles(((main, "slide.mrxs"), *members))
    if suffix in (".vms", ".vmu"):
        # The index names its parts, so they keep their names.
        with main.open("rb") as index:
            text = index.read(_INDEX_BYTES).decode("latin-1")
        parts = sorted(file for file in main.parent.iterdir() if file.is_file() and file != main and file.name in text)
        return SlideFiles(((main, main.name), *((file, file.name) for file in parts)))
    return SlideFiles(((main, f"slide{suffix if suffix in SUFFIXES else ''}"),))


def _slides_in(folder: Path) -> Iterator[SlideFiles]:
    series: dict[str, list[Path]] = {}
    for file in sorted(entry for entry in folder.iterdir() if entry.is_file() and not entry.name.startswith(".")):
        if file.stat().st_size >= 132 and is_dicom(file):
            series.setdefault(_series(file), []).append(file)
        elif file.suffix.lower() in SUFFIXES:
            yield gather(file)
    for files in series.values():
        yield SlideFiles(tuple((file, f"{number:04}.dcm") for number, file in enumerate(files, start=1)))


def _series(file: Path) -> str:
    # Imported when a DICOM slide comes: it takes a while to load.
    import pydicom

    # Its warnings repeat values that break a rule, which may hold a patient's name.
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    try:
        require_plain_dicom(file)
        dataset = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=["SeriesInstanceUID"])
        return str(dataset.get("SeriesInstanceUID", file.name))
    except Exception:  # of any kind: elements may be nested a thousand deep, or be of types that nobody knows
        return file.name


def main_file(folder: Path) -> Path:
    """What to open in a folder that holds one archived slide: its main file, or for DICOM the folder.

    Raises:
        UnsupportedFile: the folder is empty.
    """
    files = sorted(entry for entry in folder.iterdir() if entry.is_file())
    if not files:
        raise UnsupportedFile("The archived slide has no files.")
    named = [file for file in files if file.stem == "slide" or file.suffix.lower() in (".vms", ".vmu")]
    return named[0] if named else folder
