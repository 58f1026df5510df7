"""Where else the same person is signed in."""

from __future__ import annotations

import uuid
from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel

from cases.access import sessions
from cases.access.errors import NotThere
from cases.access.sessions import Ending
from viewer.api.session.asking import Unlocked
from viewer.dependencies import Database, Now

router = APIRouter(prefix="/api/session", tags=["session"])


class OtherSession(BaseModel):
    """Another session of the same person."""

    id: uuid.UUID
    began_at: datetime
    last_seen_at: datetime
    ends_at: datetime
    locked: bool
    client_ip: str | None
    assignment_id: uuid.UUID | None


@router.get("/others")
def list_other_sessions(found: Unlocked, database: Database, now: Now) -> list[OtherSession]:
    """List where else the same person is signed in."""
    return [
        OtherSession(
            id=one.id,
            began_at=one.created_at,
            last_seen_at=one.last_seen_at,
            ends_at=one.ends_at,
            locked=one.locked(now),
            client_ip=one.client_ip,
            assignment_id=one.assignment_id,
        )
        for one in sessions.list_others(database, found.signed_in, now=now)
    ]


@router.delete("/others/{session_id}", status_code=204)
def delete_other_session(session_id: uuid.UUID, found: Unlocked, database: Database, now: Now) -> None:
    """Sign the same person out somewhere else; everything that session has open goes dark."""
    others = {one.id: one for one in sessions.list_others(database, found.signed_in, now=now)}
    if session_id not in others:
        raise NotThere("You have no such session.")
    sessions.end_session(database, others[session_id], because=Ending.ENDED_BY_PERSON, now=now)
