"""Who asks, in whichever state of signing in; everything else asks for an actor (`viewer.dependencies.permit`)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request, Response
from sqlalchemy.orm import Session, sessionmaker

from cases.access import sessions
from cases.access.sessions import Found, State
from viewer.api.session.state import SessionState, show
from viewer.dependencies import Database, Now, cookie_name, find_session
from viewer.problems import NotSignedIn
from viewer.settings import ViewerSettings


def get_found(request: Request, database: Database, now: Now) -> Found:
    """Whoever is signed in, in whichever state. Raises NotSignedIn."""
    return find_session(request, database, now=now, active=False)


def get_unlocked(request: Request, database: Database, now: Now) -> Found:
    """Whoever is signed in and there. Raises NotSignedIn and SessionLocked."""
    found = find_session(request, database, now=now)
    if found.state is State.LOCKED:
        found.require_actor()
    return found


def get_make(request: Request) -> sessionmaker[Session]:
    """Transactions of one's own, because none is held while a password is looked at."""
    make: sessionmaker[Session] = request.app.state.sessions
    return make


def require_token(request: Request) -> None:
    """Refuse a browser without a session before anything else is looked at. Raises NotSignedIn."""
    if not find_token(request):
        raise NotSignedIn("Sign in first; a session ends after ten hours or when it is signed out.")


SomebodySignedIn = Annotated[Found, Depends(get_found)]
Unlocked = Annotated[Found, Depends(get_unlocked)]
Make = Annotated[sessionmaker[Session], Depends(get_make)]


def find_token(request: Request) -> str | None:
    return request.cookies.get(cookie_name(request.app.state.settings))


def find_address(request: Request) -> str | None:
    return request.client.host if request.client else None


def hand_over(request: Request, response: Response, database: Session, token: str, now: datetime) -> SessionState:
    settings: ViewerSettings = request.app.state.settings
    response.set_cookie(
        cookie_name(settings),
        token,
        max_age=int(sessions.LONGEST.total_seconds()),
        httponly=True,
        secure=settings.https,
        samesite="strict",
        path="/",
    )
    return show(request, database, token, now)
