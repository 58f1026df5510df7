"""Finding what a case consists of, correcting it, and saying that something of it was a mistake."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.errors import Conflict, IllegalMove
from cases.records.pathology_case import PathologyCase, subject_of
from cases.records.slide_images import SlideImage
from cases.records.specimens.specimen import GlassSlide, Specimen, TissueBlock

Part: TypeAlias = Specimen | TissueBlock | GlassSlide
M = TypeVar("M", Specimen, TissueBlock, GlassSlide)


def find_material(
    session: Session, case_ids: Collection[uuid.UUID]
) -> tuple[Sequence[Specimen], Sequence[TissueBlock], Sequence[GlassSlide]]:
    """What belongs to cases and counts, each in its order: specimens, tissue blocks, glass."""

    def find(kind: type[M], *order: Any) -> Sequence[M]:
        return session.scalars(select(kind).where(kind.case_id.in_(case_ids), kind.counts()).order_by(*order)).all()

    return (
        find(Specimen, func.length(Specimen.letter), Specimen.letter),
        find(TissueBlock, TissueBlock.number),
        find(GlassSlide, GlassSlide.number),
    )


def change_material(
    session: Session,
    case: PathologyCase,
    row: Part,
    changes: Mapping[str, Any],
    *,
    by: Actor,
) -> None:
    """Correct what is said of a specimen, a tissue block or a glass; names and numbers stay.

    Args:
        session: of this transaction.
        case: that it belongs to.
        row: to change.
        changes: new values, by the name of the column.
        by: who says so.
    """
    changed = [name for name, value in changes.items() if value != getattr(row, name)]
    for name in changed:
        setattr(row, name, changes[name])
    if changed:
        record_change(session, case, {row.__tablename__: str(row.id), "details": " ".join(sorted(changed))}, by=by)


def enter_in_error(session: Session, case: PathologyCase, row: Part, *, by: Actor, now: datetime) -> None:
    """Say that a specimen, a tissue block or a glass was registered by mistake. It is kept and no longer counted.

    Raises:
        IllegalMove: it was said before.
        Conflict: something that counts is made of it still.
    """
    if row.entered_in_error_at is not None:
        raise IllegalMove("It is entered in error already; nothing leads out of that. Register a new one.")
    blocks, glass = select(TissueBlock.id).where(TissueBlock.counts()), select(GlassSlide.id).where(GlassSlide.counts())
    made = [
        blocks.where(TissueBlock.specimen_id == row.id),
        glass.where(or_(GlassSlide.specimen_id == row.id, GlassSlide.tissue_block_id == row.id)),
    ]
    for statement in made:
        if session.scalar(statement.limit(1)):
            raise Conflict("Something that counts is made of it. Enter its tissue blocks and glass in error first.")
    if isinstance(row, GlassSlide) and session.scalar(
        select(SlideImage.id).where(SlideImage.glass_slide_id == row.id).limit(1)
    ):
        raise Conflict("There is an image of this glass. Say which glass the image is of first.")
    row.entered_in_error_at = now
    record_change(session, case, {row.__tablename__: str(row.id), "details": "entered in error"}, by=by)


def record_change(session: Session, case: PathologyCase, args: Mapping[str, str], *, by: Actor | None) -> None:
    """Write in the log that what a case consists of is another now."""
    session.flush()
    audit.record(
        session, Event.CASE_CHANGED, by=by, provider_id=case.care_provider_id, subjects=[subject_of(case)], args=args
    )
