"""What the database itself refuses, whatever the code asks: the performer's part of a request, and whose a case is."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from partners import Asked, Partners, make_partners
from product import Database
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from world import World

from cases.database import act_for, platform
from cases.records.attachments import Attachment, AttachmentKind, ScanState
from cases.sharing.requests import Manifest, deciding, ending
from cases.sharing.requests.deciding import DeclineReason
from cases.transaction import transaction

MOVED = {
    "status",
    "held_from",
    "reader_assignment_id",
    "receiver_accession",
    "accepted_at",
    "assigned_at",
    "first_opened_at",
    "answered_at",
    "acknowledged_at",
    "closed_at",
    "ended_at",
    "end_reason",
    "end_text",
    "version",
    "updated_at",
}
"""Of a request, what the moves of a performer change."""
ENDED = {"state", "ended_at", "ended_by", "end_reason", "updated_at"}
"""Of a disclosure, what ends it."""
OTHERWISE = {
    "boolean": "NOT {0}",
    "integer": "{0} + 1",
    "jsonb": "coalesce({0}, '{{}}') || '{{\"x\": 1}}'",
    "bytea": "coalesce({0}, '') || 'x'",
    "timestamp with time zone": "coalesce({0}, now()) + interval '1 day'",
    "uuid": "uuidv7()",
    "ARRAY": "{0} || uuidv7()",
    "character varying": "coalesce({0}, '') || 'x'",
}
"""How a column is changed, by its type."""


@pytest.fixture(scope="module")
def world(module_database: Database) -> Iterator[World]:
    with World(module_database) as world:
        yield world


@pytest.fixture(scope="module")
def partners(world: World) -> Partners:
    return make_partners(world)


@pytest.fixture(scope="module")
def asked(partners: Partners) -> Asked:
    """A request that is being read."""
    asked = partners.ask()
    partners.bring(asked, "IN_REVIEW")
    return asked


def acting(world: World, provider_id: uuid.UUID) -> Session:
    """A session of the web's role, for one care provider."""
    session = world.app()
    act_for(session, provider_id)
    return session


def columns(world: World, table: str) -> dict[str, str]:
    """Names and types."""
    found = world.database.query(
        "SELECT column_name AS name, data_type AS type FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name = :table",
        table=table,
    )
    return {row["name"]: row["type"] for row in found}


def refused(session: Session, statement: str, **values: Any) -> str | None:
    """Why the database refuses a statement; None where it does not. Nothing of it stays."""
    with session.begin_nested() as point:
        try:
            assert session.execute(text(statement), values).rowcount == 1  # type: ignore[attr-defined]
        except DBAPIError as error:
            return str(error.orig).splitlines()[0]
        finally:
            point.rollback()
    return None


def changed(session: Session, table: str, column: str, kind: str, row_id: uuid.UUID) -> str | None:
    """Why the database refuses to change one column of a row."""
    set_it = f"UPDATE {table} SET {column} = {OTHERWISE[kind].format(column)} WHERE id = :id"  # noqa: S608 - as the database names them
    return refused(session, set_it, id=row_id)


def find_disclosure(world: World, asked: Asked) -> uuid.UUID:
    (row,) = world.database.query("SELECT id FROM disclosure WHERE request_id = :id", id=asked.request_id)
    found: uuid.UUID = row["id"]
    return found


def test_a_performer_changes_of_a_request_what_its_moves_change(world: World, partners: Partners, asked: Asked) -> None:
    every = columns(world, "share_request")
    assert every.keys() >= MOVED
    with acting(world, partners.performer.provider.id) as session:
        for column, kind in every.items():
            said = changed(session, "share_request", column, kind, asked.request_id) or ""
            alone = said == f"What the owner alone changes in share_request: {column}."
            assert alone == (column not in MOVED), f"{column}: {said}"


