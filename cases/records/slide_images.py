"""Slide images: the row is the truth about a scanned slide and about the work still to be done on it.

A worker takes a slide by a lease: it alone may move the row until the lease runs out. It renews the lease
while it works; a worker that dies stops renewing, and the slide falls due again. Celery only says "look now".
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ColumnElement,
    Enum,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    UniqueConstraint,
    and_,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from cases.database import Base

LEASE = timedelta(seconds=20)
"""A worker that has not been heard of for so long is taken for dead."""
LONGEST_LEASE = timedelta(minutes=5)
"""No lease and no pause ends later than this; one that seems to was written before a clock was set back."""
ATTEMPTS = 5
"""Times the reading of a slide may be ended from outside before the slide itself is blamed."""


class SlideStatus(StrEnum):
    """Where a slide image is in its life. Source: domain rules, 5.6; the states before and after come later."""

    RECEIVED = "RECEIVED"
    VERIFYING = "VERIFYING"
    VERIFIED = "VERIFIED"
    AVAILABLE = "AVAILABLE"
    QUARANTINED = "QUARANTINED"


class PyramidState(StrEnum):
    """Where its pyramid is; it never decides whether the slide may be seen."""

    NONE = "NONE"
    BUILDING = "BUILDING"
    READY = "READY"
    FAILED = "FAILED"


MOVES: dict[SlideStatus, frozenset[SlideStatus]] = {
    SlideStatus.RECEIVED: frozenset({SlideStatus.VERIFYING}),
    SlideStatus.VERIFYING: frozenset({SlideStatus.VERIFIED, SlideStatus.QUARANTINED}),
    SlideStatus.VERIFIED: frozenset({SlideStatus.AVAILABLE, SlideStatus.QUARANTINED}),
    SlideStatus.AVAILABLE: frozenset({SlideStatus.QUARANTINED}),
    SlideStatus.QUARANTINED: frozenset({SlideStatus.VERIFYING}),
}
"""Every move that exists, from state to states."""


class IllegalMove(Exception):
    """A slide image was to go where its state does not lead."""


class LeaseLost(Exception):
    """Somebody else works on this slide image now; what was being done for it is to be dropped."""


class SlideImage(Base):
    """One scan of one glass.

    Attributes:
        number: short name for people, "Glas 12"; says nothing about a patient.
        care_provider_id, care_unit_id: who owns it; None until somebody says whose it is, and then nobody sees it.
        case_id: the case it belongs to; until it has one only the laboratory sees it.
        glass_slide_id: the glass of that case it is a scan of; None until somebody says which.
        caption: what somebody chose to call it; never a patient's name.
        original_digest: SHA-256 of the original, which is also where the archive keeps it.
        byte_size: of the original's files.
        progress: share of the step under way that is done, 0 to 1.
        reason_code, reason: why it is quarantined or has no pyramid, for translation and in a sentence.
        width, height: of the full-resolution canvas in pixels.
        tile_size: side of its tiles in pixels, the same before and after its pyramid is built.
        spacing_x, spacing_y: of level-0 pixels in micrometres; None where the file does not state them.
        objective: magnification, as the file states it.
        scanned_at: ISO 8601 as the file states it; with an offset only where the file gives one.
        colour_profile: APPLIED, NOT_APPLIED or MISSING.
        pixel_path: PASSTHROUGH or REENCODED_LOSSY.
        psnr: in dB, of re-encoded full resolution against the original.
        has_thumbnail, has_macro: whether these pictures have been made.
        lease_holder, leased_until: which worker has it, and until when.
        attempts: how often the present step was begun and its reader ended from outside.
    """

    __tablename__ = "slide_image"
    __table_args__ = (
        CheckConstraint("progress BETWEEN 0 AND 1", "progress_is_a_share"),
        CheckConstraint("(lease_holder IS NULL) = (leased_until IS NULL)", "lease_is_whole"),
        CheckConstraint("status <> 'QUARANTINED' OR reason IS NOT NULL", "quarantine_has_a_reason"),
        CheckConstraint("status <> 'AVAILABLE' OR pyramid = 'READY'", "available_has_a_pyramid"),
        CheckConstraint("(care_provider_id IS NULL) = (care_unit_id IS NULL)", "owner_is_whole"),
        CheckConstraint("case_id IS NULL OR care_unit_id IS NOT NULL", "case_has_an_owner"),
        CheckConstraint("glass_slide_id IS NULL OR case_id IS NOT NULL", "glass_has_a_case"),
        # The same content may come from two care providers: each has a slide of its own.
        UniqueConstraint("care_provider_id", "original_digest", postgresql_nulls_not_distinct=True),
        ForeignKeyConstraint(["glass_slide_id", "case_id"], ["glass_slide.id", "glass_slide.case_id"]),
        Index("ix_slide_image_care_unit_id_number", "care_unit_id", "number"),
        Index("ix_slide_image_original_digest", "original_digest"),
        Index("ix_slide_image_caseless", "care_unit_id", "number", postgresql_where="case_id IS NULL"),
    )

    number: Mapped[int] = mapped_column(Identity(always=True), unique=True)
    care_provider_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("care_provider.id"))
    care_unit_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("care_unit.id"))
    case_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("pathology_case.id"), index=True)
    glass_slide_id: Mapped[uuid.UUID | None] = mapped_column(index=True)
    caption: Mapped[str | None]
    original_digest: Mapped[str]
    byte_size: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[SlideStatus] = mapped_column(
        Enum(SlideStatus, native_enum=False, length=20), default=SlideStatus.RECEIVED
    )
    pyramid: Mapped[PyramidState] = mapped_column(
        Enum(PyramidState, native_enum=False, length=20), default=PyramidState.NONE
    )
    progress: Mapped[float | None]
    reason_code: Mapped[str | None]
    reason: Mapped[str | None]

    format: Mapped[str | None]
    width: Mapped[int | None]
    height: Mapped[int | None]
    tile_size: Mapped[int | None]
    spacing_x: Mapped[float | None]
    spacing_y: Mapped[float | None]
    objective: Mapped[float | None]
    scanner: Mapped[str | None]
    scanned_at: Mapped[str | None]
    colour_profile: Mapped[str | None]
    pixel_path: Mapped[str | None]
    psnr: Mapped[float | None]
    has_thumbnail: Mapped[bool] = mapped_column(default=False)
    has_macro: Mapped[bool] = mapped_column(default=False)

    lease_holder: Mapped[uuid.UUID | None]
    leased_until: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - SQLAlchemy's own way to say it

    @property
    def viewable(self) -> bool:
        """Whether it can be opened: from VERIFIED on, pyramid or not."""
        return self.status in (SlideStatus.VERIFIED, SlideStatus.AVAILABLE)


class TilePyramid(Base):
    """The pyramid of a slide image: derived, disposable, checked by its digest.

    Attributes:
        tile_size: side of its tiles in pixels.
        levels: stored in its file.
        level0_digest: SHA-256 over the full-resolution streams with their tables, row-major.
        byte_size: of its file.
        built_by: version of this software.
    """

    __tablename__ = "tile_pyramid"

    slide_image_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("slide_image.id"), unique=True)
    tile_size: Mapped[int]
    levels: Mapped[int]
    level0_digest: Mapped[str]
    byte_size: Mapped[int] = mapped_column(BigInteger)
    built_by: Mapped[str]


@dataclass(frozen=True)
class SlideFacts:
    """What verification found out about a slide; units as on `SlideImage`."""

    format: str
    width: int
    height: int
    tile_size: int
    spacing_x: float | None
    spacing_y: float | None
    objective: float | None
    scanner: str | None
    scanned_at: str | None
    colour_profile: str
    has_thumbnail: bool
    has_macro: bool


def _is_due() -> ColumnElement[bool]:
    to_verify = SlideImage.status.in_((SlideStatus.RECEIVED, SlideStatus.VERIFYING))
    to_build = and_(
        SlideImage.status == SlideStatus.VERIFIED,
        SlideImage.pyramid.in_((PyramidState.NONE, PyramidState.BUILDING)),
    )
    # The database's clock: workers on several machines need not agree about the time.
    now = func.clock_timestamp()
    until = SlideImage.leased_until
    return and_(or_(to_verify, to_build), or_(until.is_(None), until < now, until > now + LONGEST_LEASE))


def find_due(session: Session, *statuses: SlideStatus, begun: bool = False) -> list[uuid.UUID]:
    """Slide images with work to do that nobody is doing, the longest waiting first.

    Args:
        statuses: that they are in.
        begun: only those whose work was begun and not finished.
    """
    statement = select(SlideImage.id).where(_is_due(), SlideImage.status.in_(statuses)).order_by(SlideImage.updated_at)
    return list(session.scalars(statement.where(SlideImage.leased_until.is_not(None)) if begun else statement))


def claim(session: Session, slide_id: uuid.UUID, *, holder: uuid.UUID) -> SlideImage | None:
    """Take a slide image to work on it.

    A step whose reader was ended too often is given up instead: verification ends in quarantine, building in a
    slide without a pyramid, which can still be viewed. A worker that dies is never the slide's fault, since slides
    are read in processes of their own.

    Returns:
        The row, locked, in VERIFYING or with its pyramid BUILDING; None when there is nothing to do for it.
    """
    slide = session.scalar(select(SlideImage).where(SlideImage.id == slide_id, _is_due()).with_for_update())
    if slide is None:
        return None
    if slide.attempts >= ATTEMPTS:
        sentence = f"Reading this slide was ended {ATTEMPTS} times before it was done. Export it again."
        if slide.status == SlideStatus.VERIFIED:
            fail_pyramid(slide, code="TILING_FAILED", sentence=sentence)
        else:
            _move(slide, SlideStatus.VERIFYING)
            quarantine(slide, code="DAMAGED_FILE", sentence=sentence)
        return None
    if slide.status == SlideStatus.VERIFIED:
        slide.pyramid = PyramidState.BUILDING
    else:
        _move(slide, SlideStatus.VERIFYING)
    slide.lease_holder, slide.leased_until = holder, func.clock_timestamp() + LEASE
    slide.progress = 0.0
    return slide


def renew(session: Session, slide_id: uuid.UUID, *, holder: uuid.UUID, progress: float | None = None) -> None:
    """Keep a slide image that is being worked on, and say how far the work has come.

    Raises:
        LeaseLost: the lease ran out and somebody else took the slide.
    """
    renewed = session.execute(
        update(SlideImage)
        .where(SlideImage.id == slide_id, SlideImage.lease_holder == holder)
        .values(
            leased_until=func.clock_timestamp() + LEASE,
            progress=SlideImage.progress if progress is None else progress,
            version=SlideImage.version + 1,
        )
        .returning(SlideImage.id)
    ).first()
    if renewed is None:
        raise LeaseLost("The lease on this slide ran out while it was worked on.")


def take_back(session: Session, slide_id: uuid.UUID, *, holder: uuid.UUID) -> SlideImage:
    """Lock a slide image whose step is done, to write the result.

    Raises:
        LeaseLost: somebody else took it meanwhile.
    """
    slide = session.scalar(
        select(SlideImage).where(SlideImage.id == slide_id, SlideImage.lease_holder == holder).with_for_update()
    )
    if slide is None:
        raise LeaseLost("The lease on this slide ran out while it was worked on.")
    return slide


def verify(slide: SlideImage, facts: SlideFacts) -> None:
    """The slide opens and a sample of it decodes: it may be looked at, and its pyramid falls due."""
    _move(slide, SlideStatus.VERIFIED)
    for name, value in vars(facts).items():
        setattr(slide, name, value)
    slide.reason_code = slide.reason = None
    _release(slide)
    slide.attempts = 0


def quarantine(slide: SlideImage, *, code: str, sentence: str) -> None:
    """Something is wrong with the slide; nobody can open it until that is settled."""
    _move(slide, SlideStatus.QUARANTINED)
    slide.reason_code, slide.reason = code, sentence
    _release(slide)


def complete_pyramid(
    session: Session, slide: SlideImage, pyramid: TilePyramid, *, pixel_path: str, psnr: float | None
) -> None:
    """The pyramid is on disk: the slide is available. An older pyramid's row is replaced."""
    old = session.scalar(select(TilePyramid).where(TilePyramid.slide_image_id == slide.id))
    if old is not None:
        session.delete(old)
        session.flush()
    pyramid.slide_image_id = slide.id
    session.add(pyramid)
    slide.pixel_path, slide.psnr = pixel_path, psnr
    slide.pyramid = PyramidState.READY
    _move(slide, SlideStatus.AVAILABLE)
    slide.reason_code = slide.reason = None
    _release(slide)
    slide.attempts = 0


def fail_pyramid(slide: SlideImage, *, code: str, sentence: str) -> None:
    """The pyramid cannot be built; the slide stays viewable from its original."""
    slide.pyramid = PyramidState.FAILED
    slide.reason_code, slide.reason = code, sentence
    _release(slide)


def give_back(slide: SlideImage, *, after: timedelta, code: str, sentence: str, attempt: bool = False) -> None:
    """Stop working on a slide for now, for a reason that is perhaps not the slide's; it falls due again later.

    Code and sentence say what is waited for.

    Args:
        attempt: whether this counts towards `ATTEMPTS`.
    """
    slide.attempts += attempt
    slide.reason_code, slide.reason = code, sentence
    slide.leased_until = func.clock_timestamp() + after


def _release(slide: SlideImage) -> None:
    slide.lease_holder = slide.leased_until = slide.progress = None


def _move(slide: SlideImage, to: SlideStatus) -> None:
    if slide.status == to == SlideStatus.VERIFYING:
        return
    if to not in MOVES[slide.status]:
        allowed = ", ".join(sorted(MOVES[slide.status])) or "none"
        raise IllegalMove(f"A slide that is {slide.status} cannot become {to}; allowed now: {allowed}.")
    slide.status = to
