"""Viewings: who has which slide open, since when and why. A row each; no tile is served without one.

The id in a tile's address is no capability: the cookie of the session that opened the viewing goes with every
tile. A viewing rests on one answer of the gate and ends with the first thing that answer rested on; while somebody
looks it is renewed by asking the gate again.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, ForeignKey, Index, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from cases.access import audit, rights
from cases.access.actors import Actor
from cases.access.audit import Event, Subject
from cases.access.decisions import admit, subject_of, write_decision
from cases.access.errors import NotThere
from cases.access.gate import Code, Intent, decide
from cases.access.organisations import CareProvider
from cases.access.rights import Changed
from cases.access.sessions import SignInSession, actors_of, alive
from cases.database import Base, is_among, platform
from cases.records.pathology_case import PathologyCase
from cases.records.slide_images import PyramidState, SlideImage, SlideStatus
from cases.sharing.requests import effects
from cases.sharing.resources import describe_slides

RENEW_BEFORE = timedelta(minutes=1)
"""A viewing with less time than this left is decided again when its page says that somebody still looks."""


class Viewing(Base):
    """One person, under one assignment, with one slide open.

    Attributes:
        care_provider_id: of who looks.
        basis: why they may.
        decision_id: the gate's answer that it rests on.
        until: when it ends unless the gate is asked again.
        early: opened by quality control before anybody else may see the slide, or in quarantine.
        closed_at: when it ended.
        ended_code: the gate's reason, where a right ended rather than the looking.
    """

    __tablename__ = "viewing"
    __table_args__ = (
        Index("ix_viewing_open", "until", postgresql_where="closed_at IS NULL"),
        Index("ix_viewing_session_id", "session_id"),
        Index("ix_viewing_slide_image_id", "slide_image_id"),
    )

    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"), index=True)
    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sign_in_session.id"))
    assignment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("assignment.id"))
    slide_image_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("slide_image.id"))
    basis: Mapped[str]
    decision_id: Mapped[uuid.UUID]
    until: Mapped[datetime]
    early: Mapped[bool]
    closed_at: Mapped[datetime | None]
    ended_code: Mapped[str | None]


@dataclass(frozen=True)
class LiveViewing:
    """What a process needs to know of a viewing to serve its tiles.

    Attributes:
        session_id, token_digest: of the session that opened it; SHA-256 of its token.
        slide_image_id: whose tiles.
        original_digest: where the archive has the original.
        has_pyramid: whether tiles come from a pyramid file.
        kept_seconds: how long the owner lets browsers keep them.
    """

    id: uuid.UUID
    session_id: uuid.UUID
    token_digest: bytes
    slide_image_id: uuid.UUID
    original_digest: str
    has_pyramid: bool
    kept_seconds: int


def open_viewing(session: Session, slide: SlideImage, *, by: Actor, now: datetime) -> Viewing:
    """Open a slide for somebody.

    Raises:
        Refused: the gate said no.
        NotThere: nobody owns the slide yet.
    """
    unbegun = effects.lock_unbegun(session, slide, by=by)
    rights.hold(session, _rests_on(session, slide, by))
    # From here on nothing of this ends unseen; what was read before is read again.
    session.refresh(slide)
    fresh = actors_of(session, [by.session_id], now=now).get(by.session_id, replace(by, ended=True))
    by = replace(fresh, client_ip=by.client_ip, user_agent_digest=by.user_agent_digest)
    resource = describe_slides(session, [slide], by=by, now=now).get(slide.id)
    if resource is None:
        raise NotThere("There is no such slide.")
    decision = admit(session, resource, Intent.VIEW, by=by, now=now)
    viewing = Viewing(
        care_provider_id=by.provider_id,
        session_id=by.session_id,
        assignment_id=by.assignment_id,
        slide_image_id=slide.id,
        basis=decision.basis,
        decision_id=decision.id,
        until=decision.until,
        early=not slide.viewable,
    )
    session.add(viewing)
    session.flush()
    audit.record(
        session,
        Event.SLIDE_OPENED,
        by=by,
        subjects=[subject_of(resource)],
        basis=decision.basis,
        decision_id=decision.id,
        args={"viewing": str(viewing.id)},
    )
    effects.begin(session, unbegun, by=by, now=now)
    return viewing


def find_viewing(session: Session, viewing_id: uuid.UUID, *, by: Actor) -> Viewing:
    """A viewing that this session opened, ended or not. Raises NotThere, for anybody else's too."""
    viewing = session.scalar(select(Viewing).where(Viewing.id == viewing_id, Viewing.session_id == by.session_id))
    if viewing is None:
        raise NotThere("This session has opened no such viewing.")
    return viewing


