"""Real services for every test: one PostgreSQL for the whole run, and the product's processes on demand."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from makers import folder_for_everyone
from product import Database, Product, cloned, find_engine, put_pilot_in
from sqlalchemy.orm import Session

from cases.migrate import migrate
from viewer.embedded import EmbeddedPostgreSQL, addresses


def pytest_configure() -> None:
    """Hear Ctrl-C even where a shell started the tests in the background: children inherit what is ignored.

    And have what commands say on one line, however narrow the terminal is, or where there is none.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["COLUMNS"] = "200"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rounds", type=int, default=6, help="how often each race between two people is run")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A race runs as often as is asked for; who wins is different every time."""
    if "round_" in metafunc.fixturenames:
        metafunc.parametrize("round_", range(metafunc.config.getoption("rounds")))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Path]:
    """The data folder of this run's PostgreSQL."""
    with folder_for_everyone() as folder:
        yield folder


@pytest.fixture(scope="session")
def postgresql(cluster: Path) -> Iterator[EmbeddedPostgreSQL]:
    """A running PostgreSQL whose database `samsyn` is migrated and a template: nobody stays connected to it."""
    with EmbeddedPostgreSQL(cluster, durable=False) as running:
        migrate(addresses(cluster).owner_database_url)
        yield running


@pytest.fixture
def database(postgresql: EmbeddedPostgreSQL, cluster: Path) -> Iterator[Database]:
    """A migrated, empty database for one test."""
    with cloned(postgresql, cluster) as database:
        yield database


@pytest.fixture(scope="module")
def module_database(postgresql: EmbeddedPostgreSQL, cluster: Path) -> Iterator[Database]:
    """A migrated, empty database for the tests of one file."""
    with cloned(postgresql, cluster) as database:
        yield database


@pytest.fixture(scope="session")
def pilot(postgresql: EmbeddedPostgreSQL, cluster: Path) -> Iterator[str]:
    """A database with the pilot in it, as a template: nobody stays connected to it."""
    with cloned(postgresql, cluster) as database:
        put_pilot_in(database)
        yield database.name


@pytest.fixture
def pilot_database(postgresql: EmbeddedPostgreSQL, cluster: Path, pilot: str) -> Iterator[Database]:
    """A database for one test, with the pilot in it."""
    with cloned(postgresql, cluster, template=pilot) as database:
        yield database


@pytest.fixture(scope="module")
def module_pilot_database(postgresql: EmbeddedPostgreSQL, cluster: Path, pilot: str) -> Iterator[Database]:
    """A database for the tests of one file, with the pilot in it."""
    with cloned(postgresql, cluster, template=pilot) as database:
        yield database


@pytest.fixture(scope="session")
def quiet_database(postgresql: EmbeddedPostgreSQL, cluster: Path) -> Iterator[Database]:
    """A migrated database in which nothing is ever committed."""
    with cloned(postgresql, cluster) as database:
        yield database


@pytest.fixture
def session(quiet_database: Database) -> Iterator[Session]:
    """A session as the owner of the tables, rolled back at the end."""
    yield from _rolled_back(quiet_database, "samsyn_owner")


@pytest.fixture
def app_session(quiet_database: Database) -> Iterator[Session]:
    """A session as the web's role, rolled back at the end."""
    yield from _rolled_back(quiet_database, "samsyn_app")


@pytest.fixture
def worker_session(quiet_database: Database) -> Iterator[Session]:
    """A session as the worker's role, rolled back at the end."""
    yield from _rolled_back(quiet_database, "samsyn_worker")


def _rolled_back(database: Database, role: str) -> Iterator[Session]:
    with find_engine(database.url(role)).connect() as connection:
        outer = connection.begin()
        with Session(connection, expire_on_commit=False, join_transaction_mode="create_savepoint") as session:
            yield session
        outer.rollback()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data folder for one test."""
    with folder_for_everyone() as folder:
        yield folder


@pytest.fixture
def product(folder: Path, pilot_database: Database) -> Iterator[Product]:
    """The product with the pilot for one test; its processes are started by the test and end with it."""
    with Product(folder, pilot_database) as product:
        yield product


@pytest.fixture(scope="module")
def module_product(module_pilot_database: Database) -> Iterator[Product]:
    """The product with the pilot for the tests of one file."""
    with folder_for_everyone() as folder, Product(folder, module_pilot_database) as product:
        yield product
