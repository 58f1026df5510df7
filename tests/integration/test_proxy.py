"""The documented nginx in front of the product: what it keeps is shown to nobody who may not see it now."""

from __future__ import annotations

import stat
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from gallery import Gallery
from makers import folder_for_everyone
from product import Web
from proxy import in_front_of

DARK_WITHIN_S = 5.0 + 0.5  # the tile and its answer travel too
"""Source: architecture, decision 4."""
COUNTED = "samsyn_tiles_served_total{"


@pytest.fixture(scope="module")
def proxied(gallery: Gallery) -> Iterator[tuple[Web, Path]]:
    """nginx in front of the first web process, and the folder that its caches lie in."""
    with folder_for_everyone() as folder, in_front_of(gallery.web, folder / "proxy") as proxy:
        yield proxy, folder / "proxy"


@pytest.fixture
def browser(proxied: tuple[Web, Path]) -> Iterator[httpx2.Client]:
    """Signed in, through the proxy."""
    with proxied[0].demo_person() as client:
        yield client


def open_slide(client: httpx2.Client, slide_id: uuid.UUID) -> str:
    """Returns the address of the viewing."""
    opened = client.post("/api/viewings", json={"slide_id": str(slide_id)}).json()
    return str(opened["dzi"].removesuffix("/slide.dzi"))


def count_served(gallery: Gallery) -> float:
    """Tiles that the web process itself has sent so far."""
    with gallery.web.stranger() as client:
        lines = client.get("/metrics").text.splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith(COUNTED))


def test_a_tile_is_the_same_through_the_proxy_and_comes_from_the_web_once(
    gallery: Gallery, browser: httpx2.Client
) -> None:
    path = open_slide(browser, gallery.available) + "/slide_files/11/3_2.jpg"
    with gallery.web.stranger() as client:
        client.cookies.update(browser.cookies)
        direct = client.get(path)
    before = count_served(gallery)
    for _ in range(5):
        answer = browser.get(path)
        assert (answer.status_code, answer.content) == (200, direct.content)
        for name in ("content-type", "cache-control", "content-security-policy", "x-content-type-options"):
            assert answer.headers[name] == direct.headers[name]
        assert not {"x-samsyn-pyramid", "x-accel-expires"} & set(answer.headers)
    head = browser.head(path)
    assert (head.status_code, head.content, int(head.headers["content-length"])) == (200, b"", len(direct.content))
    again = open_slide(browser, gallery.available) + "/slide_files/11/3_2.jpg"
    assert again != path
    assert browser.get(again).content == direct.content
    assert count_served(gallery) == before + 1


def test_cut_and_padded_tiles_are_kept_apart(gallery: Gallery, browser: httpx2.Client) -> None:
    tile = open_slide(browser, gallery.available) + "/slide_files/11/5_3.jpg"
    for _ in range(2):
        padded, cut = browser.get(tile).content, browser.get(tile + "?cut=1").content
        assert padded != cut
        assert browser.get(tile + "?x=1&cut=1").content == cut
        assert browser.get(tile + "?cut=0").content == browser.get(tile + "?cut=10").content == padded


def test_slides_are_kept_apart_and_so_are_pyramid_and_original(
    gallery: Gallery, browser: httpx2.Client, proxied: tuple[Web, Path]
) -> None:
    tiles = [open_slide(browser, slide) + "/slide_files/10/0_0.jpg" for slide in (gallery.available, gallery.verified)]
    for tile in tiles * 2:
        assert browser.get(tile).status_code == 200
    keys = {line for line in read_keys(proxied[1] / "tiles") if line.endswith(" 10/0_0")}
    assert keys == {f"{gallery.available}-pyramid 10/0_0", f"{gallery.verified}-original 10/0_0"}


def read_keys(folder: Path) -> list[str]:
    """What nginx keeps, by its own words at the top of each file."""
    files = [file.read_bytes() for file in folder.rglob("*") if file.is_file()]
    return [file.partition(b"\nKEY: ")[2].partition(b"\n")[0].decode("latin-1") for file in files]


def test_what_is_kept_is_for_the_proxys_account_alone(proxied: tuple[Web, Path], browser: httpx2.Client) -> None:
    assert read_keys(proxied[1] / "tiles")
    for place in (proxied[1] / "tiles", proxied[1] / "rights"):
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        for file in place.rglob("*"):
            assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0


def test_a_kept_tile_is_shown_to_nobody_else(
    gallery: Gallery, browser: httpx2.Client, proxied: tuple[Web, Path]
) -> None:
    viewing = open_slide(browser, gallery.available)
    tile = viewing + "/slide_files/11/1_1.jpg"
    token = browser.cookies["samsyn_session"]
    assert browser.get(tile).status_code == 200
    with proxied[0].demo_person() as colleague, proxied[0].stranger() as stranger:
        for _ in range(3):
            for answer in (
                colleague.get(tile),
                stranger.get(tile),
                stranger.get(tile, headers={"cookie": f"samsyn_session={token[:-1]}"}),
                stranger.get(tile, headers={"cookie": f"other={token}"}),
                stranger.get(tile, headers={"x-samsyn-pyramid": f"{gallery.available}-pyramid"}),
                browser.get(tile.replace(viewing.split("/")[2], str(uuid.uuid4()))),
            ):
                assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
                assert answer.json()["detail"].startswith("This viewing is not open in this session.")
            assert browser.get(tile).status_code == 200
        # A colleague with the slide open sees the kept tile through a viewing of their own.
        assert colleague.get(open_slide(colleague, gallery.available) + "/slide_files/11/1_1.jpg").status_code == 200


