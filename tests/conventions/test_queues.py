"""Every message has a queue, and every queue is listened to."""

from __future__ import annotations

import ast
from pathlib import Path

from viewer import cli
from viewer.up import WORKERS
from worker.app import create_app
from worker.queues import PREPARE, QUEUE_NAMES, QUEUES
from worker.settings import WorkerSettings


def test_every_queue_is_listened_to(tmp_path: Path) -> None:
    settings = WorkerSettings(
        database_url="postgresql+psycopg://samsyn_worker@/samsyn", redis_url="redis+socket:///none", data=tmp_path
    )
    names = [queue.name for queue in QUEUES]
    assert len(set(names)) == len(names)
    # Queues that share a key would each get every message.
    assert [queue.routing_key for queue in QUEUES] == names
    with create_app(settings) as app:
        listened = app.amqp.queues
        assert list(listened) == names
        assert app.conf.task_create_missing_queues is False
        assert app.conf.task_default_queue in names
        assert PREPARE in app.tasks


def test_the_workers_of_one_machine_listen_to_every_queue_once() -> None:
    assert sorted(queue for queues in WORKERS.values() for queue in queues) == sorted(QUEUE_NAMES)


def test_messages_are_sent_in_one_place_only() -> None:
    root = Path(cli.__file__).parents[1]
    senders = {"send_task", "apply_async", "delay"}
    found = {
        str(path.relative_to(root))
        for package in ("cases", "worker", "viewer")
        for path in (root / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in senders
    }
    assert found == {"worker/queues.py"}
