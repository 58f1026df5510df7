"""Several processes that draw parts of one section, handed back in order."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing.connection import wait
from typing import TypeVar

from slides.drawing.tissue import Tissue
from slides.geometry import Region

Drawn = TypeVar("Drawn")

_tissue: Tissue | None = None
"""In a drawing process: the section it works on, planned once."""


def drawn_in_order(
    draw: Callable[[Tissue, Region], Drawn], tissue: Tissue, parts: Sequence[Region], processes: int
) -> Iterator[Drawn]:
    """Draw parts, in `processes` others when that is more than one, and yield them in the order given.

    Only a few parts are under way or waiting at a time. When this process dies, however it dies, the others
    end too.

    Args:
        draw: a function that can be pickled, as its result can.
    """
    if processes <= 1:
        yield from (draw(tissue, part) for part in parts)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, spawn, initializer=_begin, initargs=(tissue,)) as pool:
        waiting: deque[Future[Drawn]] = deque()
        try:
            for part in parts:
                waiting.append(pool.submit(_drawn_here, draw, part))
                if len(waiting) > 2 * processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _begin(tissue: Tissue) -> None:
    """Start of a drawing process."""
    global _tissue
    _tissue = tissue
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _drawn_here(draw: Callable[[Tissue, Region], Drawn], part: Region) -> Drawn:
    if _tissue is None:
        raise RuntimeError("A drawing process was asked for a part before it was given its section.")
    return draw(_tissue, part)
