"""What a patient has said yes to, and emergencies in which nobody could be asked."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import CheckConstraint, Enum, ForeignKey, ForeignKeyConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from cases.access import audit
from cases.access.actors import Actor, Period
from cases.access.audit import Event
from cases.access.errors import Conflict, Invalid, NotPermitted, NotThere
from cases.access.patients import Patient, as_subject
from cases.access.permissions import Permission
from cases.access.same_patients import find_same, note_changed
from cases.database import Base, Versioned, is_among

EMERGENCY_LASTS = timedelta(hours=24)
"""What is asserted in an emergency holds for so long; then the patient or another can be asked."""


class AssertionType(StrEnum):
    """Whether the patient said yes, or could not be asked in an emergency."""

    CONSENT = "CONSENT"
    EMERGENCY = "EMERGENCY"


class ConsentScope(StrEnum):
    """To what: looking up in the coherent record, handing out, or lifting a block."""

    SVOD = "SVOD"
    DISCLOSURE = "DISCLOSURE"
    BLOCK_LIFT = "BLOCK_LIFT"


class ConsentForm(StrEnum):
    """How the patient said yes."""

    ORAL = "ORAL"
    WRITTEN = "WRITTEN"
    DIGITAL_1177 = "DIGITAL_1177"


class ConsentAssertion(Versioned, Base):
    """That a patient consents, or that there is an emergency, as somebody asserted it.

    Attributes:
        care_provider_id, care_unit_id: for whom it holds.
        assignment_id: for one employee; None for everybody at the unit.
        by_representative: somebody spoke for the patient.
        reason_text: of an emergency, in the person's own words.
        ended_at: the patient took it back.
        deleted_at: it was registered by mistake.
    """

    __tablename__ = "consent_assertion"
    __table_args__ = (
        ForeignKeyConstraint(["care_unit_id", "care_provider_id"], ["care_unit.id", "care_unit.care_provider_id"]),
        CheckConstraint("end_at > start_at", "dates_in_order"),
        CheckConstraint("(type = 'CONSENT') = (how IS NOT NULL)", "consent_says_how"),
    )

    patient_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("patient.id"), index=True)
    care_provider_id: Mapped[uuid.UUID] = mapped_column(index=True)
    care_unit_id: Mapped[uuid.UUID]
    assignment_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("assignment.id"))
    type: Mapped[AssertionType] = mapped_column(Enum(AssertionType, native_enum=False, length=40))
    scope: Mapped[ConsentScope] = mapped_column(Enum(ConsentScope, native_enum=False, length=40))
    how: Mapped[ConsentForm | None] = mapped_column(Enum(ConsentForm, native_enum=False, length=40))
    by_representative: Mapped[bool] = mapped_column(default=False)
    reason_text: Mapped[str | None]
    start_at: Mapped[datetime]
    end_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[uuid.UUID | None]
    deleted_at: Mapped[datetime | None]
    deleted_by: Mapped[uuid.UUID | None]

    @property
    def period(self) -> Period:
        """When it holds."""
        return _period(self.start_at, self.end_at, self.ended_at, self.deleted_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentFacts:
    """A consent or an emergency, as the gate needs it.

    Attributes:
        provider_id, unit_id, assignment_id: for whom; no assignment means everybody at the unit.
        period: when it holds.
    """

    type: AssertionType
    scope: ConsentScope
    provider_id: uuid.UUID
    unit_id: uuid.UUID
    assignment_id: uuid.UUID | None
    period: Period

    def is_for(self, actor: Actor) -> bool:
        """Whether it is for somebody's unit or for them."""
        return self.unit_id == actor.unit_id and self.assignment_id in (None, actor.assignment_id)


def require_emergency(by: Actor, *, reason: str, now: datetime) -> None:
    """Let an emergency be asserted only by those who treat patients, who just proved who they are, and who say why.

    Raises:
        NotPermitted: the role is another one, or the proof is older than five minutes.
        Invalid: no reason is given.
    """
    if not by.may(Permission.OPEN_IN_EMERGENCY, now):
        raise NotPermitted("Opening in an emergency is for pathologists and clinicians who treat patients.")
    if not by.proved_lately(now):
        raise NotPermitted("Prove once more who you are: an emergency needs a proof that is at most five minutes old.")
    if len(reason.strip()) < 5:
        raise Invalid("Say in a few words what the emergency is: log reviewers read it.", field="reason")


def register_consent(
    session: Session,
    patient: Patient,
    scope: ConsentScope,
    *,
    how: ConsentForm,
    only_me: bool = False,
    by_representative: bool = False,
    end_at: datetime | None = None,
    by: Actor,
    now: datetime,
) -> ConsentAssertion:
    """Write down that the patient consents, from now on, for the actor's care unit.

    Args:
        only_me: for the actor alone.
        end_at: until when; for good by default, which the patient can end at any time.

    Raises:
        Invalid: the end has passed.
    """
    if end_at is not None and end_at <= now:
        raise Invalid("The consent would end before it begins. Give a later end, or none.", field="end_at")
    assertion = ConsentAssertion(
        type=AssertionType.CONSENT, how=how, by_representative=by_representative, end_at=end_at
    )
    return _register(session, patient, assertion, scope, only_me=only_me, by=by, now=now)


def assert_emergency(
    session: Session, patient: Patient, scope: ConsentScope, *, reason: str, by: Actor, now: datetime
) -> ConsentAssertion:
    """Write down that there is an emergency in which the patient cannot be asked. It holds for the actor, for a day.

    Raises:
        NotPermitted, Invalid: as `require_emergency`.
    """
    require_emergency(by, reason=reason, now=now)
    assertion = ConsentAssertion(type=AssertionType.EMERGENCY, reason_text=reason.strip(), end_at=now + EMERGENCY_LASTS)
    return _register(session, patient, assertion, scope, only_me=True, by=by, now=now)


