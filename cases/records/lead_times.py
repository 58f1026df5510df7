"""Lead times: the points of a case's way that SKR's model for clinical pathology counts from and to."""

from __future__ import annotations

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from cases.database import platform
from cases.records.completeness import VIEWABLE, find_completeness
from cases.records.pathology_case import PathologyCase
from cases.records.slide_images import SlideImage


class Point(StrEnum):
    """A point on a case's way, named as its column. Source: domain rules, 8.1."""

    REFERRAL_DECIDED = "referral_decided_at"
    COLLECTED = "collected_at"
    GROSSING_STARTED = "grossing_started_at"
    DIGITISED = "digitised_at"
    RELEASED = "released_at"
    DIAGNOSIS_STARTED = "diagnosis_started_at"
    ANCILLARY_ORDERED = "ancillary_ordered_at"
    READY_TO_SIGN = "ready_to_sign_at"
    REPORT_SENT = "report_sent_at"
    REPORT_ACKNOWLEDGED = "report_ack_at"
    CONFERENCE = "mdt_at"
    PATIENT_INFORMED = "patient_informed_at"


def stamp(session: Session, case_id: uuid.UUID, name: str, now: datetime) -> None:
    """Note that a case has come to a point of its way. The first time counts; whoever reads the case may say it.

    Args:
        session: of this transaction.
        case_id: of the case, whosever it is.
        name: of the point, such as "released_at"; see `Point`.
        now: when it came there.
    """
    column = getattr(PathologyCase, Point(name).value)
    with platform(session):
        session.execute(
            update(PathologyCase).where(PathologyCase.id == case_id, column.is_(None)).values({Point(name).value: now})
        )


def note_digitised(session: Session, case_id: uuid.UUID) -> None:
    """Note when the last glass that a case needs was scanned, if none is missing any more.

    What a file says of its scan counts where it gives the offset from UTC and lies before its arrival here, which
    counts otherwise.
    """
    if not find_completeness(session, [case_id])[case_id].complete:
        return
    images = session.execute(
        select(SlideImage.scanned_at, SlideImage.created_at).where(
            SlideImage.case_id == case_id, SlideImage.status.in_(VIEWABLE)
        )
    )
    stamp(session, case_id, Point.DIGITISED, max(_read_scan(said, came) for said, came in images))


def _read_scan(said: str | None, came: datetime) -> datetime:
    try:
        scanned = datetime.fromisoformat(said or "")
    except ValueError:
        return came
    return scanned if scanned.tzinfo and scanned <= came else came
