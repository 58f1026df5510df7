"""Attachments: sent as a body, kept without names, shown to whoever they are for, and only as files to save."""

from __future__ import annotations

import hashlib
import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import pytest
from attached_files import NAME, huge_png, write_dicom, write_jpeg, write_pdf, write_png, write_tiff
from attaching import attach, attached, fetch, kept, leftovers, listed
from makers import wait_for
from partners import Partners, make_partners
from product import Product
from region import Region, make_region
from world import Somebody

from cases.access.permissions import Role
from cases.records.attachments import LARGEST
from cases.records.pathology_case import PathologyCase
from cases.sharing.requests import Manifest, deciding


@pytest.fixture(scope="module")
def region(module_product: Product) -> Iterator[Region]:
    with make_region(module_product) as region:
        yield region


@pytest.fixture(scope="module")
def partners(region: Region) -> Partners:
    return make_partners(region.world, owner=region.kalmar, performer=region.linkoping)


@pytest.fixture
def case(region: Region) -> PathologyCase:
    return region.kalmar.case(region.kalmar.patient(region.world.number()))


@contextmanager
def begin(region: Region, who: Somebody, case: PathologyCase, *, length: int) -> Iterator[socket.socket]:
    """A line on which somebody has said that a file comes, and not yet sent any of it."""
    address, token = urlsplit(region.webs[0].address), who.token or who.sign_in()
    with closing(socket.create_connection((address.hostname or "", address.port or 0), timeout=15)) as line:
        head = (
            f"POST /api/cases/{case.id}/attachments HTTP/1.1",
            f"Host: {address.netloc}",
            f"Content-Length: {length}",
            f"Cookie: samsyn_session={token}",
            "Idempotency-Key: 1",
            "Samsyn-Caption: x",
        )
        line.sendall("\r\n".join([*head, "", ""]).encode())
        yield line


@pytest.mark.parametrize(
    ("write", "media_type", "suffix"),
    [
        (write_pdf, "application/pdf", "pdf"),
        (write_jpeg, "image/jpeg", "jpg"),
        (write_png, "image/png", "png"),
        (write_tiff, "image/tiff", "tif"),
        (write_dicom, "application/dicom", "dcm"),
    ],
)
def test_a_file_comes_back_as_what_it_is_and_names_nobody(
    region: Region, partners: Partners, case: PathologyCase, write: Callable[[], bytes], media_type: str, suffix: str
) -> None:
    content = write()
    with region.browser(partners.sender) as client:
        made = attached(client, case, content, kind="MACRO_PHOTO")
        assert (made["media_type"], made["kind"], made["caption"]) == (
            media_type,
            "MACRO_PHOTO",
            "Makrofoto höger bröst",
        )
        assert (made["scan"], made["shown"], made["own"]) == ("NOT_SCANNED", True, True)
        assert listed(client, case) == [made["id"]]
        answer = fetch(client, made["id"])
    assert answer.status_code == 200
    assert answer.headers["content-type"] == media_type
    assert answer.headers["content-disposition"] == f'attachment; filename="samsyn-{made["id"][-8:]}.{suffix}"'
    assert (answer.headers["x-content-type-options"], answer.headers["cache-control"]) == ("nosniff", "no-store")
    assert len(answer.content) == made["byte_size"]
    assert hashlib.sha256(answer.content).hexdigest() == made["digest"]
    assert b"Tolvan" not in answer.content and b"191212121212" not in answer.content
    (row,) = region.world.database.query("SELECT * FROM attachment WHERE id = :id", id=made["id"])
    assert row["received_digest"] == hashlib.sha256(content).hexdigest()
    assert leftovers(region) == []


def test_what_was_sent_twice_is_attached_once(region: Region, partners: Partners, case: PathologyCase) -> None:
    with region.browser(partners.sender) as client:
        key = str(uuid.uuid4())
        first = attached(client, case, write_png(), key=key)
        assert attached(client, case, write_png(), key=key) == first
        assert listed(client, case) == [first["id"]]
        other = attach(client, case, write_pdf(), key=key)
        assert (other.status_code, other.json()["code"]) == (422, "INVALID")
        assert "used for something else" in other.json()["detail"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"<html><script>alert(1)</script></html>", "no PDF, JPEG, PNG, TIFF or DICOM by its content"),
        (write_jpeg()[:2000], "ends before its picture does"),
        (write_pdf()[:-40], "ends before its document does"),
        (huge_png(100_000, 100_000), "at most 150 million pixels"),
    ],
)
def test_what_is_no_sound_file_is_refused_and_leaves_nothing(
    region: Region, partners: Partners, case: PathologyCase, content: bytes, why: str
) -> None:
    before = kept(region)
    with region.browser(partners.sender) as client:
        answer = attach(client, case, content)
        assert (answer.status_code, answer.json()["field"]) == (422, "body")
        assert why in answer.json()["detail"] and "Tolvan" not in answer.text
        assert listed(client, case) == []
    assert kept(region) == before and leftovers(region) == []


