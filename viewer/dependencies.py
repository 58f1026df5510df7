"""What endpoints ask for: a transaction, the person, the files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from cases.access.sessions import NotAllowed, SignInSession, find_session
from cases.database import transaction
from viewer.problems import NotSignedIn
from viewer.settings import ViewerSettings
from worker.storage import Storage

COOKIE = "samsyn_session"


def cookie_name(settings: ViewerSettings) -> str:
    """Of the session cookie. Browsers tie a `__Host-` cookie to this host and to HTTPS."""
    return f"__Host-{COOKIE}" if settings.https else COOKIE


def get_settings(request: Request) -> ViewerSettings:
    """The settings made at start."""
    settings: ViewerSettings = request.app.state.settings
    return settings


def get_storage(request: Request) -> Storage:
    """The files."""
    storage: Storage = request.app.state.storage
    return storage


def get_transaction(request: Request) -> Iterator[Session]:
    """One transaction for the request, committed before the answer is sent."""
    with transaction(request.app.state.sessions) as session:
        yield session


def get_signed_in(request: Request, database: Database) -> SignInSession:
    """Who is asking. Raises NotSignedIn."""
    token = request.cookies.get(cookie_name(request.app.state.settings))
    found = find_session(database, token) if token else None
    if found is None:
        raise NotSignedIn("Sign in first; a session ends after ten hours or when it is signed out.")
    return found


def require_same_origin(request: Request) -> None:
    """Refuse changes that another site asked the browser for. Source: Fetch Metadata, Sec-Fetch-Site."""
    if request.method not in ("GET", "HEAD") and request.headers.get("sec-fetch-site", "none") not in (
        "same-origin",
        "none",
    ):
        raise NotAllowed("This change was asked for by another site, so it was not made. Open Samsyn itself.")


Settings = Annotated[ViewerSettings, Depends(get_settings)]
Files = Annotated[Storage, Depends(get_storage)]
Database = Annotated[Session, Depends(get_transaction, scope="function")]
SignedIn = Annotated[SignInSession, Depends(get_signed_in, scope="function")]
