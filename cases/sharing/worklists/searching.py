"""Searching for cases and requests: by a laboratory's number, a request's short id, or a patient's number.

Own cases and requests come apart. Of another care provider's nothing is found that the gate does not open.
Every search is in the log, also one that finds nothing; what was searched for is there only as its keyed index.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.orm import Session

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.decisions import subject_of
from cases.access.errors import Invalid
from cases.access.gate import Code
from cases.access.identifiers import Identifier
from cases.access.patients import IdentifierStatus, PatientIdentifier
from cases.access.same_patients import find_same
from cases.access.vault import find_vault
from cases.database import platform
from cases.records.pathology_case import PathologyCase
from cases.sharing.requests import ShareRequest
from cases.sharing.requests.request import CROCKFORD
from cases.sharing.worklists.lines import CaseLine
from cases.sharing.worklists.pages import CaseRow, RequestRow, show_cases, show_requests

MOST = 50
"""Cases, and requests, that a search finds at the most, the newest first."""
LONGEST_TERM = 40
KNOWN_TO_BE_THERE = frozenset({Code.D05, Code.D06, Code.D40})
"""Refusals with which a case of one's own unit is told of all the same: nothing is wrong with who asks."""
_MISTAKEN = str.maketrans("OIL", "011")


@dataclass(frozen=True, slots=True)
class Search:
    """What was found.

    Attributes:
        cases: of one's own care provider.
        requests: that one's care provider sent or was sent.
        refusals: why own cases that fit are not among them.
    """

    cases: Sequence[CaseRow]
    requests: Sequence[RequestRow]
    refusals: frozenset[Code]


def search_number(session: Session, term: str, *, by: Actor, now: datetime) -> Search:
    """Search by a laboratory's number, the performer's own number, or a request's short id.

    Raises:
        Invalid: there is nothing to search for.
    """
    term = term.strip()
    if not 1 <= len(term) <= LONGEST_TERM:
        raise Invalid(f"Search for 1 to {LONGEST_TERM} characters: a case's number or R- with six more.", field="term")
    written = {term, term.upper()}
    short_id = read_short_id(term)
    with platform(session):
        cases = session.scalars(_newest_cases().where(PathologyCase.lid.in_(written))).all()
    numbered = and_(ShareRequest.performer_provider_id == by.provider_id, ShareRequest.receiver_accession.in_(written))
    of_cases = ShareRequest.case_id.in_([case.id for case in cases])
    requests = _find_requests(session, or_(ShareRequest.short_id == short_id, numbered, of_cases))
    told = {request.id for request in requests if request.short_id == short_id}
    known = find_vault(session).index("", term.upper())
    return _show(session, known, cases, requests, told, by=by, now=now)


def search_patient(session: Session, identifier: Identifier, *, by: Actor, now: datetime) -> Search:
    """Search by a patient's identity number, among everything that one's care provider has a part in."""
    known = find_vault(session).index(identifier.root_oid, identifier.extension)
    with platform(session):
        numbered = session.scalars(
            select(PatientIdentifier.patient_id).where(
                PatientIdentifier.extension_hmac == known,
                PatientIdentifier.root_oid == identifier.root_oid,
                PatientIdentifier.status != IdentifierStatus.ERROR,
            )
        ).all()
        people = frozenset[uuid.UUID]().union(*find_same(session, numbered).values())
        cases = session.scalars(_newest_cases().where(PathologyCase.patient_id.in_(people))).all()
    requests = _find_requests(session, ShareRequest.case_id.in_([case.id for case in cases]))
    return _show(session, known, cases, requests, frozenset(), by=by, now=now)


def read_short_id(term: str) -> str | None:
    """A request's short id as somebody typed or heard it: letters that look like digits are those digits."""
    letters = term.upper().removeprefix("R").removeprefix("-").translate(_MISTAKEN)
    return f"R-{letters}" if len(letters) == 6 and set(letters) <= set(CROCKFORD) else None


def _newest_cases() -> Select[PathologyCase]:
    return select(PathologyCase).order_by(PathologyCase.id.desc()).limit(MOST)


def _find_requests(session: Session, which: ColumnElement[bool]) -> Sequence[ShareRequest]:
    """The newest of those that the actor's care provider is a party of, which row security sees to."""
    return session.scalars(select(ShareRequest).where(which).order_by(ShareRequest.id.desc()).limit(MOST)).all()


def _show(
    session: Session,
    known: bytes,
    cases: Sequence[PathologyCase],
    requests: Sequence[ShareRequest],
    told: Collection[uuid.UUID],
    *,
    by: Actor,
    now: datetime,
) -> Search:
    """What the gate opens of what was found, and of requests those in `told`, whose name was known anyway."""
    own = show_cases(session, [case for case in cases if case.care_provider_id == by.provider_id], by=by, now=now)
    shown = [row for row in own if _may_be_told(row.case)]
    shared = [
        row
        for row in show_requests(session, requests, by=by, now=now)
        if row.case.decision.allow or row.request.id in told or _may_be_told(row.case)
    ]
    lines = {one.case.id: one.resource for one in (*(row.case for row in shown), *(row.case for row in shared))}
    audit.record(
        session,
        Event.SEARCH_PATIENT,
        by=by,
        subjects=[subject_of(resource) for resource in lines.values()],
        args={"list": "search", "term": known.hex(), "hits": len(shown) + len(shared)},
    )
    codes = {row.case.decision.code for row in own if not _may_be_told(row.case)}
    return Search(shown, shared, frozenset(code for code in codes if code))


def _may_be_told(line: CaseLine) -> bool:
    return line.decision.allow or (line.lid is not None and line.decision.code in KNOWN_TO_BE_THERE)
