"""Showing again who one is, and setting up the second factor."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session, sessionmaker

from cases.access import accounts, sessions
from cases.access.sessions import Ending, Method
from cases.transaction import transaction
from viewer.api.fields import example
from viewer.api.session.asking import Make, Unlocked, find_address, find_token, hand_over, require_token
from viewer.api.session.state import SessionState, show
from viewer.dependencies import Database, Now, find_session

router = APIRouter(prefix="/api/session", tags=["session"])


class Proof(BaseModel):
    """Who is signed in shows again who they are: by one of the two. Demo people show nothing."""

    model_config = ConfigDict(extra="forbid") | example(code="123456")

    password: str | None = Field(default=None, max_length=500)
    code: str | None = Field(default=None, max_length=20)


class Enrolment(BaseModel):
    """What the telephone needs: the secret to type, or the same as a picture to take."""

    secret: str
    qr_svg: str


class EnrolmentProof(BaseModel):
    """That the telephone makes the right codes, and a password of one's own in place of the first one."""

    model_config = example(code="123456", new_password="korrekt häst batteri häftstift")  # noqa: S106 - nobody's

    code: str = Field(max_length=20)
    new_password: str = Field(max_length=500)


@router.post("/unlock", dependencies=[Depends(require_token)])
def unlock_session(body: Proof, request: Request, make: Make, now: Now) -> SessionState:
    """Go on in a session that has locked, by the code or the password."""
    return _prove_again(body, request, make, now)


@router.post("/reauthentication", dependencies=[Depends(require_token)])
def reauthenticate(body: Proof, request: Request, make: Make, now: Now) -> SessionState:
    """Show again who one is, as signing and emergencies ask for."""
    return _prove_again(body, request, make, now)


@router.post("/enrolment")
def start_enrolment(found: Unlocked, database: Database) -> Enrolment:
    """Give the telephone a secret to make codes with. Asked again, the one before is void."""
    made = accounts.start_enrolment(database, accounts.find_account_of(database, found.signed_in.person_id))
    return Enrolment(secret=made.secret, qr_svg=made.qr_svg)


@router.put("/enrolment")
def confirm_enrolment(
    body: EnrolmentProof, request: Request, response: Response, found: Unlocked, database: Database, now: Now
) -> SessionState:
    """Show that the telephone makes the right codes, and take a password of one's own; a new session goes on."""
    account = accounts.find_account_of(database, found.signed_in.person_id)
    with accounts.in_line():
        accounts.confirm_enrolment(database, account, code=body.code, new_password=body.new_password, now=now)
    _, token = sessions.renew(database, found.signed_in, because=Ending.RENEWED, assurance=3, now=now)
    return hand_over(request, response, database, token, now)


def _prove_again(body: Proof, request: Request, make: sessionmaker[Session], now: datetime) -> SessionState:
    with accounts.in_line():
        with transaction(make) as database:
            signed_in = find_session(request, database, now=now, active=False).signed_in
            demo = signed_in.method is Method.DEMO
            claim = (
                None if demo else accounts.claim_again(database, signed_in, client_ip=find_address(request), now=now)
            )
        right = accounts.check_password(claim, body.password) if claim and body.password is not None else None
    with transaction(make) as database:
        signed_in = find_session(request, database, now=now, active=False).signed_in
        if claim:
            accounts.prove(database, claim, right=right, code=body.code, now=now, again=True)
        sessions.prove_again(database, signed_in, now=now)
        return show(request, database, find_token(request), now)
