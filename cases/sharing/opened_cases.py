"""A case as somebody opens it: the gate is asked and the reading is logged, whether to look or to change."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.decisions import admit, subject_of
from cases.access.errors import NotPermitted
from cases.access.gate import Intent, Resource
from cases.records.completeness import Completeness, find_completeness
from cases.records.pathology_case import PathologyCase, find_case
from cases.records.referrals import Referral, find_referral
from cases.records.related_cases import RelatedCase, find_related
from cases.records.specimens import GlassSlide, Specimen, TissueBlock, find_material
from cases.sharing.resources import describe_cases


@dataclass(frozen=True)
class OpenedCase:
    """A case with everything that belongs to it, as far as the one who asks may see it."""

    case: PathologyCase
    referral: Referral | None
    specimens: Sequence[Specimen]
    blocks: Sequence[TissueBlock]
    glass: Sequence[GlassSlide]
    related: Sequence[RelatedCase]
    completeness: Completeness


def contents_of(resource: Resource) -> Resource:
    """The facts for what a resource holds: who may only preview it learns what it is, and opens nothing in it.

    The gate lets a preview be read, and no image be looked at; reading a document is like looking at an image.
    Source: domain rules, section 4, step 2c.
    """
    held = tuple(replace(made, window=None) if made.preview else made for made in resource.disclosures)
    return replace(resource, disclosures=held)


def open_case(session: Session, case_id: uuid.UUID, *, by: Actor, now: datetime) -> PathologyCase:
    """One case, to be read with everything that belongs to it.

    Raises:
        NotThere: there is none that this provider may know of.
        Refused: the gate said no; to a performer's coordinators and heads until the request is accepted.
    """
    case = find_case(session, case_id)
    resource = contents_of(describe_cases(session, [case], by=by, now=now)[case.id])
    decision = admit(session, resource, Intent.READ, by=by, now=now)
    audit.record(
        session,
        Event.CASE_VIEWED,
        by=by,
        subjects=[subject_of(resource)],
        basis=decision.basis,
        decision_id=decision.id,
    )
    return case


def open_own_case(session: Session, case_id: uuid.UUID, *, by: Actor, now: datetime) -> PathologyCase:
    """One case, to be changed, which is for its owner alone, whoever else has been let into it.

    Raises:
        NotThere, Refused: as `open_case`.
        NotPermitted: it is another provider's.
    """
    case = open_case(session, case_id, by=by, now=now)
    if case.care_provider_id != by.provider_id:
        raise NotPermitted("This case is another care provider's, which alone changes it. Ask there.")
    return case


def gather(session: Session, case: PathologyCase) -> OpenedCase:
    """Everything that belongs to a case that has been opened."""
    specimens, blocks, glass = find_material(session, [case.id])
    return OpenedCase(
        case=case,
        referral=find_referral(session, case.id),
        specimens=specimens,
        blocks=blocks,
        glass=glass,
        related=find_related(session, case.id),
        completeness=find_completeness(session, [case.id])[case.id],
    )
