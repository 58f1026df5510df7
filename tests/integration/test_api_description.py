"""Everything that the API answers stands in its description: tried by its own words, by several people, and by nobody.

Whatever is sent, no answer is a 500, none has a status, a media type or a form that /api/openapi.json does not list,
what breaks the described form is refused, and nothing that asks for a session answers without one.
"""

from __future__ import annotations

import json
import re
import uuid
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import schemathesis
from clients import make_client
from contracts import make_agreement
from furnished_sharing import furnish_sharing
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy
from makers import folder_for_everyone
from patients import make_number
from product import ROOT, Database, Product
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from world import Place, Somebody, World

from cases.access.agreements import AgreementType
from cases.access.permissions import Role
from cases.transaction import transaction

SEED = 20260302
MANY = {GenerationMode.POSITIVE: 6, GenerationMode.NEGATIVE: 3}
"""Requests for each operation of the person who holds every role."""
FEW = {GenerationMode.POSITIVE: 1}
"""Of each of the others."""
LEFT_OUT = {
    "GET /api/events",  # does not end
    "DELETE /api/session",  # ends what the next request needs
    "POST /api/cases/{case_id}/attachments",  # takes a file as it is; test_attachments_over_http.py tries it
}
ROLES = (Role.ADM, Role.PAT, Role.LAB, Role.LOG, Role.AGR)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
NOUNS = {
    "absence_id": "absence",
    "agreement_id": "agreement",
    "analysis_id": "risk_analysis",
    "annotation_id": "annotation",
    "annotation_ids": "annotation",
    "answer_id": "answer",
    "assertion_id": "consent_assertion",
    "assignment_id": "assignment",
    "attachment_id": "attachment",
    "attachment_ids": "attachment",
    "block_id": "access_block",
    "care_unit_id": "care_unit",
    "case_id": "pathology_case",
    "case_ids": "pathology_case",
    "consent_assertion_id": "consent_assertion",
    "consent_id": "consent_assertion",
    "countersigner_id": "assignment",
    "customer_id": "care_provider",
    "decided_by": "assignment",
    "delegation_id": "delegation",
    "department_id": "department",
    "destination_id": "destination",
    "extract_id": "access_log_extract",
    "finding_id": "log_review_finding",
    "glass_ids": "glass_slide",
    "glass_slide_id": "glass_slide",
    "grant_id": "role_grant",
    "identifier_id": "patient_identifier",
    "information_care_unit_id": "care_unit",
    "lift_id": "temporary_revoke",
    "message_id": "outbox_message",
    "named_reader_id": "assignment",
    "notice_id": "patient_information_notice",
    "notification_id": "notification",
    "parent_request_id": "share_request",
    "part_of": "care_unit",
    "party_b": "care_provider",
    "patient_id": "patient",
    "performer_department_id": "department",
    "performer_id": "care_provider",
    "person_id": "person",
    "provider_id": "care_provider",
    "reconciliation_id": "reconciliation",
    "referral_id": "referral",
    "referring_assignment_id": "assignment",
    "referring_unit_id": "care_unit",
    "related_case_id": "pathology_case",
    "relation_id": "patient_relation",
    "reply_to_id": "message",
    "request_id": "share_request",
    "responsible_assignment_id": "assignment",
    "review_id": "log_review",
    "service_id": "service_description",
    "session_id": "sign_in_session",
    "slide_id": "slide_image",
    "slide_ids": "slide_image",
    "specimen_id": "specimen",
    "stand_in_assignment_id": "assignment",
    "third_request_id": "share_request",
    "tissue_block_id": "tissue_block",
    "to_assignment_id": "assignment",
    "unit_id": "care_unit",
    "viewing_id": "viewing",
    "watcher_assignment_id": "assignment",
    "work_order_id": "work_order",
}
"""Where the ids of each field and parameter are kept, so that requests find something."""


EARLIER, LATER = ((datetime.now(UTC) + timedelta(days=days)).isoformat() for days in (-1, 5))
"""Instead of moments made up, most of which no rule would take."""
Ids = Mapping[str, Sequence[str]]
"""That there are for each field."""
DESCRIPTION = ROOT / "viewer" / "web" / "openapi" / "openapi.json"
"""As it was written down last; tests/conventions/test_api_types.py says whether it is current."""
OPERATIONS = sorted(
    {
        f"{method.upper()} {path}"
        for path, item in json.loads(DESCRIPTION.read_text("utf-8"))["paths"].items()
        for method in item
    }
    - LEFT_OUT,
    key=lambda label: (["POST", "PUT", "PATCH", "GET", "DELETE"].index(label.split()[0]), label),
)
"""Those first that make what the others find."""


@dataclass(frozen=True)
class Api:
    """A web process with something of every noun in its database, and people who ask."""

    address: str
    described: Any
    database: Database
    people: Mapping[str, Somebody | None]
    kept: frozenset[uuid.UUID]
    """What nobody may touch, since those who ask would lose their rights with it."""

    def find_ids(self) -> Ids:
        """The ids that there are for each field."""
        found = {
            table: [row["id"] for row in self.database.query(f"SELECT id FROM {table} ORDER BY id LIMIT 40")]  # noqa: S608
            for table in set(NOUNS.values())
        }
        return {name: [str(one) for one in found[table] if one not in self.kept] for name, table in NOUNS.items()}


