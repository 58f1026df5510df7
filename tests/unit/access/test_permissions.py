"""Which roles permit what, against the matrix of the domain rules written out again; and that roles have words."""

from __future__ import annotations

from dataclasses import astuple

import pytest

from cases.access.permissions import DELEGABLE, LICENCES, PERMITS, UNGRANTED, Permission, Role
from cases.sharing.roles import ROLES

COLUMNS = list(Role)
MATRIX = {
    # as in section 6 of the domain rules: x for every cell that is not a dash, save those with another row here
    Permission.SEE_OWN_WORKLIST: "x x x x x - - - - - - - - - -",
    Permission.OPEN_IMAGE: "x x x - x x x - - - - - - - -",
    Permission.SEE_LABEL: "- - x - - - - - - - - - - - -",
    Permission.REGISTER_RECORD: "x - x x - - - - - - - - - - -",
    Permission.RELEASE_QUARANTINE: "x - x - - - - - - - - - - - -",
    Permission.ANNOTATE: "x x x - x - - - - - - - - - -",
    Permission.DRAFT_ANSWER: "x x - x - - - - - - - - - - -",
    Permission.SIGN_ANSWER: "x - - - - - - - - - - - - - -",
    Permission.DECIDE_DISCLOSURE: "x - - - x - - - - - - - - - -",
    Permission.SUBMIT_TRANSFER: "- - - - x - - - - - - - - - -",
    Permission.ACCEPT_REQUEST: "x - - - x - - - - - - - - - -",
    Permission.SEE_OFFERS: "x x - x x - - - - - - - - - -",
    Permission.CREATE_REQUEST: "x x - x x x x - - - - - - - -",
    Permission.ASSIGN_READER: "x - - x x - - - - - - - - - -",
    Permission.RECALL_REQUEST: "x - - - x - - - - - - - - - -",
    Permission.RETURN_REQUEST: "x - - - x - - - - - - - - - -",
    Permission.COUNTERSIGN_ANSWER: "x - - - - - - - - - - - - - -",
    Permission.AMEND_ANSWER: "x - - - - - - - - - - - - - -",
    Permission.READ_ANSWER: "x x - x x x x - - - - - - - -",
    Permission.ACKNOWLEDGE_ANSWER: "x - - x x - - - - - - - - - -",
    Permission.PLACE_WORK_ORDER: "x x - - x - - - - - - - - - -",
    Permission.FULFIL_WORK_ORDER: "- - x x - - - - - - - - - - -",
    Permission.WRITE_MESSAGE: "x x x x x x - - - - - - - - -",
    Permission.REGISTER_RELATION: "x x - x x x x - - - - - - - -",
    Permission.REGISTER_CONSENT: "x x - x x x x - - - - - - - -",
    Permission.OPEN_IN_EMERGENCY: "x - - - - x - - - - - - - - -",
    Permission.LIFT_BLOCK: "x - - x - x - - - - - - - - -",
    Permission.ADMINISTER_BLOCKS: "- - - - - - - - - - - x - - -",
    Permission.SEE_BILLING: "- - - - x - - - - - x - - - x",
    Permission.SEE_AGREEMENTS: "- - - - x - - - x x - - - - -",
    Permission.MANAGE_AGREEMENTS: "- - - - - - - - - x - - - - -",
    Permission.REVIEW_LOG: "- - - - - - - x x - - - - - -",
    Permission.DELIVER_LOG_EXTRACT: "- - - - - - - x x - - - - - -",
    Permission.MANAGE_PEOPLE: "- - - - - - - - - - - x - - -",
    Permission.APPROVE_ROLES: "- - - - x - - - - - - - - - -",
    Permission.DELEGATE: "- - - - x - - - - - - - - - -",
    Permission.CONFIGURE_PROVIDER: "- - - - - - - - - - - x - - -",
    Permission.OPERATE_PLATFORM: "- - - - - - - - - - - - x - -",
}
OURS = {
    Permission.READ_RECORD,
    Permission.EXPORT,
    Permission.FIND_PATIENT,
    Permission.REGISTER_PATIENT,
    Permission.SEE_PEOPLE,
    Permission.PLAN_ABSENCE,
    Permission.SEE_OWN_REFERRALS,
    Permission.FOLLOW_DELIVERIES,
}
"""The matrix has no row for these."""


def test_the_columns_are_those_of_the_matrix() -> None:
    assert " ".join(COLUMNS) == "PAT RES LAB COO HEAD CLN MDT LOG DPO AGR FIN ADM OPS PTN GOV"


@pytest.mark.parametrize("permission", MATRIX)
def test_a_permission_is_for_the_roles_that_the_matrix_says(permission: Permission) -> None:
    cells = MATRIX[permission].split()
    assert PERMITS[permission] == {role for role, cell in zip(COLUMNS, cells, strict=True) if cell == "x"}


def test_every_permission_is_in_the_matrix_or_known_to_be_ours() -> None:
    assert set(PERMITS) == set(Permission) == MATRIX.keys() | OURS


def test_who_administers_reads_nothing_clinical() -> None:
    clinical = {
        Permission.OPEN_IMAGE,
        Permission.ANNOTATE,
        Permission.DRAFT_ANSWER,
        Permission.SIGN_ANSWER,
        Permission.EXPORT,
        Permission.OPEN_IN_EMERGENCY,
        Permission.SEE_OWN_WORKLIST,
    }
    for role in (Role.ADM, Role.LOG, Role.DPO, Role.AGR, Role.FIN, Role.OPS, Role.GOV):
        assert not {one for one in clinical if role in PERMITS[one]}, role


def test_nobody_reviews_the_log_and_gives_out_roles() -> None:
    for role in Role:
        duties = [Permission.REVIEW_LOG, Permission.MANAGE_PEOPLE, Permission.APPROVE_ROLES]
        assert sum(role in PERMITS[duty] for duty in duties) <= 1, role


def test_what_is_delegated_is_a_heads_own_and_not_a_coordinators_already() -> None:
    for permission in DELEGABLE:
        assert Role.HEAD in PERMITS[permission]
        assert Role.COO not in PERMITS[permission]


def test_every_role_has_a_name_and_a_sentence_in_both_languages() -> None:
    assert set(ROLES) == set(Role)
    words = [word for text in ROLES.values() for word in astuple(text)]
    assert all(word.strip() == word != "" for word in words)
    for text in ROLES.values():
        for sentence in (text.sv, text.en):
            assert sentence[0].isupper()
            assert sentence.endswith(".")
        assert text.sv != text.en
    sentences = [text.sv for text in ROLES.values()]
    assert len(set(sentences)) == len(sentences)


def test_who_signs_is_a_physician_and_the_platforms_own_roles_are_not_given_away() -> None:
    assert LICENCES == {Role.PAT: "Läkare"}
    assert {Role.OPS, Role.PTN} == UNGRANTED
