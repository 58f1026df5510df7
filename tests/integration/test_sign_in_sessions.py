"""Who is signed in, what that opens, and how it ends, in the database and in the processes that ask it."""

from __future__ import annotations

import asyncio
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from makers import run_apart, write_copy, write_good_slide
from product import Database, Product
from sqlalchemy import event, text
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
from slides.files import gather
from viewer.live_viewings import OPEN_SLIDES, REFUSED, STALE, LiveViewings, Shown
from worker.sandbox import Sandbox
from worker.storage import Storage

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


def cookies_of(token: str) -> bytes:
    return f"other=1; samsyn_session={token}".encode()


async def see(live: LiveViewings, viewing_id: uuid.UUID, token: str) -> Shown | None:
    return await live.fetch(str(viewing_id), cookies_of(token))


def test_viewings_opened_while_others_are_reread_disturb_nothing(database: Database, folder: Path) -> None:
    token, ids = insert_viewings(database, [f"{number:064x}" for number in range(100)])

    async def open_all(live: LiveViewings) -> None:
        async def reread() -> None:
            while True:
                await live.reread()
                await asyncio.sleep(0)

        rereading = asyncio.create_task(reread())
        seen = [await see(live, viewing_id, token) for viewing_id in ids[:20]]
        seen += await asyncio.gather(*(see(live, viewing_id, token) for viewing_id in ids[20:]))
        assert None not in seen
        assert not rereading.done()
        rereading.cancel()

    with database.engine("samsyn_app") as engine:
        live = LiveViewings(sessions(engine), Storage(folder), Sandbox(), cookie="samsyn_session")
        run_apart(open_all(live))
        assert len(live) == len(ids)


def test_a_viewing_found_for_a_wrong_cookie_opens_to_none(database: Database, folder: Path) -> None:
    token, (viewing_id,) = insert_viewings(database, ["a" * 64])

    async def ask(live: LiveViewings) -> None:
        assert await see(live, viewing_id, "wrong") is None  # now the process knows the viewing, but nobody's cookie
        for cookies in (b"", b"samsyn_session=", cookies_of("wrong")):
            assert live.known(str(viewing_id), cookies, time.monotonic()) is None
        assert await see(live, viewing_id, token) is not None

    with database.engine("samsyn_app") as engine:
        run_apart(ask(LiveViewings(sessions(engine), Storage(folder), Sandbox(), cookie="samsyn_session")))


def test_without_a_fresh_look_at_the_database_nothing_is_shown(database: Database, folder: Path) -> None:
    token, (viewing_id,) = insert_viewings(database, ["a" * 64])
    key, cookies = str(viewing_id), cookies_of(token)

    async def look(live: LiveViewings) -> None:
        shown = await see(live, viewing_id, token)
        assert shown
        assert live.known(key, cookies, shown.looked + STALE)
        assert live.known(key, cookies, shown.looked + STALE + 0.01) is None
        shown.looked -= STALE + 0.01
        assert await see(live, viewing_id, token), "it was not looked at again"
        assert live.known(key, cookies, time.monotonic()) is shown
        database.query("UPDATE viewing SET closed_at = now()")
        shown.looked -= STALE + 0.01
        assert await see(live, viewing_id, token) is None
        database.query("UPDATE viewing SET closed_at = NULL")
        live.forget_all()
        assert live.known(key, cookies, time.monotonic()) is None

    with database.engine("samsyn_app") as engine:
        run_apart(look(LiveViewings(sessions(engine), Storage(folder), Sandbox(), cookie="samsyn_session")))


