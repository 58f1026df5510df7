"""Viewings: who has which slide open, since when. A row each; no tile is served without one.

The id in a tile's address is no capability: the cookie of the session that opened the viewing goes with
every tile.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ForeignKey, Uuid, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, Session, mapped_column

from cases.access.sessions import NotAllowed, SignInSession
from cases.database import Base
from cases.records.slide_images import PyramidState, SlideImage, SlideStatus


class Viewing(Base):
    """One person with one slide open.

    Attributes:
        basis: why they may; until agreements exist, every slide counts as tied to the demo account.
        closed_at: when the person closed it.
    """

    __tablename__ = "viewing"

    session_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sign_in_session.id"), index=True)
    slide_image_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("slide_image.id"), index=True)
    basis: Mapped[str]
    closed_at: Mapped[datetime | None]


@dataclass(frozen=True)
class LiveViewing:
    """What a process needs to know of a viewing to serve its tiles.

    Attributes:
        token_digest: SHA-256 of the token of the session that opened it.
        slide_image_id: whose tiles.
        original_digest: where the archive has the original.
        has_pyramid: whether tiles come from a pyramid file.
    """

    id: uuid.UUID
    token_digest: bytes
    slide_image_id: uuid.UUID
    original_digest: str
    has_pyramid: bool


def open_viewing(session: Session, slide: SlideImage, *, by: SignInSession) -> Viewing:
    """Open a slide for a person.

    Raises:
        NotAllowed: the slide is not ready to be looked at, or is quarantined.
    """
    if not slide.viewable:
        why = {
            SlideStatus.QUARANTINED: "It is in quarantine; the laboratory that owns it decides what happens to it.",
        }.get(slide.status, "It is still being checked; the list says when it can be opened.")
        raise NotAllowed(f"This slide cannot be opened now. {why}")
    viewing = Viewing(session_id=by.id, slide_image_id=slide.id, basis="DEMO")
    session.add(viewing)
    session.flush()
    return viewing


def find_viewing(session: Session, viewing_id: uuid.UUID, *, by: SignInSession) -> Viewing | None:
    """A viewing that this session opened, ended or not; None for anybody else's."""
    return session.scalar(select(Viewing).where(Viewing.id == viewing_id, Viewing.session_id == by.id))


def close_viewing(viewing: Viewing) -> None:
    """The person is done looking. Closing twice changes nothing."""
    viewing.closed_at = viewing.closed_at or datetime.now(UTC)


def find_live(session: Session, viewing_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, LiveViewing]:
    """Those of the given viewings that still hold: open, their session too, their slide not quarantined."""
    rows = session.execute(
        select(
            Viewing.id,
            SignInSession.token_digest,
            SlideImage.id,
            SlideImage.original_digest,
            SlideImage.pyramid == PyramidState.READY,
        )
        .join(SignInSession, SignInSession.id == Viewing.session_id)
        .join(SlideImage, SlideImage.id == Viewing.slide_image_id)
        .where(
            # One array, however many there are: the statement stays the same and is prepared once.
            Viewing.id == any_(bindparam(None, list(viewing_ids), ARRAY(Uuid))),
            Viewing.closed_at.is_(None),
            SignInSession.ended_at.is_(None),
            SignInSession.ends_at > datetime.now(UTC),
            SlideImage.status.in_((SlideStatus.VERIFIED, SlideStatus.AVAILABLE)),
        )
    )
    return {row[0]: LiveViewing(*row) for row in rows}
