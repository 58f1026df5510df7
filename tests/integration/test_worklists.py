"""What stands in each list, in which order, and that nobody sees more of a case there than the gate lets them see."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from asked import DAY, Asked
from product import Database
from sqlalchemy import func, select
from world import Place, Somebody, World

from cases.access.audit import AuditEvent, AuditSubject, Event
from cases.access.errors import Invalid
from cases.access.gate import Code
from cases.access.permissions import Role
from cases.records.pathology_case import CaseStatus, PathologyCase
from cases.records.slide_images import SlideStatus
from cases.records.specimens import GlassSlide, Specimen, StainKind
from cases.sharing.requests import HoldReason, RequestStatus, Side
from cases.sharing.service_descriptions import Urgency
from cases.sharing.work_orders.order import DoneBy, WorkKind, WorkOrder, WorkOrderStatus
from cases.sharing.worklists import (
    CaseList,
    RequestList,
    RequestRow,
    Wanted,
    count_lists,
    list_cases,
    list_requests,
    search_number,
    search_patient,
)
from cases.sharing.worklists import (
    Place as ListPlace,
)
from cases.transaction import transaction


@pytest.fixture(scope="module")
def world(module_database: Database) -> Iterator[World]:
    with World(module_database) as world:
        yield world


@pytest.fixture
def asked(world: World) -> Asked:
    """New care providers for each test: one asks, the other reads."""
    return Asked(world.provider("Kalmar"), world.provider("Linköping"))


def read(who: Somebody, which: RequestList, **wanted: object) -> list[RequestRow]:
    """A list as somebody sees it now."""
    with who.acting() as (session, actor):
        found = Wanted(**wanted)  # type: ignore[arg-type]
        return list(list_requests(session, which, wanted=found, by=actor, now=datetime.now(UTC), limit=50).rows)


def ids(rows: list[RequestRow]) -> list[uuid.UUID]:
    return [row.request.id for row in rows]


def test_each_list_holds_what_it_says_and_remote_ones_no_case_of_ours(asked: Asked) -> None:
    sender, reader = asked.owner.person(Role.PAT), asked.performer.person(Role.PAT)
    case, slides = asked.case()
    draft = asked.ask(case, slides=slides, status=RequestStatus.DRAFT)
    waiting = asked.ask(case, slides=slides, status=RequestStatus.SUBMITTED)
    offered = asked.ask(case, slides=slides)
    accepted = asked.ask(case, slides=slides, status=RequestStatus.ACCEPTED)
    read_by = asked.ask(case, slides=slides, status=RequestStatus.IN_REVIEW, reader=reader)
    answered = asked.ask(case, slides=slides, status=RequestStatus.ANSWERED, reader=reader)
    closed = asked.ask(case, slides=slides, status=RequestStatus.CLOSED)
    assert ids(read(sender, RequestList.DRAFTS)) == [draft]
    assert set(ids(read(sender, RequestList.SENT))) == {waiting, offered, accepted, read_by, answered}
    assert ids(read(sender, RequestList.INBOX)) == ids(read(sender, RequestList.READING)) == []
    assert set(ids(read(reader, RequestList.INBOX))) == {offered, accepted}
    assert ids(read(reader, RequestList.READING)) == [read_by]
    assert ids(read(reader, RequestList.SENT)) == ids(read(reader, RequestList.DRAFTS)) == []
    assert closed not in ids(read(sender, RequestList.SENT))
    with reader.acting() as (session, actor):
        now = datetime.now(UTC)
        assert count_lists(session, by=actor, now=now) == {
            RequestList.READING: 1,
            RequestList.INBOX: 2,
            RequestList.SENT: 0,
            RequestList.DRAFTS: 0,
            CaseList.MINE: 0,
            CaseList.INCOMPLETE: 0,
        }
        assert list_cases(session, CaseList.MINE, by=actor, now=now, limit=50).rows == []


def test_a_reader_sees_whose_it_is_and_nothing_of_what_is_held(asked: Asked) -> None:
    cases = [asked.case(slides=2) for _ in range(2)]
    for case, slides in cases:
        asked.ask(case, slides=slides[:1])
    reader = asked.performer.person(Role.PAT)
    for row, (case, _) in zip(read(reader, RequestList.INBOX), cases, strict=True):
        assert row.case.decision.allow
        assert row.case.patient is not None
        assert (row.case.lid, row.case.patient.family_name) == (case.lid, "Tolvansson")
        assert row.case.patient.number is not None
        assert (row.slides.arrived, row.slides.expected) == (1, 1)  # of what was handed out, not of the case
        assert (row.side, row.requester.provider, row.performer.provider) == (Side.PERFORMER, "Kalmar", "Linköping")
    case, slides = asked.case()
    held = asked.ask(
        case,
        slides=slides,
        status=RequestStatus.HELD,
        held_from=RequestStatus.OFFERED,
        holds=[HoldReason.CONSENT],
        urgency=Urgency.SNABB,
    )
    first = read(reader, RequestList.INBOX)[0]
    assert first.request.id == held
    assert first.case.decision.code is Code.D32
    assert (first.case.lid, first.case.patient, first.case.specimens) == (None, None, ())


def test_named_offers_are_for_whom_they_name_and_for_who_distributes(asked: Asked) -> None:
    named, colleague = asked.performer.person(Role.PAT), asked.performer.person(Role.PAT)
    head = asked.performer.person(Role.HEAD)
    case, slides = asked.case()
    offered = asked.ask(case, slides=slides, named=named)
    assert ids(read(named, RequestList.INBOX)) == ids(read(head, RequestList.INBOX)) == [offered]
    assert read(colleague, RequestList.INBOX) == []


def test_a_role_for_one_department_has_the_queue_of_that_department(asked: Asked) -> None:
    case, slides = asked.case()
    asked.ask(case, slides=slides)
    with transaction(asked.owner.world.owner) as session:
        from people import make_department

        other = make_department(session, asked.performer.unit, name="Cytologi")
    elsewhere = asked.performer.person(Role.PAT, department=other)
    here = asked.performer.person(Role.PAT, department=asked.performer.department)
    assert len(read(here, RequestList.INBOX)) == 1
    assert read(elsewhere, RequestList.INBOX) == []


def test_what_came_back_lately_stays_until_it_is_sent_on(asked: Asked) -> None:
    sender = asked.owner.person(Role.PAT)
    case, slides = asked.case()
    lately = asked.ask(case, slides=slides, status=RequestStatus.DECLINED, ended_ago=DAY)
    asked.ask(case, slides=slides, status=RequestStatus.DECLINED, ended_ago=15 * DAY)
    sent_on = asked.ask(case, slides=slides, status=RequestStatus.RETURNED, ended_ago=DAY)
    next_one = asked.ask(case, slides=slides, parent_id=sent_on)
    assert set(ids(read(sender, RequestList.SENT))) == {lately, next_one}


def test_what_holds_a_request_and_what_it_waits_for_are_told(asked: Asked) -> None:
    sender, reader = asked.owner.person(Role.PAT), asked.performer.person(Role.PAT)
    case, slides = asked.case()
    held = asked.ask(
        case,
        slides=slides,
        status=RequestStatus.HELD,
        held_from=RequestStatus.IN_REVIEW,
        holds=[HoldReason.SPARR],
        reader=reader,
    )
    other, other_slides = asked.case()
    waiting = asked.ask(other, slides=other_slides, status=RequestStatus.WAITING, reader=reader)
    with transaction(asked.owner.world.owner) as session:
        session.add(make_order(waiting, other, asked, DoneBy.OWNER_LAB))
    rows = {row.request.id: row for row in read(sender, RequestList.SENT)}
    assert [hold.reason for hold in rows[held].holds] == [HoldReason.SPARR]
    assert [(one.kind, one.blocking) for one in rows[waiting].work] == [(WorkKind.LEVELS, True)]
    assert rows[waiting].latest is not None
    assert rows[waiting].reader == "Prov Provsson"
    shown = {row.request.id: row for row in read(reader, RequestList.READING)}
    assert set(shown) == {held, waiting}
    assert shown[held].case.patient is None, "the gate closes what is held, and the list with it"
    assert shown[held].case.decision.code is Code.D30
    assert shown[waiting].case.patient is not None


def make_order(request_id: uuid.UUID, case: PathologyCase, asked: Asked, done_by: DoneBy) -> WorkOrder:
    """Levels that the reader waits for."""
    return WorkOrder(
        request_id=request_id,
        case_id=case.id,
        care_provider_id=asked.performer.provider.id,
        kind=WorkKind.LEVELS,
        urgency=Urgency.ROUTINE,
        done_by=done_by,
        blocking=True,
        slides=2,
        status=WorkOrderStatus.REQUESTED,
    )


def test_pages_follow_one_another_with_the_late_first_then_by_urgency_and_due_time(asked: Asked) -> None:
    sender = asked.owner.person(Role.PAT)
    case, slides = asked.case()
    wanted = [
        (Urgency.ROUTINE, -2 * DAY),
        (Urgency.ROUTINE, -DAY),
        (Urgency.SNABB, 2 * DAY),
        (Urgency.SVF, DAY),
        (Urgency.SVF, DAY),
        (Urgency.ROUTINE, timedelta(hours=1)),
    ]
    made = [asked.ask(case, slides=slides, urgency=urgency, due_in=due) for urgency, due in reversed(wanted)]
    expected = [(urgency, due < timedelta()) for urgency, due in wanted]
    with sender.acting() as (session, actor):
        found: list[RequestRow] = []
        after: ListPlace | None = None
        while True:
            page = list_requests(session, RequestList.SENT, by=actor, now=datetime.now(UTC), limit=2, after=after)
            found += page.rows
            if page.next is None:
                break
            after = ListPlace.read(page.next.write())
            assert after == page.next
        assert len(found) == len(made)
        assert set(ids(found)) == set(made)
        assert [(row.request.urgency, row.late) for row in found] == expected
    assert [row.late for row in read(sender, RequestList.SENT, late=True)] == [True, True]
    assert {row.request.urgency for row in read(sender, RequestList.SENT, urgencies=[Urgency.SVF])} == {Urgency.SVF}
    assert read(sender, RequestList.SENT, stages=[RequestStatus.IN_REVIEW]) == []


@pytest.mark.parametrize("text", ["", "!", "nonsense", "MjAyNi0wMS0wMXwxfDF8MjAyNi0wMS0wMXwx"])
def test_a_place_that_no_page_gave_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="as that page gave it"):
        ListPlace.read(text)


def test_a_list_is_one_entry_in_the_log_with_every_patient_in_it(asked: Asked) -> None:
    reader = asked.performer.person(Role.PAT)
    for _ in range(3):
        case, slides = asked.case()
        asked.ask(case, slides=slides)
    read(reader, RequestList.INBOX)
    with transaction(asked.owner.world.owner) as session:
        entries = session.scalars(
            select(AuditEvent.id).where(
                AuditEvent.assignment_id == reader.assignment.id, AuditEvent.event == Event.LIST_VIEWED
            )
        ).all()
        assert len(entries) == 1
        patients = select(func.count(AuditSubject.patient_id.distinct())).where(AuditSubject.event_id == entries[0])
        assert session.scalars(patients).one() == 3


def test_own_cases_stand_in_ones_own_lists_with_what_they_lack(asked: Asked, world: World) -> None:
    place = asked.owner
    who, lab = place.person(Role.PAT), place.person(Role.LAB)
    mine, incomplete = place.case(place.patient(world.number())), place.case(place.patient(world.number()))
    quarantined = place.case(place.patient(world.number()))
    ordered, closed = place.case(place.patient(world.number())), place.case(place.patient(world.number()))
    world.slide(quarantined, status=SlideStatus.QUARANTINED)
    request_id = asked.ask(ordered, slides=[world.slide(ordered)], status=RequestStatus.WAITING)
    with transaction(world.owner) as session:
        for case, status in ((mine, CaseStatus.READY), (closed, CaseStatus.FINAL)):
            row = session.get_one(PathologyCase, case.id)
            row.responsible_assignment_id, row.status = who.assignment.id, status
        specimen = Specimen(case_id=incomplete.id, care_provider_id=place.provider.id, letter="A")
        session.add(specimen)
        session.flush()
        session.add_all(
            GlassSlide(
                case_id=incomplete.id,
                care_provider_id=place.provider.id,
                specimen_id=specimen.id,
                number=number,
                stain_code="HE",
                stain_kind=StainKind.HE,
                expected=True,
            )
            for number in (1, 2)
        )
        session.add(make_order(request_id, ordered, asked, DoneBy.OWNER_LAB))
    with who.acting() as (session, actor):
        page = list_cases(session, CaseList.MINE, by=actor, now=datetime.now(UTC), limit=50)
        assert [row.case.lid for row in page.rows] == [mine.lid]
        assert page.rows[0].case.patient is not None
        assert page.rows[0].reader == "Prov Provsson"
    with lab.acting() as (session, actor):
        now = datetime.now(UTC)
        rows = {
            row.case.case.id: row for row in list_cases(session, CaseList.INCOMPLETE, by=actor, now=now, limit=9).rows
        }
        assert set(rows) == {incomplete.id, quarantined.id, ordered.id}
        slides = rows[incomplete.id].slides
        assert slides is not None
        assert (slides.arrived, slides.expected, slides.missing) == (0, 2, ("A-1 HE", "A-2 HE"))
        assert [one.kind for one in rows[ordered.id].work] == [WorkKind.LEVELS]
        counts = count_lists(session, by=actor, now=now)
        assert (counts[CaseList.INCOMPLETE], counts[RequestList.ORDERED]) == (3, 0)
        assert RequestList.INBOX not in counts, "a laboratory is offered nothing"
    with asked.performer.person(Role.LAB).acting() as (session, actor):
        assert count_lists(session, by=actor, now=datetime.now(UTC))[RequestList.ORDERED] == 0
    with transaction(world.owner) as session:
        session.add(make_order(request_id, ordered, asked, DoneBy.PERFORMER_LAB))
    assert ids(read(asked.performer.person(Role.LAB), RequestList.ORDERED)) == [request_id]


def test_protected_identities_stand_in_lists_without_their_names(asked: Asked) -> None:
    colleague = asked.owner.person(Role.PAT)
    case, slides = asked.case()
    asked.ask(case, slides=slides)
    with transaction(asked.owner.world.owner) as session:
        from cases.access.patients import Patient, Protection

        session.get_one(Patient, case.patient_id).protection = Protection.SEKRETESSMARKERING
    row = read(colleague, RequestList.SENT)[0]
    assert row.case.protected
    assert row.case.decision.code is Code.D40
    assert row.case.patient is None
    assert row.case.lid == case.lid


def test_who_a_protected_patient_is_is_told_to_nobody_elsewhere_even_by_name(asked: Asked) -> None:
    reader = asked.performer.person(Role.PAT)
    case, slides = asked.case()
    request_id = asked.ask(case, slides=slides, status=RequestStatus.ACCEPTED, reader=reader, named=reader)
    with transaction(asked.owner.world.owner) as session:
        from cases.access.patients import Patient, Protection

        session.get_one(Patient, case.patient_id).protection = Protection.SEKRETESSMARKERING
    (row,) = (one for one in read(reader, RequestList.READING) if one.request.id == request_id)
    assert row.case.decision.allow
    assert row.case.protected
    assert row.case.patient is None


def test_numbers_find_own_cases_and_others_only_where_the_gate_opens_them(asked: Asked, world: World) -> None:
    case, slides = asked.case()
    asked.ask(case, slides=slides, status=RequestStatus.ACCEPTED, receiver_accession="L26-77")
    other, other_slides = asked.case()
    hidden = asked.ask(
        other,
        slides=other_slides,
        status=RequestStatus.HELD,
        held_from=RequestStatus.OFFERED,
        holds=[HoldReason.SPARR],
    )
    reader = asked.performer.person(Role.PAT)
    sender, stranger = asked.owner.person(Role.PAT), world.provider("Jönköping").person(Role.PAT)

    def search(who: Somebody, term: str) -> tuple[list[str | None], list[str]]:
        with who.acting() as (session, actor):
            found = search_number(session, term, by=actor, now=datetime.now(UTC))
            return [row.case.lid for row in found.cases], [row.request.short_id for row in found.requests]

    with transaction(world.owner) as session:
        from cases.sharing.requests import ShareRequest

        short_id = session.scalars(select(ShareRequest.short_id).where(ShareRequest.case_id == case.id)).one()
        hidden_id = session.scalars(select(ShareRequest.short_id).where(ShareRequest.id == hidden)).one()
    assert search(sender, case.lid.lower()) == ([case.lid], [short_id])
    assert search(reader, case.lid) == search(reader, "l26-77") == search(reader, short_id) == ([], [short_id])
    assert search(reader, short_id.removeprefix("R-").lower()) == ([], [short_id])
    assert search(reader, other.lid) == ([], []), "a number that one may not know finds nothing"
    assert search(reader, hidden_id) == ([], [hidden_id])
    for term in (case.lid, short_id, "L26-77"):
        assert search(stranger, term) == ([], [])


def test_a_patients_number_finds_what_is_shared_and_is_never_in_the_log(asked: Asked, world: World) -> None:
    number = world.number()
    case = asked.owner.case(asked.owner.patient(number))
    slides = [world.slide(case)]
    asked.ask(case, slides=slides, status=RequestStatus.ACCEPTED)
    asked.performer.patient(number)
    sender, reader = asked.owner.person(Role.PAT), asked.performer.person(Role.PAT)
    clinician = asked.owner.other_unit().person(Role.CLN)
    for who, cases, requests in ((sender, 1, 1), (reader, 0, 1), (clinician, 0, 0)):
        with who.acting() as (session, actor):
            found = search_patient(session, number, by=actor, now=datetime.now(UTC))
            assert (len(found.cases), len(found.requests)) == (cases, requests)
            assert found.refusals == (frozenset({Code.D10}) if who is clinician else frozenset())
    with transaction(world.owner) as session:
        entries = session.scalars(select(AuditEvent).where(AuditEvent.assignment_id == reader.assignment.id)).all()
        searches = [entry for entry in entries if entry.event == Event.SEARCH_PATIENT]
        assert [entry.args["hits"] for entry in searches] == [1]
        assert all(number.extension not in str(entry.args) for entry in entries)


def test_strangers_have_empty_lists(asked: Asked, world: World) -> None:
    case, slides = asked.case()
    for status in RequestStatus:
        if status is not RequestStatus.HELD:
            asked.ask(case, slides=slides, status=status)
    stranger: Place = world.provider("Jönköping")
    for role in (Role.PAT, Role.HEAD, Role.COO):
        who = stranger.person(role)
        for which in RequestList:
            assert read(who, which) == []
