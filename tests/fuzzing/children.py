"""Child processes that try one slide after another within limits; one that dies costs the slide it was trying."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import resource
import signal
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from fuzzing.cases import Case
from fuzzing.trial import Broken, try_slide

CPU_S = 10
"""Processor seconds for one slide of a few kilobytes."""
WALL_S = 60
"""Seconds for the same on a machine that others use too; a child that waits for nothing ends here."""
MEMORY = 1 << 30
"""Bytes that one slide may make a process grow by, claimed or touched."""
Trial = Callable[[Path, Path], str]
"""Puts the slide at a path to the test, with an empty folder to write in; says what was found, or raises `Broken`."""


@dataclass(frozen=True)
class Outcome:
    """What became of one case.

    Attributes:
        result: a finding's code or "SOUND"; empty when something broke.
        complaint: what broke, None when nothing did.
    """

    case: Case
    result: str
    complaint: str | None = None


def try_all(cases: Iterable[Case], *, trial: Trial = try_slide, cpu_s: int = CPU_S) -> Iterator[Outcome]:
    """Try cases one after another in child processes. Yields an outcome for each, in order."""
    with tempfile.TemporaryDirectory(prefix="fuzzing-") as folder:
        child: _Child | None = None
        try:
            for case in cases:
                child = child or _Child(Path(folder), trial, cpu_s)
                outcome = child.attempt(case)
                if outcome.complaint is not None:
                    child.end()
                    child = None
                yield outcome
        finally:
            if child:
                child.end()


class _Child:
    def __init__(self, folder: Path, trial: Trial, cpu_s: int) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["slides.inspection", "slides.readers.dicom", "tiler.building", "tiler.live"])
        self._cpu_s = cpu_s
        self._last_words = folder / "last-words"
        self._connection, theirs = context.Pipe()
        given = theirs, folder, self._last_words, trial, cpu_s
        self._process = context.Process(target=_serve, args=given, daemon=True)
        self._process.start()
        theirs.close()

    def attempt(self, case: Case) -> Outcome:
        self._connection.send(case)
        try:
            if not self._connection.poll(WALL_S):
                return Outcome(case, "", f"Still busy after {WALL_S} s.")
            result, complaint = self._connection.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
            return Outcome(case, "", self._how_it_ended())
        return Outcome(case, result, complaint)

    def _how_it_ended(self) -> str:
        code = self._process.exitcode or 0
        words = self._last_words.read_text(errors="replace")
        if code == -signal.SIGXCPU:
            return f"More than {self._cpu_s} processor seconds.\n{words}"
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"The process died: {how}\n{words}"

    def end(self) -> None:
        self._process.kill()
        self._process.join()
        self._connection.close()


def _serve(connection: Connection, folder: Path, last_words: Path, trial: Trial, cpu_s: int) -> None:
    """In the child: try the slides that come, until nobody asks any more."""
    words = last_words.open("w")
    faulthandler.enable(words)
    faulthandler.register(signal.SIGXCPU, words, chain=True)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    while True:
        try:
            case = connection.recv()
        except EOFError:
            return
        with tempfile.TemporaryDirectory(dir=folder) as place:
            connection.send(_attempt(case, Path(place), trial, cpu_s))


def _attempt(case: Case, place: Path, trial: Trial, cpu_s: int) -> tuple[str, str | None]:
    slide, scratch = place / "slide", place / "scratch"
    slide.mkdir()
    scratch.mkdir()
    path = case.write(slide)
    used = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + cpu_s, hard))
    resource.setrlimit(resource.RLIMIT_AS, (_claimed() + MEMORY, resource.RLIM_INFINITY))
    try:
        return trial(path, scratch), None
    except Broken as broken:
        return "", str(broken)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def _claimed() -> int:
    """Bytes of address space that this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
