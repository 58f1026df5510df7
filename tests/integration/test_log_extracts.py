"""A patient's extract: every access to their data, in words, and nothing about anybody else."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from product import Database, Product, Web
from world import Place, Somebody, World

from cases.access.audit import Event, Outcome, Subject, record
from cases.access.errors import IllegalMove, Invalid, NotThere
from cases.access.log.accounts import account
from cases.access.log.extracts import (
    Delivery,
    IdentityProof,
    check_identity,
    deliver_extract,
    generate_extract,
    request_extract,
    review_extract,
)
from cases.access.permissions import Role
from cases.sharing.log_words import KINDS

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Story:
    """A patient known to two regions; each has a pathologist and somebody who hands out extracts."""

    world: World
    kalmar: Place
    jonkoping: Place
    reader: Somebody
    other_reader: Somebody
    officer: Somebody
    patient: uuid.UUID
    same_elsewhere: uuid.UUID

    def see(self, by: Somebody, event: Event = Event.SLIDE_OPENED, **more: Any) -> None:
        """The patient's data at Kalmar are looked at."""
        with by.acting() as (session, actor):
            about = Subject(kind="slide", patient_id=self.patient, provider_id=self.kalmar.provider.id)
            record(session, event, by=actor, subjects=[about, about], **more)

    def tell(self) -> list[dict[str, Any]]:
        """What Kalmar accounts for."""
        with self.officer.acting() as (session, actor):
            told = account(
                session, self.patient, provider_id=actor.provider_id, since=NOW - DAY, until=NOW + DAY, kinds=KINDS
            )
            entries: list[dict[str, Any]] = told["entries"]
            # Registering the patient is the makers' doing.
            return [entry for entry in entries if "Microscope" in entry["what"]["en"]]


@pytest.fixture
def story(database: Database) -> Iterator[Story]:
    with World(database) as world:
        yield make_story(world)


def make_story(world: World) -> Story:
    kalmar, jonkoping = world.provider("Region Kalmar län"), world.provider("Region Jönköpings län")
    number = world.number()
    return Story(
        world,
        kalmar,
        jonkoping,
        reader=kalmar.person(Role.PAT),
        other_reader=jonkoping.person(Role.PAT),
        officer=kalmar.other_unit("Stab").person(Role.DPO),
        patient=kalmar.patient(number),
        same_elsewhere=jonkoping.patient(number),
    )


def test_it_tells_of_own_users_and_of_other_providers_users(story: Story) -> None:
    story.see(story.reader, basis="OWN_UNIT")
    story.see(story.other_reader, basis="DISCLOSED")
    own, other = story.tell()
    assert own["care_provider"]["name"] == "Region Kalmar län"
    assert own["care_unit"]["name"] == "Klinisk patologi"
    assert own["name"] == "Prov Provsson"
    assert own["user_hsa_id"] == story.reader.assignment.employee_hsa_id
    assert own["title"]["sv"] == "Patolog"
    assert own["activity"] == {"sv": "Läste", "en": "Read"}
    assert own["what"] == {"sv": "Mikroskopibild av vävnadsprov", "en": "Microscope image of a tissue sample"}
    assert own["purpose"] == {"sv": "Vård och behandling", "en": "Care and treatment"}
    assert datetime.fromisoformat(own["at"]).utcoffset() is not None
    assert other["care_provider"]["name"] == "Region Jönköpings län"
    assert other["basis"]["sv"] == "Konsultation: uppgifterna lämnades ut på begäran av Region Kalmar län"


def test_it_tells_what_own_users_read_at_others(story: Story) -> None:
    with story.reader.acting() as (session, actor):
        about = Subject(kind="slide", patient_id=story.same_elsewhere, provider_id=story.jonkoping.provider.id)
        record(session, Event.SLIDE_OPENED, by=actor, subjects=[about], basis="DISCLOSED")
    assert [entry["basis"]["en"] for entry in story.tell()] == [
        "Consultation: the data were handed out at the request of Region Jönköpings län"
    ]


def test_it_is_silent_on_what_others_read_of_their_own(story: Story) -> None:
    with story.other_reader.acting() as (session, actor):
        about = Subject(kind="slide", patient_id=story.same_elsewhere, provider_id=story.jonkoping.provider.id)
        record(session, Event.SLIDE_OPENED, by=actor, subjects=[about], basis="OWN_UNIT")
    assert story.tell() == []


