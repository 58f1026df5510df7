"""When a patient said yes to handing out, explicitly."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime

from cases.access.consents import AssertionType, ConsentFacts, ConsentScope


def find_explicit_consent(
    consents: Iterable[ConsentFacts], *, provider_id: uuid.UUID, now: datetime
) -> datetime | None:
    """The last time, at the care provider that hands out; None where the patient did not, or took it back."""
    given = (
        consent.period.start
        for consent in consents
        if consent.scope is ConsentScope.DISCLOSURE
        and consent.type is AssertionType.CONSENT
        and consent.provider_id == provider_id
        and consent.period.holds(now)
    )
    return max(given, default=None)
