"""Which role may use which address: the permission matrix of the domain rules, section 6, for every address there is.

One row for each method and path of the API's description, read through HTTP by
tests/integration/test_permission_matrix.py: `+` allowed as far as roles decide (the gate and the state of things have
their own say), `-` refused with D04. The column OUT is somebody who is not signed in, refused with NOT_SIGNED_IN.
No care provider gives OPS and PTN, so nobody can ask as those. A word in brackets is what one address refuses to some
of those who may use it. Where section 6 has no row for an address, the heading says why these roles.
"""

from __future__ import annotations

from collections.abc import Mapping

from cases.access.permissions import Role

OUT = "OUT"
"""Somebody who is not signed in."""

TABLE = """
                                                              OUT PAT RES LAB COO HEAD CLN MDT LOG DPO AGR FIN ADM GOV

# For everybody: the machine's health, and signing in.
GET /healthz                                                  +   +   +   +   +   +    +   +   +   +   +   +   +   +
GET /readyz                                                   +   +   +   +   +   +    +   +   +   +   +   +   +   +
GET /metrics                                                  +   +   +   +   +   +    +   +   +   +   +   +   +   +
GET /api/session                                              +   +   +   +   +   +    +   +   +   +   +   +   +   +
POST /api/session                                             +   +   +   +   +   +    +   +   +   +   +   +   +   +

# For everybody who is signed in: their own session.
DELETE /api/session                                           -   +   +   +   +   +    +   +   +   +   +   +   +   +
POST /api/session/activity                                    -   +   +   +   +   +    +   +   +   +   +   +   +   +
POST /api/session/assignment                                  -   +   +   +   +   +    +   +   +   +   +   +   +   +
POST /api/session/unlock                                      -   +   +   +   +   +    +   +   +   +   +   +   +   +
POST /api/session/reauthentication                            -   +   +   +   +   +    +   +   +   +   +   +   +   +
POST /api/session/enrolment                                   -   +   +   +   +   +    +   +   +   +   +   +   +   +
PUT /api/session/enrolment                                    -   +   +   +   +   +    +   +   +   +   +   +   +   +
GET /api/session/others                                       -   +   +   +   +   +    +   +   +   +   +   +   +   +
DELETE /api/session/others/{session_id}                       -   +   +   +   +   +    +   +   +   +   +   +   +   +

# For everybody who acts under an assignment: words and directories that name no patient, and what they opened.
GET /api/roles                                                -   +   +   +   +   +    +   +   +   +   +   +   +   +
GET /api/subspecialties                                       -   +   +   +   +   +    +   +   +   +   +   +   +   +
GET /api/organisations                                        -   +   +   +   +   +    +   +   +   +   +   +   +   +
GET /api/organisations/{provider_id}                          -   +   +   +   +   +    +   +   +   +   +   +   +   +
GET /api/viewings/{viewing_id}                                -   +   +   +   +   +    +   +   +   +   +   +   +   +
POST /api/viewings/{viewing_id}/renewals                      -   +   +   +   +   +    +   +   +   +   +   +   +   +
DELETE /api/viewings/{viewing_id}                             -   +   +   +   +   +    +   +   +   +   +   +   +   +

# See own department worklist.
GET /api/slides                                               -   +   +   +   +   +    -   -   -   -   -   -   -   -
GET /api/events                                               -   +   +   +   +   +    -   -   -   -   -   -   -   -

# The record: whoever may open slides, and those whose worklist names the case.
GET /api/slides/{slide_id}                                    -   +   +   +   +   +    +   +   -   -   -   -   -   -
GET /api/cases/{case_id}                                      -   +   +   +   +   +    +   +   -   -   -   -   -   -
POST /api/patients/{patient_id}/look-ups                      -   +   +   +   +   +    +   +   -   -   -   -   -   -

# Open slide in viewer; its small pictures are pixels too.
GET /api/slides/{slide_id}/{image}.jpg                        -   +   +   +   -   +    +   +   -   -   -   -   -   -
POST /api/viewings                                            -   +   +   +   -   +    +   +   -   -   -   -   -   -

# Upload slide, register case.
POST /api/cases                                               -   +   -   +   +   -    -   -   -   -   -   -   -   -
PUT /api/cases/{case_id}/members/{assignment_id}              -   +   -   +   +   -    -   -   -   -   -   -   -   -
DELETE /api/cases/{case_id}/members/{assignment_id}           -   +   -   +   +   -    -   -   -   -   -   -   -   -
PUT /api/slides/{slide_id}/case                               -   +   -   +   +   -    -   -   -   -   -   -   -   -

# Patients: found by those who treat, register, review or block; taken in by those who register.
POST /api/patients/search                                     -   +   +   +   +   +    +   +   +   +   -   -   +   -
GET /api/patients/{patient_id}                                -   +   +   +   +   +    +   +   +   +   -   -   +   -
POST /api/patients                                            -   +   -   +   +   -    +   -   -   -   -   -   +   -
POST /api/patients/{patient_id}/identifiers                   -   +   -   +   +   -    +   -   -   -   -   -   +   -
DELETE /api/patients/{patient_id}/identifiers/{identifier_id} -   +   -   +   +   -    +   -   -   -   -   -   +   -
PUT /api/patients/{patient_id}/protection                     -   +   -   +   +   -    +   -   -   -   -   -   +   -
PUT /api/patients/{patient_id}/mismatch                       -   +   -   +   +   -    +   -   -   -   -   -   +   -
PUT /api/patients/{patient_id}/objection                      -   +   +   -   +   +    +   +   -   -   -   -   +   -

# Register patient relation, consent.
GET /api/patients/{patient_id}/relations                      -   +   +   -   +   +    +   +   -   -   -   -   -   -
POST /api/patients/{patient_id}/relations                     -   +   +   -   +   +    +   +   -   -   -   -   -   -
POST /api/relations/{relation_id}/end                         -   +   +   -   +   +    +   +   -   -   -   -   -   -
GET /api/patients/{patient_id}/consents                       -   +   +   -   +   +    +   +   -   -   -   -   -   -
POST /api/patients/{patient_id}/consents                      -   +   +   -   +   +    +   +   -   -   -   -   -   -
POST /api/consents/{consent_id}/end                           -   +   +   -   +   +    +   +   -   -   -   -   -   -
POST /api/consents/{consent_id}/deletion                      -   +   +   -   +   +    +   +   -   -   -   -   -   -
GET /api/patients/{patient_id}/notices                        -   +   +   -   +   +    +   +   -   -   -   -   -   -
POST /api/patients/{patient_id}/notices                       -   +   +   -   +   +    +   +   -   -   -   -   -   -
POST /api/notices/{notice_id}/end                             -   +   +   -   +   +    +   +   -   -   -   -   +   -

# Emergency opening.
POST /api/patients/{patient_id}/look-ups (emergency)          -   +   -   -   -   -    +   -   -   -   -   -   -   -
POST /api/patients/{patient_id}/consents (emergency)          -   +   -   -   -   -    +   -   -   -   -   -   -   -
POST /api/patients/{patient_id}/blocked (emergency)           -   +   -   -   -   -    +   -   -   -   -   -   -   -

# Register and lift spärr: whoever administers blocks registers, whoever treats lifts for a while.
GET /api/patients/{patient_id}/blocked                        -   +   -   -   +   -    +   -   -   -   -   -   -   -
POST /api/patients/{patient_id}/blocked                       -   +   -   -   +   -    +   -   -   -   -   -   -   -
POST /api/blocks/{block_id}/lifts                             -   +   -   -   +   -    +   -   -   -   -   -   -   -
DELETE /api/lifts/{lift_id}                                   -   +   -   -   +   -    +   -   -   -   -   -   +   -
GET /api/patients/{patient_id}/blocks                         -   -   -   -   -   -    -   -   -   -   -   -   +   -
POST /api/patients/{patient_id}/blocks                        -   -   -   -   -   -    -   -   -   -   -   -   +   -
POST /api/blocks/{block_id}/revocation                        -   -   -   -   -   -    -   -   -   -   -   -   +   -
POST /api/blocks/{block_id}/deletion                          -   -   -   -   -   -    -   -   -   -   -   -   +   -

# Agreements, service descriptions.
GET /api/agreements                                           -   -   -   -   -   +    -   -   -   +   +   -   -   -
GET /api/agreements/{agreement_id}                            -   -   -   -   -   +    -   -   -   +   +   -   -   -
GET /api/service-descriptions                                 -   -   -   -   -   +    -   -   -   +   +   -   -   -
GET /api/service-descriptions/{service_id}                    -   -   -   -   -   +    -   -   -   +   +   -   -   -
POST /api/service-descriptions/legal-model                    -   -   -   -   -   +    -   -   -   +   +   -   -   -
GET /api/checklists                                           -   -   -   -   -   +    -   -   -   +   +   -   -   -
GET /api/checklists/{customer_id}/{performer_id}              -   -   -   -   -   +    -   -   -   +   +   -   -   -
GET /api/evidence                                             -   -   -   -   -   +    -   -   -   +   +   -   -   -
POST /api/agreements                                          -   -   -   -   -   -    -   -   -   -   +   -   -   -
PUT /api/agreements/{agreement_id}                            -   -   -   -   -   -    -   -   -   -   +   -   -   -
POST /api/agreements/{agreement_id}/signature                 -   -   -   -   -   -    -   -   -   -   +   -   -   -
POST /api/agreements/{agreement_id}/termination               -   -   -   -   -   -    -   -   -   -   +   -   -   -
POST /api/service-descriptions                                -   -   -   -   -   -    -   -   -   -   +   -   -   -
POST /api/service-descriptions/{service_id}/acceptance        -   -   -   -   -   -    -   -   -   -   +   -   -   -
POST /api/service-descriptions/{service_id}/ending            -   -   -   -   -   -    -   -   -   -   +   -   -   -
PUT /api/evidence/{item}                                      -   -   -   -   -   -    -   -   -   -   +   -   -   -

# Audit log search, review, extract.
POST /api/log/search                                          -   -   -   -   -   -    -   -   +   +   -   -   -   -
GET /api/log/reviews                                          -   -   -   -   -   -    -   -   +   +   -   -   -   -
POST /api/log/reviews                                         -   -   -   -   -   -    -   -   +   +   -   -   -   -
GET /api/log/reviews/{review_id}                              -   -   -   -   -   -    -   -   +   +   -   -   -   -
POST /api/log/reviews/{review_id}/moves                       -   -   -   -   -   -    -   -   +   +   -   -   -   -
GET /api/log/reviews/{review_id}/findings                     -   -   -   -   -   -    -   -   +   +   -   -   -   -
PATCH /api/log/reviews/{review_id}/findings/{finding_id}      -   -   -   -   -   -    -   -   +   +   -   -   -   -
GET /api/log/extracts                                         -   -   -   -   -   -    -   -   +   +   -   -   -   -
POST /api/log/extracts                                        -   -   -   -   -   -    -   -   +   +   -   -   -   -
GET /api/log/extracts/{extract_id}                            -   -   -   -   -   -    -   -   +   +   -   -   -   -
POST /api/log/extracts/{extract_id}/moves                     -   -   -   -   -   -    -   -   +   +   -   -   -   -

# Users, role grants: the administrator gives, the head approves, colleagues see who works there.
GET /api/people                                               -   +   +   +   +   +    -   +   +   +   +   -   +   -
GET /api/people/{person_id}                                   -   +   +   +   +   +    -   +   +   +   +   -   +   -
GET /api/role-grants                                          -   +   +   +   +   +    -   +   +   +   +   -   +   -
GET /api/risk-analyses                                        -   +   +   +   +   +    -   +   +   +   +   -   +   -
GET /api/delegations                                          -   +   +   +   +   +    -   +   +   +   +   -   +   -
GET /api/absences                                             -   +   +   +   +   +    -   +   +   +   +   -   +   -
POST /api/people                                              -   -   -   -   -   -    -   -   -   -   -   -   +   -
PATCH /api/people/{person_id}                                 -   -   -   -   -   -    -   -   -   -   -   -   +   -
POST /api/assignments                                         -   -   -   -   -   -    -   -   -   -   -   -   +   -
PATCH /api/assignments/{assignment_id}                        -   -   -   -   -   -    -   -   -   -   -   -   +   -
POST /api/risk-analyses                                       -   -   -   -   -   -    -   -   -   -   -   -   +   -
POST /api/role-grants                                         -   -   -   -   -   -    -   -   -   -   -   -   +   -
POST /api/role-grants/{grant_id}/approval                     -   -   -   -   -   +    -   -   -   -   -   -   -   -
DELETE /api/role-grants/{grant_id}                            -   -   -   -   -   +    -   -   -   -   -   -   +   -
PUT /api/people/{person_id}/competences/{subspecialty}        -   -   -   -   -   +    -   -   -   -   -   -   +   -
POST /api/delegations                                         -   -   -   -   -   +    -   -   -   -   -   -   -   -
DELETE /api/delegations/{delegation_id}                       -   -   -   -   -   +    -   -   -   -   -   -   -   -
POST /api/absences                                            -   -   -   -   +   +    -   -   -   -   -   -   -   -
DELETE /api/absences/{absence_id}                             -   -   -   -   +   +    -   -   -   -   -   -   -   -

# Tenant configuration.
PATCH /api/organisations/{provider_id}                        -   -   -   -   -   -    -   -   -   -   -   -   +   -
POST /api/care-units                                          -   -   -   -   -   -    -   -   -   -   -   -   +   -
PATCH /api/care-units/{unit_id}                               -   -   -   -   -   -    -   -   -   -   -   -   +   -
POST /api/departments                                         -   -   -   -   -   -    -   -   -   -   -   -   +   -
PATCH /api/departments/{department_id}                        -   -   -   -   -   -    -   -   -   -   -   -   +   -
POST /api/notices                                             -   -   -   -   -   -    -   -   -   -   -   -   +   -

# Platform operation: for OPS, which no care provider gives.
PUT /api/organisations/{provider_id}/status                   -   -   -   -   -   -    -   -   -   -   -   -   -   -
"""


def read_table(text: str = TABLE) -> Mapping[str, frozenset[str]]:
    """Who is allowed, by address: roles, and OUT."""
    head, *rows = [line for line in text.splitlines() if line and not line.startswith("#")]
    columns = head.split()
    assert columns[0] == OUT and all(Role(name) for name in columns[1:])
    found = {}
    for row in rows:
        words = row.split()
        route, marks = " ".join(words[: -len(columns)]), words[-len(columns) :]
        assert route not in found and set(marks) <= {"+", "-"}, row
        found[route] = frozenset(name for name, mark in zip(columns, marks, strict=True) if mark == "+")
    return found


ALLOWED = read_table()
