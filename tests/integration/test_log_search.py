"""Looking things up in the log, in the rules and through HTTP."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from product import Product, Web
from sqlalchemy import text
from world import Place, Somebody, World

from cases.access.audit import Event, Outcome, Subject, record
from cases.access.errors import Invalid
from cases.access.identities import link_identifier
from cases.access.log.search import Question, Whose, search, search_log
from cases.access.patients import Patient
from cases.access.permissions import Role


@dataclass(frozen=True)
class Log:
    """Two regions, a reader and a reviewer at each, two patients of the first, and what was done to them."""

    world: World
    kalmar: Place
    jonkoping: Place
    reader: Somebody
    reviewer: Somebody
    other_reader: Somebody
    other_reviewer: Somebody
    patient: uuid.UUID
    neighbour: uuid.UUID

    def own(self, patient_id: uuid.UUID) -> Subject:
        return Subject(kind="case", patient_id=patient_id, provider_id=self.kalmar.provider.id)

    def ask(self, question: Question, *, by: Somebody | None = None, limit: int = 50) -> list[Event]:
        with (by or self.reviewer).acting() as (session, actor):
            found = search(session, question, provider_id=actor.provider_id, limit=limit)
            return [entry.event for entry in found.entries]


@pytest.fixture(scope="module")
def log(module_product: Product) -> Iterator[Log]:
    with World(module_product.database) as world:
        kalmar, jonkoping = world.provider("Region Kalmar län"), world.provider("Region Jönköpings län")
        made = Log(
            world,
            kalmar,
            jonkoping,
            reader=kalmar.person(Role.PAT),
            reviewer=kalmar.other_unit("Stab").person(Role.LOG),
            other_reader=jonkoping.person(Role.PAT),
            other_reviewer=jonkoping.other_unit("Stab").person(Role.LOG),
            patient=kalmar.patient(world.number()),
            neighbour=kalmar.patient(world.number()),
        )
        with made.reader.acting() as (session, actor):
            record(session, Event.CASE_VIEWED, by=actor, subjects=[made.own(made.patient)], basis="OWN_UNIT")
            both = [made.own(made.patient), made.own(made.neighbour)]
            record(session, Event.LIST_VIEWED, by=actor, subjects=both)
            refusal = {"outcome": Outcome.DENIED, "code": "D10"}
            record(session, Event.ACCESS_DENIED, by=actor, subjects=[made.own(made.neighbour)], **refusal)  # type: ignore[arg-type]
        with made.other_reader.acting() as (session, actor):
            record(session, Event.SLIDE_OPENED, by=actor, subjects=[made.own(made.patient)], basis="DISCLOSED")
            mine = Subject(kind="case", patient_id=uuid.uuid4(), provider_id=jonkoping.provider.id)
            record(session, Event.LIST_VIEWED, by=actor, subjects=[made.own(made.patient), mine])
        yield made


def test_a_person_is_found(log: Log) -> None:
    found = log.ask(Question(person_id=log.reader.person.id, event=Event.CASE_VIEWED))
    assert found == [Event.CASE_VIEWED]
    assert log.ask(Question(person_id=log.other_reader.person.id)) == [], "another provider's user is not ours"


def test_a_patient_is_found_the_newest_first(log: Log) -> None:
    seen = [Event.LIST_VIEWED, Event.CASE_VIEWED]
    assert [event for event in log.ask(Question(patient_id=log.patient)) if event in seen] == seen
    assert Event.ACCESS_DENIED in log.ask(Question(patient_id=log.neighbour))


def test_every_row_that_is_the_same_patient_is_found(log: Log) -> None:
    number = log.world.number()
    first, second = log.kalmar.patient(log.world.number()), log.kalmar.patient(number)
    other = log.world.provider("Region Östergötland")
    elsewhere = other.patient(number)
    with log.kalmar.person(Role.COO).acting() as (session, actor):
        patient = session.get_one(Patient, first)
        link_identifier(session, patient, number, known_as=second, by=actor, now=datetime.now(UTC))
    with log.reader.acting() as (session, actor):
        for event, patient_id, owner in (
            (Event.CASE_VIEWED, first, log.kalmar),
            (Event.SLIDE_OPENED, second, log.kalmar),
            (Event.LABEL_VIEWED, elsewhere, other),
        ):
            about = Subject(kind="case", patient_id=patient_id, provider_id=owner.provider.id)
            record(session, event, by=actor, subjects=[about])
    for patient_id in (first, second):
        found = log.ask(Question(patient_id=patient_id, person_id=log.reader.person.id))
        assert found == [Event.LABEL_VIEWED, Event.SLIDE_OPENED, Event.CASE_VIEWED]


def test_refusals_are_found(log: Log) -> None:
    assert log.ask(Question(outcome=Outcome.DENIED)) == [Event.ACCESS_DENIED]
    assert log.ask(Question(outcome=Outcome.ERROR)) == []
    assert log.ask(Question(outcome=Outcome.OK, event=Event.ACCESS_DENIED)) == []


def test_what_others_did_with_our_data_is_found_with_our_part_of_it(log: Log) -> None:
    with log.reviewer.acting() as (session, actor):
        found = search(session, Question(whose=Whose.OUR_DATA), provider_id=actor.provider_id, limit=50)
        assert [entry.event for entry in found.entries] == [Event.LIST_VIEWED, Event.SLIDE_OPENED]
        for entry in found.entries:
            assert entry.care_provider_id == log.jonkoping.provider.id
            assert [one.patient_id for one in found.subjects[entry.id]] == [log.patient]
    assert log.ask(Question(whose=Whose.OUR_DATA, patient_id=log.neighbour)) == []
    assert log.ask(Question(whose=Whose.OUR_DATA), by=log.other_reviewer) == []


def test_a_period_is_kept_to(log: Log) -> None:
    now = datetime.now(UTC)
    day = timedelta(days=1)
    assert log.ask(Question(since=now + day)) == []
    assert log.ask(Question(until=now - day, patient_id=log.patient)) == []
    assert Event.CASE_VIEWED in log.ask(Question(since=now - day, until=now + day, patient_id=log.patient))
    with log.reviewer.acting() as (session, actor), pytest.raises(Invalid, match="must end after it begins"):
        search(session, Question(since=now, until=now), provider_id=actor.provider_id, limit=1)


def test_pages_follow_one_another_without_gap_or_repetition(log: Log) -> None:
    with log.reviewer.acting() as (session, actor):
        whole = search(session, Question(), provider_id=actor.provider_id, limit=200)
        assert whole.next is None
        pages, after = [], None
        while True:
            page = search(session, Question(), provider_id=actor.provider_id, limit=2, after=after)
            pages += [entry.id for entry in page.entries]
            after = page.next
            if after is None:
                break
        assert pages == [entry.id for entry in whole.entries]
        with pytest.raises(Invalid, match="no such entry to go on after"):
            search(session, Question(), provider_id=actor.provider_id, limit=2, after=uuid.uuid4())


def test_a_search_is_an_entry_itself(log: Log) -> None:
    with log.reviewer.acting() as (session, actor):
        search_log(session, Question(patient_id=log.neighbour, event=Event.CASE_VIEWED), limit=5, by=actor)
    with log.reviewer.acting() as (session, actor):
        asked = Question(event=Event.LOG_SEARCHED, patient_id=log.neighbour)
        found = search(session, asked, provider_id=actor.provider_id, limit=1)
        entry = found.entries[0]
        assert (entry.person_id, entry.args["event"], entry.args["found"]) == (actor.person_id, "CASE_VIEWED", 0)
        assert "patient_id" not in entry.args, "it stands where it can be found by"


def test_no_search_reads_the_log_from_end_to_end(log: Log) -> None:
    """With the planner told that a sequential scan is dear: every kind of question has an index that serves it."""
    now = datetime.now(UTC)
    for question in (
        Question(),
        Question(since=now, until=now + timedelta(days=1)),
        Question(person_id=log.reader.person.id),
        Question(patient_id=log.patient),
        Question(event=Event.CASE_VIEWED),
        Question(outcome=Outcome.DENIED),
        Question(whose=Whose.OUR_DATA),
        Question(whose=Whose.OUR_DATA, patient_id=log.patient),
    ):
        with log.reviewer.acting() as (session, actor):
            session.execute(text("SET LOCAL enable_seqscan = off"))
            scans = text("SELECT sum(seq_scan) FROM pg_stat_xact_user_tables WHERE relname LIKE 'audit%'")
            before = session.execute(scans).scalar_one()
            search(session, question, provider_id=actor.provider_id, limit=50)
            assert session.execute(scans).scalar_one() == before, question


@contextmanager
def browser(web: Web, somebody: Somebody) -> Iterator[httpx2.Client]:
    with web.browser(somebody.sign_in()) as client:
        yield client


@pytest.fixture(scope="module")
def web(module_product: Product, log: Log) -> Web:
    return module_product.start_web()


def test_a_reviewer_searches_through_http(web: Web, log: Log) -> None:
    with browser(web, log.reviewer) as client:
        answer = client.post("/api/log/search", json={"patient_id": str(log.patient), "event": "CASE_VIEWED"})
        assert answer.status_code == 200, answer.text
        entry = answer.json()["items"][0]
        assert entry["user"]["hsa_id"] == log.reader.assignment.employee_hsa_id
        assert entry["user"]["name"] == "Prov Provsson"
        assert entry["purpose"] == "Vård och behandling"
        assert entry["activity"] == "Läsa"
        assert entry["basis"] == "OWN_UNIT"
        assert entry["subjects"][0]["patient_id"] == str(log.patient)


def test_of_others_users_a_reviewer_learns_only_what_concerns_our_data(web: Web, log: Log) -> None:
    with browser(web, log.reviewer) as client:
        items = client.post("/api/log/search", json={"whose": "OUR_DATA"}).json()["items"]
    assert [item["event"] for item in items] == ["LIST_VIEWED", "SLIDE_OPENED"]
    for item in items:
        assert (item["client_ip"], item["session_id"], item["args"]) == (None, None, {})
        assert [one["patient_id"] for one in item["subjects"]] == [str(log.patient)]


@pytest.mark.parametrize("roles", [(Role.PAT,), (Role.ADM,), (Role.HEAD,)])
def test_nobody_else_searches(web: Web, log: Log, roles: tuple[Role, ...]) -> None:
    with browser(web, log.kalmar.person(*roles)) as client:
        answer = client.post("/api/log/search", json={})
    assert (answer.status_code, answer.json()["code"]) == (403, "D04")
    assert "It is for: DPO, LOG" in answer.json()["detail"]


def test_a_patient_never_stands_in_an_address(web: Web, log: Log) -> None:
    with browser(web, log.reviewer) as client:
        assert client.get(f"/api/log/search?patient_id={log.patient}").status_code == 404
