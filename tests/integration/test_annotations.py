"""Annotations: for whom each is, versions that nobody loses, and what a signed answer cites stays."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import pytest
from desk import POINT, Desk
from product import Database
from sqlalchemy import select, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError
from world import Place, Somebody, World

from cases.access.actors import Actor
from cases.access.errors import Conflict, Invalid, NotPermitted, NotThere
from cases.access.gate import CareLink
from cases.access.permissions import Role
from cases.records.annotations import (
    Annotation,
    AnnotationKind,
    AnnotationVersion,
    Onlooker,
    Visibility,
    change,
    delete,
    find_annotation,
    freeze,
    list_annotations,
    list_versions,
    restore,
)
from cases.records.pathology_case import PathologyCase
from cases.sharing.onlookers import find_onlooker


@pytest.fixture(scope="module")
def world(module_database: Database) -> Iterator[World]:
    with World(module_database) as world:
        yield world


@pytest.fixture(scope="module")
def kalmar(world: World) -> Place:
    return world.provider("Region Kalmar län")


@pytest.fixture(scope="module")
def linkoping(world: World) -> Place:
    return world.provider("Region Östergötland")


def attempts(session: Session, annotation: Annotation, actor: Actor) -> list[Callable[[], None]]:
    """Every way to change an annotation."""
    return [
        partial(change, session, annotation, replace(POINT, label="x"), by=actor),
        partial(delete, session, annotation, by=actor, now=datetime.now(UTC)),
        partial(restore, session, annotation, 1, by=actor),
    ]


@pytest.fixture
def desk(kalmar: Place) -> Desk:
    return Desk(kalmar)


def test_each_circle_sees_what_is_for_it(desk: Desk, kalmar: Place, linkoping: Place) -> None:
    request_id = desk.ask(linkoping)
    author, colleague, surgeon = (
        kalmar.person(Role.PAT),
        kalmar.person(Role.RES),
        kalmar.other_unit().person(Role.CLN),
    )
    reader, other_clinic = linkoping.person(Role.PAT), linkoping.other_unit("Hud").person(Role.PAT)
    drawn = {visibility: desk.draw(author, visibility=visibility, request_id=request_id) for visibility in Visibility}

    def circles(who: Somebody, **more: frozenset[CareLink]) -> list[Visibility]:
        seen = desk.seen_by(who, **more)
        return [visibility for visibility, annotation_id in drawn.items() if annotation_id in seen]

    private, unit, request, case, mdt = Visibility
    assert circles(author) == [private, unit, request, case, mdt]
    assert circles(colleague) == [unit, request, case, mdt]
    assert circles(surgeon) == [case, mdt], "what laboratories ask each other is theirs"
    assert circles(reader) == [request, case, mdt]
    assert circles(other_clinic) == [case, mdt], "the request is another clinic's"
    assert circles(surgeon, links=frozenset({CareLink.CONFERENCE})) == [mdt]
    assert circles(colleague, links=frozenset({CareLink.CONFERENCE})) == [unit, mdt]


def test_the_other_side_sees_what_a_performer_draws(desk: Desk, kalmar: Place, linkoping: Place) -> None:
    request_id = desk.ask(linkoping)
    reader, owner = linkoping.person(Role.PAT), kalmar.person(Role.PAT)
    drawn = [desk.draw(reader, visibility=one, request_id=request_id) for one in (Visibility.REQUEST, Visibility.CASE)]
    hidden = [desk.draw(reader, visibility=one) for one in (Visibility.PRIVATE, Visibility.UNIT)]
    assert desk.seen_by(owner) == drawn
    assert desk.seen_by(reader) == [*drawn, *hidden]
    for annotation_id in hidden:
        with owner.acting() as (session, _), pytest.raises(NotThere):
            find_annotation(session, annotation_id)


def test_row_security_hides_what_is_private_whatever_is_asked(
    desk: Desk, world: World, kalmar: Place, linkoping: Place
) -> None:
    request_id = desk.ask(linkoping)
    author, reader = kalmar.person(Role.PAT), linkoping.person(Role.PAT)
    stranger = world.provider("Region Jönköpings län").person(Role.PAT)
    drawn = [desk.draw(author, visibility=one, request_id=request_id) for one in Visibility]
    for who, expected in ((author, drawn), (reader, drawn[2:]), (stranger, [])):
        with who.acting() as (session, _):
            mine = Annotation.slide_image_id == desk.slide_id
            assert session.scalars(select(Annotation.id).where(mine).order_by(Annotation.id)).all() == expected
            versions = select(AnnotationVersion.annotation_id).where(AnnotationVersion.annotation_id.in_(drawn))
            assert sorted(session.scalars(versions)) == expected


def test_who_is_to_read_unaware_does_not_see_where_the_owner_pointed(
    desk: Desk, kalmar: Place, linkoping: Place
) -> None:
    request_id = desk.ask(linkoping, blind=True)
    author, reader = kalmar.person(Role.PAT), linkoping.person(Role.PAT)
    desk.draw(author, visibility=Visibility.CASE)
    desk.draw(author, visibility=Visibility.MDT)
    for_them = desk.draw(author, visibility=Visibility.REQUEST, request_id=request_id)
    own = desk.draw(reader, visibility=Visibility.CASE)
    assert desk.seen_by(reader) == [for_them, own]
    assert len(desk.seen_by(author)) == 4


def test_private_annotations_are_not_even_counted(desk: Desk, kalmar: Place) -> None:
    author, colleague = kalmar.person(Role.PAT), kalmar.person(Role.PAT)
    shown = []
    for number in range(6):
        shown.append(desk.draw(author))
        for _ in range(number):
            desk.draw(author, visibility=Visibility.PRIVATE)
    with colleague.acting() as (session, actor):
        who = find_onlooker(session, desk.case.id, by=actor, now=datetime.now(UTC))
        first, more = list_annotations(session, desk.slide_id, who=who, limit=4)
        assert ([one.id for one in first], more) == (shown[:4], True)
        rest, more = list_annotations(session, desk.slide_id, who=who, limit=4, after=first[-1].id)
        assert ([one.id for one in rest], more) == (shown[4:], False)


def test_a_page_ends_before_it_is_megabytes(desk: Desk, kalmar: Place) -> None:
    author = kalmar.person(Role.PAT)
    line = [[float(i % 4000), float(i % 3000)] for i in range(90_000)]
    geometry = {"type": "LineString", "coordinates": line}
    drawn = [desk.draw(author, kind=AnnotationKind.FREEHAND, geometry=geometry) for _ in range(3)]
    with author.acting() as (session, actor):
        who = find_onlooker(session, desk.case.id, by=actor, now=datetime.now(UTC))
        page, more = list_annotations(session, desk.slide_id, who=who, limit=100)
        assert ([one.id for one in page], more) == (drawn[:2], True)
        rest, more = list_annotations(session, desk.slide_id, who=who, limit=100, after=drawn[1])
        assert ([one.id for one in rest], more) == (drawn[2:], False)
        assert rest[0].geometry == geometry


def test_every_change_is_a_version_and_nobody_rewrites_one(desk: Desk, world: World, kalmar: Place) -> None:
    author = kalmar.person(Role.PAT)
    annotation_id = desk.draw(author, label="Ett")
    with author.acting() as (session, actor):
        change(session, find_annotation(session, annotation_id), replace(POINT, label="Två"), by=actor)
    with author.acting() as (session, actor):
        change(session, find_annotation(session, annotation_id), replace(POINT, label="Två"), by=actor)
    with author.acting() as (session, actor):
        delete(session, find_annotation(session, annotation_id), by=actor, now=datetime.now(UTC))
    assert desk.seen_by(author) == []
    with author.acting() as (session, actor), pytest.raises(NotThere, match="deleted"):
        change(session, find_annotation(session, annotation_id), POINT, by=actor)
    with author.acting() as (session, actor), pytest.raises(NotThere, match="no such version"):
        restore(session, find_annotation(session, annotation_id), 3, by=actor)
    with author.acting() as (session, actor), pytest.raises(NotThere, match="no such version"):
        restore(session, find_annotation(session, annotation_id), 9, by=actor)
    with author.acting() as (session, actor):
        restore(session, find_annotation(session, annotation_id), 1, by=actor)
    with author.acting() as (session, actor):
        annotation = find_annotation(session, annotation_id)
        versions = list_versions(
            session, annotation, who=find_onlooker(session, desk.case.id, by=actor, now=datetime.now(UTC))
        )
        assert [(one.number, one.label, one.deleted_at is None) for one in versions] == [
            (4, "Ett", True),
            (3, "Två", False),
            (2, "Två", True),
            (1, "Ett", True),
        ]
        assert (annotation.version, annotation.label, annotation.deleted_at) == (4, "Ett", None)
    for role, refusal in (("samsyn_app", "permission denied"), ("samsyn_owner", "only ever added")):
        for statement in ("UPDATE annotation_version SET label = 'x'", "DELETE FROM annotation_version"):
            with pytest.raises(ProgrammingError, match=refusal):
                world.database.query(statement, role=role)


def test_an_older_version_that_was_private_stays_so(desk: Desk, kalmar: Place) -> None:
    author, colleague = kalmar.person(Role.PAT), kalmar.person(Role.PAT)
    annotation_id = desk.draw(author, visibility=Visibility.PRIVATE, comment="Kan detta vara invasion?")
    with author.acting() as (session, actor):
        change(session, find_annotation(session, annotation_id), POINT, by=actor)
    with colleague.acting() as (session, actor):
        annotation = find_annotation(session, annotation_id)
        versions = list_versions(
            session, annotation, who=find_onlooker(session, desk.case.id, by=actor, now=datetime.now(UTC))
        )
        assert [(one.number, one.comment) for one in versions] == [(2, None)]


def test_only_the_author_changes_an_annotation(desk: Desk, kalmar: Place) -> None:
    author, colleague = kalmar.person(Role.PAT), kalmar.person(Role.HEAD, Role.PAT)
    annotation_id = desk.draw(author)
    with colleague.acting() as (session, actor):
        annotation = find_annotation(session, annotation_id)
        for attempt in attempts(session, annotation, actor):
            with pytest.raises(NotPermitted, match="by its author alone"):
                attempt()


def test_two_changes_at_once_are_not_both_made(desk: Desk, kalmar: Place) -> None:
    author = kalmar.person(Role.PAT)
    annotation_id = desk.draw(author)
    with author.acting() as (session, _):
        stale = find_annotation(session, annotation_id)
    with author.acting() as (session, actor):
        change(session, find_annotation(session, annotation_id), replace(POINT, label="Först"), by=actor)
    with pytest.raises(StaleDataError), author.acting() as (session, actor):
        session.add(stale)
        change(session, stale, replace(POINT, label="Sedan"), by=actor)
    with author.acting() as (session, _):
        assert find_annotation(session, annotation_id).label == "Först"


def test_what_a_signed_answer_cites_stays_as_it_is(desk: Desk, world: World, kalmar: Place, linkoping: Place) -> None:
    request_id = desk.ask(linkoping)
    author, signer = kalmar.person(Role.PAT), linkoping.person(Role.PAT)
    owners = desk.draw(author, visibility=Visibility.REQUEST, request_id=request_id)
    own = desk.draw(signer)
    with signer.acting() as (session, actor):
        change(session, find_annotation(session, own), replace(POINT, label="Mitos"), by=actor)
    with signer.acting() as (session, actor):
        who = find_onlooker(session, desk.case.id, by=actor, now=datetime.now(UTC))
        assert freeze(session, [owners, own], case_id=desk.case.id, who=who) == {owners: 1, own: 2}
    with signer.acting() as (session, actor):
        assert freeze(session, [own], case_id=desk.case.id, who=who) == {own: 2}, "an amendment cites it again"
        assert freeze(session, [], case_id=desk.case.id, who=who) == {}
    for person, annotation_id in ((author, owners), (signer, own)):
        with person.acting() as (session, actor):
            annotation = find_annotation(session, annotation_id)
            assert annotation.is_record_document
            for attempt in attempts(session, annotation, actor):
                with pytest.raises(Conflict, match="A signed answer cites this annotation"):
                    attempt()
    for statement in ("UPDATE annotation SET label = 'x' WHERE id = :id", "DELETE FROM annotation WHERE id = :id"):
        with pytest.raises(ProgrammingError, match="A signed answer cites this annotation"):
            world.database.query(statement, id=own)


def test_an_answer_cites_only_what_its_readers_can_see(desk: Desk, kalmar: Place, linkoping: Place) -> None:
    desk.ask(linkoping)
    author, signer = kalmar.person(Role.PAT), linkoping.person(Role.PAT)
    elsewhere = Desk(kalmar)
    gone = desk.draw(author)
    with author.acting() as (session, actor):
        delete(session, find_annotation(session, gone), by=actor, now=datetime.now(UTC))
    for annotation_id, why in (
        (desk.draw(signer, visibility=Visibility.PRIVATE), "not for those who will read the answer"),
        (desk.draw(signer, visibility=Visibility.UNIT), "not for those who will read the answer"),
        (desk.draw(author, visibility=Visibility.UNIT), "is not there"),
        (elsewhere.draw(author), "is not there"),
        (gone, "is not there"),
        (uuid.uuid4(), "is not there"),
    ):
        with pytest.raises(Invalid, match=why) as refused, signer.acting() as (session, actor):
            who = find_onlooker(session, desk.case.id, by=actor, now=datetime.now(UTC))
            freeze(session, [annotation_id], case_id=desk.case.id, who=who)
        assert refused.value.field == "annotations"
    with author.acting() as (session, _):
        cited = session.scalars(select(Annotation.id).where(Annotation.is_record_document)).all()
        assert not {annotation_id for annotation_id in cited if annotation_id == gone}


def test_another_provider_cannot_change_a_row_even_past_the_rules(desk: Desk, kalmar: Place, linkoping: Place) -> None:
    desk.ask(linkoping)
    annotation_id = desk.draw(kalmar.person(Role.PAT))
    with linkoping.person(Role.PAT).acting() as (session, _):
        changed = session.execute(text("UPDATE annotation SET label = 'x' WHERE id = :id"), {"id": annotation_id})
        assert changed.rowcount == 0  # type: ignore[attr-defined]
        assert find_annotation(session, annotation_id).label is None


def test_a_slide_without_a_case_or_a_size_is_not_drawn_on(world: World, kalmar: Place) -> None:
    author = kalmar.person(Role.PAT)
    desk = Desk(kalmar)
    world.database.query("UPDATE slide_image SET width = NULL, height = NULL WHERE id = :id", id=desk.slide_id)
    with pytest.raises(Conflict, match="once it is verified and belongs to a case"):
        desk.draw(author)
    with pytest.raises(Invalid, match="Say for which request"):
        Desk(kalmar).draw(author, visibility=Visibility.REQUEST)


def test_the_log_says_what_was_done_to_which_annotation(desk: Desk, world: World, kalmar: Place) -> None:
    author = kalmar.person(Role.PAT)
    annotation_id = desk.draw(author, comment="Hemligt")
    with author.acting() as (session, actor):
        change(session, find_annotation(session, annotation_id), POINT, by=actor)
        delete(session, find_annotation(session, annotation_id), by=actor, now=datetime.now(UTC))
        restore(session, find_annotation(session, annotation_id), 2, by=actor)
    entries = world.database.query(
        "SELECT entry.event, args, subject.patient_id, entry.care_provider_id FROM audit_event entry"
        " JOIN audit_subject subject ON subject.event_id = entry.id"
        " WHERE subject.kind = 'annotation' AND subject.subject_id = :id ORDER BY seq",
        id=annotation_id,
    )
    assert [(entry["event"], entry["args"]) for entry in entries] == [
        ("ANNOTATION_CREATED", {"version": 1}),
        ("ANNOTATION_CHANGED", {"version": 2}),
        ("ANNOTATION_DELETED", {"version": 3}),
        ("ANNOTATION_CHANGED", {"version": 4, "restored": 2}),
    ]
    assert {entry["patient_id"] for entry in entries} == {desk.case.patient_id}


def test_an_onlooker_is_of_their_own_units_requests(desk: Desk, kalmar: Place, linkoping: Place) -> None:
    request_id = desk.ask(linkoping)
    with linkoping.person(Role.PAT).acting() as (session, actor):
        assert find_onlooker(session, desk.case.id, by=actor, now=datetime.now(UTC)) == Onlooker(
            assignment_id=actor.assignment_id, unit_id=actor.unit_id, requests=frozenset({request_id})
        )
        assert session.get(PathologyCase, desk.case.id) is not None
