"""What belongs to another care provider looks as if it never was: at every address, in lists, counts and pictures.

For each address and each id that its path or body names, somebody at Linköping who may use the address asks with
Kalmar's id in that place, everything else being their own, and gets byte for byte what an id that nobody has gets.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from every_request import BODIES, WORDS, Noting, ask, fill, name_in, named_by
from furnished import GRANTABLE, Furnished, furnish
from makers import write_good_slide
from patients import make_number
from permission_table import ALLOWED, OUT
from product import Product
from world import World

from cases.access.permissions import Role
from cases.records.pathology_case import PathologyCase

NOTHING_THERE = "There is no such thing, or none that you may see."
NEVER = "00000000-0000-7000-8000-000000000000"
DIRECTORY = {
    ("GET /api/organisations/{provider_id}", "provider_id"),
    ("POST /api/agreements", "performer_id"),
    ("GET /api/checklists/{customer_id}/{performer_id}", "performer_id"),
    ("POST /api/requests", "performer_department_id"),
    ("POST /api/requests/preview", "performer_department_id"),
    ("PUT /api/requests/{request_id}", "performer_department_id"),
}
"""Care providers and departments that may be named: everybody knows which there are, and may want to ask each."""
ALIKE = {
    ("PUT /api/organisations/{provider_id}/status", "provider_id"): 403,  # for the platform's operator alone
    ("POST /api/service-descriptions", "customer_id"): 422,  # neither is a party of the agreement
    ("POST /api/service-descriptions", "performer_department_id"): 422,  # neither is the performer's
    ("POST /api/log/search", "person_id"): 200,  # nothing is found
    ("POST /api/log/search", "patient_id"): 200,
    ("POST /api/log/search", "entry_id"): 422,  # no entry to go on after
    ("PUT /api/slides/{slide_id}/case", "case_id"): 412,  # the slide has changed since
    ("PUT /api/notifications/reading", "notification_id"): 204,  # nothing has been read
    ("PUT /api/requests/{request_id}/stream/reading", "said_id"): 204,
    ("PATCH /api/cases/{case_id}", "assignment_id"): 422,  # nobody of the owner's
    ("POST /api/requests", "slide_id"): 422,  # neither is of the case
    ("POST /api/requests/preview", "slide_id"): 422,
    ("PUT /api/requests/{request_id}", "slide_id"): 412,  # the request has changed since
    ("POST /api/requests/{request_id}/disclosure", "asked_slide_id"): 409,  # it has been answered
    ("POST /api/requests/{request_id}/assign", "assignment_id"): 403,  # a pathologist assigns themselves
    ("POST /api/requests/{request_id}/reassign", "assignment_id"): 422,  # nobody who works there
    ("POST /api/requests/{request_id}/countersigner", "reader_id"): 422,
    ("PUT /api/answers/{answer_id}/amender", "assignment_id"): 403,  # for the head alone
    ("POST /api/work-orders/{work_order_id}/fulfilment", "asked_slide_id"): 409,  # nobody has taken it on
}
"""Where another's id and one that nobody has are answered alike, but not with 404."""
TRIED_BELOW = {("POST /api/patients/{patient_id}/identifiers", "twin_id")}
"""What needs more than an id in its place."""
NOT_SENT = {
    "price_list_id": "there are no price lists yet",
    "party_b": "the same as `performer_id`",
    "part_of": "the same as `unit_id`",
    "referring_unit_id": "anybody of the directory may have referred",
    "referring_assignment_id": "somebody of that unit, who is named with it",
    "answer_recipients": "care units of the directory",
    "slide_id": "a draft keeps what its author writes; signing it compares that with what was handed out",
    "slide_ids": "the same",
    "annotations": "the same",
    "read_elsewhere": "the same",
}
"""Ids in bodies that have another name in tests/every_request.py, or nothing that they could name."""
_WISHED = {
    "watcher_assignment_id": "assignment_id",
    "stand_in_assignment_id": "assignment_id",
    "named_reader_id": "assignment_id",
    "parent_request_id": "request_id",
    "consent_assertion_id": "consent_id",
    "glass_ids": "glass_slide_id",
    "case_ids": "case_id",
    "attachment_ids": "attachment_id",
}
MORE = {
    "PUT /api/slides/{slide_id}/case": {"glass_slide_id": "glass_slide_id"},
    "POST /api/slides/{slide_id}/annotations": {"request_id": "request_id"},
    "PUT /api/annotations/{annotation_id}": {"request_id": "request_id"},
    "POST /api/cases": {"responsible_assignment_id": "assignment_id"},
    "POST /api/requests": _WISHED,
    "POST /api/requests/preview": _WISHED,
    "PUT /api/requests/{request_id}": _WISHED,
    "POST /api/requests/{request_id}/messages": {"reply_to_id": "said_id", "annotation_id": "annotation_id"},
    "POST /api/requests/{request_id}/work-orders": {"target_id": "tissue_block_id"},
    "POST /api/answers/{answer_id}/signatures": {"countersigner_id": "reader_id"},
    "POST /api/answers/{answer_id}/changes": {"countersigner_id": "reader_id"},
    "PUT /api/reconciliations/{reconciliation_id}/outcome": {"third_request_id": "request_id"},
}
"""Ids that a body may have and that tests/every_request.py leaves out: each is added alone."""
LISTS = sorted(
    route
    for route, allowed in ALLOWED.items()
    if route.startswith("GET ") and "{" not in route and OUT not in allowed and route != "GET /api/events"
)
SEEN_BY_ALL = {"GET /api/organisations", "GET /api/checklists"}
"""Lists that are about the others: their units, and whether they are ready to work with one's own care provider."""
READ_MEANWHILE = {"GET /api/notifications", "GET /api/notifications/count"}
"""What the tests before this one have marked as read."""
PLACES = {
    "/api/notifications": "notification_id",
    "/api/deliveries": "message_id",
    "/api/my-referrals": "referral_id",
    "/api/people": "person_id",
    "/api/absences": "absence_id",
    "/api/risk-analyses": "grant_id",
    "/api/role-grants": "grant_id",
    "/api/delegations": "delegation_id",
    "/api/agreements": "agreement_id",
    "/api/service-descriptions": "service_id",
    "/api/log/reviews": "review_id",
    "/api/log/extracts": "extract_id",
}
"""Lists that go on after an id, and what stands in them."""
BELOW = {
    "/api/log/reviews/{review_id}/findings",
    "/api/requests/{request_id}/stream",
    "/api/slides/{slide_id}/annotations",
    "/api/worklists/cases/{which}",
    "/api/worklists/requests/{which}",
}
"""Lists of something that is itself asked for, or whose place is a mark of ours."""
KNOWN_TO_ALL = {"provider_id", "customer_id", "performer_id", "unit_id", "department_id", "performer_department_id"}
"""What the directory names."""
PAIRS = [(route, name) for route in ALLOWED for name in sorted(named_by(route))]


