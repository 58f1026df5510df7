"""A valid request for every address of the API, made of ids by name.

ids = kalmar.ids                                            # tests/furnished.py
ask(client, "GET /api/patients/{patient_id}", ids, token=doctor.token)

What belongs to one role only within an address that several may use is an address with a word behind it:
`POST /api/patients/{patient_id}/consents (emergency)`.
"""

from __future__ import annotations

import re
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
WORDS = {
    "subspecialty": "GI",
    "item": "DPIA",
    "image": "thumbnail",
    "which": "MINE",
    "version": "2",
    "number": "2",
}
"""Parameters of paths that are words from a list, or count something."""
ASKED_OF_US = (
    "accept",
    "assign",
    "clocks",
    "confirm-recall",
    "countersigner",
    "draft",
    "oral-reports",
    "reassign",
    "start",
    "work-orders",
)
"""What is done to a request by those who were asked."""
DRAFTED = ("readiness", "signatures", "countersignatures", "returns", "changes", "amender", "visibility")
"""What is done to an answer by those who give it."""


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


def _wish(ids: Ids) -> dict[str, Any]:
    return {
        "type": "SECOND_OPINION",
        "performer_department_id": ids["performer_department_id"],
        "subspecialty": "GI",
        "reason_code": "DIFFICULT",
        "question": "Dysplasi?",
        "working_diagnosis": "Adenom",
        "slide_ids": [ids["slide_id"]],
        "harm_weighed": True,
        "legal_ground": "CONSENT_PRESUMED_REFERRAL",
    }


def _drawing(ids: Ids) -> dict[str, Any]:
    return {"kind": "POINT", "geometry": {"type": "Point", "coordinates": [10, 20]}, "visibility": "CASE"}


def _named(ids: Ids) -> dict[str, Any]:
    return {"assignment_id": ids["assignment_id"], "text": "Semester"}


def _at(ids: Ids) -> dict[str, Any]:
    return {"at": NOW.isoformat()}


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
    "PATCH /api/cases/{case_id}": lambda ids: {"points": "2.5", "responsible_assignment_id": ids["assignment_id"]},
    "POST /api/cases/{case_id}/related-cases": lambda ids: {"type": "PRIOR", "related_case_id": ids["other_case_id"]},
    "POST /api/cases/{case_id}/specimens": _saying(type="Biopsi"),
    "PATCH /api/specimens/{specimen_id}": _saying(site="Colon"),
    "POST /api/specimens/{specimen_id}/glass-slides": lambda ids: {"tissue_block_id": ids["tissue_block_id"]},
    "POST /api/specimens/{specimen_id}/tissue-blocks": _saying(description="Snitt"),
    "PATCH /api/tissue-blocks/{tissue_block_id}": _saying(description="Snitt"),
    "PATCH /api/glass-slides/{glass_slide_id}": _saying(stain_code="PAS", stain_kind="SPECIAL"),
    "POST /api/departments/{department_id}/case-lists": lambda ids: b"LID;Personnummer\nX1;19121212-1212\n",
    "PUT /api/departments/{department_id}/laboratory": _saying(lid_pattern=None, list_columns={}),
    "POST /api/cases/{case_id}/attachments": lambda ids: b"%PDF-1.7 nothing else",
    "PUT /api/attachments/{attachment_id}/withdrawal": _saying(reason="Fel fall"),
    "POST /api/slides/{slide_id}/annotations": _drawing,
    "PUT /api/annotations/{annotation_id}": _drawing,
    "POST /api/annotations/{annotation_id}/restorations": _saying(version=1),
    "POST /api/requests": lambda ids: {**_wish(ids), "case_id": ids["case_id"]},
    "POST /api/requests/preview": lambda ids: {**_wish(ids), "case_id": ids["case_id"]},
    "PUT /api/requests/{request_id}": _wish,
    "POST /api/requests/{request_id}/accept": _saying(read_myself=True),
    "POST /api/requests/{request_id}/decline": _saying(reason="CAPACITY", text="Vi hinner inte"),
    "POST /api/requests/{request_id}/assign": lambda ids: {"assignment_id": ids["assignment_id"]},
    "POST /api/requests/{request_id}/reassign": _named,
    "POST /api/requests/{request_id}/countersigner": lambda ids: {"assignment_id": ids["reader_id"]},
    "POST /api/requests/{request_id}/recall": _saying(text="Det behövs inte längre"),
    "POST /api/requests/{request_id}/return": _saying(reason="CAPACITY", text="Vi hinner inte"),
    "POST /api/requests/{request_id}/disclosure": lambda ids: {"slide_ids": [ids["asked_slide_id"]]},
    "POST /api/requests/{request_id}/messages": _saying(body="Tack!"),
    "PUT /api/requests/{request_id}/stream/reading": lambda ids: {"up_to": ids["said_id"]},
    "PUT /api/requests/{request_id}/draft": _saying(content={"statement": "Adenom"}),
    "POST /api/requests/{request_id}/oral-reports": _saying(
        given_to_name="Ek",
        given_to_role="Läkare",
        given_to_unit="Kirurgen",
        at=NOW.isoformat(),
        text="Adenom",
        read_back=True,
    ),
    "POST /api/requests/{request_id}/work-orders": _saying(kind="MOLECULAR", code="KRAS", blocking=False),
    "POST /api/work-orders/{work_order_id}/rejection": _saying(reason="NOT_AVAILABLE"),
    "POST /api/work-orders/{work_order_id}/fulfilment": lambda ids: {"slide_ids": [ids["asked_slide_id"]]},
    "POST /api/work-orders/{work_order_id}/sending": _saying(carrier="Budet", at=NOW.isoformat()),
    "POST /api/work-orders/{work_order_id}/receipt": _at,
    "POST /api/work-orders/{work_order_id}/return": _at,
    "POST /api/answers/{answer_id}/signatures": _saying(number=1),
    "POST /api/answers/{answer_id}/returns": _saying(comment="Se glas 2"),
    "POST /api/answers/{answer_id}/changes": _saying(number=1, how="amend", reason="CLERICAL", changed="Stavfel"),
    "POST /api/answers/{answer_id}/errors": _saying(reason="Fel patient"),
    "PUT /api/answers/{answer_id}/amender": lambda ids: {"assignment_id": ids["assignment_id"]},
    "PUT /api/answers/{answer_id}/visibility": _saying(visibility="UNIT"),
    "PUT /api/reconciliations/{reconciliation_id}/outcome": _saying(outcome="CONSENSUS_CONSULT"),
    "PUT /api/answer-rules": _saying(codes_required=False),
    "POST /api/destinations": _saying(name="Journalen", kind="FOLDER"),
    "PUT /api/destinations/{destination_id}": _saying(name="Journalen", answers="RECEIVED", language="sv"),
    "PUT /api/notifications/reading": lambda ids: {"up_to": ids["notification_id"]},
    "POST /api/worklists/search": lambda ids: {"term": "R-000000"},
    "POST /api/worklists/patient-search": _number,
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


