"""A few rounds of kill -9; `make faults` plays a hundred."""

from __future__ import annotations

import random

import pytest
from faults.rounds import play


@pytest.mark.parametrize("seed", [7, random.SystemRandom().randrange(1, 1_000_000)], ids=["known", "new"])
def test_everything_ends_right_exactly_once_whatever_is_killed(seed: int) -> None:
    play(seed, rounds=2, settle_every=2)
