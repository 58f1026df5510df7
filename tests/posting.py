"""Two care providers, one asking the other, and what each has sent to itself.

post = make_post(world)
webhook, secret = post.add(receiver)           a destination of Kalmar's
asked = post.ask()                             a request that is ready to be answered
post.courier(receiver).deliver(webhook)
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from answering import Asked, ask
from receivers import HERE, Receiver
from sqlalchemy import select, update
from world import Place, Somebody, World

from cases.access.permissions import Role
from cases.sharing.destinations import Answers, Destination, DestinationKind, Wanted, add_destination
from cases.sharing.outbox import OutboxMessage, find_due
from cases.sharing.webhook_addresses import Opened
from cases.transaction import transaction
from worker.delivery import Courier

PATIENCE = 1.0
"""Seconds that a courier waits here."""


@dataclass
class Post:
    """Two care providers, and what each has sent to itself."""

    world: World
    kalmar: Place
    linkoping: Place
    administrator: Somebody
    other_administrator: Somebody

    def add(
        self,
        receiver: Receiver | None,
        *,
        answers: Answers = Answers.RECEIVED,
        by: Somebody | None = None,
        language: str = "sv",
    ) -> tuple[uuid.UUID, str | None]:
        """A destination of Kalmar's, or of whoever it is added by; a folder where there is no receiver."""
        with (by or self.administrator).acting() as (session, actor):
            row, secret = add_destination(
                session,
                Wanted(
                    name="Laboratoriesystemet",
                    address=receiver.address if receiver else None,
                    answers=answers,
                    language="en" if language == "en" else "sv",
                ),
                kind=DestinationKind.WEBHOOK if receiver else DestinationKind.FOLDER,
                opened=Opened(folder=True, networks=HERE),
                by=actor,
            )
            return row.id, secret

    def ask(self) -> Asked:
        """A request of Kalmar's to Linköping that is ready to be answered."""
        return ask(self.kalmar, self.linkoping)

    def messages(self, destination_id: uuid.UUID) -> list[OutboxMessage]:
        """Everything for a destination, the oldest first."""
        with transaction(self.world.owner) as session:
            of = select(OutboxMessage).where(OutboxMessage.destination_id == destination_id).order_by(OutboxMessage.id)
            return list(session.scalars(of))

    def message(self, destination_id: uuid.UUID) -> OutboxMessage:
        """The only one for a destination."""
        (found,) = self.messages(destination_id)
        return found

    def let_time_pass(self, destination_id: uuid.UUID) -> None:
        """So long that a destination has rested and every pause is over."""
        past = datetime(2026, 1, 1, tzinfo=UTC)
        with transaction(self.world.owner) as session:
            session.execute(update(Destination).where(Destination.id == destination_id).values(rests_until=past))
            of = update(OutboxMessage).where(OutboxMessage.destination_id == destination_id)
            session.execute(of.values(next_attempt_at=past))

    def due(self) -> list[uuid.UUID]:
        """As the sweeper finds them."""
        with transaction(self.world.worker) as session:
            return find_due(session)

    def courier(self, receiver: Receiver | None = None, *, folder: Path | None = None) -> Courier:
        """One of the worker's, who believes a receiver's certificate."""
        trust = receiver.trust if receiver else None
        return Courier(self.world.worker, folder=folder, networks=HERE, trust=trust, patience=PATIENCE)


def make_post(world: World) -> Post:
    """Kalmar and Linköping, new ones."""
    kalmar, linkoping = world.provider("Region Kalmar län"), world.provider("Region Östergötland")
    return Post(world, kalmar, linkoping, kalmar.person(Role.ADM), linkoping.person(Role.ADM))
