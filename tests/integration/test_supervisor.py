"""The supervisor as its own process, with real services and real commands, stopped and killed."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psycopg
import pytest
from makers import folder_for_everyone, wait_for

import viewer
from viewer.embedded import EmbeddedPostgreSQL
from viewer.embedded.addresses import socket_folder

ROOT = Path(viewer.__file__).parents[1]
NAP = ["sleep", "600"]

# What it is asked for comes as JSON, what happens leaves as one JSON object a line.
SUPERVISOR = """
import json, sys
from pathlib import Path
from viewer.embedded import EmbeddedError, Process, Supervisor

def tell(event):
    print(json.dumps([event.name, event.kind, event.sentence]), flush=True)

data, one_off, processes = json.loads(sys.argv[1])
data = Path(data)
try:
    Supervisor(
        data,
        one_off=[Process(name, argv) for name, argv in one_off],
        processes=[Process(name, argv, ready=(data / f"{name}-ready").exists) for name, argv in processes],
        on_event=tell,
    ).run()
except EmbeddedError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""

# A worker whose pool child is tied to it, as ours ties its own.
WORKER = """
import sys, time
from pathlib import Path
from viewer.embedded.children import start_child
start_child(["sleep", "600"], name="pool", logs=Path(sys.argv[1]) / "logs")
time.sleep(600)
"""


