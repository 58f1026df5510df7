"""A clinician's own referrals: how they stand, the answers as they are signed, the images as the laboratory's owner
has decided. Source: domain rules, N3, N7 and section 6.

Answers that the clinician asked for are there the moment they are signed: reports of cases, and what they ordered
themselves. What pathologists ask each other is theirs until the one who asked has taken note of the answer.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select, true, union_all
from sqlalchemy.orm import Session

from cases.access import audit
from cases.access.actors import Actor
from cases.access.audit import Event
from cases.access.decisions import admit, subject_of
from cases.access.errors import NotThere
from cases.access.gate import Intent, decide
from cases.access.organisations import CareProvider, CareUnit, ImageRelease
from cases.database import platform
from cases.records.pathology_case import CaseStatus, PathologyCase
from cases.records.referrals import Referral
from cases.records.slide_images import SlideImage
from cases.sharing.answers.answer import Answer, AnswerStatus, AnswerVersion
from cases.sharing.answers.reading import is_handed_on, note_reading
from cases.sharing.referrers import DIAGNOSED, find_release, is_answered_to, is_for
from cases.sharing.requests import ShareRequest
from cases.sharing.resources import describe_slides
from cases.sharing.worklists.lines import CaseLine, find_cases
from cases.sharing.worklists.slides import Listed
from cases.sharing.worklists.standing import PartyLine, find_names, find_parties


class ReferralState(StrEnum):
    """How a referral stands, in a clinician's words."""

    RECEIVED = "RECEIVED"
    BEING_READ = "BEING_READ"
    PRELIMINARY = "PRELIMINARY"
    ANSWERED = "ANSWERED"
    CHANGED = "CHANGED"
    CANCELLED = "CANCELLED"


STATES: Mapping[CaseStatus, ReferralState] = {
    CaseStatus.REGISTERED: ReferralState.RECEIVED,
    CaseStatus.IN_LAB: ReferralState.RECEIVED,
    CaseStatus.READY: ReferralState.BEING_READ,
    CaseStatus.IN_DIAGNOSIS: ReferralState.BEING_READ,
    CaseStatus.PRELIMINARY: ReferralState.PRELIMINARY,
    CaseStatus.FINAL: ReferralState.ANSWERED,
    CaseStatus.AMENDED: ReferralState.CHANGED,
    CaseStatus.CANCELLED: ReferralState.CANCELLED,
}
SENTENCES: Mapping[ReferralState, str] = {
    ReferralState.RECEIVED: "The laboratory has received the specimen and prepares it.",
    ReferralState.BEING_READ: "A pathologist examines it. Nothing is diagnosed yet.",
    ReferralState.PRELIMINARY: "There is a preliminary answer. The final one may differ.",
    ReferralState.ANSWERED: "There is a final answer.",
    ReferralState.CHANGED: "The final answer was changed later. Read it again.",
    ReferralState.CANCELLED: "The examination was cancelled. Ask the laboratory why.",
}


@dataclass(frozen=True, slots=True)
class ReferralAnswer:
    """An answer that the referrer may read.

    Attributes:
        author: who signed it; None where staff's own data are protected.
        performer: the department that answered.
    """

    answer: Answer
    version: AnswerVersion
    author: str | None
    performer: PartyLine

    @property
    def in_error(self) -> bool:
        """Whether it was withdrawn after it was signed: to be read struck out."""
        return self.answer.status is AnswerStatus.ENTERED_IN_ERROR


@dataclass(frozen=True, slots=True)
class ReferralRow:
    """A referral as its sender sees it in a list.

    Attributes:
        case: as far as the gate lets them see it.
        own: they sent it themselves, and not a colleague at their unit.
        laboratory: where it is examined.
        images: from when on the laboratory's owner shows them the images; None for never.
    """

    referral: Referral
    case: CaseLine
    state: ReferralState
    own: bool
    laboratory: PartyLine
    images: ImageRelease | None
    answers: Sequence[ReferralAnswer]

    @property
    def diagnosed(self) -> bool:
        """Whether there is a final diagnosis; until then whoever looks at images is told that there is none."""
        return self.case.case.status in DIAGNOSED


@dataclass(frozen=True, slots=True)
class OpenedReferral:
    """A referral that its sender has opened, with the slides they may know of."""

    row: ReferralRow
    slides: Sequence[Listed]


def list_referrals(
    session: Session,
    *,
    by: Actor,
    now: datetime,
    limit: int,
    after: uuid.UUID | None = None,
    own: bool = False,
) -> list[ReferralRow]:
    """Referrals sent from the actor's care unit, or that it has the answers of, the newest first; one log entry.

    Args:
        session: of this transaction.
        by: a clinician.
        now: when.
        limit: how many at the most.
        after: only those before this one.
        own: only what the actor sent.
    """
    found = select(Referral.id).order_by(Referral.id.desc()).limit(limit)
    if after is not None:
        found = found.where(Referral.id < after)
    if own:
        found = found.where(Referral.referring_assignment_id == by.assignment_id)
    # Of each part of the care unit the newest, which an index has in order.
    sent = found.where(Referral.referring_unit_id == CareUnit.id).correlate(CareUnit).lateral()
    parts = select(sent.c.id).select_from(CareUnit).join(sent, true()).where(CareUnit.pdl_unit_id == by.unit_id)
    answered = select(found.where(is_answered_to(by)).subquery().c.id)
    candidates = union_all(parts, answered).subquery()
    newest = select(Referral).where(Referral.id.in_(select(candidates.c.id))).order_by(Referral.id.desc()).limit(limit)
    with platform(session):
        rows = _show(session, session.scalars(newest).all(), by=by, now=now)
    subjects = [subject_of(row.case.resource) for row in rows if row.case.lid]
    audit.record(session, Event.LIST_VIEWED, by=by, subjects=subjects, args={"list": "referrals"})
    return rows


