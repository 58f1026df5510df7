"""Sign-in sessions: a row each, so that they can be listed, locked and ended.

The browser holds a random token; the row holds its SHA-256, so that a copy of the database opens no door.
One session acts under one assignment: switching it ends the session and begins another.
"""

from cases.access.sessions.acting import Found, actors_of, find_actor, find_grants, find_session, touch
from cases.access.sessions.beginning import begin_session, choose_assignment, prove_again, renew
from cases.access.sessions.choosing import Choice, list_choices
from cases.access.sessions.ending import end_session, end_sessions, lapse, list_others
from cases.access.sessions.sign_in_session import (
    IDLE,
    LONGEST,
    NOTED,
    AssignmentMissing,
    Ending,
    EnrolmentMissing,
    Method,
    SessionLocked,
    SignInSession,
    State,
    alive,
    digest_token,
)

__all__ = [
    "IDLE",
    "LONGEST",
    "NOTED",
    "AssignmentMissing",
    "Choice",
    "Ending",
    "EnrolmentMissing",
    "Found",
    "Method",
    "SessionLocked",
    "SignInSession",
    "State",
    "actors_of",
    "alive",
    "begin_session",
    "choose_assignment",
    "digest_token",
    "end_session",
    "end_sessions",
    "find_actor",
    "find_grants",
    "find_session",
    "lapse",
    "list_choices",
    "list_others",
    "prove_again",
    "renew",
    "touch",
]
