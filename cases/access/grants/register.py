"""Entering a need-and-risk analysis, and letting the grants of its role rest on it."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import or_, update
from sqlalchemy.orm import Session

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event, Subject
from cases.access.errors import Invalid
from cases.access.grants.risk_analysis import REVIEW, RiskAnalysis, find_analysis
from cases.access.grants.role_grant import RoleGrant
from cases.access.people import Assignment
from cases.access.permissions import Role


def register_analysis(
    session: Session,
    *,
    role: Role,
    document_ref: str,
    decider: Assignment,
    decided_at: datetime,
    review_due: date | None = None,
    now: datetime,
    by: Actor | None,
) -> RiskAnalysis:
    """Enter an analysis. The grants of its role rest on it from now on, so that a renewed one renews them all.

    Args:
        session: of this transaction.
        role: which it is about, at the decider's care provider.
        document_ref: where the document is kept.
        decider: who decided it; somebody else than who enters it.
        decided_at: when.
        review_due: the last day on which it counts; a year after it was decided at the latest, which None stands for.
        now: the moment.
        by: who enters it.

    Raises:
        Invalid: it was decided in the future or by who enters it, or is to be reviewed before it was decided or more
            than a year after.
    """
    if decided_at > now:
        raise Invalid("An analysis is entered once it has been decided; this date lies ahead.", field="decided_at")
    if by is not None and decider.person_id == by.person_id:
        raise Invalid(
            "Nobody enters an analysis that they decided themselves. Name who decided it.", field="decided_by"
        )
    latest = (decided_at + REVIEW).date()
    due = review_due or latest
    if not decided_at.date() < due <= latest:
        raise Invalid(
            "An analysis is reviewed within a year after the day on which it was decided.", field="review_due"
        )
    analysis = RiskAnalysis(
        care_provider_id=decider.care_provider_id,
        role=role,
        document_ref=document_ref,
        decided_by=decider.id,
        decided_at=decided_at,
        review_due=due,
        created_by=by.assignment_id if by else None,
    )
    session.add(analysis)
    session.flush()
    if analysis is find_analysis(session, analysis.care_provider_id, role):
        _carry_over(session, analysis, now=now)
    audit.record(
        session,
        Event.RISK_ANALYSIS_REGISTERED,
        by=by,
        provider_id=analysis.care_provider_id,
        subjects=[Subject(kind="risk_analysis", id=analysis.id, provider_id=analysis.care_provider_id)],
        args={"role": role, "review_due": due.isoformat()},
    )
    return analysis


def _carry_over(session: Session, analysis: RiskAnalysis, *, now: datetime) -> None:
    session.execute(
        update(RoleGrant)
        .where(
            RoleGrant.care_provider_id == analysis.care_provider_id,
            RoleGrant.role == analysis.role,
            or_(RoleGrant.valid_to.is_(None), RoleGrant.valid_to > now),
        )
        .values(risk_analysis_id=analysis.id, version=RoleGrant.version + 1)
    )
