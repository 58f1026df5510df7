"""Asking a virus scanner about a file, by clamd's own protocol.

Source: clamd(8), INSTREAM: the length of each piece as four bytes, the highest first, then the piece; nothing ends it.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from pathlib import Path

import structlog

from cases.records.attachments import ScanState

PATIENCE_S = 30.0
"""Seconds in which a scanner must take a piece or answer."""
_PIECE = 1 << 18
_LONGEST_ANSWER = 4096

log = structlog.get_logger()


@dataclass(frozen=True)
class Scanned:
    """What came of asking.

    Attributes:
        finding: the scanner's name of what it found.
        answered: it said something.
    """

    state: ScanState
    finding: str | None = None
    answered: bool = True


def scan(path: Path, clamd: str) -> Scanned:
    """Ask a scanner about a file.

    Args:
        path: of the file.
        clamd: "host:port"; empty where there is no scanner.

    Returns:
        NOT_SCANNED without a scanner; PENDING where it does not answer, or cannot say.
    """
    if not clamd:
        return Scanned(ScanState.NOT_SCANNED)
    try:
        answer = _ask(path, clamd)
    except OSError as error:
        log.warning("the virus scanner does not answer", error=type(error).__name__)
        return Scanned(ScanState.PENDING, answered=False)
    # "stream: OK", "stream: Eicar-Test-Signature FOUND", or a sentence that ends in ERROR.
    said = answer.removeprefix("stream: ")
    if said == "OK":
        return Scanned(ScanState.CLEAN)
    if said.endswith(" FOUND"):
        name = "".join(filter(str.isprintable, said.removesuffix(" FOUND")))[:100]
        return Scanned(ScanState.INFECTED, name)
    log.warning("the virus scanner cannot say; its StreamMaxLength must be 50 MB or more", size=path.stat().st_size)
    return Scanned(ScanState.PENDING)


def _ask(path: Path, clamd: str) -> str:
    host, _, port = clamd.rpartition(":")
    address = host.strip("[]"), int(port)
    with socket.create_connection(address, timeout=PATIENCE_S) as connection, path.open("rb") as file:
        connection.sendall(b"zINSTREAM\0")
        try:
            while piece := file.read(_PIECE):
                connection.sendall(struct.pack(">I", len(piece)) + piece)
            connection.sendall(struct.pack(">I", 0))
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has heard enough, and may have said why
        answer = b""
        while not answer.endswith(b"\0") and len(answer) < _LONGEST_ANSWER:
            if not (part := connection.recv(_LONGEST_ANSWER)):
                break
            answer += part
    return answer.rstrip(b"\0\n").decode(errors="replace")
