"""How tests ask a web: past any proxy, and without reading the certificates of every authority in the world first."""

from __future__ import annotations

import ssl

import httpx2

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Every address here is http; what httpx would make otherwise takes a fifth of a second of each client."""


def make_client(address: str, token: str | None = None, *, timeout: float = 15) -> httpx2.Client:
    """A browser as far as the web can tell.

    Args:
        address: of the web, without a path.
        token: of a session; None for somebody who is not signed in.
        timeout: seconds that an answer may take.
    """
    cookies = {"samsyn_session": token} if token else None
    return httpx2.Client(base_url=address, timeout=timeout, trust_env=False, verify=NO_TLS, cookies=cookies)
