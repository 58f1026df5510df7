"""Checking the log month by month: who had looked at whom, was it right? Source: domain rules, 7.3 and L3, L4."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from sqlalchemy import ARRAY, CheckConstraint, Enum, ForeignKey, ForeignKeyConstraint, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event, Subject
from cases.access.errors import Conflict, IllegalMove, Invalid, NotPermitted, NotThere
from cases.access.grants import RoleGrant
from cases.access.log.risks import collect_pairs
from cases.access.log.sampling import Reason, draw, wanted
from cases.access.organisations import CareProvider, CareUnit
from cases.access.people import Assignment
from cases.access.permissions import Role
from cases.database import Base, Versioned


class ReviewState(StrEnum):
    """Where a review is. Source: domain rules, 5.8."""

    PLANNED = "PLANNED"
    SAMPLED = "SAMPLED"
    IN_REVIEW = "IN_REVIEW"
    DONE = "DONE"
    ESCALATED = "ESCALATED"


MOVES: Mapping[ReviewState, frozenset[ReviewState]] = {
    ReviewState.PLANNED: frozenset({ReviewState.SAMPLED}),
    ReviewState.SAMPLED: frozenset({ReviewState.IN_REVIEW}),
    ReviewState.IN_REVIEW: frozenset({ReviewState.DONE, ReviewState.ESCALATED}),
    ReviewState.DONE: frozenset(),
    ReviewState.ESCALATED: frozenset(),
}
"""Every move of a review that exists."""


class Result(StrEnum):
    """What came of looking into somebody's accesses to a patient."""

    JUSTIFIED = "JUSTIFIED"
    UNJUSTIFIED = "UNJUSTIFIED"


class LogReview(Versioned, Base):
    """One care provider's review of one month.

    Attributes:
        month: its first day.
        seed: 16 random bytes that decide the draw, so that it can be repeated and not be chosen.
        pairs: of a user and a patient that the month had; None before the draw.
        wanted: how many are drawn at the least.
        incident_ref: what an escalated review was handed on as.
    """

    __tablename__ = "log_review"
    __table_args__ = (
        UniqueConstraint("care_provider_id", "month"),
        UniqueConstraint("id", "care_provider_id"),
        CheckConstraint("month = date_trunc('month', month)", "month_is_its_first_day"),
        CheckConstraint("(state = 'PLANNED') = (sampled_at IS NULL)", "sampled_when_planned_no_more"),
        CheckConstraint("(state IN ('DONE', 'ESCALATED')) = (finished_at IS NOT NULL)", "finished_has_a_time"),
        CheckConstraint("state <> 'ESCALATED' OR incident_ref IS NOT NULL", "escalated_to_something"),
    )

    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"))
    month: Mapped[date]
    seed: Mapped[bytes]
    state: Mapped[ReviewState] = mapped_column(
        Enum(ReviewState, native_enum=False, length=40), default=ReviewState.PLANNED
    )
    pairs: Mapped[int | None]
    wanted: Mapped[int | None]
    sampled_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    incident_ref: Mapped[str | None]


class LogReviewFinding(Versioned, Base):
    """One user and one patient that were drawn, and what came of looking into it.

    Attributes:
        assignment_id, person_id, unit_id: of the user.
        reasons: why it was drawn.
        entries, first_at, last_at: the month's entries about the two.
        reviewer_id: assignment of who looked into it last.
        question, answer: to the user's line manager, and back.
        comment: why, in the reviewer's words; required where it was not justified.
    """

    __tablename__ = "log_review_finding"
    __table_args__ = (
        ForeignKeyConstraint(["review_id", "care_provider_id"], ["log_review.id", "log_review.care_provider_id"]),
        UniqueConstraint("review_id", "assignment_id", "patient_id"),
        CheckConstraint("(result IS NULL) = (closed_at IS NULL)", "closed_with_a_result"),
        CheckConstraint("result IS NULL OR reviewer_id IS NOT NULL", "closed_by_somebody"),
        CheckConstraint("result <> 'UNJUSTIFIED' OR comment IS NOT NULL", "unjustified_says_why"),
        CheckConstraint("last_at >= first_at", "ends_after_it_begins"),
    )

    care_provider_id: Mapped[uuid.UUID] = mapped_column(index=True)
    review_id: Mapped[uuid.UUID]
    assignment_id: Mapped[uuid.UUID]
    person_id: Mapped[uuid.UUID]
    unit_id: Mapped[uuid.UUID]
    patient_id: Mapped[uuid.UUID]
    reasons: Mapped[list[Reason]] = mapped_column(ARRAY(String))
    entries: Mapped[int]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    reviewer_id: Mapped[uuid.UUID | None]
    question: Mapped[str | None]
    answer: Mapped[str | None]
    result: Mapped[Result | None] = mapped_column(Enum(Result, native_enum=False, length=40))
    comment: Mapped[str | None]
    closed_at: Mapped[datetime | None]


