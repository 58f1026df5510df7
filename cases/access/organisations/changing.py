"""Changing how an organisation is called and reached."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from cases.access import rights
from cases.access.actors import Actor
from cases.access.organisations.care_provider import CareProvider
from cases.access.organisations.care_unit import CareUnit, Department
from cases.access.organisations.identity import record_change


def change(session: Session, row: CareProvider | CareUnit | Department, *, by: Actor | None, **fields: Any) -> None:
    """Change what an organisation is called, how it is reached and what it decides; identity and status have verbs.

    Args:
        session: of this transaction.
        row: what is changed.
        by: who.
        fields: new values by column.
    """
    for field, value in fields.items():
        setattr(row, field, value)
    provider_id = row.id if isinstance(row, CareProvider) else row.care_provider_id
    if isinstance(row, CareProvider):
        rights.changed(session, providers=[row.id])
    record_change(session, row, provider_id=provider_id, what=", ".join(sorted(fields)), by=by)
    session.flush()
