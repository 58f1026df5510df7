"""What a process that serves tiles knows of viewings: no more than the database said a moment ago."""

from __future__ import annotations

import asyncio
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

from makers import run_apart, write_copy, write_good_slide
from people import make_assignment, make_person, make_provider, make_unit
from product import Database, Product
from sqlalchemy import event
from sqlalchemy.orm import Session

from cases.access.sessions import Method, begin_session
from cases.database import new_id, sessions
from cases.records.arrivals import receive
from cases.records.slide_images import SlideStatus
from cases.sharing.viewings import Viewing
from slides.files import gather
from viewer.live_viewings import OPEN_SLIDES, REFUSED, STALE, LiveViewings, Shown
from worker.sandbox import Sandbox
from worker.storage import Storage


def insert_viewings(database: Database, digests: list[str]) -> tuple[str, list[uuid.UUID]]:
    """Somebody signed in with one viewing of a slide of its own per digest. Returns the token too."""
    with database.engine() as engine, Session(engine) as session:
        now = datetime.now(UTC)
        person = make_person(session)
        assignment = make_assignment(session, person, make_unit(session, make_provider(session)))
        signed_in, token = begin_session(session, person, method=Method.LOCAL, assurance=3, now=now)
        ids = []
        for digest in digests:
            slide = receive(session, digest=digest, byte_size=1)
            slide.status = SlideStatus.VERIFIED
            slide.care_provider_id, slide.care_unit_id = assignment.care_provider_id, assignment.care_unit_id
            viewing = Viewing(
                care_provider_id=assignment.care_provider_id,
                session_id=signed_in.id,
                assignment_id=assignment.id,
                slide_image_id=slide.id,
                basis="OWN_UNIT",
                decision_id=new_id(),
                until=now + timedelta(minutes=10),
                early=False,
            )
            session.add(viewing)
            session.flush()
            ids.append(viewing.id)
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

    def note(statement: str) -> None:
        if "FROM viewing" in statement:
            asked.append(statement)

    async def flood(live: LiveViewings) -> None:
        unknown = [uuid.uuid4() for _ in range(1000)]
        answers = asyncio.gather(*(see(live, one, token) for one in unknown for _ in range(2)))
        await asyncio.sleep(0.01)  # the flood is under way
        assert await see(live, viewing_id, token), "a real viewing was lost in the flood"
        assert set(await answers) == {None}
        assert 1 <= len(asked) <= 4
        # Refused again without the database, and without a cookie it was never asked.
        assert await see(live, unknown[0], token) is None
        assert await live.fetch(str(uuid.uuid4()), b"other=1") is None
        assert len(asked) <= 4
        assert await see(live, viewing_id, "wrong") is None
        assert len(live) == 1
        await live.reread()
        assert await see(live, viewing_id, token)

    with database.engine("samsyn_app") as engine:
        event.listen(engine, "before_cursor_execute", lambda _1, _2, statement, *_: note(statement))
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
