"""Sessions over HTTP: what the page is told, cookies, headers, what other sites may not do, and every limit."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import httpx2
import pyotp
import pytest
from contracts import connect_provider
from fastapi import FastAPI
from people import make_assignment, make_department, make_person, make_provider, make_unit
from product import Database
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from cases.access import accounts
from cases.access.attempts import PER_NAME
from cases.access.permissions import Role
from cases.access.vault import Vault
from viewer.app import create_app
from viewer.headers import POLICY
from viewer.settings import ViewerSettings

FIRST, OWN = "sju kloka getter", "nio tysta berguvar"
ADDRESS = "http://samsyn.test"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys") / "keys"
    Vault.create(folder)
    return folder


class World:
    """Two care providers, a demo person who works for both, and Anna, who has an account and works for one."""

    def __init__(self, database: Database, keys: Path) -> None:
        self.database, self.keys = database, keys
        self.apps: list[FastAPI] = []
        with database.engine() as engine, Session(engine, info={"vault": Vault(keys)}) as session:
            kalmar, linkoping = (make_provider(session, name=name) for name in ("Region Kalmar", "Region Linköping"))
            units = [make_unit(session, provider) for provider in (kalmar, linkoping)]
            for provider in (kalmar, linkoping):
                connect_provider(session, provider)
            demo = make_person(session, given_name="Demo", demo=True)
            department = make_department(session, units[0])
            self.demo_assignments = [
                make_assignment(session, demo, units[0], roles=[Role.PAT], department=department).id,
                make_assignment(session, demo, units[1], roles=[Role.HEAD]).id,
            ]
            anna = make_person(session, given_name="Anna", family_name="Berg")
            self.anna_assignment = make_assignment(session, anna, units[0], roles=[Role.PAT]).id
            hashed = accounts.hash_password(FIRST, login="anna.berg")
            accounts.create_account(session, anna, login="anna.berg", password_hash=hashed)
            self.demo_id, self.anna_id = demo.id, anna.id
            session.commit()

    def browser(self, *, token: str | None = None, **settings: Any) -> TestClient:
        """A browser at a process of its own, not signed in or with somebody's token.

        What the process does by itself now and then is not started.
        """
        url = self.database.url("samsyn_app")
        wanted = {"database_url": url, "redis_url": "redis://nowhere", "data": self.keys.parent, "demo": True}
        app = create_app(ViewerSettings(**{**wanted, **settings}))
        app.state.sessions.configure(info={"vault": Vault(self.keys)})
        self.apps.append(app)
        return TestClient(app, base_url=ADDRESS, cookies={"samsyn_session": token} if token else None)

    def close(self) -> None:
        """Give the connections back."""
        for app in self.apps:
            app.state.sessions.kw["bind"].dispose()

    def pass_minutes(self, minutes: int) -> None:
        """Let time pass for every session."""
        past = ", ".join(f"{column} = {column} - make_interval(mins => :minutes)" for column in COLUMNS)
        self.database.query(f"UPDATE sign_in_session SET {past}", minutes=minutes)  # noqa: S608

    def events(self, *wanted: str) -> list[tuple[str, str]]:
        """What the log says of these, in order: event and outcome."""
        rows = self.database.query(
            "SELECT event, outcome FROM audit_event WHERE event = ANY(:wanted) ORDER BY at, id", wanted=list(wanted)
        )
        return [(row["event"], row["outcome"]) for row in rows]


COLUMNS = ("last_seen_at", "authenticated_at", "ends_at")


@pytest.fixture
def world(database: Database, keys: Path) -> Iterator[World]:
    with closing(World(database, keys)) as world:
        yield world


@pytest.fixture
def browser(world: World) -> TestClient:
    return world.browser()


def check(answer: httpx2.Response, status: int, code: str) -> str:
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    return str(answer.json()["detail"])


def sign_in_demo(browser: TestClient, world: World, which: int | None = 0) -> Any:
    body = {"person_id": str(world.demo_id)}
    if which is not None:
        body["assignment_id"] = str(world.demo_assignments[which])
    answer = browser.post("/api/session", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def enrol(browser: TestClient) -> pyotp.TOTP:
    """Sign Anna in for the first time and set up her second factor."""
    answer = browser.post("/api/session", json={"login": "Anna.Berg", "password": FIRST})
    assert (answer.status_code, answer.json()["state"]) == (201, "ENROL"), answer.text
    telephone = pyotp.TOTP(browser.post("/api/session/enrolment").json()["secret"])
    proof = {"code": telephone.now(), "new_password": OWN}
    answer = browser.put("/api/session/enrolment", json=proof)
    assert (answer.status_code, answer.json()["state"]) == (200, "ACTIVE"), answer.text
    return telephone


def test_the_sign_in_page_learns_who_may_try_it(browser: TestClient, world: World) -> None:
    told = browser.get("/api/session").json()
    assert (told["state"], told["demo"], told["person"], told["assignment"]) == ("ANONYMOUS", True, None, None)
    listed = [
        (one["provider"]["name"], person["name"], [choice["id"] for choice in person["assignments"]])
        for one in told["demo_providers"]
        for person in one["people"]
    ]
    first, second = map(str, world.demo_assignments)
    assert listed == [("Region Kalmar", "Demo Provsson", [first]), ("Region Linköping", "Demo Provsson", [second])]
    assert "Berg" not in str(told), "somebody with an account is named to strangers"


def test_the_page_is_told_everything_it_needs(browser: TestClient, world: World) -> None:
    told = sign_in_demo(browser, world)
    assert told == browser.get("/api/session").json() | {"now": told["now"]}
    assert (told["state"], told["method"], told["person"]["name"]) == ("ACTIVE", "DEMO", "Demo Provsson")
    assignment = told["assignment"]
    assert (assignment["provider"]["name"], assignment["unit"]["name"]) == ("Region Kalmar", "Klinisk patologi")
    assert assignment["purpose"] == "Vård och behandling"
    (held,) = assignment["roles"]
    assert (held["role"], held["name_sv"], held["department"]["name"]) == ("PAT", "Patolog", "Histologi")
    assert len(told["assignments"]) == 2
    assert "SIGN_ANSWER" in told["permissions"]
    assert "MANAGE_PEOPLE" not in told["permissions"]
    assert told["now"] < told["idle_until"] < told["ends_at"]


def test_without_demo_mode_nobody_signs_in_without_proof(world: World) -> None:
    browser = world.browser(demo=False)
    told = browser.get("/api/session").json()
    assert (told["demo"], told["demo_providers"]) == (False, [])
    answer = browser.post("/api/session", json={"person_id": str(world.demo_id)})
    assert "SAMSYN_DEMO" in check(answer, 403, "D04")
    assert "set-cookie" not in answer.headers


def test_somebody_real_never_signs_in_without_proof(browser: TestClient, world: World) -> None:
    for nobody in (world.anna_id, uuid.uuid4()):
        check(browser.post("/api/session", json={"person_id": str(nobody)}), 404, "NOT_FOUND")


def test_demo_mode_and_production_exclude_each_other(keys: Path) -> None:
    with pytest.raises(ValueError, match="SAMSYN_DEMO is on and SAMSYN_ENV is production"):
        ViewerSettings(database_url="d", redis_url="r", demo=True, env="production")
    assert not ViewerSettings(database_url="d", redis_url="r", env="production").demo


def test_from_the_first_password_to_the_second_factor(browser: TestClient, world: World) -> None:
    telephone = enrol(browser)
    told = browser.get("/api/session").json()
    assert (told["state"], told["assurance"], told["method"]) == ("ACTIVE", 3, "LOCAL")
    assert told["assignment"]["id"] == str(world.anna_assignment)
    check(browser.post("/api/session/enrolment"), 409, "CONFLICT")
    again = world.browser()
    wrong = {"login": "anna.berg", "password": OWN, "code": telephone.now()}
    sentence = check(again.post("/api/session", json=wrong), 401, "WRONG_PROOF")
    assert "each is taken once" in sentence
    right = wrong | {"code": telephone.at(int(time.time()) + 30)}
    assert again.post("/api/session", json=right).status_code == 201
    assert world.events("ACCOUNT_ENROLLED", "LOGIN_FAIL", "LOGIN_OK")[-3:] == [
        ("ACCOUNT_ENROLLED", "OK"),
        ("LOGIN_FAIL", "DENIED"),
        ("LOGIN_OK", "OK"),
    ]
    assert "anna" not in str(world.database.query("SELECT a::text FROM audit_event a WHERE event = 'LOGIN_FAIL'"))


def test_one_factor_opens_nothing_but_its_own_enrolment(browser: TestClient, world: World) -> None:
    browser.post("/api/session", json={"login": "anna.berg", "password": FIRST}).raise_for_status()
    check(browser.get("/api/slides"), 403, "ENROLMENT_MISSING")
    chosen = {"assignment_id": str(world.anna_assignment)}
    check(browser.post("/api/session/assignment", json=chosen), 403, "ENROLMENT_MISSING")


@pytest.mark.parametrize("login", ["anna.berg", "nobody.here"])
def test_too_many_failures_are_told_with_the_time_to_wait(browser: TestClient, world: World, login: str) -> None:
    wrong = {"login": login, "password": "fel lösenord alls"}
    said = {check(browser.post("/api/session", json=wrong), 401, "WRONG_PROOF") for _ in range(PER_NAME)}
    assert len(said) == 1
    locked = browser.post("/api/session", json=wrong)
    check(locked, 429, "TOO_MANY_ATTEMPTS")
    assert 880 <= int(locked.headers["retry-after"]) <= 900
    assert world.events("LOGIN_FAIL") == [("LOGIN_FAIL", "DENIED")] * (PER_NAME + 1)


def test_choosing_and_switching_the_assignment(browser: TestClient, world: World) -> None:
    told = sign_in_demo(browser, world, None)
    assert (told["state"], told["assignment"], len(told["assignments"])) == ("CHOOSE", None, 2)
    check(browser.get("/api/slides"), 403, "ASSIGNMENT_MISSING")
    tokens = [browser.cookies["samsyn_session"]]
    for assignment_id in world.demo_assignments:
        answer = browser.post("/api/session/assignment", json={"assignment_id": str(assignment_id)})
        assert (answer.json()["state"], answer.json()["assignment"]["id"]) == ("ACTIVE", str(assignment_id))
        tokens.append(browser.cookies["samsyn_session"])
    assert len(set(tokens)) == 3
    for old in tokens[:-1]:
        assert world.browser(token=old).get("/api/session").json()["state"] == "ANONYMOUS"
    assert world.events("LOGIN_OK", "ASSIGNMENT_SWITCHED") == [("LOGIN_OK", "OK"), ("ASSIGNMENT_SWITCHED", "OK")]
    foreign = {"assignment_id": str(world.anna_assignment)}
    check(browser.post("/api/session/assignment", json=foreign), 404, "NOT_FOUND")


def test_an_idle_session_locks_and_the_code_or_the_password_unlocks_it(browser: TestClient, world: World) -> None:
    enrol(browser)
    for proof in ({"password": OWN}, {"code": None}):
        world.pass_minutes(15)
        told = browser.get("/api/session").json()
        assert (told["state"], told["person"]["name"], told["permissions"]) == ("LOCKED", "Anna Berg", [])
        for closed in ("/api/slides", "/api/session/others"):
            assert "Unlock it" in check(browser.get(closed), 401, "SESSION_LOCKED")
        check(browser.post("/api/session/activity"), 401, "SESSION_LOCKED")
        check(browser.post("/api/session/unlock", json={"password": "fel lösenord alls"}), 401, "WRONG_PROOF")
        check(browser.post("/api/session/unlock", json={}), 401, "WRONG_PROOF")
        if "password" not in proof:
            break
        assert browser.post("/api/session/unlock", json=proof).json()["state"] == "ACTIVE"
    assert ("SESSION_UNLOCKED", "OK") in world.events("SESSION_UNLOCKED")
    assert browser.delete("/api/session").status_code == 204, "whoever is locked out can still leave"


def test_a_demo_session_unlocks_without_proof(browser: TestClient, world: World) -> None:
    sign_in_demo(browser, world)
    world.pass_minutes(15)
    assert browser.get("/api/session").json()["state"] == "LOCKED"
    assert browser.post("/api/session/unlock", json={}).json()["state"] == "ACTIVE"


def test_asking_who_is_there_keeps_nobody_signed_in_and_saying_so_does(browser: TestClient, world: World) -> None:
    first = sign_in_demo(browser, world)
    world.pass_minutes(14)
    assert browser.get("/api/session").json()["idle_until"] < first["idle_until"]
    told = browser.post("/api/session/activity").json()
    assert told["state"] == "ACTIVE"
    assert told["idle_until"] > first["idle_until"]


def test_a_session_is_over_after_ten_hours(browser: TestClient, world: World) -> None:
    sign_in_demo(browser, world)
    world.database.query("UPDATE sign_in_session SET ends_at = now()")
    assert browser.get("/api/session").json()["state"] == "ANONYMOUS"
    check(browser.post("/api/session/unlock", json={}), 401, "NOT_SIGNED_IN")


def test_proving_again_makes_the_proof_fresh(browser: TestClient, world: World) -> None:
    enrol(browser)
    world.pass_minutes(10)
    old = browser.get("/api/session").json()["authenticated_at"]
    answer = browser.post("/api/session/reauthentication", json={"password": OWN})
    assert (answer.status_code, answer.json()["state"]) == (200, "ACTIVE")
    assert answer.json()["authenticated_at"] > old
    assert world.events("REAUTHENTICATED") == [("REAUTHENTICATED", "OK")]


def test_other_sessions_are_listed_and_ended(browser: TestClient, world: World) -> None:
    sign_in_demo(browser, world)
    elsewhere, somebody = world.browser(), world.browser()
    sign_in_demo(elsewhere, world, 1)
    enrol(somebody)
    (listed,) = browser.get("/api/session/others").json()
    assert (listed["assignment_id"], listed["locked"]) == (str(world.demo_assignments[1]), False)
    check(somebody.delete(f"/api/session/others/{listed['id']}"), 404, "NOT_FOUND")
    assert browser.delete(f"/api/session/others/{listed['id']}").status_code == 204
    assert elsewhere.get("/api/session").json()["state"] == "ANONYMOUS"
    assert browser.get("/api/session/others").json() == []
    assert somebody.get("/api/session").json()["state"] == "ACTIVE"


def test_signing_in_again_ends_what_was_begun_here_before(browser: TestClient, world: World) -> None:
    sign_in_demo(browser, world)
    before = browser.cookies["samsyn_session"]
    sign_in_demo(browser, world, 1)
    assert world.browser(token=before).get("/api/session").json()["state"] == "ANONYMOUS"


def test_signing_out_leaves_nothing_behind(browser: TestClient, world: World) -> None:
    sign_in_demo(browser, world)
    token = browser.cookies["samsyn_session"]
    answer = browser.delete("/api/session")
    assert (answer.status_code, answer.headers["clear-site-data"]) == (204, '"cache"')
    assert "samsyn_session" not in browser.cookies
    check(world.browser(token=token).get("/api/slides"), 401, "NOT_SIGNED_IN")
    assert world.events("LOGIN_OK", "LOGOUT") == [("LOGIN_OK", "OK"), ("LOGOUT", "OK")]


@pytest.mark.parametrize("https", [False, True])
def test_the_cookie_stays_with_this_host_and_out_of_scripts(world: World, https: bool) -> None:
    browser = world.browser(https=https)
    answer = browser.post(
        "/api/session", json={"person_id": str(world.demo_id), "assignment_id": str(world.demo_assignments[0])}
    )
    (name, cookie), *more = SimpleCookie(answer.headers["set-cookie"]).items()
    assert not more
    assert name == ("__Host-samsyn_session" if https else "samsyn_session")
    assert (bool(cookie["secure"]), bool(cookie["httponly"]), cookie["samesite"]) == (https, True, "strict")
    assert (cookie["path"], cookie["domain"], cookie["max-age"]) == ("/", "", "36000")
    assert cookie.value not in answer.text


@pytest.mark.parametrize("https", [False, True])
def test_every_answer_carries_what_browsers_are_to_enforce(world: World, https: bool) -> None:
    browser = world.browser(https=https)
    for path in ("/api/session", "/api/slides", "/api/nowhere", "/healthz"):
        headers = browser.get(path).headers
        assert headers.get_list("content-security-policy") == [POLICY]
        assert headers.get_list("x-content-type-options") == ["nosniff"]
        assert headers.get_list("referrer-policy") == ["no-referrer"]
        assert headers.get_list("strict-transport-security") == (["max-age=31536000"] if https else [])
        assert headers.get_list("cache-control") == (["no-store"] if path.startswith("/api/") else [])


def test_the_policy_lets_nothing_inline_and_nobody_frame_it() -> None:
    rules = dict(rule.split(" ", 1) for rule in POLICY.split("; "))
    assert rules["default-src"] == "'self'"
    assert rules["frame-ancestors"] == rules["base-uri"] == rules["object-src"] == "'none'"
    assert rules["form-action"] == "'self'"
    assert set(rules) & {"script-src", "style-src", "connect-src"} == set(), "these fall under default-src"
    assert "unsafe" not in POLICY


@pytest.mark.parametrize(
    ("headers", "made"),
    [
        ({}, True),  # a program, not a browser
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "whatever comes next"}, False),
        ({"origin": ADDRESS}, True),  # browsers send no Sec-Fetch-Site to plain http
        ({"origin": "http://elsewhere.test"}, False),
        ({"origin": "null"}, False),
    ],
)
def test_a_change_that_another_site_asks_for_is_not_made(
    browser: TestClient, world: World, headers: dict[str, str], made: bool
) -> None:
    sign_in_demo(browser, world)
    answer = browser.delete("/api/session", headers=headers)
    if made:
        assert answer.status_code == 204
    else:
        assert "another site" in check(answer, 403, "FOREIGN_SITE")
        assert browser.get("/api/session").json()["state"] == "ACTIVE"
