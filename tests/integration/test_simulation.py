"""The pilot in fast-forward: its cases live, everything holds, and what does not hold is found."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from makers import folder_for_everyone
from partners import Partners, make_partners
from product import Database
from world import World

from cases.transaction import transaction
from viewer.simulation.checking import find_faults

CASES = 14
"""Enough for most of the stories; the whole pilot has fifty."""


def simulate(data: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "viewer", "simulate", "--data", str(data), *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)


def test_cases_live_and_everything_holds_at_the_end() -> None:
    with folder_for_everyone() as folder:
        done = simulate(folder / "data", "--cases", str(CASES), "--seed", "7")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Everything holds" in done.stdout
        again = simulate(folder / "data")
        assert again.returncode == 2
        assert "is not empty" in again.stdout.replace("\n", " ")


@pytest.fixture(scope="module")
def partners(module_database: Database) -> Iterator[Partners]:
    with World(module_database) as world:
        yield make_partners(world)


@pytest.mark.parametrize(
    ("spoiling", "said"),
    [
        ("UPDATE share_request SET status = 'OFFERED' WHERE id = :request", "its last move led to ASSIGNED"),
        ("UPDATE share_request SET status = 'ANSWERED' WHERE id = :request", "without a signed answer"),
        (
            "UPDATE record_grant SET valid_until = now() + interval '1 day'; "
            "UPDATE share_request SET status = 'RECALLED', ended_at = now() WHERE id = :request",
            "is over, and what it handed out is ACTIVE",
        ),
    ],
)
def test_what_does_not_hold_is_found(partners: Partners, spoiling: str, said: str) -> None:
    asked = partners.ask()
    partners.bring(asked, "ASSIGNED")
    assert find(partners) == []
    for statement in spoiling.split("; "):
        bound: dict[str, Any] = {"request": asked.request_id} if ":request" in statement else {}
        partners.world.database.query(statement, **bound)
    assert any(said in fault for fault in find(partners))
    partners.world.database.query(
        "UPDATE share_request SET status = 'ASSIGNED', ended_at = NULL WHERE id = :id", id=asked.request_id
    )


def find(partners: Partners) -> list[str]:
    with transaction(partners.world.worker) as session:
        return find_faults(session, now=datetime.now(UTC))
