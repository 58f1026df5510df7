"""What happens by itself when time has passed, at moments that the tests choose."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest
from celery import Celery
from errand import DAY, HOUR, MONDAY, Errand
from product import Database
from sqlalchemy import create_engine, select, text, update
from sqlalchemy.orm import Session
from world import World

from cases.access import rights
from cases.access.errors import Conflict
from cases.access.idempotency import take_key
from cases.access.patients import Patient
from cases.database import sessions
from cases.records.slide_images import SlideImage
from cases.sharing import timers
from cases.sharing.requests import HoldReason, RequestHold, RequestStatus, ShareRequest, advance
from cases.sharing.requests.disclosure import Disclosure
from cases.sharing.service_descriptions import RequestType, Urgency
from cases.transaction import transaction
from worker.storage import Storage
from worker.sweeping import Sweeper

TUESDAY, WEDNESDAY = MONDAY + DAY, MONDAY + 2 * DAY


@pytest.fixture(scope="module")
def shared(module_database: Database) -> Iterator[World]:
    """One database for all tests of this file."""
    with World(module_database) as world:
        yield world


@pytest.fixture
def world(shared: World) -> Iterator[World]:
    """Afterwards nothing is open any more: timers look at every request there is."""
    yield shared
    with transaction(shared.owner) as session:
        session.execute(text("UPDATE pathology_case SET signout_department_id = department_id"))
        session.execute(text("UPDATE share_request SET status = 'CANCELLED', held_from = NULL"))
        session.execute(
            text("UPDATE disclosure SET state = 'ENDED', ended_at = now() WHERE state IN ('ACTIVE', 'SUSPENDED')")
        )


def test_an_offer_is_reminded_of_escalated_and_expires(world: World) -> None:
    errand = Errand(world)
    assert errand.tick(MONDAY + HOUR) == 0
    assert errand.row().accept_by == MONDAY + 4 * HOUR
    assert errand.tick(MONDAY + 2 * HOUR) == 1
    assert errand.tick(MONDAY + 3 * HOUR) == 0
    assert (errand.row().escalation, errand.told(errand.queue)[-1]) == (1, "ACCEPT_REMINDED")
    assert errand.tick(MONDAY + 4 * HOUR) == 1
    assert errand.row().escalation == 2
    for head in (errand.head, errand.chief):
        assert errand.told(head)[-1] == "ACCEPT_HEADS"
    assert "ACCEPT_HEADS" not in errand.told(errand.queue)
    assert errand.tick(MONDAY + 7 * HOUR) == 0
    assert errand.tick(MONDAY + 8 * HOUR) == 1
    assert (errand.row().status, errand.row().end_reason) == (RequestStatus.EXPIRED, "EXPIRED")
    assert [event for event, _ in errand.story()] == ["create", "submit", "offer", "escalate", "escalate", "expire"]
    assert errand.told(errand.requester)[-1] == "REQUEST_EXPIRED"
    assert errand.tick(MONDAY + 30 * DAY) == 0


@pytest.mark.parametrize("urgency", [Urgency.SVF, Urgency.SNABB])
def test_an_urgent_offer_never_expires_but_is_telephoned_about(world: World, urgency: Urgency) -> None:
    errand = Errand(world, urgency=urgency)
    assert [errand.tick(MONDAY + 5 * DAY) for _ in range(5)] == [1, 1, 1, 0, 0]
    assert (errand.row().status, errand.row().escalation) == (RequestStatus.OFFERED, 3)
    assert errand.story()[-3:] == [("escalate", "REMINDED"), ("escalate", "HEADS"), ("escalate", "TELEPHONE")]
    for head in (errand.head, errand.chief):
        assert errand.told(head)[-1] == "ACCEPT_TELEPHONE"


def test_nobody_is_reminded_at_night_or_on_a_weekend(world: World) -> None:
    friday = MONDAY + 4 * DAY
    errand = Errand(world, now=friday + 8 * HOUR)  # at four o'clock, with an hour of work left
    assert errand.tick(friday + 2 * DAY) == 0
    assert errand.tick(friday + 3 * DAY + HOUR) == 1
    assert errand.row().accept_by == friday + 3 * DAY + 3 * HOUR


def test_a_named_reader_is_reminded_and_nobody_else(world: World) -> None:
    errand = Errand(world, named=True)
    errand.tick(MONDAY + 2 * HOUR)
    assert errand.told(errand.reader)[-1] == "ACCEPT_REMINDED"
    assert "ACCEPT_REMINDED" not in errand.told(errand.queue)


def test_what_was_accepted_in_time_is_left_alone(world: World) -> None:
    errand = Errand(world)
    errand.take(MONDAY + 3 * HOUR)
    assert errand.tick(MONDAY + 3 * DAY) == 0


def test_a_request_goes_out_by_itself_when_its_slides_are_there(world: World) -> None:
    errand = Errand(world, offered=False)
    assert errand.story()[-1] == ("hold", "IMAGE_NOT_READY")
    assert errand.tick(MONDAY + HOUR) == 0
    with transaction(world.owner) as session:
        glass_id = uuid.UUID(errand.row().manifest["glass_ids"][0])
        session.get_one(SlideImage, errand.slide_id).glass_slide_id = glass_id
    assert errand.tick(MONDAY + 2 * HOUR) == 1
    assert (errand.row().status, errand.row().offered_at) == (RequestStatus.OFFERED, MONDAY + 2 * HOUR)
    assert errand.told(errand.queue) == ["REQUEST_OFFERED"]


def test_an_agreement_that_ends_holds_what_is_open(world: World) -> None:
    errand = Errand(world, until=TUESDAY)
    errand.take()
    assert errand.tick(TUESDAY - HOUR) == 0
    assert errand.tick(TUESDAY) == 1
    assert errand.row().status is RequestStatus.HELD
    with transaction(world.owner) as session:
        held = session.scalars(select(RequestHold).where(RequestHold.request_id == errand.id)).one()
    assert (held.reason, held.began_at) == (HoldReason.AGREEMENT, TUESDAY)
    assert errand.tick(TUESDAY + HOUR) == 0


def test_what_was_held_goes_on_by_itself_and_has_its_whole_time_again(world: World) -> None:
    errand = Errand(world)
    doubt(errand, at=MONDAY)
    assert errand.row().status is RequestStatus.HELD
    doubt(errand, at=None)
    assert errand.tick(MONDAY + 5 * DAY) == 1
    assert errand.row().status is RequestStatus.OFFERED
    assert errand.tick(MONDAY + 7 * DAY + HOUR) == 0
    assert errand.row().accept_by == MONDAY + 7 * DAY + 4 * HOUR


def doubt(errand: Errand, *, at: datetime | None) -> None:
    """Let it be uncertain whose the case is, since a moment, which is noticed; or certain again, which is not."""
    with transaction(errand.world.owner) as session:
        session.get_one(Patient, errand.patient_id).mismatch_at = at
        if at is not None:
            rights.changed(session, patients=[errand.patient_id])


def test_a_transfer_that_was_asked_back_goes_back_if_nobody_has_looked(world: World) -> None:
    errand = Errand(world, kind=RequestType.WORKLOAD_TRANSFER)
    errand.move(errand.reader, "accept", MONDAY + HOUR)
    errand.move(errand.requester, "ask_recall", MONDAY + 2 * HOUR, text="Vi har tid igen")
    assert errand.tick(MONDAY + 5 * HOUR) == 0
    assert errand.tick(MONDAY + 6 * HOUR) == 1
    assert errand.row().status is RequestStatus.RECALLED
    assert errand.told(errand.requester)[-1] == "REQUEST_RECALLED"


def test_a_transfer_that_is_being_read_goes_back_by_its_head_alone(world: World) -> None:
    errand = Errand(world, kind=RequestType.WORKLOAD_TRANSFER)
    errand.take()
    errand.move(errand.requester, "ask_recall", MONDAY + 2 * HOUR, text="Vi har tid igen")
    assert errand.tick(MONDAY + 3 * DAY) == 0
    assert errand.row().status is RequestStatus.IN_REVIEW


@pytest.mark.parametrize(("urgency", "hours"), [(Urgency.ROUTINE, 72), (Urgency.SVF, 24), (Urgency.SNABB, 24)], ids=str)
def test_an_answer_is_to_be_acknowledged(world: World, urgency: Urgency, hours: int) -> None:
    errand = Errand(world, urgency=urgency)
    errand.take()
    errand.move(errand.reader, "sign", TUESDAY + HOUR)
    assert errand.tick(TUESDAY + hours * HOUR) == 0
    assert errand.tick(TUESDAY + hours * HOUR + HOUR) == 1
    assert errand.told(errand.requester)[-1] == "ACKNOWLEDGE_REMINDED"
    assert "ACKNOWLEDGE_HEADS" not in errand.told(errand.head)
    assert [errand.tick(TUESDAY + 20 * DAY) for _ in range(3)] == [1, 0, 0]
    assert errand.told(errand.head)[-1] == "ACKNOWLEDGE_HEADS"
    assert errand.row().status is RequestStatus.ANSWERED


def test_the_reminders_of_the_offer_do_not_count_for_the_answer(world: World) -> None:
    errand = Errand(world)
    errand.tick(MONDAY + 2 * HOUR)
    errand.tick(MONDAY + 4 * HOUR)
    errand.take(MONDAY + 5 * HOUR)
    errand.move(errand.reader, "sign", TUESDAY)
    assert errand.tick(TUESDAY + 3 * DAY) == 1
    assert (errand.told(errand.requester)[-1], errand.row().escalation) == ("ACKNOWLEDGE_REMINDED", 1)


def test_what_was_late_is_late_no_longer_once_it_goes_on(world: World) -> None:
    """Lists show it: an offer that both heads were told of is nobody's worry once it is accepted."""
    errand = Errand(world)
    errand.tick(MONDAY + 2 * HOUR)
    errand.tick(MONDAY + 4 * HOUR)
    assert errand.row().escalation == 2
    errand.take(MONDAY + 5 * HOUR)
    assert errand.row().escalation == 0
    errand.move(errand.reader, "sign", TUESDAY)
    assert errand.row().escalation == 0
    errand.tick(TUESDAY + 3 * DAY)
    assert errand.row().escalation == 1
    errand.move(errand.reader, "amend", TUESDAY + 3 * DAY + HOUR)
    assert errand.row().escalation == 0
    errand.tick(TUESDAY + 8 * DAY + HOUR)
    assert errand.row().escalation == 1
    errand.move(errand.requester, "acknowledge", TUESDAY + 9 * DAY)
    assert errand.row().escalation == 0


