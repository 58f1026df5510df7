"""Every other scanner format, through OpenSlide's pixels: MIRAX, Hamamatsu, Ventana, Zeiss, Trestle, Sakura …

Their stored tiles overlap, are laid out freely or are not JPEG, so they cannot be passed on.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import openslide
from PIL import Image, ImageColor

from slides.errors import DamagedFile, SlideError, UnsupportedFile
from slides.geometry import Region, Size
from slides.metadata import parse_openslide
from slides.readers.limits import LARGEST_PICTURE_PX, require_canvas
from slides.slide import AssociatedKind, Level, Pixels, Slide


class OpenSlideSlide(Slide):
    """A slide that OpenSlide reads.

    Raises:
        UnsupportedFile: OpenSlide knows the maker but not this kind of file.
    """

    def __init__(self, path: Path, *, format: str) -> None:  # noqa: A002 - the field's word
        self.format = format
        self._open = True
        try:
            self._slide = openslide.OpenSlide(path)
        except openslide.OpenSlideError as error:
            raise UnsupportedFile(
                f"This looks like a {format} slide, but OpenSlide cannot open it: {_reason(error, path)}. Check that "
                "all its files were copied and that it holds one plane of a brightfield scan."
            ) from error
        try:
            self.levels = tuple(Level(Size(*size)) for size in self._slide.level_dimensions)
            require_canvas(self.size)
            self.metadata = parse_openslide(self._slide.properties).with_profile(self._profile())
            background = self._slide.properties.get("openslide.background-color", "FFFFFF")
            self._background = ImageColor.getrgb(f"#{background}")[:3]
            names = set(self._slide.associated_images)
        except SlideError:
            self.close()
            raise
        except (openslide.OpenSlideError, ValueError) as error:
            self.close()
            raise DamagedFile(f"The {format} slide states impossible facts about itself. Export it again.") from error
        self._names = {kind: kind.lower() for kind in AssociatedKind if kind.lower() in names}
        self.associated = frozenset(self._names)

    def _profile(self) -> bytes | None:
        profile = self._slide.color_profile
        return bytes(profile.tobytes()) if profile is not None else None

    def read(self, region: Region, *, level: int) -> Pixels:
        self.require_region(region, level)
        # OpenSlide wants the corner in level-0 pixels, by its own ratio of the levels.
        scale = self._slide.level_downsamples[level]
        corner = round(region.x * scale), round(region.y * scale)
        try:
            image = self._slide.read_region(corner, level, (region.width, region.height))
        except openslide.OpenSlideError as error:
            raise DamagedFile(
                f"The {self.format} slide cannot be read to its end (level {level}, {region.width} x "
                f"{region.height} px). Copy it again from the scanner."
            ) from error
        canvas = Image.new("RGB", image.size, self._background)
        canvas.paste(image, mask=image.getchannel("A"))
        return np.asarray(canvas)

    def read_associated(self, kind: AssociatedKind) -> Pixels:
        if kind not in self._names:
            raise self.no_such_image(kind)
        place = f"openslide.associated.{self._names[kind]}"
        width, height = (int(self._slide.properties[f"{place}.{side}"]) for side in ("width", "height"))
        if width * height > LARGEST_PICTURE_PX:
            raise DamagedFile(f"The {kind.lower()} image claims {width} x {height} px. Export the slide again.")
        try:
            return np.asarray(self._slide.associated_images[self._names[kind]].convert("RGB"))
        except openslide.OpenSlideError as error:
            raise DamagedFile(f"The {kind.lower()} image cannot be decoded. Export the slide again.") from error

    def close(self) -> None:
        if self._open:
            self._open = False
            self._slide.close()


def _reason(error: Exception, path: Path) -> str:
    """OpenSlide's own words without the names of files, which may hold a patient's."""
    words = str(error).replace(str(path), "the file").replace(path.name, "the file")
    return re.sub(r"\S*/.*?(?=: |$)", "a file", words).rstrip(".")
