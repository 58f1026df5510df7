"""Who is signed in, what that opens, and how it ends, in the database and in the processes that ask it."""

from __future__ import annotations

import sys
import threading
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from makers import write_good_slide
from product import Database, Product
from sqlalchemy import text
from sqlalchemy.orm import Session

from cases.access.people import DEMO_PERSON, Person, demo_people, ensure_demo_person
from cases.access.sessions import (
    LONGEST,
    NotAllowed,
    SignInSession,
    digest_token,
    end_demo_sessions,
    find_session,
    sign_in_for_demo,
    sign_out,
)
from cases.database import sessions
from cases.records.slide_images import SlideImage, SlideStatus, receive
from cases.records.viewings import close_viewing, find_live, find_viewing, open_viewing
from viewer.live_viewings import OPEN_SLIDES, STALE, LiveViewings

DEMO = uuid.UUID(DEMO_PERSON["id"])


def sign_in(session: Session) -> tuple[SignInSession, str]:
    ensure_demo_person(session)
    return sign_in_for_demo(session, DEMO)


def verified(session: Session) -> SlideImage:
    slide = receive(session, digest="a" * 64, byte_size=1)
    slide.status = SlideStatus.VERIFIED
    session.flush()
    return slide


def test_the_token_is_nowhere_in_the_row(session: Session) -> None:
    signed_in, token = sign_in(session)
    row = session.execute(
        text("SELECT s::text FROM sign_in_session s WHERE id = :id"), {"id": signed_in.id}
    ).scalar_one()
    assert len(token) >= 43  # 256 bits in base64
    assert token not in row
    assert token.encode().hex() not in row
    assert digest_token(token).hex() in row
    _, another = sign_in(session)
    assert another != token


def test_a_token_opens_its_own_session_only(session: Session) -> None:
    signed_in, token = sign_in(session)
    found = find_session(session, token)
    assert found is signed_in
    assert found.person.name == DEMO_PERSON["name"]
    for wrong in ("", token[:-1], token + "x", "ÿ", signed_in.token_digest.hex()):
        assert find_session(session, wrong) is None


def test_a_session_ends_after_ten_hours_whatever_happens(session: Session) -> None:
    signed_in, token = sign_in(session)
    assert timedelta(hours=10) == LONGEST
    assert abs(signed_in.ends_at - datetime.now(UTC) - LONGEST) < timedelta(seconds=5)
    slide = verified(session)
    viewing = open_viewing(session, slide, by=signed_in)
    signed_in.ends_at = datetime.now(UTC) - timedelta(seconds=1)
    session.flush()
    assert find_session(session, token) is None
    assert find_live(session, [viewing.id]) == {}


def test_only_a_demo_person_signs_in_without_proof(session: Session) -> None:
    ensure_demo_person(session)
    real = Person(name="Riktig Riktigsson", title="Patolog")
    session.add(real)
    session.flush()
    for nobody in (real.id, uuid.uuid4()):
        with pytest.raises(NotAllowed, match="There is no such demo person"):
            sign_in_for_demo(session, nobody)
    assert [person.id for person in demo_people(session)] == [DEMO]


def test_where_demo_mode_is_off_what_was_opened_without_proof_ends(session: Session) -> None:
    _, token = sign_in(session)
    real = Person(name="Riktig Riktigsson", title="Patolog")
    session.add(real)
    session.flush()
    proven = SignInSession(person=real, token_digest=digest_token("proven"), ends_at=datetime.now(UTC) + LONGEST)
    session.add(proven)
    session.flush()
    end_demo_sessions(session)
    session.expire_all()
    assert find_session(session, token) is None
    assert find_session(session, "proven") is proven


@pytest.mark.parametrize("end", ["close", "sign out", "quarantine"])
def test_whatever_ends_a_right_ends_the_viewing(session: Session, end: str) -> None:
    signed_in, token = sign_in(session)
    slide = verified(session)
    viewing = open_viewing(session, slide, by=signed_in)
    live = find_live(session, [viewing.id, uuid.uuid4()])
    assert list(live) == [viewing.id]
    assert live[viewing.id].token_digest == digest_token(token)
    assert not live[viewing.id].has_pyramid
    if end == "close":
        close_viewing(viewing)
        closed_at = viewing.closed_at
        close_viewing(viewing)
        assert viewing.closed_at == closed_at
    elif end == "sign out":
        sign_out(signed_in)
    else:
        slide.status, slide.reason = SlideStatus.QUARANTINED, "It is damaged."
    session.flush()
    assert find_live(session, [viewing.id]) == {}


