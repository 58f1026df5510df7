"""Finding what was lost: due rows whose message never came, or whose worker died."""

from __future__ import annotations

from celery import Celery
from sqlalchemy.orm import Session, sessionmaker

from cases.database import transaction
from cases.records.slide_images import find_due
from worker.queues import PYRAMIDS, VERIFICATION, ring, waiting

EVERY = 5.0
"""Seconds between sweeps."""


def sweep(app: Celery, make: sessionmaker[Session]) -> int:
    """Ring for every due row, unless messages are still waiting: those are the rows.

    Returns:
        How many rows were rung for.
    """
    if waiting(app, VERIFICATION) or waiting(app, PYRAMIDS):
        return 0
    with transaction(make) as session:
        due = find_due(session)
    return sum(ring(app, slide_id, queue=VERIFICATION) for slide_id in due)
