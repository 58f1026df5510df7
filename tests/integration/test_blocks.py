"""Blocks in the database: registered, found for all rows of a patient, ended for good, and every step on the log."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from patients import Clinic, a_vault, make_actor, make_clinic, make_number, make_patient, read_changed, read_log
from people import make_unit
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from cases.access.blocks import (
    AccessBlock,
    BlockStatus,
    BlockSyncState,
    BlockType,
    Requester,
    delete_block,
    find_blocks,
    freshness,
    list_blocks,
    register_block,
    revoke_block,
)
from cases.access.errors import IllegalMove, Invalid, NotThere
from cases.access.identifiers import IdentifierType
from cases.access.identities import link_identifier
from cases.access.organisations import CareProvider, CareUnit
from cases.database import platform

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
INNER, OUTER = BlockType
REASON = "Patienten bad om det"
End = Callable[..., AccessBlock]


@pytest.fixture
def session(app_session: Session) -> Session:
    app_session.info["vault"] = a_vault()
    return app_session


@pytest.fixture
def owner(session: Session) -> Clinic:
    """Where the information lies."""
    return make_clinic(session)


def block_outer(session: Session, owner: Clinic) -> AccessBlock:
    return register_block(session, owner.patient, OUTER, by=owner.enter(session).actor, now=NOW)


def test_a_block_is_registered_with_what_was_asked_for(session: Session, owner: Clinic) -> None:
    read_changed(session)
    block = register_block(
        session,
        owner.patient,
        INNER,
        unit_id=owner.actor.unit_id,
        start=NOW - 9 * DAY,
        end=NOW - DAY,
        requested_at=NOW - DAY,
        by=owner.actor,
        now=NOW,
    )
    (facts,) = find_blocks(session, [owner.patient.id])[owner.patient.id]
    assert (facts.type, facts.provider_id, facts.unit_id) == (INNER, owner.actor.provider_id, owner.actor.unit_id)
    assert (facts.start, facts.end, facts.registered_at) == (NOW - 9 * DAY, NOW - DAY, NOW)
    assert (facts.lifts, facts.ended_at) == ((), None)
    assert read_changed(session) == {owner.patient.id}
    entry = read_log(session)[-1]
    assert (entry["event"], entry["patients"], entry["by"], entry["args"]) == (
        "BLOCK_REGISTERED",
        [owner.patient.id],
        owner.actor.assignment_id,
        {"type": "INNER"},
    )
    assert list_blocks(session, owner.patient, by=owner.actor) == [block]
    assert read_log(session)[-1]["event"] == "LIST_VIEWED"


def test_a_part_of_a_unit_stands_for_the_unit_of_law(session: Session, owner: Clinic) -> None:
    whole = session.get_one(CareUnit, owner.actor.unit_id)
    part = make_unit(session, session.get_one(CareProvider, owner.actor.provider_id), name="Cytologi", part_of=whole)
    block = register_block(session, owner.patient, INNER, unit_id=part.id, by=owner.actor, now=NOW)
    assert block.information_care_unit_id == whole.id


def test_only_an_inner_block_names_a_unit_and_one_of_its_own(session: Session, owner: Clinic) -> None:
    for kind, unit_id in ((INNER, None), (OUTER, owner.actor.unit_id)):
        with pytest.raises(Invalid, match="An inner block names the care unit"):
            register_block(session, owner.patient, kind, unit_id=unit_id, by=owner.actor, now=NOW)
    other = make_actor(session)
    owner.enter(session)
    with pytest.raises(NotThere, match="no such care unit at this care provider"):
        register_block(session, owner.patient, INNER, unit_id=other.unit_id, by=owner.actor, now=NOW)


def test_times_that_cannot_be_are_refused(session: Session, owner: Clinic) -> None:
    with pytest.raises(Invalid, match="would end before it begins"):
        register_block(session, owner.patient, OUTER, start=NOW, end=NOW - DAY, by=owner.actor, now=NOW)
    with pytest.raises(Invalid, match="at a time that is yet to come"):
        register_block(session, owner.patient, OUTER, requested_at=NOW + DAY, by=owner.actor, now=NOW)


@pytest.mark.parametrize(
    ("born", "why"),
    [
        (date(NOW.year - 17, NOW.month, 1), "Guardians cannot block a child's information"),
        ((NOW + DAY).date().replace(year=NOW.year - 18), "Guardians cannot block a child's information"),
        (None, "Whether the patient is of age is not known"),
    ],
)
def test_nobody_blocks_a_childs_information_for_the_child(
    session: Session, owner: Clinic, born: date | None, why: str
) -> None:
    child = owner.patient
    child.birth_date = born
    with pytest.raises(Invalid, match=why):
        register_block(session, child, OUTER, requester=Requester.REPRESENTATIVE, by=owner.actor, now=NOW)
    assert find_blocks(session, [child.id])[child.id] == ()
    register_block(session, child, OUTER, requester=Requester.PATIENT, by=owner.actor, now=NOW)


def test_somebody_of_age_may_be_spoken_for(session: Session, owner: Clinic) -> None:
    owner.patient.birth_date = NOW.date().replace(year=NOW.year - 18)
    block = register_block(session, owner.patient, OUTER, requester=Requester.REPRESENTATIVE, by=owner.actor, now=NOW)
    assert block.requester is Requester.REPRESENTATIVE


@pytest.mark.parametrize(
    ("end", "status", "event"),
    [(revoke_block, BlockStatus.REVOKED, "BLOCK_REVOKED"), (delete_block, BlockStatus.DELETED, "BLOCK_DELETED")],
)
def test_a_block_that_has_ended_stays_ended(
    session: Session, owner: Clinic, end: End, status: BlockStatus, event: str
) -> None:
    block = block_outer(session, owner)
    with pytest.raises(Invalid, match="Say why the block ends"):
        end(session, block.id, reason=" ", by=owner.actor, now=NOW)
    read_changed(session)
    end(session, block.id, reason=REASON, by=owner.actor, now=NOW)
    assert (block.status, block.ended_by, block.ended_reason) == (status, owner.actor.assignment_id, REASON)
    assert read_changed(session) == {owner.patient.id}
    assert read_log(session)[-1]["event"] == event
    assert find_blocks(session, [owner.patient.id])[owner.patient.id] == ()
    for again in (revoke_block, delete_block):
        with pytest.raises(IllegalMove, match="has ended for good"):
            again(session, block.id, reason=REASON, by=owner.actor, now=NOW)
    with pytest.raises(IntegrityError, match="an access block that has ended is never changed"):
        session.execute(text("UPDATE access_block SET status = 'ACTIVE', ended_at = NULL, ended_reason = NULL"))


def test_another_providers_block_is_not_there(session: Session, owner: Clinic) -> None:
    block = block_outer(session, owner)
    other = make_actor(session)
    with pytest.raises(NotThere, match="no such block at this care provider"):
        revoke_block(session, block.id, reason=REASON, by=other, now=NOW)
    with platform(session):
        assert block.status is BlockStatus.ACTIVE


@pytest.mark.parametrize(
    ("kind", "of_a_unit", "end", "constraint"),
    [
        (INNER, False, None, "only_inner_has_a_unit"),
        (OUTER, True, None, "only_inner_has_a_unit"),
        (OUTER, False, NOW - timedelta(seconds=1), "dates_in_order"),
    ],
)
def test_the_database_refuses_a_block_that_cannot_be(
    session: Session, owner: Clinic, kind: BlockType, of_a_unit: bool, end: datetime | None, constraint: str
) -> None:
    session.add(
        AccessBlock(
            patient_id=owner.patient.id,
            care_provider_id=owner.actor.provider_id,
            type=kind,
            information_care_unit_id=owner.actor.unit_id if of_a_unit else None,
            information_start=NOW,
            information_end=end,
            requester=Requester.PATIENT,
            requested_at=NOW,
            registered_at=NOW,
        )
    )
    with pytest.raises(IntegrityError, match=constraint):
        session.flush()


def test_a_block_holds_for_all_rows_of_a_patient(session: Session, owner: Clinic) -> None:
    number = make_number(IdentifierType.LRID)
    other = make_patient(session, by=owner.actor, number=number)
    block_outer(session, owner)
    assert find_blocks(session, [other.id])[other.id] == ()
    link_identifier(session, owner.patient, number, known_as=other.id, by=owner.actor, now=NOW)
    found = find_blocks(session, [other.id, owner.patient.id])
    assert found[other.id] == found[owner.patient.id]
    assert len(found[other.id]) == 1


def test_blocks_of_many_patients_come_in_one_query(session: Session, owner: Clinic) -> None:
    patients = [make_patient(session, by=owner.actor) for _ in range(5)]
    for patient in patients[:3]:
        register_block(session, patient, OUTER, by=owner.actor, now=NOW)
    statements: list[str] = []
    event.listen(session.get_bind(), "before_cursor_execute", lambda *args: statements.append(args[2]))
    found = find_blocks(session, [patient.id for patient in patients])
    assert [len(found[patient.id]) for patient in patients] == [1, 1, 1, 0, 0]
    assert len(statements) == 1


def test_how_fresh_blocks_are_is_as_fresh_as_the_oldest_source(session: Session, owner: Clinic) -> None:
    assert freshness(session, NOW) == NOW
    session.execute(text("RESET ROLE"))
    assert freshness(session, NOW) == NOW


def test_sources_outside_make_blocks_as_old_as_the_oldest(worker_session: Session) -> None:
    for source, at in (("Inera", NOW - timedelta(minutes=20)), ("Annan", NOW - timedelta(minutes=2))):
        worker_session.add(BlockSyncState(source=source, last_success_at=at, status="OK"))
    worker_session.flush()
    assert freshness(worker_session, NOW) == NOW - timedelta(minutes=20)
    worker_session.add(BlockSyncState(source="Ny", last_success_at=None, status="NEVER"))
    worker_session.flush()
    assert freshness(worker_session, NOW) is None
