"""Messages about a request, between its two sides. Nobody changes or removes one: it may be a part of the record.

A question may stop the clock until it is answered. Source: domain rules, 3.4 and 5.1.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial

from sqlalchemy import CheckConstraint, Enum, ForeignKey, Index, Select, UniqueConstraint, exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.errors import Conflict, Invalid, NotThere
from cases.access.notifications import notify
from cases.access.permissions import PERMITS, Permission, Role
from cases.database import Base, new_id
from cases.records.annotations import Annotation, Visibility
from cases.records.pathology_case import PathologyCase
from cases.records.slide_images import SlideImage
from cases.sharing.requests.request import OVER, RequestStatus, ShareRequest, Side, side_of, subject_of

LONGEST = 20_000
"""Characters of a message at the most."""

TALKERS = PERMITS[Permission.WRITE_MESSAGE] - {Role.CLN}
"""Who talks about every request that the gate lets them read. Source: domain rules, section 6."""


class MessageKind(StrEnum):
    """What a message is."""

    COMMENT = "COMMENT"
    QUESTION = "QUESTION"
    REPLY = "REPLY"
    PHONE_NOTE = "PHONE_NOTE"


class Message(Base):
    """What somebody wrote about a request.

    Attributes:
        care_provider_id, author_id: who wrote it.
        blocking: a question that the reader waits for.
        reply_to_id: the question that a reply answers.
        annotation_id: the place on a slide that it is about.
    """

    __tablename__ = "message"
    __table_args__ = (
        CheckConstraint("(kind = 'REPLY') = (reply_to_id IS NOT NULL)", "reply_is_to_something"),
        CheckConstraint("NOT blocking OR kind = 'QUESTION'", "only_questions_block"),
        Index("ix_message_request_id", "request_id", "id"),
    )

    request_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("share_request.id"))
    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"))
    author_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("assignment.id"))
    kind: Mapped[MessageKind] = mapped_column(Enum(MessageKind, native_enum=False, length=40))
    body: Mapped[str]
    blocking: Mapped[bool] = mapped_column(default=False)
    reply_to_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("message.id"), index=True)
    annotation_id: Mapped[uuid.UUID | None]
    sent_at: Mapped[datetime]


class MessageReading(Base):
    """That somebody has read a message."""

    __tablename__ = "message_reading"
    __table_args__ = (UniqueConstraint("message_id", "assignment_id"),)

    request_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("share_request.id"), index=True)
    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"))
    message_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("message.id"))
    assignment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("assignment.id"))
    read_at: Mapped[datetime]


def write_message(
    session: Session,
    request: ShareRequest,
    body: str,
    *,
    kind: MessageKind = MessageKind.COMMENT,
    blocking: bool = False,
    reply_to_id: uuid.UUID | None = None,
    annotation_id: uuid.UUID | None = None,
    by: Actor,
    now: datetime,
) -> Message:
    """Write to whoever works on a request, on both sides. The gate has let the author into its case.

    A blocking question, and the reply to it, stop the clock and let it go on: `waiting.settle` after this.

    Args:
        session: of this transaction.
        request: locked where `blocking` or a reply.
        body: what is said.
        kind: what it is.
        blocking: the reader cannot go on before it is answered.
        reply_to_id: with a reply, the question.
        annotation_id: the place on a slide that it is about.
        by: who writes.
        now: when.

    Raises:
        Invalid: it is empty or too long, it answers no question of this request, blocks and is no question, or is
            about a place that not both sides see.
        Conflict: the request has ended or has not been sent, or a question that blocks is not the reader's.
    """
    body = body.strip()
    if not 1 <= len(body) <= LONGEST:
        raise Invalid(f"A message has 1 to {LONGEST} characters; this one has {len(body)}.", field="body")
    if request.status in OVER:
        raise Conflict("This request has ended, so nobody reads messages about it. Write in the case, or telephone.")
    if request.status is RequestStatus.DRAFT:
        raise Conflict("This request has not been sent, so nobody else reads it. Write your question into it.")
    side = side_of(request, by)
    _check_kind(session, request, kind, blocking=blocking, reply_to_id=reply_to_id, side=side, by=by)
    if annotation_id is not None:
        _check_annotation(session, request, annotation_id)
    message = Message(
        request_id=request.id,
        care_provider_id=by.provider_id,
        author_id=by.assignment_id,
        kind=kind,
        body=body,
        blocking=blocking,
        reply_to_id=reply_to_id,
        annotation_id=annotation_id,
        sent_at=now,
    )
    session.add(message)
    session.flush()
    patient_id = session.scalar(select(PathologyCase.patient_id).where(PathologyCase.id == request.case_id))
    audit.record(
        session,
        Event.MESSAGE_SENT,
        by=by,
        subjects=[subject_of(request, patient_id)],
        args={"message": str(message.id), "kind": kind, "blocking": blocking},
    )
    _tell(session, request, side)
    return message


def find_beginning(request: ShareRequest, *, by: Actor) -> datetime:
    """Since when what was said and done about a request is for somebody: for the performer since it was offered.

    What the owner's people said to each other before they asked anybody stays theirs. Source: domain rules, 5.1.
    """
    begun = request.offered_at if side_of(request, by) is Side.PERFORMER else None
    return begun or datetime.min.replace(tzinfo=UTC)


def require_talker(request: ShareRequest, *, by: Actor, now: datetime) -> None:
    """Let only laboratories talk about a request, and whoever asked for it themselves, as a clinician may.

    Raises:
        NotThere: it is somebody else's, who reads the answer.
    """
    if by.assignment_id != request.requester_assignment_id and by.roles(now).isdisjoint(TALKERS):
        raise NotThere("There is no such request among those that you asked for.")


def find_open_questions(session: Session, request_id: uuid.UUID) -> list[Message]:
    """Blocking questions that nobody has answered, the first asked first."""
    return list(session.scalars(_open_questions(request_id).order_by(Message.id)))


def mark_read(session: Session, request: ShareRequest, up_to: uuid.UUID, *, by: Actor, now: datetime) -> None:
    """Somebody has read the messages of a request up to one; their own are not counted."""
    unread = session.scalars(
        select(Message.id)
        .outerjoin(
            MessageReading,
            (MessageReading.message_id == Message.id) & (MessageReading.assignment_id == by.assignment_id),
        )
        .where(
            Message.request_id == request.id,
            Message.id <= up_to,
            Message.sent_at >= find_beginning(request, by=by),
            Message.author_id != by.assignment_id,
            MessageReading.id.is_(None),
        )
    )
    rows = [
        {
            "id": new_id(),
            "request_id": request.id,
            "care_provider_id": by.provider_id,
            "message_id": message_id,
            "assignment_id": by.assignment_id,
            "read_at": now,
        }
        for message_id in unread
    ]
    if rows:
        session.execute(insert(MessageReading).values(rows).on_conflict_do_nothing())


def find_readers(session: Session, message_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, list[uuid.UUID]]:
    """Under which assignments messages have been read."""
    rows = session.execute(
        select(MessageReading.message_id, MessageReading.assignment_id)
        .where(MessageReading.message_id.in_(message_ids))
        .order_by(MessageReading.id)
    )
    found: dict[uuid.UUID, list[uuid.UUID]] = {message_id: [] for message_id in message_ids}
    for message_id, assignment_id in rows:
        found[message_id].append(assignment_id)
    return found


def _open_questions(request_id: uuid.UUID) -> Select[Message]:
    reply = aliased(Message)
    answered = exists().where(reply.reply_to_id == Message.id)
    return select(Message).where(Message.request_id == request_id, Message.blocking, ~answered)


def _check_kind(
    session: Session,
    request: ShareRequest,
    kind: MessageKind,
    *,
    blocking: bool,
    reply_to_id: uuid.UUID | None,
    side: Side,
    by: Actor,
) -> None:
    if (kind is MessageKind.REPLY) != (reply_to_id is not None):
        raise Invalid("A reply names the question that it answers, and nothing else does.", field="reply_to_id")
    if reply_to_id is not None:
        question = session.get(Message, reply_to_id)
        if (
            question is None
            or question.request_id != request.id
            or question.kind is not MessageKind.QUESTION
            or question.sent_at < find_beginning(request, by=by)
        ):
            raise Invalid("There is no such question about this request.", field="reply_to_id")
    if not blocking:
        return
    if kind is not MessageKind.QUESTION:
        raise Invalid("Only a question can be waited for.", field="blocking")
    if side is not Side.PERFORMER or request.status not in (RequestStatus.IN_REVIEW, RequestStatus.WAITING):
        raise Conflict("A question is waited for by whoever reads, while they read. Start reading, or do not wait.")


def _check_annotation(session: Session, request: ShareRequest, annotation_id: uuid.UUID) -> None:
    annotation = session.get(Annotation, annotation_id)
    slide = session.get(SlideImage, annotation.slide_image_id) if annotation else None
    shared = annotation is not None and (
        annotation.visibility is Visibility.CASE
        or (annotation.visibility is Visibility.REQUEST and annotation.request_id == request.id)
    )
    if not shared or slide is None or slide.case_id != request.case_id:
        raise Invalid("There is no such place in this case that both sides see.", field="annotation_id")


def _tell(session: Session, request: ShareRequest, side: Side) -> None:
    """The other side: those whose it is, or its queue while it is nobody's."""
    tell = partial(
        notify,
        session,
        Event.MESSAGE_SENT,
        subject_kind="request",
        subject_id=request.id,
        short_id=request.short_id,
    )
    reader = request.reader_assignment_id or request.named_reader_id
    if side is Side.PERFORMER:
        mine = (request.requester_assignment_id, request.watcher_assignment_id, request.stand_in_assignment_id)
        tell(provider_id=request.care_provider_id, assignments=mine)
    elif reader is not None and request.offered_at is not None:
        tell(provider_id=request.performer_provider_id, assignments=[reader])
    elif request.offered_at is not None:
        tell(
            provider_id=request.performer_provider_id,
            unit_id=request.performer_unit_id,
            department_id=request.performer_department_id,
            roles=(Role.COO, Role.HEAD, Role.PAT),
        )
