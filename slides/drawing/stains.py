"""Dyes and what they look like in the microscope: from dye amounts to colours.

A drawing is kept as three amounts per pixel (0 none … 255 as much as there ever is): `H` haematoxylin,
`E` the counter-stain, `X` the stain's own third colour (mucin, or DAB where a marker is positive). Light
passes them one after the other, so the darkening of each multiplies (Beer and Lambert).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]
Ramp = tuple[tuple[int, Colour], ...]
"""Amounts of one dye, rising, and the colour that each gives alone on clear glass (sRGB)."""

_LEVELS = 128
"""Amounts told apart per dye: a table of 128³ colours is 8 MB, and sensor noise hides the steps."""


@dataclass(frozen=True)
class Stain:
    """One laboratory's way of colouring a section.

    Attributes:
        name: as the stain list of the laboratory has it.
        glass: colour of the empty slide, sRGB.
        haematoxylin, counterstain, third: how each dye looks as there is more of it.
        marker: the third dye shows nuclei that divide (Ki-67) rather than mucin.
    """

    name: str
    glass: Colour
    haematoxylin: Ramp
    counterstain: Ramp
    third: Ramp
    marker: bool = False

    def colour(self, dyes: Pixels) -> Pixels:
        """Turn dye amounts into what the scanner sees.

        Args:
            dyes: uint8, shape (3, h, w): H, E and X.

        Returns:
            uint8, shape (h, w, 3), sRGB.
        """
        index = (dyes[0] >> 1).astype(np.int32)
        index <<= 7
        index |= dyes[1] >> 1
        index <<= 7
        index |= dyes[2] >> 1
        packed = _table(self).take(index)
        return np.ascontiguousarray(packed.view(np.uint8).reshape(*index.shape, 4)[..., :3])


@cache
def _table(stain: Stain) -> npt.NDArray[np.uint32]:
    """Colours of every mixture: uint32, length 128³, bytes R, G, B, 0 in memory order."""
    amount = np.linspace(0, 255, _LEVELS, dtype=np.float32)
    density = [_density(r, stain.glass, amount) for r in (stain.haematoxylin, stain.counterstain, stain.third)]
    # Dense chromatin leaves little room for the counter-stain: nuclei stay blue in pink surroundings.
    shared = amount[None, :] * (1 - 0.62 * amount[:, None] / 255)
    mixed = density[0][:, None] + np.stack(
        [np.interp(shared, amount, density[1][:, c]).astype(np.float32) for c in range(3)], axis=-1
    )
    through = np.exp(-mixed)[:, :, None] * np.exp(-density[2])[None, None]
    table = np.zeros((*through.shape[:3], 4), np.uint8)
    table[..., :3] = through * np.asarray(stain.glass, np.float32) + 0.5
    return table.reshape(-1, 4).view(np.uint32).reshape(-1)


def _density(ramp: Ramp, glass: Colour, amount: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Optical density of a dye for each amount: float32, shape (amounts, 3)."""
    if any(lower[0] >= upper[0] for lower, upper in pairwise(ramp)):
        raise ValueError("A dye's ramp needs rising amounts.")
    levels = [0, *(level for level, _ in ramp)]
    colours = np.array([glass, *(colour for _, colour in ramp)], float)
    density = -np.log(np.minimum(colours / np.asarray(glass, float), 1.0))
    return np.stack([np.interp(amount, levels, density[:, c]) for c in range(3)], axis=1).astype(np.float32)


HAEMATOXYLIN_EOSIN = Stain(
    name="HE",
    glass=(243, 242, 245),
    haematoxylin=((60, (206, 194, 222)), (140, (138, 112, 180)), (200, (92, 62, 142)), (255, (58, 34, 104))),
    counterstain=((50, (246, 219, 230)), (110, (236, 172, 200)), (170, (221, 124, 166)), (255, (206, 52, 84))),
    third=((120, (219, 221, 236)), (255, (186, 190, 218))),
)
"""Blue-violet nuclei and cool pinks."""

HAEMATOXYLIN_EOSIN_WARM = Stain(
    name="HE",
    glass=(244, 243, 242),
    haematoxylin=((60, (212, 192, 210)), (140, (148, 104, 160)), (200, (104, 58, 126)), (255, (66, 30, 92))),
    counterstain=((50, (248, 220, 220)), (110, (240, 168, 176)), (170, (228, 116, 138)), (255, (206, 44, 52))),
    third=((120, (226, 220, 232)), (255, (196, 186, 214))),
)
"""Another laboratory: redder nuclei, warmer eosin, as after a longer bath."""

PERIODIC_ACID_SCHIFF = Stain(
    name="PAS",
    glass=(244, 243, 245),
    haematoxylin=((60, (206, 208, 228)), (140, (140, 142, 190)), (200, (92, 92, 154)), (255, (56, 54, 112))),
    counterstain=((50, (242, 230, 238)), (110, (228, 200, 220)), (170, (208, 164, 196)), (255, (180, 108, 152))),
    third=((70, (226, 160, 204)), (150, (192, 70, 144)), (255, (140, 22, 96))),
)
"""Magenta mucin and basement membranes on pale tissue."""

KI67 = Stain(
    name="Ki-67",
    glass=(243, 243, 244),
    haematoxylin=((60, (214, 220, 234)), (140, (158, 172, 208)), (200, (112, 130, 182)), (255, (70, 86, 146))),
    counterstain=((50, (238, 237, 241)), (110, (226, 226, 236)), (170, (212, 213, 228)), (255, (186, 182, 204))),
    third=((60, (222, 192, 158)), (140, (166, 108, 62)), (200, (114, 64, 32)), (255, (70, 36, 18))),
    marker=True,
)
"""Immunohistochemistry: dividing nuclei brown with DAB, the others pale blue."""
