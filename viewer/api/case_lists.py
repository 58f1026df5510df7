"""Lists of cases from laboratory systems, and what each laboratory has its own way of."""

from __future__ import annotations

import uuid
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Query, Response
from pydantic import BaseModel, Field, StringConstraints

from cases.access.actors import Actor
from cases.access.organisations import find_department
from cases.access.permissions import Permission
from cases.records import case_lists
from cases.records.case_lists import NOTES, Column, Fault, Note, Outcome, Plan
from cases.records.laboratories import Laboratory, configure_laboratory, find_laboratory
from viewer.api.fields import Line, example
from viewer.dependencies import Database, Match, Now, permit, require_version, set_etag
from viewer.problems import MEDIA_TYPE, Problem

router = APIRouter(prefix="/api/departments/{department_id}", tags=["case lists"])
Registrar = Annotated[Actor, Depends(permit(Permission.REGISTER_RECORD), scope="function")]
Keeper = Annotated[Actor, Depends(permit(Permission.REGISTER_RECORD, Permission.CONFIGURE_PROVIDER), scope="function")]
LIST = "LID;Personnummer;Preparat;Prioritet;Svar senast\nD26-00801;19570314-9806;Hud;Rutin;2026-12-01\n"
Heading = Annotated[str, StringConstraints(strip_whitespace=True, max_length=100, pattern=r"^[^\x00-\x1f]*$")]


class LaboratoryWays(BaseModel):
    """What a laboratory has its own way of."""

    model_config = example(
        lid_pattern="D##-#####", list_columns={"lid": "Provnr", "patient_number": "Pnr", "due_at": "Svar senast"}
    )

    lid_pattern: Annotated[
        Line | None,
        Field(
            max_length=40,
            description="What its case numbers look like: # a digit, @ a capital letter, + one or more of it, | or.",
        ),
    ] = None
    list_columns: Annotated[
        dict[str, Heading],
        Field(
            max_length=50,
            description="Our name of a column to the list's heading; an empty heading leaves the column out.",
        ),
    ] = {}


class LaboratoryRow(LaboratoryWays):
    """What a laboratory has its own way of; version 0 until somebody said anything."""

    version: int


class FaultRow(BaseModel):
    """Why a row cannot be taken in; the sentence never repeats what stands there."""

    line: int
    column: Column | None
    heading: str | None
    code: str
    detail: str


class NoteRow(BaseModel):
    """What somebody should look at, although the row is taken in."""

    code: Note
    detail: str


class PlannedRow(BaseModel):
    """What becomes of a row.

    Attributes:
        case_id: of the case that there was before.
        new_patient: the patient is registered with it.
    """

    line: int
    lid: str
    outcome: Outcome
    case_id: uuid.UUID | None
    new_patient: bool
    notes: list[NoteRow]


class CaseList(BaseModel):
    """What taking in a list does, or would do.

    Attributes:
        committed: it has been done.
        encoding, separator: as they were found out.
        columns: which heading was taken for what.
        ignored: headings that stand for nothing here.
        counts: rows by what becomes of them.
        faults: why nothing is taken in.
    """

    committed: bool
    encoding: str
    separator: str
    columns: dict[Column, str]
    ignored: list[str]
    counts: dict[Outcome, int]
    rows: list[PlannedRow]
    faults: list[FaultRow]


class FaultyList(Problem):
    """A list that was not taken in, with everything that is wrong with it."""

    faults: list[FaultRow]


def _show_ways(row: Laboratory, response: Response) -> LaboratoryRow:
    set_etag(response, row)
    return LaboratoryRow(lid_pattern=row.lid_pattern, list_columns=row.list_columns or {}, version=row.version)


def _show_fault(fault: Fault) -> FaultRow:
    return FaultRow(line=fault.line, column=fault.column, heading=fault.heading, code=fault.code, detail=fault.sentence)


def _show_plan(plan: Plan, *, committed: bool) -> CaseList:
    return CaseList(
        committed=committed,
        encoding=plan.read.encoding,
        separator=plan.read.separator,
        columns=dict(plan.columns),
        ignored=plan.ignored,
        counts={outcome: sum(one.outcome is outcome for one in plan.planned) for outcome in Outcome},
        rows=[
            PlannedRow(
                line=one.entry.line,
                lid=one.entry.lid,
                outcome=one.outcome,
                case_id=one.case.id if one.case else None,
                new_patient=one.patient is None,
                notes=[NoteRow(code=note, detail=NOTES[note]) for note in one.notes],
            )
            for one in plan.planned
        ],
        faults=[_show_fault(fault) for fault in plan.faults],
    )


@router.get("/laboratory")
def read_laboratory(department_id: uuid.UUID, database: Database, actor: Keeper, response: Response) -> LaboratoryRow:
    """What a laboratory of your own care provider has its own way of."""
    department = find_department(database, department_id, provider_id=actor.provider_id)
    return _show_ways(find_laboratory(database, department), response)


@router.put("/laboratory")
def set_laboratory(
    department_id: uuid.UUID,
    body: LaboratoryWays,
    database: Database,
    actor: Keeper,
    match: Match,
    response: Response,
) -> LaboratoryRow:
    """Say what its case numbers look like, and how its lists call their columns."""
    department = find_department(database, department_id, provider_id=actor.provider_id)
    row = find_laboratory(database, department)
    require_version(row, match)
    case_lists.check_columns(body.list_columns)
    configure_laboratory(database, row, lid_pattern=body.lid_pattern, list_columns=body.list_columns, by=actor)
    return _show_ways(row, response)


@router.post(
    "/case-lists",
    response_model=CaseList,
    responses={422: {"model": FaultyList, "content": {MEDIA_TYPE: {}}, "description": "Rows are faulty."}},
)
def take_case_list(
    department_id: uuid.UUID,
    content: Annotated[
        bytes,
        Body(media_type="text/csv", description="With one line of headings, as exported.", examples=[LIST]),
    ],
    database: Database,
    actor: Registrar,
    now: Now,
    commit: Annotated[bool, Query(description="false only shows what would happen.")] = True,
) -> CaseList | Response:
    """Take in a list of your laboratory's cases: all of it, or nothing and why. Sent again, it changes nothing."""
    department = find_department(database, department_id, provider_id=actor.provider_id)
    plan = case_lists.plan(database, department, content, by=actor, now=now)
    if commit and plan.faults:
        return _refuse(plan)
    if commit:
        case_lists.take_in(database, department, plan, by=actor, now=now)
    return _show_plan(plan, committed=commit)


def _refuse(plan: Plan) -> Response:
    lines = len({fault.line for fault in plan.faults})
    detail = f"{lines} of {len(plan.read.rows)} rows are faulty, so nothing was taken in. Correct them and repeat."
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    body = FaultyList(
        type="about:blank",
        title=status.phrase,
        status=status,
        detail=detail,
        code="FAULTY_LIST",
        faults=[_show_fault(fault) for fault in plan.faults],
    )
    return Response(body.model_dump_json(exclude_unset=True), status_code=status, media_type=MEDIA_TYPE)
