"""DICOM whole-slide images: one file, or a folder whose files are one slide.

wsidicom groups the instances, follows tiled-sparse and concatenated layouts and finds the frames; JPEG
frames are handed on byte for byte. The errors of wsidicom and pydicom share no base, hence the wide `except`
around each call of theirs.

Source: DICOM PS3.3 A.32.8 (VL Whole Slide Microscopy Image), PS3.5 A.4 (encapsulated frames).
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydicom import config as pydicom_config
from pydicom.filereader import dcmread
from pydicom.uid import JPEGBaseline8Bit, VLWholeSlideMicroscopyImageStorage
from wsidicom import WsiDicom
from wsidicom.file import WsiDicomFileSource

from slides.errors import DamagedFile, SlideError, UnsupportedFile
from slides.geometry import Region, Size, Spacing
from slides.jpeg import Colour, Frame, decode
from slides.metadata import Metadata, parse_dicom_moment
from slides.readers.limits import LARGEST_PICTURE_PX, require_canvas, require_modest, require_tile
from slides.readers.samples import as_rgb, assemble
from slides.slide import AssociatedKind, Level, Pixels, Slide, StoredJpeg

_COLOURS = {
    "RGB": Colour.RGB,
    "YBR_FULL_422": Colour.YCBCR,
    "YBR_FULL": Colour.YCBCR,
    "MONOCHROME2": Colour.GREY,
}
# What it has to say about odd files it says with their names and values, which may hold a patient's.
for _talker in ("wsidicom", "fsspec"):
    logging.getLogger(_talker).setLevel(logging.CRITICAL + 1)
pydicom_config.settings.reading_validation_mode = pydicom_config.IGNORE


class DicomSlide(Slide):
    """A slide in one DICOM file or a folder of them.

    Raises:
        UnsupportedFile: DICOM, but no whole-slide image, or one with focus planes or several light paths.
        DamagedFile: its frames cannot be found.
    """

    format = "dicom"

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        try:
            source = WsiDicomFileSource.open(path)
            self._wsi = WsiDicom(source)
        except Exception as error:
            raise UnsupportedFile(
                "The DICOM holds no whole-slide image that can be opened (VL Whole Slide Microscopy, VOLUME). "
                f"Export it from the archive again ({type(error).__name__})."
            ) from error
        try:
            _require_all(path, {Path(str(file)).name for file in source.files})
            self._instances = [level.default_instance for level in self._wsi.levels]
            self._numbers = [level.level for level in self._wsi.levels]
            self.levels = tuple(self._level(index) for index in range(len(self._instances)))
            self._frames: dict[int, Frame] = {}
            self.metadata = self._state()
            self.associated = frozenset(
                kind
                for kind, images in (
                    (AssociatedKind.LABEL, self._wsi.labels),
                    (AssociatedKind.MACRO, self._wsi.overviews),
                )
                if images
            )
        except SlideError:
            self.close()
            raise
        except Exception as error:
            self.close()
            raise DamagedFile(
                f"The DICOM slide's levels cannot be read ({type(error).__name__}). Export it again."
            ) from error

    def _level(self, index: int) -> Level:
        instance = self._instances[index]
        image = instance.image_data
        if len(instance.focal_planes) > 1 or len(instance.optical_paths) > 1:
            raise UnsupportedFile(
                f"The DICOM slide has {len(instance.focal_planes)} focus planes and {len(instance.optical_paths)} "
                "light paths; one of each is read here. Export the plane to be read."
            )
        size = Size(instance.size.width, instance.size.height)
        tile = Size(image.tile_size.width, image.tile_size.height)
        require_canvas(size)
        require_tile(tile)
        colour = _COLOURS.get(str(instance.dataset.photometric_interpretation))
        if image.transfer_syntax != JPEGBaseline8Bit or image.bits != 8 or colour is None:
            return Level(size)
        return Level(size, StoredJpeg(tile, None, colour))

    def _state(self) -> Metadata:
        dataset = self._instances[0].dataset.as_dataset()
        spacing = self._instances[0].pixel_spacing
        words = [str(getattr(dataset, name, None) or "") for name in ("Manufacturer", "ManufacturerModelName")]
        objective, profile = None, None
        for path in getattr(dataset, "OpticalPathSequence", []):
            objective = getattr(path, "ObjectiveLensPower", None)
            profile = getattr(path, "ICCProfile", None)
        return Metadata(
            spacing=Spacing(spacing.width * 1000, spacing.height * 1000) if spacing else None,
            objective=float(objective) if objective else None,
            scanner=" ".join(word for word in words if word) or None,
            scanned_at=parse_dicom_moment(str(getattr(dataset, "AcquisitionDateTime", None) or "")),
            icc_profile=bytes(profile) if profile else None,
        )

    def read(self, region: Region, *, level: int) -> Pixels:
        self.require_region(region, level)
        stored = self.levels[level].stored
        if stored is None:
            return self._read_region(region, level)
        return assemble(region, stored.tile, lambda column, row: self._decode(stored, level, column, row))

    def _read_region(self, region: Region, level: int) -> Pixels:
        """Through wsidicom's decoders, once each frame is known to be no larger than it should be."""
        image = self._instances[level].image_data
        inverted = str(self._instances[level].dataset.photometric_interpretation) == "MONOCHROME1"
        tile = Size(image.tile_size.width, image.tile_size.height)
        try:
            with self._lock:
                if image.transfer_syntax.is_encapsulated:
                    for row in range(region.y // tile.height, -(-region.bottom // tile.height)):
                        for column in range(region.x // tile.width, -(-region.right // tile.width)):
                            require_modest(self._wsi.read_encoded_tile(self._numbers[level], (column, row)), tile)
                samples = self._wsi.read_region(
                    (region.x, region.y),
                    self._numbers[level],
                    (region.width, region.height),
                    as_array=True,
                )
            pixels = as_rgb(np.atleast_3d(np.asarray(samples)), inverted=inverted)
            if pixels.shape != (region.height, region.width, 3) or pixels.dtype != np.uint8:
                raise ValueError(pixels.shape)
        except SlideError:
            raise
        except Exception as error:
            raise DamagedFile(
                f"The DICOM slide's pixels cannot be decoded ({type(error).__name__}). Export it again as "
                "JPEG, JPEG 2000 or uncompressed."
            ) from error
        return pixels

    def _decode(self, stored: StoredJpeg, level: int, column: int, row: int) -> Pixels:
        stream = self.stored_tile(level, column, row)
        require_modest(stream, stored.tile)
        if level not in self._frames:
            self._frames[level] = Frame.around(stream, tables=None, colour=stored.colour)
        return decode(self._frames[level].complete(stream), whole=(stored.tile.width, stored.tile.height))

    def stored_tile(self, level: int, column: int, row: int) -> bytes:
        self.require_tile(level, column, row)
        try:
            with self._lock:
                stream: bytes = self._wsi.read_encoded_tile(
                    self._numbers[level], (column, row), crop_to_image_boundary=False
                )
        except Exception as error:
            raise DamagedFile(
                f"Frame column {column}, row {row} of level {level} is not in the DICOM files "
                f"({type(error).__name__}). Fetch the whole series again."
            ) from error
        # DICOM pads frames to an even length after the end marker; PS3.5 A.4.
        return stream[:-1] if stream.endswith(b"\xff\xd9\x00") else stream

    def read_associated(self, kind: AssociatedKind) -> Pixels:
        if kind not in self.associated:
            raise self.no_such_image(kind)
        images: Any = self._wsi.labels if kind == AssociatedKind.LABEL else self._wsi.overviews
        try:
            if (size := images.groups[0].size).width * size.height > LARGEST_PICTURE_PX:
                raise ValueError(size)
            with self._lock:
                image: Any = self._wsi.read_label() if kind == AssociatedKind.LABEL else self._wsi.read_overview()
        except Exception as error:
            raise DamagedFile(f"The {kind.lower()} image cannot be decoded ({type(error).__name__}).") from error
        return np.asarray(image.convert("RGB") if isinstance(image, Image.Image) else image)

    def close(self) -> None:
        self._wsi.close()


def _require_all(path: Path, opened: set[str]) -> None:
    """Refuse, with DamagedFile, a folder in which a part of the slide is broken.

    wsidicom passes over what it cannot read. When that is the file of the full resolution, what is left is a whole
    slide of less, and nobody would see it.
    """
    for file in path.iterdir() if path.is_dir() else []:
        if file.name in opened or not (file.suffix.lower() == ".dcm" or _begins_as_dicom(file)):
            continue
        try:
            about = dcmread(file, stop_before_pixels=True, specific_tags=["SOPClassUID", "ImageType"])
            pictures = {"VOLUME", "LABEL", "OVERVIEW", "THUMBNAIL"} & {*about.ImageType}
            part = about.SOPClassUID == VLWholeSlideMicroscopyImageStorage and bool(pictures)
        except Exception:  # pydicom's share no base
            part = True
        if part:
            raise DamagedFile(
                "One of the DICOM slide's files cannot be read; without it the slide would look whole, but coarser "
                "or smaller. Fetch the whole series again."
            )


def _begins_as_dicom(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(132)[128:] == b"DICM"
