"""The directory, people and roles through HTTP: who may do what, one after another, and what strangers learn."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from people import hsa_id
from product import Product, Web
from world import Place, Somebody, World

from cases.access.permissions import Role

NOW = datetime.now(UTC)
NOTHING_THERE = "There is no such thing, or none that you may see."
LATER = (NOW + timedelta(days=30)).isoformat()


@dataclass(frozen=True)
class Region:
    """A region and a private provider, and one web process."""

    web: Web
    world: World
    kalmar: Place
    private: Place

    @contextmanager
    def browser(self, somebody: Somebody) -> Iterator[httpx2.Client]:
        """In which they are signed in."""
        with self.web.browser(somebody.sign_in()) as client:
            yield client


@pytest.fixture(scope="module")
def region(module_product: Product) -> Iterator[Region]:
    with World(module_product.database) as world:
        names = ("Region Kalmar län", "Patologen AB")
        kalmar, private = (world.provider(name) for name in names)
        kalmar.person(Role.PAT, Role.COO)  # whose making enters the analyses of their roles
        yield Region(module_product.start_web(), world, kalmar, private)


@dataclass(frozen=True)
class Team:
    """The browsers of an administrator, a head and a stranger at another provider who administers and heads it."""

    administrator: httpx2.Client
    head: httpx2.Client
    stranger: httpx2.Client
    heads_assignment: uuid.UUID


@pytest.fixture
def team(region: Region) -> Iterator[Team]:
    head = region.kalmar.person(Role.HEAD)
    people = (region.kalmar.person(Role.ADM), head, region.private.person(Role.ADM, Role.HEAD, Role.COO))
    with ExitStack() as stack:
        administrator, heads, stranger = (stack.enter_context(region.browser(one)) for one in people)
        yield Team(administrator, heads, stranger, head.assignment.id)


def matching(version: int) -> dict[str, str]:
    return {"if-match": f'"{version}"'}


def new_person(place: Place, **facts: Any) -> dict[str, Any]:
    """Somebody to employ at a place, as an administrator sends it."""
    return {
        "given_name": "Astrid",
        "family_name": "Provgren",
        "title": "Patolog",
        "license_professions": ["Läkare"],
        "assignment": {
            "employee_hsa_id": hsa_id().lower(),
            "commission_hsa_id": hsa_id(),
            "commission_name": "Patolog",
            "commission_purpose": "Vård och behandling",
            "commission_rights": ["Läsa;alt;VE"],
            "care_unit_id": str(place.unit.id),
            "valid_from": NOW.isoformat(),
        },
        **facts,
    }


def created(answer: httpx2.Response) -> dict[str, Any]:
    assert answer.status_code == 201, answer.text
    row: dict[str, Any] = answer.json()
    assert "etag" not in answer.headers or answer.headers["etag"] == f'"{row["version"]}"'
    return row


def found(answer: httpx2.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(answer: httpx2.Response, status: int, code: str, detail: str = "") -> None:
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), answer.text
    assert detail in problem["detail"]


def employ(team: Team, region: Region, **facts: Any) -> dict[str, Any]:
    return created(team.administrator.post("/api/people", json=new_person(region.kalmar, **facts)))


def test_a_colleague_from_the_first_day_to_the_last(region: Region, team: Team) -> None:
    person = employ(team, region)
    (assignment,) = person["assignments"]
    assert (assignment["roles"], assignment["fte"]) == ([], 1.0)
    assert assignment["employee_hsa_id"] == assignment["employee_hsa_id"].upper()
    wish = {"assignment_id": assignment["id"], "role": "PAT"}
    grant = created(team.administrator.post("/api/role-grants", json=wish))
    assert grant["approved_at"] is None
    waiting = found(team.head.get("/api/role-grants", params={"waiting": True}))["items"]
    assert grant["id"] in [row["id"] for row in waiting]
    approved = found(team.head.post(f"/api/role-grants/{grant['id']}/approval", headers=matching(grant["version"])))
    assert approved["approved_by"] == str(team.heads_assignment)
    assert found(team.head.get(f"/api/people/{person['id']}"))["assignments"][0]["roles"] == ["PAT"]
    ended = found(
        team.administrator.request("DELETE", f"/api/role-grants/{grant['id']}", headers=matching(approved["version"]))
    )
    assert ended["valid_to"] is not None
    assert found(team.head.get(f"/api/people/{person['id']}"))["assignments"][0]["roles"] == []
    last_day = team.administrator.patch(
        f"/api/assignments/{assignment['id']}", json={"valid_to": LATER}, headers=matching(assignment["version"])
    )
    assert datetime.fromisoformat(found(last_day)["valid_to"]) == datetime.fromisoformat(LATER)
    again = team.administrator.patch(
        f"/api/assignments/{assignment['id']}", json={"valid_to": LATER}, headers=matching(2)
    )
    refused(again, 409, "ILLEGAL_MOVE", "To make it longer, enter a new one")


def test_a_head_cannot_give_and_an_administrator_cannot_approve(region: Region, team: Team) -> None:
    wish = {"assignment_id": employ(team, region)["assignments"][0]["id"], "role": "PAT"}
    refused(team.head.post("/api/role-grants", json=wish), 403, "D04", "It is for: ADM")
    grant = created(team.administrator.post("/api/role-grants", json=wish))
    address = f"/api/role-grants/{grant['id']}/approval"
    refused(team.administrator.post(address, headers=matching(1)), 403, "D04", "It is for: HEAD")


def test_who_holds_both_roles_still_needs_another_person(region: Region, team: Team) -> None:
    with region.browser(region.kalmar.person(Role.ADM, Role.HEAD)) as both:
        wish = {"assignment_id": employ(team, region)["assignments"][0]["id"], "role": "PAT"}
        grant = created(both.post("/api/role-grants", json=wish))
        address = f"/api/role-grants/{grant['id']}/approval"
        refused(both.post(address, headers=matching(1)), 403, "D04", "who gave it cannot approve it too")
        found(team.head.post(address, headers=matching(1)))


def test_a_role_without_an_analysis_waits_for_one(region: Region, team: Team) -> None:
    wish = {"assignment_id": employ(team, region)["assignments"][0]["id"], "role": "GOV"}
    refused(team.administrator.post("/api/role-grants", json=wish), 409, "CONFLICT", "no need-and-risk analysis")
    analysis = {
        "role": "GOV",
        "document_ref": "BRA 2026:12",
        "decided_by": str(team.heads_assignment),
        "decided_at": NOW.isoformat(),
    }
    row = created(team.administrator.post("/api/risk-analyses", json=analysis))
    assert row["review_due"] == (NOW + timedelta(days=365)).date().isoformat()
    assert found(team.head.get("/api/risk-analyses"))["items"][0]["id"] == row["id"]
    assert created(team.administrator.post("/api/role-grants", json=wish))["risk_analysis_id"] == row["id"]


def test_one_person_at_two_providers_is_seen_by_each_with_its_own_assignment(region: Region, team: Team) -> None:
    licence = str(uuid.uuid4().int)[:12]
    here = employ(team, region, license_number=licence)
    body = new_person(region.private, license_number=licence)
    there = created(team.stranger.post("/api/people", json=body))
    assert there["id"] == here["id"]
    seen = [found(client.get(f"/api/people/{here['id']}")) for client in (team.administrator, team.stranger)]
    assert [len(row["assignments"]) for row in seen] == [1, 1]
    assert seen[0]["assignments"][0]["id"] != seen[1]["assignments"][0]["id"]


def test_a_protected_name_is_shown_to_administrators_one_by_one_and_in_no_list(region: Region, team: Team) -> None:
    person = employ(team, region, protected=True, license_number=str(uuid.uuid4().int)[:12])
    for client in (team.administrator, team.head):
        (listed,) = (one for one in found(client.get("/api/people"))["items"] if one["id"] == person["id"])
        assert (listed["given_name"], listed["family_name"], listed["license_number"]) == (None, None, None)
        assert listed["protected"]
        assert listed["assignments"][0]["employee_hsa_id"].startswith("SE")
    assert found(team.administrator.get(f"/api/people/{person['id']}"))["family_name"] == "Provgren"
    assert found(team.head.get(f"/api/people/{person['id']}"))["family_name"] is None


def test_a_change_names_the_version_that_was_read(region: Region, team: Team) -> None:
    person = employ(team, region)
    address = f"/api/people/{person['id']}"
    refused(team.administrator.patch(address, json={"title": "Överläkare"}), 428, "VERSION_MISSING", "If-Match")
    changed = team.administrator.patch(address, json={"title": "Överläkare"}, headers=matching(1))
    assert (found(changed)["title"], changed.headers["etag"]) == ("Överläkare", '"2"')
    refused(team.administrator.patch(address, json={"title": "Chef"}, headers=matching(1)), 412, "STALE")
    assert found(team.administrator.get(address))["title"] == "Överläkare"


def test_the_directory_is_read_by_everybody_and_changed_by_its_own_administrator(region: Region, team: Team) -> None:
    unit = created(team.administrator.post("/api/care-units", json={"hsa_id": hsa_id(), "name": "Cytologi"}))
    part = {"hsa_id": hsa_id(), "name": "Västervik", "part_of": unit["id"]}
    assert created(team.administrator.post("/api/care-units", json=part))["pdl_unit_id"] == unit["id"]
    wish = {"care_unit_id": unit["id"], "name": "Akut", "phone_urgent": "010-103 00 00"}
    department = created(team.administrator.post("/api/departments", json=wish))
    address = f"/api/organisations/{region.kalmar.provider.id}"
    with region.browser(region.private.person(Role.CLN)) as clinician:
        listed = found(clinician.get("/api/organisations"))["items"]
        (kalmar,) = (one for one in listed if one["id"] == str(region.kalmar.provider.id))
        (shown,) = (one for one in kalmar["units"] if one["id"] == unit["id"])
        assert shown["departments"] == [department]
        refused(clinician.patch(address, json={"name": "Vår"}, headers=matching(1)), 403, "D04", "It is for: ADM")
    read = team.administrator.get(address)
    headers = {"if-match": read.headers["etag"]}
    contact = {"incident_contact": "010-103 00 01"}
    assert (
        found(team.administrator.patch(address, json=contact, headers=headers))["incident_contact"] == "010-103 00 01"
    )
    now = {"if-match": team.administrator.get(address).headers["etag"]}
    assert found(team.administrator.get(address))["tile_cache_seconds"] == 0
    too_long = team.administrator.patch(address, json={"tile_cache_seconds": 301}, headers=now)
    refused(too_long, 422, "INVALID_REQUEST", "less_than_equal")
    kept = team.administrator.patch(address, json={"tile_cache_seconds": 300}, headers=now)
    assert found(kept)["tile_cache_seconds"] == 300
    closed = team.administrator.patch(
        f"/api/departments/{department['id']}", json={"name": "Akuten", "closed": True}, headers=matching(1)
    )
    assert (found(closed)["name"], closed.json()["archived_at"] is None) == ("Akuten", False)


def test_a_wrong_hsa_id_says_which_field_and_does_not_repeat_it(region: Region, team: Team) -> None:
    answer = team.administrator.post("/api/care-units", json={"hsa_id": "19121212-1212", "name": "Fel"})
    refused(answer, 422, "INVALID", "An HSA-id is SE")
    assert answer.json()["field"] == "hsa_id"
    assert "1212" not in answer.text


def test_what_is_another_providers_looks_as_if_it_never_was(region: Region, team: Team) -> None:
    person = employ(team, region)
    assignment = person["assignments"][0]["id"]
    wish = {"assignment_id": assignment, "role": "COO"}
    grant = created(team.administrator.post("/api/role-grants", json=wish))["id"]
    unit, department = str(region.kalmar.unit.id), str(region.kalmar.department.id)

    def ask(
        person: str, assignment: str, grant: str, unit: str, department: str, provider: str
    ) -> list[tuple[Any, ...]]:
        text = new_person(region.private)["assignment"]
        absence = {"assignment_id": assignment, "starts_at": NOW.isoformat(), "ends_at": LATER, "kind": "VACATION"}
        delegation = {
            "to_assignment_id": assignment,
            "permission": "ACCEPT_REQUEST",
            "valid_to": LATER,
            "document_ref": "D",
        }
        analysis = {"role": "COO", "document_ref": "B", "decided_by": assignment, "decided_at": NOW.isoformat()}
        competence = {"level": "EXPERT", "max_complexity_level": 6}
        requests: list[tuple[str, str, Any]] = [
            ("GET", f"/api/people/{person}", None),
            ("PATCH", f"/api/people/{person}", {"title": "x"}),
            ("PUT", f"/api/people/{person}/competences/GI", competence),
            ("POST", "/api/assignments", text | {"person_id": person}),
            ("POST", "/api/people", new_person(region.private, assignment=text | {"care_unit_id": unit})),
            ("PATCH", f"/api/assignments/{assignment}", {"valid_to": LATER}),
            ("POST", "/api/role-grants", {"assignment_id": assignment, "role": "COO"}),
            ("POST", f"/api/role-grants/{grant}/approval", None),
            ("DELETE", f"/api/role-grants/{grant}", None),
            ("POST", "/api/absences", absence),
            ("POST", "/api/delegations", delegation),
            ("POST", "/api/risk-analyses", analysis),
            ("PATCH", f"/api/care-units/{unit}", {"name": "x"}),
            ("POST", "/api/care-units", {"hsa_id": hsa_id(), "name": "x", "part_of": unit}),
            ("POST", "/api/departments", {"care_unit_id": unit, "name": "x"}),
            ("PATCH", f"/api/departments/{department}", {"name": "x"}),
            ("PATCH", f"/api/organisations/{provider}", {"name": "x"}),
        ]
        answers = [team.stranger.request(method, at, json=body, headers=matching(1)) for method, at, body in requests]
        return [
            (request[0], answer.status_code, answer.text, sorted(answer.headers), answer.json()["detail"])
            for request, answer in zip(requests, answers, strict=True)
        ]

    theirs = ask(person["id"], assignment, grant, unit, department, str(region.kalmar.provider.id))
    nobodys = ask(*(str(uuid.uuid4()) for _ in range(6)))
    assert theirs == nobodys
    assert {(row[1], row[4]) for row in theirs} == {(404, NOTHING_THERE)}
    for address in ("/api/people", "/api/role-grants", "/api/risk-analyses", "/api/delegations", "/api/absences"):
        listed = team.stranger.get(address, params={"limit": 200}).text
        assert person["id"] not in listed
        assert assignment not in listed


def test_absences_and_delegations(region: Region, team: Team) -> None:
    coordinator = str(region.kalmar.person(Role.COO).assignment.id)
    absence = {"assignment_id": coordinator, "starts_at": NOW.isoformat(), "ends_at": LATER, "kind": "EDUCATION"}
    row = created(team.head.post("/api/absences", json=absence))
    assert row["id"] in [one["id"] for one in found(team.administrator.get("/api/absences"))["items"]]
    refused(team.administrator.post("/api/absences", json=absence), 403, "D04", "It is for: COO, HEAD")
    cancelled = team.head.request("DELETE", f"/api/absences/{row['id']}", headers=matching(1))
    assert found(cancelled)["cancelled_at"] is not None
    assert row["id"] not in team.administrator.get("/api/absences").text
    wish = {
        "to_assignment_id": coordinator,
        "permission": "ACCEPT_REQUEST",
        "valid_to": LATER,
        "document_ref": "Delegering 7",
    }
    delegation = created(team.head.post("/api/delegations", json=wish))
    assert delegation["from_assignment_id"] == str(team.heads_assignment)
    refused(team.head.post("/api/delegations", json=wish | {"permission": "SIGN_ANSWER"}), 422, "INVALID")
    ended = team.head.request("DELETE", f"/api/delegations/{delegation['id']}", headers=matching(1))
    assert found(ended)["valid_to"] < LATER
    assert found(team.administrator.get("/api/delegations"))["items"] == []


def test_a_competence_is_version_0_until_it_is_entered(region: Region, team: Team) -> None:
    person = employ(team, region)
    address = f"/api/people/{person['id']}/competences/BREAST"
    said = {
        "level": "EXPERT",
        "max_complexity_level": 5,
        "validation": {"at": (NOW - timedelta(days=3)).isoformat(), "cases": 60, "concordance": 96.5},
    }
    refused(team.head.put(address, json=said, headers=matching(1)), 412, "STALE", "0 is the newest")
    assert found(team.head.put(address, json=said, headers=matching(0)))["version"] == 1
    refused(team.head.put(address, json=said, headers=matching(0)), 412, "STALE")
    (competence,) = found(team.administrator.get(f"/api/people/{person['id']}"))["competences"]
    assert (competence["subspecialty"], competence["validation"]["cases"]) == ("BREAST", 60)
    names = {one["code"]: one["name_sv"] for one in found(team.head.get("/api/subspecialties"))}
    assert names["BREAST"] == "Bröst"


def test_roles_are_explained_to_everybody_who_is_signed_in(region: Region, team: Team) -> None:
    roles = {one["role"]: one for one in found(team.stranger.get("/api/roles"))}
    assert set(roles) == set(Role)
    assert roles["PAT"]["name_sv"] == "Patolog"
    assert "SIGN_ANSWER" in roles["PAT"]["permissions"]
    with region.web.stranger() as nobody:
        for address in ("roles", "organisations", "people", "role-grants", "risk-analyses", "delegations", "absences"):
            refused(nobody.get(f"/api/{address}"), 401, "NOT_SIGNED_IN")


def test_the_operator_suspends_a_provider_and_its_people_can_do_nothing_more(region: Region) -> None:
    left = region.world.provider("Patolog i Vimmerby AB")
    operator = region.private.person(Role.OPS)
    address = f"/api/organisations/{left.provider.id}"
    with region.browser(left.person(Role.ADM)) as theirs, region.browser(operator) as operators:
        refused(
            theirs.put(f"{address}/status", json={"status": "LEFT"}, headers=matching(1)), 403, "D04", "It is for: OPS"
        )
        moved = operators.put(f"{address}/status", json={"status": "SUSPENDED"}, headers=matching(1))
        assert found(moved)["status"] == "SUSPENDED"
        again = operators.put(f"{address}/status", json={"status": "ONBOARDING"}, headers=matching(2))
        refused(again, 409, "ILLEGAL_MOVE", "A care provider that is SUSPENDED cannot become ONBOARDING")
        assert again.json()["allowed"] == ["ACTIVE", "LEFT"]


def test_lists_go_on_where_they_stopped(region: Region, team: Team) -> None:
    for _ in range(3):
        employ(team, region)
    first = found(team.head.get("/api/people", params={"limit": 2}))
    second = found(team.head.get("/api/people", params={"limit": 2, "after": first["next"]}))
    ids = [row["id"] for page in (first, second) for row in page["items"]]
    assert ids == sorted(set(ids), reverse=True)
    assert len(ids) == 4
    everybody = found(team.head.get("/api/people", params={"limit": 200}))
    assert everybody["next"] is None
