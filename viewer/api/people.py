"""The people of one's own care provider: who they are, what they are employed to do, when they are away."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Response, status
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from cases.access import people
from cases.access.actors import Actor, Purpose
from cases.access.grants import roles_of
from cases.access.organisations import find_department, find_unit
from cases.access.people import Assignment, Person, Source
from cases.access.permissions import Permission, Role
from cases.sharing import competences
from viewer.api.competences import CompetenceRow, show_competence
from viewer.api.fields import NUMBER, Line, Moment, example
from viewer.dependencies import After, Database, Limit, Match, Now, permit, require_version, set_etag

router = APIRouter(prefix="/api", tags=["people"])
Reader = Annotated[Actor, Depends(permit(Permission.SEE_PEOPLE), scope="function")]
Administrator = Annotated[Actor, Depends(permit(Permission.MANAGE_PEOPLE), scope="function")]
Words = Annotated[list[Line], Field(max_length=20)]


class AssignmentText(BaseModel):
    """What somebody is employed to do, as the national catalogue has it."""

    employee_hsa_id: Line
    commission_hsa_id: Line
    commission_name: Line
    commission_purpose: Purpose
    commission_rights: Words = []
    care_unit_id: uuid.UUID
    department_id: uuid.UUID | None = None
    valid_from: Moment
    valid_to: Annotated[Moment | None, Field(description="The first moment it no longer holds.")] = None
    source: Source = Source.LOCAL
    fte: Annotated[float, NUMBER, Field(gt=0, le=1, allow_inf_nan=False, description="Share of full time.")] = 1.0


class NewAssignment(AssignmentText):
    """A further assignment for somebody who works for one's own care provider."""

    model_config = example(
        person_id="01a20380-1c10-7a41-9c1e-5d2f7b8e0a01",
        employee_hsa_id="SE0000000000-2B01",
        commission_hsa_id="SE0000000000-3C02",
        commission_name="Patolog, kvalitetssäkring",
        commission_purpose="Kvalitetssäkring",
        care_unit_id="01a20380-0a2e-7f13-a0c3-4f1e6a7d2c03",
        valid_from="2026-12-01T00:00:00+01:00",
    )

    person_id: uuid.UUID


class AssignmentEnd(BaseModel):
    """When an assignment ends; a moment in the past means now."""

    model_config = example(valid_to="2027-01-01T00:00:00+01:00")

    valid_to: Moment


class AssignmentRow(AssignmentText):
    """An assignment as it is now, with the roles that hold."""

    id: uuid.UUID
    person_id: uuid.UUID
    roles: list[Role]
    version: int


class PersonText(BaseModel):
    """Who somebody is."""

    given_name: Line
    family_name: Line
    title: Line
    license_number: Line | None = None
    license_professions: Words = []
    specialities: Words = []
    protected: bool = False


class NewPerson(PersonText):
    """Somebody who begins to work for one's own care provider. Who is known by the licence is found by it."""

    model_config = example(
        given_name="Eva",
        family_name="Ek",
        title="Överläkare",
        license_number="000123",
        license_professions=["Läkare"],
        specialities=["Klinisk patologi"],
        assignment={
            "employee_hsa_id": "SE0000000000-2B01",
            "commission_hsa_id": "SE0000000000-3C01",
            "commission_name": "Patolog, vård och behandling",
            "commission_purpose": "Vård och behandling",
            "commission_rights": ["Läsa;alt;VE"],
            "care_unit_id": "01a20380-0a2e-7f13-a0c3-4f1e6a7d2c03",
            "department_id": "01a20385-51b2-7d0c-a6f4-0c5a4c1f1e11",
            "valid_from": "2026-12-01T00:00:00+01:00",
        },
    )

    assignment: AssignmentText


class PersonChange(BaseModel):
    """What is to be different; what is left out stays as it is."""

    model_config = example(family_name="Ek Alm")

    given_name: Line | None = None
    family_name: Line | None = None
    title: Line | None = None
    license_number: Line | None = None
    license_professions: Words | None = None
    specialities: Words | None = None
    protected: bool | None = None


class PersonRow(BaseModel):
    """Somebody with their assignments at one's own care provider; without a name where that is protected."""

    id: uuid.UUID
    given_name: str | None
    family_name: str | None
    title: str
    license_number: str | None
    license_professions: list[str]
    specialities: list[str]
    protected: bool
    version: int
    assignments: list[AssignmentRow]
    competences: list[CompetenceRow]


class PersonList(BaseModel):
    """People, the newest first."""

    items: list[PersonRow]
    next: uuid.UUID | None


def show_assignment(row: Assignment, roles: frozenset[Role]) -> AssignmentRow:
    """An assignment as the API tells it."""
    return AssignmentRow(
        **{name: getattr(row, name) for name in AssignmentRow.model_fields if name != "roles"}, roles=sorted(roles)
    )