@dataclass(frozen=True)
class Regions:
    """Two care providers that have nothing to do with each other.

    Attributes:
        before: what Linköping's lists said before Kalmar had anything.
    """

    world: World
    client: httpx2.Client
    kalmar: Furnished
    linkoping: Furnished
    before: Mapping[str, bytes]


def who_may(furnished: Furnished, route: str) -> str | None:
    """The token of somebody at a care provider who may use an address."""
    allowed = [role for role in GRANTABLE if role in ALLOWED[route]] or [Role.ADM]
    return furnished.people[allowed[0]].token


def read_lists(client: httpx2.Client, furnished: Furnished) -> dict[str, bytes]:
    return {route: ask(client, fill(route, furnished.ids), token=who_may(furnished, route)).content for route in LISTS}


@pytest.fixture(scope="module")
def regions(module_product: Product) -> Iterator[Regions]:
    with World(module_product.database) as world:
        web = module_product.start_web()
        original = write_good_slide(module_product.data / "original.tif", width=1300, height=900)

        def make_slide(case: PathologyCase) -> uuid.UUID:
            slide_id = module_product.prepare(original)
            world.database.query(
                "UPDATE slide_image SET care_provider_id = :provider, care_unit_id = :unit, case_id = :case"
                " WHERE id = :id",
                provider=case.care_provider_id,
                unit=case.care_unit_id,
                case=case.id,
                id=slide_id,
            )
            return slide_id

        names = ("Region Kalmar län", "Region Östergötland", "Patologen AB", "Cytologen AB")
        kalmar, linkoping, patologen, cytologen = (world.provider(name) for name in names)
        ours = furnish(linkoping, performer=cytologen)
        with web.stranger() as client:
            before = read_lists(client, ours)
            theirs = furnish(kalmar, performer=patologen, make_slide=make_slide)
            yield Regions(world, client, theirs, ours, before)


