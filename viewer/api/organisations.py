"""Care providers with their units and departments: a directory for everybody who is signed in."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Response, status
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from cases.access import organisations
from cases.access.actors import Actor
from cases.access.errors import NotThere
from cases.access.organisations import (
    LONGEST_KEPT,
    CareProvider,
    CareUnit,
    Department,
    ImageRelease,
    ProviderKind,
    ProviderStatus,
    RegionCode,
)
from cases.access.permissions import Permission
from viewer.api.fields import NUMBER, Line, example
from viewer.dependencies import After, Database, Limit, Match, permit, require_version, set_etag

router = APIRouter(prefix="/api", tags=["organisations"])
Reader = Annotated[Actor, Depends(permit(), scope="function")]
Administrator = Annotated[Actor, Depends(permit(Permission.CONFIGURE_PROVIDER), scope="function")]
Operator = Annotated[Actor, Depends(permit(Permission.OPERATE_PLATFORM), scope="function")]


class DepartmentRow(BaseModel):
    """A department of a care unit."""

    id: uuid.UUID
    care_unit_id: uuid.UUID
    name: str
    phone_urgent: str | None
    archived_at: datetime | None
    version: int


class UnitRow(BaseModel):
    """A care unit, and the care unit of law that it is or belongs to."""

    id: uuid.UUID
    hsa_id: str
    name: str
    pdl_unit_id: uuid.UUID
    archived_at: datetime | None
    version: int
    departments: list[DepartmentRow]


class ProviderRow(BaseModel):
    """A care provider."""

    id: uuid.UUID
    hsa_id: str
    name: str
    org_number: str
    kind: ProviderKind
    region_code: RegionCode
    status: ProviderStatus
    extract_includes_name: bool
    clinician_image_release: ImageRelease
    image_release_elsewhere: bool
    tile_cache_seconds: int
    default_language: str
    time_zone: str
    dpo_contact: str | None
    incident_contact: str | None
    version: int
    units: list[UnitRow]


class ProviderList(BaseModel):
    """Care providers, the newest first."""

    items: list[ProviderRow]
    next: uuid.UUID | None


class ProviderChange(BaseModel):
    """What is to be different; what is left out stays as it is."""

    model_config = example(name="Region Prov", clinician_image_release="ON_FINAL", dpo_contact="dataskydd@prov.example")

    name: Line | None = None
    extract_includes_name: bool | None = None
    clinician_image_release: ImageRelease | None = None
    image_release_elsewhere: bool | None = None
    tile_cache_seconds: Annotated[int, NUMBER, Field(ge=0, le=LONGEST_KEPT)] | None = Field(
        default=None,
        description="How long browsers may keep tiles and small pictures; 0, which is usual, for not at all.",
    )
    dpo_contact: Line | None = None
    incident_contact: Line | None = None


class ProviderMove(BaseModel):
    """Where a care provider goes."""

    model_config = example(status="ACTIVE")

    status: ProviderStatus


class NewUnit(BaseModel):
    """A care unit to enter: one of law, or a part of one."""

    model_config = example(hsa_id="SE0000000000-1A01", name="Klinisk patologi")

    hsa_id: Line
    name: Line
    part_of: uuid.UUID | None = None


class NewDepartment(BaseModel):
    """A department to enter."""

    model_config = example(
        care_unit_id="01a20380-0a2e-7f13-a0c3-4f1e6a7d2c03", name="Klinisk patologi, gastro", phone_urgent="0480-000 00"
    )

    care_unit_id: uuid.UUID
    name: Line
    phone_urgent: Line | None = None


class UnitChange(BaseModel):
    """What is to be different; what is left out stays as it is. Closing is for good."""

    model_config = example(name="Klinisk patologi och cytologi")

    name: Line | None = None
    closed: bool = False


class DepartmentChange(UnitChange):
    """What is to be different; what is left out stays as it is. Closing is for good."""

    model_config = example(phone_urgent="0480-000 01")

    phone_urgent: Line | None = None


def show_department(row: Department) -> DepartmentRow:
    """A department as the API tells it."""
    return DepartmentRow.model_validate(row, from_attributes=True)


def show_unit(row: CareUnit, departments: Sequence[Department] = ()) -> UnitRow:
    """A care unit as the API tells it."""
    return UnitRow(
        id=row.id,
        hsa_id=row.hsa_id,
        name=row.name,
        pdl_unit_id=row.pdl_unit_id,
        archived_at=row.archived_at,
        version=row.version,
        departments=[show_department(one) for one in departments if one.care_unit_id == row.id],
    )


def show_provider(row: CareProvider, units: Sequence[CareUnit], departments: Sequence[Department]) -> ProviderRow:
    """A care provider as the API tells it."""
    return ProviderRow(
        **{name: getattr(row, name) for name in ProviderRow.model_fields if name != "units"},
        units=[show_unit(unit, departments) for unit in units if unit.care_provider_id == row.id],
    )


@router.get("/organisations")
def read_organisations(database: Database, actor: Reader, limit: Limit = 50, after: After = None) -> ProviderList:
    """List every care provider with its units and departments; closed ones too, since the past names them."""
    rows = organisations.list_providers(database, after=after, limit=limit + 1)
    shown = rows[:limit]
    units, departments = organisations.list_parts(database, [row.id for row in shown])
    return ProviderList(
        items=[show_provider(row, units, departments) for row in shown],
        next=shown[-1].id if len(rows) > limit else None,
    )


@router.get("/organisations/{provider_id}")
def read_organisation(provider_id: uuid.UUID, database: Database, actor: Reader, response: Response) -> ProviderRow:
    """One care provider with its units and departments."""
    return _answer(database, organisations.find_provider(database, provider_id), response)


@router.patch("/organisations/{provider_id}")
def change_organisation(
    provider_id: uuid.UUID,
    body: ProviderChange,
    database: Database,
    actor: Administrator,
    match: Match,
    response: Response,
) -> ProviderRow:
    """Change how one's own care provider is called and reached, what its log extracts tell, when clinicians see
    the images of their referrals, and how long browsers may keep its images."""
    if provider_id != actor.provider_id:
        raise NotThere("There is no such care provider.")
    row = organisations.find_provider(database, provider_id)
    require_version(row, match)
    organisations.change(database, row, by=actor, **body.model_dump(exclude_none=True))
    return _answer(database, row, response)


@router.put("/organisations/{provider_id}/status")
def move_organisation(
    provider_id: uuid.UUID,
    body: ProviderMove,
    database: Database,
    actor: Operator,
    match: Match,
    response: Response,
) -> ProviderRow:
    """Let a care provider take part, suspend it, or let it leave. What its people look at goes dark with it."""
    row = organisations.find_provider(database, provider_id)
    require_version(row, match)
    organisations.move_provider(database, row, to=body.status, by=actor)
    return _answer(database, row, response)


@router.post("/care-units", status_code=status.HTTP_201_CREATED)
def create_unit(body: NewUnit, database: Database, actor: Administrator, response: Response) -> UnitRow:
    """Enter a care unit of one's own care provider."""
    row = organisations.open_unit(
        database, actor.provider_id, hsa_id=body.hsa_id, name=body.name, part_of=body.part_of, by=actor
    )
    set_etag(response, row)
    return show_unit(row)


