"""A request that somebody has been given to read, in both care providers, for tests of answers.

asked = ask(kalmar, linkoping)
asked.open_slides(asked.slides)                # the reader looks
answer_id = asked.write(COMPLETE)              # and writes
version = asked.sign(answer_id)                # and signs
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from contracts import make_agreement, make_service
from sqlalchemy import select
from sqlalchemy.orm import Session
from world import Place, Somebody

from cases.access.actors import Purpose
from cases.access.agreements import AgreementType
from cases.access.notifications import Notification
from cases.access.people import Person
from cases.access.permissions import Role
from cases.database import new_id
from cases.records.pathology_case import PathologyCase
from cases.records.record_grant import RecordGrant
from cases.records.slide_images import SlideImage
from cases.sharing.answers.acknowledging import acknowledge
from cases.sharing.answers.amending import Change, change
from cases.sharing.answers.answer import Answer, AnswerStatus, AnswerVersion, Signature
from cases.sharing.answers.content import (
    Agreement,
    Amendment,
    AmendmentReason,
    AnswerContent,
    Axis,
    CodeSystem,
    DiagnosisCode,
    Platform,
    Telling,
)
from cases.sharing.answers.drafts import Saved, save_draft
from cases.sharing.answers.guards import NotReady
from cases.sharing.answers.reading import open_answer
from cases.sharing.answers.register import find_answer, find_signed
from cases.sharing.answers.signing import sign
from cases.sharing.competences import CompetenceLevel, Subspecialty, Validation, set_competence
from cases.sharing.intended_use import IntendedUse
from cases.sharing.requests import (
    DisclosedItem,
    Disclosure,
    ItemKind,
    Manifest,
    ShareRequest,
    TaskAssignment,
    TaskRole,
    lock_request,
)
from cases.sharing.requests.ending import close
from cases.sharing.requests.request import make_short_id
from cases.sharing.service_descriptions import RequestType, ServiceDescription
from cases.sharing.viewings import open_viewing
from cases.transaction import transaction

COMPLETE = AnswerContent(
    statement="Tubulärt adenom med låggradig dysplasi.",
    diagnosis="Tubulärt adenom",
    codes=(
        DiagnosisCode(Axis.T, CodeSystem.SNOMED_SE, "T67600", "Colon sigmoideum"),
        DiagnosisCode(Axis.M, CodeSystem.SNOMED_SE, "M82110", "Tubulärt adenom"),
    ),
    agreement=Agreement.AGREE,
    malignant=False,
    platform=Platform.THIS_VIEWER,
)
"""An answer to a second opinion that lacks nothing, once the slides have been opened."""
REPORT = replace(
    COMPLETE,
    agreement=None,
    platform=Platform.EXTERNAL_CE_VIEWER,
    platform_name="Granskaren",
    platform_version="4.2",
)
"""A report of a transferred case, read in a CE-marked viewer."""


REASON = Amendment(
    reason=AmendmentReason.REINTERPRETATION,
    changed="Höggradig dysplasi.",
    told_who="Dr Ek, kirurgkliniken",
    told_how=Telling.MESSAGE,
)
WORSE = replace(COMPLETE, statement="Höggradig dysplasi.", diagnosis="Adenom, höggradig dysplasi")
"""That differs from `COMPLETE` in its meaning, and why."""


@dataclass
class Asked:
    """A request that has a reader.

    Attributes:
        requester: a pathologist of the owner's, who asked.
        reader: a competent pathologist of the performer's, whose task it is.
    """

    owner: Place
    performer: Place
    requester: Somebody
    reader: Somebody
    case: PathologyCase
    slides: list[uuid.UUID]
    request_id: uuid.UUID

    def open_slides(self, slides: Sequence[uuid.UUID], *, who: Somebody | None = None) -> None:
        """Somebody, the reader if nobody is named, opens slides."""
        with (who or self.reader).acting() as (session, actor):
            for slide_id in slides:
                open_viewing(session, session.get_one(SlideImage, slide_id), by=actor, now=datetime.now(UTC))

    def save(self, content: AnswerContent, *, base: int = 0, who: Somebody | None = None, **more: Any) -> Saved:
        """Somebody, the reader if nobody is named, saves a draft."""
        with (who or self.reader).acting() as (session, actor):
            return save_draft(session, self.request_id, content, base=base, by=actor, now=datetime.now(UTC), **more)

    def write(self, content: AnswerContent = COMPLETE, *, base: int = 0) -> uuid.UUID:
        """The reader saves a draft; the answer's id."""
        return self.save(content, base=base).answer.id

    def sign(
        self,
        answer_id: uuid.UUID,
        number: int = 1,
        *,
        who: Somebody | None = None,
        mode: IntendedUse = IntendedUse.COMMUNICATION,
        **more: Any,
    ) -> AnswerVersion:
        """Somebody, the reader if nobody is named, signs."""
        with (who or self.reader).acting() as (session, actor):
            return sign(session, answer_id, number, mode=mode, by=actor, now=datetime.now(UTC), **more)

    def answered(self, content: AnswerContent = COMPLETE) -> AnswerVersion:
        """Slides opened, written and signed."""
        self.open_slides(self.slides)
        return self.sign(self.write(content))

    def request(self) -> ShareRequest:
        """As it stands."""
        with transaction(self.owner.world.owner) as session:
            return session.get_one(ShareRequest, self.request_id)

    def answer_id(self) -> uuid.UUID:
        """Of the only answer there is."""
        with transaction(self.owner.world.owner) as session:
            return session.scalars(select(Answer.id).where(Answer.request_id == self.request_id)).one()

    def status(self, answer_id: uuid.UUID) -> AnswerStatus:
        """Of an answer."""
        with transaction(self.owner.world.owner) as session:
            return session.get_one(Answer, answer_id).status

    def signatures(self, version: AnswerVersion) -> list[Signature]:
        """Of a version, in their order."""
        of = select(Signature).where(Signature.answer_version_id == version.id).order_by(Signature.id)
        with transaction(self.owner.world.owner) as session:
            return list(session.scalars(of))

    def case_now(self) -> PathologyCase:
        """As it stands."""
        with transaction(self.owner.world.owner) as session:
            return session.get_one(PathologyCase, self.case.id)

    def seen_by_owner(self) -> AnswerVersion | None:
        """What the one who asked finds as the answer."""
        with self.requester.acting() as (session, _):
            return find_signed(session, session.get_one(ShareRequest, self.request_id))


