"""Which files are one slide, and originals kept by their content, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from images import scanners
from images.dicoms import write_dicom
from images.pictures import picture
from images.scanners import NAME

from slides.archive import Archive
from slides.errors import DamagedFile, EmptyFile, UnsupportedFile
from slides.files import find_slides, gather, main_file
from slides.geometry import Region
from slides.opening import open_slide
from slides.staging import INCOMING, clear


def names(path: Path) -> list[list[str]]:
    return sorted([name for _, name in slide.members] for slide in find_slides(path))


def mirax(folder: Path) -> Path:
    (folder / NAME).mkdir(parents=True)
    (folder / f"{NAME}.mrxs").write_bytes(b"main")
    for name in ("Slidedat.ini", "Data0000.dat", "Index.dat"):
        (folder / NAME / name).write_bytes(name.encode())
    return folder / f"{NAME}.mrxs"


def test_one_file_is_one_slide_without_its_name(tmp_path: Path) -> None:
    path = tmp_path / f"{NAME}.SVS"
    path.write_bytes(b"x")
    assert names(path) == [["slide.svs"]]
    assert find_slides(path)[0].byte_size == 1


def test_a_mirax_file_takes_its_folder_along(tmp_path: Path) -> None:
    main = mirax(tmp_path)
    found = find_slides(tmp_path)
    assert len(found) == 1, "the folder's own files are no slides"
    assert found[0].members[0] == (main, "slide.mrxs")
    assert [name for _, name in found[0].members[1:]] == ["slide/Data0000.dat", "slide/Index.dat", "slide/Slidedat.ini"]
    assert not any("Pahittad" in name for _, name in found[0].members)
    original = Archive(tmp_path / "archive").store(found[0])
    assert Archive(tmp_path / "archive").path(original.digest).name == "slide.mrxs"


def test_hamamatsus_parts_keep_the_names_their_index_gives(tmp_path: Path) -> None:
    (tmp_path / "a.vms").write_text("ImageFile=a_0.jpg\nMapFile=a_map.jpg\n")
    for name in ("a_0.jpg", "a_map.jpg", "other.jpg"):
        (tmp_path / name).write_bytes(b"x")
    assert [name for _, name in gather(tmp_path / "a.vms").members] == ["a.vms", "a_0.jpg", "a_map.jpg"]


def test_dicom_files_are_grouped_by_series(tmp_path: Path) -> None:
    one = write_dicom(tmp_path / "first", picture(300, 200))
    two = write_dicom(tmp_path / "second", picture(300, 200, seed=3))
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    for prefix, made in (("a", one), ("b", two)):
        for file in made.path.iterdir():
            shutil.copy(file, mixed / f"{prefix} {file.name}")
    assert names(mixed) == [["0001.dcm", "0002.dcm"]] * 2
    archive = Archive(tmp_path / "archive")
    for slide, made in zip(find_slides(mixed), (one, two), strict=True):
        with open_slide(archive.path(archive.store(slide).digest)) as kept:
            assert np.array_equal(kept.read(Region(0, 0, 300, 200), level=0), made.planes[0].pixels)


def test_a_folder_is_searched_to_its_bottom(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "x.ndpi").write_bytes(b"x")
    (tmp_path / "y.tif").write_bytes(b"y")
    (tmp_path / "notes.txt").write_bytes(b"z")
    (tmp_path / ".hidden.svs").write_bytes(b"z")
    assert names(tmp_path) == [["slide.ndpi"], ["slide.tif"]]


def test_nothing_to_find(tmp_path: Path) -> None:
    with pytest.raises(EmptyFile, match=r"holds no slide; files ending in \.bif"):
        find_slides(tmp_path)
    with pytest.raises(FileNotFoundError) as caught:
        find_slides(tmp_path / NAME)
    assert NAME not in str(caught.value)
    with pytest.raises(UnsupportedFile, match="no files"):
        main_file(tmp_path)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive")


def test_an_original_is_kept_as_it_is(archive: Archive, tmp_path: Path) -> None:
    made = scanners.write_aperio(tmp_path / f"{NAME}.svs", picture(300, 200), factors=(1,))
    data = made.path.read_bytes()
    steps: list[int] = []
    original = archive.store(gather(made.path), progress=steps.append)
    assert original.digest == hashlib.sha256(data).hexdigest()
    assert original.byte_size == len(data) == sum(steps)
    kept = archive.path(original.digest)
    assert kept.read_bytes() == data
    assert kept.stat().st_mode & 0o222 == 0, "it could be written to"
    assert made.path.read_bytes() == data
    assert archive.digests() == [original.digest]
    assert not [file for file in archive.root.rglob("*") if "Pahittad" in file.name]


def test_a_folders_hash_is_over_names_and_contents(archive: Archive, tmp_path: Path) -> None:
    found = find_slides(mirax(tmp_path / "one").parent)[0]
    expected = "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}\n"
        for path, name in sorted(found.members, key=lambda member: member[1])
    )
    assert archive.store(found).digest == hashlib.sha256(expected.encode()).hexdigest()


def test_the_same_content_twice_is_kept_once(archive: Archive, tmp_path: Path) -> None:
    for name in ("one.svs", "two.svs"):
        (tmp_path / name).write_bytes(b"same")
    first, second = (archive.store(gather(tmp_path / name)) for name in ("one.svs", "two.svs"))
    assert first == second
    assert len([file for file in archive.root.rglob("*") if file.is_file()]) == 1
    assert list((archive.root / INCOMING).iterdir()) == []


def test_the_same_content_from_several_at_once(archive: Archive, tmp_path: Path) -> None:
    barrier = threading.Barrier(6)

    def store(path: Path) -> str:
        barrier.wait()
        return archive.store(gather(path)).digest

    with ThreadPoolExecutor(6) as pool:
        for number in range(25):
            path = tmp_path / f"{number}.svs"
            path.write_bytes(os.urandom(3000))
            assert len(set(pool.map(store, [path] * 6))) == 1
    assert len([file for file in archive.root.rglob("*") if file.is_file()]) == 25
    assert list((archive.root / INCOMING).iterdir()) == []


def test_an_empty_file_is_not_kept(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "one.svs").write_bytes(b"")
    with pytest.raises(EmptyFile, match="0 bytes"):
        archive.store(gather(tmp_path / "one.svs"))
    assert list(archive.root.rglob("*")) == [archive.root / INCOMING]


def test_a_source_that_changes_while_it_is_copied(archive: Archive, tmp_path: Path) -> None:
    path = tmp_path / "one.svs"
    path.write_bytes(b"x" * 6_000_000)

    def grow(count: int) -> None:
        with path.open("ab") as file:
            file.write(b"y" * 10)

    with pytest.raises(DamagedFile, match="changed while it was copied"):
        archive.store(gather(path), progress=grow)
    assert list(archive.root.rglob("*")) == [archive.root / INCOMING]


def test_a_killed_copy_leaves_only_a_folder_of_what_came_in(tmp_path: Path) -> None:
    source = tmp_path / "one.svs"
    source.write_bytes(b"x" * 9_000_000)
    code = (
        "import sys, time; from pathlib import Path\n"
        "from slides.archive import Archive; from slides.files import gather\n"
        "def wait(count): print(count, flush=True); time.sleep(20)\n"
        "Archive(Path(sys.argv[2])).store(gather(Path(sys.argv[1])), progress=wait)\n"
    )
    arguments = [sys.executable, "-W", "ignore", "-c", code, str(source), str(tmp_path / "archive")]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    incoming = tmp_path / "archive" / INCOMING
    assert len(list(incoming.iterdir())) == 1
    assert Archive(tmp_path / "archive").digests() == []
    assert clear(incoming) == 1
    assert list(incoming.iterdir()) == []


def test_what_was_never_archived(archive: Archive) -> None:
    with pytest.raises(FileNotFoundError, match="not where it was stored"):
        archive.path("0" * 64)
