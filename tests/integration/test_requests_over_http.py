"""Requests over HTTP: looking before sending, keys, versions, who is shown what, and races with one winner."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from clients import make_client
from partners import Asked, Partners, make_partners
from product import Product, Web
from world import Somebody, World

from cases.access.identities import set_protection
from cases.access.patients import Patient, Protection
from cases.access.permissions import Role
from cases.sharing.requests import Manifest
from cases.sharing.service_descriptions import RequestType
from cases.transaction import transaction


class Office:
    """Partners with browsers at one web process."""

    def __init__(self, partners: Partners, web: Web) -> None:
        self.partners, self.web = partners, web

    def client(self, who: Somebody) -> httpx2.Client:
        return make_client(self.web.address, who.token or who.sign_in())

    def body(self, asked_slides: tuple[uuid.UUID, ...], case_id: uuid.UUID, **changes: Any) -> dict[str, Any]:
        return {
            "case_id": str(case_id),
            "type": "SECOND_OPINION",
            "performer_department_id": str(self.partners.performer.department.id),
            "subspecialty": "GI",
            "urgency": "ROUTINE",
            "reason_code": "DIFFICULT",
            "question": "Invasiv växt?",
            "working_diagnosis": "Höggradig dysplasi",
            "slide_ids": [str(one) for one in asked_slides],
            "legal_ground": "CONSENT_PRESUMED_REFERRAL",
            "harm_weighed": True,
            **changes,
        }


@pytest.fixture(scope="module")
def office(module_product: Product) -> Iterator[Office]:
    with World(module_product.database) as world:
        yield Office(make_partners(world), module_product.start_web())


def post(client: httpx2.Client, path: str, body: object = None, *, key: str | None = None) -> httpx2.Response:
    return client.post(path, json=body, headers={"idempotency-key": key or str(uuid.uuid4())})


def test_from_the_preview_to_the_reader(office: Office) -> None:
    partners = office.partners
    case = partners.owner.case(partners.owner.patient(partners.world.number()))
    slide_id = partners.world.slide(case)
    with office.client(partners.sender) as sender, office.client(partners.reader) as reader:
        incomplete = office.body((slide_id,), case.id, question=None, harm_weighed=False)
        looked = sender.post("/api/requests/preview", json=incomplete).json()
        assert not looked["ready"]
        assert [one["field"] for one in looked["missing"]] == ["question", "harm_weighed"]
        body = office.body((slide_id,), case.id)
        looked = sender.post("/api/requests/preview", json=body).json()
        assert looked["ready"] and looked["missing"] == []
        assert looked["to"]["care_provider"] == partners.performer.provider.name
        assert (looked["slides"], looked["from_when"]) == (1, "OFFERED") and looked["until"] > looked["due_at"]

        key = str(uuid.uuid4())
        made = post(sender, "/api/requests", body, key=key)
        assert made.status_code == 201, made.text
        again = post(sender, "/api/requests", body, key=key)
        assert again.json()["id"] == made.json()["id"], "the same key makes the same thing once"
        address = f"/api/requests/{made.json()['id']}"
        assert made.json()["short_id"].startswith("R-")
        assert made.json()["moves"] == ["cancel", "submit"]
        assert reader.get(address).status_code == 404, "drafts are the owner's own"

        stale = sender.put(address, json=body, headers={"if-match": '"7"'})
        assert stale.status_code == 412
        changed = sender.put(address, json={**body, "question": "Annan?"}, headers={"if-match": made.headers["etag"]})
        assert changed.status_code == 200, changed.text
        assert changed.headers["etag"] != made.headers["etag"]

        key = str(uuid.uuid4())
        for _ in range(2):
            submitted = post(sender, f"{address}/submit", key=key)
            assert (submitted.status_code, submitted.json()["status"]) == (200, "OFFERED"), submitted.text
        refused = post(sender, f"{address}/submit")
        assert (refused.status_code, refused.json()["code"]) == (409, "ILLEGAL_MOVE")
        assert "recall" in refused.json()["allowed"]

        offered = reader.get(address).json()
        assert offered["side"] == "PERFORMER" and offered["moves"] == ["accept", "decline"]
        assert offered["content"]["question"] == "Annan?"
        assert offered["content"]["patient"]["family_name"] == "Tolvansson"
        assert offered["content"]["slide_ids"] == [str(slide_id)]
        assert offered["responsibility"].startswith("Konsultation: Region Kalmar län behåller")
        taken = post(reader, f"{address}/accept", {"read_myself": True})
        assert taken.json()["status"] == "ASSIGNED" and taken.json()["reader"]["name"]
        assert "content" in taken.json() and taken.json()["content"] is None
        started = post(reader, f"{address}/start", None)
        assert started.json()["status"] == "IN_REVIEW"
        assert "return" in started.json()["moves"] and "recall" not in started.json()["moves"]


def test_a_move_says_which_change_it_is(office: Office) -> None:
    asked = office.partners.ask()
    with office.client(office.partners.sender) as sender:
        unsaid = sender.post(f"/api/requests/{asked.request_id}/submit")
        assert (unsaid.status_code, unsaid.json()["code"]) == (428, "KEY_MISSING")


def test_what_is_missing_is_said_when_it_is_submitted(office: Office) -> None:
    asked = office.partners.ask(working_diagnosis=None)
    with office.client(office.partners.sender) as sender:
        refused = post(sender, f"/api/requests/{asked.request_id}/submit")
        assert (refused.status_code, refused.json()["field"]) == (422, "working_diagnosis")
        assert "working diagnosis" in refused.json()["detail"]


def test_a_blind_reader_is_not_told_the_working_diagnosis(office: Office) -> None:
    asked = office.partners.ask(blind=True)
    office.partners.bring(asked, "ASSIGNED")
    with office.client(office.partners.reader) as reader, office.client(office.partners.sender) as sender:
        shown = reader.get(f"/api/requests/{asked.request_id}").json()["content"]
        assert (shown["working_diagnosis"], shown["working_diagnosis_hidden"]) == (None, True)
        own = sender.get(f"/api/requests/{asked.request_id}").json()["content"]
        assert own["working_diagnosis"] == "Höggradig dysplasi"


def test_a_protected_identity_is_told_to_nobody_elsewhere(office: Office) -> None:
    partners = office.partners
    patient_id = partners.owner.patient(partners.world.number())
    case = partners.owner.case(patient_id)
    slide_id = partners.world.slide(case)
    named: dict[str, Any] = {"case": case, "manifest": Manifest(slide_ids=(slide_id,))}
    unnamed = partners.ask(**named)
    asked = partners.ask(named_reader_id=partners.reader.assignment.id, **named)
    with transaction(partners.world.owner) as session:
        patient = session.get_one(Patient, patient_id)
        set_protection(session, patient, Protection.SEKRETESSMARKERING, by=partners.owner.clerk, now=datetime.now(UTC))
    with office.client(partners.owner.person(Role.PAT)) as stranger:
        refused = stranger.get(f"/api/requests/{asked.request_id}").json()
        assert (refused["content"], refused["refusal"]["code"]) == (None, "D40")
    with office.client(partners.sender) as sender:
        missing = post(sender, f"/api/requests/{unnamed.request_id}/submit")
        assert missing.json()["field"] == "named_reader_id"
        assert post(sender, f"/api/requests/{asked.request_id}/submit").json()["status"] == "OFFERED"
        assert sender.get(f"/api/requests/{asked.request_id}").json()["content"]["patient"]["redacted"] is False
    with office.client(partners.reader) as reader, office.client(partners.colleague) as colleague:
        shown = reader.get(f"/api/requests/{asked.request_id}").json()["content"]
        assert shown["patient"] == {
            "redacted": True,
            "given_name": None,
            "family_name": None,
            "number": None,
            "birth_date": None,
            "sex": None,
        }
        assert colleague.get(f"/api/requests/{asked.request_id}").json()["refusal"]["code"] == "D27"


def test_somebody_of_another_unit_of_either_side_finds_nothing(office: Office) -> None:
    asked = office.partners.ask()
    office.partners.bring(asked, "OFFERED")
    for place in (office.partners.owner, office.partners.performer):
        with office.client(place.other_unit().person(Role.PAT)) as elsewhere:
            assert elsewhere.get(f"/api/requests/{asked.request_id}").status_code == 404
            assert post(elsewhere, f"/api/requests/{asked.request_id}/accept", {}).status_code == 404


def test_a_head_sees_what_an_offer_is_but_not_its_images_until_it_is_accepted(office: Office) -> None:
    asked = office.partners.ask()
    office.partners.bring(asked, "OFFERED")
    slide = {"slide_id": str(asked.slide_ids[0])}
    with office.client(office.partners.head) as head, office.client(office.partners.reader) as reader:
        assert head.get(f"/api/requests/{asked.request_id}").json()["content"]["question"]
        refused = head.post("/api/viewings", json=slide)
        assert (refused.status_code, refused.json()["code"]) == (403, "D22")
        assert reader.post("/api/viewings", json=slide).status_code == 201
        assert post(head, f"/api/requests/{asked.request_id}/accept", {}).status_code == 200
        assert head.post("/api/viewings", json=slide).status_code == 201


def together(*acts: Callable[[], httpx2.Response]) -> list[httpx2.Response]:
    with ThreadPoolExecutor(len(acts)) as pool:
        return [one.result() for one in [pool.submit(act) for act in acts]]


def test_of_two_who_accept_at_once_one_wins_and_the_other_is_told_what_is_possible(office: Office) -> None:
    partners = office.partners
    with office.client(partners.reader) as one, office.client(partners.colleague) as other:
        for _ in range(5):
            asked = partners.ask()
            partners.bring(asked, "OFFERED")
            path = f"/api/requests/{asked.request_id}/accept"
            answers = together(
                lambda path=path: post(one, path, {"read_myself": True}),  # type: ignore[misc]
                lambda path=path: post(other, path, {"read_myself": True}),  # type: ignore[misc]
            )
            assert sorted(answer.status_code for answer in answers) == [200, 409]
            (lost,) = (answer.json() for answer in answers if answer.status_code == 409)
            assert lost["code"] == "ILLEGAL_MOVE" and "assign" not in lost["detail"].split("Possible")[0]
            accepted = partners.world.database.query(
                "SELECT count(*) AS n FROM state_event WHERE entity_id = :id AND event = 'accept'",
                id=asked.request_id,
            )
            assert accepted[0]["n"] == 1


def test_the_same_key_at_once_makes_one_move(office: Office) -> None:
    partners = office.partners
    asked = partners.ask()
    partners.bring(asked, "OFFERED")
    key, path = str(uuid.uuid4()), f"/api/requests/{asked.request_id}/accept"
    with office.client(partners.head) as one, office.client(partners.head) as two:
        answers = together(lambda: post(one, path, {}, key=key), lambda: post(two, path, {}, key=key))
    assert [(answer.status_code, answer.json()["status"]) for answer in answers] == [(200, "ACCEPTED")] * 2


def test_recalling_against_opening_leaves_nobody_looking(office: Office) -> None:
    partners = office.partners
    for _ in range(5):
        asked = partners.ask()
        partners.bring(asked, "ASSIGNED")
        with office.client(partners.reader) as reader, office.client(partners.sender) as sender:
            opened, recalled = together(
                lambda: reader.post("/api/viewings", json={"slide_id": str(asked.slide_ids[0])}),  # noqa: B023
                lambda: post(sender, f"/api/requests/{asked.request_id}/recall", {"text": "Fel glas"}),  # noqa: B023
            )
        assert recalled.status_code == 200 and recalled.json()["status"] == "RECALLED"
        assert opened.status_code in (201, 403, 404), opened.text
        alive = partners.world.database.query(
            "SELECT count(*) AS n FROM viewing WHERE slide_image_id = :slide AND closed_at IS NULL",
            slide=asked.slide_ids[0],
        )
        assert alive[0]["n"] == 0, "whichever came first, nothing is left open"


def test_a_transfer_over_http_moves_the_case_and_gives_it_back(office: Office) -> None:
    partners = office.partners
    asked = partners.ask(type=RequestType.WORKLOAD_TRANSFER)
    address = f"/api/requests/{asked.request_id}"
    with (
        office.client(partners.owner_head) as owner,
        office.client(partners.head) as head,
        office.client(partners.reader) as reader,
    ):
        assert post(owner, f"{address}/submit").json()["status"] == "OFFERED"
        accepted = post(head, f"{address}/accept", {}).json()
        assert accepted["responsibility"] == "Övertaget fall: Region Östergötland svarar ut."
        assert post(head, f"{address}/assign", {"assignment_id": str(partners.reader.assignment.id)}).status_code == 200
        asked_back = post(owner, f"{address}/recall", {"text": "Patienten opereras här"}).json()
        assert asked_back["status"] == "ASSIGNED" and asked_back["recall_requested_at"]
        assert "confirm_recall" in head.get(address).json()["moves"]
        assert "confirm_recall" not in reader.get(address).json()["moves"]
        back = post(head, f"{address}/confirm-recall").json()
        assert (back["status"], back["responsibility"]) == ("RECALLED", "Återlämnat: Region Kalmar län svarar ut.")


def test_a_coordinator_submits_what_their_head_has_delegated(office: Office) -> None:
    partners = office.partners
    coordinator = partners.owner.person(Role.COO)
    asked: Asked = partners.ask()
    path = f"/api/requests/{asked.request_id}/submit"
    with office.client(coordinator) as client:
        assert post(client, path).json()["code"] == "D04"
        partners.world.database.query(
            "INSERT INTO delegation (id, version, care_provider_id, permission, from_assignment_id, to_assignment_id,"
            " document_ref,"
            " valid_from, valid_to) VALUES (gen_random_uuid(), 1, :provider, 'DECIDE_DISCLOSURE', :head, :who, 'VC 1',"
            " now() - interval '1 day', now() + interval '1 day')",
            provider=partners.owner.provider.id,
            head=partners.owner_head.assignment.id,
            who=coordinator.assignment.id,
        )
        assert post(client, path).json()["status"] == "OFFERED"
