"""What somebody finds in their lists: just what the gate lets them see, never more."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, Select, or_, select
from sqlalchemy.orm import Session

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.decisions import admit, subject_of
from cases.access.errors import NotThere
from cases.access.gate import Intent, Resource, decide
from cases.records.pathology_case import OPEN, CaseMember, PathologyCase
from cases.records.slide_images import SlideImage
from cases.sharing.resources import describe_slides

BATCH = 100
"""Slides that are asked the gate about together."""


@dataclass(frozen=True)
class Listed:
    """A slide that somebody may know of.

    Attributes:
        case: that it belongs to.
        may_open: whether they may look at its pixels now.
    """

    slide: SlideImage
    case: PathologyCase | None
    may_open: bool


def list_slides(session: Session, *, by: Actor, now: datetime, limit: int, before: int | None = None) -> list[Listed]:
    """Slides of the own unit that somebody may know of, the newest first.

    Args:
        session: of this transaction.
        by: who looks.
        now: when.
        limit: how many at the most.
        before: only those with lower numbers than this.
    """
    found: list[Listed] = []
    resources: list[Resource] = []
    while len(found) < limit:
        rows = session.execute(_candidates(by, before).limit(BATCH)).all()
        if not rows:
            break
        before = rows[-1][0].number
        for listed, resource in _ask(session, rows, by=by, now=now):
            found.append(listed)
            resources.append(resource)
    subjects = [subject_of(resource) for resource in resources[:limit]]
    audit.record(session, Event.LIST_VIEWED, by=by, subjects=subjects, args={"list": "slides"})
    return found[:limit]


def list_these(
    session: Session,
    slide_ids: Collection[uuid.UUID],
    *,
    by: Actor,
    now: datetime,
    shown: Collection[uuid.UUID] = (),
) -> list[Listed]:
    """Those of some slides that somebody would find in the list; for a list that is on the screen.

    Args:
        session: of this transaction.
        slide_ids: of slides of the own unit.
        by: who looks.
        now: when.
        shown: those that the list has shown already; only others are logged as seen.
    """
    rows = session.execute(_candidates(by, None).where(SlideImage.id.in_(slide_ids))).all()
    found = _ask(session, rows, by=by, now=now)
    new = [subject_of(resource) for _, resource in found if resource.id not in shown]
    if new:
        audit.record(session, Event.LIST_VIEWED, by=by, subjects=new, args={"list": "slides"})
    return [listed for listed, _ in found]


def find_slide(session: Session, slide_id: uuid.UUID, *, by: Actor, now: datetime) -> Listed:
    """One slide, of whatever unit or provider.

    Raises:
        NotThere: there is none that this provider may know of.
        Refused: the gate said no.
    """
    slide = session.get(SlideImage, slide_id)
    resource = describe_slides(session, [slide], by=by, now=now).get(slide_id) if slide else None
    if slide is None or resource is None:
        raise NotThere("There is no such slide.")
    decision = admit(session, resource, Intent.READ, by=by, now=now)
    audit.record(
        session,
        Event.CASE_VIEWED,
        by=by,
        subjects=[subject_of(resource)],
        basis=decision.basis,
        decision_id=decision.id,
    )
    case = session.get(PathologyCase, slide.case_id) if slide.case_id else None
    return Listed(slide, case, decide(by, resource, Intent.VIEW, now).allow)


def _candidates(by: Actor, before: int | None) -> Select[SlideImage, PathologyCase]:
    """Slides of the own unit among which the gate chooses: closed cases only of those who take part in them."""
    taken_part = select(CaseMember.case_id).where(
        CaseMember.assignment_id == by.assignment_id, CaseMember.ended_at.is_(None)
    )
    statement = (
        select(SlideImage, PathologyCase)
        .outerjoin(PathologyCase, PathologyCase.id == SlideImage.case_id)
        .where(SlideImage.care_unit_id == by.unit_id)
        .where(
            or_(
                PathologyCase.id.is_(None),
                PathologyCase.status.in_(OPEN),
                PathologyCase.responsible_assignment_id == by.assignment_id,
                PathologyCase.id.in_(taken_part),
            )
        )
        .order_by(SlideImage.number.desc())
    )
    return statement.where(SlideImage.number < before) if before is not None else statement


def _ask(
    session: Session, rows: Sequence[Row[SlideImage, PathologyCase]], *, by: Actor, now: datetime
) -> list[tuple[Listed, Resource]]:
    resources = describe_slides(session, [slide for slide, _ in rows], by=by, now=now)
    return [
        (Listed(slide, case, decide(by, resource, Intent.VIEW, now).allow), resource)
        for slide, case in rows
        if (resource := resources.get(slide.id)) and decide(by, resource, Intent.READ, now).allow
    ]
