"""Doing several things at the same moment, to see that one wins and the others are told why."""

from __future__ import annotations

import threading
from collections.abc import Callable

from cases.access.errors import Rejected


def race(*doings: Callable[[], object]) -> list[Rejected | None]:
    """Do things at the same moment; what each was refused with, None where it was done."""
    found: dict[int, Rejected | None] = {}
    barrier = threading.Barrier(len(doings))

    def run(place: int, do: Callable[[], object]) -> None:
        barrier.wait(timeout=30)
        try:
            do()
            found[place] = None
        except Rejected as error:
            found[place] = error

    threads = [threading.Thread(target=run, args=(place, do)) for place, do in enumerate(doings)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return [found[place] for place in range(len(doings))]
