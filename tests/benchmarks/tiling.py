"""Tiling against libvips, side by side on one slide: `python tests/benchmarks/tiling.py [SLIDE]`.

Each of five pairs makes the pyramid once here and once with `dzsave` of the newest pyvips-binary, in fresh
processes, one after the other, so that whatever else the machine does falls on both. Figures hold for the day
they were taken; the ratios are what to quote.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

PAIRS = 5
DRAWN = 12_000, 9_000
"""Width and height in pixels of the slide that is drawn where none is given."""

SAMSYN = """
import sys
from pathlib import Path
from slides.opening import open_slide
from tiler.building import build
with open_slide(Path(sys.argv[1])) as slide:
    build(slide, Path(sys.argv[2]) / "pyramid")
"""
LIBVIPS = """
import sys
import pyvips
image = pyvips.Image.new_from_file(sys.argv[1], access="sequential")
image.dzsave(sys.argv[2] + "/pyramid", tile_size=254, overlap=1, suffix=".jpg[Q=85]")
"""
USAGE = """
import json, os
from pathlib import Path
# Not ru_maxrss: it begins with the parent's memory, which a child has until it starts its own program.
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(json.dumps([sum(os.times()[:2]), int(peak.split()[1]) / 1024]))
"""


@dataclass(frozen=True)
class Run:
    """What one pyramid took.

    Attributes:
        wall_s, cpu_s: seconds, the start of the interpreter included.
        peak_mb: of memory.
        out_mb, files: what it left on disk.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    out_mb: float
    files: int


def measure(code: str, slide: Path) -> Run:
    """Make the pyramid once in a fresh process."""
    with tempfile.TemporaryDirectory(prefix="tiling.") as folder:
        start = time.perf_counter()
        output = subprocess.run(
            [sys.executable, "-c", code + USAGE, str(slide), folder], check=True, stdout=subprocess.PIPE, text=True
        ).stdout
        wall = time.perf_counter() - start
        files = [file for file in Path(folder).rglob("*") if file.is_file()]
        cpu, peak = json.loads(output.splitlines()[-1])
        return Run(wall, cpu, peak, sum(file.stat().st_size for file in files) / 1e6, len(files))


def draw(folder: Path) -> Path:
    """A made-up slide of the usual size of a biopsy."""
    from slides.drawing import Label, Tissue, stains, write_aperio
    from slides.geometry import Size

    tissue = Tissue(Size(*DRAWN), 1, stains.HAEMATOXYLIN_EOSIN, "colon wall", 0.5)
    return write_aperio(folder / "drawn.svs", tissue, label=Label("Benchmark", "B26-00001 A1", "HE"), processes=2)


def spread(values: list[float], digits: int = 2) -> str:
    """Median and range."""
    return f"{statistics.median(values):.{digits}f} [{min(values):.{digits}f}-{max(values):.{digits}f}]"


def show(console: Console, runs: dict[str, list[Run]]) -> None:
    """Print the table."""
    table = Table(title=f"Medians (and ranges) of {PAIRS} pairs")
    for heading in ("", "wall s", "CPU s", "peak MB", "out MB", "files"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, made in runs.items():
        table.add_row(
            name,
            spread([run.wall_s for run in made]),
            spread([run.cpu_s for run in made]),
            spread([run.peak_mb for run in made], 0),
            f"{made[-1].out_mb:.1f}",
            str(made[-1].files),
        )
    ours, theirs = runs.values()
    table.add_section()
    table.add_row(
        "libvips / samsyn, pair by pair",
        spread([b.wall_s / a.wall_s for a, b in zip(ours, theirs, strict=True)], 1),
        spread([b.cpu_s / a.cpu_s for a, b in zip(ours, theirs, strict=True)], 1),
        spread([b.peak_mb / a.peak_mb for a, b in zip(ours, theirs, strict=True)], 1),
        f"{theirs[-1].out_mb / ours[-1].out_mb:.2f}",
        "",
    )
    console.print(table)


def main() -> None:
    """Take or draw a slide, run the pairs, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("slide", type=Path, nargs="?", help="a slide file; drawn where none is given")
    given: Path | None = parser.parse_args().slide
    console = Console()
    with tempfile.TemporaryDirectory(prefix="benchmark.") as folder:
        if given is None:
            with console.status(f"Drawing a slide of {DRAWN[0]} x {DRAWN[1]} px"):
                slide = draw(Path(folder))
        else:
            slide = given.resolve()
        version = subprocess.run(
            [sys.executable, "-c", "import pyvips; print('.'.join(str(pyvips.version(n)) for n in range(3)))"],
            check=False,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout.strip()
        if not version:
            sys.exit("The benchmark needs pyvips: run it as `make bench`.")
        console.print(f"{'A drawn slide' if given is None else 'The slide'}: {slide.stat().st_size / 1e6:.0f} MB")
        runs: dict[str, list[Run]] = {"samsyn": [], f"libvips {version} dzsave": []}
        for number in range(PAIRS):
            for (name, made), code in zip(runs.items(), (SAMSYN, LIBVIPS), strict=True):
                with console.status(f"Pair {number + 1} of {PAIRS}: {name}"):
                    made.append(measure(code, slide))
    show(console, runs)


if __name__ == "__main__":
    main()
