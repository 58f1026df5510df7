"""Annotations as rows: what somebody drew on a slide, every version of it, and who may see it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import accumulate
from typing import Any

from sqlalchemy import CheckConstraint, ColumnElement, Enum, ForeignKey, Index, UniqueConstraint, and_, or_, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from cases.access.errors import NotThere
from cases.access.organisations import CareUnit
from cases.access.people import Assignment, Person
from cases.database import Base, Versioned

PAGE_POSITIONS = 200_000
"""Of all annotations of one page of a list together; some megabytes."""


class AnnotationKind(StrEnum):
    """What it is that was drawn. Source: domain rules, 3.4."""

    POINT = "POINT"
    LINE = "LINE"
    RECT = "RECT"
    ELLIPSE = "ELLIPSE"
    POLYGON = "POLYGON"
    FREEHAND = "FREEHAND"
    BOOKMARK = "BOOKMARK"


class Visibility(StrEnum):
    """For whom it is, each circle wider than the one before. Source: domain rules, 3.4."""

    PRIVATE = "PRIVATE"
    UNIT = "UNIT"
    REQUEST = "REQUEST"
    CASE = "CASE"
    MDT = "MDT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Onlooker:
    """Somebody who may look at a slide, as far as it decides which annotations on it are for them.

    Attributes:
        requests: that their care provider is a party of.
        in_care: something else than a conference ties them to the patient's care.
        withheld_from: care providers whose annotations for the whole case they are not to see yet.
    """

    assignment_id: uuid.UUID
    unit_id: uuid.UUID
    requests: frozenset[uuid.UUID] = frozenset()
    in_care: bool = True
    withheld_from: frozenset[uuid.UUID] = frozenset()


class Content:
    """What a version of an annotation holds.

    Attributes:
        care_provider_id: the author's, whose record it is part of.
        author_unit_id: the author's care unit of law (PDL) then.
        geometry: as GeoJSON, in level-0 pixels of the full canvas, origin at its top left corner.
        classification: a class of the author's own or of a list: "Tumör".
        request_id: for which request it was made, if for any.
        deleted_at: the author took it away; the row stays.
    """

    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"), index=True)
    author_assignment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("assignment.id"))
    author_unit_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_unit.id"))
    kind: Mapped[AnnotationKind] = mapped_column(Enum(AnnotationKind, native_enum=False, length=40))
    geometry: Mapped[dict[str, Any]] = mapped_column(JSONB)
    label: Mapped[str | None]
    comment: Mapped[str | None]
    classification: Mapped[str | None]
    visibility: Mapped[Visibility] = mapped_column(Enum(Visibility, native_enum=False, length=40))
    request_id: Mapped[uuid.UUID | None]
    deleted_at: Mapped[datetime | None]

    @classmethod
    def visible_to(cls, who: Onlooker) -> ColumnElement[bool]:
        """Whether it is for somebody; their own always is."""
        circles = [
            cls.author_assignment_id == who.assignment_id,
            and_(cls.visibility == Visibility.UNIT, cls.author_unit_id == who.unit_id),
            and_(cls.visibility == Visibility.REQUEST, cls.request_id.in_(who.requests)),
        ]
        wide = (Visibility.CASE, Visibility.MDT) if who.in_care else (Visibility.MDT,)
        circles.append(and_(cls.visibility.in_(wide), cls.care_provider_id.not_in(who.withheld_from)))
        return or_(*circles)


class Annotation(Versioned, Content, Base):
    """An annotation as it is now.

    Attributes:
        positions: how many its geometry has.
        is_record_document: a signed answer cites it; from then on it stays as it is.
    """

    __tablename__ = "annotation"
    __table_args__ = (
        Index("ix_annotation_slide_image_id_id", "slide_image_id", "id"),
        Index("ix_annotation_request_id", "request_id"),
        CheckConstraint("visibility <> 'REQUEST' OR request_id IS NOT NULL", "request_is_named"),
        CheckConstraint("positions BETWEEN 1 AND 100000", "positions_are_counted"),
        CheckConstraint(
            "NOT is_record_document OR deleted_at IS NULL AND visibility NOT IN ('PRIVATE', 'UNIT')",
            "what_is_cited_can_be_read",
        ),
    )

    slide_image_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("slide_image.id"))
    positions: Mapped[int]
    is_record_document: Mapped[bool] = mapped_column(default=False)


class AnnotationVersion(Content, Base):
    """What an annotation was at some time. Rows are only ever added.

    Attributes:
        number: the annotation's version that this is.
    """

    __tablename__ = "annotation_version"
    __table_args__ = (UniqueConstraint("annotation_id", "number"),)

    annotation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("annotation.id"))
    number: Mapped[int]


@dataclass(frozen=True, slots=True)
class Author:
    """Who drew an annotation, as its readers may know them: their name unless it is protected, and their unit's."""

    name: str | None
    unit: str


