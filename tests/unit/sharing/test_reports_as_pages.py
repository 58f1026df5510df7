"""A report as a PDF that a screen reader reads and a printer prints, with everything that must stand on it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pikepdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_facts import DIGEST, PROTECTED, SIGNED, SLIDES, make_report

from cases.sharing.reports.pdf import write_pdf
from cases.sharing.reports.report import OtherVersion, Report, ReportAmendment
from cases.sharing.reports.words import Language


@pytest.fixture(scope="module")
def page() -> Iterator[pikepdf.Pdf]:
    """The ordinary report in Swedish."""
    with pikepdf.open(io.BytesIO(write_pdf(make_report()))) as pdf:
        yield pdf


def read_tags(pdf: pikepdf.Pdf) -> list[str]:
    """Every structure element's kind, in the order of reading."""
    found: list[str] = []

    def walk(node: Any) -> None:
        if isinstance(node, pikepdf.Array):
            for one in node:
                walk(one)
        elif isinstance(node, pikepdf.Dictionary):
            if "/S" in node:
                found.append(str(node.S))
            if "/K" in node:
                walk(node.K)

    walk(pdf.Root.StructTreeRoot.K)
    return found


def read_text(pdf: pikepdf.Pdf) -> str:
    """What stands on the pages, by each font's own table from glyph to character. Source: ISO 32000-1, 9.10.3."""
    return "\n".join(_read_page(page) for page in pdf.pages)


def _read_page(page: pikepdf.Page) -> str:
    tables = {name: _read_table(font) for name, font in page.Resources.Font.items()}
    text = ""
    table: dict[bytes, str] = {}
    for instruction in pikepdf.parse_content_stream(page):
        operands, operator = list(instruction.operands), instruction.operator
        if str(operator) == "Tf":
            table = tables[str(operands[0])]
        if str(operator) in ("Tj", "TJ"):
            pieces = operands[0] if str(operator) == "TJ" else operands
            for piece in pieces:
                if isinstance(piece, pikepdf.String):
                    raw = bytes(piece)
                    text += "".join(table.get(raw[i : i + 2], "?") for i in range(0, len(raw), 2))
        if str(operator) in ("ET", "Td", "Tm", "T*"):
            text += " "
    return " ".join(text.split())


def _read_table(font: Any) -> dict[bytes, str]:
    table: dict[bytes, str] = {}
    stream = font.ToUnicode.read_bytes().decode("ascii", "replace")
    for block in stream.split("beginbfchar")[1:]:
        for line in block.split("endbfchar")[0].split("\n"):
            parts = line.strip().strip("<>").split("> <")
            if len(parts) == 2:
                table[bytes.fromhex(parts[0])] = bytes.fromhex(parts[1]).decode("utf-16-be")
    for block in stream.split("beginbfrange")[1:]:
        for line in block.split("endbfrange")[0].split("\n"):
            parts = line.strip().strip("<>").split("> <")
            if len(parts) == 3:
                first, last, start = (int(part, 16) for part in parts)
                for offset in range(last - first + 1):
                    table[(first + offset).to_bytes(2, "big")] = chr(start + offset)
    return table


def test_a_page_is_tagged_named_and_spoken(page: pikepdf.Pdf) -> None:
    assert page.Root.MarkInfo.Marked
    assert str(page.Root.Lang) == "sv"
    assert page.Root.ViewerPreferences.DisplayDocTitle
    with page.open_metadata() as metadata:
        assert metadata["pdfuaid:part"] == "1"
        assert (metadata["pdfaid:part"], metadata["pdfaid:conformance"]) == ("2", "A")
        assert metadata["dc:title"] == "Konsultationsutlåtande R-7K3F2Q"
    tags = read_tags(page)
    assert {"/H1", "/P", "/Table", "/TH", "/TD", "/L", "/LI"} <= set(tags)
    assert tags.count("/Table") == 1  # what only looks like one is read as text
    for one in page.pages:
        operators = {str(each.operator) for each in pikepdf.parse_content_stream(one)}
        assert {"BDC", "EMC"} <= operators  # every piece of content is marked


def test_nothing_but_fonts_that_lie_in_the_page(page: pikepdf.Pdf) -> None:
    fonts = {
        str(font.BaseFont).partition("+")[2]: font.DescendantFonts[0].FontDescriptor
        for one in page.pages
        for font in one.Resources.Font.values()
    }
    assert {name.split("-")[0] for name in fonts} == {"LibertinusSerif", "DejaVuSansMono"}
    assert all("/FontFile2" in font or "/FontFile3" in font for font in fonts.values())


def test_everything_that_must_be_said_is_on_it(page: pikepdf.Pdf) -> None:
    text = read_text(page)
    for said in (
        "Tolvan Tolvansson",
        "19121212-1212",
        "B26-17890",
        "L26-04411",
        "R-7K3F2Q",
        "Version 4",
        "Slutsvar",
        "Mindre avvikelse",
        "Ingen säker invasion.",
        "≥ 60 %",
        "M82632",
        "3 av 5 glas granskade",
        "Hade inte kommit in",
        "utan betydelse för frågan",
        "förlustkomprimerad kopia",
        "kanten av snittet är oskarp",
        "inte som ensam grund för primärdiagnostik",
        "Region Östergötland svarar för detta utlåtande.",
        "Lars Lind, ST-läkare",
        "Signerat",
        "2026-11-22 13:15",
        "Maria Åberg, Överläkare",
        "Kontrasignerat",
        "2026-11-22 14:05",
        DIGEST,
        "Sida 1 av",
    ):
        assert said in text, said
    assert "Tecken som inte kan visas" not in text


