"""Worklists and clinicians' referrals as the web tells them, and as they change while somebody looks."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from asked import Asked
from makers import folder_for_everyone
from product import Database, Product, Web
from sqlalchemy import text
from world import Somebody, World

from cases.access.notifications import notify
from cases.access.permissions import Role
from cases.database import new_id
from cases.records.pathology_case import PathologyCase
from cases.records.referrals import Referral
from cases.sharing.requests import HoldReason, RequestStatus, ShareRequest
from cases.sharing.service_descriptions import Urgency
from cases.sharing.work_orders.order import DoneBy, WorkKind, WorkOrder, WorkOrderStatus
from cases.transaction import transaction


@pytest.fixture(scope="module")
def web(module_database: Database) -> Iterator[Web]:
    with folder_for_everyone() as folder, Product(folder, module_database) as product:
        yield product.start_web()


@pytest.fixture(scope="module")
def world(module_database: Database) -> Iterator[World]:
    with World(module_database) as world:
        yield world


@pytest.fixture
def asked(world: World) -> Asked:
    return Asked(world.provider("Kalmar"), world.provider("Linköping"))


@contextmanager
def browse(web: Web, who: Somebody) -> Iterator[httpx2.Client]:
    """Somebody's browser."""
    with web.browser(who.sign_in()) as client:
        yield client


@contextmanager
def listen(client: httpx2.Client) -> Iterator[Iterator[tuple[str, Any]]]:
    """The stream of changes, after it has said that lists are to be fetched."""
    with client.stream("GET", "/api/events") as stream:
        events = _read(stream)
        assert next(events)[0] == "stale"
        yield events


def _read(stream: httpx2.Response) -> Iterator[tuple[str, Any]]:
    name = ""
    for line in stream.iter_lines():
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


def wait(events: Iterator[tuple[str, Any]], name: str) -> Any:
    """The data of the next event of a name."""
    return next(data for heard, data in events if heard == name)


def change(world: World, row: type[ShareRequest | PathologyCase], row_id: uuid.UUID, **values: object) -> None:
    """Let something be different, as if somebody had changed it."""
    with transaction(world.owner) as session:
        for name, value in values.items():
            setattr(session.get_one(row, row_id), name, value)


def test_rows_say_what_screens_show(web: Web, asked: Asked) -> None:
    reader = asked.performer.person(Role.PAT)
    case, slides = asked.case(slides=2)
    request_id = asked.ask(case, slides=slides, status=RequestStatus.WAITING, reader=reader, urgency=Urgency.SVF)
    with transaction(asked.owner.world.owner) as session:
        session.add(
            WorkOrder(
                request_id=request_id,
                case_id=case.id,
                care_provider_id=asked.performer.provider.id,
                kind=WorkKind.LEVELS,
                urgency=Urgency.SVF,
                done_by=DoneBy.OWNER_LAB,
                blocking=True,
                slides=2,
                status=WorkOrderStatus.REQUESTED,
            )
        )
    with browse(web, reader) as client:
        page = client.get("/api/worklists/requests/READING").json()
        row = page["items"][0]
        assert (page["next"], row["id"], row["stage"], row["urgency"]) == (None, str(request_id), "WAITING", "SVF")
        assert row["waits_for"] == ["LEVELS"]
        assert (row["slides"]["arrived"], row["slides"]["expected"]) == (2, 2)
        assert (row["case"]["lid"], row["case"]["patient"]["family_name"]) == (case.lid, "Tolvansson")
        assert (row["requester"]["provider"], row["performer"]["provider"]) == ("Kalmar", "Linköping")
        assert (row["reader"], row["side"], row["case"]["refusal"]) == ("Prov Provsson", "PERFORMER", None)
        counts = client.get("/api/worklists").json()
        assert counts["requests"]["READING"] == 1
        assert counts["cases"] == {"MINE": 0, "INCOMPLETE": 0}
        found = client.post("/api/worklists/search", json={"term": case.lid}).json()
        assert [one["id"] for one in found["requests"]] == [str(request_id)]
        number = row["case"]["patient"]["number"]
        by_number = client.post("/api/worklists/patient-search", json={"type": "PNR", "value": number}).json()
        assert [one["id"] for one in by_number["requests"]] == [str(request_id)]
        assert client.get("/api/worklists/requests/READING", params={"urgency": "SNABB"}).json()["items"] == []
        assert client.get("/api/worklists/requests/READING", params={"after": "x"}).json()["code"] == "INVALID"
    with browse(web, asked.owner.person(Role.LAB)) as client:
        assert [one["case"]["lid"] for one in client.get("/api/worklists/cases/INCOMPLETE").json()["items"]] == [
            case.lid
        ]
        refused = client.get("/api/worklists/requests/INBOX")
        assert (refused.status_code, refused.json()["code"]) == (403, "D04")


