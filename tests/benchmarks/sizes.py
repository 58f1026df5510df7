"""The rules at the size of four care providers: `python tests/benchmarks/sizes.py [--data folder] [--runs 300]`

Fills a database with 200,000 cases, their requests and 2,000,000 log entries (minutes), then does what people do all
day as the web's role, under row-level security, from one process, and fetches lists from a web process. Every statement
is explained where it runs: one that reads a table of more than 10,000 rows from end to end fails the run. With `--data`
the filled folder stays and is used again; `--cases` makes it smaller.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from crowd.everyday import QUESTIONS, TASKS, Clock, Everyday
from crowd.filling import Sizes, fill, wake
from crowd.plans import Plans
from makers import folder_for_everyone
from product import Database, Product
from rich.console import Console
from sqlalchemy import Engine, event

from cases.database import connect
from cases.migrate import migrate
from viewer.embedded import EmbeddedPostgreSQL, addresses

WARM_UP, EXPLAINED = 20, 20
DECIDE_MS, SEARCH_MS = 10.0, 100.0
LIST_DATABASE_MS, LIST_HTTP_MS = 50.0, 100.0
"""Aims for 95 of 100 runs; of a list, for its statements, and for the whole from a browser."""
LISTS = (
    *(f"/api/worklists/requests/{which}" for which in ("READING", "INBOX", "SENT", "DRAFTS")),
    *(f"/api/worklists/cases/{which}" for which in ("MINE", "INCOMPLETE")),
    "/api/worklists",
    "/api/slides?limit=50",
)
AIMS = dict.fromkeys(("search a patient by number", *QUESTIONS), SEARCH_MS) | {
    name: DECIDE_MS for name in TASKS if name.startswith("decide")
}


@dataclass(frozen=True)
class Taken:
    """Milliseconds of each run, the shortest first: in all, and waiting for the database."""

    whole: list[float]
    database: list[float]


def measure(task: Callable[[Clock], None], runs: int, engine: Engine) -> Taken:
    """Run a task again and again; the first few do not count."""
    clocks, begun = [Clock() for _ in range(WARM_UP + runs)], 0.0
    waits: list[float] = []

    def begin(*said: object) -> None:
        nonlocal begun
        begun = time.perf_counter()

    def end(*said: object) -> None:
        waits[-1] += (time.perf_counter() - begun) * 1000

    listeners = (("before_cursor_execute", begin), ("after_cursor_execute", end))
    for name, listener in listeners:
        event.listen(engine, name, listener)
    for clock in clocks:
        waits.append(0.0)
        task(clock)
    for name, listener in listeners:
        event.remove(engine, name, listener)
    return Taken(sorted(clock.ms for clock in clocks[WARM_UP:]), sorted(waits[WARM_UP:]))


def try_everything(database: Database, engine: Engine, *, runs: int, only: str, console: Console) -> bool:
    """Measure and explain. Whether no large table was read from end to end."""
    everyday, plans = Everyday(database, engine), Plans(engine)
    console.print(f"{'milliseconds':46}{'median':>9}{'p95':>9}{'aim':>9}{'database p95':>15}{'aim':>9}")
    tasks = {name: partial(task, everyday) for name, task in TASKS.items()}
    tasks |= {name: partial(everyday.search_log, question=question) for name, question in QUESTIONS.items()}
    for name, task in tasks.items():
        if only not in name:
            continue
        aim = AIMS.get(name)
        took = measure(task, runs, engine)
        p95, waited = find_p95(took.whole), find_p95(took.database)
        with plans.explaining():
            for _ in range(EXPLAINED):
                task(Clock())
        listed = LIST_DATABASE_MS if name.startswith("list ") else None
        missed = "  MISSED" if (aim and p95 >= aim) or (listed and waited >= listed) else ""
        median = statistics.median(took.whole)
        console.print(f"{name:46}{median:9.1f}{p95:9.1f}{show(aim):>9}{waited:15.1f}{show(listed):>9}{missed}")
    with engine.connect() as connection:
        plans.check_generic(connection)
    console.print(f"{len(plans.seen)} statements explained; large tables: {', '.join(sorted(plans.large))}")
    for statement, tables in plans.scans.items():
        console.print(f"Reads {', '.join(sorted(tables))} from end to end:\n{statement}\n", style="red", markup=False)
    return not plans.scans


def fetch_lists(database: Database, *, runs: int, only: str, console: Console) -> None:
    """Fetch the lists from a web process as browsers do, one after another."""
    tokens = [f"seat {number}" for number in range(8)]
    with folder_for_everyone() as data, Product(data, database) as product, product.start_web().stranger() as client:
        for address in LISTS:
            if only not in address:
                continue
            took = []
            for run in range(WARM_UP + runs):
                client.cookies.set("samsyn_session", tokens[run % len(tokens)])
                begun = time.perf_counter()
                answer = client.get(address)
                took.append((time.perf_counter() - begun) * 1000)
                assert answer.status_code == 200, answer.text
            took = sorted(took[WARM_UP:])
            missed = "  MISSED" if find_p95(took) >= LIST_HTTP_MS else ""
            name = f"GET {address}"
            console.print(
                f"{name:46}{statistics.median(took):9.1f}{find_p95(took):9.1f}{show(LIST_HTTP_MS):>9}{missed}"
            )


def find_p95(took: list[float]) -> float:
    """Of sorted times."""
    return took[int(len(took) * 0.95)]


def show(aim: float | None) -> str:
    """An aim, if there is one."""
    return f"{aim:.0f}" if aim else ""


def main() -> int:
    """Fill and measure. 1 where a large table was read from end to end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder that is filled once and kept")
    parser.add_argument("--cases", type=int, default=Sizes.cases, help="how many are filled in; the rest in proportion")
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
            share = chosen.cases / Sizes.cases
            sizes = Sizes(chosen.cases, int(Sizes.entries * share), max(int(Sizes.sessions * share), 2000))
            fill(database, sizes, say=lambda step: console.print(f"{time.monotonic() - begun:4.0f} s  {step}"))
        wake(database)
        engine = connect(database.url("samsyn_app"), connections=1)
        stack.callback(engine.dispose)
        sound = try_everything(database, engine, runs=chosen.runs, only=chosen.only, console=console)
        fetch_lists(database, runs=chosen.runs, only=chosen.only, console=console)
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