def test_a_proxy_may_believe_an_answer_only_while_five_seconds_hold(database: Database, folder: Path) -> None:
    token, (viewing_id,) = insert_viewings(database, ["a" * 64])

    async def ask(live: LiveViewings) -> None:
        shown = await see(live, viewing_id, token)
        assert shown
        for age in (0.0, 0.5, 1.0, 1.9, 2.1, 2.9, 3.1, 3.9, 4.0, 100.0):
            shown.looked = time.monotonic() - age
            seconds = live.seconds_to_believe(shown)
            assert seconds == (2 if age < 2 else 1 if age < 3 else 0)
            # nginx keeps whole seconds by its clock's whole seconds: up to one more.
            assert seconds == 0 or age + seconds + 1 <= 5

    with database.engine("samsyn_app") as engine:
        run_apart(ask(LiveViewings(sessions(engine), Storage(folder), Sandbox(), cookie="samsyn_session")))


def test_many_questions_about_unknown_viewings_are_few_to_the_database(database: Database, folder: Path) -> None:
    token, (viewing_id,) = insert_viewings(database, ["a" * 64])
    asked: list[str] = []

    async def flood(live: LiveViewings) -> None:
        unknown = [uuid.uuid4() for _ in range(1000)]
        began = time.monotonic()
        answers = asyncio.gather(*(see(live, one, token) for one in unknown for _ in range(2)))
        await asyncio.sleep(0.01)  # the flood is under way
        assert await see(live, viewing_id, token), "a real viewing was lost in the flood"
        assert time.monotonic() - began < 1.0
        assert set(await answers) == {None}
        assert len(asked) <= 4
        # Refused again without the database, and without a cookie it was never asked.
        assert await see(live, unknown[0], token) is None
        assert await live.fetch(str(uuid.uuid4()), b"other=1") is None
        assert len(asked) <= 4
        assert await see(live, viewing_id, "wrong") is None
        assert len(live) == 1
        await live.reread()
        assert await see(live, viewing_id, token)

    with database.engine("samsyn_app") as engine:
        event.listen(engine, "before_cursor_execute", lambda _1, _2, statement, *_: asked.append(statement))
        run_apart(flood(LiveViewings(sessions(engine), Storage(folder), Sandbox(), cookie="samsyn_session")))


def test_a_refusal_is_forgotten_soon(database: Database, folder: Path) -> None:
    token, (viewing_id,) = insert_viewings(database, ["a" * 64])

    async def look(live: LiveViewings) -> None:
        database.query("UPDATE slide_image SET status = 'QUARANTINED', reason = 'A tile is damaged.'")
        assert await see(live, viewing_id, token) is None
        database.query("UPDATE slide_image SET status = 'VERIFIED', reason = NULL")
        refused = time.monotonic()
        while await see(live, viewing_id, token) is None:
            assert time.monotonic() - refused < REFUSED + 1
            await asyncio.sleep(0.1)

    with database.engine("samsyn_app") as engine:
        run_apart(look(LiveViewings(sessions(engine), Storage(folder), Sandbox(), cookie="samsyn_session")))


def test_slides_that_nobody_looks_at_any_more_give_their_files_back(product: Product, tmp_path: Path) -> None:
    good = write_good_slide(tmp_path / "good.svs")
    copies = [write_copy(good, tmp_path / f"{number}.svs", number) for number in range(OPEN_SLIDES + 10)]
    digests = [product.storage.originals.store(gather(copy)).digest for copy in copies]
    token, ids = insert_viewings(product.database, digests)
    counts = []
    sandbox = Sandbox()

    async def open_all(live: LiveViewings) -> None:
        for viewing_id in ids:
            shown = await see(live, viewing_id, token)
            assert shown is not None
            assert live.open_tiles(shown) is None
            tiles, again = await asyncio.gather(live.fetch_tiles(shown), live.fetch_tiles(shown))
            assert tiles is again is live.open_tiles(shown)
            assert tiles.tile(0, 0, 0)
            counts.append(sum(1 for _ in Path("/proc/self/fd").iterdir()))

    with product.database.engine("samsyn_app") as engine:
        run_apart(open_all(LiveViewings(sessions(engine), product.storage, sandbox, cookie="samsyn_session")))
    sandbox.close()
    per_slide = counts[2] - counts[1]
    assert per_slide > 0
    assert counts[-1] - counts[1] <= OPEN_SLIDES * per_slide
