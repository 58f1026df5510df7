"""Agreements, services and checklists through HTTP: who may do what, and what a third provider learns."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from contracts import DIGEST
from product import ROOT, Product, Web
from world import Place, World

from cases.access.permissions import Role
from cases.sharing.checklists import EvidenceItem

NOW = datetime.now(UTC)
NOTHING_THERE = "There is no such thing, or none that you may see."


@dataclass(frozen=True)
class Region:
    """Three care providers and one web process."""

    web: Web
    world: World
    kalmar: Place
    jonkoping: Place
    private: Place

    @contextmanager
    def browser(self, place: Place, *roles: Role) -> Iterator[httpx2.Client]:
        """Of somebody new with these roles, signed in."""
        token = place.person(*(roles or (Role.AGR,))).sign_in()
        with self.web.browser(token) as client:
            yield client


@pytest.fixture(scope="module")
def region(module_product: Product) -> Iterator[Region]:
    """Kalmar, Jönköping and a private provider, connected, without any agreement between them."""
    with World(module_product.database) as world:
        names = ("Region Kalmar län", "Region Jönköpings län", "Patologen AB")
        yield Region(module_product.start_web(), world, *(world.provider(name) for name in names))


def write(region: Region, **changes: object) -> dict[str, Any]:
    """A cooperation agreement of Kalmar with Jönköping, as it is sent."""
    text = {
        "purpose": "Andra bedömningar",
        "document_ref": "RS 2026-17",
        "doc_sha256": DIGEST,
        "valid_from": (NOW - timedelta(days=1)).isoformat(),
        "valid_to": (NOW + timedelta(days=400)).isoformat(),
        "notice_period_days": 90,
        "run_off_days": 14,
    }
    return {"type": "COOPERATION", "party_b": str(region.jonkoping.provider.id), "text": text | changes}


def send(client: httpx2.Client, address: str, row: dict[str, Any], body: object = None) -> httpx2.Response:
    """A move with the version that was read."""
    return client.post(f"{address}", json=body, headers={"if-match": f'"{row["version"]}"'})


def create(client: httpx2.Client, region: Region) -> dict[str, Any]:
    """A draft of Kalmar's."""
    answer = client.post("/api/agreements", json=write(region))
    assert answer.status_code == 201, answer.text
    assert answer.headers["etag"] == '"1"'
    row: dict[str, Any] = answer.json()
    return row


def move(client: httpx2.Client, row: dict[str, Any], what: str, body: object = None) -> httpx2.Response:
    """Sign or terminate, as the version that was read."""
    return send(client, f"/api/agreements/{row['id']}/{what}", row, body)


def test_an_agreement_from_draft_to_termination(region: Region) -> None:
    with region.browser(region.kalmar) as kalmar, region.browser(region.jonkoping) as jonkoping:
        draft = create(kalmar, region)
        assert (draft["status"], draft["stage"]) == ("DRAFT", "UNSIGNED")
        assert draft["moves"] == ["SIGNED_BY_A", "SIGNED_BY_B", "WITHDRAWN"]
        changed = kalmar.put(
            f"/api/agreements/{draft['id']}",
            json=write(region, document_ref="RS 2026-18")["text"],
            headers={"if-match": '"1"'},
        )
        assert changed.json()["text"]["document_ref"] == "RS 2026-18"
        stale = move(jonkoping, draft, "signature")
        assert (stale.status_code, stale.json()["code"]) == (412, "STALE"), "they would sign what they have not read"
        once = move(kalmar, changed.json(), "signature").json()
        both = move(jonkoping, once, "signature")
        assert (both.json()["status"], both.json()["moves"]) == ("ACTIVE", ["RESCINDED", "UNDER_NOTICE"])
        again = move(jonkoping, both.json(), "signature")
        assert (again.status_code, again.json()["code"]) == (409, "ILLEGAL_MOVE")
        assert again.json()["allowed"] == ["RESCINDED", "UNDER_NOTICE"]
        ended = move(jonkoping, both.json(), "termination", {"ending": "UNDER_NOTICE", "reason": "Nytt avtal"}).json()
        assert (ended["status"], ended["stage"], ended["ending_reason"]) == ("ACTIVE", "UNDER_NOTICE", "Nytt avtal")
        ends = datetime.fromisoformat(ended["terminated_at"])
        assert timedelta(days=89) < ends - NOW < timedelta(days=91)
        assert datetime.fromisoformat(ended["run_off_until"]) == ends + timedelta(days=14)
        shown = kalmar.get(f"/api/agreements/{draft['id']}")
        assert shown.json() == ended
        assert shown.headers["etag"] == f'"{ended["version"]}"'


