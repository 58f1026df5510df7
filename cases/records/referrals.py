"""Referrals: who asked for an examination, what they want to know, and who is to have the answer."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import ARRAY, ForeignKey, Index, Uuid, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from cases.access import audit, rights
from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.errors import Invalid
from cases.access.organisations import CareUnit
from cases.access.people import Assignment
from cases.database import Base, Versioned
from cases.records.pathology_case import PathologyCase, subject_of


class Referral(Versioned, Base):
    """The referral that a case came with; one at the most.

    Attributes:
        care_provider_id: of the case.
        referring_provider_id, referring_unit_id, referring_assignment_id: who sent it, as far as they take part here.
        referral_number: the referrer's own.
        question, history: as the referrer wrote them.
        cost_centre: who pays, by the region's code (ansvarskod).
        answer_due_requested: when the referrer wants the answer.
        phone_for_urgent: answered by the referrer when something cannot wait.
        svf_code: of the standard care pathway.
        answer_recipients: care units that are to have the answer.

    Source: domain rules, 3.4.
    """

    __tablename__ = "referral"
    __table_args__ = (Index("ix_referral_answer_recipients", "answer_recipients", postgresql_using="gin"),)

    case_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("pathology_case.id"), unique=True)
    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"), index=True)
    referring_provider_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("care_provider.id"))
    referring_unit_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("care_unit.id"), index=True)
    referring_assignment_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("assignment.id"))
    referral_number: Mapped[str | None]
    ordered_at: Mapped[datetime | None]
    question: Mapped[str | None]
    history: Mapped[str | None]
    cost_centre: Mapped[str | None]
    answer_due_requested: Mapped[datetime | None]
    phone_for_urgent: Mapped[str | None]
    svf_code: Mapped[str | None]
    answer_recipients: Mapped[list[uuid.UUID]] = mapped_column(ARRAY(Uuid), default=list)


@dataclass(frozen=True, kw_only=True)
class ReferralDetails:
    """What a referral says; see `Referral`. The provider is the referring unit's."""

    referring_unit_id: uuid.UUID | None = None
    referring_assignment_id: uuid.UUID | None = None
    referral_number: str | None = None
    ordered_at: datetime | None = None
    question: str | None = None
    history: str | None = None
    cost_centre: str | None = None
    answer_due_requested: datetime | None = None
    phone_for_urgent: str | None = None
    svf_code: str | None = None
    answer_recipients: tuple[uuid.UUID, ...] = ()


def find_referral(session: Session, case_id: uuid.UUID) -> Referral | None:
    """The referral that a case came with."""
    return session.scalar(select(Referral).where(Referral.case_id == case_id))


def referral_details(referral: Referral) -> ReferralDetails:
    """What is known of a referral, for changing some of it with `dataclasses.replace`."""
    known = {field.name: getattr(referral, field.name) for field in fields(ReferralDetails)}
    return ReferralDetails(**{**known, "answer_recipients": tuple(referral.answer_recipients)})


def register_referral(session: Session, case: PathologyCase, details: ReferralDetails, *, by: Actor | None) -> Referral:
    """Say which referral a case came with, or correct what was said of it.

    Raises:
        Invalid: a unit or an assignment that it names does not exist.
    """
    unit = _find_unit(session, details)
    referral = find_referral(session, case.id)
    if referral is not None and referral_details(referral) == details:
        return referral
    if referral is None:
        referral = Referral(case_id=case.id, care_provider_id=case.care_provider_id, created_by=by and by.assignment_id)
        session.add(referral)
    for name, value in vars(details).items():
        setattr(referral, name, list(value) if name == "answer_recipients" else value)
    referral.referring_provider_id = unit.care_provider_id if unit else None
    session.flush()
    # Who sent it, and who is to have the answer, may see the case for that.
    rights.changed(session, patients=[case.patient_id])
    audit.record(
        session,
        Event.CASE_CHANGED,
        by=by,
        provider_id=case.care_provider_id,
        subjects=[subject_of(case)],
        args={"referral": str(referral.id)},
    )
    return referral


def _find_unit(session: Session, details: ReferralDetails) -> CareUnit | None:
    recipients = set(details.answer_recipients)
    if recipients and len(set(session.scalars(select(CareUnit.id).where(CareUnit.id.in_(recipients))))) < len(
        recipients
    ):
        raise Invalid("A care unit that is to have the answer does not exist here.", field="answer_recipients")
    unit = session.get(CareUnit, details.referring_unit_id) if details.referring_unit_id else None
    if details.referring_unit_id and unit is None:
        raise Invalid("The care unit that referred does not exist here.", field="referring_unit_id")
    if details.referring_assignment_id:
        assignment = session.get(Assignment, details.referring_assignment_id)
        if assignment is None or unit is None or assignment.care_unit_id != unit.id:
            raise Invalid("Name an assignment at the care unit that referred.", field="referring_assignment_id")
    return unit
