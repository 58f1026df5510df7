"""Making a received slide ready: look whether it is sound, then build its pyramid.

Each step takes one id, claims the row, does its work and writes the result if the row is still its own. It may
be killed at any instruction and begun again.
"""

from __future__ import annotations

import errno
import uuid
from contextlib import suppress
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

import structlog
from sqlalchemy.orm import Session, sessionmaker

from cases.database import transaction
from cases.records.slide_images import (
    LeaseLost,
    SlideFacts,
    SlideStatus,
    TilePyramid,
    claim,
    complete_pyramid,
    fail_pyramid,
    give_back,
    quarantine,
    take_back,
    verify,
)
from slides.errors import DamagedFile, SlideError, UnsupportedFile
from slides.inspection import Inspection, inspect
from slides.opening import open_slide
from slides.preview import draw_macro, draw_thumbnail
from tiler.building import build
from tiler.colour import judge
from tiler.layout import lay_out
from worker.lease import Lease
from worker.storage import Storage, write_whole

PAUSE = timedelta(seconds=30)
"""Before a step is tried again that failed for want of disk space or another fault of the machine."""

log = structlog.get_logger()


class Preparation:
    """Works on slides, one after another, for one process.

    Args:
        make: sessions of this process.
        storage: where the files are.
    """

    def __init__(self, make: sessionmaker[Session], storage: Storage) -> None:
        self._make, self._storage = make, storage

    def advance(self, slide_id: uuid.UUID) -> bool:
        """Do the step that a slide is due for, if there is one and nobody else is at it.

        Returns:
            Whether another step follows at once.
        """
        holder = uuid.uuid4()
        with transaction(self._make) as session:
            slide = claim(session, slide_id, holder=holder)
        if slide is None:
            return False
        step = self._build if slide.status == SlideStatus.VERIFIED else self._verify
        try:
            with Lease(self._make, slide_id, holder=holder) as lease:
                try:
                    original = self._storage.originals.path(slide.original_digest)
                except (FileNotFoundError, UnsupportedFile) as error:
                    if not self._storage.originals.root.is_dir():
                        raise OSError(errno.ENODEV, "the folder of originals is away") from error
                    self._settle(slide_id, holder, code="SOURCE_MISSING", sentence=str(error))
                    return False
                return step(slide_id, original, holder, lease)
        except LeaseLost:
            log.warning("lease lost", slide=str(slide_id))
        except OSError as error:
            log.warning("storage refused", slide=str(slide_id), error=error.strerror)
            sentence = f"The storage refused ({error.strerror or 'no reason given'}); it is tried again by itself."
            with suppress(LeaseLost), transaction(self._make) as session:
                taken = take_back(session, slide_id, holder=holder)
                give_back(taken, after=PAUSE, code="STORAGE_REFUSED", sentence=sentence)
        return False

    def _verify(self, slide_id: uuid.UUID, original: Path, holder: uuid.UUID, lease: Lease) -> bool:
        found = inspect(original)
        lease.report(0.7)
        if found.finding is not None:
            self._settle(slide_id, holder, code=found.finding.code, sentence=found.finding.sentence)
            return False
        try:
            facts = self._draw_previews(slide_id, original, found)
        except SlideError as error:
            self._settle(slide_id, holder, code=error.code, sentence=str(error))
            return False
        with transaction(self._make) as session:
            verify(take_back(session, slide_id, holder=holder), facts)
        return True

    def _draw_previews(self, slide_id: uuid.UUID, original: Path, found: Inspection) -> SlideFacts:
        with open_slide(original) as slide:
            write_whole(self._storage.preview(slide_id, "thumbnail"), draw_thumbnail(slide))
            macro = draw_macro(slide)
            grid = lay_out(slide).grid
        if macro is not None:
            write_whole(self._storage.preview(slide_id, "macro"), macro)
        stated = found.metadata
        return SlideFacts(
            format=found.format or "",
            width=grid.size.width,
            height=grid.size.height,
            tile_size=grid.tile,
            spacing_x=stated.spacing.x if stated.spacing else None,
            spacing_y=stated.spacing.y if stated.spacing else None,
            objective=stated.objective,
            scanner=stated.scanner,
            scanned_at=stated.scanned_at.isoformat() if stated.scanned_at else None,
            colour_profile=judge(stated.icc_profile),
            has_thumbnail=True,
            has_macro=macro is not None,
        )

    def _build(self, slide_id: uuid.UUID, original: Path, holder: uuid.UUID, lease: Lease) -> bool:
        try:
            with open_slide(original) as slide:
                built = build(slide, self._storage.pyramid(slide_id), progress=lease.report)
        except SlideError as error:
            self._settle(slide_id, holder, code=error.code, sentence=str(error))
            return False
        with transaction(self._make) as session:
            pyramid = TilePyramid(
                tile_size=built.tile,
                levels=built.levels,
                level0_digest=built.level0_digest,
                byte_size=built.byte_size,
                built_by=version("samsyn"),
            )
            taken = take_back(session, slide_id, holder=holder)
            complete_pyramid(session, taken, pyramid, pixel_path=built.pixel_path, psnr=built.psnr)
        return False

    def _settle(self, slide_id: uuid.UUID, holder: uuid.UUID, *, code: str, sentence: str) -> None:
        """Write down that a slide is not sound, or that only its pyramid is impossible."""
        log.info("slide not sound", slide=str(slide_id), code=code)
        with transaction(self._make) as session:
            slide = take_back(session, slide_id, holder=holder)
            unsound = slide.status != SlideStatus.VERIFIED or code in (DamagedFile.code, "SOURCE_MISSING")
            if unsound:
                quarantine(slide, code=code, sentence=sentence)
            else:
                fail_pyramid(slide, code=code, sentence=sentence)
