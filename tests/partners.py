"""Two care providers that may ask each other, and requests between them as far as a test wants them.

partners = make_partners(world)
asked = partners.ask(slides=2)                 a case in Kalmar with slides, and a draft about it
partners.bring(asked, "ASSIGNED")              submitted, offered, accepted, assigned to partners.reader
with partners.reader.acting() as (session, actor):
    request = lock_request(session, asked.request_id, by=actor)
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import contracts
from people import act, make_assignment, make_person
from sqlalchemy.orm import Session
from world import Place, Somebody, World

from cases.access.actors import Actor
from cases.access.agreements import AgreementType
from cases.access.organisations import CareProvider
from cases.access.people import Person
from cases.access.permissions import Role
from cases.records.pathology_case import PathologyCase
from cases.records.slide_images import SlideImage
from cases.sharing.checklists import EvidenceItem, give_evidence
from cases.sharing.competences import CompetenceLevel, Subspecialty, Validation, set_competence
from cases.sharing.requests import Manifest, RequestStatus, ShareRequest, deciding, drafting, lock_request, submitting
from cases.sharing.requests.drafting import Wish
from cases.sharing.requests.request import LegalGround, ReasonCode
from cases.sharing.service_descriptions import RequestType, Urgency
from cases.sharing.viewings import open_viewing
from cases.transaction import transaction

EVERY_URGENCY = {Urgency.ROUTINE: 1080, Urgency.SVF: 540, Urgency.SNABB: 120}
"""Working minutes to accept; to answer it takes five times as long."""


@dataclass(frozen=True)
class Asked:
    """A request about a case."""

    request_id: uuid.UUID
    case: PathologyCase
    slide_ids: tuple[uuid.UUID, ...]


@dataclass(frozen=True)
class Partners:
    """A customer and a performer with everything in place, and the people who ask and answer.

    Attributes:
        sender, owner_head: a pathologist and a head where the case is.
        reader, colleague, head, coordinator: where it is read; the first two are pathologists, competent in GI.
        agreement_id: of the cooperation.
    """

    world: World
    owner: Place
    performer: Place
    sender: Somebody
    owner_head: Somebody
    reader: Somebody
    colleague: Somebody
    head: Somebody
    coordinator: Somebody
    agreement_id: uuid.UUID

    def ask(
        self, *, slides: int = 1, case: PathologyCase | None = None, by: Somebody | None = None, **wish: Any
    ) -> Asked:
        """A draft about a case, a second opinion in GI unless told otherwise, complete."""
        case = case or self.owner.case(self.owner.patient(self.world.number()))
        slide_ids = tuple(self.world.slide(case) for _ in range(slides))
        wanted = self.wish(**{"manifest": Manifest(slide_ids=slide_ids), **wish})
        with (by or self.asker(wanted.type)).acting() as (session, actor):
            found = session.get_one(PathologyCase, case.id)
            request = drafting.create_draft(session, found, wanted, by=actor, now=datetime.now(UTC))
            return Asked(request.id, case, wanted.manifest.slide_ids)

    def wish(self, **changes: Any) -> Wish:
        """What a complete second opinion says."""
        kind = changes.get("type", RequestType.SECOND_OPINION)
        told: dict[str, Any] = {
            "type": kind,
            "performer_department_id": self.performer.department.id,
            "subspecialty": Subspecialty.GI,
            "urgency": Urgency.ROUTINE,
            "reason_code": ReasonCode.DIFFICULT,
            "question": "Höggradig dysplasi eller invasiv växt?",
            "working_diagnosis": None if kind is RequestType.WORKLOAD_TRANSFER else "Höggradig dysplasi",
            "legal_ground": LegalGround.CONSENT_PRESUMED_REFERRAL,
            "harm_weighed": True,
        }
        return Wish(**{**told, **changes})

    def asker(self, kind: RequestType) -> Somebody:
        """Who may submit such a request."""
        return self.owner_head if kind is RequestType.WORKLOAD_TRANSFER else self.sender

    def bring(self, asked: Asked, state: str) -> None:
        """Take a draft on to SUBMITTED (and so OFFERED or HELD), ACCEPTED, ASSIGNED or IN_REVIEW."""
        with transaction(self.world.owner) as session:
            kind = session.get_one(ShareRequest, asked.request_id).type
        order = [RequestStatus.OFFERED, RequestStatus.ACCEPTED, RequestStatus.ASSIGNED, RequestStatus.IN_REVIEW]
        steps: Sequence[tuple[Somebody, Callable[[Session, ShareRequest, Actor, datetime], object]]] = (
            (self.asker(kind), lambda session, row, by, now: submitting.submit(session, row, by=by, now=now)),
            (self.head, lambda session, row, by, now: deciding.accept(session, row, by=by, now=now)),
            (
                self.head,
                lambda session, row, by, now: deciding.assign(session, row, self.reader.assignment.id, by=by, now=now),
            ),
            (self.reader, lambda session, row, by, now: deciding.start(session, row, by=by, now=now)),
        )
        wanted = RequestStatus.OFFERED if state == "SUBMITTED" else RequestStatus(state)
        for who, step in steps[: order.index(wanted) + 1]:
            self.do(who, asked, step)

    def do(self, who: Somebody, asked: Asked, step: Callable[[Session, ShareRequest, Actor, datetime], object]) -> None:
        """One thing that somebody does with a request, in a transaction of theirs."""
        with who.acting() as (session, actor):
            step(session, lock_request(session, asked.request_id, by=actor), actor, datetime.now(UTC))

    def look(self, who: Somebody, slide_id: uuid.UUID) -> uuid.UUID:
        """Somebody opens a slide: the viewing."""
        with who.acting() as (session, actor):
            slide = session.get_one(SlideImage, slide_id)
            return open_viewing(session, slide, by=actor, now=datetime.now(UTC)).id

    def read(self, asked: Asked) -> ShareRequest:
        """The request as it stands."""
        with transaction(self.world.owner) as session:
            return session.get_one(ShareRequest, asked.request_id)


def make_partners(
    world: World,
    *,
    owner: Place | None = None,
    performer: Place | None = None,
    run_off_days: int = 0,
    until: datetime | None = None,
    **terms: Any,
) -> Partners:
    """Two care providers with agreements, services of every type, evidence, and people.

    Args:
        world: in which.
        owner, performer: where; new ones by default.
        run_off_days, until: of the agreement between them.
        terms: columns of the service descriptions.
    """
    owner = owner or world.provider("Region Kalmar län")
    performer = performer or world.provider("Region Östergötland")
    agreement_id = make_agreed(world, owner, performer, run_off_days=run_off_days, until=until, **terms)
    sender, owner_head = owner.person(Role.PAT), owner.person(Role.HEAD)
    reader, colleague = performer.person(Role.PAT), performer.person(Role.PAT)
    head, coordinator = performer.person(Role.HEAD), performer.person(Role.COO)
    for one in (reader, colleague):
        make_competent(world, one)
    return Partners(world, owner, performer, sender, owner_head, reader, colleague, head, coordinator, agreement_id)


def make_agreed(
    world: World,
    owner: Place,
    performer: Place,
    *,
    run_off_days: int = 0,
    until: datetime | None = None,
    **terms: Any,
) -> uuid.UUID:
    """A cooperation agreement, services of every type under it, and what the checklist asks of both. The agreement."""
    with transaction(world.owner) as session:
        parties = [session.get_one(CareProvider, place.provider.id) for place in (owner, performer)]
        agreement = contracts.make_agreement(
            session, AgreementType.COOPERATION, *parties, run_off_days=run_off_days, until=until
        )
        for kind in (
            RequestType.SECOND_OPINION,
            RequestType.REVIEW,
            RequestType.WORKLOAD_TRANSFER,
            RequestType.MDT_PREP,
        ):
            contracts.make_service(
                session,
                agreement,
                performer.department,
                request_type=kind,
                until=until,
                accept_minutes=EVERY_URGENCY,
                answer_minutes={urgency: 5 * minutes for urgency, minutes in EVERY_URGENCY.items()},
                **terms,
            )
        for place, provider in zip((owner, performer), parties, strict=True):
            provider.incident_contact = "incident@example.org"
            office = act(
                session,
                make_assignment(session, make_person(session), place.unit, roles=[Role.AGR, Role.PAT]),
            )
            for item in EvidenceItem:
                give_evidence(session, item, evidence_ref="Diarienr 1", by=office, now=datetime.now(UTC))
        return agreement.id


def make_competent(world: World, who: Somebody, subspecialty: Subspecialty = Subspecialty.GI) -> None:
    """Let somebody be asked in a subspecialty, on a screen too."""
    now = datetime.now(UTC)
    with transaction(world.owner) as session:
        set_competence(
            session,
            session.get_one(Person, who.person.id),
            subspecialty,
            level=CompetenceLevel.EXPERT,
            max_complexity_level=6,
            validation=Validation(now - timedelta(days=100), 60, 97.0),
            now=now,
            by=None,
        )
