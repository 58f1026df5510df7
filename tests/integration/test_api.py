"""The API's manners: sign-in, slides and viewings, problem documents, and what other sites may not do."""

from __future__ import annotations

import uuid
from http.cookies import SimpleCookie
from typing import Any

import httpx2
import pytest
from gallery import Gallery
from makers import decode
from product import CASE, Product, find_demo_person

from cases.access.permissions import Role

PROBLEM = "type", "title", "status", "detail", "code", "next_step", "field", "allowed"
UNKNOWN = "6f1c0de0-0000-4000-8000-000000000000"
"""Nothing has this id."""
SECURITY = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


def check_problem(answer: httpx2.Response, status: int, code: str) -> str:
    """An error answer has the form of RFC 9457 and the headers of every other. Returns its sentence."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    body = answer.json()
    assert {"type", "title", "status", "detail", "code"} <= set(body) <= {*PROBLEM}
    assert (body["type"], body["status"], body["code"]) == ("about:blank", status, code)
    check_security(answer)
    return str(body["detail"])


def check_security(answer: httpx2.Response) -> None:
    for name, value in SECURITY.items():
        assert answer.headers.get_list(name) == [value]
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src" not in policy  # scripts fall under default-src: no inline ones, none from elsewhere
    assert "server" not in answer.headers


def test_the_sign_in_page_learns_who_is_there(stranger: httpx2.Client) -> None:
    before = stranger.get("/api/session").json()
    assert (before["state"], before["person"], before["demo"]) == ("ANONYMOUS", None, True)
    assert [one["provider"]["name"] for one in before["demo_providers"]] == [
        "Påhittade Patologlaboratoriet AB",
        "Region Jönköpings län",
        "Region Kalmar län",
        "Region Östergötland",
    ]
    chosen = find_demo_person(before, Role.COO)
    created = stranger.post("/api/session", json=chosen)
    assert (created.status_code, created.json()["state"]) == (201, "ACTIVE")
    there = stranger.get("/api/session").json()
    assert (there["person"]["id"], there["person"]["name"]) == (chosen["person_id"], "Anna-Lena Penngren")
    assert there["assignment"]["unit"]["name"] == "Klinisk patologi, Länssjukhuset i Kalmar"
    assert [held["role"] for held in there["assignment"]["roles"]] == ["COO"]
    assert there["demo_providers"] == []
    assert stranger.delete("/api/session").status_code == 204
    assert stranger.get("/api/session").json()["person"] is None


def test_the_old_cookie_opens_nothing_after_signing_out(gallery: Gallery, browser: httpx2.Client) -> None:
    token = browser.cookies["samsyn_session"]
    assert browser.delete("/api/session").status_code == 204
    with gallery.web.stranger() as again:
        again.cookies.set("samsyn_session", token)
        check_problem(again.get("/api/slides"), 401, "NOT_SIGNED_IN")


def test_nobody_signs_in_as_somebody_who_is_not_a_demo_person(stranger: httpx2.Client) -> None:
    answer = stranger.post("/api/session", json={"person_id": str(uuid.uuid4())})
    check_problem(answer, 404, "NOT_FOUND")
    assert "set-cookie" not in answer.headers


def cookie_of(answer: httpx2.Response) -> dict[str, Any]:
    (cookie,) = SimpleCookie(answer.headers["set-cookie"]).values()
    return {"name": cookie.key, "value": cookie.value} | {name: value for name, value in cookie.items() if value}


def test_the_cookie_is_for_this_site_and_no_script(stranger: httpx2.Client) -> None:
    demo = find_demo_person(stranger.get("/api/session").json(), Role.PAT)
    made = cookie_of(stranger.post("/api/session", json=demo))
    assert made.pop("value")
    assert made == {"name": "samsyn_session", "httponly": True, "samesite": "strict", "path": "/", "max-age": "36000"}
    dropped = cookie_of(stranger.delete("/api/session"))
    assert (dropped["value"], dropped["max-age"], dropped["samesite"]) == ("", "0", "strict")


def test_without_demo_mode_nobody_gets_in_and_behind_https_cookies_are_secure(product: Product) -> None:
    web = product.start_web(https="true")
    with web.stranger() as client:
        demo = find_demo_person(client.get("/api/session").json(), Role.PAT)
        made = cookie_of(client.post("/api/session", json=demo))
        token = {"cookie": f"{made['name']}={made['value']}"}
        assert (made["name"], made["secure"], made["path"]) == ("__Host-samsyn_session", True, "/")
        assert client.get("/api/slides", headers=token).status_code == 200
        wrong_name = {"cookie": f"samsyn_session={made['value']}"}
        check_problem(client.get("/api/slides", headers=wrong_name), 401, "NOT_SIGNED_IN")
    without = product.start_web(https="true", demo="false")
    with without.stranger() as client:
        state = client.get("/api/session").json()
        assert (state["state"], state["demo"], state["demo_providers"]) == ("ANONYMOUS", False, [])
        said = check_problem(client.post("/api/session", json=demo), 403, "D04")
        assert said == "Demo people can sign in only where SAMSYN_DEMO is on. Ask IT who may sign in here."
        # What was opened without proof while it was on has ended too.
        check_problem(client.get("/api/slides", headers=token), 401, "NOT_SIGNED_IN")
    with web.stranger() as client:
        again = cookie_of(client.post("/api/session", json=demo))
        dropped = cookie_of(client.delete("/api/session", headers={"cookie": f"{again['name']}={again['value']}"}))
        # A browser ignores a __Host- cookie without Secure, also one that drops it: RFC 6265bis, 4.1.3.2.
        assert (dropped["name"], dropped["secure"], dropped["value"]) == ("__Host-samsyn_session", True, "")


def test_slides_are_listed_the_newest_first_with_what_is_known_of_them(
    gallery: Gallery, browser: httpx2.Client
) -> None:
    listed = browser.get("/api/slides").json()["slides"]
    numbers = [slide["number"] for slide in listed]
    assert numbers == sorted(numbers, reverse=True)
    by_id = {slide["id"]: slide for slide in listed}
    available = by_id[str(gallery.available)]
    assert available["case"]["lid"] == CASE
    assert available == browser.get(f"/api/slides/{gallery.available}").json()
    assert (available["status"], available["pyramid"], available["viewable"]) == ("AVAILABLE", "READY", True)
    assert available["size"] == {"width": 1300, "height": 900}
    assert available["spacing"] == {"x": 0.5, "y": 0.5}
    assert (available["images"], available["reason"]) == (["thumbnail", "macro"], None)
    quarantined = by_id[str(gallery.quarantined)]
    assert (quarantined["viewable"], quarantined["reason"]["code"]) == (False, "DAMAGED_FILE")
    assert "cannot be decoded" in quarantined["reason"]["detail"]
    assert (by_id[str(gallery.received)]["size"], by_id[str(gallery.received)]["viewable"]) == (None, False)


@pytest.mark.parametrize("image", ["thumbnail", "macro"])
def test_small_pictures_are_the_files_the_worker_made(gallery: Gallery, browser: httpx2.Client, image: str) -> None:
    answer = browser.get(f"/api/slides/{gallery.available}/{image}.jpg")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert "private" in answer.headers["cache-control"]
    assert answer.content == gallery.product.storage.preview(gallery.available, image).read_bytes()
    assert max(decode(answer.content).shape) == 640
    check_security(answer)


def test_a_slide_that_is_not_sound_shows_no_picture_and_cannot_be_opened(
    gallery: Gallery, browser: httpx2.Client
) -> None:
    for slide_id in (gallery.quarantined, gallery.received):
        for image in ("thumbnail", "macro"):
            check_problem(browser.get(f"/api/slides/{slide_id}/{image}.jpg"), 403, "D05")
        said = check_problem(browser.post("/api/viewings", json={"slide_id": str(slide_id)}), 403, "D05")
        assert said == "This is not ready to be shown, is in quarantine, or has been withdrawn."


def test_the_laboratory_looks_at_what_it_must_settle(gallery: Gallery) -> None:
    with gallery.web.demo_person(Role.LAB) as laboratory:
        for slide_id in (gallery.quarantined, gallery.received):
            for image in ("thumbnail", "macro"):
                check_problem(laboratory.get(f"/api/slides/{slide_id}/{image}.jpg"), 404, "NOT_FOUND")
            assert laboratory.post("/api/viewings", json={"slide_id": str(slide_id)}).status_code == 201


def test_a_laboratory_of_another_region_learns_nothing_of_a_slide(gallery: Gallery) -> None:
    with gallery.web.demo_person(Role.LAB, of="Region Östergötland") as elsewhere:
        assert elsewhere.get("/api/slides").json()["slides"] == []
        for slide_id in (gallery.available, gallery.quarantined, uuid.uuid4()):
            answers = (
                elsewhere.get(f"/api/slides/{slide_id}"),
                elsewhere.get(f"/api/slides/{slide_id}/thumbnail.jpg"),
                elsewhere.post("/api/viewings", json={"slide_id": str(slide_id)}),
            )
            told = {check_problem(answer, 404, "NOT_FOUND") for answer in answers}
            assert told == {"There is no such thing, or none that you may see."}


def test_a_viewing_is_open_until_it_is_closed(gallery: Gallery, browser: httpx2.Client) -> None:
    opened = browser.post("/api/viewings", json={"slide_id": str(gallery.verified)}).json()
    assert (opened["slide"]["id"], opened["intended_use"]) == (str(gallery.verified), "COMMUNICATION")
    address = f"/api/viewings/{opened['id']}"
    told = browser.get(address).json()
    assert (told["id"], told["state"], told["until"]) == (opened["id"], "OPEN", opened["until"])
    for _ in range(2):
        assert browser.delete(address).status_code == 204
    told = browser.get(address).json()
    assert (told["id"], told["state"], told["code"]) == (opened["id"], "ENDED", None)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", f"/api/slides/{UNKNOWN}", None, 404, "NOT_FOUND"),
        ("GET", "/api/nothing", None, 404, "NOT_FOUND"),
        ("GET", f"/api/viewings/{UNKNOWN}", None, 404, "NOT_FOUND"),
        ("DELETE", f"/api/viewings/{UNKNOWN}", None, 404, "NOT_FOUND"),
        ("POST", "/api/viewings", {"slide_id": UNKNOWN}, 404, "NOT_FOUND"),
        ("GET", "/assets/nothing.js", None, 404, "NOT_FOUND"),
        ("GET", "/assets/%00", None, 404, "NOT_FOUND"),
        ("GET", "/assets/" + "a" * 300, None, 404, "NOT_FOUND"),
        ("GET", "/assets/..%2f..%2fapp.py", None, 404, "NOT_FOUND"),
        ("POST", "/api/slides", None, 405, "METHOD_NOT_ALLOWED"),
        ("PUT", "/api/session", None, 405, "METHOD_NOT_ALLOWED"),
        ("DELETE", "/metrics", None, 405, "METHOD_NOT_ALLOWED"),
        ("POST", "/somewhere", None, 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/api/slides/not-an-id", None, 422, "INVALID_REQUEST"),
        ("GET", f"/api/slides/{UNKNOWN}/label.jpg", None, 422, "INVALID_REQUEST"),
        ("POST", "/api/viewings", {}, 422, "INVALID_REQUEST"),
        ("POST", "/api/viewings", {"slide_id": "Tolvan Tolvansson"}, 422, "INVALID_REQUEST"),
        ("POST", "/api/viewings", [1, 2], 422, "INVALID_REQUEST"),
        ("POST", "/api/session", {"person_id": 12}, 422, "INVALID_REQUEST"),
    ],
)
def test_every_refusal_is_a_problem_document(
    browser: httpx2.Client, method: str, path: str, body: object, status: int, code: str
) -> None:
    said = check_problem(browser.request(method, path, json=body), status, code)
    assert said.endswith((".", "]"))
    assert "Tolvan" not in said  # what was sent is not repeated


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[" * 5000, b'{"slide_id": NaN}', b""])
def test_what_is_no_json_is_refused(browser: httpx2.Client, body: bytes) -> None:
    answer = browser.post("/api/viewings", content=body, headers={"content-type": "application/json"})
    check_problem(answer, answer.status_code, answer.json()["code"])
    assert answer.status_code in (400, 422)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_changes_that_another_site_asks_for_are_not_made(gallery: Gallery, browser: httpx2.Client, site: str) -> None:
    viewing = browser.post("/api/viewings", json={"slide_id": str(gallery.available)}).json()["id"]
    foreign = {"sec-fetch-site": site}
    for method, path, body in (
        ("POST", "/api/viewings", {"slide_id": str(gallery.available)}),
        ("POST", "/api/session", {"person_id": str(uuid.uuid4())}),
        ("DELETE", f"/api/viewings/{viewing}", None),
        ("DELETE", "/api/session", None),
    ):
        answer = browser.request(method, path, json=body, headers=foreign)
        assert "another site" in check_problem(answer, 403, "FOREIGN_SITE")
        assert "set-cookie" not in answer.headers
    assert browser.get(f"/api/viewings/{viewing}", headers=foreign).json()["state"] == "OPEN"
    own = {"sec-fetch-site": "same-origin"}
    assert browser.delete(f"/api/viewings/{viewing}", headers=own).status_code == 204


def test_every_answer_has_the_security_headers(gallery: Gallery, browser: httpx2.Client) -> None:
    opened = browser.post("/api/viewings", json={"slide_id": str(gallery.available)})
    check_security(opened)
    tiles = opened.json()["dzi"].removesuffix(".dzi") + "_files"
    for path in (
        "/",
        "/api/session",
        "/api/slides",
        "/healthz",
        "/readyz",
        "/metrics",
        f"{tiles}/11/0_0.jpg",
        f"{tiles}/99/0_0.jpg",
    ):
        check_security(browser.get(path))


def test_a_fault_of_our_own_is_a_problem_document_that_gives_nothing_away(
    gallery: Gallery, browser: httpx2.Client
) -> None:
    database, log = gallery.product.database, gallery.web.child.log
    database.query("ALTER TABLE slide_image RENAME TO mislaid")
    try:
        said = check_problem(browser.get("/api/slides"), 500, "INTERNAL")
    finally:
        database.query("ALTER TABLE mislaid RENAME TO slide_image")
    assert said.startswith("Something went wrong on our side; it has been logged.")
    assert 'relation \\"slide_image\\" does not exist' in log.read_text()
    assert browser.get("/api/slides").status_code == 200
