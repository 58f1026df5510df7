"""Made-up slides: the same everywhere, seamless, and files that every reader takes for a scanner's own."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import openslide
import pytest
import tifffile

from slides import jpeg
from slides.drawing import DEMO_SLIDES, Label, Tissue, stains, write_aperio
from slides.drawing.aperio import Encoding, srgb_profile
from slides.drawing.stains import Pixels
from slides.drawing.tissue import Organ, averaged
from slides.errors import OutsideSlide
from slides.geometry import Region, Size

SIZE = Size(1300, 1090)
WHOLE = Region(0, 0, SIZE.width, SIZE.height)
LABEL = Label("Åke Påhittad", "D26-00001 A1", "HE")
ORGANS: tuple[Organ, ...] = ("colon biopsies", "colon wall", "breast")


def section(organ: Organ = "colon biopsies", seed: int = 4, stain: stains.Stain = stains.HAEMATOXYLIN_EOSIN) -> Tissue:
    """A section of 1 x 1 mm, small enough for a test and larger than one block of drawing."""
    return Tissue(SIZE, seed, stain, organ, 0.8)


@cache
def whole_of(organ: Organ) -> Pixels:
    """The whole section, drawn once for all tests that look at it."""
    return section(organ).draw(WHOLE)


@pytest.mark.parametrize("organ", ORGANS)
def test_a_rectangle_drawn_alone_fits_into_the_whole(organ: Organ) -> None:
    whole = whole_of(organ)
    alone = section(organ)
    for x, y, width, height in ((0, 0, 64, 64), (517, 333, 251, 190), (1001, 1013, 97, 61), (1299, 1089, 1, 1)):
        part = alone.draw(Region(x, y, width, height))
        assert np.array_equal(part, whole[y : y + height, x : x + width]), f"{x}, {y} does not fit"


def test_neighbours_meet_without_a_seam_at_the_usual_spacing() -> None:
    tissue = Tissue(Size(3000, 3000), 11, stains.HAEMATOXYLIN_EOSIN, "breast", 0.25)
    together = tissue.draw(Region(900, 1200, 500, 300))
    left, right = tissue.draw(Region(900, 1200, 201, 300)), tissue.draw(Region(1101, 1200, 299, 300))
    assert np.array_equal(np.hstack([left, right]), together)


def test_one_seed_is_one_section() -> None:
    part = Region(300, 300, 400, 300)
    first = section(seed=4).draw(part)
    assert np.array_equal(first, section(seed=4).draw(part))
    assert not np.array_equal(first, section(seed=5).draw(part))
    travelled: Tissue = pickle.loads(pickle.dumps(section(seed=4)))  # noqa: S301 our own bytes
    assert np.array_equal(first, travelled.draw(part)), "another process would draw something else"


def test_a_downsampled_pixel_is_the_mean_of_its_square() -> None:
    full = section().draw(Region(320, 400, 256, 128)).reshape(32, 4, 64, 4, 3).mean(axis=(1, 3))
    small = section().draw(Region(80, 100, 64, 32), downsample=4)
    assert np.abs(small - full).max() <= 0.5, "more than rounding to whole numbers"


def test_nothing_is_drawn_outside_the_slide() -> None:
    with pytest.raises(OutsideSlide, match="1300 x 1090"):
        section().draw(Region(1290, 0, 11, 5))
    with pytest.raises(OutsideSlide, match="325 x 272"):
        section().draw(Region(0, 0, 326, 1), downsample=4)


@pytest.mark.parametrize("organ", ORGANS)
def test_glass_is_nearly_white_and_tissue_covers_its_share(organ: Organ) -> None:
    small = averaged(whole_of(organ)[: 8 * (SIZE.height // 8), : 8 * (SIZE.width // 8)], 8).astype(int)
    corners = np.concatenate([small[:4, :4], small[-4:, -4:]]).reshape(-1, 3)
    assert corners.min() > 232
    stained = (small.max(axis=2) - small.min(axis=2) > 14).mean()
    assert 0.2 < stained < 0.8


def test_the_marker_is_brown_on_blue() -> None:
    pixels = section(stain=stains.KI67).draw(Region(0, 300, 650, 400)).reshape(-1, 3).astype(int)
    brown = ((pixels[:, 0] > pixels[:, 2] + 30) & (pixels[:, 0] < 200)).mean()
    blue = ((pixels[:, 2] > pixels[:, 0] + 30) & (pixels[:, 0] < 200)).mean()
    assert 0.002 < brown < blue


def luma(pixels: Pixels) -> npt.NDArray[np.float64]:
    """Brightness as JPEG reckons it (ITU-R BT.601)."""
    return np.asarray(pixels @ np.array([0.299, 0.587, 0.114]), np.float64)


@pytest.mark.parametrize(("colour", "tile"), [("YCbCr 4:2:0", 256), ("RGB 4:4:4", 240)])
def test_readers_take_the_file_for_the_scanners_own(tmp_path: Path, colour: Encoding, tile: int) -> None:
    tissue, calls = section(), list[tuple[int, int]]()
    path = write_aperio(
        tmp_path / "slide.svs", tissue, label=LABEL, spacing_um=0.25, objective=40, colour=colour, tile=tile,
        progress=lambda done, total: calls.append((done, total)),
    )  # fmt: skip
    drawn = whole_of("colon biopsies")
    with openslide.OpenSlide(path) as slide:
        assert slide.properties["openslide.vendor"] == "aperio"
        assert slide.level_dimensions == ((1300, 1090), (325, 272), (81, 68))
        assert float(slide.properties["openslide.mpp-x"]) == 0.25
        assert slide.properties["openslide.objective-power"] == "40"
        assert slide.properties["openslide.level[0].tile-width"] == str(tile)
        pictures = {name: picture.size for name, picture in slide.associated_images.items()}
        assert pictures == {"label": (387, 463), "macro": (1280, 431), "thumbnail": (325, 272)}
        stored = np.asarray(slide.read_region((0, 0), 0, slide.dimensions).convert("RGB"))
        quarter = np.asarray(slide.read_region((0, 0), 1, (325, 272)).convert("RGB"))
    with tifffile.TiffFile(path) as file:
        assert file.is_svs
        page = file.pages.first
        assert page.tags[34675].value == srgb_profile()
        assert page.tags[530].value == (2, 2)
        tables = page.jpegtables
        assert tables is not None
        file.filehandle.seek(page.dataoffsets[0])
        stream = file.filehandle.read(page.databytecounts[0])
    assert 0xEE not in [marker for marker, _ in jpeg.segments(stream)], "an Adobe marker says what the colours are"
    # Rounding to steps of q moves each coefficient by q / 2 at most; the cosine transform keeps sums of
    # squares (Parseval), so pixels move by no more in the mean square. One grey level more is for rounding.
    steps = np.frombuffer(next(part for marker, part in jpeg.segments(tables) if marker == 0xDB)[5:69], np.uint8)
    bound = np.sqrt((steps.astype(float) ** 2).mean()) / 2 + 1
    assert np.sqrt(((luma(stored) - luma(drawn)) ** 2).mean()) < bound
    # Averages over the whole picture hang on the first coefficient alone: half its step, rounded up.
    assert np.abs(stored.mean(axis=(0, 1)) - drawn.mean(axis=(0, 1))).max() < steps[0] / 2
    assert np.abs(quarter.mean(axis=(0, 1)) - drawn.mean(axis=(0, 1))).max() < steps[0] / 2
    assert calls[-1] == (1300 * 1090, 1300 * 1090)
    assert [done for done, _ in calls] == sorted({done for done, _ in calls})


def little() -> Tissue:
    """A section for tests that look at the file only."""
    return Tissue(Size(500, 400), 4, stains.HAEMATOXYLIN_EOSIN, "colon biopsies", 0.8)


def test_the_same_slide_is_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "slide.svs"
    first = write_aperio(path, little(), label=LABEL).read_bytes()
    assert write_aperio(path, little(), label=LABEL).read_bytes() == first
    assert list(tmp_path.iterdir()) == [path]


def test_the_label_says_who_it_is_about(tmp_path: Path) -> None:
    path = write_aperio(tmp_path / "slide.svs", little(), label=LABEL)
    other = write_aperio(tmp_path / "other.svs", little(), label=Label("Bo Hittepå", LABEL.lid, LABEL.stain))
    with openslide.OpenSlide(path) as slide, openslide.OpenSlide(other) as another:
        for name in ("label", "macro"):
            ours, theirs = (np.asarray(s.associated_images[name].convert("RGB")).astype(int) for s in (slide, another))
            rows, columns = np.nonzero(np.abs(ours - theirs).max(axis=2) > 100)
            assert len(rows) > 200, f"the name is not to be read on the {name}"
            assert columns.max() < 390, "the name stands outside the label"


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    def fail(done: int, total: int) -> None:
        raise RuntimeError(f"stopped after {done} of {total}")

    with pytest.raises(RuntimeError, match="stopped after"):
        write_aperio(tmp_path / "slide.svs", little(), label=LABEL, progress=fail)
    assert list(tmp_path.iterdir()) == []


_WRITER = """
import multiprocessing, sys
from pathlib import Path
from slides.drawing import Label, Tissue, stains, write_aperio
from slides.geometry import Size

