"""Requests: what one department asks of another, in which both care providers see the same row."""

from __future__ import annotations

import secrets
import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, Enum, ForeignKey, Index, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from cases.access.actors import Actor
from cases.access.audit import Subject
from cases.access.errors import NotThere
from cases.database import Base, Versioned
from cases.sharing.competences import Subspecialty
from cases.sharing.service_descriptions import Notifier, RequestType, ResponsibilityModel, Urgency

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Digits and letters that nobody mistakes for one another. Source: Douglas Crockford, Base 32."""


class RequestStatus(StrEnum):
    """Where a request is in its life. Source: domain rules, 5.1."""

    DRAFT = "DRAFT"
    SUBMITTED = "SUBMITTED"
    HELD = "HELD"
    OFFERED = "OFFERED"
    ACCEPTED = "ACCEPTED"
    ASSIGNED = "ASSIGNED"
    IN_REVIEW = "IN_REVIEW"
    WAITING = "WAITING"
    COUNTERSIGN = "COUNTERSIGN"
    ANSWERED = "ANSWERED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    CLOSED = "CLOSED"
    CANCELLED = "CANCELLED"
    DECLINED = "DECLINED"
    RETURNED = "RETURNED"
    RECALLED = "RECALLED"
    EXPIRED = "EXPIRED"


BEFORE_OFFERED = frozenset({RequestStatus.DRAFT, RequestStatus.SUBMITTED})
"""Nobody but the owner knows of it yet."""
TAKEN = frozenset(
    {
        RequestStatus.ACCEPTED,
        RequestStatus.ASSIGNED,
        RequestStatus.IN_REVIEW,
        RequestStatus.WAITING,
        RequestStatus.COUNTERSIGN,
    }
)
"""The performer has it and has not answered."""
UNANSWERED = frozenset({RequestStatus.SUBMITTED, RequestStatus.HELD, RequestStatus.OFFERED, *TAKEN})
"""It is under way and there is no answer yet."""
ANSWERED = frozenset({RequestStatus.ANSWERED, RequestStatus.ACKNOWLEDGED, RequestStatus.CLOSED})
"""There is a signed answer."""
STOPPED = frozenset(
    {
        RequestStatus.CANCELLED,
        RequestStatus.DECLINED,
        RequestStatus.RETURNED,
        RequestStatus.RECALLED,
        RequestStatus.EXPIRED,
    }
)
"""It ended without an answer."""
OVER = STOPPED | {RequestStatus.CLOSED}
"""Nothing more is waited for."""


class Side(StrEnum):
    """Who asks, and who answers."""

    OWNER = "OWNER"
    PERFORMER = "PERFORMER"


class ReasonCode(StrEnum):
    """Why a request is made. Source: domain rules, 3.5."""

    DIFFICULT = "DIFFICULT"
    SUBSPECIALTY = "SUBSPECIALTY"
    POLICY_DOUBLE_READ = "POLICY_DOUBLE_READ"
    CLINICIAN_ORDER = "CLINICIAN_ORDER"
    PATIENT_RIGHT = "PATIENT_RIGHT"
    CAPACITY = "CAPACITY"
    ABSENCE = "ABSENCE"
    QA = "QA"
    MDT = "MDT"
    ON_CALL = "ON_CALL"


class LegalGround(StrEnum):
    """On what ground the owner hands the information out. Source: domain rules, 3.5; OSL 25:1, PDL 5:6."""

    CONSENT_EXPLICIT = "CONSENT_EXPLICIT"
    CONSENT_PRESUMED_REFERRAL = "CONSENT_PRESUMED_REFERRAL"
    COHERENT_RECORD = "COHERENT_RECORD"
    EMERGENCY = "EMERGENCY"


class ShareRequest(Versioned, Base):
    """One request. The owner sees it always, the performer from when it is offered.

    Attributes:
        short_id: the only thing about it that a mail, a webhook or a header may carry.
        care_provider_id, unit_id: who owns the case and asks; the care unit of law (PDL).
        watcher_assignment_id: who sees to it that an answer comes; `stand_in_assignment_id` where they are away.
        named_reader_id: for this assignment alone.
        reader_assignment_id: who reads it now.
        service_description_id: on which terms; from when it is submitted.
        blind: the working diagnosis is not shown to the reader before their first draft.
        manifest: what is to be handed out, as `cases.sharing.requests.disclosures.Manifest`.
        held_from: where a held request goes on once nothing holds it.
        end_reason, end_text: why it was declined, returned, recalled or cancelled.
        recall_requested_at: the owner wants a transferred case back; the performer's head confirms.
        escalation: of what is late: 0 nobody was told, 1 reminded, 2 heads, 3 by telephone.
    """

    __tablename__ = "share_request"
    __table_args__ = (
        Index("ix_share_request_owner", "care_provider_id", "status"),
        Index("ix_share_request_performer", "performer_provider_id", "performer_department_id", "status"),
        Index(
            "uq_share_request_transfer",
            "case_id",
            unique=True,
            postgresql_where="type = 'WORKLOAD_TRANSFER' AND status IN ('SUBMITTED', 'HELD', 'OFFERED', 'ACCEPTED', "
            "'ASSIGNED', 'IN_REVIEW', 'WAITING', 'COUNTERSIGN')",
        ),
        CheckConstraint("care_provider_id <> performer_provider_id", "parties_are_two"),
        CheckConstraint("(status = 'HELD') = (held_from IS NOT NULL)", "held_knows_from_where"),
        CheckConstraint("type <> 'INTRAOPERATIVE'", "frozen_sections_have_their_own_machine"),
        CheckConstraint(
            "submitted_at IS NULL OR num_nulls(service_description_id, legal_ground, due_at, harm_tested_at) = 0",
            "submitted_is_whole",
        ),
        CheckConstraint("submitted_at IS NOT NULL OR status IN ('DRAFT', 'CANCELLED')", "submitted_has_a_time"),
        CheckConstraint("offered_at >= submitted_at AND answered_at >= accepted_at", "times_in_order"),
        CheckConstraint("escalation BETWEEN 0 AND 3", "escalation_is_a_step"),
    )

    short_id: Mapped[str] = mapped_column(unique=True)
    type: Mapped[RequestType] = mapped_column(Enum(RequestType, native_enum=False, length=40))
    case_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("pathology_case.id"), index=True)
    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"))
    unit_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_unit.id"))
    requester_assignment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("assignment.id"))
    requester_department_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("department.id"))
    watcher_assignment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("assignment.id"))
    stand_in_assignment_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("assignment.id"))
    performer_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"))
    performer_unit_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_unit.id"))
    performer_department_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("department.id"))
    named_reader_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("assignment.id"))
    reader_assignment_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("assignment.id"))
    service_description_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("service_description.id"))
    parent_request_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("share_request.id"))

    reason_code: Mapped[ReasonCode] = mapped_column(Enum(ReasonCode, native_enum=False, length=40))
    question: Mapped[str]
    working_diagnosis: Mapped[str | None]
    blind: Mapped[bool] = mapped_column(default=False)
    urgency: Mapped[Urgency] = mapped_column(Enum(Urgency, native_enum=False, length=40))
    svf_code: Mapped[str | None]
    subspecialty: Mapped[Subspecialty] = mapped_column(Enum(Subspecialty, native_enum=False, length=40))
    manifest: Mapped[dict[str, Any]] = mapped_column(JSONB)
    requested_due_at: Mapped[datetime | None]
    accept_by: Mapped[datetime | None]
    due_at: Mapped[datetime | None]

    legal_ground: Mapped[LegalGround | None] = mapped_column(Enum(LegalGround, native_enum=False, length=40))
    harm_test_comment: Mapped[str | None]
    harm_tested_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("assignment.id"))
    harm_tested_at: Mapped[datetime | None]
    consent_assertion_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("consent_assertion.id"))

    responsibility_model: Mapped[ResponsibilityModel] = mapped_column(
        Enum(ResponsibilityModel, native_enum=False, length=40), default=ResponsibilityModel.INDEPENDENT
    )
    billable: Mapped[bool] = mapped_column(default=True)
    receiver_accession: Mapped[str | None]
    cancer_notification_by: Mapped[Notifier | None] = mapped_column(Enum(Notifier, native_enum=False, length=40))

    status: Mapped[RequestStatus] = mapped_column(
        Enum(RequestStatus, native_enum=False, length=40), default=RequestStatus.DRAFT
    )
    held_from: Mapped[RequestStatus | None] = mapped_column(Enum(RequestStatus, native_enum=False, length=40))
    end_reason: Mapped[str | None]
    end_text: Mapped[str | None]
    escalation: Mapped[int] = mapped_column(default=0)
    submitted_at: Mapped[datetime | None]
    offered_at: Mapped[datetime | None]
    accepted_at: Mapped[datetime | None]
    assigned_at: Mapped[datetime | None]
    first_opened_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    recall_requested_at: Mapped[datetime | None]

    @property
    def stage(self) -> RequestStatus:
        """Where it is, or was when it was held."""
        return self.held_from or self.status


class TaskRole(StrEnum):
    """What somebody at the performer does with a request."""

    READER = "READER"
    COUNTERSIGNER = "COUNTERSIGNER"
    OBSERVER = "OBSERVER"
    LAB = "LAB"


class TaskAssignment(Versioned, Base):
    """That somebody has a request to work on.

    Attributes:
        care_provider_id: the performer.
        released_at: since when they have it no longer; `release_reason` says why.
    """

    __tablename__ = "task_assignment"
    __table_args__ = (
        Index(
            "uq_task_assignment_request_id_role",
            "request_id",
            "role",
            unique=True,
            postgresql_where="released_at IS NULL AND role IN ('READER', 'COUNTERSIGNER')",
        ),
    )

    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"))
    request_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("share_request.id"), index=True)
    assignment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("assignment.id"), index=True)
    role: Mapped[TaskRole] = mapped_column(Enum(TaskRole, native_enum=False, length=40))
    assigned_by: Mapped[uuid.UUID | None]
    assigned_at: Mapped[datetime]
    released_at: Mapped[datetime | None]
    release_reason: Mapped[str | None]


def make_short_id() -> str:
    """A short id that nobody has: 32 to the power of 6 are so many that the database's refusal is enough."""
    return "R-" + "".join(secrets.choice(CROCKFORD) for _ in range(6))


