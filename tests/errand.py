"""A request between two laboratories, taken as far as a test needs it, by the moves themselves.

errand = Errand(world, now=MONDAY)                  Kalmar asks Linköping; sent and offered
errand.take()                                       accepted, assigned to its reader, begun
with errand.moving(errand.reader, now) as (session, actor, request): ...
errand.tick(now)                                    what happens by itself
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from contracts import make_agreement, make_service
from sqlalchemy import select
from sqlalchemy.orm import Session
from world import Somebody, World

from cases.access.actors import Actor
from cases.access.agreements import AgreementType
from cases.access.permissions import Role
from cases.records.specimens import (
    NewBlock,
    NewGlass,
    NewSpecimen,
    Specimen,
    TissueBlock,
    register_glass_slide,
    register_specimen,
)
from cases.sharing import timers
from cases.sharing.moves import StateEvent, write_event
from cases.sharing.requests import ShareRequest, TaskRole, advance, disclosures, holds, lock_request, tasks
from cases.sharing.requests.disclosure import Manifest
from cases.sharing.service_descriptions import RequestType, ServiceDescription, Urgency
from cases.transaction import transaction

MONDAY = datetime(2049, 11, 22, 7, 0, tzinfo=UTC)
"""At eight in Stockholm, in weeks without holidays, and after everything that a test does without saying when."""
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Errand:
    """A request of one provider to another, with somebody in each role.

    Args:
        world: to make the providers in.
        now: when it is sent.
        kind: of request.
        urgency: with 4 hours to accept.
        named: it is for its reader alone.
        offered: it is sent with one slide that can be opened; otherwise with one that is not there yet.
        until: when the agreement ends.
    """

    def __init__(
        self,
        world: World,
        *,
        now: datetime = MONDAY,
        kind: RequestType = RequestType.SECOND_OPINION,
        urgency: Urgency = Urgency.ROUTINE,
        named: bool = False,
        offered: bool = True,
        until: datetime | None = None,
    ) -> None:
        self.world, self.owner, self.performer = world, world.provider("Kalmar"), world.provider("Linköping")
        self.requester, self.head = self.owner.person(Role.PAT), self.owner.person(Role.HEAD)
        self.laboratory = self.owner.person(Role.LAB)
        self.reader, self.queue = self.performer.person(Role.PAT), self.performer.person(Role.COO)
        self.chief, self.their_laboratory = self.performer.person(Role.HEAD), self.performer.person(Role.LAB)
        self.patient_id = self.owner.patient(world.number())
        self.case = self.owner.case(self.patient_id)
        with transaction(world.owner) as session:
            specimen = register_specimen(
                session, self.case, NewSpecimen(blocks=(NewBlock(glass=(NewGlass(),)),)), by=self.owner.clerk
            )
            self.specimen_id = specimen.id
            block = session.scalars(select(TissueBlock).where(TissueBlock.specimen_id == specimen.id)).one()
            self.block_id = block.id
        self.slide_id = world.slide(self.case)
        manifest = Manifest(slide_ids=(self.slide_id,)) if offered else Manifest(glass_ids=(self.expect_glass(),))
        with transaction(world.owner) as session:
            agreement = make_agreement(
                session,
                AgreementType.COOPERATION,
                self.owner.provider,
                self.performer.provider,
                until=until,
            )
            service = make_service(
                session,
                agreement,
                self.performer.department,
                request_type=kind,
                accept_minutes=dict.fromkeys(Urgency, 240),
                answer_minutes=dict.fromkeys(Urgency, 2700),
            )
            self.agreement_id, self.service_id = agreement.id, service.id
        with self.requester.acting() as (session, actor):
            self.id = self._send(session, actor, kind, urgency, manifest, named=named, now=now)

    def expect_glass(self) -> uuid.UUID:
        """One more glass, whose image is not there yet."""
        with transaction(self.world.owner) as session:
            specimen = session.get_one(Specimen, self.specimen_id)
            block = session.get_one(TissueBlock, self.block_id)
            return register_glass_slide(session, self.case, specimen=specimen, block=block, by=self.owner.clerk).id

    def _send(
        self,
        session: Session,
        actor: Actor,
        kind: RequestType,
        urgency: Urgency,
        manifest: Manifest,
        *,
        named: bool,
        now: datetime,
    ) -> uuid.UUID:
        me = self.requester.assignment.id
        request = ShareRequest(
            short_id=f"R-{uuid.uuid4().hex[:6].upper()}",
            type=kind,
            case_id=self.case.id,
            care_provider_id=self.owner.provider.id,
            unit_id=self.owner.unit.id,
            requester_assignment_id=me,
            requester_department_id=self.owner.department.id,
            watcher_assignment_id=me,
            performer_provider_id=self.performer.provider.id,
            performer_unit_id=self.performer.unit.id,
            performer_department_id=self.performer.department.id,
            named_reader_id=self.reader.assignment.id if named else None,
            reason_code="DIFFICULT",
            question="Dysplasi?",
            urgency=urgency,
            subspecialty="GI",
            manifest=manifest.keep(),
            legal_ground="CONSENT_PRESUMED_REFERRAL",
            harm_tested_by=me,
            harm_tested_at=now,
            service_description_id=self.service_id,
            due_at=now + 30 * DAY,
            created_by=me,
        )
        session.add(request)
        session.flush()
        write_event(
            session,
            entity="request",
            entity_id=request.id,
            care_provider_id=request.care_provider_id,
            event="create",
            before=None,
            after=request.status,
            by=actor,
            now=now,
            request_id=request.id,
        )
        disclosures.make(session, request, session.get_one(ServiceDescription, self.service_id), by=actor, now=now)
        advance(session, request, "submit", by=actor, now=now)
        holds.settle(session, request, by=actor, now=now)
        return request.id

    @contextmanager
    def moving(self, who: Somebody, now: datetime) -> Iterator[tuple[Session, Actor, ShareRequest]]:
        """One request of somebody's to the product, with the row locked. They have proved who they are just now."""
        with who.acting() as (session, actor):
            yield session, replace(actor, authenticated_at=now), lock_request(session, self.id, by=actor)

    def move(self, who: Somebody, event: str, now: datetime, **more: str) -> None:
        """Make one move, with nothing else that belongs to it."""
        with self.moving(who, now) as (session, actor, request):
            advance(session, request, event, by=actor, now=now, **more)

    def take(self, now: datetime = MONDAY + HOUR) -> None:
        """Accept it, and begin to read."""
        with self.moving(self.reader, now) as (session, actor, request):
            advance(session, request, "accept", by=actor, now=now)
            tasks.give(session, request, actor.assignment_id, TaskRole.READER, by=actor, now=now)
            request.reader_assignment_id = actor.assignment_id
            advance(session, request, "assign", by=actor, now=now)
            advance(session, request, "start", by=actor, now=now)

    def tick(self, now: datetime) -> int:
        """Let the timers run at a moment, as a worker does. How many moves were made."""
        return timers.run(partial(transaction, self.world.worker, now=now), now=now)

    def row(self) -> ShareRequest:
        """The request as it stands."""
        with transaction(self.world.owner) as session:
            return session.get_one(ShareRequest, self.id)

    def story(self) -> list[tuple[str, str | None]]:
        """The request's moves with their reasons, the first first."""
        return [(event, reason) for _, event, reason in self.moves("request")]

    def moves(self, *entities: str) -> Sequence[tuple[str, str, str | None]]:
        """What moved, how and why."""
        with transaction(self.world.owner) as session:
            rows = session.execute(
                select(StateEvent.entity, StateEvent.event, StateEvent.reason)
                .where(StateEvent.request_id == self.id, StateEvent.entity.in_(entities))
                .order_by(StateEvent.id)
            )
            return [(entity, event, reason) for entity, event, reason in rows]

    def told(self, who: Somebody) -> list[str]:
        """What somebody has been told, the first first."""
        rows = self.world.database.query(
            "SELECT event FROM notification WHERE assignment_id = :mine OR assignment_id IS NULL AND unit_id = :unit"
            " AND roles && ARRAY(SELECT role::varchar FROM role_grant WHERE assignment_id = :mine) ORDER BY id",
            mine=who.assignment.id,
            unit=who.place.unit.id,
        )
        return [row["event"] for row in rows]