def test_an_offer_that_was_held_is_not_late_while_it_is(world: World) -> None:
    errand = Errand(world)
    errand.tick(MONDAY + 2 * HOUR)
    doubt(errand, at=MONDAY)
    assert (errand.row().status, errand.row().escalation) == (RequestStatus.HELD, 0)


def test_an_amended_answer_is_to_be_acknowledged_anew(world: World) -> None:
    errand = Errand(world)
    errand.take()
    errand.move(errand.reader, "sign", TUESDAY)
    errand.tick(TUESDAY + 3 * DAY)
    errand.move(errand.requester, "acknowledge", TUESDAY + 4 * DAY)
    errand.move(errand.reader, "amend", TUESDAY + 6 * DAY)
    assert errand.tick(TUESDAY + 6 * DAY + HOUR) == 0
    assert errand.tick(TUESDAY + 9 * DAY) == 1
    assert errand.told(errand.requester)[-1] == "ACKNOWLEDGE_REMINDED"


def test_a_request_is_closed_when_its_answer_has_been_looked_at_for_long_enough(world: World) -> None:
    errand = Errand(world)
    errand.take()
    errand.move(errand.reader, "sign", TUESDAY)
    errand.move(errand.requester, "acknowledge", WEDNESDAY)
    assert errand.tick(TUESDAY + 30 * DAY - HOUR) == 0
    assert errand.tick(TUESDAY + 30 * DAY) == 1
    assert errand.row().status is RequestStatus.CLOSED
    assert disclosure(errand) == ("ENDED", "close")