def of_nobody(ids: Mapping[str, str]) -> dict[str, str]:
    """As many ids, which nothing has."""
    return {name: str(uuid.uuid4()) for name in ids}


def told(answer: httpx2.Response) -> tuple[int, bytes, list[tuple[str, str]]]:
    """All that an answer tells: status, body and headers, but for the date."""
    return (
        answer.status_code,
        answer.content,
        sorted((name, value) for name, value in answer.headers.multi_items() if name != "date"),
    )


@pytest.mark.parametrize(("route", "name"), [pair for pair in PAIRS if pair not in DIRECTORY | TRIED_BELOW])
def test_anothers_id_is_answered_as_one_that_nobody_has(regions: Regions, route: str, name: str) -> None:
    token = who_may(regions.linkoping, route)
    theirs, nobodys = (
        ask(regions.client, fill(route, {**regions.linkoping.ids, name: value}), token=token)
        for value in (regions.kalmar.ids[name], str(uuid.uuid4()))
    )
    assert told(theirs) == told(nobodys)
    assert theirs.status_code == ALIKE.get((route, name), 404), theirs.text
    if theirs.status_code == 404:
        assert theirs.json()["detail"] == NOTHING_THERE
    assert regions.kalmar.ids[name] not in theirs.text


@pytest.mark.parametrize(
    ("route", "field", "name"),
    [(route, field, name) for route, added in MORE.items() for field, name in added.items()],
)
def test_anothers_id_that_may_stand_in_a_body_is_as_one_that_nobody_has(
    regions: Regions, route: str, field: str, name: str
) -> None:
    token = who_may(regions.linkoping, route)
    method, path, body = fill(route, regions.linkoping.ids)
    theirs, nobodys = (
        ask(regions.client, (method, path, body | {field: [value] if field.endswith("s") else value}), token=token)
        for value in (regions.kalmar.ids[name], str(uuid.uuid4()))
    )
    assert told(theirs) == told(nobodys)
    assert theirs.status_code in (403, 404, 409, 412, 422), theirs.text
    assert theirs.json()["code"] != "INVALID_REQUEST", theirs.text


def test_the_checklist_of_two_others_is_answered_as_one_of_nobody(regions: Regions) -> None:
    route = "GET /api/checklists/{customer_id}/{performer_id}"
    theirs, nobodys = (
        ask(regions.client, fill(route, ids), token=who_may(regions.linkoping, route))
        for ids in (regions.kalmar.ids, of_nobody(regions.kalmar.ids))
    )
    assert told(theirs) == told(nobodys)
    assert theirs.status_code == 404


def test_every_id_that_the_description_names_is_tried(regions: Regions) -> None:
    description = regions.client.get("/api/openapi.json").raise_for_status().json()
    for path, item in description["paths"].items():
        for method, operation in item.items():
            route = f"{method.upper()} {path}"
            named = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"}
            assert {name_in(route, name) for name in named - set(WORDS)} <= named_by(route), route
            sent = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            ids = set(list_ids(sent, description["components"]["schemas"]))
            body = json.dumps(BODIES[route](Noting())) if ids else ""
            ids -= NOT_SENT.keys() | MORE.get(route, {}).keys()
            assert {name for name in ids if f'"{name}": ' not in body} == set(), route
    assert DIRECTORY | set(ALIKE) | TRIED_BELOW <= set(PAIRS)


