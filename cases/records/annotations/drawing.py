"""Drawing annotations and changing one's own: each change is a version, and none is ever lost."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event, Subject
from cases.access.errors import Conflict, Invalid, NotPermitted, NotThere
from cases.database import platform
from cases.records.annotations.annotation import (
    Annotation,
    AnnotationKind,
    AnnotationVersion,
    Onlooker,
    Visibility,
    copy_content,
)
from cases.records.annotations.geometry import GeoJson, check_geometry
from cases.records.pathology_case import PathologyCase
from cases.records.slide_images import SlideImage


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """What an author says of an annotation; see `Content` for what is what."""

    kind: AnnotationKind
    geometry: GeoJson
    visibility: Visibility
    label: str | None = None
    comment: str | None = None
    classification: str | None = None
    request_id: uuid.UUID | None = None


def draw(session: Session, slide: SlideImage, drawing: Drawing, *, by: Actor) -> Annotation:
    """Put an annotation on a slide. That the actor may, and is a party of the request it names, is asked before.

    Raises:
        Invalid: its geometry does not fit, or it is for a request and names none.
        Conflict: the slide has no size yet, or belongs to no case.
    """
    annotation = Annotation(
        care_provider_id=by.provider_id,
        slide_image_id=slide.id,
        author_assignment_id=by.assignment_id,
        author_unit_id=by.unit_id,
        created_by=by.assignment_id,
        positions=_check(slide, drawing),
        is_record_document=False,
        **asdict(drawing),
    )
    session.add(annotation)
    _keep_version(session, annotation)
    _record(session, Event.ANNOTATION_CREATED, annotation, slide, by=by)
    return annotation


def change(session: Session, annotation: Annotation, drawing: Drawing, *, by: Actor) -> None:
    """Change one's own annotation. That what is changed is its newest version is seen to before.

    Raises:
        NotPermitted: it is somebody else's.
        NotThere: it was deleted meanwhile.
        Conflict: a signed answer cites it, or the slide has no size.
        Invalid: as for `draw`.
    """
    slide = _lock_own(session, annotation, by=by)
    annotation.positions = _check(slide, drawing)
    _write(session, annotation, asdict(drawing))
    _record(session, Event.ANNOTATION_CHANGED, annotation, slide, by=by)


def delete(session: Session, annotation: Annotation, *, by: Actor, now: datetime) -> None:
    """Take one's own annotation away. It stays on record, and can be restored.

    Raises:
        NotPermitted, NotThere, Conflict: as for `change`.
    """
    slide = _lock_own(session, annotation, by=by)
    _write(session, annotation, {"deleted_at": now})
    _record(session, Event.ANNOTATION_DELETED, annotation, slide, by=by)


def restore(session: Session, annotation: Annotation, number: int, *, by: Actor) -> None:
    """Make one's own annotation what it was in an older version, in every part; also if it was deleted since.

    Raises:
        NotPermitted, Conflict: as for `change`.
        NotThere: it has no such version, or was deleted in it.
    """
    slide = _lock_own(session, annotation, by=by, deleted=True)
    old = session.scalar(
        select(AnnotationVersion).where(
            AnnotationVersion.annotation_id == annotation.id, AnnotationVersion.number == number
        )
    )
    if old is None or old.deleted_at:
        raise NotThere("The annotation has no such version that could be restored.")
    annotation.positions = check_geometry(old.kind, old.geometry, width=slide.width or 0, height=slide.height or 0)
    _write(session, annotation, copy_content(old))
    _record(session, Event.ANNOTATION_CHANGED, annotation, slide, by=by, restored=number)


def freeze(
    session: Session, annotation_ids: Collection[uuid.UUID], *, case_id: uuid.UUID, who: Onlooker
) -> dict[uuid.UUID, int]:
    """Lock annotations that a signed answer cites: they are part of the record now, and stay as they are.

    Args:
        session: of the transaction that signs.
        annotation_ids: on slides of the case, the signer's own or others'.
        case_id: that the answer is about.
        who: signs.

    Returns:
        Which version of each is cited.

    Raises:
        Invalid: one of them is not there for the signer, or is not for everybody who will read the answer.
    """
    if not annotation_ids:
        return {}
    wanted = (
        select(Annotation)
        .join(SlideImage, SlideImage.id == Annotation.slide_image_id)
        .where(
            Annotation.id.in_(annotation_ids),
            SlideImage.case_id == case_id,
            Annotation.deleted_at.is_(None),
            Annotation.visible_to(who),
        )
        .execution_options(populate_existing=True)
    )
    # First as the signer's care provider sees them; what is another's can then be locked only across providers.
    known = {annotation.id for annotation in session.scalars(wanted)}
    with platform(session):
        locked = session.scalars(
            wanted.where(Annotation.id.in_(known)).order_by(Annotation.id).with_for_update(of=Annotation)
        ).all()
        if len(locked) != len(set(annotation_ids)):
            raise Invalid("An annotation that is cited is not there. Read the annotations again.", field="annotations")
        if any(one.visibility in (Visibility.PRIVATE, Visibility.UNIT) for one in locked):
            raise Invalid(
                "An annotation that is cited is not for those who will read the answer. Make it visible to the request "
                "or the case first.",
                field="annotations",
            )
        fresh = [one.id for one in locked if not one.is_record_document]
        session.execute(update(Annotation).where(Annotation.id.in_(fresh)).values(is_record_document=True))
    return {one.id: one.version for one in locked}


def _check(slide: SlideImage, drawing: Drawing) -> int:
    if slide.case_id is None or slide.width is None or slide.height is None:
        raise Conflict("A slide can be annotated once it is verified and belongs to a case.")
    if drawing.visibility is Visibility.REQUEST and drawing.request_id is None:
        raise Invalid("Say for which request it is.", field="request_id")
    return check_geometry(drawing.kind, drawing.geometry, width=slide.width, height=slide.height)


def _lock_own(session: Session, annotation: Annotation, *, by: Actor, deleted: bool = False) -> SlideImage:
    """Let nobody else change it, nor an answer cite it, before this transaction ends."""
    if annotation.author_assignment_id != by.assignment_id:
        raise NotPermitted("An annotation is changed by its author alone. Draw your own beside it.")
    # The row as it was read stays, so that its version is compared when it is written.
    cited, gone = session.execute(
        select(Annotation.is_record_document, Annotation.deleted_at)
        .where(Annotation.id == annotation.id)
        .with_for_update()
    ).one()
    if cited:
        raise Conflict("A signed answer cites this annotation, so it stays as it is. Draw a new one beside it.")
    if gone and not deleted:
        raise NotThere("The annotation has been deleted.")
    return session.get_one(SlideImage, annotation.slide_image_id)


def _write(session: Session, annotation: Annotation, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        setattr(annotation, name, value)
    if session.is_modified(annotation):
        _keep_version(session, annotation)


def _keep_version(session: Session, annotation: Annotation) -> None:
    session.flush()
    session.add(AnnotationVersion(annotation_id=annotation.id, number=annotation.version, **copy_content(annotation)))
    session.flush()


def _record(
    session: Session, event: Event, annotation: Annotation, slide: SlideImage, *, by: Actor, **more: int
) -> None:
    case = session.get_one(PathologyCase, slide.case_id)
    subjects = [
        Subject(
            kind="annotation",
            id=annotation.id,
            patient_id=case.patient_id,
            provider_id=by.provider_id,
            unit_id=by.unit_id,
        ),
        Subject(
            kind="slide",
            id=slide.id,
            patient_id=case.patient_id,
            provider_id=slide.care_provider_id,
            unit_id=slide.care_unit_id,
        ),
    ]
    audit.record(session, event, by=by, subjects=subjects, args={"version": annotation.version, **more})
