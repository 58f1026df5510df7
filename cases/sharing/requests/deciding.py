"""What the performer decides: to accept or decline, who reads, and beginning to."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cases.access.absences import Absence
from cases.access.actors import Actor
from cases.access.errors import Conflict, Invalid, NotPermitted
from cases.access.grants import RoleGrant
from cases.access.people import Assignment
from cases.access.permissions import PERMITS, Permission, Role
from cases.database import platform
from cases.records.pathology_case import OPEN, PathologyCase
from cases.sharing.competences import find_competence
from cases.sharing.requests import parties, tasks
from cases.sharing.requests.advancing import advance
from cases.sharing.requests.conflicts import is_conflicted
from cases.sharing.requests.request import ShareRequest, Side, TaskRole
from cases.sharing.service_descriptions import RequestType, ServiceDescription
from cases.sharing.working_time import STOCKHOLM

ROLES: Mapping[TaskRole, frozenset[Role]] = {
    TaskRole.READER: frozenset({Role.PAT, Role.RES}),
    TaskRole.COUNTERSIGNER: PERMITS[Permission.COUNTERSIGN_ANSWER],
}
"""Who can be given a task."""


class DeclineReason(StrEnum):
    """Why a performer says no. Source: domain rules, 5.1."""

    CAPACITY = "CAPACITY"
    COMPETENCE = "COMPETENCE"
    CONFLICT = "CONFLICT"
    INSUFFICIENT_MATERIAL = "INSUFFICIENT_MATERIAL"
    WRONG_DEPT = "WRONG_DEPT"
    QUALITY = "QUALITY"


def accept(
    session: Session,
    request: ShareRequest,
    *,
    receiver_accession: str | None = None,
    read_myself: bool = False,
    by: Actor,
    now: datetime,
) -> None:
    """Take a locked request on; for a transfer, answer for the case from now on.

    Args:
        session: of this transaction.
        request: locked.
        receiver_accession: the performer's own number of the case, where the service wants one.
        read_myself: whoever accepts reads it too.
        by: at the performer.
        now: when.

    Raises:
        NotPermitted: it is for others.
        IllegalMove: it is not offered any more; somebody else may have been first.
        Invalid: the own number is missing.
        Conflict: the owner has ended the case; the week's agreed number is reached, which only a head exceeds; or as
            `assign`.
    """
    parties.require_side(session, request, Side.PERFORMER, Permission.ACCEPT_REQUEST, by=by, now=now)
    if request.type is RequestType.WORKLOAD_TRANSFER:
        _require_open_case(session, request)
    advance(session, request, "accept", by=by, now=now)
    service = session.get_one(ServiceDescription, request.service_description_id)
    if receiver_accession:
        request.receiver_accession = receiver_accession.strip()
    if service.requires_receiver_accession and not request.receiver_accession:
        raise Invalid(
            "Give the number that the case has with you; the service asks for it.", field="receiver_accession"
        )
    if not parties.holds_role(by, request.performer_department_id, Role.HEAD, now=now):
        _require_capacity(session, service, now=now)
    if read_myself:
        assign(session, request, by.assignment_id, by=by, now=now)


def decline(
    session: Session, request: ShareRequest, *, reason: DeclineReason, text: str, by: Actor, now: datetime
) -> None:
    """Say no to a locked request that is offered.

    Raises:
        NotPermitted, IllegalMove: as `accept`.
        Invalid: it is not said why.
    """
    parties.require_side(session, request, Side.PERFORMER, Permission.ACCEPT_REQUEST, by=by, now=now)
    advance(session, request, "decline", by=by, now=now, reason=reason, text=require_text(text))


def assign(session: Session, request: ShareRequest, assignment_id: uuid.UUID, *, by: Actor, now: datetime) -> None:
    """Say who reads a locked request that was accepted. A pathologist takes it on; others give it to one.

    Raises:
        NotPermitted: it is for others.
        IllegalMove: it is not accepted, or has a reader.
        Invalid: the reader is not there, not competent, not validated on a screen, away, or not the one it names.
        Conflict: the reader would judge their own work.
    """
    _require_assigner(session, request, assignment_id, by=by, now=now)
    require_reader(session, request, assignment_id, now=now)
    tasks.give(session, request, assignment_id, TaskRole.READER, by=by, now=now)
    request.reader_assignment_id = assignment_id
    advance(session, request, "assign", by=by, now=now)


def reassign(
    session: Session, request: ShareRequest, assignment_id: uuid.UUID, *, text: str, by: Actor, now: datetime
) -> None:
    """Give a locked request to another reader; the one before sees it no longer. Raises as `assign`."""
    handing_over = request.reader_assignment_id == by.assignment_id
    if not handing_over:
        _require_assigner(session, request, assignment_id, by=by, now=now)
    else:
        parties.require_side(session, request, Side.PERFORMER, Permission.ASSIGN_READER, by=by, now=now)
    if assignment_id == request.reader_assignment_id:
        raise Invalid("They read it already. Name somebody else.", field="assignment_id")
    require_reader(session, request, assignment_id, now=now)
    tasks.give(session, request, assignment_id, TaskRole.READER, by=by, now=now)
    request.reader_assignment_id = assignment_id
    advance(session, request, "reassign", by=by, now=now, text=require_text(text))


def name_countersigner(
    session: Session, request: ShareRequest, assignment_id: uuid.UUID, *, by: Actor, now: datetime
) -> None:
    """Say who signs a locked request's answer beside its reader. Raises as `assign`."""
    parties.require_side(session, request, Side.PERFORMER, Permission.ASSIGN_READER, by=by, now=now)
    if assignment_id == request.reader_assignment_id:
        raise Invalid("Whoever reads cannot countersign. Name somebody else.", field="assignment_id")
    require_reader(session, request, assignment_id, task=TaskRole.COUNTERSIGNER, now=now)
    tasks.give(session, request, assignment_id, TaskRole.COUNTERSIGNER, by=by, now=now)


