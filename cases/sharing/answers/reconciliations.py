"""Reconciliations: what two laboratories make of it when their diagnoses differ."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Enum, ForeignKey, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.decisions import admit
from cases.access.errors import Conflict, Invalid, NotPermitted
from cases.access.gate import Intent
from cases.access.permissions import PERMITS, Permission
from cases.access.uniqueness import insert_unique
from cases.database import Base, Versioned
from cases.sharing.answers.answer import STANDING, Answer, AnswerVersion
from cases.sharing.answers.content import DISCREPANCIES
from cases.sharing.answers.reading import describe_case, write_down
from cases.sharing.answers.register import find_answer, find_signed
from cases.sharing.requests import RequestStatus, ShareRequest, Side, lock_request, parties, side_of


class ReconciliationOutcome(StrEnum):
    """What came of it. Source: domain rules, 3.5."""

    PRIMARY_AMENDED = "PRIMARY_AMENDED"
    CONSENSUS_PRIMARY = "CONSENSUS_PRIMARY"
    CONSENSUS_CONSULT = "CONSENSUS_CONSULT"
    THIRD_OPINION = "THIRD_OPINION"
    DISAGREEMENT_STANDS = "DISAGREEMENT_STANDS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What came of a discrepancy; the names are those of `Reconciliation`."""

    outcome: ReconciliationOutcome
    deviation_ref: str | None = None
    clinician_informed_at: datetime | None = None
    clinician_informed_how: str | None = None
    third_request_id: uuid.UUID | None = None


class Reconciliation(Versioned, Base):
    """What the owner does about a discrepancy that an answer states.

    Attributes:
        care_provider_id: of the owner.
        answer_version_id: the version that states it.
        started_at: when somebody took it up.
        outcome, decided_by, decided_at: what came of it.
        deviation_ref: number in the owner's system of deviations; the owner's own.
        clinician_informed_at, clinician_informed_how: that who ordered it knows.
        third_request_id: the request for a third opinion.
    """

    __tablename__ = "reconciliation"
    __table_args__ = (
        UniqueConstraint("answer_version_id"),
        CheckConstraint(
            "(outcome IS NULL) = (decided_at IS NULL) AND (outcome IS NULL) = (decided_by IS NULL)", "decision_is_whole"
        ),
        CheckConstraint("decided_at >= started_at", "dates_in_order"),
        CheckConstraint(
            "(clinician_informed_at IS NULL) = (clinician_informed_how IS NULL)", "clinician_informed_somehow"
        ),
    )

    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"))
    request_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("share_request.id"), index=True)
    answer_version_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("answer_version.id"))
    started_at: Mapped[datetime]
    outcome: Mapped[ReconciliationOutcome | None] = mapped_column(
        Enum(ReconciliationOutcome, native_enum=False, length=40)
    )
    decided_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("assignment.id"))
    decided_at: Mapped[datetime | None]
    deviation_ref: Mapped[str | None]
    clinician_informed_at: Mapped[datetime | None]
    clinician_informed_how: Mapped[str | None]
    third_request_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("share_request.id"))


def start(session: Session, request: ShareRequest, *, by: Actor, now: datetime) -> Reconciliation:
    """Take up the discrepancy that the answer to one's own request states. Beginning twice is beginning once.

    Raises:
        NotPermitted: the other side, or another care unit or department of the owner's.
        Conflict: there is no answer, or it states no discrepancy.
        Refused: the gate said no.
    """
    _require_recipient(session, request, by=by, now=now)
    admit(session, describe_case(session, request, by=by, now=now), Intent.READ, by=by, now=now)
    version = find_signed(session, request)
    if version is None or version.said.agreement not in DISCREPANCIES:
        raise Conflict("There is no answer that states a discrepancy, so there is nothing to reconcile.")
    found = find_reconciliation(session, version)
    if found is not None:
        return found
    made = Reconciliation(
        care_provider_id=by.provider_id,
        request_id=request.id,
        answer_version_id=version.id,
        started_at=now,
        created_by=by.assignment_id,
    )
    insert_unique(session, made, taken="Somebody began this reconciliation just now. Read it again.")
    write_down(session, Event.RECONCILIATION_STARTED, find_answer(session, version.answer_id), request, by=by)
    return made