def side_of(request: ShareRequest, actor: Actor) -> Side:
    """On which side of a request somebody acts.

    Raises:
        NotThere: on neither, or on the performer's before it is offered.
    """
    if actor.provider_id == request.care_provider_id:
        return Side.OWNER
    if actor.provider_id == request.performer_provider_id and request.offered_at is not None:
        return Side.PERFORMER
    raise NotThere("There is no such request.")


def find_request(session: Session, request_id: uuid.UUID, *, by: Actor) -> ShareRequest:
    """A request of which the actor's care provider is a party. Raises NotThere.

    What of its clinical content the actor may see is for the gate to say.
    """
    request = session.get(ShareRequest, request_id)
    if request is None:
        raise NotThere("There is no such request.")
    side_of(request, by)
    return request


def lock_request(session: Session, request_id: uuid.UUID, *, by: Actor | None) -> ShareRequest:
    """The same, as it stands now, to be moved: nobody else moves it before this transaction ends.

    Args:
        session: of this transaction.
        request_id: which.
        by: None for the system, which knows them all.

    Raises:
        NotThere: there is none, or none that the actor's care provider is a party of.
    """
    session.flush()
    request = session.scalar(
        select(ShareRequest)
        .where(ShareRequest.id == request_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if request is None:
        raise NotThere("There is no such request.")
    if by is not None:
        side_of(request, by)
    return request


def subject_of(request: ShareRequest, patient_id: uuid.UUID | None = None) -> Subject:
    """A request as the log names it."""
    return Subject(
        kind="request",
        id=request.id,
        patient_id=patient_id,
        provider_id=request.care_provider_id,
        unit_id=request.unit_id,
    )
