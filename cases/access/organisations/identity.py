"""How organisations and people are numbered, and writing down that something about them changed."""

from __future__ import annotations

import re
import uuid

from sqlalchemy.orm import Session

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event, Subject
from cases.access.errors import Invalid
from cases.database import Base

HSA_ID = re.compile(r"SE(16)?\d{10}-[A-Z0-9]{1,18}", re.ASCII)
"""SE, the organisation number and a suffix, in capitals. Source: domain rules, 2.5."""
LONGEST_HSA_ID = 32


def parse_hsa_id(text: str, *, field: str = "hsa_id") -> str:
    """An HSA-id as it is stored and compared: without spaces around it, in capitals.

    Raises:
        Invalid: it has another shape.

    Source: domain rules, 2.5.
    """
    found = text.strip().upper()
    if len(found) > LONGEST_HSA_ID or not HSA_ID.fullmatch(found):
        raise Invalid(
            "An HSA-id is SE, the organisation number, a hyphen and at most 18 letters or digits, such as "
            f"SE5565594230-B9D; this one is not. Copy it from the HSA catalogue ({field}).",
            field=field,
        )
    return found


def parse_org_number(text: str) -> str:
    """A Swedish organisation number as ten digits, whether a hyphen was written or not.

    Raises:
        Invalid: it is something else.
    """
    found = re.sub(r"^(\d{6})-(\d{4})$", r"\1\2", text.strip(), flags=re.ASCII)
    if not re.fullmatch(r"\d{10}", found, re.ASCII):
        raise Invalid(
            "An organisation number has ten digits, such as 232100-0040; this one has not.", field="org_number"
        )
    return found


def record_change(session: Session, row: Base, *, provider_id: uuid.UUID, what: str, by: Actor | None) -> None:
    """Log that something of an organisation changed: which columns, or what happened to it."""
    subject = Subject(kind=row.__tablename__, id=row.id, provider_id=provider_id)
    audit.record(session, Event.CONFIG_CHANGED, by=by, provider_id=provider_id, subjects=[subject], args={"what": what})
