"""Slide images as they come in: whose they are, and that the same content is one slide."""

from __future__ import annotations

import uuid

from sqlalchemy import or_, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cases.access import audit, rights
from cases.access.actors import Actor
from cases.access.audit import Event, Subject
from cases.access.errors import Conflict, Invalid
from cases.access.organisations import CareUnit
from cases.records.lead_times import note_digitised
from cases.records.pathology_case import PathologyCase, note_registration
from cases.records.slide_images import SlideImage, SlideStatus
from cases.records.specimens import GlassSlide


def receive(
    session: Session,
    *,
    digest: str,
    byte_size: int,
    caption: str | None = None,
    owner: CareUnit | None = None,
    case: PathologyCase | None = None,
    label: str | None = None,
) -> SlideImage:
    """Register an original that has been archived; it falls due for verification at once.

    The same content of the same care provider is one slide, even when several people bring it in at the same
    moment: all get the same row. One that nobody owns yet, because bringing it in was cut off, is taken over; and
    what somebody owns meanwhile is not registered as nobody's.

    Args:
        session: of this transaction.
        digest: SHA-256 of the original.
        byte_size: of its files.
        caption: what lists call it.
        owner: whose it is.
        case: that it belongs to.
        label: of the glass, where somebody read it: a glass of the case with this label or barcode is that one. Where
            there is none and just one glass of the case waits for an image, it is a scan of that one.
    """
    provider_id = owner.care_provider_id if owner else None
    session.execute(_ONE_AT_A_TIME, {"digest": digest})
    known = select(SlideImage).where(SlideImage.original_digest == digest)
    if owner:
        known = known.where(or_(SlideImage.care_provider_id == provider_id, SlideImage.care_provider_id.is_(None)))
    known = known.order_by(SlideImage.care_provider_id.nulls_last()).limit(1).with_for_update()
    slide = session.scalar(known)
    if slide is None:
        session.execute(
            insert(SlideImage)
            .values(
                original_digest=digest,
                byte_size=byte_size,
                caption=caption,
                care_provider_id=provider_id,
                care_unit_id=owner.pdl_unit_id if owner else None,
            )
            .on_conflict_do_nothing(index_elements=[SlideImage.care_provider_id, SlideImage.original_digest])
        )
        slide = session.scalars(known).one()
    if owner and slide.care_provider_id is None:
        slide.care_provider_id, slide.care_unit_id = owner.care_provider_id, owner.pdl_unit_id
    if case and slide.case_id is None:
        slide.case_id = case.id
        note_registration(session, case)
        slide.glass_slide_id = _find_glass(session, case, label)
    slide.caption = slide.caption or caption
    return slide


_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended(:digest, 0))")
"""Whoever registers the same content waits here, so that nobody's row and somebody's are not made side by side."""


def find_unregistered(session: Session, digests: list[str]) -> list[str]:
    """Those of some originals' digests that no slide image has."""
    known = set(session.scalars(select(SlideImage.original_digest).where(SlideImage.original_digest.in_(digests))))
    return [digest for digest in digests if digest not in known]


def assign_case(
    session: Session, slide: SlideImage, case: PathologyCase, *, glass: GlassSlide | None = None, by: Actor
) -> None:
    """Say which case a slide belongs to that has none yet, or which glass of its case it is a scan of.

    Args:
        session: of this transaction.
        slide: in question.
        case: that it belongs to.
        glass: of that case; where it is left out and just one glass waits for an image, it is that one.
        by: who says so.

    Raises:
        Conflict: it belongs to one; moving it to another is a correction of identity, which takes two people.
        Invalid: slide, glass and case do not belong together.
    """
    if slide.case_id is not None and slide.case_id != case.id:
        raise Conflict("This slide belongs to a case already. Ask the laboratory to correct its identity.")
    if slide.care_unit_id != case.care_unit_id:
        raise Invalid("The slide and the case are of different care units.", field="case_id")
    if glass is not None and (glass.case_id != case.id or glass.entered_in_error_at is not None):
        raise Invalid("Name a glass of this case that was not entered in error.", field="glass_slide_id")
    if slide.case_id is None:
        slide.case_id = case.id
        note_registration(session, case)
        slide.glass_slide_id = _find_glass(session, case)
    if glass is not None:
        slide.glass_slide_id = glass.id
    session.flush()
    note_digitised(session, case.id)
    rights.changed(session, resources=[slide.id])
    subject = Subject(
        kind="slide",
        id=slide.id,
        patient_id=case.patient_id,
        provider_id=case.care_provider_id,
        unit_id=case.care_unit_id,
    )
    args = {"case": str(case.id), "glass": str(slide.glass_slide_id) if slide.glass_slide_id else None}
    audit.record(session, Event.CASE_CHANGED, by=by, subjects=[subject], args=args)


def _find_glass(session: Session, case: PathologyCase, label: str | None = None) -> uuid.UUID | None:
    """The glass of a case with this label, or the one that an image is waited for; None where there are several.

    The case's row is locked by then, so that two scans that come in at once are not taken for the same glass.
    """
    if label is not None:
        said = or_(GlassSlide.label_text == label, GlassSlide.barcode == label)
        named = session.scalars(
            select(GlassSlide.id).where(GlassSlide.case_id == case.id, GlassSlide.counts(), said).limit(2)
        ).all()
        if len(named) == 1:
            return named[0]
    sound = select(SlideImage.id).where(
        SlideImage.glass_slide_id == GlassSlide.id, SlideImage.status != SlideStatus.QUARANTINED
    )
    waiting = select(GlassSlide.id).where(
        GlassSlide.case_id == case.id, GlassSlide.expected, GlassSlide.counts(), ~sound.exists()
    )
    found = session.scalars(waiting.limit(2)).all()
    return found[0] if len(found) == 1 else None
