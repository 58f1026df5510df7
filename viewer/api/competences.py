"""What people can be asked, by subspecialty, and whether they have shown that they can read it on a screen."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field

from cases.access import people
from cases.access.actors import Actor
from cases.access.permissions import Permission
from cases.sharing import competences
from cases.sharing.competences import SUBSPECIALTIES, Competence, CompetenceLevel, Subspecialty, Validation
from viewer.api.fields import NUMBER, Day, Moment, example
from viewer.dependencies import Database, Match, Now, permit, set_etag

router = APIRouter(prefix="/api", tags=["people"])
Anybody = Annotated[Actor, Depends(permit(), scope="function")]
Judge = Annotated[Actor, Depends(permit(Permission.MANAGE_PEOPLE, Permission.APPROVE_ROLES), scope="function")]


class DigitalValidation(BaseModel):
    """That reading on a screen was shown to be as good as on glass: when, of how many cases, per cent alike."""

    at: Moment
    cases: Annotated[int, NUMBER, Field(ge=1, le=100_000)]
    concordance: Annotated[float, NUMBER, Field(ge=0, le=100, allow_inf_nan=False)]


class CompetenceText(BaseModel):
    """What somebody can be asked in a subspecialty."""

    model_config = example(
        level="EXPERT",
        max_complexity_level=6,
        validation={"at": "2026-09-01T12:00:00+02:00", "cases": 60, "concordance": 98.3},
        valid_to="2027-12-31",
    )

    level: CompetenceLevel
    max_complexity_level: Annotated[int, NUMBER, Field(ge=1, le=6)]
    validation: DigitalValidation | None = None
    valid_to: Annotated[Day | None, Field(description="The last day on which it counts.")] = None


class CompetenceRow(CompetenceText):
    """A competence as it is now."""

    subspecialty: Subspecialty
    version: int


class SubspecialtyText(BaseModel):
    """A subspecialty in words."""

    code: Subspecialty
    name_sv: str
    name_en: str


def show_competence(row: Competence) -> CompetenceRow:
    """A competence as the API tells it."""
    validation = None
    if row.digital_validated_at and row.digital_validation_cases and row.digital_validation_concordance is not None:
        validation = DigitalValidation(
            at=row.digital_validated_at,
            cases=row.digital_validation_cases,
            concordance=row.digital_validation_concordance,
        )
    return CompetenceRow(
        subspecialty=row.subspecialty,
        level=row.level,
        max_complexity_level=row.max_complexity_level,
        validation=validation,
        valid_to=row.valid_to,
        version=row.version,
    )


@router.get("/subspecialties")
def read_subspecialties(actor: Anybody) -> list[SubspecialtyText]:
    """List the subspecialties with their names."""
    return [SubspecialtyText(code=code, name_sv=sv, name_en=en) for code, (sv, en) in SUBSPECIALTIES.items()]


@router.put("/people/{person_id}/competences/{subspecialty}")
def set_competence(
    person_id: uuid.UUID,
    subspecialty: Subspecialty,
    body: CompetenceText,
    database: Database,
    actor: Judge,
    now: Now,
    match: Match,
    response: Response,
) -> CompetenceRow:
    """Say what somebody else can be asked in a subspecialty. The version of one that is not there yet is 0."""
    person = people.find_person(database, person_id, provider_id=actor.provider_id)
    row = competences.set_competence(
        database,
        person,
        subspecialty,
        level=body.level,
        max_complexity_level=body.max_complexity_level,
        validation=Validation(**body.validation.model_dump()) if body.validation else None,
        valid_to=body.valid_to,
        seen=match,
        now=now,
        by=actor,
    )
    set_etag(response, row)
    return show_competence(row)
