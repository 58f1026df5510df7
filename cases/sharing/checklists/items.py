"""The items of a checklist, derived from the facts of two care providers; nothing here asks the database."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from cases.access.agreements import WARNING, Agreement, AgreementStatus, AgreementType
from cases.access.gate import OVERDUE
from cases.access.permissions import Role
from cases.sharing.checklists import sentences as say
from cases.sharing.checklists.evidence import Evidence, EvidenceItem
from cases.sharing.checklists.sentences import Sentence
from cases.sharing.service_descriptions import ServiceDescription


class ItemCode(StrEnum):
    """What must be in place. Source: domain rules, 3.2."""

    CONNECTION = "CONNECTION"
    PUB = "PUB"
    COOPERATION = "COOPERATION"
    SERVICE = "SERVICE"
    DPIA = "DPIA"
    RISK_ANALYSIS = "RISK_ANALYSIS"
    HSA_COMMISSIONS = "HSA_COMMISSIONS"
    NETWORK = "NETWORK"
    WSI_VALIDATION = "WSI_VALIDATION"
    INTENDED_USE = "INTENDED_USE"
    BILLING_CONTACT = "BILLING_CONTACT"
    INCIDENT_CONTACT = "INCIDENT_CONTACT"


class ItemState(StrEnum):
    """Whether it is in place, for how long still, or not."""

    DONE = "DONE"
    EXPIRING = "EXPIRING"
    MISSING = "MISSING"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that must be in place, and who must do what about it.

    Attributes:
        owner_provider: the care provider that has to act, or has acted.
        evidence_ref: what shows that it is in place.
        due: the last day it counts, or by when it is planned.
        responsible: who in that care provider sees to it, where that has been stated.
    """

    code: ItemCode
    state: ItemState
    sentence_sv: str
    sentence_en: str
    owner_provider: uuid.UUID
    evidence_ref: str | None = None
    due: date | None = None
    responsible: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderFacts:
    """What counts for every pair that a care provider is part of.

    Attributes:
        agreements: with the platform operator.
        roles: that somebody holds there.
        analyses: by role, the last day on which the newest analysis is in date.
        commissions: assignments for care that hold now and have HSA-ids.
    """

    id: uuid.UUID
    name: str
    incident_contact: str | None
    agreements: Sequence[Agreement]
    roles: frozenset[Role]
    analyses: Mapping[Role, date]
    commissions: int
    evidence: Mapping[EvidenceItem, Evidence]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairFacts:
    """What counts for one customer and one performer.

    Attributes:
        agreements: of cooperation, between the two.
        services: that the performer offers the customer.
    """

    agreements: Sequence[Agreement]
    services: Sequence[ServiceDescription]


def derive_items(customer: ProviderFacts, performer: ProviderFacts, pair: PairFacts, now: datetime) -> tuple[Item, ...]:
    """Everything that must be in place before the customer asks the performer for something."""
    return tuple(_derive(customer, performer, pair, now))


def _derive(customer: ProviderFacts, performer: ProviderFacts, pair: PairFacts, now: datetime) -> Iterator[Item]:
    names = {customer.id: customer.name, performer.id: performer.name}
    for provider in (customer, performer):
        for kind in (AgreementType.CONNECTION, AgreementType.PUB):
            of_kind = [one for one in provider.agreements if one.type == kind]
            yield _agreement(ItemCode(kind), of_kind, Sentence(provider.name, provider.name), provider.id, names, now)
    both = Sentence(f"{customer.name} och {performer.name}", f"{customer.name} and {performer.name}")
    yield _agreement(ItemCode.COOPERATION, pair.agreements, both, customer.id, names, now)
    yield _service(customer, performer, pair, now)
    for provider in (customer, performer):
        yield _evidence(EvidenceItem.DPIA, provider, now)
        yield _analyses(provider, now)
        yield _commissions(provider)
        yield _evidence(EvidenceItem.NETWORK, provider, now)
        if provider is performer:
            yield _evidence(EvidenceItem.WSI_VALIDATION, provider, now)
        yield _evidence(EvidenceItem.INTENDED_USE, provider, now)
        yield _evidence(EvidenceItem.BILLING_CONTACT, provider, now)
        yield _incident_contact(provider)