@pytest.fixture(scope="module")
def api(module_database: Database) -> Iterator[Api]:
    with (
        folder_for_everyone() as folder,
        Product(folder, module_database) as product,
        World(module_database) as world,
    ):
        place, other = world.provider("Region Kalmar län"), world.provider("Region Östergötland")
        people = {"everything": place.person(*Role), **{role.value: place.person(role) for role in ROLES}}
        furnish(world, place, other)
        web = product.start_web()
        kept = {one for who in people.values() for one in (who.person.id, who.assignment.id)}
        grants = module_database.query("SELECT id FROM role_grant WHERE assignment_id = ANY(:kept)", kept=list(kept))
        vital = module_database.query("SELECT id FROM agreement WHERE type <> 'COOPERATION'")
        kept |= {place.provider.id, place.unit.id, *(row["id"] for row in [*grants, *vital])}
        described = schemathesis.openapi.from_url(f"{web.address}/api/openapi.json")
        described.config.generation.update(with_security_parameters=False)  # the cookie is ours to send
        yield Api(web.address, described, module_database, {**people, "nobody": None}, frozenset(kept))


def furnish(world: World, place: Place, other: Place) -> None:
    """Patients, cases, slides, units, people and agreements to find; the rest comes of the requests themselves."""
    for _ in range(4):
        patient_id = place.patient(world.number())
        world.slide(place.case(patient_id))
        place.person()
        place.other_unit()
    other.patient(make_number())
    case = place.case(place.patient(world.number()))
    sharing = {role: place.person(role) for role in (Role.PAT, Role.CLN)}
    furnish_sharing(place, sharing, case, world.slide(case), performer=other)
    with transaction(world.owner) as session:
        make_agreement(session, AgreementType.COOPERATION, place.provider, other.provider)


def aim(case: Any, known: Ids) -> None:
    """Put ids that exist in the place of most made-up ones, and a version that may be right. By what was drawn."""
    case.path_parameters = point(case.path_parameters, known)
    case.body = point(case.body, known)
    if "if-match" in case.headers and zlib.crc32(repr(case.headers["if-match"]).encode()) % 4:
        case.headers["if-match"] = '"1"'


def point(value: Any, known: Ids, name: str = "") -> Any:
    """The same value with ids that exist, and moments that are near."""
    if isinstance(value, dict):
        return {key: point(one, known, key) for key, one in value.items()}
    if isinstance(value, list):
        return [point(one, known, name) for one in value]
    if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\dT", value):
        return LATER if name.endswith(("_to", "end", "end_at", "ends_at", "until")) else EARLIER
    try:
        drawn = uuid.UUID(value) if isinstance(value, str) else None
    except ValueError:
        drawn = None
    there = known.get(name)
    return there[drawn.int % len(there)] if drawn and there and drawn.int % 5 else value


@pytest.mark.parametrize("label", OPERATIONS)
def test_every_answer_is_described(api: Api, label: str) -> None:
    operation, known = api.described.find_operation_by_label(label), api.find_ids()
    raw = operation.definition.raw
    can_be_wrong = "parameters" in raw or "requestBody" in raw
    requests = {mode: operation.as_strategy(mode) for mode in MANY if mode.is_positive or can_be_wrong}
    print(f"seed {SEED}")
    for name, somebody in api.people.items():
        token = somebody.sign_in() if somebody else None
        for mode, examples in (MANY if name == "everything" else FEW).items():
            if mode in requests:
                send(api, requests[mode], token, known, examples)
    somebody = api.people["everything"]
    assert somebody
    with make_client(api.address, somebody.sign_in()) as client:
        assert client.get("/api/roles").status_code == 200, "the requests took away the right to ask"


def send(api: Api, requests: SearchStrategy[Any], token: str | None, known: Ids, examples: int) -> None:
    """Send requests as somebody, and look at the answers."""
    cookies = {"samsyn_session": token} if token else {}

    @seed(SEED)
    @settings(
        max_examples=examples,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=requests)
    def ask(case: Any) -> None:
        aim(case, known)
        answer = case.call(base_url=api.address, cookies=cookies)
        print(case.operation.label, case.meta.generation.mode, answer.status_code)
        case.validate_response(answer, checks=CHECKS)
        allowed = token or "security" not in case.operation.definition.raw
        assert allowed or answer.status_code >= 400, "somebody is asked for, and nobody was answered"

    ask()


NUL = "prov\x00sson"
BEYOND = "9999-12-31T23:59:59-12:00"
"""A moment that no UTC calendar has."""
CASE = {
    "department_id": str(uuid.UUID(int=1)),
    "patient_id": str(uuid.UUID(int=2)),
    "accessioned_at": "2026-03-02T08:00Z",
}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/cases", {**CASE, "lid": NUL}),
        ("POST", "/api/cases", {**CASE, "lid": "B26-1", "accessioned_at": BEYOND}),
        ("POST", "/api/patients/{patient_id}/look-ups", {"kind": "OTHER_UNIT", "reason": NUL}),
        ("POST", "/api/session", {"login": NUL, "password": "x"}),
        ("GET", f"/api/slides?before={2**31}", None),
    ],
)
def test_what_the_database_cannot_keep_is_refused_before_it_is_asked(
    api: Api, method: str, path: str, body: object
) -> None:
    somebody = api.people["everything"]
    assert somebody
    with make_client(api.address, somebody.sign_in()) as client:
        answer = client.request(method, path.format(patient_id=api.find_ids()["patient_id"][0]), json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_REQUEST"), answer.text
