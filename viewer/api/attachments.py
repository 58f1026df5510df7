"""Attachments: files of a case besides its slides."""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from urllib.parse import unquote

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel
from sqlalchemy.orm import Session

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.decisions import admit
from cases.access.errors import Conflict, Invalid, NotThere
from cases.access.gate import Intent, decide
from cases.access.idempotency import take_key
from cases.access.permissions import Permission
from cases.records import attachments as rows
from cases.records.attachments import AttachmentKind, ReceivedFile, ScanState
from cases.records.pathology_case import PathologyCase, find_case
from cases.records.pathology_case import subject_of as subject_of_case
from cases.sharing.opened_cases import contents_of
from cases.sharing.requests.request import find_request
from cases.sharing.resources import describe_attachments, describe_cases
from viewer.api.fields import Line, example
from viewer.dependencies import Database, Files, Match, Now, Settings, permit, require_version, set_etag
from viewer.incoming import IncomingFile, incoming_file, make_fingerprint
from viewer.problems import KeyMissing
from worker.attachments.keeping import keep
from worker.sandbox import MediaType

router = APIRouter(prefix="/api/attachments", tags=["attachments"])
cases_router = APIRouter(prefix="/api/cases", tags=["attachments"])

get_adder = permit(Permission.REGISTER_RECORD, Permission.ANNOTATE)
Adder = Annotated[Actor, Depends(get_adder, scope="function")]
Reader = Annotated[Actor, Depends(permit(Permission.READ_RECORD), scope="function")]

SUFFIXES = {
    MediaType.JPEG: "jpg",
    MediaType.PNG: "png",
    MediaType.TIFF: "tif",
    MediaType.PDF: "pdf",
    MediaType.DICOM: "dcm",
}
BODY = {
    "requestBody": {
        "required": True,
        "description": "The file itself, 50 MB at the most. What it is shows in its content, whatever is stated here.",
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in MediaType},
    },
    "responses": {"428": {"$ref": "#/components/responses/PreconditionRequired"}},
}
_CAPTION = re.compile(r"(?:[A-Za-z0-9._~!*'()-]|%[0-9A-Fa-f]{2})+")


class Attachment(BaseModel):
    """A file of a case.

    Attributes:
        shown: whether its content can be had now.
        own: one's own care provider added it, and may withdraw it.
        finding: what the virus scanner found; an infected file is never shown.
    """

    id: uuid.UUID
    case_id: uuid.UUID
    request_id: uuid.UUID | None
    kind: AttachmentKind
    caption: str
    media_type: MediaType
    byte_size: int
    digest: str
    scan: ScanState
    finding: str | None
    shown: bool
    own: bool
    added_at: datetime
    version: int


class AttachmentList(BaseModel):
    """A case's attachments that are for you, the oldest first."""

    attachments: list[Attachment]


class Withdrawal(BaseModel):
    """Why an attachment was entered in error."""

    model_config = example(reason="Hör till ett annat fall.")

    reason: Line


@dataclass(frozen=True)
class Upload:
    """A file that has come in, and what was said of it."""

    file: IncomingFile
    kind: AttachmentKind
    caption: str
    request_id: uuid.UUID | None
    key: str
    fingerprint: bytes


async def receive_upload(
    case_id: uuid.UUID,
    request: Request,
    kind: Annotated[AttachmentKind, Query(description="What it is to the case.")] = AttachmentKind.OTHER,
    request_id: Annotated[
        uuid.UUID | None, Query(description="The request that it is for, where you read another's case.")
    ] = None,
    samsyn_caption: Annotated[
        str | None,
        Header(
            max_length=4000,
            description="What to call it, never with a patient's name; UTF-8, percent-encoded as JavaScript's "
            "encodeURIComponent does.",
            examples=["Makrofoto%20h%C3%B6ger%20br%C3%B6st"],
        ),
    ] = None,
    idempotency_key: Annotated[
        str | None,
        Header(max_length=100, description="Chosen by you, new for every new file; the same when you send it again."),
    ] = None,
) -> AsyncIterator[Upload]:
    """The file of a request, once it is clear that its sender may attach it. To be declared before the actor."""
    caption = ""

    def check(request: Request, session: Session, now: datetime) -> Actor:
        nonlocal caption
        actor = get_adder(request, session, now)
        if not idempotency_key:
            raise KeyMissing("Say which file this is, so that it is attached only once: Idempotency-Key: <a new UUID>.")
        caption = _read_caption(samsyn_caption)
        _admit_adding(session, case_id, request_id, actor, now)
        return actor

    async with incoming_file(request, check) as file:
        fingerprint = make_fingerprint(request, kind, request_id, caption, file.received_digest)
        yield Upload(file, kind, caption, request_id, idempotency_key or "", fingerprint)


