"""Tiling against libvips, side by side: `python tests/benchmarks/tiling.py [SLIDE] [--only PART ...]`.

    tiling      the pyramid of a slide against `dzsave` of the newest pyvips-binary, and how true the pixels stay
    levels      how soon every level of a slide that has just arrived can be seen
    batch       eight slides by two processes against one process held to one core
    large       a slide of 8,000 million pixels against a small one: memory and time
    reencoded   JPEG 2000, and a slide that only OpenSlide reads, against `tiffsave` of the system's libvips

Peers take turns, each in a fresh process, so that whatever else the machine does falls on all of them. Figures hold
for the day they were taken; the ratios are what to quote. What has been measured is printed at once.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import samples
from benchmarks.fidelity import compare
from benchmarks.processes import DZSAVE, SAMSYN, Run, measure, measure_together, python, scratch, servable, spread

from slides.opening import open_slide
from tiler.layout import PixelPath, lay_out

PAIRS = 5
LARGE = 100_000, 80_000
"""Width and height in pixels that the large slide has at the least."""
REENCODED_QUALITY = 90
console = Console()


def pairs(jobs: dict[str, Callable[[], Run]], count: int) -> dict[str, list[Run]]:
    """Run two jobs in turns and print each pair; the second over the first is the ratio."""
    runs: dict[str, list[Run]] = {name: [] for name in jobs}
    for number in range(count):
        for name, job in jobs.items():
            with console.status(f"Pair {number + 1} of {count}: {name}"):
                runs[name].append(job())
        ours, theirs = (made[-1] for made in runs.values())
        console.print(
            f"pair {number + 1}: {ours.wall_s:.2f} s, {theirs.wall_s:.2f} s, {theirs.wall_s / ours.wall_s:.1f} times; "
            f"CPU {ours.cpu_s:.1f} s, {theirs.cpu_s:.1f} s, {theirs.cpu_s / ours.cpu_s:.1f} times"
        )
    show(runs)
    return runs


def show(runs: dict[str, list[Run]]) -> None:
    """Print the table of some pairs."""
    table = Table(title="Medians and ranges")
    for heading in ("", "wall s", "CPU s", "peak MB", "out MB", "files"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, made in runs.items():
        walls, cpus, peaks = ([getattr(run, what) for run in made] for what in ("wall_s", "cpu_s", "peak_mb"))
        table.add_row(
            name, spread(walls, 2), spread(cpus, 1), spread(peaks, 0), f"{made[-1].out_mb:.1f}", str(made[-1].files)
        )
    table.add_section()
    table.add_row(
        "second over first",
        *(
            spread([getattr(b, what) / getattr(a, what) for a, b in zip(*runs.values(), strict=True)])
            for what in ("wall_s", "cpu_s", "peak_mb")
        ),
    )
    console.print(table)


def tiling(slide: Path, folder: Path, count: int) -> None:
    """The pyramid, and how true its pixels are."""
    runs = pairs(
        {
            "samsyn": lambda: measure(python(SAMSYN, slide, folder), folder),
            f"libvips {libvips()} dzsave": lambda: measure(python(DZSAVE, slide, folder, 254, 1), folder),
        },
        count,
    )
    share = runs["samsyn"][-1].out_mb / (slide.stat().st_size / 1e6)
    console.print(f"Our pyramid is {share:.2f} times the slide.")
    if passes(slide):
        with console.status("Comparing pixels with the exact 2 x 2 mean"):
            before, after, theirs, tiles = compare(slide)
        console.print(
            f"Half level against the exact mean, pooled over {tiles} tiles: {before:.1f} dB before encoding; "
            f"{after:.2f} dB after it, libvips at equal quality {theirs:.2f} dB."
        )


def levels(slide: Path, folder: Path, count: int) -> None:
    """Seeing every level, against waiting for dzsave."""
    opened: list[float] = []
    ratios: list[float] = []
    tiles: list[list[float]] = []
    for number in range(count):
        with console.status(f"Pair {number + 1} of {count}"):
            opened_s, taken_ms, copied = servable(slide)
            waited = measure(python(DZSAVE, slide, folder, 254, 1), folder).wall_s
        opened.append(opened_s)
        tiles.append(taken_ms)
        ratios.append(waited / opened_s)
        console.print(
            f"  pair {number + 1}: servable after {opened_s:.2f} s, dzsave after {waited:.1f} s, {ratios[-1]:.0f}"
        )
    console.print(f"Every level servable after {spread(opened, 2)} s; dzsave takes {spread(ratios, 0)} times as long.")
    table = Table(title="First tile of each level, ms")
    table.add_column("level")
    table.add_column("passed through or computed")
    table.add_column("ms", justify="right")
    for halvings, passed in enumerate(copied):
        made = [taken[halvings] for taken in tiles]
        table.add_row(f"1/{2**halvings}", "passed through" if passed else "computed", spread(made, 1))
    console.print(table)


def batch(slide: Path, folder: Path, count: int) -> None:
    """Eight slides by two processes and by one on one core."""
    core = {min(os.sched_getaffinity(0))}
    four, eight = python(SAMSYN, slide, folder, 4), python(SAMSYN, slide, folder, 8)
    other = folder.with_name(folder.name + ".second")
    other.mkdir()
    try:
        pairs(
            {
                "two processes": lambda: measure_together([four, python(SAMSYN, slide, other, 4)], folder),
                "one process on one core": lambda: measure([*eight], folder, cores=core),
            },
            count,
        )
    finally:
        shutil.rmtree(other)


def large(slide: Path, folder: Path, count: int) -> None:
    """A very large slide: its memory and its time for a pixel against a small one's."""
    with scratch() as sources:
        small, huge = Path(sources) / "small.tif", Path(sources) / "large.tif"
        with console.status("Laying the slide out next to itself"):
            one = samples.repeated(slide, small, 1, 1)
            times = -(-LARGE[0] // one.width), -(-LARGE[1] // one.height)
            size = samples.repeated(slide, huge, *times)
        console.print(f"{one} and {size}: {times[0] * times[1]} times the pixels")
        runs = pairs(
            {
                "small": lambda: measure(python(SAMSYN, small, folder), folder),
                "large": lambda: measure(python(SAMSYN, huge, folder), folder),
            },
            count,
        )
    ratio = statistics.median(b.cpu_s / a.cpu_s for a, b in zip(*runs.values(), strict=True))
    console.print(f"CPU time for a pixel: {ratio / (times[0] * times[1]):.2f} times the small one's.")


def reencoded(slide: Path, folder: Path, count: int) -> None:
    """A slide that cannot be passed through, against the system's libvips."""
    vips = shutil.which("vips")
    if vips is None:
        console.print("The system's vips is missing: apt install libvips-tools (pyvips-binary reads no JPEG 2000).")
        return
    options = ["--tile", "--pyramid", "--compression", "jpeg", "--Q", str(REENCODED_QUALITY)]
    sized = ["--tile-width", "256", "--tile-height", "256", "--bigtiff"]
    with scratch() as sources:
        slides = {"The slide itself": slide}
        if passes(slide):
            with console.status("Writing JPEG 2000 and Trestle"):
                slides = {
                    "JPEG 2000": samples.jpeg_2000(slide, Path(sources) / "slide.svs"),
                    "Trestle, read by OpenSlide only": samples.trestle(slide, Path(sources) / "slide.tif"),
                }
        for name, source in slides.items():
            console.print(f"{name}:")
            saving = [vips, "tiffsave", str(source), str(folder / "pyramid.tif"), *options, *sized]
            pairs(
                {
                    "samsyn": lambda source=source: measure(python(SAMSYN, source, folder), folder),  # type: ignore[misc]
                    "vips tiffsave": lambda saving=saving: measure(saving, folder),  # type: ignore[misc]
                },
                count,
            )


PARTS: dict[str, Callable[[Path, Path, int], None]] = {
    "tiling": tiling,
    "levels": levels,
    "batch": batch,
    "large": large,
    "reencoded": reencoded,
}


def passes(slide: Path) -> bool:
    """Whether a slide's full resolution is passed through."""
    with open_slide(slide) as opened:
        return lay_out(opened).pixel_path == PixelPath.PASSTHROUGH


def libvips() -> str:
    """The peer's version."""
    command = python("import pyvips; print('.'.join(str(pyvips.version(n)) for n in range(3)))")
    found = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    if not found:
        sys.exit("The benchmark needs pyvips: run it as `make bench`.")
    return found.strip()


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Tiling against libvips, side by side.")
    parser.add_argument("slide", type=Path, nargs="?", help="a slide file; made or drawn where none is given")
    parser.add_argument("--only", choices=list(PARTS), nargs="+", default=list(PARTS), help="parts to measure")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="runs of each peer")
    return parser.parse_args(given)


def main() -> None:
    """Take or make a slide and measure the parts that were asked for."""
    asked = arguments()
    with scratch() as sources:
        if asked.slide is None:
            with console.status("Making a slide"):
                slide = samples.standard(Path(sources))
        else:
            slide = asked.slide.resolve()
        console.print(f"The slide: {slide.stat().st_size / 1e6:.0f} MB; {len(os.sched_getaffinity(0))} cores.")
        for part in asked.only:
            console.rule(part)
            with scratch() as folder:
                PARTS[part](slide, Path(folder), asked.pairs)


if __name__ == "__main__":
    main()
