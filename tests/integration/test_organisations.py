"""Care providers, units and departments: their identities, their moves, and the database's own say about them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy
from alembic import command
from alembic.config import Config
from hypothesis import given
from hypothesis import strategies as st
from people import act, hsa_id, make_assignment, make_department, make_person, make_provider, make_unit
from product import Database
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.orm import Session

from cases.access import audit
from cases.access.audit import AuditEvent, Event
from cases.access.errors import Conflict, IllegalMove, Invalid, NotThere
from cases.access.organisations import (
    MOVES,
    CareProvider,
    CareUnit,
    ProviderKind,
    ProviderStatus,
    RegionCode,
    change,
    close,
    find_department,
    find_unit,
    list_parts,
    list_providers,
    move_provider,
    open_department,
    open_unit,
    parse_hsa_id,
    parse_org_number,
    register_provider,
)
from cases.access.permissions import Role
from cases.access.rights import Changed
from cases.database import new_id, platform
from cases.migrate import MIGRATIONS, migrate
from viewer.embedded import EmbeddedPostgreSQL


def register(session: Session, *, kind: ProviderKind = ProviderKind.REGION) -> CareProvider:
    return register_provider(
        session,
        hsa_id=hsa_id(),
        name="Region Prov",
        org_number="232100-0040",
        kind=kind,
        region_code=RegionCode.RO,
        by=None,
    )


@pytest.mark.parametrize("given_id", ["SE5565594230-B9D", "se162321000024-11b", "  SE2321000040-a  "])
def test_an_hsa_id_is_kept_in_capitals_so_that_case_never_matters(given_id: str) -> None:
    assert parse_hsa_id(given_id) == given_id.strip().upper()


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "SE5565594230",
        "SE5565594230-",
        "SE556559423-B9D",
        "NO5565594230-B9D",
        "SE5565594230-B9D-1",
        "SE5565594230-ÅÄÖ",
        "SE5565594230-" + "A" * 19,
        "SE١٢٣٤٥٦٧٨٩٠-B9D",
    ],
)
def test_another_shape_is_no_hsa_id(wrong: str) -> None:
    with pytest.raises(Invalid, match="An HSA-id is SE, the organisation number, a hyphen") as caught:
        parse_hsa_id(wrong, field="employee_hsa_id")
    assert caught.value.field == "employee_hsa_id"


@given(st.text())
def test_whatever_is_accepted_as_an_hsa_id_is_accepted_again_as_it_is(given_id: str) -> None:
    try:
        found = parse_hsa_id(given_id)
    except Invalid:
        return
    assert parse_hsa_id(found) == found


def test_an_organisation_number_is_ten_digits() -> None:
    assert parse_org_number("232100-0040") == parse_org_number("2321000040") == "2321000040"
    for wrong in ("232100", "232100-00400", "2321-000040", "SE2321000040", "٢٣٢١٠٠٠٠٤٠"):
        with pytest.raises(Invalid, match="An organisation number has ten digits"):
            parse_org_number(wrong)


def test_a_region_and_a_private_provider_differ_in_the_default_of_the_log_extract_alone(app_session: Session) -> None:
    region, private = (register(app_session, kind=kind) for kind in ProviderKind)
    apart = {"id", "hsa_id", "kind", "created_at", "updated_at", "extract_includes_name"}
    columns = [column.key for column in CareProvider.__table__.columns if column.key not in apart]
    assert [getattr(region, name) for name in columns] == [getattr(private, name) for name in columns]
    assert (region.extract_includes_name, private.extract_includes_name) == (True, False)


def test_two_care_providers_do_not_share_an_hsa_id_whatever_its_case(app_session: Session) -> None:
    first = register(app_session)
    with pytest.raises(Conflict, match="There is a care provider with this HSA-id already"):
        register_provider(
            app_session,
            hsa_id=first.hsa_id.lower(),
            name="Annan",
            org_number="2321000057",
            kind=ProviderKind.PRIVATE,
            region_code=RegionCode.OTHER,
            by=None,
        )
    assert register(app_session).id != first.id, "the transaction did not survive the conflict"


@pytest.mark.parametrize("status", ProviderStatus)
@pytest.mark.parametrize("to", ProviderStatus)
def test_a_care_provider_moves_as_the_table_says(
    app_session: Session, status: ProviderStatus, to: ProviderStatus
) -> None:
    provider = make_provider(app_session, status=status)
    if to in MOVES[status]:
        move_provider(app_session, provider, to=to, by=None)
        assert provider.status is to
        assert app_session.info["changed"] == Changed(providers={provider.id})
    else:
        with pytest.raises(IllegalMove, match=f"A care provider that is {status} cannot become {to}") as caught:
            move_provider(app_session, provider, to=to, by=None)
        assert caught.value.allowed == tuple(sorted(MOVES[status]))
        assert provider.status is status


def test_a_part_belongs_to_a_care_unit_of_law_of_the_same_provider(app_session: Session) -> None:
    provider, other = make_provider(app_session), make_provider(app_session)
    law = open_unit(app_session, provider.id, hsa_id=hsa_id(), name="Klinisk patologi", by=None)
    part = open_unit(app_session, provider.id, hsa_id=hsa_id(), name="Kalmar", part_of=law.id, by=None)
    assert (law.pdl_unit_id, law.is_pdl_unit) == (law.id, True)
    assert (part.pdl_unit_id, part.is_pdl_unit) == (law.id, False)
    with pytest.raises(Invalid, match="is a part itself"):
        open_unit(app_session, provider.id, hsa_id=hsa_id(), name="Under", part_of=part.id, by=None)
    with pytest.raises(NotThere):
        open_unit(app_session, other.id, hsa_id=hsa_id(), name="Lånad", part_of=law.id, by=None)


def test_the_database_itself_refuses_parts_across_care_providers(session: Session) -> None:
    unit, other = make_unit(session, make_provider(session)), make_provider(session)
    for row in (
        CareUnit(hsa_id=hsa_id(), care_provider_id=other.id, name="x", is_pdl_unit=False, pdl_unit_id=unit.id),
        CareUnit(hsa_id=hsa_id(), care_provider_id=other.id, name="x", is_pdl_unit=True, pdl_unit_id=unit.id),
        CareUnit(hsa_id="se2321000040-x", care_provider_id=other.id, name="x", is_pdl_unit=True, pdl_unit_id=new_id()),
    ):
        with pytest.raises(IntegrityError), session.begin_nested():
            session.add(row)
    department = make_department(session, unit)
    with pytest.raises(IntegrityError, match="fk_department_care_unit_id"), session.begin_nested():
        session.execute(
            text("UPDATE department SET care_provider_id = :other WHERE id = :id"),
            {"other": other.id, "id": department.id},
        )


def test_what_is_closed_stays_where_the_past_names_it(app_session: Session) -> None:
    provider = make_provider(app_session)
    unit = make_unit(app_session, provider)
    department = open_department(app_session, unit, name="Cytologi", phone_urgent="010-103 00 00", by=None)
    close(app_session, department, by=None)
    close(app_session, unit, by=None)
    with pytest.raises(IllegalMove, match="closed already"):
        close(app_session, unit, by=None)
    with pytest.raises(Conflict, match="This care unit is closed"):
        open_department(app_session, unit, name="Ny", by=None)
    assert list_parts(app_session, [provider.id]) == ([unit], [department])
    assert find_unit(app_session, unit.id, provider_id=provider.id).archived_at


def test_another_providers_parts_are_not_there(app_session: Session) -> None:
    unit, other = make_unit(app_session, make_provider(app_session)), make_provider(app_session)
    department = make_department(app_session, unit)
    for nobody in (unit.id, uuid.uuid4()):
        with pytest.raises(NotThere, match=r"^There is no such care unit\.$"):
            find_unit(app_session, nobody, provider_id=other.id)
    for nobody in (department.id, uuid.uuid4()):
        with pytest.raises(NotThere, match=r"^There is no such department\.$"):
            find_department(app_session, nobody, provider_id=other.id)


def test_care_providers_are_listed_page_by_page(app_session: Session) -> None:
    made = [make_provider(app_session).id for _ in range(5)]
    first = [row.id for row in list_providers(app_session, limit=2)]
    second = [row.id for row in list_providers(app_session, limit=2, after=first[-1])]
    assert first + second == made[:0:-1]


def test_every_change_of_an_organisation_is_on_record(app_session: Session) -> None:
    unit = make_unit(app_session, make_provider(app_session))
    actor = act(app_session, make_assignment(app_session, make_person(app_session), unit, roles=[Role.ADM]))
    part = open_unit(app_session, actor.provider_id, hsa_id=hsa_id(), name="Del", part_of=unit.id, by=actor)
    department = open_department(app_session, part, name="Histologi", by=actor)
    change(app_session, department, name="Histopatologi", phone_urgent="1177", by=actor)
    close(app_session, department, by=actor)
    audit.link(app_session)
    found = app_session.scalars(
        select(AuditEvent).where(AuditEvent.assignment_id == actor.assignment_id).order_by(AuditEvent.id)
    ).all()
    assert [entry.event for entry in found] == [Event.CONFIG_CHANGED] * 4
    assert [entry.args["what"] for entry in found] == ["opened", "opened", "name, phone_urgent", "closed"]
    assert part.created_by == department.created_by == actor.assignment_id


def test_the_directory_is_for_everybody_and_for_the_platform(app_session: Session) -> None:
    provider = make_provider(app_session)
    unit = make_unit(app_session, provider)
    with platform(app_session):
        assert app_session.scalar(select(CareUnit.name).where(CareUnit.id == unit.id)) == unit.name
        with pytest.raises(ProgrammingError, match="permission denied"), app_session.begin_nested():
            app_session.execute(text("UPDATE care_unit SET name = 'x'"))


@contextmanager
def fresh_database(cluster_database: Database) -> Iterator[Database]:
    name = f"fresh_{uuid.uuid4().hex}"
    postgres = Database(cluster_database.cluster, "postgres")
    with postgres.engine("postgres") as engine, engine.connect() as connection:
        superuser = connection.execution_options(isolation_level="AUTOCOMMIT")
        superuser.exec_driver_sql(f"CREATE DATABASE {name} OWNER samsyn_owner TEMPLATE template0")
        try:
            yield Database(cluster_database.cluster, name)
        finally:
            superuser.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


def test_the_people_of_version_0_2_0_are_carried_over(postgresql: EmbeddedPostgreSQL, quiet_database: Database) -> None:
    names = {
        "Demo Demosson": ("Demo", "Demosson"),
        "Anna Karin  von Provén ": ("Anna Karin  von", "Provén"),
        "Ensam": ("", "Ensam"),
        "": ("", ""),
    }
    with fresh_database(quiet_database) as fresh:
        with fresh.engine() as engine, engine.begin() as connection:
            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS))
            config.attributes["connection"] = connection
            command.upgrade(config, "0002")
        for name in names:
            fresh.query(
                "WITH old AS (INSERT INTO person (id, name, title, demo) VALUES (:id, :name, 'Patolog', true)"
                " RETURNING id) INSERT INTO sign_in_session (id, person_id, token_digest, ends_at)"
                " SELECT :session, id, :token, now() FROM old",
                id=new_id(),
                name=name,
                session=new_id(),
                token=name.encode(),
            )
        migrate(fresh.url("samsyn_owner"))
        rows = fresh.query("SELECT * FROM person")
    assert {(row["given_name"], row["family_name"]) for row in rows} == set(names.values())
    assert {(row["title"], row["version"], row["protected"]) for row in rows} == {("Patolog", 1, False)}
    assert not any(row["demo"] for row in rows), "an account without any assignment is offered for signing in"


def test_a_provider_whose_people_act_for_it_sees_no_other_providers_roles(app_session: Session) -> None:
    rows = sqlalchemy.text("SELECT care_provider_id FROM role_grant")
    actors = [
        act(app_session, make_assignment(app_session, make_person(app_session), unit, roles=[Role.ADM]))
        for unit in (make_unit(app_session, make_provider(app_session)) for _ in range(2))
    ]
    assert list(app_session.scalars(rows)) == [actors[1].provider_id]
    with platform(app_session):
        assert {actor.provider_id for actor in actors} <= set(app_session.scalars(rows))