def _read_caption(sent: str | None) -> str:
    if sent and _CAPTION.fullmatch(sent):
        try:
            caption = unquote(sent, errors="strict").strip()
        except UnicodeDecodeError:
            caption = ""
        if 0 < len(caption) <= 400 and caption.isprintable():
            return caption
    raise Invalid(
        "Say what to call the file, in one line of at most 400 characters: Samsyn-Caption, in UTF-8, percent-encoded.",
        field="Samsyn-Caption",
    )


def _admit_adding(
    session: Session, case_id: uuid.UUID, request_id: uuid.UUID | None, actor: Actor, now: datetime
) -> PathologyCase:
    """The case, for whoever may attach something to it: its owner's people, and those who read it for a request."""
    case = find_case(session, case_id)
    resource = describe_cases(session, [case], by=actor, now=now)[case.id]
    if case.care_provider_id == actor.provider_id:
        admit(session, resource, Intent.READ, by=actor, now=now)
        if request_id is not None:
            raise Invalid("What you attach to your own case is shared by choosing it there.", field="request_id")
        return case
    admit(session, resource, Intent.ANNOTATE, by=actor, now=now)
    if request_id is None:
        raise Invalid("Say for which request it is: the case is another care provider's.", field="request_id")
    request = find_request(session, request_id, by=actor)
    if request.case_id != case.id or request.performer_unit_id != actor.unit_id:
        raise NotThere("There is no such request.")
    return case


def _find(
    session: Session, attachment_id: uuid.UUID, actor: Actor, now: datetime, *, event: Event | None = None
) -> tuple[rows.Attachment, PathologyCase]:
    """An attachment that somebody may open, logged as seen where an event is given."""
    row = rows.find_attachment(session, attachment_id)
    case = find_case(session, row.case_id)
    resource = contents_of(describe_attachments(session, case, [row], by=actor, now=now)[row.id])
    decision = admit(session, resource, Intent.READ, by=actor, now=now)
    if event:
        audit.record(
            session,
            event,
            by=actor,
            subjects=[rows.subject_of(row, case)],
            basis=decision.basis,
            decision_id=decision.id,
            args={"case": str(case.id)},
        )
    return row, case


def _show(found: Sequence[rows.Attachment], actor: Actor, *, scanning: bool) -> list[Attachment]:
    return [
        Attachment(
            id=row.id,
            case_id=row.case_id,
            request_id=row.request_id,
            kind=row.kind,
            caption=row.caption,
            media_type=MediaType(row.media_type),
            byte_size=row.byte_size,
            digest=row.digest,
            scan=row.scan,
            finding=row.finding,
            shown=rows.is_shown(row, scanning=scanning),
            own=row.care_provider_id == actor.provider_id,
            added_at=row.created_at,
            version=row.version,
        )
        for row in found
    ]