def test_refusals_and_administration_are_no_accesses(story: Story) -> None:
    story.see(story.reader, Event.ACCESS_DENIED, outcome=Outcome.DENIED, code="D10")
    story.see(story.reader, Event.LOG_SEARCHED)
    assert story.tell() == []


@pytest.mark.parametrize("silent", ["kalmar", "jonkoping"])
def test_names_are_given_only_where_both_providers_give_them(story: Story, silent: str) -> None:
    place: Place = getattr(story, silent)
    story.world.database.query(
        "UPDATE care_provider SET extract_includes_name = false WHERE id = :id", id=place.provider.id
    )
    story.see(story.reader)
    story.see(story.other_reader)
    named = [(entry["name"], entry["user_hsa_id"] is not None) for entry in story.tell()]
    assert named == [("Prov Provsson", True) if silent == "jonkoping" else (None, False), (None, False)]


def test_staff_whose_own_data_are_protected_are_never_named(story: Story) -> None:
    story.world.database.query("UPDATE person SET protected = true WHERE id = :id", id=story.reader.person.id)
    story.see(story.reader)
    entry = story.tell()[0]
    assert (entry["name"], entry["user_hsa_id"], entry["title"]["sv"]) == (None, None, "Patolog")


def test_the_period_is_kept_to(story: Story) -> None:
    story.see(story.reader)
    with story.officer.acting() as (session, actor):
        for since, until in ((NOW - 2 * DAY, NOW - DAY), (NOW + DAY, NOW + 2 * DAY)):
            told = account(session, story.patient, provider_id=actor.provider_id, since=since, until=until, kinds=KINDS)
            assert told["entries"] == []


def test_an_extract_goes_its_way_and_is_kept_as_it_was(story: Story) -> None:
    story.see(story.reader)
    with story.officer.acting() as (session, actor):
        extract = request_extract(session, story.patient, since=NOW - DAY, until=NOW + DAY, by=actor)
        with pytest.raises(IllegalMove, match="REQUESTED cannot become GENERATED"):
            generate_extract(session, extract, kinds=KINDS, by=actor, now=NOW)
        check_identity(session, extract, IdentityProof.ID_CARD, by=actor, now=NOW)
        generate_extract(session, extract, kinds=KINDS, by=actor, now=NOW)
        with pytest.raises(IllegalMove, match="GENERATED cannot become DELIVERED") as caught:
            deliver_extract(session, extract, Delivery.IN_PERSON, by=actor, now=NOW)
        assert caught.value.allowed == ("REVIEWED",)
        review_extract(session, extract, by=actor, now=NOW)
        deliver_extract(session, extract, Delivery.REGISTERED_LETTER, by=actor, now=NOW)
    told = story.world.database.query("SELECT content, state FROM access_log_extract")[0]
    assert told["state"] == "DELIVERED"
    assert told["content"]["generated_at"] == NOW.isoformat()
    assert told["content"]["care_provider"]["name"] == "Region Kalmar län"
    events = story.world.database.query("SELECT event FROM audit_event WHERE event LIKE 'EXTRACT%' ORDER BY seq")
    assert [row["event"] for row in events] == [
        "EXTRACT_REQUESTED",
        "EXTRACT_IDENTITY_CHECKED",
        "EXTRACT_GENERATED",
        "EXTRACT_REVIEWED",
        "EXTRACT_DELIVERED",
    ]


def test_only_own_patients_and_real_periods_are_asked_for(story: Story) -> None:
    with story.officer.acting() as (session, actor):
        with pytest.raises(NotThere, match="There is no such patient"):
            request_extract(session, story.same_elsewhere, since=NOW, until=NOW + DAY, by=actor)
        with pytest.raises(Invalid, match="must end after it begins"):
            request_extract(session, story.patient, since=NOW, until=NOW, by=actor)


@dataclass(frozen=True)
class Office:
    """The same, with a web process."""

    story: Story
    web: Web

    @contextmanager
    def browser(self, somebody: Somebody) -> Iterator[httpx2.Client]:
        with self.web.browser(somebody.sign_in()) as client:
            yield client


