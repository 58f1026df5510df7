"""Rounds of kill -9 while slides come in and are looked at; after each, everything must be as if nothing had been."""

from __future__ import annotations

import random
import subprocess
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis
from faults.installation import Installation, Running
from faults.reader import Reader
from faults.slide_supply import SlideSupply, SuppliedSlide
from faults.timeline import Timeline, last_lines
from makers import folder_for_everyone

from viewer.doctor import examine
from viewer.embedded import addresses

TARGETS = {
    "verifier": 2,
    "builder": 3,
    "pool": 4,
    "template": 2,
    "sandbox": 5,
    "tile template": 1,
    "tile sandbox": 2,
    "broker": 2,
    "broker's memory": 1,
    "postmaster": 2,
    "backend": 2,
    "web": 2,
    "ingest": 3,
    "scheduler": 1,
    "courier": 1,
    "supervisor": 3,
    "everything": 3,
}
"""What is killed, and how often against the others."""
BY_ITSELF_S = 180.0
"""A lease of 20 s, the supervisor's longest pause of 10 s, a sweep every 5 s, the slowest slide, and a busy machine."""
PROCESSES = Counter(supervisor=1, verifier=1, builder=1, courier=1, scheduler=1, web=1, broker=1, postmaster=1)
"""Of a healthy installation, beside those that come and go."""


