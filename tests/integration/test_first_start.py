"""A real installation is begun: from an empty database to its first person, signed in with password and code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pyotp
import pytest
from product import Database, Product
from typer.testing import CliRunner

from viewer.cli import app

PROVIDER, UNIT = "SE2321000123-VG1", "SE2321000123-ENHET1"
FIRST, OWN = "sju kloka getter", "nio tysta berguvar"

Samsyn = Callable[..., tuple[int, str]]


@pytest.fixture
def samsyn(database: Database) -> Samsyn:
    """The command at the server: words, and what is typed at its questions. Its exit code and what it says."""

    def run(*words: str, typed: tuple[str, ...] = ()) -> tuple[int, str]:
        env = {
            "SAMSYN_DATABASE_URL": database.url("samsyn_app"),
            "SAMSYN_KEYS": str(database.keys),
            "COLUMNS": "1000",
        }
        ended = CliRunner(env=env).invoke(app, list(words), input="".join(f"{line}\n" for line in typed))
        return ended.exit_code, ended.output

    return run


def join(samsyn: Samsyn) -> None:
    """A care provider with a unit and a department."""
    provider = "--name", "Region Först", "--org-number", "232100-0123", "--kind", "REGION", "--region", "OTHER"
    assert samsyn("organisations", "add-provider", PROVIDER, *provider)[0] == 0
    assert samsyn("organisations", "add-unit", UNIT, "--name", "Patologi", "--provider", PROVIDER)[0] == 0
    assert samsyn("organisations", "add-department", "Histopatologi", "--unit", UNIT)[0] == 0


def add_person(samsyn: Samsyn, number: int, *words: str, typed: tuple[str, ...], who: int = 0) -> tuple[int, str]:
    """Somebody with an assignment at the unit: its number, and the person's if it is their second one."""
    ids = "--employee", f"SE2321000123-E{who or number}", "--assignment", f"SE2321000123-U{number}"
    return samsyn("organisations", "add-person", "--unit", UNIT, *ids, *words, typed=typed)


HEAD = "--role", "HEAD=DNR-2026-1", "--purpose", "Vård och behandling", "--right", "Läsa;alt;VE", "--licence", "123456"
ANNA, BO = ("Anna", "Berg", "Verksamhetschef"), ("Bo", "Ek", "Systemförvaltare")


def test_the_first_head_signs_in_and_sees_an_empty_list(samsyn: Samsyn, database: Database, tmp_path: Path) -> None:
    join(samsyn)
    code, said = add_person(samsyn, 1, *HEAD, typed=ANNA)
    assert code == 0, said
    person = said.partition("Person ")[2].split()[0]
    by_head = "--decided-by", "SE2321000123-U1", "--decided", "2026-01-15"
    code, said = add_person(samsyn, 2, "--role", "ADM=DNR-2026-2", *by_head, typed=BO)
    assert code == 0, said
    code, said = add_person(samsyn, 3, "--role", "OPS=DNR-2026-3", "--person", person, typed=(), who=1)
    assert code == 0, said
    code, said = samsyn("accounts", "create", "anna.berg", "--person", person, typed=(FIRST, FIRST))
    assert code == 0, said
    with Product(tmp_path, database) as product:
        web = product.start_web(demo="false", env="production")
        with web.stranger() as browser:
            state = sign_in(browser)
            choices = {held["role"]: choice for choice in state["assignments"] for held in choice["roles"]}
            assert sorted(choices) == ["HEAD", "OPS"]
            choice = choices["HEAD"]
            assert (choice["provider"]["name"], choice["unit"]["name"]) == ("Region Först", "Patologi")
            assert browser.get("/api/slides").status_code == 403, "rights go by the assignment, and none is chosen"
            chosen = browser.post("/api/session/assignment", json={"assignment_id": choice["id"]}).raise_for_status()
            assert chosen.json()["state"] == "ACTIVE"
            assert browser.get("/api/agreements").raise_for_status().json() == {"items": [], "next": None}
            refused = browser.get("/api/slides").json()
            assert refused["code"] == "D03", "slides wait for the agreements with the operator"


def sign_in(browser: httpx2.Client) -> dict[str, Any]:
    """With the first password, then with a telephone and a password of one's own."""
    given = {"login": "anna.berg", "password": FIRST}
    assert browser.post("/api/session", json=given).raise_for_status().json()["state"] == "ENROL"
    telephone = pyotp.TOTP(browser.post("/api/session/enrolment").raise_for_status().json()["secret"])
    shown = {"code": telephone.now(), "new_password": OWN}
    state: dict[str, Any] = browser.put("/api/session/enrolment", json=shown).raise_for_status().json()
    assert state["state"] == "CHOOSE"
    return state


