"""Patients: a row belongs to one care provider, so that nobody learns that another one has the patient too.

Names and numbers are kept encrypted; a number is found by its keyed index. Somebody may have several rows here, one
for each number they came with: rows with the same `same_as_id` are one patient.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Enum, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event, Subject
from cases.access.errors import Conflict, Invalid, NotThere
from cases.access.identifiers import Identifier, IdentifierType
from cases.access.vault import WrongKeys, find_vault
from cases.database import Base, Versioned, new_id, platform


class Protection(StrEnum):
    """How the tax agency protects somebody's identity. A new identity (fingerade) is an ordinary patient: L26."""

    NONE = "NONE"
    SEKRETESSMARKERING = "SEKRETESSMARKERING"
    SKYDDAD_FOLKBOKFORING = "SKYDDAD_FOLKBOKFORING"


class Sex(StrEnum):
    """As the identity number or the record states it."""

    FEMALE = "FEMALE"
    MALE = "MALE"


class IdentifierStatus(StrEnum):
    """What has become of a number: the one to use, a reserve number beside it, an old one, or a mistake."""

    CURRENT = "CURRENT"
    LINKED = "LINKED"
    REPLACED = "REPLACED"
    ERROR = "ERROR"


class Patient(Versioned, Base):
    """Somebody who gets care from one provider.

    Attributes:
        care_provider_id: whose patient this row is.
        same_as_id: the row that stands for all rows of this patient here; its own id until rows are linked.
        given_name_enc, family_name_enc: encrypted for the provider.
        protection_checked_at: when the tax agency's mark was last looked up.
        objection_at: when the patient objected to sharing; None while there is no objection.
        mismatch_at: when somebody said that what is gathered here may belong to different people.
    """

    __tablename__ = "patient"
    __table_args__ = (
        UniqueConstraint("id", "care_provider_id"),
        ForeignKeyConstraint(["same_as_id", "care_provider_id"], ["patient.id", "patient.care_provider_id"]),
    )

    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"), index=True)
    same_as_id: Mapped[uuid.UUID] = mapped_column(index=True)
    given_name_enc: Mapped[bytes]
    family_name_enc: Mapped[bytes]
    birth_date: Mapped[date | None]
    sex: Mapped[Sex | None] = mapped_column(Enum(Sex, native_enum=False, length=40))
    deceased_at: Mapped[datetime | None]
    protection: Mapped[Protection] = mapped_column(
        Enum(Protection, native_enum=False, length=40), default=Protection.NONE
    )
    protection_checked_at: Mapped[datetime | None]
    objection_at: Mapped[datetime | None]
    mismatch_at: Mapped[datetime | None]

    @property
    def protected(self) -> bool:
        """Whether only those who are named may know who it is."""
        return self.protection is not Protection.NONE


class PatientIdentifier(Versioned, Base):
    """One number of a patient.

    Attributes:
        extension_enc: the number, encrypted for the provider.
        extension_hmac: what it is found by: the same for every provider, and useless without the search key.
        linked_by, linked_at: the assignment that found two numbers to be one patient's, and when.
    """

    __tablename__ = "patient_identifier"
    __table_args__ = (
        CheckConstraint("(linked_by IS NULL) = (linked_at IS NULL)", "link_is_whole"),
        ForeignKeyConstraint(["patient_id", "care_provider_id"], ["patient.id", "patient.care_provider_id"]),
        Index(
            "uq_patient_identifier_number",
            "care_provider_id",
            "root_oid",
            "extension_hmac",
            unique=True,
            postgresql_where="status <> 'ERROR'",
        ),
        Index("ix_patient_identifier_extension_hmac", "extension_hmac"),
    )

    patient_id: Mapped[uuid.UUID] = mapped_column(index=True)
    care_provider_id: Mapped[uuid.UUID]
    type: Mapped[IdentifierType] = mapped_column(Enum(IdentifierType, native_enum=False, length=40))
    root_oid: Mapped[str]
    extension_enc: Mapped[bytes]
    extension_hmac: Mapped[bytes]
    status: Mapped[IdentifierStatus] = mapped_column(
        Enum(IdentifierStatus, native_enum=False, length=40), default=IdentifierStatus.CURRENT
    )
    linked_by: Mapped[uuid.UUID | None]
    linked_at: Mapped[datetime | None]


@dataclass(frozen=True, slots=True)
class KnownNumber:
    """A number as shown.

    Attributes:
        extension: None where the identity is protected.
    """

    id: uuid.UUID
    type: IdentifierType
    root_oid: str
    extension: str | None
    status: IdentifierStatus
    linked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientView:
    """A patient as shown to somebody.

    Attributes:
        redacted: the identity is protected and not shown: names, numbers, birth date and sex are None.
        version: of the row.
    """

    id: uuid.UUID
    same_as_id: uuid.UUID
    given_name: str | None
    family_name: str | None
    birth_date: date | None
    sex: Sex | None
    numbers: tuple[KnownNumber, ...]
    deceased_at: datetime | None
    protection: Protection
    protection_checked_at: datetime | None
    objection_at: datetime | None
    mismatch_at: datetime | None
    redacted: bool
    version: int


def as_subject(patient: Patient, *, kind: str = "patient", subject_id: uuid.UUID | None = None) -> Subject:
    """A patient, or something that concerns one, for the log."""
    return Subject(kind=kind, id=subject_id or patient.id, patient_id=patient.id, provider_id=patient.care_provider_id)


