"""What people do all day, each as the web does it in one request: to be measured and explained."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeAlias

from crowd.filling import PLACES, number_of
from product import Database
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from cases.access.actors import Actor
from cases.access.gate import Intent, decide
from cases.access.log.accounts import find_users
from cases.access.log.events import Event, Outcome
from cases.access.log.search import Question, Whose, search_log
from cases.access.patients import find_number, find_patient, show
from cases.access.people import Assignment
from cases.access.same_patients import note_changed
from cases.access.sessions import digest_token, find_actor
from cases.access.vault import Vault
from cases.database import act_for, sessions
from cases.records.pathology_case import PathologyCase
from cases.records.slide_images import SlideImage
from cases.sharing.my_referrals import list_referrals
from cases.sharing.resources import describe_slides
from cases.sharing.viewings import find_live, open_viewing, reconsider
from cases.sharing.worklists import (
    CaseList,
    RequestList,
    count_lists,
    follow_requests,
    list_cases,
    list_requests,
    list_slides,
    search_number,
    search_patient,
)
from cases.transaction import transaction

SEATS = """
SELECT signed_in.token_digest, own.id AS own_slide, far.id AS far_slide, late.number AS late
FROM sign_in_session AS signed_in
JOIN assignment ON assignment.id = signed_in.assignment_id
JOIN LATERAL (
    SELECT slide_image.id FROM slide_image JOIN pathology_case ON pathology_case.id = slide_image.case_id
    WHERE slide_image.care_unit_id = assignment.care_unit_id AND pathology_case.status = 'IN_DIAGNOSIS'
    ORDER BY slide_image.number DESC OFFSET ('x' || right(signed_in.id::text, 2))::bit(8)::int / 8 LIMIT 1
) AS own ON true
JOIN LATERAL (
    SELECT slide_image.number FROM slide_image JOIN pathology_case ON pathology_case.id = slide_image.case_id
    WHERE slide_image.care_unit_id = assignment.care_unit_id AND pathology_case.status = 'IN_DIAGNOSIS'
    ORDER BY slide_image.number OFFSET 20 LIMIT 1
) AS late ON true
JOIN active_choice ON active_choice.session_id = signed_in.id
JOIN record_grant ON record_grant.to_provider_id = assignment.care_provider_id
    AND record_grant.created_at = active_choice.created_at
