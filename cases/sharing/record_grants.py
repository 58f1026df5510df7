"""Looking beyond one's own unit: other units' and other providers' cases of one patient, after an active choice.

The database shows a provider only its own cases and those it has been let into; looking up with a legal ground lets
it in, case by case, for as long as the choice lasts.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cases.access import audit
from cases.access.actors import Actor
from cases.access.agreements import is_member
from cases.access.audit import Event
from cases.access.choices import ChoiceKind, choose
from cases.access.consents import ConsentScope, find_consents
from cases.access.decisions import subject_of, write_decision
from cases.access.gate import Code, Intent, Resource, decide
from cases.access.notifications import WATCHERS, notify
from cases.access.patients import Patient
from cases.access.same_patients import find_same
from cases.database import platform
from cases.records.pathology_case import PathologyCase
from cases.records.record_grant import RecordGrant
from cases.records.slide_images import SlideImage
from cases.sharing.resources import describe_cases, describe_slides
from cases.sharing.worklists import Listed


@dataclass(frozen=True)
class LookUp:
    """What looking further found.

    Attributes:
        listed: slides that may be known of.
        blocked: whether the patient has blocked something; not where.
        refusals: why other cases stay closed, without saying whose they are.
    """

    listed: Sequence[Listed]
    blocked: bool
    refusals: frozenset[Code]


def look_up(session: Session, patient: Patient, kind: ChoiceKind, *, reason: str, by: Actor, now: datetime) -> LookUp:
    """Choose actively to look further for one patient, and list what the gate then allows.

    Raises:
        Invalid, NotPermitted: as `cases.access.choices.choose`.
    """
    choice = choose(session, patient, kind, reason=reason, by=by, now=now)
    with platform(session):
        people = find_same(session, [patient.id])[patient.id]
        statement = select(PathologyCase).where(PathologyCase.patient_id.in_(people))
        if kind is ChoiceKind.OTHER_UNIT:
            statement = statement.where(PathologyCase.care_provider_id == by.provider_id)
        cases = {case.id: case for case in session.scalars(statement.order_by(PathologyCase.id.desc()))}
        resources = describe_cases(session, cases.values(), by=by, now=now)
        allowed: list[Resource] = []
        refusals = _find_missing(session, people, kind, by=by, now=now)
        blocked = False
        for resource in resources.values():
            decision = decide(by, resource, Intent.READ, now)
            blocked |= resource.other_blocks or decision.code is Code.D30
            if decision.allow and decision.basis:
                allowed.append(resource)
                if resource.provider_id != by.provider_id:
                    _let_in(session, resource, basis=decision.basis, by=by, until=choice.ends_at)
            elif decision.code and decision.code is not Code.D10:
                if resource.provider_id == by.provider_id or decision.code is Code.D30:
                    # Of another provider nobody learns more than that something is blocked.
                    refusals.add(decision.code)
                write_decision(session, decision, by=by, resource=resource, now=now)
        slides = session.scalars(
            select(SlideImage)
            .where(SlideImage.case_id.in_([resource.id for resource in allowed]))
            .order_by(SlideImage.number.desc())
        ).all()
        details = describe_slides(session, slides, by=by, now=now)
    listed = [
        Listed(slide, cases[slide.case_id], decide(by, details[slide.id], Intent.VIEW, now).allow)
        for slide in slides
        if slide.case_id and decide(by, details[slide.id], Intent.READ, now).allow
    ]
    if kind is ChoiceKind.EMERGENCY:
        _tell_watchers(session, allowed)
    audit.record(
        session,
        Event.LIST_VIEWED,
        by=by,
        subjects=[subject_of(resource) for resource in allowed],
        args={"list": "patient", "choice": str(choice.id)},
    )
    return LookUp(listed, blocked, frozenset(refusals))


def _find_missing(
    session: Session, people: Collection[uuid.UUID], kind: ChoiceKind, *, by: Actor, now: datetime
) -> set[Code]:
    """What stands against looking up elsewhere, whether there is anything to be found or not."""
    if kind is not ChoiceKind.COHERENT_RECORD:
        return set()
    consents = [consent for held in find_consents(session, people).values() for consent in held]
    consented = any(
        consent.scope is ConsentScope.SVOD and consent.is_for(by) and consent.period.holds(now) for consent in consents
    )
    member = is_member(session, by.provider_id, now) and "SJF" in by.rights
    return ({Code.D20} if not member else set()) | ({Code.D23} if not consented else set())


def _tell_watchers(session: Session, opened: Iterable[Resource]) -> None:
    """Each care provider whose cases were opened in an emergency is told of its own patient."""
    for provider_id, patient_id in sorted({(one.provider_id, one.patient_id) for one in opened if one.patient_id}):
        notify(
            session,
            Event.NODOPPNING,
            subject_kind="patient",
            subject_id=patient_id,
            provider_id=provider_id,
            roles=WATCHERS,
        )


def _let_in(session: Session, resource: Resource, *, basis: str, by: Actor, until: datetime) -> None:
    grant = insert(RecordGrant).values(
        case_id=resource.id,
        owner_provider_id=resource.provider_id,
        to_provider_id=by.provider_id,
        basis=basis,
        valid_until=until,
    )
    session.execute(
        grant.on_conflict_do_update(
            index_elements=[RecordGrant.to_provider_id, RecordGrant.case_id, RecordGrant.basis],
            set_={"valid_until": func.greatest(RecordGrant.valid_until, grant.excluded.valid_until)},
        )
    )
