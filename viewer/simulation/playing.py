"""Playing the stories of many cases through each other, in the order of the clock."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from cases.sharing import timers
from cases.transaction import transaction
from viewer.simulation.life import Case
from viewer.simulation.people import invent
from viewer.simulation.stage import Stage
from viewer.simulation.stories import SHARES, Story

WEEKS = 12
"""So long the pilot takes."""
ARRIVALS = timedelta(weeks=7)
"""Over so long cases come in; what is answered is closed a month later."""
PATROL = timedelta(hours=6)
"""Between two looks of the timers where nothing else happens."""


def play(stage: Stage, count: int, *, told: Callable[[str], None] = lambda _: None) -> Counter[str]:
    """Let a number of cases live, from the stage's moment on for twelve weeks.

    Args:
        stage: with the pilot in its database.
        count: of cases.
        told: hears a word whenever a case has come to its end.

    Returns:
        How many cases lived which story, by the story's name.
    """
    begin = stage.clock.now
    end = begin + timedelta(weeks=WEEKS)
    order = itertools.count()
    waiting: list[tuple[datetime, int, str, Story]] = []
    played: Counter[str] = Counter()
    taken: set[str] = set()
    for number, tell in enumerate(_cast(stage, count)):
        case = Case(
            stage=stage,
            patient=invent(stage.chance, taken, today=begin.date()),
            lid=f"S{begin:%y}-{number + 1:05}",
            slides=stage.chance.randrange(1, 4),
        )
        name = tell.__name__.removeprefix("tell_")
        played[name] += 1
        heapq.heappush(waiting, (begin + ARRIVALS * number / count, next(order), name, tell(case)))
    while waiting:
        at, _, name, story = heapq.heappop(waiting)
        _wait(stage, at)
        pause = next(story, None)
        _look(stage)
        if pause is None:
            told(name)
        else:
            heapq.heappush(waiting, (max(at + pause, stage.clock.now), next(order), name, story))
    _wait(stage, end)
    return played


def _cast(stage: Stage, count: int) -> list[Callable[[Case], Story]]:
    """Which story each case lives, in the shares of fifty and an order that chance decides."""
    fifty = [tell for tell, share in SHARES.items() for _ in range(share)]
    stage.chance.shuffle(fifty)
    return list(itertools.islice(itertools.cycle(fifty), count))


def _wait(stage: Stage, until: datetime) -> None:
    """Let the clock run, with the timers looking in."""
    while stage.clock.now + PATROL < until:
        stage.clock.go_to(stage.clock.now + PATROL)
        _look(stage)
    stage.clock.go_to(until)


def _look(stage: Stage) -> None:
    now = stage.clock.tick()
    timers.run(lambda: transaction(stage.worker, now=now), now=now)