def say(done, total):
    print(done, *(child.pid for child in multiprocessing.active_children()), flush=True)

if __name__ == "__main__":
    tissue = Tissue(Size(2048, 6000), 1, stains.KI67, "breast")
    write_aperio(Path(sys.argv[1]), tissue, label=Label("Bo Ek", "D26-1 A", "HE"), progress=say, processes=2)
"""


def test_a_killed_write_leaves_no_slide_and_no_process(tmp_path: Path) -> None:
    script, path = tmp_path / "writer.py", tmp_path / "slide.svs"
    script.write_text(_WRITER, encoding="utf-8")
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, str(script), str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # a process that is killed leaves its semaphores, and says so
        text=True,
        cwd=root,
        env={"PYTHONPATH": str(root)},
    ) as writer:
        assert writer.stdout is not None
        done, *children = (int(word) for word in writer.stdout.readline().split())
        writer.send_signal(signal.SIGKILL)
    assert done > 0
    assert len(children) == 2
    assert not path.exists()
    deadline = time.monotonic() + 10
    while any(running(child) for child in children):
        assert time.monotonic() < deadline, "a drawing process outlived the one that started it"
        time.sleep(0.05)


def running(process: int) -> bool:
    """Whether a process exists and is not merely waiting to be buried."""
    state = Path(f"/proc/{process}/stat")
    try:
        return state.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_the_catalogue_names_nobody_in_a_file_name() -> None:
    assert len({demo.file_name for demo in DEMO_SLIDES}) == len(DEMO_SLIDES)
    for demo in DEMO_SLIDES:
        assert demo.file_name == f"{demo.label.lid} {demo.stain.name}.svs".replace("Ki-67", "Ki67").replace(" ", "-")
        assert not any(word in demo.file_name for word in demo.label.person.split())
        assert demo.caption_sv != demo.caption_en
    assert DEMO_SLIDES[0].size == Size(4000, 3000)
    assert max(demo.size.width for demo in DEMO_SLIDES) >= 16_000
