"""What must never happen, done on purpose: the tests look whether it is noticed."""

from __future__ import annotations

import os
import signal
import warnings
from pathlib import Path

import numpy as np
from fuzzing.trial import watch


def die(path: Path, scratch: Path) -> str:
    os.kill(os.getpid(), signal.SIGSEGV)
    return ""


def leave(path: Path, scratch: Path) -> str:
    os._exit(3)


def never_end(path: Path, scratch: Path) -> str:
    while True:
        pass


def take_memory(path: Path, scratch: Path) -> str:
    return watch(lambda: str(np.ones(1 << 31, np.uint8)[:0]))


def raise_something(path: Path, scratch: Path) -> str:
    return watch(lambda: {"": ""}["a key that is not there"])


def tell_a_name(path: Path, scratch: Path) -> str:
    return watch(lambda: str(warnings.warn(str(path), stacklevel=1)))


def leave_a_file_open(path: Path, scratch: Path) -> str:
    return watch(lambda: str(os.open(path, os.O_RDONLY)))
