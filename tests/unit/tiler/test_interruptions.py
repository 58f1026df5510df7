"""All of a pyramid or nothing: broken tiles, full disks, stops and kills; and no more memory for a larger slide."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from images import codings, scanners
from images.pictures import picture
from images.tiffs import Page, tiled, write_tiff

from slides.errors import DamagedFile
from slides.opening import open_slide
from slides.staging import clear, staged
from tiler.building import build
from tiler.layout import lay_out
from tiler.pyramid import Pyramid

BUILD = """
import resource, sys, time
from pathlib import Path
from slides.opening import open_slide
from slides.staging import staged
from tiler.building import build
source, target, limit, pause = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
def progress(share):
    print(share, flush=True)
    time.sleep(pause)
with open_slide(source) as slide, staged(target) as file:
    build(slide, file, progress=progress, threads=2)
# ru_maxrss would begin with the parent's memory, which a child has until it starts its own program.
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print("peak", peak.split()[1])
"""


def child(source: Path, target: Path, *, limit: int = 0, pause: float = 0.0) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-W", "ignore", "-c", BUILD, str(source), str(target), str(limit), str(pause)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    return scanners.write_aperio(folder / "slide.svs", picture(1500, 1100), codings.YCBCR_420).path


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda stream: stream[: len(stream) // 2], "cannot be decoded to its end"),
        (lambda stream: stream[: len(stream) // 2] + b"\xff\xd9", "cannot be decoded to its end"),
        (lambda stream: codings.nameless(codings.jpeg_ycbcr(picture(128, 128))), "128 x 128 px"),
    ],
    ids=["cut", "cut and ended", "other size"],
)
@pytest.mark.parametrize("index", [1, 5, 11])
def test_a_broken_tile_leaves_nothing(index: int, spoil: object, words: str, tmp_path: Path) -> None:
    page, _ = tiled(picture(1000, 700), codings.YCBCR_420, shared=False)
    streams = list(page.segments)
    streams[index] = spoil(streams[index])  # type: ignore[operator]
    path = write_tiff(tmp_path / "slide.tif", [Page(page.tags, streams)])
    out = tmp_path / "out"
    out.mkdir()
    (out / "kept").write_bytes(b"old")
    with open_slide(path) as slide, pytest.raises(DamagedFile, match=words), staged(out / "kept") as file:
        build(slide, file)
    assert [(file.name, file.read_bytes()) for file in out.iterdir()] == [("kept", b"old")], "the older one stays"


def test_a_full_disk_leaves_nothing(source: Path, tmp_path: Path) -> None:
    with open_slide(source) as slide, tempfile.TemporaryFile() as file:
        size = build(slide, file).byte_size
    for limit in (4_000, size // 2, size - 100):
        _, errors = child(source, tmp_path / "pyramid", limit=limit).communicate(timeout=60)
        assert "OSError: [Errno 27] File too large" in errors
        assert list(tmp_path.iterdir()) == [], f"{limit} bytes"


def test_stopping_from_progress_leaves_nothing(source: Path, tmp_path: Path) -> None:
    class Stopped(Exception):
        """What the worker raises when the lease is lost."""

    def stop(share: float) -> None:
        if share > 0.5:
            raise Stopped

    with open_slide(source) as slide, pytest.raises(Stopped), staged(tmp_path / "pyramid") as file:
        build(slide, file, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_kill_leaves_nothing_under_the_pyramids_name(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "pyramid"
    process = child(source, target, pause=0.02)
    assert process.stdout is not None
    for line in process.stdout:
        if float(line) > 0.3:
            break
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=30)
    process.communicate()
    left = [file.name for file in tmp_path.iterdir()]
    assert len(left) == 1
    assert left[0].endswith(".partial"), "half a pyramid never has the pyramid's name"
    assert clear(tmp_path) == 1
    with open_slide(source) as slide, staged(target) as file:
        built = build(slide, file)
    assert [file.name for file in tmp_path.iterdir()] == ["pyramid"]
    pyramid = Pyramid(target)
    assert pyramid.level0_digest() == built.level0_digest
    pyramid.close()


def test_an_older_pyramid_is_replaced_and_still_readable_by_who_has_it_open(source: Path, tmp_path: Path) -> None:
    with open_slide(source) as slide:
        with staged(tmp_path / "pyramid") as file:
            build(slide, file)
        old = Pyramid(tmp_path / "pyramid")
        before = old.tile(0, 0, 0)
        with staged(tmp_path / "pyramid") as file:
            build(slide, file)
    assert old.tile(0, 0, 0) == before
    old.close()


def peak_mb(source: Path, target: Path) -> float:
    process = child(source, target)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return int(output.rsplit(maxsplit=1)[1]) / 1024


def enlarged(folder: Path, times: int, *, passed: bool) -> Path:
    """A slide of `times` x `times` the same 1024 x 1024 px, without holding it in memory."""
    coding = codings.YCBCR_420 if passed else codings.LZW
    page, _ = tiled(picture(1024, 1024), coding)
    streams = [page.segments[(y % 4) * 4 + x % 4] for y in range(4 * times) for x in range(4 * times)]
    page.tags |= {256: (4, [1024 * times]), 257: (4, [1024 * times])}
    return write_tiff(folder / f"{times}-{passed}.tif", [Page(page.tags, streams)])


@pytest.mark.parametrize("passed", [True, False], ids=["passed on", "encoded again"])
def test_memory_does_not_grow_with_the_slide(passed: bool, tmp_path: Path) -> None:
    # The small one is larger than a block, of which every thread holds one.
    small = enlarged(tmp_path, 3, passed=passed)
    large = enlarged(tmp_path, 9 if passed else 6, passed=passed)
    with open_slide(large) as slide:
        assert (lay_out(slide).copied[0] is not None) is passed
    start = time.monotonic()
    first, second = peak_mb(small, tmp_path / "small"), peak_mb(large, tmp_path / "large")
    # 216 MB and 85 MB more of pixels, decoded.
    print(f"{first:.0f} MB, then {second:.0f} MB in {time.monotonic() - start:.1f} s")
    assert second < first + 30, "decoded pixels are kept"
