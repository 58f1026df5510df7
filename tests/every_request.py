"""A valid request for every address of the API, made of ids by name.

ids = kalmar.ids                                            # tests/furnished.py
ask(client, "GET /api/patients/{patient_id}", ids, token=doctor.token)

What belongs to one role only within an address that several may use is an address with a word behind it:
`POST /api/patients/{patient_id}/consents (emergency)`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
from contracts import DIGEST
from patients import make_number
from people import hsa_id

Ids = Mapping[str, str]
NOW = datetime.now(UTC)
TODAY, SOON, LATER = (NOW + timedelta(days=days) for days in (0, 2, 30))
WORDS = {"subspecialty": "GI", "item": "DPIA", "image": "thumbnail"}
"""Parameters of paths that are words from a list."""


def _nothing(ids: Ids) -> None:
    return None


def _number(ids: Ids) -> dict[str, Any]:
    number = make_number()
    return {"type": number.type.value, "value": number.extension}


def _reason(ids: Ids) -> dict[str, Any]:
    return {"reason": "Patienten bad om det"}


def _assignment(ids: Ids) -> dict[str, Any]:
    return {
        "employee_hsa_id": hsa_id(),
        "commission_hsa_id": hsa_id(),
        "commission_name": "Patolog",
        "commission_purpose": "Vård och behandling",
        "care_unit_id": ids["unit_id"],
        "department_id": ids["department_id"],
        "valid_from": NOW.isoformat(),
    }


def _agreement(ids: Ids) -> dict[str, Any]:
    return {
        "purpose": "Att dela fall",
        "document_ref": "RS 2026-2",
        "doc_sha256": DIGEST,
        "valid_from": NOW.isoformat(),
    }


def _service(ids: Ids) -> dict[str, Any]:
    return {
        "agreement_id": ids["agreement_id"],
        "customer_id": ids["customer_id"],
        "terms": {
            "performer_department_id": ids["performer_department_id"],
            "request_type": "SECOND_OPINION",
            "accept_minutes": {"ROUTINE": 1440},
            "answer_minutes": {"ROUTINE": 10080},
            "valid_from": SOON.isoformat(),
            "valid_to": LATER.isoformat(),
        },
    }


def _saying(**words: Any) -> Callable[[Ids], dict[str, Any]]:
    return lambda ids: dict(words)


def _lift(ids: Ids) -> dict[str, Any]:
    return {"assertion_id": ids["assertion_id"], "reason": "Efter samtycke", "until": SOON.isoformat()}


BODIES: dict[str, Callable[[Ids], Any]] = {
    "POST /api/session": lambda ids: {"person_id": ids["person_id"], "assignment_id": ids["assignment_id"]},
    "POST /api/session/assignment": lambda ids: {"assignment_id": ids["assignment_id"]},
    "POST /api/session/unlock": _saying(code="123456"),
    "POST /api/session/reauthentication": _saying(code="123456"),
    "PUT /api/session/enrolment": lambda ids: {"code": "123456", "new_password": "korrekt häst batteri häftklammer"},
    "PATCH /api/organisations/{provider_id}": _saying(incident_contact="010-103 00 00"),
    "PUT /api/organisations/{provider_id}/status": _saying(status="SUSPENDED"),
    "POST /api/care-units": lambda ids: {"hsa_id": hsa_id(), "name": "Cytologi", "part_of": ids["unit_id"]},
    "PATCH /api/care-units/{unit_id}": _saying(name="Klinisk patologi"),
    "POST /api/departments": lambda ids: {"care_unit_id": ids["unit_id"], "name": "Akut"},
    "PATCH /api/departments/{department_id}": _saying(name="Histologi"),
    "POST /api/people": lambda ids: {
        "given_name": "Astrid",
        "family_name": "Provgren",
        "title": "Patolog",
        "assignment": _assignment(ids),
    },
    "PATCH /api/people/{person_id}": _saying(title="Överläkare"),
    "PUT /api/people/{person_id}/competences/{subspecialty}": _saying(level="EXPERT", max_complexity_level=6),
    "POST /api/assignments": lambda ids: {**_assignment(ids), "person_id": ids["person_id"]},
    "PATCH /api/assignments/{assignment_id}": _saying(valid_to=LATER.isoformat()),
    "POST /api/absences": lambda ids: {
        "assignment_id": ids["assignment_id"],
        "starts_at": SOON.isoformat(),
        "ends_at": LATER.isoformat(),
        "kind": "VACATION",
    },
    "POST /api/risk-analyses": lambda ids: {
        "role": "GOV",
        "document_ref": "BRA 2026:12",
        "decided_by": ids["assignment_id"],
        "decided_at": NOW.isoformat(),
    },
    "POST /api/role-grants": lambda ids: {
        "assignment_id": ids["assignment_id"],
        "role": "LAB",
        "department_id": ids["department_id"],
    },
    "POST /api/delegations": lambda ids: {
        "to_assignment_id": ids["assignment_id"],
        "permission": "ACCEPT_REQUEST",
        "valid_to": LATER.isoformat(),
        "document_ref": "VC 2026:2",
    },
    "POST /api/agreements": lambda ids: {
        "type": "COOPERATION",
        "party_b": ids["performer_id"],
        "text": _agreement(ids),
    },
    "PUT /api/agreements/{agreement_id}": _agreement,
    "POST /api/agreements/{agreement_id}/termination": _saying(ending="UNDER_NOTICE", reason="Vi slutar"),
    "POST /api/service-descriptions": _service,
    "POST /api/service-descriptions/legal-model": _saying(
        works_for_owner=False, owner_sends_case=True, looks_up=False, only_technical=False
    ),
    "PUT /api/evidence/{item}": _saying(evidence_ref="DPIA 2026:4"),
    "POST /api/patients": lambda ids: {"number": _number(ids), "given_name": "Tolvan", "family_name": "Tolvansson"},
    "POST /api/patients/search": _number,
    "POST /api/patients/{patient_id}/identifiers": lambda ids: {"number": _number(ids), "known_as": ids["twin_id"]},
    "PUT /api/patients/{patient_id}/protection": _saying(protection="NONE"),
    "PUT /api/patients/{patient_id}/objection": _saying(objects=False),
    "PUT /api/patients/{patient_id}/mismatch": _saying(doubtful=False),
    "POST /api/patients/{patient_id}/blocks": lambda ids: {
        "type": "INNER",
        "information_care_unit_id": ids["unit_id"],
    },
    "POST /api/blocks/{block_id}/revocation": _reason,
    "POST /api/blocks/{block_id}/deletion": _reason,
    "POST /api/patients/{patient_id}/blocked": _saying(because="CONSENT", how="ORAL", reason="Patienten är här"),
    "POST /api/patients/{patient_id}/blocked (emergency)": _saying(because="EMERGENCY", reason="Medvetslös"),
    "POST /api/blocks/{block_id}/lifts": _lift,
    "POST /api/patients/{patient_id}/consents": _saying(type="CONSENT", scope="SVOD", how="ORAL"),
    "POST /api/patients/{patient_id}/consents (emergency)": _saying(
        type="EMERGENCY", scope="SVOD", reason="Medvetslös"
    ),
    "POST /api/patients/{patient_id}/relations": _saying(reason="REFERRAL"),
    "POST /api/patients/{patient_id}/notices": _saying(channel="ORAL", text_version="1"),
    "POST /api/notices": _saying(text_version="2"),
    "POST /api/patients/{patient_id}/look-ups": _saying(kind="OTHER_UNIT", reason="Inlagd hos oss"),
    "POST /api/patients/{patient_id}/look-ups (emergency)": _saying(kind="EMERGENCY", reason="Medvetslös"),
    "PUT /api/slides/{slide_id}/case": lambda ids: {"case_id": ids["case_id"]},
    "POST /api/viewings": lambda ids: {"slide_id": ids["slide_id"]},
    "POST /api/cases": lambda ids: {
        "department_id": ids["department_id"],
        "lid": f"X{uuid.uuid4().hex[:8]}",
        "patient_id": ids["patient_id"],
        "accessioned_at": NOW.isoformat(),
    },
    "POST /api/log/search": lambda ids: {
        "person_id": ids["person_id"],
        "patient_id": ids["patient_id"],
        "after": ids["entry_id"],
    },
    "POST /api/log/reviews": _saying(month=f"{TODAY - timedelta(days=80):%Y-%m-%d}"),
    "POST /api/log/reviews/{review_id}/moves": _saying(to="SAMPLED"),
    "PATCH /api/log/reviews/{review_id}/findings/{finding_id}": _saying(question="Varför?"),
    "POST /api/log/extracts": lambda ids: {
        "patient_id": ids["patient_id"],
        "since": (NOW - timedelta(days=30)).isoformat(),
        "until": NOW.isoformat(),
    },
    "POST /api/log/extracts/{extract_id}/moves": _saying(to="IDENTITY_CHECKED", identity_proof="ID_CARD"),
}
"""What each address that wants a body is sent."""


class Noting(dict[str, str]):
    """Ids that are there as soon as they are asked for, so that it shows which ones a request is made of."""

    def __missing__(self, name: str) -> str:
        return self.setdefault(name, str(uuid.uuid4()))


def fill(route: str, ids: Ids) -> tuple[str, str, Any]:
    """A request as method, path and body."""
    method, path, *_ = route.split(" ")
    return method, path.format_map({**ids, **WORDS}), BODIES.get(route, _nothing)(ids)


def named_by(route: str) -> set[str]:
    """Which ids a request is made of, in its path or its body."""
    noting = Noting()
    route.split(" ")[1].format_map(noting)
    BODIES.get(route, _nothing)(noting)
    return set(noting) - set(WORDS)


def ask(
    client: httpx2.Client, request: tuple[str, str, Any], *, token: str | None, version: int = 1
) -> httpx2.Response:
    """Send a request as whoever has the token, whatever cookies came before. A stream is left after its beginning."""
    method, path, body = request
    headers = {"if-match": f'"{version}"', **({"cookie": f"samsyn_session={token}"} if token else {})}
    client.cookies.clear()
    with client.stream(method, path, json=body, headers=headers) as answer:
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            answer.read()
    return answer
