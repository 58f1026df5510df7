"""What a row of a list says, in our words; or what is wrong with it, in a sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from cases.access.errors import Invalid
from cases.access.identifiers import Identifier, IdentifierType, parse
from cases.records.case_lists.columns import Column
from cases.records.case_lists.reading import Row
from cases.records.laboratories import read_lid
from cases.records.pathology_case import MOST_POINTS, Category, Complexity, Priority

T = TypeVar("T")
SWEDEN = ZoneInfo("Europe/Stockholm")
CLOSING = time(17)
"""By when something is due that is due on a day."""
MOST_SLIDES = 200
_LINE, _TEXT = 400, 20_000
_PRIORITIES = {
    "intraop": Priority.INTRAOP,
    "fryssnitt": Priority.INTRAOP,
    "snabb": Priority.SNABB,
    "snabbsvar": Priority.SNABB,
    "akut": Priority.SNABB,
    "svf": Priority.SVF,
    "rutin": Priority.ROUTINE,
    "normal": Priority.ROUTINE,
    "routine": Priority.ROUTINE,
}
_CATEGORIES = {
    "histologi": Category.HISTOLOGY,
    "histopatologi": Category.HISTOLOGY,
    "cytologi": Category.CYTOLOGY,
    "fryssnitt": Category.FROZEN,
    "obduktion": Category.AUTOPSY,
    "hematopatologi": Category.HEMATOPATHOLOGY,
    "benmärg": Category.HEMATOPATHOLOGY,
    "molekylär": Category.MOLECULAR,
    "molekylärpatologi": Category.MOLECULAR,
    **{one.value.casefold(): one for one in Category},
}
_LEVELS = {**{one.value.casefold(): one for one in Complexity}, **{one.value[1:]: one for one in Complexity}}
_SPECIMEN = re.compile(r"(?:^|[,;/|\n])\s*([A-Z]{1,2})\s*[:=]\s*")


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row cannot be taken in.

    Attributes:
        line: of the list; the headings are line 1.
        column: in our words; None for the whole row.
        heading: of that column in the list.
        code: for programs.
        sentence: for people; it never repeats what the cell holds.
    """

    line: int
    column: Column | None
    heading: str | None
    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What a row says. What it does not say is not there.

    Attributes:
        identifier: the patient's.
        names: given name and family name, as far as they are said.
        details: of the case, by the names in `CaseDetails`.
        referral: by the names in `ReferralDetails`.
        referring_unit: HSA-id.
        specimens: letter and kind of each.
        slides: how many glass there are to be.
        answered_at: when the laboratory system sent the answer.
    """

    line: int
    lid: str
    identifier: Identifier
    names: tuple[str, str] = field(default=("", ""), repr=False)
    accessioned_at: datetime | None = None
    details: Mapping[str, Any] = field(default_factory=dict, repr=False)
    referral: Mapping[str, Any] = field(default_factory=dict, repr=False)
    referring_unit: str | None = None
    specimens: tuple[tuple[str, str], ...] = ()
    slides: int | None = None
    answered_at: datetime | None = None


def read_entry(
    row: Row, columns: Mapping[Column, str], *, lid_pattern: str | None, now: datetime
) -> tuple[Entry | None, list[Fault]]:
    """Understand a row.

    Args:
        row: of the list.
        columns: which heading stands for what.
        lid_pattern: of the laboratory's case numbers.
        now: what has been done was done before; it decides the century of short identity numbers.

    Returns:
        What it says; or None and everything that is wrong with it.
    """
    faults: list[Fault] = []
    if not row.fits:
        sentence = "The row has more cells than there are headings. Put texts that hold the separator in quotes."
        return None, [Fault(row.number, None, None, "TOO_MANY_CELLS", sentence)]

    def read(column: Column, how: Callable[[str], T]) -> T | None:
        text = row.cells.get(columns.get(column, ""), "")
        try:
            return how(text) if text else None
        except Invalid as error:
            faults.append(Fault(row.number, column, columns[column], f"BAD_{column.name}", str(error)))
            return None

    def past(text: str) -> datetime:
        return _read_past(text, now)

    def closed(text: str) -> datetime:
        return min(_read_past(text, now, CLOSING), now)

    lid = read(Column.LID, lambda text: read_lid(text, pattern=lid_pattern))
    identifier = read(Column.PATIENT_NUMBER, lambda text: _read_number(text, now.astimezone(SWEDEN).date()))
    details = {
        "category": read(Column.CATEGORY, lambda text: _read_word(text, _CATEGORIES, Category)),
        "priority": read(Column.PRIORITY, lambda text: _read_word(text, _PRIORITIES, Priority)),
        "svf_code": read(Column.SVF, _read_line),
        "due_at": read(Column.DUE, lambda text: _read_moment(text, CLOSING)),
        "complexity_level": read(Column.COMPLEXITY, lambda text: _read_word(text, _LEVELS, Complexity)),
        "points": read(Column.POINTS, _read_points),
        "collected_at": read(Column.COLLECTED, past),
        "clinical_question": read(Column.QUESTION, _read_text),
        "clinical_history": read(Column.HISTORY, _read_text),
    }
    referral = {
        "referral_number": read(Column.REFERRAL, _read_line),
        "cost_centre": read(Column.COST_CENTRE, _read_line),
    }
    accessioned_at, answered_at = read(Column.ACCESSIONED, past), read(Column.ANSWERED, closed)
    unit, specimens = read(Column.REFERRING_UNIT, _read_line), read(Column.SPECIMEN, _read_specimens) or ()
    slides = read(Column.SLIDES, _read_count)
    for column, value in ((Column.LID, lid), (Column.PATIENT_NUMBER, identifier)):
        if value is None and not any(fault.column is column for fault in faults):
            sentence = "This must be there: without it nobody knows which case or whose it is."
            faults.append(Fault(row.number, column, columns[column], f"{column.name}_MISSING", sentence))
    if faults or lid is None or identifier is None:
        return None, faults
    entry = Entry(
        line=row.number,
        lid=lid,
        identifier=identifier,
        names=_read_names(row, columns),
        accessioned_at=accessioned_at,
        details=_said(details),
        referral=_said(referral),
        referring_unit=unit,
        specimens=specimens,
        slides=slides,
        answered_at=answered_at,
    )
    return entry, []


def _said(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _read_number(text: str, today: date) -> Identifier:
    written = text.replace(" ", "")
    digits = re.sub(r"\D", "", written)
    if re.search("[A-Za-z]", written):
        kind = IdentifierType.NRID
    else:
        # The day of birth of a samordningsnummer has 60 added to it.
        kind = IdentifierType.SNR if digits[-6:-4] > "60" else IdentifierType.PNR
    return parse(written, kind=kind, today=today)


def _read_names(row: Row, columns: Mapping[Column, str]) -> tuple[str, str]:
    given, family, whole = (
        row.cells.get(columns.get(one, ""), "")[:_LINE] for one in (Column.GIVEN_NAME, Column.FAMILY_NAME, Column.NAME)
    )
    if whole and not (given or family):
        first, comma, second = whole.partition(",")
        if comma:
            return second.strip(), first.strip()
        given, _, family = whole.rpartition(" ")
    return given.strip(), family.strip()


def _read_word(text: str, words: Mapping[str, T], meant: type[T]) -> T:
    found = words.get(text.casefold())
    if found is None:
        known = ", ".join(str(one) for one in meant)  # type: ignore[attr-defined]
        raise Invalid(f"This word is not known here. Write one of: {known}; or the Swedish word for it.")
    return found


def _read_moment(text: str, unless_said: time = time()) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid("A date is written YYYY-MM-DD, with the time after it as HH:MM.") from None
    if not re.search(r"[:T]|\d \d", text):
        found = datetime.combine(found.date(), unless_said)
    found = found if found.tzinfo else found.replace(tzinfo=SWEDEN)
    if not 2000 <= found.year < 2200:
        raise Invalid("The year is not possible; write it with four digits.")
    return found.astimezone(UTC)


def _read_past(text: str, now: datetime, unless_said: time = time()) -> datetime:
    found = _read_moment(text, unless_said)
    if found.astimezone(SWEDEN).date() > now.astimezone(SWEDEN).date() or (unless_said == time() and found > now):
        raise Invalid("What has been done was done before now; this date is yet to come.")
    return found


def _read_points(text: str) -> Decimal:
    try:
        points = Decimal(text.replace(",", ".").replace(" ", ""))
    except InvalidOperation:
        raise Invalid("Points are a number, such as 2 or 1,5.") from None
    if not points.is_finite() or not 0 <= points < MOST_POINTS or points != round(points, 2):
        raise Invalid(f"Points are a number from 0 to {MOST_POINTS - 1} with at most two decimals.")
    return round(points, 2)


def _read_count(text: str) -> int:
    if not re.fullmatch(r"\d{1,3}", text, re.ASCII) or int(text) > MOST_SLIDES:
        raise Invalid(f"The number of slides is a whole number up to {MOST_SLIDES}.")
    return int(text)


def _read_specimens(text: str) -> tuple[tuple[str, str], ...]:
    parts = _SPECIMEN.split(_read_text(text))
    if len(parts) == 1:
        return (("A", _read_line(parts[0])),)
    found = tuple(
        (letter, _read_line(kind.strip(" ,;/|\n"))) for letter, kind in zip(parts[1::2], parts[2::2], strict=True)
    )
    if len({letter for letter, _ in found}) < len(found):
        raise Invalid("The same letter stands for two specimens. Give each its own: A: skin, B: lymph node.")
    return found


def _read_line(text: str) -> str:
    if len(text) > _LINE or "\n" in text:
        raise Invalid(f"One line of at most {_LINE} characters is wanted here.")
    return text


def _read_text(text: str) -> str:
    if len(text) > _TEXT:
        raise Invalid(f"At most {_TEXT} characters are kept here.")
    return text
