"""The database's second line: what each role can do, and that schema and models are one."""

from __future__ import annotations

import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from product import ROOT, Database
from sqlalchemy.exc import ProgrammingError

import cases.models
from cases.access.people import DEMO_PERSON, ensure_demo_person
from cases.access.sessions import sign_in_for_demo, sign_out
from cases.database import UnsafeRole, connect, require_safe_role, sessions, transaction
from cases.records.slide_images import SlideImage, receive
from cases.records.viewings import close_viewing, open_viewing
from viewer.embedded import EmbeddedPostgreSQL

TABLES = ("person", "sign_in_session", "viewing", "slide_image", "tile_pyramid", "alembic_version")
MAY = {
    "samsyn_app": {
        "person": {"SELECT", "INSERT"},
        "sign_in_session": {"SELECT", "INSERT", "UPDATE"},
        "viewing": {"SELECT", "INSERT", "UPDATE"},
        "slide_image": {"SELECT"},
        "tile_pyramid": {"SELECT"},
        "alembic_version": {"SELECT"},
    },
    "samsyn_worker": {
        "slide_image": {"SELECT", "INSERT", "UPDATE"},
        "tile_pyramid": {"SELECT", "INSERT", "UPDATE", "DELETE"},
        "alembic_version": {"SELECT"},
    },
}
"""What each role may do with each table, and nothing else."""


@pytest.mark.parametrize("role", MAY)
def test_a_role_may_do_what_is_listed_and_nothing_more(quiet_database: Database, role: str) -> None:
    found: dict[str, set[str]] = {}
    every = quiet_database.query(
        "SELECT table_name AS name, kind FROM information_schema.tables,"
        " unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS kind"
        " WHERE table_schema = 'public' AND has_table_privilege(:of, quote_ident(table_name), kind)",
        of=role,
    )
    for row in every:
        found.setdefault(row["name"], set()).add(row["kind"])
    assert found == MAY[role]


def test_the_list_covers_every_table(quiet_database: Database) -> None:
    found = quiet_database.query(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tableowner = :owner", owner="samsyn_owner"
    )
    assert {row["tablename"] for row in found} == set(TABLES)


@pytest.mark.parametrize(
    ("role", "statement", "refusal"),
    [
        ("samsyn_app", "UPDATE slide_image SET caption = 'x'", "permission denied for table slide_image"),
        ("samsyn_app", "DELETE FROM viewing", "permission denied for table viewing"),
        ("samsyn_app", "UPDATE person SET demo = true", "permission denied for table person"),
        ("samsyn_worker", "SELECT token_digest FROM sign_in_session", "permission denied for table sign_in_session"),
        ("samsyn_worker", "SELECT * FROM viewing", "permission denied for table viewing"),
        ("samsyn_worker", "DELETE FROM slide_image", "permission denied for table slide_image"),
        *(
            (role, statement, refusal)
            for role in MAY
            for statement, refusal in (
                ("CREATE TABLE another (id int)", "permission denied for schema public"),
                ("CREATE TEMPORARY TABLE another (id int)", "permission denied to create temporary tables"),
                ("ALTER TABLE slide_image DISABLE TRIGGER ALL", "must be owner of table slide_image"),
                ("SET ROLE samsyn_owner", "permission denied to set role"),
                ("CREATE ROLE another", "permission denied to create role"),
                ("UPDATE alembic_version SET version_num = '0000'", "permission denied for table alembic_version"),
            )
        ),
    ],
)
def test_a_role_is_refused_what_is_not_its_work(
    quiet_database: Database, role: str, statement: str, refusal: str
) -> None:
    with pytest.raises(ProgrammingError, match=refusal):
        quiet_database.query(statement, role=role)


