"""Monthly reviews: drawn by rule and chance, by somebody who stands apart, and themselves on record."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest
from patients import a_vault, make_number
from people import act, make_assignment, make_department, make_person, make_provider, make_unit
from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from cases.access.actors import Actor
from cases.access.audit import AuditEvent, AuditSubject, Event, Outcome, link
from cases.access.errors import Conflict, IllegalMove, Invalid, NotPermitted
from cases.access.log.review import (
    LogReview,
    LogReviewFinding,
    Result,
    ReviewState,
    ask_manager,
    begin_review,
    close_finding,
    draw_sample,
    finish_review,
    plan_review,
)
from cases.access.log.risks import collect_pairs
from cases.access.log.sampling import ALWAYS, Reason
from cases.access.organisations import CareProvider, CareUnit
from cases.access.patients import Protection, register_patient
from cases.access.people import Assignment, Person
from cases.access.permissions import Role
from cases.database import new_id

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MONTH = date(2026, 10, 1)
MONDAY = datetime(2026, 10, 5, 9, tzinfo=UTC)


@dataclass
class Hospital:
    """One provider: users in a laboratory, a log reviewer apart from them."""

    session: Session
    provider: CareProvider
    laboratory: CareUnit
    reviewer: Actor
    clerk: Actor

    def user(self, *, family_name: str = "Provsson") -> Assignment:
        return make_assignment(
            self.session, make_person(self.session, family_name=family_name), self.laboratory, roles=[Role.PAT]
        )

    def patient(self, *, family_name: str = "Tolvansson", protection: Protection = Protection.NONE) -> uuid.UUID:
        patient = register_patient(
            self.session, make_number(), given_name="Tolvan", family_name=family_name, birth_date=None, by=self.clerk
        )
        patient.protection = protection
        self.session.flush()
        return patient.id

    def see(
        self,
        user: Assignment,
        patient_id: uuid.UUID,
        *,
        at: datetime = MONDAY,
        event: Event = Event.CASE_VIEWED,
        outcome: Outcome = Outcome.OK,
        times: int = 1,
        args: Mapping[str, str] | None = None,
    ) -> None:
        """Entries of some time ago."""
        for _ in range(times):
            event_id = new_id()
            self.session.execute(
                insert(AuditSubject).values(
                    event_id=event_id,
                    ordinal=0,
                    care_provider_id=self.provider.id,
                    at=at,
                    kind="case",
                    patient_id=patient_id,
                    provider_id=self.provider.id,
                )
            )
            self.session.execute(
                insert(AuditEvent).values(
                    id=event_id,
                    care_provider_id=self.provider.id,
                    at=at,
                    event=event,
                    activity=event.activity,
                    outcome=outcome,
                    person_id=user.person_id,
                    assignment_id=user.id,
                    unit_id=self.laboratory.id,
                    args=args or {},
                    owners=[],
                    hash=bytes(32),
                )
            )

    def reviewing(self, *, month: date = MONTH) -> LogReview:
        """A review under way."""
        review = plan_review(self.session, month, by=self.reviewer, now=NOW)
        draw_sample(self.session, review, by=self.reviewer, now=NOW)
        begin_review(self.session, review, by=self.reviewer, now=NOW)
        return review


@pytest.fixture
def hospital(app_session: Session) -> Hospital:
    app_session.info["vault"] = a_vault()
    provider = make_provider(app_session)
    laboratory, staff = make_unit(app_session, provider), make_unit(app_session, provider, name="Stab")
    make_department(app_session, laboratory)
    clerk = act(app_session, make_assignment(app_session, make_person(app_session), laboratory, roles=[Role.COO]))
    reviewer = act(app_session, make_assignment(app_session, make_person(app_session), staff, roles=[Role.LOG]))
    return Hospital(app_session, provider, laboratory, reviewer, clerk)


def risks_of(hospital: Hospital, user: Assignment, patient_id: uuid.UUID) -> frozenset[Reason]:
    pairs = collect_pairs(hospital.session, hospital.provider.id, MONTH)
    return next(pair.risks for pair in pairs if (pair.assignment_id, pair.patient_id) == (user.id, patient_id))


def test_an_ordinary_access_meets_no_risk(hospital: Hospital) -> None:
    user, patient = hospital.user(), hospital.patient()
    hospital.see(user, patient, times=3)
    assert risks_of(hospital, user, patient) == frozenset()
    pair = collect_pairs(hospital.session, hospital.provider.id, MONTH)[0]
    assert (pair.entries, pair.first_at, pair.last_at, pair.unit_id) == (3, MONDAY, MONDAY, hospital.laboratory.id)


def test_emergencies_are_a_risk(hospital: Hospital) -> None:
    user, patient = hospital.user(), hospital.patient()
    hospital.see(user, patient, event=Event.NODOPPNING)
    assert risks_of(hospital, user, patient) == {Reason.EMERGENCY}


@pytest.mark.parametrize("protection", [Protection.SEKRETESSMARKERING, Protection.SKYDDAD_FOLKBOKFORING])
def test_protected_identities_are_a_risk(hospital: Hospital, protection: Protection) -> None:
    user, patient = hospital.user(), hospital.patient(protection=protection)
    hospital.see(user, patient)
    assert risks_of(hospital, user, patient) == {Reason.PROTECTED_IDENTITY}


def test_the_same_surname_is_a_risk_however_it_is_written(hospital: Hospital) -> None:
    user, patient = hospital.user(family_name="TOLVANSSON"), hospital.patient()
    hospital.see(user, patient)
    assert risks_of(hospital, user, patient) == {Reason.SAME_SURNAME}


@pytest.mark.parametrize(
    ("at", "risky"),
    [
        (datetime(2026, 10, 5, 4, 0, tzinfo=UTC), False),  # Monday 06:00 in Sweden
        (datetime(2026, 10, 5, 3, 59, tzinfo=UTC), True),
        (datetime(2026, 10, 5, 16, 59, tzinfo=UTC), False),  # 18:59
        (datetime(2026, 10, 5, 17, 0, tzinfo=UTC), True),
        (datetime(2026, 10, 30, 17, 30, tzinfo=UTC), False),  # winter time: 18:30
        (datetime(2026, 10, 4, 9, 0, tzinfo=UTC), True),  # Sunday
        (datetime(2026, 10, 2, 9, 0, tzinfo=UTC), False),  # Friday
    ],
)
def test_hours_are_those_of_the_providers_clock(hospital: Hospital, at: datetime, risky: bool) -> None:
    user, patient = hospital.user(), hospital.patient()
    hospital.see(user, patient, at=at)
    assert risks_of(hospital, user, patient) == ({Reason.OUTSIDE_HOURS} if risky else frozenset())


@pytest.mark.parametrize(
    ("event", "args", "risky"),
    [
        (Event.PATIENT_CHANGED, {"protection": "NONE", "lowered_from": "SEKRETESSMARKERING"}, True),
        (Event.PATIENT_CHANGED, {"protection": "SEKRETESSMARKERING"}, False),
        (Event.OBJECTION_CLEARED, {}, True),
        (Event.OBJECTION_SET, {}, False),
        (Event.BLOCK_REVOKED, {"type": "OUTER"}, True),
        (Event.BLOCK_DELETED, {"type": "OUTER"}, True),
        (Event.BLOCK_REGISTERED, {"type": "OUTER"}, False),
    ],
)
def test_whoever_takes_a_protection_away_is_always_looked_at(
    hospital: Hospital, event: Event, args: Mapping[str, str], risky: bool
) -> None:
    user, patient = hospital.user(), hospital.patient()
    hospital.see(user, patient, event=event, args=args)
    assert risks_of(hospital, user, patient) == ({Reason.PROTECTION_LOWERED} if risky else frozenset())
    assert Reason.PROTECTION_LOWERED in ALWAYS


@pytest.mark.parametrize(("times", "risky"), [(2, False), (3, True)])
def test_three_refusals_are_a_risk(hospital: Hospital, times: int, risky: bool) -> None:
    user, patient = hospital.user(), hospital.patient()
    hospital.see(user, patient, event=Event.ACCESS_DENIED, outcome=Outcome.DENIED, times=times)
    assert risks_of(hospital, user, patient) == ({Reason.REFUSED_OFTEN} if risky else frozenset())


def test_the_month_is_the_providers_own(hospital: Hospital) -> None:
    user, patient = hospital.user(), hospital.patient()
    for at in (
        datetime(2026, 9, 30, 21, 59, tzinfo=UTC),  # 23:59 in Sweden, still September
        datetime(2026, 9, 30, 22, 0, tzinfo=UTC),
        datetime(2026, 10, 31, 22, 59, tzinfo=UTC),
        datetime(2026, 10, 31, 23, 0, tzinfo=UTC),  # November
    ):
        hospital.see(user, patient, at=at)
    assert collect_pairs(hospital.session, hospital.provider.id, MONTH)[0].entries == 2


def test_other_providers_and_administration_are_left_out(hospital: Hospital) -> None:
    user, patient = hospital.user(), hospital.patient()
    hospital.see(user, patient, event=Event.LOG_SEARCHED)
    assert collect_pairs(hospital.session, hospital.provider.id, MONTH) == []


def test_a_review_from_plan_to_done(hospital: Hospital) -> None:
    user = hospital.user()
    for _ in range(25):
        hospital.see(user, hospital.patient())
    review = plan_review(hospital.session, date(2026, 10, 17), by=hospital.reviewer, now=NOW)
    assert (review.month, review.state, len(review.seed)) == (MONTH, ReviewState.PLANNED, 16)
    findings = draw_sample(hospital.session, review, by=hospital.reviewer, now=NOW)
    assert (review.pairs, review.wanted, len(findings)) == (25, 20, 20)
    begin_review(hospital.session, review, by=hospital.reviewer, now=NOW)
    ask_manager(hospital.session, findings[0], "Varför?", by=hospital.reviewer, now=NOW)
    with pytest.raises(Conflict, match="20 of 20 findings are not closed"):
        finish_review(hospital.session, review, by=hospital.reviewer, now=NOW)
    for finding in findings:
        close_finding(hospital.session, finding, Result.JUSTIFIED, by=hospital.reviewer, now=NOW)
    finish_review(hospital.session, review, by=hospital.reviewer, now=NOW)
    hospital.session.flush()
    assert review.state is ReviewState.DONE
    assert (findings[0].question, findings[0].reviewer_id) == ("Varför?", hospital.reviewer.assignment_id)


def test_an_unjustified_access_is_escalated_with_a_reason_and_an_incident(hospital: Hospital) -> None:
    hospital.see(hospital.user(), hospital.patient())
    review = hospital.reviewing()
    finding = find_findings(hospital, review)[0]
    with pytest.raises(Invalid, match="Say why the accesses were not justified"):
        close_finding(hospital.session, finding, Result.UNJUSTIFIED, comment=" ", by=hospital.reviewer, now=NOW)
    close_finding(
        hospital.session, finding, Result.UNJUSTIFIED, comment="Ingen vårdrelation", by=hospital.reviewer, now=NOW
    )
    with pytest.raises(Invalid, match="say which incident that became"):
        finish_review(hospital.session, review, by=hospital.reviewer, now=NOW)
    finish_review(hospital.session, review, incident_ref="PUI 2026:7", by=hospital.reviewer, now=NOW)
    hospital.session.flush()
    assert (review.state, review.incident_ref) == (ReviewState.ESCALATED, "PUI 2026:7")


def find_findings(hospital: Hospital, review: LogReview) -> list[LogReviewFinding]:
    return list(hospital.session.scalars(select(LogReviewFinding).where(LogReviewFinding.review_id == review.id)))


def test_a_month_has_one_review_and_is_drawn_when_it_is_over(hospital: Hospital) -> None:
    plan_review(hospital.session, MONTH, by=hospital.reviewer, now=NOW)
    with pytest.raises(Conflict, match="2026-10 has its review already"):
        plan_review(hospital.session, MONTH, by=hospital.reviewer, now=NOW)
    november = plan_review(hospital.session, date(2026, 11, 1), by=hospital.reviewer, now=NOW)
    with pytest.raises(Conflict, match="2026-11 is not over"):
        draw_sample(hospital.session, november, by=hospital.reviewer, now=NOW)
    midnight = datetime(2026, 11, 30, 23, 0, tzinfo=UTC)
    with pytest.raises(Conflict, match="is not over"):
        draw_sample(hospital.session, november, by=hospital.reviewer, now=midnight - timedelta(seconds=1))
    assert draw_sample(hospital.session, november, by=hospital.reviewer, now=midnight) == []


def test_only_the_moves_that_exist_are_made(hospital: Hospital) -> None:
    review = plan_review(hospital.session, MONTH, by=hospital.reviewer, now=NOW)
    with pytest.raises(IllegalMove, match="PLANNED cannot become IN_REVIEW") as caught:
        begin_review(hospital.session, review, by=hospital.reviewer, now=NOW)
    assert caught.value.allowed == ("SAMPLED",)
    with pytest.raises(IllegalMove, match="PLANNED cannot become DONE"):
        finish_review(hospital.session, review, by=hospital.reviewer, now=NOW)
    draw_sample(hospital.session, review, by=hospital.reviewer, now=NOW)
    with pytest.raises(IllegalMove, match="SAMPLED cannot become SAMPLED"):
        draw_sample(hospital.session, review, by=hospital.reviewer, now=NOW)


def test_a_closed_finding_stays_as_it_was_judged(hospital: Hospital) -> None:
    hospital.see(hospital.user(), hospital.patient())
    finding = find_findings(hospital, hospital.reviewing())[0]
    close_finding(hospital.session, finding, Result.JUSTIFIED, by=hospital.reviewer, now=NOW)
    with pytest.raises(Conflict, match="This finding is closed"):
        close_finding(hospital.session, finding, Result.JUSTIFIED, by=hospital.reviewer, now=NOW)


def test_nobody_reviews_their_own_unit(hospital: Hospital) -> None:
    hospital.see(hospital.user(), hospital.patient())
    finding = find_findings(hospital, hospital.reviewing())[0]
    session = hospital.session
    insider = act(session, make_assignment(session, make_person(session), hospital.laboratory, roles=[Role.LOG]))
    with pytest.raises(NotPermitted, match="Nobody reviews their own care unit"):
        close_finding(session, finding, Result.JUSTIFIED, by=insider, now=NOW)
    person = session.get_one(Person, hospital.reviewer.person_id)
    make_assignment(session, person, hospital.laboratory, roles=[Role.HEAD])
    with pytest.raises(NotPermitted, match="Nobody reviews their own care unit"):
        close_finding(session, finding, Result.JUSTIFIED, by=hospital.reviewer, now=NOW)


def test_nobody_reviews_what_they_did_elsewhere(hospital: Hospital) -> None:
    session = hospital.session
    user = hospital.user()
    hospital.see(user, hospital.patient())
    finding = find_findings(hospital, hospital.reviewing())[0]
    user.valid_to = NOW - timedelta(days=1)
    elsewhere = make_unit(session, hospital.provider, name="Nytt")
    moved = act(session, make_assignment(session, session.get_one(Person, user.person_id), elsewhere, roles=[Role.LOG]))
    with pytest.raises(NotPermitted, match="Nobody reviews their own accesses"):
        close_finding(session, finding, Result.JUSTIFIED, by=moved, now=NOW)


def test_who_administers_users_does_not_review(hospital: Hospital) -> None:
    session = hospital.session
    review = plan_review(session, MONTH, by=hospital.reviewer, now=NOW)
    person = session.get_one(Person, hospital.reviewer.person_id)
    make_assignment(session, person, make_unit(session, hospital.provider, name="IT"), roles=[Role.ADM])
    with pytest.raises(NotPermitted, match="Who administers users does not review the log"):
        draw_sample(session, review, by=hospital.reviewer, now=NOW)


def test_the_review_itself_is_on_record(hospital: Hospital) -> None:
    patient = hospital.patient()
    link(hospital.session)
    hospital.see(hospital.user(), patient)
    review = hospital.reviewing()
    finding = find_findings(hospital, review)[0]
    close_finding(hospital.session, finding, Result.JUSTIFIED, by=hospital.reviewer, now=NOW)
    finish_review(hospital.session, review, by=hospital.reviewer, now=NOW)
    link(hospital.session)
    told = hospital.session.execute(
        text("SELECT event FROM audit_event WHERE event LIKE 'LOG%' AND person_id = :person ORDER BY seq"),
        {"person": hospital.reviewer.person_id},
    )
    assert told.scalars().all() == [
        "LOG_REVIEW_PLANNED",
        "LOG_REVIEW_SAMPLED",
        "LOG_REVIEW_STARTED",
        "LOG_REVIEW_JUDGED",
        "LOG_REVIEW_DONE",
    ]
