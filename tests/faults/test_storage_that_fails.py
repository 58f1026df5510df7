"""Disks that are full, slow or lose what lies on them, under a whole installation."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

from faults.installation import Installation
from faults.reader import Reader
from faults.slide_supply import SlideSupply
from faults.timeline import Timeline
from makers import folder_for_everyone, wait_for

from cases.records.slide_images import LEASE
from tiler.pyramid import Pyramid

ROOM = 1 << 20
"""Bytes left to the database and the rest, when there is no room left for a pyramid."""


def on_a_small_disk(folder: Path, *, size: str) -> list[str]:
    """Words to put before a command for which a folder is a disk of its own.

    Root mounts it in a mount namespace; everybody else becomes root of a user namespace for that, and in a second
    one inside it himself again. Source: user_namespaces(7).
    """
    mount = f'mount -t tmpfs -o size={size},mode=711 samsyn "$0"'
    if os.geteuid() == 0:
        return ["unshare", "-m", "sh", "-c", f'{mount} && exec "$@"', str(folder)]
    myself = f"unshare -U --map-user={os.geteuid()} --map-group={os.getegid()}"
    return ["unshare", "-Urm", "sh", "-c", f'{mount} && exec {myself} "$@"', str(folder)]


def fill(disk: Path, *, but: int) -> Path:
    """Write to a disk until only some bytes are left. Returns the file to remove again."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        os.posix_fallocate(file.fileno(), 0, max(1, shutil.disk_usage(disk).free - but))
    return filler


def test_a_disk_that_fills_up_in_the_middle_of_a_pyramid(supply: SlideSupply, tmp_path: Path) -> None:
    slide, small = supply.draw("slower"), supply.draw("small")
    with folder_for_everyone() as folder:
        # The space keeps the sockets out of the folder, so that they can be reached from outside.
        data = folder / "small disk"
        data.mkdir()
        before = on_a_small_disk(data, size="400m")
        with Installation(data, Timeline(), before=before) as installation:
            installation.start("--slides", str(small.path), "--slides", str(slide.path))
            assert installation.supervisor is not None
            disk = Path(f"/proc/{installation.supervisor.pid}/root{data}")
            assert shutil.disk_usage(disk).total == 400 << 20, "these tests need mount namespaces: unshare(1)"
            halves = disk / "pyramids" / "incoming"
            readers = installation.hold(halves)
            filler = fill(disk, but=ROOM)
            installation.let_go(readers)
            row = installation.wait_for_row(slide.digest, reason_code="STORAGE_REFUSED")
            assert row["reason"] == "The storage refused (No space left on device); it is tried again by itself."
            assert (row["status"], row["attempts"]) == ("VERIFIED", 0)
            wait_for(lambda: [*halves.iterdir()] == [], within_s=5)
            assert [*disk.glob(f"pyramids/*/{row['id']}.tif")] == []

            # To the brim: nothing can be written any more, not even by the database and the broker.
            filler.unlink()
            filler = fill(disk, but=0)
            time.sleep(8)
            assert installation.supervisor.poll() is None
            filler.unlink()

            row = installation.wait_for_row(slide.digest, status="AVAILABLE", within_s=180)
            assert (row["reason_code"], row["level0_digest"]) == (None, slide.level0_digest)
            pyramid = Pyramid(next(disk.glob(f"pyramids/*/{row['id']}.tif")))
            assert pyramid.level0_digest() == slide.level0_digest
            pyramid.close()
            installation.wait_for_row(small.digest, status="AVAILABLE")
            wait_for(installation.answers, within_s=20)
            assert [*halves.iterdir()] == []


def test_originals_that_shrink_or_go_away_while_they_are_read(
    installation: Installation, supply: SlideSupply, tmp_path: Path
) -> None:
    shrinking, leaving = supply.draw("slower"), supply.draw("slow")
    ingest = installation.ingest(shrinking.path, leaving.path)
    builders = installation.stop_parts("builder")
    installation.wait_for_row(leaving.digest, status="VERIFIED")
    ingest.communicate(timeout=120)
    archived = {slide.digest: installation.storage.originals.path(slide.digest) for slide in (shrinking, leaving)}
    # What a process has open is still there for it: this one goes before anybody opens it.
    archived[leaving.digest].rename(tmp_path / "moved away")
    installation.let_go(builders)
    readers = installation.hold(installation.data / "pyramids" / "incoming")
    os.truncate(archived[shrinking.digest], archived[shrinking.digest].stat().st_size // 2)
    installation.let_go(readers)
    for slide in (shrinking, leaving):
        row = installation.wait_for_row(slide.digest, reason_code="SOURCE_MISSING")
        assert (row["status"] in ("VERIFYING", "VERIFIED"), row["attempts"]) == (True, 0)
        assert "is missing, or not whole" in row["reason"]
        assert not installation.storage.pyramid(row["id"]).exists()
    archived[shrinking.digest].unlink()
    for slide in (shrinking, leaving):
        shutil.copyfile(slide.path, archived[slide.digest])
    for slide in (shrinking, leaving):
        row = installation.wait_for_row(slide.digest, status="AVAILABLE", within_s=180)
        assert (row["reason_code"], row["level0_digest"]) == (None, slide.level0_digest)
    assert installation.unfinished() == []


def test_a_file_that_shrinks_while_it_is_copied(installation: Installation, tmp_path: Path) -> None:
    source = tmp_path / "shrinking.svs"
    with source.open("wb") as file:
        file.truncate(2 << 30)
    ingest = installation.ingest(source)
    wait_for(lambda: any(half.stat().st_size for half in installation.unfinished()), within_s=120, every_s=0.002)
    ingest.send_signal(signal.SIGSTOP)
    os.truncate(source, 4096)
    ingest.send_signal(signal.SIGCONT)
    said, _ = ingest.communicate(timeout=120)
    assert ingest.returncode == 1
    assert "The file changed while it was copied." in " ".join(said.split())
    assert installation.unfinished() == []


def test_a_disk_that_does_not_answer_for_longer_than_a_lease(installation: Installation, supply: SlideSupply) -> None:
    """The process that reads is stopped, as one is that waits for a disk: it holds its files and says nothing."""
    slow, others = supply.draw("slower"), [supply.draw("small"), supply.draw("medium")]
    ingest = installation.ingest(slow.path)
    readers = installation.hold(installation.data / "pyramids" / "incoming")
    row = installation.wait_for_row(slow.digest, pyramid="BUILDING")
    ingest.communicate(timeout=120)
    stopped = time.monotonic()
    with Reader(installation, seed=1) as reader:
        installation.ingest(*(slide.path for slide in others)).communicate(timeout=120)
        for slide in others:
            installation.wait_for_row(slide.digest, status="AVAILABLE")
        wait_for(lambda: time.monotonic() - stopped > 1.3 * LEASE.total_seconds() and reader.tiles > 100, within_s=120)
        held = installation.wait_for_row(slow.digest, pyramid="BUILDING")
    assert (held["lease_holder"], held["attempts"]) == (row["lease_holder"], 0)
    installation.let_go(readers)
    row = installation.wait_for_row(slow.digest, status="AVAILABLE")
    assert row["level0_digest"] == slow.level0_digest
    assert (reader.errors, reader.wrong) == (0, [])
