"""Signing in and out, and choosing the assignment to act under."""

from __future__ import annotations

import uuid
from datetime import datetime

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from cases.access import accounts, people, sessions
from cases.access.errors import NotPermitted, NotThere
from cases.access.sessions import Ending, Method, State
from cases.transaction import transaction
from viewer.api.fields import example
from viewer.api.session.asking import Make, SomebodySignedIn, Unlocked, find_address, find_token, hand_over
from viewer.api.session.state import SessionState, show
from viewer.dependencies import Database, Now, Settings, cookie_name
from viewer.settings import ViewerSettings

router = APIRouter(prefix="/api/session", tags=["session"])


class DemoSignIn(BaseModel):
    """A choice among the demo people, and the assignment to act under if it is clear already."""

    model_config = ConfigDict(extra="forbid") | example(person_id="01a20380-1c10-7a41-9c1e-5d2f7b8e0a01")

    person_id: uuid.UUID
    assignment_id: uuid.UUID | None = None


class LocalSignIn(BaseModel):
    """A local account. The code is left out only when no second factor has been set up yet."""

    model_config = ConfigDict(extra="forbid") | example(
        login="eva.ek",
        password="korrekt häst batteri häftstift",  # noqa: S106 - an example, nobody's
        code="123456",
    )

    login: str = Field(max_length=200, pattern=r"^[^\x00]*$")
    password: str = Field(max_length=500)
    code: str | None = Field(default=None, max_length=20)


class ChosenAssignment(BaseModel):
    """Which assignment to act under from here on."""

    model_config = example(assignment_id="01a20380-2d31-7c52-8b2d-6e3a8c9f1b02")

    assignment_id: uuid.UUID


@router.get("")
def read_session(request: Request, database: Database, now: Now) -> SessionState:
    """Say who is signed in. Open to everybody: the sign-in page asks it first. Asking keeps no session from locking."""
    token = request.cookies.get(cookie_name(request.app.state.settings))
    return show(request, database, token, now)


@router.post("", status_code=201)
def create_session(
    body: DemoSignIn | LocalSignIn, request: Request, response: Response, make: Make, now: Now
) -> SessionState:
    """Sign in with a local account, or as a demo person in demo mode. Who was signed in here before is signed out."""
    if isinstance(body, DemoSignIn):
        with transaction(make) as database:
            person = _find_demo_person(database, body.person_id, request.app.state.settings)
            token = _begin(request, database, person, Method.DEMO, 2, now, body.assignment_id)
            return hand_over(request, response, database, token, now)
    with accounts.in_line():
        with transaction(make) as database:
            claim = accounts.claim_account(database, body.login, client_ip=find_address(request), now=now)
        right = accounts.check_password(claim, body.password)
    with transaction(make) as database:
        account = accounts.prove(database, claim, right=right, code=body.code, now=now)
        assurance = 2 if account.enrolled_at is None else 3
        token = _begin(request, database, account.person, Method.LOCAL, assurance, now)
        return hand_over(request, response, database, token, now)


@router.delete("", status_code=204)
def delete_session(
    found: SomebodySignedIn, database: Database, response: Response, settings: Settings, now: Now
) -> None:
    """Sign out; everything this session has open goes dark."""
    sessions.end_session(database, found.signed_in, because=Ending.SIGNED_OUT, now=now)
    response.headers["Clear-Site-Data"] = '"cache"'
    # With the flags it was set with: without Secure a browser would not take a `__Host-` cookie, not even to drop it.
    response.delete_cookie(cookie_name(settings), path="/", httponly=True, secure=settings.https, samesite="strict")


@router.post("/activity")
def note_activity(request: Request, found: Unlocked, database: Database, now: Now) -> SessionState:
    """Somebody is still there: the session locks later."""
    return show(request, database, find_token(request), now)


@router.post("/assignment")
def choose_assignment(
    body: ChosenAssignment, request: Request, response: Response, found: Unlocked, database: Database, now: Now
) -> SessionState:
    """Act under one of one's assignments: everything that is open ends, and a session with a new token begins."""
    if found.state is State.ENROL:
        found.require_actor()
    _, token = sessions.choose_assignment(database, found.signed_in, body.assignment_id, now=now)
    return hand_over(request, response, database, token, now)


def _begin(
    request: Request,
    database: Session,
    person: people.Person,
    method: Method,
    assurance: int,
    now: datetime,
    assignment_id: uuid.UUID | None = None,
) -> str:
    before = find_token(request)
    if former := before and sessions.find_session(database, before, now=now):
        sessions.end_session(database, former, because=Ending.SIGNED_OUT, now=now)
    _, token = sessions.begin_session(
        database,
        person,
        method=method,
        assurance=assurance,
        assignment_id=assignment_id,
        now=now,
        client_ip=find_address(request),
        user_agent=request.headers.get("user-agent"),
    )
    return token


def _find_demo_person(database: Session, person_id: uuid.UUID, settings: ViewerSettings) -> people.Person:
    if not settings.demo:
        raise NotPermitted("Demo people can sign in only where SAMSYN_DEMO is on. Ask IT who may sign in here.")
    person = database.get(people.Person, person_id)
    if person is None or not person.demo:
        raise NotThere("There is no such demo person. Choose one of those on the sign-in page.")
    return person
