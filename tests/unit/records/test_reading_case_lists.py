"""Lists of cases before the database: encodings, separators, columns, and what a cell can hold."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.access.errors import Invalid
from cases.access.identifiers import IdentifierType
from cases.records.case_lists.columns import Column, check_columns, find_columns
from cases.records.case_lists.entries import Entry, read_entry
from cases.records.case_lists.reading import MOST_ROWS, SEPARATORS, Row, read_list
from cases.records.pathology_case import Category, Complexity, Priority

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NUMBER = "19570314-9806"
TEXT = "LID;Frågeställning\nD26-1;Malignitet? Ålder, kön\n"


@pytest.mark.parametrize(
    ("encoding", "found"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8-sig"), ("cp1252", "cp1252"), ("utf-16", "utf-16")],
)
def test_the_encoding_is_found_out(encoding: str, found: str) -> None:
    read = read_list(TEXT.encode(encoding))
    assert read.encoding == found
    assert read.headings == ("LID", "Frågeställning")
    assert read.rows[0].cells == {"LID": "D26-1", "Frågeställning": "Malignitet? Ålder, kön"}


cells = st.text(st.characters(codec="utf-8", exclude_characters="\r\x00", exclude_categories=["Cc", "Cs"]), max_size=20)


@given(
    rows=st.lists(st.tuples(cells, cells, cells), max_size=5),
    separator=st.sampled_from(SEPARATORS),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_what_is_written_in_quotes_is_read_as_it_was(
    rows: list[tuple[str, str, str]], separator: str, end: str
) -> None:
    lines = [("LID", "Personnummer", "Fråga"), *rows]
    quoted = [separator.join('"' + cell.replace('"', '""') + '"' for cell in line) for line in lines]
    read = read_list(end.join(quoted).encode())
    expected = [tuple(cell.strip() for cell in row) for row in rows]
    assert read.separator == separator
    assert [tuple(row.cells.values()) for row in read.rows] == [row for row in expected if any(row)]


def test_rows_are_numbered_as_an_editor_counts_lines() -> None:
    read = read_list(b'LID,Pnr\n\n1,"two\nlines"\n2,x\n,\n3,y,z\n')
    assert [(row.number, row.fits) for row in read.rows] == [(3, True), (5, True), (7, False)]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The first line of the list holds its headings"),
        (b"LID\nD26-1\n", "The first line of the list holds its headings"),
        (b"LID;LID\n1;2\n", "Two columns of the list have the same heading"),
        (b'LID;Pnr\n1;2\n3;"4\n5;6\n', "The quotation marks of the row that begins on line 3 do not come in pairs"),
        (b"PK\x03\x04\x00\x00\x08", "This is no list in text form. Export it as CSV, not as a spreadsheet"),
        (b"LID;Pnr\n" + b"1;2\n" * (MOST_ROWS + 1), f"more than {MOST_ROWS} rows. Send it in parts"),
    ],
)
def test_what_is_no_list_is_refused_with_what_to_do(content: bytes, sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence):
        read_list(content)


def test_columns_are_known_by_their_swedish_and_english_names() -> None:
    headings = ["Provnr", "PERSONNUMMER", "Svar senast", "points", "patient_number", "Rum"]
    assert find_columns(headings) == {
        Column.LID: "Provnr",
        Column.PATIENT_NUMBER: "PERSONNUMMER",
        Column.DUE: "Svar senast",
        Column.POINTS: "points",
    }


def test_what_was_remembered_comes_before_what_is_known_by_its_name() -> None:
    remembered = {"lid": "Nr", "patient_number": "Gone", "question": "", "due_at": "LID"}
    headings = ["Nr", "LID", "Personnummer", "Frågeställning"]
    assert find_columns(headings, remembered) == {
        Column.LID: "Nr",
        Column.DUE: "LID",
        Column.PATIENT_NUMBER: "Personnummer",
    }


def test_a_list_without_numbers_is_refused_with_where_to_say_it() -> None:
    with pytest.raises(Invalid, match=r"known to be lid and patient_number\. Say which it is in the laboratory"):
        find_columns(["Nummer", "Prio"])


def test_columns_that_cannot_be_are_refused() -> None:
    with pytest.raises(Invalid, match=r"1 of these columns do not exist\. There are: lid, patient_number, "):
        check_columns({"lid": "Nr", "weather": "Sol"})
    with pytest.raises(Invalid, match="One heading stands for two columns"):
        check_columns({"lid": "Nr", "due_at": "nr", "points": "", "question": ""})


def entry(**said: str) -> Entry:
    found, faults = read(**said)
    assert found is not None, faults
    return found


def read(**said: str) -> tuple[Entry | None, list[tuple[str, str]]]:
    columns = {column: column.value for column in Column}
    row = Row(7, {"lid": "D26-1", "patient_number": NUMBER, **said})
    found, faults = read_entry(row, columns, lid_pattern="D##-#+", now=NOW)
    assert all(fault.line == 7 for fault in faults)
    return found, [(fault.code, fault.sentence) for fault in faults]


def test_a_row_says_what_stands_in_it_and_nothing_else() -> None:
    assert entry().details == {}
    found = entry(
        priority="Snabbsvar", category="Cytologi", points="1,5", complexity_level="3", due_at="2026-12-01",
        accessioned_at="2026-11-21 08:30", slides="4", specimen="A: Hud; B: Lymfkörtel, axill", name="Svensson, Anna",
        answered_at="20261122", referral_number="R-7",
    )  # fmt: skip
    assert found.details == {
        "priority": Priority.SNABB,
        "category": Category.CYTOLOGY,
        "points": Decimal("1.50"),
        "complexity_level": Complexity.L3,
        "due_at": datetime(2026, 12, 1, 16, tzinfo=UTC),
    }
    assert found.accessioned_at == datetime(2026, 11, 21, 7, 30, tzinfo=UTC)
    assert found.answered_at == NOW
    assert found.specimens == (("A", "Hud"), ("B", "Lymfkörtel, axill"))
    assert (found.names, found.slides, found.referral) == (("Anna", "Svensson"), 4, {"referral_number": "R-7"})


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (NUMBER, IdentifierType.PNR),
        ("570314-9806", IdentifierType.PNR),
        ("19570374-9803", IdentifierType.SNR),
        ("22480917-KX17", IdentifierType.NRID),
    ],
)
def test_the_kind_of_an_identity_number_is_found_out(number: str, kind: IdentifierType) -> None:
    assert entry(patient_number=number).identifier.type is kind


@pytest.mark.parametrize(
    ("column", "cell", "code", "sentence"),
    [
        ("lid", "", "LID_MISSING", "This must be there"),
        ("lid", "B26-1", "BAD_LID", "Case numbers of this laboratory look like D##-#"),
        ("patient_number", "", "PATIENT_NUMBER_MISSING", "This must be there"),
        ("patient_number", "19570314-9807", "BAD_PATIENT_NUMBER", "The last digit of the personnummer does not fit"),
        ("patient_number", "19570374-9807", "BAD_PATIENT_NUMBER", "The last digit of the samordningsnummer does not"),
        ("patient_number", "okänd", "BAD_PATIENT_NUMBER", "A national reserve number is"),
        ("priority", "mycket", "BAD_PRIORITY", "This word is not known here. Write one of: INTRAOP, SNABB, SVF, ROUT"),
        ("due_at", "1/12 -26", "BAD_DUE", "A date is written YYYY-MM-DD"),
        ("due_at", "0026-12-01", "BAD_DUE", "The year is not possible"),
        ("accessioned_at", "2026-11-23", "BAD_ACCESSIONED", "this date is yet to come"),
        ("answered_at", "2026-11-23", "BAD_ANSWERED", "this date is yet to come"),
        ("points", "NaN", "BAD_POINTS", "Points are a number from 0 to 9999"),
        ("points", "1.234", "BAD_POINTS", "at most two decimals"),
        ("points", "många", "BAD_POINTS", "Points are a number, such as 2 or 1,5"),
        ("slides", "201", "BAD_SLIDES", "a whole number up to 200"),
        ("specimen", "A: Hud, A: Hud", "BAD_SPECIMEN", "The same letter stands for two specimens"),
        ("referral_number", "x" * 401, "BAD_REFERRAL", "One line of at most 400 characters"),
        ("history", "x" * 20_001, "BAD_HISTORY", "At most 20000 characters"),
    ],
)  # fmt: skip
def test_each_fault_has_a_code_and_a_sentence(column: str, cell: str, code: str, sentence: str) -> None:
    found, faults = read(**{column: cell})
    assert found is None
    ((told, why),) = faults
    assert (told, sentence in why) == (code, True), why
    assert not cell or len(cell) < 5 or cell not in why, "a sentence repeats what stands in the list"


def test_everything_wrong_with_a_row_is_told_at_once() -> None:
    _, faults = read(lid="?", points="?", due_at="?")
    assert {code for code, _ in faults} == {"BAD_LID", "BAD_POINTS", "BAD_DUE"}
