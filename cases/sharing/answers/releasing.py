"""Releasing: from here on the owner sees a version, its system gets it, and the case's clocks know of it."""

from __future__ import annotations

import uuid
from collections import defaultdict
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from cases.access import rights
from cases.access.audit import Event
from cases.access.notifications import notify
from cases.database import platform
from cases.records.lead_times import Point, stamp
from cases.records.pathology_case import CaseStatus, PathologyCase
from cases.sharing import referrers
from cases.sharing.answers.answer import Answer, AnswerKind, AnswerReading, AnswerVersion, Stage
from cases.sharing.answers.content import Agreement
from cases.sharing.answers.oral_reports import OralReport
from cases.sharing.outbox import enqueue_answer
from cases.sharing.requests import ShareRequest

CASE_STATUS = {
    Stage.PRELIMINARY: CaseStatus.PRELIMINARY,
    Stage.FINAL: CaseStatus.FINAL,
    Stage.AMENDED: CaseStatus.AMENDED,
}
"""What a transferred case becomes with its report; an addendum and a correction leave it as it is."""


def release(session: Session, answer: Answer, version: AnswerVersion, request: ShareRequest, *, now: datetime) -> None:
    """Let the owner see a signed version of a locked answer, and do what hangs on it."""
    content = version.said
    version.released_at = now
    answer.released, answer.released_at = version.number, answer.released_at or now
    answer.agreement, answer.discrepancy = content.agreement, content.discrepancy
    session.flush()
    if answer.kind is AnswerKind.PRIMARY_REPORT:
        _report(session, request, version, now=now)
    if version.stage is not Stage.PRELIMINARY:
        session.execute(
            update(OralReport)
            .where(OralReport.request_id == request.id, OralReport.answer_id.is_(None))
            .values(answer_id=answer.id)
        )
    enqueue_answer(session, version)
    if answer.kind is AnswerKind.PRIMARY_REPORT:
        referrers.tell(session, request.case_id, Event.ANSWER_SIGNED)
    if content.agreement is Agreement.MAJOR_DISCREPANCY:
        _ask_for_a_call(session, request)


def _report(session: Session, request: ShareRequest, version: AnswerVersion, *, now: datetime) -> None:
    """The report of a transferred case is the owner's report, so the owner's case and its clocks follow."""
    if status := CASE_STATUS.get(version.stage):
        mode = (
            {} if version.stage is Stage.PRELIMINARY else {"intended_use_mode_at_signing": version.found.intended_use}
        )
        _set_status(session, request, {"status": status, **mode}, now=now)
    if version.stage is not Stage.PRELIMINARY:
        stamp(session, request.case_id, Point.REPORT_SENT, now)


def _set_status(session: Session, request: ShareRequest, values: dict[str, object], *, now: datetime) -> None:
    with platform(session):
        patient_id = session.get_one(PathologyCase, request.case_id).patient_id
        session.execute(
            update(PathologyCase)
            .where(PathologyCase.id == request.case_id)
            .values(version=PathologyCase.version + 1, updated_at=now, **values)
            .execution_options(synchronize_session="fetch")
        )
    # Who had it in their queue has it no more once it is signed.
    rights.changed(session, patients=[patient_id])


def _ask_for_a_call(session: Session, request: ShareRequest) -> None:
    """A major discrepancy is told by telephone within four working hours. Source: domain rules, 5.5."""
    for provider_id, assignments in (
        (request.performer_provider_id, [request.reader_assignment_id]),
        (request.care_provider_id, [request.requester_assignment_id, request.watcher_assignment_id]),
    ):
        notify(
            session,
            "MAJOR_DISCREPANCY",
            subject_kind="request",
            subject_id=request.id,
            short_id=request.short_id,
            provider_id=provider_id,
            assignments=assignments,
        )


def withdraw(session: Session, answer: Answer, version: AnswerVersion, request: ShareRequest, *, now: datetime) -> None:
    """Tell the owner's system and case that a released answer was an error. The owner still reads it, struck out."""
    if answer.kind is AnswerKind.PRIMARY_REPORT:
        _set_status(session, request, {"status": CaseStatus.IN_DIAGNOSIS}, now=now)
    enqueue_answer(session, version)


def tell_readers(
    session: Session,
    answer: Answer,
    request: ShareRequest,
    version: AnswerVersion,
    *,
    event: str = "ANSWER_AMENDED",
) -> None:
    """Tell everybody who has read the answer before, wherever they work, except who changed it."""
    with platform(session):
        readers = session.execute(
            select(AnswerReading.care_provider_id, AnswerReading.assignment_id)
            .join(AnswerVersion, AnswerVersion.id == AnswerReading.answer_version_id)
            .where(
                AnswerVersion.answer_id == answer.id,
                AnswerReading.assignment_id != version.author_assignment_id,
            )
            .distinct()
        ).all()
    told: defaultdict[uuid.UUID, list[uuid.UUID]] = defaultdict(list)
    for provider_id, assignment_id in readers:
        told[provider_id].append(assignment_id)
    for provider_id, assignments in told.items():
        notify(
            session,
            event,
            subject_kind="answer",
            subject_id=answer.id,
            short_id=request.short_id,
            provider_id=provider_id,
            assignments=sorted(assignments),
        )
