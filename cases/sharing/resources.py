"""The facts that the gate decides on, collected in this one place: what something is to one actor, now."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, exists, select
from sqlalchemy.orm import Session

from cases.access.actors import Actor, Period
from cases.access.agreements import AgreementType, find_terms
from cases.access.blocks import BlockFacts, find_blocks, freshness
from cases.access.choices import ChoiceKind, find_choices
from cases.access.consents import AssertionType, ConsentFacts, ConsentScope, find_consents
from cases.access.gate import IMPERSONAL, Availability, CareLink, CoherentFacts, DisclosureFacts, Resource
from cases.access.organisations import CareProvider, ProviderStatus
from cases.access.permissions import PERMITS, Permission, Role
from cases.access.relations import NoticeFacts, RelationFacts, find_notices, find_relations
from cases.access.same_patients import PatientFacts, find_facts, find_same
from cases.database import is_among, platform
from cases.records.attachments import Attachment
from cases.records.pathology_case import OPEN, CaseMember, CaseStatus, PathologyCase
from cases.records.slide_images import SlideImage
from cases.sharing.referrers import ReferrerFacts, find_referrers
from cases.sharing.requests.conflicts import JUDGING, find_conflicted
from cases.sharing.requests.consented import find_explicit_consent
from cases.sharing.requests.facts import Shared, find_own_links, find_shared

QUEUE = PERMITS[Permission.SEE_OWN_WORKLIST]
"""Roles that a department's queue ties to its open cases."""


@dataclass(frozen=True)
class Collected:
    """Everything that was read for some things and one actor, by what it belongs to.

    Attributes:
        active: care providers that take part now.
        cases: of each, the columns that matter here.
        taken_part: cases whose team the actor is in.
        shared: what was handed out to the actor's care unit.
        own_links: what ties the actor to cases of their own provider because of what was asked about them.
        referrers: cases that the actor's unit sent a referral of, or has the answer of.
        conflicted: by case, who would judge their own work.
    """

    actor: Actor
    now: datetime
    terms: Mapping[tuple[uuid.UUID, AgreementType], tuple[Period, ...]]
    active: frozenset[uuid.UUID]
    cases: Mapping[uuid.UUID, Any]
    taken_part: frozenset[uuid.UUID]
    patients: Mapping[uuid.UUID, PatientFacts]
    same: Mapping[uuid.UUID, frozenset[uuid.UUID]]
    blocks: Mapping[uuid.UUID, tuple[BlockFacts, ...]]
    choices: Mapping[uuid.UUID, Mapping[ChoiceKind, datetime]] = field(default_factory=dict)
    relations: Mapping[uuid.UUID, tuple[RelationFacts, ...]] = field(default_factory=dict)
    consents: Mapping[uuid.UUID, tuple[ConsentFacts, ...]] = field(default_factory=dict)
    notices: Mapping[uuid.UUID, tuple[NoticeFacts, ...]] = field(default_factory=dict)
    blocks_read_at: datetime | None = None
    shared: Sequence[Shared] = ()
    own_links: Mapping[uuid.UUID, frozenset[CareLink]] = field(default_factory=dict)
    referrers: Mapping[uuid.UUID, ReferrerFacts] = field(default_factory=dict)
    conflicted: Mapping[uuid.UUID, frozenset[uuid.UUID]] = field(default_factory=dict)


@dataclass(frozen=True)
class Thing:
    """What is asked for, whatever its kind.

    Attributes:
        case_id: the case it belongs to, if it is certain.
        ready: whether it can be shown.
        registered_at: when it came in.
        also: what it comes along with when that is handed out: the glass of a scan, the request of an enclosure.
    """

    kind: str
    id: uuid.UUID
    provider_id: uuid.UUID
    unit_id: uuid.UUID
    case_id: uuid.UUID | None
    ready: bool
    registered_at: datetime
    also: uuid.UUID | None = None


