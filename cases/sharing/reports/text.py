"""A report as plain text, for laboratory systems that take nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from textwrap import wrap as wrap_text

from cases.sharing.reports.composition import Composition, Group, Pair, Passage, Table, compose
from cases.sharing.reports.report import Report
from cases.sharing.reports.words import Language

WIDTH = 78
"""Characters of a line. Laboratory systems of eighty columns still exist."""


_wrap = partial(wrap_text, width=WIDTH, break_on_hyphens=False)


def write_text(report: Report, language: Language = "sv") -> str:
    """A report as lines of at most `WIDTH` characters, without any markup; what people wrote keeps its paragraphs."""
    return "\n".join(_write(compose(report, language))).rstrip() + "\n"


def _write(page: Composition) -> Iterator[str]:
    yield from _heading(f"{page.title.upper()}: {page.status}, {page.version.lower()}", "=")
    yield from _wrap(f"{page.issuer}, {page.issuer_unit}")
    if page.warning:
        yield ""
        for sentence in page.warning:
            yield from _indent("! ", sentence)
    for group in (*page.identity, page.responsibility):
        yield from _show_group(group)
    for passage in page.question:
        yield from _show_passage(passage)
    yield from _show_passage(page.diagnosis)
    yield from _show_group(page.assessment)
    for passage in page.passages:
        yield from _show_passage(passage)
    for table in (page.codes, page.material):
        yield from _show_table(table)
    if page.limitations:
        yield from _heading(page.limitations_heading)
        for sentence in page.limitations:
            yield from _indent("- ", sentence)
    if page.intended_use:
        yield from _show_passage(page.intended_use)
    yield from _show_table(page.signatures)
    yield ""
    yield from _indent("", f"{page.fingerprint.label}:")
    yield page.fingerprint.value


def _heading(text: str, line: str = "-") -> Iterator[str]:
    if line == "-":
        yield ""
    lines = _wrap(text)
    yield from lines
    yield line * max(map(len, lines))


def _show_group(group: Group) -> Iterator[str]:
    if group.pairs:
        yield from _heading(group.heading)
        yield from _show_pairs(group.pairs)


def _show_pairs(pairs: Iterable[Pair]) -> Iterator[str]:
    for pair in pairs:
        for number, line in enumerate(pair.value.splitlines()):
            yield from _indent("  " if number else f"{pair.label}: ", line, hang=2)


def _show_passage(passage: Passage) -> Iterator[str]:
    yield from _heading(passage.heading)
    for line in passage.text.strip().splitlines():
        yield from _wrap(line) or [""]


def _show_table(table: Table) -> Iterator[str]:
    if not (table.rows or table.note):
        return
    yield from _heading(table.heading)
    yield from _wrap(table.note)
    for row in table.rows:
        yield from _indent("- ", "  ".join(part for part in row if part))


def _indent(first: str, text: str, *, hang: int | None = None) -> list[str]:
    following = " " * (len(first) if hang is None else hang)
    return _wrap(text, initial_indent=first, subsequent_indent=following)
