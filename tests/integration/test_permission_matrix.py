"""Every role at every address, through HTTP, against tests/permission_table.py. Source: domain rules, section 6."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import httpx2
import pytest
from every_request import ask, fill
from furnished import GRANTABLE, Furnished, furnish
from permission_table import ALLOWED, OUT
from product import Product
from world import World

from cases.access.permissions import Role

BY_ROLE = ("None of your roles", "Your roles do not let you", "Opening in an emergency is for")
"""How a refusal begins that roles give. That something is for the other side, or for who reads it, is none of theirs:
anything else that is an answer of the rules is allowed as far as roles go."""
UNANSWERABLE = {"INVALID_REQUEST", "INTERNAL", "VERSION_MISSING", "METHOD_NOT_ALLOWED", "SESSION_LOCKED", "D01", "D02"}
"""What no request here may be answered with: it would say nothing about roles."""
ONES_OWN = "/api/session"
"""Below this, a request may end or change the session that it is made in."""
NOT_HELD = {
    "POST /api/session": "none of these people can sign in as a demo person",
    "POST /api/session/unlock": "nor have they an account to prove",
    "POST /api/session/reauthentication": "nor have they an account to prove",
    "POST /api/session/enrolment": "nor have they an account to enrol",
    "PUT /api/session/enrolment": "nor have they an account to enrol",
    "POST /api/session/assignment": "the assignment is a colleague's",
    "GET /api/slides/{slide_id}/{image}.jpg": "the slide is a row without a file",
    "PUT /api/organisations/{provider_id}/status": "nobody may",
    "POST /api/requests/{request_id}/assign": "it is read already, and a secretary reads nothing",
    "POST /api/requests/{request_id}/reassign": "a secretary reads nothing",
    "POST /api/departments/{department_id}/case-lists": "what is sent is no list of cases",
    "POST /api/cases/{case_id}/attachments": "what is sent is no whole document",
}
"""Addresses at which nobody here reaches anything, and why."""


@dataclass(frozen=True)
class Hospital:
    """A care provider with one of everything, and a client for all of its people."""

    furnished: Furnished
    client: httpx2.Client
    paths: dict[str, dict[str, object]]

    def token(self, who: str, route: str) -> str | None:
        """Of a browser of somebody in this role; of one that nobody else needs where a session is at stake."""
        if who == OUT:
            return None
        somebody = self.furnished.people[Role(who)]
        if ONES_OWN in route:
            kept = somebody.token
            token = somebody.sign_in()
            somebody.token = kept
            return token
        return somebody.token


@pytest.fixture(scope="module")
def hospital(module_product: Product) -> Iterator[Hospital]:
    with World(module_product.database) as world:
        furnished = furnish(world.provider("Region Kalmar län"), performer=world.provider("Patologen AB"))
        web = module_product.start_web()
        with web.stranger() as client:
            yield Hospital(furnished, client, client.get("/api/openapi.json").raise_for_status().json()["paths"])


@pytest.mark.parametrize("route", ALLOWED)
def test_who_may(hospital: Hospital, route: str) -> None:
    allowed, answers = set(), {}
    for who in (OUT, *GRANTABLE):
        answer = ask(hospital.client, fill(route, hospital.furnished.ids), token=hospital.token(who, route))
        problem = answer.json() if answer.headers.get("content-type") == "application/problem+json" else {}
        answers[who] = f"{answer.status_code} {problem.get('code', '')} {problem.get('detail', '')}"
        assert problem.get("code") not in UNANSWERABLE, (who, answers[who])
        assert (answer.status_code == 401) <= (problem.get("code") == "NOT_SIGNED_IN" or route in NOT_HELD), answers[
            who
        ]
        refused = problem.get("code") == "NOT_SIGNED_IN" or (
            problem.get("code") == "D04" and problem["detail"].startswith(BY_ROLE)
        )
        if not refused:
            allowed.add(who)
            answers[who] = "allowed: " + answers[who]
    assert allowed == ALLOWED[route], answers
    reached = any(answer.startswith(("allowed: 2", "allowed: 409", "allowed: 412")) for answer in answers.values())
    assert reached is (route not in NOT_HELD), answers


def test_every_address_has_a_row_and_every_row_an_address(hospital: Hospital) -> None:
    described = {f"{method.upper()} {path}" for path, item in hospital.paths.items() for method in item}
    assert {" ".join(route.split(" ")[:2]) for route in ALLOWED} == described
    assert set(NOT_HELD) <= set(ALLOWED)


def test_every_role_that_is_given_has_a_column(hospital: Hospital) -> None:
    assert set(hospital.furnished.people) == {Role(who) for who in ALLOWED["GET /api/roles"]}
    assert ALLOWED["GET /healthz"] - ALLOWED["GET /api/roles"] == {OUT}
