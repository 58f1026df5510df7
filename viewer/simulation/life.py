"""What can be done with one case of a simulation, each as one of the pilot's people."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from cases.access.actors import Actor
from cases.access.organisations import CareUnit, Department
from cases.access.patients import register_patient
from cases.records.pathology_case import CaseDetails, CaseStatus, PathologyCase, register_case
from cases.records.referrals import ReferralDetails, register_referral
from cases.records.slide_images import SlideImage
from cases.records.specimens import GlassSlide, NewBlock, NewGlass, NewSpecimen, register_specimen
from cases.sharing.answers import acknowledging, drafts, reading, register, signing
from cases.sharing.answers.content import AnswerContent
from cases.sharing.competences import Subspecialty
from cases.sharing.requests import LegalGround, Manifest, ReasonCode, ShareRequest, deciding, lock_request
from cases.sharing.requests.drafting import Wish, create_draft
from cases.sharing.requests.submitting import submit
from cases.sharing.service_descriptions import RequestType, Urgency
from cases.sharing.viewings import close_viewing, open_viewing
from viewer.simulation.people import KALMAR, LINKOPING, Invented, Side
from viewer.simulation.stage import Stage

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOTHING = uuid.UUID(int=0)


@dataclass
class Case:
    """One case of a simulation, as its story needs it.

    Attributes:
        asking, answering: the two departments.
        case_id, glass_ids, slide_ids: made as the story goes on.
    """

    stage: Stage
    patient: Invented
    lid: str
    slides: int
    asking: Side = KALMAR
    answering: Side = LINKOPING
    case_id: uuid.UUID = NOTHING
    request_id: uuid.UUID = NOTHING
    glass_ids: tuple[uuid.UUID, ...] = ()
    slide_ids: tuple[uuid.UUID, ...] = ()

    def register(self) -> None:
        """The laboratory takes the case in, with its referral and the glass that is to come."""
        with self.stage.acting(self.asking.laboratory) as (session, lab):
            now = self.stage.clock.now
            patient = register_patient(
                session,
                self.patient.number,
                given_name=self.patient.given_name,
                family_name=self.patient.family_name,
                by=lab,
            )
            unit = session.scalars(select(CareUnit).where(CareUnit.hsa_id == self.asking.unit)).one()
            department = session.scalars(
                select(Department).where(Department.care_unit_id == unit.id).order_by(Department.name.desc()).limit(1)
            ).one()
            case = register_case(
                session,
                department=department,
                lid=self.lid,
                patient=patient,
                accessioned_at=now - HOUR,
                details=CaseDetails(collected_at=now - DAY, clinical_question="Adenom? Invasion?"),
                by=lab,
                now=now,
            )
            register_referral(
                session, case, ReferralDetails(question="Adenom? Invasion?", ordered_at=now - DAY), by=lab
            )
            glass = tuple(NewGlass() for _ in range(self.slides))
            register_specimen(session, case, NewSpecimen(site="Kolon", blocks=(NewBlock(glass=glass),)), by=lab)
            self.case_id = case.id
            self.glass_ids = tuple(
                session.scalars(select(GlassSlide.id).where(GlassSlide.case_id == case.id).order_by(GlassSlide.number))
            )

    def scan(self) -> None:
        """All the glass that was prepared is scanned."""
        self.slide_ids = tuple(self.stage.scan(self.case_id, glass_id) for glass_id in self.glass_ids)

    def ask(
        self,
        kind: RequestType = RequestType.SECOND_OPINION,
        *,
        by: str | None = None,
        parent: uuid.UUID | None = None,
        to: Side | None = None,
    ) -> None:
        """A request is written and sent in one go."""
        to = to or self.answering
        transfer = kind is RequestType.WORKLOAD_TRANSFER
        with self.stage.acting(by or (self.asking.head if transfer else self.asking.pathologist)) as (session, asker):
            now = self.stage.clock.now
            case = session.get_one(PathologyCase, self.case_id)
            unit = session.scalars(select(CareUnit).where(CareUnit.hsa_id == to.unit)).one()
            department = session.scalars(
                select(Department).where(Department.care_unit_id == unit.id, Department.name == "Histopatologi")
            ).one()
            wish = Wish(
                type=kind,
                performer_department_id=department.id,
                subspecialty=Subspecialty.GI,
                urgency=Urgency.ROUTINE,
                reason_code=ReasonCode.CAPACITY if transfer else ReasonCode.DIFFICULT,
                question="Kan ni ta hela fallet?" if transfer else "Håller ni med om låggradig dysplasi?",
                working_diagnosis=None if transfer else "Tubulärt adenom, låggradig dysplasi",
                manifest=Manifest(slide_ids=self.slide_ids, glass_ids=() if self.slide_ids else self.glass_ids),
                legal_ground=LegalGround.CONSENT_PRESUMED_REFERRAL,
                harm_weighed=True,
                parent_request_id=parent,
            )
            request = create_draft(session, case, wish, by=asker, now=now)
            submit(session, lock_request(session, request.id, by=asker), by=asker, now=now)
            self.request_id = request.id

    def step(self, commission: str, do: Callable[[Session, ShareRequest, Actor], object]) -> None:
        """Somebody does something with the request."""
        with self.stage.acting(commission) as (session, actor):
            do(session, lock_request(session, self.request_id, by=actor), actor)

    def accept(self, *, reader: str | None = None) -> None:
        """The other department takes it on, and somebody is to read it."""
        reader_id = self.stage.find_assignment(reader or self.answering.pathologist)
        self.step(
            self.answering.head,
            lambda session, request, head: deciding.accept(
                session, request, receiver_accession=f"L{self.lid}", by=head, now=self.stage.clock.now
            ),
        )
        self.step(
            self.answering.head,
            lambda session, request, head: deciding.assign(
                session, request, reader_id, by=head, now=self.stage.clock.now
            ),
        )

    def look(self, commission: str) -> None:
        """Every slide is opened and closed again."""
        for slide_id in self.slide_ids:
            with self.stage.acting(commission) as (session, actor):
                viewing = open_viewing(
                    session, session.get_one(SlideImage, slide_id), by=actor, now=self.stage.clock.now
                )
                close_viewing(session, viewing, by=actor, now=self.stage.clock.tick())

    def write(self, content: AnswerContent, *, by: str | None = None, sign: bool = True) -> uuid.UUID:
        """An answer is written, read once more, and signed. Returns its id."""
        with self.stage.acting(by or self.answering.pathologist) as (session, reader):
            now = self.stage.clock.now
            saved = drafts.save_draft(
                session, self.request_id, replace(content, diagnosis=""), base=0, by=reader, now=now
            )
            saved = drafts.save_draft(
                session, self.request_id, content, base=saved.version.number, by=reader, now=self.stage.clock.tick()
            )
            if sign:
                signing.sign(session, saved.answer.id, saved.version.number, by=reader, now=self.stage.clock.tick())
            return saved.answer.id

    def acknowledge(self) -> None:
        """Who asked reads the answer and confirms it."""
        with self.stage.acting(self.asking.pathologist) as (session, asker):
            now = self.stage.clock.now
            request = lock_request(session, self.request_id, by=asker)
            answer = register.find_standing(session, request.id)
            if answer is None:
                raise LookupError("There is no answer to read.")
            reading.open_answer(session, answer, by=asker, now=now)
            acknowledging.acknowledge(session, self.request_id, by=asker, now=now)

    def diagnose(self) -> None:
        """The own laboratory says that the case is ready to be read."""
        with self.stage.acting(self.asking.laboratory) as (session, _):
            case = session.get_one(PathologyCase, self.case_id)
            case.status = CaseStatus.READY
