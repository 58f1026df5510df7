"""Referrals as the API takes and tells them: a part of their case."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from cases.records.referrals import Referral, ReferralDetails
from viewer.api.fields import ClinicalText, Line, Moment


class ReferralBody(BaseModel):
    """What a referral says. What is left out stays as it is; null takes it away."""

    referring_unit_id: uuid.UUID | None = None
    referring_assignment_id: uuid.UUID | None = None
    referral_number: Annotated[Line | None, Field(examples=["R2611-0042"])] = None
    ordered_at: Moment | None = None
    question: Annotated[ClinicalText | None, Field(examples=["Malignitet?"])] = None
    history: ClinicalText | None = None
    cost_centre: Annotated[Line | None, Field(examples=["41100"])] = None
    answer_due_requested: Moment | None = None
    phone_for_urgent: Annotated[Line | None, Field(examples=["0480-000 00"])] = None
    svf_code: Line | None = None
    answer_recipients: Annotated[list[uuid.UUID], Field(max_length=20, description="Care units.")] = []

    def changed(self, before: ReferralDetails) -> ReferralDetails:
        """What a referral says after this change."""
        said = self.model_dump(include=self.model_fields_set)
        if "answer_recipients" in said:
            said["answer_recipients"] = tuple(said["answer_recipients"])
        return ReferralDetails(**{**vars(before), **said})


class ReferralRow(BaseModel):
    """The referral that a case came with."""

    id: uuid.UUID
    referring_provider_id: uuid.UUID | None
    referring_unit_id: uuid.UUID | None
    referring_assignment_id: uuid.UUID | None
    referral_number: str | None
    ordered_at: datetime | None
    question: str | None
    history: str | None
    cost_centre: str | None
    answer_due_requested: datetime | None
    phone_for_urgent: str | None
    svf_code: str | None
    answer_recipients: list[uuid.UUID]


def show_referral(referral: Referral) -> ReferralRow:
    """A referral as the API tells it."""
    return ReferralRow.model_validate(referral, from_attributes=True)
