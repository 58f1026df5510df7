"""Current care relations, and that a patient has been told how their information is shared."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache

from sqlalchemy import CheckConstraint, Enum, ForeignKey, ForeignKeyConstraint, Select, or_, select
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from cases.access import audit, rights
from cases.access.actors import Actor, Period
from cases.access.audit import Event, Subject
from cases.access.errors import Conflict, Invalid, NotPermitted, NotThere
from cases.access.patients import Patient, as_subject
from cases.access.permissions import Permission
from cases.access.same_patients import find_same, note_changed
from cases.database import Base, Versioned, is_among


class RelationReason(StrEnum):
    """Why somebody takes part in a patient's care."""

    REFERRAL = "REFERRAL"
    CONSULT = "CONSULT"
    MDT = "MDT"
    ADMISSION = "ADMISSION"
    EMERGENCY = "EMERGENCY"
    OTHER = "OTHER"


class NoticeChannel(StrEnum):
    """How a patient was told; PUBLIC is a notice to all of a care provider's patients."""

    ORAL = "ORAL"
    LETTER = "LETTER"
    DIGITAL_1177 = "DIGITAL_1177"
    PUBLIC = "PUBLIC"


class PatientRelation(Versioned, Base):
    """That somebody, or everybody at a care unit, takes part in a patient's care.

    Attributes:
        care_unit_id, assignment_id: for whom: one of the two.
        reason_text: in their own words, where the reason is another one.
    """

    __tablename__ = "patient_relation"
    __table_args__ = (
        ForeignKeyConstraint(["patient_id", "care_provider_id"], ["patient.id", "patient.care_provider_id"]),
        ForeignKeyConstraint(["care_unit_id", "care_provider_id"], ["care_unit.id", "care_unit.care_provider_id"]),
        CheckConstraint("(care_unit_id IS NULL) <> (assignment_id IS NULL)", "for_a_unit_or_one_person"),
    )

    patient_id: Mapped[uuid.UUID] = mapped_column(index=True)
    care_provider_id: Mapped[uuid.UUID] = mapped_column(index=True)
    care_unit_id: Mapped[uuid.UUID | None]
    assignment_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("assignment.id"))
    reason: Mapped[RelationReason] = mapped_column(Enum(RelationReason, native_enum=False, length=40))
    reason_text: Mapped[str | None]
    start_at: Mapped[datetime]
    end_at: Mapped[datetime | None]


