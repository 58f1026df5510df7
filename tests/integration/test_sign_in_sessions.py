"""Who is signed in, under which assignment; how sessions lock and end."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from people import make_assignment, make_person, make_provider, make_unit
from sqlalchemy import text
from sqlalchemy.orm import Session

from cases.access.actors import Actor
from cases.access.errors import NotThere
from cases.access.people import Assignment, Person
from cases.access.permissions import Permission, Role
from cases.access.sessions import (
    IDLE,
    LONGEST,
    NOTED,
    AssignmentMissing,
    Ending,
    EnrolmentMissing,
    Found,
    Method,
    SessionLocked,
    SignInSession,
    State,
    actors_of,
    begin_session,
    choose_assignment,
    digest_token,
    end_session,
    end_sessions,
    find_actor,
    find_session,
    lapse,
    list_choices,
    list_others,
    prove_again,
    touch,
)

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)


def make_pathologist(session: Session, *, assignments: int = 1) -> tuple[Person, list[Assignment]]:
    """Somebody who is a pathologist under so many assignments, each at a provider of its own."""
    person = make_person(session)
    units = [make_unit(session, make_provider(session)) for _ in range(assignments)]
    return person, [make_assignment(session, person, unit, roles=[Role.PAT], since=NOW - DAY) for unit in units]


def sign_in(session: Session, *, assurance: int = 3, assignments: int = 1) -> tuple[SignInSession, str]:
    person, _ = make_pathologist(session, assignments=assignments)
    return begin_session(session, person, method=Method.LOCAL, assurance=assurance, now=NOW)


def find(session: Session, token: str, *, now: datetime = NOW, active: bool = True) -> Found:
    found = find_actor(session, token, now=now, active=active)
    assert found is not None
    return found


def test_the_token_is_nowhere_in_the_row(app_session: Session) -> None:
    signed_in, token = sign_in(app_session)
    row = app_session.execute(
        text("SELECT s::text FROM sign_in_session s WHERE id = :id"), {"id": signed_in.id}
    ).scalar_one()
    assert len(token) >= 43  # 256 bits in base64
    assert token not in row
    assert token.encode().hex() not in row
    assert digest_token(token).hex() in row
    _, another = sign_in(app_session)
    assert another != token


def test_a_token_opens_its_own_session_only(app_session: Session) -> None:
    signed_in, token = sign_in(app_session)
    found = find_session(app_session, token, now=NOW)
    assert found is signed_in
    assert found.person.name == "Prov Provsson"
    for wrong in ("", token[:-1], token + "x", "ÿ", signed_in.token_digest.hex()):
        assert find_session(app_session, wrong, now=NOW) is None
        assert find_actor(app_session, wrong, now=NOW) is None


def test_who_acts_is_known_from_the_token_alone(app_session: Session) -> None:
    person, (assignment,) = make_pathologist(app_session)
    signed_in, token = begin_session(
        app_session, person, method=Method.LOCAL, assurance=3, now=NOW, client_ip="192.0.2.1", user_agent="Firefox"
    )
    app_session.execute(text("SELECT set_config('samsyn.care_provider', '', true)"))  # as a request begins
    found = find_actor(app_session, token, now=NOW, client_ip="192.0.2.9", user_agent="Chromium")
    assert found is not None
    actor = found.require_actor()
    assert (actor.person_id, actor.assignment_id, actor.session_id) == (person.id, assignment.id, signed_in.id)
    assert (actor.provider_id, actor.unit_id) == (assignment.care_provider_id, assignment.care_unit_id)
    assert (actor.assurance, actor.demo, actor.ended, actor.provider_active) == (3, False, False, True)
    assert (actor.authenticated_at, actor.idle_until, actor.ends_at) == (NOW, NOW + IDLE, NOW + LONGEST)
    assert actor.rights == {"VE", "VG", "SJF"}
    assert actor.client_ip == "192.0.2.9", "the log wants where this request comes from"
    assert actor.user_agent_digest not in (None, signed_in.user_agent_digest, "Chromium")
    assert actor.may(Permission.SIGN_ANSWER, NOW)
    assert not actor.may(Permission.MANAGE_PEOPLE, NOW)


def test_a_part_of_a_care_unit_acts_for_the_unit_of_law(app_session: Session) -> None:
    unit = make_unit(app_session, make_provider(app_session))
    part = make_unit(
        app_session, app_session.get_one(type(make_provider(app_session)), unit.care_provider_id), part_of=unit
    )
    person = make_person(app_session)
    make_assignment(app_session, person, part, since=NOW - DAY)
    _, token = begin_session(app_session, person, method=Method.LOCAL, assurance=3, now=NOW)
    assert find(app_session, token).require_actor().unit_id == unit.id


def test_a_role_that_nobody_has_approved_counts_for_nothing(app_session: Session) -> None:
    _, token = sign_in(app_session)
    app_session.execute(text("UPDATE role_grant SET approved_at = NULL"))
    assert find(app_session, token).require_actor().grants == ()


def test_one_factor_alone_acts_under_nothing(app_session: Session) -> None:
    signed_in, token = sign_in(app_session, assurance=2)
    found = find(app_session, token)
    assert (found.state, found.actor) == (State.ENROL, None)
    with pytest.raises(EnrolmentMissing, match="Set up your second factor first"):
        found.require_actor()
    assert actors_of(app_session, [signed_in.id], now=NOW) == {}


def test_a_demo_person_acts_without_proof_and_the_gate_can_tell(app_session: Session) -> None:
    person, _ = make_pathologist(app_session)
    _, token = begin_session(app_session, person, method=Method.DEMO, assurance=2, now=NOW)
    actor = find(app_session, token).require_actor()
    assert (actor.demo, actor.assurance) == (True, 2)


def test_with_several_assignments_one_must_be_chosen(app_session: Session) -> None:
    person, (first, second) = make_pathologist(app_session, assignments=2)
    signed_in, token = begin_session(app_session, person, method=Method.LOCAL, assurance=3, now=NOW)
    found = find(app_session, token)
    assert (found.state, found.actor) == (State.CHOOSE, None)
    with pytest.raises(AssignmentMissing, match="Choose first which of your assignments"):
        found.require_actor()
    assert {one.assignment.id for one in list_choices(app_session, [person.id], now=NOW)} == {first.id, second.id}
    for choice in list_choices(app_session, [person.id], now=NOW):
        assert [(grant.role, name) for grant, name in choice.grants] == [(Role.PAT, None)]
    chosen, new_token = choose_assignment(app_session, signed_in, second.id, now=NOW)
    assert find(app_session, new_token).require_actor().provider_id == second.care_provider_id
    assert chosen.id != signed_in.id


def test_switching_ends_the_session_and_begins_another_that_ends_no_later(app_session: Session) -> None:
    signed_in, token = sign_in(app_session, assignments=2)
    first, second = sorted(one.assignment.id for one in list_choices(app_session, [signed_in.person_id], now=NOW))
    acting, token = choose_assignment(app_session, signed_in, first, now=NOW)
    later = NOW + timedelta(hours=2)
    prove_again(app_session, acting, now=NOW + timedelta(minutes=1))
    switched, new_token = choose_assignment(app_session, acting, second, now=later)
    assert acting.ended_because is Ending.SWITCHED
    assert find_session(app_session, token, now=later) is None
    assert acting.id in app_session.info["changed"].sessions, "what was open is not decided again"
    assert switched.ends_at == NOW + LONGEST
    assert switched.authenticated_at == NOW + timedelta(minutes=1)
    assert find(app_session, new_token, now=later).require_actor().assignment_id == second


def test_nobody_acts_under_somebody_elses_or_a_past_assignment(app_session: Session) -> None:
    signed_in, _ = sign_in(app_session)
    _, (foreign,) = make_pathologist(app_session)
    unit = make_unit(app_session, make_provider(app_session))
    past = make_assignment(app_session, signed_in.person, unit, since=NOW - 2 * DAY, until=NOW)
    future = make_assignment(app_session, signed_in.person, unit, since=NOW + SECOND)
    for wrong in (foreign.id, past.id, future.id, uuid.uuid4()):
        with pytest.raises(NotThere, match="no assignment of yours that holds now"):
            choose_assignment(app_session, signed_in, wrong, now=NOW)
        with pytest.raises(NotThere, match="no assignment of yours that holds now"):
            begin_session(app_session, signed_in.person, method=Method.DEMO, assurance=2, now=NOW, assignment_id=wrong)
    assert signed_in.ended_at is None


def test_an_assignment_that_ends_leaves_the_person_to_choose_again(app_session: Session) -> None:
    signed_in, token = sign_in(app_session)
    app_session.get_one(Assignment, signed_in.assignment_id).valid_to = NOW + timedelta(minutes=5)
    app_session.flush()
    assert find(app_session, token, now=NOW + timedelta(minutes=4)).state is State.ACTIVE
    assert find(app_session, token, now=NOW + timedelta(minutes=5)).state is State.CHOOSE


def test_a_session_ends_after_ten_hours_whatever_happens(app_session: Session) -> None:
    signed_in, token = sign_in(app_session)
    assert timedelta(hours=10) == LONGEST
    now = NOW
    while now < NOW + LONGEST - timedelta(minutes=10):
        now += timedelta(minutes=10)
        assert find(app_session, token, now=now).state is State.ACTIVE
    assert find_actor(app_session, token, now=NOW + LONGEST - SECOND) is not None
    assert find_actor(app_session, token, now=NOW + LONGEST) is None
    assert actors_of(app_session, [signed_in.id], now=NOW + LONGEST) == {}


def test_a_session_locks_after_fifteen_minutes_and_only_a_proof_opens_it(app_session: Session) -> None:
    signed_in, token = sign_in(app_session)
    assert timedelta(minutes=15) == IDLE
    late = NOW + IDLE
    found = find(app_session, token, now=late)
    assert (found.state, found.actor) == (State.LOCKED, None)
    with pytest.raises(SessionLocked, match="locked because nothing was done for 15 minutes"):
        found.require_actor()
    touch(app_session, [signed_in.id], now=late)
    assert find(app_session, token, now=late).state is State.LOCKED, "asking has opened it"
    prove_again(app_session, signed_in, now=late)
    actor = find(app_session, token, now=late + IDLE - SECOND, active=False).require_actor()
    assert (actor.authenticated_at, actor.idle_until) == (late, late + IDLE)


def test_only_a_persons_doing_keeps_a_session_open(app_session: Session) -> None:
    signed_in, token = sign_in(app_session)
    for minute in range(1, 15):
        assert find(app_session, token, now=NOW + timedelta(minutes=minute), active=False).state is State.ACTIVE
    assert signed_in.last_seen_at == NOW
    assert find(app_session, token, now=NOW + IDLE, active=False).state is State.LOCKED


def test_a_persons_doing_is_written_down_once_a_minute(app_session: Session) -> None:
    signed_in, token = sign_in(app_session)
    find(app_session, token, now=NOW + NOTED - SECOND)
    assert signed_in.last_seen_at == NOW
    assert find(app_session, token, now=NOW + NOTED).require_actor().idle_until == NOW + NOTED + IDLE
    assert signed_in.last_seen_at == NOW + NOTED


def test_what_locks_and_ends_by_itself_is_written_down_once(app_session: Session) -> None:
    idle, idle_token = sign_in(app_session)
    over, _ = sign_in(app_session)
    busy, busy_token = sign_in(app_session)
    late = NOW + IDLE
    over.ends_at, busy.last_seen_at = late, late - SECOND
    app_session.flush()
    for _ in range(2):
        lapse(app_session, now=late)
    assert (idle.locked_at, idle.ended_at) == (late, None)
    assert (over.ended_at, over.ended_because) == (late, Ending.TIMEOUT)
    assert (busy.locked_at, busy.ended_at) == (None, None)
    assert find(app_session, idle_token, now=late).state is State.LOCKED
    assert find(app_session, busy_token, now=late).state is State.ACTIVE
    prove_again(app_session, idle, now=late)
    assert find(app_session, idle_token, now=late).state is State.ACTIVE


def test_a_person_sees_and_ends_their_other_sessions_only(app_session: Session) -> None:
    person, _ = make_pathologist(app_session)
    here, there, gone = (
        begin_session(app_session, person, method=Method.LOCAL, assurance=3, now=NOW)[0] for _ in range(3)
    )
    sign_in(app_session)
    end_session(app_session, gone, because=Ending.SIGNED_OUT, now=NOW)
    assert list_others(app_session, here, now=NOW) == [there]
    assert list_others(app_session, here, now=NOW + LONGEST) == []


def test_where_demo_mode_is_off_what_was_begun_without_proof_ends(app_session: Session) -> None:
    person, _ = make_pathologist(app_session)
    _, demo_token = begin_session(app_session, person, method=Method.DEMO, assurance=2, now=NOW)
    proven, token = begin_session(app_session, person, method=Method.LOCAL, assurance=3, now=NOW)
    end_sessions(app_session, SignInSession.method == Method.DEMO, because=Ending.DEMO_OFF, now=NOW)
    assert find_session(app_session, demo_token, now=NOW) is None
    assert find_session(app_session, token, now=NOW) is proven


def test_who_acts_in_several_sessions_is_known_together(app_session: Session) -> None:
    begun = [sign_in(app_session)[0] for _ in range(3)]
    ended = begun.pop()
    end_session(app_session, ended, because=Ending.SIGNED_OUT, now=NOW)
    actors: dict[uuid.UUID, Actor] = actors_of(app_session, [one.id for one in (*begun, ended)], now=NOW)
    assert {key: actor.assignment_id for key, actor in actors.items()} == {one.id: one.assignment_id for one in begun}
    assert all(len(actor.grants) == 1 for actor in actors.values())
