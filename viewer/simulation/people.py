"""Patients that nobody is, and who asks whom in a simulation."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta

from cases.access.identifiers import Identifier, IdentifierType, check_digit, parse
from viewer.pilot import cast

GIVEN = ("Aina", "Bosse", "Cilla", "Doris", "Elof", "Frida", "Gösta", "Hedda", "Ivar", "Jorun", "Kjell", "Lovisa")
FAMILY = ("Exempelsson", "Låtsasson", "Provberg", "Testlund", "Påhittén", "Sagander", "Fantasén", "Dikterud")
SERIALS = range(980, 1000)
"""Birth numbers that no living person has. Source: Skatteverket, test personnummer."""
EARLIEST = date(1935, 1, 1)


@dataclass(frozen=True)
class Invented:
    """A patient."""

    number: Identifier
    given_name: str
    family_name: str


def invent(chance: random.Random, taken: set[str], *, today: date) -> Invented:
    """Somebody new: no number in `taken` is used again."""
    while True:
        born = EARLIEST + timedelta(days=chance.randrange(25_000))
        digits = f"{born:%y%m%d}{chance.choice(SERIALS):03}"
        whole = f"{born:%Y%m%d}{digits[6:]}{check_digit(digits)}"
        if whole not in taken:
            taken.add(whole)
            number = parse(whole, kind=IdentifierType.PNR, today=today)
            return Invented(number, chance.choice(GIVEN), chance.choice(FAMILY))


@dataclass(frozen=True)
class Side:
    """Who works at one of the two departments, by the HSA-ids of their assignments, and which unit it is."""

    unit: str
    pathologist: str
    head: str
    laboratory: str
    resident: str | None = None
    administrator: str | None = None


def _commission(unit: str, number: str) -> str:
    return f"{unit.partition('-')[0]}-DEMOU{number}"


KALMAR = Side(
    cast.KALMAR,
    _commission(cast.KALMAR, "002"),
    _commission(cast.KALMAR, "001"),
    _commission(cast.KALMAR, "004"),
    administrator=_commission(cast.KALMAR_STAFF, "007"),
)
LINKOPING = Side(
    cast.LINKOPING,
    _commission(cast.LINKOPING, "102"),
    _commission(cast.LINKOPING, "101"),
    _commission(cast.LINKOPING, "104"),
    resident=_commission(cast.LINKOPING, "103"),
)
