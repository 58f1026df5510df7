"""Somebody with a slide open: at home, or looking up what another care provider has."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from world import Place, Somebody

from cases.access.choices import ChoiceKind
from cases.access.consents import ConsentForm, ConsentScope, register_consent
from cases.access.patients import Patient
from cases.access.permissions import Role
from cases.access.relations import RelationReason, register_relation
from cases.records.pathology_case import PathologyCase, add_member
from cases.records.slide_images import SlideImage
from cases.sharing.record_grants import look_up
from cases.sharing.viewings import Viewing, find_live, open_viewing
from cases.transaction import transaction


@dataclass
class Looking:
    """Somebody with a slide open."""

    who: Somebody
    patient_id: uuid.UUID
    case: PathologyCase
    slide_id: uuid.UUID
    viewing_id: uuid.UUID
    basis: str

    def live(self) -> bool:
        """Whether the tile server would serve it."""
        with transaction(self.who.place.world.app) as session:
            return self.viewing_id in find_live(session, [self.viewing_id])

    def ended_code(self) -> str | None:
        """Why it ended."""
        with transaction(self.who.place.world.owner) as session:
            return session.get_one(Viewing, self.viewing_id).ended_code


def open_as(who: Somebody, slide_id: uuid.UUID) -> tuple[uuid.UUID, str]:
    """Open a slide in a request of its own: the viewing's id and its basis."""
    with who.acting() as (session, actor):
        viewing = open_viewing(session, session.get_one(SlideImage, slide_id), by=actor, now=datetime.now(UTC))
        return viewing.id, viewing.basis


def at_home(place: Place, *, team: bool = False) -> Looking:
    """A pathologist of the owner's own unit: by the department's queue, or as one of the team."""
    who = place.person(Role.PAT)
    patient_id = place.patient(place.world.number())
    case = place.case(patient_id)
    slide_id = place.world.slide(case)
    if team:
        with transaction(place.world.owner) as session:
            add_member(session, case, assignment_id=who.assignment.id, by=place.clerk)
    return Looking(who, patient_id, case, slide_id, *open_as(who, slide_id))


def from_elsewhere(owner: Place, reader: Place) -> Looking:
    """A clinician of another provider who looks up what the owner has of a patient in their care who consents."""
    number = owner.world.number()
    patient_id, there = owner.patient(number), reader.patient(number)
    case = owner.case(patient_id)
    slide_id = owner.world.slide(case)
    who = reader.person(Role.CLN)
    now = datetime.now(UTC)
    with who.acting() as (session, actor):
        patient = session.get_one(Patient, there)
        register_relation(session, patient, RelationReason.ADMISSION, by=actor, now=now)
        register_consent(session, patient, ConsentScope.SVOD, how=ConsentForm.ORAL, by=actor, now=now)
    with who.acting() as (session, actor):
        patient = session.get_one(Patient, there)
        found = look_up(session, patient, ChoiceKind.COHERENT_RECORD, reason="Inlagd hos oss", by=actor, now=now)
        assert [(listed.slide.id, listed.may_open) for listed in found.listed] == [(slide_id, True)]
    return Looking(who, patient_id, case, slide_id, *open_as(who, slide_id))
