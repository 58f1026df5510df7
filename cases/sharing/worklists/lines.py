"""What a line of a list says of a request, a case and a patient; the gate has its say of each, all at once."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from cases.access.actors import Actor
from cases.access.gate import Code, Decision, Intent, Resource, decide
from cases.access.patients import IdentifierStatus, Patient, PatientIdentifier, Sex
from cases.access.vault import find_vault
from cases.database import is_among
from cases.records.completeness import VIEWABLE, find_completeness
from cases.records.pathology_case import PathologyCase
from cases.records.slide_images import SlideImage, SlideStatus
from cases.records.specimens import Specimen
from cases.sharing.requests import Manifest, ShareRequest
from cases.sharing.resources import describe_cases
from cases.sharing.worklists.slides import ABOUT_THE_ACTOR

THUMBNAILS = 8
"""As many of a case's slides are shown when somebody points at its line."""


@dataclass(frozen=True, slots=True)
class PatientLine:
    """Who it is about.

    Attributes:
        number: the one to use, of those that the patient came with.
    """

    id: uuid.UUID
    given_name: str
    family_name: str
    number: str | None
    birth_date: date | None
    sex: Sex | None


@dataclass(frozen=True, slots=True)
class SpecimenLine:
    """One specimen of a case."""

    letter: str
    type: str | None
    site: str | None


@dataclass(frozen=True, slots=True)
class SlideCount:
    """How many of the slides are there: "7 of 8".

    Attributes:
        missing: names of the glass that is waited for; none for whoever is not the owner.
        quarantined: slides that nobody can look at yet.
        thumbnails: ids of slides that can be looked at and have a thumbnail.
    """

    arrived: int
    expected: int
    missing: tuple[str, ...]
    quarantined: int
    thumbnails: tuple[uuid.UUID, ...]


@dataclass(frozen=True, slots=True)
class CaseLine:
    """A case as far as the gate lets somebody see it.

    Attributes:
        decision: the gate's, on reading it.
        resource: what it is to whoever asked.
        lid: its number; None for whoever may not read it and is of another unit.
        patient, specimens: None and none where the gate said no.
    """

    case: PathologyCase
    decision: Decision
    resource: Resource
    lid: str | None
    patient: PatientLine | None
    specimens: tuple[SpecimenLine, ...]

    @property
    def protected(self) -> bool:
        """Whether the identity is protected: whoever is not named sees that and nothing else of the patient."""
        return self.decision.code is Code.D40 or (self.decision.allow and self.resource.protected)


def find_cases(
    session: Session, cases: Sequence[PathologyCase], *, by: Actor, now: datetime
) -> dict[uuid.UUID, CaseLine]:
    """Cases as lines, in a fixed number of queries however many they are.

    Args:
        session: of this transaction, looking across care providers (`cases.database.platform`).
        cases: of whatever care provider.
        by: who looks.
        now: when.
    """
    resources = describe_cases(session, cases, by=by, now=now)
    decisions = {case.id: decide(by, resources[case.id], Intent.READ, now) for case in cases}
    readable = [case for case in cases if decisions[case.id].allow]
    patients = _find_patients(session, {case.patient_id for case in readable})
    specimens = _find_specimens(session, [case.id for case in readable])
    lines = {}
    for case in cases:
        decision = decisions[case.id]
        lines[case.id] = CaseLine(
            case=case,
            decision=decision,
            resource=resources[case.id],
            lid=case.lid if decision.allow or _may_know_of(case, decision, by) else None,
            patient=patients[case.patient_id] if decision.allow and _may_be_named(resources[case.id], by) else None,
            specimens=tuple(specimens.get(case.id, ())),
        )
    return lines


def _may_be_named(resource: Resource, by: Actor) -> bool:
    """Who a patient is; a protected identity is told to nobody outside the owner. Source: domain rules, L25."""
    return not resource.protected or resource.provider_id == by.provider_id


def _may_know_of(case: PathologyCase, decision: Decision, by: Actor) -> bool:
    return case.care_unit_id == by.unit_id and decision.code not in ABOUT_THE_ACTOR


