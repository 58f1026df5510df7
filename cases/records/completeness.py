"""Whether a case's glass has been scanned: what is there, what is waited for, and which is missing."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cases.records.slide_images import SlideImage, SlideStatus
from cases.records.specimens import GlassSlide, Specimen, TissueBlock, name_glass

VIEWABLE = (SlideStatus.VERIFIED, SlideStatus.AVAILABLE)


@dataclass(frozen=True, slots=True)
class Completeness:
    """How much of a case's glass can be looked at: "7 of 8 slides".

    Attributes:
        arrived: glass with an image that can be opened; where no glass is registered, images that can be opened.
        expected: glass that an image is waited for, with any more that came; where none is registered, all images.
        missing: names of the glass without such an image, in order: "A1-2 HE".
        untied: images that can be opened and that nobody has said the glass of.
    """

    arrived: int = 0
    expected: int = 0
    missing: tuple[str, ...] = ()
    untied: int = 0

    @property
    def complete(self) -> bool:
        """Whether there is something to look at and nothing is missing."""
        return self.arrived > 0 and self.arrived >= self.expected

    def __str__(self) -> str:
        return f"{self.arrived} of {self.expected} slides"


def find_completeness(session: Session, case_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Completeness]:
    """How complete cases are, in two queries however many they are.

    What this transaction may not see counts as not there: ask inside `platform` about another provider's cases.
    """
    images: dict[uuid.UUID | None, list[tuple[uuid.UUID | None, bool]]] = defaultdict(list)
    for case_id, glass_id, status in session.execute(
        select(SlideImage.case_id, SlideImage.glass_slide_id, SlideImage.status).where(SlideImage.case_id.in_(case_ids))
    ):
        images[case_id].append((glass_id, status in VIEWABLE))
    glass: dict[uuid.UUID, list[GlassSlide]] = defaultdict(list)
    names: dict[uuid.UUID, str] = {}
    rows = session.execute(
        select(GlassSlide, Specimen.letter, TissueBlock.number)
        .join(Specimen, Specimen.id == GlassSlide.specimen_id)
        .outerjoin(TissueBlock, TissueBlock.id == GlassSlide.tissue_block_id)
        .where(GlassSlide.case_id.in_(case_ids), GlassSlide.entered_in_error_at.is_(None))
        .order_by(func.length(Specimen.letter), Specimen.letter, TissueBlock.number, GlassSlide.number)
    )
    for row, letter, block in rows:
        glass[row.case_id].append(row)
        names[row.id] = name_glass(row, letter, block)
    return {case_id: _count(glass[case_id], names, images[case_id]) for case_id in case_ids}


def _count(
    glass: list[GlassSlide], names: dict[uuid.UUID, str], images: list[tuple[uuid.UUID | None, bool]]
) -> Completeness:
    there = {glass_id for glass_id, viewable in images if viewable}
    untied = sum(viewable and glass_id is None for glass_id, viewable in images)
    if not glass:
        return Completeness(arrived=untied, expected=len(images), untied=untied)
    missing = tuple(names[one.id] for one in glass if one.expected and one.id not in there)
    arrived = sum(one.id in there for one in glass)
    return Completeness(arrived=arrived, expected=arrived + len(missing), missing=missing, untied=untied)
