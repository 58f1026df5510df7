"""The row of a session, and what is true of one that is neither ended nor locked."""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, Enum, ForeignKey, Index, and_, text
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from cases.access import audit
from cases.access.audit import Event, Subject
from cases.access.people import Assignment, Person
from cases.database import Base

LONGEST = timedelta(hours=10)
"""After this a session ends whatever happens. Source: domain rules, 11.4."""
IDLE = timedelta(minutes=15)
"""After this without anybody's doing a session locks. Source: domain rules, 11.4."""
NOTED = timedelta(minutes=1)
"""A person's doing is written down at most this often, so a session may lock this much early."""


class Method(StrEnum):
    """How somebody showed who they are."""

    DEMO = "DEMO"
    LOCAL = "LOCAL"


class Ending(StrEnum):
    """Why a session ended."""

    SIGNED_OUT = "SIGNED_OUT"
    ENDED_BY_PERSON = "ENDED_BY_PERSON"
    SWITCHED = "SWITCHED"
    RENEWED = "RENEWED"
    TIMEOUT = "TIMEOUT"
    ACCOUNT_CHANGED = "ACCOUNT_CHANGED"
    DEMO_OFF = "DEMO_OFF"


class State(StrEnum):
    """How far somebody has come with signing in."""

    ANONYMOUS = "ANONYMOUS"
    ENROL = "ENROL"
    CHOOSE = "CHOOSE"
    LOCKED = "LOCKED"
    ACTIVE = "ACTIVE"


class SessionLocked(Exception):
    """Nobody did anything for a while; the person must show again who they are."""


class EnrolmentMissing(Exception):
    """The person has shown one factor only and must set up a second."""


class AssignmentMissing(Exception):
    """The person has not chosen the assignment to act under."""


class SignInSession(Base):
    """One person signed in on one browser.

    Attributes:
        assignment_id: that is acted under; None until it is chosen.
        token_digest: SHA-256 of the browser's token.
        assurance: level of assurance, 2 or 3.
        authenticated_at: when the person last showed who they are.
        last_seen_at: when the person last did something, at most `NOTED` too early.
        locked_at: since when it is known to be locked; it is locked from `idle_until` on, known or not.
        ends_at: latest possible end.
        ended_at: when it was ended early.
        user_agent_digest: SHA-256 of what the browser calls itself, hexadecimal.
    """

    __tablename__ = "sign_in_session"
    __table_args__ = (
        Index("ix_sign_in_session_last_seen_at", "last_seen_at", postgresql_where=text("ended_at IS NULL")),
    )

    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("person.id"), index=True)
    person: Mapped[Person] = relationship(lazy="raise")
    assignment_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("assignment.id"))
    token_digest: Mapped[bytes] = mapped_column(unique=True)
    assurance: Mapped[int]
    method: Mapped[Method] = mapped_column(Enum(Method, native_enum=False, length=40))
    authenticated_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    locked_at: Mapped[datetime | None]
    ends_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_because: Mapped[Ending | None] = mapped_column(Enum(Ending, native_enum=False, length=40))
    client_ip: Mapped[str | None]
    user_agent_digest: Mapped[str | None]

    @property
    def idle_until(self) -> datetime:
        """When it locks if nobody does anything."""
        return min(self.last_seen_at + IDLE, self.ends_at)

    def locked(self, now: datetime) -> bool:
        """Whether the person must show again who they are."""
        return self.locked_at is not None or now >= self.idle_until


def digest_token(token: str) -> bytes:
    """What a row keeps of a token: its SHA-256, 32 bytes."""
    return hashlib.sha256(token.encode()).digest()


def digest_text(text: str | None) -> str | None:
    """SHA-256 of a text, hexadecimal, for what is compared and never read again."""
    return hashlib.sha256(text.encode()).hexdigest() if text else None


def alive(now: datetime) -> ColumnElement[bool]:
    """What is true of sessions that are neither ended nor locked."""
    return and_(
        SignInSession.ended_at.is_(None),
        SignInSession.locked_at.is_(None),
        SignInSession.ends_at > now,
        SignInSession.last_seen_at > now - IDLE,
    )


def note(session: Session, event: Event, signed_in: SignInSession, **args: str | int | bool | None) -> None:
    """Write what happened to a session into the log of the provider that it acts under, or the platform's."""
    assignment = signed_in.assignment_id and session.get(Assignment, signed_in.assignment_id)
    audit.record(
        session,
        event,
        by=None,
        provider_id=assignment.care_provider_id if assignment else None,
        subjects=[Subject(kind="person", id=signed_in.person_id)],
        args={"session": str(signed_in.id), **args},
    )
