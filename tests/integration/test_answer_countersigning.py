"""Countersigning: a second person signs the same, unchanged, and the owner sees nothing before that."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from answering import COMPLETE, REASON, REPORT, Asked, ask, competent, confirm, missing, read, sign_change, told
from product import Database
from sqlalchemy import select, text
from world import Place, Somebody, World

from cases.access.errors import Conflict, IllegalMove, NotPermitted, NotThere
from cases.access.permissions import Role
from cases.records.pathology_case import CaseStatus
from cases.sharing.answers.amending import Change, enter_in_error
from cases.sharing.answers.answer import (
    AnswerStatus,
    AnswerVersion,
    Meaning,
)
from cases.sharing.answers.content import (
    AmendmentReason,
    AnswerContent,
    Axis,
    CodeSystem,
    DiagnosisCode,
)
from cases.sharing.answers.countersigning import countersign, send_back
from cases.sharing.answers.guards import NotReady
from cases.sharing.answers.register import find_answer
from cases.sharing.answers.signing import sign_preliminary
from cases.sharing.moves import StateEvent
from cases.sharing.requests import RequestStatus
from cases.sharing.service_descriptions import RequestType
from cases.transaction import transaction


@pytest.fixture(scope="module")
def places(module_database: Database) -> Iterator[tuple[Place, Place]]:
    with World(module_database) as world:
        yield world.provider("Region Kalmar"), world.provider("Region Östergötland")


class TestCountersigning:
    """A second person signs the same."""

    @pytest.fixture
    def asked(self, places: tuple[Place, Place]) -> Asked:
        return ask(*places, service={"countersign_rule": "ALWAYS"})

    @pytest.fixture
    def second(self, places: tuple[Place, Place]) -> Somebody:
        return competent(places[1], Role.PAT)

    def do(self, who: Somebody, answer_id: uuid.UUID) -> AnswerVersion:
        with who.acting() as (session, actor):
            return countersign(session, answer_id, by=actor, now=datetime.now(UTC))

    def test_the_owner_sees_nothing_before_it(self, asked: Asked, second: Somebody) -> None:
        version = asked.answered()
        assert asked.request().status is RequestStatus.COUNTERSIGN
        assert asked.status(version.answer_id) is AnswerStatus.AWAITING_COUNTERSIGN
        with pytest.raises(NotThere), asked.requester.acting() as (session, _):
            find_answer(session, version.answer_id)
        signed = self.do(second, version.answer_id)
        assert (signed.id, signed.content_sha256) == (version.id, version.content_sha256)
        assert [one.meaning for one in asked.signatures(version)] == [Meaning.AUTHOR, Meaning.COUNTERSIGN]
        assert asked.request().status is RequestStatus.ANSWERED
        found = asked.seen_by_owner()
        assert found is not None
        assert found.id == version.id

    def test_nobody_countersigns_their_own_whichever_hat_they_wear(self, asked: Asked) -> None:
        version = asked.answered()
        other_hat = competent(asked.performer, Role.PAT, known=asked.reader.person)
        for who in (asked.reader, other_hat):
            with pytest.raises(NotPermitted, match="Nobody countersigns their own answer"):
                self.do(who, version.answer_id)

    def test_whoever_was_asked_does_it(self, asked: Asked, second: Somebody, places: tuple[Place, Place]) -> None:
        asked.open_slides(asked.slides)
        answer_id = asked.write()
        with pytest.raises(Conflict, match="Nobody countersigns their own"):
            asked.sign(answer_id, countersigner_id=asked.reader.assignment.id)
        asked.sign(answer_id, countersigner_id=second.assignment.id)
        with pytest.raises(NotPermitted, match="Somebody else was asked to countersign"):
            self.do(competent(places[1], Role.PAT), answer_id)
        assert self.do(second, answer_id).released_at is not None

    def test_sent_back_its_authors_signature_holds_no_longer(self, asked: Asked, second: Somebody) -> None:
        version = asked.answered()
        with second.acting() as (session, actor):
            send_back(session, version.answer_id, "Beskriv snitt 3.", by=actor, now=datetime.now(UTC))
        assert asked.request().status is RequestStatus.IN_REVIEW
        assert asked.status(version.answer_id) is AnswerStatus.DRAFT
        (voided,) = asked.signatures(version)
        assert voided.voided_at is not None
        with asked.requester.acting() as (session, _):
            events = session.scalars(select(StateEvent).where(StateEvent.request_id == asked.request_id)).all()
            assert not any(event.text for event in events)
        asked.save(replace(COMPLETE, statement="Snitt 3 också."), base=version.number)
        again = asked.sign(version.answer_id, version.number + 1)
        self.do(second, version.answer_id)
        with asked.requester.acting() as (session, _):
            visible = session.scalars(select(AnswerVersion.id).where(AnswerVersion.answer_id == version.answer_id))
            assert list(visible) == [again.id]

    def test_what_was_tampered_with_is_not_countersigned(self, asked: Asked, second: Somebody) -> None:
        version = asked.answered()
        with transaction(asked.owner.world.owner) as session:
            session.execute(text("ALTER TABLE answer_version DISABLE TRIGGER keep"))
            session.execute(
                text(
                    "UPDATE answer_version SET content = jsonb_set(content, '{diagnosis}', '\"Cancer\"') WHERE id = :id"
                ),
                {"id": version.id},
            )
            session.execute(text("ALTER TABLE answer_version ENABLE TRIGGER keep"))
        with pytest.raises(Conflict, match="no longer what its author signed"):
            self.do(second, version.answer_id)

    def test_who_is_not_competent_does_not_countersign(self, asked: Asked) -> None:
        version = asked.answered()
        with pytest.raises(NotReady) as error:
            self.do(asked.performer.person(Role.PAT), version.answer_id)
        assert missing(error) == ["COMPETENCE_MISSING"]

    def test_a_residents_answer_is_countersigned_whatever_the_service_says(self, places: tuple[Place, Place]) -> None:
        asked = ask(*places, reader=competent(places[1], Role.RES))
        version = asked.answered()
        assert asked.status(version.answer_id) is AnswerStatus.AWAITING_COUNTERSIGN
        with pytest.raises(NotPermitted, match="preliminary answer is signed by a pathologist"):
            other = ask(*places, reader=asked.reader)
            with asked.reader.acting() as (session, actor):
                sign_preliminary(session, other.write(), 1, by=actor, now=datetime.now(UTC))

    @pytest.mark.parametrize(
        ("content", "waits"),
        [
            (COMPLETE, False),
            (replace(COMPLETE, malignant=True), True),
            (
                replace(
                    COMPLETE,
                    malignant=False,
                    codes=(DiagnosisCode(Axis.M, CodeSystem.SNOMED_SE, "M81403", "Adenokarcinom"),),
                ),
                True,
            ),
        ],
    )
    def test_where_cancer_is_countersigned(
        self, places: tuple[Place, Place], content: AnswerContent, waits: bool
    ) -> None:
        asked = ask(*places, service={"countersign_rule": "MALIGNANT"})
        version = asked.answered(content)
        wanted = AnswerStatus.AWAITING_COUNTERSIGN if waits else AnswerStatus.FINAL
        assert asked.status(version.answer_id) is wanted

    def test_what_changes_such_an_answer_is_countersigned_too(self, asked: Asked, second: Somebody) -> None:
        first = self.do(second, asked.answered().answer_id)
        read(asked.requester, first.answer_id)
        confirm(asked)
        changed = sign_change(asked, first)
        assert asked.status(first.answer_id) is AnswerStatus.AWAITING_COUNTERSIGN
        assert asked.request().status is RequestStatus.ACKNOWLEDGED
        assert asked.seen_by_owner().id == first.id  # type: ignore[union-attr]
        assert told(asked, asked.requester)[-1] == "REQUEST_COUNTERSIGNED"
        with pytest.raises(NotPermitted, match="Nobody countersigns their own answer"):
            self.do(asked.reader, first.answer_id)
        with pytest.raises(IllegalMove):
            sign_change(asked, first)
        assert self.do(second, first.answer_id).id == changed.id
        assert asked.status(first.answer_id) is AnswerStatus.AMENDED
        assert asked.request().status is RequestStatus.ANSWERED
        assert asked.seen_by_owner().id == changed.id  # type: ignore[union-attr]
        assert {"REQUEST_AMENDED", "ANSWER_AMENDED"} <= set(told(asked, asked.requester))

    def test_a_change_that_is_sent_back_leaves_the_answer_as_it_was(self, asked: Asked, second: Somebody) -> None:
        first = self.do(second, asked.answered().answer_id)
        changed = sign_change(asked, first, how=Change.ADDENDUM, content=replace(COMPLETE, statement="Dessutom CK7+."))
        with second.acting() as (session, actor):
            send_back(session, first.answer_id, "Vilket snitt?", by=actor, now=datetime.now(UTC))
        assert asked.status(first.answer_id) is AnswerStatus.FINAL
        assert asked.request().status is RequestStatus.ANSWERED
        assert asked.seen_by_owner().id == first.id  # type: ignore[union-attr]
        assert told(asked, asked.reader)[-1] == "REQUEST_SENT_BACK"
        again = sign_change(asked, changed, how=Change.ADDENDUM, content=replace(COMPLETE, statement="Snitt 2: CK7+."))
        assert self.do(second, first.answer_id).id == again.id
        assert asked.status(first.answer_id) is AnswerStatus.APPENDED

    def test_a_slip_of_the_pen_needs_no_second_person(self, asked: Asked, second: Somebody) -> None:
        first = self.do(second, asked.answered().answer_id)
        slip = replace(REASON, reason=AmendmentReason.CLERICAL)
        sign_change(asked, first, replace(COMPLETE, statement="Tubulärt  adenom."), Change.CORRECT, slip)
        assert asked.status(first.answer_id) is AnswerStatus.CORRECTED

    def test_what_was_malignant_is_countersigned_when_it_is_no_more(
        self, places: tuple[Place, Place], second: Somebody
    ) -> None:
        asked = ask(*places, service={"countersign_rule": "MALIGNANT"})
        first = self.do(second, asked.answered(replace(COMPLETE, malignant=True)).answer_id)
        sign_change(asked, first, COMPLETE)
        assert asked.status(first.answer_id) is AnswerStatus.AWAITING_COUNTERSIGN

    def test_an_error_ends_a_change_that_waits(self, asked: Asked, second: Somebody) -> None:
        first = self.do(second, asked.answered().answer_id)
        changed = sign_change(asked, first)
        with asked.performer.person(Role.HEAD).acting() as (session, actor):
            enter_in_error(session, first.answer_id, "Fel fall.", by=actor, now=datetime.now(UTC))
        assert asked.request().status is RequestStatus.IN_REVIEW
        assert asked.seen_by_owner() is None
        assert all(one.voided_at for one in asked.signatures(changed))
        assert not any(one.voided_at for one in asked.signatures(first))

    def test_a_report_is_ready_when_its_author_signs_and_sent_when_it_counts(
        self, places: tuple[Place, Place], second: Somebody
    ) -> None:
        asked = ask(*places, kind=RequestType.WORKLOAD_TRANSFER, service={"countersign_rule": "ALWAYS"})
        version = asked.sign(asked.write(replace(REPORT, read_elsewhere=tuple(asked.slides))))
        case = asked.case_now()
        assert case.ready_to_sign_at is not None
        assert (case.status, case.report_sent_at) == (CaseStatus.IN_DIAGNOSIS, None)
        self.do(second, version.answer_id)
        case = asked.case_now()
        assert (case.status, case.report_sent_at is not None) == (CaseStatus.FINAL, True)
        assert case.ready_to_sign_at is not None
        assert case.report_sent_at is not None
        assert case.ready_to_sign_at < case.report_sent_at
