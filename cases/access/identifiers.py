"""Identity numbers of patients: which kind, whether they can be real, and one way to write each.

Source: domain rules 2.4; Skatteverket, SKV 704 (personnummer) and SKV 707 (samordningsnummer); Inera, Nationellt
ReservID, specification 1.0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from cases.access.errors import Invalid


class IdentifierType(StrEnum):
    """Personnummer, samordningsnummer, national and local reserve number."""

    PNR = "PNR"
    SNR = "SNR"
    NRID = "NRID"
    LRID = "LRID"


ROOTS: Mapping[IdentifierType, str] = {
    IdentifierType.PNR: "1.2.752.129.2.1.3.1",
    IdentifierType.SNR: "1.2.752.129.2.1.3.3",
    IdentifierType.NRID: "1.2.752.74.9.1",
}
"""OID of each national kind; a local reserve number has its region's own."""

_OID = re.compile(r"[0-2](\.(0|[1-9]\d{0,38})){2,30}", re.ASCII)
_PERSONAL = re.compile(r"(?:(\d{4})(\d\d)(\d\d)-?|(\d\d)(\d\d)(\d\d)([-+]?))(\d{4})", re.ASCII)
_RESERVE = re.compile(r"(\d\d)(\d\d)(\d\d)(\d\d)-?([A-HJ-NPR-UX-Z]{2}[A-HJ-NPR-UX-Z\d]\d)", re.ASCII)
_LOCAL = re.compile(r"[0-9A-ZÅÄÖ]{4,20}")


@dataclass(frozen=True, slots=True)
class Identifier:
    """One identity number in its one form.

    Attributes:
        root_oid: who issues numbers of this kind.
        extension: the number, 12 characters without a hyphen for the national kinds. Not shown when printed.
    """

    type: IdentifierType
    root_oid: str
    extension: str = field(repr=False)

    @property
    def birth_date(self) -> date | None:
        """As the number states it; None where it does not."""
        match self.type:
            case IdentifierType.PNR:
                return _real_date(*_split(self.extension))
            case IdentifierType.SNR:
                year, month, day = _split(self.extension)
                return _real_date(year, month, day - 60)
            case IdentifierType.NRID if self.extension[:2] != "00":
                # The series adds 3, 6, 9 … to the century of birth, which is 18, 19 or 20.
                century = 18 + (int(self.extension[:2]) - 18) % 3
                _, month, day = _split(self.extension)
                return _real_date(century * 100 + int(self.extension[2:4]), month, day)
        return None


def parse(
    text: str,
    *,
    kind: IdentifierType,
    today: date,
    root_oid: str | None = None,
    patterns: Mapping[str, str] | None = None,
) -> Identifier:
    """Read an identity number as people write it.

    Args:
        text: as typed: `YYYYMMDD-NNNN`, `YYYYMMDDNNNN`, `YYMMDD-NNNN`, `YYMMDDNNNN`, or `YYMMDD+NNNN` for somebody who
            is or this year becomes 100.
        kind: what it is said to be.
        today: decides the century where the number does not state it.
        root_oid: of a local reserve number's issuer; the national kinds have their own.
        patterns: what local reserve numbers look like, by root; any plausible number where a root has none.

    Raises:
        Invalid: it is no such number. The message never repeats it.
    """
    written = text.strip().upper()
    if kind is IdentifierType.LRID:
        return _parse_local(written, root_oid, patterns or {})
    if root_oid not in (None, ROOTS[kind]):
        raise Invalid(f"Numbers of the kind {kind} have the root {ROOTS[kind]}. Leave the root out.", field="root_oid")
    extension = _read_reserve(written) if kind is IdentifierType.NRID else _read_personal(written, kind, today)
    return Identifier(kind, ROOTS[kind], extension)


def check_digit(digits: str) -> int:
    """The last digit of a personnummer or samordningsnummer, from the nine before it. Source: SKV 704, Luhn."""
    doubled = (int(digit) * (2 - place % 2) for place, digit in enumerate(digits))
    return -sum(number // 10 + number % 10 for number in doubled) % 10


def _read_personal(written: str, kind: IdentifierType, today: date) -> str:
    name, shift = ("personnummer", 0) if kind is IdentifierType.PNR else ("samordningsnummer", 60)
    found = _PERSONAL.fullmatch(written)
    if found is None:
        raise _invalid(f"A {name} is written YYYYMMDD-NNNN or YYMMDD-NNNN, with + for those of 100 years and more")
    number = found[8]
    if found[1]:
        year, month, day = (int(part) for part in found.group(1, 2, 3))
    else:
        short, month, day = (int(part) for part in found.group(4, 5, 6))
        year = _find_year(short, month, day - shift, over_100=found[7] == "+", today=today)
    born = _real_date(year, month, day - shift)
    if born is None or year < 1800:
        other = "samordningsnummer" if kind is IdentifierType.PNR else "personnummer"
        raise _invalid(f"The {name} does not begin with a date of birth; perhaps it is a {other}")
    if born > today:
        raise _invalid(f"The {name} begins with a date that is yet to come")
    extension = f"{year:04}{month:02}{day:02}{number}"
    if check_digit(extension[2:11]) != int(extension[11]):
        raise _invalid(f"The last digit of the {name} does not fit the others")
    return extension


def _find_year(short: int, month: int, day: int, *, over_100: bool, today: date) -> int:
    # The plus is written from the first of January of the year in which somebody becomes 100.
    latest = today.year - 100 if over_100 else today.year
    year = latest - (latest - short) % 100
    born = _real_date(year, month, day)
    return year - 100 if born is None or born > today else year


def _read_reserve(written: str) -> str:
    found = _RESERVE.fullmatch(written)
    if found is None:
        raise _invalid(
            "A national reserve number is eight digits, two letters without I, O, Q, V and W, one such letter or a "
            "digit, and a digit"
        )
    series, year, month, day = (int(part) for part in found.group(1, 2, 3, 4))
    if series == 0:
        # Without a date of birth the six digits are a running number outside of all dates: section 2.1.2.
        sound = month >= 20 and 40 <= day <= 59
    else:
        # 18 to 21 would look like a personnummer; 01 to 17 are not in use: section 2.1.1.
        sound = series >= 21 and _real_date((18 + (series - 18) % 3) * 100 + year, month, day) is not None
    if not sound:
        raise _invalid("The national reserve number begins neither with a date of birth nor as one without")
    return "".join(found.groups())


def _parse_local(written: str, root_oid: str | None, patterns: Mapping[str, str]) -> Identifier:
    if root_oid is None or not _OID.fullmatch(root_oid) or root_oid in ROOTS.values():
        raise Invalid("A local reserve number needs the root (OID) of the region that issued it.", field="root_oid")
    extension = written.replace("-", "").replace(" ", "")
    if not re.fullmatch(patterns.get(root_oid, _LOCAL.pattern), extension):
        raise _invalid("The local reserve number does not look like those of its region")
    return Identifier(IdentifierType.LRID, root_oid, extension)


def _split(extension: str) -> tuple[int, int, int]:
    return int(extension[:4]), int(extension[4:6]), int(extension[6:8])


def _real_date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _invalid(sentence: str) -> Invalid:
    return Invalid(f"{sentence}. Check what was typed.", field="value")