class PatientInformationNotice(Versioned, Base):
    """That a patient was told that information is made available, and may be blocked.

    Attributes:
        patient_id: who was told; None for all patients of the care provider.
        text_version: of what was said.
        end_at: when it no longer counts.
    """

    __tablename__ = "patient_information_notice"
    __table_args__ = (
        ForeignKeyConstraint(["patient_id", "care_provider_id"], ["patient.id", "patient.care_provider_id"]),
    )

    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"), index=True)
    patient_id: Mapped[uuid.UUID | None] = mapped_column(index=True)
    text_version: Mapped[str]
    channel: Mapped[NoticeChannel] = mapped_column(Enum(NoticeChannel, native_enum=False, length=40))
    given_at: Mapped[datetime]
    end_at: Mapped[datetime | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationFacts:
    """A care relation, as the gate needs it.

    Attributes:
        unit_id, assignment_id: for whom: one of the two.
        period: when it holds.
    """

    provider_id: uuid.UUID
    unit_id: uuid.UUID | None
    assignment_id: uuid.UUID | None
    reason: RelationReason
    period: Period

    def is_for(self, actor: Actor) -> bool:
        """Whether it is somebody's own or their unit's."""
        return actor.assignment_id == self.assignment_id or actor.unit_id == self.unit_id


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeFacts:
    """That a care provider's patient has been told, and since when it counts."""

    provider_id: uuid.UUID
    period: Period


def register_relation(
    session: Session,
    patient: Patient,
    reason: RelationReason,
    *,
    reason_text: str | None = None,
    whole_unit: bool = False,
    end_at: datetime | None = None,
    by: Actor,
    now: datetime,
) -> PatientRelation:
    """Say that one takes part in a patient's care, or that everybody at one's care unit does.

    Raises:
        Invalid: another reason is not explained, or the end has passed.
    """
    if reason is RelationReason.OTHER and not (reason_text or "").strip():
        raise Invalid("Say in a few words what the relation is.", field="reason_text")
    if end_at is not None and end_at <= now:
        raise Invalid("The relation would end before it begins. Give a later end, or none.", field="end_at")
    relation = PatientRelation(
        patient_id=patient.id,
        care_provider_id=by.provider_id,
        care_unit_id=by.unit_id if whole_unit else None,
        assignment_id=None if whole_unit else by.assignment_id,
        reason=reason,
        reason_text=(reason_text or "").strip() or None,
        start_at=now,
        end_at=end_at,
        created_by=by.assignment_id,
    )
    session.add(relation)
    session.flush()
    subject = as_subject(patient, kind="relation", subject_id=relation.id)
    audit.record(
        session,
        Event.RELATION_REGISTERED,
        by=by,
        subjects=[subject],
        args={"reason": reason, "whole_unit": whole_unit},
    )
    note_changed(session, [patient.id])
    return relation


def end_relation(session: Session, relation_id: uuid.UUID, *, by: Actor, now: datetime) -> PatientRelation:
    """The care relation is over.

    Raises:
        NotThere: the actor's care provider has no such relation.
        Conflict: it has ended.
    """
    relation = session.scalar(
        select(PatientRelation)
        .where(PatientRelation.id == relation_id, PatientRelation.care_provider_id == by.provider_id)
        .with_for_update()
    )
    if relation is None:
        raise NotThere("There is no such care relation at this care provider.")
    if relation.end_at is not None and relation.end_at <= now:
        raise Conflict("This care relation has ended already.")
    relation.end_at = now
    session.flush()
    subject = Subject(
        kind="relation", id=relation.id, patient_id=relation.patient_id, provider_id=relation.care_provider_id
    )
    audit.record(session, Event.RELATION_ENDED, by=by, subjects=[subject])
    note_changed(session, [relation.patient_id])
    return relation


def list_relations(session: Session, patient: Patient, *, by: Actor) -> Sequence[PatientRelation]:
    """Who takes or took part in a patient's care, the newest first. It is logged."""
    audit.record(session, Event.LIST_VIEWED, by=by, subjects=[as_subject(patient, kind="relations")])
    return session.scalars(
        select(PatientRelation)
        .join(Patient, Patient.id == PatientRelation.patient_id)
        .where(Patient.same_as_id == patient.same_as_id, PatientRelation.care_provider_id == by.provider_id)
        .order_by(PatientRelation.id.desc())
    ).all()


def find_relations(
    session: Session,
    patient_ids: Collection[uuid.UUID],
    *,
    same: Mapping[uuid.UUID, frozenset[uuid.UUID]] | None = None,
) -> Mapping[uuid.UUID, tuple[RelationFacts, ...]]:
    """What the gate needs to know of care relations: all that providers in sight registered for the same people.

    Args:
        same: what `find_same` found for these patients, where it has been asked.
    """
    same = same or find_same(session, patient_ids)
    found: dict[uuid.UUID, list[RelationFacts]] = {}
    every: frozenset[uuid.UUID] = frozenset().union(*same.values())
    for row in session.execute(_ASK_RELATIONS, {"patient_ids": list(every)}):
        facts = RelationFacts(
            provider_id=row.care_provider_id,
            unit_id=row.care_unit_id,
            assignment_id=row.assignment_id,
            reason=row.reason,
            period=Period(row.start_at, row.end_at),
        )
        found.setdefault(row.patient_id, []).append(facts)
    return {patient_id: tuple(facts for one in ids for facts in found.get(one, ())) for patient_id, ids in same.items()}


def give_notice(
    session: Session,
    patient: Patient | None,
    channel: NoticeChannel,
    *,
    text_version: str,
    by: Actor,
    now: datetime,
) -> PatientInformationNotice:
    """Write down that a patient, or all patients of the actor's care provider, have been told how sharing works.

    Raises:
        Invalid: one patient is told in person, all by a public notice; or the text's version is missing.
    """
    if (patient is None) is not (channel is NoticeChannel.PUBLIC):
        raise Invalid("A public notice is for all patients; one patient is told in another way.", field="channel")
    if not text_version.strip():
        raise Invalid("Say which version of the text was given.", field="text_version")
    notice = PatientInformationNotice(
        care_provider_id=by.provider_id,
        patient_id=patient.id if patient else None,
        text_version=text_version.strip(),
        channel=channel,
        given_at=now,
        created_by=by.assignment_id,
    )
    session.add(notice)
    session.flush()
    subject = (
        as_subject(patient, kind="notice", subject_id=notice.id)
        if patient
        else Subject(kind="notice", id=notice.id, provider_id=by.provider_id)
    )
    audit.record(session, Event.NOTICE_GIVEN, by=by, subjects=[subject], args={"channel": channel})
    return notice


def end_notice(session: Session, notice_id: uuid.UUID, *, by: Actor, now: datetime) -> PatientInformationNotice:
    """The notice no longer counts: it was a mistake, or the text has been replaced.

    Raises:
        NotThere: the actor's care provider has no such notice.
        NotPermitted: it is for all patients, and the actor may only end those for one.
        Conflict: it has ended.
    """
    notice = session.scalar(
        select(PatientInformationNotice)
        .where(PatientInformationNotice.id == notice_id, PatientInformationNotice.care_provider_id == by.provider_id)
        .with_for_update()
    )
    if notice is None:
        raise NotThere("There is no such notice at this care provider.")
    if notice.end_at is not None:
        raise Conflict("This notice has ended already.")
    if notice.patient_id is None and not by.may(Permission.CONFIGURE_PROVIDER, now):
        raise NotPermitted("A notice to all patients is ended by the care provider's administrator.")
    notice.end_at = now
    session.flush()
    subject = Subject(kind="notice", id=notice.id, patient_id=notice.patient_id, provider_id=notice.care_provider_id)
    audit.record(session, Event.NOTICE_GIVEN, by=by, subjects=[subject], args={"ended": True})
    if notice.patient_id is not None:
        note_changed(session, [notice.patient_id])
    else:
        rights.changed(session, providers=[notice.care_provider_id])
    return notice


def list_notices(session: Session, patient: Patient, *, by: Actor) -> Sequence[PatientInformationNotice]:
    """What a patient has been told, in person or with all others, the newest first. It is logged."""
    audit.record(session, Event.LIST_VIEWED, by=by, subjects=[as_subject(patient, kind="notices")])
    rows = select(Patient.id).where(Patient.same_as_id == patient.same_as_id)
    return session.scalars(
        select(PatientInformationNotice)
        .where(
            PatientInformationNotice.care_provider_id == patient.care_provider_id,
            or_(PatientInformationNotice.patient_id.in_(rows), PatientInformationNotice.patient_id.is_(None)),
        )
        .order_by(PatientInformationNotice.id.desc())
    ).all()


def find_notices(session: Session, patient_ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, tuple[NoticeFacts, ...]]:
    """What the gate needs to know of notices: those that the patients' own care providers gave them."""
    found: dict[uuid.UUID, list[NoticeFacts]] = {patient_id: [] for patient_id in patient_ids}
    for patient_id, provider_id, given_at, end_at in session.execute(
        _ask_notices(), {"patient_ids": list(patient_ids)}
    ):
        found[patient_id].append(NoticeFacts(provider_id=provider_id, period=Period(given_at, end_at)))
    return {patient_id: tuple(facts) for patient_id, facts in found.items()}


# Built once, as the next: the gate asks for every decision, and making a statement takes longer than asking.
_ASK_RELATIONS = select(
    PatientRelation.patient_id,
    PatientRelation.care_provider_id,
    PatientRelation.care_unit_id,
    PatientRelation.assignment_id,
    PatientRelation.reason,
    PatientRelation.start_at,
    PatientRelation.end_at,
).where(is_among(PatientRelation.patient_id, "patient_ids"))


@cache
def _ask_notices() -> Select[uuid.UUID, uuid.UUID, datetime, datetime | None]:
    row, notice = aliased(Patient), PatientInformationNotice
    to_all = notice.patient_id.is_(None) & (notice.care_provider_id == row.care_provider_id)
    return (
        select(Patient.id, notice.care_provider_id, notice.given_at, notice.end_at)
        .join(row, row.same_as_id == Patient.same_as_id)
        .join(notice, or_(notice.patient_id == row.id, to_all))
        .where(is_among(Patient.id, "patient_ids"))
    )
