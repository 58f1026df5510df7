"""People and their assignments: one person, several hats; and when and in what they can be asked."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from people import act, hsa_id, make_assignment, make_department, make_person, make_provider, make_unit
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from cases.access import audit
from cases.access.absences import Absence, AbsenceKind, cancel_absence, find_absence, list_absences, plan_absence
from cases.access.actors import Actor, Purpose
from cases.access.audit import AuditEvent, Event
from cases.access.errors import Conflict, IllegalMove, Invalid, NotPermitted, NotThere
from cases.access.organisations import CareUnit, close
from cases.access.people import (
    Assignment,
    Person,
    assign,
    change_person,
    end_assignment,
    find_assignment,
    find_person,
    list_assignments,
    list_people,
    register_person,
)
from cases.access.permissions import Role
from cases.access.rights import Changed
from cases.database import act_for, platform
from cases.sharing.competences import (
    SUBSPECIALTIES,
    Competence,
    CompetenceLevel,
    Subspecialty,
    Validation,
    find_competences,
    set_competence,
)

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
DAY = timedelta(days=1)
PERSON: dict[str, Any] = {"given_name": "Berit", "family_name": "Provsson", "title": "Överläkare"}


def make_unit_alone(session: Session) -> CareUnit:
    return make_unit(session, make_provider(session))


def make_actor(session: Session, unit: CareUnit, *roles: Role) -> Actor:
    return act(session, make_assignment(session, make_person(session), unit, roles=roles))


def employ(session: Session, person: Person, unit: CareUnit, *, by: Actor | None = None, **facts: Any) -> Assignment:
    usual: dict[str, Any] = {
        "employee_hsa_id": hsa_id(),
        "commission_hsa_id": hsa_id(),
        "commission_name": "Patolog",
        "purpose": Purpose.CARE,
        "valid_from": NOW,
    }
    return assign(session, person, unit, by=by, **(usual | facts))


def test_one_person_with_two_hats_is_one_person(app_session: Session) -> None:
    kalmar, linkoping = make_unit_alone(app_session), make_unit_alone(app_session)
    first = register_person(app_session, **PERSON, license_number="123456", by=None)
    employ(app_session, first, kalmar)
    again = register_person(
        app_session,
        given_name="berit",
        family_name="PROVSSON",
        title="Konsult",
        license_number="123456",
        by=make_actor(app_session, linkoping, Role.ADM),
    )
    employ(app_session, again, linkoping)
    assert again is first
    assert first.title == "Överläkare"
    for unit in (kalmar, linkoping):
        (row,) = list_assignments(app_session, [first.id], provider_id=unit.care_provider_id)[first.id]
        assert row.care_unit_id == unit.id


def test_a_licence_under_another_name_is_refused(app_session: Session) -> None:
    register_person(app_session, **PERSON, license_number="123456", by=None)
    with pytest.raises(Conflict, match="This licence number belongs to somebody of another name"):
        register_person(app_session, **(PERSON | {"given_name": "Bo"}), license_number="123456", by=None)


def test_people_without_a_licence_are_each_their_own(app_session: Session) -> None:
    assert register_person(app_session, **PERSON, by=None) is not register_person(app_session, **PERSON, by=None)


def test_a_protected_name_is_in_no_list(app_session: Session) -> None:
    person = make_person(app_session, protected=True)
    assert (person.listed_name, person.name) == (None, "Prov Provsson")
    change_person(app_session, person, protected=False, by=make_actor(app_session, make_unit_alone(app_session)))
    assert person.listed_name == "Prov Provsson"


def test_an_assignment_keeps_what_the_catalogue_says(app_session: Session) -> None:
    unit = make_unit_alone(app_session)
    row = employ(
        app_session,
        make_person(app_session),
        unit,
        employee_hsa_id="se2321000040-abc",
        commission_hsa_id=f" {hsa_id().lower()} ",
        commission_rights=["Läsa;alt;VE", "Läsa;alt;SJF", "Skriva;upp;VE"],
        department=make_department(app_session, unit),
        fte=0.5,
    )
    assert row.employee_hsa_id == "SE2321000040-ABC"
    assert row.commission_hsa_id == row.commission_hsa_id.strip().upper()
    assert row.scopes == {"VE", "SJF"}
    stored = app_session.scalar(text("SELECT commission_purpose FROM assignment WHERE id = :id"), {"id": row.id})
    assert stored == "Vård och behandling"


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"employee_hsa_id": "SE1-A"}, "employee_hsa_id"),
        ({"commission_hsa_id": "A"}, "commission_hsa_id"),
        ({"commission_rights": ["Läsa;alt;ALLT"]}, "commission_rights"),
        ({"commission_rights": ["VE"]}, "commission_rights"),
        ({"commission_rights": ["Läsa;alt;mer;VE"]}, "commission_rights"),
        ({"valid_to": NOW}, "valid_to"),
    ],
)
def test_an_assignment_of_a_wrong_shape_is_refused(app_session: Session, facts: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        employ(app_session, make_person(app_session), make_unit_alone(app_session), **facts)
    assert caught.value.field == field


def test_an_assignment_belongs_to_one_person_and_an_employee_id_too(app_session: Session) -> None:
    unit = make_unit_alone(app_session)
    first = employ(app_session, make_person(app_session), unit)
    with pytest.raises(Conflict, match="There is an assignment with this HSA-id already"):
        employ(app_session, make_person(app_session), unit, commission_hsa_id=first.commission_hsa_id.lower())
    with pytest.raises(Conflict, match="This employee HSA-id is somebody else's"):
        employ(app_session, make_person(app_session), unit, employee_hsa_id=first.employee_hsa_id)
    person = app_session.get_one(Person, first.person_id)
    assert employ(app_session, person, unit, employee_hsa_id=first.employee_hsa_id).id != first.id


def test_nobody_is_employed_where_it_is_closed_or_in_another_units_department(app_session: Session) -> None:
    unit, other = make_unit_alone(app_session), make_unit_alone(app_session)
    person, department = make_person(app_session), make_department(app_session, unit)
    with pytest.raises(Invalid, match="This department belongs to another care unit"):
        employ(app_session, person, other, department=department)
    close(app_session, department, by=None)
    with pytest.raises(Conflict, match="closed"):
        employ(app_session, person, unit, department=department)
    close(app_session, unit, by=None)
    with pytest.raises(Conflict, match="closed"):
        employ(app_session, person, unit)


def test_the_database_refuses_an_assignment_across_care_providers(session: Session) -> None:
    unit, other = make_unit_alone(session), make_unit_alone(session)
    row = make_assignment(session, make_person(session), unit)
    with pytest.raises(IntegrityError, match="fk_assignment_care_unit_id"), session.begin_nested():
        session.execute(
            text("UPDATE assignment SET care_unit_id = :other WHERE id = :id"), {"other": other.id, "id": row.id}
        )


@pytest.mark.parametrize("at", [NOW - DAY, NOW, NOW + DAY])
def test_an_assignment_ends_at_the_earliest_now(app_session: Session, at: datetime) -> None:
    row = make_assignment(app_session, make_person(app_session), make_unit_alone(app_session), since=NOW - DAY)
    end_assignment(app_session, row, at=at, now=NOW, by=None)
    assert row.valid_to == max(at, NOW)
    assert row.holds(NOW) == (at > NOW)
    assert app_session.info["changed"] == Changed(assignments={row.id})


def test_ending_makes_no_assignment_longer(app_session: Session) -> None:
    unit = make_unit_alone(app_session)
    row = make_assignment(app_session, make_person(app_session), unit, since=NOW - DAY, until=NOW + DAY)
    for at in (NOW + DAY, NOW + 2 * DAY):
        with pytest.raises(IllegalMove, match="To make it longer, enter a new one"):
            end_assignment(app_session, row, at=at, now=NOW, by=None)
    with pytest.raises(IllegalMove):
        end_assignment(app_session, row, at=NOW, now=NOW + 2 * DAY, by=None)
    ahead = make_assignment(app_session, make_person(app_session), unit, since=NOW + DAY)
    with pytest.raises(Invalid, match="ends after it begins"):
        end_assignment(app_session, ahead, at=NOW, now=NOW, by=None)
    assert "changed" not in app_session.info


def test_nobody_employs_or_changes_oneself_under_whatever_assignment(app_session: Session) -> None:
    person, unit = make_person(app_session), make_unit_alone(app_session)
    under_one = act(app_session, make_assignment(app_session, person, unit, roles=[Role.ADM]))
    other = make_assignment(app_session, person, unit)
    refusal = "Nobody changes their own employment"
    with pytest.raises(NotPermitted, match=refusal):
        employ(app_session, person, unit, by=under_one)
    with pytest.raises(NotPermitted, match=refusal):
        end_assignment(app_session, other, at=NOW, now=NOW, by=under_one)
    with pytest.raises(NotPermitted, match=refusal):
        change_person(app_session, person, license_professions=["Läkare"], by=under_one)


def test_who_is_employed_by_licence_is_not_changed_for_the_first_employer(app_session: Session) -> None:
    ours, theirs = make_unit_alone(app_session), make_unit_alone(app_session)
    our_head, their_head = make_actor(app_session, ours, Role.HEAD), make_actor(app_session, theirs, Role.HEAD)
    said: dict[str, Any] = {"level": CompetenceLevel.TRAINEE, "max_complexity_level": 1, "now": NOW}
    person = make_person(app_session, protected=True)
    employ(app_session, person, ours)
    set_competence(app_session, person, Subspecialty.GI, **said, by=our_head)
    employ(app_session, person, theirs, by=their_head)
    changes: list[dict[str, Any]] = [{"protected": False}, {"family_name": "X"}, {"license_professions": []}]
    for change in changes:
        with pytest.raises(NotPermitted, match="also works, or has worked, for another care provider"):
            change_person(app_session, person, **change, by=their_head)
    with pytest.raises(NotPermitted, match="also works, or has worked, for another care provider"):
        set_competence(app_session, person, Subspecialty.GI, **said, by=their_head)
    set_competence(app_session, person, Subspecialty.GI, **said, by=our_head)


def test_another_providers_people_are_not_there(app_session: Session) -> None:
    unit, other = make_unit_alone(app_session), make_unit_alone(app_session)
    row = make_assignment(app_session, make_person(app_session), unit)
    for nobody in (row.person_id, uuid.uuid4()):
        with pytest.raises(NotThere, match=r"^There is no such person\.$"):
            find_person(app_session, nobody, provider_id=other.care_provider_id)
    for nobody in (row.id, uuid.uuid4()):
        with pytest.raises(NotThere, match=r"^There is no such assignment\.$"):
            find_assignment(app_session, nobody, provider_id=other.care_provider_id)
    assert list_people(app_session, other.care_provider_id) == []
    assert [one.id for one in list_people(app_session, unit.care_provider_id)] == [row.person_id]


def test_a_list_of_people_has_each_once_and_goes_on_where_it_stopped(app_session: Session) -> None:
    unit = make_unit_alone(app_session)
    people = [make_person(app_session) for _ in range(4)]
    for person in (*people, people[0]):
        make_assignment(app_session, person, unit)
    first = list_people(app_session, unit.care_provider_id, limit=3)
    second = list_people(app_session, unit.care_provider_id, limit=3, after=first[-1].id)
    assert [*first, *second] == people[::-1]


def test_absences_are_planned_within_ones_own_care_unit(app_session: Session) -> None:
    provider = make_provider(app_session)
    unit, apart = make_unit(app_session, provider), make_unit(app_session, provider)
    part = make_unit(app_session, provider, part_of=unit)
    colleague = make_assignment(app_session, make_person(app_session), part)
    planner, stranger = make_actor(app_session, unit, Role.COO), make_actor(app_session, apart, Role.COO)
    act_for(app_session, unit.care_provider_id)
    when: dict[str, Any] = {"starts_at": NOW, "ends_at": NOW + 5 * DAY, "kind": AbsenceKind.VACATION}
    absence = plan_absence(app_session, colleague, **when, by=planner)
    assert list_absences(app_session, unit.care_provider_id, now=NOW) == [absence]
    assert list_absences(app_session, unit.care_provider_id, now=NOW + 5 * DAY) == []
    with pytest.raises(Invalid, match="An absence ends after it begins"):
        plan_absence(app_session, colleague, **(when | {"ends_at": NOW}), by=planner)
    with pytest.raises(NotPermitted, match="within one's own care unit"):
        plan_absence(app_session, colleague, **when, by=stranger)
    with pytest.raises(NotPermitted, match="within one's own care unit"):
        cancel_absence(app_session, absence, now=NOW, by=stranger)
    cancel_absence(app_session, absence, now=NOW, by=planner)
    assert list_absences(app_session, unit.care_provider_id, now=NOW) == []
    with pytest.raises(IllegalMove, match="called off already"):
        cancel_absence(app_session, absence, now=NOW, by=planner)


def test_another_providers_absences_are_not_there_even_for_a_query_that_forgets_its_filter(
    app_session: Session,
) -> None:
    unit, other = make_unit_alone(app_session), make_unit_alone(app_session)
    planner = make_actor(app_session, unit, Role.HEAD)
    colleague = make_assignment(app_session, make_person(app_session), unit)
    absence = plan_absence(
        app_session, colleague, starts_at=NOW, ends_at=NOW + DAY, kind=AbsenceKind.EDUCATION, by=planner
    )
    assert len(app_session.scalars(select(Absence)).all()) == 1
    act_for(app_session, other.care_provider_id)
    app_session.expunge(absence)
    assert app_session.scalars(select(Absence)).all() == []
    with pytest.raises(NotThere, match=r"^There is no such absence\.$"):
        find_absence(app_session, absence.id, provider_id=other.care_provider_id)


def test_a_competence_replaces_what_was_said_before(app_session: Session) -> None:
    unit = make_unit_alone(app_session)
    head, person = make_actor(app_session, unit, Role.HEAD), make_person(app_session)
    said: dict[str, Any] = {"level": CompetenceLevel.GENERAL, "max_complexity_level": 3, "now": NOW, "by": head}
    first = set_competence(app_session, person, Subspecialty.BREAST, **said)
    validation = Validation(NOW - DAY, cases=60, concordance=96.5)
    said |= {"level": CompetenceLevel.EXPERT, "validation": validation, "valid_to": date(2027, 3, 2)}
    again = set_competence(app_session, person, Subspecialty.BREAST, **said)
    other = set_competence(app_session, person, Subspecialty.GI, **said)
    assert again is first
    assert (first.level, first.digital_validation_cases, first.digital_validation_concordance) == ("EXPERT", 60, 96.5)
    assert (first.version, first.digital_validated_at) == (2, NOW - DAY)
    assert find_competences(app_session, [person.id, head.person_id]) == {
        person.id: [first, other],
        head.person_id: [],
    }


@pytest.mark.parametrize(
    "said",
    [
        {"max_complexity_level": 0},
        {"max_complexity_level": 7},
        {"validation": Validation(NOW + DAY, 60, 96.0)},
        {"validation": Validation(NOW - DAY, 0, 96.0)},
        {"validation": Validation(NOW - DAY, 60, 100.1)},
    ],
)
def test_a_competence_out_of_bounds_is_refused(app_session: Session, said: dict[str, Any]) -> None:
    usual: dict[str, Any] = {"level": CompetenceLevel.TRAINEE, "max_complexity_level": 1, "now": NOW, "by": None}
    with pytest.raises(Invalid):
        set_competence(app_session, make_person(app_session), Subspecialty.DERM, **(usual | said))


def test_nobody_judges_their_own_competence(app_session: Session) -> None:
    head = make_actor(app_session, make_unit_alone(app_session), Role.HEAD)
    with pytest.raises(NotPermitted, match="Nobody judges their own competence"):
        set_competence(
            app_session,
            app_session.get_one(Person, head.person_id),
            Subspecialty.GI,
            level=CompetenceLevel.EXPERT,
            max_complexity_level=6,
            now=NOW,
            by=head,
        )


def test_the_database_keeps_one_competence_a_subspecialty_and_validations_whole(session: Session) -> None:
    person = make_person(session)
    usual: dict[str, Any] = {"person_id": person.id, "level": CompetenceLevel.EXPERT, "max_complexity_level": 6}
    session.add(Competence(**usual, subspecialty=Subspecialty.GI))
    session.flush()
    for wrong in ({"subspecialty": Subspecialty.GI}, {"subspecialty": Subspecialty.GYN, "digital_validated_at": NOW}):
        with pytest.raises(IntegrityError), session.begin_nested():
            session.add(Competence(**usual, **wrong))


def test_every_subspecialty_has_a_name_in_both_languages() -> None:
    assert set(SUBSPECIALTIES) == set(Subspecialty)
    assert all(sv and en for sv, en in SUBSPECIALTIES.values())


def test_every_change_of_people_is_on_record_without_a_name(app_session: Session) -> None:
    unit = make_unit_alone(app_session)
    by = make_actor(app_session, unit, Role.ADM, Role.COO)
    person = register_person(app_session, **PERSON, license_number="654321", by=by)
    change_person(app_session, person, title="Sektionschef", by=by)
    assignment = employ(app_session, person, unit, by=by)
    absence = plan_absence(app_session, assignment, starts_at=NOW, ends_at=NOW + DAY, kind=AbsenceKind.OTHER, by=by)
    cancel_absence(app_session, absence, now=NOW, by=by)
    set_competence(
        app_session,
        person,
        Subspecialty.GI,
        level=CompetenceLevel.EXPERT,
        max_complexity_level=6,
        now=NOW,
        by=by,
    )
    end_assignment(app_session, assignment, at=NOW + DAY, now=NOW, by=by)
    audit.link(app_session)
    found = app_session.scalars(
        select(AuditEvent).where(AuditEvent.assignment_id == by.assignment_id).order_by(AuditEvent.id)
    ).all()
    assert [entry.event for entry in found] == [
        Event.PERSON_REGISTERED,
        Event.PERSON_CHANGED,
        Event.ASSIGNMENT_REGISTERED,
        Event.ABSENCE_PLANNED,
        Event.ABSENCE_CANCELLED,
        Event.COMPETENCE_CHANGED,
        Event.ASSIGNMENT_ENDED,
    ]
    written = str([entry.args for entry in found])
    for name in ("Berit", "Provsson", "654321"):
        assert name not in written


def test_the_platform_reads_who_works_where(app_session: Session) -> None:
    row = make_assignment(app_session, make_person(app_session), make_unit_alone(app_session))
    with platform(app_session):
        joined = select(Person.family_name).join(Assignment).where(Assignment.id == row.id)
        assert app_session.scalar(joined) == "Provsson"
