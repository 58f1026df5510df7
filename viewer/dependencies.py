"""What endpoints ask for: a transaction, somebody who may, the version that was read, the files."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Annotated, Protocol

from fastapi import Depends, Header, Query, Request, Response
from sqlalchemy.orm import Session

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event, Outcome
from cases.access.errors import NotPermitted, Stale
from cases.access.gate import Code, Decision, Intent, Refused
from cases.access.grants import delegated
from cases.access.permissions import CARE, DELEGABLE, PERMITS, Permission
from cases.access.sessions import Found, find_actor
from cases.database import act_for
from cases.transaction import transaction
from viewer.problems import ForeignSite, NotSignedIn, VersionMissing
from viewer.settings import ViewerSettings
from worker.storage import Storage

COOKIE = "samsyn_session"
BACKGROUND = "samsyn-background"
"""A page sends this header with what no person caused, which then does not keep the session from locking."""


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


def get_now() -> datetime:
    """The moment of the request."""
    return datetime.now(UTC)


def get_transaction(request: Request) -> Iterator[Session]:
    """One transaction for the request, committed before the answer is sent."""
    with transaction(request.app.state.sessions) as session:
        yield session


Settings = Annotated[ViewerSettings, Depends(get_settings)]
Files = Annotated[Storage, Depends(get_storage)]
Now = Annotated[datetime, Depends(get_now)]
Database = Annotated[Session, Depends(get_transaction, scope="function")]


def find_session(request: Request, database: Session, *, now: datetime, active: bool = True) -> Found:
    """Who is asking, as far as they have come with signing in.

    Args:
        request: with the cookie.
        database: of this request.
        now: the moment.
        active: whether this is a person's doing, which keeps the session from locking.

    Raises:
        NotSignedIn: nobody.
    """
    token = request.cookies.get(cookie_name(request.app.state.settings))
    found = token and find_actor(
        database,
        token,
        now=now,
        active=active and BACKGROUND not in request.headers,
        client_ip=request.client.host if request.client else None,
        user_agent=request.headers.get("user-agent"),
    )
    if not found:
        raise NotSignedIn("Sign in first; a session ends after ten hours or when it is signed out.")
    return found


def permit(*permissions: Permission, active: bool = True) -> Callable[..., Actor]:
    """Ask for somebody who may: signed in, acting under one assignment, with a role that allows it.

    From here on the transaction sees what the actor's care provider may see, and nothing else.

    Args:
        permissions: of which one is enough; none asks for an actor only.
        active: whether calling this is a person's doing, which keeps the session from locking.
    """

    def get_actor(request: Request, database: Database, now: Now) -> Actor:
        """Raises NotSignedIn, SessionLocked, AssignmentMissing, NotPermitted and Refused."""
        actor = find_session(request, database, now=now, active=active).require_actor()
        act_for(database, actor.provider_id)
        held = {permission for permission in permissions if actor.may(permission, now)}
        if not held and not DELEGABLE.isdisjoint(permissions):
            held = set(permissions) & delegated(database, actor.assignment_id, now=now)
        if permissions and not held:
            _log_refusal(database, actor, Code.D04, permissions)
            roles = sorted({role for permission in permissions for role in PERMITS[permission]})
            raise NotPermitted(f"None of your roles allows this. It is for: {', '.join(roles)}. Your head can help.")
        if held and held <= CARE and not actor.takes_part(now):
            _log_refusal(database, actor, Code.D03, permissions)
            raise Refused(Decision(allow=False, intent=Intent.READ, code=Code.D03))
        return actor

    get_actor.permissions = permissions  # type: ignore[attr-defined]  # the permission table's test reads it
    return get_actor


def _log_refusal(database: Session, actor: Actor, code: Code, permissions: tuple[Permission, ...]) -> None:
    audit.record(
        database,
        Event.ACCESS_DENIED,
        by=actor,
        outcome=Outcome.DENIED,
        code=code,
        args={"permissions": " ".join(permissions)},
    )


def require_same_origin(request: Request) -> None:
    """Refuse changes that another site asked the browser for. Source: Fetch Metadata, Sec-Fetch-Site; RFC 6454."""
    if request.method in ("GET", "HEAD"):
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    # Browsers send the first to HTTPS and to this machine only, and the second with every change that a page makes.
    ours = origin is None or _host(origin) == _host(request.headers.get("host", ""))
    if site not in ("same-origin", "none") if site else not ours:
        raise ForeignSite("This change was asked for by another site, so it was not made. Open Samsyn itself.")


def _host(address: str) -> str:
    """Of an origin or a Host header, without the port, which a proxy may leave out."""
    return re.sub(r":\d+$", "", address.partition("://")[2] or address)


class HasVersion(Protocol):
    """A row that people change."""

    version: int


def get_match(if_match: Annotated[str | None, Header(description='The version that was read: "3".')] = None) -> int:
    """The version that the caller has seen. Raises VersionMissing."""
    found = re.fullmatch(r'(?:W/)?"(\d{1,9})"', if_match or "", re.ASCII)
    if found is None:
        raise VersionMissing('Say which version you have seen: If-Match: "<version>", as ETag gave it.')
    return int(found[1])


def require_version(row: HasVersion, match: int) -> None:
    """Raise Stale if somebody changed a row since the caller read it."""
    if row.version != match:
        raise Stale(f"Somebody changed this meanwhile: version {match} was given, {row.version} is the newest.")


def set_etag(response: Response, row: HasVersion) -> None:
    """Say which version of a row an answer shows."""
    response.headers["etag"] = f'"{row.version}"'


Match = Annotated[int, Depends(get_match)]
Limit = Annotated[int, Query(ge=1, le=200, description="How many at the most.")]
After = Annotated[uuid.UUID | None, Query(description="Go on after this one: `next` of the page before.")]