def list_ids(schema: Any, schemas: Mapping[str, Any], name: str = "") -> Iterator[str]:
    """Names of what is an id in a body, however deep."""
    if "$ref" in schema:
        yield from list_ids(schemas[schema["$ref"].rpartition("/")[2]], schemas, name)
    if schema.get("format") == "uuid":
        yield name
    for key, inner in schema.get("properties", {}).items():
        yield from list_ids(inner, schemas, key)
    for inner in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *filter(None, [schema.get("items")])):
        yield from list_ids(inner, schemas, name)


def test_lists_say_the_same_before_and_after_another_has_everything(regions: Regions) -> None:
    after = read_lists(regions.client, regions.linkoping)
    changed = {route for route in LISTS if after[route] != regions.before[route]}
    assert changed - READ_MEANWHILE == SEEN_BY_ALL
    theirs = set(regions.kalmar.ids.values()) - set(regions.linkoping.ids.values())
    theirs -= {regions.kalmar.ids[name] for name in KNOWN_TO_ALL}
    for route, content in after.items():
        assert not [one for one in theirs if one.encode() in content], route
        assert json.loads(content), route


def test_anothers_id_is_no_place_in_a_list(regions: Regions) -> None:
    paths = regions.client.get("/api/openapi.json").raise_for_status().json()["paths"]
    going_on = {path for path, item in paths.items() if any(one["name"] == "after" for one in list_query(item))}
    assert going_on - BELOW - {"/api/organisations"} == set(PLACES)
    for path, name in PLACES.items():
        token, theirs = who_may(regions.linkoping, f"GET {path}"), regions.kalmar.ids[name]
        answers = [
            ask(regions.client, ("GET", f"{path}?after={place}", None), token=token)
            for place in (theirs, uuid.UUID(int=uuid.UUID(theirs).int ^ 1))
        ]
        assert told(answers[0]) == told(answers[1])
        assert answers[0].status_code == 200


