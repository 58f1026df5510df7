"""The commands `samsyn organisations`: who takes part, and each care provider's first administrator and heads.

Whoever runs the platform takes care providers on. Everybody after the first ones gets their roles from two people of
their own care provider, on the web.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import typer
from rich.table import Table
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from cases.access import people
from cases.access.actors import Purpose
from cases.access.errors import Invalid, NotThere
from cases.access.grants import RoleGrant, find_analysis, grant_role, register_analysis
from cases.access.organisations import (
    CareProvider,
    CareUnit,
    ProviderKind,
    ProviderStatus,
    RegionCode,
    list_parts,
    list_providers,
    move_provider,
    open_department,
    open_unit,
    parse_hsa_id,
    register_provider,
)
from cases.access.people import Assignment, Person, assign, register_person
from cases.access.permissions import LICENCES, Role
from cases.database import act_for
from viewer.cli_database import DATA, DataFolder, console, opened

app = typer.Typer(no_args_is_help=True)

FIRST = (Role.ADM, Role.HEAD, Role.OPS)
"""What the platform gives: the two that give all others, and its own operators', which no care provider gives."""
MANY = 10_000
"""More care providers than there are in Sweden."""
Coded = TypeVar("Coded", CareProvider, CareUnit)

HsaId = Annotated[str, typer.Argument(help="HSA-id, as the HSA catalogue has it.")]
Commission = Annotated[str, typer.Option("--assignment", help="HSA-id of the assignment itself.", prompt=True)]
Name = Annotated[str, typer.Option(help="What it is called.", prompt=True)]
Unit = Annotated[str, typer.Option(help="HSA-id of the care unit.", prompt=True)]
Roles = Annotated[
    list[str],
    typer.Option(
        "--role",
        help="ADM, HEAD or OPS, and after = the reference of the need-and-risk analysis it rests on: ADM=DNR-2026-17. "
        "May be repeated.",
    ),
]
Decider = Annotated[
    str | None,
    typer.Option("--decided-by", help="HSA-id of the assignment of who decided the analyses, if it is somebody else."),
]
Decided = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="When they did; today if not said.")]


@app.command()
def add_provider(
    hsa_id: HsaId,
    name: Name,
    org_number: Annotated[str, typer.Option(help="Organisation number.", prompt=True)],
    kind: Annotated[ProviderKind, typer.Option(help="Who is behind it.")],
    region: Annotated[RegionCode, typer.Option(help="In whose area it works.")],
    dpo_contact: Annotated[str | None, typer.Option(help="How to reach the data protection officer.")] = None,
    incident_contact: Annotated[str | None, typer.Option(help="Whom to call when something went wrong.")] = None,
    data: DataFolder = DATA,
) -> None:
    """Let a care provider take part. Nothing is opened there before its agreements are in force."""
    with opened(data) as session:
        provider = register_provider(
            session,
            hsa_id=hsa_id,
            name=name,
            org_number=org_number,
            kind=kind,
            region_code=region,
            dpo_contact=dpo_contact,
            incident_contact=incident_contact,
            by=None,
        )
        move_provider(session, provider, to=ProviderStatus.ACTIVE, by=None)
    console.print("The care provider takes part. Next: samsyn organisations add-unit")


@app.command()
def add_unit(
    hsa_id: HsaId,
    name: Name,
    provider: Annotated[str, typer.Option(help="HSA-id of the care provider.", prompt=True)],
    part_of: Annotated[
        str | None, typer.Option(help="HSA-id of the care unit of law (PDL) it is a part of; not said, it is one.")
    ] = None,
    data: DataFolder = DATA,
) -> None:
    """Enter a care unit."""
    with opened(data) as session:
        owner = _find(session, CareProvider, provider)
        whole = _find(session, CareUnit, part_of).id if part_of else None
        open_unit(session, owner.id, hsa_id=hsa_id, name=name, part_of=whole, by=None)
    console.print("The care unit is there. Next: samsyn organisations add-person")


