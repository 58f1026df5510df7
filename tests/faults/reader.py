"""Somebody who looks at slides all the time, whatever happens to the machine."""

from __future__ import annotations

import io
import random
import threading
import time
from types import TracebackType
from typing import Any, Self

import httpx2
from clients import make_client
from faults.installation import Installation
from PIL import Image, UnidentifiedImageError
from product import find_demo_person

from cases.access.permissions import Role
from slides.geometry import Size
from tiler.grid import Grid


class Refused(Exception):
    """The product answered, but not with what was asked for."""


class Reader:
    """Signs in at the laboratory that owns the slides, opens one that can be opened, fetches tiles; again and again.

    Errors are what a broken machine gives and must end with it; a wrong tile must never come.

    Attributes:
        tiles: fetched.
        errors: refused or failed requests.
        wrong: answers that said they were right and were not.
    """

    def __init__(self, installation: Installation, *, seed: int) -> None:
        self.tiles = self.errors = 0
        self.wrong: list[str] = []
        self._installation, self._chance = installation, random.Random(seed)  # noqa: S311
        self._well_since = time.monotonic()
        self._ill = False
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._read_on, name="reader")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join()

    @property
    def well_for_s(self) -> float:
        """Seconds in which nothing was refused, 0 while something is."""
        return 0.0 if self._ill else time.monotonic() - self._well_since

    def _read_on(self) -> None:
        while not self._ending.is_set():
            try:
                with make_client(self._installation.address, timeout=10) as client:
                    offered = self._ask(client, "GET", "/api/session").json()
                    self._ask(client, "POST", "/api/session", json=find_demo_person(offered, Role.LAB))
                    while not self._ending.wait(0.15):
                        self._look_at_one(client)
                        if self._ill:
                            self._ill, self._well_since = False, time.monotonic()
                            self._installation.timeline.note("reader: sees slides again")
            except (Refused, httpx2.TransportError) as error:
                self.errors += 1
                if not self._ill:
                    self._ill = True
                    self._installation.timeline.note(f"reader: {type(error).__name__} {error}")
                self._ending.wait(0.2)

    def _look_at_one(self, client: httpx2.Client) -> None:
        slides = self._ask(client, "GET", "/api/slides").json()["slides"]
        viewable = [slide for slide in slides if slide["status"] in ("VERIFIED", "AVAILABLE")]
        if viewable:
            self.look_at(client, self._chance.choice(viewable), tiles=8)

    def look_at(self, client: httpx2.Client, slide: dict[str, Any], *, tiles: int) -> None:
        """Open a slide and fetch some of its tiles.

        Raises:
            Refused: by the product.
            httpx2.TransportError: there is nobody to refuse.
        """
        opened = self._ask(client, "POST", "/api/viewings", json={"slide_id": slide["id"]}).json()
        grid = Grid(Size(slide["size"]["width"], slide["size"]["height"]), opened["tile_size"])
        for _ in range(tiles):
            level = self._chance.randint(0, grid.last_level)
            halvings = grid.halvings(level)
            column = self._chance.randrange(grid.columns(halvings))
            row = self._chance.randrange(grid.rows(halvings))
            answer = self._ask(client, "GET", f"{opened['dzi'].removesuffix('.dzi')}_files/{level}/{column}_{row}.jpg")
            self.tiles += 1
            try:
                # Decoding to the end is the proof that the stream is whole.
                Image.open(io.BytesIO(answer.content)).load()
            except (UnidentifiedImageError, OSError) as error:
                self.wrong.append(f"slide {slide['number']}, level {level}, tile {column} {row}: {error}")

    def _ask(self, client: httpx2.Client, method: str, path: str, **more: Any) -> httpx2.Response:
        answer = client.request(method, path, **more)
        if not answer.is_success:
            raise Refused(f"{answer.status_code} for {method} {path.split('/')[1]}: {answer.text[:200]}")
        return answer
