"""What a running worker makes of slides, good and bad, whatever becomes of its messages."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from makers import decode, wait_for, write_broken_slide, write_good_slide, write_no_slide, write_slow_slide
from product import Database, Product
from redis import Redis

from viewer.embedded import addresses
from worker.app import create_app
from worker.queues import DELIVER, PREPARE, PYRAMIDS, QUEUES, VERIFICATION, ring, waiting


@pytest.fixture(scope="module")
def at_work(module_product: Product) -> Iterator[Product]:
    """One worker and one scheduler for every test of this file."""
    module_product.start("work")
    module_product.start("schedule")
    yield module_product


def test_a_good_slide_becomes_available_with_everything_that_belongs_to_it(at_work: Product, tmp_path: Path) -> None:
    slide_id = at_work.bring_in(write_good_slide(tmp_path / "good.svs"))
    row = at_work.wait_for_row(slide_id, status="AVAILABLE")
    assert (row["format"], row["width"], row["height"]) == ("aperio", 1300, 900)
    assert (row["spacing_x"], row["spacing_y"], row["objective"]) == (0.5, 0.5, 20.0)
    assert (row["pixel_path"], row["psnr"], row["pyramid"]) == ("PASSTHROUGH", None, "READY")
    assert (row["attempts"], row["lease_holder"], row["progress"], row["reason"]) == (0, None, None, None)
    assert (row["has_thumbnail"], row["has_macro"]) == (True, True)
    at_work.check_pyramid(slide_id)
    thumbnail = decode(at_work.storage.preview(slide_id, "thumbnail").read_bytes())
    assert thumbnail.shape == (443, 640, 3)  # 1300 x 900 with the longer side 640
    macro = decode(at_work.storage.preview(slide_id, "macro").read_bytes())
    label = macro[:, : int(macro.shape[1] * 0.3)].astype(int)
    assert abs(label - (72, 76, 84)).max() <= 4  # the colour of the paint, as near as JPEG keeps it


@pytest.mark.parametrize(
    ("write", "code", "sentence"),
    [
        (write_broken_slide, "DAMAGED_FILE", "cannot be decoded"),
        (write_no_slide, "UNSUPPORTED_FILE", "The file is not a slide in a format read here"),
    ],
)
def test_a_bad_slide_is_quarantined_with_a_sentence(
    at_work: Product, tmp_path: Path, write: Any, code: str, sentence: str
) -> None:
    slide_id = at_work.bring_in(write(tmp_path / "Tolvan Tolvansson.svs"))
    row = at_work.wait_for_row(slide_id, status="QUARANTINED")
    assert row["reason_code"] == code
    assert sentence in row["reason"]
    assert "Tolvan" not in row["reason"] + at_work.logs()
    assert (row["pyramid"], row["lease_holder"], row["has_thumbnail"]) == ("NONE", None, False)
    assert not at_work.storage.pyramid(slide_id).exists()
    assert not at_work.storage.preview(slide_id, "thumbnail").exists()


@pytest.mark.parametrize("what_is_left", ["nothing", "an empty folder"])
@pytest.mark.parametrize("status", ["RECEIVED", "VERIFIED"])
def test_a_slide_whose_original_is_gone_waits_for_it(
    at_work: Product, tmp_path: Path, status: str, what_is_left: str
) -> None:
    seed = 100 + 2 * (status == "VERIFIED") + (what_is_left == "nothing")
    slide_id = at_work.bring_in(
        write_good_slide(tmp_path / "good.svs", width=300, height=300, seed=seed), ringing=False
    )
    file = at_work.storage.originals.path(at_work.row(slide_id)["original_digest"])
    content = file.read_bytes()
    file.unlink()
    if what_is_left == "nothing":
        file.parent.rmdir()
    at_work.database.query("UPDATE slide_image SET status = :status WHERE id = :id", status=status, id=slide_id)
    at_work.ring(slide_id)
    row = at_work.wait_for_row(slide_id, reason_code="SOURCE_MISSING")
    assert row["reason"] == (
        "The archived original is missing, or not whole. Put it back from the backup; it is found by itself."
    )
    assert row["attempts"] == 0
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)
    at_work.database.query("UPDATE slide_image SET leased_until = now() WHERE id = :id", id=slide_id)
    at_work.wait_for_row(slide_id, status="AVAILABLE")
    at_work.check_pyramid(slide_id)


def test_a_row_whose_message_was_lost_is_found(at_work: Product, tmp_path: Path) -> None:
    slide_id = at_work.bring_in(write_good_slide(tmp_path / "good.svs", seed=11), ringing=False)
    at_work.wait_for_row(slide_id, status="AVAILABLE", within_s=20)
    at_work.check_pyramid(slide_id)


def test_many_messages_for_one_row_do_the_work_once(at_work: Product, tmp_path: Path) -> None:
    slide_id = at_work.bring_in(write_good_slide(tmp_path / "good.svs", seed=12), times=20)
    row = at_work.wait_for_row(slide_id, status="AVAILABLE")
    built = at_work.storage.pyramid(slide_id).stat()
    at_work.ring(slide_id, times=20)
    with create_app(at_work.settings) as app:
        wait_for(lambda: waiting(app, VERIFICATION) == 0)
    at_work.check_pyramid(slide_id)
    assert at_work.storage.pyramid(slide_id).stat().st_ino == built.st_ino
    # received, claimed, verified, claimed, completed: five versions, and progress in between
    assert at_work.row(slide_id)["version"] == row["version"] <= 8


def test_a_message_for_a_row_that_does_not_exist_does_no_harm(at_work: Product, tmp_path: Path) -> None:
    at_work.ring(uuid.uuid4())
    slide_id = at_work.bring_in(write_good_slide(tmp_path / "good.svs", seed=13))
    at_work.wait_for_row(slide_id, status="AVAILABLE")


def test_a_worker_that_lost_its_lease_drops_its_work(at_work: Product, tmp_path: Path) -> None:
    slide_id = at_work.bring_in(write_slow_slide(tmp_path / "slow.tif"))
    folder = at_work.data / "pyramids/incoming"
    at_work.wait_for_row(slide_id, pyramid="BUILDING")
    wait_for(lambda: list(folder.glob(f"{slide_id}*")) != [], within_s=20)
    somebody = uuid.uuid4()
    at_work.database.query(
        "UPDATE slide_image SET lease_holder = :holder, leased_until = now() + interval '4 minutes', "
        "version = version + 1 WHERE id = :id",
        holder=somebody,
        id=slide_id,
    )
    wait_for(lambda: list(folder.glob(f"{slide_id}*")) == [], within_s=20)
    row = at_work.row(slide_id)
    assert (row["lease_holder"], row["pyramid"], row["status"]) == (somebody, "BUILDING", "VERIFIED")
    assert at_work.database.query("SELECT * FROM tile_pyramid WHERE slide_image_id = :id", id=slide_id) == []
    at_work.database.query("UPDATE slide_image SET leased_until = now() WHERE id = :id", id=slide_id)
    row = at_work.wait_for_row(slide_id, status="AVAILABLE")
    assert row["pixel_path"] == "REENCODED_LOSSY"
    assert row["psnr"] > 30
    at_work.check_pyramid(slide_id)


def test_messages_hold_ids_and_nothing_else(product: Product) -> None:
    slide_id = uuid.uuid4()
    with create_app(product.settings) as app:
        assert ring(app, slide_id, queue=VERIFICATION)
        assert ring(app, slide_id, queue=PYRAMIDS)
    with Redis.from_url(addresses(product.data).redis_url) as valkey:
        for queue in (VERIFICATION, PYRAMIDS):
            (message,) = [json.loads(one) for one in valkey.lrange(queue, 0, -1)]
            assert message["headers"]["argsrepr"] == f"['{slide_id}']"
            assert message["headers"]["kwargsrepr"] == "{}"
            body = json.loads(base64.b64decode(message["body"]))
            assert body[:2] == [[str(slide_id)], {}]


def test_every_queue_is_listened_to(at_work: Product) -> None:
    with create_app(at_work.settings) as app:
        inspect = app.control.inspect(timeout=8)
        (listened,) = (inspect.active_queues() or {}).values()
        (known,) = (inspect.registered_tasks() or {}).values()
    assert {queue["name"] for queue in listened} == {queue.name for queue in QUEUES}
    assert {task for task in known if task.startswith("samsyn")} == {PREPARE, DELIVER}


def test_ringing_without_a_broker_says_so_and_harms_nothing(folder: Path, database: Database) -> None:
    nowhere = Product(folder, database)
    with create_app(nowhere.settings) as app:
        assert ring(app, uuid.uuid4(), queue=VERIFICATION) is False
