"""Agreements and services for tests, signed by everybody they need.

connect_provider(session, provider)                        connection and data processing, in force
make_agreement(session, AgreementType.COOPERATION, a, b)   in force since a year ago
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from people import act, make_assignment, make_department, make_person, make_provider, make_unit
from sqlalchemy.orm import Session

from cases.access.actors import Actor, Purpose
from cases.access.agreements import WITH_OPERATOR, Agreement, AgreementText, AgreementType
from cases.access.organisations import CareProvider, Department
from cases.access.people import Assignment
from cases.access.permissions import Role
from cases.database import act_for, new_id
from cases.sharing.competences import Subspecialty
from cases.sharing.service_descriptions import RequestType, ServiceDescription, ServiceTerms, Urgency

YEAR = timedelta(days=365)
DIGEST = "0123456789abcdef" * 4


def make_text(
    *,
    kind: AgreementType = AgreementType.COOPERATION,
    since: datetime | None = None,
    until: datetime | None = None,
    run_off_days: int = 0,
    notice_period_days: int = 0,
) -> AgreementText:
    """A text that fits a type, valid since a year ago."""
    return AgreementText(
        purpose="Att dela fall mellan vårdgivare",
        document_ref="RS 2026-1",
        doc_sha256=DIGEST,
        valid_from=since or datetime.now(UTC) - YEAR,
        valid_to=until,
        run_off_days=run_off_days,
        notice_period_days=notice_period_days,
        instructions_ref="Instruktion 1" if kind is AgreementType.PUB else None,
    )


def make_agreement(
    session: Session,
    kind: AgreementType,
    a: CareProvider,
    b: CareProvider | None = None,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    run_off_days: int = 0,
) -> Agreement:
    """One that both parties signed a year ago, or when it began if that was later."""
    act_for(session, a.id)
    text = make_text(kind=kind, since=since, until=until, run_off_days=run_off_days)
    signed_at = min(text.valid_from, datetime.now(UTC))
    agreement = Agreement(
        type=kind,
        party_a=a.id,
        party_b=b.id if b else None,
        purpose=text.purpose,
        document_ref=text.document_ref,
        doc_sha256=text.doc_sha256,
        valid_from=text.valid_from,
        valid_to=text.valid_to,
        notice_period_days=0,
        run_off_days=run_off_days,
        instructions_ref=text.instructions_ref,
        sub_processors=[],
        signed_a_at=signed_at,
        signed_a_by=new_id(),
        signed_b_at=signed_at,
        signed_b_by=None if kind in WITH_OPERATOR else new_id(),
        operator_signatory="Drift Driftsson, driftchef" if kind in WITH_OPERATOR else None,
    )
    session.add(agreement)
    session.flush()
    return agreement


def connect_provider(session: Session, provider: CareProvider) -> None:
    """A connection and a data processing agreement in force: its people can work."""
    make_agreement(session, AgreementType.CONNECTION, provider)
    make_agreement(session, AgreementType.PUB, provider)


def make_service(
    session: Session,
    agreement: Agreement,
    department: Department,
    *,
    customer_id: uuid.UUID | None = None,
    request_type: RequestType = RequestType.SECOND_OPINION,
    subspecialties: Iterable[Subspecialty] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    **terms: object,
) -> ServiceDescription:
    """A service of a department, proposed and accepted when it began; party a is the customer unless told."""
    customer_id = customer_id or agreement.party_a
    since = since or agreement.valid_from
    columns: dict[str, object] = {
        "agreement_id": agreement.id,
        "customer_id": customer_id,
        "performer_id": department.care_provider_id,
        "performer_department_id": department.id,
        "request_type": request_type,
        "subspecialties": list(subspecialties),
        "legal_model": "DISCLOSURE",
        "responsibility_model": "INDEPENDENT",
        "accept_minutes": {Urgency.ROUTINE: 1440},
        "answer_minutes": {Urgency.ROUTINE: 10080},
        "requires_receiver_accession": False,
        "countersign_rule": "NONE",
        "cancer_notification_by": "OWNER",
        "allow_download": False,
        "disclosure_ttl_days": 90,
        "post_answer_view_days": 30,
        "valid_from": since,
        "valid_to": until,
        "proposed_by": customer_id,
        "accepted_by": new_id(),
        "accepted_at": since,
    }
    described = ServiceDescription(**{**columns, **terms})
    session.add(described)
    session.flush()
    return described


@dataclass(frozen=True)
class Party:
    """A care provider with one laboratory, one pathologist and one agreement administrator."""

    provider: CareProvider
    department: Department
    reader: Assignment
    administrator: Actor


def make_party(session: Session, name: str) -> Party:
    """A care provider whose people are in order, without any agreement."""
    provider = make_provider(session, name=name)
    provider.incident_contact = "incident@example.org"
    unit = make_unit(session, provider)
    reader = make_assignment(session, make_person(session), unit, roles=[Role.PAT])
    office = make_assignment(session, make_person(session), unit, roles=[Role.AGR], purpose=Purpose.ADMINISTRATION)
    return Party(provider, make_department(session, unit), reader, act(session, office))


@dataclass(frozen=True)
class Pair:
    """A customer and a performer."""

    customer: Party
    performer: Party


def cooperate(session: Session, pair: Pair, *, until: datetime | None = None) -> Agreement:
    """A cooperation agreement in force between the two."""
    return make_agreement(
        session, AgreementType.COOPERATION, pair.customer.provider, pair.performer.provider, until=until
    )


def describe(pair: Pair, **changes: object) -> ServiceTerms:
    """Second opinions of the performer's laboratory, from yesterday on."""
    terms = ServiceTerms(
        performer_department_id=pair.performer.department.id,
        request_type=RequestType.SECOND_OPINION,
        accept_minutes={Urgency.ROUTINE: 1440, Urgency.SVF: 240},
        answer_minutes={Urgency.ROUTINE: 10080, Urgency.SVF: 2880},
        valid_from=datetime.now(UTC) - timedelta(days=1),
    )
    return replace(terms, **changes)  # type: ignore[arg-type]
