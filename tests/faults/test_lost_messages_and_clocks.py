"""A broker that forgets and a clock that goes back: the rows know what is to be done, and it is done."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

import redis
from faults.installation import Installation
from faults.slide_supply import SlideSupply

from viewer.embedded import addresses


def test_work_is_found_again_when_the_broker_has_forgotten_it(installation: Installation, supply: SlideSupply) -> None:
    slides = [supply.draw(kind) for kind in ("small", "broken", "medium", "slow", "nothing")]
    workers = installation.stop_parts("verifier", "builder", "pool")
    installation.ingest(*(slide.path for slide in slides)).communicate(timeout=120)
    broker = redis.Redis.from_url(addresses(installation.data).redis_url)
    waiting = broker.llen("verification")
    assert waiting >= len(slides) - 1, "one message may be on its way to a worker that does not hear"
    broker.flushall()
    broker.close()
    installation.let_go(workers)
    for slide in slides:
        status = "AVAILABLE" if slide.code is None else "QUARANTINED"
        row = installation.wait_for_row(slide.digest, status=status)
        assert (row["reason_code"], row["level0_digest"]) == (slide.code, slide.level0_digest)
    assert len(installation.rows() or []) == len(slides)


def test_a_clock_that_is_set_back_by_an_hour_delays_nothing(installation: Installation, supply: SlideSupply) -> None:
    """Leases are written and read by the database's clock alone.

    To set that back by an hour is to move all that it has written forward by an hour.
    """
    slide, later = supply.draw("slower"), supply.draw("small")
    ingest = installation.ingest(slide.path)
    readers = installation.hold(installation.data / "pyramids" / "incoming")
    ingest.communicate(timeout=120)
    installation.wait_for_row(slide.digest, pyramid="BUILDING")
    # The worker dies with a lease that, by the new clock, runs out in an hour.
    for process in installation.processes():
        if process.part == "builder" or process.pid in readers:
            with suppress(ProcessLookupError):  # a reader may have ended with the builder
                os.kill(process.pid, signal.SIGKILL)
    installation.move_leases(hours=1)
    installation.ingest(later.path).communicate(timeout=120)
    for one in (slide, later):
        row = installation.wait_for_row(one.digest, status="AVAILABLE", within_s=60)
        assert (row["level0_digest"], row["attempts"]) == (one.level0_digest, 0)
