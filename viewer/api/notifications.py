"""What somebody has been told: about requests, answers, orders, and what was opened in an emergency."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from cases.access import notifications
from cases.access.actors import Actor
from viewer.api.fields import example
from viewer.dependencies import After, Database, Limit, Now, permit

router = APIRouter(prefix="/api/notifications", tags=["notifications"])
Reader = Annotated[Actor, Depends(permit(), scope="function")]
Watcher = Annotated[Actor, Depends(permit(active=False), scope="function")]


class NotificationRow(BaseModel):
    """That something has happened.

    Attributes:
        event: what, for translation.
        subject_kind, subject_id: what it happened to.
        short_id: of the request, if it is about one.
        personal: whether it is for you alone, not for everybody with your role.
        read_at: when you read it.
    """

    id: uuid.UUID
    at: datetime
    event: str = Field(examples=["REQUEST_OFFERED"])
    subject_kind: str = Field(examples=["request"])
    subject_id: uuid.UUID
    short_id: str | None = Field(examples=["R-7K3F2Q"])
    personal: bool
    read_at: datetime | None


class NotificationList(BaseModel):
    """Notifications, the newest first."""

    items: list[NotificationRow]
    next: uuid.UUID | None


class UnreadCount(BaseModel):
    """How much has not been read.

    Attributes:
        more: whether there may be more than that.
    """

    unread: int
    more: bool


class UpTo(BaseModel):
    """The newest one that was shown."""

    model_config = example(up_to="01a20387-83c5-75bd-ba6d-f4c31582b60d")

    up_to: uuid.UUID


MOST = 100


@router.get("")
def read_notifications(
    database: Database,
    actor: Reader,
    now: Now,
    limit: Limit = 50,
    after: After = None,
    unread: Annotated[bool, Query(description="Only what you have not read.")] = False,
) -> NotificationList:
    """List what you have been told, in person or by your roles."""
    rows = notifications.list_notifications(database, by=actor, now=now, limit=limit + 1, after=after, unread=unread)
    return NotificationList(
        items=[
            NotificationRow(
                id=row.id,
                at=row.created_at,
                event=row.event,
                subject_kind=row.subject_kind,
                subject_id=row.subject_id,
                short_id=row.short_id,
                personal=row.assignment_id is not None,
                read_at=read_at,
            )
            for row, read_at in rows[:limit]
        ],
        next=rows[limit - 1][0].id if len(rows) > limit else None,
    )


@router.get("/count")
def count_notifications(database: Database, actor: Watcher, now: Now) -> UnreadCount:
    """Count what you have not read, up to a hundred. Asking does not keep your session from locking."""
    unread = notifications.count_unread(database, by=actor, now=now, most=MOST)
    return UnreadCount(unread=unread, more=unread == MOST)


@router.put("/reading", status_code=204)
def read_up_to(body: UpTo, database: Database, actor: Reader, now: Now) -> None:
    """Mark everything as read, up to the newest one that you were shown."""
    notifications.mark_all_read(database, body.up_to, by=actor, now=now)


@router.put("/{notification_id}/reading", status_code=204)
def read_one(notification_id: uuid.UUID, database: Database, actor: Reader, now: Now) -> None:
    """Mark one as read."""
    notifications.mark_read(database, notification_id, by=actor, now=now)
