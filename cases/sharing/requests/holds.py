"""What keeps a request from going on, and going on by itself once nothing does."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from cases.access.actors import Actor, Period
from cases.access.agreements import Agreement
from cases.access.blocks import find_blocks
from cases.access.consents import ConsentAssertion, find_consents
from cases.access.errors import Conflict
from cases.access.rights import Changed
from cases.access.same_patients import find_facts
from cases.database import platform
from cases.records.pathology_case import PathologyCase
from cases.records.slide_images import SlideImage, SlideStatus
from cases.sharing import waiting
from cases.sharing.requests import agreed
from cases.sharing.requests.advancing import advance
from cases.sharing.requests.consented import find_explicit_consent
from cases.sharing.requests.disclosure import Manifest
from cases.sharing.requests.hold import MEANINGS, HoldReason, RequestHold
from cases.sharing.requests.request import (
    BEFORE_OFFERED,
    UNANSWERED,
    LegalGround,
    RequestStatus,
    ShareRequest,
    Side,
    lock_request,
)
from cases.sharing.service_descriptions import ServiceDescription, Urgency

SOME_WILL_DO = frozenset({Urgency.SNABB, Urgency.INTRAOP})
"""So urgent that one slide is enough to begin with; the others are marked as on their way."""
NOBODY = uuid.UUID(int=0)


def find_holds(session: Session, request: ShareRequest) -> Sequence[RequestHold]:
    """What holds it now, the first first."""
    return session.scalars(
        select(RequestHold)
        .where(RequestHold.request_id == request.id, RequestHold.resolved_at.is_(None))
        .order_by(RequestHold.id)
    ).all()


def settle(session: Session, request: ShareRequest, *, by: Actor | None, now: datetime) -> None:
    """Look again at what stands against a locked request: hold it, let it go on, or offer it.

    Args:
        session: of this transaction.
        request: locked.
        by: whose doing it is, for the log; None for the system.
        now: when.
    """
    if request.status not in UNANSWERED:
        return
    with platform(session):
        reasons = _find_reasons(session, request, now=now)
        known = {hold.reason: hold for hold in find_holds(session, request)}
        for reason in known.keys() - reasons:
            known[reason].resolved_at, known[reason].resolved_by = now, by.assignment_id if by else None
        session.add_all(
            RequestHold(
                request_id=request.id,
                care_provider_id=request.care_provider_id,
                reason=reason,
                whose_turn=Side.OWNER,
                began_at=now,
            )
            for reason in sorted(reasons - known.keys())
        )
    if reasons and request.status is not RequestStatus.HELD:
        advance(session, request, "hold", by=None, now=now, reason=min(reasons, key=list(HoldReason).index))
    elif not reasons and request.status is RequestStatus.HELD:
        advance(session, request, "resolve", by=by, now=now)
        # What was waited for may have come meanwhile.
        waiting.settle(session, request, by=None, now=now)
    if request.status is RequestStatus.SUBMITTED:
        service = session.get_one(ServiceDescription, request.service_description_id)
        request.accept_by = agreed.add_time(now, service.accept_minutes[request.urgency], request.urgency)
        advance(session, request, "offer", by=None, now=now)


def resolve(session: Session, request: ShareRequest, *, by: Actor, now: datetime) -> None:
    """Somebody says that what held a locked request is mended: look again.

    Raises:
        Conflict: it is not, and what is to be done.
        IllegalMove: the request is not held.
    """
    if request.status is not RequestStatus.HELD:
        advance(session, request, "resolve", by=by, now=now)
    settle(session, request, by=by, now=now)
    if request.status is RequestStatus.HELD:
        what = " ".join(
            f"{MEANINGS[hold.reason].sentence} {MEANINGS[hold.reason].next_step}"
            for hold in find_holds(session, request)
        )
        raise Conflict(f"It is still held. {what}")


def reconsider(session: Session, *, now: datetime) -> Sequence[uuid.UUID]:
    """Before the commit: look again at the requests that what changed in this transaction may concern.

    What changed has been noted by `cases.access.rights.changed`.

    Returns:
        As `recheck`.
    """
    changed: Changed | None = session.info.get("changed")
    if not changed or not (changed.patients or changed.providers or changed.resources):
        return ()
    return recheck(
        session,
        patients=frozenset(changed.patients),
        providers=frozenset(changed.providers),
        slides=frozenset(changed.resources),
        now=now,
    )


def recheck(
    session: Session,
    *,
    patients: Collection[uuid.UUID] = (),
    providers: Collection[uuid.UUID] = (),
    slides: Collection[uuid.UUID] = (),
    now: datetime,
) -> Sequence[uuid.UUID]:
    """Look again at requests under way that a change may concern, whoever made it.

    The order of locks: who moves requests locks them first, by their ids, and after that waits for nothing but what
    they move with them, such as their case. Who changes something else first, such as a case, waits for no request:
    those that are free are looked at here, and the others, which somebody is moving, in transactions of their own as
    soon as the change is committed. So no two wait for each other in a ring, and what is moved at the same moment is
    looked at by whoever comes second.

    Args:
        session: of this transaction.
        patients: whose blocks, consents, protection or identities changed.
        providers: whose agreements or services changed.
        slides: slide images that came, were verified or were put in quarantine.
        now: when.

    Returns:
        Requests that somebody else has locked, for `look_again` after the commit.
    """
    concerned = or_(
        PathologyCase.patient_id.in_(patients),
        ShareRequest.care_provider_id.in_(providers),
        ShareRequest.performer_provider_id.in_(providers),
        ShareRequest.case_id.in_(select(SlideImage.case_id).where(SlideImage.id.in_(slides))),
    )
    with platform(session):
        found = session.scalars(
            select(ShareRequest.id)
            .join(PathologyCase, PathologyCase.id == ShareRequest.case_id)
            .where(ShareRequest.status.in_(UNANSWERED), concerned)
            .order_by(ShareRequest.id)
        ).all()
        free = session.scalars(
            select(ShareRequest)
            .where(ShareRequest.id.in_(found))
            .order_by(ShareRequest.id)
            .with_for_update(skip_locked=True)
            .execution_options(populate_existing=True)
        ).all()
        for request in free:
            settle(session, request, by=None, now=now)
    return sorted(set(found) - {one.id for one in free})


def look_again(session: Session, request_id: uuid.UUID, *, now: datetime) -> None:
    """Look again at one request, in a transaction that has locked nothing yet: waits for whoever moves it."""
    with platform(session):
        settle(session, lock_request(session, request_id, by=None), by=None, now=now)


def may_be_due(now: datetime) -> ColumnElement[bool]:
    """Of requests that a moment may let go on or hold: held or not offered yet, or the agreement has ended by then."""
    over = (
        select(ServiceDescription.id)
        .join(Agreement, Agreement.id == ServiceDescription.agreement_id)
        .where(
            or_(
                ServiceDescription.valid_to <= now,
                ServiceDescription.ended_at <= now,
                Agreement.valid_to <= now,
                Agreement.terminated_at <= now,
            )
        )
    )
    return or_(
        ShareRequest.status.in_((RequestStatus.SUBMITTED, RequestStatus.HELD)),
        ShareRequest.status.in_(UNANSWERED) & ShareRequest.service_description_id.in_(over),
    )


def _find_reasons(session: Session, request: ShareRequest, *, now: datetime) -> set[HoldReason]:
    """What stands against it now; inside `platform`."""
    case = session.get_one(PathologyCase, request.case_id)
    before = request.stage in BEFORE_OFFERED
    reasons = _find_patient_reasons(session, request, case, before=before, now=now)
    service, agreement = session.execute(
        select(ServiceDescription, Agreement)
        .join(Agreement, Agreement.id == ServiceDescription.agreement_id)
        .where(ServiceDescription.id == request.service_description_id)
    ).one()
    if not any(term.holds(now) for term in agreed.find_terms(service, agreement)):
        reasons.add(HoldReason.AGREEMENT)
    if before:
        reasons |= _find_image_reasons(session, request)
    return reasons


def _find_patient_reasons(
    session: Session, request: ShareRequest, case: PathologyCase, *, before: bool, now: datetime
) -> set[HoldReason]:
    patient = find_facts(session, [case.patient_id])[case.patient_id]
    consents = find_consents(session, [case.patient_id])[case.patient_id]
    consented = find_explicit_consent(consents, provider_id=case.care_provider_id, now=now)
    informed = Period(min(case.accessioned_at, case.created_at), case.last_registered_at)
    blocks = [
        block
        for block in find_blocks(session, [case.patient_id]).get(case.patient_id, ())
        if (consented is None or consented <= block.registered_at)
        and block.applies(
            provider_id=case.care_provider_id,
            unit_id=case.care_unit_id,
            actor_provider_id=request.performer_provider_id,
            actor_unit_id=request.performer_unit_id,
            actor_assignment_id=request.reader_assignment_id or request.named_reader_id or NOBODY,
            informed=informed,
            now=now,
        )
    ]
    objected = patient.objection_at is not None and (consented is None or consented <= patient.objection_at)
    found = {
        HoldReason.SPARR: bool(blocks),
        HoldReason.CONSENT: objected or (_has_lost_consent(session, request, now=now) and consented is None),
        HoldReason.IDENTITY: patient.mismatch,
        HoldReason.PROTECTED_REVIEW: before and patient.protected and request.named_reader_id is None,
    }
    return {reason for reason, holds in found.items() if holds}


def _has_lost_consent(session: Session, request: ShareRequest, *, now: datetime) -> bool:
    if request.legal_ground is not LegalGround.CONSENT_EXPLICIT or request.consent_assertion_id is None:
        return False
    return not session.get_one(ConsentAssertion, request.consent_assertion_id).period.holds(now)


def _find_image_reasons(session: Session, request: ShareRequest) -> set[HoldReason]:
    manifest = Manifest.read(request.manifest)
    slides = session.scalars(
        select(SlideImage)
        .where(or_(SlideImage.id.in_(manifest.slide_ids), SlideImage.glass_slide_id.in_(manifest.glass_ids)))
        .execution_options(populate_existing=True)
    ).all()
    ready = {slide.id for slide in slides if slide.viewable} | {
        slide.glass_slide_id for slide in slides if slide.viewable
    }
    wanted = {*manifest.slide_ids, *manifest.glass_ids}
    if wanted <= ready or (request.urgency in SOME_WILL_DO and wanted & ready):
        return set()
    bad = {
        one for slide in slides if slide.status is SlideStatus.QUARANTINED for one in (slide.id, slide.glass_slide_id)
    }
    missing = wanted - ready
    reasons = {HoldReason.QC_FAIL} if missing & bad else set()
    return reasons | ({HoldReason.IMAGE_NOT_READY} if missing - bad else set())
