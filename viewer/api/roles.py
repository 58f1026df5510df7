"""Roles: what each is for, on which analyses they rest, who holds them, and what heads have delegated."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Response, status
from pydantic import BaseModel, Field

from cases.access import grants
from cases.access.actors import Actor
from cases.access.organisations import find_department
from cases.access.people import find_assignment
from cases.access.permissions import PERMITS, Permission, Role
from cases.sharing.roles import ROLES
from viewer.api.fields import Day, Line, Moment, example
from viewer.dependencies import After, Database, Limit, Match, Now, permit, require_version, set_etag

router = APIRouter(prefix="/api", tags=["roles"])
Anybody = Annotated[Actor, Depends(permit(), scope="function")]
Reader = Annotated[Actor, Depends(permit(Permission.SEE_PEOPLE), scope="function")]
Administrator = Annotated[Actor, Depends(permit(Permission.MANAGE_PEOPLE), scope="function")]
Head = Annotated[Actor, Depends(permit(Permission.APPROVE_ROLES), scope="function")]
Either = Annotated[Actor, Depends(permit(Permission.MANAGE_PEOPLE, Permission.APPROVE_ROLES), scope="function")]
Delegator = Annotated[Actor, Depends(permit(Permission.DELEGATE), scope="function")]


class RoleRow(BaseModel):
    """A role in words, and what it permits as far as roles decide."""

    role: Role
    name_sv: str
    name_en: str
    sv: str
    en: str
    permissions: list[Permission]


class NewAnalysis(BaseModel):
    """A need-and-risk analysis that was decided; reviewed within a year where nothing else is said."""

    model_config = example(
        role="PAT",
        document_ref="Dnr 2026-0119",
        decided_by="01a20380-2d31-7c52-8b2d-6e3a8c9f1b02",
        decided_at="2026-11-20T10:00:00+01:00",
        review_due="2027-11-20",
    )

    role: Role
    document_ref: Line
    decided_by: Annotated[uuid.UUID, Field(description="Assignment, at one's own care provider, of who decided it.")]
    decided_at: Moment
    review_due: Annotated[Day | None, Field(description="The last day on which it is in date.")] = None


class AnalysisRow(BaseModel):
    """A need-and-risk analysis."""

    id: uuid.UUID
    role: Role
    document_ref: str
    decided_by: uuid.UUID
    decided_at: datetime
    review_due: date
    version: int


class AnalysisList(BaseModel):
    """Analyses, the newest first."""

    items: list[AnalysisRow]
    next: uuid.UUID | None


class NewGrant(BaseModel):
    """A role to give; it waits until a head of the unit approves it."""

    model_config = example(
        assignment_id="01a20380-2d31-7c52-8b2d-6e3a8c9f1b02",
        role="PAT",
        department_id="01a20385-51b2-7d0c-a6f4-0c5a4c1f1e11",
    )

    assignment_id: uuid.UUID
    role: Role
    department_id: Annotated[uuid.UUID | None, Field(description="None for all of the care unit.")] = None
    valid_from: Annotated[Moment | None, Field(description="None for now.")] = None
    valid_to: Annotated[Moment | None, Field(description="None for as long as the assignment.")] = None


class GrantRow(BaseModel):
    """A role that somebody was given; without `approved_at` it does not hold."""

    id: uuid.UUID
    assignment_id: uuid.UUID
    role: Role
    department_id: uuid.UUID | None
    granted_by: uuid.UUID | None
    approved_by: uuid.UUID | None
    approved_at: datetime | None
    risk_analysis_id: uuid.UUID
    valid_from: datetime
    valid_to: datetime | None
    review_due: date
    version: int


class GrantList(BaseModel):
    """Role grants that are not over, the newest first."""

    items: list[GrantRow]
    next: uuid.UUID | None


class NewDelegation(BaseModel):
    """A permission to hand to a coordinator until a day."""

    model_config = example(
        to_assignment_id="01a20380-2d31-7c52-8b2d-6e3a8c9f1b02",
        permission="ACCEPT_REQUEST",
        valid_to="2027-01-04T00:00:00+01:00",
        document_ref="Dnr 2026-0120",
    )

    to_assignment_id: uuid.UUID
    permission: Permission
    valid_from: Annotated[Moment | None, Field(description="None for now.")] = None
    valid_to: Moment
    document_ref: Line


class DelegationRow(BaseModel):
    """A permission that a head has handed on."""

    id: uuid.UUID
    from_assignment_id: uuid.UUID
    to_assignment_id: uuid.UUID
    permission: Permission
    valid_from: datetime
    valid_to: datetime
    document_ref: str
    version: int


class DelegationList(BaseModel):
    """Delegations that are not over, the newest first."""

    items: list[DelegationRow]
    next: uuid.UUID | None


@router.get("/roles")
def read_roles(actor: Anybody) -> list[RoleRow]:
    """List the roles with a sentence about each."""
    return [
        RoleRow(
            role=role,
            name_sv=words.name_sv,
            name_en=words.name_en,
            sv=words.sv,
            en=words.en,
            permissions=sorted(permission for permission, roles in PERMITS.items() if role in roles),
        )
        for role, words in ROLES.items()
    ]


@router.get("/risk-analyses")
def read_analyses(database: Database, actor: Reader, limit: Limit = 50, after: After = None) -> AnalysisList:
    """List the need-and-risk analyses of one's own care provider."""
    rows = grants.list_analyses(database, actor.provider_id, after=after, limit=limit + 1)
    shown = rows[:limit]
    return AnalysisList(
        items=[AnalysisRow.model_validate(row, from_attributes=True) for row in shown],
        next=shown[-1].id if len(rows) > limit else None,
    )