def is_live(viewing: Viewing, now: datetime) -> bool:
    """Whether a viewing still holds."""
    return viewing.closed_at is None and viewing.until > now


def renew(session: Session, viewing: Viewing, *, by: Actor, now: datetime) -> None:
    """Somebody still looks: ask the gate again, where the last answer is about to run out."""
    if viewing.closed_at is None and viewing.until - now < RENEW_BEFORE:
        _decide_again(session, [(viewing, by)], now=now)


def close_viewing(session: Session, viewing: Viewing, *, by: Actor, now: datetime) -> None:
    """The person is done looking. Closing twice changes nothing."""
    if viewing.closed_at is not None:
        return
    viewing.closed_at = now
    slide = session.get(SlideImage, viewing.slide_image_id)
    subjects = [subject_of(describe_slides(session, [slide], by=by, now=now)[slide.id])] if slide else []
    _log_end(session, viewing, by=by, subjects=subjects, now=now)


def reconsider(session: Session) -> None:
    """Before the commit: whoever may have lost a right loses what they look at, in the same transaction.

    What changed has been noted by `cases.access.rights.changed`; the gate decides each viewing again.
    """
    changed: Changed | None = session.info.pop("changed", None)
    if not changed:
        return
    session.flush()
    rights.claim(session, changed)
    now = datetime.now(UTC)
    with platform(session):
        affected = list(
            session.scalars(
                select(Viewing)
                .join(SignInSession, SignInSession.id == Viewing.session_id)
                .join(SlideImage, SlideImage.id == Viewing.slide_image_id)
                .where(Viewing.closed_at.is_(None), Viewing.until > now)
                .outerjoin(PathologyCase, PathologyCase.id == SlideImage.case_id)
                .where(_touches(changed))
                .order_by(Viewing.id)
                .with_for_update(of=Viewing)
            )
        )
        actors = actors_of(session, {viewing.session_id for viewing in affected}, now=now)
        _decide_again(session, [(viewing, actors.get(viewing.session_id)) for viewing in affected], now=now)


def find_live(session: Session, viewing_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, LiveViewing]:
    """Those of the given viewings that still hold, with their sessions, of slides that can be shown."""
    with platform(session):
        rows = session.execute(
            select(
                Viewing.id,
                Viewing.session_id,
                SignInSession.token_digest,
                SlideImage.id,
                SlideImage.original_digest,
                SlideImage.pyramid == PyramidState.READY,
                CareProvider.tile_cache_seconds,
            )
            .join(SignInSession, SignInSession.id == Viewing.session_id)
            .join(SlideImage, SlideImage.id == Viewing.slide_image_id)
            .join(CareProvider, CareProvider.id == SlideImage.care_provider_id)
            .where(
                is_among(Viewing.id, viewing_ids),
                Viewing.closed_at.is_(None),
                Viewing.until > datetime.now(UTC),
                or_(Viewing.early, SlideImage.status.in_((SlideStatus.VERIFIED, SlideStatus.AVAILABLE))),
                alive(datetime.now(UTC)),
            )
        ).all()
    return {row[0]: LiveViewing(*row) for row in rows}


