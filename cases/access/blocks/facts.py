"""What the gate knows of a block, and whether it keeps something from somebody. Source: domain rules, 4, step 3."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cases.access.actors import Period


class BlockType(StrEnum):
    """INNER keeps one care unit's information from everybody outside it, OUTER a provider's from other providers."""

    INNER = "INNER"
    OUTER = "OUTER"


@dataclass(frozen=True, slots=True)
class Lift:
    """That a block is lifted for somebody for a while.

    Attributes:
        assignment_id: None for everybody at the unit.
    """

    unit_id: uuid.UUID
    assignment_id: uuid.UUID | None
    period: Period


@dataclass(frozen=True, slots=True)
class BlockFacts:
    """A block, as the gate needs it.

    Attributes:
        provider_id: whose information is blocked.
        unit_id: which care unit's; None for an outer block.
        start, end: when the information was registered that it covers, both included; None is open.
        registered_at: since when it holds.
    """

    type: BlockType
    provider_id: uuid.UUID
    unit_id: uuid.UUID | None
    start: datetime | None
    end: datetime | None
    registered_at: datetime
    lifts: tuple[Lift, ...] = ()
    ended_at: datetime | None = None

    def conceals(self, *, actor_provider_id: uuid.UUID, actor_unit_id: uuid.UUID, now: datetime) -> bool:
        """Whether it is in force and keeps something from people there, lifted or not."""
        if now < self.registered_at or (self.ended_at is not None and self.ended_at <= now):
            return False
        if self.type is BlockType.OUTER:
            return actor_provider_id != self.provider_id
        return actor_unit_id != self.unit_id

    def applies(
        self,
        *,
        provider_id: uuid.UUID,
        unit_id: uuid.UUID,
        actor_provider_id: uuid.UUID,
        actor_unit_id: uuid.UUID,
        actor_assignment_id: uuid.UUID,
        informed: Period,
        now: datetime,
    ) -> bool:
        """Whether it keeps this information from this actor now.

        Args:
            provider_id, unit_id: whose information it is.
            actor_provider_id, actor_unit_id, actor_assignment_id: who asks.
            informed: when the information was registered, from the first time to the last, both included.
            now: when.
        """
        return (
            self.provider_id == provider_id
            and (self.type is BlockType.OUTER or self.unit_id == unit_id)
            and self.conceals(actor_provider_id=actor_provider_id, actor_unit_id=actor_unit_id, now=now)
            and (self.start is None or informed.end is None or self.start <= informed.end)
            and (self.end is None or informed.start <= self.end)
            and self.lifted_until(unit_id=actor_unit_id, assignment_id=actor_assignment_id, now=now) is None
        )

    def lifted_until(self, *, unit_id: uuid.UUID, assignment_id: uuid.UUID, now: datetime) -> datetime | None:
        """Until when it is lifted for somebody; None if it is not."""
        ends = [
            lift.period.end
            for lift in self.lifts
            if lift.unit_id == unit_id and lift.assignment_id in (None, assignment_id) and lift.period.holds(now)
        ]
        return max((end for end in ends if end is not None), default=None)