def test_what_must_be_said_is_asked_for_before_the_file_is_read(
    region: Region, partners: Partners, case: PathologyCase
) -> None:
    path = f"/api/cases/{case.id}/attachments"
    with region.browser(partners.sender) as client:
        answer = client.post(path, content=write_png(), headers={"samsyn-caption": "x"})
        assert (answer.status_code, answer.json()["code"]) == (428, "KEY_MISSING")
        for caption in ("", "a\nb", "x" * 401, "  "):
            answer = attach(client, case, write_png(), caption=caption)
            assert (answer.status_code, answer.json()["field"]) == (422, "Samsyn-Caption"), caption
        for raw in ("%ff", "a b", "%"):
            headers = {"idempotency-key": str(uuid.uuid4()), "samsyn-caption": raw}
            answer = client.post(path, content=write_png(), headers=headers)
            assert (answer.status_code, answer.json()["field"]) == (422, "Samsyn-Caption"), raw
        assert attach(client, case, write_png(), caption=None).json()["field"] == "Samsyn-Caption"
    with begin(region, partners.sender, case, length=LARGEST + 1) as line:
        said = b""
        while b"are accepted" not in said and (more := line.recv(1000)):  # head and body may come apart
            said += more
        assert said.startswith(b"HTTP/1.1 413") and b"50000000 are accepted" in said


def test_a_file_of_fifty_megabytes_comes_in(region: Region, partners: Partners, case: PathologyCase) -> None:
    content = write_pdf()
    filled = content.replace(b"%PDF-1.7\n", b"%PDF-1.7\n%" + b"x" * (LARGEST - len(content) - 2) + b"\n")
    with region.browser(partners.sender) as client:
        made = attached(client, case, filled)
        assert made["byte_size"] == LARGEST == len(filled)
        assert fetch(client, made["id"]).content == filled


def test_a_sender_who_hangs_up_leaves_nothing(region: Region, partners: Partners, case: PathologyCase) -> None:
    before = kept(region)
    with begin(region, partners.sender, case, length=3_000_000) as line:
        line.sendall(write_jpeg() + bytes(2_000_000))
        wait_for(lambda: leftovers(region) != [], within_s=10)
    wait_for(lambda: leftovers(region) == [], within_s=10)
    assert kept(region) == before
    with region.browser(partners.sender) as client:
        assert listed(client, case) == []


def test_who_may_not_is_refused_before_the_first_byte(region: Region, partners: Partners, case: PathologyCase) -> None:
    refused: list[tuple[Somebody, int]] = [
        (partners.reader, 404),
        (region.kalmar.person(Role.CLN), 403),
        (region.kalmar.other_unit().person(Role.PAT), 403),
    ]
    for who, status in refused:
        with region.browser(who) as client:
            assert attach(client, case, write_png()).status_code == status
            assert client.get(f"/api/cases/{case.id}/attachments").status_code in (403, 404)
    with begin(region, partners.reader, case, length=3_000_000) as line:
        # Nothing of the body is sent, and the answer comes all the same.
        assert line.recv(100).startswith(b"HTTP/1.1 404")


