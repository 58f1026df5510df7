"""The documented need-and-risk analyses (behovs- och riskanalys) that every role rests on."""

from __future__ import annotations

import uuid
from datetime import date, datetime, timedelta

from sqlalchemy import Enum, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from cases.access.permissions import Role
from cases.database import Base, Versioned

REVIEW = timedelta(days=365)
"""How long an analysis counts when nothing else is decided. Source: domain rules, L2."""


class RiskAnalysis(Versioned, Base):
    """A care provider's analysis of who needs a role and what that risks.

    Attributes:
        document_ref: where the document is kept.
        decided_by: assignment of who decided it.
        review_due: the last day on which it is in date.

    Source: domain rules, L2.
    """

    __tablename__ = "risk_analysis"
    __table_args__ = (
        UniqueConstraint("id", "care_provider_id"),
        ForeignKeyConstraint(["decided_by", "care_provider_id"], ["assignment.id", "assignment.care_provider_id"]),
        Index("ix_risk_analysis_care_provider_id_role", "care_provider_id", "role"),
    )

    care_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"))
    role: Mapped[Role] = mapped_column(Enum(Role, native_enum=False, length=40))
    document_ref: Mapped[str]
    decided_by: Mapped[uuid.UUID]
    decided_at: Mapped[datetime]
    review_due: Mapped[date]


def find_analysis(session: Session, provider_id: uuid.UUID, role: Role) -> RiskAnalysis | None:
    """The analysis of a role that is in date for the longest; whether it is in date now is the caller's question."""
    return session.scalar(
        select(RiskAnalysis)
        .where(RiskAnalysis.care_provider_id == provider_id, RiskAnalysis.role == role)
        .order_by(RiskAnalysis.review_due.desc(), RiskAnalysis.id.desc())
        .limit(1)
    )


def list_analyses(
    session: Session, provider_id: uuid.UUID, *, after: uuid.UUID | None = None, limit: int = 50
) -> list[RiskAnalysis]:
    """A care provider's analyses, the newest first."""
    statement = select(RiskAnalysis).where(RiskAnalysis.care_provider_id == provider_id)
    statement = statement if after is None else statement.where(RiskAnalysis.id < after)
    return list(session.scalars(statement.order_by(RiskAnalysis.id.desc()).limit(limit)))