def describe_slides(
    session: Session, slides: Iterable[SlideImage], *, by: Actor, now: datetime
) -> dict[uuid.UUID, Resource]:
    """What slides are to an actor, as facts for the gate, in a fixed number of queries however many they are.

    Args:
        session: of this transaction.
        slides: with an owner; others are left out, since nobody may see them.
        by: who wants to do something with them.
        now: when.
    """
    things = [
        Thing(
            "slide",
            one.id,
            one.care_provider_id,
            one.care_unit_id,
            one.case_id,
            one.viewable,
            one.created_at,
            one.glass_slide_id,
        )
        for one in slides
        if one.care_provider_id and one.care_unit_id
    ]
    return _describe_all(session, things, by=by, now=now)


def describe_cases(
    session: Session, cases: Iterable[PathologyCase], *, by: Actor, now: datetime
) -> dict[uuid.UUID, Resource]:
    """The same for cases themselves."""
    things = [
        Thing("case", case.id, case.care_provider_id, case.care_unit_id, case.id, True, case.accessioned_at)
        for case in cases
    ]
    return _describe_all(session, things, by=by, now=now)


def describe_attachments(
    session: Session, case: PathologyCase, attachments: Iterable[Attachment], *, by: Actor, now: datetime
) -> dict[uuid.UUID, Resource]:
    """The same for documents and photographs of a case; what a performer added goes with the request it is for."""
    things = [
        Thing(
            "attachment",
            one.id,
            case.care_provider_id,
            case.care_unit_id,
            case.id,
            one.withdrawn_at is None,
            one.created_at,
            one.request_id,
        )
        for one in attachments
    ]
    return _describe_all(session, things, by=by, now=now)


def _describe_all(session: Session, things: Sequence[Thing], *, by: Actor, now: datetime) -> dict[uuid.UUID, Resource]:
    if not things:
        return {}
    with platform(session):
        collected = _collect(session, things, by=by, now=now)
    return {thing.id: _describe(thing, collected) for thing in things}


def _collect(session: Session, things: Sequence[Thing], *, by: Actor, now: datetime) -> Collected:
    providers = {thing.provider_id for thing in things} | {by.provider_id}
    case_ids = {thing.case_id for thing in things if thing.case_id}
    asked = {"case_ids": list(case_ids), "assignment_id": by.assignment_id}
    cases = {case.id: case for case in session.execute(_ASK_CASES, asked)}
    patient_ids = {case.patient_id for case in cases.values()}
    same = find_same(session, patient_ids)
    everybody = frozenset[uuid.UUID]().union(*same.values())
    collected = Collected(
        actor=by,
        now=now,
        terms=find_terms(session, providers),
        active=frozenset(session.scalars(_ASK_ACTIVE, {"provider_ids": list(providers)})),
        cases=cases,
        taken_part=frozenset(case.id for case in cases.values() if case.in_team),
        patients=find_facts(session, patient_ids),
        same=same,
        blocks=find_blocks(session, everybody),
    )
    if all(_is_plain(thing, collected) for thing in things):
        # What stands in one's own queue rests on nothing more, and this is asked most of the time.
        return collected
    return _collect_sharing(
        session,
        things,
        replace(
            collected,
            choices=find_choices(session, everybody, by=by, now=now),
            # Each row as it stands: what another provider has linked is looked at where rows are the same.
            relations=find_relations(session, everybody, same={one: frozenset({one}) for one in everybody}),
            consents=find_consents(session, everybody, same={one: frozenset({one}) for one in everybody}),
            notices=find_notices(session, patient_ids),
            blocks_read_at=freshness(session, now),
        ),
    )


def _is_plain(thing: Thing, collected: Collected) -> bool:
    """Whether it stands in the actor's own queue, and nothing depends on who is named for it."""
    links = set(_find_direct_links(thing, collected))
    case = collected.cases.get(thing.case_id) if thing.case_id else None
    protected = case is not None and collected.patients[case.patient_id].protected
    own = thing.unit_id == collected.actor.unit_id
    return own and bool(links) and (not protected or CareLink.TEAM in links)