def test_what_was_handed_out_goes_dark_when_its_time_is_over(world: World) -> None:
    errand = Errand(world)
    errand.take()
    with transaction(world.owner) as session:
        session.execute(update(Disclosure).where(Disclosure.request_id == errand.id).values(valid_to=WEDNESDAY))
    assert errand.tick(WEDNESDAY - HOUR) == 0
    assert errand.tick(WEDNESDAY) == 1
    assert errand.tick(WEDNESDAY + HOUR) == 0
    assert disclosure(errand) == ("ENDED", "time is over")
    assert errand.told(errand.requester)[-1] == "DISCLOSURE_ENDED"
    assert logged(errand, "DISCLOSURE_%")[-1] == ("DISCLOSURE_ENDED", None)


def disclosure(errand: Errand) -> tuple[str, str | None]:
    """How what was handed out stands, and why it ended."""
    with transaction(errand.world.owner) as session:
        made = session.scalars(select(Disclosure).where(Disclosure.request_id == errand.id)).one()
        return made.state, made.end_reason


def logged(errand: Errand, events: str) -> list[tuple[str, object]]:
    """Entries in the log of the owner, the first first: what happened, and who did it."""
    rows = errand.world.database.query(
        "SELECT event, assignment_id FROM audit_event"
        " WHERE care_provider_id = :owner AND event LIKE :events ORDER BY at",
        owner=errand.owner.provider.id,
        events=events,
    )
    return [(row["event"], row["assignment_id"]) for row in rows]