def test_a_viewing_belongs_to_the_session_that_opened_it(session: Session) -> None:
    first, _ = sign_in(session)
    second, _ = sign_in(session)
    viewing = open_viewing(session, verified(session), by=first)
    assert find_viewing(session, viewing.id, by=first) is viewing
    assert find_viewing(session, viewing.id, by=second) is None


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (SlideStatus.RECEIVED, "still being checked"),
        (SlideStatus.VERIFYING, "still being checked"),
        (SlideStatus.QUARANTINED, "in quarantine"),
    ],
)
def test_a_slide_that_is_not_sound_cannot_be_opened(session: Session, status: SlideStatus, why: str) -> None:
    signed_in, _ = sign_in(session)
    slide = receive(session, digest="a" * 64, byte_size=1)
    slide.status, slide.reason = status, "for a reason"
    with pytest.raises(NotAllowed, match=f"This slide cannot be opened now. It is {why}"):
        open_viewing(session, slide, by=signed_in)


def insert_viewings(database: Database, digests: list[str]) -> tuple[str, list[uuid.UUID]]:
    """A signed-in demo person with one viewing of a slide of its own per digest. Returns the token too."""
    with database.engine() as engine, Session(engine) as session:
        signed_in, token = sign_in(session)
        ids = []
        for digest in digests:
            slide = receive(session, digest=digest, byte_size=1)
            slide.status = SlideStatus.VERIFIED
            ids.append(open_viewing(session, slide, by=signed_in).id)
        session.commit()
    return token, ids


def test_viewings_opened_while_others_are_reread_disturb_nothing(database: Database, folder: Path) -> None:
    token, ids = insert_viewings(database, [f"{number:064x}" for number in range(100)])
    with database.engine("samsyn_app") as engine:
        live = LiveViewings(sessions(engine), Product(folder, database).storage)
        failed: list[BaseException] = []
        done = threading.Event()

        def reread() -> None:
            while not done.is_set():
                try:
                    live.reread()
                except BaseException as error:
                    failed.append(error)

        rereading = threading.Thread(target=reread)
        patience = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            rereading.start()
            assert [viewing_id for viewing_id in ids if live.fetch(viewing_id, token) is None] == []
        finally:
            sys.setswitchinterval(patience)
            done.set()
            rereading.join()
        assert failed == []
        assert len(live) == len(ids)


def test_without_a_fresh_look_at_the_database_nothing_is_shown(database: Database, folder: Path) -> None:
    token, (viewing_id,) = insert_viewings(database, ["a" * 64])
    with database.engine("samsyn_app") as engine:
        live = LiveViewings(sessions(engine), Product(folder, database).storage)
        assert live.fetch(viewing_id, token)
        time.sleep(STALE + 0.2)
        assert live.known(viewing_id, token) is None
        assert live.fetch(viewing_id, token) is None
        live.reread()
        assert live.known(viewing_id, token)
        live.forget_all()
        assert live.known(viewing_id, token) is None


def test_slides_that_nobody_looks_at_any_more_give_their_files_back(product: Product, tmp_path: Path) -> None:
    original = product.row(product.prepare(write_good_slide(tmp_path / "good.svs"), steps=1))["original_digest"]
    token, ids = insert_viewings(product.database, [original] * (2 * OPEN_SLIDES))
    with product.database.engine("samsyn_app") as engine:
        live = LiveViewings(sessions(engine), product.storage)
        counts = []
        for viewing_id in ids:
            viewing = live.fetch(viewing_id, token)
            assert viewing is not None
            assert live.fetch_tiles(viewing).tile(0, 0, 0)
            counts.append(sum(1 for _ in Path("/proc/self/fd").iterdir()))
        per_slide = counts[1] - counts[0]
        assert per_slide > 0
        assert counts[-1] - counts[0] <= OPEN_SLIDES * per_slide
