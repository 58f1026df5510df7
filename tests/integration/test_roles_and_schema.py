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
from cases.database import UnsafeRole, connect, require_safe_role
from viewer.embedded import EmbeddedPostgreSQL

MAY = {
    "absence": ("SIU", "S", "", True),
    "access_block": ("SIU", "S", "", True),
    "access_decision": ("SI", "SI", "", True),
    "access_log_extract": ("SIU", "S", "", True),
    "active_choice": ("SI", "S", "", True),
    "agreement": ("SIU", "S", "S", True),
    "alembic_version": ("S", "", "S", False),
    "annotation": ("SIU", "S", "", True),
    "annotation_version": ("SI", "S", "", True),
    "answer": ("SIU", "S", "S", True),
    "answer_reading": ("SI", "S", "", True),
    "answer_rules": ("SIU", "S", "", True),
    "answer_version": ("SI", "S", "S", True),
    "assignment": ("SIU", "S", "", False),
    "attachment": ("SIU", "S", "SU", True),
    "audit_event": ("SI", "SI", "I", True),
    "audit_head": ("", "S", "S", True),
    "audit_subject": ("SI", "SI", "I", True),
    "block_sync_state": ("S", "S", "SIU", False),
    "care_provider": ("SIU", "S", "S", False),
    "care_unit": ("SIU", "S", "S", False),
    "case_member": ("SIU", "S", "S", True),
    "competence": ("SIU", "S", "", False),
    "consent_assertion": ("SIU", "S", "", True),
    "delegation": ("SIU", "S", "", True),
    "department": ("SIU", "S", "S", False),
    "destination": ("SIU", "S", "S", True),
    "disclosed_item": ("SI", "SI", "S", True),
    "disclosure": ("SI", "SI", "S", True),
    "evidence": ("SIU", "S", "", True),
    "glass_slide": ("SIU", "SIU", "S", True),
    "idempotency_key": ("SIU", "S", "SD", True),
    "laboratory": ("SIU", "S", "", True),
    "local_account": ("SIU", "", "", False),
    "log_review": ("SIU", "S", "", True),
    "log_review_finding": ("SIU", "S", "", True),
    "message": ("SI", "S", "S", True),
    "message_reading": ("SI", "S", "S", True),
    "notification": ("S", "SI", "", True),
    "notification_reading": ("SI", "S", "", True),
    "oral_report": ("SI", "S", "S", True),
    "outbox_message": ("S", "SI", "SU", True),
    "pathology_case": ("SIU", "S", "S", True),
    "patient": ("SIU", "S", "", True),
    "patient_identifier": ("SIU", "S", "", True),
    "patient_information_notice": ("SIU", "S", "", True),
    "patient_relation": ("SIU", "S", "", True),
    "person": ("SIU", "S", "", False),
    "reconciliation": ("SIU", "S", "S", True),
    "record_grant": ("S", "SIU", "", True),
    "referral": ("SIU", "S", "", True),
    "related_case": ("SIU", "S", "", True),
    "request_hold": ("SIU", "SIU", "SIU", True),
    "risk_analysis": ("SIU", "S", "", True),
    "role_grant": ("SIU", "S", "", True),
    "service_description": ("SIU", "S", "", True),
    "share_request": ("SIU", "SU", "SU", True),
    "sign_in_attempt": ("SIUD", "", "", False),
    "sign_in_session": ("SIU", "S", "", False),
    "signature": ("SI", "S", "S", True),
    "slide_image": ("SU", "S", "SIU", True),
    "specimen": ("SIU", "S", "S", True),
    "state_event": ("SI", "SI", "SI", True),
    "task_assignment": ("SIU", "SIU", "SIU", True),
    "temporary_revoke": ("SIU", "S", "", True),
    "tile_pyramid": ("", "", "SIUD", False),
    "tissue_block": ("SIU", "S", "S", True),
    "viewing": ("SIU", "SIU", "", True),
    "work_order": ("SIU", "SU", "SU", True),
    "work_order_result": ("SI", "S", "S", True),
}
"""What the web, the platform role and the workers may do with each table: Select, Insert, Update, Delete; and whether
only the rows of one care provider are seen."""


ROLES = ("samsyn_app", "samsyn_platform", "samsyn_worker")


@pytest.mark.parametrize("place", range(len(ROLES)), ids=ROLES)
def test_a_role_may_do_what_is_listed_and_nothing_more(quiet_database: Database, place: int) -> None:
    found = dict.fromkeys(MAY, "")
    every = quiet_database.query(
        "SELECT table_name AS name, kind FROM information_schema.tables,"
        " unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER'])"
        " WITH ORDINALITY AS kinds(kind, place)"
        " WHERE table_schema = 'public' AND has_table_privilege(:of, quote_ident(table_name), kind)"
        " ORDER BY name, place",
        of=ROLES[place],
    )
    for row in every:
        found[row["name"]] += row["kind"][0]
    assert found == {table: listed[place] for table, listed in MAY.items()}


def test_what_belongs_to_a_care_provider_is_behind_row_level_security(quiet_database: Database) -> None:
    found = quiet_database.query(
        "SELECT relname AS name, relrowsecurity AS secured FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
    )
    assert {row["name"]: row["secured"] for row in found} == {table: listed[3] for table, listed in MAY.items()}
    owned = quiet_database.query(
        "SELECT table_name AS name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND column_name = 'care_provider_id'"
    )
    directories = {"care_unit", "department", "assignment"}
    assert {row["name"] for row in owned if not MAY[row["name"]][3]} == directories


def test_the_list_covers_every_table(quiet_database: Database) -> None:
    found = quiet_database.query(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tableowner = :owner", owner="samsyn_owner"
    )
    assert {row["tablename"] for row in found} == set(MAY)


@pytest.mark.parametrize(
    ("role", "statement", "refusal"),
    [
        ("samsyn_app", "INSERT INTO slide_image DEFAULT VALUES", "permission denied for table slide_image"),
        ("samsyn_app", "UPDATE audit_event SET code = 'x'", "permission denied for table audit_event"),
        ("samsyn_app", "DELETE FROM patient", "permission denied for table patient"),
        ("samsyn_app", "DELETE FROM viewing", "permission denied for table viewing"),
        ("samsyn_worker", "SELECT * FROM patient", "permission denied for table patient"),
        ("samsyn_worker", "SELECT token_digest FROM sign_in_session", "permission denied for table sign_in_session"),
        ("samsyn_worker", "SELECT * FROM viewing", "permission denied for table viewing"),
        ("samsyn_worker", "DELETE FROM slide_image", "permission denied for table slide_image"),
        *(
            (role, statement, refusal)
            for role in ("samsyn_app", "samsyn_worker")
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


@pytest.mark.parametrize("role", ["samsyn_app", "samsyn_worker"])
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
            assert {row["tablename"] for row in found} == set(MAY)
        finally:
            superuser.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
