"""Drafts: every save is a version, nothing is lost, and nobody else sees them before they are signed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from answering import COMPLETE, Asked, ask, competent
from product import Database
from sqlalchemy import select, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session
from world import Place, Somebody, World

from cases.access.errors import Conflict, NotPermitted, NotThere
from cases.access.gate import Code, Refused
from cases.access.permissions import Role
from cases.sharing.answers.answer import Answer, AnswerVersion, Saving, Visibility
from cases.sharing.answers.content import AnswerContent
from cases.sharing.answers.drafts import Saved, find_open, set_visibility
from cases.sharing.answers.reading import open_answer
from cases.sharing.answers.register import find_answer, has_draft, list_versions
from cases.sharing.requests import RequestStatus, ShareRequest
from cases.sharing.requests.deciding import reassign
from cases.transaction import transaction


@pytest.fixture(scope="module")
def places(module_database: Database) -> Iterator[tuple[Place, Place]]:
    with World(module_database) as world:
        yield world.provider("Region Kalmar"), world.provider("Region Östergötland")


def say(text: str) -> AnswerContent:
    return replace(COMPLETE, statement=text)


def all_said(asked: Asked) -> dict[int, str]:
    """What every version says, whoever may see it."""
    with transaction(asked.owner.world.owner) as session:
        rows = session.scalars(select(AnswerVersion).where(AnswerVersion.request_id == asked.request_id))
        return {row.number: row.said.statement for row in rows}


def test_every_save_is_a_version_on_top_of_the_one_before(places: tuple[Place, Place]) -> None:
    asked = ask(*places)
    first = asked.save(say("Ett"))
    second = asked.save(say("Två"), base=first.version.number, saving=Saving.AUTOSAVED)
    assert (first.stands, second.stands) == (True, True)
    assert (second.version.number, second.version.base_number, second.version.saving) == (2, 1, Saving.AUTOSAVED)
    assert all_said(asked) == {1: "Ett", 2: "Två"}
    assert second.answer.head == 2


def test_saving_on_top_of_an_old_version_keeps_both(places: tuple[Place, Place]) -> None:
    asked = ask(*places)
    asked.save(say("Ett"))
    asked.save(say("Två"), base=1)
    late = asked.save(say("Tvåa från en annan flik"), base=1)
    assert (late.stands, late.version.number, late.answer.head) == (False, 3, 2)
    assert all_said(asked) == {1: "Ett", 2: "Två", 3: "Tvåa från en annan flik"}
    with asked.reader.acting() as (session, _):
        shown = list_versions(session, find_answer(session, late.answer.id), every=True)
    assert [(one.version.number, one.beside) for one in shown] == [(3, True), (2, False), (1, False)]
    merged = asked.save(say("Båda"), base=2)
    assert (merged.stands, merged.version.number) == (True, 4)


def test_a_save_whose_answer_was_lost_is_not_made_twice(places: tuple[Place, Place]) -> None:
    asked = ask(*places)
    asked.save(say("Ett"))
    asked.save(say("Två"), base=1)
    again = asked.save(say("Två"), base=1)
    assert (again.stands, again.version.number) == (True, 2)
    assert len(all_said(asked)) == 2


def test_two_who_save_for_the_first_time_are_both_kept(places: tuple[Place, Place]) -> None:
    asked = ask(*places)
    found: list[Saved] = []
    barrier = threading.Barrier(2)
    tokens = [asked.reader, Somebody(asked.performer, asked.reader.person, asked.reader.assignment)]
    for one in tokens:
        one.sign_in()

    def save(who: Somebody, words: str) -> None:
        barrier.wait()
        found.append(asked.save(say(words), who=who))

    threads = [threading.Thread(target=save, args=(who, words)) for who, words in zip(tokens, ("A", "B"), strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.stands for one in found) == [False, True]
    assert len({one.answer.id for one in found}) == 1
    assert sorted(all_said(asked).values()) == ["A", "B"]


def test_drafts_that_follow_closely_are_shown_as_one_and_kept_all(places: tuple[Place, Place]) -> None:
    asked = ask(*places)
    for number in range(5):
        asked.save(say(f"Version {number}"), base=number)
    with asked.reader.acting() as (session, _):
        answer = session.scalars(select(Answer).where(Answer.request_id == asked.request_id)).one()
        thinned = [one.version.number for one in list_versions(session, answer)]
        every = [one.version.number for one in list_versions(session, answer, every=True)]
    assert (thinned, every) == ([5], [5, 4, 3, 2, 1])


@pytest.mark.parametrize("role", ["app", "owner"])
@pytest.mark.parametrize(
    "statement", ["UPDATE answer_version SET content = '{}'", "DELETE FROM answer_version", "DELETE FROM answer"]
)
def test_versions_can_be_neither_changed_nor_deleted(places: tuple[Place, Place], role: str, statement: str) -> None:
    asked = ask(*places)
    asked.save(say("Ett"))
    refusal = pytest.raises(ProgrammingError, match=r"permission denied|stays as it was written")
    with refusal, transaction(getattr(asked.owner.world, role)) as session:
        session.execute(text(statement))
    assert all_said(asked) == {1: "Ett"}


def test_a_draft_is_its_authors_own(places: tuple[Place, Place]) -> None:
    asked = ask(*places)
    answer_id = asked.write()
    colleague = competent(asked.performer, Role.PAT)
    with pytest.raises(NotPermitted, match="Somebody else reads this"):
        asked.save(say("Mitt"), base=1, who=colleague)
    with pytest.raises(NotThere), colleague.acting() as (session, actor):
        open_answer(session, find_answer(session, answer_id), by=actor, now=datetime.now(UTC))
    with pytest.raises(NotThere), asked.requester.acting() as (session, _):
        find_answer(session, answer_id)
    with pytest.raises(NotPermitted, match="written by the department that was asked"):
        asked.save(say("Ägarens"), base=1, who=asked.requester)


def test_a_third_provider_knows_of_nothing(places: tuple[Place, Place]) -> None:
    asked = ask(*places)
    answer_id = asked.answered().answer_id
    stranger = places[0].world.provider("Region Jönköping").person(Role.PAT)
    with stranger.acting() as (session, _):
        assert session.scalars(select(AnswerVersion)).all() == []
        with pytest.raises(NotThere):
            find_answer(session, answer_id)


def test_what_a_coordinator_saves_is_the_readers_dictation(places: tuple[Place, Place]) -> None:
    asked = ask(*places)
    secretary = asked.performer.person(Role.COO)
    saved = asked.save(say("Dikterat"), who=secretary)
    assert (saved.version.saving, saved.version.author_assignment_id) == (Saving.DICTATED, secretary.assignment.id)
    assert saved.answer.author_assignment_id == asked.reader.assignment.id
    typed = asked.save(say("Rättat"), base=1)
    assert (typed.answer.id, typed.stands, typed.version.saving) == (saved.answer.id, True, Saving.TYPED)
    with pytest.raises(NotPermitted, match="Somebody else reads this"):
        asked.save(say("?"), base=2, who=asked.performer.other_unit().person(Role.COO))


def hand_over(asked: Asked, to: Somebody) -> None:
    with asked.reader.acting() as (session, actor):
        request = session.get_one(ShareRequest, asked.request_id)
        reassign(session, request, to.assignment.id, text="Sjuk", by=actor, now=datetime.now(UTC))


@pytest.mark.parametrize("visibility", Visibility)
def test_the_next_reader_goes_on_with_a_draft_that_was_shared(
    places: tuple[Place, Place], visibility: Visibility
) -> None:
    asked = ask(*places)
    answer_id = asked.write(say("Halvfärdigt"))
    with asked.reader.acting() as (session, actor):
        set_visibility(session, find_answer(session, answer_id), visibility, by=actor, now=datetime.now(UTC))
    successor = competent(asked.performer, Role.PAT)
    hand_over(asked, successor)
    with successor.acting() as (session, actor):
        found = find_open(session, session.get_one(ShareRequest, asked.request_id), by=actor)
    shared = visibility is Visibility.UNIT
    assert (found.id if found else None) == (answer_id if shared else None)
    saved = asked.save(say("Klart"), base=1 if shared else 0, who=successor)
    assert (saved.answer.id == answer_id) is shared
    assert saved.answer.author_assignment_id == successor.assignment.id
    # To save is to begin: the request is being read again.
    assert asked.request().status is RequestStatus.IN_REVIEW
    with pytest.raises(NotPermitted):
        asked.save(say("För sent"), base=1)
    with transaction(asked.owner.world.owner) as session:
        kept = session.scalars(select(AnswerVersion).where(AnswerVersion.request_id == asked.request_id))
        assert sorted(one.said.statement for one in kept) == ["Halvfärdigt", "Klart"]


def test_a_blind_reader_has_a_draft_only_after_saving_one(places: tuple[Place, Place]) -> None:
    asked = ask(*places, blind=True)

    def drafted(session: Session) -> bool:
        request = session.get_one(ShareRequest, asked.request_id)
        return has_draft(session, request, assignment_id=asked.reader.assignment.id)

    with asked.reader.acting() as (session, _):
        assert not drafted(session)
    asked.write()
    with asked.reader.acting() as (session, _):
        assert drafted(session)


def test_nobody_writes_before_the_request_is_in_their_hands(places: tuple[Place, Place]) -> None:
    asked = ask(*places, status="ACCEPTED", reader_assignment_id=None, first_opened_at=None)
    with pytest.raises(Conflict, match="Nobody has been given this request"):
        asked.save(say("Tidigt"))


def test_the_gate_has_its_say_about_every_save(places: tuple[Place, Place]) -> None:
    asked = ask(*places)
    asked.write()
    with transaction(asked.owner.world.owner) as session:
        session.execute(
            text("UPDATE disclosure SET state = 'REVOKED', ended_at = now() WHERE request_id = :id"),
            {"id": asked.request_id},
        )
    with pytest.raises(Refused) as refused:
        asked.save(say("Efteråt"), base=1)
    assert refused.value.decision.code is Code.D26


def test_old_drafts_are_shown_again_when_they_lie_apart(places: tuple[Place, Place]) -> None:
    asked = ask(*places)
    asked.save(say("Förmiddag"))
    with transaction(asked.owner.world.owner) as session:
        # Only a test may: the trigger that keeps versions is off for this statement.
        session.execute(text("ALTER TABLE answer_version DISABLE TRIGGER keep"))
        session.execute(
            text("UPDATE answer_version SET saved_at = saved_at - :apart WHERE request_id = :id"),
            {"apart": timedelta(minutes=6), "id": asked.request_id},
        )
        session.execute(text("ALTER TABLE answer_version ENABLE TRIGGER keep"))
    saved = asked.save(say("Eftermiddag"), base=1)
    with asked.reader.acting() as (session, _):
        shown = list_versions(session, find_answer(session, saved.answer.id))
    assert [one.version.number for one in shown] == [2, 1]