@router.patch("/care-units/{unit_id}")
def change_unit(
    unit_id: uuid.UUID, body: UnitChange, database: Database, actor: Administrator, match: Match, response: Response
) -> UnitRow:
    """Change what a care unit of one's own care provider is called, or close it."""
    row = organisations.find_unit(database, unit_id, provider_id=actor.provider_id)
    require_version(row, match)
    _change(database, row, body, by=actor)
    set_etag(response, row)
    return show_unit(row, organisations.list_parts(database, [actor.provider_id])[1])


@router.post("/departments", status_code=status.HTTP_201_CREATED)
def create_department(
    body: NewDepartment, database: Database, actor: Administrator, response: Response
) -> DepartmentRow:
    """Enter a department of one's own care provider."""
    unit = organisations.find_unit(database, body.care_unit_id, provider_id=actor.provider_id)
    row = organisations.open_department(database, unit, name=body.name, phone_urgent=body.phone_urgent, by=actor)
    set_etag(response, row)
    return show_department(row)


@router.patch("/departments/{department_id}")
def change_department(
    department_id: uuid.UUID,
    body: DepartmentChange,
    database: Database,
    actor: Administrator,
    match: Match,
    response: Response,
) -> DepartmentRow:
    """Change how a department of one's own care provider is called and reached, or close it."""
    row = organisations.find_department(database, department_id, provider_id=actor.provider_id)
    require_version(row, match)
    _change(database, row, body, by=actor)
    set_etag(response, row)
    return show_department(row)


def _change(database: Session, row: CareUnit | Department, body: UnitChange, *, by: Actor) -> None:
    fields = body.model_dump(exclude_none=True, exclude={"closed"})
    if fields:
        organisations.change(database, row, by=by, **fields)
    if body.closed:
        organisations.close(database, row, by=by)


def _answer(database: Session, row: CareProvider, response: Response) -> ProviderRow:
    set_etag(response, row)
    return show_provider(row, *organisations.list_parts(database, [row.id]))