def test_what_was_entered_is_listed_and_logged(samsyn: Samsyn, database: Database) -> None:
    join(samsyn)
    add_person(samsyn, 1, *HEAD, typed=ANNA)
    _, said = samsyn("organisations", "list")
    for part in ("Region Först", "ACTIVE", UNIT, "Histopatologi", "HEAD", "SE2321000123-U1", "Anna Berg"):
        assert part in said
    logged = database.query("SELECT DISTINCT event FROM audit_event WHERE assignment_id IS NULL")
    assert {row["event"] for row in logged} == {
        "ASSIGNMENT_REGISTERED",
        "CONFIG_CHANGED",
        "PERSON_REGISTERED",
        "RISK_ANALYSIS_REGISTERED",
        "ROLE_GRANTED",
    }


def test_a_role_is_given_to_an_assignment_that_is_there(samsyn: Samsyn) -> None:
    join(samsyn)
    add_person(samsyn, 1, *HEAD, typed=ANNA)
    giving = "organisations", "give-role", "--assignment", "SE2321000123-U1", "--role"
    code, said = samsyn(*giving, "ADM")
    assert (code, "no need-and-risk analysis" in said) == (1, True)
    code, said = samsyn(*giving, "ADM=DNR-2026-2")
    assert code == 0, said
    assert samsyn("organisations", "list")[1].count("SE2321000123-U1") == 2, "head and administrator"
    code, said = samsyn(*giving, "ADM")
    assert (code, "has the role already" in said) == (1, True)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("add-provider", "Region", "--name", "x", "--org-number", "1"), "An HSA-id is SE"),
        (("add-provider", "SE1-1", "--name", "x", "--org-number", "1"), "An HSA-id is SE"),
        (("add-provider", PROVIDER, "--name", "x", "--org-number", "1"), "has ten digits"),
        (("add-provider", PROVIDER, "--name", "x", "--org-number", "2321000123"), "this HSA-id already"),
        (("add-unit", UNIT, "--name", "x", "--provider", UNIT), "There is no care provider with this HSA-id"),
        (("add-department", "x", "--unit", PROVIDER), "There is no care unit with this HSA-id"),
        (("give-role", "--assignment", UNIT, "--role", "ADM"), "There is no assignment with this HSA-id"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(samsyn: Samsyn, words: tuple[str, ...], sentence: str) -> None:
    join(samsyn)
    more = ("--kind", "REGION", "--region", "OTHER") if words[0] == "add-provider" else ()
    code, said = samsyn("organisations", *words, *more)
    assert (code, sentence in said) == (1, True), said


def test_the_platform_gives_no_other_roles_and_leaves_nothing_behind(samsyn: Samsyn, database: Database) -> None:
    join(samsyn)
    code, said = add_person(samsyn, 1, "--role", "PAT=DNR-2026-1", typed=ANNA)
    assert (code, "Every other role is given on the web" in said) == (1, True), said
    nobody = "00000000-0000-7000-8000-000000000000"
    code, said = add_person(samsyn, 1, "--role", "ADM=DNR-2026-1", "--person", nobody, typed=())
    assert (code, f"Samsyn knows no person {nobody}" in said) == (1, True), said
    assert database.query("SELECT id FROM person UNION ALL SELECT id FROM assignment") == []


def test_whoever_several_care_providers_rely_on_is_changed_by_the_platform(samsyn: Samsyn, database: Database) -> None:
    join(samsyn)
    add_person(samsyn, 1, *HEAD, typed=ANNA)
    (row,) = database.query("SELECT id, given_name FROM person")
    code, said = samsyn("organisations", "change-person", str(row["id"]), "--family-name", "Ek", "--protected")
    assert (code, "Changed: family_name, protected." in said) == (0, True), said
    changed = database.query("SELECT given_name, family_name, protected FROM person")
    assert changed == [{"given_name": "Anna", "family_name": "Ek", "protected": True}]
    logged = database.query("SELECT args, care_provider_id FROM audit_event WHERE event = 'PERSON_CHANGED'")
    assert [(entry["args"], entry["care_provider_id"].int) for entry in logged] == [
        ({"what": "family_name, protected"}, 0)
    ]
    code, said = samsyn("organisations", "change-person", str(row["id"]))
    assert (code, "Say what is to be different; nothing was changed" in said) == (1, True), said
    nobody = "00000000-0000-7000-8000-000000000000"
    code, said = samsyn("organisations", "change-person", nobody, "--title", "Överläkare")
    assert (code, f"Samsyn knows no person {nobody}" in said) == (1, True), said
