"""Who is asking: from the browser's token to somebody who acts under an assignment."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session, joinedload

from cases.access.actors import Actor, Grant, Period
from cases.access.agreements import AgreementType, find_terms
from cases.access.grants import RiskAnalysis, RoleGrant
from cases.access.organisations import CareProvider, CareUnit, ProviderStatus
from cases.access.people import Assignment
from cases.access.sessions.sign_in_session import (
    NOTED,
    AssignmentMissing,
    EnrolmentMissing,
    Method,
    SessionLocked,
    SignInSession,
    State,
    alive,
    digest_text,
    digest_token,
)
from cases.database import platform


@dataclass(frozen=True, slots=True)
class Found:
    """Whose session a token belongs to, and how far they have come.

    Attributes:
        actor: in the state ACTIVE only.
    """

    state: State
    signed_in: SignInSession
    actor: Actor | None = None

    def require_actor(self) -> Actor:
        """Somebody who can act.

        Raises:
            SessionLocked, EnrolmentMissing, AssignmentMissing: what is in the way.
        """
        if self.state is State.LOCKED:
            raise SessionLocked("This session is locked because nothing was done for 15 minutes. Unlock it to go on.")
        if self.state is State.ENROL:
            raise EnrolmentMissing("Set up your second factor first: one password alone opens nothing here.")
        if self.actor is None:
            raise AssignmentMissing("Choose first which of your assignments you act under.")
        return self.actor


def find_session(session: Session, token: str, *, now: datetime) -> SignInSession | None:
    """The session that a token belongs to, with its person, unless it has ended; it may be locked."""
    return session.scalar(
        select(SignInSession)
        .options(joinedload(SignInSession.person))
        .where(
            SignInSession.token_digest == digest_token(token),
            SignInSession.ended_at.is_(None),
            SignInSession.ends_at > now,
        )
    )


def find_actor(
    session: Session,
    token: str,
    *,
    now: datetime,
    client_ip: str | None = None,
    user_agent: str | None = None,
    active: bool = True,
) -> Found | None:
    """Who is asking, as far as they have come with signing in. The one place where an `Actor` is made.

    The transaction still acts for nobody afterwards: `act_for` is the caller's.

    Args:
        session: of this transaction.
        token: from the browser's cookie.
        now: the moment.
        client_ip, user_agent: of the browser, for the log.
        active: whether this is a person's doing, which keeps the session from locking.

    Returns:
        None when the token belongs to no session or to one that has ended.
    """
    signed_in = find_session(session, token, now=now)
    if signed_in is None:
        return None
    if signed_in.locked(now):
        return Found(State.LOCKED, signed_in)
    if active and signed_in.last_seen_at <= now - NOTED:
        touch(session, [signed_in.id], now=now)
    if signed_in.method is Method.LOCAL and signed_in.assurance < 3:
        return Found(State.ENROL, signed_in)
    if signed_in.assignment_id is None:
        return Found(State.CHOOSE, signed_in)
    actor = actors_of(session, [signed_in.id], now=now)[signed_in.id]
    if not actor.employed.holds(now):
        return Found(State.CHOOSE, signed_in)
    return Found(
        State.ACTIVE, signed_in, replace(actor, client_ip=client_ip, user_agent_digest=digest_text(user_agent))
    )


def actors_of(session: Session, session_ids: Collection[uuid.UUID], *, now: datetime) -> dict[uuid.UUID, Actor]:
    """Who acts in sessions, by session; those that have ended or in which nobody can act are left out.

    One that is locked is there: its actor's `idle_until` has passed, and the gate refuses it.
    """
    rows = session.execute(
        select(SignInSession, Assignment, CareUnit.pdl_unit_id, CareProvider.status)
        .join(Assignment, Assignment.id == SignInSession.assignment_id)
        .join(CareUnit, CareUnit.id == Assignment.care_unit_id)
        .join(CareProvider, CareProvider.id == Assignment.care_provider_id)
        .where(
            SignInSession.id.in_(session_ids),
            SignInSession.ended_at.is_(None),
            SignInSession.ends_at > now,
            or_(SignInSession.method != Method.LOCAL, SignInSession.assurance == 3),
        )
    ).all()
    with platform(session):  # roles and agreements of the asking people's own, before it is clear whose they are
        grants = _find_grants(session, {assignment.id for _, assignment, _, _ in rows})
        agreements = find_terms(session, {assignment.care_provider_id for _, assignment, _, _ in rows})
    return {
        signed_in.id: Actor(
            person_id=signed_in.person_id,
            assignment_id=assignment.id,
            provider_id=assignment.care_provider_id,
            unit_id=pdl_unit_id,
            session_id=signed_in.id,
            purpose=assignment.commission_purpose,
            rights=assignment.scopes,
            grants=grants[assignment.id],
            assurance=signed_in.assurance,
            demo=signed_in.method is Method.DEMO,
            authenticated_at=signed_in.authenticated_at,
            idle_until=signed_in.idle_until,
            ends_at=signed_in.ends_at,
            ended=False,
            employed=Period(assignment.valid_from, assignment.valid_to),
            provider_active=status is ProviderStatus.ACTIVE,
            connections=agreements[assignment.care_provider_id, AgreementType.CONNECTION],
            processings=agreements[assignment.care_provider_id, AgreementType.PUB],
        )
        for signed_in, assignment, pdl_unit_id, status in rows
    }


def find_grants(session: Session, assignment_ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, tuple[Grant, ...]]:
    """The approved roles of assignments, whichever care provider's, by assignment; past and future ones too."""
    with platform(session):
        return _find_grants(session, assignment_ids)


def _find_grants(session: Session, assignment_ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, tuple[Grant, ...]]:
    rows = session.execute(
        select(
            RoleGrant.assignment_id,
            RoleGrant.role,
            RoleGrant.department_id,
            RoleGrant.valid_from,
            RoleGrant.valid_to,
            RiskAnalysis.review_due,
        )
        .join(RiskAnalysis, RiskAnalysis.id == RoleGrant.risk_analysis_id)
        .where(RoleGrant.assignment_id.in_(assignment_ids), RoleGrant.approved_at.is_not(None))
        .order_by(RoleGrant.id)
    )
    found: defaultdict[uuid.UUID, tuple[Grant, ...]] = defaultdict(tuple)
    for assignment_id, role, department_id, valid_from, valid_to, due in rows:
        found[assignment_id] += (Grant(role, department_id, Period(valid_from, valid_to), due),)
    return found


def touch(session: Session, session_ids: Collection[uuid.UUID], *, now: datetime) -> None:
    """Somebody did something in these sessions, so they do not lock yet. A locked one stays locked."""
    session.execute(
        update(SignInSession)
        .where(SignInSession.id.in_(session_ids), alive(now), SignInSession.last_seen_at <= now - NOTED)
        .values(last_seen_at=now)
    )
