"""That a care provider has been let into another's case: the one table that sharing goes through."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cases.database import Base


class RecordGrant(Base):
    """One care provider sees another's case in the database; what somebody there may see is for the gate to say.

    Attributes:
        basis: in law.
        valid_until: from then on the database hides the case again.
    """

    __tablename__ = "record_grant"
    __table_args__ = (UniqueConstraint("to_provider_id", "case_id", "basis"),)

    case_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("pathology_case.id"), index=True)
    owner_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"))
    to_provider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("care_provider.id"))
    basis: Mapped[str]
    valid_until: Mapped[datetime]
