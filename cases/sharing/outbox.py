"""The outbox: what is to be sent, written in the transaction of what it is about, so that neither is without the other.

A row holds ids; what is sent is made when it is sent. Each destination is served by one courier at a time, the oldest
first, under a lease; a destination that does not answer rests, and keeps nobody else waiting.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, Enum, ForeignKey, Index, UniqueConstraint, and_, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event, Outcome, Subject
from cases.access.errors import IllegalMove, NotThere
from cases.access.notifications import notify
from cases.access.permissions import PERMITS, Permission
from cases.database import Base, new_id, platform
from cases.sharing.answers.answer import Answer, AnswerStatus, AnswerVersion
from cases.sharing.destinations import Answers, Destination, record_change, require_open
from cases.sharing.requests.request import ShareRequest

LEASE = timedelta(minutes=2)
"""A courier that has not been heard of for so long is taken for dead. One attempt takes far less."""
FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(hours=1)
"""Between two attempts, from the first failure on: doubled each time, up to this."""
ATTEMPTS = 20
"""So often a message is tried, for some twelve hours, before somebody must look at it."""
LATE = timedelta(minutes=15)
"""Of what has waited longer, somebody is told. Source: domain rules, 11.3."""


class MessageState(StrEnum):
    """Whether a message is still to be sent; DEAD ones wait for somebody to try them again."""

    PENDING = "PENDING"
    SENT = "SENT"
    DEAD = "DEAD"


class OutboxMessage(Base):
    """That a version of an answer is to be sent to a destination.

    Attributes:
        care_provider_id: whose destination it is.
        short_id: of the request, for people.
        withdrawn: what is sent is that the answer was entered in error.
        last_code: how the last attempt ended.
        next_attempt_at: not before.
    """

    __tablename__ = "outbox_message"
    __table_args__ = (
        UniqueConstraint("destination_id", "answer_version_id", "withdrawn"),
        Index("ix_outbox_message_due", "destination_id", "id", postgresql_where="state = 'PENDING'"),
        Index("ix_outbox_message_care_provider_id", "care_provider_id", "state", "id"),
    )

    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"))
    destination_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("destination.id"))
    request_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("share_request.id"), index=True)
    short_id: Mapped[str]
    answer_version_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("answer_version.id"))
    withdrawn: Mapped[bool]
    state: Mapped[MessageState] = mapped_column(
        Enum(MessageState, native_enum=False, length=40), default=MessageState.PENDING
    )
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_attempt_at: Mapped[datetime | None]
    last_code: Mapped[str | None]
    sent_at: Mapped[datetime | None]


@dataclass(frozen=True, slots=True)
class Attempt:
    """How an attempt ended.

    Attributes:
        sent: the receiver took it.
        code: "HTTP_200", "TIMED_OUT" …
        unreachable: the receiver took nothing at all, so that the next message would fare no better.
    """

    sent: bool
    code: str
    unreachable: bool = False


class CourierLate(Exception):
    """The lease on a destination ran out, and another courier is on the way there; drop what was done."""


def enqueue_answer(session: Session, version: AnswerVersion) -> int:
    """Have a signed version sent wherever the owner and the performer of its request want such answers.

    To be called in the transaction that signs, amends or withdraws it; doing so twice does no more than once.

    Returns:
        How many destinations it goes to.
    """
    with platform(session):
        request = session.get_one(ShareRequest, version.request_id)
        status = session.execute(select(Answer.status).where(Answer.id == version.answer_id)).scalar_one()
        received = and_(Destination.care_provider_id == request.care_provider_id, Destination.answers != Answers.GIVEN)
        given = and_(
            Destination.care_provider_id == request.performer_provider_id, Destination.answers != Answers.RECEIVED
        )
        wanted = session.execute(
            select(Destination.id, Destination.care_provider_id).where(
                Destination.ended_at.is_(None), or_(received, given)
            )
        ).all()
        if wanted:
            rows = [
                {
                    "id": new_id(),
                    "care_provider_id": provider_id,
                    "destination_id": destination_id,
                    "request_id": request.id,
                    "short_id": request.short_id,
                    "answer_version_id": version.id,
                    "withdrawn": status is AnswerStatus.ENTERED_IN_ERROR,
                    "state": MessageState.PENDING,
                    "attempts": 0,
                }
                for destination_id, provider_id in wanted
            ]
            session.execute(insert(OutboxMessage).values(rows).on_conflict_do_nothing())
    return len(wanted)


def _is_due() -> ColumnElement[bool]:
    # The database's clock: couriers on several machines need not agree about the time.
    pending = OutboxMessage.state == MessageState.PENDING
    return and_(pending, OutboxMessage.next_attempt_at <= func.clock_timestamp())


def _is_free() -> ColumnElement[bool]:
    now = func.clock_timestamp()
    return and_(
        or_(Destination.leased_until.is_(None), Destination.leased_until < now),
        or_(Destination.rests_until.is_(None), Destination.rests_until <= now),
        Destination.ended_at.is_(None),
    )


def find_due(session: Session) -> list[uuid.UUID]:
    """Destinations that something waits for and nobody serves; first those that answered last time."""
    due = select(OutboxMessage.id).where(OutboxMessage.destination_id == Destination.id, _is_due())
    statement = select(Destination.id).where(_is_free(), due.exists()).order_by(Destination.failures, Destination.id)
    return list(session.scalars(statement))


def serve(session: Session, destination_id: uuid.UUID, *, holder: uuid.UUID) -> bool:
    """Set out for a destination. False where nothing is to be done, or another courier is on the way."""
    taken = session.execute(
        update(Destination)
        .where(Destination.id == destination_id, _is_free())
        .values(lease_holder=holder, leased_until=func.clock_timestamp() + LEASE)
        .returning(Destination.id)
    )
    return taken.first() is not None


def take_message(
    session: Session, destination_id: uuid.UUID, *, holder: uuid.UUID
) -> tuple[Destination, OutboxMessage] | None:
    """The oldest message that is due for a destination that is being served; the lease is renewed.

    A version waits for the one before it, so that nobody receives the amendment first.

    Returns:
        None where nothing more is due; the destination is then left.

    Raises:
        CourierLate: another courier serves it now.
    """
    destination = _hold(session, destination_id, holder=holder)
    earlier = aliased(OutboxMessage)
    waits = select(earlier.id).where(
        earlier.destination_id == destination_id,
        earlier.request_id == OutboxMessage.request_id,
        earlier.state == MessageState.PENDING,
        earlier.id < OutboxMessage.id,
    )
    message = session.scalar(
        select(OutboxMessage)
        .where(OutboxMessage.destination_id == destination_id, _is_due(), ~waits.exists())
        .order_by(OutboxMessage.id)
        .limit(1)
    )
    if message is None or destination.ended_at is not None:
        leave(session, destination_id, holder=holder)
        return None
    return destination, message


def leave(session: Session, destination_id: uuid.UUID, *, holder: uuid.UUID) -> None:
    """Come back from a destination, if it is still one's own."""
    session.execute(
        update(Destination)
        .where(Destination.id == destination_id, Destination.lease_holder == holder)
        .values(lease_holder=None, leased_until=None)
    )


