"""Signing in, choosing an assignment, and showing again who one is."""

from __future__ import annotations

import secrets
import uuid
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from cases.access.audit import Event
from cases.access.errors import NotThere
from cases.access.people import Assignment, Person
from cases.access.sessions.ending import end_session
from cases.access.sessions.sign_in_session import (
    LONGEST,
    Ending,
    Method,
    SignInSession,
    digest_text,
    digest_token,
    note,
)


def begin_session(
    session: Session,
    person: Person,
    *,
    method: Method,
    assurance: int,
    now: datetime,
    assignment_id: uuid.UUID | None = None,
    client_ip: str | None = None,
    user_agent: str | None = None,
) -> tuple[SignInSession, str]:
    """Sign in somebody who has shown who they are. Every way of doing so ends here.

    Args:
        session: of this transaction.
        person: who.
        method: how they showed it.
        assurance: level of assurance of that, 2 or 3.
        now: the moment.
        assignment_id: to act under; None takes the person's only one, or leaves the choice to the person.
        client_ip, user_agent: of the browser.

    Returns:
        The session and the token for the browser's cookie.

    Raises:
        NotThere: the assignment is not one of this person that holds now.
    """
    held = _list_held(session, person.id, now)
    if assignment_id is None and len(held) == 1:
        assignment_id = held[0]
    _require_held(assignment_id, held)
    signed_in = SignInSession(
        person_id=person.id,
        person=person,
        assignment_id=assignment_id,
        assurance=assurance,
        method=method,
        authenticated_at=now,
        last_seen_at=now,
        ends_at=now + LONGEST,
        client_ip=client_ip,
        user_agent_digest=digest_text(user_agent),
    )
    token = _issue(session, signed_in)
    note(session, Event.LOGIN_OK, signed_in, method=method, assurance=assurance)
    return signed_in, token


def prove_again(session: Session, signed_in: SignInSession, *, now: datetime) -> None:
    """The person has shown again who they are: a locked session goes on, and signing is possible for a while."""
    locked = signed_in.locked(now)
    signed_in.authenticated_at = signed_in.last_seen_at = now
    signed_in.locked_at = None
    note(session, Event.SESSION_UNLOCKED if locked else Event.REAUTHENTICATED, signed_in)


def choose_assignment(
    session: Session, signed_in: SignInSession, assignment_id: uuid.UUID, *, now: datetime
) -> tuple[SignInSession, str]:
    """Act under one of the person's assignments from here on, in a session of its own with a new token.

    What the session before had open ends. The new one ends when the one before would have.

    Raises:
        NotThere: it is not an assignment of this person that holds now.
    """
    _require_held(assignment_id, _list_held(session, signed_in.person_id, now))
    before = signed_in.assignment_id
    chosen, token = renew(session, signed_in, because=Ending.SWITCHED, now=now)
    chosen.assignment_id = assignment_id
    session.flush()
    if before is not None:
        note(session, Event.ASSIGNMENT_SWITCHED, chosen, before=str(before), session_before=str(signed_in.id))
    return chosen, token


_KEPT = (
    "person_id",
    "person",
    "assignment_id",
    "assurance",
    "method",
    "authenticated_at",
    "ends_at",
    "client_ip",
    "user_agent_digest",
)


def renew(
    session: Session, signed_in: SignInSession, *, because: Ending, now: datetime, assurance: int | None = None
) -> tuple[SignInSession, str]:
    """End a session and go on in a new one with a new token, as always when somebody may do something else.

    Args:
        session: of this transaction.
        signed_in: the one that ends.
        because: why.
        now: the moment.
        assurance: level of assurance from now on; None for the same.
    """
    going_on = SignInSession(**{name: getattr(signed_in, name) for name in _KEPT}, last_seen_at=now)
    going_on.assurance = assurance or going_on.assurance
    end_session(session, signed_in, because=because, now=now)
    return going_on, _issue(session, going_on)


def _issue(session: Session, signed_in: SignInSession) -> str:
    token = secrets.token_urlsafe(32)
    signed_in.token_digest = digest_token(token)
    session.add(signed_in)
    session.flush()
    return token


def _list_held(session: Session, person_id: uuid.UUID, now: datetime) -> list[uuid.UUID]:
    found = session.scalars(select(Assignment).where(Assignment.person_id == person_id))
    return [one.id for one in found if one.holds(now)]


def _require_held(assignment_id: uuid.UUID | None, held: list[uuid.UUID]) -> None:
    if assignment_id is not None and assignment_id not in held:
        raise NotThere("This is no assignment of yours that holds now.")
