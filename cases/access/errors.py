"""What the rules say no with. `viewer.problems` turns each into a status; the rules know none.

Rejected
├── NotThere        there is no such thing, or none that this actor may know of
├── NotPermitted    the actor's roles do not allow it
├── Invalid         what was given breaks a rule
├── Conflict        it cannot be, as things are
│   └── IllegalMove     its state does not lead there
├── Stale           somebody else changed it meanwhile
└── Refused         the gate said no (cases.access.gate)
"""

from __future__ import annotations

from collections.abc import Iterable


class Rejected(Exception):
    """The rules say no. The message is a sentence for a person and never names a patient."""


class NotThere(Rejected):
    """There is no such thing, or none that this actor may know of: both look the same."""


class NotPermitted(Rejected):
    """The actor's roles do not allow it."""


class Invalid(Rejected):
    """What was given breaks a rule.

    Attributes:
        field: which part of it, by its name in the API; None for the whole.
    """

    def __init__(self, sentence: str, *, field: str | None = None) -> None:
        super().__init__(sentence)
        self.field = field


class Conflict(Rejected):
    """It cannot be, as things are."""


class IllegalMove(Conflict):
    """The state it is in does not lead there.

    Attributes:
        allowed: the moves that are possible now.
    """

    def __init__(self, sentence: str, *, allowed: Iterable[str] = ()) -> None:
        super().__init__(sentence)
        self.allowed = tuple(sorted(allowed))


class Stale(Rejected):
    """Somebody else changed it since it was read."""
