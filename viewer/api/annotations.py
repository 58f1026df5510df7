"""Annotations: what people draw on a slide and write about it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field, FiniteFloat, StringConstraints, TypeAdapter
from sqlalchemy.orm import Session

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.decisions import admit, subject_of
from cases.access.errors import Invalid, NotPermitted, NotThere
from cases.access.gate import Intent, Resource
from cases.access.permissions import PERMITS, Permission, Role
from cases.records import annotations as rows
from cases.records.annotations import AnnotationKind, Author, Content, Drawing, Onlooker, Visibility
from cases.records.annotations.geometry import LARGEST_POSITIONS
from cases.records.slide_images import SlideImage
from cases.sharing.onlookers import find_onlooker
from cases.sharing.resources import describe_slides
from viewer.api.fields import NUMBER, Line, example
from viewer.dependencies import After, Database, Match, Now, permit, require_version, set_etag
from viewer.idempotency import Again

router = APIRouter(prefix="/api/annotations", tags=["annotations"])
slides_router = APIRouter(prefix="/api/slides", tags=["annotations"])

Reader = Annotated[Actor, Depends(permit(Permission.OPEN_IMAGE), scope="function")]
Drawer = Annotated[Actor, Depends(permit(Permission.ANNOTATE), scope="function")]

Comment = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000, pattern=r"^[^\x00-\x08\x0b-\x1f]*$")
]
Position: TypeAlias = tuple[FiniteFloat, FiniteFloat]
Positions = Annotated[list[Position], Field(max_length=LARGEST_POSITIONS)]


class Point(BaseModel):
    """One place, in level-0 pixels of the full canvas: x to the right, y downwards."""

    type: Literal["Point"]
    coordinates: Position


class LineString(BaseModel):
    """A line through places."""

    type: Literal["LineString"]
    coordinates: Positions


class Polygon(BaseModel):
    """Rings, each ending where it begins: the outline, then holes."""

    type: Literal["Polygon"]
    coordinates: Annotated[list[Positions], Field(max_length=1000)]


Geometry = Annotated[Point | LineString | Polygon, Field(discriminator="type")]
_GEOMETRY: TypeAdapter[Point | LineString | Polygon] = TypeAdapter(Geometry)


class AnnotationContent(BaseModel):
    """What an annotation says. A RECT, ELLIPSE or BOOKMARK is the ring of a rectangle, turned or not."""

    model_config = example(
        kind="RECT",
        geometry={"type": "Polygon", "coordinates": [[[10, 10], [250, 10], [250, 130.5], [10, 130.5], [10, 10]]]},
        visibility="CASE",
        label="Invasiv front",
        comment="Räknade mitoser här.",
        classification="Tumör",
    )

    kind: AnnotationKind
    geometry: Geometry
    visibility: Visibility
    label: Line | None = None
    comment: Comment | None = None
    classification: Line | None = None
    request_id: uuid.UUID | None = Field(default=None, description="The request it is for; REQUEST needs one.")


class AuthorName(BaseModel):
    """Who wrote it. No name where it is protected."""

    assignment_id: uuid.UUID
    name: str | None
    unit: str


class Annotation(BaseModel):
    """An annotation as it is now.

    Attributes:
        own: the person who asks is its author and may change it.
        locked: a signed answer cites it, so nobody may.
    """

    id: uuid.UUID
    slide_id: uuid.UUID
    kind: AnnotationKind
    geometry: Geometry
    visibility: Visibility
    label: str | None
    comment: str | None
    classification: str | None
    request_id: uuid.UUID | None
    author: AuthorName
    own: bool
    locked: bool
    created_at: datetime
    changed_at: datetime
    version: int


class AnnotationList(BaseModel):
    """Annotations on a slide, the oldest first.

    Attributes:
        next: id to go on after; None at the end.
    """

    annotations: list[Annotation]
    next: uuid.UUID | None


class AnnotationVersion(BaseModel):
    """What an annotation was.

    Attributes:
        deleted: its author took it away with this version.
    """

    version: int
    kind: AnnotationKind
    geometry: Geometry
    visibility: Visibility
    label: str | None
    comment: str | None
    classification: str | None
    request_id: uuid.UUID | None
    author: AuthorName
    deleted: bool
    at: datetime


class WantedVersion(BaseModel):
    """Which version an annotation is to be again."""

    model_config = example(version=1)

    version: Annotated[int, NUMBER, Field(ge=1, le=2**31 - 1)]


@dataclass(frozen=True)
class Seen:
    """A slide that somebody may look at, and who they are to its annotations."""

    slide: SlideImage
    resource: Resource
    who: Onlooker


def _look(database: Session, slide: SlideImage | None, actor: Actor, now: datetime) -> Seen:
    resource = describe_slides(database, [slide], by=actor, now=now).get(slide.id) if slide else None
    if slide is None or resource is None:
        raise NotThere("There is no such slide.")
    who = Onlooker(assignment_id=actor.assignment_id, unit_id=actor.unit_id)
    if slide.case_id:
        who = find_onlooker(database, slide.case_id, by=actor, now=now, links=resource.links)
    return Seen(slide, resource, who)


def _find(
    database: Session, annotation_id: uuid.UUID, actor: Actor, now: datetime, *, intent: Intent
) -> tuple[rows.Annotation, Seen]:
    """An annotation for whoever may see it. Others learn nothing, not even what the gate says of its slide."""
    row = rows.find_annotation(database, annotation_id)
    seen = _look(database, database.get(SlideImage, row.slide_image_id), actor, now)
    rows.require_visible(database, row, who=seen.who)
    _admit(database, seen, actor, now, intent=intent)
    return row, seen


def _admit(database: Session, seen: Seen, actor: Actor, now: datetime, *, intent: Intent) -> None:
    decision = admit(database, seen.resource, intent, by=actor, now=now)
    if intent is Intent.ANNOTATE:
        others = actor.roles(now) & PERMITS[Permission.ANNOTATE] - {Role.LAB}
        if not others and seen.resource.provider_id != actor.provider_id:
            raise NotPermitted("The laboratory marks what it sees on its own slides only.")
        return
    audit.record(
        database,
        Event.LIST_VIEWED,
        by=actor,
        subjects=[subject_of(seen.resource)],
        basis=decision.basis,
        decision_id=decision.id,
        args={"list": "annotations"},
    )


def _read(body: AnnotationContent, who: Onlooker) -> Drawing:
    if body.request_id is not None and body.request_id not in who.requests:
        raise Invalid("Name a request about this slide's case in which you take part.", field="request_id")
    return Drawing(
        kind=body.kind,
        geometry=body.geometry.model_dump(),
        visibility=body.visibility,
        label=body.label,
        comment=body.comment,
        classification=body.classification,
        request_id=body.request_id,
    )


def _name(content: Content, authors: dict[uuid.UUID, Author]) -> AuthorName:
    author = authors[content.author_assignment_id]
    return AuthorName(assignment_id=content.author_assignment_id, name=author.name, unit=author.unit)


def _show(database: Session, found: Sequence[rows.Annotation], actor: Actor) -> list[Annotation]:
    authors = rows.find_authors(database, found)
    return [
        Annotation(
            id=row.id,
            slide_id=row.slide_image_id,
            kind=row.kind,
            geometry=_GEOMETRY.validate_python(row.geometry),
            visibility=row.visibility,
            label=row.label,
            comment=row.comment,
            classification=row.classification,
            request_id=row.request_id,
            author=_name(row, authors),
            own=row.author_assignment_id == actor.assignment_id,
            locked=row.is_record_document,
            created_at=row.created_at,
            changed_at=row.updated_at,
            version=row.version,
        )
        for row in found
    ]


def _show_one(database: Session, row: rows.Annotation, actor: Actor, response: Response) -> Annotation:
    database.refresh(row, ["created_at", "updated_at"])
    set_etag(response, row)
    return _show(database, [row], actor)[0]


@slides_router.get("/{slide_id}/annotations")
def read_annotations(
    slide_id: uuid.UUID,
    database: Database,
    actor: Reader,
    now: Now,
    limit: Annotated[int, Query(ge=1, le=2000, description="How many at the most.")] = 500,
    after: After = None,
) -> AnnotationList:
    """List the annotations on a slide that are for you."""
    seen = _look(database, database.get(SlideImage, slide_id), actor, now)
    _admit(database, seen, actor, now, intent=Intent.VIEW)
    found, more = rows.list_annotations(database, slide_id, who=seen.who, limit=limit, after=after)
    return AnnotationList(annotations=_show(database, found, actor), next=found[-1].id if more else None)


@slides_router.post("/{slide_id}/annotations", status_code=201)
def create_annotation(
    slide_id: uuid.UUID,
    body: AnnotationContent,
    database: Database,
    actor: Drawer,
    again: Again,
    now: Now,
    response: Response,
) -> Annotation:
    """Draw on a slide."""
    if again:
        row, _ = _find(database, again.resource_id, actor, now, intent=Intent.VIEW)
        return _show_one(database, row, actor, response)
    seen = _look(database, database.get(SlideImage, slide_id), actor, now)
    _admit(database, seen, actor, now, intent=Intent.ANNOTATE)
    row = rows.draw(database, seen.slide, _read(body, seen.who), by=actor)
    again.remember(row.id)
    return _show_one(database, row, actor, response)


@router.get("/{annotation_id}")
def read_annotation(
    annotation_id: uuid.UUID, database: Database, actor: Reader, now: Now, response: Response
) -> Annotation:
    """One annotation."""
    row, _ = _find(database, annotation_id, actor, now, intent=Intent.VIEW)
    if row.deleted_at:
        raise NotThere("The annotation has been deleted.")
    return _show_one(database, row, actor, response)


@router.put("/{annotation_id}")
def change_annotation(
    annotation_id: uuid.UUID,
    body: AnnotationContent,
    database: Database,
    actor: Drawer,
    match: Match,
    now: Now,
    response: Response,
) -> Annotation:
    """Change an annotation of your own; what it was stays among its versions."""
    row, seen = _find(database, annotation_id, actor, now, intent=Intent.ANNOTATE)
    require_version(row, match)
    rows.change(database, row, _read(body, seen.who), by=actor)
    return _show_one(database, row, actor, response)


@router.delete("/{annotation_id}", status_code=204)
def delete_annotation(annotation_id: uuid.UUID, database: Database, actor: Drawer, match: Match, now: Now) -> None:
    """Take away an annotation of your own. It stays on record; `restorations` brings it back."""
    row, _ = _find(database, annotation_id, actor, now, intent=Intent.ANNOTATE)
    require_version(row, match)
    rows.delete(database, row, by=actor, now=now)


@router.get("/{annotation_id}/versions")
def read_versions(annotation_id: uuid.UUID, database: Database, actor: Reader, now: Now) -> list[AnnotationVersion]:
    """What an annotation has been, the newest first; its author reads all of it, also after it was deleted."""
    row, seen = _find(database, annotation_id, actor, now, intent=Intent.VIEW)
    if row.deleted_at and row.author_assignment_id != actor.assignment_id:
        raise NotThere("The annotation has been deleted.")
    found = rows.list_versions(database, row, who=seen.who)
    authors = rows.find_authors(database, found)
    return [
        AnnotationVersion(
            version=one.number,
            kind=one.kind,
            geometry=_GEOMETRY.validate_python(one.geometry),
            visibility=one.visibility,
            label=one.label,
            comment=one.comment,
            classification=one.classification,
            request_id=one.request_id,
            author=_name(one, authors),
            deleted=one.deleted_at is not None,
            at=one.created_at,
        )
        for one in found
    ]


@router.post("/{annotation_id}/restorations")
def restore_annotation(
    annotation_id: uuid.UUID,
    body: WantedVersion,
    database: Database,
    actor: Drawer,
    match: Match,
    now: Now,
    response: Response,
) -> Annotation:
    """Make an annotation of your own what it was in an older version; also one that you deleted."""
    row, _ = _find(database, annotation_id, actor, now, intent=Intent.ANNOTATE)
    require_version(row, match)
    rows.restore(database, row, body.version, by=actor)
    return _show_one(database, row, actor, response)
