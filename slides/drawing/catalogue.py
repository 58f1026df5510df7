"""The demonstration slides that come with the product. Nobody on their labels exists."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from slides.drawing import stains
from slides.drawing.aperio import Encoding, Progress, write_aperio
from slides.drawing.glass import Label
from slides.drawing.stains import Stain
from slides.drawing.tissue import Organ, Tissue
from slides.geometry import Size

_ALONE_BELOW_PIXELS = 20_000_000
"""Smaller slides are drawn before a second process has started."""


@dataclass(frozen=True)
class DemoSlide:
    """One slide of the set.

    Attributes:
        file_name: within the demo folder; holds no name.
        caption_sv, caption_en: one line for a list.
        organ: what is drawn.
        stain: how it is coloured.
        size: in pixels at full resolution.
        spacing_um: side of a pixel.
        seed: the same number, the same section.
        label: what is printed on the glass.
        colour: how the pixels are stored.
    """

    file_name: str
    caption_sv: str
    caption_en: str
    organ: Organ
    stain: Stain
    size: Size
    spacing_um: float
    seed: int
    label: Label
    colour: Encoding = "YCbCr 4:2:0"

    def tissue(self) -> Tissue:
        """The section, planned and ready to be drawn."""
        return Tissue(self.size, self.seed, self.stain, self.organ, self.spacing_um)


DEMO_SLIDES: tuple[DemoSlide, ...] = (
    DemoSlide(
        "D26-00123-A1-HE.svs",
        "Kolonbiopsier, HE, 20x",
        "Colon biopsies, H&E, 20x",
        "colon biopsies",
        stains.HAEMATOXYLIN_EOSIN,
        Size(4000, 3000),
        0.5,
        1,
        Label("Vera Exempelsson", "D26-00123 A1", "HE"),
        "RGB 4:4:4",
    ),
    DemoSlide(
        "D26-00417-B2-HE.svs",
        "Bröst, lobuli och fettväv, HE, 20x",
        "Breast, lobules and fat, H&E, 20x",
        "breast",
        stains.HAEMATOXYLIN_EOSIN_WARM,
        Size(8000, 6000),
        0.5,
        2,
        Label("Alma Påhittad", "D26-00417 B2", "HE"),
    ),
    DemoSlide(
        "D26-00123-A3-Ki67.svs",
        "Kolonbiopsier, Ki-67, 40x",
        "Colon biopsies, Ki-67, 40x",
        "colon biopsies",
        stains.KI67,
        Size(10_000, 8000),
        0.25,
        7,
        Label("Vera Exempelsson", "D26-00123 A3", "Ki-67"),
    ),
    DemoSlide(
        "D26-00123-A2-PAS.svs",
        "Kolonbiopsier, PAS, 20x",
        "Colon biopsies, PAS, 20x",
        "colon biopsies",
        stains.PERIODIC_ACID_SCHIFF,
        Size(6000, 4000),
        0.5,
        5,
        Label("Vera Exempelsson", "D26-00123 A2", "PAS"),
    ),
    DemoSlide(
        "D26-00698-C1-HE.svs",
        "Kolonvägg i hela sin tjocklek, HE, 40x",
        "Full thickness of the colon wall, H&E, 40x",
        "colon wall",
        stains.HAEMATOXYLIN_EOSIN,
        Size(18_000, 14_000),
        0.25,
        3,
        Label("Otto Låtsasson", "D26-00698 C1", "HE"),
    ),
)


def draw_demo_slide(demo: DemoSlide, folder: Path, progress: Progress | None = None) -> Path:
    """Draw one slide of the set into a folder, the larger ones with two processes.

    Args:
        folder: must exist; a slide of the same name is replaced.
        progress: called with (pixels drawn, pixels in all).

    Returns:
        The file.
    """
    large = demo.size.width * demo.size.height > _ALONE_BELOW_PIXELS
    return write_aperio(
        folder / demo.file_name,
        demo.tissue(),
        label=demo.label,
        progress=progress,
        colour=demo.colour,
        processes=2 if large else 1,
    )