class Rounds:
    """An installation, a reader, and somebody with a hammer.

    Args:
        folder: for the installation and the slides.
        seed: everything that is drawn comes from it; what the machine does meanwhile does not.
        timeline: told everything.
    """

    def __init__(self, folder: Path, *, seed: int, timeline: Timeline) -> None:
        self.timeline = timeline
        self.kills: Counter[tuple[str, str]] = Counter()
        self.recoveries_s: list[float] = []
        self.again = 0
        self._chance = random.Random(seed)  # noqa: S311 - nothing is to be secret
        self._supply = SlideSupply(folder / "scanned", random.Random(seed))  # noqa: S311
        self._slides: list[SuppliedSlide] = []
        self._ingests: list[tuple[SuppliedSlide, subprocess.Popen[str]]] = []
        self.installation = Installation(folder / "data", timeline)
        self.reader = Reader(self.installation, seed=seed)
        self._watching = threading.Event()
        self._watch = threading.Thread(target=self._note_rows, name="watch")
        self._states: dict[str, str] = {}

    def __enter__(self) -> Self:
        self.installation.start()
        self._watch.start()
        self.reader.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.reader.__exit__(kind, error, trace)
        self._watching.set()
        self._watch.join()
        self.installation.__exit__(kind, error, trace)
        for _, ingest in self._ingests:
            ingest.communicate()

    @property
    def slides(self) -> int:
        """Brought in so far."""
        return len(self._slides)

    def hit(self) -> None:
        """Bring some slides in and kill something at a moment drawn by lot."""
        for _ in range(self._chance.randint(1, 3)):
            slide = self._supply.draw()
            self._slides.append(slide)
            self._bring_in(slide)
        if self._chance.random() < 0.25:
            again = self._chance.choice(self._slides)
            self._bring_in(again)  # the same content once more, perhaps at the same time
        for _ in range(self._chance.randint(1, 2)):
            target = self._chance.choices([*TARGETS], weights=[*TARGETS.values()])[0]
            moment = self._chance.choices([*MOMENTS], weights=[weight for weight, _ in MOMENTS.values()])[0]
            # Looked for now, so that the blow itself takes no time.
            before = self.installation.processes()
            came = self._wait_for_moment(moment)
            time.sleep(self._chance.uniform(0, 6) if moment == "any" else self._chance.choice([0, 0, 0.02, 0.2]))
            self._hit(target, moment if came else "idle", before)
            self._restart()

    def settle(self) -> None:
        """Wait until everything has mended itself, and check that it has.

        Raises:
            AssertionError: with what is not as it should be.
        """
        began = time.monotonic()
        self._finish_ingests()
        deadline = time.monotonic() + BY_ITSELF_S
        while left := self._unsettled():
            assert time.monotonic() < deadline, f"not by itself within {BY_ITSELF_S:g} s: {'; '.join(left)}"
            self._restart()
            time.sleep(0.2)
        self.recoveries_s.append(time.monotonic() - began)
        self.timeline.note(f"settled {self.recoveries_s[-1]:.1f} s after the last blow")
        self._check()

    def stop(self) -> None:
        """Stop the installation in good order; nothing of it may be left."""
        self.reader.__exit__(None, None, None)
        self.installation.stop()
        left = [process for process in self.installation.processes() if process.part != "ingest"]
        assert left == [], f"left after the stop: {left}"

    def _bring_in(self, slide: SuppliedSlide) -> None:
        process = self.installation.ingest(slide.path, wait=self._chance.random() < 0.5)
        self.timeline.note(f"ingest {process.pid} of {slide.path.name}")
        self._ingests.append((slide, process))

    def _hit(self, target: str, moment: str, before: list[Running]) -> None:
        states = " ".join(sorted(self._states.values())) or "-"
        if target == "broker's memory":
            with suppress(redis.exceptions.RedisError):
                redis.Redis.from_url(addresses(self.installation.data).redis_url).flushall()
            self.timeline.note("broker emptied")
        elif not self.installation.kill(target, self._chance, before):
            self.timeline.note(f"nobody to kill: {target}")
            return
        self.timeline.note(f"   at the moment: {moment}; rows a moment ago: {states}")
        self.kills[target, moment] += 1

    def _restart(self) -> None:
        """What a person or the machine's own start-up does when the supervisor itself is gone."""
        supervisor = self.installation.supervisor
        if supervisor is not None and supervisor.poll() is not None:
            self.installation.start()

    def _wait_for_moment(self, moment: str) -> bool:
        deadline = time.monotonic() + 60
        while not MOMENTS[moment][1](self):
            at_work = self._states or any(process.poll() is None for _, process in self._ingests)
            if not at_work or time.monotonic() > deadline:
                return False
            time.sleep(0.001)
        return True

    def _finish_ingests(self) -> None:
        """Whoever's copying was cut off copies again; who was told that a slide is in has it in."""
        for slide, ingest in self._ingests:
            said, _ = ingest.communicate(timeout=BY_ITSELF_S)
            self.timeline.note(f"ingest {ingest.pid} ended with {ingest.returncode}: {' '.join(said.split())[-160:]}")
            if ingest.returncode == 0:
                self._require_row(slide)
        self._ingests.clear()
        for slide in self._slides:
            for _ in range(3):
                if self._rows_of(slide):
                    break
                self.again += 1
                again = self.installation.ingest(slide.path)
                said, _ = again.communicate(timeout=BY_ITSELF_S)
                self.timeline.note(f"{slide.path.name} brought in again: {again.returncode}, {' '.join(said.split())}")
            self._require_row(slide)

    def _require_row(self, slide: SuppliedSlide) -> None:
        assert self._rows_of(slide), f"{slide.path.name} was brought in, and there is no row of it"

    def _rows_of(self, slide: SuppliedSlide) -> list[dict[str, Any]]:
        deadline = time.monotonic() + BY_ITSELF_S
        while (rows := self.installation.rows()) is None:
            assert time.monotonic() < deadline, "the database has not come back"
            self._restart()
            time.sleep(0.1)
        return [row for row in rows if row["original_digest"] == slide.digest]

    def _unsettled(self) -> list[str]:
        """What is not yet as it must become."""
        rows = self.installation.rows()
        if rows is None:
            return ["no database"]
        left = [f"slide {row['number']} is {_state(row)}" for row in rows if not self._is_right(row)]
        if self.reader.well_for_s < 1:
            left.append("the reader is refused")
        if unfinished := self.installation.unfinished():
            left.append(f"unfinished: {[str(path.relative_to(self.installation.data)) for path in unfinished]}")
        if strangers := self._strange(self.installation.processes()):
            left.append(strangers)
        return left

    def _is_right(self, row: dict[str, Any]) -> bool:
        slide = next(slide for slide in self._slides if slide.digest == row["original_digest"])
        wanted: tuple[object, ...]
        if slide.code is None:
            wanted = ("AVAILABLE", "READY", None, slide.level0_digest)
        else:
            wanted = ("QUARANTINED", "NONE", slide.code, None)
        return wanted == (row["status"], row["pyramid"], row["reason_code"], row["level0_digest"])

    def _strange(self, processes: list[Running]) -> str:
        """Processes too many or too few, or without the supervisor above them; empty when there are none."""
        found = Counter(process.part for process in processes)
        wrong = [f"{found[part]} x {part}" for part, count in PROCESSES.items() if found[part] != count]
        pids = {process.pid for process in processes}
        wrong += [
            f"{process.part} {process.pid} is nobody's child: {process.command}"
            for process in processes
            if process.parent not in pids and process.part not in ("supervisor", "ingest")
        ]
        return ", ".join(wrong)

    def _check(self) -> None:
        rows = self.installation.rows() or []
        digests = Counter(row["original_digest"] for row in rows)
        assert digests == Counter(slide.digest for slide in self._slides), "not one row for each content"
        for row in rows:
            assert (row["lease_holder"], row["leased_until"], row["progress"]) == (None, None, None), row
            assert (row["reason"] is not None) == (row["status"] == "QUARANTINED"), row
            if row["has_thumbnail"]:
                assert self.installation.storage.preview(uuid.UUID(str(row["id"])), "thumbnail").stat().st_size > 0
            assert row["has_thumbnail"] == (row["status"] == "AVAILABLE"), row
        ailments = [
            check.sentence
            for check in examine(self.installation.settings, deep=True)
            # How full the disk of this machine is, is nobody's fault here.
            if not check.sound and "disk of the data folder" not in check.sentence
        ]
        assert ailments == [], f"samsyn doctor --deep: {ailments}"
        assert self.reader.wrong == [], f"wrong tiles: {self.reader.wrong[:5]}"

    def _note_rows(self) -> None:
        """In a thread: keep the timeline of every row."""
        away = False
        known: dict[int, str] = {}
        while not self._watching.wait(0.1):
            rows = self.installation.rows()
            if (rows is None) != away:
                away = rows is None
                self.timeline.note("database away" if away else "database back")
            for row in rows or []:
                state = _state(row)
                if known.get(row["number"]) != state:
                    known[row["number"]] = state
                    self.timeline.note(f"   slide {row['number']}: {state}")
            if rows is not None:
                self._states = {
                    row["original_digest"]: f"{row['status']}/{row['pyramid']}"
                    for row in rows
                    if row["status"] not in ("AVAILABLE", "QUARANTINED")
                }


