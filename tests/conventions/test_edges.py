"""Only the edge commits: a request, a task, a command. Everything else works within what it is given."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import viewer

ROOT = Path(viewer.__file__).parents[1]
PACKAGES = ("slides", "tiler", "cases", "worker", "viewer")

EDGES = {
    "cases/database.py",  # where `transaction` is made
    "cases/migrate.py",  # one transaction for all migrations
    "worker/lease.py",
    "worker/preparation.py",
    "worker/sweeping.py",
    "viewer/api/events.py",
    "viewer/api/health.py",
    "viewer/app.py",
    "viewer/dependencies.py",
    "viewer/doctor.py",
    "viewer/events.py",
    "viewer/ingest.py",
    "viewer/live_viewings.py",
}
"""Files that may begin or end a transaction."""


def begins_or_ends(call: ast.Call) -> bool:
    """Whether a call commits, rolls back or opens a transaction or a session."""
    match call.func:
        case ast.Attribute(attr="commit" | "rollback"):
            return True
        case ast.Attribute(attr="begin", value=ast.Name(id="make" | "engine" | "session" | "connection")):
            return True
        case ast.Name(id="transaction" | "Session" | "sessionmaker"):
            return True
    return False


def find_edges(source: str) -> list[int]:
    """Lines of a source text at which a transaction begins or ends."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [call.lineno for call in calls if begins_or_ends(call)]


def test_only_the_edge_begins_and_ends_transactions() -> None:
    files = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if "web" not in path.parts)
    found = {str(path.relative_to(ROOT)) for path in files if find_edges(path.read_text())}
    assert found - EDGES == set(), "these files begin or end transactions but are not the edge"
    assert EDGES - found == set(), "these files no longer do and need not be listed"


@pytest.mark.parametrize(
    "source", ["session.commit()", "self.session.rollback()", "with transaction(make) as s: ...", "make.begin()"]
)
def test_the_search_finds_what_it_is_for(source: str) -> None:
    assert find_edges(source) == [1]
