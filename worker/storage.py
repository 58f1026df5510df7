"""Where the files of a slide lie in the data folder."""

from __future__ import annotations

import uuid
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from slides.archive import Archive
from slides.staging import INCOMING, staged


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

    def write_preview(self, slide_id: uuid.UUID, kind: str, picture: bytes) -> None:
        """Put a preview where it belongs, in place of an older one. Raises OSError."""
        with staged(self.preview(slide_id, kind), aside=self.data / "previews" / INCOMING) as file:
            file.write(picture)

    def staged_pyramid(self, slide_id: uuid.UUID) -> AbstractContextManager[BinaryIO]:
        """An open file that becomes the slide's pyramid at the end of the `with` block, as `staged` has it."""
        return staged(self.pyramid(slide_id), aside=self.data / "pyramids" / INCOMING)

    @property
    def attachments(self) -> Path:
        """The folder of attached files."""
        return self.data / "attachments"

    def attachment(self, attachment_id: uuid.UUID) -> Path:
        """Where an attached file is or will be."""
        return self._place("attachments", attachment_id) / str(attachment_id)

    def unfinished(self) -> list[Path]:
        """Folders in which unfinished files lie."""
        return [self.data / kind / INCOMING for kind in ("originals", "pyramids", "previews", "attachments")]

    def _place(self, kind: str, slide_id: uuid.UUID) -> Path:
        # The last digits of a UUIDv7 are random, its first are the time: spread by the last.
        return self.data / kind / slide_id.hex[-2:]
