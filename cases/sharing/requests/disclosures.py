"""What is handed out for a request, and to whom: made when it is submitted, open while the request is open."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cases.access import audit, rights
from cases.access.actors import Actor, Purpose
from cases.access.audit import Event, Subject
from cases.access.errors import Conflict, Invalid
from cases.access.gate import Basis
from cases.database import platform
from cases.records.attachments import Attachment
from cases.records.pathology_case import PathologyCase
from cases.records.record_grant import RecordGrant
from cases.records.slide_images import SlideImage
from cases.records.specimens import GlassSlide
from cases.sharing.requests.disclosure import LIVE, DisclosedItem, Disclosure, DisclosureState, ItemKind, Manifest
from cases.sharing.requests.notices import tell_extended
from cases.sharing.requests.request import BEFORE_OFFERED, UNANSWERED, RequestStatus, ShareRequest
from cases.sharing.service_descriptions import ServiceDescription

OPENING = frozenset({"offer", "resolve"})
"""Moves with which the performer may look, or look again."""
ENDING: Mapping[str, DisclosureState] = {
    "cancel": DisclosureState.ENDED,
    "decline": DisclosureState.ENDED,
    "expire": DisclosureState.ENDED,
    "return": DisclosureState.ENDED,
    "close": DisclosureState.ENDED,
    "recall": DisclosureState.REVOKED,
    "confirm_recall": DisclosureState.REVOKED,
}
"""Moves with which nothing may be looked at any more."""

Items = Sequence[tuple[ItemKind, uuid.UUID]]


def check_manifest(session: Session, case: PathologyCase, manifest: Manifest) -> None:
    """Everything in it is of the case, or of a prior case of the same patient that is in it too.

    Raises:
        Invalid: something is another's, or of a case that is not handed out.
    """
    prior = session.scalars(
        select(PathologyCase.id).where(
            PathologyCase.id.in_(manifest.case_ids),
            PathologyCase.care_unit_id == case.care_unit_id,
            PathologyCase.patient_id == case.patient_id,
        )
    ).all()
    if set(prior) != set(manifest.case_ids):
        raise Invalid(
            "Prior cases are the same patient's, of your own care unit. Take the others off.", field="manifest"
        )
    of = [case.id, *prior]
    slides = select(SlideImage.id).where(SlideImage.id.in_(manifest.slide_ids), SlideImage.case_id.in_(of))
    glasses = select(GlassSlide.id).where(
        GlassSlide.id.in_(manifest.glass_ids), GlassSlide.case_id.in_(of), GlassSlide.entered_in_error_at.is_(None)
    )
    papers = select(Attachment.id).where(
        Attachment.id.in_(manifest.attachment_ids), Attachment.case_id.in_(of), Attachment.withdrawn_at.is_(None)
    )
    for statement, wanted in (
        (slides, manifest.slide_ids),
        (glasses, manifest.glass_ids),
        (papers, manifest.attachment_ids),
    ):
        if set(session.scalars(statement)) != set(wanted):
            raise Invalid(
                "What is handed out is of this case, or of a prior case that is handed out too. Take the others off.",
                field="manifest",
            )


def make(
    session: Session, request: ShareRequest, service: ServiceDescription, *, by: Actor, now: datetime
) -> Disclosure:
    """Write down what is handed out with a request that is being submitted. It can be looked at once it is offered."""
    manifest = Manifest.read(request.manifest)
    return _write(session, request, service, _list_items(request, manifest), decided_by=by.assignment_id, now=now)


def extend(
    session: Session, request: ShareRequest, slide_ids: Collection[uuid.UUID], *, by: Actor, now: datetime
) -> None:
    """Hand out more slides of the case for a locked request: a new version takes the place of the one before.

    Raises:
        Invalid: a slide is not of the case.
        Conflict: the request is not under way.
    """
    if request.status not in UNANSWERED:
        raise Conflict("What is shared can be extended while the request is under way. Make a new request.")
    manifest = Manifest.read(request.manifest)
    new = [one for one in dict.fromkeys(slide_ids) if one not in manifest.slide_ids]
    if not new:
        return
    wider = Manifest(
        slide_ids=(*manifest.slide_ids, *new),
        glass_ids=manifest.glass_ids,
        attachment_ids=manifest.attachment_ids,
        case_ids=manifest.case_ids,
    )
    check_manifest(session, session.get_one(PathologyCase, request.case_id), wider)
    request.manifest = wider.keep()
    old = find_live(session, request)
    if old is None or request.service_description_id is None:
        raise Conflict("Nothing is shared with this request any more. Make a new request.")
    old.state, old.ended_at, old.ended_by, old.end_reason = DisclosureState.ENDED, now, by.assignment_id, "extended"
    service = session.get_one(ServiceDescription, request.service_description_id)
    made = _write(
        session, request, service, _list_items(request, wider), decided_by=by.assignment_id, now=now, before=old
    )
    made.state = DisclosureState.ACTIVE if _is_open(request) else DisclosureState.SUSPENDED
    session.flush()
    if made.state is DisclosureState.ACTIVE:
        _let_in(session, request, made.valid_to)
    _record(session, Event.DISCLOSURE_EXTENDED, request, made, by=by)
    tell_extended(session, request)


def find_live(session: Session, request: ShareRequest) -> Disclosure | None:
    """The version that holds, or will hold."""
    return session.scalar(select(Disclosure).where(Disclosure.request_id == request.id, Disclosure.state.in_(LIVE)))


def find_last(session: Session, request: ShareRequest) -> Disclosure | None:
    """The newest version, over or not."""
    return session.scalar(
        select(Disclosure).where(Disclosure.request_id == request.id).order_by(Disclosure.version_no.desc()).limit(1)
    )


def find_disclosed(session: Session, request: ShareRequest) -> Sequence[DisclosedItem]:
    """What the newest version holds."""
    newest = (
        select(Disclosure.id)
        .where(Disclosure.request_id == request.id)
        .order_by(Disclosure.version_no.desc())
        .limit(1)
        .scalar_subquery()
    )
    return session.scalars(
        select(DisclosedItem).where(DisclosedItem.disclosure_id == newest).order_by(DisclosedItem.id)
    ).all()


def follow(session: Session, request: ShareRequest, event: str, *, by: Actor | None, now: datetime) -> None:
    """What may be looked at follows the request's state."""
    if event in ("amend", "reopen"):
        _open_again(session, request, now=now)
        return
    state = ENDING.get(event)
    if event == "hold":
        state = DisclosureState.SUSPENDED
    elif event in OPENING and _is_open(request):
        state = DisclosureState.ACTIVE
    made = find_live(session, request) if state else None
    if made is None or state is None:
        return
    made.state = state
    if state is DisclosureState.ACTIVE:
        session.flush()
        _let_in(session, request, made.valid_to)
        return
    if state in ENDING.values():
        made.ended_at, made.ended_by, made.end_reason = now, by.assignment_id if by else None, event
        event_written = Event.DISCLOSURE_REVOKED if state is DisclosureState.REVOKED else Event.DISCLOSURE_ENDED
        session.flush()
        _record(session, event_written, request, made, by=by)
        _let_out(session, request, now=now)
    rights.changed(session, resources=[item.resource_id for item in find_disclosed(session, request)])