def start(session: Session, request: ShareRequest, *, by: Actor, now: datetime) -> None:
    """The reader of a locked request begins, as by opening its first slide.

    Raises:
        NotPermitted: somebody else reads it.
        IllegalMove: it has been begun, or has no reader.
    """
    parties.require_side(session, request, Side.PERFORMER, Permission.DRAFT_ANSWER, by=by, now=now)
    if request.reader_assignment_id not in (None, by.assignment_id):
        raise NotPermitted("Somebody else reads this request. Their head or coordinator can give it to you.")
    advance(session, request, "start", by=by, now=now)


def require_text(text: str) -> str:
    """What somebody wrote as a reason. Raises Invalid where it says nothing."""
    if len(text.strip()) < 3:
        raise Invalid("Say why in a few words; the other side reads it.", field="text")
    return text.strip()


def require_reader(
    session: Session,
    request: ShareRequest,
    assignment_id: uuid.UUID,
    *,
    task: TaskRole = TaskRole.READER,
    now: datetime,
) -> None:
    """Let only somebody be named who can read the request, or countersign its answer.

    Raises:
        Invalid: they are not there, have no such role, are not competent or not validated, or are away.
        Conflict: they would judge their own work.
    """
    field, roles = "assignment_id", ROLES[task]
    reader = parties.find_colleague(
        session,
        assignment_id,
        provider_id=request.performer_provider_id,
        unit_id=request.performer_unit_id,
        field=field,
        now=now,
    )
    if task is TaskRole.READER and request.named_reader_id not in (None, assignment_id):
        raise Invalid("The request is for one named reader. Ask the sender to name somebody else.", field=field)
    if not _find_roles(session, reader, request.performer_department_id, now=now) & roles:
        raise Invalid(f"The reader has one of these roles for the department: {', '.join(sorted(roles))}.", field=field)
    competence = find_competence(session, reader.person_id, request.subspecialty)
    today = now.astimezone(STOCKHOLM).date()
    if competence is None or (competence.valid_to is not None and competence.valid_to < today):
        raise Invalid(f"The reader has no competence in {request.subspecialty} that is in date.", field=field)
    if competence.digital_validated_at is None:
        raise Invalid(
            f"Reading {request.subspecialty} on a screen has not been validated for this reader.", field=field
        )
    away = select(Absence.id).where(
        Absence.assignment_id == assignment_id,
        Absence.cancelled_at.is_(None),
        Absence.starts_at <= now,
        Absence.ends_at > now,
    )
    if session.scalar(away):
        raise Invalid("The reader is away now. Name somebody who is there.", field=field)
    if is_conflicted(session, request, reader.person_id):
        raise Conflict("The reader took part in the diagnosis that is to be judged. Name a colleague who did not.")


def _find_roles(
    session: Session, assignment: Assignment, department_id: uuid.UUID, *, now: datetime
) -> frozenset[Role]:
    return frozenset(
        session.scalars(
            select(RoleGrant.role).where(
                RoleGrant.assignment_id == assignment.id,
                RoleGrant.approved_at.is_not(None),
                RoleGrant.valid_from <= now,
                (RoleGrant.valid_to.is_(None) | (RoleGrant.valid_to > now)),
                (RoleGrant.department_id.is_(None) | (RoleGrant.department_id == department_id)),
            )
        )
    )


def _require_assigner(
    session: Session, request: ShareRequest, assignment_id: uuid.UUID, *, by: Actor, now: datetime
) -> None:
    parties.require_side(session, request, Side.PERFORMER, Permission.ASSIGN_READER, by=by, now=now)
    gives = parties.holds_role(by, request.performer_department_id, Role.HEAD, Role.COO, now=now)
    if not gives and assignment_id != by.assignment_id:
        raise NotPermitted("Pathologists take on what they read themselves; heads and coordinators give it to others.")


def _require_open_case(session: Session, request: ShareRequest) -> None:
    """There is something left to sign out: the owner's laboratory may have ended the case since it was offered.

    The case stays locked, so that it does not end between this and the handing over.
    """
    found = select(PathologyCase.status).where(PathologyCase.id == request.case_id)
    with platform(session):
        status = session.scalar(found.with_for_update(key_share=True))
    if status not in OPEN:
        raise Conflict("The owner has ended this case meanwhile, so there is nothing to take over. Decline it.")


def _require_capacity(session: Session, service: ServiceDescription, *, now: datetime) -> None:
    """Of this week (Monday to Sunday in Stockholm), the one that was just accepted included."""
    if service.max_cases_per_week is None:
        return
    today = now.astimezone(STOCKHOLM).replace(hour=0, minute=0, second=0, microsecond=0)
    monday = (today - timedelta(days=today.weekday())).astimezone(UTC)
    taken = session.scalar(
        select(func.count()).where(
            ShareRequest.service_description_id == service.id, ShareRequest.accepted_at >= monday
        )
    )
    if (taken or 0) > service.max_cases_per_week:
        raise Conflict(
            f"This week's {service.max_cases_per_week} cases of the service have been accepted. Your head can accept "
            "more; or decline it for want of capacity."
        )
