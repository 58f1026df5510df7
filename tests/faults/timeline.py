"""What happened in which order: kills, restarts and the rows' states, for whoever must find out why."""

from __future__ import annotations

import threading
import time
from pathlib import Path


class Timeline:
    """Notes with the seconds since the start; any thread may write.

    Args:
        log: where each note is also written at once, for runs that somebody watches.
    """

    def __init__(self, log: Path | None = None) -> None:
        self._began = time.monotonic()
        self._notes: list[str] = []
        self._lock = threading.Lock()
        self._log = log

    def note(self, sentence: str) -> None:
        """Write down what has just happened."""
        with self._lock:
            line = f"{time.monotonic() - self._began:8.2f} s  {sentence}"
            self._notes.append(line)
            if self._log is not None:
                with self._log.open("a") as log:
                    log.write(f"{line}\n")

    def __str__(self) -> str:
        with self._lock:
            return "\n".join(self._notes)


def last_lines(logs: Path, *, count: int = 15) -> str:
    """The end of every log of an installation."""
    ends = []
    for log in sorted(logs.glob("*.log")):
        lines = log.read_text(errors="replace").splitlines()[-count:]
        ends.append("\n".join([f"--- {log.name}", *lines]))
    return "\n".join(ends)