def _open_again(session: Session, request: ShareRequest, *, now: datetime) -> None:
    """Once an answer is changed or was an error the performer may look again, where that was over."""
    if find_live(session, request) or request.service_description_id is None:
        return
    with platform(session):
        last = find_last(session, request)
        if last is None:
            return
        items = [(item.kind, item.resource_id) for item in find_disclosed(session, request)]
        service = session.get_one(ServiceDescription, request.service_description_id)
        made = _write(session, request, service, items, decided_by=last.decided_by, now=now, before=last)
        made.state = DisclosureState.ACTIVE
    _let_in(session, request, made.valid_to)


def _is_open(request: ShareRequest) -> bool:
    return request.status is not RequestStatus.HELD and request.stage not in BEFORE_OFFERED


def _list_items(request: ShareRequest, manifest: Manifest) -> Items:
    return [
        (ItemKind.CASE, request.case_id),
        *((ItemKind.CASE, one) for one in manifest.case_ids),
        *((ItemKind.SLIDE, one) for one in manifest.slide_ids),
        *((ItemKind.GLASS, one) for one in manifest.glass_ids),
        *((ItemKind.ATTACHMENT, one) for one in manifest.attachment_ids),
    ]


def _write(
    session: Session,
    request: ShareRequest,
    service: ServiceDescription,
    items: Items,
    *,
    decided_by: uuid.UUID,
    now: datetime,
    before: Disclosure | None = None,
) -> Disclosure:
    if request.legal_ground is None or request.harm_tested_by is None or request.harm_tested_at is None:
        raise Invalid("State the legal ground and weigh the harm before anything is handed out.", field="legal_ground")
    # The one before must be over in the database first: only one is live.
    session.flush()
    lines = sorted(f"{kind} {resource_id}" for kind, resource_id in items)
    made = Disclosure(
        request_id=request.id,
        version_no=before.version_no + 1 if before else 1,
        case_id=request.case_id,
        care_provider_id=request.care_provider_id,
        unit_id=request.unit_id,
        to_provider_id=request.performer_provider_id,
        to_unit_id=request.performer_unit_id,
        to_named=[request.named_reader_id] if request.named_reader_id else [],
        purpose=Purpose.CARE,
        legal_ground=request.legal_ground,
        consent_assertion_id=request.consent_assertion_id,
        harm_test_comment=request.harm_test_comment,
        harm_tested_by=request.harm_tested_by,
        harm_tested_at=request.harm_tested_at,
        manifest_sha256=hashlib.sha256("\n".join(lines).encode()).digest(),
        decided_by=decided_by,
        decided_at=now,
        valid_from=now,
        valid_to=now + timedelta(days=service.disclosure_ttl_days),
        agreement_snapshot_ids=[service.agreement_id, service.id],
        state=DisclosureState.SUSPENDED,
    )
    session.add(made)
    session.flush()
    session.add_all(
        DisclosedItem(disclosure_id=made.id, request_id=request.id, kind=kind, resource_id=resource_id)
        for kind, resource_id in dict.fromkeys(items)
    )
    session.flush()
    return made


