"""Signing: what is missing is told at once, what was looked at is stated, and what is signed is fixed."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from answering import COMPLETE, REPORT, ask, competent, missing
from product import Database
from sqlalchemy import select, text
from sqlalchemy.exc import ProgrammingError
from world import Place, World

from cases.access.errors import IllegalMove, Invalid, NotPermitted, NotThere, Stale
from cases.access.gate import Code, Refused
from cases.access.notifications import Notification
from cases.access.permissions import Role
from cases.database import platform
from cases.records.annotations import Annotation, AnnotationKind, Drawing, Visibility, draw
from cases.records.pathology_case import CaseStatus
from cases.records.slide_images import SlideImage
from cases.sharing.answers.answer import (
    AnswerStatus,
    AnswerVersion,
    Meaning,
    Saving,
    SigningMethod,
    Stage,
)
from cases.sharing.answers.content import (
    Agreement,
    AnswerContent,
    Platform,
)
from cases.sharing.answers.guards import NotReady
from cases.sharing.answers.rules import set_rules
from cases.sharing.answers.signatures import hash_version
from cases.sharing.answers.signing import sign, sign_preliminary
from cases.sharing.competences import Competence
from cases.sharing.moves import StateEvent
from cases.sharing.requests import RequestStatus, ShareRequest
from cases.sharing.service_descriptions import RequestType
from cases.transaction import transaction

TRANSFER = RequestType.WORKLOAD_TRANSFER
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def places(module_database: Database) -> Iterator[tuple[Place, Place]]:
    with World(module_database) as world:
        yield world.provider("Region Kalmar"), world.provider("Region Östergötland")


def test_an_answer_is_signed_and_the_owner_has_it(places: tuple[Place, Place]) -> None:
    asked = ask(*places)
    version = asked.answered()
    assert (version.stage, version.saving, version.number, version.base_number) == (Stage.FINAL, Saving.SIGNED, 2, 1)
    assert asked.request().status is RequestStatus.ANSWERED
    found = asked.seen_by_owner()
    assert found is not None
    assert found.said == COMPLETE
    (signature,) = asked.signatures(version)
    assert (signature.meaning, signature.method) == (Meaning.AUTHOR, SigningMethod.REAUTH_LOCAL)
    assert signature.content_sha256 == version.content_sha256 == hash_version(found)
    assert signature.signed_at - signature.auth_time < timedelta(minutes=5)


def test_everything_that_is_missing_is_told_at_once(places: tuple[Place, Place]) -> None:
    asked = ask(*places, service={"requires_receiver_accession": True, "countersign_rule": "MALIGNANT"})
    answer_id = asked.write(AnswerContent())
    with pytest.raises(NotReady) as error:
        asked.sign(answer_id)
    assert missing(error) == [
        "STATEMENT_MISSING",
        "DIAGNOSIS_MISSING",
        "AGREEMENT_MISSING",
        "PLATFORM_MISSING",
        "SLIDES_UNREAD",
        "ACCESSION_MISSING",
        "MALIGNANCY_UNSAID",
    ]
    (unread,) = (lack for lack in error.value.missing if lack.code == "SLIDES_UNREAD")
    assert set(unread.slide_ids) == set(asked.slides)
    assert "2 of 2 slides have not been opened" in unread.detail
    assert asked.status(answer_id) is AnswerStatus.DRAFT


@pytest.mark.parametrize(
    ("changes", "lack"),
    [
        ({"statement": " \n"}, "STATEMENT_MISSING"),
        ({"diagnosis": ""}, "DIAGNOSIS_MISSING"),
        ({"agreement": None}, "AGREEMENT_MISSING"),
        ({"agreement": Agreement.NOT_APPLICABLE}, "AGREEMENT_MISSING"),
        ({"platform": None}, "PLATFORM_MISSING"),
        ({"platform": Platform.EXTERNAL_CE_VIEWER}, "PLATFORM_UNNAMED"),
        ({"read_elsewhere": (uuid.UUID(int=1),)}, "PLATFORM_CONTRADICTED"),
    ],
)
def test_each_guard_of_a_second_opinion(places: tuple[Place, Place], changes: dict[str, Any], lack: str) -> None:
    asked = ask(*places)
    asked.open_slides(asked.slides)
    with pytest.raises(NotReady) as error:
        asked.sign(asked.write(replace(COMPLETE, **changes)))
    assert missing(error) == [lack]


@pytest.mark.parametrize(
    ("changes", "columns", "lack"),
    [
        ({"agreement": Agreement.AGREE}, {}, "AGREEMENT_NOT_APPLICABLE"),
        ({"platform": Platform.THIS_VIEWER}, {}, "PLATFORM_NOT_ALLOWED"),
        ({}, {"cancer_notification_by": None}, "CANCER_NOTIFICATION_UNSAID"),
    ],
)
def test_each_guard_of_a_transferred_case(
    places: tuple[Place, Place], changes: dict[str, Any], columns: dict[str, Any], lack: str
) -> None:
    asked = ask(*places, kind=TRANSFER, **columns)
    asked.open_slides(asked.slides)
    with pytest.raises(NotReady) as error:
        asked.sign(asked.write(replace(REPORT, **changes)))
    assert missing(error) == [lack]


@pytest.mark.parametrize(
    ("competence", "lack"),
    [
        (None, "COMPETENCE_MISSING"),
        ({"valid_to": date(2025, 12, 31)}, "COMPETENCE_EXPIRED"),
        (
            {
                "digital_validated_at": None,
                "digital_validation_cases": None,
                "digital_validation_concordance": None,
            },
            "VALIDATION_MISSING",
        ),
    ],
)
def test_only_the_competent_sign(places: tuple[Place, Place], competence: dict[str, Any] | None, lack: str) -> None:
    reader = competent(places[1], Role.PAT)
    asked = ask(*places, reader=reader)
    asked.open_slides(asked.slides)
    answer_id = asked.write()
    with transaction(asked.owner.world.owner) as session:
        held = session.scalars(select(Competence).where(Competence.person_id == reader.person.id)).one()
        if competence is None:
            session.delete(held)
        for name, value in (competence or {}).items():
            setattr(held, name, value)
    with pytest.raises(NotReady) as error:
        asked.sign(answer_id)
    assert missing(error) == [lack]


def test_codes_are_asked_for_where_a_care_provider_wants_them(module_database: Database) -> None:
    with World(module_database) as world:
        owner, performer = world.provider("Kräver koder"), world.provider("Kräver inget")
        with owner.person(Role.ADM).acting() as (session, actor):
            set_rules(session, codes_required=True, seen=0, by=actor)
        asked = ask(owner, performer, kind=TRANSFER)
        asked.open_slides(asked.slides)
        with pytest.raises(NotReady) as error:
            asked.sign(asked.write(replace(REPORT, codes=())))
        assert missing(error) == ["CODE_T_MISSING", "CODE_M_MISSING"]
        asked.save(REPORT, base=1)
        assert asked.sign(asked.answer_id(), 2).stage is Stage.FINAL
        # A second opinion is no report.
        other = ask(owner, performer)
        assert other.answered(replace(COMPLETE, codes=())).stage is Stage.FINAL


def test_who_signs_has_shown_lately_who_they_are(places: tuple[Place, Place]) -> None:
    asked = ask(*places)
    asked.open_slides(asked.slides)
    answer_id = asked.write()
    later = datetime.now(UTC) + timedelta(minutes=6)
    with pytest.raises(Refused) as refused, asked.reader.acting(now=later) as (session, actor):
        sign(session, answer_id, 1, by=actor, now=later)
    assert refused.value.decision.code is Code.D01


def test_a_resident_too_shows_who_they_are(places: tuple[Place, Place]) -> None:
    asked = ask(*places, reader=competent(places[1], Role.RES))
    asked.open_slides(asked.slides)
    answer_id = asked.write()
    later = datetime.now(UTC) + timedelta(minutes=6)
    with pytest.raises(Refused) as refused, asked.reader.acting(now=later) as (session, actor):
        sign(session, answer_id, 1, by=actor, now=later)
    assert refused.value.decision.code is Code.D01


def test_nobody_signs_what_they_have_not_read(places: tuple[Place, Place]) -> None:
    asked = ask(*places)
    answer_id = asked.write()
    asked.save(replace(COMPLETE, statement="Nyare"), base=1)
    with pytest.raises(Stale, match="Version 1 was given and 2 is the newest"):
        asked.sign(answer_id, 1)


def test_only_the_reader_signs(places: tuple[Place, Place]) -> None:
    asked = ask(*places)
    answer_id = asked.write()
    with pytest.raises(NotPermitted, match="signed by whoever reads the request"):
        asked.sign(answer_id, who=competent(asked.performer, Role.PAT))
    with pytest.raises(NotThere):
        asked.sign(answer_id, who=asked.requester)


def test_dictation_is_checked_by_its_author(places: tuple[Place, Place]) -> None:
    asked = ask(*places)
    asked.open_slides(asked.slides)
    answer_id = asked.save(COMPLETE, who=asked.performer.person(Role.COO)).answer.id
    with pytest.raises(NotReady) as error:
        asked.sign(answer_id)
    assert missing(error) == ["DICTATION_UNCHECKED"]
    version = asked.sign(answer_id, dictation_checked=True)
    meanings = {one.meaning: one.assignment_id for one in asked.signatures(version)}
    assert meanings == dict.fromkeys((Meaning.DICTATION_CHECK, Meaning.AUTHOR), asked.reader.assignment.id)


def test_an_open_work_order_stands_against_it(places: tuple[Place, Place]) -> None:
    asked = ask(*places)
    asked.open_slides(asked.slides)
    answer_id = asked.write()
    from cases.sharing.work_orders import DoneBy, Order, WorkKind, place

    with asked.reader.acting() as (session, actor):
        request = session.get_one(ShareRequest, asked.request_id)
        place(
            session,
            request,
            Order(kind=WorkKind.CLINICAL_INFO, done_by=DoneBy.OWNER_LAB, blocking=True, comment="Ålder?"),
            by=actor,
            now=datetime.now(UTC),
        )
    with transaction(asked.owner.world.owner) as session:
        # As if somebody had gone back to reading meanwhile.
        session.get_one(ShareRequest, asked.request_id).status = RequestStatus.IN_REVIEW
    with pytest.raises(NotReady) as error:
        asked.sign(answer_id)
    assert missing(error) == ["WORK_ORDER_OPEN"]


def test_a_preliminary_answer_is_the_owners_at_once_and_may_be_repeated(places: tuple[Place, Place]) -> None:
    asked = ask(*places, kind=TRANSFER)
    answer_id = asked.write(replace(REPORT, statement="Preliminärt: adenom."))
    for number in (1, 2):
        with asked.reader.acting() as (session, actor):
            version = sign_preliminary(session, answer_id, number, by=actor, now=datetime.now(UTC))
        assert (version.stage, version.number) == (Stage.PRELIMINARY, number + 1)
    assert asked.request().status is RequestStatus.IN_REVIEW
    assert asked.case_now().status is CaseStatus.PRELIMINARY
    with asked.requester.acting() as (session, _):
        visible = session.scalars(select(AnswerVersion.number).where(AnswerVersion.answer_id == answer_id)).all()
        told = session.scalars(select(Notification.event).where(Notification.subject_id == asked.request_id)).all()
    assert (sorted(visible), told.count("ANSWER_PRELIMINARY")) == ([2, 3], 2)
    assert asked.seen_by_owner() is None
    asked.save(replace(REPORT, read_elsewhere=tuple(asked.slides)), base=3)
    assert asked.sign(answer_id, 4).stage is Stage.FINAL
    assert asked.case_now().status is CaseStatus.FINAL


def test_a_signed_answer_locks_the_annotations_that_it_cites(places: tuple[Place, Place]) -> None:
    asked = ask(*places)
    asked.open_slides(asked.slides)
    with asked.reader.acting() as (session, actor):
        slide = session.get_one(SlideImage, asked.slides[0])
        shape = Drawing(
            kind=AnnotationKind.POINT,
            geometry={"type": "Point", "coordinates": [10, 20]},
            visibility=Visibility.REQUEST,
            request_id=asked.request_id,
        )
        cited = draw(session, slide, shape, by=actor).id
        private = draw(session, slide, replace(shape, visibility=Visibility.PRIVATE, request_id=None), by=actor).id
    with pytest.raises(Invalid, match="not for those who will read the answer"):
        asked.sign(asked.write(replace(COMPLETE, annotations=(private,))))
    asked.save(replace(COMPLETE, annotations=(cited,)), base=1)
    version = asked.sign(asked.answer_id(), 2)
    assert version.found.annotations == {str(cited): 1}
    with transaction(asked.owner.world.owner) as session:
        assert session.get_one(Annotation, cited).is_record_document


def test_a_signature_can_be_taken_back_by_nobody_else(places: tuple[Place, Place]) -> None:
    asked = ask(*places)
    version = asked.answered()
    with asked.requester.acting() as (session, _):
        touched = session.execute(
            text("UPDATE signature SET voided_at = now() WHERE answer_version_id = :id"), {"id": version.id}
        )
        assert touched.rowcount == 0  # type: ignore[attr-defined]
    refusal = pytest.raises(ProgrammingError, match="released_at of answer_version is noted once")
    with refusal, transaction(asked.owner.world.owner) as session:
        session.execute(text("UPDATE answer_version SET released_at = NULL WHERE id = :id"), {"id": version.id})


def test_what_is_signed_is_not_signed_again(places: tuple[Place, Place]) -> None:
    asked = ask(*places)
    version = asked.answered()
    with pytest.raises(IllegalMove) as error:
        asked.sign(version.answer_id, version.number)
    assert error.value.allowed == ("addendum", "amend", "correct", "enter_in_error", "save", "sign_for_countersign")


def test_every_move_leaves_an_event_and_an_entry_in_the_log(places: tuple[Place, Place]) -> None:
    asked = ask(*places)
    version = asked.answered()
    with transaction(asked.owner.world.owner) as session, platform(session):
        events = session.scalars(
            select(StateEvent).where(StateEvent.entity_id == version.answer_id).order_by(StateEvent.at, StateEvent.id)
        ).all()
        logged = session.execute(
            text(
                "SELECT audit_event.event FROM audit_event JOIN audit_subject ON event_id = audit_event.id"
                " WHERE subject_id = :id ORDER BY audit_event.seq"
            ),
            {"id": version.answer_id},
        ).all()
    assert [(one.event, one.from_state, one.to_state) for one in events] == [
        ("begin", None, "DRAFT"),
        ("sign", "DRAFT", "FINAL"),
    ]
    assert [event for (event,) in logged] == ["ANSWER_DRAFT_SAVED", "ANSWER_SIGNED"]
