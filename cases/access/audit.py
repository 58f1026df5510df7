"""The log of everything that anybody did or saw.

Entries gather in `session.info` while a transaction works. The edge calls `link` as the last thing before the
commit: each entry then joins its care provider's chain, hash upon hash, so that none can be changed, taken out or
slipped in unnoticed (cases.access.log.chain looks). No entry, no access.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, inspect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from cases.access.actors import Actor
from cases.access.errors import Rejected
from cases.access.log.entries import PLATFORM, AuditEvent, AuditHead, AuditSubject
from cases.access.log.events import Activity, Event, Outcome
from cases.database import new_id

__all__ = [
    "PLATFORM",
    "Activity",
    "AuditEvent",
    "AuditHead",
    "AuditSubject",
    "Event",
    "LogUnavailable",
    "Outcome",
    "Subject",
    "keep_refusals",
    "link",
    "record",
]

_PENDING = "log entries"


class LogUnavailable(Rejected):
    """The log did not take an entry, so what it is about does not happen: D90."""

    code = "D90"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What it was done to, or who.

    Attributes:
        kind: in lower case: "patient", "agreement", "slide" …
        provider_id, unit_id: who is responsible for the information.
    """

    kind: str
    id: uuid.UUID | None = None
    patient_id: uuid.UUID | None = None
    provider_id: uuid.UUID | None = None
    unit_id: uuid.UUID | None = None


def record(
    session: Session,
    event: Event,
    *,
    by: Actor | None,
    provider_id: uuid.UUID | None = None,
    subjects: Sequence[Subject] = (),
    outcome: Outcome = Outcome.OK,
    code: str | None = None,
    basis: str | None = None,
    decision_id: uuid.UUID | None = None,
    args: Mapping[str, str | int | bool | None] | None = None,
) -> None:
    """Write down what somebody did or saw. It is linked into the chain as the last thing before the commit.

    Args:
        session: of this transaction.
        event: what happened.
        by: who; None for the system.
        provider_id: whose chain, where `by` is None; the user's own provider otherwise. None for the platform's.
        subjects: what it was done to; several patients in one list are one entry.
        outcome: a refusal is kept even when the transaction is rolled back.
        code: of the refusal.
        basis: why it was allowed.
        decision_id: of the gate.
        args: further facts, never a name or an identity number.
    """
    chain = by.provider_id if by else provider_id or PLATFORM
    facts = dict(args or {})
    if by and by.order_number:
        facts["order_number"] = by.order_number
    entry = {
        "id": new_id(),
        "care_provider_id": chain,
        "at": datetime.now(UTC),
        "event": event,
        "activity": event.activity,
        "outcome": outcome,
        "code": code,
        "basis": basis,
        "decision_id": decision_id,
        "purpose": by and by.purpose,
        "person_id": by and by.person_id,
        "assignment_id": by and by.assignment_id,
        "unit_id": by and by.unit_id,
        "session_id": by and by.session_id,
        "client_ip": by and by.client_ip,
        "user_agent_digest": by and by.user_agent_digest,
        "args": facts,
        "owners": sorted({one.provider_id for one in subjects if one.provider_id} - {chain}),
    }
    session.info.setdefault(_PENDING, []).append((entry, list(subjects)))


def link(session: Session) -> None:
    """Write this transaction's entries, each linked to the one before it in its provider's chain.

    From the first entry on the chain is locked until the commit, so nothing else is left to be done by then.

    Raises:
        LogUnavailable: the database did not take them; nothing of this transaction may stand.
    """
    _write(session, session.info.get(_PENDING, []))
    session.info.pop(_PENDING, None)


def keep_refusals(session: Session) -> None:
    """After a rollback: write the refusals among the entries, for the edge to commit."""
    _write(session, [pair for pair in session.info.pop(_PENDING, []) if pair[0]["outcome"] != Outcome.OK])


def digest(entry: Mapping[str, str | None], subjects: Sequence[Mapping[str, str | None]]) -> bytes:
    """SHA-256 of an entry as JSON: columns as `ENTRY` and `SUBJECT` name them, in that order, all as text."""
    return hashlib.sha256(_ENCODE({**entry, "subjects": subjects}).encode()).digest()


ENTRY = tuple(attr.key for attr in inspect(AuditEvent).column_attrs if attr.key not in ("seq", "prev_hash", "hash"))
"""What of an entry its digest covers; place and hashes are covered by the chain itself."""
SUBJECT = ("kind", "subject_id", "patient_id", "provider_id", "unit_id")
"""What of a subject the digest of its entry covers, in the order in which they stand."""
COPIED = ("care_provider_id", "at", "event", "person_id")
"""What a subject has of its entry, for the indexes."""
_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def encode_args(args: Mapping[str, Any]) -> str:
    """Further facts as text, the same whatever order the database keeps them in."""
    return json.dumps(args, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _text(value: object) -> str | None:
    match value:
        case None:
            return None
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="microseconds")
        case dict():
            return encode_args(value)
        case list():
            return ",".join(str(one) for one in value)
    return str(value)


def _write(session: Session, pending: Sequence[tuple[dict[str, Any], list[Subject]]]) -> None:
    if not pending:
        return
    session.flush()
    subjects, events = [], []
    # In the same order everywhere, so that no two transactions wait for each other's chain.
    for entry, about in sorted(pending, key=lambda pair: pair[0]["care_provider_id"]):
        rows = [{"subject_id" if name == "id" else name: value for name, value in asdict(one).items()} for one in about]
        texts = [{name: _text(row[name]) for name in SUBJECT} for row in rows]
        events.append(entry | {"hash": digest({name: _text(entry[name]) for name in ENTRY}, texts)})
        where = {"event_id": entry["id"]} | {name: entry[name] for name in COPIED}
        subjects += [where | {"ordinal": ordinal} | row for ordinal, row in enumerate(rows)]
    try:
        if subjects:
            session.execute(insert(AuditSubject), subjects)
        # The database puts the link in place of the digest, under the lock of the chain's head.
        session.execute(insert(AuditEvent), events)
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        raise LogUnavailable("The log cannot be written just now, so nothing may be opened or changed.") from error
