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
GET /healthz                                                   +   +   +   +   +   +    +   +   +   +   +   +   +   +
GET /readyz                                                    +   +   +   +   +   +    +   +   +   +   +   +   +   +
GET /metrics                                                   +   +   +   +   +   +    +   +   +   +   +   +   +   +
GET /api/session                                               +   +   +   +   +   +    +   +   +   +   +   +   +   +
POST /api/session                                              +   +   +   +   +   +    +   +   +   +   +   +   +   +

# For everybody who is signed in: their own session.
DELETE /api/session                                            -   +   +   +   +   +    +   +   +   +   +   +   +   +
POST /api/session/activity                                     -   +   +   +   +   +    +   +   +   +   +   +   +   +
POST /api/session/assignment                                   -   +   +   +   +   +    +   +   +   +   +   +   +   +
POST /api/session/unlock                                       -   +   +   +   +   +    +   +   +   +   +   +   +   +
POST /api/session/reauthentication                             -   +   +   +   +   +    +   +   +   +   +   +   +   +
POST /api/session/enrolment                                    -   +   +   +   +   +    +   +   +   +   +   +   +   +
PUT /api/session/enrolment                                     -   +   +   +   +   +    +   +   +   +   +   +   +   +
GET /api/session/others                                        -   +   +   +   +   +    +   +   +   +   +   +   +   +
DELETE /api/session/others/{session_id}                        -   +   +   +   +   +    +   +   +   +   +   +   +   +

# For everybody who acts under an assignment: words and directories that name no patient, and what they opened.
GET /api/roles                                                 -   +   +   +   +   +    +   +   +   +   +   +   +   +
GET /api/subspecialties                                        -   +   +   +   +   +    +   +   +   +   +   +   +   +
GET /api/organisations                                         -   +   +   +   +   +    +   +   +   +   +   +   +   +
GET /api/organisations/{provider_id}                           -   +   +   +   +   +    +   +   +   +   +   +   +   +
GET /api/viewings/{viewing_id}                                 -   +   +   +   +   +    +   +   +   +   +   +   +   +
POST /api/viewings/{viewing_id}/renewals                       -   +   +   +   +   +    +   +   +   +   +   +   +   +
DELETE /api/viewings/{viewing_id}                              -   +   +   +   +   +    +   +   +   +   +   +   +   +

# See own department worklist; a clinician is told of their own referrals.
GET /api/slides                                                -   +   +   +   +   +    -   -   -   -   -   -   -   -
GET /api/events                                                -   +   +   +   +   +    +   -   -   -   -   -   -   -

# The record: whoever may open slides, and those whose worklist names the case.
GET /api/slides/{slide_id}                                     -   +   +   +   +   +    +   +   -   -   -   -   -   -
GET /api/cases/{case_id}                                       -   +   +   +   +   +    +   +   -   -   -   -   -   -
POST /api/patients/{patient_id}/look-ups                       -   +   +   +   +   +    +   +   -   -   -   -   -   -

# Open slide in viewer; its small pictures are pixels too.
GET /api/slides/{slide_id}/{image}.jpg                         -   +   +   +   -   +    +   +   -   -   -   -   -   -
POST /api/viewings                                             -   +   +   +   -   +    +   +   -   -   -   -   -   -

# Upload slide, register case.
POST /api/cases                                                -   +   -   +   +   -    -   -   -   -   -   -   -   -
PUT /api/cases/{case_id}/members/{assignment_id}               -   +   -   +   +   -    -   -   -   -   -   -   -   -
DELETE /api/cases/{case_id}/members/{assignment_id}            -   +   -   +   +   -    -   -   -   -   -   -   -   -
PUT /api/slides/{slide_id}/case                                -   +   -   +   +   -    -   -   -   -   -   -   -   -

# Patients: found by those who treat, register, review or block; taken in by those who register.
POST /api/patients/search                                      -   +   +   +   +   +    +   +   +   +   -   -   +   -
GET /api/patients/{patient_id}                                 -   +   +   +   +   +    +   +   +   +   -   -   +   -
POST /api/patients                                             -   +   -   +   +   -    +   -   -   -   -   -   +   -
POST /api/patients/{patient_id}/identifiers                    -   +   -   +   +   -    +   -   -   -   -   -   +   -
DELETE /api/patients/{patient_id}/identifiers/{identifier_id}  -   +   -   +   +   -    +   -   -   -   -   -   +   -
PUT /api/patients/{patient_id}/protection                      -   +   -   +   +   -    +   -   -   -   -   -   +   -
PUT /api/patients/{patient_id}/mismatch                        -   +   -   +   +   -    +   -   -   -   -   -   +   -
PUT /api/patients/{patient_id}/objection                       -   +   +   -   +   +    +   +   -   -   -   -   +   -