def test_the_web_and_the_worker_can_do_their_work(database: Database) -> None:
    with database.engine("samsyn_worker") as engine, transaction(sessions(engine)) as session:
        slide = receive(session, digest="a" * 64, byte_size=1)
    database.query("UPDATE slide_image SET status = 'VERIFIED'")
    with database.engine("samsyn_app") as engine:
        make = sessions(engine)
        for _ in range(2):
            with transaction(make) as session:
                ensure_demo_person(session)
        with transaction(make) as session:
            signed_in, _ = sign_in_for_demo(session, uuid.UUID(DEMO_PERSON["id"]))
            found = session.get_one(SlideImage, slide.id)
            viewing = open_viewing(session, found, by=signed_in)
            session.flush()
            close_viewing(viewing)
            sign_out(signed_in)
    assert len(database.query("SELECT * FROM person")) == 1
    assert database.query("SELECT count(*) AS n FROM viewing WHERE closed_at IS NOT NULL") == [{"n": 1}]


@pytest.mark.parametrize("role", MAY)
def test_the_roles_of_the_product_are_let_in(quiet_database: Database, role: str) -> None:
    engine = connect(quiet_database.url(role), connections=1)
    require_safe_role(engine)
    engine.dispose()


@pytest.mark.parametrize("role", ["postgres", "samsyn_owner"])
def test_a_role_that_owns_or_bypasses_is_refused(quiet_database: Database, role: str) -> None:
    engine = connect(quiet_database.url(role), connections=1)
    with pytest.raises(UnsafeRole, match=f"The database role {role} is a superuser, bypasses .* Use samsyn_app"):
        require_safe_role(engine)
    engine.dispose()


def test_a_role_that_bypasses_row_security_is_refused(postgresql: EmbeddedPostgreSQL, quiet_database: Database) -> None:
    quiet_database.query("CREATE ROLE passer LOGIN BYPASSRLS IN ROLE samsyn_app", role="postgres")
    engine = connect(quiet_database.url("passer"), connections=1)
    try:
        with pytest.raises(UnsafeRole, match="The database role passer"):
            require_safe_role(engine)
    finally:
        engine.dispose()
        quiet_database.query("DROP ROLE passer", role="postgres")


@pytest.mark.parametrize("command", ["work", "serve"])
def test_the_processes_refuse_to_start_as_the_owner(quiet_database: Database, folder: Path, command: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "viewer", command],
        cwd=ROOT,
        env={
            "PATH": "/usr/bin:/bin",
            "SAMSYN_DATABASE_URL": quiet_database.url("samsyn_owner"),
            "SAMSYN_REDIS_URL": f"redis+socket://{folder}/none?virtual_host=0",
            "SAMSYN_DATA": str(folder),
            "SAMSYN_PORT": "0",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode != 0
    assert "The database role samsyn_owner is a superuser" in " ".join((ended.stdout + ended.stderr).split())


def test_models_and_migrations_make_the_same_tables(quiet_database: Database) -> None:
    with quiet_database.engine() as engine, engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, cases.models.METADATA) == []


def test_two_migrations_at_once_are_one(postgresql: EmbeddedPostgreSQL, cluster: Path) -> None:
    name = f"fresh_{uuid.uuid4().hex}"
    fresh, postgres = Database(cluster, name), Database(cluster, "postgres")
    with postgres.engine("postgres") as engine, engine.connect() as connection:
        superuser = connection.execution_options(isolation_level="AUTOCOMMIT")
        superuser.exec_driver_sql(f"CREATE DATABASE {name} OWNER samsyn_owner TEMPLATE template0")
        try:
            running = [
                subprocess.Popen(
                    [sys.executable, "-m", "viewer", "migrate", "--owner-url", fresh.url("samsyn_owner")],
                    cwd=ROOT,
                    stderr=subprocess.PIPE,
                )
                for _ in range(2)
            ]
            ends = [(process.communicate(timeout=60)[1], process.returncode) for process in running]
            assert ends == [(b"", 0)] * 2
            found = fresh.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            assert {row["tablename"] for row in found} == set(TABLES)
        finally:
            superuser.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
