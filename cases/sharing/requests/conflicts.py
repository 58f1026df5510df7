"""Who may not judge a diagnosis because they took part in it, whichever hat they wear. Source: domain rules, 4."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping
from functools import cache
from typing import Any

from sqlalchemy import CompoundSelect, literal, select, union
from sqlalchemy.orm import Session

from cases.access.people import Assignment
from cases.database import is_among, is_one_of, platform
from cases.records.pathology_case import PathologyCase
from cases.sharing.moves import StateEvent
from cases.sharing.requests.request import ShareRequest
from cases.sharing.service_descriptions import RequestType

JUDGING = frozenset({RequestType.SECOND_OPINION, RequestType.REVIEW})
"""Requests that judge somebody's diagnosis."""
SIGNING = ("sign", "sign_for_countersign", "countersign", "amend")


def find_conflicted(
    session: Session, asked: Collection[tuple[uuid.UUID, uuid.UUID | None]]
) -> Mapping[uuid.UUID, frozenset[uuid.UUID]]:
    """Persons who wrote or countersigned what is to be judged: whoever answers for the case, and who signed.

    Args:
        session: of this transaction, looking across care providers (`cases.database.platform`).
        asked: cases, each with the request whose answer is judged, where one is.

    Returns:
        By case.
    """
    parents = {parent: case_id for case_id, parent in asked if parent}
    ids = {"case_ids": [case_id for case_id, _ in asked], "parent_ids": list(parents)}
    found: defaultdict[uuid.UUID, set[uuid.UUID]] = defaultdict(set)
    for case_id, request_id, person_id in session.execute(_ask_conflicted(), ids):
        found[parents.get(request_id, case_id)].add(person_id)
    return {case_id: frozenset(people) for case_id, people in found.items()}


@cache
def _ask_conflicted() -> CompoundSelect[Any]:
    responsible = (
        select(PathologyCase.id, literal(None, ShareRequest.id.type), Assignment.person_id)
        .join(Assignment, Assignment.id == PathologyCase.responsible_assignment_id)
        .where(is_among(PathologyCase.id, "case_ids"))
    )
    signed = (
        select(ShareRequest.case_id, ShareRequest.id, Assignment.person_id)
        .join(StateEvent, StateEvent.entity_id == ShareRequest.id)
        .join(Assignment, Assignment.id == StateEvent.by_assignment_id)
        .where(is_one_of(StateEvent.event, SIGNING))
    )
    # Apart from each other, so that each is found by its own index.
    transferred = signed.where(
        is_among(ShareRequest.case_id, "case_ids"), ShareRequest.type == RequestType.WORKLOAD_TRANSFER
    )
    judged = signed.where(is_among(ShareRequest.id, "parent_ids"))
    return union(responsible, transferred, judged)


def is_conflicted(session: Session, request: ShareRequest, person_id: uuid.UUID) -> bool:
    """Whether somebody would judge their own work."""
    if request.type not in JUDGING:
        return False
    with platform(session):
        found = find_conflicted(session, [(request.case_id, request.parent_request_id)])
    return person_id in found.get(request.case_id, ())