class Running:
    """A supervisor in a process of its own, and everything that descends from it."""

    def __init__(
        self,
        data: Path,
        *,
        one_off: Sequence[tuple[str, list[str]]] = (),
        processes: Sequence[tuple[str, list[str]]] = (),
    ) -> None:
        self.data = data
        # Children inherit it, so that they are found in /proc whoever their parent is by then.
        self.mark = f"TEST_MARK={os.urandom(8).hex()}"
        self.output = data / f"{self.mark}.events"
        self.errors = data / f"{self.mark}.errors"
        with self.output.open("wb") as output, self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SUPERVISOR, json.dumps([str(data), one_off, processes])],
                env=os.environ | {"PYTHONPATH": str(ROOT)} | dict([self.mark.split("=")]),
                stdout=output,
                stderr=errors,
            )

    def events(self, name: str, kind: str) -> list[str]:
        """The sentences so far about one name."""
        lines = self.output.read_text().split("\n")[:-1]  # the last may not be whole yet
        return [event[2] for event in map(json.loads, lines) if event[:2] == [name, kind]]

    def wait_for(self, name: str, kind: str, *, times: int = 1) -> list[str]:
        """Wait until it has been said that often."""
        wait_for(lambda: len(self.events(name, kind)) >= times or self.process.poll() is not None)
        found = self.events(name, kind)
        assert len(found) >= times, self.errors.read_text()
        return found

    def pid_of(self, name: str, *, times: int = 1) -> int:
        """The process that was started as the last of that many."""
        said = re.search(r"process (\d+)", self.wait_for(name, "started", times=times)[-1])
        assert said is not None
        return int(said[1])

    def left(self) -> list[int]:
        """The living processes of this supervisor: by the mark, and PostgreSQL's, which erases it, by folder."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                marked = self.mark.encode() in (process / "environ").read_bytes()
                if marked or (process / "cwd").readlink().is_relative_to(self.data):
                    found.append(int(process.name))
            except OSError:
                continue  # ended in between, or is somebody else's
        return found

    def stop(self, wanted: signal.Signals, *, within_s: float = 10) -> int:
        """Send it a signal and wait for its end: its exit code."""
        self.process.send_signal(wanted)
        return self.process.wait(timeout=within_s)


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """A data folder whose database has been made: that takes most of a first start."""
    with folder_for_everyone() as folder:
        with EmbeddedPostgreSQL(folder):
            pass
        yield folder


@pytest.fixture
def data(made: Path) -> Path:
    """The same folder for every test, with nothing in it but the database, which does not run."""
    for entry in made.iterdir():
        if entry.is_dir() and entry.name != "postgresql":
            shutil.rmtree(entry)
        elif entry.is_file():
            entry.unlink()
    return made


@pytest.fixture
def start(data: Path) -> Iterator[Callable[..., Running]]:
    """Start supervisors that do not outlive the test."""
    started: list[Running] = []

    def begin(**wanted: Sequence[tuple[str, list[str]]]) -> Running:
        started.append(Running(data, **wanted))
        return started[-1]

    yield begin
    for running in started:
        running.process.kill()
        running.process.wait()
        wait_for(lambda running=running: not running.left())  # type: ignore[misc]


def answers(data: Path) -> bool:
    try:
        psycopg.connect(host=str(socket_folder(data)), user="samsyn_app", dbname="samsyn").close()
    except psycopg.OperationalError:
        return False
    return True


def test_sigint_stops_everything_and_ends_with_0(start: Callable[..., Running], data: Path) -> None:
    running = start(
        one_off=[("migrate", ["sh", "-c", f"test -S {socket_folder(data)}/valkey.sock && echo migrated"])],
        processes=[
            ("web", NAP),
            ("worker", ["sh", "-c", "sleep 600 & sleep 600"]),  # its child is tied to nobody
        ],
    )
    pids = [running.pid_of(name) for name in ("postgresql", "valkey", "web", "worker")]
    assert answers(data)
    assert set(pids) <= set(running.left())
    assert all(os.getsid(pid) == pid for pid in pids)  # Ctrl-C in the terminal does not reach them
    assert (data / "logs/migrate.log").read_text() == "migrated\n"
    assert running.events("web", "ready") == []
    (data / "web-ready").touch()
    assert running.wait_for("web", "ready") == ["web is ready."]
    assert running.stop(signal.SIGINT) == 0
    assert running.left() == []
    assert running.errors.read_text() == ""
    assert "database system is shut down" in (data / "logs/postgresql.log").read_text()
    assert "Everything is stopped." in (data / "logs/supervisor.log").read_text()


def test_a_process_that_ignores_sigterm_does_not_hold_up_the_end(start: Callable[..., Running]) -> None:
    running = start(
        processes=[
            ("web", ["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 1; done"]),
            ("worker", ["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 1; done"]),
        ]
    )
    for name in ("web", "worker"):
        wait_for(lambda name=name: "deaf" in log_of(running, name))  # type: ignore[misc]
    before = time.monotonic()
    assert running.stop(signal.SIGTERM) == 0
    assert 5 <= time.monotonic() - before < 20
    assert running.left() == []


def log_of(running: Running, name: str) -> str:
    log = running.data / "logs" / f"{name}.log"
    return log.read_text() if log.exists() else ""


def test_nothing_outlives_kill_9_of_the_supervisor(start: Callable[..., Running], data: Path) -> None:
    running = start(processes=[("web", NAP), ("worker", [sys.executable, "-c", WORKER, str(data)])])
    running.pid_of("worker")
    wait_for(lambda: (data / "logs/pool.log").exists() and len(running.left()) >= 5)
    running.process.kill()
    running.process.wait()
    wait_for(lambda: running.left() == [], within_s=5)
    log = (data / "logs/postgresql.log").read_text()
    assert "received fast shutdown request" in log
    assert "database system is shut down" in log


def test_the_next_supervisor_starts_at_once_after_kill_9_of_the_first(start: Callable[..., Running]) -> None:
    first = start()
    first.pid_of("valkey")
    first.process.kill()
    second = start(processes=[("web", NAP)])
    second.pid_of("web")
    assert answers(second.data)
    assert second.stop(signal.SIGINT) == 0


def test_a_second_supervisor_on_the_same_folder_is_refused(start: Callable[..., Running], data: Path) -> None:
    first = start()
    first.pid_of("postgresql")
    second = start()
    assert second.process.wait(timeout=10) == 1
    assert second.errors.read_text() == (
        f"AlreadyRunning: Samsyn is already running on {data} (process {first.process.pid}): stop it first, "
        f"or choose another data folder.\n"
    )
    assert first.process.poll() is None


def test_whatever_is_killed_starts_again(start: Callable[..., Running], data: Path) -> None:
    running = start(processes=[("web", ["sh", "-c", "sleep 600 & sleep 600"])])
    running.pid_of("web")
    wait_for(lambda: len(running.left()) > 4)
    before = set(running.left())
    for name in ("web", "valkey", "postgresql"):
        os.kill(running.pid_of(name), signal.SIGKILL)
    for name in ("web", "valkey", "postgresql"):
        running.pid_of(name, times=2)
        (ended,) = running.events(name, "ended")
        assert ended == f"{name} was ended by SIGKILL. {name} starts again in 0.5 s."
        assert ended in (data / "logs/supervisor.log").read_text()
    assert answers(data)
    assert before & set(running.left()) == {running.process.pid}  # the killed shell's own child went with it
    assert running.stop(signal.SIGINT) == 0


def test_what_ends_again_and_again_waits_longer_each_time(start: Callable[..., Running]) -> None:
    running = start(processes=[("web", ["sh", "-c", "exit 7"])])
    sentences = running.wait_for("web", "ended", times=3)
    assert sentences[:3] == [f"web ended with code 7. web starts again in {pause} s." for pause in ("0.5", "1", "2")]
    assert running.stop(signal.SIGTERM) == 0


def test_a_one_off_that_fails_stops_everything_and_is_quoted(start: Callable[..., Running]) -> None:
    running = start(
        one_off=[("migrate", ["sh", "-c", "echo no such column; exit 3"]), ("seed", ["true"])],
        processes=[("web", NAP)],
    )
    assert running.process.wait(timeout=10) == 1
    assert running.errors.read_text() == (
        "OneOffFailed: migrate must succeed before Samsyn starts but ended with code 3:\nno such column\n"
    )
    assert running.events("seed", "started") == running.events("web", "started") == []
    assert running.left() == []


def test_a_process_that_is_not_there_stops_everything_and_is_named(start: Callable[..., Running]) -> None:
    running = start(processes=[("web", NAP), ("worker", ["/nowhere/worker"])])
    assert running.process.wait(timeout=10) == 1
    assert "worker should be started from /nowhere/worker, but that failed: No such file" in (
        running.errors.read_text()
    )
    assert running.left() == []


def test_a_signal_during_a_long_one_off_is_heard(start: Callable[..., Running]) -> None:
    running = start(one_off=[("migrate", NAP)], processes=[("web", NAP)])
    running.pid_of("migrate")
    assert running.stop(signal.SIGTERM, within_s=5) == 0
    assert running.events("web", "started") == []
    assert running.left() == []


def test_a_signal_before_anything_is_up_is_heard(start: Callable[..., Running]) -> None:
    running = start(processes=[("web", NAP)])
    wait_for((running.data / "run/lock").exists)
    wait_for((running.data / "logs").exists)
    assert running.stop(signal.SIGINT, within_s=5) == 0
    assert running.left() == []