@pytest.fixture(scope="module")
def office(module_product: Product) -> Iterator[Office]:
    with World(module_product.database) as world:
        story = make_story(world)
        story.see(story.reader, basis="OWN_UNIT")
        yield Office(story, module_product.start_web())


def test_an_extract_over_http(office: Office) -> None:
    asked = {
        "patient_id": str(office.story.patient),
        "since": (NOW - DAY).isoformat(),
        "until": (NOW + DAY).isoformat(),
    }
    with office.browser(office.story.officer) as client:
        made = client.post("/api/log/extracts", json=asked)
        assert (made.status_code, made.json()["moves"]) == (201, ["IDENTITY_CHECKED"])
        path, etag = f"/api/log/extracts/{made.json()['id']}", made.headers["etag"]

        refused = client.post(f"{path}/moves", json={"to": "IDENTITY_CHECKED"}, headers={"if-match": etag})
        assert (refused.status_code, refused.json()["code"]) == (422, "INVALID")
        assert refused.json()["detail"] == "Say how the patient's identity was checked."

        for move in (
            {"to": "IDENTITY_CHECKED", "identity_proof": "E_ID"},
            {"to": "GENERATED"},
            {"to": "REVIEWED"},
            {"to": "DELIVERED", "delivery": "IN_PERSON"},
        ):
            answer = client.post(f"{path}/moves", json=move, headers={"if-match": etag})
            assert (answer.status_code, answer.json().get("state")) == (200, move["to"]), answer.text
            stale = client.post(f"{path}/moves", json=move, headers={"if-match": etag})
            assert stale.status_code == 412
            etag = answer.headers["etag"]
        again = client.post(f"{path}/moves", json={"to": "REQUESTED"}, headers={"if-match": etag})
        assert (again.status_code, "DELIVERED cannot become REQUESTED" in again.json()["detail"]) == (409, True)

        entries = client.get(path).json()["content"]["entries"]
        assert "Microscope image of a tissue sample" in [entry["what"]["en"] for entry in entries]
        assert [row["id"] for row in client.get("/api/log/extracts").json()["items"]] == [made.json()["id"]]


def test_another_provider_learns_nothing_of_it(office: Office) -> None:
    with office.browser(office.story.officer) as client:
        asked = {
            "patient_id": str(office.story.patient),
            "since": (NOW - DAY).isoformat(),
            "until": (NOW + DAY).isoformat(),
        }
        made = client.post("/api/log/extracts", json=asked).json()["id"]
    with office.browser(office.story.jonkoping.person(Role.DPO)) as client:
        theirs, never = (client.get(f"/api/log/extracts/{one}") for one in (made, uuid.uuid4()))
        assert (theirs.status_code, theirs.json()) == (404, never.json())
        assert client.get("/api/log/extracts").json()["items"] == []
        assert client.post("/api/log/extracts", json=asked).status_code == 404


def test_a_review_over_http(office: Office) -> None:
    month = (NOW.replace(day=1) - DAY).date().isoformat()
    with office.browser(office.story.officer) as client:
        made = client.post("/api/log/reviews", json={"month": month})
        assert (made.status_code, made.json()["moves"]) == (201, ["SAMPLED"])
        path, etag = f"/api/log/reviews/{made.json()['id']}", made.headers["etag"]
        for to in ("SAMPLED", "IN_REVIEW", "DONE"):
            assert client.post(f"{path}/moves", json={"to": to}).status_code == 428
            moved = client.post(f"{path}/moves", json={"to": to}, headers={"if-match": etag})
            assert (moved.status_code, moved.json().get("state")) == (200, to), moved.text
            etag = moved.headers["etag"]
        assert client.get(f"{path}/findings").json() == {"items": [], "next": None}
        assert [row["id"] for row in client.get("/api/log/reviews").json()["items"]] == [made.json()["id"]]
    with office.browser(office.story.jonkoping.person(Role.LOG)) as client:
        assert client.get(path).status_code == client.get(f"{path}/findings").status_code == 404
        assert client.get("/api/log/reviews").json()["items"] == []
    with office.browser(office.story.reader) as client:
        assert client.get("/api/log/reviews").json()["code"] == "D04"
