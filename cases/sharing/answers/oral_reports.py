"""Oral reports: what was said to whom, and that it was said back."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.decisions import admit
from cases.access.errors import Conflict, Invalid, NotPermitted
from cases.access.gate import Intent
from cases.access.notifications import notify
from cases.access.permissions import Role
from cases.database import Base
from cases.sharing import requests
from cases.sharing.answers.reading import describe_case, has_role, require_told
from cases.sharing.answers.register import find_standing
from cases.sharing.requests import ANSWERED, TAKEN, ShareRequest, Side, side_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What was said to whom; the names are those of `OralReport`."""

    given_to_name: str
    given_to_role: str
    given_to_unit: str
    phone: str | None = None
    at: datetime
    text: str
    read_back: bool


class OralReport(Base):
    """One answer by word of mouth. It is written once; the written answer that follows is noted on it later.

    Attributes:
        care_provider_id: of who gave it.
        given_to_name, given_to_role, given_to_unit: staff, never a patient.
        phone: the number that was called, if it was by telephone.
        at: when it was said.
        text: what was said.
        read_back: whether the listener said it back.
        answer_id: the written answer that followed.
    """

    __tablename__ = "oral_report"

    request_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("share_request.id"), index=True)
    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"))
    given_by: Mapped[uuid.UUID] = mapped_column(ForeignKey("assignment.id"))
    given_to_name: Mapped[str]
    given_to_role: Mapped[str]
    given_to_unit: Mapped[str]
    phone: Mapped[str | None]
    at: Mapped[datetime]
    text: Mapped[str]
    read_back: Mapped[bool]
    answer_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("answer.id"))


def give(session: Session, request: ShareRequest, told: Telling, *, by: Actor, now: datetime) -> OralReport:
    """Write down an answer that was given by word of mouth.

    Raises:
        NotPermitted: the actor is no pathologist of the department that was asked.
        Conflict: the request is not in anybody's hands there.
        Invalid: it was said in the future.
        Refused: the gate said no.
    """
    if side_of(request, by) is not Side.PERFORMER or not has_role(by, Role.PAT, request, now):
        raise NotPermitted("Oral answers are given by a pathologist of the department that was asked.")
    if request.stage not in TAKEN | ANSWERED:
        raise Conflict(f"In the state {request.status} nobody gives an answer. Accept the request first.")
    if told.at > now:
        raise Invalid("Nothing can have been said after now. Correct the time.", field="at")
    resource = describe_case(session, request, by=by, now=now)
    decision = admit(session, resource, Intent.READ, by=by, now=now)
    answer = find_standing(session, request.id)
    report = OralReport(
        request_id=request.id,
        care_provider_id=by.provider_id,
        given_by=by.assignment_id,
        answer_id=answer.id if answer and request.status in ANSWERED else None,
        **asdict(told),
    )
    session.add(report)
    session.flush()
    audit.record(
        session,
        Event.ORAL_REPORT_GIVEN,
        by=by,
        subjects=[requests.subject_of(request, resource.patient_id)],
        basis=decision.basis,
        decision_id=decision.id,
        args={"request": request.short_id, "oral_report": str(report.id), "read_back": told.read_back},
    )
    notify(
        session,
        "ORAL_REPORT_GIVEN",
        subject_kind="request",
        subject_id=request.id,
        short_id=request.short_id,
        provider_id=request.care_provider_id,
        assignments=[request.requester_assignment_id, request.watcher_assignment_id],
    )
    return report


def list_oral_reports(session: Session, request: ShareRequest, *, by: Actor, now: datetime) -> Sequence[OralReport]:
    """Everything that was said about a request, the first first; logged.

    Raises:
        NotThere: nothing of the request is for the actor.
        Refused: the gate said no.
    """
    require_told(session, request, by=by, now=now)
    resource = describe_case(session, request, by=by, now=now)
    decision = admit(session, resource, Intent.READ, by=by, now=now)
    audit.record(
        session,
        Event.ANSWER_VIEWED,
        by=by,
        subjects=[requests.subject_of(request, resource.patient_id)],
        basis=decision.basis,
        decision_id=decision.id,
        args={"request": request.short_id, "oral": True},
    )
    return session.scalars(
        select(OralReport).where(OralReport.request_id == request.id).order_by(OralReport.at, OralReport.id)
    ).all()
