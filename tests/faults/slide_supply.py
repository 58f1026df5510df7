"""Slides to bring in: each of other content, and of each it is known how it must end."""

from __future__ import annotations

import hashlib
import random
import re
from dataclasses import dataclass
from pathlib import Path

from makers import write_broken_slide, write_good_slide, write_no_slide, write_slow_slide
from typer.testing import CliRunner

from viewer.cli import app


@dataclass(frozen=True)
class SuppliedSlide:
    """A file to bring in.

    Attributes:
        digest: SHA-256 of the file, which is also its address in the archive.
        level0_digest: of the right pyramid; None where there must be none.
        code: why it is to be quarantined; None for a sound slide.
    """

    path: Path
    kind: str
    digest: str
    level0_digest: str | None
    code: str | None


@dataclass(frozen=True)
class _Pattern:
    content: bytes
    suffix: str
    level0_digest: str | None
    code: str | None


class SlideSupply:
    """Hands out new slides as often as asked.

    What is behind the end of a TIFF belongs to no page, so a few bytes there make another slide of the same pixels.

    Args:
        folder: where the files lie.
        chance: draws the kinds.
    """

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self._folder, self._chance, self._count = folder, chance, 0
        folder.mkdir(parents=True, exist_ok=True)
        small = write_good_slide(folder / "small.svs", width=700, height=500, seed=5)
        medium = write_good_slide(folder / "medium.svs")
        slow = write_slow_slide(folder / "slow.tif", side=2560)
        slower = write_slow_slide(folder / "slower.tif", side=8192)
        broken = write_broken_slide(folder / "broken.svs")
        nothing = write_no_slide(folder / "nothing.svs")
        self._patterns = {
            **{path.stem: _sound(path) for path in (small, medium, slow, slower)},
            "broken": _Pattern(broken.read_bytes(), ".svs", None, "DAMAGED_FILE"),
            "nothing": _Pattern(nothing.read_bytes(), ".svs", None, "UNSUPPORTED_FILE"),
        }

    def draw(self, kind: str | None = None) -> SuppliedSlide:
        """A slide that has not been handed out before, of a kind or of any."""
        if kind is None:
            kind = self._chance.choices([*self._patterns], weights=[3, 2, 3, 4, 1, 1])[0]
        pattern = self._patterns[kind]
        self._count += 1
        content = pattern.content + f"slide {self._count} {self._chance.random()}".encode()
        path = self._folder / f"{self._count}-{kind}{pattern.suffix}"
        path.write_bytes(content)
        return SuppliedSlide(path, kind, hashlib.sha256(content).hexdigest(), pattern.level0_digest, pattern.code)


def _sound(path: Path) -> _Pattern:
    ended = CliRunner().invoke(app, ["tile", str(path), str(path.with_suffix(".pyramid"))])
    said = re.search(r"Level 0 SHA-256 ([0-9a-f]{64})", " ".join(ended.output.split()))
    assert said, ended.output
    return _Pattern(path.read_bytes(), path.suffix, said[1], None)