def test_what_is_held_is_told_in_words_with_who_can_mend_it(web: Web, asked: Asked) -> None:
    case, slides = asked.case()
    asked.ask(
        case,
        slides=slides,
        status=RequestStatus.HELD,
        held_from=RequestStatus.OFFERED,
        holds=[HoldReason.SPARR],
    )
    with browse(web, asked.performer.person(Role.PAT)) as client:
        row = client.get("/api/worklists/requests/INBOX").json()["items"][0]
        assert [hold["reason"] for hold in row["holds"]] == ["SPARR"]
        assert row["holds"][0]["owner"] == "The requester"
        assert "blocked" in row["holds"][0]["detail"]
        assert (row["case"]["lid"], row["case"]["patient"], row["slides"]["thumbnails"]) == (None, None, [])
        assert row["case"]["refusal"]["code"] == "D30"


def test_lists_change_while_both_sides_look_and_others_hear_nothing(web: Web, asked: Asked, world: World) -> None:
    sender, reader = asked.owner.person(Role.PAT), asked.performer.person(Role.PAT)
    stranger = asked.performer.other_unit().person(Role.PAT)
    case, slides = asked.case()
    request_id = asked.ask(case, slides=slides, status=RequestStatus.SUBMITTED)
    with (
        browse(web, sender) as first,
        browse(web, reader) as second,
        browse(web, stranger) as third,
        listen(first) as sent,
        listen(second) as offered,
        listen(third) as nothing,
    ):
        change(world, ShareRequest, request_id, urgency=Urgency.SNABB)
        heard = wait(sent, "request")
        assert (heard["lists"], heard["request"]["urgency"]) == (["SENT"], "SNABB")
        other, other_slides = asked.case()
        made = asked.ask(other, slides=other_slides)
        heard = wait(offered, "request")
        assert (heard["id"], heard["lists"]) == (str(made), ["INBOX"]), "of what was not offered nothing is heard"
        assert heard["request"]["case"]["lid"] == other.lid
        change(world, ShareRequest, made, status=RequestStatus.RECALLED)
        gone = wait(offered, "request")
        assert (gone["id"], gone["lists"], gone["request"]) == (str(made), [], None)
        with transaction(world.owner) as session:
            session.execute(
                text("SELECT pg_notify('notification', :ring)"), {"ring": f"{new_id()} {stranger.assignment.id}"}
            )
        assert next(nothing) == ("notifications", {"unread": 0}), "the first thing that the stranger hears of"


def test_notifications_are_counted_as_they_come(web: Web, asked: Asked, world: World) -> None:
    who = asked.owner.person(Role.PAT)
    with browse(web, who) as client, listen(client) as events:
        with transaction(world.app) as session:
            notify(
                session,
                "REQUEST_OFFERED",
                subject_kind="request",
                subject_id=new_id(),
                provider_id=asked.owner.provider.id,
                assignments=[who.assignment.id],
            )
        assert wait(events, "notifications") == {"unread": 1}


def test_a_clinician_hears_of_a_referral_and_reads_it(web: Web, asked: Asked, world: World) -> None:
    clinic = asked.owner.other_unit()
    clinician = clinic.person(Role.CLN)
    case, slides = asked.case()
    with transaction(world.owner) as session:
        session.add(
            Referral(
                id=(referral_id := new_id()),
                case_id=case.id,
                care_provider_id=asked.owner.provider.id,
                referring_provider_id=clinic.provider.id,
                referring_unit_id=clinic.unit.id,
                referring_assignment_id=clinician.assignment.id,
                question="Malignitet?",
                answer_recipients=[],
            )
        )
    with browse(web, clinician) as client:
        page = client.get("/api/my-referrals").json()
        assert [(row["id"], row["state"], row["diagnosed"]) for row in page["items"]] == [
            (str(referral_id), "BEING_READ", False)
        ]
        opened = client.get(f"/api/my-referrals/{referral_id}").json()
        assert (opened["question"], opened["texts"]) == ("Malignitet?", [])
        assert [(slide["id"], slide["viewable"]) for slide in opened["slides"]] == [(str(slides[0]), True)]
        with listen(client) as events:
            change(world, PathologyCase, case.id, status="FINAL")
            heard = wait(events, "referral")
            assert (heard["id"], heard["state"], heard["diagnosed"]) == (str(referral_id), "ANSWERED", True)
        assert client.get("/api/worklists").status_code == 403
    with browse(web, asked.performer.person(Role.CLN)) as client:
        assert client.get("/api/my-referrals").json() == {"items": [], "next": None}
        assert client.get(f"/api/my-referrals/{referral_id}").status_code == 404
