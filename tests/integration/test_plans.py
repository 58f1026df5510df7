"""No question of everyday work makes the database read a large table from end to end.

A few per mille of what `tests/benchmarks/sizes.py` fills in are enough: the planner goes by what ANALYZE counted, and
an index that is missing shows in its plans long before it shows in anybody's waiting.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from crowd.everyday import QUESTIONS, TASKS, Clock, Everyday
from crowd.filling import Sizes, fill, wake
from crowd.plans import Plans
from product import Database, cloned
from sqlalchemy import Engine, event, text

from cases.database import connect
from viewer.embedded import EmbeddedPostgreSQL

SIZES = Sizes(cases=8_000, entries=50_000, sessions=12_000, live=160)
LARGE = 5_000
"""Rows: as much to these sizes as 10,000 to the benchmark's and more."""
TIMES = 14
"""After five times the driver prepares a statement, and after another five PostgreSQL may keep one plan for it."""


AT_SIZE = {
    "slide list, first page of 50",
    "slide list, last page",
    "list INCOMPLETE of cases, first page",
    "list of referrals, first page",
}
"""For the patients of a whole page a table of this size is rightly read through; the benchmark looks at these."""


@pytest.fixture(scope="module")
def engine(postgresql: EmbeddedPostgreSQL, cluster: Path) -> Iterator[tuple[Engine, Database]]:
    """The web's role on a filled database, with one connection."""
    with cloned(postgresql, cluster) as database:
        fill(database, SIZES)
        wake(database)
        engine = connect(database.url("samsyn_app"), connections=1)
        try:
            yield engine, database
        finally:
            engine.dispose()


@pytest.mark.parametrize("name", [name for name in (*TASKS, *QUESTIONS) if name not in AT_SIZE])
def test_everyday_work_scans_no_large_table(engine: tuple[Engine, Database], name: str) -> None:
    everyday = Everyday(engine[1], engine[0])
    plans = Plans(engine[0], large=LARGE)
    task = partial(Everyday.search_log, question=QUESTIONS[name]) if name in QUESTIONS else TASKS[name]
    with plans.explaining():
        for _ in range(TIMES):
            task(everyday, Clock())
    with engine[0].connect() as connection:
        plans.check_generic(connection)
    assert set(TASKS) >= AT_SIZE
    assert {"audit_event", "audit_subject", "slide_image", "pathology_case", "patient"} <= plans.large
    assert len(plans.seen) >= 3
    assert dict(plans.scans) == {}


@pytest.mark.parametrize("name", [name for name in TASKS if name.startswith("decide")])
def test_deciding_reads_no_more_than_it_needs(engine: tuple[Engine, Database], name: str) -> None:
    """Nobody's name and no agreement's text: neither belongs among the facts, and both take time."""
    everyday, seen = Everyday(engine[1], engine[0]), list[str]()
    event.listen(engine[0], "before_cursor_execute", lambda *ran: seen.append(ran[2]))
    for _ in range(3):
        TASKS[name](everyday, Clock())
    assert len(seen) > 30
    for column in ("family_name_enc", "doc_sha256", "sub_processors", "reason_text", "approved_by"):
        assert [statement for statement in seen if f".{column}" in statement.split(" FROM ")[0]] == []


def test_a_scan_would_be_noticed(engine: tuple[Engine, Database]) -> None:
    plans = Plans(engine[0], large=LARGE)
    with plans.explaining(), engine[0].connect() as connection:
        connection.execute(text("SELECT count(*) FROM slide_image WHERE byte_size = :size"), {"size": 7})
        connection.execute(text("SELECT count(*) FROM care_provider WHERE name = :name"), {"name": "Region 1"})
    assert list(plans.scans.values()) == [{"slide_image"}]