def _item(
    code: ItemCode,
    state: ItemState,
    sentence: Sentence,
    owner: uuid.UUID,
    *,
    ref: str | None = None,
    due: date | None = None,
    responsible: str | None = None,
) -> Item:
    return Item(code, state, sentence.sv, sentence.en, owner, ref, due, responsible)


def _agreement(
    code: ItemCode,
    agreements: Iterable[Agreement],
    who: Sentence,
    drafter: uuid.UUID,
    names: Mapping[uuid.UUID, str],
    now: datetime,
) -> Item:
    what = say.AGREEMENTS[code]
    by_status: dict[AgreementStatus, Agreement] = {}
    for one in agreements:
        by_status.setdefault(one.status(now), one)
    active, ending, signed, draft = (
        by_status.get(status)
        for status in (
            AgreementStatus.ACTIVE,
            AgreementStatus.EXPIRING,
            AgreementStatus.SIGNED,
            AgreementStatus.DRAFT,
        )
    )
    holding = active or (ending if signed else None)
    if holding is not None:
        sentence = say.AGREED.fill(what=what, who=who, ref=holding.document_ref)
        return _item(code, ItemState.DONE, sentence, drafter, ref=holding.document_ref, due=_end(holding))
    if ending is not None:
        day = _end(ending)
        sentence = say.AGREED_UNTIL.fill(what=what, who=who, ref=ending.document_ref, date=str(day))
        return _item(code, ItemState.EXPIRING, sentence, drafter, ref=ending.document_ref, due=day)
    if signed is not None:
        begins = signed.valid_from.date()
        sentence = say.BEGINS.fill(what=what, who=who, ref=signed.document_ref, date=str(begins))
        return _item(code, ItemState.MISSING, sentence, drafter, ref=signed.document_ref, due=begins)
    if draft is not None:
        waiting = [party for party, at in _signatures(draft) if at is None]
        signers = [say.OPERATOR if party is None else Sentence(names[party], names[party]) for party in waiting]
        listed = Sentence(" och ".join(one.sv for one in signers), " and ".join(one.en for one in signers))
        sentence = say.UNSIGNED.fill(what=what, who=who, ref=draft.document_ref, signers=listed)
        owner = next((party for party in waiting if party is not None), draft.party_a)
        return _item(code, ItemState.MISSING, sentence, owner)
    sentence = say.NOT_DRAFTED.fill(what=what, who=who, owner=names[drafter])
    return _item(code, ItemState.MISSING, sentence, drafter)


def _signatures(agreement: Agreement) -> tuple[tuple[uuid.UUID | None, datetime | None], ...]:
    return (agreement.party_a, agreement.signed_a_at), (agreement.party_b, agreement.signed_b_at)


def _end(agreement: Agreement) -> date | None:
    return agreement.period.end.date() if agreement.period is not None and agreement.period.end is not None else None


def _service(customer: ProviderFacts, performer: ProviderFacts, pair: PairFacts, now: datetime) -> Item:
    in_force = {one.id for one in pair.agreements if one.period is not None and one.period.holds(now)}
    fields = {"customer": customer.name, "performer": performer.name}
    offered = [one for one in pair.services if not one.is_over(now)]
    held = [one for one in offered if one.holds(now) and one.agreement_id in in_force]
    if held:
        kinds = ", ".join(sorted({one.request_type for one in held}))
        sentence = say.SERVICE_HOLDS.fill(services=kinds, **fields)
        return _item(ItemCode.SERVICE, ItemState.DONE, sentence, performer.id, ref=str(held[0].id))
    accepted = [one for one in offered if one.accepted_at is not None and one.valid_from > now]
    if accepted:
        begins = min(one.valid_from for one in accepted).date()
        sentence = say.SERVICE_BEGINS.fill(date=str(begins), **fields)
        return _item(ItemCode.SERVICE, ItemState.MISSING, sentence, performer.id, due=begins)
    proposed = next((one for one in offered if one.accepted_at is None), None)
    if proposed is not None:
        proposer, other = (customer, performer) if proposed.proposed_by == customer.id else (performer, customer)
        sentence = say.SERVICE_PROPOSED.fill(proposer=proposer.name, owner=other.name)
        return _item(ItemCode.SERVICE, ItemState.MISSING, sentence, other.id)
    sentence = say.NO_SERVICE.fill(owner=performer.name, **fields)
    return _item(ItemCode.SERVICE, ItemState.MISSING, sentence, performer.id)