def test_whoever_owns_it_or_runs_the_platform_is_not_held_back_by_that(
    world: World, partners: Partners, asked: Asked
) -> None:
    everything = "UPDATE share_request SET question = 'Annan fråga', escalation = 1, due_at = now() WHERE id = :id"
    with acting(world, partners.owner.provider.id) as session:
        assert refused(session, everything, id=asked.request_id) is None
    with acting(world, partners.performer.provider.id) as session, platform(session):
        assert refused(session, everything, id=asked.request_id) is None
    with world.worker() as session:
        assert refused(session, everything, id=asked.request_id) is None


def test_a_performer_only_ends_a_disclosure(world: World, partners: Partners, asked: Asked) -> None:
    made = find_disclosure(world, asked)
    with acting(world, partners.performer.provider.id) as session:
        for column, kind in columns(world, "disclosure").items():
            said = changed(session, "disclosure", column, kind, made)
            assert said is not None, column
            if column not in ENDED:
                assert said == "permission denied for table disclosure", column
        for state in ("ACTIVE", "SUSPENDED"):
            opened = refused(session, "UPDATE disclosure SET state = :state WHERE id = :id", state=state, id=made)
            assert opened == "Whom a disclosure was made to can only end it: it is ACTIVE and stays so."
        end = "UPDATE disclosure SET state = 'ENDED', ended_at = now(), end_reason = 'x' WHERE id = :id"
        assert refused(session, end, id=made) is None


@pytest.mark.parametrize("how", ["decline", "return", "recall"])
def test_what_has_ended_is_opened_again_by_nobody_it_was_made_to(world: World, partners: Partners, how: str) -> None:
    asked = partners.ask()
    partners.bring(asked, "OFFERED" if how == "decline" else "IN_REVIEW")
    match how:
        case "decline":
            partners.do(
                partners.head,
                asked,
                lambda session, row, by, now: deciding.decline(
                    session, row, reason=DeclineReason.CAPACITY, text="Fullt", by=by, now=now
                ),
            )
        case "return":
            partners.do(
                partners.head,
                asked,
                lambda session, row, by, now: ending.return_unanswered(
                    session, row, reason=ending.ReturnReason.CAPACITY, text="Fullt", by=by, now=now
                ),
            )
        case _:
            partners.do(
                partners.sender,
                asked,
                lambda session, row, by, now: ending.recall(session, row, text="Flyttat", by=by, now=now),
            )
    again = "UPDATE disclosure SET state = 'ACTIVE', ended_at = NULL WHERE id = :id"
    with acting(world, partners.performer.provider.id) as session:
        assert re.match(
            "Whom a disclosure was made to can only end it: it is (ENDED|REVOKED) and stays so",
            refused(session, again, id=find_disclosure(world, asked)) or "",
        )


WHOSE = {
    "attachment": "care_provider_id",
    "case_member": "care_provider_id",
    "disclosure": "care_provider_id",
    "glass_slide": "care_provider_id",
    "record_grant": "owner_provider_id",
    "referral": "care_provider_id",
    "related_case": "care_provider_id",
    "share_request": "care_provider_id",
    "slide_image": "care_provider_id",
    "specimen": "care_provider_id",
    "tissue_block": "care_provider_id",
}
NOT_THE_OWNERS = {"answer", "work_order"}
"""Made by the performer about another's case."""


def test_every_table_with_cases_is_tied_to_whose_they_are(world: World) -> None:
    found = world.database.query(
        "SELECT table_name AS name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND column_name = 'case_id'"
    )
    tied = world.database.query(
        "SELECT tgrelid::regclass::text AS name, encode(tgargs, 'escape') AS args FROM pg_trigger"
        " WHERE tgname = 'of_its_case'"
    )
    assert {row["name"]: row["args"].removesuffix(r"\000") for row in tied} == WHOSE
    assert {row["name"] for row in found} == WHOSE.keys() | NOT_THE_OWNERS