def list_query(item: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [one for one in item.get("get", {}).get("parameters", ()) if one["in"] == "query"]


def test_the_log_of_another_is_not_found(regions: Regions) -> None:
    reviewer, token = (one.people[Role.LOG].token for one in (regions.kalmar, regions.linkoping))
    theirs = set(regions.kalmar.ids.values()) - set(regions.linkoping.ids.values())
    for whose in ("OUR_USERS", "OUR_DATA"):
        question = ("POST", "/api/log/search", {"whose": whose, "limit": 200})
        found = ask(regions.client, question, token=token).json()["items"]
        # That somebody here asked for another's id is an entry with that id in it.
        text = json.dumps([entry for entry in found if entry["event"] != "LOG_SEARCHED"])
        assert found
        assert not [one for one in theirs if one in text]
        asked = {"whose": whose, "patient_id": regions.kalmar.ids["patient_id"], "event": "SLIDE_OPENED"}
        another, nobody = (
            told(ask(regions.client, ("POST", "/api/log/search", asked | {"patient_id": one}), token=token))
            for one in (asked["patient_id"], NEVER)
        )
        assert another == nobody
        assert another[:2] == (200, b'{"items":[],"next":null}')
    own = ask(regions.client, ("POST", "/api/log/search", asked | {"whose": "OUR_USERS"}), token=reviewer)
    assert own.json()["items"], "its owner finds what another does not"


def test_copied_addresses_of_tiles_and_pictures_are_not_found(regions: Regions) -> None:
    own, other = (one.people[Role.PAT].token for one in (regions.kalmar, regions.linkoping))
    opened = ask(regions.client, fill("POST /api/viewings", regions.kalmar.ids), token=own)
    viewing, never = f"/viewings/{opened.json()['id']}", f"/viewings/{uuid.uuid4()}"
    for end, shown in (("slide.dzi", 200), ("slide_files/11/0_0.jpg", 200), ("right", 204)):
        for method in ("GET", "HEAD"):
            answers = [
                ask(regions.client, (method, f"{address}/{end}", None), token=token)
                for address, token in ((viewing, own), (viewing, other), (never, other), (viewing, None))
            ]
            assert answers[0].status_code == shown
            assert told(answers[1]) == told(answers[2]) == told(answers[3])
            assert answers[1].status_code == (403 if end == "right" else 404)
    for image in ("thumbnail", "macro"):
        picture = ("GET", f"/api/slides/{regions.kalmar.ids['slide_id']}/{image}.jpg", None)
        mine, theirs = (ask(regions.client, picture, token=token) for token in (own, other))
        assert mine.status_code == 200
        assert (theirs.status_code, theirs.json()["detail"]) == (404, NOTHING_THERE)


def test_a_number_that_another_has_is_as_new_as_any(regions: Regions) -> None:
    number = regions.kalmar.number
    token = regions.linkoping.people[Role.COO].token

    def send(value: str) -> tuple[httpx2.Response, httpx2.Response]:
        written = {"type": number.type.value, "value": value}
        taken = {"number": written, "given_name": "Tolvan", "family_name": "Tolvansson"}
        search, take = ("POST", "/api/patients/search", written), ("POST", "/api/patients", taken)
        return ask(regions.client, search, token=token), ask(regions.client, take, token=token)

    (theirs, taken), (nobodys, new) = send(number.extension), send(make_number().extension)
    assert told(theirs) == told(nobodys)
    assert (theirs.status_code, theirs.json()) == (200, {"items": []})
    assert taken.status_code == new.status_code == 201
    assert taken.json()["id"] != regions.kalmar.ids["patient_id"]


def test_who_turns_out_to_be_known_is_named_by_ones_own_row(regions: Regions) -> None:
    """The number of a patient here is given to another one, who is said to be known as somebody of another provider."""
    ours = regions.linkoping
    route = "POST /api/patients/{patient_id}/identifiers"
    method, path, body = fill(route, {**ours.ids, "patient_id": ours.ids["twin_id"]})
    body["number"] = {"type": ours.number.type.value, "value": ours.number.extension}
    theirs, nobodys = (
        ask(regions.client, (method, path, body | {"known_as": one}), token=who_may(ours, route))
        for one in (regions.kalmar.ids["patient_id"], str(uuid.uuid4()))
    )
    assert told(theirs) == told(nobodys)
    assert (theirs.status_code, theirs.json()["code"]) == (409, "CONFLICT")


def test_whoever_is_let_in_lets_nobody_else_in(regions: Regions) -> None:
    """An emergency opens a case of another provider to one person: not to colleagues, and not to be changed."""
    number, kalmar, linkoping = regions.world.number(), regions.kalmar.place, regions.linkoping.place
    case = kalmar.case(kalmar.patient(number))
    slide_id, patient_id = regions.world.slide(case), linkoping.patient(number)
    doctor, colleague = linkoping.person(Role.PAT), linkoping.person(Role.PAT)
    ids = {"patient_id": str(patient_id), "case_id": str(case.id), "slide_id": str(slide_id)}
    for who in (doctor, colleague):
        ids["assignment_id"] = str(who.assignment.id)
        who.sign_in()
    look_up = fill("POST /api/patients/{patient_id}/look-ups (emergency)", ids)
    found = ask(regions.client, look_up, token=doctor.token)
    assert [slide["id"] for slide in found.json()["slides"]] == [str(slide_id)]
    for route in ("GET /api/cases/{case_id}", "GET /api/slides/{slide_id}", "POST /api/viewings"):
        seen, theirs = (ask(regions.client, fill(route, ids), token=who.token) for who in (doctor, colleague))
        assert seen.status_code in (200, 201)
        assert told(theirs) == told(ask(regions.client, fill(route, of_nobody(ids)), token=colleague.token))
        assert theirs.status_code == 404
    for method in ("PUT", "DELETE"):
        route = f"{method} /api/cases/{{case_id}}/members/{{assignment_id}}"
        refused = ask(regions.client, fill(route, ids), token=doctor.token)
        assert (refused.status_code, refused.json()["code"]) == (403, "D04")
        assert "another care provider's, which alone changes it" in refused.json()["detail"]