# Register patient relation, consent.
GET /api/patients/{patient_id}/relations                       -   +   +   -   +   +    +   +   -   -   -   -   -   -
POST /api/patients/{patient_id}/relations                      -   +   +   -   +   +    +   +   -   -   -   -   -   -
POST /api/relations/{relation_id}/end                          -   +   +   -   +   +    +   +   -   -   -   -   -   -
GET /api/patients/{patient_id}/consents                        -   +   +   -   +   +    +   +   -   -   -   -   -   -
POST /api/patients/{patient_id}/consents                       -   +   +   -   +   +    +   +   -   -   -   -   -   -
POST /api/consents/{consent_id}/end                            -   +   +   -   +   +    +   +   -   -   -   -   -   -
POST /api/consents/{consent_id}/deletion                       -   +   +   -   +   +    +   +   -   -   -   -   -   -
GET /api/patients/{patient_id}/notices                         -   +   +   -   +   +    +   +   -   -   -   -   -   -
POST /api/patients/{patient_id}/notices                        -   +   +   -   +   +    +   +   -   -   -   -   -   -
POST /api/notices/{notice_id}/end                              -   +   +   -   +   +    +   +   -   -   -   -   +   -

# Emergency opening.
POST /api/patients/{patient_id}/look-ups (emergency)           -   +   -   -   -   -    +   -   -   -   -   -   -   -
POST /api/patients/{patient_id}/consents (emergency)           -   +   -   -   -   -    +   -   -   -   -   -   -   -
POST /api/patients/{patient_id}/blocked (emergency)            -   +   -   -   -   -    +   -   -   -   -   -   -   -

# Register and lift spärr: whoever administers blocks registers, whoever treats lifts for a while.
GET /api/patients/{patient_id}/blocked                         -   +   -   -   +   -    +   -   -   -   -   -   -   -
POST /api/patients/{patient_id}/blocked                        -   +   -   -   +   -    +   -   -   -   -   -   -   -
POST /api/blocks/{block_id}/lifts                              -   +   -   -   +   -    +   -   -   -   -   -   -   -
DELETE /api/lifts/{lift_id}                                    -   +   -   -   +   -    +   -   -   -   -   -   +   -
GET /api/patients/{patient_id}/blocks                          -   -   -   -   -   -    -   -   -   -   -   -   +   -
POST /api/patients/{patient_id}/blocks                         -   -   -   -   -   -    -   -   -   -   -   -   +   -
POST /api/blocks/{block_id}/revocation                         -   -   -   -   -   -    -   -   -   -   -   -   +   -
POST /api/blocks/{block_id}/deletion                           -   -   -   -   -   -    -   -   -   -   -   -   +   -

# Agreements, service descriptions.
GET /api/agreements                                            -   -   -   -   -   +    -   -   -   +   +   -   -   -
GET /api/agreements/{agreement_id}                             -   -   -   -   -   +    -   -   -   +   +   -   -   -
GET /api/service-descriptions                                  -   -   -   -   -   +    -   -   -   +   +   -   -   -
GET /api/service-descriptions/{service_id}                     -   -   -   -   -   +    -   -   -   +   +   -   -   -
POST /api/service-descriptions/legal-model                     -   -   -   -   -   +    -   -   -   +   +   -   -   -
GET /api/checklists                                            -   -   -   -   -   +    -   -   -   +   +   -   -   -
GET /api/checklists/{customer_id}/{performer_id}               -   -   -   -   -   +    -   -   -   +   +   -   -   -
GET /api/evidence                                              -   -   -   -   -   +    -   -   -   +   +   -   -   -
POST /api/agreements                                           -   -   -   -   -   -    -   -   -   -   +   -   -   -
PUT /api/agreements/{agreement_id}                             -   -   -   -   -   -    -   -   -   -   +   -   -   -
POST /api/agreements/{agreement_id}/signature                  -   -   -   -   -   -    -   -   -   -   +   -   -   -
POST /api/agreements/{agreement_id}/termination                -   -   -   -   -   -    -   -   -   -   +   -   -   -
POST /api/service-descriptions                                 -   -   -   -   -   -    -   -   -   -   +   -   -   -
POST /api/service-descriptions/{service_id}/acceptance         -   -   -   -   -   -    -   -   -   -   +   -   -   -
POST /api/service-descriptions/{service_id}/ending             -   -   -   -   -   -    -   -   -   -   +   -   -   -
PUT /api/evidence/{item}                                       -   -   -   -   -   -    -   -   -   -   +   -   -   -