def test_every_page_says_whose_it_is_and_which() -> None:
    long = make_report(microscopy="Nivåer genomgångna. " * 700)
    with pikepdf.open(io.BytesIO(write_pdf(long))) as pdf:
        pages = [_read_page(one) for one in pdf.pages]
    assert len(pages) > 3
    for number, text in enumerate(pages, 1):
        assert f"Sida {number} av {len(pages)}" in text
        assert "R-7K3F2Q" in text
        assert "19121212-1212" in text
        assert DIGEST[:16] in text


@pytest.mark.parametrize("language", ["sv", "en"])
def test_both_languages_are_whole(language: Language) -> None:
    with pikepdf.open(io.BytesIO(write_pdf(make_report(), language))) as pdf:
        assert str(pdf.Root.Lang) == language
        text = read_text(pdf)
    assert ("Final" in text) == (language == "en")
    # What people wrote stays as they wrote it.
    assert "Ytterligare kirurgi behövs inte." in text


def test_a_protected_identity_is_on_no_page_and_in_no_metadata() -> None:
    raw = write_pdf(make_report(patient=PROTECTED))
    with pikepdf.open(io.BytesIO(raw)) as pdf:
        text = read_text(pdf)
        streams = b"".join(one.read_bytes() for one in pdf.objects if isinstance(one, pikepdf.Stream))
    assert "Skyddad identitet" in text
    assert "B26-17890" in text
    for hidden in ("Tolvan", "1912"):
        assert hidden not in text
        assert hidden.encode() not in streams + raw


def test_an_amended_answer_says_what_changed_and_who_was_told() -> None:
    amended = make_report(
        status="AMENDED",
        number=7,
        agreement="MAJOR_DISCREPANCY",
        replaces=OtherVersion(number=4, status="FINAL", signed_at=SIGNED),
        amendment=ReportAmendment(
            reason="NEW_MATERIAL",
            changed="Nivåsnitt visar invasion.",
            told_who="Karin Ek",
            told_how="PHONE",
            told_at=SIGNED,
        ),
    )
    with pikepdf.open(io.BytesIO(write_pdf(amended))) as pdf:
        text = read_text(pdf)
    for said in (
        "Ändrat svar",
        "Ersätter version 4 (slutsvar), signerad 2026-11-22 14:05.",
        "Skäl: nytt material.",
        "Ändringen: Nivåsnitt visar invasion.",
        "Informerade: Karin Ek, per telefon",
        "Större avvikelse",
    ):
        assert said in text, said


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (make_report(status="ENTERED_IN_ERROR"), "Detta svar har förts in av misstag och gäller inte."),
        (make_report(status="PRELIMINARY"), "Preliminärt svar. Det kan ändras i slutsvaret."),
        (make_report(status="AWAITING_COUNTERSIGN"), "Inte signerat. Får inte användas."),
        (make_report(signatures=()), "Inte signerat. Får inte användas."),
        (
            make_report(replaced_by=OtherVersion(number=9, status="AMENDED", signed_at=SIGNED)),
            "Denna version har ersatts av version 9 (ändrat svar)",
        ),
    ],
    ids=["error", "preliminary", "countersign", "unsigned", "replaced"],
)
def test_what_does_not_hold_says_so(report: Report, said: str) -> None:
    with pikepdf.open(io.BytesIO(write_pdf(report))) as pdf:
        assert said in _read_page(pdf.pages[0])


@pytest.mark.parametrize("status", ["FINAL", "ENTERED_IN_ERROR"])
@pytest.mark.parametrize("rows", [2, 40])
def test_a_page_may_end_anywhere(status: str, rows: int) -> None:
    slides = tuple(replace(SLIDES[place % 5], name=f"A{place}") for place in range(rows))
    for lines in range(0, 45, 3):
        report = make_report(status=status, slides=slides, statement="\n".join(["rad"] * lines))
        with pikepdf.open(io.BytesIO(write_pdf(report))) as pdf:
            assert read_tags(pdf).count("/TR") == rows + 1, lines


def test_what_no_font_shows_stands_as_its_number_and_markup_is_text() -> None:
    strange = make_report(
        statement='胃 och 😀 #strong[x] $x$ @ref <lab> #sys.inputs \\" // slut\u202e ελληνικά Жж', microscopy="\x00\x07"
    )
    with pikepdf.open(io.BytesIO(write_pdf(strange))) as pdf:
        text = read_text(pdf)
    assert '[U+80C3] och [U+1F600] #strong[x] $x$ @ref <lab> #sys.inputs \\" // slut[U+202E] ελληνικά Жж' in text
    assert "[U+0000][U+0007]" in text
    assert "Tecken som inte kan visas här står som [U+…]." in text


def test_the_same_report_is_the_same_page() -> None:
    assert write_pdf(make_report()) == write_pdf(make_report())


@given(st.text(max_size=300), st.text(max_size=60))
@settings(max_examples=25, deadline=None)
def test_every_text_can_be_set(long: str, short: str) -> None:
    report = make_report(statement=long, diagnosis_text=short, impact_comment=short, lid=short)
    assert write_pdf(report).startswith(b"%PDF-1.7")
