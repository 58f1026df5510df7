"""Tiles over HTTP: the right bytes to the right session, and the same silence to everybody else."""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import numpy as np
import pytest
from gallery import Gallery
from makers import TILE, decode, wait_for

from slides.opening import open_slide
from tiler.grid import Grid
from tiler.pyramid import Pyramid
from viewer.headers import HEADERS

SIZE = (1300, 900)
GONE_WITHIN_S = 2.0
"""Source: domain rules, 11.3, asks for 5 s; each process looks every second."""


def view(client: httpx2.Client, slide_id: uuid.UUID) -> str:
    """Open a slide. Returns the address of its tiles' folder."""
    opened = client.post("/api/viewings", json={"slide_id": str(slide_id)})
    assert opened.status_code == 201, opened.text
    dzi = opened.json()["dzi"]
    assert re.fullmatch(r"/viewings/[0-9a-f-]{36}/slide\.dzi", dzi)
    return str(dzi).removesuffix(".dzi") + "_files"


def addresses(grid: Grid) -> Iterator[tuple[int, int, int, str]]:
    """Every tile down to the level of one pixel: halvings, column, row and the end of its address."""
    for level in range(grid.last_level + 1):
        halvings = grid.halvings(level)
        for row in range(grid.rows(halvings)):
            for column in range(grid.columns(halvings)):
                yield halvings, column, row, f"/{level}/{column}_{row}.jpg"


@pytest.fixture
def pyramid(gallery: Gallery) -> Iterator[Pyramid]:
    """The file that the available slide's tiles come from."""
    pyramid = Pyramid(gallery.product.storage.pyramid(gallery.available))
    yield pyramid
    pyramid.close()


def test_a_care_provider_may_let_browsers_keep_its_pictures_for_a_while(
    gallery: Gallery, browser: httpx2.Client
) -> None:
    tiles = view(browser, gallery.available)
    for seconds, said in ((300, "private, max-age=300"), (0, "private, no-store")):
        gallery.product.database.query("UPDATE care_provider SET tile_cache_seconds = :seconds", seconds=seconds)
        wait_for(lambda said=said: browser.get(f"{tiles}/9/0_0.jpg").headers["cache-control"] == said)  # type: ignore[misc]
        cut = browser.get(f"{tiles}/9/0_0.jpg?cut=1")
        thumbnail = browser.get(f"/api/slides/{gallery.available}/thumbnail.jpg")
        assert {answer.headers["cache-control"] for answer in (cut, thumbnail)} == {said}


def test_every_tile_is_the_pyramids_own_bytes(gallery: Gallery, browser: httpx2.Client, pyramid: Pyramid) -> None:
    tiles = view(browser, gallery.available)
    served = 0
    for halvings, column, row, end in addresses(pyramid.grid):
        answer = browser.get(tiles + end)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
        assert answer.headers["cache-control"] == "private, no-store"
        assert answer.content == pyramid.tile(halvings, column, row)
        served += 1
    assert served == 24 + 6 + 2 + 9  # 6 x 4, 3 x 2, 2 x 1 tiles, then one a level down to one pixel


def test_the_stored_bytes_of_the_scanner_reach_the_browser(
    gallery: Gallery, browser: httpx2.Client, pyramid: Pyramid
) -> None:
    original = gallery.product.storage.originals.path(gallery.product.row(gallery.available)["original_digest"])
    with open_slide(original) as slide:
        stored = slide.stored_tile(0, 2, 1)
    sent = browser.get(view(browser, gallery.available) + f"/{pyramid.grid.last_level}/2_1.jpg").content
    scan = stored[stored.index(b"\xff\xda") :]  # from the start of scan on nothing may differ: ITU-T T.81, B.2.3
    assert sent.endswith(scan)


def test_the_same_address_shows_the_same_pixels_before_and_after_the_pyramid(
    gallery: Gallery, browser: httpx2.Client, pyramid: Pyramid
) -> None:
    before, after = view(browser, gallery.verified), view(browser, gallery.available)
    description = [browser.get(tiles.removesuffix("_files") + ".dzi").text for tiles in (before, after)]
    assert description[0] == description[1]
    for _, _, _, end in addresses(pyramid.grid):
        first, second = browser.get(before + end), browser.get(after + end)
        assert first.status_code == second.status_code == 200
        assert np.array_equal(decode(first.content), decode(second.content)), end