def show_people(
    database: Session, rows: Sequence[Person], *, actor: Actor, now: datetime, named: bool = False
) -> list[PersonRow]:
    """People as the API tells them.

    Args:
        database: of this request.
        rows: who.
        actor: whose care provider's assignments are shown; no other's are.
        now: when roles are to hold.
        named: whether protected names are shown all the same.
    """
    ids = [row.id for row in rows]
    assignments = people.list_assignments(database, ids, provider_id=actor.provider_id)
    roles = roles_of(database, [one.id for several in assignments.values() for one in several], now=now)
    judged = competences.find_competences(database, ids)
    return [
        PersonRow(
            id=row.id,
            given_name=row.given_name if named or not row.protected else None,
            family_name=row.family_name if named or not row.protected else None,
            title=row.title,
            license_number=row.license_number if named or not row.protected else None,
            license_professions=row.license_professions,
            specialities=row.specialities,
            protected=row.protected,
            version=row.version,
            assignments=[show_assignment(one, roles[one.id]) for one in assignments[row.id]],
            competences=[show_competence(one) for one in judged[row.id]],
        )
        for row in rows
    ]


@router.get("/people")
def read_people(database: Database, actor: Reader, now: Now, limit: Limit = 50, after: After = None) -> PersonList:
    """List who works or has worked for one's own care provider. Protected names are hidden, from everybody."""
    rows = people.list_people(database, actor.provider_id, after=after, limit=limit + 1)
    shown = rows[:limit]
    return PersonList(
        items=show_people(database, shown, actor=actor, now=now), next=shown[-1].id if len(rows) > limit else None
    )


@router.post("/people", status_code=status.HTTP_201_CREATED)
def create_person(body: NewPerson, database: Database, actor: Administrator, now: Now, response: Response) -> PersonRow:
    """Enter somebody together with a first assignment at one's own care provider."""
    row = people.register_person(database, **body.model_dump(exclude={"assignment"}), by=actor)
    _assign(database, row, body.assignment, by=actor)
    return _answer(database, row, actor, now, response)


@router.get("/people/{person_id}")
def read_person(person_id: uuid.UUID, database: Database, actor: Reader, now: Now, response: Response) -> PersonRow:
    """One person of one's own care provider. A protected name is shown to administrators alone."""
    row = people.find_person(database, person_id, provider_id=actor.provider_id)
    return _answer(database, row, actor, now, response)


@router.patch("/people/{person_id}")
def change_person(
    person_id: uuid.UUID,
    body: PersonChange,
    database: Database,
    actor: Administrator,
    now: Now,
    match: Match,
    response: Response,
) -> PersonRow:
    """Change what is known of somebody else of one's own care provider."""
    row = people.find_person(database, person_id, provider_id=actor.provider_id)
    require_version(row, match)
    people.change_person(database, row, by=actor, **body.model_dump(exclude_none=True))
    return _answer(database, row, actor, now, response)


@router.post("/assignments", status_code=status.HTTP_201_CREATED)
def create_assignment(
    body: NewAssignment, database: Database, actor: Administrator, response: Response
) -> AssignmentRow:
    """Give somebody of one's own care provider a further assignment. It has no role yet."""
    row = _assign(database, people.find_person(database, body.person_id, provider_id=actor.provider_id), body, by=actor)
    set_etag(response, row)
    return show_assignment(row, frozenset())


@router.patch("/assignments/{assignment_id}")
def end_assignment(
    assignment_id: uuid.UUID,
    body: AssignmentEnd,
    database: Database,
    actor: Administrator,
    now: Now,
    match: Match,
    response: Response,
) -> AssignmentRow:
    """Say when an assignment ends. What is looked at under it goes dark with it."""
    row = people.find_assignment(database, assignment_id, provider_id=actor.provider_id)
    require_version(row, match)
    people.end_assignment(database, row, at=body.valid_to, now=now, by=actor)
    set_etag(response, row)
    return show_assignment(row, roles_of(database, [row.id], now=now)[row.id])


def _assign(database: Session, person: Person, body: AssignmentText, *, by: Actor) -> Assignment:
    unit = find_unit(database, body.care_unit_id, provider_id=by.provider_id)
    department = body.department_id and find_department(database, body.department_id, provider_id=by.provider_id)
    facts = body.model_dump(exclude={"care_unit_id", "department_id", "person_id", "commission_purpose"})
    return people.assign(
        database, person, unit, **facts, purpose=body.commission_purpose, department=department or None, by=by
    )


def _answer(database: Session, row: Person, actor: Actor, now: datetime, response: Response) -> PersonRow:
    set_etag(response, row)
    named = actor.may(Permission.MANAGE_PEOPLE, now)
    return show_people(database, [row], actor=actor, now=now, named=named)[0]
