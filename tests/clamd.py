"""A virus scanner that speaks clamd's protocol over a real socket. Source: clamd(8), INSTREAM."""

from __future__ import annotations

import socket
import socketserver
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from attached_files import EICAR


class Clamd(socketserver.ThreadingTCPServer):
    """Knows one virus, and can be made to be difficult.

    Attributes:
        heard: sizes of what it was asked about.
        limit: bytes that it takes.
        broken: it hangs up without a word.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Talk)
        self.heard: list[int] = []
        self.limit, self.broken = 60_000_000, False

    @property
    def address(self) -> str:
        """As SAMSYN_CLAMD wants it."""
        return f"127.0.0.1:{self.server_address[1]}"


class _Talk(socketserver.BaseRequestHandler):
    server: Clamd
    request: socket.socket

    def handle(self) -> None:
        if self.server.broken:
            return
        assert self._read(10) == b"zINSTREAM\0"
        stream = b""
        while length := struct.unpack(">I", self._read(4))[0]:
            stream += self._read(length)
            if len(stream) > self.server.limit:
                self.request.sendall(b"INSTREAM size limit exceeded. ERROR\0")
                return
        self.server.heard.append(len(stream))
        found = b"stream: Eicar-Test-Signature FOUND\0" if EICAR in stream else b"stream: OK\0"
        self.request.sendall(found)

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self.request.recv(count - len(data))
            if not part:
                raise ConnectionResetError
            data += part
        return data


@contextmanager
def running_clamd() -> Iterator[Clamd]:
    """A scanner for a while."""
    with Clamd() as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
