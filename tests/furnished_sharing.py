"""One of everything that two care providers share: asked for, asked of, drawn, ordered, answered, told and sent.

ids |= furnish_sharing(place, people, case, slide_id, performer=performer)
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import answering
from desk import POINT
from sqlalchemy import select
from world import Place, Somebody

from cases.access.notifications import Notification, notify
from cases.access.permissions import Role
from cases.database import platform
from cases.records.annotations import draw
from cases.records.attachments import AttachmentKind, ReceivedFile, ScanState, attach
from cases.records.pathology_case import PathologyCase
from cases.records.referrals import ReferralDetails, register_referral
from cases.records.slide_images import SlideImage
from cases.records.specimens import GlassSlide, NewBlock, NewGlass, NewSpecimen, TissueBlock, register_specimen
from cases.sharing import work_orders
from cases.sharing.answers import reconciliations
from cases.sharing.answers.content import Agreement, DiscrepancyCategory
from cases.sharing.destinations import Answers, Destination, DestinationKind
from cases.sharing.messages import write_message
from cases.sharing.outbox import OutboxMessage
from cases.sharing.requests import lock_request
from cases.transaction import transaction

OTHERWISE = replace(
    answering.COMPLETE,
    agreement=Agreement.MAJOR_DISCREPANCY,
    discrepancy=DiscrepancyCategory.GRADE,
    impact="Ändrar behandlingen",
)
"""An answer that has to be reconciled."""
ANALYSIS = work_orders.Order(kind=work_orders.WorkKind.MOLECULAR, code="KRAS", blocking=False)


def furnish_sharing(
    place: Place,
    people: Mapping[Role, Somebody],
    case: PathologyCase,
    slide_id: uuid.UUID,
    *,
    performer: Place,
) -> Mapping[str, uuid.UUID]:
    """Give a care provider a request to another one that is answered, and one of another's that is being read.

    Args:
        place: in it.
        people: who works there, one for each role.
        case: theirs.
        slide_id: of the case.
        performer: whom they ask, and who asks them.
    """
    ids = _furnish_record(place, people, case, slide_id)
    ids["other_case_id"] = place.case(case.patient_id).id
    asked = answering.ask(place, performer)
    reading, another = (answering.ask(performer, place, reader=people[Role.PAT]) for _ in range(2))
    now = datetime.now(UTC)
    for order_of, who, name in ((asked, asked.reader, "work_order_id"), (reading, people[Role.PAT], "placed_id")):
        with who.acting() as (session, actor):
            request = lock_request(session, order_of.request_id, by=actor)
            ids[name] = work_orders.place(session, request, ANALYSIS, by=actor, now=now).id
    version = asked.answered(OTHERWISE)
    with asked.requester.acting() as (session, actor):
        request = lock_request(session, asked.request_id, by=actor)
        ids["reconciliation_id"] = reconciliations.start(session, request, by=actor, now=datetime.now(UTC)).id
        ids["said_id"] = write_message(session, request, "Tack!", by=actor, now=datetime.now(UTC)).id
    with people[Role.PAT].acting() as (session, _):
        mine = [people[Role.PAT].assignment.id]
        notify(
            session,
            "REQUEST_ANSWERED",
            subject_kind="request",
            subject_id=asked.request_id,
            provider_id=place.provider.id,
            assignments=mine,
        )
        with platform(session):
            session.flush()
            told = session.scalars(select(Notification.id).where(Notification.assignment_id.in_(mine)))
            ids["notification_id"] = max(told)
    with transaction(place.world.owner) as session:
        sent = session.scalars(select(OutboxMessage.id).where(OutboxMessage.care_provider_id == place.provider.id))
        ids["message_id"] = sent.one()
    return ids | {
        "request_id": asked.request_id,
        "answer_id": version.answer_id,
        "asked_slide_id": asked.slides[0],
        "reader_id": answering.competent(place, Role.PAT).assignment.id,
        "asked_id": reading.request_id,
        "returned_id": another.request_id,
        "draft_id": reading.write(),
        "mistaken_id": another.write(),
    }


def _furnish_record(
    place: Place, people: Mapping[Role, Somebody], case: PathologyCase, slide_id: uuid.UUID
) -> dict[str, uuid.UUID]:
    ids: dict[str, uuid.UUID] = {}
    with transaction(place.world.owner) as session:
        blocks = (NewBlock(glass=(NewGlass(),)),)
        specimen = register_specimen(session, case, NewSpecimen(blocks=blocks), by=place.clerk)
        from_us = ReferralDetails(
            referring_unit_id=place.unit.id, referring_assignment_id=people[Role.CLN].assignment.id
        )
        ids |= {
            "specimen_id": specimen.id,
            "tissue_block_id": session.scalars(
                select(TissueBlock.id).where(TissueBlock.specimen_id == specimen.id)
            ).one(),
            "glass_slide_id": session.scalars(select(GlassSlide.id).where(GlassSlide.case_id == case.id)).one(),
            "referral_id": register_referral(session, case, from_us, by=place.clerk).id,
        }
        destination = Destination(
            care_provider_id=place.provider.id,
            name="Journalen",
            kind=DestinationKind.FOLDER,
            answers=Answers.RECEIVED,
            language="sv",
        )
        session.add(destination)
        session.flush()
        ids["destination_id"] = destination.id
    with people[Role.PAT].acting() as (session, actor):
        file = ReceivedFile(
            media_type="application/pdf",
            byte_size=1,
            digest="0" * 64,
            received_digest="0" * 64,
            scan=ScanState.NOT_SCANNED,
            finding=None,
        )
        ids["attachment_id"] = attach(
            session, case, file, kind=AttachmentKind.LAB_REPORT, caption="Svar", by=actor, now=datetime.now(UTC)
        ).id
        ids["annotation_id"] = draw(session, session.get_one(SlideImage, slide_id), POINT, by=actor).id
    return ids
