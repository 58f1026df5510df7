"""Referrers: what whoever sent a referral, or is to have its answer, may see of the case.

A referral sent by another care provider is also a standing disclosure back to where it came from: of the answer, and
of the images if the owner lets other providers' referrers see them. The database lets that provider in when the
referral is registered. Source: domain rules, 6 and N7.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import ARRAY, ColumnElement, Function, Uuid, any_, func, or_, select
from sqlalchemy.orm import Session

from cases.access.actors import Actor, Period
from cases.access.audit import Event
from cases.access.gate import DisclosureFacts
from cases.access.gate.facts import EVER
from cases.access.notifications import notify
from cases.access.organisations import CareProvider, CareUnit, ImageRelease
from cases.access.permissions import Permission
from cases.database import platform
from cases.records.pathology_case import CaseStatus, PathologyCase
from cases.records.referrals import Referral

DIAGNOSED = frozenset({CaseStatus.FINAL, CaseStatus.AMENDED})
RELEASED: Mapping[ImageRelease, frozenset[CaseStatus]] = {
    ImageRelease.ON_AVAILABLE: frozenset(CaseStatus),
    ImageRelease.ON_PRELIMINARY: DIAGNOSED | {CaseStatus.PRELIMINARY},
    ImageRelease.ON_FINAL: DIAGNOSED,
}
"""In which states of the case its referrer may look at the images, as the owner has decided."""


@dataclass(frozen=True, slots=True)
class ReferrerFacts:
    """What a case is to whoever is its referrer or has its answer.

    Attributes:
        images: whether they may look at its images now.
        standing: the disclosure that the referral is, where the case is another care provider's.
        named: they sent it themselves, so a protected identity is known to them.
    """

    images: bool
    named: bool
    standing: DisclosureFacts | None

    def disclosures(self, kind: str) -> tuple[DisclosureFacts, ...]:
        """The standing disclosure as it concerns the "case" with its answer, or a "slide", or what else one sees."""
        if self.standing is None:
            return ()
        return (replace(self.standing, contains=self.images or kind == "case"),)


def find_referrers(
    session: Session, case_ids: Collection[uuid.UUID], *, by: Actor, now: datetime
) -> Mapping[uuid.UUID, ReferrerFacts]:
    """Of some cases, those that the actor's unit sent the referral of or is to have the answer of, in one query.

    Args:
        session: of this transaction, looking across care providers (`cases.database.platform`).
        case_ids: of whatever care provider.
        by: who asks; only a clinician has referrals.
        now: when.
    """
    if not case_ids or not by.may(Permission.SEE_OWN_REFERRALS, now):
        return {}
    facts = (
        select(Referral, PathologyCase.status, CareProvider)
        .join(PathologyCase, PathologyCase.id == Referral.case_id)
        .join(CareProvider, CareProvider.id == Referral.care_provider_id)
        .where(Referral.case_id.in_(case_ids), is_for(by))
    )
    return {
        referral.case_id: ReferrerFacts(
            images=(release := find_release(owner, by)) is not None and status in RELEASED[release],
            named=referral.referring_assignment_id == by.assignment_id,
            standing=None if owner.id == by.provider_id else _disclose(referral, by),
        )
        for referral, status, owner in session.execute(facts)
    }


def find_release(owner: CareProvider, by: Actor) -> ImageRelease | None:
    """From when on an owner shows a referrer the images of a case; None for never."""
    return owner.clinician_image_release if owner.id == by.provider_id or owner.image_release_elsewhere else None


def tell(session: Session, case_id: uuid.UUID, event: Event) -> None:
    """Tell whoever sent the referral of a case that there is something new, such as a signed answer, if anybody did."""
    with platform(session):
        referral = session.scalar(select(Referral).where(Referral.case_id == case_id))
    if referral is not None and referral.referring_provider_id is not None:
        notify(
            session,
            event,
            subject_kind="referral",
            subject_id=referral.id,
            provider_id=referral.referring_provider_id,
            assignments=[referral.referring_assignment_id],
        )


def is_for(by: Actor) -> ColumnElement[bool]:
    """Which referrals concern the actor's care unit of law: sent from it or a part of it, or to be answered to it."""
    return or_(Referral.referring_unit_id == any_(_find_parts(by)), is_answered_to(by))


def is_answered_to(by: Actor) -> ColumnElement[bool]:
    """Which referrals the actor's care unit of law or a part of it is to have the answer of."""
    return Referral.answer_recipients.bool_op("&&")(_find_parts(by))


def _find_parts(by: Actor) -> Function[Sequence[uuid.UUID]]:
    # As an array, which the database finds out once and then looks for in an index.
    parts = select(CareUnit.id).where(CareUnit.pdl_unit_id == by.unit_id)
    return func.array(parts.scalar_subquery(), type_=ARRAY(Uuid))


def _disclose(referral: Referral, by: Actor) -> DisclosureFacts:
    return DisclosureFacts(
        provider_id=by.provider_id,
        unit_id=by.unit_id,
        named=frozenset(),
        contains=True,
        window=EVER,
        read_only=True,
        hold=None,
        period=Period(referral.created_at),
        terms=(EVER,),
        explicit_consent_at=None,
        decided_at=referral.created_at,
        # It goes back to who handed the patient over, about what they asked.
        harm_tested=True,
        allow_download=False,
    )
