"""Five hundred broken slides, other ones in `make fuzz`: each refused in a sentence, or right to its last tile."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from fuzzing import disasters
from fuzzing.cases import CUTS, GENERATORS, Case, mutate, originals
from fuzzing.children import Outcome, Trial, try_all
from fuzzing.trial import try_slide

SEED = 7_000_000
REFUSED = {"DAMAGED_FILE", "UNSUPPORTED_FILE", "EMPTY_FILE"}


def tried(generator: str, numbers: range) -> list[Outcome]:
    outcomes = list(try_all(map(GENERATORS[generator], numbers)))
    broken = [f"{one.case.command}\n{one.complaint}" for one in outcomes if one.complaint is not None]
    assert not broken, "\n\n".join(broken)
    return outcomes


def test_mutations() -> None:
    results = Counter(outcome.result for outcome in tried("mutations", range(SEED, SEED + 500)))
    # Mutations that nobody notices test nothing, and neither do those after which nothing opens any more.
    assert results["SOUND"] > 100
    assert sum(results[code] for code in REFUSED) > 200


def test_every_original_is_sound_and_no_slide_without_its_second_half(tmp_path: Path) -> None:
    for number, (layout, files) in enumerate(originals().items()):
        places = tmp_path / f"{number}", tmp_path / f"{number} scratch"
        for place in places:
            place.mkdir()
        found = try_slide(Case("", 0, layout, files).write(places[0]), places[1])
        assert found == ("UNSUPPORTED_FILE" if layout in ("ventana", "hamamatsu") else "SOUND"), layout
    halves = range(CUTS // 2, CUTS * len(originals()), CUTS)
    for outcome in tried("truncations", halves):
        assert outcome.result in REFUSED, outcome.case.layout


@pytest.mark.parametrize(
    ("trial", "words"),
    [
        (disasters.die, "SIGSEGV"),
        (disasters.leave, "exit code 3"),
        (disasters.never_end, "More than 1 processor seconds"),
        (disasters.take_memory, "MemoryError"),
        (disasters.raise_something, "KeyError instead of a sentence"),
        (disasters.tell_a_name, "A name is told"),
        (disasters.leave_a_file_open, "1 files were left open"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_disaster_costs_one_case_and_is_told(trial: Trial, words: str) -> None:
    outcomes = list(try_all(map(mutate, range(2)), trial=trial, cpu_s=1))
    assert [outcome.case.number for outcome in outcomes] == [0, 1]
    for outcome in outcomes:
        assert outcome.complaint is not None
        assert words in outcome.complaint


def test_the_same_number_is_the_same_slide() -> None:
    first = [mutate(number) for number in range(40)]
    assert [mutate(number) for number in range(40)] == first
    assert len({str(case.files) for case in first}) == 40
