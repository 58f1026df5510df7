"""Service descriptions: what one care provider reads for another, on which terms, under a cooperation agreement."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ARRAY, CheckConstraint, ColumnElement, Enum, ForeignKey, String, or_, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from cases.access import audit, rights
from cases.access.actors import Actor
from cases.access.agreements import Agreement, AgreementStatus, AgreementType, find_agreement
from cases.access.audit import Event, Subject
from cases.access.errors import Conflict, Invalid, NotThere
from cases.access.organisations import Department
from cases.database import Base, Versioned
from cases.sharing.competences import Subspecialty
from cases.sharing.legal_models import LegalModel


class RequestType(StrEnum):
    """What one department can ask of another. Source: domain rules, 3.5."""

    SECOND_OPINION = "SECOND_OPINION"
    REVIEW = "REVIEW"
    WORKLOAD_TRANSFER = "WORKLOAD_TRANSFER"
    INTRAOPERATIVE = "INTRAOPERATIVE"
    MDT_PREP = "MDT_PREP"


class Urgency(StrEnum):
    """How soon an answer is wanted, the soonest first."""

    INTRAOP = "INTRAOP"
    SNABB = "SNABB"
    SVF = "SVF"
    ROUTINE = "ROUTINE"


class ResponsibilityModel(StrEnum):
    """Whether the performer answers for the opinion alone, or reads under the owner's responsibility."""

    INDEPENDENT = "INDEPENDENT"
    UNDER_OWNER = "UNDER_OWNER"


class CountersignRule(StrEnum):
    """Which answers a second person signs too."""

    NONE = "NONE"
    RESIDENT = "RESIDENT"
    MALIGNANT = "MALIGNANT"
    ALWAYS = "ALWAYS"


class Notifier(StrEnum):
    """Who reports a cancer to the register. Source: HSLF-FS 2016:7; domain rules L32."""

    OWNER = "OWNER"
    PERFORMER = "PERFORMER"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceTerms:
    """The terms of one service.

    Attributes:
        performer_department_id: who does it.
        subspecialties: for which; none for every one.
        accept_minutes, answer_minutes: from offering to accepting, and from there to the signed answer, in working
            minutes (a working day has 540), for each urgency that is offered; INTRAOP in minutes of the clock.
        max_cases_per_week: None for as many as come.
        requires_receiver_accession: whether the performer's own accession number is needed to accept.
        allow_download: whether the performer may take the original file home.
        disclosure_ttl_days: how long what was handed out may be looked at, at the most.
        post_answer_view_days: how long it may be looked at, read only, after the answer.
        valid_to: the first moment at which it no longer holds; None for as long as the agreement.
    """

    performer_department_id: uuid.UUID
    request_type: RequestType
    subspecialties: tuple[Subspecialty, ...] = ()
    legal_model: LegalModel = LegalModel.DISCLOSURE
    responsibility_model: ResponsibilityModel = ResponsibilityModel.INDEPENDENT
    accept_minutes: Mapping[Urgency, int]
    answer_minutes: Mapping[Urgency, int]
    max_cases_per_week: int | None = None
    requires_receiver_accession: bool = False
    countersign_rule: CountersignRule = CountersignRule.NONE
    cancer_notification_by: Notifier = Notifier.OWNER
    allow_download: bool = False
    price_list_id: uuid.UUID | None = None
    disclosure_ttl_days: int = 90
    post_answer_view_days: int = 30
    valid_from: datetime
    valid_to: datetime | None = None


