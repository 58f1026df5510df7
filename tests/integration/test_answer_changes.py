"""Changing what was signed: nothing is taken away, everybody who has read it is told, and it is acknowledged anew."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from answering import (
    COMPLETE,
    REASON,
    REPORT,
    WORSE,
    Asked,
    ask,
    competent,
    confirm,
    missing,
    read,
    shut,
    sign_change,
    told,
)
from product import Database
from sqlalchemy.exc import NoResultFound
from world import Place, Somebody, World

from cases.access.blocks import BlockType, register_block
from cases.access.errors import Conflict, IllegalMove, Invalid, NotPermitted
from cases.access.gate import CareLink, Refused
from cases.access.patients import Patient
from cases.access.permissions import Role
from cases.database import act_for, platform
from cases.records.pathology_case import CaseStatus
from cases.sharing.answers.amending import Change, enter_in_error, name_amender
from cases.sharing.answers.answer import AnswerStatus, Meaning, Stage
from cases.sharing.answers.content import Agreement, AmendmentReason, AnswerContent, Telling
from cases.sharing.answers.guards import NotReady
from cases.sharing.answers.register import find_answer
from cases.sharing.requests import RequestStatus, lock_request
from cases.sharing.requests.deciding import reassign
from cases.sharing.requests.ending import recall
from cases.sharing.requests.facts import find_shared
from cases.sharing.service_descriptions import RequestType
from cases.transaction import transaction

MAJOR = replace(COMPLETE, agreement=Agreement.MAJOR_DISCREPANCY, impact="Ny operation.")


@pytest.fixture(scope="module")
def places(module_database: Database) -> Iterator[tuple[Place, Place]]:
    with World(module_database) as world:
        yield world.provider("Region Kalmar"), world.provider("Region Östergötland")


@pytest.mark.parametrize(
    ("how", "content", "stage", "status"),
    [
        (Change.ADDENDUM, replace(COMPLETE, ancillary="KRAS vildtyp."), Stage.ADDENDUM, AnswerStatus.APPENDED),
        (Change.AMEND, WORSE, Stage.AMENDED, AnswerStatus.AMENDED),
        (Change.CORRECT, replace(COMPLETE, statement="Stavfel rättat."), Stage.CORRECTED, AnswerStatus.CORRECTED),
    ],
)
def test_a_signed_answer_is_changed_by_a_new_version(
    places: tuple[Place, Place], how: Change, content: AnswerContent, stage: Stage, status: AnswerStatus
) -> None:
    asked = ask(*places)
    first = asked.answered()
    read(asked.requester, first.answer_id)
    confirm(asked)
    reason = replace(REASON, reason=AmendmentReason.CLERICAL) if how is Change.CORRECT else REASON
    changed = sign_change(asked, first, content, how, reason)
    assert (changed.stage, asked.status(first.answer_id)) == (stage, status)
    found = asked.seen_by_owner()
    assert found is not None
    assert (found.id, found.said) == (changed.id, content)
    # The owner is told, reads it and acknowledges it anew; the version before is still there.
    assert asked.request().status is RequestStatus.ANSWERED
    assert told(asked, asked.requester)[-2:] == ["REQUEST_AMENDED", "ANSWER_AMENDED"]
    with pytest.raises(Conflict, match="not opened the newest version"):
        confirm(asked)
    read(asked.requester, first.answer_id)
    confirm(asked)
    assert [one.meaning for one in asked.signatures(first)] == [Meaning.AUTHOR, Meaning.ACKNOWLEDGE]
    assert [one.meaning for one in asked.signatures(changed)] == [Meaning.AUTHOR, Meaning.ACKNOWLEDGE]


def test_everybody_who_has_read_it_is_told_wherever_they_work(places: tuple[Place, Place]) -> None:
    asked = ask(*places)
    first = asked.answered()
    colleague, other_side = asked.owner.person(Role.PAT), asked.performer.person(Role.HEAD)
    unread = asked.owner.person(Role.PAT)
    for who in (colleague, other_side):
        read(who, first.answer_id)
    sign_change(asked, first)
    assert told(asked, colleague) == told(asked, other_side) == ["ANSWER_AMENDED"]
    assert told(asked, unread) == []


@pytest.mark.parametrize(
    ("content", "how", "changes", "lacks"),
    [
        (COMPLETE, Change.AMEND, {}, ["NOTHING_CHANGED"]),
        (WORSE, Change.AMEND, {"changed": " "}, ["CHANGE_UNSAID"]),
        (WORSE, Change.AMEND, {"told_who": None}, ["NOBODY_TOLD"]),
        (WORSE, Change.AMEND, {"significant": True}, ["NOBODY_TOLD"]),
        (WORSE, Change.AMEND, {"told_at": datetime(2199, 1, 1, tzinfo=UTC)}, ["TOLD_IN_THE_FUTURE"]),
        (WORSE, Change.ADDENDUM, {}, ["DIAGNOSIS_CHANGED"]),
        (replace(WORSE, statement="", agreement=None), Change.AMEND, {}, ["STATEMENT_MISSING", "AGREEMENT_MISSING"]),
    ],
)
def test_what_a_change_needs(
    places: tuple[Place, Place], content: AnswerContent, how: Change, changes: dict[str, Any], lacks: list[str]
) -> None:
    asked = ask(*places)
    first = asked.answered()
    with pytest.raises(NotReady) as error:
        sign_change(asked, first, content, how, replace(REASON, **changes))
    assert missing(error) == lacks


def test_what_matters_to_the_patient_has_been_spoken_about(places: tuple[Place, Place]) -> None:
    asked = ask(*places)
    first = asked.answered()
    spoken = replace(REASON, significant=True, told_how=Telling.PHONE, told_at=datetime.now(UTC))
    assert sign_change(asked, first, amendment=spoken).amendment is not None


def test_a_correction_mends_a_slip_of_the_pen(places: tuple[Place, Place]) -> None:
    asked = ask(*places)
    first = asked.answered()
    with pytest.raises(Invalid, match="mends a slip of the pen"):
        sign_change(asked, first, how=Change.CORRECT)


def test_a_correction_leaves_the_meaning_alone(places: tuple[Place, Place]) -> None:
    asked = ask(*places)
    first = asked.answered()
    clerical = replace(REASON, reason=AmendmentReason.CLERICAL)
    with pytest.raises(Invalid, match="Choose an amendment"):
        sign_change(asked, first, replace(COMPLETE, malignant=True), Change.CORRECT, clerical)
    found = asked.seen_by_owner()
    assert found is not None and found.id == first.id


def test_an_answer_is_changed_by_its_author_or_whom_the_head_named(places: tuple[Place, Place]) -> None:
    asked = ask(*places)
    first = asked.answered()
    successor, head = competent(asked.performer, Role.PAT), asked.performer.person(Role.HEAD)
    with pytest.raises(NotPermitted, match="changed by its author, or by whom the head"):
        sign_change(asked, first, who=successor)
    with (
        pytest.raises(NotPermitted, match="for the head of the department that answered"),
        successor.acting() as (
            session,
            actor,
        ),
    ):
        answer = find_answer(session, first.answer_id)
        name_amender(session, answer, successor.assignment.id, by=actor, now=datetime.now(UTC))
    with head.acting() as (session, actor):
        answer = find_answer(session, first.answer_id)
        name_amender(session, answer, successor.assignment.id, by=actor, now=datetime.now(UTC))
    asked.open_slides(asked.slides, who=successor)
    assert sign_change(asked, first, who=successor).author_assignment_id == successor.assignment.id


def test_the_performer_amends_its_own_record_after_the_request_was_closed(places: tuple[Place, Place]) -> None:
    asked = ask(*places)
    first = asked.answered()
    read(asked.requester, first.answer_id)
    confirm(asked)
    shut(asked)
    assert asked.request().status is RequestStatus.CLOSED
    assert read(asked.reader, first.answer_id).id == first.id
    changed = sign_change(asked, first)
    assert changed.stage is Stage.AMENDED
    assert asked.request().status is RequestStatus.ANSWERED


def test_an_amended_report_amends_the_case(places: tuple[Place, Place]) -> None:
    asked = ask(*places, kind=RequestType.WORKLOAD_TRANSFER)
    content = replace(REPORT, read_elsewhere=tuple(asked.slides))
    first = asked.sign(asked.write(content))
    sent = asked.case_now().report_sent_at
    read(asked.requester, first.answer_id)
    confirm(asked)
    assert asked.case_now().report_ack_at is not None
    sign_change(asked, first, replace(content, diagnosis="Cancer"))
    case = asked.case_now()
    assert (case.status, case.report_sent_at) == (CaseStatus.AMENDED, sent)


def is_named(asked: Asked, who: Somebody) -> bool:
    """Whether the gate takes somebody of the performer's for one whose task the request is."""
    with who.acting() as (session, actor), platform(session):
        (shared,) = find_shared(session, asked.slides[:1], by=actor, now=datetime.now(UTC))
        return CareLink.NAMED in shared.links