@app.command()
def add_department(
    name: Annotated[str, typer.Argument(help="What the department is called.")],
    unit: Unit,
    phone_urgent: Annotated[str | None, typer.Option(help="Answered when something cannot wait.")] = None,
    data: DataFolder = DATA,
) -> None:
    """Enter a department of a care unit."""
    with opened(data) as session:
        open_department(session, _find(session, CareUnit, unit), name=name, phone_urgent=phone_urgent, by=None)
    console.print("The department is there.")


@app.command()
def add_person(
    unit: Unit,
    employee: Annotated[str, typer.Option(help="HSA-id of the person at this employer.", prompt=True)],
    commission: Commission,
    role: Roles,
    decided_by: Decider = None,
    decided: Decided = None,
    person: Annotated[uuid.UUID | None, typer.Option(help="Who, if Samsyn knows the person already.")] = None,
    licence: Annotated[str | None, typer.Option(help="Number of the licence to practise.")] = None,
    profession: Annotated[str, typer.Option(help="Of the licence, as HSA words it.")] = LICENCES[Role.PAT],
    name: Annotated[str | None, typer.Option(help="Of the assignment, as HSA words it; the title if not said.")] = None,
    purpose: Annotated[Purpose, typer.Option(help="Of the assignment.")] = Purpose.ADMINISTRATION,
    right: Annotated[list[str] | None, typer.Option(help="Of the assignment, as HSA words it: Läsa;alt;VE")] = None,
    data: DataFolder = DATA,
) -> None:
    """Enter a first administrator or head with an assignment. Asks for the name if no person is given.

    Enter two heads: nobody approves a role of their own.
    """
    asked = () if person else ("given_name", "family_name", "title")
    named = {what: typer.prompt(what.replace("_", " ").capitalize()) for what in asked}
    with opened(data) as session:
        now, where = datetime.now(UTC), _find(session, CareUnit, unit)
        act_for(session, where.care_provider_id)
        professions = [profession] if licence else []
        who = session.get(Person, person) if person else None
        if person and who is None:
            raise NotThere(f"Samsyn knows no person {person}.")
        who = who or register_person(session, **named, license_number=licence, license_professions=professions, by=None)
        assignment = assign(
            session,
            who,
            where,
            employee_hsa_id=employee,
            commission_hsa_id=commission,
            commission_name=name or who.title,
            purpose=purpose,
            commission_rights=right or (),
            valid_from=now,
            by=None,
        )
        _grant(session, assignment, role, decided_by=decided_by, decided=decided, now=now)
        console.print(f"Person {who.id}", soft_wrap=True)
    console.print("The roles hold. Next: samsyn accounts create LOGIN --person and this id")


@app.command()
def change_person(
    person: Annotated[uuid.UUID, typer.Argument(help="Whose id, as the log and the directory show it.")],
    given_name: Annotated[str | None, typer.Option()] = None,
    family_name: Annotated[str | None, typer.Option()] = None,
    title: Annotated[str | None, typer.Option()] = None,
    licence: Annotated[str | None, typer.Option(help="Number of the licence to practise.")] = None,
    profession: Annotated[list[str] | None, typer.Option(help="Of the licence, as HSA words it.")] = None,
    protected: Annotated[bool | None, typer.Option(help="Whether the name is protected.")] = None,
    data: DataFolder = DATA,
) -> None:
    """Change what is known of somebody who works for several care providers: no single one of them may.

    Look it up first where all of them would: in HSA, and the licence with Socialstyrelsen.
    """
    wished = {
        "given_name": given_name,
        "family_name": family_name,
        "title": title,
        "license_number": licence,
        "license_professions": profession,
        "protected": protected,
    }
    fields = {name: value for name, value in wished.items() if value is not None}
    with opened(data) as session:
        if not fields:
            raise Invalid("Say what is to be different; nothing was changed. Add --help to see what can be.")
        who = session.get(Person, person)
        if who is None:
            raise NotThere(f"Samsyn knows no person {person}.")
        people.change_person(session, who, by=None, **fields)
    console.print(f"Changed: {', '.join(sorted(fields))}.")


