"""The one way to change anything: work, decide again what is being looked at, write the log, commit."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import structlog
from sqlalchemy.orm import Session, sessionmaker

from cases.access import audit, decisions
from cases.sharing import viewings
from cases.sharing.requests import holds

log = structlog.get_logger()


@contextmanager
def transaction(make: sessionmaker[Session], *, now: datetime | None = None) -> Iterator[Session]:
    """One transaction: committed when the block ends, rolled back when it raises. For the edge only.

    Before the commit requests that the change concerns are held or go on, whoever may have lost a right loses what they
    look at, and the log's entries are linked as the last statements. Requests that somebody else is moving at this
    moment are not waited for while anything is locked (`holds.recheck`): they are looked at again right after the
    commit. After a rollback the refusals among the entries are still written: a refused attempt is on record. Where the
    log cannot be written, nothing is committed.

    Args:
        make: sessions of this process.
        now: the moment by which requests are held or go on; that of the commit if not said.

    Raises:
        LogUnavailable: the log took no entry; so nothing was done.
    """
    with make() as session:
        try:
            yield session
            left = holds.reconsider(session, now=now or datetime.now(UTC))
            viewings.reconsider(session)
            audit.link(session)
            session.commit()
        except BaseException:
            session.rollback()
            decisions.keep_refusals(session)
            audit.keep_refusals(session)
            session.commit()
            raise
    _look_again(make, left, now=now)


def _look_again(make: sessionmaker[Session], request_ids: Sequence[uuid.UUID], *, now: datetime | None) -> None:
    """Hold or let go on what somebody else was moving, one at a time: nothing is locked while one is waited for.

    What was asked for is committed, so nothing here may fail it: a timer looks at everything again (`timers.THOROUGH`),
    and meanwhile the gate decides by the facts, not by the hold.
    """
    for request_id in request_ids:
        try:
            with transaction(make, now=now) as session:
                holds.look_again(session, request_id, now=now or datetime.now(UTC))
        except Exception:
            log.exception("a request could not be looked at again", request=str(request_id))
