"""The embedded PostgreSQL and Valkey: real servers, killed in the ways machines and people kill them."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis
import sqlalchemy
from kombu import Connection
from makers import folder_for_everyone, wait_for

import viewer
from viewer.embedded import (
    DidNotStart,
    EmbeddedPostgreSQL,
    EmbeddedValkey,
    FolderUnusable,
    addresses,
)
from viewer.embedded.addresses import socket_folder
from viewer.embedded.children import start_child
from viewer.embedded.folders import make_private_folder, server_account

ROOT = Path(viewer.__file__).parents[1]


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """A data folder whose database has been made: that takes most of a first start."""
    with folder_for_everyone() as folder:
        make_and_forget(folder)
        yield folder


@pytest.fixture
def data(made: Path) -> Path:
    """The same folder for every test, with nothing in it but the database, which does not run."""
    for entry in made.iterdir():
        if entry.is_dir() and entry.name != "postgresql":
            shutil.rmtree(entry)
        elif entry.is_file():
            entry.unlink()
    return made


@pytest.fixture
def empty() -> Iterator[Path]:
    """A data folder before the first start."""
    with folder_for_everyone() as folder:
        yield folder


def lives(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def query(url: str, sql: str) -> list[tuple[object, ...]]:
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        result = connection.exec_driver_sql(sql)
        return [tuple(row) for row in result] if result.returns_rows else []


def make_and_forget(data: Path) -> None:
    with EmbeddedPostgreSQL(data):
        pass


def test_a_fresh_start_is_quick_and_makes_roles_without_privileges(empty: Path) -> None:
    before = time.monotonic()
    with EmbeddedPostgreSQL(empty) as postgresql:
        assert time.monotonic() - before < 20  # 5 s on a machine that has nothing else to do
        roles = query(
            postgresql.superuser_url(),
            "SELECT rolname, rolcanlogin, rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls"
            " FROM pg_roles WHERE starts_with(rolname, 'samsyn') ORDER BY 1",
        )
        owners = query(
            postgresql.superuser_url("samsyn"),
            "SELECT datdba::regrole::text, nspowner::regrole::text FROM pg_database, pg_namespace"
            " WHERE datname = 'samsyn' AND nspname = 'public'",
        )
    assert roles == [
        ("samsyn_app", True, False),
        ("samsyn_owner", True, False),
        ("samsyn_platform", False, False),
        ("samsyn_worker", True, False),
    ]
    assert owners == [("samsyn_owner", "samsyn_owner")]


def test_only_the_owner_makes_tables_and_strangers_cannot_connect(data: Path) -> None:
    with EmbeddedPostgreSQL(data) as postgresql:
        where = addresses(data)
        query(where.owner_database_url, "CREATE TABLE slide_image (id int)")
        for url in (where.app_database_url, where.worker_database_url):
            with pytest.raises(sqlalchemy.exc.ProgrammingError, match="permission denied for schema public"):
                query(url, "CREATE TABLE another (id int)")
            with pytest.raises(sqlalchemy.exc.ProgrammingError, match="permission denied for table slide_image"):
                query(url, "SELECT * FROM slide_image")
        query(postgresql.superuser_url(), "CREATE ROLE stranger LOGIN")
        stranger = where.app_database_url.replace("samsyn_app", "stranger")
        with pytest.raises(sqlalchemy.exc.OperationalError, match='permission denied for database "samsyn"'):
            query(stranger, "SELECT 1")


def test_the_settings_are_those_for_patients_data(data: Path) -> None:
    wanted = {
        "listen_addresses": "",
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "data_checksums": "on",
        "server_encoding": "UTF8",
        "TimeZone": "UTC",
        "max_connections": "60",
    }
    with EmbeddedPostgreSQL(data) as postgresql:
        found = query(postgresql.superuser_url(), "SELECT name, setting FROM pg_settings")
        provider = query(
            addresses(data).app_database_url,
            "SELECT datlocprovider, datlocale FROM pg_database WHERE datname = 'samsyn'",
        )
        folder_mode = socket_folder(data).stat().st_mode & 0o777
    assert {str(name): value for name, value in found if name in wanted} == wanted
    assert provider == [("b", "C.UTF-8")]
    assert folder_mode == 0o700


def test_an_error_is_logged_without_the_row_it_was_about(data: Path) -> None:
    with EmbeddedPostgreSQL(data):
        owner = addresses(data).owner_database_url
        query(owner, "CREATE TABLE patient (name text UNIQUE)")
        query(owner, "INSERT INTO patient VALUES ('Tolvan Tolvansson')")
        with pytest.raises(sqlalchemy.exc.IntegrityError, match="Tolvan"):
            query(owner, "INSERT INTO patient VALUES ('Tolvan Tolvansson')")
    log = (data / "logs/postgresql.log").read_text()
    assert "duplicate key value" in log
    assert "Tolvan" not in log


def test_a_second_start_keeps_the_data(data: Path) -> None:
    owner = addresses(data).owner_database_url
    with EmbeddedPostgreSQL(data):
        query(owner, "CREATE TABLE note AS SELECT 'kept' AS text")
    with EmbeddedPostgreSQL(data):
        assert query(owner, "SELECT text FROM note") == [("kept",)]


def test_it_starts_again_after_kill_9_and_keeps_what_was_committed(data: Path) -> None:
    owner = addresses(data).owner_database_url
    with EmbeddedPostgreSQL(data) as postgresql:
        query(owner, "CREATE TABLE commitment AS SELECT 'committed' AS text")
        assert postgresql.child is not None
        os.kill(postgresql.child.pid, signal.SIGKILL)
        postgresql.start()
        assert query(owner, "SELECT text FROM commitment") == [("committed",)]


def test_a_lock_file_whose_process_id_somebody_else_has_by_now_is_no_obstacle(data: Path) -> None:
    account = server_account()
    other = start_child(["sleep", "60"], name="other", logs=data / "logs", account=account)
    lock_file = data / "postgresql/postmaster.pid"
    lock_file.write_text(f"{other.pid}\n{data}/postgresql\n{int(time.time())}\n5432\n{data}/run\n\n\n")
    if account is not None:
        os.chown(lock_file, account.uid, account.gid)
    with EmbeddedPostgreSQL(data):
        assert query(addresses(data).app_database_url, "SELECT 1") == [(1,)]
    assert other.ended() is None
    other.stop()


def test_a_start_killed_in_the_middle_of_making_the_database_leaves_nothing_half_made(empty: Path) -> None:
    script = "import sys, pathlib, viewer.embedded as e; e.EmbeddedPostgreSQL(pathlib.Path(sys.argv[1])).start()"
    first = subprocess.Popen([sys.executable, "-c", script, str(empty)], env=os.environ | {"PYTHONPATH": str(ROOT)})
    wait_for(lambda: any(empty.glob("postgresql.unfinished-*/PG_VERSION")))
    first.kill()
    first.wait()
    assert not (empty / "postgresql").exists()
    make_and_forget(empty)
    assert list(empty.glob("postgresql.unfinished-*")) == []


def test_a_folder_with_something_else_in_it_is_refused(empty: Path) -> None:
    (empty / "postgresql").mkdir()
    (empty / "postgresql/holiday.jpg").touch()
    with pytest.raises(FolderUnusable, match="should hold a PostgreSQL database or nothing"):
        EmbeddedPostgreSQL(empty).start()
    assert (empty / "postgresql/holiday.jpg").exists()


def test_a_server_that_cannot_start_says_why(data: Path) -> None:
    control = data / "postgresql/global/pg_control"
    aside = control.rename(data / "postgresql/global/aside")
    with pytest.raises(DidNotStart, match=r"ended with code \d+ while starting(.|\n)*pg_control"):
        EmbeddedPostgreSQL(data).start()
    aside.rename(control)


def test_a_closed_folder_is_no_obstacle_for_its_user_and_is_explained_to_root(empty: Path) -> None:
    closed = empty / "closed"
    closed.mkdir(mode=0o700)
    if os.geteuid() == 0:
        with pytest.raises(FolderUnusable, match=f"cannot pass through {closed}: open it"):
            EmbeddedPostgreSQL(closed / "samsyn").start()
    else:
        with EmbeddedPostgreSQL(closed / "samsyn"):
            assert query(addresses(closed / "samsyn").app_database_url, "SELECT 1") == [(1,)]


def test_a_folder_of_somebody_else_and_a_link_in_the_way_are_refused(empty: Path) -> None:
    theirs = Path("/")
    if os.geteuid() == 0:
        theirs = empty / "theirs"
        theirs.mkdir()
        os.chown(theirs, 12345, 12345)
    with pytest.raises(FolderUnusable, match="should belong to user"):
        make_private_folder(theirs)
    (empty / "link").symlink_to(empty)
    with pytest.raises(FolderUnusable, match="is a link"):
        make_private_folder(empty / "link", follow_link=False)


@pytest.mark.parametrize("name", ["long/" * 30 + "path", "prov, svar och åtgärd: 100 %"])
def test_a_folder_whose_path_no_address_could_hold_works_all_the_same(empty: Path, name: str) -> None:
    odd = empty / name
    try:
        with EmbeddedPostgreSQL(odd), EmbeddedValkey(odd):
            where = addresses(odd)
            assert query(where.worker_database_url, "SELECT current_user") == [("samsyn_worker",)]
            with redis.Redis.from_url(where.redis_url) as client:
                assert client.ping()
            assert socket_folder(odd).stat().st_mode & 0o777 == 0o700
            assert not socket_folder(odd).is_relative_to(empty)
    finally:
        shutil.rmtree(socket_folder(odd))


def test_every_address_leads_to_the_services(data: Path) -> None:
    where = addresses(data)
    assert where == addresses(data / "nowhere" / "..")
    with EmbeddedPostgreSQL(data), EmbeddedValkey(data):
        for role in ("owner", "app", "worker"):
            url: str = getattr(where, f"{role}_database_url")
            assert query(url, "SELECT current_user, current_database()") == [(f"samsyn_{role}", "samsyn")]
        with redis.Redis.from_url(where.redis_url) as client, Connection(where.broker_url) as broker:
            queue = broker.SimpleQueue("bell")
            queue.put({"slide_image": 1})
            assert client.llen("bell") == 1
            message = queue.get(timeout=5)
            assert message.payload == {"slide_image": 1}
            message.ack()
            queue.close()


def test_two_folders_have_services_of_their_own_side_by_side(empty: Path) -> None:
    with EmbeddedValkey(empty / "one"), EmbeddedValkey(empty / "two"):
        with redis.Redis.from_url(addresses(empty / "one").redis_url) as one:
            one.set("whose", "one")
        with redis.Redis.from_url(addresses(empty / "two").redis_url) as two:
            assert two.get("whose") is None


def test_neither_service_survives_kill_9_of_the_process_that_holds_them(data: Path) -> None:
    script = (
        "import sys, pathlib, time\n"
        "from viewer.embedded import EmbeddedPostgreSQL, EmbeddedValkey\n"
        "data = pathlib.Path(sys.argv[1])\n"
        "with EmbeddedPostgreSQL(data) as p, EmbeddedValkey(data) as v:\n"
        "    print(p.child.pid, v.child.pid, flush=True)\n"
        "    time.sleep(600)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", script, str(data)], env=environment, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        pids = [int(pid) for pid in holder.stdout.readline().split()]
        assert len(pids) == 2
        assert all(lives(pid) for pid in pids)
        with psycopg.connect(host=str(socket_folder(data)), user="samsyn_app", dbname="samsyn"):
            holder.kill()  # with a client connected, which a slower kind of shutdown would wait for
            wait_for(lambda: not any(lives(pid) for pid in pids))
    log = (data / "logs/postgresql.log").read_text()
    assert "received fast shutdown request" in log
    assert "database system is shut down" in log


def test_what_valkey_was_told_survives_kill_9(empty: Path) -> None:
    with EmbeddedValkey(empty) as valkey, redis.Redis.from_url(addresses(empty).redis_url) as client:
        client.rpush("bell", "ring")
        assert valkey.child is not None
        os.kill(valkey.child.pid, signal.SIGKILL)
        valkey.start()
        assert client.lrange("bell", 0, -1) == [b"ring"]


def test_a_file_cut_short_is_read_up_to_the_cut(empty: Path) -> None:
    with EmbeddedValkey(empty), redis.Redis.from_url(addresses(empty).redis_url) as client:
        client.set("whole", "1")
    with append_only_file(empty).open("ab") as file:
        file.write(b"*3\r\n$3\r\nSET\r\n$3\r\ncu")
    with EmbeddedValkey(empty), redis.Redis.from_url(addresses(empty).redis_url) as client:
        assert client.keys() == [b"whole"]


@pytest.mark.parametrize("times", [1, 2])
def test_a_file_that_cannot_be_read_is_set_aside(empty: Path, times: int) -> None:
    with EmbeddedValkey(empty), redis.Redis.from_url(addresses(empty).redis_url) as client:
        client.set("whole", "1")
    for _ in range(times):
        with append_only_file(empty).open("ab") as file:
            file.write(bytes(512))  # as some file systems leave it when the power goes
        with EmbeddedValkey(empty), redis.Redis.from_url(addresses(empty).redis_url) as client:
            assert client.keys() == []
    assert (empty / "valkey/appendonlydir.unreadable").is_dir()


def append_only_file(data: Path) -> Path:
    (file,) = (data / "valkey/appendonlydir").glob("*.incr.aof")
    return file


def test_valkey_refuses_to_forget_and_never_stops_writing_for_a_failed_snapshot(empty: Path) -> None:
    with EmbeddedValkey(empty), redis.Redis.from_url(addresses(empty).redis_url) as client:
        found = client.config_get("*")
    assert found["maxmemory-policy"] == "noeviction"
    assert found["save"] == ""
    assert found["appendonly"] == "yes"
    assert found["appendfsync"] == "everysec"
    assert found["port"] == "0"


def test_a_child_is_started_from_the_main_thread_only(empty: Path) -> None:
    errors: list[str] = []

    def start() -> None:
        try:
            start_child(["true"], name="child", logs=empty / "logs")
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert errors == ["child was started from a thread and would end with it: use the main thread."]


def test_a_missing_program_is_named(empty: Path) -> None:
    with pytest.raises(DidNotStart, match="web should be started from /nowhere/web, but that failed: No such file"):
        start_child(["/nowhere/web"], name="web", logs=empty / "logs")


def test_a_large_log_is_set_aside_once(empty: Path) -> None:
    log = make_private_folder(empty / "logs") / "child.log"
    for _ in range(2):
        log.write_bytes(bytes(10 * 1024 * 1024 + 1))
        child = start_child(["echo", "new"], name="child", logs=empty / "logs")
        assert child.wait(patience_s=5) == 0
        assert child.last_lines() == "new"
        assert log.read_text() == "new\n"
    assert sorted(path.name for path in log.parent.iterdir()) == ["child.log", "child.log.1"]
