"""Requests as rows, as they stand after some moves: for tests of what is shown of them rather than of the moves.

asked = Asked(owner, performer)
request_id = asked.ask(case, slides=[slide_id], status=RequestStatus.OFFERED)
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from contracts import make_agreement, make_service
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from world import Place, Somebody

from cases.access.actors import Purpose
from cases.access.agreements import AgreementType
from cases.database import new_id
from cases.records.pathology_case import PathologyCase
from cases.records.record_grant import RecordGrant
from cases.sharing.competences import Subspecialty
from cases.sharing.moves import StateEvent
from cases.sharing.requests import (
    ANSWERED,
    STOPPED,
    TAKEN,
    DisclosedItem,
    Disclosure,
    DisclosureState,
    HoldReason,
    ItemKind,
    LegalGround,
    Manifest,
    ReasonCode,
    RequestHold,
    RequestStatus,
    ShareRequest,
    Side,
    TaskAssignment,
    TaskRole,
)
from cases.sharing.requests.request import make_short_id
from cases.sharing.service_descriptions import RequestType, Urgency
from cases.transaction import transaction

DAY = timedelta(days=1)


class Asked:
    """What one care provider asks of another, under an agreement and a service in force."""

    def __init__(self, owner: Place, performer: Place) -> None:
        self.owner, self.performer = owner, performer
        with transaction(owner.world.owner) as session:
            agreement = make_agreement(session, AgreementType.COOPERATION, owner.provider, performer.provider)
            self.service_id = make_service(session, agreement, performer.department).id
            self.agreement_id = agreement.id

    def case(self, *, slides: int = 1, days_ago: int = 10) -> tuple[PathologyCase, list[uuid.UUID]]:
        """A case of the owner's with a patient of its own, and its slides."""
        case = self.owner.case(self.owner.patient(self.owner.world.number()), days_ago=days_ago)
        return case, [self.owner.world.slide(case) for _ in range(slides)]

    def ask(
        self,
        case: PathologyCase,
        *,
        slides: Sequence[uuid.UUID] = (),
        glass: Sequence[uuid.UUID] = (),
        status: RequestStatus = RequestStatus.OFFERED,
        held_from: RequestStatus | None = None,
        holds: Iterable[HoldReason] = (),
        urgency: Urgency = Urgency.ROUTINE,
        due_in: timedelta = 5 * DAY,
        reader: Somebody | None = None,
        named: Somebody | None = None,
        ended_ago: timedelta = timedelta(),
        parent_id: uuid.UUID | None = None,
        receiver_accession: str | None = None,
    ) -> uuid.UUID:
        """A request about a case, with what was handed out for it."""
        now, clerk = datetime.now(UTC), self.owner.clerk.assignment_id
        manifest = Manifest(slide_ids=tuple(slides), glass_ids=tuple(glass))
        stage = held_from or status
        sent = stage is not RequestStatus.DRAFT
        offered = sent and stage is not RequestStatus.SUBMITTED
        taken = stage in TAKEN | ANSWERED
        with transaction(self.owner.world.owner) as session:
            request = ShareRequest(
                id=new_id(),
                short_id=make_short_id(),
                type=RequestType.SECOND_OPINION,
                case_id=case.id,
                care_provider_id=self.owner.provider.id,
                unit_id=self.owner.unit.id,
                requester_assignment_id=clerk,
                requester_department_id=self.owner.department.id,
                watcher_assignment_id=clerk,
                performer_provider_id=self.performer.provider.id,
                performer_unit_id=self.performer.unit.id,
                performer_department_id=self.performer.department.id,
                named_reader_id=named.assignment.id if named else None,
                reader_assignment_id=reader.assignment.id if reader else None,
                service_description_id=self.service_id if sent else None,
                parent_request_id=parent_id,
                reason_code=ReasonCode.DIFFICULT,
                question="Dysplasi?",
                urgency=urgency,
                subspecialty=Subspecialty.GI,
                manifest=manifest.keep(),
                due_at=now + due_in if sent else None,
                legal_ground=LegalGround.CONSENT_PRESUMED_REFERRAL,
                harm_tested_by=clerk,
                harm_tested_at=now,
                receiver_accession=receiver_accession,
                status=status,
                held_from=held_from,
                submitted_at=now - 2 * DAY if sent else None,
                offered_at=now - 2 * DAY if offered else None,
                accepted_at=now - DAY if taken else None,
                answered_at=now if stage in ANSWERED else None,
                ended_at=now - ended_ago if stage in STOPPED else None,
            )
            session.add(request)
            session.flush()
            session.add_all(
                RequestHold(
                    request_id=request.id,
                    care_provider_id=request.care_provider_id,
                    reason=reason,
                    whose_turn=Side.OWNER,
                    began_at=now,
                )
                for reason in holds
            )
            session.add(
                StateEvent(
                    care_provider_id=request.care_provider_id,
                    request_id=request.id,
                    entity="request",
                    entity_id=request.id,
                    event="create",
                    to_state=RequestStatus.DRAFT,
                    by_assignment_id=clerk,
                    at=now - 2 * DAY,
                )
            )
            if reader:
                session.add(
                    TaskAssignment(
                        care_provider_id=self.performer.provider.id,
                        request_id=request.id,
                        assignment_id=reader.assignment.id,
                        role=TaskRole.READER,
                        assigned_by=clerk,
                        assigned_at=now,
                    )
                )
            if offered and stage not in STOPPED:
                self._hand_out(session, request, manifest, named=named, now=now)
            return request.id

    def _hand_out(
        self, session: Session, request: ShareRequest, manifest: Manifest, *, named: Somebody | None, now: datetime
    ) -> None:
        """What it rests on that the performer may look."""
        made = Disclosure(
            id=new_id(),
            request_id=request.id,
            version_no=1,
            case_id=request.case_id,
            care_provider_id=request.care_provider_id,
            unit_id=request.unit_id,
            to_provider_id=request.performer_provider_id,
            to_unit_id=request.performer_unit_id,
            to_named=[named.assignment.id] if named else [],
            purpose=Purpose.CARE,
            legal_ground=LegalGround.CONSENT_PRESUMED_REFERRAL,
            harm_tested_by=request.requester_assignment_id,
            harm_tested_at=now,
            manifest_sha256=bytes(32),
            decided_by=request.requester_assignment_id,
            decided_at=now - 2 * DAY,
            valid_from=now - 2 * DAY,
            valid_to=now + 80 * DAY,
            agreement_snapshot_ids=[self.agreement_id, self.service_id],
            state=DisclosureState.ACTIVE,
        )
        session.add(made)
        session.flush()
        items = [
            (ItemKind.CASE, request.case_id),
            *((ItemKind.SLIDE, one) for one in manifest.slide_ids),
            *((ItemKind.GLASS, one) for one in manifest.glass_ids),
        ]
        session.add_all(
            DisclosedItem(disclosure_id=made.id, request_id=request.id, kind=kind, resource_id=resource_id)
            for kind, resource_id in items
        )
        session.execute(
            insert(RecordGrant)
            .values(
                case_id=request.case_id,
                owner_provider_id=request.care_provider_id,
                to_provider_id=request.performer_provider_id,
                basis="DISCLOSED",
                valid_until=made.valid_to,
            )
            .on_conflict_do_nothing()
        )