def register_patient(
    session: Session,
    identifier: Identifier,
    *,
    given_name: str,
    family_name: str,
    birth_date: date | None = None,
    sex: Sex | None = None,
    by: Actor,
) -> Patient:
    """Take a patient in under one number.

    Args:
        birth_date: where the number does not state it.
        sex: where the number does not state it.

    Raises:
        Conflict: this care provider has the number already.
        Invalid: a name is missing.
    """
    if not given_name.strip() or not family_name.strip():
        raise Invalid("A patient has a given name and a family name; write what is known of them.")
    if find_number(session, identifier, by=by) is not None:
        raise Conflict("This number is registered here already. Search for it, and use the patient that is found.")
    vault, patient_id = find_vault(session), new_id()
    patient = Patient(
        id=patient_id,
        same_as_id=patient_id,
        care_provider_id=by.provider_id,
        given_name_enc=vault.encrypt(by.provider_id, given_name.strip()),
        family_name_enc=vault.encrypt(by.provider_id, family_name.strip()),
        birth_date=identifier.birth_date or birth_date,
        sex=_find_sex(identifier) or sex,
        created_by=by.assignment_id,
    )
    session.add(patient)
    session.flush()
    session.add(new_number(session, patient, identifier, by=by))
    session.flush()
    audit.record(session, Event.PATIENT_CREATED, by=by, subjects=[as_subject(patient)])
    return patient


def new_number(session: Session, patient: Patient, identifier: Identifier, *, by: Actor) -> PatientIdentifier:
    """A number as a row of a patient, not yet in the session."""
    vault = find_vault(session)
    return PatientIdentifier(
        patient_id=patient.id,
        care_provider_id=patient.care_provider_id,
        type=identifier.type,
        root_oid=identifier.root_oid,
        extension_enc=vault.encrypt(patient.care_provider_id, identifier.extension),
        extension_hmac=vault.index(identifier.root_oid, identifier.extension),
        created_by=by.assignment_id,
    )


def find_number(session: Session, identifier: Identifier, *, by: Actor) -> PatientIdentifier | None:
    """The row of a number at the actor's care provider."""
    return session.scalar(
        select(PatientIdentifier).where(
            PatientIdentifier.care_provider_id == by.provider_id,
            PatientIdentifier.root_oid == identifier.root_oid,
            PatientIdentifier.extension_hmac == find_vault(session).index(identifier.root_oid, identifier.extension),
            PatientIdentifier.status != IdentifierStatus.ERROR,
        )
    )


def find_patient(session: Session, identifier: Identifier, *, by: Actor) -> Patient | None:
    """Search for a patient of the actor's care provider by a number. A search that finds nobody is logged too."""
    number = find_number(session, identifier, by=by)
    patient = session.get_one(Patient, number.patient_id) if number else None
    audit.record(
        session,
        Event.SEARCH_PATIENT,
        by=by,
        subjects=[as_subject(patient)] if patient else [],
        args={
            "term": find_vault(session).index(identifier.root_oid, identifier.extension).hex(),
            "hits": int(patient is not None),
        },
    )
    return patient


def load_patient(session: Session, patient_id: uuid.UUID, *, by: Actor) -> Patient:
    """A patient of the actor's care provider, for what is to be done with them.

    Raises:
        NotThere: there is none, or it is another provider's.
    """
    patient = session.scalar(
        select(Patient).where(Patient.id == patient_id, Patient.care_provider_id == by.provider_id)
    )
    if patient is None:
        raise NotThere("There is no such patient at this care provider. Search by identity number.")
    return patient


def show(session: Session, patient: Patient, *, by: Actor, named: bool = False) -> PatientView:
    """Show a patient to somebody, which is logged. A number that was linked by mistake is left out.

    Args:
        named: whether the actor is named for this patient, who may then be seen in spite of a protected identity.
    """
    audit.record(session, Event.PATIENT_VIEWED, by=by, subjects=[as_subject(patient)])
    vault, redacted = find_vault(session), patient.protected and not named
    rows = session.scalars(
        select(PatientIdentifier)
        .join(Patient, Patient.id == PatientIdentifier.patient_id)
        .where(Patient.same_as_id == patient.same_as_id, PatientIdentifier.status != IdentifierStatus.ERROR)
        .order_by(PatientIdentifier.id)
    )

    def read(locked: bytes) -> str | None:
        return None if redacted else vault.decrypt(patient.care_provider_id, locked)

    return PatientView(
        id=patient.id,
        same_as_id=patient.same_as_id,
        given_name=read(patient.given_name_enc),
        family_name=read(patient.family_name_enc),
        birth_date=None if redacted else patient.birth_date,
        sex=None if redacted else patient.sex,
        numbers=tuple(
            KnownNumber(row.id, row.type, row.root_oid, read(row.extension_enc), row.status, row.linked_at)
            for row in rows
        ),
        deceased_at=patient.deceased_at,
        protection=patient.protection,
        protection_checked_at=patient.protection_checked_at,
        objection_at=patient.objection_at,
        mismatch_at=patient.mismatch_at,
        redacted=redacted,
        version=patient.version,
    )


def check_keys(session: Session) -> int:
    """Try the keys on the newest number in the database. How many numbers were tried: none where there is none.

    Raises:
        WrongKeys: the keys do not belong to this database.
    """
    with platform(session):
        row = session.scalar(select(PatientIdentifier).order_by(PatientIdentifier.id.desc()).limit(1))
    if row is None:
        return 0
    vault = find_vault(session)
    if vault.index(row.root_oid, vault.decrypt(row.care_provider_id, row.extension_enc)) != row.extension_hmac:
        raise WrongKeys("The search key is not the one of this database. Restore the keys from its backup.")
    return 1


def _find_sex(identifier: Identifier) -> Sex | None:
    digit = identifier.extension[10:11]
    if identifier.type is IdentifierType.LRID or not digit.isdigit():
        return None
    return Sex.MALE if int(digit) % 2 else Sex.FEMALE