class ServiceDescription(Versioned, Base):
    """One service; it holds once both parties have agreed to it, the proposer by proposing.

    Attributes:
        customer_id, performer_id: the care providers.
        proposed_by: which of the two proposed it.
        accepted_by, accepted_at: the assignment under which the other one agreed.
        ended_at: since when it is offered no longer.

    The others are those of `ServiceTerms`.
    """

    __tablename__ = "service_description"
    __table_args__ = (
        CheckConstraint("customer_id <> performer_id", "parties_are_two"),
        CheckConstraint("proposed_by IN (customer_id, performer_id)", "proposer_is_a_party"),
        CheckConstraint("valid_to > valid_from", "dates_in_order"),
        CheckConstraint("(accepted_at IS NULL) = (accepted_by IS NULL)", "acceptance_is_whole"),
        CheckConstraint("max_cases_per_week > 0", "cases_are_some"),
        CheckConstraint("disclosure_ttl_days > 0 AND post_answer_view_days >= 0", "days_are_not_negative"),
        CheckConstraint("legal_model <> 'PROCESSOR'", "a_reader_is_no_processor"),
    )

    agreement_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("agreement.id"), index=True)
    customer_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"), index=True)
    performer_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"), index=True)
    performer_department_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("department.id"))
    request_type: Mapped[RequestType] = mapped_column(Enum(RequestType, native_enum=False, length=40))
    subspecialties: Mapped[list[str]] = mapped_column(ARRAY(String))
    legal_model: Mapped[LegalModel] = mapped_column(Enum(LegalModel, native_enum=False, length=40))
    responsibility_model: Mapped[ResponsibilityModel] = mapped_column(
        Enum(ResponsibilityModel, native_enum=False, length=40)
    )
    accept_minutes: Mapped[dict[str, int]] = mapped_column(JSONB)
    answer_minutes: Mapped[dict[str, int]] = mapped_column(JSONB)
    max_cases_per_week: Mapped[int | None]
    requires_receiver_accession: Mapped[bool]
    countersign_rule: Mapped[CountersignRule] = mapped_column(Enum(CountersignRule, native_enum=False, length=40))
    cancer_notification_by: Mapped[Notifier] = mapped_column(Enum(Notifier, native_enum=False, length=40))
    allow_download: Mapped[bool]
    price_list_id: Mapped[uuid.UUID | None]
    disclosure_ttl_days: Mapped[int]
    post_answer_view_days: Mapped[int]
    valid_from: Mapped[datetime]
    valid_to: Mapped[datetime | None]
    proposed_by: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"))
    accepted_by: Mapped[uuid.UUID | None]
    accepted_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]

    @property
    def parties(self) -> frozenset[uuid.UUID]:
        """Both care providers."""
        return frozenset({self.customer_id, self.performer_id})

    def holds(self, now: datetime) -> bool:
        """Whether both agreed to it and its time is now. Its agreement has its own say."""
        begun = self.accepted_at is not None and max(self.accepted_at, self.valid_from) <= now
        return begun and not self.is_over(now)

    def is_over(self, now: datetime) -> bool:
        """Whether its time is over, or somebody ended it."""
        return any(end is not None and end <= now for end in (self.valid_to, self.ended_at))


def propose(
    session: Session,
    *,
    agreement_id: uuid.UUID,
    customer_id: uuid.UUID,
    service: ServiceTerms,
    by: Actor,
    now: datetime,
) -> ServiceDescription:
    """Describe a service under a cooperation agreement of one's own care provider, for the other one to accept.

    Args:
        customer_id: which of the agreement's parties asks; the other one performs.

    Raises:
        NotThere: there is no such agreement.
        Invalid: the terms contradict the agreement, or one another.
        Conflict: the agreement has ended.
    """
    agreement = find_agreement(session, agreement_id, by=by)
    if agreement.type != AgreementType.COOPERATION:
        raise Invalid("Services are described under a cooperation agreement; name one.", field="agreement_id")
    if agreement.status(now) in (AgreementStatus.EXPIRED, AgreementStatus.TERMINATED):
        raise Conflict("This agreement has ended, so it takes no more services. Draft a new agreement.")
    if customer_id not in agreement.parties:
        raise Invalid("The customer is one of the agreement's two parties.", field="customer_id")
    (performer_id,) = agreement.parties - {customer_id}
    _check(session, service, agreement, performer_id)
    described = ServiceDescription(
        agreement_id=agreement.id,
        customer_id=customer_id,
        performer_id=performer_id,
        proposed_by=by.provider_id,
        created_by=by.assignment_id,
        **_columns(service),
    )
    session.add(described)
    _write_down(session, Event.SERVICE_PROPOSED, described, by=by)
    return described


def accept(session: Session, described: ServiceDescription, *, by: Actor, now: datetime) -> None:
    """Agree to what the other party proposed.

    Raises:
        Conflict: one's own proposal, one accepted before, or one whose time is over.
    """
    _require_party(described, by)
    if described.proposed_by == by.provider_id:
        raise Conflict("Your own care provider proposed this service; the other party accepts it.")
    if described.accepted_at is not None:
        raise Conflict("This service has been accepted already.")
    if described.is_over(now):
        raise Conflict("The time of this service is over. Propose it anew.")
    described.accepted_by, described.accepted_at = by.assignment_id, now
    _write_down(session, Event.SERVICE_ACCEPTED, described, by=by)


def end(session: Session, described: ServiceDescription, *, by: Actor, now: datetime) -> None:
    """Offer a service no longer, from now on, as either party may.

    Raises:
        Conflict: it has ended.
    """
    _require_party(described, by)
    if described.is_over(now):
        raise Conflict("This service has ended already.")
    described.ended_at = now
    _write_down(session, Event.SERVICE_ENDED, described, by=by)