def plan_review(session: Session, month: date, *, by: Actor, now: datetime) -> LogReview:
    """Decide that a month is to be reviewed. What is drawn is settled here by chance, before anybody has looked.

    Raises:
        NotPermitted: the reviewer also administers users.
        Conflict: that month has its review.
    """
    _require_separate(session, by=by, now=now)
    month = month.replace(day=1)
    if session.scalar(
        select(LogReview.id).where(LogReview.care_provider_id == by.provider_id, LogReview.month == month)
    ):
        raise Conflict(f"{month:%Y-%m} has its review already. Go on with that one.")
    review = LogReview(
        care_provider_id=by.provider_id, month=month, seed=secrets.token_bytes(16), created_by=by.assignment_id
    )
    session.add(review)
    session.flush()
    _log(session, Event.LOG_REVIEW_PLANNED, review, by=by, month=f"{month:%Y-%m}")
    return review


def draw_sample(session: Session, review: LogReview, *, by: Actor, now: datetime) -> list[LogReviewFinding]:
    """Draw what is reviewed: by chance, by risk, and all that must be.

    Raises:
        NotPermitted: the reviewer also administers users.
        IllegalMove: it was drawn before.
        Conflict: the month is not over.
    """
    _require_separate(session, by=by, now=now)
    _require_move(review, ReviewState.SAMPLED)
    zone = ZoneInfo(session.get_one(CareProvider, review.care_provider_id).time_zone)
    if now.astimezone(zone).date().replace(day=1) <= review.month:
        raise Conflict(f"{review.month:%Y-%m} is not over. Draw when all of its entries are there.")
    pairs = collect_pairs(session, review.care_provider_id, review.month)
    findings = [
        LogReviewFinding(
            care_provider_id=review.care_provider_id,
            review_id=review.id,
            assignment_id=pair.assignment_id,
            person_id=pair.person_id,
            unit_id=pair.unit_id,
            patient_id=pair.patient_id,
            reasons=sorted(reasons),
            entries=pair.entries,
            first_at=pair.first_at,
            last_at=pair.last_at,
            created_by=by.assignment_id,
        )
        for pair, reasons in draw(pairs, review.seed)
    ]
    session.add_all(findings)
    review.state, review.sampled_at = ReviewState.SAMPLED, now
    review.pairs, review.wanted = len(pairs), wanted(len(pairs))
    session.flush()
    _log(session, Event.LOG_REVIEW_SAMPLED, review, by=by, pairs=len(pairs), drawn=len(findings))
    return findings


def begin_review(session: Session, review: LogReview, *, by: Actor, now: datetime) -> None:
    """Start looking. Raises NotPermitted and IllegalMove."""
    _require_separate(session, by=by, now=now)
    _require_move(review, ReviewState.IN_REVIEW)
    review.state = ReviewState.IN_REVIEW
    _log(session, Event.LOG_REVIEW_STARTED, review, by=by)


def ask_manager(session: Session, finding: LogReviewFinding, question: str, *, by: Actor, now: datetime) -> None:
    """Note what the user's line manager is asked.

    Raises:
        NotPermitted: the reviewer stands too close.
        Conflict: the finding is closed, or its review is not under way.
    """
    review = _require_open(session, finding, by=by, now=now)
    finding.question, finding.reviewer_id = question, by.assignment_id
    _log(session, Event.LOG_REVIEW_ASKED, review, by=by, finding=finding)


def close_finding(
    session: Session,
    finding: LogReviewFinding,
    result: Result,
    *,
    answer: str | None = None,
    comment: str | None = None,
    by: Actor,
    now: datetime,
) -> None:
    """Say whether somebody's accesses to a patient were justified.

    Args:
        session: acting for the reviewer's provider.
        finding: of a review that is under way.
        result: the answer.
        answer: what the line manager said.
        comment: why; required where they were not justified.
        by: the reviewer.
        now: the moment.

    Raises:
        NotPermitted: the reviewer stands too close.
        Invalid: not justified, and no reason given.
        Conflict: the finding is closed, or its review is not under way.
    """
    review = _require_open(session, finding, by=by, now=now)
    if result is Result.UNJUSTIFIED and not (comment or "").strip():
        raise Invalid("Say why the accesses were not justified.", field="comment")
    finding.result, finding.comment, finding.closed_at = result, comment, now
    finding.answer, finding.reviewer_id = answer or finding.answer, by.assignment_id
    _log(session, Event.LOG_REVIEW_JUDGED, review, by=by, finding=finding, result=result.value)


