"""The rules at the size of four care providers: `python tests/benchmarks/sizes.py [--data folder] [--runs 300]`

Fills a database with 200,000 cases and 2,000,000 log entries (minutes), then does what people do all day as the web's
role, under row-level security, from one process. Every statement is explained where it runs: one that reads a table of
more than 10,000 rows from end to end fails the run. With `--data` the filled folder stays and is used again.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from crowd.everyday import QUESTIONS, TASKS, Clock, Everyday
from crowd.filling import Sizes, fill, wake
from crowd.plans import Plans
from makers import folder_for_everyone
from product import Database
from rich.console import Console
from sqlalchemy import Engine

from cases.database import connect
from cases.migrate import migrate
from viewer.embedded import EmbeddedPostgreSQL, addresses

WARM_UP, EXPLAINED = 20, 20
DECIDE_MS, SEARCH_MS = 10.0, 100.0
"""Aims for 95 of 100 runs."""


AIMS = dict.fromkeys(("search a patient by number", *QUESTIONS), SEARCH_MS) | {
    name: DECIDE_MS for name in TASKS if name.startswith("decide")
}


def measure(task: Callable[[Clock], None], runs: int) -> list[float]:
    """Milliseconds of each run, the shortest first; the first few do not count."""
    clocks = [Clock() for _ in range(WARM_UP + runs)]
    for clock in clocks:
        task(clock)
    return sorted(clock.ms for clock in clocks[WARM_UP:])


def try_everything(database: Database, engine: Engine, *, runs: int, only: str, console: Console) -> bool:
    """Measure and explain. Whether no large table was read from end to end."""
    everyday, plans = Everyday(database, engine), Plans(engine)
    console.print(f"{'milliseconds':46}{'median':>9}{'p95':>9}{'aim':>9}")
    tasks = {name: partial(task, everyday) for name, task in TASKS.items()}
    tasks |= {name: partial(everyday.search_log, question=question) for name, question in QUESTIONS.items()}
    for name, task in tasks.items():
        if only not in name:
            continue
        aim = AIMS.get(name)
        took = measure(task, runs)
        p95 = took[int(len(took) * 0.95)]
        with plans.explaining():
            for _ in range(EXPLAINED):
                task(Clock())
        missed = "  MISSED" if aim and p95 >= aim else ""
        console.print(f"{name:46}{statistics.median(took):9.1f}{p95:9.1f}{f'{aim:.0f}' if aim else '':>9}{missed}")
    with engine.connect() as connection:
        plans.check_generic(connection)
    console.print(f"{len(plans.seen)} statements explained; large tables: {', '.join(sorted(plans.large))}")
    for statement, tables in plans.scans.items():
        console.print(f"Reads {', '.join(sorted(tables))} from end to end:\n{statement}\n", style="red", markup=False)
    return not plans.scans


def main() -> int:
    """Fill and measure. 1 where a large table was read from end to end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder that is filled once and kept")
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--only", default="", help="measure only what has this in its name")
    chosen, console, begun = parser.parse_args(), Console(width=130), time.monotonic()
    with ExitStack() as stack:
        folder = chosen.data or stack.enter_context(folder_for_everyone())
        folder.mkdir(exist_ok=True)
        folder.chmod(0o711)
        stack.enter_context(EmbeddedPostgreSQL(folder))
        migrate(addresses(folder).owner_database_url)
        database = Database(folder)
        if not database.query("SELECT FROM pathology_case LIMIT 1"):
            fill(database, Sizes(), say=lambda step: console.print(f"{time.monotonic() - begun:4.0f} s  {step}"))
        wake(database)
        engine = connect(database.url("samsyn_app"), connections=1)
        stack.callback(engine.dispose)
        sound = try_everything(database, engine, runs=chosen.runs, only=chosen.only, console=console)
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
