"""What the pilot's care providers have agreed on, stated about themselves and told their patients."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from cases.access.agreements import Agreement, AgreementText, AgreementType
from cases.access.audit import Event
from cases.access.organisations import CareProvider, CareUnit, Department
from cases.access.permissions import Role
from cases.access.relations import NoticeChannel, PatientInformationNotice
from cases.database import act_for
from cases.sharing.checklists import Evidence, EvidenceItem
from cases.sharing.legal_models import LegalModel
from cases.sharing.service_descriptions import (
    CountersignRule,
    Notifier,
    RequestType,
    ResponsibilityModel,
    ServiceDescription,
    Urgency,
)
from viewer.pilot import cast
from viewer.pilot.rows import find, find_first, get, log

OPERATOR = "Pilotens driftansvariga (påhittad)"
DECIDED = timedelta(days=30)
"""So long ago agreements were dated and patients were told."""
ACCEPT_MINUTES = {Urgency.SNABB: 120, Urgency.SVF: 540, Urgency.ROUTINE: 1080}
ANSWER_MINUTES = {Urgency.SNABB: 540, Urgency.SVF: 1080, Urgency.ROUTINE: 2700}
"""Working minutes, of which a day has 540. Source: domain rules, 5.1, default times."""


def seed_own_agreements(session: Session, wanted: cast.Provider, provider: CareProvider, *, now: datetime) -> None:
    """What a provider has agreed with the platform's operator."""
    act_for(session, provider.id)
    for kind, purpose, kinds in cast.WITH_OPERATOR:
        if wanted.kind in kinds and not find(session, Agreement, party_a=provider.id, type=kind):
            text = _write_text(f"DEMO-{kind}-{wanted.region}", f"{purpose} ({wanted.name})", now)
            signer = find_first(session, provider.id, Role.AGR)
            signatures = {
                "signed_a_by": signer.id,
                "signed_a_at": now,
                "operator_signatory": OPERATOR,
                "signed_b_at": now,
            }
            _add_agreement(session, Agreement(type=kind, party_a=provider.id, **text, **signatures))


def seed_cooperation(
    session: Session, a: CareProvider, b: CareProvider, document: str, *, signed: bool, now: datetime
) -> None:
    """What two providers have agreed, or are about to."""
    act_for(session, a.id)
    if find(session, Agreement, party_a=a.id, party_b=b.id, type=AgreementType.COOPERATION):
        return
    text = _write_text(document, f"Samarbete om patologi mellan {a.name} och {b.name}", now)
    agreement = Agreement(type=AgreementType.COOPERATION, party_a=a.id, party_b=b.id, **text)
    agreement.notice_period_days, agreement.run_off_days = 180, 90
    if signed:
        agreement.signed_a_by = find_first(session, a.id, Role.AGR).id
        agreement.signed_b_by = find_first(session, b.id, Role.AGR).id
        agreement.signed_a_at = agreement.signed_b_at = now
    _add_agreement(session, agreement)


def _write_text(document: str, purpose: str, now: datetime) -> dict[str, object]:
    text = AgreementText(
        purpose=purpose,
        document_ref=document,
        doc_sha256=hashlib.sha256(document.encode()).hexdigest(),
        valid_from=now - DECIDED,
        instructions_ref="DEMO-INSTRUKTION-1" if AgreementType.PUB in document else None,
    )
    return {name: getattr(text, name) for name in text.__slots__} | {"sub_processors": []}


def _add_agreement(session: Session, agreement: Agreement) -> None:
    session.add(agreement)
    session.flush()
    event = Event.AGREEMENT_SIGNED if agreement.signed_b_at else Event.AGREEMENT_DRAFTED
    log(session, event, "agreement", agreement, agreement.party_a, agreement.party_b)


def seed_service(
    session: Session, customer: CareProvider, performer: CareProvider, kind: RequestType, *, now: datetime
) -> None:
    """What the performer offers the customer under their cooperation."""
    act_for(session, customer.id)
    parties = {"customer_id": customer.id, "performer_id": performer.id}
    if find(session, ServiceDescription, request_type=kind, **parties):
        return
    either = Agreement.party_a.in_(parties.values()) & Agreement.party_b.in_(parties.values())
    agreement = session.scalars(select(Agreement).where(either, Agreement.type == AgreementType.COOPERATION)).first()
    if agreement is None:
        return
    laboratory = get(session, CareUnit, hsa_id=f"{performer.hsa_id}PAT")
    service = ServiceDescription(
        agreement_id=agreement.id,
        performer_department_id=get(session, Department, care_unit_id=laboratory.id, name="Histopatologi").id,
        request_type=kind,
        subspecialties=[],
        legal_model=LegalModel.DISCLOSURE,
        responsibility_model=ResponsibilityModel.INDEPENDENT,
        accept_minutes=ACCEPT_MINUTES,
        answer_minutes=ANSWER_MINUTES,
        max_cases_per_week=20,
        requires_receiver_accession=kind is RequestType.WORKLOAD_TRANSFER,
        countersign_rule=CountersignRule.RESIDENT,
        cancer_notification_by=Notifier.OWNER,
        allow_download=kind is RequestType.WORKLOAD_TRANSFER,
        disclosure_ttl_days=90,
        post_answer_view_days=30,
        valid_from=agreement.valid_from,
        proposed_by=performer.id,
        accepted_by=find_first(session, customer.id, Role.AGR).id,
        accepted_at=now,
        **parties,
    )
    session.add(service)
    session.flush()
    log(session, Event.SERVICE_ACCEPTED, "service_description", service, customer.id, performer.id)


def seed_evidence(session: Session, wanted: cast.Provider, provider: CareProvider, *, now: datetime) -> None:
    """What a provider states about itself, and what it is still to state."""
    act_for(session, provider.id)
    for item in EvidenceItem:
        if find(session, Evidence, care_provider_id=provider.id, item=item):
            continue
        evidence = Evidence(care_provider_id=provider.id, item=item)
        if owner := cast.EVIDENCE_MISSING.get((wanted.region, item)):
            evidence.owner, evidence.due = owner, (now + timedelta(days=60)).date()
        else:
            evidence.evidence_ref = f"DEMO-{item}-{wanted.region}"
            evidence.given_by, evidence.given_at = find_first(session, provider.id, Role.AGR).id, now
        session.add(evidence)
        session.flush()
        log(session, Event.EVIDENCE_GIVEN, "evidence", evidence, provider.id)


def seed_notice(session: Session, provider: CareProvider, *, now: datetime) -> None:
    """All patients of a provider have been told how sharing works, and that they may block it."""
    act_for(session, provider.id)
    if find(session, PatientInformationNotice, care_provider_id=provider.id):
        return
    notice = PatientInformationNotice(
        care_provider_id=provider.id, text_version="DEMO 1", channel=NoticeChannel.PUBLIC, given_at=now - DECIDED
    )
    session.add(notice)
    session.flush()
    log(session, Event.NOTICE_GIVEN, "notice", notice, provider.id)
