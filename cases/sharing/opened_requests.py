"""A request as somebody opens it: how it stands for both sides; what is the patient's only where the gate says yes."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from cases.access import audit, patients
from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.decisions import admit, write_decision
from cases.access.decisions import subject_of as name_resource
from cases.access.errors import NotThere
from cases.access.gate import Decision, Intent, Resource, decide
from cases.access.organisations import CareProvider, Department
from cases.access.patients import Patient, PatientView
from cases.access.people import Assignment, Person
from cases.database import platform
from cases.records.pathology_case import PathologyCase, find_case
from cases.sharing.answers.register import has_draft
from cases.sharing.requests import (
    ANSWERED,
    BEFORE_OFFERED,
    DisclosedItem,
    Disclosure,
    RequestHold,
    ShareRequest,
    Side,
    disclosures,
    find_request,
    side_of,
)
from cases.sharing.requests.holds import find_holds
from cases.sharing.requests.possible import find_moves
from cases.sharing.resources import describe_cases


@dataclass(frozen=True, slots=True)
class Content:
    """What of a request is the patient's.

    Attributes:
        patient: redacted where the identity is protected and the actor not named, and always for the performer then.
        working_diagnosis: None where it is not told to a reader who judges without knowing it; `hidden` says so.
        items: what was handed out, or is to be.
    """

    case: PathologyCase
    patient: PatientView
    working_diagnosis: str | None
    hidden: bool
    disclosure: Disclosure | None
    items: Sequence[DisclosedItem]


@dataclass(frozen=True, slots=True)
class OpenedRequest:
    """A request with how it stands.

    Attributes:
        moves: what the actor can do with it.
        content: None where the gate says no, for the reason that `decision` has.
    """

    request: ShareRequest
    side: Side
    moves: Sequence[str]
    holds: Sequence[RequestHold]
    decision: Decision | None = None
    content: Content | None = None


@dataclass(frozen=True, slots=True)
class Names:
    """Names of departments with their care providers, and of people, by id.

    Attributes:
        people: without those whose own data are protected.
    """

    departments: Mapping[uuid.UUID, tuple[str, str]]
    people: Mapping[uuid.UUID, str | None]


def find_mine(session: Session, request_id: uuid.UUID, *, by: Actor) -> ShareRequest:
    """A request of the actor's care unit, or one that names them. Raises NotThere."""
    request = find_request(session, request_id, by=by)
    if not _is_mine(request, by):
        raise NotThere("There is no such request.")
    return request


def show_standing(session: Session, request: ShareRequest, *, by: Actor, now: datetime) -> OpenedRequest:
    """How a request stands, without anything of the patient's."""
    return OpenedRequest(
        request=request,
        side=side_of(request, by),
        moves=find_moves(session, request, by=by, now=now),
        holds=find_holds(session, request),
    )


def open_request(session: Session, request: ShareRequest, *, by: Actor, now: datetime) -> OpenedRequest:
    """A request to read; what is the patient's comes along, and is logged, where the gate says yes."""
    standing = show_standing(session, request, by=by, now=now)
    with platform(session):
        case = session.get_one(PathologyCase, request.case_id)
    resource = describe_cases(session, [case], by=by, now=now)[case.id]
    decision = decide(by, resource, Intent.READ, now)
    content = None
    if decision.allow:
        row = write_decision(session, decision, by=by, resource=resource, now=now)
        audit.record(
            session,
            Event.REQUEST_VIEWED,
            by=by,
            subjects=[name_resource(resource)],
            basis=decision.basis,
            decision_id=row.id,
            args={"request": request.short_id},
        )
        content = _read(session, request, case, resource, by=by)
    return OpenedRequest(standing.request, standing.side, standing.moves, standing.holds, decision, content)


def show_patient(session: Session, case: PathologyCase, *, by: Actor, now: datetime) -> PatientView:
    """Who a case is about, whosever patient it is; logged. A protected identity is told to nobody elsewhere.

    Raises:
        Refused: the gate said no.
    """
    resource = describe_cases(session, [case], by=by, now=now)[case.id]
    admit(session, resource, Intent.READ, by=by, now=now)
    return _show_patient(session, case, resource, by=by)


def find_requests(session: Session, case_id: uuid.UUID, *, by: Actor) -> list[ShareRequest]:
    """What was asked about a case by the actor's care unit or of it, or names them, the newest first."""
    found = session.scalars(
        select(ShareRequest).where(ShareRequest.case_id == case_id).order_by(ShareRequest.id.desc())
    )
    return [one for one in found if _is_mine(one, by)]


def open_read_case(session: Session, case_id: uuid.UUID, *, by: Actor, now: datetime) -> PathologyCase:
    """A case that the gate lets the actor read. Raises NotThere and Refused."""
    case = find_case(session, case_id)
    resource = describe_cases(session, [case], by=by, now=now)[case.id]
    admit(session, resource, Intent.READ, by=by, now=now)
    return case


def find_names(session: Session, requests: Collection[ShareRequest]) -> Names:
    """What the departments and people of some requests are called."""
    departments = {
        one for request in requests for one in (request.requester_department_id, request.performer_department_id)
    }
    people = {
        one
        for request in requests
        for one in (
            request.requester_assignment_id,
            request.watcher_assignment_id,
            request.named_reader_id,
            request.reader_assignment_id,
        )
        if one
    }
    places = session.execute(
        select(Department.id, Department.name, CareProvider.name)
        .join(CareProvider, CareProvider.id == Department.care_provider_id)
        .where(Department.id.in_(departments))
    )
    persons = session.execute(
        select(Assignment.id, Person).join(Person, Person.id == Assignment.person_id).where(Assignment.id.in_(people))
    )
    return Names(
        departments={department_id: (department, provider) for department_id, department, provider in places},
        people={assignment_id: person.listed_name for assignment_id, person in persons},
    )


def _is_mine(request: ShareRequest, by: Actor) -> bool:
    unit_id = request.unit_id if side_of(request, by) is Side.OWNER else request.performer_unit_id
    named = (
        request.requester_assignment_id,
        request.watcher_assignment_id,
        request.stand_in_assignment_id,
        request.named_reader_id,
        request.reader_assignment_id,
    )
    return by.unit_id == unit_id or by.assignment_id in named


def _read(session: Session, request: ShareRequest, case: PathologyCase, resource: Resource, *, by: Actor) -> Content:
    performer = side_of(request, by) is Side.PERFORMER
    reader_id = request.reader_assignment_id or by.assignment_id
    hidden = (
        request.blind
        and performer
        and request.status not in ANSWERED
        and not has_draft(session, request, assignment_id=reader_id)
    )
    return Content(
        case=case,
        patient=_show_patient(session, case, resource, by=by),
        working_diagnosis=None if hidden else request.working_diagnosis,
        hidden=hidden,
        disclosure=disclosures.find_last(session, request) if request.stage not in BEFORE_OFFERED else None,
        items=disclosures.find_disclosed(session, request),
    )


def _show_patient(session: Session, case: PathologyCase, resource: Resource, *, by: Actor) -> PatientView:
    named = resource.named and case.care_provider_id == by.provider_id
    with platform(session):
        return patients.show(session, session.get_one(Patient, case.patient_id), by=by, named=named)