def end_consent(session: Session, assertion_id: uuid.UUID, *, by: Actor, now: datetime) -> ConsentAssertion:
    """The patient takes it back: nothing rests on it from now on, lifted blocks included.

    Raises:
        NotThere: the actor's care provider has no such consent.
        Conflict: it has ended.
    """
    assertion = _load(session, assertion_id, by=by, now=now)
    assertion.ended_at, assertion.ended_by = now, by.assignment_id
    return _close(session, assertion, Event.CONSENT_ENDED, by=by)


def delete_consent(session: Session, assertion_id: uuid.UUID, *, by: Actor, now: datetime) -> ConsentAssertion:
    """It was registered by mistake. The row stays; nothing rests on it from now on.

    Raises:
        NotThere: the actor's care provider has no such consent.
        Conflict: it has ended.
    """
    assertion = _load(session, assertion_id, by=by, now=now)
    assertion.deleted_at, assertion.deleted_by = now, by.assignment_id
    return _close(session, assertion, Event.CONSENT_DELETED, by=by)


def list_consents(session: Session, patient: Patient, *, by: Actor) -> Sequence[ConsentAssertion]:
    """Everything that was asserted for a patient at their care provider, the newest first. It is logged."""
    audit.record(session, Event.LIST_VIEWED, by=by, subjects=[as_subject(patient, kind="consents")])
    return session.scalars(
        select(ConsentAssertion)
        .join(Patient, Patient.id == ConsentAssertion.patient_id)
        .where(Patient.same_as_id == patient.same_as_id, ConsentAssertion.care_provider_id == by.provider_id)
        .order_by(ConsentAssertion.id.desc())
    ).all()


def find_consents(
    session: Session,
    patient_ids: Collection[uuid.UUID],
    *,
    same: Mapping[uuid.UUID, frozenset[uuid.UUID]] | None = None,
) -> Mapping[uuid.UUID, tuple[ConsentFacts, ...]]:
    """What the gate needs to know of consents: all that providers in sight registered for the same people.

    Args:
        same: what `find_same` found for these patients, where it has been asked.
    """
    same = same or find_same(session, patient_ids)
    found: dict[uuid.UUID, list[ConsentFacts]] = {}
    every: frozenset[uuid.UUID] = frozenset().union(*same.values())
    for row in session.execute(_ASK, {"patient_ids": list(every)}):
        facts = ConsentFacts(
            type=row.type,
            scope=row.scope,
            provider_id=row.care_provider_id,
            unit_id=row.care_unit_id,
            assignment_id=row.assignment_id,
            period=_period(row.start_at, row.end_at, row.ended_at),
        )
        found.setdefault(row.patient_id, []).append(facts)
    return {patient_id: tuple(facts for one in ids for facts in found.get(one, ())) for patient_id, ids in same.items()}


# Built once: the gate asks for every decision, and making a statement takes longer than asking.
_ASK = select(
    ConsentAssertion.patient_id,
    ConsentAssertion.type,
    ConsentAssertion.scope,
    ConsentAssertion.care_provider_id,
    ConsentAssertion.care_unit_id,
    ConsentAssertion.assignment_id,
    ConsentAssertion.start_at,
    ConsentAssertion.end_at,
    ConsentAssertion.ended_at,
).where(is_among(ConsentAssertion.patient_id, "patient_ids"), ConsentAssertion.deleted_at.is_(None))


def _period(start: datetime, *ends: datetime | None) -> Period:
    return Period(start, min((end for end in ends if end), default=None))


def _register(
    session: Session,
    patient: Patient,
    assertion: ConsentAssertion,
    scope: ConsentScope,
    *,
    only_me: bool,
    by: Actor,
    now: datetime,
) -> ConsentAssertion:
    assertion.patient_id, assertion.scope, assertion.start_at = patient.id, scope, now
    assertion.care_provider_id, assertion.care_unit_id = by.provider_id, by.unit_id
    assertion.assignment_id = by.assignment_id if only_me else None
    assertion.created_by = by.assignment_id
    session.add(assertion)
    session.flush()
    audit.record(
        session,
        Event.NODOPPNING if assertion.type is AssertionType.EMERGENCY else Event.CONSENT_REGISTERED,
        by=by,
        subjects=[as_subject(patient, kind="consent", subject_id=assertion.id)],
        args={"type": assertion.type, "scope": scope, "how": assertion.how},
    )
    note_changed(session, [patient.id])
    return assertion


def _load(session: Session, assertion_id: uuid.UUID, *, by: Actor, now: datetime) -> ConsentAssertion:
    assertion = session.scalar(
        select(ConsentAssertion)
        .where(ConsentAssertion.id == assertion_id, ConsentAssertion.care_provider_id == by.provider_id)
        .with_for_update()
    )
    if assertion is None:
        raise NotThere("There is no such consent at this care provider.")
    if assertion.period.end is not None and assertion.period.end <= now:
        raise Conflict("This consent has ended already. Register a new one where the patient consents again.")
    return assertion


def _close(session: Session, assertion: ConsentAssertion, event: Event, *, by: Actor) -> ConsentAssertion:
    session.flush()
    subject = audit.Subject(
        kind="consent",
        id=assertion.id,
        patient_id=assertion.patient_id,
        provider_id=assertion.care_provider_id,
        unit_id=assertion.care_unit_id,
    )
    audit.record(session, event, by=by, subjects=[subject], args={"scope": assertion.scope})
    note_changed(session, [assertion.patient_id])
    return assertion
