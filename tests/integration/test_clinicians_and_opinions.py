"""What pathologists ask each other is theirs until it is taken over: clinicians of the owner's provider meet nothing.

The clinician here is at her strongest: she sent the referral, and her provider's laboratory shows her the images.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from answering import REPORT, Asked, ask, confirm
from fastapi import FastAPI
from product import Database
from starlette.testclient import TestClient
from world import Place, Somebody, World

from cases.access.organisations import CareProvider, ImageRelease
from cases.access.permissions import Role
from cases.database import new_id
from cases.records.annotations import AnnotationKind, Drawing, Visibility, draw
from cases.records.referrals import Referral
from cases.records.slide_images import SlideImage
from cases.sharing.answers import oral_reports
from cases.sharing.intended_use import IntendedUse
from cases.sharing.requests import ReasonCode, lock_request
from cases.sharing.service_descriptions import RequestType
from cases.sharing.work_orders import Order, WorkKind, place
from cases.transaction import transaction
from viewer import problems
from viewer.api import annotations as annotations_api
from viewer.api import answer_follow_up, answers, reports, work_orders
from viewer.settings import ViewerSettings

POINT = Drawing(
    kind=AnnotationKind.POINT, geometry={"type": "Point", "coordinates": [10.5, 20]}, visibility=Visibility.CASE
)
ASKED = Drawing(
    kind=AnnotationKind.POINT,
    geometry={"type": "Point", "coordinates": [30, 40]},
    visibility=Visibility.REQUEST,
    comment="Är det här invasion?",
)
Browser = Callable[[Somebody], TestClient]


@pytest.fixture(scope="module")
def world(module_database: Database) -> Iterator[World]:
    with World(module_database) as world:
        yield world


@pytest.fixture(scope="module")
def kalmar(world: World) -> Place:
    """Owns the cases, and shows its clinicians the images as soon as there are any."""
    kalmar = world.provider("Region Kalmar län")
    with transaction(world.owner) as session:
        session.get_one(CareProvider, kalmar.provider.id).clinician_image_release = ImageRelease.ON_AVAILABLE
    return kalmar


@pytest.fixture(scope="module")
def linkoping(world: World) -> Place:
    return world.provider("Region Östergötland")


@pytest.fixture(scope="module")
def clinician(kalmar: Place) -> Somebody:
    """At another unit of the owner's provider."""
    return kalmar.other_unit().person(Role.CLN)


@pytest.fixture(scope="module")
def browser(world: World, tmp_path_factory: pytest.TempPathFactory) -> Browser:
    """Somebody's browser, signed in, at these endpoints alone, on the real database as the web's role."""
    app = FastAPI()
    problems.install(app)
    for router in (
        answers.requests_router,
        answers.router,
        answer_follow_up.requests_router,
        reports.router,
        work_orders.router,
        annotations_api.slides_router,
    ):
        app.include_router(router)
    nowhere: Path = tmp_path_factory.mktemp("nowhere")
    app.state.settings = ViewerSettings(
        database_url=world.database.url("samsyn_app"), redis_url="redis://nowhere", data=nowhere
    )
    app.state.sessions = world.app
    return lambda who: TestClient(app, cookies={"samsyn_session": who.sign_in()})


def refer(asked: Asked, clinician: Somebody) -> None:
    """Somebody has sent the specimen of a case."""
    with transaction(asked.owner.world.owner) as session:
        session.add(
            Referral(
                id=new_id(),
                case_id=asked.case.id,
                care_provider_id=asked.owner.provider.id,
                referring_provider_id=clinician.place.provider.id,
                referring_unit_id=clinician.place.unit.id,
                referring_assignment_id=clinician.assignment.id,
                question="Malignitet?",
                answer_recipients=[],
            )
        )


def answer(asked: Asked, clinician: Somebody) -> list[str]:
    """Have a clinician's case answered, with an oral report and a work order; where all of it is read."""
    refer(asked, clinician)
    now = datetime.now(UTC)
    with asked.reader.acting() as (session, actor):
        request = lock_request(session, asked.request_id, by=actor)
        order_id = place(session, request, Order(kind=WorkKind.CLINICAL_INFO, blocking=False), by=actor, now=now).id
        told = oral_reports.Telling(
            given_to_name="Dr Ek",
            given_to_role="Patolog",
            given_to_unit="Patologen",
            at=now,
            text="Preliminärt: inte invasion.",
            read_back=True,
        )
        oral_reports.give(session, request, told, by=actor, now=now)
    asked.answered()
    request_path, answer_path = f"/api/requests/{asked.request_id}", f"/api/answers/{asked.answer_id()}"
    return [
        f"{request_path}/answers",
        f"{request_path}/oral-reports",
        f"{request_path}/reconciliations",
        f"{request_path}/work-orders",
        f"/api/work-orders/{order_id}",
        *(f"{request_path}/answers/2/report.{ending}" for ending in ("pdf", "txt", "fhir.json")),
        answer_path,
        f"{answer_path}/versions",
        f"{answer_path}/versions/2",
    ]


