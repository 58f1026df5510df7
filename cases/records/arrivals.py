"""Slide images as they come in: whose they are, and that the same content is one slide."""

from __future__ import annotations

from sqlalchemy import func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cases.access import audit, rights
from cases.access.actors import Actor
from cases.access.audit import Event, Subject
from cases.access.errors import Conflict, Invalid
from cases.access.organisations import CareUnit
from cases.records.pathology_case import PathologyCase
from cases.records.slide_images import SlideImage


def receive(
    session: Session,
    *,
    digest: str,
    byte_size: int,
    caption: str | None = None,
    owner: CareUnit | None = None,
    case: PathologyCase | None = None,
) -> SlideImage:
    """Register an original that has been archived; it falls due for verification at once.

    The same content of the same care provider is one slide, even when several people bring it in at the same
    moment: all get the same row. One that nobody owns yet, because bringing it in was cut off, is taken over; and
    what somebody owns meanwhile is not registered as nobody's.
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
        _register_now(session, case)
    slide.caption = slide.caption or caption
    return slide


_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended(:digest, 0))")
"""Whoever registers the same content waits here, so that nobody's row and somebody's are not made side by side."""


def find_unregistered(session: Session, digests: list[str]) -> list[str]:
    """Those of some originals' digests that no slide image has."""
    known = set(session.scalars(select(SlideImage.original_digest).where(SlideImage.original_digest.in_(digests))))
    return [digest for digest in digests if digest not in known]


def assign_case(session: Session, slide: SlideImage, case: PathologyCase, *, by: Actor) -> None:
    """Say which case a slide belongs to that has none yet.

    Raises:
        Conflict: it belongs to one; moving it to another is a correction of identity, which takes two people.
        Invalid: slide and case are of different units.
    """
    if slide.case_id is not None and slide.case_id != case.id:
        raise Conflict("This slide belongs to a case already. Ask the laboratory to correct its identity.")
    if slide.care_unit_id != case.care_unit_id:
        raise Invalid("The slide and the case are of different care units.", field="case_id")
    slide.case_id = case.id
    _register_now(session, case)
    session.flush()
    rights.changed(session, resources=[slide.id])
    subject = Subject(
        kind="slide",
        id=slide.id,
        patient_id=case.patient_id,
        provider_id=case.care_provider_id,
        unit_id=case.care_unit_id,
    )
    audit.record(session, Event.CASE_CHANGED, by=by, subjects=[subject], args={"case": str(case.id)})


def _register_now(session: Session, case: PathologyCase) -> None:
    """Something was registered in a case: blocks of what comes in from some day on cover it."""
    latest = func.greatest(PathologyCase.last_registered_at, func.now())
    session.execute(update(PathologyCase).where(PathologyCase.id == case.id).values(last_registered_at=latest))
