"""Sign-in sessions: a row each, so that they can be listed and ended.

The browser holds a random token; the row holds its SHA-256, so that a copy of the database opens no door.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from datetime import UTC, datetime, timedelta

from sqlalchemy import ForeignKey, select, update
from sqlalchemy.orm import Mapped, Session, joinedload, mapped_column, relationship

from cases.access.people import Person
from cases.database import Base

LONGEST = timedelta(hours=10)
"""After this a session ends whatever happens. Source: domain rules, 11.4."""


class SignInSession(Base):
    """One person signed in on one browser.

    Attributes:
        token_digest: SHA-256 of the browser's token.
        ends_at: latest possible end.
        ended_at: when it was ended early.
    """

    __tablename__ = "sign_in_session"

    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("person.id"))
    person: Mapped[Person] = relationship(lazy="raise")
    token_digest: Mapped[bytes] = mapped_column(unique=True)
    ends_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class NotAllowed(Exception):
    """Somebody may not do this; the message says why and what to do."""


def digest_token(token: str) -> bytes:
    """What a row keeps of a token: its SHA-256, 32 bytes."""
    return hashlib.sha256(token.encode()).digest()


def sign_in_for_demo(session: Session, person_id: uuid.UUID) -> tuple[SignInSession, str]:
    """Sign a demo person in without proof. The caller has checked that this is demo mode.

    Returns:
        The session and the token for the browser's cookie.

    Raises:
        NotAllowed: there is no such demo person.
    """
    person = session.scalar(select(Person).where(Person.id == person_id, Person.demo))
    if person is None:
        raise NotAllowed("There is no such demo person. Choose one of those on the sign-in page.")
    token = secrets.token_urlsafe(32)
    signed_in = SignInSession(
        person_id=person.id, person=person, token_digest=digest_token(token), ends_at=datetime.now(UTC) + LONGEST
    )
    session.add(signed_in)
    session.flush()
    return signed_in, token


def find_session(session: Session, token: str) -> SignInSession | None:
    """The live session that a token belongs to, with its person, or None."""
    return session.scalar(
        select(SignInSession)
        .options(joinedload(SignInSession.person))
        .where(
            SignInSession.token_digest == digest_token(token),
            SignInSession.ended_at.is_(None),
            SignInSession.ends_at > datetime.now(UTC),
        )
    )


def sign_out(signed_in: SignInSession) -> None:
    """End a session; its viewings end with it, since each is read together with its session."""
    signed_in.ended_at = datetime.now(UTC)


def end_demo_sessions(session: Session) -> None:
    """End every session that was begun without proof."""
    demo = select(Person.id).where(Person.demo)
    session.execute(
        update(SignInSession)
        .where(SignInSession.person_id.in_(demo), SignInSession.ended_at.is_(None))
        .values(ended_at=datetime.now(UTC))
    )
