"""What an answer rests on: the slides that were seen, what is stated beside it, and on what it was read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from answering import COMPLETE, REPORT, ask, missing
from product import Database
from world import Place, World

from cases.records.pathology_case import CaseStatus
from cases.records.slide_images import SlideImage
from cases.sharing.answers.answer import (
    AnswerKind,
)
from cases.sharing.answers.content import (
    Limitation,
    LimitationCode,
    Platform,
    Unexamined,
)
from cases.sharing.answers.guards import NotReady, find_platforms
from cases.sharing.intended_use import IntendedUse
from cases.sharing.requests import RequestStatus
from cases.sharing.service_descriptions import RequestType
from cases.transaction import transaction

TRANSFER = RequestType.WORKLOAD_TRANSFER
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def places(module_database: Database) -> Iterator[tuple[Place, Place]]:
    with World(module_database) as world:
        yield world.provider("Region Kalmar"), world.provider("Region Östergötland")


def test_slides_that_were_not_looked_at_are_listed_and_stated(places: tuple[Place, Place]) -> None:
    asked = ask(*places, slides=3)
    seen, left, _ = asked.slides
    asked.open_slides([seen])
    content = replace(
        COMPLETE,
        unexamined=tuple(Unexamined(one, "Samma snitt som A1-1") for one in asked.slides[1:]),
        limitations=(Limitation(LimitationCode.FOCUS, "Oskarp i kanten", (seen,)),),
    )
    with pytest.raises(NotReady) as error:
        asked.sign(asked.write(replace(content, unexamined=content.unexamined[:1])))
    assert missing(error) == ["SLIDES_UNREAD"]
    asked.save(content, base=1)
    version = asked.sign(asked.answer_id(), 2)
    assert version.found.slides_seen == (seen,)
    stated = {one.code: one for one in version.found.limitations}
    assert set(stated) == {LimitationCode.FOCUS, LimitationCode.NOT_ALL_SLIDES, LimitationCode.ONLY_DIGITAL}
    assert set(stated[LimitationCode.NOT_ALL_SLIDES].slide_ids) == {left, asked.slides[2]}
    assert stated[LimitationCode.NOT_ALL_SLIDES].text == "Samma snitt som A1-1"


def test_lossy_copies_that_were_looked_at_are_stated(places: tuple[Place, Place]) -> None:
    asked = ask(*places)
    with transaction(asked.owner.world.owner) as session:
        session.get_one(SlideImage, asked.slides[0]).pixel_path = "REENCODED_LOSSY"
    stated = {one.code: one for one in asked.answered().found.limitations}
    assert stated[LimitationCode.LOSSY_COPY].slide_ids == (asked.slides[0],)


def test_glass_is_no_limitation_and_needs_no_validation(places: tuple[Place, Place]) -> None:
    asked = ask(*places, kind=TRANSFER)
    content = replace(
        REPORT,
        platform=Platform.GLASS,
        platform_name=None,
        platform_version=None,
        read_elsewhere=tuple(asked.slides),
    )
    version = asked.sign(asked.write(content))
    assert version.found.limitations == ()
    assert (version.found.slides_seen, set(version.found.read_elsewhere)) == ((), set(asked.slides))


def test_a_limitation_that_is_found_out_cannot_be_written(places: tuple[Place, Place]) -> None:
    asked = ask(*places)
    version = asked.answered(replace(COMPLETE, limitations=(Limitation(LimitationCode.NOT_ALL_SLIDES),)))
    assert [one.code for one in version.found.limitations] == [LimitationCode.ONLY_DIGITAL]


def test_a_transferred_case_is_reported_by_its_reader(places: tuple[Place, Place]) -> None:
    asked = ask(*places, kind=TRANSFER)
    before = asked.case_now()
    version = asked.sign(asked.write(replace(REPORT, read_elsewhere=tuple(asked.slides))))
    case = asked.case_now()
    assert (case.status, case.intended_use_mode_at_signing) == (CaseStatus.FINAL, "COMMUNICATION")
    assert case.ready_to_sign_at is not None
    assert case.report_sent_at == version.released_at
    assert case.version == before.version + 1
    assert asked.request().status is RequestStatus.ANSWERED


def test_a_second_opinion_leaves_the_owners_case_alone(places: tuple[Place, Place]) -> None:
    asked = ask(*places)
    asked.answered()
    case = asked.case_now()
    assert (case.status, case.report_sent_at, case.ready_to_sign_at) == (CaseStatus.IN_DIAGNOSIS, None, None)


@pytest.mark.parametrize(
    ("mode", "kind", "here"),
    [
        (IntendedUse.COMMUNICATION, AnswerKind.CONSULT_OPINION, True),
        (IntendedUse.COMMUNICATION, AnswerKind.PRIMARY_REPORT, False),
        (IntendedUse.CE_MARKED_EXTERNAL, AnswerKind.CONSULT_OPINION, False),
        (IntendedUse.CE_MARKED_EXTERNAL, AnswerKind.PRIMARY_REPORT, False),
        (IntendedUse.DEVICE, AnswerKind.CONSULT_OPINION, True),
        (IntendedUse.DEVICE, AnswerKind.PRIMARY_REPORT, True),
    ],
)
def test_on_what_an_answer_may_rest(mode: IntendedUse, kind: AnswerKind, here: bool) -> None:
    allowed = find_platforms(kind, mode)
    assert {Platform.GLASS, Platform.EXTERNAL_CE_VIEWER} <= allowed
    assert (Platform.THIS_VIEWER in allowed) is here


def test_in_device_mode_a_report_may_rest_on_this_viewer(places: tuple[Place, Place]) -> None:
    asked = ask(*places, kind=TRANSFER)
    asked.open_slides(asked.slides)
    answer_id = asked.write(replace(REPORT, platform=Platform.THIS_VIEWER))
    assert asked.sign(answer_id, mode=IntendedUse.DEVICE).found.intended_use == IntendedUse.DEVICE
