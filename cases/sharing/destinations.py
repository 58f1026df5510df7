"""Destinations: where a care provider's answers are sent by themselves, to its laboratory system and the like."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Enum, ForeignKey, LargeBinary, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event, Subject
from cases.access.errors import Conflict, Invalid, NotThere
from cases.access.vault import find_vault
from cases.database import Base, Versioned
from cases.sharing.reports.words import Language
from cases.sharing.webhook_addresses import Network, Opened, parse_webhook


class DestinationKind(StrEnum):
    """How it is sent: files in the operator's folder of the care provider, or one signed HTTPS request."""

    FOLDER = "FOLDER"
    WEBHOOK = "WEBHOOK"


class Answers(StrEnum):
    """Which answers are sent: those to one's own requests, those that one gives, or both."""

    RECEIVED = "RECEIVED"
    GIVEN = "GIVEN"
    BOTH = "BOTH"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What can be chosen of a destination, and changed; as on `Destination`."""

    name: str
    address: str | None
    answers: Answers
    language: Language


class Destination(Versioned, Base):
    """One place that answers are sent to.

    Attributes:
        name: for people; says nothing of a patient.
        address: of a webhook; a folder has none of its own.
        secret_enc: what webhooks are signed with, encrypted for the provider.
        language: of what is sent.
        ended_at: since when nothing is sent there.
        failures: in a row; `last_code` says how the last attempt ended.
        rests_until: it did not answer, and is left alone until then.
        lease_holder, leased_until: which courier is on the way there; one at a time, so that answers keep their order.
    """

    __tablename__ = "destination"
    __table_args__ = (
        CheckConstraint("(kind = 'WEBHOOK') = (address IS NOT NULL)", "webhooks_have_an_address"),
        CheckConstraint("(kind = 'WEBHOOK') = (secret_enc IS NOT NULL)", "webhooks_have_a_secret"),
        CheckConstraint("(lease_holder IS NULL) = (leased_until IS NULL)", "lease_is_whole"),
        CheckConstraint("failures >= 0", "failures_are_counted"),
    )

    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"), index=True)
    name: Mapped[str]
    kind: Mapped[DestinationKind] = mapped_column(Enum(DestinationKind, native_enum=False, length=40))
    address: Mapped[str | None]
    secret_enc: Mapped[bytes | None] = mapped_column(LargeBinary)
    answers: Mapped[Answers] = mapped_column(Enum(Answers, native_enum=False, length=40))
    language: Mapped[str]
    ended_at: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(default=0)
    last_code: Mapped[str | None]
    rests_until: Mapped[datetime | None]
    lease_holder: Mapped[uuid.UUID | None]
    leased_until: Mapped[datetime | None]


def add_destination(
    session: Session,
    wanted: Wanted,
    *,
    kind: DestinationKind,
    opened: Opened,
    by: Actor,
) -> tuple[Destination, str | None]:
    """Have the own care provider's answers sent somewhere from now on.

    Args:
        session: of this transaction.
        wanted: its address is a webhook's; a folder has none.
        kind: how it is sent.
        opened: by the operator.
        by: an administrator.

    Returns:
        The destination, and a webhook's secret, which is told this once.

    Raises:
        Invalid: the address is missing, or leads where it must not.
        Conflict: the operator has opened no folder.
    """
    address = _read_address(kind, wanted, opened.networks)
    if kind is DestinationKind.FOLDER and not opened.folder:
        raise Conflict("This installation lays down no files. Ask the operator to set SAMSYN_DELIVERY_FOLDER.")
    secret = _make_secret() if kind is DestinationKind.WEBHOOK else None
    destination = Destination(
        care_provider_id=by.provider_id,
        name=wanted.name.strip(),
        kind=kind,
        address=address,
        secret_enc=find_vault(session).encrypt(by.provider_id, secret) if secret else None,
        answers=wanted.answers,
        language=wanted.language,
        created_by=by.assignment_id,
    )
    session.add(destination)
    session.flush()
    record_change(session, destination, "added", by=by)
    return destination, secret


def change_destination(
    session: Session,
    destination: Destination,
    wanted: Wanted,
    *,
    networks: Sequence[Network],
    by: Actor,
) -> None:
    """Call it, lead it or fill it otherwise. What waits is tried at once where it leads now.

    Raises:
        Conflict: it has ended.
        Invalid: the address leads where it must not.
    """
    require_open(destination)
    address = _read_address(destination.kind, wanted, networks)
    if address != destination.address:
        destination.failures, destination.rests_until = 0, None
    destination.name, destination.address = wanted.name.strip(), address
    destination.answers, destination.language = wanted.answers, wanted.language
    session.flush()
    record_change(session, destination, "changed", by=by)


def renew_secret(session: Session, destination: Destination, *, by: Actor) -> str:
    """A new secret for a webhook, told this once; the old one signs nothing from now on.

    Raises:
        Conflict: it has ended, or is a folder.
    """
    require_open(destination)
    if destination.kind is not DestinationKind.WEBHOOK:
        raise Conflict("A folder has no secret.")
    secret = _make_secret()
    destination.secret_enc = find_vault(session).encrypt(destination.care_provider_id, secret)
    session.flush()
    record_change(session, destination, "secret renewed", by=by)
    return secret


def find_destination(session: Session, destination_id: uuid.UUID, *, by: Actor) -> Destination:
    """A destination of the actor's care provider. Raises NotThere."""
    found = session.scalar(
        select(Destination).where(Destination.id == destination_id, Destination.care_provider_id == by.provider_id)
    )
    if found is None:
        raise NotThere("There is no such destination.")
    return found


def list_destinations(session: Session, *, by: Actor) -> list[Destination]:
    """Those of the actor's care provider that have not ended, the oldest first."""
    own = Destination.care_provider_id == by.provider_id
    return list(
        session.scalars(select(Destination).where(own, Destination.ended_at.is_(None)).order_by(Destination.id))
    )


def _read_address(kind: DestinationKind, wanted: Wanted, networks: Sequence[Network]) -> str | None:
    if kind is DestinationKind.FOLDER:
        if wanted.address is not None:
            raise Invalid("A folder has no address: the operator says where it is. Leave it out.", field="address")
        return None
    if wanted.address is None:
        raise Invalid("A webhook needs an address.", field="address")
    return parse_webhook(wanted.address, networks)


def require_open(destination: Destination) -> None:
    """Raise Conflict if it has ended."""
    if destination.ended_at is not None:
        raise Conflict("This destination has ended. Add a new one.")


def _make_secret() -> str:
    return secrets.token_urlsafe(32)


def record_change(session: Session, destination: Destination, what: str, *, by: Actor) -> None:
    """Put on the log what an administrator has done with a destination."""
    subject = Subject(kind="destination", id=destination.id, provider_id=destination.care_provider_id)
    args = {"what": f"destination {what}", "kind": destination.kind, "address": destination.address}
    audit.record(session, Event.CONFIG_CHANGED, by=by, subjects=[subject], args=args)