def settle(
    session: Session, message_id: uuid.UUID, attempt: Attempt, *, holder: uuid.UUID, subject: Subject | None
) -> None:
    """Write down how an attempt ended, in the log that the answer was handed over, and tell of one that was not.

    Args:
        subject: what was sent, for the log; None where it never came so far.

    Raises:
        CourierLate: another courier serves the destination now.
    """
    message = session.get_one(OutboxMessage, message_id)
    _hold(session, message.destination_id, holder=holder)
    now = session.execute(select(func.clock_timestamp())).scalar_one()
    told_before = message.last_attempt_at is not None and message.last_attempt_at - message.created_at > LATE
    late = not attempt.sent and now - message.created_at > LATE
    message.attempts += 1
    message.last_attempt_at, message.last_code = now, attempt.code
    pause = min(FIRST_PAUSE * 2 ** min(message.attempts - 1, 16), LONGEST_PAUSE)
    if attempt.sent:
        message.state, message.sent_at = MessageState.SENT, now
    elif message.attempts >= ATTEMPTS:
        message.state = MessageState.DEAD
    else:
        message.next_attempt_at = now + pause
    failures = 0 if attempt.sent else Destination.failures + 1
    resting = {"rests_until": now + pause} if attempt.unreachable else {}
    session.execute(
        update(Destination)
        .where(Destination.id == message.destination_id)
        .values(failures=failures, last_code=attempt.code, **resting)
    )
    if message.state is MessageState.DEAD or (late and not told_before):
        _tell(session, message)
    if attempt.sent or message.state is MessageState.DEAD:
        audit.record(
            session,
            Event.INTEGRATION_OUT,
            by=None,
            provider_id=message.care_provider_id,
            subjects=[subject] if subject else [],
            outcome=Outcome.OK if attempt.sent else Outcome.ERROR,
            args={"message": str(message.id), "to": str(message.destination_id), "ended": attempt.code},
        )