JOIN patient_identifier AS number ON number.patient_id = active_choice.patient_id
JOIN patient_identifier AS other ON other.extension_hmac = number.extension_hmac AND other.id <> number.id
JOIN pathology_case AS far_case ON far_case.id = record_grant.case_id AND far_case.patient_id = other.patient_id
JOIN LATERAL (SELECT id FROM slide_image WHERE case_id = far_case.id LIMIT 1) AS far ON true
WHERE signed_in.ended_at IS NULL AND NOT EXISTS (
    SELECT FROM disclosure
    WHERE disclosure.case_id = far_case.id AND disclosure.to_provider_id = assignment.care_provider_id
)
"""


@dataclass(frozen=True)
class Seat:
    """Somebody signed in, and what they have to do.

    Attributes:
        own_slide: of an open case of their unit.
        far_slide: another care provider's, which the gate opens to them through the coherent record.
        late: the slide of an open case of their unit, by its number, below which there are twenty more.
    """

    token: str
    own_slide: uuid.UUID
    far_slide: uuid.UUID
    late: int


class Clock:
    """Adds up what passes inside `with clock:`, in milliseconds."""

    def __init__(self) -> None:
        self.ms = 0.0
        self._begun = 0.0

    def __enter__(self) -> None:
        self._begun = time.perf_counter()

    def __exit__(self, *error: object) -> None:
        self.ms += (time.perf_counter() - self._begun) * 1000


Ask: TypeAlias = "Callable[[Everyday, Session, Actor], Question]"
Task: TypeAlias = "Callable[[Everyday, Clock], None]"


class Everyday:
    """One process of the web on a filled database.

    Args:
        database: that is filled, and awake.
        engine: of the web's role.
        seed: of what is chosen.
    """

    def __init__(self, database: Database, engine: Engine, *, seed: int = 1) -> None:
        self.vault = Vault(database.keys)
        self.make = sessions(engine, vault=self.vault)
        self.random = random.Random(seed)  # noqa: S311 - chooses, and keeps nothing secret
        tokens = {digest_token(token): token for token in map("seat {}".format, range(10_000))}
        self.seats = [
            Seat(tokens[bytes(row["token_digest"])], row["own_slide"], row["far_slide"], row["late"])
            for row in database.query(SEATS)
        ]
        self.clinicians = [f"clinician {place}" for place in range(PLACES)]
        self.requests = [row["id"] for row in database.query("SELECT id FROM share_request WHERE status = 'IN_REVIEW'")]
        self.viewings = [row["id"] for row in database.query("SELECT id FROM viewing WHERE closed_at IS NULL")]
        self.patients: int = database.query("SELECT count(*) AS number FROM patient")[0]["number"]
        self.begun: datetime = database.query("SELECT min(at) AS at FROM audit_event")[0]["at"]

    @contextmanager
    def request(self, token: str | None = None) -> Iterator[tuple[Session, Actor, Seat]]:
        """One request of somebody, as the web's `permit` begins it and its transaction commits it."""
        seat = self.random.choice(self.seats)
        with transaction(self.make) as session:
            found = find_actor(session, token or seat.token, now=datetime.now(UTC), client_ip="10.0.0.7")
            assert found is not None
            actor = found.require_actor()
            act_for(session, actor.provider_id)
            yield session, actor, seat

    def find_asking(self, clock: Clock) -> None:
        """Find out who asks, from the browser's token."""
        token = self.random.choice(self.seats).token
        with self.make() as session, clock:
            found = find_actor(session, token, now=datetime.now(UTC))
        assert found is not None
        assert found.actor is not None

    def ask_own(self, clock: Clock) -> None:
        """Describe a slide of the own unit and decide."""
        with self.request() as (session, actor, seat):
            _ask(session, actor, seat.own_slide, "OWN_UNIT", clock)

    def ask_far(self, clock: Clock) -> None:
        """Describe another care provider's slide and decide: coherent record."""
        with self.request() as (session, actor, seat):
            _ask(session, actor, seat.far_slide, "COHERENT_RECORD", clock)

    def open_own(self, clock: Clock) -> None:
        """Open a slide of the own unit: the whole request, with decision, viewing and log entry."""
        with clock, self.request() as (session, actor, seat):
            open_viewing(session, session.get_one(SlideImage, seat.own_slide), by=actor, now=datetime.now(UTC))

    def open_far(self, clock: Clock) -> None:
        """Open another care provider's slide: the whole request."""
        with clock, self.request() as (session, actor, seat):
            open_viewing(session, session.get_one(SlideImage, seat.far_slide), by=actor, now=datetime.now(UTC))

    def serve(self, clock: Clock) -> None:
        """Find the live ones among 200 viewings."""
        asked = self.random.sample(self.viewings, min(200, len(self.viewings)))
        with self.make() as session, clock:
            found = find_live(session, asked)
        assert len(found) == len(asked)

    def change_rights(self, clock: Clock) -> None:
        """Decide again what is looked at of one patient, after a block, a consent or a relation changed."""
        with self.request() as (session, _, seat), clock:
            slide = session.get_one(SlideImage, seat.own_slide)
            case = session.get_one(PathologyCase, slide.case_id)
            note_changed(session, [case.patient_id])
            reconsider(session)

    def list_first(self, clock: Clock) -> None:
        """List the first 50 slides of the own unit: the whole request."""
        with clock, self.request() as (session, actor, _):
            listed = list_slides(session, by=actor, now=datetime.now(UTC), limit=50)
        assert len(listed) == 50

    def list_last(self, clock: Clock) -> None:
        """List the last few, which means looking through the list to its end: the whole request."""
        with clock, self.request() as (session, actor, seat):
            listed = list_slides(session, by=actor, now=datetime.now(UTC), limit=50, before=seat.late)
        assert listed

    def list_requests(self, clock: Clock, *, which: RequestList) -> None:
        """The first page of a list of requests: the whole request."""
        with clock, self.request() as (session, actor, _):
            list_requests(session, which, by=actor, now=datetime.now(UTC), limit=50)

    def list_further(self, clock: Clock) -> None:
        """The second page of what was sent: the whole request."""
        with self.request() as (session, actor, _):
            first = list_requests(session, RequestList.SENT, by=actor, now=datetime.now(UTC), limit=50)
        with clock, transaction(self.make) as session:
            act_for(session, actor.provider_id)
            list_requests(session, RequestList.SENT, by=actor, now=datetime.now(UTC), limit=50, after=first.next)

    def list_cases(self, clock: Clock, *, which: CaseList) -> None:
        """The first page of a list of own cases: the whole request."""
        with clock, self.request() as (session, actor, _):
            list_cases(session, which, by=actor, now=datetime.now(UTC), limit=50)

    def count(self, clock: Clock) -> None:
        """How much stands in each list: the whole request."""
        with clock, self.request() as (session, actor, _):
            counts = count_lists(session, by=actor, now=datetime.now(UTC))
        assert counts[RequestList.SENT] > 0

    def follow(self, clock: Clock) -> None:
        """A request that changed, for one browser's stream: the whole request."""
        request_id = self.random.choice(self.requests)
        with clock, self.request() as (session, actor, _):
            follow_requests(session, [request_id], by=actor, now=datetime.now(UTC))

    def search_lists(self, clock: Clock, *, by_patient: bool) -> None:
        """Search for a case by its number or its patient's: the whole request."""
        number = self.random.randrange(self.patients)
        with clock, self.request() as (session, actor, _):
            if by_patient:
                search_patient(session, number_of(number), by=actor, now=datetime.now(UTC))
            else:
                search_number(session, f"D-{number}", by=actor, now=datetime.now(UTC))

    def list_referrals(self, clock: Clock) -> None:
        """The first page of a clinician's referrals: the whole request."""
        with clock, self.request(self.random.choice(self.clinicians)) as (session, actor, _):
            rows = list_referrals(session, by=actor, now=datetime.now(UTC), limit=50)
        assert len(rows) == 50

    def search_patient(self, clock: Clock) -> None:
        """Search for a patient by number and show what is found: the whole request."""
        with clock, self.request() as (session, actor, _):
            patient = find_patient(session, number_of(self.random.randrange(self.patients)), by=actor)
            if patient is not None:
                show(session, patient, by=actor)

    def search_log(self, clock: Clock, *, question: Ask) -> None:
        """Look something up in the log, at any page, and who it was: the whole request."""
        with self.request() as (session, actor, _):
            asked = question(self, session, actor)
        with clock, transaction(self.make) as session:
            act_for(session, actor.provider_id)
            found = search_log(session, asked, limit=50, by=actor)
            find_users(session, {entry.assignment_id for entry in found.entries if entry.assignment_id})

    def moment(self) -> datetime:
        """Some time since the log began."""
        return self.begun + (datetime.now(UTC) - self.begun) * self.random.random()

    def patient_of(self, session: Session, actor: Actor) -> uuid.UUID:
        """Some patient of the actor's care provider."""
        while True:
            number = number_of(self.random.randrange(self.patients))
            found = find_number(session, number, by=actor)
            if found is not None:
                return found.patient_id

    def person_of(self, session: Session, actor: Actor) -> uuid.UUID:
        """Somebody who works for the actor's care provider."""
        people = select(Assignment.person_id).where(Assignment.care_provider_id == actor.provider_id)
        return self.random.choice(session.scalars(people.order_by(Assignment.id)).all())


