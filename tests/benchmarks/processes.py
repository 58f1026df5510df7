"""Measuring one job in a fresh process: seconds, memory and what it leaves on disk."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SAMSYN = """
import sys
from pathlib import Path
from slides.opening import open_slide
from tiler.building import build
for number in range(int(sys.argv[3]) if sys.argv[3:] else 1):
    with open_slide(Path(sys.argv[1])) as slide, open(f"{sys.argv[2]}/pyramid{number}", "w+b") as file:
        build(slide, file)
"""
SERVABLE = """
import json, sys, time
from pathlib import Path
from slides.opening import open_slide
from tiler.live import LiveTiles
tiles = LiveTiles(open_slide(Path(sys.argv[1])))
opened_s = time.perf_counter()
taken_ms = []
for halvings in range(tiles.grid.depth + 1):
    start = time.perf_counter()
    tiles.tile(halvings, tiles.grid.columns(halvings) // 2, tiles.grid.rows(halvings) // 2)
    taken_ms.append((time.perf_counter() - start) * 1000)
print(json.dumps([opened_s, taken_ms, [bool(copied) for copied in tiles.layout.copied]]))
"""
DZSAVE = """
import sys
import pyvips
image = pyvips.Image.new_from_file(sys.argv[1], access="sequential")
image.dzsave(sys.argv[2] + "/pyramid", tile_size=int(sys.argv[3]), overlap=int(sys.argv[4]), suffix=".jpg[Q=85]")
"""


@dataclass(frozen=True)
class Run:
    """What a job took.

    Attributes:
        wall_s, cpu_s: seconds, the start of the interpreter included.
        peak_mb: of memory, looked at every 5 ms.
        out_mb, files: what it left on disk.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    out_mb: float
    files: int


def python(code: str, *arguments: object) -> list[str]:
    """The command that runs a piece of Python."""
    return [sys.executable, "-W", "ignore", "-c", code, *map(str, arguments)]


def measure(command: Sequence[str], folder: Path, *, cores: set[int] | None = None) -> Run:
    """Run a command to its end. It writes into `folder`, which is emptied afterwards.

    Args:
        cores: numbers of those it may use; all of this process by default.
    """
    return measure_together([command], folder, cores=cores)


def measure_together(commands: Sequence[Sequence[str]], folder: Path, *, cores: set[int] | None = None) -> Run:
    """Run commands at the same time, to the end of the last. Peaks are added."""
    held = os.sched_getaffinity(0)
    start = time.perf_counter()
    try:
        # Children begin with the cores of the thread that starts them.
        os.sched_setaffinity(0, cores or held)
        children = [subprocess.Popen(command) for command in commands]
    finally:
        os.sched_setaffinity(0, held)
    usages: list[resource.struct_rusage] = []
    peaks = dict.fromkeys((child.pid for child in children), 0.0)
    while len(usages) < len(children):
        for child in children:
            if child.returncode is None:
                peaks[child.pid] = max(peaks[child.pid], _peak_mb(child.pid))
                pid, status, usage = os.wait4(child.pid, os.WNOHANG)
                if pid:
                    child.returncode = os.waitstatus_to_exitcode(status)
                    usages.append(usage)
        time.sleep(0.005)
    wall = time.perf_counter() - start
    if any(child.returncode for child in children):
        sys.exit(f"The benchmark stopped: {commands[0][0]} ended with an error.")
    files = [file for file in folder.rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in files) / 1e6
    subprocess.run(["find", str(folder), "-mindepth", "1", "-delete"], check=True)
    cpu = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    return Run(wall, cpu, sum(peaks.values()), size, len(files))


def _peak_mb(process: int) -> float:
    """The most memory a process has had. Not rusage's: that begins with the memory of whoever started it."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def servable(slide: Path) -> tuple[float, list[float], list[bool]]:
    """Open a slide live in a fresh process and fetch a tile of every level.

    Returns:
        Seconds until everything can be asked for, milliseconds for the first tile of each level, and which levels
        are passed through.
    """
    start = time.perf_counter()
    output = subprocess.run(python(SERVABLE, slide), check=True, stdout=subprocess.PIPE, text=True).stdout
    # perf_counter is the system's monotonic clock, the same in both processes.
    opened_s, taken_ms, copied = json.loads(output)
    return opened_s - start, taken_ms, copied


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder for what is measured."""
    return tempfile.TemporaryDirectory(prefix="benchmark.")


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Median and range."""
    return f"{statistics.median(values):.{digits}f} [{min(values):.{digits}f}-{max(values):.{digits}f}]"