def handed_on(paths: list[str]) -> list[str]:
    """Without what the two laboratories keep between them: what they reconcile, and what was ordered."""
    return [path for path in paths if "reconciliations" not in path and "work-orders" not in path]


def look(client: TestClient, paths: list[str]) -> set[tuple[int, str]]:
    """What is answered to all of these, without the answers themselves."""
    found = [client.get(path) for path in paths]
    return {(one.status_code, one.json()["code"] if one.status_code != 200 else "") for one in found}


def test_an_opinion_is_the_laboratories_own_until_it_is_acknowledged(
    kalmar: Place, linkoping: Place, clinician: Somebody, browser: Browser
) -> None:
    asked = ask(kalmar, linkoping)
    paths = answer(asked, clinician)
    # Other roles open it as little at a unit that did not ask.
    with_more = clinician.place.person(Role.CLN, Role.MDT, Role.PAT)
    for outsider in (clinician, with_more):
        assert look(browser(outsider), paths) == {(404, "NOT_FOUND")}
    nowhere = browser(clinician).get(f"/api/requests/{uuid.uuid4()}/answers").json()
    assert browser(clinician).get(paths[0]).json()["detail"] == nowhere["detail"], "it looks as if it were not there"
    for insider in (asked.requester, kalmar.person(Role.PAT), asked.reader):
        assert look(browser(insider), paths) == {(200, "")}
    browser(asked.requester).get(paths[-3])
    confirm(asked)
    assert look(browser(clinician), handed_on(paths)) == {(200, "")}
    between = [path for path in paths if path not in handed_on(paths)]
    assert len(between) == 3
    for outsider in (clinician, with_more):
        assert look(browser(outsider), between) == {(404, "NOT_FOUND")}
    for insider in (asked.requester, kalmar.person(Role.RES), kalmar.person(Role.HEAD), asked.reader):
        assert look(browser(insider), between) == {(200, "")}


def test_who_is_named_in_a_request_reads_its_answer(
    kalmar: Place, linkoping: Place, clinician: Somebody, browser: Browser
) -> None:
    asked = ask(kalmar, linkoping, stand_in_assignment_id=clinician.assignment.id)
    paths = answer(asked, clinician)
    assert look(browser(clinician), handed_on(paths)) == {(200, "")}
    assert look(browser(clinician), [path for path in paths if path not in handed_on(paths)]) == {(404, "NOT_FOUND")}


def test_what_clinicians_ordered_is_theirs_once_signed(
    kalmar: Place, linkoping: Place, clinician: Somebody, browser: Browser
) -> None:
    asked = ask(kalmar, linkoping, reason_code=ReasonCode.CLINICIAN_ORDER)
    refer(asked, clinician)
    path = f"/api/requests/{asked.request_id}/answers"
    assert look(browser(clinician), [path]) == {(404, "NOT_FOUND")}
    asked.answered()
    assert look(browser(clinician), [path, f"/api/answers/{asked.answer_id()}"]) == {(200, "")}


def test_a_report_of_a_case_is_theirs_once_signed(
    kalmar: Place, linkoping: Place, clinician: Somebody, browser: Browser
) -> None:
    asked = ask(kalmar, linkoping, kind=RequestType.WORKLOAD_TRANSFER)
    refer(asked, clinician)
    asked.open_slides(asked.slides)
    answer_id = asked.write(REPORT)
    assert look(browser(clinician), [f"/api/answers/{answer_id}"]) == {(404, "NOT_FOUND")}
    asked.sign(answer_id, mode=IntendedUse.COMMUNICATION)
    assert look(browser(clinician), [f"/api/answers/{answer_id}"]) == {(200, "")}


def test_what_is_pointed_at_in_a_request_stays_between_the_laboratories(
    kalmar: Place, linkoping: Place, clinician: Somebody, browser: Browser
) -> None:
    asked = ask(kalmar, linkoping)
    refer(asked, clinician)
    with asked.requester.acting() as (session, actor):
        slide = session.get_one(SlideImage, asked.slides[0])
        for_all = draw(session, slide, POINT, by=actor).id
        for_them = draw(session, slide, replace(ASKED, request_id=asked.request_id), by=actor).id

    def list_seen(who: Somebody) -> list[str]:
        found = browser(who).get(f"/api/slides/{asked.slides[0]}/annotations")
        assert found.status_code == 200, found.text
        return [one["id"] for one in found.json()["annotations"]]

    assert list_seen(clinician) == [str(for_all)]
    for insider in (asked.requester, kalmar.person(Role.PAT), asked.reader):
        assert list_seen(insider) == [str(for_all), str(for_them)]
