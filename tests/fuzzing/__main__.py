"""`make fuzz`: thousands of broken slides, none of which may do more than be refused in a sentence."""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from pathlib import Path

from fuzzing.cases import GENERATORS, truncations
from fuzzing.children import try_all
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


def main() -> int:
    """Run the cases that the command line asks for. Returns 1 when something broke."""
    parser = argparse.ArgumentParser(prog="python -m fuzzing", description=__doc__)
    parser.add_argument("--generator", choices=[*GENERATORS], help="only this one; both by default")
    parser.add_argument("--seed", type=int, help="number of the first mutation; drawn by lot by default")
    parser.add_argument("--count", type=int, default=10_000, help="how many mutations")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="where to keep what broke something")
    wanted = parser.parse_args()
    seed = random.SystemRandom().randrange(1_000_000_000) if wanted.seed is None else wanted.seed
    print(f"seed {seed}")
    runs = {"mutations": range(seed, seed + wanted.count)}
    if wanted.generator == "truncations":
        first = wanted.seed or 0
        runs = {"truncations": range(first, first + min(wanted.count, truncations()))}
    elif wanted.generator is None:
        runs["truncations"] = range(truncations())
    return 1 if sum(run(generator, numbers, wanted.save) for generator, numbers in runs.items()) else 0


def run(generator: str, numbers: range, save: Path | None) -> int:
    """Try a generator's cases with a progress bar. Returns how many broke something."""
    results: Counter[str] = Counter()
    broken = 0
    began = time.monotonic()
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns) as progress:
        bar = progress.add_task(generator, total=len(numbers))
        for outcome in try_all(map(GENERATORS[generator], numbers)):
            progress.advance(bar)
            if outcome.complaint is None:
                results[outcome.result] += 1
                continue
            broken += 1
            case = outcome.case
            progress.console.print(f"[red]Broken[/]: {generator} {case.number}, once {case.layout}")
            progress.console.print(outcome.complaint, markup=False, highlight=False)
            progress.console.print(f"Again: {case.command}", markup=False)
            if save:
                place = save / f"{generator}-{case.number}"
                place.mkdir(parents=True, exist_ok=True)
                case.write(place)
    found = ", ".join(f"{count} {result}" for result, count in results.most_common())
    print(f"{len(numbers)} {generator} in {time.monotonic() - began:.0f} s: {found}; {broken} broke something.")
    return broken


if __name__ == "__main__":
    sys.exit(main())
