"""Where attached files lie: each under its row's id, cleaned, whole or not at all; and looking after them.

A file is in its place before its row is committed. Whoever is killed between the two leaves a file that no row
knows, which `remove_unknown` finds.
"""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog
from sqlalchemy.orm import Session, sessionmaker

from cases.records.attachments import ScanState, find_known, find_unscanned, take_scan
from cases.transaction import transaction
from slides.staging import sync_folder
from worker.attachments.scanning import scan
from worker.sandbox import MediaType, Sandbox
from worker.storage import Storage

UNKNOWN_S = 3600.0
"""Seconds after which a file that no row knows belongs to nobody who is still at work."""
TOGETHER = 5
"""Files that are scanned in one go, so that other work of the same process is not kept waiting for long."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Cleaned:
    """A file that names nobody, on disk, not yet in its place.

    Attributes:
        digest: SHA-256 in hexadecimal.
    """

    path: Path
    media_type: MediaType
    byte_size: int
    digest: str


def clean(sandbox: Sandbox, came: Path) -> Cleaned:
    """Make a copy of a file that names nobody, beside it, on disk.

    Args:
        sandbox: in which the file is read.
        came: alone in a folder of its own.

    Raises:
        SlideError, Crashed, OSError: as for `Sandbox.clean`.
    """
    path = came.with_name("cleaned")
    with path.open("x+b") as file:
        media_type = sandbox.clean(came, file)
        file.flush()
        os.fsync(file.fileno())
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    path.chmod(0o440)
    return Cleaned(path, media_type, size, digest)


def keep(storage: Storage, attachment_id: uuid.UUID, path: Path) -> None:
    """Put a cleaned file in its place. Raises OSError."""
    place = storage.attachment(attachment_id)
    place.parent.mkdir(parents=True, exist_ok=True)
    path.replace(place)
    sync_folder(place.parent)


def scan_waiting(make: sessionmaker[Session], storage: Storage, *, clamd: str, now: datetime) -> int:
    """Ask the scanner about files that it has not said anything about. Infected ones are removed.

    Returns:
        How many it has said something about.
    """
    if not clamd:
        return 0
    with transaction(make) as session:
        waiting = find_unscanned(session, limit=TOGETHER)
    settled = 0
    for attachment_id in waiting:
        place = storage.attachment(attachment_id)
        if not place.is_file():
            log.warning("an attached file is missing", attachment=str(attachment_id))
            continue
        scanned = scan(place, clamd)
        if not scanned.answered:
            break  # the others would wait for it one by one
        if scanned.state is ScanState.PENDING:
            continue
        with transaction(make) as session:
            take_scan(session, attachment_id, scanned.state, finding=scanned.finding, now=now)
        if scanned.state is ScanState.INFECTED:
            place.unlink(missing_ok=True)
        settled += 1
    return settled


def remove_unknown(make: sessionmaker[Session], storage: Storage) -> int:
    """Remove files that no row knows, or whose row says that they are infected. Returns how many."""
    settled = time.time() - UNKNOWN_S
    found = {}
    for place in storage.attachments.glob("??/*"):
        # Names are ids of ours; whatever else lies there is not ours to remove.
        if len(place.name) == 36 and place.stat().st_mtime < settled:
            found[uuid.UUID(place.name)] = place
    with transaction(make) as session:
        known = find_known(session, list(found))
    unknown = found.keys() - known
    for attachment_id in unknown:
        log.warning("an attached file without a row is removed", attachment=str(attachment_id))
        found[attachment_id].unlink(missing_ok=True)
    return len(unknown)