def _rests_on(session: Session, slide: SlideImage, by: Actor) -> list[uuid.UUID]:
    """Everything by whose change a viewing may end, as `_touches` looks for it."""
    patient_id = session.scalar(select(PathologyCase.patient_id).where(PathologyCase.id == slide.case_id))
    found = (by.assignment_id, by.session_id, by.provider_id, slide.care_provider_id, slide.id, patient_id)
    return [one for one in found if one]


def _touches(changed: Changed) -> ColumnElement[bool]:
    """Which open viewings a change may concern."""
    return or_(
        Viewing.assignment_id.in_(changed.assignments),
        Viewing.session_id.in_(changed.sessions),
        Viewing.care_provider_id.in_(changed.providers),
        SlideImage.care_provider_id.in_(changed.providers),
        SlideImage.id.in_(changed.resources),
        PathologyCase.patient_id.in_(changed.patients),
    )


def _decide_again(session: Session, asked: Iterable[tuple[Viewing, Actor | None]], *, now: datetime) -> None:
    together: defaultdict[Actor | None, list[Viewing]] = defaultdict(list)
    for viewing, actor in asked:
        together[actor].append(viewing)
    for actor, viewings in together.items():
        slides = {viewing.slide_image_id: session.get_one(SlideImage, viewing.slide_image_id) for viewing in viewings}
        resources = describe_slides(session, slides.values(), by=actor, now=now) if actor else {}
        for viewing in viewings:
            resource = resources.get(viewing.slide_image_id)
            if actor is None or resource is None:
                # Nobody is there any more to ask the gate for: the session is over, or acts under nothing.
                _end(session, viewing, slides[viewing.slide_image_id], at=now, code=Code.D01)
                continue
            decision = decide(actor, resource, Intent.VIEW, now)
            if decision.allow and decision.basis and decision.until:
                viewing.until = decision.until
                if decision.basis != viewing.basis:
                    viewing.basis = decision.basis
                    viewing.decision_id = write_decision(session, decision, by=actor, resource=resource, now=now).id
                continue
            viewing.closed_at, viewing.ended_code = now, decision.code
            write_decision(session, decision, by=actor, resource=resource, now=now)
            _log_end(session, viewing, by=actor, subjects=[subject_of(resource)], now=now)


def close_lapsed(session: Session, *, now: datetime) -> None:
    """Close what nobody has looked at for longer than its answer lasted, with its entry in the log."""
    with platform(session):
        lapsed = session.execute(
            select(Viewing, SlideImage)
            .join(SlideImage, SlideImage.id == Viewing.slide_image_id)
            .where(Viewing.closed_at.is_(None), Viewing.until < now - RENEW_BEFORE)
            .order_by(Viewing.id)
            .limit(200)
            .with_for_update(of=Viewing, skip_locked=True)
        ).all()
        for viewing, slide in lapsed:
            _end(session, viewing, slide, at=viewing.until)


def _end(session: Session, viewing: Viewing, slide: SlideImage, *, at: datetime, code: Code | None = None) -> None:
    """End a viewing for which nobody can be asked; its entry goes to the log of whose viewing it was."""
    viewing.closed_at, viewing.ended_code = at, code
    patient_id = session.scalar(select(PathologyCase.patient_id).where(PathologyCase.id == slide.case_id))
    subject = Subject(
        kind="slide",
        id=slide.id,
        patient_id=patient_id,
        provider_id=slide.care_provider_id,
        unit_id=slide.care_unit_id,
    )
    _log_end(session, viewing, by=None, subjects=[subject], now=at)


def _log_end(session: Session, viewing: Viewing, *, by: Actor | None, subjects: list[Subject], now: datetime) -> None:
    seconds = int((now - viewing.created_at).total_seconds())
    audit.record(
        session,
        Event.SLIDE_CLOSED,
        by=by,
        provider_id=viewing.care_provider_id,
        subjects=subjects,
        basis=viewing.basis,
        code=viewing.ended_code,
        decision_id=viewing.decision_id,
        args={"viewing": str(viewing.id), "seconds": seconds},
    )
