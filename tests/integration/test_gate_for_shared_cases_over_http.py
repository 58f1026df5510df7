"""The gate's acceptance cases for what was handed out with a request, with tiles fetched from two web processes.

Source: domain rules, 4.1.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from partners import Asked, Partners, make_competent, make_partners
from product import Product
from region import (
    Region,
    assert_goes_dark,
    assert_hidden,
    assert_refused,
    assert_seen,
    clerk_acts,
    make_region,
    open_slide,
)

from cases.access.blocks import BlockType, register_block
from cases.access.consents import ConsentForm, ConsentScope, register_consent
from cases.access.patients import Patient
from cases.access.permissions import Role
from cases.sharing.requests import Manifest


@pytest.fixture(scope="module")
def region(module_product: Product) -> Iterator[Region]:
    with make_region(module_product) as region:
        yield region


@pytest.fixture(scope="module")
def partners(region: Region) -> Partners:
    return make_partners(region.world, owner=region.kalmar, performer=region.linkoping)


def ask(region: Region, partners: Partners, state: str = "ASSIGNED", **wish: Any) -> tuple[Asked, uuid.UUID]:
    """A request about a real slide, brought to a state, and the slide."""
    slide_id, case = region.slide(partners.owner)
    asked = partners.ask(case=case, manifest=Manifest(slide_ids=(slide_id,)), **wish)
    partners.bring(asked, state)
    return asked, slide_id


def post(client: httpx2.Client, path: str, body: object) -> httpx2.Response:
    answer = client.post(path, json=body, headers={"idempotency-key": str(uuid.uuid4())})
    assert answer.status_code == 200, answer.text
    return answer


def test_g4_disclosed_accepted_and_assigned(region: Region, partners: Partners) -> None:
    asked, slide_id = ask(region, partners)
    with region.browser(partners.reader) as client:
        assert_seen(client, slide_id, "DISCLOSED")
        assert client.get(f"/api/requests/{asked.request_id}").json()["status"] == "IN_REVIEW"
        read = client.get(f"/api/slides/{slide_id}")
        assert read.status_code == 200 and "label" not in read.json()
        logged = region.world.database.query(
            "SELECT basis, owners FROM audit_event WHERE event = 'SLIDE_OPENED' AND assignment_id = :who"
            " ORDER BY id DESC LIMIT 1",
            who=partners.reader.assignment.id,
        )
        assert (logged[0]["basis"], logged[0]["owners"]) == ("DISCLOSED", [partners.owner.provider.id])


def test_g4_nobody_else_there_and_nothing_else_of_the_owners(region: Region, partners: Partners) -> None:
    _, slide_id = ask(region, partners)
    other_slide, _ = region.slide(partners.owner)
    with region.browser(partners.reader) as client:
        assert_hidden(client, other_slide)
    for stranger in (partners.performer.person(Role.CLN), partners.performer.other_unit().person(Role.PAT)):
        with region.browser(stranger) as client:
            assert open_slide(client, slide_id).status_code == 404


def test_g5_the_cooperation_agreement_without_run_off_ended_yesterday(region: Region) -> None:
    partners = make_partners(region.world, performer=region.world.provider("Patologen i Kisa AB"))
    asked, slide_id = ask(region, partners)
    with region.browser(partners.reader) as client:
        assert_seen(client, slide_id, "DISCLOSED")
        region.world.database.query(
            "UPDATE agreement SET terminated_at = now() - interval '1 day', ending = 'UNDER_NOTICE',"
            " ending_reason = 'Uppsagt' WHERE id = :id",
            id=partners.agreement_id,
        )
        assert_refused(client, slide_id, "D21")
        shown = client.get(f"/api/requests/{asked.request_id}").json()
        assert (shown["content"], shown["refusal"]["code"]) == (None, "D21")


def test_g6_recalled_while_somebody_looks(region: Region, partners: Partners) -> None:
    asked, slide_id = ask(region, partners)
    with region.browser(partners.reader) as client, region.browser(partners.sender) as sender:
        tile = assert_seen(client, slide_id, "DISCLOSED")
        post(sender, f"/api/requests/{asked.request_id}/recall", {"text": "Patienten har flyttat"})
        assert_goes_dark(region, partners.reader, tile)
        refused = open_slide(client, slide_id)
        assert refused.status_code == 404, "the database hides the case again"
        shown = client.get(f"/api/requests/{asked.request_id}").json()
        assert (shown["status"], shown["refusal"]["code"]) == ("RECALLED", "D22")
        ended = region.world.database.query(
            "SELECT ended_code FROM viewing WHERE slide_image_id = :slide", slide=slide_id
        )
        assert [row["ended_code"] for row in ended] == ["D22"]


def test_g7_a_slide_added_later_until_the_requester_extends_what_is_shared(region: Region, partners: Partners) -> None:
    asked, slide_id = ask(region, partners)
    late, _ = region.slide(partners.owner)
    region.world.database.query(
        "UPDATE slide_image SET case_id = :case WHERE id = :slide", case=asked.case.id, slide=late
    )
    with region.browser(partners.reader) as client, region.browser(partners.sender) as sender:
        assert_seen(client, slide_id, "DISCLOSED")
        assert_refused(client, late, "D25")
        post(sender, f"/api/requests/{asked.request_id}/disclosure", {"slide_ids": [str(late)]})
        assert_seen(client, late, "DISCLOSED")
        assert_seen(client, slide_id, "DISCLOSED")
        shown = client.get(f"/api/requests/{asked.request_id}").json()["content"]
        assert shown["shared"]["version"] == 2 and set(shown["slide_ids"]) == {str(slide_id), str(late)}


def test_g8_and_g9_a_block_after_sharing_and_a_consent_after_the_block(region: Region, partners: Partners) -> None:
    asked, slide_id = ask(region, partners)
    clerk, patient_id = partners.owner.clerk, asked.case.patient_id
    with region.browser(partners.reader) as client, region.browser(partners.sender) as sender:
        tile = assert_seen(client, slide_id, "DISCLOSED")
        clerk_acts(
            partners.owner,
            lambda session: register_block(
                session, session.get_one(Patient, patient_id), BlockType.OUTER, by=clerk, now=datetime.now(UTC)
            ),
        )
        assert_goes_dark(region, partners.reader, tile)
        assert_refused(client, slide_id, "D30")
        held = sender.get(f"/api/requests/{asked.request_id}").json()
        assert (held["status"], held["held_from"]) == ("HELD", "IN_REVIEW")
        assert [hold["reason"] for hold in held["holds"]] == ["SPARR"] and held["holds"][0]["next_step"]
        assert set(held["moves"]) == {"recall", "resolve"}
        early = sender.post(f"/api/requests/{asked.request_id}/resolve", headers={"idempotency-key": str(uuid.uuid4())})
        assert early.status_code == 409 and "still held" in early.json()["detail"]
        clerk_acts(
            partners.owner,
            lambda session: register_consent(
                session,
                session.get_one(Patient, patient_id),
                ConsentScope.DISCLOSURE,
                how=ConsentForm.ORAL,
                by=clerk,
                now=datetime.now(UTC),
            ),
        )
        assert client.get(f"/api/requests/{asked.request_id}").json()["status"] == "IN_REVIEW"
        assert_seen(client, slide_id, "DISCLOSED")


def test_g9_a_consent_from_before_the_block_does_not_count(region: Region, partners: Partners) -> None:
    asked, slide_id = ask(region, partners)
    clerk, patient_id = partners.owner.clerk, asked.case.patient_id
    clerk_acts(
        partners.owner,
        lambda session: register_consent(
            session,
            session.get_one(Patient, patient_id),
            ConsentScope.DISCLOSURE,
            how=ConsentForm.ORAL,
            by=clerk,
            now=datetime.now(UTC),
        ),
    )
    clerk_acts(
        partners.owner,
        lambda session: register_block(
            session, session.get_one(Patient, patient_id), BlockType.OUTER, by=clerk, now=datetime.now(UTC)
        ),
    )
    with region.browser(partners.reader) as client:
        assert_refused(client, slide_id, "D30")


def test_g16_the_author_of_the_diagnosis_under_another_hat(region: Region, partners: Partners) -> None:
    author = partners.owner.person(Role.PAT)
    hat = partners.performer.person(Role.PAT, known=author.person)
    make_competent(region.world, hat)
    asked, _ = ask(region, partners, "ACCEPTED")
    with region.browser(partners.head) as head:
        post(head, f"/api/requests/{asked.request_id}/assign", {"assignment_id": str(hat.assignment.id)})
    region.world.database.query(
        "UPDATE pathology_case SET responsible_assignment_id = :who WHERE id = :case",
        who=author.assignment.id,
        case=asked.case.id,
    )
    with region.browser(hat) as client:
        post(client, f"/api/requests/{asked.request_id}/start", None)
        refused = client.put(
            f"/api/requests/{asked.request_id}/draft",
            json={"content": {"statement": "Instämmer.", "diagnosis_text": "Höggradig dysplasi"}},
            headers={"if-match": '"0"'},
        )
        assert (refused.status_code, refused.json()["code"]) == (403, "D41"), refused.text


def test_g24_for_a_named_reader_and_nobody_else(region: Region, partners: Partners) -> None:
    _, slide_id = ask(region, partners, "OFFERED", named_reader_id=partners.reader.assignment.id)
    with region.browser(partners.colleague) as client:
        assert_refused(client, slide_id, "D27")
    with region.browser(partners.reader) as client:
        assert_seen(client, slide_id, "DISCLOSED")


def test_g26_disclosed_and_not_tiled_yet(region: Region, partners: Partners) -> None:
    _, slide_id = ask(region, partners)
    region.world.database.query(
        "UPDATE slide_image SET status = 'VERIFIED', pyramid = 'NONE' WHERE id = :id", id=slide_id
    )
    with region.browser(partners.reader) as client:
        assert_seen(client, slide_id, "DISCLOSED")
