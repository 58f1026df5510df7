"""Which pairs of a user and a patient a monthly review looks at: system and chance. Source: domain rules, 7.3, L4."""

from __future__ import annotations

import hashlib
import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

LEAST = 20
SHARE = 0.02
"""Of all pairs of the month, where that is more than `LEAST`."""
AT_RANDOM = 0.4
"""Of those, drawn by chance alone; the rest by risk."""


class Reason(StrEnum):
    """Why a pair was drawn.

    Not yet, because nothing here knows what they need: same address as the patient and staff as patient (no register
    of addresses, and no identity numbers of staff), access without a care link, a list of well-known people, and
    reopening what was closed (cases have no end yet).
    """

    RANDOM = "RANDOM"
    EMERGENCY = "EMERGENCY"
    PROTECTED_IDENTITY = "PROTECTED_IDENTITY"
    PROTECTION_LOWERED = "PROTECTION_LOWERED"
    SAME_SURNAME = "SAME_SURNAME"
    OUTSIDE_HOURS = "OUTSIDE_HOURS"
    UNUSUAL_VOLUME = "UNUSUAL_VOLUME"
    REFUSED_OFTEN = "REFUSED_OFTEN"


ALWAYS = frozenset({Reason.EMERGENCY, Reason.PROTECTED_IDENTITY, Reason.PROTECTION_LOWERED})
"""Every pair with one of these is drawn, however many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A user and a patient, with what the month's log says of the two.

    Attributes:
        assignment_id, person_id, unit_id: of the user.
        entries, first_at, last_at: about the two.
        risks: rules that they meet.
    """

    assignment_id: uuid.UUID
    person_id: uuid.UUID
    unit_id: uuid.UUID
    patient_id: uuid.UUID
    entries: int
    first_at: datetime
    last_at: datetime
    risks: frozenset[Reason]


def wanted(pairs: int) -> int:
    """How many of so many pairs are drawn, at the least."""
    return min(pairs, max(LEAST, math.ceil(SHARE * pairs)))


def draw(pairs: Sequence[Pair], seed: bytes) -> list[tuple[Pair, frozenset[Reason]]]:
    """Choose what is reviewed: 40 % by chance, then by risk, and whatever must always be.

    Those with the most risks come first. Where too few have any, chance fills up.

    Args:
        pairs: of the month, in any order.
        seed: the same seed and pairs give the same draw.

    Returns:
        Each pair with why it was drawn, in an order that tells nothing.
    """
    lots = sorted(pairs, key=lambda pair: _lot(pair, seed))
    size = wanted(len(lots))
    reasons = {pair: pair.risks for pair in lots if pair.risks & ALWAYS}
    for pair in lots[: math.ceil(AT_RANDOM * size)]:
        reasons[pair] = reasons.get(pair, frozenset()) | pair.risks | {Reason.RANDOM}
    for pair in sorted(lots, key=lambda pair: -len(pair.risks)):
        if len(reasons) >= size:
            break
        reasons.setdefault(pair, pair.risks or frozenset({Reason.RANDOM}))
    return [(pair, reasons[pair]) for pair in lots if pair in reasons]


def _lot(pair: Pair, seed: bytes) -> bytes:
    return hashlib.sha256(seed + pair.assignment_id.bytes + pair.patient_id.bytes).digest()
