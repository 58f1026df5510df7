"""Submitting a request: what is still missing, in sentences, and handing out what was chosen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from cases.access.actors import Actor
from cases.access.consents import AssertionType, ConsentAssertion, ConsentScope, find_consents
from cases.access.errors import Invalid
from cases.access.people import Assignment
from cases.access.permissions import Permission, Role
from cases.access.same_patients import find_facts, find_same
from cases.database import platform
from cases.records.pathology_case import CaseStatus, PathologyCase
from cases.sharing.checklists import ItemCode, ItemState, checklist
from cases.sharing.legal_models import LegalModel
from cases.sharing.requests import disclosures, holds, parties
from cases.sharing.requests.advancing import advance
from cases.sharing.requests.agreed import add_time
from cases.sharing.requests.conflicts import JUDGING, is_conflicted
from cases.sharing.requests.consented import find_explicit_consent
from cases.sharing.requests.disclosure import Manifest
from cases.sharing.requests.request import UNANSWERED, LegalGround, RequestStatus, ShareRequest, Side
from cases.sharing.service_descriptions import RequestType, ServiceDescription, find_service

REPORTED = frozenset({CaseStatus.FINAL, CaseStatus.AMENDED})
"""A case that has its final report is transferred to nobody."""


@dataclass(frozen=True, slots=True)
class Missing:
    """One thing that stands against submitting.

    Attributes:
        field: which part of the request it is about, by its name in the API.
        sentence: what is missing and what to do.
        who: who can mend it.
    """

    field: str
    sentence: str
    who: str = "The requester"


def submit(session: Session, request: ShareRequest, *, by: Actor, now: datetime) -> None:
    """Hand out what a locked draft chose, and offer it as soon as nothing holds it.

    Raises:
        NotPermitted: the role does not decide about disclosures, or about transfers.
        IllegalMove: it is no draft.
        Invalid: something is missing; all of it is said.
    """
    parties.require_side(session, request, Side.OWNER, needed_for(request.type), by=by, now=now)
    if request.status is RequestStatus.DRAFT:
        case = session.get_one(PathologyCase, request.case_id)
        if missing := find_missing(session, request, case, by=by, now=now):
            raise Invalid(" ".join(one.sentence for one in missing), field=missing[0].field)
        service = find_terms_of(session, request, now=now)
        request.service_description_id = service.id
        request.responsibility_model = service.responsibility_model
        if request.type is RequestType.WORKLOAD_TRANSFER:
            request.cancer_notification_by = request.cancer_notification_by or service.cancer_notification_by
        due_at = add_time(now, service.answer_minutes[request.urgency], request.urgency)
        request.due_at = max(due_at, request.requested_due_at or due_at)
        disclosures.make(session, request, service, by=by, now=now)
    advance(session, request, "submit", by=by, now=now)
    holds.settle(session, request, by=by, now=now)


def needed_for(kind: RequestType) -> Permission:
    """Who may submit: a transfer moves responsibility, so a head decides."""
    return Permission.SUBMIT_TRANSFER if kind is RequestType.WORKLOAD_TRANSFER else Permission.DECIDE_DISCLOSURE


def find_offered_service(session: Session, request: ShareRequest, *, now: datetime) -> ServiceDescription | None:
    """The service under which a draft would be made; None where there is none in force with that department."""
    return find_service(
        session,
        request.care_provider_id,
        request.performer_provider_id,
        request.type,
        request.subspecialty,
        now,
        department_id=request.performer_department_id,
    )


def find_terms_of(session: Session, request: ShareRequest, *, now: datetime) -> ServiceDescription:
    """The same, where it must be there. Raises Invalid."""
    service = find_offered_service(session, request, now=now)
    if service is None:
        raise Invalid("No service in force covers this.", field="performer_department_id")
    return service


def find_default_ground(
    session: Session, case: PathologyCase, service: ServiceDescription | None, *, now: datetime
) -> LegalGround:
    """What the sender is asked to confirm: what the service rests on, or an explicit consent, or the referral."""
    if service is not None and service.legal_model is LegalModel.COHERENT_RECORD:
        return LegalGround.COHERENT_RECORD
    consents = find_consents(session, [case.patient_id])[case.patient_id]
    given = find_explicit_consent(consents, provider_id=case.care_provider_id, now=now)
    return LegalGround.CONSENT_EXPLICIT if given else LegalGround.CONSENT_PRESUMED_REFERRAL


def find_missing(
    session: Session, request: ShareRequest, case: PathologyCase, *, by: Actor, now: datetime
) -> list[Missing]:
    """Everything that stands against submitting a draft, with who can mend it."""
    return [
        *_find_unwritten(request),
        *_find_unagreed(session, request, now=now),
        *_find_unlawful(session, request, case, now=now),
        *_find_untimely(session, request, case, by=by, now=now),
    ]


def _find_unwritten(request: ShareRequest) -> Iterator[Missing]:
    manifest = Manifest.read(request.manifest)
    if not request.question.strip():
        yield Missing("question", "Write the question: what do you want to know?")
    if request.type in JUDGING and not (request.working_diagnosis or "").strip():
        yield Missing("working_diagnosis", "Write your working diagnosis; it can be hidden from the reader at first.")
    if not manifest.slide_ids and not manifest.glass_ids:
        yield Missing("manifest", "Choose at least one slide to send.")
    if request.legal_ground is None:
        yield Missing("legal_ground", "State the legal ground for handing this out.")
    if request.harm_tested_at is None:
        yield Missing("harm_weighed", "Weigh whether handing this out harms the patient, and say that you have.")


def _find_unagreed(session: Session, request: ShareRequest, *, now: datetime) -> Iterator[Missing]:
    administrators = "The agreement administrators of both care providers"
    service = find_offered_service(session, request, now=now)
    if service is None:
        yield Missing(
            "performer_department_id",
            f"No service in force covers {request.type} in {request.subspecialty} with this department.",
            administrators,
        )
    elif request.urgency not in service.answer_minutes:
        offered = ", ".join(sorted(service.answer_minutes))
        yield Missing("urgency", f"The service is not offered as {request.urgency}, but as: {offered}.")
    elif service.legal_model is LegalModel.OWN_ASSIGNMENT:
        yield Missing(
            "performer_department_id",
            "Under this service the reader works under an assignment of your own care provider, so nothing is sent: "
            "let them take part in the case.",
        )
    found = checklist(session, request.care_provider_id, request.performer_provider_id, now)
    for item in found.items:
        if item.state is ItemState.MISSING and item.code is not ItemCode.SERVICE:
            who = "your own" if item.owner_provider == request.care_provider_id else "the other"
            yield Missing("performer_department_id", item.sentence_en, f"Administrators of {who} care provider")


def _find_unlawful(session: Session, request: ShareRequest, case: PathologyCase, *, now: datetime) -> Iterator[Missing]:
    with platform(session):
        patient = find_facts(session, [case.patient_id])[case.patient_id]
        consents = find_consents(session, [case.patient_id])[case.patient_id]
    consented = find_explicit_consent(consents, provider_id=case.care_provider_id, now=now)
    if patient.objection_at and (consented is None or consented <= patient.objection_at):
        yield Missing("legal_ground", "The patient has objected to sharing. Ask; a later explicit consent opens it.")
    if request.legal_ground is LegalGround.CONSENT_EXPLICIT and not _is_consent(session, request, case, now=now):
        yield Missing(
            "consent_assertion_id", "Name the patient's explicit consent to this disclosure, registered and in force."
        )
    if patient.protected and request.named_reader_id is None:
        yield Missing("named_reader_id", "The patient's identity is protected: name the reader it is for.")
    if request.named_reader_id and is_conflicted(
        session, request, session.get_one(Assignment, request.named_reader_id).person_id
    ):
        yield Missing("named_reader_id", "The reader took part in the diagnosis that is to be judged. Name another.")


def _is_consent(session: Session, request: ShareRequest, case: PathologyCase, *, now: datetime) -> bool:
    consent = session.get(ConsentAssertion, request.consent_assertion_id) if request.consent_assertion_id else None
    if consent is None or consent.type is not AssertionType.CONSENT or consent.scope is not ConsentScope.DISCLOSURE:
        return False
    same = find_same(session, [case.patient_id])[case.patient_id]
    return consent.patient_id in same and consent.period.holds(now)


def _find_untimely(
    session: Session, request: ShareRequest, case: PathologyCase, *, by: Actor, now: datetime
) -> Iterator[Missing]:
    if case.status is CaseStatus.CANCELLED:
        yield Missing("case_id", "The case has been cancelled.")
    if request.type is not RequestType.WORKLOAD_TRANSFER:
        return
    if case.status in REPORTED:
        yield Missing("type", "The case has its final report, so there is nothing to transfer. Ask for a review.")
    heads = parties.holds_role(by, request.requester_department_id, Role.HEAD, now=now)
    if case.status in (CaseStatus.IN_DIAGNOSIS, CaseStatus.PRELIMINARY) and not heads:
        yield Missing("type", "Somebody is diagnosing this case already. A head can transfer it all the same.", "HEAD")
    other = select(ShareRequest.short_id).where(
        ShareRequest.case_id == case.id,
        ShareRequest.type == RequestType.WORKLOAD_TRANSFER,
        ShareRequest.status.in_(UNANSWERED),
    )
    if short_id := session.scalar(other):
        yield Missing("type", f"The case is being transferred already, with {short_id}. Recall that one first.")
