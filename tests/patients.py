"""Patients for tests: made-up people with numbers that are right, a vault to keep them in, and the log about them."""

from __future__ import annotations

import itertools
import tempfile
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from people import act, make_assignment, make_person, make_provider, make_unit
from sqlalchemy import select
from sqlalchemy.orm import Session

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import AuditEvent, AuditSubject
from cases.access.identifiers import ROOTS, Identifier, IdentifierType, check_digit
from cases.access.patients import Patient, register_patient
from cases.access.permissions import Role
from cases.access.vault import Vault
from cases.database import act_for, platform

_SERIALS = itertools.count(1)


@cache
def a_vault() -> Vault:
    """One vault for the whole run; its folder goes with the run."""
    folder = tempfile.TemporaryDirectory(prefix="samsyn-keys-")
    vault = Vault.create(Path(folder.name) / "keys")
    vault.kept = folder  # type: ignore[attr-defined]  # deleted when the run ends
    return vault


def make_number(kind: IdentifierType = IdentifierType.PNR) -> Identifier:
    """A number that nobody else has in this run.

    It is of somebody born more than a hundred years before the first personnummer was given in 1947, so nobody ever
    had it.
    """
    serial = next(_SERIALS)
    if kind is IdentifierType.LRID:
        return Identifier(kind, "1.2.752.97.3.1.3", f"TF{serial:06}")
    born = date(1801, 1, 1) + timedelta(days=serial // 1000)
    day = born.day + (60 if kind is IdentifierType.SNR else 0)
    digits = f"{born:%Y%m}{day:02}{serial % 1000:03}"
    return Identifier(kind, ROOTS[kind], digits + str(check_digit(digits[2:])))


def make_patient(
    session: Session, *, by: Actor, number: Identifier | None = None, born: date = date(1950, 3, 1)
) -> Patient:
    """A patient of the actor's care provider, born as the number says or, where it does not say, as given."""
    session.info.setdefault("vault", a_vault())
    return register_patient(
        session, number or make_number(), given_name="Tolvan", family_name="Tolvansson", birth_date=born, by=by
    )


@dataclass
class Clinic:
    """Somebody at a care unit of their own provider, and a patient's row there."""

    actor: Actor
    patient: Patient

    def enter(self, session: Session) -> Clinic:
        """Act for this care provider from here on."""
        act_for(session, self.actor.provider_id)
        return self


def make_actor(session: Session, *, name: str = "Region Prov", roles: Iterable[Role] = (Role.PAT, Role.ADM)) -> Actor:
    """Somebody at a care provider of their own; the session acts for it from here on."""
    unit = make_unit(session, make_provider(session, name=name), name="Patologi")
    return act(session, make_assignment(session, make_person(session), unit, roles=roles))


def make_clinic(
    session: Session,
    *,
    name: str = "Region Prov",
    roles: Iterable[Role] = (Role.PAT, Role.ADM),
    number: Identifier | None = None,
) -> Clinic:
    """A care provider with a unit, somebody there, and a patient; the session acts for them from here on."""
    actor = make_actor(session, name=name, roles=roles)
    return Clinic(actor, make_patient(session, by=actor, number=number))


def read_changed(session: Session) -> set[uuid.UUID]:
    """Patients whose viewings will be decided again; each is told once."""
    noted = session.info.pop("changed", None)
    return noted.patients if noted else set()


def read_log(session: Session) -> list[dict[str, Any]]:
    """The log's entries of this transaction so far, the oldest first, each with its subjects."""
    audit.link(session)
    with platform(session):
        entries = session.scalars(select(AuditEvent).order_by(AuditEvent.id)).all()
        subjects = session.scalars(select(AuditSubject).order_by(AuditSubject.ordinal)).all()
    about: dict[uuid.UUID, list[AuditSubject]] = {}
    for subject in subjects:
        about.setdefault(subject.event_id, []).append(subject)
    return [
        {
            "event": entry.event.value,
            "by": entry.assignment_id,
            "patients": [subject.patient_id for subject in about.get(entry.id, [])],
            "kinds": [subject.kind for subject in about.get(entry.id, [])],
            "owners": entry.owners,
            "args": entry.args,
        }
        for entry in entries
    ]