def _evidence(item: EvidenceItem, provider: ProviderFacts, now: datetime) -> Item:
    stated, thing, code = provider.evidence.get(item), say.THINGS[item], ItemCode(item)
    if stated is not None and stated.evidence_ref is not None and stated.counts(now):
        ends = stated.valid_to
        soon = ends is not None and ends - now <= WARNING
        wording, state = (say.GIVEN_UNTIL, ItemState.EXPIRING) if soon else (say.GIVEN, ItemState.DONE)
        day = ends.date() if ends is not None else None
        sentence = wording.fill(who=provider.name, thing=thing, ref=stated.evidence_ref, date=str(day))
        return _item(code, state, sentence, provider.id, ref=stated.evidence_ref, due=day, responsible=stated.owner)
    sentence = say.NOT_GIVEN.fill(who=provider.name, thing=thing)
    owner, due = (stated.owner, stated.due) if stated is not None else (None, None)
    if owner is not None:
        sentence += say.RESPONSIBLE.fill(name=owner)
    if due is not None:
        sentence += say.DUE.fill(date=str(due))
    return _item(code, ItemState.MISSING, sentence, provider.id, due=due, responsible=owner)


def _analyses(provider: ProviderFacts, now: datetime) -> Item:
    needed, today = provider.roles | {Role.PAT}, now.date()
    missing = {role for role in needed if role not in provider.analyses or provider.analyses[role] + OVERDUE < today}
    ending = {role for role in needed - missing if provider.analyses[role] - WARNING <= today}
    if missing:
        sentence = say.NOT_ANALYSED.fill(who=provider.name, roles=_list(missing))
        return _item(ItemCode.RISK_ANALYSIS, ItemState.MISSING, sentence, provider.id)
    due = min(provider.analyses[role] for role in needed)
    if ending:
        sentence = say.ANALYSED_UNTIL.fill(who=provider.name, roles=_list(ending), date=str(due))
        return _item(ItemCode.RISK_ANALYSIS, ItemState.EXPIRING, sentence, provider.id, due=due)
    sentence = say.ANALYSED.fill(who=provider.name, roles=_list(needed))
    return _item(ItemCode.RISK_ANALYSIS, ItemState.DONE, sentence, provider.id, due=due)


def _list(roles: Iterable[Role]) -> str:
    return ", ".join(sorted(roles))


def _commissions(provider: ProviderFacts) -> Item:
    if provider.commissions:
        sentence = say.COMMISSIONED.fill(who=provider.name, count=provider.commissions)
        return _item(ItemCode.HSA_COMMISSIONS, ItemState.DONE, sentence, provider.id)
    sentence = say.NOT_COMMISSIONED.fill(who=provider.name)
    return _item(ItemCode.HSA_COMMISSIONS, ItemState.MISSING, sentence, provider.id)


def _incident_contact(provider: ProviderFacts) -> Item:
    code, thing, contact = ItemCode.INCIDENT_CONTACT, say.THINGS["INCIDENT_CONTACT"], provider.incident_contact
    if contact:
        sentence = say.GIVEN.fill(who=provider.name, thing=thing, ref=contact)
        return _item(code, ItemState.DONE, sentence, provider.id, ref=contact)
    return _item(code, ItemState.MISSING, say.NO_CONTACT.fill(who=provider.name, thing=thing), provider.id)
