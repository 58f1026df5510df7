"""Two people do the same at the same moment, each through a web process of their own: one wins, nothing is lost."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from contracts import make_text
from makers import folder_for_everyone
from people import act, make_assignment, make_grant, make_person
from product import Database, Product
from world import Place, World

from cases.access.agreements import AgreementType, draft
from cases.access.blocks import BlockType, register_block
from cases.access.patients import Patient
from cases.access.permissions import Role
from cases.sharing.competences import Subspecialty
from cases.transaction import transaction

ROUNDS = 50
LOSING = {(409, "CONFLICT"), (409, "ILLEGAL_MOVE"), (412, "STALE")}
"""What whoever comes second is told."""
NOW = datetime.now(UTC).isoformat()


@dataclass(frozen=True)
class Pair:
    """The browsers of two colleagues with every role, and one of somebody at another care provider."""

    world: World
    place: Place
    other: Place
    first: httpx2.Client
    second: httpx2.Client
    elsewhere: httpx2.Client

    def race(
        self, method: str, path: str, *bodies: object, etag: str | None = None, second: httpx2.Client | None = None
    ) -> tuple[httpx2.Response, httpx2.Response]:
        """Ask for a change twice at the same moment. Who won, and who was told to look again.

        Args:
            method: of both requests.
            path: of both.
            bodies: of each of them; none where nothing is sent.
            etag: the version that both have seen.
            second: whoever asks besides the first, where it is not their colleague.
        """
        start, headers = threading.Barrier(2), {"if-match": etag} if etag else {}

        def ask(client: httpx2.Client, body: object) -> httpx2.Response:
            start.wait()
            return client.request(method, path, json=body, headers=headers)

        with ThreadPoolExecutor(2) as pool:
            answers = pool.map(ask, (self.first, second or self.second), bodies or (None, None))
            won, lost = sorted(answers, key=lambda answer: answer.status_code)
        assert won.is_success and not lost.is_success, [(one.status_code, one.text) for one in (won, lost)]
        assert (lost.status_code, lost.json()["code"]) in LOSING, lost.text
        return won, lost

    def logged(self, event: str) -> int:
        """Entries of a kind in the log."""
        (row,) = self.world.database.query("SELECT count(*) FROM audit_event WHERE event = :event", event=event)
        return int(row["count"])


@pytest.fixture(scope="module")
def pair(module_database: Database) -> Iterator[Pair]:
    with ExitStack() as stack:
        product = stack.enter_context(Product(stack.enter_context(folder_for_everyone()), module_database))
        world = stack.enter_context(World(module_database))
        place, other = world.provider("Region Kalmar län"), world.provider("Region Östergötland")
        webs = [product.start_web() for _ in range(2)]
        browsers = []
        for web, where in zip([*webs, webs[1]], (place, place, other), strict=True):
            browsers.append(stack.enter_context(web.stranger()))
            browsers[-1].cookies.set("samsyn_session", where.person(*Role).sign_in())
        yield Pair(world, place, other, *browsers)


def matching(answer: httpx2.Response) -> dict[str, str]:
    """The headers of a change of what an answer showed."""
    return {"if-match": answer.headers["etag"]}


@dataclass(frozen=True)
class Edited:
    """Something with a text that people change.

    Attributes:
        path: of it.
        method: by which it is changed.
        write: what is sent for a text.
        read: the text in what is answered.
        event: what the log calls it.
    """

    path: str
    method: str
    write: Callable[[str], dict[str, Any]]
    read: Callable[[Any], Any]
    event: str


def find_organisation(pair: Pair) -> Edited:
    """The care provider's contact for incidents."""
    path = f"/api/organisations/{pair.place.provider.id}"
    return Edited(
        path, "PATCH", lambda text: {"incident_contact": text}, lambda a: a["incident_contact"], "CONFIG_CHANGED"
    )