@pytest.mark.parametrize(
    "end",
    [
        "/slide_files/11/9_9.jpg",
        "/slide_files/99/0_0.jpg",
        "/slide_files/11/-1_0.jpg",
        "/slide_files/11/x_0.jpg",
        "/slide_files/11/../11/0_0.jpg/x",
        "/slide_files/11/0_0.jpg%00",
        "/slide_files/11/0_0.jpg%3Fcut=1",
        "/slide_files/",
    ],
)
def test_what_does_not_exist_is_not_found_nor_kept(
    gallery: Gallery, browser: httpx2.Client, proxied: tuple[Web, Path], end: str
) -> None:
    viewing = open_slide(browser, gallery.available)
    before = read_keys(proxied[1] / "tiles")
    for _ in range(2):
        answer = browser.get(viewing + end)
        # nginx itself refuses what no address may hold.
        assert (answer.status_code, answer.headers["content-type"]) in (
            (404, "application/problem+json"),
            (400, "text/html"),
        )
    assert read_keys(proxied[1] / "tiles") == before


def test_the_question_about_a_right_is_not_for_outside(gallery: Gallery, browser: httpx2.Client) -> None:
    assert browser.get("/right").status_code == 404
    assert browser.post(open_slide(browser, gallery.available) + "/slide_files/11/0_0.jpg").status_code == 405


@pytest.mark.parametrize("end", ["close", "sign out", "time", "quarantine"])
def test_what_ends_goes_dark_behind_the_proxy_too(
    gallery: Gallery, browser: httpx2.Client, proxied: tuple[Web, Path], end: str
) -> None:
    database = gallery.product.database
    viewing = open_slide(browser, gallery.available)
    tile, tile_id = viewing + "/slide_files/11/2_2.jpg", viewing.split("/")[2]
    cookies = {"cookie": f"samsyn_session={browser.cookies['samsyn_session']}"}

    def see(until: float) -> float:
        """Ask without a pause. Returns when the last tile came."""
        seen = 0.0
        with proxied[0].stranger() as client:
            while time.monotonic() < until:
                if client.get(tile, headers=cookies).status_code == 200:
                    seen = time.monotonic()
        return seen

    with ThreadPoolExecutor(2) as pool:
        assert see(time.monotonic() + 1.0), "the tile was never there"
        looking = [pool.submit(see, time.monotonic() + DARK_WITHIN_S + 2.5) for _ in range(2)]
        time.sleep(0.7)
        if end == "close":
            assert browser.delete(f"/api/viewings/{tile_id}").status_code == 204
        elif end == "sign out":
            assert browser.delete("/api/session").status_code == 204
        elif end == "time":
            database.query(
                "UPDATE sign_in_session SET ends_at = now() FROM viewing v"
                " WHERE v.session_id = sign_in_session.id AND v.id = :id",
                id=tile_id,
            )
        else:
            database.query(
                "UPDATE slide_image SET status = 'QUARANTINED', reason = 'A tile is damaged.' WHERE id = :id",
                id=gallery.available,
            )
        ended = time.monotonic()
        try:
            last = max(future.result() for future in looking)
        finally:
            if end == "quarantine":
                database.query(
                    "UPDATE slide_image SET status = 'AVAILABLE', reason = NULL WHERE id = :id", id=gallery.available
                )
    assert last < ended + DARK_WITHIN_S


def test_a_viewing_just_opened_works_at_once_although_it_was_refused_a_moment_ago(
    gallery: Gallery, browser: httpx2.Client, proxied: tuple[Web, Path]
) -> None:
    tile = open_slide(browser, gallery.available) + "/slide_files/11/4_1.jpg"
    with proxied[0].stranger() as stranger:
        assert stranger.get(tile).status_code == 404
        assert stranger.get(tile, headers={"cookie": "samsyn_session=wrong"}).status_code == 404
    assert browser.get(tile).status_code == 200


def test_a_missing_web_is_an_error_and_no_kept_tile(gallery: Gallery, folder: Path) -> None:
    web = gallery.product.start_web()
    with in_front_of(web, folder / "proxy") as proxy, proxy.demo_person() as client:
        tile = open_slide(client, gallery.available) + "/slide_files/11/0_0.jpg"
        assert client.get(tile).status_code == 200
        web.child.stop()
        gone = time.monotonic()
        statuses = set()
        while time.monotonic() < gone + DARK_WITHIN_S + 0.5:
            status = client.get(tile).status_code
            if time.monotonic() > gone + DARK_WITHIN_S:
                statuses.add(status)
            time.sleep(0.05)
        assert statuses == {502}
