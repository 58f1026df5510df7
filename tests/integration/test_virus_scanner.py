"""With a scanner nothing is shown that it has not found clean, and what is infected is nowhere; without it, marked."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
from attached_files import EICAR, write_pdf, write_png
from attaching import attached, fetch, kept, leftovers, listed
from clamd import Clamd, running_clamd
from clients import make_client
from partners import Partners, make_partners
from product import Product, Web
from region import Region, make_region

from cases.records.attachments import ScanState
from cases.records.pathology_case import PathologyCase
from cases.sharing.requests import Manifest
from worker.attachments.keeping import UNKNOWN_S, remove_unknown, scan_waiting
from worker.attachments.scanning import Scanned, scan

INFECTED = write_pdf().replace(b"%PDF-1.7\n", b"%PDF-1.7\n%" + EICAR + b"\n")


@pytest.fixture(scope="module")
def clamd() -> Iterator[Clamd]:
    with running_clamd() as server:
        yield server


@pytest.fixture(scope="module")
def region(module_product: Product) -> Iterator[Region]:
    with make_region(module_product) as region:
        yield region


@pytest.fixture(scope="module")
def partners(region: Region) -> Partners:
    return make_partners(region.world, owner=region.kalmar, performer=region.linkoping)


@pytest.fixture(scope="module")
def scanning_web(region: Region, clamd: Clamd) -> Web:
    """A web process that asks the scanner; those of the region do not."""
    return region.product.start_web(clamd=clamd.address)


@pytest.fixture
def browser(partners: Partners, scanning_web: Web) -> Iterator[httpx2.Client]:
    with scanning_web.browser(partners.sender.token or partners.sender.sign_in()) as client:
        yield client


@pytest.fixture
def case(region: Region) -> PathologyCase:
    return region.kalmar.case(region.kalmar.patient(region.world.number()))


def test_what_is_clean_is_shown_at_once(browser: httpx2.Client, case: PathologyCase, clamd: Clamd) -> None:
    made = attached(browser, case, write_pdf())
    assert (made["scan"], made["shown"]) == ("CLEAN", True)
    assert clamd.heard[-1] == made["byte_size"], "it heard all of what is kept"
    assert fetch(browser, made["id"]).content == write_pdf()


def test_what_is_infected_is_kept_nowhere(
    region: Region, partners: Partners, browser: httpx2.Client, case: PathologyCase
) -> None:
    made = attached(browser, case, INFECTED)
    assert (made["scan"], made["finding"], made["shown"]) == ("INFECTED", "Eicar-Test-Signature", False)
    answer = fetch(browser, made["id"])
    assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT")
    assert answer.json()["detail"].startswith("A virus was found in this file, so it is not shown.")
    assert made["id"] not in kept(region) and leftovers(region) == []
    for path in (region.product.data / "attachments").rglob("*"):
        assert not path.is_file() or EICAR not in path.read_bytes()
    with region.browser(partners.sender) as without_scanner:
        assert fetch(without_scanner, made["id"]).status_code == 409


def test_while_the_scanner_is_away_nothing_new_is_shown(
    region: Region, partners: Partners, browser: httpx2.Client, clamd: Clamd
) -> None:
    slide_id, case = region.slide(partners.owner)
    clamd.broken = True
    good, bad = attached(browser, case, write_png()), attached(browser, case, INFECTED)
    assert (good["scan"], bad["scan"]) == ("PENDING", "PENDING")
    shared = (uuid.UUID(good["id"]), uuid.UUID(bad["id"]))
    asked = partners.ask(case=case, manifest=Manifest(slide_ids=(slide_id,), attachment_ids=shared))
    partners.bring(asked, "ASSIGNED")
    assert listed(browser, case) == [good["id"], bad["id"]], "whoever added them sees that they wait"
    for one in (good, bad):
        answer = fetch(browser, one["id"])
        assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT")
        assert "waits for the virus scanner" in answer.json()["detail"]
    with make_client(str(browser.base_url), partners.reader.sign_in()) as reader:
        assert listed(reader, case) == []

        def look() -> int:
            return scan_waiting(region.world.worker, region.product.storage, clamd=clamd.address, now=datetime.now(UTC))

        assert look() == 0
        clamd.broken = False
        while look():
            pass
        assert listed(reader, case) == [good["id"]]
        assert fetch(reader, good["id"]).status_code == 200
        assert fetch(reader, bad["id"]).status_code == 409
    assert good["id"] in kept(region) and bad["id"] not in kept(region)
    rows = region.world.database.query(
        "SELECT id, scan, finding, scanned_at FROM attachment WHERE case_id = :id", id=case.id
    )
    assert {str(row["id"]): (row["scan"], row["finding"]) for row in rows} == {
        good["id"]: ("CLEAN", None),
        bad["id"]: ("INFECTED", "Eicar-Test-Signature"),
    }
    assert all(row["scanned_at"] for row in rows)


def test_what_came_before_there_was_a_scanner_is_scanned_before_it_is_shown_again(
    region: Region, partners: Partners, browser: httpx2.Client, case: PathologyCase, clamd: Clamd
) -> None:
    with region.browser(partners.sender) as without_scanner:
        made = attached(without_scanner, case, write_png())
        assert (made["scan"], made["shown"]) == ("NOT_SCANNED", True)
        assert fetch(without_scanner, made["id"]).status_code == 200
    assert fetch(browser, made["id"]).status_code == 409
    while scan_waiting(region.world.worker, region.product.storage, clamd=clamd.address, now=datetime.now(UTC)):
        pass
    assert fetch(browser, made["id"]).status_code == 200


def test_the_scheduler_asks_by_itself(
    region: Region, browser: httpx2.Client, case: PathologyCase, clamd: Clamd
) -> None:
    clamd.broken = True
    made = attached(browser, case, write_png())
    clamd.broken = False
    scheduler = region.product.start("schedule", clamd=clamd.address)
    deadline = time.monotonic() + 40
    while fetch(browser, made["id"]).status_code != 200:
        assert time.monotonic() < deadline, scheduler.last_lines()
        time.sleep(0.2)


def test_a_scanner_that_takes_less_than_it_should_leaves_the_file_waiting(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(3_000_000))
    with running_clamd() as small:
        assert scan(path, small.address) == Scanned(ScanState.CLEAN)
        small.limit = 1_000_000
        assert scan(path, small.address) == Scanned(ScanState.PENDING)
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    assert scan(path, address) == Scanned(ScanState.PENDING, answered=False)
    assert scan(path, "") == Scanned(ScanState.NOT_SCANNED)


def test_a_file_without_a_row_is_removed_once_nobody_can_be_at_work_on_it(
    region: Region, browser: httpx2.Client, case: PathologyCase
) -> None:
    made = attached(browser, case, write_png())
    storage, unknown = region.product.storage, uuid.uuid4()
    place = storage.attachment(unknown)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(b"x")
    assert remove_unknown(region.world.worker, storage) == 0 and place.exists()
    before = time.time() - UNKNOWN_S - 60
    for path in (place, storage.attachment(uuid.UUID(made["id"]))):
        os.utime(path, (before, before))
    assert remove_unknown(region.world.worker, storage) == 1
    assert not place.exists()
    assert fetch(browser, made["id"]).status_code == 200