def test_a_viewing_goes_on_when_its_pyramid_arrives(gallery: Gallery, browser: httpx2.Client, pyramid: Pyramid) -> None:
    product = gallery.product
    tiles = view(browser, gallery.verified)
    live = browser.get(tiles + "/0/0_0.jpg")
    assert product.database.query(
        "SELECT count(*) AS n FROM tile_pyramid WHERE slide_image_id = :id", id=gallery.verified
    ) == [{"n": 0}]
    product.storage.pyramid(gallery.verified).parent.mkdir(parents=True, exist_ok=True)
    product.storage.pyramid(gallery.verified).hardlink_to(product.storage.pyramid(gallery.available))
    try:
        product.database.query(
            "UPDATE slide_image SET status = 'AVAILABLE', pyramid = 'READY' WHERE id = :id", id=gallery.verified
        )
        wait_for(lambda: served_from(browser, "pyramid", tiles), within_s=GONE_WITHIN_S)
        assert np.array_equal(decode(browser.get(tiles + "/0/0_0.jpg").content), decode(live.content))
    finally:
        product.database.query(
            "UPDATE slide_image SET status = 'VERIFIED', pyramid = 'NONE' WHERE id = :id", id=gallery.verified
        )
        product.storage.pyramid(gallery.verified).unlink()
    # Now that the file is gone, the original shows the same again.
    assert browser.get(tiles + "/1/0_0.jpg").status_code == 200


def served_from(client: httpx2.Client, source: str, tiles: str) -> bool:
    """Whether one more tile comes from there."""
    before = count_served(client, source)
    assert client.get(tiles + "/0/0_0.jpg").status_code == 200
    return count_served(client, source) > before


def count_served(client: httpx2.Client, source: str) -> float:
    found = re.search(rf'samsyn_tiles_served_total{{source="{source}"}} (\S+)', client.get("/metrics").text)
    return float(found[1]) if found else 0.0


def test_a_cut_tile_has_no_padding(gallery: Gallery, browser: httpx2.Client, pyramid: Pyramid) -> None:
    tiles = view(browser, gallery.available)
    last = f"{tiles}/{pyramid.grid.last_level}"
    corner = browser.get(f"{last}/5_3.jpg?cut=1").content
    assert corner == pyramid.cut(0, 5, 3)
    assert decode(corner).shape == (SIZE[1] - 3 * TILE, SIZE[0] - 5 * TILE, 3)
    assert decode(browser.get(f"{last}/5_3.jpg").content).shape == (TILE, TILE, 3)
    inner = [browser.get(f"{last}/1_1.jpg{query}").content for query in ("", "?cut=1", "?x=y", "?cut=0")]
    assert len(set(inner)) == 1
    assert browser.get(f"{last}/5_3.jpg?x=y&cut=1").content == corner
    assert browser.get(f"{last}/5_3.jpg?cut=10").content == pyramid.tile(0, 5, 3)


@pytest.mark.parametrize("end", [".dzi", "_files/11/0_0.jpg", "_files/11/0_0.jpg?cut=1", "_files/0/0_0.jpg"])
@pytest.mark.parametrize("which", ["available", "verified"])
def test_head_says_what_get_would_send(gallery: Gallery, browser: httpx2.Client, which: str, end: str) -> None:
    address = view(browser, getattr(gallery, which)).removesuffix("_files") + end
    head, get = browser.head(address), browser.get(address)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-type", "content-length"):
        assert head.headers[name] == get.headers[name]
    assert int(get.headers["content-length"]) == len(get.content)


def test_the_descriptor_states_size_and_tile(gallery: Gallery, browser: httpx2.Client) -> None:
    answer = browser.get(view(browser, gallery.available).removesuffix("_files") + ".dzi")
    assert answer.headers["content-type"].startswith("application/xml")
    assert 'TileSize="256"' in answer.text
    assert 'Overlap="0"' in answer.text
    assert '<Size Width="1300" Height="900"/>' in answer.text


@pytest.mark.parametrize(
    ("end", "why"),
    [
        ("/12/0_0.jpg", "Deep-zoom level 12 was asked for; there are levels 0 to 11."),
        ("/99/0_0.jpg", "Deep-zoom level 99 was asked for"),
        ("/11/6_0.jpg", "Tile column 6, row 0 was asked for; the level has 6 columns and 4 rows."),
        ("/11/0_4.jpg", "Tile column 0, row 4 was asked for"),
        ("/11/999999999_999999999.jpg", "Tile column 999999999"),
        ("/0/1_0.jpg", "the level has 1 columns and 1 rows"),
        ("/0/1_0.jpg?cut=1", "the level has 1 columns and 1 rows"),
        ("/100/0_0.jpg", "There is no tile at this address."),
        ("/11/9999999999_0.jpg", "There is no tile at this address."),
        ("/-1/0_0.jpg", "There is no tile at this address."),
        ("/11/-1_0.jpg", "There is no tile at this address."),
        ("/11/0_0.png", "There is no tile at this address."),
        ("/11/0_0", "There is no tile at this address."),
        ("/11/a_b.jpg", "There is no tile at this address."),
        ("/11/1.5_0.jpg", "There is no tile at this address."),
        ("/11/%D9%A1_0.jpg", "There is no tile at this address."),  # a digit, but not ours
        ("/11/0_0.jpg%0A", "There is no tile at this address."),
        ("/11/0_0.jpg/..%2F0_0.jpg", "There is no tile at this address."),
        ("/11", "There is no tile at this address."),
        ("", "There is no tile at this address."),
    ],
)
@pytest.mark.parametrize("which", ["available", "verified"])
def test_a_tile_that_does_not_exist_is_not_found(
    gallery: Gallery, browser: httpx2.Client, which: str, end: str, why: str
) -> None:
    answer = browser.get(view(browser, getattr(gallery, which)) + end)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 404
    assert answer.json()["detail"].startswith(why) or why in answer.json()["detail"]


