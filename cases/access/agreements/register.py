"""The register: which agreements there are, and when they hold."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from cases.access.actors import Actor, Period
from cases.access.agreements.agreement import Agreement, AgreementType, Cooperation, find_period
from cases.access.errors import NotThere
from cases.database import is_among


def find_agreement(session: Session, agreement_id: uuid.UUID, *, by: Actor) -> Agreement:
    """One that the actor's care provider is a party of. Raises NotThere."""
    agreement = session.scalar(
        select(Agreement).where(Agreement.id == agreement_id, _concerns(by.provider_id)).limit(1)
    )
    if agreement is None:
        raise NotThere("There is no such agreement.")
    return agreement


def list_agreements(
    session: Session, *, by: Actor, limit: int, after: uuid.UUID | None = None, kind: AgreementType | None = None
) -> list[Agreement]:
    """Those that the actor's care provider is a party of, the newest first, from after a certain one on."""
    statement = select(Agreement).where(_concerns(by.provider_id)).order_by(Agreement.id.desc()).limit(limit)
    if after is not None:
        statement = statement.where(Agreement.id < after)
    return list(session.scalars(statement if kind is None else statement.where(Agreement.type == kind)))


def list_for_operator(session: Session) -> list[Agreement]:
    """Every agreement with the platform operator, the newest first; inside `platform`."""
    return list(session.scalars(select(Agreement).where(Agreement.party_b.is_(None)).order_by(Agreement.id.desc())))


def terms(session: Session, provider_id: uuid.UUID, kind: AgreementType) -> tuple[Period, ...]:
    """When a care provider's agreements of a type hold, past and future ones too, the earliest first.

    Another provider's are seen inside `platform` only.
    """
    found = session.scalars(select(Agreement).where(Agreement.type == kind, _concerns(provider_id)))
    return tuple(sorted((one.period for one in found if one.period is not None), key=lambda period: period.start))


def find_terms(
    session: Session, provider_ids: Collection[uuid.UUID]
) -> Mapping[tuple[uuid.UUID, AgreementType], tuple[Period, ...]]:
    """When several care providers' agreements with the platform operator hold, by provider and type, in one query."""
    found: defaultdict[tuple[uuid.UUID, AgreementType], tuple[Period, ...]] = defaultdict(tuple)
    asked = session.execute(_ASK_TERMS, {"provider_ids": list(provider_ids)})
    for provider_id, kind, valid_from, *dates in asked:
        period = find_period(valid_from, *dates)
        if period is not None:
            found[provider_id, kind] += (period,)
    return found


# Built once: it is asked for every request of a browser, and making a statement takes longer than asking.
_ASK_TERMS = select(
    Agreement.party_a,
    Agreement.type,
    Agreement.valid_from,
    Agreement.valid_to,
    Agreement.signed_a_at,
    Agreement.signed_b_at,
    Agreement.terminated_at,
).where(is_among(Agreement.party_a, "provider_ids"), Agreement.party_b.is_(None))


def cooperation_terms(session: Session, a: uuid.UUID, b: uuid.UUID) -> tuple[Cooperation, ...]:
    """When cooperation agreements between two care providers hold, in whichever order they stand, earliest first."""
    found = session.scalars(select(Agreement).where(Agreement.type == AgreementType.COOPERATION, _between(a, b)))
    held = (Cooperation(one.id, one.period, one.run_off_until) for one in found if one.period is not None)
    return tuple(sorted(held, key=lambda one: one.period.start))


def is_member(session: Session, provider_id: uuid.UUID, now: datetime) -> bool:
    """Whether a care provider takes part in coherent records at a moment. Source: law 2022:913, domain rules L7."""
    return any(period.holds(now) for period in terms(session, provider_id, AgreementType.COHERENT_RECORD))


def _concerns(provider_id: uuid.UUID) -> ColumnElement[bool]:
    return or_(Agreement.party_a == provider_id, Agreement.party_b == provider_id)


def _between(a: uuid.UUID, b: uuid.UUID) -> ColumnElement[bool]:
    return or_(
        and_(Agreement.party_a == a, Agreement.party_b == b), and_(Agreement.party_a == b, Agreement.party_b == a)
    )
