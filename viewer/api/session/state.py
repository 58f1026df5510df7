"""What the page is told: who is signed in, under which assignment, and what comes next."""

from __future__ import annotations

import uuid
from datetime import datetime

from fastapi import Request
from pydantic import BaseModel
from sqlalchemy.orm import Session

from cases.access import people, sessions
from cases.access.actors import Purpose
from cases.access.permissions import Permission, Role
from cases.access.sessions import Method, State, list_choices
from cases.sharing.roles import ROLES
from viewer.settings import ViewerSettings


class Named(BaseModel):
    """Something that has a name."""

    id: uuid.UUID
    name: str


class Person(BaseModel):
    """Somebody who can sign in."""

    id: uuid.UUID
    name: str
    given_name: str
    family_name: str
    title: str

    @classmethod
    def of(cls, person: people.Person) -> Person:
        """Somebody as they themselves and the sign-in page see them."""
        return Person(
            id=person.id,
            name=person.name,
            given_name=person.given_name,
            family_name=person.family_name,
            title=person.title,
        )


class HeldRole(BaseModel):
    """A role that goes with an assignment; without a department it is for all of the unit."""

    role: Role
    name_sv: str
    name_en: str
    department: Named | None


class Choice(BaseModel):
    """An assignment that holds now.

    Attributes:
        name: of the commission, as the catalogue has it.
    """

    id: uuid.UUID
    name: str
    purpose: Purpose
    provider: Named
    unit: Named
    department: Named | None
    roles: list[HeldRole]


class DemoPerson(Person):
    """Somebody who signs in without proof, and as what."""

    assignments: list[Choice]


class DemoProvider(BaseModel):
    """The demo people of one care provider; somebody with assignments at two is listed at both."""

    provider: Named
    people: list[DemoPerson]


class SessionState(BaseModel):
    """Who is signed in, what they can do next, and until when.

    Attributes:
        state: ANONYMOUS sign in; ENROL set up the second factor; CHOOSE an assignment; LOCKED unlock; ACTIVE work.
        assignments: to choose from; all that hold now.
        permissions: what the roles of the chosen assignment allow, for what a page offers at all.
        authenticated_at: signing and emergencies ask for a proof that is not older than five minutes.
        idle_until: when the session locks if nobody does anything.
        ends_at: when it ends whatever happens.
        now: the server's clock, which the others are to be compared with.
        demo_providers: in demo mode, who may sign in without proof.
    """

    state: State
    now: datetime
    person: Person | None = None
    method: Method | None = None
    assurance: int | None = None
    assignment: Choice | None = None
    assignments: list[Choice] = []
    permissions: list[Permission] = []
    authenticated_at: datetime | None = None
    idle_until: datetime | None = None
    ends_at: datetime | None = None
    demo: bool = False
    demo_providers: list[DemoProvider] = []


def show(request: Request, database: Session, token: str | None, now: datetime) -> SessionState:
    """Everything that the page needs to know."""
    settings: ViewerSettings = request.app.state.settings
    found = sessions.find_actor(database, token, now=now, active=False) if token else None
    if found is None:
        offered = _offer_demo(database, now) if settings.demo else []
        return SessionState(state=State.ANONYMOUS, now=now, demo=settings.demo, demo_providers=offered)
    signed_in, actor = found.signed_in, found.actor
    choices = [_show_choice(one) for one in list_choices(database, [signed_in.person_id], now=now)]
    return SessionState(
        state=found.state,
        now=now,
        person=Person.of(signed_in.person),
        method=signed_in.method,
        assurance=signed_in.assurance,
        assignment=next((one for one in choices if one.id == signed_in.assignment_id), None),
        assignments=choices,
        permissions=[one for one in Permission if actor and actor.may(one, now)],
        authenticated_at=signed_in.authenticated_at,
        idle_until=signed_in.idle_until,
        ends_at=signed_in.ends_at,
        demo=settings.demo,
    )


def _offer_demo(database: Session, now: datetime) -> list[DemoProvider]:
    demo = {person.id: person for person in people.demo_people(database)}
    offered: dict[uuid.UUID, DemoProvider] = {}
    for one in list_choices(database, list(demo), now=now):
        choice, person = _show_choice(one), demo[one.assignment.person_id]
        provider = offered.setdefault(one.provider.id, DemoProvider(provider=choice.provider, people=[]))
        listed = next((known for known in provider.people if known.id == person.id), None)
        if listed is None:
            listed = DemoPerson(**Person.of(person).model_dump(), assignments=[])
            provider.people.append(listed)
        listed.assignments.append(choice)
    return list(offered.values())


def _show_choice(one: sessions.Choice) -> Choice:
    department = one.department
    return Choice(
        id=one.assignment.id,
        name=one.assignment.commission_name,
        purpose=one.assignment.commission_purpose,
        provider=Named(id=one.provider.id, name=one.provider.name),
        unit=Named(id=one.unit.id, name=one.unit.name),
        department=Named(id=department.id, name=department.name) if department else None,
        roles=[
            HeldRole(
                role=grant.role,
                name_sv=ROLES[grant.role].name_sv,
                name_en=ROLES[grant.role].name_en,
                department=Named(id=grant.department_id, name=name) if grant.department_id and name else None,
            )
            for grant, name in one.grants
        ],
    )
