"""Where originals are kept: by the hash of their content, whole or not at all, never changed again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from slides.errors import DamagedFile, EmptyFile
from slides.files import SlideFiles, main_file
from slides.staging import INCOMING, staged_folder, sync_folder

_CHUNK = 4 << 20


@dataclass(frozen=True)
class Original:
    """A slide's files as archived.

    Attributes:
        digest: SHA-256 in hexadecimal: of the one file, or of the list of the files' hashes and names.
        byte_size: of all files together.
    """

    digest: str
    byte_size: int


class Archive:
    """Originals in one folder of a local disk.

    Args:
        root: made when the first original comes.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def store(self, files: SlideFiles, *, progress: Callable[[int], None] | None = None) -> Original:
        """Copy a slide's files in, hashing them on the way; the same content twice is kept once.

        Args:
            files: as `slides.files` found them; they are left where they are.
            progress: called with the bytes copied since the last call.

        Raises:
            EmptyFile: one of the files holds nothing.
            DamagedFile: a file changed while it was copied.
            OSError: the disk is full or refuses. Nothing is left behind.
        """
        with staged_folder(self.root / INCOMING) as incoming:
            hashes, total = [], 0
            for source, name in files.members:
                digest, size = _copy(source, incoming / name, progress or (lambda count: None))
                hashes.append((name, digest))
                total += size
            whole = _join(hashes)
            place = self._folder(whole)
            place.parent.mkdir(exist_ok=True)
            sync_folder(self.root)
            if not place.exists():
                for folder in [incoming, *(entry for entry in incoming.rglob("*") if entry.is_dir())]:
                    sync_folder(folder)
                try:
                    incoming.rename(place)
                except OSError:
                    # Another process brought the same content in a moment before.
                    if not place.is_dir():
                        raise
                sync_folder(place.parent)
            return Original(whole, total)

    def path(self, digest: str) -> Path:
        """What `open_slide` takes for an archived original. Raises FileNotFoundError when it is not there."""
        folder = self._folder(digest)
        if not folder.is_dir():
            raise FileNotFoundError("The archived original is not where it was stored.")
        return main_file(folder)

    def byte_size(self, digest: str) -> int:
        """Of all files of an archived original together; 0 where there is none."""
        return sum(file.stat().st_size for file in self._folder(digest).rglob("*") if file.is_file())

    def digest(self, digest: str) -> str:
        """What the content of an archived original comes to now, read again in full."""
        folder = self._folder(digest)
        hashes = []
        for path in sorted(file for file in folder.rglob("*") if file.is_file()):
            with path.open("rb") as file:
                hashes.append((path.relative_to(folder).as_posix(), hashlib.file_digest(file, "sha256").hexdigest()))
        return _join(hashes)

    def folders(self) -> dict[Path, int]:
        """Where originals lie, and when each of these folders last changed, in nanoseconds."""
        return {folder: folder.stat().st_mtime_ns for folder in self.root.glob("??")}

    def digests(self) -> list[str]:
        """Of everything that is archived."""
        return sorted(entry.name for entry in self.root.glob("??/*") if entry.is_dir())

    def _folder(self, digest: str) -> Path:
        return self.root / digest[:2] / digest


def _join(hashes: list[tuple[str, str]]) -> str:
    """One digest of (name, digest) of several files: the file's own where there is one."""
    if len(hashes) == 1:
        return hashes[0][1]
    manifest = "".join(f"{digest}  {name}\n" for name, digest in sorted(hashes))
    return hashlib.sha256(manifest.encode()).hexdigest()


def _copy(source: Path, target: Path, progress: Callable[[int], None]) -> tuple[str, int]:
    """Copy one file to disk. Returns its SHA-256 and size in bytes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with source.open("rb") as reader, target.open("xb") as writer:
        before = os.fstat(reader.fileno())
        while chunk := reader.read(_CHUNK):
            writer.write(chunk)
            digest.update(chunk)
            progress(len(chunk))
            if writer.tell() > before.st_size:
                break  # somebody writes to it faster than it can be read
        after = os.fstat(reader.fileno())
        size = writer.tell()
        writer.flush()
        os.fsync(writer.fileno())
    if not size:
        raise EmptyFile("The file is empty (0 bytes). Copy it again from the scanner.")
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or size != after.st_size:
        raise DamagedFile("The file changed while it was copied. Bring it in again when the scanner is done with it.")
    target.chmod(0o440)
    return digest.hexdigest(), size
