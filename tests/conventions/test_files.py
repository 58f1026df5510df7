"""What holds for every file: its length, tests that really run, imports that point downwards, a current changelog."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import viewer

ROOT = Path(viewer.__file__).parents[1]
LONGEST = 400
GENERATED = {"viewer/web/src/api/schema.d.ts"}


def list_files(*patterns: str) -> list[Path]:
    """Files of the repository, also those not yet committed; nothing that git ignores."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted({ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()})


def test_no_file_is_longer_than_400_lines() -> None:
    files = list_files("*.py", "*.ts", "*.svelte", "*.css")
    assert len(files) > 100
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files}
    assert {name: length for name, length in lengths.items() if length > LONGEST and name not in GENERATED} == {}


def find_evasions(source: str) -> list[int]:
    """Lines at which a test is skipped or expected to fail."""
    evasive = {"skip", "skipif", "xfail", "importorskip", "skipTest", "SkipTest"}
    nodes = ast.walk(ast.parse(source))
    return sorted(node.lineno for node in nodes if isinstance(node, ast.Attribute) and node.attr in evasive)


def test_every_test_runs() -> None:
    files = list_files("tests/*.py", "tests/**/*.py")
    found = {str(path.relative_to(ROOT)): find_evasions(path.read_text()) for path in files}
    assert {name: lines for name, lines in found.items() if lines} == {}
    assert find_evasions("import pytest\npytest.skip('no')\n@pytest.mark.xfail\ndef test(): ...") == [2, 3]


def test_imports_point_downwards() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    ended = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert f"Contracts: {len(contracts)} kept, 0 broken." in ended.stdout


def test_the_changelog_begins_with_this_version() -> None:
    entries = re.findall(r"^## \[?(\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert entries, "CHANGELOG.md has no entry of the form: ## 0.1.0"
    assert entries[0] == stated
    assert entries == sorted(entries, key=lambda one: [int(part) for part in one.split(".")], reverse=True)
    assert version("samsyn") == stated, "another version is installed than pyproject.toml states: make setup"