def find_colleague(pair: Pair) -> Edited:
    """A colleague's title."""
    path = f"/api/people/{pair.place.person(Role.PAT).person.id}"
    return Edited(path, "PATCH", lambda text: {"title": text}, lambda answer: answer["title"], "PERSON_CHANGED")


def find_agreement(pair: Pair) -> Edited:
    """An agreement that nobody has signed."""
    text = {"document_ref": "RS 2026-1", "doc_sha256": "0123456789abcdef" * 4, "valid_from": NOW}
    path = f"/api/agreements/{make_drafts(pair, 1)[0]}"
    return Edited(
        path, "PUT", lambda purpose: {**text, "purpose": purpose}, lambda a: a["text"]["purpose"], "AGREEMENT_CORRECTED"
    )


@pytest.mark.parametrize("find", [find_organisation, find_colleague, find_agreement])
def test_the_same_text_is_changed(pair: Pair, find: Callable[[Pair], Edited]) -> None:
    edited = find(pair)
    before = pair.logged(edited.event)
    for number in range(ROUNDS):
        read = pair.first.get(edited.path)
        texts = [f"{number} by the first", f"{number} by the second"]
        won, lost = pair.race(edited.method, edited.path, *map(edited.write, texts), etag=read.headers["etag"])
        winning = edited.read(won.json())
        assert (lost.status_code, winning in texts) == (412, True), "one of the two is kept, whole"
        now = pair.second.get(edited.path)
        assert edited.read(now.json()) == winning, "who came second changed nothing"
        assert now.headers["etag"] == won.headers["etag"] != read.headers["etag"]
        mine = edited.write(next(text for text in texts if text != winning))
        again = pair.second.request(edited.method, edited.path, json=mine, headers=matching(now))
        assert (again.status_code, edited.read(again.json()) in texts) == (200, True), again.text
    assert pair.logged(edited.event) - before == 2 * ROUNDS


def test_evidence_is_given_for_the_first_time(pair: Pair) -> None:
    items = [one["item"] for one in pair.first.get("/api/evidence").raise_for_status().json()["items"]]
    for item in items:
        given = [{"evidence_ref": f"RS 2026-{number}"} for number in range(2)]
        won, _ = pair.race("PUT", f"/api/evidence/{item}", *given, etag='"0"')
        assert won.json()["version"] == 1
    assert pair.logged("EVIDENCE_GIVEN") == len(items) > 3


