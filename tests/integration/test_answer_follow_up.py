"""What follows a signed answer: acknowledgement, reconciliation, and what was said by word of mouth."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from answering import (
    COMPLETE,
    Asked,
    ask,
    confirm,
    read,
    shut,
    sign_change,
    told,
)
from product import Database
from sqlalchemy import select, text
from sqlalchemy.exc import ProgrammingError
from world import Place, Somebody, World

from cases.access.errors import Conflict, IllegalMove, Invalid, NotPermitted
from cases.access.permissions import Role
from cases.sharing.answers.content import Agreement
from cases.sharing.answers.oral_reports import OralReport, give, list_oral_reports
from cases.sharing.answers.oral_reports import Telling as Told
from cases.sharing.answers.reconciliations import (
    Judgement,
    Reconciliation,
    ReconciliationOutcome,
    decide,
    is_settled,
    start,
)
from cases.sharing.requests import RequestStatus, ShareRequest
from cases.sharing.service_descriptions import RequestType
from cases.transaction import transaction

MAJOR = replace(COMPLETE, agreement=Agreement.MAJOR_DISCREPANCY, impact="Ny operation.")


@pytest.fixture(scope="module")
def places(module_database: Database) -> Iterator[tuple[Place, Place]]:
    with World(module_database) as world:
        yield world.provider("Region Kalmar"), world.provider("Region Östergötland")


class TestAcknowledging:
    """The owner has read it and takes it over."""

    def test_it_has_to_be_read_first(self, places: tuple[Place, Place]) -> None:
        asked = ask(*places)
        with pytest.raises(IllegalMove):
            confirm(asked)
        version = asked.answered()
        with pytest.raises(Conflict, match="not opened the newest version"):
            confirm(asked)
        read(asked.requester, version.answer_id)
        confirm(asked)
        request = asked.request()
        assert (request.status, request.acknowledged_at is not None) == (RequestStatus.ACKNOWLEDGED, True)

    def test_it_is_for_those_who_asked(self, places: tuple[Place, Place]) -> None:
        asked = ask(*places)
        version = asked.answered()
        with pytest.raises(NotPermitted, match="acknowledged by the department that asked"):
            confirm(asked, who=asked.reader)
        clerk = asked.owner.person(Role.COO)
        read(clerk, version.answer_id)
        with pytest.raises(NotPermitted, match="by a pathologist or the head"):
            confirm(asked, who=clerk)
        colleague = asked.owner.person(Role.PAT)
        read(colleague, version.answer_id)
        confirm(asked, who=colleague)

    def test_a_coordinator_acknowledges_what_a_clinician_ordered(self, places: tuple[Place, Place]) -> None:
        asked = ask(*places, kind=RequestType.REVIEW, reason_code="CLINICIAN_ORDER")
        version = asked.answered()
        clerk = asked.owner.person(Role.COO)
        read(clerk, version.answer_id)
        confirm(asked, who=clerk)
        assert asked.request().status is RequestStatus.ACKNOWLEDGED


class TestReconciling:
    """What two laboratories make of a discrepancy."""

    def begin(self, asked: Asked, *, who: Somebody | None = None) -> uuid.UUID:
        with (who or asked.requester).acting() as (session, actor):
            request = session.get_one(ShareRequest, asked.request_id)
            return start(session, request, by=actor, now=datetime.now(UTC)).id

    def settle(self, asked: Asked, row_id: uuid.UUID, **more: Any) -> None:
        judgement = Judgement(outcome=ReconciliationOutcome.PRIMARY_AMENDED, **more)
        with asked.requester.acting() as (session, actor):
            decide(session, session.get_one(Reconciliation, row_id), judgement, by=actor, now=datetime.now(UTC))

    def settled(self, asked: Asked) -> bool:
        with transaction(asked.owner.world.worker) as session:
            return is_settled(session, asked.request_id)

    def test_a_major_discrepancy_is_told_by_telephone_and_reconciled(self, places: tuple[Place, Place]) -> None:
        asked = ask(*places)
        version = asked.answered(MAJOR)
        assert "MAJOR_DISCREPANCY" in told(asked, asked.reader)
        assert "MAJOR_DISCREPANCY" in told(asked, asked.requester)
        read(asked.requester, version.answer_id)
        with pytest.raises(Conflict, match="Begin its reconciliation first"):
            confirm(asked)
        with pytest.raises(NotPermitted, match="whose diagnosis it is about"):
            self.begin(asked, who=asked.reader)
        row_id = self.begin(asked)
        assert self.begin(asked) == row_id
        confirm(asked)
        assert not self.settled(asked)
        with pytest.raises(Conflict, match="states a discrepancy"):
            shut(asked)
        self.settle(asked, row_id, clinician_informed_at=datetime.now(UTC), clinician_informed_how="Telefon")
        assert self.settled(asked)
        shut(asked)
        with pytest.raises(Conflict, match="what came of the discrepancy stands"):
            self.settle(asked, row_id)

    def test_agreement_needs_none(self, places: tuple[Place, Place]) -> None:
        asked = ask(*places)
        asked.answered()
        assert self.settled(asked)
        with pytest.raises(Conflict, match="nothing to reconcile"):
            self.begin(asked)

    def test_what_was_decided_counts_for_a_later_version_that_states_the_same(
        self, places: tuple[Place, Place]
    ) -> None:
        asked = ask(*places)
        version = asked.answered(replace(COMPLETE, agreement=Agreement.MINOR_DISCREPANCY))
        self.settle(asked, self.begin(asked))
        again = sign_change(asked, version, replace(version.said, microscopy="Mer."))
        assert self.settled(asked)
        sign_change(asked, again, replace(version.said, agreement=Agreement.MAJOR_DISCREPANCY))
        assert not self.settled(asked)

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"clinician_informed_how": "Telefon"}, "both when and how"),
            (
                {"clinician_informed_how": "Telefon", "clinician_informed_at": datetime(2199, 1, 1, tzinfo=UTC)},
                "informed after now",
            ),
            ({"third_request_id": uuid.UUID(int=1)}, "another request about the same case"),
        ],
    )
    def test_what_an_outcome_must_be_like(
        self, places: tuple[Place, Place], changes: dict[str, Any], sentence: str
    ) -> None:
        asked = ask(*places)
        asked.answered(MAJOR)
        row_id = self.begin(asked)
        with pytest.raises(Invalid, match=sentence):
            self.settle(asked, row_id, **changes)


class TestOralReports:
    """What was said to whom."""

    SAID = Told(
        given_to_name="Dr Ek",
        given_to_role="Operatör",
        given_to_unit="Kirurgkliniken",
        phone="0480-1",
        at=datetime.now(UTC) - timedelta(minutes=1),
        text="Fri resektionsrand.",
        read_back=True,
    )

    def say(self, asked: Asked, told: Told, *, who: Somebody | None = None) -> uuid.UUID:
        with (who or asked.reader).acting() as (session, actor):
            request = session.get_one(ShareRequest, asked.request_id)
            return give(session, request, told, by=actor, now=datetime.now(UTC)).id

    def test_it_is_kept_for_both_sides_and_followed_by_the_written_answer(self, places: tuple[Place, Place]) -> None:
        asked = ask(*places)
        report_id = self.say(asked, self.SAID)
        assert "ORAL_REPORT_GIVEN" in told(asked, asked.requester)
        version = asked.answered()
        with asked.requester.acting() as (session, actor):
            request = session.get_one(ShareRequest, asked.request_id)
            (found,) = list_oral_reports(session, request, by=actor, now=datetime.now(UTC))
            assert (found.id, found.text, found.read_back) == (report_id, "Fri resektionsrand.", True)
            assert found.answer_id == version.answer_id
        refusal = pytest.raises(ProgrammingError, match="stays as it was written")
        with refusal, transaction(asked.owner.world.owner) as session:
            session.execute(text("UPDATE oral_report SET text = 'Annat' WHERE id = :id"), {"id": report_id})

    def test_it_is_given_by_a_pathologist_who_was_asked_and_not_in_the_future(
        self, places: tuple[Place, Place]
    ) -> None:
        asked = ask(*places)
        with pytest.raises(NotPermitted, match="given by a pathologist of the department that was asked"):
            self.say(asked, self.SAID, who=asked.requester)
        with pytest.raises(Invalid, match="said after now"):
            self.say(asked, replace(self.SAID, at=datetime(2199, 1, 1, tzinfo=UTC)))
        with transaction(asked.owner.world.owner) as session:
            kept = select(OralReport).where(OralReport.request_id == asked.request_id)
            assert session.scalars(kept).all() == []
