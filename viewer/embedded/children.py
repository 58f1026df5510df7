"""Child processes that end with their parent, each with a log of its own.

On Linux the kernel sends a child the signal of its choice as soon as its parent is gone, even by kill -9
(PR_SET_PDEATHSIG, prctl(2)). Other systems have nothing like it: there a killed parent leaves its children
running, and only an orderly stop ends them.

The kernel's "parent" is the *thread* that started the child, so children are started from the main thread
only. And it covers one generation: a child with children of its own (a worker with its pool) sets
PR_SET_PDEATHSIG in those itself. An orderly stop also ends whatever remains in the child's process group.
"""

import ctypes
import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from viewer.embedded.errors import DidNotStart, GivenUp
from viewer.embedded.folders import Account, make_private_folder

_LOG_LIMIT_BYTES = 10 * 1024 * 1024
_QUOTABLE_BYTES = 64 * 1024
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def never() -> bool:
    """The answer to "shall I give up?" of a caller who waits to the end."""
    return False


@dataclass(frozen=True)
class Child:
    """A running child process.

    Attributes:
        name: what people call it.
        process: its pid is also its process group and session.
        log: what it prints.
        log_start: where in the log this run began, in bytes.
    """

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    log_start: int

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    def ended(self) -> int | None:
        """Ask whether it has ended: its exit code, minus a signal's number, or None while it lives.

        What is left of its process group is ended too: pool children of a killed worker, for example.
        """
        had_ended = self.process.returncode is not None
        code = self.process.poll()
        if code is not None and not had_ended:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        return code

    def send(self, wanted: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self.ended() is None:
            os.kill(self.pid, wanted)

    def wait(self, *, patience_s: float, give_up: Callable[[], bool] = never) -> int | None:
        """Wait for its end: its exit code, or None when it still lives after that time.

        Raises:
            GivenUp: the caller no longer wants to wait. The child still runs.
        """
        deadline = time.monotonic() + patience_s
        while (code := self.ended()) is None and time.monotonic() < deadline:
            pause(give_up)
        return code

    def stop(self, *steps: tuple[signal.Signals, float]) -> None:
        """End it: each signal with the seconds it is given to work, then SIGKILL."""
        for wanted, patience_s in (*steps, (signal.SIGKILL, 10.0)):
            self.send(wanted)
            if self.wait(patience_s=patience_s) is not None:
                return

    def last_lines(self, count: int = 12) -> str:
        """Quote the end of what it printed since it was started."""
        with self.log.open("rb") as log:
            log.seek(max(self.log_start, self.log.stat().st_size - _QUOTABLE_BYTES))
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-count:]) or "(it printed nothing)"


def start_child(
    argv: Sequence[str | Path],
    *,
    name: str,
    logs: Path,
    dies_with: signal.Signals = signal.SIGKILL,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    account: Account | None = None,
) -> Child:
    """Start a program in the foreground that ends with us.

    It gets a session of its own, so that Ctrl-C in the terminal reaches only us.

    Args:
        argv: the program and its arguments.
        name: names the log too.
        logs: the folder of logs; made where missing. A log over 10 MB is set aside first, one is kept.
        dies_with: what the kernel sends it when we are gone (Linux).
        env: the whole environment; None is ours.
        cwd: None is ours.
        account: whom it runs as; None is whoever we are.

    Raises:
        DidNotStart: there is no such program, or it must not be run.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError(f"{name} was started from a thread and would end with it: use the main thread.")
    log = _open_log(logs, name)
    log_start = os.fstat(log).st_size
    try:
        process = subprocess.Popen(  # noqa: S603
            [str(part) for part in argv],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=None if env is None else dict(env),
            cwd=cwd,
            start_new_session=True,
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            extra_groups=None if account is None else [],
            preexec_fn=tie(dies_with),
        )
    except (OSError, subprocess.SubprocessError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        raise DidNotStart(f"{name} should be started from {argv[0]}, but that failed: {reason}.") from error
    finally:
        os.close(log)
    return Child(name, process, logs / f"{name}.log", log_start)


def wait_until_ready(
    child: Child, ready: Callable[[], bool], *, patience_s: float, give_up: Callable[[], bool]
) -> None:
    """Wait until a child answers. On an error it may still run.

    Raises:
        DidNotStart: it ended, or did not answer in time; with its last lines.
        GivenUp: the caller no longer wants to wait.
    """
    deadline = time.monotonic() + patience_s
    while not ready():
        code = child.ended()
        if code is not None:
            raise DidNotStart(f"{child.name} {describe_end(code)} while starting:\n{child.last_lines()}")
        if time.monotonic() > deadline:
            raise DidNotStart(f"{child.name} did not answer in {patience_s:g} s:\n{child.last_lines()}")
        pause(give_up)


def wait_for_predecessors(folder: Path, *, program: str, give_up: Callable[[], bool]) -> None:
    """Wait until no process of an earlier start still works in a folder (Linux).

    After kill -9 of the parent its services need a moment to write what they hold and go.

    Args:
        folder: the working directory of such processes.
        program: their name, at most 15 characters: /proc/<pid>/comm, proc(5).

    Raises:
        DidNotStart: one is still there after 20 s.
        GivenUp: the caller no longer wants to wait.
    """
    deadline = time.monotonic() + 20
    while pids := _working_in(folder.resolve(), program):
        if time.monotonic() > deadline:
            raise DidNotStart(
                f"{program} should be started in {folder}, but process {pids[0]} of an earlier start still "
                f"works there: stop it first."
            )
        pause(give_up)


def find_program(package: str, pattern: str) -> Path:
    """Find a program that a wheel brings along, without importing the wheel's own code.

    Args:
        package: as it is imported.
        pattern: where in the package, as for `Path.glob`.

    Raises:
        DidNotStart: the package or the program in it is missing.
    """
    spec = importlib.util.find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    for folder in folders or []:
        for program in Path(folder).glob(pattern):
            return program
    raise DidNotStart(f"{pattern} of the package {package} should be installed but is not: install it again.")


def describe_end(code: int) -> str:
    """Say how a process ended, for a sentence that begins with its name."""
    return f"ended with code {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"


def pause(give_up: Callable[[], bool], *, seconds: float = 0.02) -> None:
    """Wait a moment before asking again.

    Raises:
        GivenUp: the caller no longer wants to wait.
    """
    if give_up():
        raise GivenUp("The start was given up because a stop was asked for.")
    time.sleep(seconds)


def tie(dies_with: signal.Signals) -> Callable[[], None] | None:
    """Tie a child's life to ours: for `preexec_fn` of subprocess, from the main thread only.

    Args:
        dies_with: what the kernel sends the child when we end, however we end. Linux only, prctl(2); None elsewhere.
    """
    if _LIBC is None:
        return None
    prctl, parent_pid = _LIBC.prctl, os.getpid()

    # subprocess calls this between dropping privileges, which would clear the setting, and exec.
    def set_death_signal() -> None:
        if prctl(_PR_SET_PDEATHSIG, int(dies_with), 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
        if os.getppid() != parent_pid:
            os._exit(1)  # the parent went before the kernel was asked to watch it

    return set_death_signal


def _open_log(logs: Path, name: str) -> int:
    log = make_private_folder(logs) / f"{name}.log"
    if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".log.1"))
    return os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def _working_in(folder: Path, program: str) -> list[int]:
    pids = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended in between, or is somebody else's
            if (process / "comm").read_text().strip() == program and (process / "cwd").readlink() == folder:
                pids.append(int(process.name))
    return pids