def _ask(session: Session, actor: Actor, slide_id: uuid.UUID, basis: str, clock: Clock) -> None:
    now = datetime.now(UTC)
    with clock:
        slide = session.get_one(SlideImage, slide_id)
        decision = decide(actor, describe_slides(session, [slide], by=actor, now=now)[slide_id], Intent.VIEW, now)
    assert decision.basis == basis, decision


def _month(everyday: Everyday, session: Session, actor: Actor) -> Question:
    since = everyday.moment()
    return Question(since=since, until=since + timedelta(days=30))


def _person(everyday: Everyday, session: Session, actor: Actor) -> Question:
    return Question(person_id=everyday.person_of(session, actor))


def _patient(everyday: Everyday, session: Session, actor: Actor) -> Question:
    return Question(patient_id=everyday.patient_of(session, actor))


def _event(everyday: Everyday, session: Session, actor: Actor) -> Question:
    return Question(event=everyday.random.choice([Event.SLIDE_OPENED, Event.NODOPPNING, Event.BREAK_GLASS]))


def _refusals(everyday: Everyday, session: Session, actor: Actor) -> Question:
    return Question(outcome=Outcome.DENIED, until=everyday.moment())


def _others(everyday: Everyday, session: Session, actor: Actor) -> Question:
    return Question(whose=Whose.OUR_DATA, until=everyday.moment())


