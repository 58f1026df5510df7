"""The viewings this process serves tiles for, re-read from the database every second.

Whatever ends a right ends its viewings in the database; here they are gone within a second, in every process,
without anybody sending a message. Everything here belongs to the event loop; only `_find` and `_open` run in
threads, and they touch nothing of it.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from hmac import compare_digest

import structlog
from anyio import CapacityLimiter, to_thread
from cachetools import TTLCache
from sqlalchemy.orm import Session, sessionmaker

from cases.access.sessions import digest_token, touch
from cases.sharing.viewings import LiveViewing, find_live
from cases.transaction import transaction
from slides.errors import SlideError
from tiler.pyramid import Tiles
from worker.confined_tiles import ConfinedPyramid, ConfinedTiles
from worker.sandbox import Sandbox
from worker.storage import Storage

REREAD = 1.0
"""Seconds between two looks at the database."""
FORGET = 300.0
"""Seconds after its last tile that a viewing is no longer re-read; it comes back with its next tile."""
OPEN_SLIDES = 32
"""Pyramids and originals held open; an original costs a process."""
STALE = 4.0
"""Seconds after the last look at the database that succeeded; from then on nothing is shown."""
BELIEVED = 2
"""Seconds for which a proxy may believe an answer about a right. nginx may add up to one."""
GATHERING, FRUITLESS = 0.02, 0.1
"""Seconds between two questions to the database about viewings that this process does not know, and after one that
found none. Whoever asks first is answered at once; whoever asks for thousands that do not exist has them looked up
together."""
AT_ONCE = 8
"""Of those, how many are answered before tiles have their turn again."""
REFUSALS, REFUSED = 10_000, 2.0
"""Viewings known not to be open, and the seconds for which that is remembered. An id is known to nobody before its
viewing is in the database, so no viewing is refused for having been asked about too early."""

log = structlog.get_logger()


@dataclass(slots=True)
class Shown:
    """A viewing in use.

    Attributes:
        looked: when the look at the database that found it began.
        last_tile: when it was last asked for.
        cookies: the Cookie header that was last found to hold its session's token.
        source: names the tiles, whose viewing ever they are seen through.
    """

    viewing: LiveViewing
    looked: float
    last_tile: float
    cookies: bytes | None = None
    source: str = ""

    def renew(self, viewing: LiveViewing, looked: float) -> None:
        """Take over what the database says now."""
        self.viewing, self.looked = viewing, looked
        self.source = _name(viewing.slide_image_id, has_pyramid=viewing.has_pyramid)


def _name(slide_image_id: uuid.UUID, *, has_pyramid: bool) -> str:
    return f"{slide_image_id}-{'pyramid' if has_pyramid else 'original'}"


class LiveViewings:
    """Who may see which tiles now, and the open files they come from.

    Args:
        make: sessions of this process.
        storage: where the files are.
        sandbox: in which tiles are decoded.
        cookie: name of the session cookie.
    """

    def __init__(self, make: sessionmaker[Session], storage: Storage, sandbox: Sandbox, *, cookie: str) -> None:
        self._make, self._storage, self._sandbox = make, storage, sandbox
        self._cookie = cookie.encode() + b"="
        self._live: dict[str, Shown] = {}
        self._refused: TTLCache[str, bool] = TTLCache(REFUSALS, REFUSED)
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._unasked: list[str] = []
        self._asking: asyncio.Task[None] | None = None
        self._tiles: OrderedDict[str, Tiles] = OrderedDict()
        self._opening: dict[str, asyncio.Task[Tiles]] = {}
        # Threads of their own: what ends rights must not stand in line behind a disk that hangs.
        self._asking_now, self._opening_now = CapacityLimiter(2), CapacityLimiter(8)

    def known(self, viewing_id: str, cookies: bytes, now: float) -> Shown | None:
        """The viewing if this process knows it to hold and the session's cookie is there. Waits for nothing.

        Args:
            viewing_id: in lower case.
            cookies: the Cookie header.
            now: by the monotonic clock.
        """
        shown = self._live.get(viewing_id)
        if shown is None or now - shown.looked > STALE:
            return None
        # A browser sends the same header with every tile: equal to one that held the token is as good as a digest.
        if shown.cookies is None or not compare_digest(cookies, shown.cookies):
            if not compare_digest(digest_token(self._token(cookies)), shown.viewing.token_digest):
                return None
            shown.cookies = cookies
        shown.last_tile = now
        return shown

    def refuses(self, viewing_id: str, cookies: bytes, now: float) -> bool:
        """Whether a viewing that is not `known` is certain not to be open, without asking the database."""
        if viewing_id in self._refused or not self._token(cookies):
            return True
        shown = self._live.get(viewing_id)
        return shown is not None and now - shown.looked <= STALE

    async def fetch(self, viewing_id: str, cookies: bytes) -> Shown | None:
        """The same as `known`, asking the database about a viewing that this process has not served yet."""
        now = time.monotonic()
        shown = self.known(viewing_id, cookies, now)
        if shown is not None or self.refuses(viewing_id, cookies, now):
            return shown
        waiting = self._waiting.get(viewing_id)
        if waiting is None:
            waiting = self._waiting[viewing_id] = asyncio.get_running_loop().create_future()
            self._unasked.append(viewing_id)
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(self._ask())
        await asyncio.shield(waiting)
        return self.known(viewing_id, cookies, time.monotonic())

    async def _ask(self) -> None:
        while self._unasked:
            asked, self._unasked = self._unasked, []
            now, found = time.monotonic(), dict[str, LiveViewing]()
            try:
                found = await to_thread.run_sync(self._find, asked, limiter=self._asking_now)
            except Exception as error:
                for viewing_id in asked:
                    self._waiting.pop(viewing_id).set_exception(error)
            else:
                for viewing_id in asked:
                    if viewing := found.get(viewing_id):
                        self._live.setdefault(viewing_id, Shown(viewing, now, now)).renew(viewing, now)
                    else:
                        self._live.pop(viewing_id, None)
                        self._refused[viewing_id] = True
                for number, viewing_id in enumerate(asked, 1):
                    self._waiting.pop(viewing_id).set_result(None)
                    if number % AT_ONCE == 0:
                        await asyncio.sleep(0)
            await asyncio.sleep(GATHERING if found else FRUITLESS)

    def _find(self, viewing_ids: Collection[str], watching: Collection[uuid.UUID] = ()) -> dict[str, LiveViewing]:
        with transaction(self._make) as session:
            if watching:
                touch(session, watching, now=datetime.now(UTC))
            return {str(key): found for key, found in find_live(session, list(map(uuid.UUID, viewing_ids))).items()}

    async def reread(self) -> None:
        """Look again which of the viewings in use still hold."""
        now = time.monotonic()
        present = dict(self._live)
        wanted = [viewing_id for viewing_id, shown in present.items() if now - shown.last_tile < FORGET]
        # Looking at tiles is a person's doing: it keeps the session from locking.
        watching = {shown.viewing.session_id for shown in present.values() if now - shown.last_tile < 2 * REREAD}
        found = await to_thread.run_sync(self._find, wanted, watching, limiter=self._asking_now) if wanted else {}
        for viewing_id, shown in present.items():
            if viewing_id in found:
                shown.renew(found[viewing_id], now)
            elif shown.looked <= now:  # and not fetched anew in the meantime
                self._live.pop(viewing_id, None)

    def forget_all(self) -> None:
        """The database cannot be asked: nobody's right is certain, so nothing is shown."""
        self._live.clear()

    def seconds_to_believe(self, shown: Shown) -> int:
        """For how long a proxy may go on showing tiles, so that with nginx's extra second it is dark within 5 s."""
        return max(0, min(BELIEVED, int(STALE - (time.monotonic() - shown.looked))))

    def open_tiles(self, shown: Shown) -> Tiles | None:
        """The open tiles of a viewing's slide, if this process has them open."""
        tiles = self._tiles.get(shown.source)
        if tiles is not None:
            self._tiles.move_to_end(shown.source)
        return tiles

    async def fetch_tiles(self, shown: Shown) -> Tiles:
        """The same, opening the pyramid, or the original while there is no pyramid.

        Raises:
            SlideError: the file is damaged.
            OSError: it is gone.
        """
        source = shown.source
        opening = self._opening.get(source)
        if opening is None:
            opening = self._opening[source] = asyncio.create_task(
                to_thread.run_sync(self._open, shown.viewing, limiter=self._opening_now)
            )
            opening.add_done_callback(lambda _: self._opening.pop(source))
        tiles = await asyncio.shield(opening)
        if shown.viewing.has_pyramid:
            self._tiles.pop(_name(shown.viewing.slide_image_id, has_pyramid=False), None)
        self._tiles[source] = tiles
        self._tiles.move_to_end(source)
        while len(self._tiles) > OPEN_SLIDES:
            # Whoever still holds them may read on.
            self._tiles.popitem(last=False)
        return tiles

    def _open(self, viewing: LiveViewing) -> Tiles:
        if viewing.has_pyramid:
            try:
                return ConfinedPyramid(self._storage.pyramid(viewing.slide_image_id), sandbox=self._sandbox)
            except (SlideError, OSError):
                # Derived and disposable: the original shows the same. `samsyn doctor` says what is missing.
                log.warning("pyramid missing or wrong", slide=str(viewing.slide_image_id))
        return ConfinedTiles(self._sandbox, "show", self._storage.originals.path(viewing.original_digest))

    def _token(self, cookies: bytes) -> str:
        """The session cookie's value, empty when there is none."""
        for part in cookies.split(b"; "):
            if part.startswith(self._cookie):
                return part[len(self._cookie) :].decode("latin-1")
        return ""

    def __len__(self) -> int:
        return len(self._live)