def block(asked: Asked) -> None:
    """The patient blocks the owner's care unit."""
    clerk = asked.owner.clerk
    with transaction(asked.owner.world.app) as session:
        act_for(session, clerk.provider_id)
        patient = session.get_one(Patient, asked.case.patient_id)
        register_block(session, patient, BlockType.OUTER, by=clerk, now=datetime.now(UTC))


def take_back(asked: Asked, who: Somebody) -> None:
    """Somebody of the owner's takes an answered case back."""
    with who.acting() as (session, actor):
        request = lock_request(session, asked.request_id, by=actor)
        recall(session, request, text="Vi svarar själva.", by=actor, now=datetime.now(UTC))


class TestErrors:
    """An answer that was never right."""

    def err(self, asked: Asked, answer_id: uuid.UUID, *, who: Somebody | None = None) -> None:
        with (who or asked.performer.person(Role.HEAD)).acting() as (session, actor):
            enter_in_error(session, answer_id, "Skriven på fel fall.", by=actor, now=datetime.now(UTC))

    def test_it_stays_readable_and_another_may_be_written(self, places: tuple[Place, Place]) -> None:
        asked = ask(*places)
        first = asked.answered()
        read(asked.requester, first.answer_id)
        with pytest.raises(NotPermitted, match="for the head of the department that answered"):
            self.err(asked, first.answer_id, who=asked.reader)
        self.err(asked, first.answer_id)
        assert asked.status(first.answer_id) is AnswerStatus.ENTERED_IN_ERROR
        assert asked.seen_by_owner() is None
        assert read(asked.requester, first.answer_id).said == COMPLETE
        assert told(asked, asked.requester)[-2:] == ["REQUEST_REOPENED", "ANSWER_ENTERED_IN_ERROR"]
        request = asked.request()
        assert (request.status, request.answered_at) == (RequestStatus.IN_REVIEW, None)
        with pytest.raises(IllegalMove, match="where nobody can acknowledge"):
            confirm(asked)
        second = asked.sign(asked.save(WORSE).answer.id)
        assert second.answer_id != first.answer_id
        assert asked.request().status is RequestStatus.ANSWERED
        with pytest.raises(IllegalMove):
            self.err(asked, first.answer_id)

    def test_a_report_that_was_wrong_opens_the_case_again(self, places: tuple[Place, Place]) -> None:
        asked = ask(*places, kind=RequestType.WORKLOAD_TRANSFER)
        first = asked.sign(asked.write(replace(REPORT, read_elsewhere=tuple(asked.slides))))
        self.err(asked, first.answer_id)
        assert asked.case_now().status is CaseStatus.IN_DIAGNOSIS
        assert asked.request().status is RequestStatus.IN_REVIEW

    def test_afterwards_another_reader_reads_what_had_gone_dark(self, places: tuple[Place, Place]) -> None:
        asked = ask(*places, service={"post_answer_view_days": 0})
        first = asked.answered()
        read(asked.requester, first.answer_id)
        confirm(asked)
        shut(asked)
        with pytest.raises(NoResultFound):
            asked.open_slides(asked.slides)
        self.err(asked, first.answer_id)
        other = competent(asked.performer, Role.PAT)
        with asked.performer.person(Role.HEAD).acting() as (session, actor):
            request = lock_request(session, asked.request_id, by=actor)
            reassign(session, request, other.assignment.id, text="Läkaren är ledig.", by=actor, now=datetime.now(UTC))
        assert (is_named(asked, other), is_named(asked, asked.reader)) == (True, False)
        asked.open_slides(asked.slides, who=other)
        answer_id = asked.save(COMPLETE, who=other).answer.id
        assert asked.sign(answer_id, who=other).released_at is not None
        request = asked.request()
        assert (request.status, request.closed_at) == (RequestStatus.ANSWERED, None)
        assert request.answered_at is not None

    def test_a_block_since_the_answer_stands_against_reading_it_once_more(self, places: tuple[Place, Place]) -> None:
        asked = ask(*places)
        first = asked.answered()
        block(asked)
        self.err(asked, first.answer_id)
        assert asked.request().status is RequestStatus.HELD

    def test_an_answered_transfer_is_taken_back_by_the_owners_head(self, places: tuple[Place, Place]) -> None:
        asked = ask(*places, kind=RequestType.WORKLOAD_TRANSFER)
        first = asked.sign(asked.write(replace(REPORT, read_elsewhere=tuple(asked.slides))))
        with pytest.raises(NotPermitted, match="taken back by the head"):
            take_back(asked, asked.requester)
        take_back(asked, asked.owner.person(Role.HEAD))
        assert asked.case_now().signout_department_id == asked.owner.department.id
        assert asked.request().status is RequestStatus.RECALLED
        assert read(asked.requester, first.answer_id).said.diagnosis == REPORT.diagnosis
        with pytest.raises(Refused):
            sign_change(asked, first)

    def test_one_that_waits_for_a_countersignature_waits_no_longer(self, places: tuple[Place, Place]) -> None:
        asked = ask(*places, service={"countersign_rule": "ALWAYS"})
        first = asked.answered()
        self.err(asked, first.answer_id)
        assert asked.request().status is RequestStatus.IN_REVIEW
        (signature,) = asked.signatures(first)
        assert signature.voided_at is not None
