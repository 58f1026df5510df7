"""Receivers of answers: small real HTTPS servers that take them, refuse them, hang, drip, or are late.

with Receiver(Manner.TAKES) as receiver:
    courier = Courier(world.worker, networks=HERE, trust=receiver.trust)
    ... receiver.address, receiver.received
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cases.sharing.webhook_addresses import parse_networks

HERE = parse_networks("127.0.0.0/8")
"""What the operator opens so that answers reach this machine."""
LATE = 0.7
"""Seconds after which a late receiver answers."""


class Manner(Enum):
    """What a receiver does with what it is sent."""

    TAKES = auto()
    BUSY = auto()
    REFUSES = auto()
    REDIRECTS = auto()
    HANGS = auto()
    DRIPS = auto()
    IS_LATE = auto()
    HANGS_UP = auto()
    MUMBLES = auto()


STATUSES = {Manner.TAKES: 200, Manner.IS_LATE: 204, Manner.BUSY: 503, Manner.REFUSES: 422, Manner.REDIRECTS: 302}


@dataclass(frozen=True)
class Received:
    """One request, with its headers' names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """A receiver that can change its manner. Use it as a context manager."""

    manner: Manner = Manner.TAKES
    received: list[Received] = field(default_factory=list)

    def __enter__(self) -> Receiver:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handle(self))
        server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(_make_certificate())
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        self._server, self._ended = server, threading.Event()
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        """Of the server, on this machine."""
        return int(self._server.server_address[1])

    @property
    def address(self) -> str:
        """To send answers to."""
        return f"https://localhost:{self.port}/answers?lab=1"

    @property
    def trust(self) -> ssl.SSLContext:
        """That believes the receiver's certificate."""
        return ssl.create_default_context(cafile=str(_make_certificate()))

    def wait(self, seconds: float) -> None:
        """Be busy with nothing for a while, or until the end."""
        self._ended.wait(seconds)


def _handle(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.received.append(Received(self.path, headers, body))
            with suppress(OSError):
                self._answer(receiver.manner)

        def _answer(self, manner: Manner) -> None:
            match manner:
                case Manner.HANGS:
                    receiver.wait(60)
                case Manner.HANGS_UP:
                    self.connection.shutdown(socket.SHUT_RDWR)
                case Manner.MUMBLES:
                    self.wfile.write(b"\x00\xff garbage\r\n\r\n")
                case Manner.DRIPS:
                    for _ in range(600):
                        self.wfile.write(b"H")
                        self.wfile.flush()
                        receiver.wait(0.1)
                case _:
                    if manner is Manner.IS_LATE:
                        time.sleep(LATE)
                    self.send_response(STATUSES[manner])
                    if manner is Manner.REDIRECTS:
                        self.send_header("location", f"https://127.0.0.1:{receiver.port}/elsewhere")
                    self.send_header("content-length", "0")
                    self.end_headers()
            self.close_connection = True

        def log_message(self, *said: Any) -> None:
            """Say nothing."""

    return Handler


@cache
def _make_certificate() -> Path:
    """A certificate of this machine with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )
    with tempfile.NamedTemporaryFile(suffix=".pem", delete=False) as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.write(certificate.public_bytes(Encoding.PEM))
    return Path(file.name)
