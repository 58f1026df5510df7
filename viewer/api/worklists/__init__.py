"""Worklists: pages of requests and of cases, how much stands in each list, and searching by number."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from cases.access.actors import Actor
from cases.access.errors import NotPermitted
from cases.access.permissions import PERMITS, Permission
from cases.records.pathology_case import CaseStatus
from cases.sharing import worklists
from cases.sharing.competences import Subspecialty
from cases.sharing.requests import RequestStatus
from cases.sharing.service_descriptions import RequestType, Urgency
from cases.sharing.worklists import CaseList, Place, RequestList, Wanted
from cases.sharing.worklists.lists import NEEDS
from viewer.api.fields import Line, example
from viewer.api.patients import Number
from viewer.api.worklists.rows import ListedOwnCase, ListedRequest, Refusal, show_case, show_refusal, show_request
from viewer.dependencies import Database, Limit, Now, permit

router = APIRouter(prefix="/api/worklists", tags=["worklists"])

Reader = Annotated[Actor, Depends(permit(Permission.SEE_OWN_WORKLIST), scope="function")]
After = Annotated[str | None, Query(max_length=300, description="Go on where a page ended: its `next`.")]


class RequestPage(BaseModel):
    """Requests of one list. `next`: where to go on; null at the end."""

    items: list[ListedRequest]
    next: str | None


class CasePage(BaseModel):
    """Cases of one list. `next`: where to go on; null at the end."""

    items: list[ListedOwnCase]
    next: str | None


class Counts(BaseModel):
    """How much stands in each list that you have."""

    requests: dict[RequestList, int]
    cases: dict[CaseList, int]


class Term(BaseModel):
    """What is looked for; in a body, because people write identity numbers into every field there is."""

    model_config = example(term="D26-00801")

    term: Annotated[Line, Field(max_length=worklists.LONGEST_TERM)]


class SearchResult(BaseModel):
    """What a search found. `refusals`: why other cases of your own care provider that fit are not shown."""

    cases: list[ListedOwnCase]
    requests: list[ListedRequest]
    refusals: list[Refusal]


def get_wanted(
    urgency: Annotated[list[Urgency], Query(description="Only of these.")] = [],  # noqa: B006 - FastAPI copies it
    late: Annotated[bool, Query(description="Only what should have been done before now.")] = False,
    reader: Annotated[uuid.UUID | None, Query(description="Only what this assignment reads or answers for.")] = None,
    type: Annotated[list[RequestType], Query(description="Only requests of these types.")] = [],  # noqa: A002, B006
    subspecialty: Annotated[list[Subspecialty], Query(description="Only requests for these.")] = [],  # noqa: B006
    stage: Annotated[list[RequestStatus], Query(description="Only requests at these stages.")] = [],  # noqa: B006
    status: Annotated[list[CaseStatus], Query(description="Only cases in these states.")] = [],  # noqa: B006
) -> Wanted:
    """What of a list is wanted."""
    return Wanted(
        urgencies=urgency,
        late=late,
        reader_id=reader,
        types=type,
        subspecialties=subspecialty,
        stages=stage,
        states=status,
    )


Filter = Annotated[Wanted, Depends(get_wanted)]


@router.get("")
def read_counts(database: Database, actor: Reader, now: Now) -> Counts:
    """How much stands in each of your lists, for their tabs. It names no patient, so it is not logged."""
    counts = worklists.count_lists(database, by=actor, now=now)
    return Counts(
        requests={which: counts[which] for which in RequestList if which in counts},
        cases={which: counts[which] for which in CaseList if which in counts},
    )


@router.get("/requests/{which}")
def read_requests(
    which: RequestList,
    database: Database,
    actor: Reader,
    now: Now,
    wanted: Filter,
    limit: Limit = 50,
    after: After = None,
) -> RequestPage:
    """List requests: READING and INBOX from elsewhere, SENT and DRAFTS to elsewhere, ORDERED for your laboratory."""
    _require(which, actor, now)
    place = Place.read(after) if after else None
    page = worklists.list_requests(database, which, wanted=wanted, by=actor, now=now, limit=limit, after=place)
    return RequestPage(items=[show_request(row) for row in page.rows], next=page.next.write() if page.next else None)


@router.get("/cases/{which}")
def read_cases(
    which: CaseList, database: Database, actor: Reader, now: Now, wanted: Filter, limit: Limit = 50, after: After = None
) -> CasePage:
    """List your own care provider's cases: MINE, or those that are INCOMPLETE, for the laboratory."""
    _require(which, actor, now)
    place = Place.read(after) if after else None
    page = worklists.list_cases(database, which, wanted=wanted, by=actor, now=now, limit=limit, after=place)
    return CasePage(items=[show_case(row) for row in page.rows], next=page.next.write() if page.next else None)


@router.post("/search")
def search_number(body: Term, database: Database, actor: Reader, now: Now) -> SearchResult:
    """Search by a laboratory's number, your own number of a case from elsewhere, or a request's short id."""
    return _show_search(worklists.search_number(database, body.term, by=actor, now=now))


@router.post("/patient-search")
def search_patient(
    body: Number,
    database: Database,
    actor: Annotated[Actor, Depends(permit(Permission.SEE_OWN_WORKLIST), scope="function")],
    now: Now,
) -> SearchResult:
    """Search by a patient's identity number, which never stands in an address. It is logged, whatever it finds."""
    return _show_search(worklists.search_patient(database, body.read(now), by=actor, now=now))


def _show_search(found: worklists.Search) -> SearchResult:
    return SearchResult(
        cases=[show_case(row) for row in found.cases],
        requests=[show_request(row) for row in found.requests],
        refusals=[show_refusal(code) for code in sorted(found.refusals)],
    )


def _require(which: RequestList | CaseList, actor: Actor, now: datetime) -> None:
    if not worklists.may_have(which, by=actor, now=now):
        roles = ", ".join(sorted(PERMITS[NEEDS[which]]))
        raise NotPermitted(f"None of your roles has this list. It is for: {roles}. Your head can help.")
