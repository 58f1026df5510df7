"""Reading strangers' files in processes that can do nothing else; what kills them costs one slide.

A `Sandbox` keeps one template process that has loaded everything and forks a confined child for each job. Nothing
is decoded, parsed or tiled in this process: a slide comes out as facts, pictures, tiles and a pyramid file.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, BinaryIO, NoReturn, Self, TypeVar

from pydantic import TypeAdapter, ValidationError

from cases.records.slide_images import SlideFacts
from slides.errors import DamagedFile, EmptyFile, OutsideSlide, UnsupportedFile
from tiler.building import Built
from worker.confinement import Limits
from worker.parsing import COMMAND, Frame, receive, send

CHECKING_S, BUILDING_S, TILE_S, CLEANING_S = 300.0, 3600.0, 60.0, 60.0
"""Seconds after which a job, a tile of an original, or an attached file is given up."""
_LOOK = 0.5
"""Seconds after which a silent child is asked for: is it still wanted, has it still time?"""
_INNOCENT = (signal.SIGKILL, signal.SIGTERM)
"""Signals that come from outside: an operator, a stop, a machine short of memory."""

_WRONG = {kind.code: kind for kind in (UnsupportedFile, EmptyFile, DamagedFile, OutsideSlide)}
_NO_SENSE = "Reading this file gave no sense. Export it again."
_ANSWER_S = 10.0
"""Seconds after which a template that does not answer is replaced."""

_T = TypeVar("_T")
Progress = Callable[[float], None]


class Crashed(Exception):
    """A child was ended from outside before its job was; the slide may have nothing to do with it."""


class MediaType(StrEnum):
    """What is attached to cases. Source: domain rules, 3.4."""

    JPEG = "image/jpeg"
    PNG = "image/png"
    TIFF = "image/tiff"
    PDF = "application/pdf"
    DICOM = "application/dicom"


@dataclass(frozen=True)
class Checked:
    """A slide of which a sample was decoded at every level.

    Attributes:
        thumbnail: a JPEG.
        macro: a JPEG with the label painted over; None when the slide shows none.
    """

    facts: SlideFacts
    thumbnail: bytes
    macro: bytes | None


class Sandbox:
    """Confined children for one process. May be used from several threads at once.

    Args:
        limits: of each child.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._template: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._left: deque[tuple[subprocess.Popen[bytes], int]] = deque()
        self._lock = Lock()

    def check(self, original: Path, *, progress: Progress = lambda share: None) -> Checked:
        """Look whether a slide is sound, and draw its previews.

        Args:
            progress: called twice a second and more with the share that is done, 0 to 1. May raise to stop.

        Raises:
            SlideError: what is wrong with it.
            Crashed: the child was ended from outside.
            OSError: the disk refuses, which says nothing about the slide.
        """
        with self.child("check", original) as child:
            said, blobs = child.wait(CHECKING_S, progress)
            facts = _trust(SlideFacts, said)
            if len(blobs) != 1 + facts.has_macro:
                raise DamagedFile(_NO_SENSE)
            return Checked(facts, blobs[0], blobs[1] if facts.has_macro else None)

    def build(self, original: Path, file: BinaryIO, *, progress: Progress = lambda share: None) -> Built:
        """Build a slide's pyramid into an open file.

        Args:
            file: open "w+b", empty; the child itself cannot open anything to write.
            progress: as for `check`.

        Raises:
            SlideError, Crashed, OSError: as for `check`. What is in the file then is worth nothing.
        """
        with self.child("build", original, file) as child:
            return _trust(Built, child.wait(BUILDING_S, progress)[0])

    def clean(self, came: Path, file: BinaryIO) -> MediaType:
        """Write a copy of a file that names nobody into an open file. Returns what it is.

        Args:
            came: alone in its folder, all of which the child may read.
            file: open "w+b", empty.

        Raises:
            SlideError, Crashed, OSError: as for `check`. What is in the file then is worth nothing.
        """
        with self.child("clean", came, file) as child:
            return _trust(MediaType, child.wait(CLEANING_S)[0])

    def try_walls(self, anywhere: Path) -> dict[str, bool]:
        """Let a child try what it must not be able to do: for each wall, whether it held."""
        with self.child("walls", anywhere) as child:
            return _trust(dict[str, bool], child.wait(CHECKING_S)[0])

    def child(self, job: str, path: Path, file: BinaryIO | None = None) -> Child:
        """Fork a child and give it a job.

        Raises:
            OSError: that failed twice; the machine lacks something.
        """
        try:
            return self._fork(job, path, file)
        except OSError:
            # The template had ended, which shows only when it is asked.
            return self._fork(job, path, file)

    def _fork(self, job: str, path: Path, file: BinaryIO | None) -> Child:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                with self._lock:
                    template = self._warm()
                    child = Child(self, template, self._exchange(b"fork", 0, theirs), ours)
            except OSError:
                ours.close()
                raise
        task = {"job": job, "original": str(path), "limits": asdict(self.limits)}
        try:
            send(ours, task, files=[file.fileno()] if file else [])
        except OSError:
            child.end()
            raise
        return child

    def end(self, template: subprocess.Popen[bytes], pid: int) -> int | None:
        """End a child. Returns its status as waitpid(2) gives it; None when nobody knows."""
        with self._lock, suppress(OSError):
            if template is self._template:
                status = self._exchange(b"end ", pid)
                return status if status >= 0 else None
        return None

    def leave(self, template: subprocess.Popen[bytes], pid: int) -> None:
        """Have a child ended at the next occasion. Waits for nothing, so it may be called while objects go."""
        self._left.append((template, pid))

    def warm(self) -> None:
        """Start the template now, so that the first job need not wait for it."""
        with self._lock:
            self._warm()

    def close(self) -> None:
        """End the template and with it every child."""
        with self._lock:
            self._end()

    def _warm(self) -> subprocess.Popen[bytes]:
        if self._template is not None and self._template.poll() is not None:
            self._end()
        if self._template is None:
            self._control, self._template = _start_template()
        while self._left:
            template, pid = self._left.popleft()
            if template is self._template:
                self._exchange(b"end ", pid)
        return self._template

    def _exchange(self, word: bytes, number: int, handed: socket.socket | None = None) -> int:
        """Have the template do something. It is given up when that fails, and with it what it has forked."""
        if self._control is None:
            raise ConnectionResetError("there is no template")
        message = COMMAND.pack(word, number)
        try:
            if handed is not None:
                socket.send_fds(self._control, [message], [handed.fileno()])
            else:
                self._control.sendall(message)
            answer = self._control.recv(COMMAND.size, socket.MSG_WAITALL)
            if len(answer) < COMMAND.size:
                raise ConnectionResetError("the template ended")
        except OSError:
            self._end()
            raise
        return int(COMMAND.unpack(answer)[1])

    def _end(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._template is not None:
            self._template.kill()
            self._template.wait()
        self._control = self._template = None


class Child:
    """One confined process at its job; leaving the `with` block ends it.

    Attributes:
        pid: its process id.
        ended: whether it was found dead, or ended from here.
    """

    def __init__(self, sandbox: Sandbox, template: subprocess.Popen[bytes], pid: int, channel: socket.socket) -> None:
        self._sandbox, self._template, self.pid, self._channel = sandbox, template, pid, channel
        self.ended = False
        channel.settimeout(_LOOK)

    def ask(self, question: Frame, *, patience_s: float) -> tuple[Any, list[bytes]]:
        """Send a question and wait for its answer, as `wait` does."""
        try:
            send(self._channel, question)
        except OSError:
            self._mourn()
        return self.wait(patience_s)

    def wait(self, patience_s: float, progress: Progress = lambda share: None) -> tuple[Any, list[bytes]]:
        """Wait for what comes of the job.

        Returns:
            What the child said, unchecked, and the bytes behind it.

        Raises:
            SlideError: what it found wrong, or what ended it that came from the file.
            Crashed: it was ended from outside.
            OSError: the disk refused it.
        """
        deadline, share = time.monotonic() + patience_s, 0.0
        while True:
            progress(share)
            if time.monotonic() > deadline:
                self.end()
                raise Crashed(f"Reading the slide took longer than {patience_s:.0f} s.")
            try:
                # For the first byte in short steps, since somebody may no longer want it.
                if not self._channel.recv(1, socket.MSG_PEEK):
                    raise EOFError
                frame, blobs, _ = receive(self._channel, deadline=deadline)
                said = _understand(frame)
            except TimeoutError:
                continue
            except Exception:
                # Gone, or taken over by what it read: what it says makes no sense.
                self._mourn()
            if isinstance(said, Exception):
                raise said
            if said is None:
                return frame.get("done"), blobs
            share = said

    def _mourn(self) -> NoReturn:
        """The child is gone, or makes no sense: say what that means."""
        status = self.end()
        if status is None or (os.WIFSIGNALED(status) and os.WTERMSIG(status) in _INNOCENT):
            raise Crashed("The process that was reading the slide was ended from outside.")
        how = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else "an error"
        raise DamagedFile(f"Reading this file ended the program that reads it ({how}). Export it again.")

    def end(self) -> int | None:
        """End the process. Returns its status as waitpid(2) gives it; None when nobody knows."""
        self._channel.close()
        if self.ended:
            return None
        self.ended = True
        return self._sandbox.end(self._template, self.pid)

    def leave(self) -> None:
        """Let it end by itself: it reads that nobody asks any more."""
        self.ended = True
        self._channel.close()
        self._sandbox.leave(self._template, self.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()


def _understand(frame: Frame) -> float | Exception | None:
    """What a frame says: how far the work is, what went wrong, or None for an answer. Raises when it makes no sense."""
    if "share" in frame:
        return min(1.0, max(0.0, float(frame["share"])))
    if "wrong" in frame:
        return _WRONG.get(frame["wrong"], DamagedFile)(str(frame["sentence"]))
    if "errno" in frame:
        return OSError(int(frame["errno"]), os.strerror(int(frame["errno"])))
    return None


def _start_template() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    ours, theirs = socket.socketpair()
    with theirs:
        # No passwords, and one thread, so that the template may fork.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SAMSYN_", "PG"))}
        ours.settimeout(_ANSWER_S)
        environment = {**inherited, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        return ours, subprocess.Popen(
            [sys.executable, "-m", "worker.parsing"], stdin=theirs.fileno(), stdout=subprocess.DEVNULL, env=environment
        )


def _trust(kind: type[_T], said: object) -> _T:
    """What a child said, if it has the right shape: the child has read a stranger's file."""
    try:
        return TypeAdapter(kind).validate_python(said)
    except ValidationError as error:
        raise DamagedFile(_NO_SENSE) from error