def test_a_change_says_which_version_was_read(region: Region) -> None:
    with region.browser(region.kalmar) as kalmar:
        draft = create(kalmar, region)
        answer = kalmar.post(f"/api/agreements/{draft['id']}/signature")
        assert (answer.status_code, answer.json()["code"]) == (428, "VERSION_MISSING")


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.AGR])
def test_only_an_agreement_administrator_changes_agreements(region: Region, role: Role) -> None:
    with region.browser(region.kalmar, role) as client:
        refused = client.post("/api/agreements", json=write(region))
        assert (refused.status_code, refused.json()["code"]) == (403, "D04")
        assert "It is for: AGR." in refused.json()["detail"]
        readers = {Role.HEAD, Role.DPO}
        for address in ("/api/agreements", "/api/service-descriptions", "/api/checklists", "/api/evidence"):
            assert client.get(address).status_code == (200 if role in readers else 403), address


def test_a_third_provider_learns_nothing(region: Region) -> None:
    with region.browser(region.kalmar) as kalmar, region.browser(region.private) as stranger:
        draft = create(kalmar, region)
        service = propose(kalmar, region, draft).json()
        nobody = str(uuid.uuid4())
        pair = f"{region.kalmar.provider.id}/{region.jonkoping.provider.id}"
        for there, not_there in (
            (f"/api/agreements/{draft['id']}", f"/api/agreements/{nobody}"),
            (f"/api/service-descriptions/{service['id']}", f"/api/service-descriptions/{nobody}"),
            (f"/api/checklists/{pair}", f"/api/checklists/{nobody}/{nobody}"),
        ):
            seen, unseen = stranger.get(there), stranger.get(not_there)
            assert (seen.status_code, seen.json()["detail"]) == (404, NOTHING_THERE)
            assert seen.content == unseen.content
        for answer in (
            move(stranger, draft, "signature"),
            move(stranger, draft, "termination", {"ending": "WITHDRAWN", "reason": "x"}),
            send(stranger, f"/api/service-descriptions/{service['id']}/acceptance", service),
            send(stranger, f"/api/service-descriptions/{service['id']}/ending", service),
            propose(stranger, region, draft),
        ):
            assert (answer.status_code, answer.json()["detail"]) == (404, NOTHING_THERE)
        listed = [row["type"] for row in stranger.get("/api/agreements").json()["items"]]
        assert sorted(listed) == ["COHERENT_RECORD", "CONNECTION", "PUB"], "its own, and nothing between the others"
        assert stranger.get("/api/service-descriptions").json() == {"items": [], "next": None}


def propose(client: httpx2.Client, region: Region, agreement: dict[str, Any]) -> httpx2.Response:
    """Second opinions by Jönköping for Kalmar."""
    terms = {
        "performer_department_id": str(region.jonkoping.department.id),
        "request_type": "SECOND_OPINION",
        "subspecialties": ["GI"],
        "accept_minutes": {"ROUTINE": 1440},
        "answer_minutes": {"ROUTINE": 10080},
        "valid_from": agreement["text"]["valid_from"],
        "valid_to": agreement["text"]["valid_to"],
    }
    customer = str(region.kalmar.provider.id)
    body = {"agreement_id": agreement["id"], "customer_id": customer, "terms": terms}
    return client.post("/api/service-descriptions", json=body)


def test_a_service_is_proposed_accepted_and_ended(region: Region) -> None:
    with region.browser(region.kalmar) as kalmar, region.browser(region.jonkoping) as jonkoping:
        proposed = propose(kalmar, region, create(kalmar, region))
        assert proposed.status_code == 201, proposed.text
        service = proposed.json()
        assert (service["terms"]["legal_model"], service["holds"]) == ("DISCLOSURE", False)
        address = f"/api/service-descriptions/{service['id']}"
        own = send(kalmar, f"{address}/acceptance", service)
        assert (own.status_code, own.json()["code"]) == (409, "CONFLICT")
        accepted = send(jonkoping, f"{address}/acceptance", service).json()
        assert accepted["holds"]
        assert kalmar.get(address).json() == accepted
        assert accepted in kalmar.get("/api/service-descriptions").json()["items"]
        assert not send(kalmar, f"{address}/ending", accepted).json()["holds"]


def test_the_legal_model_comes_with_its_reason(region: Region) -> None:
    questions = ("works_for_owner", "owner_sends_case", "looks_up", "only_technical")
    with region.browser(region.kalmar) as client:
        chosen = client.post(
            "/api/service-descriptions/legal-model", json=dict.fromkeys(questions, False) | {"owner_sends_case": True}
        )
        assert chosen.json()["legal_model"] == "DISCLOSURE"
        assert "discloses it" in chosen.json()["reason_en"]
        none = client.post("/api/service-descriptions/legal-model", json=dict.fromkeys(questions, False))
        assert (none.status_code, none.json()["code"]) == (422, "INVALID")


