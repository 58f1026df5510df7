"""Files that come in as the body of a request: checked who sends before the first byte, streamed to disk, cleaned.

Nothing of a database is held while the bytes come, which may take as long as a slow line does; and nothing stays on
disk of a file that does not come to its end.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from anyio import CapacityLimiter, to_thread
from fastapi import Request
from sqlalchemy.orm import Session
from starlette.requests import ClientDisconnect

from cases.access.actors import Actor
from cases.access.errors import Conflict, Invalid
from cases.records.attachments import LARGEST
from cases.transaction import transaction
from slides.errors import SlideError
from slides.staging import INCOMING, staged_folder
from viewer.dependencies import get_settings, get_storage
from worker.attachments.keeping import Cleaned, clean
from worker.attachments.scanning import Scanned, scan
from worker.sandbox import Crashed

LONGEST_S = 1800.0
"""Seconds in which a file must have come: 50 MB on a line of 0.25 Mbit/s."""
FULL = 0.85
"""Share of the disk that may be taken before nothing more comes in. Source: domain rules, 1."""
_PIECE = 1 << 20
_CLEANING = CapacityLimiter(2)
"""Pictures that one process decodes at a time; each may take half a gigabyte."""

Check = Callable[[Request, Session, datetime], Actor]


@dataclass(frozen=True)
class IncomingFile:
    """A file that has come in whole and been cleaned; it goes away unless it is put in its place.

    Attributes:
        received_digest: SHA-256 of what came, in hexadecimal.
    """

    cleaned: Cleaned
    received_digest: str
    scanned: Scanned


@asynccontextmanager
async def incoming_file(request: Request, check: Check) -> AsyncIterator[IncomingFile]:
    """Take the body of a request in as a file.

    Args:
        request: whose body has not been read.
        check: raises where the sender may not; in a transaction of its own, before anything is read.

    Raises:
        Invalid: it is empty, too large, cut off, or not a file of a kind that is taken.
        Conflict: the disk is full, or the file came too slowly or could not be read just now.
    """
    await to_thread.run_sync(_check, request, check)
    storage, settings = get_storage(request), get_settings(request)
    storage.attachments.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(storage.attachments).used > FULL * shutil.disk_usage(storage.attachments).total:
        raise Conflict("The disk is nearly full, so nothing more is taken in. Tell IT.")
    with staged_folder(storage.attachments / INCOMING) as folder:
        received_digest = await _receive(request, folder / "came")
        try:
            cleaned = await to_thread.run_sync(
                clean, request.app.state.sandbox, folder / "came", limiter=_CLEANING, abandon_on_cancel=False
            )
        except SlideError as error:
            raise Invalid(str(error), field="body") from error
        except Crashed as error:
            raise Conflict("The file could not be read just now. Send it again.") from error
        scanned = await to_thread.run_sync(scan, cleaned.path, settings.clamd)
        yield IncomingFile(cleaned, received_digest, scanned)


def _check(request: Request, check: Check) -> None:
    with transaction(request.app.state.sessions) as session:
        check(request, session, datetime.now(UTC))


async def _receive(request: Request, path: Path) -> str:
    digest, size, piece = hashlib.sha256(), 0, bytearray()
    with path.open("xb") as file:

        def write() -> None:
            digest.update(piece)
            file.write(piece)
            piece.clear()

        try:
            async with asyncio.timeout(LONGEST_S):
                async for chunk in request.stream():
                    size += len(chunk)
                    if size > LARGEST:
                        raise Invalid(f"The file is too large; {LARGEST} bytes are accepted.", field="body")
                    piece += chunk
                    if len(piece) >= _PIECE:
                        await to_thread.run_sync(write)
        except ClientDisconnect:
            raise Invalid("The file was cut off on its way. Send it again.", field="body") from None
        except TimeoutError:
            raise Conflict(f"The file did not come within {LONGEST_S:.0f} s. Send it on a better line.") from None
        await to_thread.run_sync(write)
    if not size:
        raise Invalid("The file is empty (0 bytes). Choose it again.", field="body")
    return digest.hexdigest()


def make_fingerprint(request: Request, *parts: object) -> bytes:
    """SHA-256 of method, path and what was sent, for an Idempotency-Key."""
    sent = [request.method, request.url.path, *parts]
    return hashlib.sha256("\n".join(map(str, sent)).encode()).digest()