def _let_in(session: Session, request: ShareRequest, until: datetime) -> None:
    """Show the performer's provider the case's rows in the database."""
    case_ids = [item.resource_id for item in find_disclosed(session, request) if item.kind is ItemKind.CASE]
    grant = insert(RecordGrant).values(
        [
            {
                "case_id": case_id,
                "owner_provider_id": request.care_provider_id,
                "to_provider_id": request.performer_provider_id,
                "basis": Basis.DISCLOSED,
                "valid_until": until,
            }
            for case_id in case_ids
        ]
    )
    with platform(session):
        session.execute(
            grant.on_conflict_do_update(
                index_elements=[RecordGrant.to_provider_id, RecordGrant.case_id, RecordGrant.basis],
                set_={"valid_until": func.greatest(RecordGrant.valid_until, grant.excluded.valid_until)},
            )
        )


def _let_out(session: Session, request: ShareRequest, *, now: datetime) -> None:
    """Hide them again, where no other request still shows them."""
    case_ids = [item.resource_id for item in find_disclosed(session, request) if item.kind is ItemKind.CASE]
    with platform(session):
        still = (
            select(func.max(Disclosure.valid_to))
            .join(DisclosedItem, DisclosedItem.disclosure_id == Disclosure.id)
            .where(
                DisclosedItem.resource_id == RecordGrant.case_id,
                Disclosure.to_provider_id == request.performer_provider_id,
                Disclosure.state == DisclosureState.ACTIVE,
            )
            .scalar_subquery()
        )
        session.execute(
            update(RecordGrant)
            .where(
                RecordGrant.case_id.in_(case_ids),
                RecordGrant.to_provider_id == request.performer_provider_id,
                RecordGrant.basis == Basis.DISCLOSED,
            )
            .values(valid_until=func.coalesce(still, now))
            .execution_options(synchronize_session=False)
        )


def _record(session: Session, event: Event, request: ShareRequest, made: Disclosure, *, by: Actor | None) -> None:
    with platform(session):
        patient_id = session.get_one(PathologyCase, request.case_id).patient_id
    subject = Subject(
        kind="disclosure",
        id=made.id,
        patient_id=patient_id,
        provider_id=request.care_provider_id,
        unit_id=request.unit_id,
    )
    audit.record(
        session,
        event,
        by=by,
        provider_id=request.care_provider_id,
        subjects=[subject],
        args={"request": request.short_id, "version": made.version_no, "ground": made.legal_ground},
    )