def decide(session: Session, reconciliation: Reconciliation, judgement: Judgement, *, by: Actor, now: datetime) -> None:
    """Say what came of a discrepancy, or say it anew while the request is not closed.

    Raises:
        NotPermitted: the other side, or another care unit or department of the owner's.
        Conflict: the request is closed.
        Invalid: the clinician was told in the future, or nobody says how; or the third opinion is no such request.
        Refused: the gate said no.
    """
    request = lock_request(session, reconciliation.request_id, by=by)
    _require_recipient(session, request, by=by, now=now)
    if request.status is RequestStatus.CLOSED:
        raise Conflict("The request is closed, and what came of the discrepancy stands.")
    if (judgement.clinician_informed_at is None) != (judgement.clinician_informed_how is None):
        raise Invalid("Say both when and how the clinician was informed.", field="clinician_informed_how")
    if judgement.clinician_informed_at and judgement.clinician_informed_at > now:
        raise Invalid("Nobody can have been informed after now. Correct the time.", field="clinician_informed_at")
    if judgement.third_request_id is not None:
        third = session.get(ShareRequest, judgement.third_request_id)
        if third is None or third.case_id != request.case_id or third.id == request.id:
            raise Invalid("The third opinion is another request about the same case.", field="third_request_id")
    admit(session, describe_case(session, request, by=by, now=now), Intent.READ, by=by, now=now)
    for name, value in asdict(judgement).items():
        setattr(reconciliation, name, value)
    reconciliation.decided_by, reconciliation.decided_at = by.assignment_id, now
    session.flush()
    version = session.get_one(AnswerVersion, reconciliation.answer_version_id)
    answer = find_answer(session, version.answer_id)
    write_down(session, Event.RECONCILIATION_DECIDED, answer, request, by=by, reason=judgement.outcome)


def find_reconciliation(session: Session, version: AnswerVersion) -> Reconciliation | None:
    """What is being done about a version's discrepancy."""
    return session.scalar(select(Reconciliation).where(Reconciliation.answer_version_id == version.id))


def list_reconciliations(session: Session, request: ShareRequest) -> Sequence[Reconciliation]:
    """All of a request's, the oldest first."""
    return session.scalars(
        select(Reconciliation).where(Reconciliation.request_id == request.id).order_by(Reconciliation.id)
    ).all()


def is_settled(session: Session, request_id: uuid.UUID) -> bool:
    """Whether nothing stands against closing a request: its answer states no discrepancy, or one that is reconciled.

    What was decided about an earlier version counts for a later one that states the same.
    """
    stated = session.scalar(
        select(Answer.agreement).where(Answer.request_id == request_id, Answer.status.in_(STANDING))
    )
    if stated not in DISCREPANCIES:
        return True
    decided = session.scalars(
        select(AnswerVersion)
        .join(Reconciliation, Reconciliation.answer_version_id == AnswerVersion.id)
        .where(AnswerVersion.request_id == request_id, Reconciliation.decided_at.is_not(None))
    )
    return any(version.said.agreement is stated for version in decided)


def _require_recipient(session: Session, request: ShareRequest, *, by: Actor, now: datetime) -> None:
    """Let only those reconcile who could acknowledge the answer: the department that asked, and who is named for it."""
    if side_of(request, by) is not Side.OWNER:
        raise NotPermitted("A discrepancy is reconciled by the department whose diagnosis it is about.")
    named = (request.requester_assignment_id, request.watcher_assignment_id, request.stand_in_assignment_id)
    if by.assignment_id not in named or by.roles(now).isdisjoint(PERMITS[Permission.ACKNOWLEDGE_ANSWER]):
        parties.require_side(session, request, Side.OWNER, Permission.ACKNOWLEDGE_ANSWER, by=by, now=now)
