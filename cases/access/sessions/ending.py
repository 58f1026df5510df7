"""Signing out, here and elsewhere, and sessions that lock or end by themselves."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from cases.access import rights
from cases.access.audit import Event
from cases.access.sessions.sign_in_session import IDLE, Ending, SignInSession, note


def end_session(session: Session, signed_in: SignInSession, *, because: Ending, now: datetime) -> None:
    """End a session; whatever it has open ends with it."""
    signed_in.ended_at, signed_in.ended_because = now, because
    session.flush()
    rights.changed(session, sessions=[signed_in.id])
    if because is Ending.TIMEOUT:
        note(session, Event.SESSION_TIMEOUT, signed_in, what="ended")
    elif because not in (Ending.SWITCHED, Ending.RENEWED):  # the person goes on, which has an entry of its own
        note(session, Event.LOGOUT, signed_in, why=because)


def end_sessions(
    session: Session, *conditions: ColumnElement[bool], because: Ending, now: datetime
) -> list[SignInSession]:
    """End every session of which some conditions are true and which has not ended. Returns them."""
    # In the order of their ids, so that two processes that do this at once do not wait for each other in a ring.
    found = session.scalars(
        select(SignInSession)
        .where(SignInSession.ended_at.is_(None), *conditions)
        .order_by(SignInSession.id)
        .with_for_update(skip_locked=because is Ending.TIMEOUT, key_share=True)
    ).all()
    for signed_in in found:
        end_session(session, signed_in, because=because, now=now)
    return list(found)


def list_others(session: Session, signed_in: SignInSession, *, now: datetime) -> list[SignInSession]:
    """The other sessions of the same person that have not ended, the newest first."""
    return list(
        session.scalars(
            select(SignInSession)
            .where(
                SignInSession.person_id == signed_in.person_id,
                SignInSession.id != signed_in.id,
                SignInSession.ended_at.is_(None),
                SignInSession.ends_at > now,
            )
            .order_by(SignInSession.id.desc())
        )
    )


def lapse(session: Session, *, now: datetime) -> None:
    """Lock sessions in which nobody did anything and end those that are too old, with an entry in the log for each.

    They are locked and over from their moment on in any case; this writes it down. Every process may do it.
    """
    end_sessions(session, SignInSession.ends_at <= now, because=Ending.TIMEOUT, now=now)
    idle = session.scalars(
        select(SignInSession)
        .where(
            SignInSession.ended_at.is_(None),
            SignInSession.locked_at.is_(None),
            SignInSession.last_seen_at <= now - IDLE,
        )
        .order_by(SignInSession.id)
        .with_for_update(skip_locked=True)
    ).all()
    for signed_in in idle:
        signed_in.locked_at = signed_in.idle_until
        note(session, Event.SESSION_TIMEOUT, signed_in, what="locked")