def read(who: Somebody, answer_id: uuid.UUID) -> AnswerVersion:
    """Somebody opens an answer; the version that they are shown."""
    with who.acting() as (session, actor):
        return open_answer(session, find_answer(session, answer_id), by=actor, now=datetime.now(UTC)).version


def confirm(asked: Asked, *, who: Somebody | None = None) -> None:
    """Somebody, who asked if nobody is named, acknowledges the answer."""
    with (who or asked.requester).acting() as (session, actor):
        acknowledge(session, asked.request_id, by=actor, now=datetime.now(UTC))


def shut(asked: Asked) -> None:
    """Who asked closes the request."""
    with asked.requester.acting() as (session, actor):
        close(session, lock_request(session, asked.request_id, by=actor), by=actor, now=datetime.now(UTC))


def sign_change(
    asked: Asked,
    version: AnswerVersion,
    content: AnswerContent = WORSE,
    how: Change = Change.AMEND,
    amendment: Amendment = REASON,
    *,
    who: Somebody | None = None,
) -> AnswerVersion:
    """Save a change on top of a signed version, and sign it."""
    draft = asked.save(content, base=version.number, who=who).version
    with (who or asked.reader).acting() as (session, actor):
        return change(session, version.answer_id, draft.number, how, amendment, by=actor, now=datetime.now(UTC))


def told(asked: Asked, who: Somebody) -> list[str]:
    """What somebody has been notified of, the first first."""
    with transaction(asked.owner.world.owner) as session:
        mine = select(Notification.event).where(Notification.assignment_id == who.assignment.id)
        return list(session.scalars(mine.order_by(Notification.id)))


def missing(error: pytest.ExceptionInfo[NotReady]) -> list[str]:
    """Codes of what was missing."""
    return [lack.code for lack in error.value.missing]


