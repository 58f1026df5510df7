"""Who gets which role: on an analysis that is in date, from one person, approved by another, never oneself."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime
from typing import Any

import pytest
from clinic import DAY, NOW, SINCE, Clinic, make_clinic
from people import (
    act,
    make_analysis,
    make_assignment,
    make_department,
    make_grant,
    make_person,
    make_provider,
    make_unit,
)
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from cases.access import audit
from cases.access.audit import AuditEvent, Event
from cases.access.errors import Conflict, IllegalMove, Invalid, NotPermitted, NotThere
from cases.access.grants import (
    RiskAnalysis,
    RoleGrant,
    approve_grant,
    delegate,
    end_delegation,
    end_grant,
    find_analysis,
    find_grant,
    grant_role,
    list_analyses,
    list_grants,
    register_analysis,
    roles_of,
)
from cases.access.people import Assignment, Person
from cases.access.permissions import Permission, Role
from cases.access.rights import Changed
from cases.database import act_for


@pytest.fixture
def clinic(app_session: Session) -> Clinic:
    return make_clinic(app_session)


def holding(session: Session, assignment: Assignment, now: datetime = NOW) -> frozenset[Role]:
    return roles_of(session, [assignment.id], now=now)[assignment.id]


def test_a_role_holds_when_one_has_given_and_another_has_approved_it(app_session: Session, clinic: Clinic) -> None:
    grant = grant_role(app_session, clinic.colleague, Role.PAT, now=NOW, by=clinic.administrator)
    assert list_grants(app_session, clinic.provider.id, waiting=True, now=NOW) == [grant]
    assert holding(app_session, clinic.colleague) == set()
    assert act(app_session, clinic.colleague).roles(NOW) == set()
    approve_grant(app_session, grant, now=NOW, by=clinic.head)
    assert list_grants(app_session, clinic.provider.id, waiting=True, now=NOW) == []
    assert holding(app_session, clinic.colleague) == act(app_session, clinic.colleague).roles(NOW) == {Role.PAT}
    assert (grant.granted_by, grant.approved_by) == (clinic.administrator.assignment_id, clinic.head.assignment_id)
    assert grant.review_due == date(2027, 3, 2)
    with pytest.raises(IllegalMove, match="waits for approval"):
        approve_grant(app_session, grant, now=NOW, by=clinic.head)


def test_nobody_gives_oneself_a_role_under_whatever_assignment(app_session: Session, clinic: Clinic) -> None:
    person = app_session.get_one(Person, clinic.administrator.person_id)
    another = make_assignment(app_session, person, clinic.unit, since=SINCE)
    own = app_session.get_one(Assignment, clinic.administrator.assignment_id)
    for assignment in (own, another):
        with pytest.raises(NotPermitted, match="Nobody gives a role to themselves"):
            grant_role(app_session, assignment, Role.PAT, now=NOW, by=clinic.administrator)


def test_nobody_approves_ones_own_role_or_what_one_gave(app_session: Session, clinic: Clinic) -> None:
    grant = grant_role(app_session, clinic.colleague, Role.HEAD, now=NOW, by=clinic.administrator)
    for person_id, refusal in (
        (clinic.colleague.person_id, "Nobody approves their own role"),
        (clinic.administrator.person_id, "who gave it cannot approve it too"),
    ):
        another = make_assignment(app_session, app_session.get_one(Person, person_id), clinic.unit, since=SINCE)
        make_grant(app_session, another, Role.HEAD)
        with pytest.raises(NotPermitted, match=refusal):
            approve_grant(app_session, grant, now=NOW, by=act(app_session, another, now=NOW))
    assert grant.approved_at is None


def test_only_a_head_of_the_unit_approves(app_session: Session, clinic: Clinic) -> None:
    grant = grant_role(app_session, clinic.colleague, Role.PAT, now=NOW, by=clinic.administrator)
    elsewhere = make_unit(app_session, clinic.provider)
    foreign_head = make_assignment(app_session, make_person(app_session), elsewhere, since=SINCE, roles=[Role.HEAD])
    reader = make_assignment(app_session, make_person(app_session), clinic.unit, since=SINCE, roles=[Role.PAT])
    past = make_assignment(app_session, make_person(app_session), clinic.unit, since=SINCE)
    make_grant(app_session, past, Role.HEAD, until=NOW)
    for somebody in (foreign_head, reader, past):
        with pytest.raises(NotPermitted, match="Only a head of the assignment's own care unit"):
            approve_grant(app_session, grant, now=NOW, by=act(app_session, somebody, now=NOW))


def test_a_head_of_a_part_approves_for_the_care_unit_of_law(app_session: Session, clinic: Clinic) -> None:
    part = make_unit(app_session, clinic.provider, part_of=clinic.unit)
    head = make_assignment(app_session, make_person(app_session), part, since=SINCE, roles=[Role.HEAD])
    grant = grant_role(app_session, clinic.colleague, Role.PAT, now=NOW, by=clinic.administrator)
    approve_grant(app_session, grant, now=NOW, by=act(app_session, head, now=NOW))
    assert grant.approved_by == head.id


def test_a_head_of_a_department_approves_for_that_department_alone(app_session: Session, clinic: Clinic) -> None:
    department, other = (make_department(app_session, clinic.unit) for _ in range(2))
    section = make_assignment(app_session, make_person(app_session), clinic.unit, since=SINCE)
    make_grant(app_session, section, Role.HEAD, department=department)
    head = act(app_session, section, now=NOW)
    grants = {
        place: grant_role(app_session, clinic.colleague, Role.PAT, department=place, now=NOW, by=clinic.administrator)
        for place in (department, other, None)
    }
    for place in (other, None):
        with pytest.raises(NotPermitted, match="Only a head"):
            approve_grant(app_session, grants[place], now=NOW, by=head)
    approve_grant(app_session, grants[department], now=NOW, by=head)
    assert grants[department].approved_by == section.id


@pytest.mark.parametrize("role", [Role.RES, Role.ADM])
def test_without_an_analysis_in_date_no_role_is_given(app_session: Session, clinic: Clinic, role: Role) -> None:
    later = NOW if role is Role.RES else SINCE + 366 * DAY  # RES has none; by then that of ADM is overdue
    with pytest.raises(Conflict, match=f"The role {role} has no need-and-risk analysis that is in date"):
        grant_role(app_session, clinic.colleague, role, now=later, by=clinic.administrator)
    make_analysis(app_session, clinic.colleague, role, decided_at=later)
    assert grant_role(app_session, clinic.colleague, role, now=later, by=clinic.administrator).role is role


def test_an_analysis_counts_on_its_last_day_and_not_at_another_provider(app_session: Session, clinic: Clinic) -> None:
    last = datetime.combine((SINCE + 365 * DAY).date(), datetime.max.time(), UTC)
    stranger = make_assignment(
        app_session, make_person(app_session), make_unit(app_session, make_provider(app_session))
    )
    make_analysis(app_session, stranger, Role.RES)
    act_for(app_session, clinic.provider.id)
    assert grant_role(app_session, clinic.colleague, Role.PAT, now=last, by=clinic.administrator)
    with pytest.raises(Conflict, match="no need-and-risk analysis"):
        grant_role(app_session, clinic.colleague, Role.RES, now=last, by=clinic.administrator)


def test_an_analysis_that_lapses_meanwhile_stops_the_approval(app_session: Session, clinic: Clinic) -> None:
    grant = grant_role(app_session, clinic.colleague, Role.PAT, now=NOW, by=clinic.administrator)
    with pytest.raises(Conflict, match="no need-and-risk analysis"):
        approve_grant(app_session, grant, now=NOW + 365 * DAY, by=clinic.head)


def test_a_renewed_analysis_renews_the_grants_that_rest_on_it(app_session: Session, clinic: Clinic) -> None:
    running = make_grant(app_session, clinic.colleague, Role.PAT)
    over = make_grant(app_session, clinic.colleague, Role.PAT, since=SINCE, until=NOW - DAY)
    old = running.risk_analysis_id
    decider = app_session.get_one(Assignment, clinic.head.assignment_id)
    facts: dict[str, Any] = {"document_ref": "BRA 2026:7", "decider": decider, "now": NOW, "by": clinic.administrator}
    renewed = register_analysis(app_session, role=Role.PAT, decided_at=NOW, **facts)
    assert renewed.review_due == date(2027, 3, 2)
    assert (running.risk_analysis_id, over.risk_analysis_id) == (renewed.id, old)
    (grant,) = (one for one in act(app_session, clinic.colleague).grants if one.period.holds(NOW))
    assert grant.analysis_due == renewed.review_due
    shorter = register_analysis(app_session, role=Role.PAT, decided_at=NOW, review_due=date(2026, 6, 1), **facts)
    assert running.risk_analysis_id == renewed.id, "an older or shorter analysis took the place of a longer one"
    assert find_analysis(app_session, clinic.provider.id, Role.PAT) is renewed
    assert list_analyses(app_session, clinic.provider.id, limit=2) == [shorter, renewed]


@pytest.mark.parametrize(
    ("decided_at", "review_due", "field"),
    [(NOW + DAY, None, "decided_at"), (NOW, NOW.date(), "review_due"), (NOW, date(2027, 3, 3), "review_due")],
)
def test_an_analysis_with_impossible_days_is_refused(
    app_session: Session, clinic: Clinic, decided_at: datetime, review_due: date | None, field: str
) -> None:
    with pytest.raises(Invalid) as caught:
        register_analysis(
            app_session,
            role=Role.PAT,
            document_ref="BRA",
            decider=clinic.colleague,
            decided_at=decided_at,
            review_due=review_due,
            now=NOW,
            by=clinic.administrator,
        )
    assert caught.value.field == field


def test_nobody_enters_an_analysis_of_their_own(app_session: Session, clinic: Clinic) -> None:
    administrator = app_session.get_one(Assignment, clinic.administrator.assignment_id)
    with pytest.raises(Invalid, match="Nobody enters an analysis that they decided themselves") as caught:
        register_analysis(
            app_session,
            role=Role.PAT,
            document_ref="BRA",
            decider=administrator,
            decided_at=NOW,
            now=NOW,
            by=clinic.administrator,
        )
    assert caught.value.field == "decided_by"


def test_who_signs_needs_a_physicians_licence(app_session: Session, clinic: Clinic) -> None:
    person = app_session.get_one(Person, clinic.colleague.person_id)
    person.license_professions = ["Sjuksköterska"]
    app_session.flush()
    with pytest.raises(Invalid, match="The role PAT needs a licence to practise as Läkare"):
        grant_role(app_session, clinic.colleague, Role.PAT, now=NOW, by=clinic.administrator)
    assert grant_role(app_session, clinic.colleague, Role.COO, now=NOW, by=clinic.administrator)


@pytest.mark.parametrize("role", [Role.OPS, Role.PTN])
def test_no_provider_gives_the_platforms_own_roles(app_session: Session, clinic: Clinic, role: Role) -> None:
    make_analysis(app_session, clinic.colleague, role, decided_at=SINCE)
    with pytest.raises(NotPermitted, match=f"No care provider gives the role {role}"):
        grant_role(app_session, clinic.colleague, role, now=NOW, by=clinic.administrator)


def test_the_first_roles_of_a_provider_come_from_the_platform_and_hold_at_once(
    app_session: Session, clinic: Clinic
) -> None:
    grant = grant_role(app_session, clinic.colleague, Role.ADM, now=NOW, by=None)
    assert (grant.granted_by, grant.approved_by, grant.approved_at) == (None, None, NOW)
    assert holding(app_session, clinic.colleague) == {Role.ADM}


def test_the_same_role_is_not_given_twice(app_session: Session, clinic: Clinic) -> None:
    department = make_department(app_session, clinic.unit)
    for place in (None, department):
        grant_role(app_session, clinic.colleague, Role.PAT, department=place, now=NOW, by=clinic.administrator)
        with pytest.raises(Conflict, match="has the role already"):
            grant_role(app_session, clinic.colleague, Role.PAT, department=place, now=NOW, by=clinic.administrator)


def test_a_role_is_for_a_department_of_the_same_unit_and_within_the_assignment(
    app_session: Session, clinic: Clinic
) -> None:
    far = make_department(app_session, make_unit(app_session, clinic.provider))
    usual: dict[str, Any] = {"now": NOW, "by": clinic.administrator}
    with pytest.raises(Invalid, match="This department belongs to another care unit"):
        grant_role(app_session, clinic.colleague, Role.PAT, department=far, **usual)
    with pytest.raises(Invalid, match="A role ends after it begins"):
        grant_role(app_session, clinic.colleague, Role.PAT, valid_to=NOW, **usual)
    clinic.colleague.valid_to = NOW + DAY
    with pytest.raises(Conflict, match="This assignment has ended by then"):
        grant_role(app_session, clinic.colleague, Role.PAT, valid_from=NOW + DAY, **usual)
    grant = grant_role(app_session, clinic.colleague, Role.PAT, valid_from=NOW - DAY, **usual)
    assert grant.valid_from == NOW, "a role was given for a time that has passed"


def test_a_role_that_ends_is_looked_at_again(app_session: Session, clinic: Clinic) -> None:
    grant = make_grant(app_session, clinic.colleague, Role.PAT)
    end_grant(app_session, grant, now=NOW, by=clinic.administrator)
    assert holding(app_session, clinic.colleague) == set()
    assert app_session.info["changed"] == Changed(assignments={clinic.colleague.id})
    assert list_grants(app_session, clinic.provider.id, now=NOW)[0] is not grant
    with pytest.raises(IllegalMove, match="over already"):
        end_grant(app_session, grant, now=NOW, by=clinic.administrator)
    assert grant_role(app_session, clinic.colleague, Role.PAT, now=NOW, by=clinic.administrator)


def test_a_head_turns_down_what_waits_in_the_own_unit_only(app_session: Session, clinic: Clinic) -> None:
    grant = grant_role(app_session, clinic.colleague, Role.PAT, valid_from=NOW + DAY, now=NOW, by=clinic.administrator)
    elsewhere = make_unit(app_session, clinic.provider)
    stranger = make_assignment(app_session, make_person(app_session), elsewhere, since=SINCE, roles=[Role.HEAD])
    with pytest.raises(NotPermitted, match="Only a head of the assignment's own care unit"):
        end_grant(app_session, grant, now=NOW, by=act(app_session, stranger, now=NOW))
    end_grant(app_session, grant, now=NOW, by=clinic.head)
    assert grant.valid_to == grant.valid_from == NOW + DAY
    approve = list_grants(app_session, clinic.provider.id, waiting=True, now=NOW + 2 * DAY)
    assert approve == []


def test_another_providers_grants_are_not_there_even_for_a_query_that_forgets_its_filter(
    app_session: Session, clinic: Clinic
) -> None:
    grant = make_grant(app_session, clinic.colleague, Role.PAT)
    other = make_provider(app_session)
    act_for(app_session, other.id)
    app_session.expunge_all()
    for model in (RoleGrant, RiskAnalysis):
        assert app_session.scalars(select(model)).all() == []
    for nobody in (grant.id, uuid.uuid4()):
        with pytest.raises(NotThere, match=r"^There is no such role grant\.$"):
            find_grant(app_session, nobody, provider_id=other.id)
    assert app_session.execute(text("UPDATE role_grant SET approved_at = now()")).rowcount == 0  # type: ignore[attr-defined]
    act_for(app_session, clinic.provider.id)
    assert find_grant(app_session, grant.id, provider_id=clinic.provider.id).id == grant.id
    with pytest.raises(NotThere):
        find_grant(app_session, grant.id, provider_id=other.id)


def test_the_database_refuses_one_person_twice_and_roles_across_providers(session: Session) -> None:
    unit = make_unit(session, make_provider(session))
    holder, giver = (make_assignment(session, make_person(session), unit, roles=[Role.PAT]) for _ in range(2))
    stranger = make_assignment(session, make_person(session), make_unit(session, make_provider(session)))
    for change in (
        {"granted_by": giver.id, "approved_by": giver.id},
        {"granted_by": holder.id, "approved_by": None},
        {"granted_by": None, "approved_by": holder.id},
    ):
        with pytest.raises(IntegrityError, match="two_people"), session.begin_nested():
            session.execute(
                text(
                    "UPDATE role_grant SET granted_by = :granted_by, approved_by = :approved_by"
                    " WHERE assignment_id = :holder"
                ),
                change | {"holder": holder.id},
            )
    with pytest.raises(IntegrityError, match="fk_role_grant_assignment_id"), session.begin_nested():
        session.execute(
            text("UPDATE role_grant SET assignment_id = :other WHERE assignment_id = :holder"),
            {"other": stranger.id, "holder": holder.id},
        )


def test_every_change_of_roles_is_on_record(app_session: Session, clinic: Clinic) -> None:
    decider = app_session.get_one(Assignment, clinic.head.assignment_id)
    register_analysis(
        app_session, role=Role.RES, document_ref="B", decider=decider, decided_at=NOW, now=NOW, by=clinic.administrator
    )
    grant = grant_role(app_session, clinic.colleague, Role.COO, now=NOW, by=clinic.administrator)
    approve_grant(app_session, grant, now=NOW, by=clinic.head)
    delegation = delegate(
        app_session,
        clinic.colleague,
        Permission.ACCEPT_REQUEST,
        valid_to=NOW + DAY,
        document_ref="D",
        now=NOW,
        by=clinic.head,
    )
    end_delegation(app_session, delegation, now=NOW, by=clinic.head)
    end_grant(app_session, grant, now=NOW, by=clinic.head)
    audit.link(app_session)
    found = app_session.execute(
        select(AuditEvent.event, AuditEvent.assignment_id)
        .where(AuditEvent.care_provider_id == clinic.provider.id)
        .order_by(AuditEvent.id)
    ).all()
    administrator, head = clinic.administrator.assignment_id, clinic.head.assignment_id
    assert [tuple(row) for row in found] == [
        (Event.RISK_ANALYSIS_REGISTERED, administrator),
        (Event.ROLE_GRANTED, administrator),
        (Event.ROLE_APPROVED, head),
        (Event.DELEGATION_GIVEN, head),
        (Event.DELEGATION_ENDED, head),
        (Event.ROLE_REVOKED, head),
    ]
