"""Security headers on every answer, as plain ASGI: a framework middleware would slow tiles to a quarter.

Source: OWASP ASVS 4.0.3, 14.4; Content Security Policy Level 3; RFC 6797 (Strict-Transport-Security).
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = "; ".join(
    (
        # Scripts, styles, fonts and connections: our own files and nothing written into a page.
        "default-src 'self'",
        "img-src 'self' data: blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        # In nobody's frame: a page laid over ours could make people press what they do not see.
        "frame-ancestors 'none'",
    )
)
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", POLICY.encode()),
]
"""On every answer, tiles too."""
STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000")
NO_STORE = (b"cache-control", b"no-store")
"""On what the API says: patients' data have no place on a disk. What says otherwise itself is left as it is."""


def caching(seconds: int) -> str:
    """`Cache-Control` of a patient's pictures: how long a browser, and nobody else, may keep them; 0 for not at all."""
    return f"private, max-age={seconds}" if seconds else "private, no-store"


class SecurityHeaders:
    """Adds `HEADERS` to every answer of an application, and what only some answers need.

    Args:
        app: the application.
        https: people reach it through HTTPS, so their browsers are told to use nothing else from now on.
    """

    def __init__(self, app: ASGIApp, *, https: bool = False) -> None:
        self._app = app
        self._added = [*HEADERS, STRICT_TRANSPORT] if https else HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        api = scope["path"].startswith("/api/")

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = message["headers"]
                silent = api and not any(name.lower() == NO_STORE[0] for name, _ in own)
                message["headers"] = [*own, *self._added, *([NO_STORE] if silent else [])]
            await send(message)

        await self._app(scope, receive, send_with_headers)
