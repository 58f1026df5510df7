"""What two care providers must have in place before one asks the other, for each direction.

Derived from agreements, services, analyses and assignments; what no row of ours can show is stated as evidence, once
per care provider, and counts for every pair.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from cases.access.actors import Actor, Purpose
from cases.access.agreements import WITH_OPERATOR, Agreement, AgreementType
from cases.access.errors import Invalid, NotThere
from cases.access.grants import RiskAnalysis, RoleGrant
from cases.access.organisations import HSA_ID, CareProvider, ProviderStatus
from cases.access.people import Assignment
from cases.access.permissions import Role
from cases.database import platform
from cases.sharing.checklists.evidence import Evidence, EvidenceItem, find_evidence, give_evidence, list_evidence
from cases.sharing.checklists.items import Item, ItemCode, ItemState, PairFacts, ProviderFacts, derive_items
from cases.sharing.service_descriptions import ServiceDescription

__all__ = [
    "Checklist",
    "Evidence",
    "EvidenceItem",
    "Item",
    "ItemCode",
    "ItemState",
    "PairFacts",
    "ProviderFacts",
    "checklist",
    "derive_items",
    "find_checklist",
    "find_evidence",
    "give_evidence",
    "list_checklists",
    "list_evidence",
]


@dataclass(frozen=True, slots=True)
class Checklist:
    """Whether one care provider can ask another, and what is still missing."""

    customer_id: uuid.UUID
    performer_id: uuid.UUID
    items: tuple[Item, ...]

    @property
    def ready(self) -> bool:
        """Whether nothing is missing."""
        return all(item.state != ItemState.MISSING for item in self.items)


def checklist(session: Session, customer_id: uuid.UUID, performer_id: uuid.UUID, now: datetime) -> Checklist:
    """What must be in place before one care provider asks another.

    Raises:
        Invalid: both are the same.
        NotThere: there is no such care provider.
    """
    if customer_id == performer_id:
        raise Invalid("A checklist is about two care providers; name another performer.", field="performer_id")
    (found,) = _derive(session, {customer_id, performer_id}, [(customer_id, performer_id)], now)
    return found


def find_checklist(
    session: Session, customer_id: uuid.UUID, performer_id: uuid.UUID, *, by: Actor, now: datetime
) -> Checklist:
    """The checklist of a pair that the actor's care provider is one of. Raises NotThere, as `checklist` does."""
    if by.provider_id not in (customer_id, performer_id):
        raise NotThere("There is no such checklist.")
    return checklist(session, customer_id, performer_id, now)


def list_checklists(session: Session, *, by: Actor, now: datetime) -> list[Checklist]:
    """Both directions with every other care provider that takes part or is about to."""
    others = session.scalars(
        select(CareProvider.id)
        .where(CareProvider.id != by.provider_id, CareProvider.status != ProviderStatus.LEFT)
        .order_by(CareProvider.name, CareProvider.id)
    ).all()
    pairs = [pair for other in others for pair in ((by.provider_id, other), (other, by.provider_id))]
    return _derive(session, {by.provider_id, *others}, pairs, now)


def _derive(
    session: Session, ids: Collection[uuid.UUID], pairs: Collection[tuple[uuid.UUID, uuid.UUID]], now: datetime
) -> list[Checklist]:
    if not pairs:
        return []
    providers = _collect_providers(session, ids, now)
    if set(ids) - providers.keys():
        raise NotThere("There is no such checklist.")
    facts = _collect_pairs(session, pairs)
    return [
        Checklist(one, other, derive_items(providers[one], providers[other], facts[one, other], now))
        for one, other in pairs
    ]


def _collect_providers(session: Session, ids: Collection[uuid.UUID], now: datetime) -> dict[uuid.UUID, ProviderFacts]:
    shape = f"^({HSA_ID.pattern})$"
    commissions = session.execute(
        select(Assignment.care_provider_id, func.count())
        .where(
            Assignment.care_provider_id.in_(ids),
            Assignment.commission_purpose == Purpose.CARE,
            Assignment.valid_from <= now,
            or_(Assignment.valid_to.is_(None), Assignment.valid_to > now),
            Assignment.employee_hsa_id.regexp_match(shape),
            Assignment.commission_hsa_id.regexp_match(shape),
        )
        .group_by(Assignment.care_provider_id)
    )
    counted = dict(iter(commissions))
    known = session.scalars(select(CareProvider).where(CareProvider.id.in_(ids))).all()

    agreements: dict[uuid.UUID, list[Agreement]] = defaultdict(list)
    roles: dict[uuid.UUID, set[Role]] = defaultdict(set)
    analyses: dict[uuid.UUID, dict[Role, date]] = defaultdict(dict)
    evidence: dict[uuid.UUID, dict[EvidenceItem, Evidence]] = defaultdict(dict)
    with platform(session):
        for agreement in session.scalars(
            select(Agreement)
            .where(Agreement.party_a.in_(ids), Agreement.type.in_(WITH_OPERATOR))
            .order_by(Agreement.id.desc())
        ):
            agreements[agreement.party_a].append(agreement)
        for provider_id, role in session.execute(
            select(RoleGrant.care_provider_id, RoleGrant.role)
            .where(
                RoleGrant.care_provider_id.in_(ids),
                RoleGrant.approved_at.is_not(None),
                or_(RoleGrant.valid_to.is_(None), RoleGrant.valid_to > now),
            )
            .distinct()
        ):
            roles[provider_id].add(role)
        for provider_id, role, due in session.execute(
            select(RiskAnalysis.care_provider_id, RiskAnalysis.role, func.max(RiskAnalysis.review_due))
            .where(RiskAnalysis.care_provider_id.in_(ids))
            .group_by(RiskAnalysis.care_provider_id, RiskAnalysis.role)
        ):
            analyses[provider_id][role] = due
        for stated in session.scalars(select(Evidence).where(Evidence.care_provider_id.in_(ids))):
            evidence[stated.care_provider_id][stated.item] = stated
    return {
        provider.id: ProviderFacts(
            id=provider.id,
            name=provider.name,
            incident_contact=provider.incident_contact,
            agreements=agreements[provider.id],
            roles=frozenset(roles[provider.id]),
            analyses=analyses[provider.id],
            commissions=counted.get(provider.id, 0),
            evidence=evidence[provider.id],
        )
        for provider in known
    }


def _collect_pairs(
    session: Session, pairs: Collection[tuple[uuid.UUID, uuid.UUID]]
) -> dict[tuple[uuid.UUID, uuid.UUID], PairFacts]:
    agreements: dict[frozenset[uuid.UUID], list[Agreement]] = defaultdict(list)
    services: dict[tuple[uuid.UUID, uuid.UUID], list[ServiceDescription]] = defaultdict(list)
    ids = {one for pair in pairs for one in pair}
    of_these = and_(Agreement.party_a.in_(ids), Agreement.party_b.in_(ids), Agreement.type == AgreementType.COOPERATION)
    both = and_(ServiceDescription.customer_id.in_(ids), ServiceDescription.performer_id.in_(ids))
    # One of each pair is the actor's own care provider, so the rows are visible to it without looking across.
    for agreement in session.scalars(select(Agreement).where(of_these).order_by(Agreement.id.desc())):
        agreements[agreement.parties].append(agreement)
    for service in session.scalars(select(ServiceDescription).where(both).order_by(ServiceDescription.id.desc())):
        services[service.customer_id, service.performer_id].append(service)
    return {pair: PairFacts(agreements=agreements[frozenset(pair)], services=services[pair]) for pair in pairs}
