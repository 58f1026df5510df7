"""The viewings this process serves tiles for, re-read from the database every second.

Whatever ends a right ends its viewings in the database; here they are gone within a second, in every process,
without anybody sending a message.
"""

from __future__ import annotations

import time
import uuid
import weakref
from threading import Lock

import structlog
from cachetools import LRUCache
from sqlalchemy.orm import Session, sessionmaker

from cases.access.sessions import digest_token
from cases.database import transaction
from cases.records.viewings import LiveViewing, find_live
from slides.errors import SlideError
from slides.opening import open_slide
from tiler.live import LiveTiles
from tiler.pyramid import Pyramid, Tiles
from worker.storage import Storage

REREAD = 1.0
"""Seconds between two looks at the database."""
FORGET = 300.0
"""Seconds after its last tile that a viewing is no longer re-read; it comes back with its next tile."""
OPEN_SLIDES = 64
STALE = 4.0
"""Seconds after the last look at the database that succeeded; from then on nothing is shown."""


log = structlog.get_logger()


class LiveViewings:
    """Who may see which tiles now, and the open files they come from.

    Args:
        make: sessions of this process.
        storage: where the files are.
    """

    def __init__(self, make: sessionmaker[Session], storage: Storage) -> None:
        self._make, self._storage = make, storage
        self._live: dict[uuid.UUID, LiveViewing] = {}
        self._last_tile: dict[uuid.UUID, float] = {}
        self._tiles: LRUCache[tuple[uuid.UUID, bool], Tiles] = LRUCache(OPEN_SLIDES)
        self._opening, self._looking_up = Lock(), Lock()
        self._looked = time.monotonic()

    def known(self, viewing_id: uuid.UUID, token: str) -> LiveViewing | None:
        """The viewing if this process knows it to hold and the token opened it. Touches no disk."""
        viewing, now = self._live.get(viewing_id), time.monotonic()
        if viewing is None or now - self._looked > STALE:
            return None
        if digest_token(token) != viewing.token_digest:
            return None
        self._last_tile[viewing_id] = now
        return viewing

    def fetch(self, viewing_id: uuid.UUID, token: str) -> LiveViewing | None:
        """The same, asking the database about a viewing that this process has not served yet."""
        if viewing_id not in self._live:
            with transaction(self._make) as session:
                self._live.update(find_live(session, [viewing_id]))
            self._last_tile.setdefault(viewing_id, time.monotonic())
        return self.known(viewing_id, token)

    def open_tiles(self, viewing: LiveViewing) -> Tiles | None:
        """The open tiles of a viewing's slide, if this process has them open."""
        with self._looking_up:
            return self._tiles.get((viewing.slide_image_id, viewing.has_pyramid))

    def fetch_tiles(self, viewing: LiveViewing) -> Tiles:
        """The same, opening the pyramid, or the original while there is no pyramid.

        Raises:
            SlideError: the file is damaged.
            OSError: it is gone.
        """
        key = viewing.slide_image_id, viewing.has_pyramid
        with self._opening:
            tiles = self.open_tiles(viewing)
            if tiles is None:
                tiles = self._open(viewing)
                with self._looking_up:
                    self._tiles[key] = tiles
        return tiles

    def _open(self, viewing: LiveViewing) -> Tiles:
        if viewing.has_pyramid:
            try:
                return Pyramid(self._storage.pyramid(viewing.slide_image_id))
            except (SlideError, OSError):
                # Derived and disposable: the original shows the same. `samsyn doctor` says what is missing.
                log.warning("pyramid missing or wrong", slide=str(viewing.slide_image_id))
        slide = open_slide(self._storage.originals.path(viewing.original_digest))
        try:
            tiles = LiveTiles(slide)
        except BaseException:
            slide.close()
            raise
        weakref.finalize(tiles, slide.close)
        return tiles

    def reread(self) -> None:
        """Look again which of the viewings in use still hold."""
        now = time.monotonic()
        # A copy, since other threads add to it; what they add meanwhile is looked at the next time.
        present = list(self._live)
        wanted = [viewing_id for viewing_id in present if now - self._last_tile.get(viewing_id, now) < FORGET]
        found: dict[uuid.UUID, LiveViewing] = {}
        if wanted:
            with transaction(self._make) as session:
                found = find_live(session, wanted)
        for viewing_id in present:
            if viewing_id in found:
                self._live[viewing_id] = found[viewing_id]
            else:
                self._live.pop(viewing_id, None)
                self._last_tile.pop(viewing_id, None)
        self._looked = now

    def forget_all(self) -> None:
        """The database cannot be asked: nobody's right is certain, so nothing is shown."""
        self._live.clear()
        self._last_tile.clear()

    def __len__(self) -> int:
        return len(self._live)
