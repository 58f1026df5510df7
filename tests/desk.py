"""A case with a slide that people draw on, at home and in another care provider that was asked about it."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime

from asked import Asked
from sqlalchemy import select
from world import Place, Somebody

from cases.access.errors import NotThere
from cases.access.gate import CareLink
from cases.records.annotations import (
    Annotation,
    AnnotationKind,
    Drawing,
    Visibility,
    draw,
    find_annotation,
    list_annotations,
    require_visible,
)
from cases.records.slide_images import SlideImage
from cases.sharing.onlookers import find_onlooker

POINT = Drawing(
    kind=AnnotationKind.POINT, geometry={"type": "Point", "coordinates": [10.5, 20]}, visibility=Visibility.CASE
)


class Desk:
    """A case with a slide in Kalmar, and people who look at it."""

    def __init__(self, kalmar: Place) -> None:
        self.owner = kalmar
        self.case = kalmar.case(kalmar.patient(kalmar.world.number()))
        self.slide_id = kalmar.world.slide(self.case)

    def draw(self, who: Somebody, drawing: Drawing = POINT, **changes: object) -> uuid.UUID:
        """Have somebody draw on the slide."""
        with who.acting() as (session, actor):
            slide = session.get_one(SlideImage, self.slide_id)
            return draw(session, slide, replace(drawing, **changes), by=actor).id  # type: ignore[arg-type]

    def seen_by(self, who: Somebody, *, links: frozenset[CareLink] = frozenset({CareLink.QUEUE})) -> list[uuid.UUID]:
        """What the list shows somebody, which must be just what they can ask for one by one."""
        with who.acting() as (session, actor):
            onlooker = find_onlooker(session, self.case.id, by=actor, now=datetime.now(UTC), links=links)
            found, more = list_annotations(session, self.slide_id, who=onlooker, limit=100)
            assert not more
            for annotation_id in session.scalars(select(Annotation.id)).all():
                annotation = find_annotation(session, annotation_id)
                if annotation.slide_image_id == self.slide_id and not annotation.deleted_at:
                    try:
                        require_visible(session, annotation, who=onlooker)
                    except NotThere:
                        assert annotation not in found
                    else:
                        assert annotation in found
            return [annotation.id for annotation in found]

    def ask(self, performer: Place, *, blind: bool = False) -> uuid.UUID:
        """A request about the case and its slide that has been offered."""
        request_id = Asked(self.owner, performer).ask(self.case, slides=[self.slide_id])
        database = self.owner.world.database
        database.query("UPDATE share_request SET blind = :blind WHERE id = :id", blind=blind, id=request_id)
        return request_id
