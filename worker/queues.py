"""The queues, and ringing the bell for a row. Losing a message loses nothing: the sweeper rings again."""

from __future__ import annotations

import uuid

from celery import Celery
from kombu import Exchange, Queue
from kombu.exceptions import OperationalError

PREPARE = "samsyn.prepare"
DELIVER = "samsyn.deliver"

VERIFICATION = "verification"
PYRAMIDS = "pyramids"
DELIVERIES = "deliveries"
TASKS = {VERIFICATION: PREPARE, PYRAMIDS: PREPARE, DELIVERIES: DELIVER}
"""What is done for a row whose id comes through a queue."""
QUEUE_NAMES = tuple(TASKS)
_EXCHANGE = Exchange("samsyn", type="direct")
QUEUES = tuple(Queue(name, _EXCHANGE, routing_key=name) for name in QUEUE_NAMES)
"""All of them, each listened to by some worker. A queue without a key of its own would get every message."""


def ring(app: Celery, row_id: uuid.UUID, *, queue: str) -> bool:
    """Ask a worker to look at a row now: a slide image, or a destination.

    Returns:
        Whether the broker took the message. When it did not, the sweeper will ask again.
    """
    try:
        app.send_task(TASKS[queue], args=[str(row_id)], queue=queue, retry=False)
    except OperationalError:
        return False
    return True


def waiting(app: Celery, queue: str) -> int:
    """Messages that wait in a queue."""
    with app.connection_for_read() as connection, connection.channel() as channel:
        return int(channel.queue_declare(queue, passive=False).message_count)  # type: ignore[attr-defined]