def test_another_providers_case_is_not_made_ones_own(world: World, partners: Partners, asked: Asked) -> None:
    theirs = partners.performer.case(partners.performer.patient(world.number()))
    row = {"case": theirs.id, "id": asked.request_id}
    with acting(world, partners.owner.provider.id) as session:
        said = refused(session, "UPDATE share_request SET case_id = :case WHERE id = :id", **row)
        assert said == "A row of share_request belongs to the care provider whose case it is of."
        slide = refused(
            session, "UPDATE slide_image SET case_id = :case WHERE id = :id", case=theirs.id, id=asked.slide_ids[0]
        )
        assert slide == "A row of slide_image belongs to the care provider whose case it is of."
        referral = refused(
            session,
            "INSERT INTO referral (id, case_id, care_provider_id, version) VALUES (uuidv7(), :case, :provider, 1)",
            case=theirs.id,
            provider=partners.owner.provider.id,
        )
        assert referral == "A row of referral belongs to the care provider whose case it is of."
    with world.owner() as session:
        stays = refused(
            session,
            "UPDATE pathology_case SET care_provider_id = :provider WHERE id = :case",
            case=theirs.id,
            provider=partners.owner.provider.id,
        )
        assert stays == "A case stays with the care provider that registered it."
        copied = refused(session, "UPDATE disclosure SET case_id = :case WHERE request_id = :id", **row)
        assert copied == "A row of disclosure belongs to the care provider whose case it is of."


def make_attachment(world: World, asked: Asked, provider: Any, request_id: uuid.UUID | None) -> uuid.UUID:
    """A file of the case, added by somebody of a care provider."""
    with transaction(world.owner) as session:
        row = Attachment(
            care_provider_id=provider.provider.id,
            care_unit_id=provider.unit.id,
            case_id=asked.case.id,
            request_id=request_id,
            kind=AttachmentKind.OTHER,
            caption="Makrofoto",
            media_type="image/png",
            byte_size=1,
            digest="0",
            received_digest="0",
            scan=ScanState.CLEAN,
        )
        session.add(row)
        session.flush()
        return row.id


def test_a_performer_attaches_to_the_case_of_a_request_to_it_alone(
    world: World, partners: Partners, asked: Asked
) -> None:
    assert make_attachment(world, asked, partners.performer, asked.request_id)
    said = "A row of attachment belongs to the care provider whose case it is of."
    elsewhere = world.provider("Region Jönköpings län")
    for provider, request_id in (
        (partners.performer, None),
        (elsewhere, asked.request_id),
        (elsewhere, None),
        (partners.performer, partners.ask().request_id),
    ):
        with pytest.raises(DBAPIError, match=said):
            make_attachment(world, asked, provider, request_id)


@pytest.mark.parametrize("ending_of", ["ENDED", "SUSPENDED", "EXPIRED"])
def test_an_attachment_is_seen_while_it_is_handed_out(world: World, partners: Partners, ending_of: str) -> None:
    case = partners.owner.case(partners.owner.patient(world.number()))
    slide = world.slide(case)
    paper = make_attachment(world, Asked(uuid.uuid4(), case, ()), partners.owner, None)
    asked = partners.ask(case=case, manifest=Manifest(slide_ids=(slide,), attachment_ids=(paper,)))
    seen = "SELECT id FROM attachment WHERE id = :id"
    with acting(world, partners.performer.provider.id) as session:
        assert session.scalar(text(seen), {"id": paper}) is None, "nothing is offered yet"
    partners.bring(asked, "IN_REVIEW")
    with acting(world, partners.performer.provider.id) as session:
        assert session.scalar(text(seen), {"id": paper}) == paper
    change = {
        "ENDED": "state = 'ENDED', ended_at = now()",
        "SUSPENDED": "state = 'SUSPENDED'",
        "EXPIRED": "valid_from = now() - interval '2 days', valid_to = now() - interval '1 day'",
    }[ending_of]
    over = f"UPDATE disclosure SET {change} WHERE request_id = :id"  # noqa: S608 - from the lines above
    world.database.query(over, id=asked.request_id)
    with acting(world, partners.performer.provider.id) as session:
        assert session.scalar(text(seen), {"id": paper}) is None
    with acting(world, partners.owner.provider.id) as session:
        assert session.scalar(text(seen), {"id": paper}) == paper