# Audit log search, review, extract.
POST /api/log/search                                           -   -   -   -   -   -    -   -   +   +   -   -   -   -
GET /api/log/reviews                                           -   -   -   -   -   -    -   -   +   +   -   -   -   -
POST /api/log/reviews                                          -   -   -   -   -   -    -   -   +   +   -   -   -   -
GET /api/log/reviews/{review_id}                               -   -   -   -   -   -    -   -   +   +   -   -   -   -
POST /api/log/reviews/{review_id}/moves                        -   -   -   -   -   -    -   -   +   +   -   -   -   -
GET /api/log/reviews/{review_id}/findings                      -   -   -   -   -   -    -   -   +   +   -   -   -   -
PATCH /api/log/reviews/{review_id}/findings/{finding_id}       -   -   -   -   -   -    -   -   +   +   -   -   -   -
GET /api/log/extracts                                          -   -   -   -   -   -    -   -   +   +   -   -   -   -
POST /api/log/extracts                                         -   -   -   -   -   -    -   -   +   +   -   -   -   -
GET /api/log/extracts/{extract_id}                             -   -   -   -   -   -    -   -   +   +   -   -   -   -
POST /api/log/extracts/{extract_id}/moves                      -   -   -   -   -   -    -   -   +   +   -   -   -   -

# Users, role grants: the administrator gives, the head approves, colleagues see who works there.
GET /api/people                                                -   +   +   +   +   +    -   +   +   +   +   -   +   -
GET /api/people/{person_id}                                    -   +   +   +   +   +    -   +   +   +   +   -   +   -
GET /api/role-grants                                           -   +   +   +   +   +    -   +   +   +   +   -   +   -
GET /api/risk-analyses                                         -   +   +   +   +   +    -   +   +   +   +   -   +   -
GET /api/delegations                                           -   +   +   +   +   +    -   +   +   +   +   -   +   -
GET /api/absences                                              -   +   +   +   +   +    -   +   +   +   +   -   +   -
POST /api/people                                               -   -   -   -   -   -    -   -   -   -   -   -   +   -
PATCH /api/people/{person_id}                                  -   -   -   -   -   -    -   -   -   -   -   -   +   -
POST /api/assignments                                          -   -   -   -   -   -    -   -   -   -   -   -   +   -
PATCH /api/assignments/{assignment_id}                         -   -   -   -   -   -    -   -   -   -   -   -   +   -
POST /api/risk-analyses                                        -   -   -   -   -   -    -   -   -   -   -   -   +   -
POST /api/role-grants                                          -   -   -   -   -   -    -   -   -   -   -   -   +   -
POST /api/role-grants/{grant_id}/approval                      -   -   -   -   -   +    -   -   -   -   -   -   -   -
DELETE /api/role-grants/{grant_id}                             -   -   -   -   -   +    -   -   -   -   -   -   +   -
PUT /api/people/{person_id}/competences/{subspecialty}         -   -   -   -   -   +    -   -   -   -   -   -   +   -
POST /api/delegations                                          -   -   -   -   -   +    -   -   -   -   -   -   -   -
DELETE /api/delegations/{delegation_id}                        -   -   -   -   -   +    -   -   -   -   -   -   -   -
POST /api/absences                                             -   -   -   -   +   +    -   -   -   -   -   -   -   -
DELETE /api/absences/{absence_id}                              -   -   -   -   +   +    -   -   -   -   -   -   -   -

# Tenant configuration.
PATCH /api/organisations/{provider_id}                         -   -   -   -   -   -    -   -   -   -   -   -   +   -
POST /api/care-units                                           -   -   -   -   -   -    -   -   -   -   -   -   +   -
PATCH /api/care-units/{unit_id}                                -   -   -   -   -   -    -   -   -   -   -   -   +   -
POST /api/departments                                          -   -   -   -   -   -    -   -   -   -   -   -   +   -
PATCH /api/departments/{department_id}                         -   -   -   -   -   -    -   -   -   -   -   -   +   -
POST /api/notices                                              -   -   -   -   -   -    -   -   -   -   -   -   +   -

