"""Roles, what each is for, and what each may do. Who holds which role is said by grants."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Role(StrEnum):
    """What somebody does under an assignment. Source: domain rules, section 6."""

    PAT = "PAT"
    RES = "RES"
    LAB = "LAB"
    COO = "COO"
    HEAD = "HEAD"
    CLN = "CLN"
    MDT = "MDT"
    LOG = "LOG"
    DPO = "DPO"
    AGR = "AGR"
    FIN = "FIN"
    ADM = "ADM"
    OPS = "OPS"
    PTN = "PTN"
    GOV = "GOV"


class Permission(StrEnum):
    """Something that a role may or may not do; the gate and the state of things have their own say."""

    SEE_OWN_WORKLIST = "SEE_OWN_WORKLIST"
    READ_RECORD = "READ_RECORD"
    OPEN_IMAGE = "OPEN_IMAGE"
    SEE_LABEL = "SEE_LABEL"
    REGISTER_RECORD = "REGISTER_RECORD"
    RELEASE_QUARANTINE = "RELEASE_QUARANTINE"
    ANNOTATE = "ANNOTATE"
    DRAFT_ANSWER = "DRAFT_ANSWER"
    SIGN_ANSWER = "SIGN_ANSWER"
    EXPORT = "EXPORT"
    FIND_PATIENT = "FIND_PATIENT"
    REGISTER_PATIENT = "REGISTER_PATIENT"
    REGISTER_RELATION = "REGISTER_RELATION"
    REGISTER_CONSENT = "REGISTER_CONSENT"
    OPEN_IN_EMERGENCY = "OPEN_IN_EMERGENCY"
    LIFT_BLOCK = "LIFT_BLOCK"
    ADMINISTER_BLOCKS = "ADMINISTER_BLOCKS"
    SEE_AGREEMENTS = "SEE_AGREEMENTS"
    MANAGE_AGREEMENTS = "MANAGE_AGREEMENTS"
    SEE_PEOPLE = "SEE_PEOPLE"
    MANAGE_PEOPLE = "MANAGE_PEOPLE"
    APPROVE_ROLES = "APPROVE_ROLES"
    DELEGATE = "DELEGATE"
    PLAN_ABSENCE = "PLAN_ABSENCE"
    CONFIGURE_PROVIDER = "CONFIGURE_PROVIDER"
    FOLLOW_DELIVERIES = "FOLLOW_DELIVERIES"
    SEE_BILLING = "SEE_BILLING"
    REVIEW_LOG = "REVIEW_LOG"
    DELIVER_LOG_EXTRACT = "DELIVER_LOG_EXTRACT"
    OPERATE_PLATFORM = "OPERATE_PLATFORM"
    CREATE_REQUEST = "CREATE_REQUEST"
    DECIDE_DISCLOSURE = "DECIDE_DISCLOSURE"
    SUBMIT_TRANSFER = "SUBMIT_TRANSFER"
    SEE_OFFERS = "SEE_OFFERS"
    ACCEPT_REQUEST = "ACCEPT_REQUEST"
    ASSIGN_READER = "ASSIGN_READER"
    RECALL_REQUEST = "RECALL_REQUEST"
    RETURN_REQUEST = "RETURN_REQUEST"
    COUNTERSIGN_ANSWER = "COUNTERSIGN_ANSWER"
    AMEND_ANSWER = "AMEND_ANSWER"
    READ_ANSWER = "READ_ANSWER"
    ACKNOWLEDGE_ANSWER = "ACKNOWLEDGE_ANSWER"
    PLACE_WORK_ORDER = "PLACE_WORK_ORDER"
    FULFIL_WORK_ORDER = "FULFIL_WORK_ORDER"
    WRITE_MESSAGE = "WRITE_MESSAGE"
    SEE_OWN_REFERRALS = "SEE_OWN_REFERRALS"


_PERMITS: dict[Permission, str] = {
    Permission.SEE_OWN_WORKLIST: "PAT RES LAB COO HEAD",
    Permission.READ_RECORD: "PAT RES LAB COO HEAD CLN MDT",
    Permission.OPEN_IMAGE: "PAT RES LAB HEAD CLN MDT",
    Permission.SEE_LABEL: "LAB",
    Permission.REGISTER_RECORD: "PAT LAB COO",
    Permission.RELEASE_QUARANTINE: "PAT LAB",
    Permission.ANNOTATE: "PAT RES LAB HEAD",
    Permission.DRAFT_ANSWER: "PAT RES COO",
    Permission.SIGN_ANSWER: "PAT",
    Permission.EXPORT: "PAT RES HEAD",
    Permission.FIND_PATIENT: "PAT RES LAB COO HEAD CLN MDT LOG DPO ADM",
    Permission.REGISTER_PATIENT: "PAT LAB COO CLN ADM",
    Permission.REGISTER_RELATION: "PAT RES COO HEAD CLN MDT",
    Permission.REGISTER_CONSENT: "PAT RES COO HEAD CLN MDT",
    Permission.OPEN_IN_EMERGENCY: "PAT CLN",
    Permission.LIFT_BLOCK: "PAT COO CLN",
    Permission.ADMINISTER_BLOCKS: "ADM",
    Permission.SEE_AGREEMENTS: "HEAD DPO AGR",
    Permission.MANAGE_AGREEMENTS: "AGR",
    Permission.SEE_PEOPLE: "PAT RES LAB COO HEAD MDT LOG DPO AGR ADM",
    Permission.MANAGE_PEOPLE: "ADM",
    Permission.APPROVE_ROLES: "HEAD",
    Permission.DELEGATE: "HEAD",
    Permission.PLAN_ABSENCE: "COO HEAD",
    Permission.CONFIGURE_PROVIDER: "ADM",
    Permission.FOLLOW_DELIVERIES: "COO ADM",
    Permission.SEE_BILLING: "FIN HEAD GOV",
    Permission.REVIEW_LOG: "LOG DPO",
    Permission.DELIVER_LOG_EXTRACT: "LOG DPO",
    Permission.OPERATE_PLATFORM: "OPS",
    Permission.CREATE_REQUEST: "PAT RES COO HEAD CLN MDT",
    Permission.DECIDE_DISCLOSURE: "PAT HEAD",
    Permission.SUBMIT_TRANSFER: "HEAD",
    Permission.SEE_OFFERS: "PAT RES COO HEAD",
    Permission.ACCEPT_REQUEST: "PAT HEAD",
    Permission.ASSIGN_READER: "PAT COO HEAD",
    Permission.RECALL_REQUEST: "PAT HEAD",
    Permission.RETURN_REQUEST: "PAT HEAD",
    Permission.COUNTERSIGN_ANSWER: "PAT",
    Permission.AMEND_ANSWER: "PAT",
    Permission.READ_ANSWER: "PAT RES COO HEAD CLN MDT",
    Permission.ACKNOWLEDGE_ANSWER: "PAT COO HEAD",
    Permission.PLACE_WORK_ORDER: "PAT RES HEAD",
    Permission.FULFIL_WORK_ORDER: "LAB COO",
    Permission.WRITE_MESSAGE: "PAT RES LAB COO HEAD CLN",
    Permission.SEE_OWN_REFERRALS: "CLN",
}
PERMITS: Mapping[Permission, frozenset[Role]] = {
    permission: frozenset(map(Role, roles.split())) for permission, roles in _PERMITS.items()
}
"""Which roles allow what."""

DELEGABLE = frozenset({Permission.DECIDE_DISCLOSURE, Permission.SUBMIT_TRANSFER, Permission.ACCEPT_REQUEST})
"""What a head may hand to a coordinator for a time. Source: domain rules, section 6, "deleg."."""
UNGRANTED = frozenset({Role.PTN, Role.OPS})
"""Roles that no care provider gives: a patient's own, and the operator's of the platform."""
LICENCES: Mapping[Role, str] = {Role.PAT: "Läkare"}
"""The licence to practise that a role needs, as HSA words it. Source: domain rules, 2.5."""

_SHARING = {
    Permission.CREATE_REQUEST,
    Permission.DECIDE_DISCLOSURE,
    Permission.SUBMIT_TRANSFER,
    Permission.SEE_OFFERS,
    Permission.ACCEPT_REQUEST,
    Permission.ASSIGN_READER,
    Permission.RECALL_REQUEST,
    Permission.RETURN_REQUEST,
    Permission.COUNTERSIGN_ANSWER,
    Permission.AMEND_ANSWER,
    Permission.READ_ANSWER,
    Permission.ACKNOWLEDGE_ANSWER,
    Permission.PLACE_WORK_ORDER,
    Permission.FULFIL_WORK_ORDER,
    Permission.WRITE_MESSAGE,
    Permission.SEE_OWN_REFERRALS,
}
CARE = frozenset(
    {
        Permission.SEE_OWN_WORKLIST,
        Permission.READ_RECORD,
        Permission.OPEN_IMAGE,
        Permission.SEE_LABEL,
        Permission.REGISTER_RECORD,
        Permission.RELEASE_QUARANTINE,
        Permission.ANNOTATE,
        Permission.DRAFT_ANSWER,
        Permission.SIGN_ANSWER,
        Permission.EXPORT,
        Permission.FIND_PATIENT,
        Permission.REGISTER_PATIENT,
        Permission.REGISTER_RELATION,
        Permission.REGISTER_CONSENT,
        Permission.OPEN_IN_EMERGENCY,
        Permission.LIFT_BLOCK,
        *_SHARING,
    }
)
"""What needs a care provider that takes part now; the rest is how it comes to take part, and its own affairs."""
