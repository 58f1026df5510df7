"""Sending one signed HTTPS request to a receiver whom nothing else is trusted about: how long it takes, where it leads.

A receiver checks `Samsyn-Signature`: "v1=" and the HMAC-SHA256 (RFC 2104) in hexadecimal, under the secret that it was
told, of timestamp, ".", delivery, "." and the body as it came. An older timestamp than a few minutes is somebody's who
repeats what they overheard; a delivery that it has had before is to be answered with success and nothing more.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

from cases.sharing.outbox import Attempt
from cases.sharing.webhook_addresses import Network, may_reach

CONNECTING = 5.0
"""Seconds to connect to a receiver."""
TOGETHER = 20.0
"""Seconds for all of it, however slowly the receiver drips."""
PERMANENT = range(400, 500)
"""Statuses that are about this message, not about the receiver; but for `BUSY`."""
BUSY = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})


@dataclass(frozen=True, slots=True)
class Webhook:
    """What is sent, and where to.

    Attributes:
        delivery: the same at each attempt, so that the receiver knows it again.
        event, request: for routing; nothing of a patient.
    """

    address: str
    secret: str
    delivery: str
    event: str
    request: str
    content_type: str
    body: bytes


class _Refused(Exception):
    """The receiver's name leads where webhooks do not go."""


def sign(secret: str, *, timestamp: str, delivery: str, body: bytes) -> str:
    """The signature that a receiver makes too, and compares."""
    signed = f"{timestamp}.{delivery}.".encode() + body
    return "v1=" + hmac.digest(secret.encode(), signed, hashlib.sha256).hex()


def post(
    webhook: Webhook, *, networks: Sequence[Network], trust: ssl.SSLContext, patience: float = TOGETHER
) -> Attempt:
    """Send once; a redirection is not followed, and what the receiver says besides its status is not read.

    Args:
        webhook: to send.
        networks: that may be reached besides public addresses.
        trust: whose certificates are believed.
        patience: seconds for all of it.
    """
    connection: _Pinned | None = None
    try:
        parts = urlsplit(webhook.address)
        port = parts.port or 443
        connection = _Pinned(parts.hostname or "", port, networks=networks, trust=trust, patience=patience)
        with connection.deadline():
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", target, body=webhook.body, headers=_head(webhook))
            return _judge(connection.getresponse().status)
    except _Refused:
        return Attempt(False, "ADDRESS_REFUSED", unreachable=True)
    except socket.gaierror:
        return Attempt(False, "NAME_UNKNOWN", unreachable=True)
    except ssl.SSLCertVerificationError:
        return Attempt(False, "CERTIFICATE_REFUSED", unreachable=True)
    except (OSError, http.client.HTTPException, ValueError) as error:
        late = isinstance(error, TimeoutError) or (connection is not None and connection.late)
        return Attempt(False, "TIMED_OUT" if late else "CONNECTION_FAILED", unreachable=True)
    finally:
        if connection is not None:
            connection.close()


def _head(webhook: Webhook) -> dict[str, str]:
    timestamp = str(int(time.time()))
    signature = sign(webhook.secret, timestamp=timestamp, delivery=webhook.delivery, body=webhook.body)
    return {
        "Content-Type": webhook.content_type,
        "User-Agent": "Samsyn",
        "Connection": "close",
        "Samsyn-Event": webhook.event,
        "Samsyn-Request": webhook.request,
        "Samsyn-Delivery": webhook.delivery,
        "Samsyn-Timestamp": timestamp,
        "Samsyn-Signature": signature,
    }


def _judge(status: int) -> Attempt:
    about_this = status in PERMANENT and status not in BUSY
    return Attempt(200 <= status < 300, f"HTTP_{status}", unreachable=status >= 300 and not about_this)


class _Pinned(http.client.HTTPSConnection):
    """Connects to an address that has been looked at, and to no other that the name might lead to a moment later."""

    def __init__(
        self, host: str, port: int, *, networks: Sequence[Network], trust: ssl.SSLContext, patience: float
    ) -> None:
        super().__init__(host, port, context=trust)
        self._networks, self._trust = networks, trust
        self._patience = patience
        self._end = time.monotonic() + patience
        self.sock: ssl.SSLSocket | None = None
        self.late = False

    def connect(self) -> None:
        raw = self._reach()
        raw.settimeout(self._patience)
        # Its handshake is waited for only once it can be cut.
        self.sock = self._trust.wrap_socket(raw, server_hostname=self.host, do_handshake_on_connect=False)
        self.sock.do_handshake()

    def _reach(self) -> socket.socket:
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        allowed = [to for *_, to in found if may_reach(ipaddress.ip_address(str(to[0])), self._networks)]
        if not allowed:
            raise _Refused
        for place, (host, *_) in enumerate(allowed):
            try:
                patience = min(CONNECTING, max(self._end - time.monotonic(), 0.1))
                return socket.create_connection((str(host), self.port), timeout=patience)
            except OSError:
                if place == len(allowed) - 1:
                    raise
        raise _Refused

    @contextmanager
    def deadline(self) -> Iterator[None]:
        """Until the block ends: cut the connection when the time is over, whatever it is busy with."""
        timer = threading.Timer(max(self._end - time.monotonic(), 0), self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _cut(self) -> None:
        self.late = True
        if self.sock is not None:
            with suppress(OSError):
                # Not the TLS layer's own: it would wait for the other side.
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)