@pytest.mark.parametrize(
    "viewing", ["-" * 36, "0" * 36, "x" * 36, "1" * 8, "", "..", "00000000-0000-0000-0000-00000000000g"]
)
def test_what_is_no_id_of_a_viewing_is_not_found(browser: httpx2.Client, viewing: str) -> None:
    answer = browser.get(f"/viewings/{viewing}/slide.dzi")
    if answer.headers["content-type"].startswith("text/html"):
        assert viewing == ".."  # which the client made into an address of the pages
        return
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_tiles_can_only_be_fetched(gallery: Gallery, browser: httpx2.Client, method: str) -> None:
    answer = browser.request(method, view(browser, gallery.available) + "/11/0_0.jpg")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    assert answer.json()["code"] == "METHOD_NOT_ALLOWED"


def test_every_answer_about_tiles_carries_the_security_headers(gallery: Gallery, browser: httpx2.Client) -> None:
    tiles = view(browser, gallery.available)
    for end in ("/11/0_0.jpg", "/11/0_0.jpg?cut=1", "/11/9_9.jpg", "/x", "/../right", "/../slide.dzi"):
        answer = browser.get(tiles + end)
        sent = [(name.lower(), value) for name, value in answer.headers.raw]
        assert [header for header in HEADERS if sent.count(header) != 1] == [], end
    for refused in (browser.post(tiles + "/11/0_0.jpg"), unknown(browser)):
        assert refused.headers["x-content-type-options"] == "nosniff"


def test_a_proxy_is_told_which_tiles_may_be_seen_and_for_how_long(
    gallery: Gallery, browser: httpx2.Client, stranger: httpx2.Client, elsewhere: httpx2.Client
) -> None:
    for slide, kind in ((gallery.available, "pyramid"), (gallery.verified, "original")):
        right = view(browser, slide).removesuffix("slide_files") + "right"
        for client in (browser, elsewhere):
            told = client.get(right)
            assert (told.status_code, told.content) == (204, b"")
            assert told.headers["x-samsyn-pyramid"] == f"{slide}-{kind}"
            assert told.headers["x-accel-expires"] in ("1", "2")
        with gallery.web.demo_person() as colleague:
            for client in (stranger, colleague):
                refused = client.get(right)
                assert (refused.status_code, refused.json()["code"]) == (403, "NOT_ALLOWED")
                assert "x-samsyn-pyramid" not in refused.headers
        assert browser.get(f"/viewings/{uuid.uuid4()}/right").content == refused.content


def test_the_cookie_is_found_among_others_and_only_by_its_whole_name(gallery: Gallery, browser: httpx2.Client) -> None:
    tile = view(browser, gallery.available) + "/11/0_0.jpg"
    token = browser.cookies["samsyn_session"]
    with gallery.web.stranger() as client:

        def status(cookies: str) -> int:
            return client.get(tile, headers={b"cookie": cookies.encode("latin-1")}).status_code

        # One after the other, so that what was right before is not taken for right again.
        for _ in range(2):
            assert status(f"samsyn_session={token}") == 200
            assert status(f"a=b; samsyn_session={token}; c=d") == 200
            for wrong in (f"samsyn_session={token}x", f"samsyn_session={token[:-1]}", f"xsamsyn_session={token}"):
                assert status(wrong) == 404
            assert status(f"samsyn_session=wrong; samsyn_session={token}") == 404
            assert status("") == status(";") == status("samsyn_session=") == status("ÿ=ÿ") == 404
            assert status("x" * 20_000) == 404


