"""Keeps the whole product running on one machine, until somebody says stop."""

import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Literal

from viewer.embedded.children import Child, describe_end, pause, start_child
from viewer.embedded.errors import AlreadyRunning, EmbeddedError, FolderUnusable, GivenUp, OneOffFailed
from viewer.embedded.folders import make_data_folder, make_private_folder, server_account
from viewer.embedded.postgresql import EmbeddedPostgreSQL
from viewer.embedded.valkey import EmbeddedValkey

SHORTEST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0
HEALTHY_LIFE_S = 60.0
STOP_PATIENCE_S = 5.0
_LOOK_EVERY_S = 0.1
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Process:
    """A command of ours to run beside the services.

    Attributes:
        name: what people call it; names its log.
        argv: the program and its arguments.
        env: the whole environment; None is the supervisor's.
        ready: asked often, so it answers fast and never raises; None when nobody waits for it.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] | None = None
    ready: Callable[[], bool] | None = None


@dataclass(frozen=True)
class Event:
    """Something the person at the terminal may want to see.

    Attributes:
        name: of the service or process.
        kind: "ended" is unexpected, and a new start follows; "stopped" was asked for.
        sentence: the same in words.
    """

    name: str
    kind: Literal["started", "ready", "ended", "stopped"]
    sentence: str


@dataclass
class _Kept:
    """One thing that is kept alive, and how its last life went."""

    name: str
    start: Callable[[], Child]
    ready: Callable[[], bool] | None = None
    child: Child | None = None
    started_s: float = 0.0
    due_s: float = 0.0
    pause_s: float = SHORTEST_PAUSE_S
    is_ready: bool = False


class Supervisor:
    """Owns one data folder: its services, what must run before the product, and the product itself.

    `Supervisor(data, one_off=[migrate], processes=[web, worker]).run()` blocks until SIGINT, SIGTERM or
    SIGHUP and then returns with nothing left running, in under 10 s. When the supervisor itself is killed,
    the kernel ends its children (Linux): ours at once, PostgreSQL and Valkey in good order. A process with
    children of its own, like a worker with a pool, must set PR_SET_PDEATHSIG in them (see `children`).

    Whatever dies is started again, after a pause that grows from 0.5 s to 10 s and begins anew after a
    minute of life. Everything is noted in `logs/supervisor.log`; what the processes print, in
    `logs/<name>.log`.
    """

    def __init__(
        self,
        data: Path,
        *,
        one_off: Sequence[Process] = (),
        processes: Sequence[Process] = (),
        on_event: Callable[[Event], None] = lambda event: None,
    ) -> None:
        """Say what to run; nothing happens before `run`.

        Args:
            data: made where missing.
            one_off: run in this order, each to its successful end, before `processes` start.
            processes: started in this order, stopped in the reverse order.
            on_event: called from `run`.
        """
        self._data = data.resolve()
        self._logs = self._data / "logs"
        self._one_off = one_off
        self._on_event = on_event
        self._stop_asked = False
        asked = lambda: self._stop_asked  # noqa: E731
        postgresql = EmbeddedPostgreSQL(data, give_up=asked)
        valkey = EmbeddedValkey(data, give_up=asked)
        self._services = [_Kept("postgresql", postgresql.start), _Kept("valkey", valkey.start)]
        self._stop_services = (valkey.stop, postgresql.stop)
        self._processes = [_Kept(process.name, self._starter(process), process.ready) for process in processes]

    def run(self) -> None:
        """Run everything until a signal says stop. From the main thread only.

        Raises:
            AlreadyRunning: another supervisor owns the data folder.
            DidNotStart: a service or a process could not be started in the first place.
            FolderUnusable: a folder belongs to somebody else or cannot be reached.
            OneOffFailed: with its last lines; everything has been stopped again.
        """
        with self._lock(), self._signals():
            try:
                self._start()
                while True:
                    for kept in (*self._services, *self._processes):
                        self._look_after(kept)
                    pause(lambda: self._stop_asked, seconds=_LOOK_EVERY_S)
            except GivenUp:
                pass
            finally:
                self._stop()

    def _start(self) -> None:
        for service in self._services:
            self._begin(service)
        for process in self._one_off:
            self._run_to_the_end(process)
        for kept in self._processes:
            self._begin(kept)

    def _begin(self, kept: _Kept) -> None:
        kept.started_s = time.monotonic()
        kept.is_ready = False
        kept.child = kept.start()
        self._say(kept.name, "started", f"{kept.name} started as process {kept.child.pid}.")

    def _look_after(self, kept: _Kept) -> None:
        if kept.child is not None:
            code = kept.child.ended()
            if code is not None:
                self._mourn(kept, f"{kept.name} {describe_end(code)}")
            elif kept.ready is not None and not kept.is_ready and kept.ready():
                kept.is_ready = True
                self._say(kept.name, "ready", f"{kept.name} is ready.")
        elif time.monotonic() >= kept.due_s:
            try:
                self._begin(kept)
            except GivenUp:
                raise
            except EmbeddedError as error:
                self._mourn(kept, str(error))
            except OSError as error:
                # A full disk may have room again at the next try.
                self._mourn(kept, f"{kept.name} could not be started ({error.strerror or 'no reason given'})")

    def _mourn(self, kept: _Kept, reason: str) -> None:
        now_s = time.monotonic()
        if now_s - kept.started_s >= HEALTHY_LIFE_S:
            kept.pause_s = SHORTEST_PAUSE_S
        self._say(kept.name, "ended", f"{reason}. {kept.name} starts again in {kept.pause_s:g} s.")
        kept.child = None
        kept.due_s = now_s + kept.pause_s
        kept.pause_s = min(2 * kept.pause_s, LONGEST_PAUSE_S)

    def _run_to_the_end(self, process: Process) -> None:
        child = self._starter(process)()
        self._say(process.name, "started", f"{process.name} started as process {child.pid}.")
        try:
            while (code := child.wait(patience_s=60, give_up=lambda: self._stop_asked)) is None:
                pass
        finally:
            child.stop((signal.SIGTERM, STOP_PATIENCE_S))
        if code != 0:
            raise OneOffFailed(
                f"{process.name} must succeed before Samsyn starts but {describe_end(code)}:\n{child.last_lines()}"
            )

    def _starter(self, process: Process) -> Callable[[], Child]:
        return lambda: start_child(process.argv, name=process.name, logs=self._logs, env=process.env)

    def _stop(self) -> None:
        """End everything in reverse order. Our own processes share one patience, to keep the whole short."""
        running = [kept.child for kept in reversed(self._processes) if kept.child is not None]
        deadline_s = time.monotonic() + STOP_PATIENCE_S
        for child in running:
            child.send(signal.SIGTERM)
        for child in running:
            child.wait(patience_s=deadline_s - time.monotonic())
            child.stop()
        for stop_service in self._stop_services:
            stop_service()
        self._say("supervisor", "stopped", "Everything is stopped.")

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Own the data folder, or say who does. The system lets go of the lock when its process ends."""
        make_data_folder(self._data)
        folder = make_private_folder(self._data / "run", owner=server_account())
        try:
            lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise FolderUnusable(f"{folder / 'lock'} cannot be opened: {error.strerror}.") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 32).decode().strip() or "unknown"
            os.close(lock)
            raise AlreadyRunning(
                f"Samsyn is already running on {self._data} (process {holder}): stop it first, or choose another "
                f"data folder."
            ) from None
        try:
            os.ftruncate(lock, 0)
            os.write(lock, f"{os.getpid()}\n".encode())
            yield
        finally:
            os.close(lock)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def ask(number: int, frame: FrameType | None) -> None:
            self._stop_asked = True

        # nohup means what it says.
        wanted = [number for number in _STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, ask) for number in wanted}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _say(self, name: str, kind: Literal["started", "ready", "ended", "stopped"], sentence: str) -> None:
        with suppress(OSError), (self._logs / "supervisor.log").open("a", encoding="utf-8") as log:
            # A full disk silences the log but does not end the product.
            log.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC  {sentence}\n")
        self._on_event(Event(name, kind, sentence))
