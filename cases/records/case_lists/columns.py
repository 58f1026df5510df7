"""Which column of a laboratory's list is what: said by somebody, remembered, or known by its name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from cases.access.errors import Invalid


class Column(StrEnum):
    """What a list of cases can tell."""

    LID = "lid"
    PATIENT_NUMBER = "patient_number"
    GIVEN_NAME = "given_name"
    FAMILY_NAME = "family_name"
    NAME = "name"
    ACCESSIONED = "accessioned_at"
    COLLECTED = "collected_at"
    REFERRAL = "referral_number"
    REFERRING_UNIT = "referring_unit"
    COST_CENTRE = "cost_centre"
    QUESTION = "question"
    HISTORY = "history"
    SPECIMEN = "specimen"
    SLIDES = "slides"
    CATEGORY = "category"
    PRIORITY = "priority"
    SVF = "svf_code"
    DUE = "due_at"
    COMPLEXITY = "complexity_level"
    POINTS = "points"
    ANSWERED = "answered_at"


NEEDED = (Column.LID, Column.PATIENT_NUMBER)
"""Without which no row can be understood."""
_KNOWN: Mapping[Column, str] = {
    Column.LID: "lid|provnummer|provnr|pad-nummer|padnr|labnummer|preparatnummer|accession|accession number",
    Column.PATIENT_NUMBER: "personnummer|pnr|personnr|person-id|patient-id|patientnummer|identity number",
    Column.GIVEN_NAME: "förnamn|given name|first name",
    Column.FAMILY_NAME: "efternamn|family name|last name|surname",
    Column.NAME: "namn|patientnamn|patient|name",
    Column.ACCESSIONED: "ankomst|ankomstdatum|ankomsttid|ankom|registrerad|provankomst|accessioned|arrived|received",
    Column.COLLECTED: "provtagning|provtagningsdatum|provtaget|tagen|collected",
    Column.REFERRAL: "remiss|remissnummer|remissnr|remiss-id|referral|referral number",
    Column.REFERRING_UNIT: "remittent|remitterande enhet|beställare|avsändare|hsa-id|referring unit",
    Column.COST_CENTRE: "ansvarskod|kostnadsställe|betalare|kombika|cost centre",
    Column.QUESTION: "frågeställning|fråga|question|clinical question",
    Column.HISTORY: "anamnes|bakgrund|klinisk anamnes|history|clinical history",
    Column.SPECIMEN: "preparat|prov|provmaterial|material|provtyp|specimen",
    Column.SLIDES: "glas|antal glas|antal snitt|slides|number of slides",
    Column.CATEGORY: "kategori|undersökning|undersökningstyp|category",
    Column.PRIORITY: "prioritet|prio|priority",
    Column.SVF: "svf|svf-kod|vårdförlopp|svf code",
    Column.DUE: "klart senast|svar senast|förfaller|önskat svarsdatum|svarsdatum|due|due date",
    Column.COMPLEXITY: "svårighetsgrad|komplexitet|nivå|complexity",
    Column.POINTS: "poäng|points",
    Column.ANSWERED: "besvarad|svar skickat|utsvarad|signerad|answered|signed",
}
_BY_NAME = {name: column for column, names in _KNOWN.items() for name in (*names.split("|"), column.value)}


def find_columns(headings: Iterable[str], remembered: Mapping[str, str] | None = None) -> dict[Column, str]:
    """Which heading stands for what.

    Args:
        headings: of the list.
        remembered: our name of a column to its heading, as somebody said or the last list had it. What is not there any
            more is looked for by its name; a column with an empty heading is left out.

    Raises:
        Invalid: what no row can be understood without is not there.
    """
    present = {heading.casefold(): heading for heading in headings if heading}
    found = {
        Column(name): present.get(heading.casefold(), "")
        for name, heading in (remembered or {}).items()
        if name in list(Column) and (not heading or heading.casefold() in present)
    }
    taken = set(found.values())
    for key, heading in present.items():
        column = _BY_NAME.get(key) or _BY_NAME.get(" ".join(key.replace("_", " ").split()))
        if column and heading not in taken:
            found.setdefault(column, heading)
    missing = [column.value for column in NEEDED if not found.get(column)]
    if missing:
        raise Invalid(
            f"No heading of the list is known to be {' and '.join(missing)}. Say which it is in the laboratory's "
            "list_columns.",
            field="list_columns",
        )
    return {column: heading for column, heading in found.items() if heading}


def check_columns(columns: Mapping[str, str]) -> None:
    """Raise Invalid where somebody names a column that we do not have, or one heading for two."""
    if unknown := set(columns) - set(Column):
        raise Invalid(
            f"{len(unknown)} of these columns do not exist. There are: {', '.join(Column)}.", field="list_columns"
        )
    headings = [heading.casefold() for heading in columns.values() if heading]
    if len(set(headings)) < len(headings):
        raise Invalid("One heading stands for two columns. Choose one of them.", field="list_columns")
