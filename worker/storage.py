"""Where the files of a slide lie in the data folder."""

from __future__ import annotations

import os
import tempfile
import uuid
from functools import cached_property
from pathlib import Path

from slides.archive import Archive


class Storage:
    """The files of one installation. Names are hashes and row ids; none says anything about a patient.

    Args:
        data: the folder; those below it are made by whoever writes there.
    """

    def __init__(self, data: Path) -> None:
        self.data = data

    @cached_property
    def originals(self) -> Archive:
        """Slides as they came from the scanners."""
        return Archive(self.data / "originals")

    def pyramid(self, slide_id: uuid.UUID) -> Path:
        """Where a slide's pyramid is or will be."""
        return self._place("pyramids", slide_id) / f"{slide_id}.tif"

    def preview(self, slide_id: uuid.UUID, kind: str) -> Path:
        """Where a slide's "thumbnail" or "macro" picture is or will be."""
        return self._place("previews", slide_id) / f"{slide_id}.{kind}.jpg"

    def _place(self, kind: str, slide_id: uuid.UUID) -> Path:
        # The last digits of a UUIDv7 are random, its first are the time: spread by the last.
        return self.data / kind / slide_id.hex[-2:]


def write_whole(path: Path, content: bytes) -> None:
    """Write a small file so that it is there whole and on disk, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".partial", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
