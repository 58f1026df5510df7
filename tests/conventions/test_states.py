"""docs/states.md shows every machine as its table of moves has it; this file, run as a program, draws it anew."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path

import pytest

from cases.records import slide_images
from cases.sharing import answers, requests, work_orders
from cases.sharing.moves import Move

PAGE = Path(__file__).parents[2] / "docs" / "states.md"
HEAD = """# States and moves

Drawn from the tables of moves in the code by `python tests/conventions/test_states.py`. Who is meant by the letters is
in the [glossary](glossary.md); SYS is a timer or a worker, *owner* the side that asks, *performer* the side that
answers. Whoever tries anything else is told what is possible.
"""
MACHINES: dict[str, Sequence[Move[StrEnum]]] = {
    "Request": requests.MOVES,  # type: ignore[dict-item]  # a tuple of moves between one enum's members
    "Answer": answers.MOVES,  # type: ignore[dict-item]
    "Work order": work_orders.MOVES,  # type: ignore[dict-item]
}


def draw(title: str, lines: Iterable[str]) -> str:
    """One machine as a Mermaid state diagram."""
    return "\n".join(["", f"## {title}", "", "```mermaid", "stateDiagram-v2", *lines, "```", ""])


def list_arrows(moves: Sequence[Move[StrEnum]]) -> list[str]:
    """Each move from each of its states; one that stays, or goes back to where it came from, as a loop."""
    arrows = [
        f"    {source} --> {move.target or source}: {move.event.replace('_', ' ')} ({move.who})"
        for move in moves
        for source in sorted(move.sources)
    ]
    return [*(f"    [*] --> {move.target}: {move.event} ({move.who})" for move in moves if not move.sources), *arrows]


def draw_page() -> str:
    """The whole page."""
    slides = [
        f"    {source} --> {target}" for source, targets in slide_images.MOVES.items() for target in sorted(targets)
    ]
    machines = "".join(draw(title, list_arrows(moves)) for title, moves in MACHINES.items())
    return HEAD + machines + draw("Slide image", slides)


def test_the_pictures_are_current() -> None:
    assert PAGE.read_text() == draw_page(), "the moves have changed: run `python tests/conventions/test_states.py`"


@pytest.mark.parametrize("title", MACHINES)
def test_every_state_can_be_reached_and_is_reached_by_one_rule_for_each_event(title: str) -> None:
    moves = MACHINES[title]
    states = set(type(next(move.target for move in moves if move.target)))
    reached = {move.target for move in moves if move.target}
    assert reached == states
    seen: set[tuple[str, StrEnum]] = set()
    for move in moves:
        for source in move.sources:
            assert (move.event, source) not in seen, f"two rules for {move.event} in {source}"
            seen.add((move.event, source))


if __name__ == "__main__":
    PAGE.write_text(draw_page())