def _state(row: dict[str, Any]) -> str:
    why = f", {row['reason_code']}" if row["reason_code"] else ""
    return f"{row['status']}/{row['pyramid']}, attempts {row['attempts']}, lease {row['lease_holder']}{why}"


def _writes(kind: str) -> Callable[[Rounds], bool]:
    def asked(rounds: Rounds) -> bool:
        incoming = rounds.installation.data / kind / "incoming"
        return incoming.is_dir() and any(incoming.iterdir())

    return asked


def _has_row(fits: Callable[[Rounds, dict[str, Any]], bool]) -> Callable[[Rounds], bool]:
    return lambda rounds: any(fits(rounds, row) for row in rounds.installation.rows() or [])


def _is_named(rounds: Rounds, row: dict[str, Any]) -> bool:
    return row["pyramid"] == "BUILDING" and rounds.installation.storage.pyramid(row["id"]).exists()


MOMENTS: dict[str, tuple[int, Callable[[Rounds], bool]]] = {
    "any": (3, lambda rounds: True),
    "copying": (2, _writes("originals")),
    "received": (1, _has_row(lambda rounds, row: bool(row["status"] == "RECEIVED"))),
    "verifying": (2, _has_row(lambda rounds, row: bool(row["status"] == "VERIFYING"))),
    "previewing": (2, _writes("previews")),
    "building": (4, _writes("pyramids")),
    "finishing": (2, _has_row(lambda rounds, row: row["pyramid"] == "BUILDING" and (row["progress"] or 0) > 0.8)),
    "committing": (2, _has_row(_is_named)),
}
"""What must be the case before the clock of a blow begins to run, and how often each is chosen."""


def play(
    seed: int,
    *,
    rounds: int,
    settle_every: int,
    after: Callable[[Rounds], None] = lambda played: None,
    log: Path | None = None,
) -> None:
    """Play rounds on an installation of their own.

    Args:
        seed: see `Rounds`.
        rounds: how many.
        settle_every: rounds whose blows follow each other before everything is given time to mend.
        after: called after each round.
        log: for the timeline, written while it goes on.

    Raises:
        AssertionError: with the seed, the timeline and the logs.
    """
    timeline = Timeline(log)
    with folder_for_everyone() as folder:
        try:
            with Rounds(folder, seed=seed, timeline=timeline) as played:
                for number in range(1, rounds + 1):
                    timeline.note(f"round {number} of seed {seed}")
                    played.hit()
                    if number % settle_every == 0 or number == rounds:
                        played.settle()
                    after(played)
                played.stop()
        except BaseException as error:
            report = f"seed {seed}: {error}\n\n{timeline}\n\n{last_lines(folder / 'data' / 'logs')}"
            if isinstance(error, Exception):
                raise AssertionError(report) from error
            raise
