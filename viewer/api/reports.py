"""Reports: a signed answer as a page, as plain text for laboratory systems, and as FHIR."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Response
from sqlalchemy.orm import Session

from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.permissions import Permission
from cases.sharing.answers.reading import open_answer, write_down
from cases.sharing.reports.description import describe_report, find_signed_version
from cases.sharing.reports.fhir import write_fhir
from cases.sharing.reports.pdf import write_pdf
from cases.sharing.reports.report import Report
from cases.sharing.reports.text import write_text
from cases.sharing.reports.words import Language
from cases.sharing.requests import find_request
from viewer.dependencies import Database, Now, permit

router = APIRouter(prefix="/api/requests/{request_id}/answers/{version}", tags=["answers"])

Reader = Annotated[Actor, Depends(permit(Permission.READ_ANSWER), scope="function")]
Number = Annotated[int, Path(ge=1, le=1_000_000, description="Number of the signed version of the request's answer.")]
Spoken = Annotated[Language, Query(description="Of headings and codes; what people wrote stays as it is.")]
Use = Annotated[
    Literal["view", "print", "export"],
    Query(description="What it is for, as the log has it: read on the screen, printed, or taken out as a file."),
]
PDF, TEXT, FHIR = "application/pdf", "text/plain", "application/fhir+json"


@router.get("/report.pdf", response_class=Response, responses={200: {"content": {PDF: {}}}})
def read_pdf(
    request_id: uuid.UUID,
    version: Number,
    database: Database,
    actor: Reader,
    now: Now,
    language: Spoken = "sv",
    use: Use = "export",
) -> Response:
    """A signed version as a tagged PDF (PDF/UA-1, PDF/A-2a)."""
    out = {"print": Event.PRINTED, "export": Event.PDF_EXPORTED}.get(use)
    report = _open(database, request_id, version, out, by=actor, now=now)
    return _send(report, write_pdf(report, language), PDF, "pdf", shown=use != "export")


@router.get("/report.txt", response_class=Response, responses={200: {"content": {TEXT: {}}}})
def read_text(
    request_id: uuid.UUID,
    version: Number,
    database: Database,
    actor: Reader,
    now: Now,
    language: Spoken = "sv",
    use: Use = "export",
) -> Response:
    """The same as plain text of at most 78 characters a line, to be put into a laboratory system."""
    out = {"print": Event.PRINTED, "export": Event.TEXT_EXPORTED}.get(use)
    report = _open(database, request_id, version, out, by=actor, now=now)
    text = write_text(report, language).encode()
    return _send(report, text, f"{TEXT}; charset=utf-8", "txt", shown=use != "export")


@router.get("/report.fhir.json", response_class=Response, responses={200: {"content": {FHIR: {}}}})
def read_fhir(
    request_id: uuid.UUID, version: Number, database: Database, actor: Reader, now: Now, language: Spoken = "sv"
) -> Response:
    """The same as a FHIR R4 Bundle of type `collection`, the PDF and the text within it."""
    report = _open(database, request_id, version, Event.FHIR_EXPORTED, by=actor, now=now)
    return _send(report, write_fhir(report, language).encode(), FHIR, "fhir.json")


def _open(
    database: Session, request_id: uuid.UUID, number: int, out: Event | None, *, by: Actor, now: datetime
) -> Report:
    """Who may read an answer may also have it on paper; that it was taken out is logged besides that it was read."""
    request = find_request(database, request_id, by=by)
    answer, version = find_signed_version(database, request, number)
    opened = open_answer(database, answer, number=version.number, by=by, now=now)
    if out is not None:
        write_down(database, out, opened.answer, opened.request, by=by, number=version.number)
    return describe_report(database, version.id)


def _send(report: Report, content: bytes, kind: str, ending: str, *, shown: bool = False) -> Response:
    name = f"{report.short_id}-v{report.number}.{ending}"
    headers = {"content-disposition": f'{"inline" if shown else "attachment"}; filename="{name}"'}
    return Response(content, media_type=kind, headers=headers)
