"""Many rounds of kill -9, with a progress bar and a closing summary: `make faults`.

PYTHONPATH=tests python -m faults --rounds 100 --seed 7
"""

from __future__ import annotations

import random
import signal
import statistics
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from faults.rounds import Rounds, play
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table


def main(
    rounds: Annotated[int, typer.Option(help="How many.")] = 100,
    seed: Annotated[int, typer.Option(help="Draws everything; 0 draws the seed itself.")] = 0,
    settle_every: Annotated[int, typer.Option(help="Rounds between two looks whether everything has mended.")] = 1,
) -> None:
    """Play many rounds and sum up."""
    seed = seed or random.SystemRandom().randrange(1, 1_000_000)
    console = Console()
    report = Path(tempfile.gettempdir()) / f"samsyn-faults-{seed}.txt"
    report.write_text("")
    console.print(f"{rounds} rounds, seed {seed}; what happens is in {report}")
    # Whoever ends this run leaves nothing running.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )
    last: list[Rounds] = []
    with bar:
        task = bar.add_task("rounds", total=rounds)

        def advance(played: Rounds) -> None:
            last[:] = [played]
            bar.update(task, advance=1, description=f"{played.slides} slides, {played.kills.total()} kills")

        try:
            play(seed, rounds=rounds, settle_every=settle_every, after=advance, log=report)
        except AssertionError as error:
            report.write_text(str(error))
            console.print(f"[red]Broken[/] after {bar.tasks[0].completed:g} rounds: {report}")
            console.print(str(error).partition("\n\n")[0], markup=False)
            raise typer.Exit(1) from None
    _sum_up(console, last[0])


def _sum_up(console: Console, played: Rounds) -> None:
    phases = sorted({phase for _, phase in played.kills})
    table = Table("killed", *phases, "all", title="Where the blows fell")
    for target in sorted({target for target, _ in played.kills}):
        counts = [played.kills[target, phase] for phase in phases]
        table.add_row(target, *map(str, counts), str(sum(counts)))
    console.print(table)
    settled = played.recoveries_s
    console.print(
        f"{played.slides} slides, each right exactly once; {played.again} copied again because their copying was cut "
        f"off.\nMended {len(settled)} times by itself, in {statistics.median(settled):.0f} s (median), "
        f"{max(settled):.0f} s (longest).\n{played.reader.tiles} tiles seen, {played.reader.errors} requests refused "
        f"meanwhile, none wrong."
    )


if __name__ == "__main__":
    typer.run(main)
