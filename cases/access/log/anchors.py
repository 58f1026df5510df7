"""Where the log's chains stood, day by day, in a file outside the database that is only ever added to.

Who can rewrite the whole database can make a new chain that holds together; it will not hold the anchors.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from cases.access.log.entries import START, AuditHead

FILE = "heads.txt"
"""In the folder of the anchors: a line for each chain and day, "2026-11-22 <care provider> <seq> <hash>"."""


class AnchorsDamaged(Exception):
    """The file of anchors cannot be read; the message says where."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where a chain stood one day.

    Attributes:
        seq, hash: of its last entry then.
    """

    day: date
    care_provider_id: uuid.UUID
    seq: int
    hash: bytes


def read_heads(session: Session) -> list[AuditHead]:
    """The last link of every chain."""
    return list(session.scalars(select(AuditHead).order_by(AuditHead.care_provider_id)))


def anchor(heads: Iterable[AuditHead], folder: Path, *, today: date) -> int:
    """Write down where the chains stand, once a day for each, so that it lasts.

    Args:
        heads: of all chains.
        folder: outside the database, on a disk that the database's own administrators cannot change.
        today: in UTC.

    Returns:
        How many were written; those of today that are there already stay.

    Raises:
        AnchorsDamaged: the file cannot be read; nothing was added.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.open(folder / FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = {one.care_provider_id for one in read_anchors(folder) if one.day == today}
        lines = [
            f"{today} {head.care_provider_id} {head.seq} {head.hash.hex()}\n"
            for head in heads
            if head.care_provider_id not in done and head.seq
        ]
        os.write(file, "".join(lines).encode())
        os.fsync(file)
    finally:
        os.close(file)
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return len(lines)


def read_anchors(folder: Path) -> list[Anchor]:
    """Every anchor, in the order they were written. Raises AnchorsDamaged."""
    found = []
    try:
        lines = (folder / FILE).read_text("ascii").splitlines(keepends=True)
    except FileNotFoundError:
        return []
    except UnicodeDecodeError as error:
        raise AnchorsDamaged(f"The file of anchors {folder / FILE} holds what no anchor can.") from error
    for number, line in enumerate(lines, 1):
        try:
            day, provider, seq, hash_ = line.removesuffix("\n").split(" ")
            found.append(Anchor(date.fromisoformat(day), uuid.UUID(provider), int(seq), bytes.fromhex(hash_)))
            whole = line.endswith("\n") and len(found[-1].hash) == len(START)
        except ValueError:
            whole = False
        if not whole:
            raise AnchorsDamaged(
                f"Line {number} of {folder / FILE} is not an anchor. Compare the file with its copies; if the "
                "machine stopped while the line was written, take the line away."
            )
    return found