def _tell(session: Session, message: OutboxMessage) -> None:
    """Let those who follow deliveries know that one needs them."""
    notify(
        session,
        "DELIVERY_FAILED" if message.state is MessageState.DEAD else "DELIVERY_LATE",
        subject_kind="message",
        subject_id=message.id,
        short_id=message.short_id,
        provider_id=message.care_provider_id,
        roles=PERMITS[Permission.FOLLOW_DELIVERIES],
    )


def _hold(session: Session, destination_id: uuid.UUID, *, holder: uuid.UUID) -> Destination:
    renewed = session.execute(
        update(Destination)
        .where(Destination.id == destination_id, Destination.lease_holder == holder)
        .values(leased_until=func.clock_timestamp() + LEASE)
        .returning(Destination)
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()
    if renewed is None:
        raise CourierLate("Another courier is on the way to this destination.")
    return renewed


def end_destination(session: Session, destination: Destination, *, by: Actor, now: datetime) -> None:
    """Send nothing there any more; what still waits is given up. Raises Conflict if it has ended."""
    require_open(destination)
    destination.ended_at = now
    session.flush()
    session.execute(
        update(OutboxMessage)
        .where(OutboxMessage.destination_id == destination.id, OutboxMessage.state == MessageState.PENDING)
        .values(state=MessageState.DEAD)
    )
    record_change(session, destination, "ended", by=by)


def list_messages(
    session: Session,
    *,
    by: Actor,
    states: Sequence[MessageState] = tuple(MessageState),
    limit: int = 50,
    before: uuid.UUID | None = None,
) -> list[OutboxMessage]:
    """What was and is to be sent for the actor's care provider, the newest first."""
    statement = select(OutboxMessage).where(
        OutboxMessage.care_provider_id == by.provider_id, OutboxMessage.state.in_(states)
    )
    if before is not None:
        statement = statement.where(OutboxMessage.id < before)
    return list(session.scalars(statement.order_by(OutboxMessage.id.desc()).limit(limit)))


def find_message(session: Session, message_id: uuid.UUID, *, by: Actor) -> OutboxMessage:
    """A message of the actor's care provider. Raises NotThere."""
    found = session.scalar(
        select(OutboxMessage).where(OutboxMessage.id == message_id, OutboxMessage.care_provider_id == by.provider_id)
    )
    if found is None:
        raise NotThere("There is no such message.")
    return found


def retry(session: Session, message: OutboxMessage, *, by: Actor, now: datetime) -> None:
    """Try again now what has failed.

    Raises:
        IllegalMove: it was sent.
        Conflict: its destination has ended.
    """
    session.refresh(message, with_for_update=True)
    if message.state is MessageState.SENT:
        raise IllegalMove("This was sent; it is not sent twice.", allowed=[])
    require_open(session.get_one(Destination, message.destination_id))
    message.state, message.attempts, message.next_attempt_at = MessageState.PENDING, 0, now
    session.execute(update(Destination).where(Destination.id == message.destination_id).values(rests_until=None))
    subject = Subject(kind="message", id=message.id, provider_id=message.care_provider_id)
    audit.record(session, Event.CONFIG_CHANGED, by=by, subjects=[subject], args={"what": "sent again"})
    session.flush()