def _collect_sharing(session: Session, things: Sequence[Thing], collected: Collected) -> Collected:
    by, now = collected.actor, collected.now
    own = {one for one, case in collected.cases.items() if case.care_provider_id == by.provider_id}
    others = collected.cases.keys() - own
    ids = others | {one for thing in things if thing.case_id in others for one in (thing.id, thing.also) if one}
    shared = find_shared(session, ids, by=by, now=now) if ids else []
    judged = [
        (one.case_id, one.parent_request_id) for one in shared if one.type in JUDGING and not one.over and one.links
    ]
    return replace(
        collected,
        shared=shared,
        own_links=find_own_links(session, own, by=by, now=now) if own else {},
        referrers=find_referrers(session, collected.cases.keys(), by=by, now=now),
        conflicted=find_conflicted(session, judged) if judged else {},
    )


def _describe(thing: Thing, collected: Collected) -> Resource:
    actor, now = collected.actor, collected.now
    case = collected.cases.get(thing.case_id) if thing.case_id else None
    patient = collected.patients.get(case.patient_id) if case else None
    # What the actor's own provider has registered about the same person is what the actor can rest on.
    people = collected.same.get(case.patient_id, frozenset()) if case else frozenset()
    chosen = {kind: end for one in people for kind, end in collected.choices.get(one, {}).items()}
    emergency = tuple(Period(now, end) for kind, end in chosen.items() if kind is ChoiceKind.EMERGENCY)
    relations = tuple(
        relation.period
        for one in people
        for relation in collected.relations.get(one, ())
        if relation.is_for(actor) and relation.period.holds(now)
    )
    consents = [
        consent
        for one in people
        for consent in collected.consents.get(one, ())
        if consent.scope is ConsentScope.SVOD and consent.is_for(actor)
    ]
    said_yes = [
        consent.period.start
        for consent in consents
        if consent.type is AssertionType.CONSENT and consent.period.holds(now)
    ]
    shared = [one for one in collected.shared if thing.case_id in one.items or thing.id in one.items]
    referrer = collected.referrers.get(thing.case_id) if thing.case_id else None
    working = set(_find_direct_links(thing, collected)).union(*(one.links for one in shared))
    links = set(working)
    if referrer and (referrer.standing or referrer.images or thing.kind == "case"):
        links.add(CareLink.TEAM)
    if relations:
        links.add(CareLink.RELATION)
    if emergency:
        links.add(CareLink.EMERGENCY)
    if actor.purpose in IMPERSONAL and actor.order_number:
        links.add(CareLink.ORDER)
    memberships = collected.terms[thing.provider_id, AgreementType.COHERENT_RECORD]
    blocks = collected.blocks.get(case.patient_id, ()) if case else ()
    everywhere = [block for one in people for block in collected.blocks.get(one, ())]
    withdrawn = case is not None and case.status is CaseStatus.CANCELLED
    ready = Availability.READY if thing.ready else Availability.HELD_BACK
    return Resource(
        kind=thing.kind,
        id=thing.id,
        patient_id=case.patient_id if case else None,
        provider_id=thing.provider_id,
        unit_id=thing.unit_id,
        owner_active=thing.provider_id in collected.active,
        departments=frozenset(_find_departments(thing, case, shared, actor)),
        connections=collected.terms[thing.provider_id, AgreementType.CONNECTION],
        processings=collected.terms[thing.provider_id, AgreementType.PUB],
        availability=Availability.WITHDRAWN if withdrawn else ready,
        identity_verified=patient is not None and not patient.mismatch,
        links=frozenset(links),
        relation=_longest((*relations, *emergency)),
        chosen=ChoiceKind.OTHER_UNIT in chosen or ChoiceKind.EMERGENCY in chosen,
        chosen_until=min(chosen.values(), default=None),
        disclosures=(
            *(_find_disclosure(thing, one, collected) for one in shared),
            *(referrer.disclosures(thing.kind) if referrer else ()),
        ),
        coherent=CoherentFacts(
            members=_overlaps(memberships, collected.terms[actor.provider_id, AgreementType.COHERENT_RECORD]),
            informed=any(told.period.holds(now) for told in collected.notices.get(case.patient_id, ()))
            if case
            else False,
            available=bool(memberships),
            consents=(*(consent.period for consent in consents), *emergency),
            consented_at=max(said_yes, default=None),
            chosen=ChoiceKind.COHERENT_RECORD in chosen or ChoiceKind.EMERGENCY in chosen,
        ),
        blocks=blocks,
        blocks_read_at=collected.blocks_read_at,
        other_blocks=len(everywhere) > len(blocks),
        informed=Period(min(case.accessioned_at, case.created_at), case.last_registered_at)
        if case
        else Period(thing.registered_at),
        objection_at=patient.objection_at if patient else None,
        protected=patient is not None and patient.protected,
        # Somebody by name, not everybody at the unit that sent the referral.
        named=bool(working & {CareLink.TEAM, CareLink.NAMED}) or (referrer is not None and referrer.named),
        conflicted=collected.conflicted.get(thing.case_id, frozenset()) if thing.case_id else frozenset(),
    )


