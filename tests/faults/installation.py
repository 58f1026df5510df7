"""A whole installation, `samsyn up`, with every process of it to be found by its part, and killed."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2
from clients import make_client
from faults.timeline import Timeline, last_lines
from makers import wait_for
from product import ROOT
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from cases.database import connect
from viewer.embedded import addresses
from viewer.pilot import KALMAR
from worker.settings import WorkerSettings
from worker.storage import Storage

STARTED_WITHIN_S = 180.0
_ROWS = text(
    "SELECT slide_image.*, level0_digest FROM slide_image"
    " LEFT JOIN tile_pyramid ON slide_image_id = slide_image.id ORDER BY number"
)


@dataclass(frozen=True)
class Running:
    """A process as it is now.

    Attributes:
        part: what it is in the installation, as `Installation.parts` says.
    """

    pid: int
    parent: int
    part: str
    command: str


@dataclass(frozen=True)
class _Seen:
    pid: int
    parent: int
    name: str
    command: str


class Installation:
    """One data folder and what `samsyn up` starts on it; nothing of it is left after the `with` block.

    Parts: supervisor, verifier, builder, courier, scheduler, web, broker, postmaster, backend (a connection of ours),
    database (its helpers), pool (children of the two workers), template (forks the processes that read slides),
    sandbox (these processes), tile template and tile sandbox (the web's own), ingest, other.

    Args:
        data: reachable for PostgreSQL's account.
        timeline: told what is done here.
        before: words in front of the command.
        environment: of everything that is started here, beside our own.
    """

    def __init__(
        self, data: Path, timeline: Timeline, *, before: Iterable[str] = (), environment: dict[str, str] | None = None
    ) -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            self.port = free.getsockname()[1]
        self.data, self.timeline = data.resolve(), timeline
        self.storage = Storage(self.data)
        self._engine = connect(addresses(self.data).owner_database_url, connections=4)
        self.output = data.with_name(f"{data.name}.output")
        self._before = [*before]
        self._mark = f"TEST_MARK={os.urandom(8).hex()}"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SAMSYN_")}
        self.environment = inherited | (environment or {}) | dict([self._mark.split("=")])
        self.supervisor: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.supervisor is not None and self.supervisor.poll() is None:
            # In good order where that works: a killed PostgreSQL leaves shared memory behind.
            self.supervisor.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.supervisor.wait(timeout=20)
        self.kill_everything(self.processes())
        self._engine.dispose()

    @property
    def address(self) -> str:
        """Of its web."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def settings(self) -> WorkerSettings:
        """As its workers have them."""
        where = addresses(self.data)
        return WorkerSettings(database_url=where.worker_database_url, redis_url=where.broker_url, data=self.data)

    def start(self, *options: str) -> None:
        """Start it, or start it again, and wait until its web answers.

        Args:
            options: of `samsyn up`.
        """
        with self.output.open("ab") as output:
            self.supervisor = subprocess.Popen(
                [*self._before, *self.command("up", "--demo", "--port", str(self.port), *options)],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self.timeline.note(f"samsyn up started as process {self.supervisor.pid}")
        wait_for(self.answers, within_s=STARTED_WITHIN_S, every_s=0.1)
        self.timeline.note("web answers")

    def command(self, name: str, *arguments: str) -> list[str]:
        """One of the product's commands on this data folder."""
        return [sys.executable, "-m", "viewer", name, "--data", str(self.data), *arguments]

    def ingest(self, *paths: Path, wait: bool = False) -> subprocess.Popen[str]:
        """Start bringing slides in, as a person would from another terminal."""
        return subprocess.Popen(
            self.command("ingest", *map(str, paths), "--unit", KALMAR, "--wait" if wait else "--no-wait"),
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def answers(self) -> bool:
        """Whether the web is ready; fails when the supervisor is not there any more."""
        assert self.supervisor is not None
        assert self.supervisor.poll() is None, f"samsyn up ended:\n{self.output.read_text()[-3000:]}"
        with suppress(httpx2.TransportError), make_client(self.address, timeout=5) as client:
            return client.get("/readyz").status_code == 200
        return False

    def stop(self) -> None:
        """Stop it in good order, as Ctrl-C does."""
        assert self.supervisor is not None
        self.supervisor.send_signal(signal.SIGTERM)
        assert self.supervisor.wait(timeout=20) == 0, self.output.read_text()[-3000:]
        self.timeline.note("stopped")

    def processes(self) -> list[Running]:
        """Everything of it that is alive: by its mark, and PostgreSQL's, which erase it, by their folder."""
        seen = {process.pid: process for process in map(self._look, Path("/proc").glob("[0-9]*")) if process}
        return [Running(one.pid, one.parent, self._part(one, seen), one.command) for one in seen.values()]

    def kill(self, part: str, chance: random.Random, known: list[Running]) -> bool:
        """Kill one process of a part, "everything" for all there is, the supervisor with them.

        Args:
            known: processes as they were a moment ago; those that come and go are looked for anew.

        Returns:
            Whether there was one.
        """
        if part == "everything":
            self.kill_everything(self.processes())
            self.timeline.note("kill -9 of everything")
            return True
        processes = self.processes() if part in ("sandbox", "tile sandbox", "backend", "ingest") else known
        candidates = [process for process in processes if process.part == part]
        if not candidates:
            return False
        victim = chance.choice(candidates)
        # Noted first: what follows from it may otherwise be noted before.
        self.timeline.note(f"kill -9 of {part} {victim.pid}")
        with suppress(ProcessLookupError):
            os.kill(victim.pid, signal.SIGKILL)
        if victim.part == "supervisor" and self.supervisor is not None:
            self.supervisor.wait()
        return True

    def kill_everything(self, processes: Iterable[Running]) -> None:
        """As a power cut does: nobody has time to write anything."""
        # The supervisor first, or it would start again what was killed before it.
        for process in sorted(processes, key=lambda process: process.part != "supervisor"):
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        if self.supervisor is not None:
            self.supervisor.wait()
        for process in self.processes():
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)

    def rows(self) -> list[dict[str, Any]] | None:
        """Every slide's row with its pyramid's digest; None while the database is away."""
        try:
            with self._engine.begin() as connection:
                return [dict(row) for row in connection.execute(_ROWS).mappings()]
        except DBAPIError:
            return None

    def wait_for_row(self, digest: str, *, within_s: float = 120.0, **wanted: object) -> dict[str, Any]:
        """Wait until columns of a slide's row have certain values; the row then."""
        found: dict[str, Any] = {}

        def arrived() -> bool:
            for row in self.rows() or []:
                if row["original_digest"] == digest:
                    found.update(row)
                    return all(found[name] == value for name, value in wanted.items())
            return False

        try:
            wait_for(arrived, within_s=within_s, every_s=0.05)
        except AssertionError as error:
            logs = last_lines(self.data / "logs")
            raise AssertionError(f"{error}: {wanted} was waited for, {found} is there\n{logs}") from None
        return found

    def move_leases(self, *, hours: int) -> None:
        """What setting the database's clock back does to the times that are stored."""
        with self._engine.begin() as connection:
            connection.execute(
                text("UPDATE slide_image SET leased_until = leased_until + make_interval(hours => :hours)"),
                {"hours": hours},
            )

    def stop_parts(self, *parts: str) -> list[int]:
        """Stop processes where they are. Returns their ids, for `let_go`."""
        pids = []
        for process in self.processes():
            if process.part in parts:
                with suppress(ProcessLookupError):  # it ended since it was listed
                    os.kill(process.pid, signal.SIGSTOP)
                    pids.append(process.pid)
        self.timeline.note(f"stopped: {parts} {pids}")
        return pids

    def hold(self, written: Path) -> list[int]:
        """Stop the processes that read slides as soon as something unfinished lies in a folder.

        Returns:
            Their ids, for `let_go`.
        """
        wait_for(lambda: any(file.stat().st_size for file in written.glob("*")), within_s=120, every_s=0.002)
        return self.stop_parts("sandbox")

    def let_go(self, pids: list[int]) -> None:
        """Let stopped processes go on."""
        for pid in pids:
            with suppress(ProcessLookupError):  # a forked one that has ended meanwhile
                os.kill(pid, signal.SIGCONT)
        self.timeline.note("let go on")

    def unfinished(self) -> list[Path]:
        """Files and folders that are being written, or were when their writer died."""
        folders = [self.data / kind for kind in ("originals", "pyramids", "previews")]
        return [path for folder in folders for path in (*folder.rglob("*.partial"), *folder.glob("incoming/*"))]

    def _look(self, process: Path) -> _Seen | None:
        with suppress(OSError):  # it ended in between, or is somebody else's
            pid = int(process.name)
            ours = self.supervisor is not None and pid == self.supervisor.pid
            marked = ours or self._mark.encode() in (process / "environ").read_bytes()
            if marked or (process / "cwd").readlink().is_relative_to(self.data):
                status = (process / "stat").read_text().rpartition(")")[2].split()
                if status[0] == "Z":
                    return None
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                return _Seen(pid, int(status[1]), (process / "comm").read_text().strip(), command)
        return None

    def _part(self, process: _Seen, seen: dict[int, _Seen]) -> str:
        if self.supervisor is not None and process.pid == self.supervisor.pid:
            return "supervisor"
        if process.name.startswith("postgres"):
            # A connection calls itself "postgres: role database [local] state".
            if process.command.startswith(("postgres: samsyn_app", "postgres: samsyn_worker")):
                return "backend"
            parent = seen.get(process.parent)
            return "database" if parent is not None and parent.name.startswith("postgres") else "postmaster"
        if process.name.startswith("valkey"):
            return "broker"
        parent = seen.get(process.parent)
        above = self._part(parent, seen) if parent is not None else ""
        if above in ("verifier", "builder"):
            return "pool"
        if above == "courier":
            return "other"
        below = {"pool": "template", "template": "sandbox", "web": "tile template", "tile template": "tile sandbox"}
        if above in below:
            return below[above]
        words = f" {process.command} "
        named = {
            " ingest ": "ingest",
            " serve ": "web",
            " schedule ": "scheduler",
            "verification": "verifier",
            "deliveries": "courier",
            " work ": "builder",
        }
        return next((part for word, part in named.items() if word in words), "other")
