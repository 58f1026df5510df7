"""Which directories of a Leica SCN are the slide, and which the picture of the whole glass.

Source: OpenSlide, "Leica format": an `<image>` per scanned area with its place on the glass in nanometres;
the one that covers the whole collection is the macro image.
"""

from __future__ import annotations

from dataclasses import dataclass

from defusedxml.ElementTree import ParseError, fromstring

from slides.errors import DamagedFile, UnsupportedFile


@dataclass(frozen=True)
class LeicaImages:
    """Directory numbers, the largest image first.

    Attributes:
        slide_index: place of the slide among the `<image>` elements.
        slide_directories: of the slide's levels.
        macro_directories: of the macro image, empty when there is none.
    """

    slide_index: int
    slide_directories: tuple[int, ...]
    macro_directories: tuple[int, ...]


def find_images(description: str) -> LeicaImages:
    """Sort the images named in an SCN's description.

    Raises:
        UnsupportedFile: several areas were scanned, or several focus planes; they lie on one canvas only
            through OpenSlide, or not at all.
        DamagedFile: the description is not readable.
    """
    try:
        collection = fromstring(description).find("{*}collection")
        if collection is None:
            raise DamagedFile("The Leica description names no collection. Export the slide again.")
        whole = collection.get("sizeX"), collection.get("sizeY")
        images = collection.findall("{*}image")
        views = [image.find("{*}view") for image in images]
        directories = []
        for image in images:
            dimensions = image.findall("{*}pixels/{*}dimension")
            if any(int(dimension.get("z", "0")) > 0 for dimension in dimensions):
                raise UnsupportedFile(
                    "The SCN holds several focus planes; one is read here. Export the plane to be read."
                )
            dimensions.sort(key=lambda dimension: -int(dimension.get("sizeX", "0")))
            directories.append(tuple(int(dimension.get("ifd", "")) for dimension in dimensions))
    except (ParseError, ValueError) as error:
        raise DamagedFile("The Leica description inside the file is not readable. Export the slide again.") from error
    macros = [
        index
        for index, view in enumerate(views)
        if len(images) > 1 and view is not None and (view.get("sizeX"), view.get("sizeY")) == whole
    ]
    areas = [index for index in range(len(images)) if index not in macros]
    if len(areas) != 1:
        raise SeveralAreas(f"The SCN holds {len(areas)} scanned areas.")
    return LeicaImages(areas[0], directories[areas[0]], directories[macros[0]] if macros else ())


class SeveralAreas(UnsupportedFile):
    """Several scanned areas share the glass: their tiles do not lie on one grid."""