def find_service(
    session: Session,
    customer_id: uuid.UUID,
    performer_id: uuid.UUID,
    request_type: RequestType,
    subspecialty: Subspecialty,
    on: datetime,
    *,
    department_id: uuid.UUID | None = None,
) -> ServiceDescription | None:
    """The service under which a request can be made at a moment; one made for the subspecialty goes first.

    Args:
        department_id: the performer's department that is to do it; None for whichever does.

    Returns:
        None where there is none in force, or its agreement is not.
    """
    statement = (
        select(ServiceDescription, Agreement)
        .join(Agreement, Agreement.id == ServiceDescription.agreement_id)
        .where(
            ServiceDescription.customer_id == customer_id,
            ServiceDescription.performer_id == performer_id,
            ServiceDescription.request_type == request_type,
        )
        .order_by(ServiceDescription.id.desc())
    )
    found = [
        service
        for service, agreement in session.execute(statement)
        if service.holds(on)
        and department_id in (None, service.performer_department_id)
        and agreement.period is not None
        and agreement.period.holds(on)
    ]
    named = (service for service in found if subspecialty in service.subspecialties)
    general = (service for service in found if not service.subspecialties)
    return next(named, None) or next(general, None)


def read_service(session: Session, service_id: uuid.UUID, *, by: Actor) -> ServiceDescription:
    """One that the actor's care provider is a party of. Raises NotThere."""
    found = session.scalar(
        select(ServiceDescription).where(ServiceDescription.id == service_id, _concerns(by.provider_id))
    )
    if found is None:
        raise NotThere("There is no such service description.")
    return found


def list_services(
    session: Session, *, by: Actor, limit: int, after: uuid.UUID | None = None
) -> list[ServiceDescription]:
    """Those that the actor's care provider is a party of, the newest first, from after a certain one on."""
    statement = select(ServiceDescription).where(_concerns(by.provider_id))
    if after is not None:
        statement = statement.where(ServiceDescription.id < after)
    return list(session.scalars(statement.order_by(ServiceDescription.id.desc()).limit(limit)))


def _concerns(provider_id: uuid.UUID) -> ColumnElement[bool]:
    return or_(ServiceDescription.customer_id == provider_id, ServiceDescription.performer_id == provider_id)


def _columns(service: ServiceTerms) -> dict[str, Any]:
    lists: dict[str, Any] = {
        "subspecialties": list(service.subspecialties),
        "accept_minutes": dict(service.accept_minutes),
        "answer_minutes": dict(service.answer_minutes),
    }
    return {one.name: getattr(service, one.name) for one in fields(service)} | lists


def _check(session: Session, service: ServiceTerms, agreement: Agreement, performer_id: uuid.UUID) -> None:
    department = session.get(Department, service.performer_department_id)
    if department is None or department.care_provider_id != performer_id or department.archived_at is not None:
        raise Invalid("The department is one of the performer's that are open.", field="performer_department_id")
    if service.legal_model == LegalModel.PROCESSOR:
        raise Invalid(
            "Who forms an opinion is no processor. Storing and transporting is agreed in a PUB agreement.",
            field="legal_model",
        )
    if not service.answer_minutes or service.accept_minutes.keys() != service.answer_minutes.keys():
        raise Invalid(
            "Give times for the same urgencies, at least one, to accept and to answer.", field="answer_minutes"
        )
    if any(minutes <= 0 for minutes in (*service.accept_minutes.values(), *service.answer_minutes.values())):
        raise Invalid("A time to accept or to answer is a number of minutes above 0.", field="answer_minutes")
    if service.valid_to is not None and service.valid_to <= service.valid_from:
        raise Invalid("A service ends after it begins; check the dates.", field="valid_to")
    ends_late = agreement.valid_to is not None and (service.valid_to is None or service.valid_to > agreement.valid_to)
    if service.valid_from < agreement.valid_from or ends_late:
        raise Invalid("A service begins and ends within the dates of its agreement.", field="valid_from")


def _require_party(described: ServiceDescription, by: Actor) -> None:
    if by.provider_id not in described.parties:
        raise NotThere("There is no such service description.")


def _write_down(session: Session, event: Event, described: ServiceDescription, *, by: Actor) -> None:
    session.flush()
    if described.accepted_at is not None:
        # Before both have agreed it gives nobody any right.
        rights.changed(session, providers=described.parties)
    audit.record(
        session,
        event,
        by=by,
        subjects=[
            Subject(kind="service_description", id=described.id, provider_id=party)
            for party in sorted(described.parties)
        ],
        args={"request_type": described.request_type, "legal_model": described.legal_model},
    )
