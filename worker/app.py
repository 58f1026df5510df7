"""The Celery application: the doorbell. Every message names one row; the row says what is to be done.

There is no result backend, and a message is acknowledged before its work: what a dying worker leaves behind is
found by its lease, not by redelivery, which with Redis may come an hour late or twice.
"""

from __future__ import annotations

import os
import uuid
from functools import cached_property
from typing import TYPE_CHECKING, Any

from celery import Celery
from celery.signals import worker_process_init
from sqlalchemy.orm import Session, sessionmaker

from cases.access.vault import Vault
from cases.database import connect, sessions
from worker.confinement import die_with_parent
from worker.preparation import Preparation
from worker.queues import DELIVER, PREPARE, PYRAMIDS, QUEUES, VERIFICATION, ring
from worker.sandbox import Sandbox
from worker.settings import WorkerSettings
from worker.storage import Storage

if TYPE_CHECKING:
    from worker.delivery import Courier

LONGEST_STEP = 2 * 3600
"""Seconds after which a step is ended that hangs outside the sandbox, on a storage that does not answer."""

LONGEST_ROUND = 1800
"""Seconds after which a courier is ended that hangs; its lease then runs out."""


class _Process:
    """What one worker process keeps open; made at its first task, hence after the fork."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings

    @cached_property
    def sessions(self) -> sessionmaker[Session]:
        return sessions(connect(self._settings.database_url, connections=3))

    @cached_property
    def preparation(self) -> Preparation:
        return Preparation(self.sessions, Storage(self._settings.data), self.sandbox)

    @cached_property
    def courier(self) -> Courier:
        # Alone among the workers it needs the keys, since what it takes along names patients, and what sets pages.
        from worker.delivery import Courier

        vault = Vault(self._settings.key_folder)
        make = sessions(connect(self._settings.database_url, connections=2), vault=vault)
        return Courier(make, folder=self._settings.delivery_folder, networks=self._settings.opened.networks)

    @cached_property
    def sandbox(self) -> Sandbox:
        return Sandbox()


def create_app(settings: WorkerSettings) -> Celery:
    """The application for workers, the scheduler, and everybody who rings."""
    app = Celery("samsyn", broker=settings.redis_url)
    app.conf.update(
        accept_content=["json"],
        task_ignore_result=True,
        task_queues=QUEUES,
        task_create_missing_queues=False,
        task_default_queue=VERIFICATION,
        worker_concurrency=settings.processes,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={"socket_timeout": 5, "socket_connect_timeout": 5, "max_retries": 1},
    )
    process = _Process(settings)

    @app.task(name=PREPARE, time_limit=LONGEST_STEP, shared=False)
    def prepare(slide_id: str) -> None:
        if process.preparation.advance(uuid.UUID(slide_id)):
            ring(app, uuid.UUID(slide_id), queue=PYRAMIDS)

    @app.task(name=DELIVER, time_limit=LONGEST_ROUND, shared=False)
    def deliver(destination_id: str) -> None:
        process.courier.deliver(uuid.UUID(destination_id))

    def begin(**_: Any) -> None:
        """In each pool process: do not outlive a worker that was killed, and have readers at hand."""
        die_with_parent(os.getppid())
        process.sandbox.warm()

    worker_process_init.connect(begin, weak=False)
    return app