def test_a_competence_is_entered_for_the_first_time(pair: Pair) -> None:
    colleagues = [pair.place.person(Role.PAT).person.id for _ in range(ROUNDS // len(Subspecialty) + 1)]
    places = [(colleague, subspecialty) for colleague in colleagues for subspecialty in Subspecialty][:ROUNDS]
    for person_id, subspecialty in places:
        bodies = [{"level": "GENERAL", "max_complexity_level": level} for level in (2, 3)]
        won, _ = pair.race("PUT", f"/api/people/{person_id}/competences/{subspecialty}", *bodies, etag='"0"')
        assert (won.json()["version"], won.json()["max_complexity_level"] in (2, 3)) == (1, True)
    assert pair.logged("COMPETENCE_CHANGED") == ROUNDS


def make_grants(pair: Pair) -> list[uuid.UUID]:
    """Roles that wait for approval, of as many new colleagues."""
    made = []
    with transaction(pair.world.owner) as session:
        for _ in range(ROUNDS):
            grant = make_grant(session, make_assignment(session, make_person(session), pair.place.unit), Role.PAT)
            grant.approved_at = None
            made.append(grant.id)
    return made


def make_drafts(pair: Pair, count: int = ROUNDS) -> list[uuid.UUID]:
    """Agreements with the other care provider that nobody has signed."""
    with transaction(pair.world.owner) as session:
        office = act(session, make_assignment(session, make_person(session), pair.place.unit, roles=[Role.AGR]))
        other = pair.other.provider.id
        drafts = [
            draft(session, AgreementType.COOPERATION, make_text(), with_provider=other, by=office) for _ in range(count)
        ]
        session.flush()
        return [one.id for one in drafts]


def make_blocks(pair: Pair) -> list[uuid.UUID]:
    """Blocks of as many patients."""
    patients, now = [pair.place.patient(pair.world.number()) for _ in range(ROUNDS)], datetime.now(UTC)
    with transaction(pair.world.owner) as session:
        rows = [session.get_one(Patient, one) for one in patients]
        return [register_block(session, row, BlockType.OUTER, by=pair.place.clerk, now=now).id for row in rows]


def test_a_role_is_approved_twice(pair: Pair) -> None:
    for grant_id in make_grants(pair):
        won, _ = pair.race("POST", f"/api/role-grants/{grant_id}/approval", etag='"2"')
        assert won.json()["approved_at"]
    assert pair.logged("ROLE_APPROVED") == ROUNDS


def test_an_agreement_is_signed_twice_for_one_party(pair: Pair) -> None:
    before = pair.logged("AGREEMENT_SIGNED")
    for agreement_id in make_drafts(pair):
        won, _ = pair.race("POST", f"/api/agreements/{agreement_id}/signature", etag='"1"')
        assert (won.json()["stage"], won.json()["signature_b"]) == ("SIGNED_BY_A", None)
    assert pair.logged("AGREEMENT_SIGNED") - before == ROUNDS


def test_both_parties_sign_an_agreement(pair: Pair) -> None:
    before = pair.logged("AGREEMENT_SIGNED")
    for agreement_id in make_drafts(pair):
        path = f"/api/agreements/{agreement_id}/signature"
        won, lost = pair.race("POST", path, etag='"1"', second=pair.elsewhere)
        assert lost.status_code == 412
        later = pair.elsewhere if won.json()["stage"] == "SIGNED_BY_A" else pair.first
        signed = later.post(path, headers=matching(won))
        assert (signed.status_code, signed.json()["stage"]) == (200, "SIGNED_BY_BOTH"), signed.text
    assert pair.logged("AGREEMENT_SIGNED") - before == 2 * ROUNDS


def test_a_block_is_revoked_twice(pair: Pair) -> None:
    for block_id in make_blocks(pair):
        reasons = [{"reason": "Patienten ringde"}, {"reason": "Patienten skrev"}]
        won, lost = pair.race("POST", f"/api/blocks/{block_id}/revocation", *reasons)
        assert (won.json()["status"], lost.status_code) == ("REVOKED", 409)
        (kept,) = pair.world.database.query("SELECT ended_reason FROM access_block WHERE id = :id", id=block_id)
        assert kept["ended_reason"] == won.json()["ended_reason"]
    assert pair.logged("BLOCK_REVOKED") == ROUNDS


def test_a_patient_is_taken_in_twice(pair: Pair) -> None:
    before = pair.logged("PATIENT_CREATED")
    for _ in range(ROUNDS):
        number = pair.world.number()
        named = {"number": {"type": number.type, "value": number.extension}, "family_name": "Provsson"}
        _, lost = pair.race("POST", "/api/patients", {**named, "given_name": "A"}, {**named, "given_name": "B"})
        assert lost.status_code == 409 and number.extension not in lost.text
    assert pair.logged("PATIENT_CREATED") - before == ROUNDS


def test_a_laboratory_number_is_given_twice(pair: Pair) -> None:
    patient_id = str(pair.place.patient(pair.world.number()))
    case = {"department_id": str(pair.place.department.id), "patient_id": patient_id, "accessioned_at": NOW}
    for number in range(ROUNDS):
        numbered = {**case, "lid": f"B26-9{number:04}"}
        _, lost = pair.race("POST", "/api/cases", numbered, numbered)
        assert lost.status_code == 409
    (row,) = pair.world.database.query("SELECT count(*) FROM pathology_case WHERE lid LIKE 'B26-9%'")
    assert row["count"] == pair.logged("CASE_CREATED") == ROUNDS
