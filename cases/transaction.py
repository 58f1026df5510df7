"""The one way to change anything: work, decide again what is being looked at, write the log, commit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session, sessionmaker

from cases.access import audit, decisions
from cases.sharing import viewings
from cases.sharing.requests import holds


@contextmanager
def transaction(make: sessionmaker[Session]) -> Iterator[Session]:
    """One transaction: committed when the block ends, rolled back when it raises. For the edge only.

    Before the commit requests that the change concerns are held or go on, whoever may have lost a right loses what they
    look at, and the log's entries are linked as the last statements. After a rollback the refusals among the entries
    are still written: a refused attempt is on record. Where the log cannot be written, nothing is committed.

    Args:
        make: sessions of this process.

    Raises:
        LogUnavailable: the log took no entry; so nothing was done.
    """
    with make() as session:
        try:
            yield session
            holds.reconsider(session)
            viewings.reconsider(session)
            audit.link(session)
            session.commit()
        except BaseException:
            session.rollback()
            decisions.keep_refusals(session)
            audit.keep_refusals(session)
            session.commit()
            raise
