"""Who somebody is to what two laboratories tell each other: the circles that requests and the patient put them in."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Uuid, column, exists, or_, select, table
from sqlalchemy.orm import Session

from cases.access.actors import Actor
from cases.access.errors import NotThere
from cases.access.gate import CareLink
from cases.records.annotations import Onlooker
from cases.sharing.requests.parties import LABORATORY, is_party
from cases.sharing.requests.request import ShareRequest

_ANSWERS = table("answer", column("request_id", Uuid))
"""Of which only whether there is one is asked; whoever writes answers asks this module who may read what they cite."""


def find_onlooker(
    session: Session,
    case_id: uuid.UUID,
    *,
    by: Actor,
    now: datetime,
    links: Collection[CareLink] = frozenset({CareLink.NAMED}),
) -> Onlooker:
    """The circles in which somebody stands who may look at a case; whether they may, the gate says.

    Args:
        session: of this transaction.
        case_id: whose annotations they look at.
        by: who.
        now: when.
        links: what ties them to the patient's care, as the gate's facts have it; a signer takes part in it.
    """
    # Row security shows a performer only what was offered, and nobody another provider's draft.
    drafted = exists().where(_ANSWERS.c.request_id == ShareRequest.id)
    requests = session.execute(
        select(ShareRequest, ShareRequest.blind & ~drafted).where(
            ShareRequest.case_id == case_id,
            or_(ShareRequest.care_provider_id == by.provider_id, ShareRequest.performer_unit_id == by.unit_id),
        )
    ).all()
    in_care = set(links) != {CareLink.CONFERENCE}
    return Onlooker(
        assignment_id=by.assignment_id,
        unit_id=by.unit_id,
        requests=frozenset(request.id for request, _ in requests if in_care and is_party(request, by=by, now=now)),
        in_care=in_care,
        # Who is to read without knowing what the owner thinks does not see where it pointed either.
        withheld_from=frozenset(
            request.care_provider_id
            for request, blind in requests
            if blind and request.care_provider_id != by.provider_id
        ),
    )


def require_party(request: ShareRequest, *, by: Actor, now: datetime) -> None:
    """Let only the two laboratories see what is between them, whoever its answer has been handed on to.

    Raises:
        NotThere: somebody else, such as a clinician who is named in it.
    """
    if by.roles(now).isdisjoint(LABORATORY) or not is_party(request, by=by, now=now):
        raise NotThere("There is no such request.")
