"""Work that is cut off in the middle: by a kill, by a broker or a disk that goes away. It ends right all the same."""

from __future__ import annotations

import os
import signal
import uuid
from contextlib import suppress
from pathlib import Path

from makers import wait_for, write_good_slide, write_slow_slide
from product import Product

from viewer.embedded.children import Child


def begin_slow_work(product: Product, path: Path) -> uuid.UUID:
    """Bring a slide in that takes seconds; returns in the middle of them."""
    slide_id = product.bring_in(write_slow_slide(path))
    product.wait_for_row(slide_id, pyramid="BUILDING")
    wait_for(lambda: halves(product) != [], within_s=20)
    return slide_id


def halves(product: Product) -> list[Path]:
    return list(product.data.glob("pyramids/**/*.partial"))


def let_time_pass(product: Product) -> None:
    """As if every lease had run out by now."""
    product.database.query("UPDATE slide_image SET leased_until = now() WHERE leased_until IS NOT NULL")


def readers(product: Product) -> list[int]:
    """Confined processes that are at work: children of a template, which is one itself."""
    parsing = [pid for pid in product.processes() if b"worker.parsing" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    parents = {pid: int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) for pid in parsing}
    return [pid for pid in parsing if parents[pid] in parsing]


def pool_of(worker: Child) -> list[int]:
    children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text()
    return [int(pid) for pid in children.split()]


def signal_all(pids: list[int], wanted: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, wanted)


def test_a_killed_pool_process_is_replaced_and_its_slide_begun_again(product: Product, tmp_path: Path) -> None:
    worker = product.start("work")
    slide_id = begin_slow_work(product, tmp_path / "slow.tif")
    before = pool_of(worker)
    signal_all(before, signal.SIGKILL)
    wait_for(lambda: len(set(pool_of(worker)) - set(before)) == 2)
    row = product.row(slide_id)
    assert (row["status"], row["pyramid"], row["attempts"]) == ("VERIFIED", "BUILDING", 0)
    assert len(halves(product)) == 1
    product.start("schedule")  # clears up, and rings
    let_time_pass(product)
    row = product.wait_for_row(slide_id, status="AVAILABLE")
    assert (row["attempts"], row["lease_holder"]) == (0, None)
    product.check_pyramid(slide_id)


def test_a_killed_worker_leaves_no_process_and_another_takes_over(product: Product, tmp_path: Path) -> None:
    worker = product.start("work")
    slide_id = begin_slow_work(product, tmp_path / "slow.tif")
    worker.process.kill()  # not its process group: what the supervisor would sweep up must end by itself
    wait_for(lambda: product.processes() == [], within_s=3)
    assert len(halves(product)) == 1
    assert product.row(slide_id)["lease_holder"] is not None
    # That a lease runs out by itself is waited for in test_up.py.
    let_time_pass(product)
    product.start("work")
    product.start("schedule")
    row = product.wait_for_row(slide_id, status="AVAILABLE")
    assert (row["attempts"], row["lease_holder"]) == (0, None)
    product.check_pyramid(slide_id)


def test_a_worker_that_was_held_up_drops_what_another_has_finished(product: Product, tmp_path: Path) -> None:
    slow = product.start("work")
    slide_id = begin_slow_work(product, tmp_path / "slow.tif")
    held_up = [slow.pid, *pool_of(slow)]
    signal_all(held_up, signal.SIGSTOP)
    let_time_pass(product)
    product.ring(slide_id, times=2)  # one is already on its way to the worker that does not hear
    product.start("work")
    finished = product.wait_for_row(slide_id, status="AVAILABLE")
    signal_all(held_up, signal.SIGCONT)
    wait_for(lambda: "lease lost" in slow.log.read_text(), within_s=20)
    assert product.row(slide_id) == finished
    product.check_pyramid(slide_id)
    assert "Traceback" not in slow.log.read_text()


def test_a_broker_that_is_killed_and_comes_back_disturbs_no_work(product: Product, tmp_path: Path) -> None:
    product.start("work")
    product.start("schedule")
    slide_id = begin_slow_work(product, tmp_path / "slow.tif")
    assert product.valkey.child is not None
    os.kill(product.valkey.child.pid, signal.SIGKILL)
    product.wait_for_row(slide_id, status="AVAILABLE")
    product.check_pyramid(slide_id)
    product.valkey.start()
    # Worker and scheduler find the new one: nobody rings for this slide but they.
    another = product.bring_in(write_good_slide(tmp_path / "good.svs"), ringing=False)
    product.wait_for_row(another, status="AVAILABLE", within_s=60)
    product.check_pyramid(another)


def test_a_reader_that_is_killed_is_tried_again_and_costs_an_attempt(product: Product, tmp_path: Path) -> None:
    product.start("work")
    product.start("schedule")
    slide_id = begin_slow_work(product, tmp_path / "slow.tif")
    wait_for(lambda: readers(product) != [])  # the file is there before the reader is
    killed = readers(product)
    signal_all(killed, signal.SIGKILL)
    row = product.wait_for_row(slide_id, attempts=1)
    assert row["reason_code"] == "READER_ENDED"
    assert row["reason"] == (
        "The process that was reading the slide was ended from outside. It is tried again by itself."
    )
    row = product.wait_for_row(slide_id, status="AVAILABLE")
    assert (row["attempts"], row["reason"]) == (0, None)
    product.check_pyramid(slide_id)


def test_a_storage_that_refuses_is_said_and_tried_again(product: Product, tmp_path: Path) -> None:
    (product.data / "pyramids").touch()  # where a folder should be
    worker = product.start("work")
    slide_id = product.bring_in(write_good_slide(tmp_path / "good.svs"))
    row = product.wait_for_row(slide_id, reason_code="STORAGE_REFUSED")
    assert row["reason"] == "The storage refused (Not a directory); it is tried again by itself."
    assert (row["status"], row["attempts"]) == ("VERIFIED", 0)
    assert product.database.query("SELECT leased_until > now() + interval '20 s' AS later FROM slide_image") == [
        {"later": True}
    ]
    let_time_pass(product)
    product.ring(slide_id)
    wait_for(lambda: worker.log.read_text().count("storage refused") == 2)
    product.wait_for_row(slide_id, attempts=0)
    (product.data / "pyramids").unlink()
    let_time_pass(product)
    product.ring(slide_id)
    row = product.wait_for_row(slide_id, status="AVAILABLE")
    assert (row["reason_code"], row["reason"]) == (None, None)
    product.check_pyramid(slide_id)
