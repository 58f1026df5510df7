"""A report as a PDF that is read on paper and aloud: tagged, PDF/UA-1 (ISO 14289-1) and PDF/A-2a (ISO 19005-2).

Set by Typst from our own page, `report.typ`, in the fonts of its wheel, so that every machine sets the same page.
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import typst

from cases.sharing.reports.composition import compose
from cases.sharing.reports.report import Report
from cases.sharing.reports.words import LABELS, Language, say

STANDARDS: list[typst.PDFStandard] = ["ua-1", "a-2a"]
_PAGE = Path(__file__).with_name("report.typ")
_MISSING = re.compile(r"the text `\"(.+?)\"` could not be displayed")
_ESCAPED = re.compile(r"\\u\{([0-9a-f]+)\}")
_KNOWN = 0xFF
"""The last character of Latin-1, all of which our fonts have."""
_INVISIBLE = frozenset({"Cc", "Cf", "Co", "Cs", "Cn"})
_ALLOWED = frozenset("\n\t\u00ad\u200d")


class PageFailed(Exception):
    """A page could not be set: a fault of ours."""


def write_pdf(report: Report, language: Language = "sv") -> bytes:
    """Set a report on A4.

    A character that no font of ours shows stands as its number, [U+80C3], and the page says so: signed text is never
    left out.

    Args:
        report: to be set.
        language: of the page; what people wrote stays in theirs.

    Raises:
        PageFailed: it could not be set.
    """
    values = json.loads(unicodedata.normalize("NFC", json.dumps(_gather(report, language), ensure_ascii=False)))
    missing: frozenset[str] = frozenset()
    while True:  # each time, some characters more are known to be missing
        shown = _replace(values, missing)
        shown["unshown_here"] = shown != values
        compiler = typst.Compiler(_PAGE, root=_PAGE.parent, font_paths=_find_fonts())
        try:
            pdf = compiler.compile(
                format="pdf",
                pdf_standards=STANDARDS,
                sys_inputs={"report": json.dumps(shown)},
                timestamp=report.finished_at.replace(microsecond=0),
            )
            return pdf if isinstance(pdf, bytes) else b"".join(pdf or ())
        except typst.TypstError as error:
            found = _list_missing(error)
            if found <= missing:
                raise PageFailed(f"The page was not set: {error.message}") from error
            missing |= found


def _gather(report: Report, language: Language) -> dict[str, Any]:
    return {
        **asdict(compose(report, language)),
        "request": report.short_id,
        "running_request": f"{say(LABELS, 'request', language)} {report.short_id}",
        "unsigned": say(LABELS, "unsigned", language),
    }


def _replace(value: Any, missing: frozenset[str]) -> Any:
    """The same with the number of each character that is missing from the fonts, or would be acted on and not seen."""
    if isinstance(value, str):
        return "".join(_name(one) if one in missing or _is_invisible(one) else one for one in value)
    if isinstance(value, dict):
        return {name: _replace(one, missing) for name, one in value.items()}
    if isinstance(value, list):
        return [_replace(one, missing) for one in value]
    return value


def _is_invisible(character: str) -> bool:
    """Whether it turns the reading direction, controls something or means nothing to anybody else."""
    return unicodedata.category(character) in _INVISIBLE and character not in _ALLOWED


def _list_missing(error: typst.TypstError) -> frozenset[str]:
    """What the compiler could not show; it names clusters, of which the letters that we know are not to blame."""
    told = "".join(_MISSING.findall(error.diagnostic))
    text = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), told)
    return frozenset(one for one in text if ord(one) > _KNOWN)


def _name(character: str) -> str:
    return f"[U+{ord(character):04X}]"


@cache
def _find_fonts() -> typst.Fonts:
    return typst.Fonts(include_system_fonts=False)
