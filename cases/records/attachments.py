"""Attachments: files that belong to a case besides its slides: the referral's paper, photographs, other reports.

The file itself lies in the worker's storage under the row's id; here is what it is, and whether it may be shown.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Enum, ForeignKey, Index, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event, Subject
from cases.access.errors import Conflict, NotPermitted, NotThere
from cases.database import Base, Versioned
from cases.records.pathology_case import PathologyCase

LARGEST = 50_000_000
"""Bytes of a file that is taken in. Source: domain rules, 3.4."""


class AttachmentKind(StrEnum):
    """What it is to the case. Source: domain rules, 3.4."""

    REFERRAL_PDF = "REFERRAL_PDF"
    MACRO_PHOTO = "MACRO_PHOTO"
    LAB_REPORT = "LAB_REPORT"
    PRIOR_REPORT = "PRIOR_REPORT"
    MOLECULAR = "MOLECULAR"
    OTHER = "OTHER"


class ScanState(StrEnum):
    """What a virus scanner has said about it. Source: domain rules, 3.4."""

    NOT_SCANNED = "NOT_SCANNED"
    PENDING = "PENDING"
    CLEAN = "CLEAN"
    INFECTED = "INFECTED"


class Attachment(Versioned, Base):
    """One file of a case.

    Attributes:
        care_provider_id, care_unit_id: of whoever added it, whose record it is part of.
        request_id: the request for which a performer added it; None for what the case's owner added.
        caption: what somebody chose to call it; never a patient's name.
        media_type: as found in its content.
        digest: SHA-256 of what is kept, without what could name somebody.
        received_digest: SHA-256 of what came.
        finding: what the virus scanner found.
        withdrawn_at, withdrawn_because: it was entered in error; it is no longer shown.
    """

    __tablename__ = "attachment"
    __table_args__ = (
        CheckConstraint("byte_size BETWEEN 1 AND 60000000", "size_is_modest"),
        CheckConstraint("(withdrawn_at IS NULL) = (withdrawn_because IS NULL)", "withdrawal_has_a_reason"),
        Index("ix_attachment_to_scan", "id", postgresql_where="scan IN ('NOT_SCANNED', 'PENDING')"),
    )

    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"), index=True)
    care_unit_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_unit.id"))
    case_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("pathology_case.id"), index=True)
    request_id: Mapped[uuid.UUID | None]
    kind: Mapped[AttachmentKind] = mapped_column(Enum(AttachmentKind, native_enum=False, length=40))
    caption: Mapped[str]
    media_type: Mapped[str]
    byte_size: Mapped[int]
    digest: Mapped[str]
    received_digest: Mapped[str]
    scan: Mapped[ScanState] = mapped_column(Enum(ScanState, native_enum=False, length=40))
    scanned_at: Mapped[datetime | None]
    finding: Mapped[str | None]
    withdrawn_at: Mapped[datetime | None]
    withdrawn_because: Mapped[str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedFile:
    """A file that has come in and been cleaned; see `Attachment` for what is what."""

    media_type: str
    byte_size: int
    digest: str
    received_digest: str
    scan: ScanState
    finding: str | None


def attach(
    session: Session,
    case: PathologyCase,
    file: ReceivedFile,
    *,
    kind: AttachmentKind,
    caption: str,
    by: Actor,
    now: datetime,
    request_id: uuid.UUID | None = None,
) -> Attachment:
    """Attach a file to a case. That the actor may, and is a party of the request, is asked before."""
    attachment = Attachment(
        care_provider_id=by.provider_id,
        care_unit_id=by.unit_id,
        case_id=case.id,
        request_id=request_id,
        kind=kind,
        caption=caption,
        media_type=file.media_type,
        byte_size=file.byte_size,
        digest=file.digest,
        received_digest=file.received_digest,
        scan=file.scan,
        scanned_at=now if file.scan in (ScanState.CLEAN, ScanState.INFECTED) else None,
        finding=file.finding,
        created_by=by.assignment_id,
    )
    session.add(attachment)
    session.flush()
    _record(session, Event.ATTACHMENT_ADDED, attachment, case, by=by, scan=file.scan)
    return attachment


def withdraw(
    session: Session, attachment: Attachment, case: PathologyCase, *, because: str, by: Actor, now: datetime
) -> None:
    """It was entered in error: from now on nobody is shown it. The row and the file stay on record.

    Raises:
        NotPermitted: another care provider added it.
        Conflict: that was done before.
    """
    if attachment.care_provider_id != by.provider_id:
        raise NotPermitted("An attachment is withdrawn by the care provider that added it. Ask there.")
    if attachment.withdrawn_at:
        raise Conflict("The attachment has been withdrawn already.")
    attachment.withdrawn_at, attachment.withdrawn_because = now, because
    session.flush()
    _record(session, Event.ATTACHMENT_WITHDRAWN, attachment, case, by=by)


def find_attachment(session: Session, attachment_id: uuid.UUID) -> Attachment:
    """An attachment that the actor's care provider may know of. Raises NotThere.

    Whether the actor may see it is for the gate, and for what was handed out, to say.
    """
    attachment = session.get(Attachment, attachment_id)
    if attachment is None:
        raise NotThere("There is no such attachment.")
    return attachment


def list_attachments(session: Session, case_id: uuid.UUID) -> list[Attachment]:
    """A case's attachments that the actor's care provider may know of, the oldest first, without withdrawn ones."""
    of_case = select(Attachment).where(Attachment.case_id == case_id, Attachment.withdrawn_at.is_(None))
    return list(session.scalars(of_case.order_by(Attachment.id)))


def is_shown(attachment: Attachment, *, scanning: bool) -> bool:
    """Whether its content may be shown: clean, or never looked at where there is no scanner.

    Args:
        attachment: which.
        scanning: whether there is a scanner.
    """
    safe = (ScanState.CLEAN,) if scanning else (ScanState.CLEAN, ScanState.NOT_SCANNED)
    return attachment.scan in safe and attachment.withdrawn_at is None


def find_unscanned(session: Session, *, limit: int) -> list[uuid.UUID]:
    """Some of the attachments that a scanner has not spoken about; others each time, so that none keeps others back."""
    waiting = select(Attachment.id).where(Attachment.scan.in_((ScanState.NOT_SCANNED, ScanState.PENDING)))
    return list(session.scalars(waiting.order_by(func.random()).limit(limit)))


def take_scan(
    session: Session, attachment_id: uuid.UUID, state: ScanState, *, finding: str | None, now: datetime
) -> None:
    """Write down what a scanner said. What it has said once stays."""
    session.execute(
        update(Attachment)
        .where(Attachment.id == attachment_id, Attachment.scan.in_((ScanState.NOT_SCANNED, ScanState.PENDING)))
        .values(scan=state, finding=finding, scanned_at=now, version=Attachment.version + 1)
    )


def find_known(session: Session, attachment_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Those of some ids that are attachments whose files are to be kept."""
    kept = select(Attachment.id).where(Attachment.id.in_(attachment_ids), Attachment.scan != ScanState.INFECTED)
    return set(session.scalars(kept))


def subject_of(attachment: Attachment, case: PathologyCase) -> Subject:
    """An attachment as the log names it."""
    return Subject(
        kind="attachment",
        id=attachment.id,
        patient_id=case.patient_id,
        provider_id=attachment.care_provider_id,
        unit_id=attachment.care_unit_id,
    )


def _record(
    session: Session, event: Event, attachment: Attachment, case: PathologyCase, *, by: Actor, **more: str
) -> None:
    args = {"case": str(case.id), "kind": attachment.kind, "digest": attachment.digest, **more}
    audit.record(session, event, by=by, subjects=[subject_of(attachment, case)], args=args)