CONTENT = tuple(Content.__annotations__)
"""The columns of a version's content."""


def copy_content(source: Content) -> dict[str, Any]:
    """Everything that a version holds, by column."""
    return {name: getattr(source, name) for name in CONTENT}


def find_annotation(session: Session, annotation_id: uuid.UUID) -> Annotation:
    """An annotation that the actor's care provider may know of, deleted or not. Raises NotThere.

    Whether it is for the actor is for `require_visible` to say, and whether they may look at its slide for the gate.
    """
    annotation = session.get(Annotation, annotation_id)
    if annotation is None:
        raise NotThere("There is no such annotation.")
    return annotation


def require_visible(session: Session, annotation: Annotation, *, who: Onlooker) -> None:
    """Raise NotThere for an annotation that is not for somebody: it looks like one that never was."""
    visible = select(Annotation.id).where(Annotation.id == annotation.id, Annotation.visible_to(who))
    if session.scalar(visible) is None:
        raise NotThere("There is no such annotation.")


def list_annotations(
    session: Session, slide_id: uuid.UUID, *, who: Onlooker, limit: int, after: uuid.UUID | None = None
) -> tuple[list[Annotation], bool]:
    """Annotations on a slide that are for somebody, the oldest first; deleted ones are left out.

    A page ends early once its geometries have many positions together.

    Returns:
        The annotations, and whether more follow.
    """
    statement = select(Annotation.id, Annotation.positions).where(
        Annotation.slide_image_id == slide_id, Annotation.deleted_at.is_(None), Annotation.visible_to(who)
    )
    if after is not None:
        statement = statement.where(Annotation.id > after)
    found = session.execute(statement.order_by(Annotation.id).limit(limit + 1)).all()
    sums = accumulate(row.positions for row in found)
    page = [row.id for row, total in zip(found[:limit], sums, strict=False) if total <= PAGE_POSITIONS]
    # One that is large by itself makes a page by itself.
    page = page or [row.id for row in found[:1]]
    rows = session.scalars(select(Annotation).where(Annotation.id.in_(page)).order_by(Annotation.id))
    return list(rows), len(page) < len(found)


def list_versions(session: Session, annotation: Annotation, *, who: Onlooker) -> list[AnnotationVersion]:
    """What an annotation has been, the newest first; of others' only what was for somebody then too."""
    return list(
        session.scalars(
            select(AnnotationVersion)
            .where(AnnotationVersion.annotation_id == annotation.id, AnnotationVersion.visible_to(who))
            .order_by(AnnotationVersion.number.desc())
        )
    )


def find_authors(session: Session, contents: Iterable[Content]) -> dict[uuid.UUID, Author]:
    """Who wrote some annotations or versions of them, by assignment."""
    rows = session.execute(
        select(Assignment.id, Person, CareUnit.name)
        .join(Person, Person.id == Assignment.person_id)
        .join(CareUnit, CareUnit.id == Assignment.care_unit_id)
        .where(Assignment.id.in_({content.author_assignment_id for content in contents}))
    )
    return {found: Author(person.listed_name, unit) for found, person, unit in rows}
