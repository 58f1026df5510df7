"""A care provider with one of everything that an address can name, and one person for each role.

kalmar = furnish(world.provider("Region Kalmar län"), performer=world.provider("Patologen AB"))
kalmar.ids["block_id"]           what the addresses and bodies of tests/every_request.py are filled with
kalmar.people[Role.LOG].token    a browser's token
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import contracts
from furnished_sharing import furnish_sharing
from sqlalchemy import select
from sqlalchemy.orm import Session
from world import Place, Somebody, World

from cases.access import absences, grants
from cases.access.absences import AbsenceKind
from cases.access.actors import Actor
from cases.access.agreements import AgreementType
from cases.access.audit import AuditEvent
from cases.access.blocks import BlockType, lifts, register_block
from cases.access.consents import AssertionType, ConsentForm, ConsentScope, register_consent
from cases.access.identifiers import Identifier
from cases.access.log.extracts import request_extract
from cases.access.log.review import LogReviewFinding, plan_review
from cases.access.log.sampling import Reason
from cases.access.patients import Patient, PatientIdentifier
from cases.access.people import Assignment
from cases.access.permissions import UNGRANTED, Permission, Role
from cases.access.relations import NoticeChannel, RelationReason, give_notice, register_relation
from cases.access.sessions import SignInSession, digest_token
from cases.records.pathology_case import PathologyCase
from cases.records.slide_images import SlideImage
from cases.sharing.viewings import open_viewing
from cases.transaction import transaction

GRANTABLE = tuple(role for role in Role if role not in UNGRANTED)
"""Roles that care providers give."""
DAY = timedelta(days=1)
MakeSlide = Callable[[PathologyCase], uuid.UUID]


@dataclass(frozen=True)
class Furnished:
    """A care provider with one of everything.

    Attributes:
        people: one for each role that care providers give, signed in.
        ids: of its things, by the names that addresses and bodies have for them.
        number: of the patient.
    """

    place: Place
    people: Mapping[Role, Somebody]
    ids: Mapping[str, str]
    number: Identifier


def furnish(place: Place, *, performer: Place, make_slide: MakeSlide | None = None) -> Furnished:
    """Give a care provider one of everything.

    Args:
        place: in it.
        performer: a care provider that it has a cooperation with, and a service of.
        make_slide: makes the slide of a case; by default a row without a file.
    """
    world = place.world
    number = world.number()
    people = {role: place.person(role) for role in GRANTABLE}
    surgery, colleague = place.other_unit(), place.person(Role.COO)
    patient_id, twin_id = place.patient(number), place.patient(world.number())
    case = place.case(patient_id)
    slide_id = (make_slide or world.slide)(case)
    now = datetime.now(UTC)
    ids: dict[str, uuid.UUID] = {
        "provider_id": place.provider.id,
        "unit_id": place.unit.id,
        "department_id": place.department.id,
        "person_id": colleague.person.id,
        "assignment_id": colleague.assignment.id,
        "patient_id": patient_id,
        "twin_id": twin_id,
        "case_id": case.id,
        "slide_id": slide_id,
    }

    def let(role: Role, work: Callable[[Session, Actor], Mapping[str, uuid.UUID]]) -> None:
        with people[role].acting() as (session, actor):
            ids.update(work(session, actor))

    def heads(session: Session, actor: Actor) -> Mapping[str, uuid.UUID]:
        to = session.get_one(Assignment, colleague.assignment.id)
        absence = absences.plan_absence(
            session, to, starts_at=now, ends_at=now + DAY, kind=AbsenceKind.EDUCATION, by=actor
        )
        delegation = grants.delegate(
            session,
            to,
            Permission.ACCEPT_REQUEST,
            valid_to=now + DAY,
            document_ref="VC 2026:1",
            now=now,
            by=actor,
        )
        return {"absence_id": absence.id, "delegation_id": delegation.id}

    def administers(session: Session, actor: Actor) -> Mapping[str, uuid.UUID]:
        to = session.get_one(Assignment, colleague.assignment.id)
        patient = session.get_one(Patient, patient_id)
        block = register_block(session, patient, BlockType.INNER, unit_id=surgery.unit.id, by=actor, now=now)
        return {
            "grant_id": grants.grant_role(session, to, Role.RES, now=now, by=actor).id,
            "block_id": block.id,
            "identifier_id": session.scalars(
                select(PatientIdentifier.id).where(PatientIdentifier.patient_id == patient_id)
            ).one(),
        }

    def treats(session: Session, actor: Actor) -> Mapping[str, uuid.UUID]:
        at = datetime.now(UTC)
        patient, slide = session.get_one(Patient, patient_id), session.get_one(SlideImage, slide_id)
        revealed = lifts.reveal(
            session, patient, AssertionType.CONSENT, how=ConsentForm.ORAL, reason="Ingen spärr", by=actor, now=at
        )
        lifted = lifts.lift(
            session,
            ids["block_id"],
            assertion_id=revealed.assertion_id,
            reason="Efter samtycke",
            until=at + DAY,
            by=actor,
            now=at,
        )
        consent = register_consent(session, patient, ConsentScope.SVOD, how=ConsentForm.ORAL, by=actor, now=at)
        relation = register_relation(session, patient, RelationReason.REFERRAL, by=actor, now=at)
        notice = give_notice(session, patient, NoticeChannel.ORAL, text_version="1", by=actor, now=at)
        return {
            "assertion_id": revealed.assertion_id,
            "lift_id": lifted.id,
            "consent_id": consent.id,
            "relation_id": relation.id,
            "notice_id": notice.id,
            "viewing_id": open_viewing(session, slide, by=actor, now=at).id,
        }

    def reviews(session: Session, actor: Actor) -> Mapping[str, uuid.UUID]:
        review = plan_review(session, now.date() - 40 * DAY, by=actor, now=now)
        finding = LogReviewFinding(
            care_provider_id=actor.provider_id,
            review_id=review.id,
            assignment_id=surgery.clerk.assignment_id,
            person_id=surgery.clerk.person_id,
            unit_id=surgery.unit.id,
            patient_id=patient_id,
            reasons=[Reason.RANDOM],
            entries=1,
            first_at=now,
            last_at=now,
        )
        session.add(finding)
        extract = request_extract(session, patient_id, since=now - DAY, until=now, by=actor)
        session.flush()
        entry = session.scalars(select(AuditEvent.id).where(AuditEvent.care_provider_id == actor.provider_id)).first()
        assert entry is not None
        return {"review_id": review.id, "finding_id": finding.id, "extract_id": extract.id, "entry_id": entry}

    for role, work in ((Role.HEAD, heads), (Role.ADM, administers), (Role.PAT, treats), (Role.LOG, reviews)):
        let(role, work)
    with transaction(world.owner) as session:
        agreement = contracts.make_agreement(session, AgreementType.COOPERATION, place.provider, performer.provider)
        service = contracts.make_service(session, agreement, performer.department)
        ids |= {
            "agreement_id": agreement.id,
            "service_id": service.id,
            "customer_id": place.provider.id,
            "performer_id": performer.provider.id,
            "performer_department_id": performer.department.id,
        }
    ids |= furnish_sharing(place, people, case, slide_id, performer=performer)
    for somebody in people.values():
        _ = somebody.token or somebody.sign_in()
    return Furnished(
        place, people, {**{key: str(value) for key, value in ids.items()}, **_other_session(world, people)}, number
    )


def _other_session(world: World, people: Mapping[Role, Somebody]) -> dict[str, str]:
    """A second session of the pathologist's, in another browser than the one that the tests ask with."""
    pathologist = people[Role.PAT]
    first = pathologist.token
    token = pathologist.sign_in()
    pathologist.token = first
    with transaction(world.app) as session:
        found = session.scalars(select(SignInSession.id).where(SignInSession.token_digest == digest_token(token)))
        return {"session_id": str(found.one())}
