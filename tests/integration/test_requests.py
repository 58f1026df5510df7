"""Requests between two care providers: from the draft to the end, move by move, and what follows each move."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from partners import Asked, Partners, make_competent, make_partners
from product import Database
from sqlalchemy import select
from world import World

from cases.access.errors import Conflict, IllegalMove, Invalid, NotPermitted, NotThere
from cases.access.permissions import Role
from cases.records.pathology_case import CaseStatus, PathologyCase
from cases.records.slide_images import SlideStatus
from cases.sharing.moves import StateEvent
from cases.sharing.requests import (
    Disclosure,
    DisclosureState,
    HoldReason,
    Manifest,
    RequestHold,
    RequestStatus,
    ShareRequest,
    TaskAssignment,
    deciding,
    drafting,
    ending,
    find_request,
    holds,
    submitting,
)
from cases.sharing.requests.deciding import DeclineReason
from cases.sharing.service_descriptions import RequestType
from cases.transaction import transaction

TRANSFER: dict[str, Any] = {"type": RequestType.WORKLOAD_TRANSFER}


@pytest.fixture(scope="module")
def partners(module_database: Database) -> Iterator[Partners]:
    with World(module_database) as world:
        yield make_partners(world)


def read_events(partners: Partners, asked: Asked) -> list[str]:
    with transaction(partners.world.owner) as session:
        return list(
            session.scalars(
                select(StateEvent.event).where(StateEvent.entity_id == asked.request_id).order_by(StateEvent.id)
            )
        )


def read_disclosures(partners: Partners, asked: Asked) -> list[DisclosureState]:
    with transaction(partners.world.owner) as session:
        return list(
            session.scalars(
                select(Disclosure.state)
                .where(Disclosure.request_id == asked.request_id)
                .order_by(Disclosure.version_no)
            )
        )


def test_a_draft_is_the_owners_alone_and_an_offer_is_both_sides(partners: Partners) -> None:
    asked = partners.ask()
    with partners.reader.acting() as (session, actor), pytest.raises(NotThere):
        find_request(session, asked.request_id, by=actor)
    partners.bring(asked, "OFFERED")
    with partners.reader.acting() as (session, actor):
        assert find_request(session, asked.request_id, by=actor).status is RequestStatus.OFFERED
    assert read_events(partners, asked) == ["create", "submit", "offer"]
    assert read_disclosures(partners, asked) == [DisclosureState.ACTIVE]


def test_the_way_to_the_reader_stamps_the_clocks(partners: Partners) -> None:
    asked = partners.ask()
    partners.bring(asked, "ASSIGNED")
    partners.look(partners.reader, asked.slide_ids[0])
    request = partners.read(asked)
    assert request.status is RequestStatus.IN_REVIEW, "the first slide begins the reading"
    stamps = [
        request.submitted_at,
        request.offered_at,
        request.accepted_at,
        request.assigned_at,
        request.first_opened_at,
    ]
    assert None not in stamps and stamps == sorted(stamps)  # type: ignore[type-var]
    assert request.due_at is not None and request.submitted_at is not None and request.due_at > request.submitted_at
    assert request.reader_assignment_id == partners.reader.assignment.id
    assert read_events(partners, asked) == ["create", "submit", "offer", "accept", "assign", "start"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"question": "  "}, "question"),
        ({"working_diagnosis": None}, "working_diagnosis"),
        ({"manifest": Manifest()}, "manifest"),
        ({"legal_ground": None}, "legal_ground"),
        ({"harm_weighed": False}, "harm_weighed"),
        ({"urgency": "INTRAOP"}, "urgency"),
    ],
)
def test_what_is_missing_is_said_in_sentences_by_field(partners: Partners, change: dict[str, Any], field: str) -> None:
    asked = partners.ask(**change)
    with pytest.raises(Invalid) as refused:
        partners.bring(asked, "SUBMITTED")
    assert refused.value.field == field
    assert partners.read(asked).status is RequestStatus.DRAFT, "a refused submission changes nothing"


def test_another_cases_slides_are_not_sent_along(partners: Partners) -> None:
    other = partners.owner.case(partners.owner.patient(partners.world.number()))
    stray = partners.world.slide(other)
    with pytest.raises(Invalid, match="of this case"):
        partners.ask(manifest=Manifest(slide_ids=(stray,)))


def test_prior_cases_of_the_same_patient_come_along_when_they_are_chosen(partners: Partners) -> None:
    patient_id = partners.owner.patient(partners.world.number())
    case, prior = partners.owner.case(patient_id), partners.owner.case(patient_id, status=CaseStatus.FINAL)
    slides = partners.world.slide(case), partners.world.slide(prior)
    with pytest.raises(Invalid, match="of a prior case"):
        partners.ask(case=case, manifest=Manifest(slide_ids=slides))
    asked = partners.ask(case=case, manifest=Manifest(slide_ids=slides, case_ids=(prior.id,)))
    partners.bring(asked, "ASSIGNED")
    for slide_id in slides:
        assert partners.look(partners.reader, slide_id)


def test_a_request_waits_for_its_slides_and_is_offered_by_itself(partners: Partners) -> None:
    case = partners.owner.case(partners.owner.patient(partners.world.number()))
    late = partners.world.slide(case, status=SlideStatus.RECEIVED)
    asked = partners.ask(case=case, manifest=Manifest(slide_ids=(late,)))
    partners.bring(asked, "SUBMITTED")
    request = partners.read(asked)
    assert (request.status, request.held_from) == (RequestStatus.HELD, RequestStatus.SUBMITTED)
    with partners.reader.acting() as (session, actor), pytest.raises(NotThere):
        find_request(session, asked.request_id, by=actor)
    with transaction(partners.world.owner) as session:
        (hold,) = session.scalars(select(RequestHold).where(RequestHold.request_id == asked.request_id))
        assert hold.reason is HoldReason.IMAGE_NOT_READY
    partners.world.database.query("UPDATE slide_image SET status = 'VERIFIED' WHERE id = :id", id=late)
    due = select(ShareRequest.id).where(holds.may_be_due(datetime.now(UTC)))
    with transaction(partners.world.owner) as session:
        assert asked.request_id in session.scalars(due).all()
    with transaction(partners.world.worker) as session:
        holds.recheck(session, slides=[late], now=datetime.now(UTC))
    assert partners.read(asked).status is RequestStatus.OFFERED
    assert read_events(partners, asked)[-3:] == ["hold", "resolve", "offer"]


def test_somebody_who_is_no_pathologist_submits_nothing_and_transfers_are_for_heads(partners: Partners) -> None:
    asked = partners.ask()
    resident = partners.owner.person(Role.RES)
    with pytest.raises(NotPermitted, match="PAT"):
        partners.do(resident, asked, lambda session, row, by, now: submitting.submit(session, row, by=by, now=now))
    transfer = partners.ask(by=partners.sender, **TRANSFER)
    with pytest.raises(NotPermitted, match="HEAD"):
        partners.do(
            partners.sender, transfer, lambda session, row, by, now: submitting.submit(session, row, by=by, now=now)
        )


def test_declining_says_why_and_ends_what_was_handed_out(partners: Partners) -> None:
    asked = partners.ask()
    partners.bring(asked, "OFFERED")
    with pytest.raises(Invalid, match="why"):
        partners.do(
            partners.reader,
            asked,
            lambda session, row, by, now: deciding.decline(
                session, row, reason=DeclineReason.CAPACITY, text=" ", by=by, now=now
            ),
        )
    partners.do(
        partners.reader,
        asked,
        lambda session, row, by, now: deciding.decline(
            session, row, reason=DeclineReason.CAPACITY, text="Fullt till fredag", by=by, now=now
        ),
    )
    request = partners.read(asked)
    assert (request.status, request.end_reason, request.end_text) == ("DECLINED", "CAPACITY", "Fullt till fredag")
    assert read_disclosures(partners, asked) == [DisclosureState.ENDED]
    granted = partners.world.database.query(
        "SELECT valid_until <= now() AS over FROM record_grant WHERE case_id = :case", case=asked.case.id
    )
    assert [row["over"] for row in granted] == [True], "the database hides the case again"
    copy = partners.ask(case=asked.case, parent_request_id=asked.request_id)
    assert partners.read(copy).parent_request_id == asked.request_id


def test_a_move_that_does_not_exist_is_answered_with_those_that_do(partners: Partners) -> None:
    asked = partners.ask()
    partners.bring(asked, "OFFERED")
    with pytest.raises(IllegalMove) as refused:
        partners.do(partners.reader, asked, lambda session, row, by, now: deciding.start(session, row, by=by, now=now))
    assert refused.value.allowed == ("accept", "decline", "escalate", "expire", "hold", "recall")
    assert "Possible now: accept" in str(refused.value)


def test_who_accepts_is_of_the_department_that_was_asked(partners: Partners) -> None:
    asked = partners.ask()
    partners.bring(asked, "OFFERED")
    elsewhere = partners.performer.other_unit("Klinisk cytologi").person(Role.HEAD)
    for who, what in ((elsewhere, "another care unit"), (partners.sender, "was asked"), (partners.coordinator, "HEAD")):
        with pytest.raises(NotPermitted, match=what):
            partners.do(who, asked, lambda session, row, by, now: deciding.accept(session, row, by=by, now=now))


def test_the_agreed_number_of_a_week_is_exceeded_by_a_head_only(module_database: Database) -> None:
    with World(module_database) as world:
        partners = make_partners(world, max_cases_per_week=1)
        asked = [partners.ask() for _ in range(3)]
        for one in asked:
            partners.bring(one, "OFFERED")

        def accept(who: object, one: Asked) -> None:
            partners.do(who, one, lambda session, row, by, now: deciding.accept(session, row, by=by, now=now))  # type: ignore[arg-type]

        accept(partners.reader, asked[0])
        with pytest.raises(Conflict, match="This week's 1"):
            accept(partners.reader, asked[1])
        accept(partners.head, asked[1])
        assert partners.read(asked[2]).status is RequestStatus.OFFERED


def test_a_reader_is_competent_validated_there_and_no_judge_in_their_own_cause(partners: Partners) -> None:
    asked = partners.ask()
    partners.bring(asked, "ACCEPTED")
    novice, author = (
        partners.performer.person(Role.PAT),
        partners.performer.person(Role.PAT, known=partners.sender.person),
    )
    make_competent(partners.world, author)
    partners.world.database.query(
        "UPDATE pathology_case SET responsible_assignment_id = :who WHERE id = :case",
        who=partners.sender.assignment.id,
        case=asked.case.id,
    )

    def assign(assignment_id: uuid.UUID) -> None:
        partners.do(
            partners.coordinator,
            asked,
            lambda session, row, by, now: deciding.assign(session, row, assignment_id, by=by, now=now),
        )

    with pytest.raises(Invalid, match="no competence in GI"):
        assign(novice.assignment.id)
    with pytest.raises(Conflict, match="took part in the diagnosis"):
        assign(author.assignment.id)
    with pytest.raises(Invalid, match="works there"):
        assign(partners.sender.assignment.id)
    with pytest.raises(Invalid, match="one of these roles"):
        assign(partners.coordinator.assignment.id)
    partners.world.database.query(
        "INSERT INTO absence (id, version, assignment_id, care_provider_id, starts_at, ends_at, kind) VALUES"
        " (gen_random_uuid(), 1, :who, :provider, now() - interval '1 day', now() + interval '1 day', 'VACATION')",
        who=partners.colleague.assignment.id,
        provider=partners.performer.provider.id,
    )
    with pytest.raises(Invalid, match="away"):
        assign(partners.colleague.assignment.id)
    assign(partners.reader.assignment.id)
    partners.world.database.query("DELETE FROM absence")


def test_a_reassigned_request_is_the_new_readers(partners: Partners) -> None:
    asked = partners.ask()
    partners.bring(asked, "ASSIGNED")
    viewing = partners.look(partners.reader, asked.slide_ids[0])
    partners.do(
        partners.head,
        asked,
        lambda session, row, by, now: deciding.reassign(
            session, row, partners.colleague.assignment.id, text="Sjuk", by=by, now=now
        ),
    )
    request = partners.read(asked)
    assert (request.status, request.reader_assignment_id) == ("ASSIGNED", partners.colleague.assignment.id)
    with transaction(partners.world.owner) as session:
        tasks = session.scalars(
            select(TaskAssignment).where(TaskAssignment.request_id == asked.request_id).order_by(TaskAssignment.id)
        ).all()
    assert [(one.assignment_id, one.release_reason) for one in tasks] == [
        (partners.reader.assignment.id, "reassigned"),
        (partners.colleague.assignment.id, None),
    ]
    assert viewing, "the colleague still sees it in the department's queue"


def test_a_draft_is_cancelled_by_who_made_it(partners: Partners) -> None:
    asked = partners.ask()
    colleague = partners.owner.person(Role.PAT)
    with pytest.raises(NotPermitted, match="who made it"):
        partners.do(colleague, asked, lambda session, row, by, now: ending.cancel(session, row, by=by, now=now))
    partners.do(partners.sender, asked, lambda session, row, by, now: ending.cancel(session, row, by=by, now=now))
    assert partners.read(asked).status is RequestStatus.CANCELLED


def test_events_and_items_are_only_ever_added(partners: Partners) -> None:
    for statement in (
        "UPDATE state_event SET id = id",
        "DELETE FROM state_event",
        "UPDATE disclosed_item SET id = id",
        "DELETE FROM disclosed_item",
    ):
        with pytest.raises(Exception, match="only ever added"):
            partners.world.database.query(statement)


def test_a_draft_is_changed_until_it_is_submitted(partners: Partners) -> None:
    asked = partners.ask()

    def change(question: str) -> None:
        with partners.sender.acting() as (session, actor):
            request = find_request(session, asked.request_id, by=actor)
            case = session.get_one(PathologyCase, asked.case.id)
            wish = partners.wish(question=question, manifest=Manifest.read(request.manifest))
            drafting.change_draft(session, request, case, wish, by=actor, now=datetime.now(UTC))

    change("Annan fråga om samma glas?")
    assert partners.read(asked).question == "Annan fråga om samma glas?"
    partners.bring(asked, "SUBMITTED")
    with pytest.raises(Conflict, match="while it is a draft"):
        change("För sent")


def test_a_wish_for_later_than_the_service_promises_is_kept(partners: Partners) -> None:
    later = datetime.now(UTC) + timedelta(days=90)
    asked, soon = partners.ask(requested_due_at=later), partners.ask(requested_due_at=datetime.now(UTC))
    for one in (asked, soon):
        partners.bring(one, "SUBMITTED")
    assert partners.read(asked).due_at == later
    due = partners.read(soon).due_at
    assert due is not None and due > datetime.now(UTC) + timedelta(days=5)