# For everybody who acts under an assignment: what they have been told.
GET /api/notifications                                         -   +   +   +   +   +    +   +   +   +   +   +   +   +
GET /api/notifications/count                                   -   +   +   +   +   +    +   +   +   +   +   +   +   +
PUT /api/notifications/reading                                 -   +   +   +   +   +    +   +   +   +   +   +   +   +
PUT /api/notifications/{notification_id}/reading               -   +   +   +   +   +    +   +   +   +   +   +   +   +

# See own department worklist: its five lists, and searching in them.
GET /api/worklists                                             -   +   +   +   +   +    -   -   -   -   -   -   -   -
GET /api/worklists/cases/{which}                               -   +   +   +   +   +    -   -   -   -   -   -   -   -
GET /api/worklists/requests/{which}                            -   +   +   +   +   +    -   -   -   -   -   -   -   -
POST /api/worklists/search                                     -   +   +   +   +   +    -   -   -   -   -   -   -   -
POST /api/worklists/patient-search                             -   +   +   +   +   +    -   -   -   -   -   -   -   -

# Own referrals, for the clinician who sent them.
GET /api/my-referrals                                          -   -   -   -   -   -    +   -   -   -   -   -   -   -
GET /api/my-referrals/{referral_id}                            -   -   -   -   -   -    +   -   -   -   -   -   -   -

# Upload slide, register case: what is known of a case, its specimens, and lists of cases. The laboratory's own
# settings are the administrator's too.
PATCH /api/cases/{case_id}                                     -   +   -   +   +   -    -   -   -   -   -   -   -   -
POST /api/cases/{case_id}/related-cases                        -   +   -   +   +   -    -   -   -   -   -   -   -   -
POST /api/cases/{case_id}/specimens                            -   +   -   +   +   -    -   -   -   -   -   -   -   -
PATCH /api/specimens/{specimen_id}                             -   +   -   +   +   -    -   -   -   -   -   -   -   -
POST /api/specimens/{specimen_id}/glass-slides                 -   +   -   +   +   -    -   -   -   -   -   -   -   -
POST /api/specimens/{specimen_id}/tissue-blocks                -   +   -   +   +   -    -   -   -   -   -   -   -   -
PATCH /api/tissue-blocks/{tissue_block_id}                     -   +   -   +   +   -    -   -   -   -   -   -   -   -
PATCH /api/glass-slides/{glass_slide_id}                       -   +   -   +   +   -    -   -   -   -   -   -   -   -
POST /api/departments/{department_id}/case-lists               -   +   -   +   +   -    -   -   -   -   -   -   -   -
GET /api/departments/{department_id}/laboratory                -   +   -   +   +   -    -   -   -   -   -   -   +   -
PUT /api/departments/{department_id}/laboratory                -   +   -   +   +   -    -   -   -   -   -   -   +   -

# Documents of a case: read with the record, added by those who register it or mark its slides.
GET /api/attachments/{attachment_id}/content                   -   +   +   +   +   +    +   +   -   -   -   -   -   -
PUT /api/attachments/{attachment_id}/withdrawal                -   +   +   +   +   +    -   -   -   -   -   -   -   -
POST /api/cases/{case_id}/attachments                          -   +   +   +   +   +    -   -   -   -   -   -   -   -
GET /api/cases/{case_id}/attachments                           -   +   +   +   +   +    +   +   -   -   -   -   -   -

# Annotate; whoever may open a slide sees what is drawn on it.
GET /api/annotations/{annotation_id}                           -   +   +   +   -   +    +   +   -   -   -   -   -   -
PUT /api/annotations/{annotation_id}                           -   +   +   +   -   +    -   -   -   -   -   -   -   -
DELETE /api/annotations/{annotation_id}                        -   +   +   +   -   +    -   -   -   -   -   -   -   -
POST /api/annotations/{annotation_id}/restorations             -   +   +   +   -   +    -   -   -   -   -   -   -   -
GET /api/annotations/{annotation_id}/versions                  -   +   +   +   -   +    +   +   -   -   -   -   -   -
GET /api/slides/{slide_id}/annotations                         -   +   +   +   -   +    +   +   -   -   -   -   -   -
POST /api/slides/{slide_id}/annotations                        -   +   +   +   -   +    -   -   -   -   -   -   -   -

