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
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from cases.records.lead_times import note_digitised
from cases.records.slide_images import (
    LeaseLost,
    SlideImage,
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
from cases.transaction import transaction
from slides.errors import DamagedFile, SlideError
from worker.lease import Lease
from worker.sandbox import Crashed, Sandbox
from worker.storage import Storage

PAUSE = timedelta(seconds=30)
"""Before a step is tried again that failed for want of disk space or another fault of the machine."""

FIRST_PAUSE = timedelta(seconds=5)
"""Before a step is begun again that was ended from outside; doubled each time."""

log = structlog.get_logger()


class Preparation:
    """Works on slides, one after another, for one process.

    Args:
        make: sessions of this process.
        storage: where the files are.
        sandbox: in which slides are read.
    """

    def __init__(self, make: sessionmaker[Session], storage: Storage, sandbox: Sandbox) -> None:
        self._make, self._storage, self._sandbox = make, storage, sandbox

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
                if not self._is_whole(slide):
                    return self._wait_for_original(slide_id, holder)
                try:
                    return step(slide_id, self._storage.originals.path(slide.original_digest), holder, lease)
                except SlideError as error:
                    # A file that shrinks or goes away while it is read looks damaged.
                    if not self._is_whole(slide):
                        return self._wait_for_original(slide_id, holder)
                    self._settle(slide_id, holder, code=error.code, sentence=str(error))
        except LeaseLost:
            log.warning("lease lost", slide=str(slide_id))
        except Crashed as error:
            log.warning("reader ended from outside", slide=str(slide_id))
            self._postpone(slide_id, holder, "READER_ENDED", f"{error} It is tried again by itself.", attempt=True)
        except OSError as error:
            log.warning("storage refused", slide=str(slide_id), error=error.strerror)
            sentence = f"The storage refused ({error.strerror or 'no reason given'}); it is tried again by itself."
            self._postpone(slide_id, holder, "STORAGE_REFUSED", sentence)
        except (OperationalError, InterfaceError):
            raise  # the database is away: nothing can be written down
        except Exception:
            log.exception("preparation failed", slide=str(slide_id))
            sentence = "Something went wrong on our side; it has been logged. It is tried again by itself."
            self._postpone(slide_id, holder, "PREPARATION_FAILED", sentence, attempt=True)
        return False

    def _is_whole(self, slide: SlideImage) -> bool:
        """Whether the original is there with every byte that came in."""
        return self._storage.originals.byte_size(slide.original_digest) == slide.byte_size

    def _verify(self, slide_id: uuid.UUID, original: Path, holder: uuid.UUID, lease: Lease) -> bool:
        checked = self._sandbox.check(original, progress=lease.report)
        self._storage.write_preview(slide_id, "thumbnail", checked.thumbnail)
        if checked.macro is not None:
            self._storage.write_preview(slide_id, "macro", checked.macro)
        with transaction(self._make) as session:
            slide = take_back(session, slide_id, holder=holder)
            verify(slide, checked.facts)
            if slide.case_id is not None:
                note_digitised(session, slide.case_id)
        return True

    def _build(self, slide_id: uuid.UUID, original: Path, holder: uuid.UUID, lease: Lease) -> bool:
        with self._storage.staged_pyramid(slide_id) as file:
            built = self._sandbox.build(original, file, progress=lease.report)
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

    def _wait_for_original(self, slide_id: uuid.UUID, holder: uuid.UUID) -> bool:
        """The original is not there, or not all of it: look again later, for it may come back."""
        if not self._storage.originals.root.is_dir():
            raise OSError(errno.ENODEV, "the folder of originals is away")
        log.warning("original missing", slide=str(slide_id))
        sentence = "The archived original is missing, or not whole. Put it back from the backup; it is found by itself."
        self._postpone(slide_id, holder, "SOURCE_MISSING", sentence)
        return False

    def _postpone(
        self, slide_id: uuid.UUID, holder: uuid.UUID, code: str, sentence: str, *, attempt: bool = False
    ) -> None:
        with suppress(LeaseLost), transaction(self._make) as session:
            taken = take_back(session, slide_id, holder=holder)
            after = FIRST_PAUSE * 2**taken.attempts if attempt else PAUSE
            give_back(taken, after=after, code=code, sentence=sentence, attempt=attempt)

    def _settle(self, slide_id: uuid.UUID, holder: uuid.UUID, *, code: str, sentence: str) -> None:
        """Write down that a slide is not sound, or that only its pyramid is impossible."""
        log.info("slide not sound", slide=str(slide_id), code=code)
        with transaction(self._make) as session:
            slide = take_back(session, slide_id, holder=holder)
            unsound = slide.status != SlideStatus.VERIFIED or code == DamagedFile.code
            if unsound:
                quarantine(slide, code=code, sentence=sentence)
            else:
                fail_pyramid(slide, code=code, sentence=sentence)