def name_in(route: str, parameter: str) -> str:
    """The name in `Ids` of a parameter of a path: an address that is for the other side means another request."""
    path = route.split(" ")[1]
    last = path.rpartition("/")[2]
    match parameter:
        case "request_id" if last in ASKED_OF_US and route != "GET /api/requests/{request_id}/oral-reports":
            return "asked_id"
        case "request_id" if last in ("return", "decline"):
            return "returned_id"
        case "answer_id" if last == "errors":
            return "mistaken_id"
        case "answer_id" if last in DRAFTED:
            return "draft_id"
        case "work_order_id" if last in ("cancellation", "receipt"):
            return "placed_id"
        case "slide_id" if last == "pyramid.tif":
            return "asked_slide_id"
        case "which" if "/requests/" in path:
            return "which_requests"
    return parameter


def fill(route: str, ids: Ids) -> tuple[str, str, Any]:
    """A request as method, path and body."""
    method, path, *_ = route.split(" ")
    known = {**WORDS, "which_requests": "SENT"}
    words = {name: known[name_in(route, name)] if name in WORDS else ids[name_in(route, name)] for name in _names(path)}
    return method, path.format_map(words), BODIES.get(route, _nothing)(ids)


def named_by(route: str) -> set[str]:
    """Which ids a request is made of, in its path or its body."""
    noting = Noting()
    fill(route, noting)
    return set(noting)


def _names(path: str) -> list[str]:
    return re.findall(r"{(\w+)}", path)


def _typed(path: str) -> dict[str, str]:
    """What a body is where it is not JSON."""
    ends = {"/case-lists": {"content-type": "text/csv"}, "/attachments": {"samsyn-caption": "Svar"}}
    return next((headers for end, headers in ends.items() if path.endswith(end)), {})


def ask(
    client: httpx2.Client, request: tuple[str, str, Any], *, token: str | None, version: int = 1
) -> httpx2.Response:
    """Send a request as whoever has the token, whatever cookies came before. A stream is left after its beginning."""
    method, path, body = request
    again = {"idempotency-key": str(uuid.uuid4())} if method == "POST" else {}
    headers = {"if-match": f'"{version}"', **again, **({"cookie": f"samsyn_session={token}"} if token else {})}
    client.cookies.clear()
    sent: dict[str, Any] = {"content": body} if isinstance(body, bytes) else {"json": body}
    with client.stream(method, path, headers=headers | _typed(path), **sent) as answer:
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            answer.read()
    return answer
