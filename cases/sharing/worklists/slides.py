"""The list of slides: just what the gate lets somebody see, never more."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import CTE, Row, Select, or_, select, union, union_all
from sqlalchemy.orm import Session

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.decisions import admit, subject_of
from cases.access.errors import NotThere
from cases.access.gate import Code, Intent, Resource, decide
from cases.records.pathology_case import OPEN, CaseMember, PathologyCase
from cases.records.slide_images import SlideImage
from cases.sharing.resources import describe_slides

BATCH = 100
"""Slides that are asked the gate about together."""
ABOUT_THE_ACTOR = frozenset({Code.D01, Code.D02, Code.D03, Code.D04})
"""Refusals that say nothing of a slide: of one's own unit's, where one is refused so, all are."""


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
        rows = session.execute(_newest(by, before)).all()
        if not rows:
            break
        before = rows[-1][0].number
        asked = _ask(session, rows, by=by, now=now)
        found += asked.listed
        resources += asked.resources
        if asked.codes & ABOUT_THE_ACTOR:
            break
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
    asked = _ask(session, session.execute(_those(by, slide_ids)).all(), by=by, now=now)
    new = [subject_of(resource) for resource in asked.resources if resource.id not in shown]
    if new:
        audit.record(session, Event.LIST_VIEWED, by=by, subjects=new, args={"list": "slides"})
    return asked.listed


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


def _reachable(by: Actor) -> CTE:
    """Cases of the own unit among which the gate chooses: closed ones only of those who take part in them.

    They are few, whatever has been closed over the years, so slides are looked for from here.
    """
    return union(
        select(PathologyCase.id).where(PathologyCase.care_unit_id == by.unit_id, PathologyCase.status.in_(OPEN)),
        select(PathologyCase.id).where(PathologyCase.responsible_assignment_id == by.assignment_id),
        select(CaseMember.case_id).where(CaseMember.assignment_id == by.assignment_id, CaseMember.ended_at.is_(None)),
    ).cte("reachable", nesting=True)


def _newest(by: Actor, before: int | None) -> Select[SlideImage, PathologyCase]:
    """The next batch of slides of the own unit to ask the gate about."""
    reachable = _reachable(by)
    numbers = select(SlideImage.number).where(SlideImage.care_unit_id == by.unit_id)
    if before is not None:
        numbers = numbers.where(SlideImage.number < before)
    candidates = union_all(
        numbers.join(reachable, reachable.c.id == SlideImage.case_id),
        numbers.where(SlideImage.case_id.is_(None)),
    ).subquery()
    newest = select(candidates.c.number).order_by(candidates.c.number.desc()).limit(BATCH).subquery()
    return (
        select(SlideImage, PathologyCase)
        .join(newest, newest.c.number == SlideImage.number)
        .outerjoin(PathologyCase, PathologyCase.id == SlideImage.case_id)
        .order_by(SlideImage.number.desc())
    )


def _those(by: Actor, slide_ids: Collection[uuid.UUID]) -> Select[SlideImage, PathologyCase]:
    """Of some slides those of the own unit that the list could hold."""
    return (
        select(SlideImage, PathologyCase)
        .outerjoin(PathologyCase, PathologyCase.id == SlideImage.case_id)
        .where(
            SlideImage.id.in_(slide_ids),
            SlideImage.care_unit_id == by.unit_id,
            or_(PathologyCase.id.is_(None), PathologyCase.id.in_(select(_reachable(by).c.id))),
        )
        .order_by(SlideImage.number.desc())
    )


@dataclass(frozen=True)
class _Asked:
    """What the gate said about some slides.

    Attributes:
        listed, resources: those that may be known of, one to one.
        codes: why others may not.
    """

    listed: list[Listed]
    resources: list[Resource]
    codes: set[Code]


def _ask(session: Session, rows: Sequence[Row[SlideImage, PathologyCase]], *, by: Actor, now: datetime) -> _Asked:
    described = describe_slides(session, [slide for slide, _ in rows], by=by, now=now)
    asked = _Asked([], [], set())
    for slide, case in rows:
        if (resource := described.get(slide.id)) is None:
            continue
        decision = decide(by, resource, Intent.READ, now)
        if decision.code:
            asked.codes.add(decision.code)
            continue
        asked.listed.append(Listed(slide, case, decide(by, resource, Intent.VIEW, now).allow))
        asked.resources.append(resource)
    return asked
