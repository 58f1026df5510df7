"""Files that are being written: aside, under a lock, and under their name only when whole and on disk.

Whoever writes holds a lock on what it writes, and the system lets go of the lock when the writer ends, however it
ends. So what is not locked has been left behind, and `clear` may remove it at any time.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

INCOMING = "incoming"
"""Name of the folder, on the volume of the finished files, where unfinished ones lie."""


@contextmanager
def staged(target: Path, *, aside: Path | None = None) -> Iterator[BinaryIO]:
    """Write a file that appears whole or not at all.

    Leaving the block syncs the file and gives it its name, in place of an older one; leaving it by an error removes
    what was written.

    Args:
        target: its name; missing folders are made.
        aside: where it lies meanwhile, on the same volume; beside the target by default.

    Raises:
        OSError: the disk is full or refuses.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = aside or target.parent
    folder.mkdir(parents=True, exist_ok=True)
    handle, path = _lock_new(lambda: tempfile.mkstemp(prefix=f"{target.name}.", suffix=".partial", dir=folder))
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            os.fsync(handle)
            path.replace(target)
        sync_folder(target.parent)
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def staged_folder(aside: Path) -> Iterator[Path]:
    """A folder to fill; whoever renames it keeps it, otherwise it is removed at the end of the block.

    Args:
        aside: where it lies, on the volume of its future place.
    """
    aside.mkdir(parents=True, exist_ok=True)

    def make() -> tuple[int, str]:
        name = tempfile.mkdtemp(dir=aside)
        return os.open(name, os.O_RDONLY), name

    handle, path = _lock_new(make)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(handle)


def clear(aside: Path) -> int:
    """Remove what killed writers left behind. Returns how many files and folders that was."""
    removed = 0
    for path in aside.iterdir() if aside.is_dir() else ():
        # What cannot be opened or locked is somebody else's, or has just been finished.
        with suppress(OSError):
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()
                removed += 1
            finally:
                os.close(handle)
    return removed


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on disk before going on."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _lock_new(make: Callable[[], tuple[int, str]]) -> tuple[int, Path]:
    """Make something and lock it; once more if it was cleared away between the two."""
    while True:
        try:
            handle, name = make()
        except FileNotFoundError:
            continue
        fcntl.flock(handle, fcntl.LOCK_EX)
        if Path(name).exists():
            return handle, Path(name)
        os.close(handle)