# Create request (draft), and what its author does with it.
POST /api/requests                                             -   +   +   -   +   +    +   +   -   -   -   -   -   -
POST /api/requests/preview                                     -   +   +   -   +   +    +   +   -   -   -   -   -   -
PUT /api/requests/{request_id}                                 -   +   +   -   +   +    +   +   -   -   -   -   -   -
POST /api/requests/{request_id}/cancel                         -   +   +   -   +   +    +   +   -   -   -   -   -   -
POST /api/requests/{request_id}/resolve                        -   +   +   -   +   +    +   +   -   -   -   -   -   -

# Submit request, decide disclosure.
POST /api/requests/{request_id}/submit                         -   +   -   -   -   +    -   -   -   -   -   -   -   -
POST /api/requests/{request_id}/disclosure                     -   +   -   -   -   +    -   -   -   -   -   -   -   -

# Accept, decline.
POST /api/requests/{request_id}/accept                         -   +   -   -   -   +    -   -   -   -   -   -   -   -
POST /api/requests/{request_id}/decline                        -   +   -   -   -   +    -   -   -   -   -   -   -   -

# Assign, reassign: the reader, the countersigner, and who may amend when the author has left.
POST /api/requests/{request_id}/assign                         -   +   -   -   +   +    -   -   -   -   -   -   -   -
POST /api/requests/{request_id}/reassign                       -   +   -   -   +   +    -   -   -   -   -   -   -   -
POST /api/requests/{request_id}/countersigner                  -   +   -   -   +   +    -   -   -   -   -   -   -   -
PUT /api/answers/{answer_id}/amender                           -   +   -   -   +   +    -   -   -   -   -   -   -   -
POST /api/answers/{answer_id}/errors                           -   +   -   -   +   +    -   -   -   -   -   -   -   -

# Recall.
POST /api/requests/{request_id}/recall                         -   +   -   -   -   +    -   -   -   -   -   -   -   -

# Return without answer; a recall is agreed to by those who might.
POST /api/requests/{request_id}/return                         -   +   -   -   -   +    -   -   -   -   -   -   -   -
POST /api/requests/{request_id}/confirm-recall                 -   +   -   -   -   +    -   -   -   -   -   -   -   -

# A request, its messages and its orders, for those whose record it is part of; its clocks, for those whose lists
# show it.
GET /api/requests/{request_id}                                 -   +   +   +   +   +    +   +   -   -   -   -   -   -
GET /api/requests/{request_id}/stream                          -   +   +   +   +   +    +   +   -   -   -   -   -   -
PUT /api/requests/{request_id}/stream/reading                  -   +   +   +   +   +    +   +   -   -   -   -   -   -
POST /api/requests/{request_id}/messages                       -   +   +   +   +   +    +   -   -   -   -   -   -   -
GET /api/requests/{request_id}/work-orders                     -   +   +   +   +   +    +   +   -   -   -   -   -   -
GET /api/work-orders/{work_order_id}                           -   +   +   +   +   +    +   +   -   -   -   -   -   -
GET /api/requests/{request_id}/clocks                          -   +   +   +   +   +    -   -   -   -   -   -   -   -
GET /api/cases/{case_id}/requests                              -   +   +   +   +   +    +   +   -   -   -   -   -   -

# Draft answer; a reader begins with it, and a resident's signature asks for the countersigner's.
GET /api/requests/{request_id}/draft                           -   +   +   -   +   -    -   -   -   -   -   -   -   -
PUT /api/requests/{request_id}/draft                           -   +   +   -   +   -    -   -   -   -   -   -   -   -
POST /api/requests/{request_id}/start                          -   +   +   -   +   -    -   -   -   -   -   -   -   -
GET /api/answers/{answer_id}/readiness                         -   +   +   -   +   -    -   -   -   -   -   -   -   -
PUT /api/answers/{answer_id}/visibility                        -   +   +   -   +   -    -   -   -   -   -   -   -   -
POST /api/answers/{answer_id}/signatures                       -   +   +   -   +   -    -   -   -   -   -   -   -   -

# Sign final, countersign, amend signed answer.
POST /api/requests/{request_id}/oral-reports                   -   +   -   -   -   -    -   -   -   -   -   -   -   -
POST /api/answers/{answer_id}/countersignatures                -   +   -   -   -   -    -   -   -   -   -   -   -   -
POST /api/answers/{answer_id}/returns                          -   +   -   -   -   -    -   -   -   -   -   -   -   -
POST /api/answers/{answer_id}/changes                          -   +   -   -   -   -    -   -   -   -   -   -   -   -

