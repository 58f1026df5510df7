"""Who signs out a case: its own department, or that of the one accepted transfer. Source: domain rules, 5.4.

A constraint trigger looks at the end of each transaction whether it is so.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from cases.database import platform
from cases.records.lead_times import Point, stamp
from cases.records.pathology_case import PathologyCase
from cases.sharing.requests.request import ShareRequest
from cases.sharing.service_descriptions import RequestType

HANDING_BACK = frozenset({"recall", "confirm_recall", "take_back", "return"})


def follow(session: Session, request: ShareRequest, case: PathologyCase, event: str, *, now: datetime) -> None:
    """The performer answers for a transferred case from when it is accepted; the owner, at once, when it ends."""
    if request.type is not RequestType.WORKLOAD_TRANSFER:
        return
    if event == "start":
        stamp(session, case.id, Point.DIAGNOSIS_STARTED, now)
    if event == "accept":
        holder = request.performer_department_id
    elif event in HANDING_BACK:
        holder = case.department_id
    else:
        return
    with platform(session):
        session.refresh(case, with_for_update={"key_share": True})  # its laboratory may be moving it
        case.signout_department_id = holder