def test_evidence_turns_its_item_green_for_every_pair(region: Region) -> None:
    own = str(region.private.provider.id)
    with region.browser(region.private) as client:
        unstated = client.get("/api/evidence").json()["items"]
        assert [row["item"] for row in unstated] == list(EvidenceItem)
        assert {row["version"] for row in unstated} == {0}
        body = {"evidence_ref": "Dnr 7", "owner": "IT-chefen"}
        given = client.put("/api/evidence/NETWORK", json=body, headers={"if-match": '"0"'})
        assert given.json()["version"] == 1, given.text
        stale = client.put("/api/evidence/NETWORK", json=body, headers={"if-match": '"0"'})
        assert (stale.status_code, stale.json()["code"]) == (412, "STALE")
        pairs = client.get("/api/checklists").json()["items"]
        ids = {(pair["customer_id"], pair["performer_id"]) for pair in pairs}
        known = {str(place.provider.id) for place in (region.kalmar, region.jonkoping)}
        assert ids >= {(own, other) for other in known} | {(other, own) for other in known}
        for pair in pairs:
            assert own in (pair["customer_id"], pair["performer_id"])
            assert not pair["ready"]
            (item,) = [one for one in pair["items"] if (one["code"], one["owner_provider"]) == ("NETWORK", own)]
            assert (item["state"], item["evidence_ref"], item["responsible"]) == ("DONE", "Dnr 7", "IT-chefen")
        alone = client.get(f"/api/checklists/{pairs[0]['customer_id']}/{pairs[0]['performer_id']}")
        assert alone.json() == pairs[0]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"doc_sha256": "x"}, "INVALID_REQUEST"),
        ({"valid_to": "9999-12-31T00:00:00Z"}, "INVALID_REQUEST"),
        ({"valid_from": "2026-01-01T00:00:00"}, "INVALID_REQUEST"),
        ({"purpose": "a\x00b"}, "INVALID_REQUEST"),
        ({"notice_period_days": 10**9}, "INVALID_REQUEST"),
        ({"valid_to": "2001-01-01T00:00:00Z"}, "INVALID"),
    ],
)
def test_what_makes_no_sense_is_refused(region: Region, changes: dict[str, object], code: str) -> None:
    with region.browser(region.kalmar) as client:
        answer = client.post("/api/agreements", json=write(region, **changes))
        assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_the_list_goes_on_where_the_page_before_ended(region: Region) -> None:
    with region.browser(region.kalmar) as client:
        made = [create(client, region)["id"] for _ in range(3)][::-1]
        first = client.get("/api/agreements", params={"limit": 2, "type": "COOPERATION"}).json()
        assert [row["id"] for row in first["items"]] == made[:2]
        rest = client.get("/api/agreements", params={"limit": 1, "after": first["next"]}).json()
        assert [row["id"] for row in rest["items"]] == made[2:]


def test_the_operator_signs_at_the_server(region: Region) -> None:
    with region.browser(region.private) as client:
        text = write(region, run_off_days=0, instructions_ref="Instruktion 3")["text"]
        draft = client.post("/api/agreements", json={"type": "PUB", "text": text}).json()
        refused = run(region, "sign", draft["id"], "--name", "Eva Ek, driftchef", "--sha256", "f" * 64)
        assert refused.returncode == 1
        assert "names another document" in " ".join(refused.stdout.split())
        signed = run(region, "sign", draft["id"], "--name", "Eva Ek, driftchef", "--sha256", DIGEST)
        assert signed.returncode == 0, signed.stdout + signed.stderr
        row = client.get(f"/api/agreements/{draft['id']}").json()
        assert (row["stage"], row["signature_b"]["operator"]) == ("SIGNED_BY_B", "Eva Ek, driftchef")
        active = move(client, row, "signature").json()
        assert active["status"] == "ACTIVE"
        assert draft["id"] in run(region, "list").stdout
        words = ("--name", "Eva Ek", "--reason", "Avtalsbrott", "--ending", "RESCINDED")
        assert run(region, "terminate", draft["id"], *words).returncode == 0
        assert client.get(f"/api/agreements/{draft['id']}").json()["status"] == "TERMINATED"
    nobody = run(region, "sign", str(uuid.uuid4()), "--name", "x", "--sha256", DIGEST)
    assert nobody.returncode == 1
    assert "no such agreement with the operator" in " ".join(nobody.stdout.split())


def run(region: Region, *words: str) -> subprocess.CompletedProcess[str]:
    """`samsyn agreements` at the server."""
    code = "import sys; from viewer.cli_agreements import app; app(args=sys.argv[1:])"
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        env=os.environ | {"SAMSYN_DATABASE_URL": region.world.database.url("samsyn_app"), "COLUMNS": "400"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
