"""Clinicians: one's own referrals, the answers as they are signed, and the images as the laboratory's owner decides."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from cases.access.actors import Actor
from cases.access.organisations import ImageRelease
from cases.access.permissions import Permission
from cases.sharing.answers.answer import AnswerKind, AnswerStatus, Stage
from cases.sharing.answers.content import DiagnosisCode
from cases.sharing.my_referrals import (
    SENTENCES,
    ReferralAnswer,
    ReferralRow,
    ReferralState,
    list_referrals,
    open_referral,
)
from viewer.api.slides import Slide, show
from viewer.api.worklists.rows import ListedCase, Party, show_line
from viewer.dependencies import After, Database, Limit, Now, permit

router = APIRouter(prefix="/api/my-referrals", tags=["my referrals"])

Clinician = Annotated[Actor, Depends(permit(Permission.SEE_OWN_REFERRALS), scope="function")]


class AnswerHead(BaseModel):
    """That there is an answer.

    Attributes:
        stage: PRELIMINARY until it is final.
        in_error: it was withdrawn after it was signed.
        author: who signed it.
    """

    id: uuid.UUID
    kind: AnswerKind
    status: AnswerStatus
    stage: Stage
    version: int
    in_error: bool
    released_at: datetime | None
    author: str | None
    performer: Party


class AnswerText(AnswerHead):
    """What an answer says to whoever asked."""

    statement: str
    diagnosis: str
    microscopy: str | None
    ancillary: str | None
    recommendations: str | None
    codes: list[DiagnosisCode]


class ListedReferral(BaseModel):
    """A referral as its sender sees it.

    Attributes:
        own: you sent it yourself.
        detail: how it stands, in words.
        diagnosed: there is a final diagnosis; until then images are shown with a banner that there is none.
        images_from: from when on the laboratory's owner shows you images; null for never.
    """

    id: uuid.UUID
    referral_number: str | None
    ordered_at: datetime | None
    own: bool
    state: ReferralState
    detail: str
    diagnosed: bool
    images_from: ImageRelease | None
    laboratory: Party
    case: ListedCase
    answers: list[AnswerHead]


class OpenedReferral(ListedReferral):
    """A referral with its answers in full and the slides that you may know of."""

    question: str | None
    history: str | None
    texts: list[AnswerText]
    slides: list[Slide]


class ReferralPage(BaseModel):
    """Referrals, the newest first. `next`: where to go on; null at the end."""

    items: list[ListedReferral]
    next: uuid.UUID | None


@router.get("")
def read_referrals(
    database: Database,
    actor: Clinician,
    now: Now,
    limit: Limit = 50,
    after: After = None,
    own: Annotated[bool, Query(description="Only those that you sent yourself.")] = False,
) -> ReferralPage:
    """List the referrals that your care unit sent, or has the answers of."""
    rows = list_referrals(database, by=actor, now=now, limit=limit, after=after, own=own)
    last = rows[-1].referral.id if len(rows) == limit else None
    return ReferralPage(items=[show_referral(row) for row in rows], next=last)


@router.get("/{referral_id}")
def read_referral(referral_id: uuid.UUID, database: Database, actor: Clinician, now: Now) -> OpenedReferral:
    """Read one with its answers, which are noted as read, and the slides."""
    opened = open_referral(database, referral_id, by=actor, now=now)
    row = opened.row
    return OpenedReferral(
        **dict(show_referral(row)),
        question=row.referral.question,
        history=row.referral.history,
        texts=[_show_text(one) for one in row.answers],
        slides=[show(listed) for listed in opened.slides],
    )


def show_referral(row: ReferralRow) -> ListedReferral:
    """A referral as lists show it."""
    return ListedReferral(
        id=row.referral.id,
        referral_number=row.referral.referral_number,
        ordered_at=row.referral.ordered_at,
        own=row.own,
        state=row.state,
        detail=SENTENCES[row.state],
        diagnosed=row.diagnosed,
        images_from=row.images,
        laboratory=Party.model_validate(row.laboratory),
        case=show_line(row.case),
        answers=[_show_head(one) for one in row.answers],
    )


def _show_head(one: ReferralAnswer) -> AnswerHead:
    return AnswerHead(
        id=one.answer.id,
        kind=one.answer.kind,
        status=one.answer.status,
        stage=one.version.stage,
        version=one.version.number,
        in_error=one.in_error,
        released_at=one.version.released_at,
        author=one.author,
        performer=Party.model_validate(one.performer),
    )


def _show_text(one: ReferralAnswer) -> AnswerText:
    said = one.version.said
    return AnswerText(
        **dict(_show_head(one)),
        statement=said.statement,
        diagnosis=said.diagnosis,
        microscopy=said.microscopy,
        ancillary=said.ancillary,
        recommendations=said.recommendations,
        codes=list(said.codes),
    )
