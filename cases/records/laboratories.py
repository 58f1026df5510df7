"""What each laboratory has its own way of: the shape of its case numbers, the columns of its lists."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping

from sqlalchemy import ForeignKey, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event, Subject
from cases.access.errors import Invalid
from cases.access.organisations import Department
from cases.database import Base, Versioned

_SIGNS = {"#": r"\d", "@": "[A-ZÅÄÖ]"}
_LONGEST_LID = 40


class Laboratory(Versioned, Base):
    """The ways of one department that is a laboratory.

    Attributes:
        lid_pattern: what its case numbers look like: `#` a digit, `@` a capital letter, `+` after either one or more
            of it, `|` or; anything else is itself. "D##-#+" is D26-123. None takes any.
        list_columns: of its lists of cases: our name of a column to the laboratory system's; empty leaves it out.
    """

    __tablename__ = "laboratory"

    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"), index=True)
    department_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("department.id"), unique=True)
    lid_pattern: Mapped[str | None]
    list_columns: Mapped[dict[str, str] | None] = mapped_column(JSONB)


def find_laboratory(session: Session, department: Department) -> Laboratory:
    """The ways of a department; a new row, not yet in the session, where it has none."""
    row = session.scalar(select(Laboratory).where(Laboratory.department_id == department.id))
    return row or Laboratory(care_provider_id=department.care_provider_id, department_id=department.id, version=0)


def configure_laboratory(
    session: Session, row: Laboratory, *, lid_pattern: str | None, list_columns: Mapping[str, str] | None, by: Actor
) -> None:
    """Say what a laboratory's ways are, in place of those before."""
    row.lid_pattern, row.list_columns = lid_pattern, dict(list_columns) if list_columns else None
    _save(session, row, by=by)


def remember_columns(session: Session, row: Laboratory, columns: Mapping[str, str], *, by: Actor) -> None:
    """Keep which columns a laboratory's list had, for the next one."""
    if row.list_columns != dict(columns):
        row.list_columns = dict(columns)
        _save(session, row, by=by)


def read_lid(text: str, *, pattern: str | None) -> str:
    """A case number as it is kept.

    Args:
        text: as somebody wrote it.
        pattern: of its laboratory.

    Raises:
        Invalid: it is empty, too long, or does not look like this laboratory's numbers.
    """
    lid = text.strip()
    if not lid or len(lid) > _LONGEST_LID:
        raise Invalid(f"A laboratory number of 1 to {_LONGEST_LID} characters is wanted.", field="lid")
    if pattern and not re.fullmatch(_as_expression(pattern), lid, re.ASCII):
        raise Invalid(
            f"Case numbers of this laboratory look like {pattern} (# a digit, @ a capital letter, + one or more). "
            "Check the number, or have the administrator change the pattern.",
            field="lid",
        )
    return lid


def _as_expression(pattern: str) -> str:
    """A run of the same sign becomes one term, so that no number takes long to be refused."""

    def read(found: re.Match[str]) -> str:
        run = found[0]
        if run[0] in _SIGNS:
            return f"{_SIGNS[run[0]]}{{{run.count(run[0])},{'' if '+' in run else run.count(run[0])}}}"
        return "|" if run == "|" else re.escape(run)

    return re.sub(r"([#@])(?:\1|\+)*|.", read, pattern, flags=re.DOTALL)


def _save(session: Session, row: Laboratory, *, by: Actor) -> None:
    if row not in session:
        row.version, row.created_by = 1, by.assignment_id
        session.add(row)
    session.flush()
    subject = Subject(kind="laboratory", id=row.id, provider_id=row.care_provider_id, unit_id=by.unit_id)
    audit.record(session, Event.CONFIG_CHANGED, by=by, subjects=[subject])
