"""Care providers and people for tests, so that each test has somebody acting in two lines.

    unit = make_unit(session, make_provider(session))
    actor = act(session, make_assignment(session, make_person(session), unit, roles=[Role.PAT]))

Each maker flushes. Those that write what belongs to one provider act for it from then on, as a request does, so
they work in a session of the web's role too.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from cases.access.actors import Actor, Grant, Period, Purpose
from cases.access.grants import RiskAnalysis, RoleGrant
from cases.access.organisations import CareProvider, CareUnit, Department, ProviderKind, ProviderStatus, RegionCode
from cases.access.people import Assignment, Person
from cases.access.permissions import Role
from cases.database import Base, act_for, new_id

T = TypeVar("T", bound=Base)

_NUMBERS = itertools.count(int(datetime.now(UTC).timestamp() * 1000) % 10**9 * 1000)
"""Unlike those of another run on the same database."""
YEAR = timedelta(days=365)
EVERYTHING = ("Läsa;alt;VE", "Läsa;alt;VG", "Läsa;alt;SJF")


def hsa_id() -> str:
    """An HSA-id that nobody has yet."""
    return f"SE2321000040-T{next(_NUMBERS)}"


def make_provider(
    session: Session,
    *,
    name: str = "Region Prov",
    kind: ProviderKind = ProviderKind.REGION,
    region_code: RegionCode = RegionCode.OTHER,
    status: ProviderStatus = ProviderStatus.ACTIVE,
) -> CareProvider:
    """A care provider that takes part."""
    return _add(
        session,
        CareProvider(
            hsa_id=hsa_id(),
            name=name,
            org_number="2321000040",
            kind=kind,
            region_code=region_code,
            extract_includes_name=kind is ProviderKind.REGION,
            status=status,
        ),
    )


def make_unit(
    session: Session, provider: CareProvider, *, name: str = "Klinisk patologi", part_of: CareUnit | None = None
) -> CareUnit:
    """A care unit of law, or a part of one."""
    unit_id = new_id()
    return _add(
        session,
        CareUnit(
            id=unit_id,
            hsa_id=hsa_id(),
            care_provider_id=provider.id,
            name=name,
            is_pdl_unit=part_of is None,
            pdl_unit_id=part_of.id if part_of else unit_id,
        ),
    )


def make_department(session: Session, unit: CareUnit, *, name: str = "Histologi") -> Department:
    """A department of a care unit."""
    return _add(session, Department(care_unit_id=unit.id, care_provider_id=unit.care_provider_id, name=name))


def make_person(
    session: Session,
    *,
    given_name: str = "Prov",
    family_name: str = "Provsson",
    title: str = "Patolog",
    protected: bool = False,
    demo: bool = False,
) -> Person:
    """Somebody with a physician's licence."""
    return _add(
        session,
        Person(
            given_name=given_name,
            family_name=family_name,
            title=title,
            license_number=str(next(_NUMBERS)),
            license_professions=["Läkare"],
            protected=protected,
            demo=demo,
        ),
    )


def make_assignment(
    session: Session,
    person: Person,
    unit: CareUnit,
    *,
    roles: Iterable[Role] = (),
    department: Department | None = None,
    purpose: Purpose = Purpose.CARE,
    rights: Iterable[str] = EVERYTHING,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Assignment:
    """An assignment since a year ago, with roles that are approved and whose analyses are in date."""
    act_for(session, unit.care_provider_id)
    since = since or datetime.now(UTC) - YEAR
    assignment = _add(
        session,
        Assignment(
            person_id=person.id,
            employee_hsa_id=hsa_id(),
            commission_hsa_id=hsa_id(),
            commission_name=f"{person.title} vid {unit.name}",
            commission_purpose=purpose,
            commission_rights=list(rights),
            care_provider_id=unit.care_provider_id,
            care_unit_id=unit.id,
            department_id=department.id if department else None,
            valid_from=since,
            valid_to=until,
        ),
    )
    for role in roles:
        make_grant(session, assignment, role, department=department)
    return assignment


def make_grant(
    session: Session,
    assignment: Assignment,
    role: Role,
    *,
    department: Department | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> RoleGrant:
    """A role that holds for an assignment, since as long as the assignment."""
    act_for(session, assignment.care_provider_id)
    since = since or assignment.valid_from
    analysis = session.scalar(
        select(RiskAnalysis)
        .where(RiskAnalysis.care_provider_id == assignment.care_provider_id, RiskAnalysis.role == role)
        .limit(1)
    ) or make_analysis(session, assignment, role)
    return _add(
        session,
        RoleGrant(
            care_provider_id=assignment.care_provider_id,
            assignment_id=assignment.id,
            role=role,
            department_id=department.id if department else None,
            approved_at=since,
            risk_analysis_id=analysis.id,
            valid_from=since,
            valid_to=until,
            review_due=analysis.review_due,
        ),
    )


def make_analysis(
    session: Session, decider: Assignment, role: Role, *, decided_at: datetime | None = None
) -> RiskAnalysis:
    """An analysis of a role at somebody's care provider, to be made again a year after it was decided."""
    act_for(session, decider.care_provider_id)
    decided_at = decided_at or datetime.now(UTC)
    return _add(
        session,
        RiskAnalysis(
            care_provider_id=decider.care_provider_id,
            role=role,
            document_ref="BRA 2026:1",
            decided_by=decider.id,
            decided_at=decided_at,
            review_due=(decided_at + YEAR).date(),
        ),
    )


def act(
    session: Session,
    assignment: Assignment,
    *,
    now: datetime | None = None,
    session_id: uuid.UUID | None = None,
    assurance: int = 3,
    order_number: str | None = None,
) -> Actor:
    """Somebody acting under an assignment, just signed in, with every agreement in force.

    The session acts for their provider from here on. Change a fact with `dataclasses.replace`.
    """
    act_for(session, assignment.care_provider_id)
    now = now or datetime.now(UTC)
    unit = session.get_one(CareUnit, assignment.care_unit_id)
    grants = session.execute(
        select(RoleGrant, RiskAnalysis.review_due)
        .join(RiskAnalysis, RiskAnalysis.id == RoleGrant.risk_analysis_id)
        .where(RoleGrant.assignment_id == assignment.id, RoleGrant.approved_at.is_not(None))
    )
    always = Period(now - YEAR, now + YEAR)
    return Actor(
        person_id=assignment.person_id,
        assignment_id=assignment.id,
        provider_id=assignment.care_provider_id,
        unit_id=unit.pdl_unit_id,
        session_id=session_id or new_id(),
        purpose=assignment.commission_purpose,
        rights=assignment.scopes,
        grants=tuple(
            Grant(grant.role, grant.department_id, Period(grant.valid_from, grant.valid_to), due)
            for grant, due in grants
        ),
        assurance=assurance,
        demo=False,
        authenticated_at=now,
        idle_until=now + timedelta(minutes=15),
        ends_at=now + timedelta(hours=10),
        ended=False,
        employed=Period(assignment.valid_from, assignment.valid_to),
        provider_active=session.get_one(CareProvider, assignment.care_provider_id).status is ProviderStatus.ACTIVE,
        connections=(always,),
        processings=(always,),
        order_number=order_number,
    )


def _add(session: Session, row: T) -> T:
    session.add(row)
    session.flush()
    return row