def test_a_performer_sees_what_is_in_the_manifest_and_nothing_else(region: Region, partners: Partners) -> None:
    slide_id, case = region.slide(partners.owner)
    with region.browser(partners.sender) as owner:
        shared, other = attached(owner, case, write_jpeg()), attached(owner, case, write_pdf())
        asked = partners.ask(
            case=case, manifest=Manifest(slide_ids=(slide_id,), attachment_ids=(uuid.UUID(shared["id"]),))
        )
        partners.bring(asked, "ASSIGNED")
        with region.browser(partners.reader) as reader:
            assert listed(reader, case) == [shared["id"]]
            assert fetch(reader, shared["id"]).content == fetch(owner, shared["id"]).content
            hidden, never = fetch(reader, other["id"]), fetch(reader, str(uuid.uuid4()))
            assert (hidden.status_code, hidden.content) == (404, never.content)

            nameless = attach(reader, case, write_png())
            assert (nameless.status_code, nameless.json()["field"]) == (422, "request_id")
            made = attached(reader, case, write_png(), request_id=str(asked.request_id))
            assert listed(reader, case) == [shared["id"], made["id"]]
        assert listed(owner, case) == [shared["id"], other["id"], made["id"]]
        assert fetch(owner, made["id"]).status_code == 200
        wrong = attach(owner, case, write_png(), request_id=str(asked.request_id))
        assert (wrong.status_code, wrong.json()["field"]) == (422, "request_id")

        headers = {"idempotency-key": str(uuid.uuid4())}
        recalled = owner.post(f"/api/requests/{asked.request_id}/recall", json={"text": "Flyttat"}, headers=headers)
        assert recalled.status_code == 200, recalled.text
        with region.browser(partners.reader) as reader:
            assert fetch(reader, shared["id"]).status_code in (403, 404)
            assert reader.get(f"/api/cases/{case.id}/attachments").status_code in (403, 404)
            again = attach(reader, case, write_png(), request_id=str(asked.request_id))
            assert again.status_code in (403, 404)
    stranger = region.linkoping.other_unit("Hud").person(Role.PAT)
    with region.browser(stranger) as client:
        assert fetch(client, made["id"]).status_code in (403, 404)


def test_who_may_only_preview_an_offer_sees_what_there_is_and_opens_nothing(region: Region, partners: Partners) -> None:
    slide_id, case = region.slide(partners.owner)
    with region.browser(partners.sender) as owner:
        paper = attached(owner, case, write_jpeg())
    asked = partners.ask(case=case, manifest=Manifest(slide_ids=(slide_id,), attachment_ids=(uuid.UUID(paper["id"]),)))
    partners.bring(asked, "SUBMITTED")
    previewing = (partners.coordinator, partners.head)
    for who in previewing:
        with region.browser(who) as client:
            (row,) = client.get(f"/api/cases/{case.id}/attachments").json()["attachments"]
            assert (row["id"], row["shown"]) == (paper["id"], False)
            assert client.get(f"/api/requests/{asked.request_id}").json()["content"] is not None
            for refused in (fetch(client, paper["id"]), client.get(f"/api/cases/{case.id}")):
                assert (refused.status_code, refused.json()["code"]) == (403, "D22")
    with region.browser(partners.reader) as client:
        (row,) = client.get(f"/api/cases/{case.id}/attachments").json()["attachments"]
        assert (row["shown"], fetch(client, paper["id"]).status_code) == (True, 200)
        assert client.get(f"/api/cases/{case.id}").status_code == 200
    partners.do(partners.head, asked, lambda session, row, by, now: deciding.accept(session, row, by=by, now=now))
    for who in previewing:
        with region.browser(who) as client:
            assert fetch(client, paper["id"]).status_code == 200
            assert client.get(f"/api/cases/{case.id}").status_code == 200


def test_an_error_is_withdrawn_and_stays_on_record(region: Region, partners: Partners, case: PathologyCase) -> None:
    with region.browser(partners.sender) as client:
        made = attached(client, case, write_png())
        path = f"/api/attachments/{made['id']}/withdrawal"
        assert client.put(path, json={"reason": "Fel patient"}).status_code == 428
        match = {"if-match": f'"{made["version"]}"'}
        assert client.put(path, json={"reason": "Fel patient"}, headers=match).status_code == 204
        assert client.put(path, json={"reason": "Igen"}, headers=match).status_code == 412
        twice = client.put(path, json={"reason": "Igen"}, headers={"if-match": '"2"'})
        assert (twice.status_code, twice.json()["code"]) == (409, "CONFLICT")
        assert listed(client, case) == []
        assert fetch(client, made["id"]).status_code == 404
    assert made["id"] in kept(region)


def test_the_log_knows_who_added_and_saw_what(region: Region, partners: Partners, case: PathologyCase) -> None:
    with region.browser(partners.sender) as client:
        made = attached(client, case, write_png(), caption="Hemlig rubrik")
        fetch(client, made["id"])
    entries = region.world.database.query(
        "SELECT entry.event, entry.basis, entry.args::text AS args, subject.patient_id FROM audit_event entry"
        " JOIN audit_subject subject ON subject.event_id = entry.id"
        " WHERE subject.kind = 'attachment' AND subject.subject_id = :id ORDER BY seq",
        id=made["id"],
    )
    assert [(entry["event"], entry["basis"]) for entry in entries] == [
        ("ATTACHMENT_ADDED", None),
        ("ATTACHMENT_VIEWED", "OWN_UNIT"),
    ]
    assert {entry["patient_id"] for entry in entries} == {case.patient_id}
    assert "Hemlig" not in str(entries) and NAME not in region.product.logs()