def _find_patients(session: Session, patient_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, PatientLine]:
    vault, found = find_vault(session), dict[uuid.UUID, PatientLine]()
    for patient, number in session.execute(_ask_patients(), {"patient_ids": list(patient_ids)}):
        if patient.id in found:
            continue
        provider_id = patient.care_provider_id
        found[patient.id] = PatientLine(
            id=patient.id,
            given_name=vault.decrypt(provider_id, patient.given_name_enc),
            family_name=vault.decrypt(provider_id, patient.family_name_enc),
            number=vault.decrypt(provider_id, number) if number else None,
            birth_date=patient.birth_date,
            sex=patient.sex,
        )
    return found


# Built once: making aliases takes longer than asking.
@cache
def _ask_patients() -> Select[Patient, bytes]:
    linked = aliased(Patient)
    return (
        select(Patient, PatientIdentifier.extension_enc)
        .join(linked, linked.same_as_id == Patient.same_as_id)
        .outerjoin(
            PatientIdentifier,
            and_(PatientIdentifier.patient_id == linked.id, PatientIdentifier.status == IdentifierStatus.CURRENT),
        )
        .where(is_among(Patient.id, "patient_ids"))
        .order_by(PatientIdentifier.id)
    )


def _find_specimens(session: Session, case_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, list[SpecimenLine]]:
    found: defaultdict[uuid.UUID, list[SpecimenLine]] = defaultdict(list)
    rows = session.execute(
        select(Specimen.case_id, Specimen.letter, Specimen.type, Specimen.site)
        .where(is_among(Specimen.case_id, case_ids), Specimen.entered_in_error_at.is_(None))
        .order_by(func.length(Specimen.letter), Specimen.letter)
    )
    for case_id, letter, type_, site in rows:
        found[case_id].append(SpecimenLine(letter, type_, site))
    return found


@dataclass(frozen=True, slots=True)
class _Image:
    """One slide image, as far as it counts."""

    id: uuid.UUID
    case_id: uuid.UUID | None
    glass_id: uuid.UUID | None
    status: SlideStatus
    has_thumbnail: bool


def count_cases(session: Session, case_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, SlideCount]:
    """How many of own cases' slides are there."""
    complete, images = find_completeness(session, case_ids), defaultdict(list)
    for image in _find_images(session, is_among(SlideImage.case_id, case_ids)):
        images[image.case_id].append(image)
    return {
        case_id: _count(images[case_id], one.arrived, one.expected, one.missing) for case_id, one in complete.items()
    }


def count_requests(session: Session, requests: Collection[ShareRequest]) -> dict[uuid.UUID, SlideCount]:
    """How many of the slides are there that requests are to hand out, and nothing of the others."""
    manifests = {request.id: Manifest.read(request.manifest) for request in requests}
    slides = [one for manifest in manifests.values() for one in manifest.slide_ids]
    glass = [one for manifest in manifests.values() for one in manifest.glass_ids]
    wanted = or_(is_among(SlideImage.id, slides), is_among(SlideImage.glass_slide_id, glass))
    images = _find_images(session, wanted)
    counts = {}
    for request_id, manifest in manifests.items():
        ours = [one for one in images if one.id in manifest.slide_ids or one.glass_id in manifest.glass_ids]
        # A scan of glass that is waited for is that glass; what is not scanned yet is waited for too.
        scanned = {one.glass_id for one in ours if one.status in VIEWABLE}
        arrived = sum(one.status in VIEWABLE and one.id in manifest.slide_ids for one in ours)
        arrived += len(scanned & set(manifest.glass_ids))
        counts[request_id] = _count(ours, arrived, len(manifest.slide_ids) + len(manifest.glass_ids), ())
    return counts


def _find_images(session: Session, wanted: ColumnElement[bool]) -> list[_Image]:
    columns = (
        SlideImage.id,
        SlideImage.case_id,
        SlideImage.glass_slide_id,
        SlideImage.status,
        SlideImage.has_thumbnail,
    )
    return [_Image(*row) for row in session.execute(select(*columns).where(wanted).order_by(SlideImage.number))]


def _count(images: list[_Image], arrived: int, expected: int, missing: tuple[str, ...]) -> SlideCount:
    shown = [one.id for one in images if one.has_thumbnail and one.status in VIEWABLE]
    quarantined = sum(one.status is SlideStatus.QUARANTINED for one in images)
    return SlideCount(arrived, expected, missing, quarantined, tuple(shown[:THUMBNAILS]))
