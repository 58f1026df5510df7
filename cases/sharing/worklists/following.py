"""Lists that are on a screen: the rows that changed, with the lists they stand in now."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.decisions import subject_of
from cases.records.pathology_case import PathologyCase
from cases.sharing.requests import ShareRequest
from cases.sharing.worklists.lines import CaseLine
from cases.sharing.worklists.lists import CaseList, RequestList, holds_cases, holds_requests, may_have
from cases.sharing.worklists.pages import CaseRow, RequestRow, show_cases, show_requests

Row = TypeVar("Row", RequestRow, CaseRow)
Which = TypeVar("Which", RequestList, CaseList)


@dataclass(frozen=True, slots=True)
class Followed(Generic[Row, Which]):
    """A row that changed.

    Attributes:
        id: of the request or the case.
        lists: in which it stands now; none where it has left them all.
        row: None where it stands in none.
    """

    id: uuid.UUID
    lists: Collection[Which]
    row: Row | None


def follow_requests(
    session: Session,
    changed: Collection[uuid.UUID],
    *,
    by: Actor,
    now: datetime,
    shown: Collection[uuid.UUID] = (),
) -> list[Followed[RequestRow, RequestList]]:
    """Of requests that changed those that somebody's care provider is a party of, with the lists they stand in.

    Args:
        session: of this transaction.
        changed: of whatever care providers.
        by: whose lists.
        now: when.
        shown: what the lists have shown already; only others are logged as seen.
    """
    held = [which for which in RequestList if may_have(which, by=by, now=now)]
    conditions = {which: holds_requests(which, by=by, now=now) for which in held}
    lists = _find_lists(session, ShareRequest.id, changed, conditions)
    standing = [row_id for row_id, found in lists.items() if found]
    requests = session.scalars(select(ShareRequest).where(ShareRequest.id.in_(standing))).all()
    rows = {row.request.id: row for row in show_requests(session, requests, by=by, now=now)}
    _record(session, [row.case for row_id, row in rows.items() if row_id not in shown], by=by)
    return [Followed(row_id, found, rows.get(row_id)) for row_id, found in lists.items()]


def follow_cases(
    session: Session,
    changed: Collection[uuid.UUID],
    *,
    by: Actor,
    now: datetime,
    shown: Collection[uuid.UUID] = (),
) -> list[Followed[CaseRow, CaseList]]:
    """The same for cases of one's own care provider."""
    held = [which for which in CaseList if may_have(which, by=by, now=now)]
    conditions = {which: holds_cases(which, by=by, now=now) for which in held}
    lists = _find_lists(session, PathologyCase.id, changed, conditions)
    standing = [row_id for row_id, found in lists.items() if found]
    cases = session.scalars(select(PathologyCase).where(PathologyCase.id.in_(standing))).all()
    rows = {row.case.case.id: row for row in show_cases(session, cases, by=by, now=now)}
    _record(session, [row.case for row_id, row in rows.items() if row_id not in shown], by=by)
    return [Followed(row_id, found, rows.get(row_id)) for row_id, found in lists.items()]


def _find_lists(
    session: Session,
    key: InstrumentedAttribute[uuid.UUID],
    changed: Collection[uuid.UUID],
    conditions: Mapping[Which, ColumnElement[bool]],
) -> dict[uuid.UUID, list[Which]]:
    """Of what this transaction sees, which lists each stands in."""
    if not conditions:
        return {}
    rows = session.execute(select(key, *conditions.values()).where(key.in_(changed)))
    return {row[0]: [which for which, there in zip(conditions, row[1:], strict=True) if there] for row in rows}


def _record(session: Session, new: Iterable[CaseLine], *, by: Actor) -> None:
    subjects = [subject_of(line.resource) for line in new if line.lid]
    if subjects:
        audit.record(session, Event.LIST_VIEWED, by=by, subjects=subjects, args={"list": "changes"})