@router.post("/risk-analyses", status_code=status.HTTP_201_CREATED)
def create_analysis(
    body: NewAnalysis, database: Database, actor: Administrator, now: Now, response: Response
) -> AnalysisRow:
    """Enter an analysis of a role. A renewed one renews every grant of its role."""
    row = grants.register_analysis(
        database,
        role=body.role,
        document_ref=body.document_ref,
        decider=find_assignment(database, body.decided_by, provider_id=actor.provider_id),
        decided_at=body.decided_at,
        review_due=body.review_due,
        now=now,
        by=actor,
    )
    set_etag(response, row)
    return AnalysisRow.model_validate(row, from_attributes=True)


@router.get("/role-grants")
def read_grants(
    database: Database, actor: Reader, now: Now, waiting: bool = False, limit: Limit = 50, after: After = None
) -> GrantList:
    """List who was given which role at one's own care provider, or only what waits for approval."""
    rows = grants.list_grants(database, actor.provider_id, waiting=waiting, now=now, after=after, limit=limit + 1)
    shown = rows[:limit]
    return GrantList(
        items=[GrantRow.model_validate(row, from_attributes=True) for row in shown],
        next=shown[-1].id if len(rows) > limit else None,
    )


@router.post("/role-grants", status_code=status.HTTP_201_CREATED)
def create_grant(body: NewGrant, database: Database, actor: Administrator, now: Now, response: Response) -> GrantRow:
    """Give somebody else a role. It holds once a head of the unit has approved it."""
    provider_id = actor.provider_id
    assignment = find_assignment(database, body.assignment_id, provider_id=provider_id)
    department = body.department_id and find_department(database, body.department_id, provider_id=provider_id)
    row = grants.grant_role(
        database,
        assignment,
        body.role,
        department=department or None,
        valid_from=body.valid_from,
        valid_to=body.valid_to,
        now=now,
        by=actor,
    )
    set_etag(response, row)
    return GrantRow.model_validate(row, from_attributes=True)


@router.post("/role-grants/{grant_id}/approval")
def approve_grant(
    grant_id: uuid.UUID, database: Database, actor: Head, now: Now, match: Match, response: Response
) -> GrantRow:
    """Let a role hold that somebody else gave to somebody else in one's own unit."""
    row = grants.find_grant(database, grant_id, provider_id=actor.provider_id)
    require_version(row, match)
    grants.approve_grant(database, row, now=now, by=actor)
    set_etag(response, row)
    return GrantRow.model_validate(row, from_attributes=True)


@router.delete("/role-grants/{grant_id}")
def end_grant(
    grant_id: uuid.UUID, database: Database, actor: Either, now: Now, match: Match, response: Response
) -> GrantRow:
    """Take a role back, or turn it down. What its holder looks at goes dark with it."""
    row = grants.find_grant(database, grant_id, provider_id=actor.provider_id)
    require_version(row, match)
    grants.end_grant(database, row, now=now, by=actor)
    set_etag(response, row)
    return GrantRow.model_validate(row, from_attributes=True)


@router.get("/delegations")
def read_delegations(
    database: Database, actor: Reader, now: Now, limit: Limit = 50, after: After = None
) -> DelegationList:
    """List what heads of one's own care provider have delegated."""
    rows = grants.list_delegations(database, actor.provider_id, now=now, after=after, limit=limit + 1)
    shown = rows[:limit]
    return DelegationList(
        items=[DelegationRow.model_validate(row, from_attributes=True) for row in shown],
        next=shown[-1].id if len(rows) > limit else None,
    )


@router.post("/delegations", status_code=status.HTTP_201_CREATED)
def create_delegation(
    body: NewDelegation, database: Database, actor: Delegator, now: Now, response: Response
) -> DelegationRow:
    """Hand a permission to a coordinator of one's own care unit, until a day."""
    row = grants.delegate(
        database,
        find_assignment(database, body.to_assignment_id, provider_id=actor.provider_id),
        body.permission,
        valid_from=body.valid_from,
        valid_to=body.valid_to,
        document_ref=body.document_ref,
        now=now,
        by=actor,
    )
    set_etag(response, row)
    return DelegationRow.model_validate(row, from_attributes=True)


@router.delete("/delegations/{delegation_id}")
def end_delegation(
    delegation_id: uuid.UUID, database: Database, actor: Delegator, now: Now, match: Match, response: Response
) -> DelegationRow:
    """Take a delegation back before its end."""
    row = grants.find_delegation(database, delegation_id, provider_id=actor.provider_id)
    require_version(row, match)
    grants.end_delegation(database, row, now=now, by=actor)
    set_etag(response, row)
    return DelegationRow.model_validate(row, from_attributes=True)
