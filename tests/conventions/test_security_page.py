"""The page of security controls names code and tests that exist, and nothing besides."""

from __future__ import annotations

import ast
import re

import pytest
from product import ROOT

ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs" / "security.md").read_text("utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| Control ")
]


def find_tests(path: str) -> set[str]:
    """The names of the tests in a file."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


@pytest.mark.parametrize(("control", "where", "tests"), ROWS, ids=[row[0] for row in ROWS])
def test_a_control_names_what_there_is(control: str, where: str, tests: str) -> None:
    place, named = where.strip("`"), re.findall(r"`([^`]+)`", tests)
    assert (ROOT / place).exists(), f"{place} is not there"
    assert named, "a control without a test is a wish"
    for name in named:
        path, _, function = name.partition("::")
        assert path.startswith("tests/") and (ROOT / path).is_file(), f"{path} is not there"
        there = find_tests(path)
        assert (function in there) if function else there, f"{name} is not there"


def test_the_page_is_a_table_and_nothing_else() -> None:
    lines = (ROOT / "docs" / "security.md").read_text("utf-8").splitlines()
    assert [line for line in lines[1:] if line and not line.startswith("|")] == []
    assert len(ROWS) > 30 and len({control for control, *_ in ROWS}) == len(ROWS)
