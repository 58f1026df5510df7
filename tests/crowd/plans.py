"""How the database means to find what it is asked for: each statement explained where it runs, just before it runs."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event, text

LARGE = 10_000
"""Rows from which on a table is not to be read from end to end."""
_PARAMETER = re.compile(r"%\((\w+)\)s")


class Plans:
    """Explains what runs on an engine: by the same role, in the same transaction, with the same parameters.

    Args:
        engine: of the web's role.
        large: rows from which on a table counts as large.

    Attributes:
        scans: for each statement that reads a large table from end to end, which tables.
        seen: statements that were explained.
    """

    def __init__(self, engine: Engine, *, large: int = LARGE) -> None:
        self.scans: defaultdict[str, set[str]] = defaultdict(set)
        self.seen: dict[str, str] = {}
        self._engine = engine
        with engine.connect() as connection:
            rows = connection.execute(
                text("SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples >= :large"), {"large": large}
            )
            self.large = frozenset(rows.scalars())

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """Everything that runs on the engine inside the block is explained first."""
        event.listen(self._engine, "before_cursor_execute", self._explain)
        try:
            yield
        finally:
            event.remove(self._engine, "before_cursor_execute", self._explain)

    def check_generic(self, connection: Connection) -> None:
        """Explain also those plans without parameters' values that the database chose to keep on a connection.

        PostgreSQL plans a prepared statement five times for its values; then it may keep one plan for all.
        """
        kept = connection.execute(text("SELECT statement FROM pg_prepared_statements WHERE generic_plans > 0")).all()
        for (statement,) in kept:
            if role := self.seen.get(statement):
                connection.execute(text("SELECT set_config('role', :role, true)"), {"role": role})
                plan = connection.exec_driver_sql(
                    f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {statement}".replace("%", "%%")
                ).scalar_one()
                self._note(statement, plan)

    def _explain(
        self, connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
    ) -> None:
        if not statement.lstrip().startswith(("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")):
            return
        values = parameters[0] if executemany else parameters
        with cursor.connection.cursor() as aside:
            role = aside.execute("SELECT current_user", prepare=False).fetchone()[0]
            explained = aside.execute(f"EXPLAIN (FORMAT JSON) {statement}", values, prepare=False).fetchone()[0]
        numbered = _number(statement)
        self.seen[numbered] = role
        self._note(numbered, explained)

    def _note(self, statement: str, plan: Any) -> None:
        plan = json.loads(plan) if isinstance(plan, str) else plan
        for table in _find_scanned(plan[0]["Plan"]):
            if table in self.large:
                self.scans[statement].add(table)


def _find_scanned(node: dict[str, Any]) -> Iterator[str]:
    if node["Node Type"] == "Seq Scan":
        yield node["Relation Name"]
    for below in node.get("Plans", ()):
        yield from _find_scanned(below)


def _number(statement: str) -> str:
    """A statement as the driver prepares it: the same name becomes the same number."""
    names: dict[str, int] = {}
    return _PARAMETER.sub(lambda found: f"${names.setdefault(found[1], len(names) + 1)}", statement).replace("%%", "%")