# Read signed answer, as it stands or as a document.
GET /api/answers/{answer_id}                                   -   +   +   -   +   +    +   +   -   -   -   -   -   -
GET /api/answers/{answer_id}/versions                          -   +   +   -   +   +    +   +   -   -   -   -   -   -
GET /api/answers/{answer_id}/versions/{number}                 -   +   +   -   +   +    +   +   -   -   -   -   -   -
GET /api/requests/{request_id}/answers                         -   +   +   -   +   +    +   +   -   -   -   -   -   -
GET /api/requests/{request_id}/answers/{version}/report.fhir.json -   +   +   -   +   +    +   +   -   -   -   -   -   -
GET /api/requests/{request_id}/answers/{version}/report.pdf    -   +   +   -   +   +    +   +   -   -   -   -   -   -
GET /api/requests/{request_id}/answers/{version}/report.txt    -   +   +   -   +   +    +   +   -   -   -   -   -   -
GET /api/requests/{request_id}/oral-reports                    -   +   +   -   +   +    +   +   -   -   -   -   -   -
GET /api/requests/{request_id}/reconciliations                 -   +   +   -   +   +    +   +   -   -   -   -   -   -

# Acknowledge answer, and what follows from it.
POST /api/requests/{request_id}/acknowledgements               -   +   -   -   +   +    -   -   -   -   -   -   -   -
PUT /api/reconciliations/{reconciliation_id}/outcome           -   +   -   -   +   +    -   -   -   -   -   -   -   -
POST /api/requests/{request_id}/reconciliations                -   +   -   -   +   +    -   -   -   -   -   -   -   -
POST /api/requests/{request_id}/close                          -   +   -   -   +   +    -   -   -   -   -   -   -   -

# The nameless pyramid, for those who may take an image out.
GET /api/requests/{request_id}/slides/{slide_id}/pyramid.tif   -   +   +   -   -   +    -   -   -   -   -   -   -   -

# Place work order; fulfil work order.
POST /api/requests/{request_id}/work-orders                    -   +   +   -   -   +    -   -   -   -   -   -   -   -
POST /api/work-orders/{work_order_id}/cancellation             -   +   +   -   -   +    -   -   -   -   -   -   -   -
POST /api/work-orders/{work_order_id}/acceptance               -   -   -   +   +   -    -   -   -   -   -   -   -   -
POST /api/work-orders/{work_order_id}/fulfilment               -   -   -   +   +   -    -   -   -   -   -   -   -   -
POST /api/work-orders/{work_order_id}/receipt                  -   -   -   +   +   -    -   -   -   -   -   -   -   -
POST /api/work-orders/{work_order_id}/rejection                -   -   -   +   +   -    -   -   -   -   -   -   -   -
POST /api/work-orders/{work_order_id}/return                   -   -   -   +   +   -    -   -   -   -   -   -   -   -
POST /api/work-orders/{work_order_id}/sending                  -   -   -   +   +   -    -   -   -   -   -   -   -   -
POST /api/work-orders/{work_order_id}/start                    -   -   -   +   +   -    -   -   -   -   -   -   -   -

# Tenant configuration: where answers are sent, which the secretaries follow too, and what answers must have.
GET /api/destinations                                          -   -   -   -   +   -    -   -   -   -   -   -   +   -
POST /api/destinations                                         -   -   -   -   -   -    -   -   -   -   -   -   +   -
PUT /api/destinations/{destination_id}                         -   -   -   -   -   -    -   -   -   -   -   -   +   -
DELETE /api/destinations/{destination_id}                      -   -   -   -   -   -    -   -   -   -   -   -   +   -
POST /api/destinations/{destination_id}/secret                 -   -   -   -   -   -    -   -   -   -   -   -   +   -
GET /api/deliveries                                            -   -   -   -   +   -    -   -   -   -   -   -   +   -
POST /api/deliveries/{message_id}/retry                        -   -   -   -   +   -    -   -   -   -   -   -   +   -
GET /api/answer-rules                                          -   -   -   -   -   -    -   -   -   -   -   -   +   -
PUT /api/answer-rules                                          -   -   -   -   -   -    -   -   -   -   -   -   +   -

# Platform operation: for OPS, which no care provider gives.
PUT /api/organisations/{provider_id}/status                    -   -   -   -   -   -    -   -   -   -   -   -   -   -
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