def test_one_that_fails_stops_no_other_and_leaves_nothing_behind(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, sound = Errand(world), Errand(world)
    act = timers.TIMERS["offers"].act

    def fail(session: Session, request: ShareRequest, now: datetime) -> bool:
        moved = act(session, request, now)
        if request.id == broken.id:
            session.execute(text("SELECT 1 / 0"))
        return moved

    monkeypatch.setitem(timers.TIMERS, "offers", replace(timers.TIMERS["offers"], act=fail))
    assert sound.tick(MONDAY + 2 * HOUR) == 1
    assert (broken.row().escalation, sound.row().escalation) == (0, 1)
    assert (broken.story()[-1][0], sound.story()[-1][0]) == ("offer", "escalate")
    assert (logged(broken, "REQUEST_ESC%"), logged(sound, "REQUEST_ESC%")) == ([], [("REQUEST_ESCALATED", None)])
    assert "ACCEPT_REMINDED" not in broken.told(broken.queue)


def test_the_sweeper_runs_them_and_forgets_old_keys(world: World, tmp_path: Path) -> None:
    errand = Errand(world)
    engine = create_engine(world.database.url("samsyn_worker"))
    sweeper = Sweeper(Celery(), sessions(engine), Storage(tmp_path))
    with errand.requester.acting() as (session, actor):
        take_key(session, "as-they-chose", bytes(32), by=actor)
    assert [sweeper.run_timers(MONDAY + 2 * HOUR) for _ in range(2)] == [1, 0]
    engine.dispose()
    assert world.database.query("SELECT count(*) AS keys FROM idempotency_key") == [{"keys": 0}]
    assert errand.story()[-1] == ("escalate", "REMINDED")


def test_what_somebody_works_on_is_left_for_the_next_run(world: World) -> None:
    errand = Errand(world)
    with errand.moving(errand.reader, MONDAY + 2 * HOUR) as (session, actor, request):
        assert errand.tick(MONDAY + 2 * HOUR) == 0
        advance(session, request, "accept", by=actor, now=MONDAY + 2 * HOUR)
    assert errand.tick(MONDAY + 2 * HOUR) == 0
    assert errand.story()[-1] == ("accept", None)


def test_every_move_by_itself_is_in_the_log_and_in_the_stream(world: World) -> None:
    errand = Errand(world)
    for _ in range(3):
        errand.tick(MONDAY + DAY)
    by_itself = [event for event, _ in errand.story()][2:]
    assert by_itself == ["offer", "escalate", "escalate", "expire"]
    assert logged(errand, "REQUEST_E%") == [
        ("REQUEST_ESCALATED", None),
        ("REQUEST_ESCALATED", None),
        ("REQUEST_EXPIRED", None),
    ]


def test_what_cannot_move_stands_in_nobodys_way(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three pages in one run: the oldest refuse, or cannot even be judged, and the youngest moves all the same."""
    monkeypatch.setattr(timers, "PAGE", 2)
    refusing = [Errand(world) for _ in range(4)]
    last = Errand(world)
    offers = timers.TIMERS["offers"]
    stuck = {one.id for one in refusing}

    def pick(session: Session, page: Sequence[ShareRequest], now: datetime) -> Sequence[ShareRequest]:
        if page and page[0].id == refusing[2].id:
            raise KeyError(page[0].urgency)
        return offers.pick(session, page, now)

    def act(session: Session, request: ShareRequest, now: datetime) -> bool:
        if request.id in stuck:
            raise Conflict("Not yet.")
        return offers.act(session, request, now)

    monkeypatch.setitem(timers.TIMERS, "offers", replace(offers, pick=pick, act=act))
    assert last.tick(MONDAY + 2 * HOUR) == 1
    assert [one.row().escalation for one in (*refusing, last)] == [0, 0, 0, 0, 1]


def test_each_move_is_committed_before_the_next(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one run moves is free again while it goes on."""
    first, second = Errand(world), Errand(world)
    offers = timers.TIMERS["offers"]
    seen: list[int] = []

    def act(session: Session, request: ShareRequest, now: datetime) -> bool:
        if request.id == second.id:
            with first.moving(first.reader, now) as (_, _, free):
                seen.append(free.escalation)
        return offers.act(session, request, now)

    monkeypatch.setitem(timers.TIMERS, "offers", replace(offers, act=act))
    assert first.tick(MONDAY + 2 * HOUR) == 2
    assert seen == [1]


def test_a_thorough_run_finds_what_nobody_noticed(world: World) -> None:
    errand = Errand(world)
    with transaction(world.owner) as session:
        session.get_one(Patient, errand.patient_id).mismatch_at = MONDAY
    assert errand.tick(MONDAY + HOUR) == 0
    begin = partial(transaction, world.worker, now=MONDAY + HOUR)
    assert timers.run(begin, now=MONDAY + HOUR, thorough=True) == 1
    assert errand.row().status is RequestStatus.HELD
