"""What every open slide can do, whichever file it came from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from slides.errors import OutsideSlide
from slides.geometry import Region, Size
from slides.jpeg import Colour, Stream

if TYPE_CHECKING:
    from slides.metadata import Metadata

Pixels: TypeAlias = npt.NDArray[np.uint8]
"""uint8, shape (height, width, 3), RGB in the file's own colours, top row first."""


class AssociatedKind(StrEnum):
    """The pictures a slide file carries beside the slide itself."""

    LABEL = "LABEL"
    """The paper label: holds the patient's identity, for the owner's laboratory only."""
    MACRO = "MACRO"
    """The whole glass, the label usually in view."""
    THUMBNAIL = "THUMBNAIL"
    """The scanned area, small."""


@dataclass(frozen=True)
class StoredJpeg:
    """How a level's tiles are stored when each is a JPEG stream that can be passed on untouched.

    Attributes:
        tile: size of every stored tile, those at the right and bottom edge padded to it.
        tables: the level's shared tables as the file keeps them (SOI … EOI), or None when every stream
            carries its own. Source: TIFF Technical Note 2, JPEGTables.
        colour: what the numbers in the streams mean, by the container's word.
    """

    tile: Size
    tables: bytes | None
    colour: Colour


@dataclass(frozen=True)
class Level:
    """One resolution of a slide as the file stores it.

    Attributes:
        size: in pixels of this level, as the file (or OpenSlide) states it.
        stored: how to pass its tiles on, or None when only its pixels can be had.
    """

    size: Size
    stored: StoredJpeg | None = None

    @property
    def columns(self) -> int:
        """Stored tiles in a row; 0 when the tiles cannot be passed on."""
        return -(-self.size.width // self.stored.tile.width) if self.stored else 0

    @property
    def rows(self) -> int:
        """Rows of stored tiles; 0 when the tiles cannot be passed on."""
        return -(-self.size.height // self.stored.tile.height) if self.stored else 0


class Slide(ABC):
    """An open whole-slide file. Every method may be called from several threads at once.

    Attributes:
        format: who made the layout, in lower case: "aperio", "philips", "dicom", "mirax", …
        levels: full resolution first, each smaller than the one before.
        metadata: what the file states about how it was scanned.
        associated: which associated images the file carries.
    """

    format: str
    levels: tuple[Level, ...]
    metadata: Metadata
    associated: frozenset[AssociatedKind]

    @property
    def size(self) -> Size:
        """Size of the full-resolution canvas in level-0 pixels."""
        return self.levels[0].size

    @abstractmethod
    def read(self, region: Region, *, level: int) -> Pixels:
        """Read a rectangle of one level.

        Args:
            region: in pixels of `level`, origin at its top left corner.
            level: 0 is full resolution.

        Returns:
            uint8, shape (region.height, region.width, 3), RGB in the file's own colours, top row first;
            white where the scanner stored nothing.

        Raises:
            OutsideSlide: part of the rectangle lies outside the level.
            DamagedFile: the pixels are not there or cannot be decoded.
        """

    def stored_tile(self, level: int, column: int, row: int) -> bytes:
        """Read one tile's JPEG stream exactly as the file stores it.

        Returns:
            The stream without the level's shared tables; empty where the scanner stored nothing.

        Raises:
            OutsideSlide: the level has no such tile, or its tiles cannot be passed on.
            DamagedFile: the file ends before the tile does.
        """
        raise OutsideSlide(f"Tiles of level {level} of this {self.format} slide cannot be passed on as stored.")

    def stored_tiles(self, level: int, first: int, count: int) -> Sequence[Stream]:
        """Read several tiles' JPEG streams, as `stored_tile` does, in fewer steps where they lie together.

        Args:
            first: place of the first tile in row-major order.
            count: of tiles, in that order.

        Raises:
            OutsideSlide: the level has no such tile, or its tiles cannot be passed on.
            DamagedFile: the file ends before a tile does.
        """
        columns = max(1, self.levels[level].columns)
        return [self.stored_tile(level, n % columns, n // columns) for n in range(first, first + count)]

    @abstractmethod
    def read_associated(self, kind: AssociatedKind) -> Pixels:
        """Read an associated image.

        Returns:
            uint8, shape (height, width, 3), RGB, top row first.

        Raises:
            OutsideSlide: the file carries no such image.
            DamagedFile: it cannot be decoded.
        """

    def check_stored(self) -> str | None:
        """Look for tiles that the file promises but does not hold, without decoding any.

        Returns:
            A sentence on what is missing, or None when nothing is.
        """
        return None

    @abstractmethod
    def close(self) -> None:
        """Give the file back. Closing twice is allowed."""

    def no_such_image(self, kind: AssociatedKind) -> OutsideSlide:
        """The error for an associated image that the file does not carry."""
        return OutsideSlide(f"The {kind.lower()} image was asked for; this slide carries none.")

    def require_region(self, region: Region, level: int) -> None:
        """Refuse a region that is not wholly within a level, with OutsideSlide."""
        if not 0 <= level < len(self.levels):
            raise OutsideSlide(f"Level {level} was asked for; the slide has levels 0 to {len(self.levels) - 1}.")
        if not region.inside(self.levels[level].size):
            raise OutsideSlide(f"{region} was asked for; level {level} is {self.levels[level].size}.")

    def require_tile(self, level: int, column: int, row: int) -> StoredJpeg:
        """How the asked tile is stored; refuses with OutsideSlide a tile that does not exist."""
        stored = self.levels[level].stored if 0 <= level < len(self.levels) else None
        if stored is None:
            raise OutsideSlide(f"Tiles of level {level} of this {self.format} slide cannot be passed on.")
        if not (0 <= column < self.levels[level].columns and 0 <= row < self.levels[level].rows):
            raise OutsideSlide(
                f"Tile column {column}, row {row} was asked for; level {level} has "
                f"{self.levels[level].columns} columns and {self.levels[level].rows} rows."
            )
        return stored

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