def ask(
    owner: Place,
    performer: Place,
    *,
    kind: RequestType = RequestType.SECOND_OPINION,
    slides: int = 2,
    reader: Somebody | None = None,
    service: dict[str, Any] | None = None,
    **columns: Any,
) -> Asked:
    """A case with slides, handed out to a reader at the performer who has begun.

    Args:
        owner: whose case it is.
        performer: who is asked.
        kind: of request.
        slides: how many.
        reader: who is competent; a pathologist of the performer's by default.
        service: columns of the service that differ.
        columns: of the request that differ.
    """
    requester = owner.person(Role.PAT)
    reader = reader or competent(performer, Role.PAT)
    case = owner.case(owner.patient(owner.world.number()))
    slide_ids = [owner.world.slide(case) for _ in range(slides)]
    now = datetime.now(UTC) - timedelta(minutes=1)
    transfer = kind is RequestType.WORKLOAD_TRANSFER
    with transaction(owner.world.owner) as session:
        agreement = make_agreement(session, AgreementType.COOPERATION, owner.provider, performer.provider)
        described = make_service(session, agreement, performer.department, request_type=kind)
        if service:
            described = _describe_otherwise(session, described, service)
        request = ShareRequest(
            **{
                "id": new_id(),
                "short_id": make_short_id(),
                "type": kind,
                "case_id": case.id,
                "care_provider_id": owner.provider.id,
                "unit_id": owner.unit.id,
                "requester_assignment_id": requester.assignment.id,
                "requester_department_id": owner.department.id,
                "watcher_assignment_id": requester.assignment.id,
                "performer_provider_id": performer.provider.id,
                "performer_unit_id": performer.unit.id,
                "performer_department_id": performer.department.id,
                "reader_assignment_id": reader.assignment.id,
                "service_description_id": described.id,
                "reason_code": "CAPACITY" if transfer else "DIFFICULT",
                "question": "Dysplasi?",
                "working_diagnosis": None if transfer else "Adenom",
                "urgency": "ROUTINE",
                "subspecialty": Subspecialty.GI,
                "manifest": Manifest(slide_ids=tuple(slide_ids)).keep(),
                "due_at": now + timedelta(days=5),
                "legal_ground": "CONSENT_PRESUMED_REFERRAL",
                "harm_tested_by": requester.assignment.id,
                "harm_tested_at": now,
                "cancer_notification_by": "OWNER" if transfer else None,
                "status": "IN_REVIEW",
                "submitted_at": now,
                "offered_at": now,
                "accepted_at": now,
                "assigned_at": now,
                "first_opened_at": now,
                **columns,
            }
        )
        session.add(request)
        session.flush()
        _hand_out(session, request, case, described, slide_ids, now)
        session.add(
            TaskAssignment(
                care_provider_id=performer.provider.id,
                request_id=request.id,
                assignment_id=reader.assignment.id,
                role=TaskRole.READER,
                assigned_at=now,
            )
        )
        if transfer:
            session.get_one(PathologyCase, case.id).signout_department_id = performer.department.id
    return Asked(owner, performer, requester, reader, case, slide_ids, request.id)


def competent(place: Place, *roles: Role, known: Person | None = None, purpose: Purpose = Purpose.CARE) -> Somebody:
    """Somebody who is competent in what `ask` asks for, and validated on a screen."""
    who = place.person(*roles, known=known, purpose=purpose)
    with transaction(place.world.owner) as session:
        set_competence(
            session,
            session.get_one(Person, who.person.id),
            Subspecialty.GI,
            level=CompetenceLevel.EXPERT,
            max_complexity_level=6,
            validation=Validation(datetime.now(UTC) - timedelta(days=90), 60, 98.0),
            now=datetime.now(UTC),
            by=None,
        )
    return who


def _describe_otherwise(session: Session, like: ServiceDescription, changes: dict[str, Any]) -> ServiceDescription:
    """A service like another but for some columns; what was agreed is never changed."""
    own = {"id", "created_at", "updated_at", "version"}
    kept = {column.key: getattr(like, column.key) for column in like.__table__.columns if column.key not in own}
    described = ServiceDescription(**kept | changes)
    session.add(described)
    session.flush()
    return described


def _hand_out(
    session: Session,
    request: ShareRequest,
    case: PathologyCase,
    service: ServiceDescription,
    slides: Sequence[uuid.UUID],
    now: datetime,
) -> None:
    until = now + timedelta(days=service.disclosure_ttl_days)
    made = Disclosure(
        request_id=request.id,
        version_no=1,
        case_id=case.id,
        care_provider_id=request.care_provider_id,
        unit_id=request.unit_id,
        to_provider_id=request.performer_provider_id,
        to_unit_id=request.performer_unit_id,
        to_named=[],
        purpose=Purpose.CARE,
        legal_ground="CONSENT_PRESUMED_REFERRAL",
        harm_tested_by=request.harm_tested_by,
        harm_tested_at=now,
        manifest_sha256=b"\0" * 32,
        decided_by=request.requester_assignment_id,
        decided_at=now,
        valid_from=now,
        valid_to=until,
        agreement_snapshot_ids=[service.agreement_id, service.id],
        state="ACTIVE",
    )
    session.add(made)
    session.flush()
    items = [(ItemKind.CASE, case.id), *((ItemKind.SLIDE, slide_id) for slide_id in slides)]
    session.add_all(
        DisclosedItem(disclosure_id=made.id, request_id=request.id, kind=kind, resource_id=one) for kind, one in items
    )
    session.add(
        RecordGrant(
            case_id=case.id,
            owner_provider_id=request.care_provider_id,
            to_provider_id=request.performer_provider_id,
            basis="DISCLOSED",
            valid_until=until,
        )
    )
