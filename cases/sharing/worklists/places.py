"""In which order lists stand, and where a page of one ended."""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, SQLColumnExpression, case, func, literal, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from cases.access.errors import Invalid
from cases.records.pathology_case import PathologyCase
from cases.sharing.requests import ShareRequest
from cases.sharing.service_descriptions import Urgency
from cases.sharing.worklists.lists import is_late

NEVER = datetime(9999, 1, 1, tzinfo=UTC)
"""When what has no due time is due."""
_RANKS = {urgency.value: rank for rank, urgency in enumerate(Urgency)}


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a list something stands: by lateness where that comes first, urgency, due time and id.

    Attributes:
        as_of: when the list was first asked for: what is late does not change from page to page.
    """

    as_of: datetime
    on_time: int
    rank: int
    due_at: datetime
    id: uuid.UUID

    def write(self) -> str:
        """As text for an address."""
        parts = (self.as_of.isoformat(), self.on_time, self.rank, self.due_at.isoformat(), self.id)
        return base64.urlsafe_b64encode("|".join(map(str, parts)).encode()).decode().rstrip("=")

    @classmethod
    def read(cls, text: str) -> Place:
        """From text. Raises Invalid if it is none that `write` made."""
        try:
            plain = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
            as_of, on_time, rank, due_at, row_id = plain.split("|")
            moments = datetime.fromisoformat(as_of), datetime.fromisoformat(due_at)
            if any(moment.tzinfo is None for moment in moments):
                raise ValueError(plain)
            return cls(moments[0], int(on_time), int(rank), moments[1], uuid.UUID(row_id))
        except (ValueError, binascii.Error):
            raise Invalid("Go on where a page ended: `next` as that page gave it.", field="after") from None


def order_requests(statement: Select[Any], *, late_first: bool, now: datetime, after: Place | None) -> Select[Any]:
    """Put requests in order, from a place on; with each goes what `find_place` needs."""
    as_of = after.as_of if after else now
    on_time = case((is_late(as_of), 0), else_=1) if late_first else literal(1)
    keys = (on_time, _rank(ShareRequest.urgency), func.coalesce(ShareRequest.due_at, NEVER), ShareRequest.id)
    return _order(statement, keys, after)


def order_cases(statement: Select[Any], *, after: Place | None) -> Select[Any]:
    """Put cases in order, from a place on; with each goes what `find_place` needs."""
    keys = (literal(1), _rank(PathologyCase.priority), func.coalesce(PathologyCase.due_at, NEVER), PathologyCase.id)
    return _order(statement, keys, after)


def _order(statement: Select[Any], keys: Sequence[SQLColumnExpression[Any]], after: Place | None) -> Select[Any]:
    if after is not None:
        statement = statement.where(tuple_(*keys) > tuple_(after.on_time, after.rank, after.due_at, after.id))
    return statement.add_columns(keys[0], keys[1], keys[2]).order_by(*keys)


def _rank(urgency: InstrumentedAttribute[Any]) -> ColumnElement[int]:
    return case(_RANKS, value=urgency, else_=len(_RANKS))