def test_a_viewing_just_opened_works_at_once_beside_a_flood_of_wrong_ones(
    gallery: Gallery, browser: httpx2.Client, elsewhere: httpx2.Client, stranger: httpx2.Client
) -> None:
    done = threading.Event()
    wrong = {"cookie": "samsyn_session=" + "A" * 43}

    def flood() -> None:
        with gallery.second.stranger() as client:
            while not done.is_set():
                assert client.get(f"/viewings/{uuid.uuid4()}/slide_files/0/0_0.jpg", headers=wrong).status_code == 404

    with ThreadPoolExecutor(4) as pool:
        flooding = [pool.submit(flood) for _ in range(4)]
        try:
            for _ in range(10):
                tile = view(browser, gallery.available) + "/11/0_0.jpg"
                assert elsewhere.get(tile).status_code == 200
                assert stranger.get(tile).status_code == 404
        finally:
            done.set()
        for one in flooding:
            one.result()


def unknown(client: httpx2.Client) -> httpx2.Response:
    """The answer about a viewing that nobody ever opened."""
    return client.get(f"/viewings/{uuid.uuid4()}/slide_files/0/0_0.jpg")


def test_nobody_else_learns_that_a_viewing_exists(
    gallery: Gallery, browser: httpx2.Client, stranger: httpx2.Client
) -> None:
    tile = view(browser, gallery.available) + "/0/0_0.jpg"
    assert browser.get(tile).status_code == 200
    with gallery.web.demo_person() as colleague:  # the same person, in another session
        for client in (stranger, colleague):
            refused = client.get(tile)
            assert refused.status_code == 404
            assert refused.content == unknown(browser).content == unknown(stranger).content
        viewing = tile.split("/")[2]
        assert colleague.get(f"/api/viewings/{viewing}").status_code == 404
        assert colleague.delete(f"/api/viewings/{viewing}").status_code == 404
    assert browser.get(tile).status_code == 200
    forged = {"cookie": "samsyn_session=" + "A" * 43}
    assert stranger.get(tile, headers=forged).content == unknown(browser).content


@pytest.mark.parametrize("end", ["close", "sign out", "time", "quarantine"])
def test_what_ends_goes_dark_in_every_process(
    gallery: Gallery, browser: httpx2.Client, elsewhere: httpx2.Client, end: str
) -> None:
    database = gallery.product.database
    tile = view(browser, gallery.available) + "/0/0_0.jpg"
    viewing = tile.split("/")[2]
    both = (browser, elsewhere)
    assert [client.get(tile).status_code for client in both] == [200, 200]
    cookies = {"cookie": f"samsyn_session={browser.cookies['samsyn_session']}"}
    if end == "close":
        assert browser.delete(f"/api/viewings/{viewing}").status_code == 204
        assert browser.get(f"/api/viewings/{viewing}").json()["state"] == "ENDED"
    elif end == "sign out":
        assert browser.delete("/api/session").status_code == 204
    elif end == "time":
        database.query(
            "UPDATE sign_in_session SET ends_at = now() FROM viewing v"
            " WHERE v.session_id = sign_in_session.id AND v.id = :id",
            id=viewing,
        )
    else:
        database.query(
            "UPDATE slide_image SET status = 'QUARANTINED', reason = 'A tile is damaged.' WHERE id = :id",
            id=gallery.available,
        )
    ended = time.monotonic()
    try:
        for client in both:
            wait_for(
                lambda client=client: client.get(tile, headers=cookies).status_code == 404,  # type: ignore[misc]
                within_s=GONE_WITHIN_S - (time.monotonic() - ended),
            )
            assert client.get(tile, headers=cookies).content == unknown(client).content
    finally:
        if end == "quarantine":
            database.query(
                "UPDATE slide_image SET status = 'AVAILABLE', reason = NULL WHERE id = :id", id=gallery.available
            )


def test_a_slide_whose_files_are_gone_is_said_to_be_unreadable(gallery: Gallery, browser: httpx2.Client) -> None:
    product = gallery.product
    ids = product.database.query(
        "INSERT INTO slide_image (id, original_digest, byte_size, status, pyramid, has_thumbnail, has_macro, attempts,"
        " version, care_provider_id, care_unit_id, case_id)"
        " SELECT gen_random_uuid(), :digest, 1, 'VERIFIED', 'FAILED', true, true, 0, 1, care_provider_id, care_unit_id,"
        " case_id FROM slide_image WHERE id = :beside RETURNING id",
        digest="0" * 64,
        beside=gallery.available,
    )
    tiles = view(browser, ids[0]["id"])
    for end in ("_files/0/0_0.jpg", ".dzi"):
        answer = browser.get(tiles.removesuffix("_files") + end)
        assert (answer.status_code, answer.json()["code"]) == (503, "STORAGE_REFUSED")
        assert answer.json()["detail"] == "The slide's file cannot be read just now."
    for image in ("thumbnail", "macro"):
        answer = browser.get(f"/api/slides/{ids[0]['id']}/{image}.jpg")
        assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