@app.command()
def give_role(
    commission: Commission,
    role: Roles,
    decided_by: Decider = None,
    decided: Decided = None,
    data: DataFolder = DATA,
) -> None:
    """Give a role to an assignment that is there already: when the last administrator or head has left."""
    with opened(data) as session:
        _grant(
            session,
            _assignment(session, commission),
            role,
            decided_by=decided_by,
            decided=decided,
            now=datetime.now(UTC),
        )
    console.print("The roles hold.")


@app.command("list")
def list_all(data: DataFolder = DATA) -> None:
    """Show who takes part, with units and departments, and who administers and heads them."""
    table = Table("", "HSA-id", "Name", "Says more")
    with opened(data) as session:
        now = datetime.now(UTC)
        for provider in list_providers(session, limit=MANY):
            act_for(session, provider.id)
            table.add_section()
            table.add_row("care provider", provider.hsa_id, provider.name, provider.status)
            units, departments = list_parts(session, [provider.id])
            for unit in units:
                table.add_row("care unit", unit.hsa_id, unit.name, "closed" if unit.archived_at else "")
                for one in departments:
                    if one.care_unit_id == unit.id:
                        table.add_row("department", "", one.name, "closed" if one.archived_at else "")
            for assignment, person, role in _find_first(session, provider, now=now):
                table.add_row(role, assignment.commission_hsa_id, person.listed_name or "protected", str(person.id))
    console.print(table)


def _find(session: Session, kind: type[Coded], hsa_id: str) -> Coded:
    found = session.scalar(select(kind).where(kind.hsa_id == parse_hsa_id(hsa_id)))
    if found is None:
        what = "care provider" if kind is CareProvider else "care unit"
        raise NotThere(f"There is no {what} with this HSA-id. See: samsyn organisations list")
    return found


def _assignment(session: Session, commission: str) -> Assignment:
    wanted = Assignment.commission_hsa_id == parse_hsa_id(commission, field="assignment")
    found = session.scalar(select(Assignment).where(wanted))
    if found is None:
        raise NotThere("There is no assignment with this HSA-id. Enter it first: samsyn organisations add-person")
    act_for(session, found.care_provider_id)
    return found


def _find_first(session: Session, provider: CareProvider, *, now: datetime) -> list[tuple[Assignment, Person, Role]]:
    rows = session.execute(
        select(Assignment, Person, RoleGrant.role)
        .join(Person, Person.id == Assignment.person_id)
        .join(RoleGrant, RoleGrant.assignment_id == Assignment.id)
        .where(
            Assignment.care_provider_id == provider.id,
            RoleGrant.role.in_(FIRST),
            RoleGrant.approved_at.is_not(None),
            or_(RoleGrant.valid_to.is_(None), RoleGrant.valid_to > now),
        )
        .order_by(RoleGrant.role, Assignment.id)
    )
    return [(assignment, person, role) for assignment, person, role in rows]


def _grant(
    session: Session,
    assignment: Assignment,
    wanted: list[str],
    *,
    decided_by: str | None,
    decided: datetime | None,
    now: datetime,
) -> None:
    decider = _assignment(session, decided_by) if decided_by else assignment
    for one in wanted:
        word, _, reference = one.partition("=")
        if word not in FIRST:
            raise Invalid(
                f"The platform gives {', '.join(FIRST)}; this is none of them. Every other role is given on the web, "
                "by an administrator, and approved by a head.",
                field="role",
            )
        role = Role(word)
        analysis = find_analysis(session, assignment.care_provider_id, role)
        if reference and (analysis is None or analysis.document_ref != reference):
            register_analysis(
                session,
                role=role,
                document_ref=reference,
                decider=decider,
                decided_at=decided.replace(tzinfo=UTC) if decided else now,
                now=now,
                by=None,
            )
        grant_role(session, assignment, role, now=now, by=None)
