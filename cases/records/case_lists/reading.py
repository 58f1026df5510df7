"""Reading a list as a laboratory system exports it: whatever its encoding and separator, lines of named cells."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from cases.access.errors import Invalid

SEPARATORS = (";", "\t", ",", "|")
MOST_ROWS = 2_000
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a list.

    Attributes:
        number: of the line it begins on, as an editor counts: the headings are line 1.
        cells: what stands under each heading, without space around it. Not shown when printed.
        fits: it has no more cells than there are headings.
    """

    number: int
    cells: Mapping[str, str] = field(repr=False)
    fits: bool = True


@dataclass(frozen=True, slots=True)
class List:
    """A list that was read.

    Attributes:
        encoding, separator: as they were found out.
        headings: in their order.
    """

    encoding: str
    separator: str
    headings: tuple[str, ...]
    rows: tuple[Row, ...]


def read_list(content: bytes) -> List:
    """Read a list with one line of headings.

    The encoding is what the mark at its beginning says; without one UTF-8 where it is that, and Windows-1252
    otherwise, which is what Swedish systems write. The separator is the one that makes most headings.

    Raises:
        Invalid: it is empty, has no headings or the same one twice, a quotation mark that is never closed, or more
            than `MOST_ROWS` rows.
    """
    encoding = _find_encoding(content)
    text = content.decode(encoding, errors="replace")
    if "\x00" in text:
        raise Invalid("This is no list in text form. Export it as CSV, not as a spreadsheet.")
    first = text.lstrip("\r\n").partition("\n")[0]
    separator = max(SEPARATORS, key=lambda one: len(next(csv.reader([first], delimiter=one), [])))
    headings: tuple[str, ...] = ()
    rows: list[Row] = []
    for number, cells in _split(text, separator):
        if not headings:
            headings = cells
            continue
        if len(rows) >= MOST_ROWS:
            raise Invalid(f"The list has more than {MOST_ROWS} rows. Send it in parts.")
        rows.append(Row(number, dict(zip(headings, cells, strict=False)), not any(cells[len(headings) :])))
    named = [heading for heading in headings if heading]
    if len(named) < 2:
        raise Invalid("The first line of the list holds its headings, at least two. Export it with headings.")
    if len(set(named)) < len(named):
        raise Invalid("Two columns of the list have the same heading. Give each its own.")
    return List(encoding, separator, headings, tuple(rows))


def _split(text: str, separator: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The lines that hold anything, each with the number of the line it begins on."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    begins = 1
    try:
        for cells in reader:
            number, begins = begins, reader.line_num + 1
            stripped = tuple(cell.strip() for cell in cells)
            if any(stripped):
                yield number, stripped
    except csv.Error:
        raise Invalid(
            f"The quotation marks of the row that begins on line {begins} do not come in pairs. Export the list again."
        ) from None


def _find_encoding(content: bytes) -> str:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return encoding
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"
