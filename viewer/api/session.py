"""Who is signed in on this browser."""

from __future__ import annotations

import uuid

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from cases.access import people
from cases.access.sessions import LONGEST, NotAllowed, find_session, sign_in_for_demo, sign_out
from viewer.dependencies import Database, Settings, SignedIn, cookie_name

router = APIRouter(prefix="/api/session", tags=["session"])


class Person(BaseModel):
    """Somebody who can sign in."""

    id: uuid.UUID
    name: str
    title: str


class SessionState(BaseModel):
    """Who is signed in, and who could be in demo mode."""

    person: Person | None
    demo_people: list[Person]


class SignIn(BaseModel):
    """A choice on the sign-in page."""

    person_id: uuid.UUID


def _show(person: people.Person) -> Person:
    return Person(id=person.id, name=person.name, title=person.title)


@router.get("")
def read_session(request: Request, database: Database, settings: Settings) -> SessionState:
    """Say who is signed in. Open to everybody: the sign-in page asks it first."""
    token = request.cookies.get(cookie_name(settings))
    found = find_session(database, token) if token else None
    offered = people.demo_people(database) if settings.demo else []
    return SessionState(person=_show(found.person) if found else None, demo_people=[_show(one) for one in offered])


@router.post("", status_code=201)
def create_session(body: SignIn, response: Response, database: Database, settings: Settings) -> SessionState:
    """Sign in as a demo person, in demo mode only."""
    if not settings.demo:
        raise NotAllowed("Demo people can sign in only where SAMSYN_DEMO is on. Ask IT who may sign in here.")
    signed_in, token = sign_in_for_demo(database, body.person_id)
    response.set_cookie(
        cookie_name(settings),
        token,
        max_age=int(LONGEST.total_seconds()),
        httponly=True,
        secure=settings.https,
        samesite="strict",
        path="/",
    )
    return SessionState(
        person=_show(signed_in.person), demo_people=[_show(one) for one in people.demo_people(database)]
    )


@router.delete("", status_code=204)
def delete_session(signed_in: SignedIn, response: Response, settings: Settings) -> None:
    """Sign out; everything this session has open goes dark."""
    sign_out(signed_in)
    # With the flags it was set with: without Secure a browser would not take a `__Host-` cookie, not even to drop it.
    response.headers["Clear-Site-Data"] = '"cache"'
    response.delete_cookie(cookie_name(settings), path="/", httponly=True, secure=settings.https, samesite="strict")