def finish_review(
    session: Session, review: LogReview, *, incident_ref: str | None = None, by: Actor, now: datetime
) -> None:
    """End a review: done when every access was justified, escalated otherwise.

    Args:
        session: acting for the reviewer's provider.
        review: with every finding closed.
        incident_ref: what it is handed on as, where an access was not justified.
        by: the reviewer.
        now: the moment.

    Raises:
        NotPermitted: the reviewer also administers users.
        IllegalMove: it is not under way.
        Conflict: some findings are open.
        Invalid: it must be escalated, and nothing says to what.
    """
    _require_separate(session, by=by, now=now)
    _require_move(review, ReviewState.DONE)
    results = session.scalars(select(LogReviewFinding.result).where(LogReviewFinding.review_id == review.id)).all()
    if still_open := results.count(None):
        raise Conflict(f"{still_open} of {len(results)} findings are not closed yet.")
    escalated = Result.UNJUSTIFIED in results
    if escalated and not incident_ref:
        raise Invalid("Some accesses were not justified: say which incident that became.", field="incident_ref")
    review.state, review.finished_at = (ReviewState.ESCALATED if escalated else ReviewState.DONE), now
    review.incident_ref = incident_ref if escalated else None
    _log(session, Event.LOG_REVIEW_ESCALATED if escalated else Event.LOG_REVIEW_DONE, review, by=by)


def move_review(
    session: Session, review: LogReview, to: ReviewState, *, incident_ref: str | None = None, by: Actor, now: datetime
) -> None:
    """Draw, begin or finish, whichever leads there. Raises what those raise."""
    match to:
        case ReviewState.SAMPLED:
            draw_sample(session, review, by=by, now=now)
        case ReviewState.IN_REVIEW:
            begin_review(session, review, by=by, now=now)
        case ReviewState.DONE | ReviewState.ESCALATED:
            finish_review(session, review, incident_ref=incident_ref, by=by, now=now)
        case ReviewState.PLANNED:
            _require_move(review, to)


def find_review(session: Session, review_id: uuid.UUID, *, by: Actor) -> LogReview:
    """One review; that somebody looked is logged. Raises NotThere."""
    review = session.get(LogReview, review_id)
    if review is None:
        raise NotThere("There is no such review.")
    _log(session, Event.LOG_REVIEW_VIEWED, review, by=by)
    return review


def find_finding(session: Session, review_id: uuid.UUID, finding_id: uuid.UUID) -> LogReviewFinding:
    """One finding of a review. Raises NotThere."""
    finding = session.get(LogReviewFinding, finding_id)
    if finding is None or finding.review_id != review_id:
        raise NotThere("There is no such finding.")
    return finding


def _require_move(review: LogReview, to: ReviewState) -> None:
    if to not in MOVES[review.state]:
        allowed = MOVES[review.state]
        raise IllegalMove(f"A review that is {review.state} cannot become {to}.", allowed=allowed)


def _require_open(session: Session, finding: LogReviewFinding, *, by: Actor, now: datetime) -> LogReview:
    review = session.get_one(LogReview, finding.review_id)
    if review.state is not ReviewState.IN_REVIEW:
        raise Conflict(f"The review is {review.state}, so its findings cannot be changed. Begin it first.")
    if finding.closed_at:
        raise Conflict("This finding is closed, and stays as it was judged.")
    _require_separate(session, by=by, now=now, unit_id=finding.unit_id, person_id=finding.person_id)
    return review


def _require_separate(
    session: Session,
    *,
    by: Actor,
    now: datetime,
    unit_id: uuid.UUID | None = None,
    person_id: uuid.UUID | None = None,
) -> None:
    """Nobody reviews what is their own, under whichever assignment. Source: domain rules, section 6, duties; 7.3."""
    rows = session.execute(
        select(Assignment, CareUnit.pdl_unit_id, RoleGrant)
        .join(CareUnit, CareUnit.id == Assignment.care_unit_id)
        .outerjoin(RoleGrant, RoleGrant.assignment_id == Assignment.id)
        .where(Assignment.person_id == by.person_id, Assignment.care_provider_id == by.provider_id)
    ).all()
    held = [(assignment, unit, grant) for assignment, unit, grant in rows if assignment.holds(now)]
    roles = {
        (grant.role, unit)
        for _, unit, grant in held
        if grant and grant.approved_at and grant.valid_from <= now and (grant.valid_to is None or now < grant.valid_to)
    }
    if any(role is Role.ADM for role, _ in roles):
        raise NotPermitted("Who administers users does not review the log. Ask another log reviewer.")
    if unit_id and (unit_id in {by.unit_id, *(unit for _, unit, _ in held)}):
        raise NotPermitted("Nobody reviews their own care unit. Ask a log reviewer of another unit.")
    if person_id == by.person_id:
        raise NotPermitted("Nobody reviews their own accesses. Ask another log reviewer.")


def _log(
    session: Session,
    event: Event,
    review: LogReview,
    *,
    by: Actor,
    finding: LogReviewFinding | None = None,
    **args: str | int,
) -> None:
    subjects = [Subject(kind="log_review", id=review.id, provider_id=review.care_provider_id, unit_id=None)]
    if finding:
        subjects.append(Subject(kind="log_review_finding", id=finding.id, patient_id=finding.patient_id))
    audit.record(session, event, by=by, subjects=subjects, args=args)
