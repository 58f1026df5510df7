"""What a head hands to a coordinator: little, to somebody else, in the own unit, until a day."""

from __future__ import annotations

from typing import Any

import pytest
from clinic import DAY, NOW, SINCE, Clinic, make_clinic
from people import act, make_assignment, make_department, make_grant, make_person, make_provider, make_unit
from sqlalchemy.orm import Session

from cases.access.errors import IllegalMove, Invalid, NotPermitted, NotThere
from cases.access.grants import delegate, delegated, end_delegation, end_grant, find_delegation, list_delegations
from cases.access.organisations import CareUnit
from cases.access.people import Assignment, Person
from cases.access.permissions import Permission, Role
from cases.access.rights import Changed


@pytest.fixture
def clinic(app_session: Session) -> Clinic:
    return make_clinic(app_session)


def coordinate(session: Session, clinic: Clinic, unit: CareUnit | None = None) -> Assignment:
    return make_assignment(session, make_person(session), unit or clinic.unit, since=SINCE, roles=[Role.COO])


def test_a_head_delegates_to_a_coordinator_until_a_day(app_session: Session, clinic: Clinic) -> None:
    to = coordinate(app_session, clinic)
    usual: dict[str, Any] = {"valid_to": NOW + 7 * DAY, "document_ref": "Delegering 3", "now": NOW, "by": clinic.head}
    delegation = delegate(app_session, to, Permission.ACCEPT_REQUEST, **usual)
    later = delegate(app_session, to, Permission.SUBMIT_TRANSFER, valid_from=NOW + DAY, **usual)
    assert delegated(app_session, to.id, now=NOW) == {Permission.ACCEPT_REQUEST}
    assert delegated(app_session, to.id, now=NOW + DAY) == {Permission.ACCEPT_REQUEST, Permission.SUBMIT_TRANSFER}
    assert delegated(app_session, to.id, now=NOW + 7 * DAY) == set()
    assert delegated(app_session, clinic.colleague.id, now=NOW) == set()
    end_delegation(app_session, delegation, now=NOW, by=clinic.head)
    assert app_session.info["changed"] == Changed(assignments={to.id})
    assert delegated(app_session, to.id, now=NOW) == set()
    assert list_delegations(app_session, clinic.provider.id, now=NOW) == [later]
    with pytest.raises(IllegalMove, match="over already"):
        end_delegation(app_session, delegation, now=NOW, by=clinic.head)
    with pytest.raises(NotThere):
        find_delegation(app_session, later.id, provider_id=make_provider(app_session).id)


@pytest.mark.parametrize("permission", [Permission.SIGN_ANSWER, Permission.APPROVE_ROLES, Permission.DELEGATE])
def test_what_is_a_persons_own_is_not_delegated(app_session: Session, clinic: Clinic, permission: Permission) -> None:
    with pytest.raises(Invalid, match=f"{permission} cannot be delegated"):
        delegate(
            app_session,
            coordinate(app_session, clinic),
            permission,
            valid_to=NOW + DAY,
            document_ref="D",
            now=NOW,
            by=clinic.head,
        )


def test_a_delegation_goes_to_a_coordinator_of_the_own_unit_who_is_somebody_else(
    app_session: Session, clinic: Clinic
) -> None:
    usual: dict[str, Any] = {"valid_to": NOW + DAY, "document_ref": "D", "now": NOW, "by": clinic.head}
    own = make_assignment(
        app_session, app_session.get_one(Person, clinic.head.person_id), clinic.unit, since=SINCE, roles=[Role.COO]
    )
    far = coordinate(app_session, clinic, make_unit(app_session, clinic.provider))
    for to, error, refusal in (
        (own, NotPermitted, "goes to somebody else"),
        (clinic.colleague, Invalid, "give the role COO first"),
        (far, Invalid, "of your own care unit"),
    ):
        with pytest.raises(error, match=refusal):
            delegate(app_session, to, Permission.ACCEPT_REQUEST, **usual)
    with pytest.raises(Invalid, match="A delegation ends after it begins"):
        delegate(app_session, coordinate(app_session, clinic), Permission.ACCEPT_REQUEST, **(usual | {"valid_to": NOW}))


def test_a_delegation_reaches_as_far_as_both_roles_and_no_longer(app_session: Session, clinic: Clinic) -> None:
    here, there = (make_department(app_session, clinic.unit) for _ in range(2))
    head = make_assignment(app_session, make_person(app_session), clinic.unit, since=SINCE)
    heads = make_grant(app_session, head, Role.HEAD, department=here)
    to = coordinate(app_session, clinic)
    giver = act(app_session, head, now=NOW)
    delegate(
        app_session,
        to,
        Permission.ACCEPT_REQUEST,
        valid_to=NOW + 7 * DAY,
        document_ref="Delegering 4",
        now=NOW,
        by=giver,
    )
    may = {Permission.ACCEPT_REQUEST}
    assert delegated(app_session, to.id, now=NOW) == may
    assert delegated(app_session, to.id, department_id=here.id, now=NOW) == may
    assert delegated(app_session, to.id, department_id=there.id, now=NOW) == set()
    end_grant(app_session, heads, now=NOW + DAY, by=clinic.administrator)
    assert delegated(app_session, to.id, department_id=here.id, now=NOW + DAY) == set()


def test_a_delegation_ends_with_the_coordinators_role(app_session: Session, clinic: Clinic) -> None:
    to = make_assignment(app_session, make_person(app_session), clinic.unit, since=SINCE)
    coordinates = make_grant(app_session, to, Role.COO)
    delegate(
        app_session,
        to,
        Permission.SUBMIT_TRANSFER,
        valid_to=NOW + 7 * DAY,
        document_ref="Delegering 5",
        now=NOW,
        by=clinic.head,
    )
    assert delegated(app_session, to.id, now=NOW) == {Permission.SUBMIT_TRANSFER}
    end_grant(app_session, coordinates, now=NOW, by=clinic.administrator)
    assert delegated(app_session, to.id, now=NOW) == set()