@cases_router.post("/{case_id}/attachments", status_code=201, openapi_extra=BODY)
def create_attachment(
    case_id: uuid.UUID,
    upload: Annotated[Upload, Depends(receive_upload, scope="function")],
    database: Database,
    actor: Adder,
    now: Now,
    files: Files,
    settings: Settings,
    response: Response,
) -> Attachment:
    """Attach a file to a case: the body of the request is the file."""
    # A right may have ended while the file came.
    case = _admit_adding(database, case_id, upload.request_id, actor, now)
    key, again = take_key(database, upload.key, upload.fingerprint, by=actor)
    if again and key.resource_id:
        row = rows.find_attachment(database, key.resource_id)
    else:
        file = upload.file
        received = ReceivedFile(
            media_type=file.cleaned.media_type,
            byte_size=file.cleaned.byte_size,
            digest=file.cleaned.digest,
            received_digest=file.received_digest,
            scan=file.scanned.state,
            finding=file.scanned.finding,
        )
        row = rows.attach(
            database,
            case,
            received,
            kind=upload.kind,
            caption=upload.caption,
            by=actor,
            now=now,
            request_id=upload.request_id,
        )
        key.resource_id = row.id
        database.refresh(row, ["created_at"])
        if row.scan is not ScanState.INFECTED:
            keep(files, row.id, file.cleaned.path)
    set_etag(response, row)
    return _show([row], actor, scanning=bool(settings.clamd))[0]


@cases_router.get("/{case_id}/attachments")
def read_attachments(
    case_id: uuid.UUID, database: Database, actor: Reader, now: Now, settings: Settings
) -> AttachmentList:
    """List the attachments of a case that are for you. Another care provider's are listed once they can be shown."""
    case = find_case(database, case_id)
    resource = describe_cases(database, [case], by=actor, now=now)[case.id]
    decision = admit(database, resource, Intent.READ, by=actor, now=now)
    found = rows.list_attachments(database, case_id)
    resources = describe_attachments(database, case, found, by=actor, now=now)
    scanning = bool(settings.clamd)
    listed = [
        row
        for row in found
        if decide(actor, resources[row.id], Intent.READ, now).allow
        and (row.care_provider_id == actor.provider_id or rows.is_shown(row, scanning=scanning))
    ]
    audit.record(
        database,
        Event.LIST_VIEWED,
        by=actor,
        subjects=[subject_of_case(case), *(rows.subject_of(row, case) for row in listed)],
        basis=decision.basis,
        decision_id=decision.id,
        args={"list": "attachments"},
    )
    # Who may only preview what was offered sees what there is.
    opened = {row.id for row in listed if decide(actor, contents_of(resources[row.id]), Intent.READ, now).allow}
    shown = _show(listed, actor, scanning=scanning)
    return AttachmentList(
        attachments=[one.model_copy(update={"shown": one.shown and one.id in opened}) for one in shown]
    )


@router.get(
    "/{attachment_id}/content",
    response_class=FileResponse,
    responses={
        200: {"content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in MediaType}},
        409: {"$ref": "#/components/responses/Conflict"},
    },
)
def read_content(
    attachment_id: uuid.UUID, database: Database, files: Files, actor: Reader, now: Now, settings: Settings
) -> FileResponse:
    """The file itself, to be saved, not shown in the browser: a stranger made it."""
    row, _ = _find(database, attachment_id, actor, now, event=Event.ATTACHMENT_VIEWED)
    if row.withdrawn_at:
        raise NotThere("The attachment has been withdrawn.")
    if row.scan is ScanState.INFECTED:
        raise Conflict("A virus was found in this file, so it is not shown. Ask whoever added it for another copy.")
    if not rows.is_shown(row, scanning=bool(settings.clamd)):
        raise Conflict("The file waits for the virus scanner. Try again in a minute, and tell IT if it goes on.")
    place = files.attachment(row.id)
    if not place.is_file():
        raise Conflict("The file is not where it was stored. Tell IT: it must be put back from the backup.")
    # No caption in the name: it would lie in somebody's folder of downloads.
    name = f"samsyn-{row.id.hex[-8:]}.{SUFFIXES[MediaType(row.media_type)]}"
    return FileResponse(place, media_type=row.media_type, filename=name, content_disposition_type="attachment")


@router.put("/{attachment_id}/withdrawal", status_code=204)
def withdraw_attachment(
    attachment_id: uuid.UUID, body: Withdrawal, database: Database, actor: Adder, match: Match, now: Now
) -> None:
    """It was entered in error: nobody is shown it any more. It stays on record."""
    row, case = _find(database, attachment_id, actor, now)
    require_version(row, match)
    rows.withdraw(database, row, case, because=body.reason, by=actor, now=now)