def _all(*parts: Ask) -> Ask:
    """A question that asks for several things at once."""

    def ask(everyday: Everyday, session: Session, actor: Actor) -> Question:
        wanted = Question()
        for part in parts:
            said = {name: value for name, value in asdict(part(everyday, session, actor)).items() if value is not None}
            wanted = replace(wanted, **{name: said[name] for name in said if said[name] != getattr(Question(), name)})
        return wanted

    return ask


TASKS: Mapping[str, Task] = {
    "who asks": Everyday.find_asking,
    "decide, own unit": Everyday.ask_own,
    "decide, coherent record": Everyday.ask_far,
    "open a slide, own unit, committed": Everyday.open_own,
    "open a slide, coherent record, committed": Everyday.open_far,
    "viewings decided again": Everyday.change_rights,
    "200 viewings: which are live": Everyday.serve,
    "slide list, first page of 50": Everyday.list_first,
    "slide list, last page": Everyday.list_last,
    **{
        f"list {which} of requests, first page": partial(Everyday.list_requests, which=which)
        for which in RequestList
        if which is not RequestList.ORDERED
    },
    "list SENT of requests, second page": Everyday.list_further,
    **{f"list {which} of cases, first page": partial(Everyday.list_cases, which=which) for which in CaseList},
    "list of referrals, first page": Everyday.list_referrals,
    "counts of all lists": Everyday.count,
    "a request that changed, for a stream": Everyday.follow,
    "search a case by its number": partial(Everyday.search_lists, by_patient=False),
    "search cases by a patient's number": partial(Everyday.search_lists, by_patient=True),
    "search a patient by number": Everyday.search_patient,
}
"""What is done, by its name."""
QUESTIONS: Mapping[str, Ask] = {
    "log: a month": _month,
    "log: a person": _person,
    "log: a person in a month": _all(_month, _person),
    "log: a patient": _patient,
    "log: a patient and a person": _all(_patient, _person),
    "log: an event, common, rare or unheard of": _event,
    "log: an event in a month": _all(_month, _event),
    "log: refusals": _refusals,
    "log: a person's refusals": _all(_refusals, _person),
    "log: others at our data": _others,
    "log: others at our data, a patient": _all(_others, _patient),
    "log: others at our data, a person": _all(_others, _person),
    "log: others at our data, an event": _all(_others, _event),
}
"""What log reviewers look for, by its name."""