def open_referral(session: Session, referral_id: uuid.UUID, *, by: Actor, now: datetime) -> OpenedReferral:
    """Read one with its answers, which counts as reading them.

    Raises:
        NotThere: there is none, or none that concerns the actor's unit.
        Refused: the gate said no.
    """
    with platform(session):
        referral = session.scalar(select(Referral).where(Referral.id == referral_id, is_for(by)))
        if referral is None:
            raise NotThere("Your care unit has sent no such referral.")
        row = _show(session, [referral], by=by, now=now)[0]
        slides = session.scalars(
            select(SlideImage).where(SlideImage.case_id == referral.case_id).order_by(SlideImage.number)
        ).all()
        resources = describe_slides(session, slides, by=by, now=now)
    decision = admit(session, row.case.resource, Intent.READ, by=by, now=now)
    subject = subject_of(row.case.resource)
    audit.record(
        session, Event.REFERRAL_VIEWED, by=by, subjects=[subject], basis=decision.basis, decision_id=decision.id
    )
    for one in row.answers:
        note_reading(session, one.version, by=by, now=now)
        audit.record(
            session,
            Event.ANSWER_VIEWED,
            by=by,
            subjects=[subject],
            basis=decision.basis,
            decision_id=decision.id,
            args={"answer": str(one.answer.id), "version": one.version.number},
        )
    listed = [
        Listed(slide, row.case.case, decide(by, resources[slide.id], Intent.VIEW, now).allow)
        for slide in slides
        if slide.id in resources and decide(by, resources[slide.id], Intent.READ, now).allow
    ]
    return OpenedReferral(row, listed)


def follow_referrals(
    session: Session, changed: Collection[uuid.UUID], *, by: Actor, now: datetime, shown: Collection[uuid.UUID] = ()
) -> list[ReferralRow]:
    """Those of some cases that the actor's unit sent the referral of, for a list that is on the screen.

    Args:
        session: of this transaction.
        changed: ids of cases.
        by: whose list.
        now: when.
        shown: cases that the list has shown already; only others are logged as seen.
    """
    with platform(session):
        found = session.scalars(select(Referral).where(Referral.case_id.in_(changed), is_for(by))).all()
        rows = _show(session, found, by=by, now=now)
    new = [subject_of(row.case.resource) for row in rows if row.case.lid and row.referral.case_id not in shown]
    if new:
        audit.record(session, Event.LIST_VIEWED, by=by, subjects=new, args={"list": "referrals"})
    return rows


def _show(session: Session, referrals: Sequence[Referral], *, by: Actor, now: datetime) -> list[ReferralRow]:
    ids = [referral.case_id for referral in referrals]
    cases = session.scalars(select(PathologyCase).where(PathologyCase.id.in_(ids))).all()
    lines = find_cases(session, cases, by=by, now=now)
    parties = find_parties(session, {case.department_id for case in cases})
    whose = {case.care_provider_id for case in cases}
    owners = {one.id: one for one in session.scalars(select(CareProvider).where(CareProvider.id.in_(whose)))}
    answers = _find_answers(session, [one for one in ids if lines[one].decision.allow])
    return [
        ReferralRow(
            referral=referral,
            case=lines[referral.case_id],
            state=STATES[lines[referral.case_id].case.status],
            own=referral.referring_assignment_id == by.assignment_id,
            laboratory=parties[lines[referral.case_id].case.department_id],
            images=find_release(owners[referral.care_provider_id], by),
            answers=answers.get(referral.case_id, ()),
        )
        for referral in referrals
    ]


def _find_answers(session: Session, case_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, list[ReferralAnswer]]:
    """Of cases that the gate has opened, what their referrers may read, the oldest first."""
    released = session.execute(
        select(Answer, AnswerVersion, ShareRequest)
        .join(AnswerVersion, (AnswerVersion.answer_id == Answer.id) & (AnswerVersion.number == Answer.released))
        .join(ShareRequest, ShareRequest.id == Answer.request_id)
        .where(Answer.case_id.in_(case_ids))
        .order_by(AnswerVersion.released_at)
    )
    rows = [
        (answer, version, request.performer_department_id)
        for answer, version, request in released
        if is_handed_on(answer, request)
    ]
    names = find_names(session, {version.author_assignment_id for _, version, _ in rows})
    parties = find_parties(session, {department_id for _, _, department_id in rows})
    found: defaultdict[uuid.UUID, list[ReferralAnswer]] = defaultdict(list)
    for answer, version, department_id in rows:
        author = names.get(version.author_assignment_id)
        found[answer.case_id].append(ReferralAnswer(answer, version, author, parties[department_id]))
    return found