def _find_disclosure(thing: Thing, shared: Shared, collected: Collected) -> DisclosureFacts:
    """What was handed out, as it concerns one thing, with what the patient has said since."""
    case = collected.cases[thing.case_id] if thing.case_id else None
    people = collected.same.get(case.patient_id, frozenset()) if case else frozenset()
    consents = (consent for one in people for consent in collected.consents.get(one, ()))
    held = shared.items | {shared.request_id}
    return replace(
        shared.facts,
        contains=thing.id in held or thing.also in held,
        explicit_consent_at=find_explicit_consent(consents, provider_id=thing.provider_id, now=collected.now),
    )


def _find_departments(thing: Thing, case: Any, shared: Sequence[Shared], actor: Actor) -> Iterable[uuid.UUID]:
    """Of the actor's care unit, those in which it stands."""
    if case and thing.unit_id == actor.unit_id:
        yield from (case.department_id, case.signout_department_id)
    yield from (one.department_id for one in shared)


def _find_direct_links(thing: Thing, collected: Collected) -> Iterable[CareLink]:
    """Taking part in the case, a department's queue that it stands in, or having asked about it."""
    actor = collected.actor
    case = collected.cases.get(thing.case_id) if thing.case_id else None
    own_unit = thing.unit_id == actor.unit_id
    if case is None:
        # Nobody's case yet: the laboratory finds out whose.
        if own_unit and Role.LAB in actor.roles(collected.now):
            yield CareLink.QUEUE
        return
    if case.id in collected.taken_part or case.responsible_assignment_id == actor.assignment_id:
        yield CareLink.TEAM
    queues = (
        grant.department_id in (None, case.department_id)
        for grant in actor.grants
        if grant.role in QUEUE and grant.period.holds(collected.now)
    )
    if own_unit and case.status in OPEN and any(queues):
        yield CareLink.QUEUE
    yield from collected.own_links.get(case.id, ())


def _longest(periods: Sequence[Period]) -> Period | None:
    return max(periods, key=lambda period: (period.end is None, period.end), default=None)


def _overlaps(these: Sequence[Period], those: Sequence[Period]) -> tuple[Period, ...]:
    """The times that lie in one of these and in one of those."""
    found = []
    for a in these:
        for b in those:
            start = max(a.start, b.start)
            end = min((end for end in (a.end, b.end) if end), default=None)
            if end is None or start < end:
                found.append(Period(start, end))
    return tuple(found)


# Built once, since making a statement takes longer than asking. What of a case matters: light, and as it stands now.
_ASK_CASES = select(
    PathologyCase.id,
    PathologyCase.care_provider_id,
    PathologyCase.patient_id,
    PathologyCase.department_id,
    PathologyCase.signout_department_id,
    PathologyCase.status,
    PathologyCase.responsible_assignment_id,
    PathologyCase.accessioned_at,
    PathologyCase.created_at,
    PathologyCase.last_registered_at,
    exists()
    .where(
        CaseMember.case_id == PathologyCase.id,
        CaseMember.assignment_id == bindparam("assignment_id"),
        CaseMember.ended_at.is_(None),
    )
    .label("in_team"),
).where(is_among(PathologyCase.id, "case_ids"))
_ASK_ACTIVE = select(CareProvider.id).where(
    is_among(CareProvider.id, "provider_ids"), CareProvider.status == ProviderStatus.ACTIVE
)
