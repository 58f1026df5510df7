"""Rows of which there can be only one, whoever else enters the same at the same moment."""

from __future__ import annotations

from psycopg.errors import UniqueViolation
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from cases.access.errors import Conflict
from cases.database import Base


def insert_unique(session: Session, row: Base, *, taken: str) -> None:
    """Add a row of which there can be only one.

    Args:
        session: of this transaction.
        row: new.
        taken: the sentence for when there is one already.

    Raises:
        Conflict: there is one.
    """
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError as error:
        if isinstance(error.orig, UniqueViolation):
            raise Conflict(taken) from None
        raise
