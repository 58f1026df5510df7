"""The product's own processes, on a database, a broker and a data folder of their own."""

from __future__ import annotations

import os
import signal
import socket
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import sqlalchemy
from clients import make_client
from makers import wait_for
from sqlalchemy import Engine, select, text

import viewer
from cases.access.organisations import CareUnit
from cases.access.permissions import Role
from cases.access.vault import Vault
from cases.database import sessions
from cases.records.arrivals import receive
from cases.records.pathology_case import PathologyCase
from cases.transaction import transaction
from slides.files import find_slides
from tiler.pyramid import Pyramid
from viewer.embedded import EmbeddedPostgreSQL, EmbeddedValkey, addresses
from viewer.embedded.addresses import database_url
from viewer.embedded.children import Child, start_child
from viewer.pilot import KALMAR, seed_pilot
from worker.app import create_app
from worker.preparation import Preparation
from worker.queues import VERIFICATION, ring
from worker.sandbox import Sandbox
from worker.settings import WorkerSettings
from worker.storage import Storage

ROOT = Path(viewer.__file__).parents[1]
ENDED = ((signal.SIGTERM, 6.0),)
"""How a process is asked to end before it is killed."""
CASE = "D26-00123"
"""Of the pilot's laboratory in Kalmar, open: slides that are brought in belong to it unless said otherwise."""


@dataclass(frozen=True)
class Database:
    """One database of an embedded PostgreSQL, as its several roles see it."""

    cluster: Path
    name: str = "samsyn"

    @property
    def keys(self) -> Path:
        """Of every database of the cluster; made where they are missing."""
        folder = self.cluster / "keys"
        if not folder.exists():
            Vault.create(folder)
        return folder

    def url(self, role: str) -> str:
        """As `SAMSYN_DATABASE_URL` wants it."""
        return database_url(self.cluster, role=role, database=self.name)

    @contextmanager
    def engine(self, role: str = "samsyn_owner") -> Iterator[Engine]:
        """For a while, with as many connections as are asked for and none kept."""
        engine = sqlalchemy.create_engine(self.url(role), poolclass=sqlalchemy.NullPool)
        try:
            yield engine
        finally:
            engine.dispose()

    def query(self, sql: str, /, role: str = "samsyn_owner", **values: object) -> list[dict[str, Any]]:
        """Run one statement, committed at once. Rows as dictionaries."""
        with find_engine(self.url(role)).begin() as connection:
            result = connection.execute(text(sql), values)
            return [dict(row) for row in result.mappings()] if result.returns_rows else []


@cache
def find_engine(url: str) -> Engine:
    """Of the role and the database of an address, without connections that are kept."""
    return sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)


def put_pilot_in(database: Database) -> None:
    """Seed the pilot as `samsyn seed pilot` does."""
    vault = Vault(database.keys)
    with database.engine("samsyn_app") as engine, transaction(sessions(engine, vault=vault)) as session:
        seed_pilot(session, now=datetime.now(UTC))


@contextmanager
def cloned(postgresql: EmbeddedPostgreSQL, cluster: Path, *, template: str = "samsyn") -> Iterator[Database]:
    """A database of its own for as long as it is needed.

    Args:
        postgresql: running.
        cluster: its data folder.
        template: what it is like: the migrated `samsyn`, or another that nobody is connected to.
    """
    name = f"clone_{uuid.uuid4().hex}"
    engine = sqlalchemy.create_engine(
        postgresql.superuser_url(), poolclass=sqlalchemy.NullPool, isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as superuser:
        superuser.execute(text(f"CREATE DATABASE {name} TEMPLATE {template} OWNER samsyn_owner"))
        # A clone takes everything along but the grants on the database itself: cases/roles.sql.
        superuser.execute(text(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC"))
        superuser.execute(text(f"GRANT CONNECT ON DATABASE {name} TO samsyn_app, samsyn_worker"))
        try:
            yield Database(cluster, name)
        finally:
            superuser.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@dataclass(frozen=True)
class Web:
    """One running web process."""

    child: Child
    address: str

    @contextmanager
    def stranger(self) -> Iterator[httpx2.Client]:
        """A browser that is not signed in."""
        with make_client(self.address) as client:
            yield client

    @contextmanager
    def browser(self, token: str) -> Iterator[httpx2.Client]:
        """A browser with the cookie of a session."""
        with make_client(self.address, token) as client:
            yield client

    @contextmanager
    def demo_person(self, role: Role = Role.PAT, *, of: str = "Region Kalmar län") -> Iterator[httpx2.Client]:
        """A browser in which somebody of the pilot has just signed in.

        Args:
            role: that they act in.
            of: the care provider that they act for.
        """
        with self.stranger() as client:
            sign_in(client, role, of=of)
            yield client


def find_demo_person(state: dict[str, Any], role: Role, *, of: str = "Region Kalmar län") -> dict[str, str]:
    """Somebody of the pilot among those whom the sign-in page offers, as the session's endpoint wants them.

    Args:
        state: as `/api/session` gives it to somebody who is not signed in.
        role: that they hold.
        of: the care provider.
    """
    for offered in state["demo_providers"]:
        for person in offered["people"] if offered["provider"]["name"] == of else ():
            for assignment in person["assignments"]:
                if assignment["provider"]["name"] == of and role in [held["role"] for held in assignment["roles"]]:
                    return {"person_id": person["id"], "assignment_id": assignment["id"]}
    raise AssertionError(f"nobody of {of} is offered as {role}")


def sign_in(client: httpx2.Client, role: Role = Role.PAT, *, of: str = "Region Kalmar län") -> dict[str, str]:
    """Sign in as somebody of the pilot, with what is returned."""
    chosen = find_demo_person(client.get("/api/session").raise_for_status().json(), role, of=of)
    client.post("/api/session", json=chosen).raise_for_status()
    return chosen


class Product:
    """Web, worker and scheduler as processes of their own; all of them end with the `with` block.

    Args:
        data: folder of this product.
        database: migrated.
    """

    def __init__(self, data: Path, database: Database) -> None:
        self.data, self.database = data, database
        self.storage = Storage(data)
        self.valkey = EmbeddedValkey(data)
        self.mark = f"TEST_MARK={os.urandom(8).hex()}"
        """In the environment of every process and of those that they start."""
        self._children: list[Child] = []

    def __enter__(self) -> Product:
        self.valkey.start()
        return self

    def __exit__(self, *error: object) -> None:
        for child in self._children:
            child.send(signal.SIGCONT)
            child.send(signal.SIGTERM)
        for child in self._children:
            child.stop(*ENDED)
        self.valkey.stop()
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)

    @property
    def settings(self) -> WorkerSettings:
        """As the worker has them."""
        return WorkerSettings(
            database_url=self.database.url("samsyn_worker"),
            redis_url=addresses(self.data).broker_url,
            data=self.data,
            keys=self.database.keys,
        )

    def environment(self, role: str = "samsyn_worker", **settings: str) -> dict[str, str]:
        """Of a process of this product; settings without their prefix, in lower case."""
        wanted = {
            "database_url": self.database.url(role),
            "redis_url": addresses(self.data).broker_url,
            "data": str(self.data),
            "keys": str(self.database.keys),
            **settings,
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SAMSYN_")}
        ours = {f"SAMSYN_{name.upper()}": value for name, value in wanted.items()}
        return inherited | ours | dict([self.mark.split("=")])

    def start(self, command: str, /, *before: str, role: str = "samsyn_worker", **settings: str) -> Child:
        """Start one of the product's processes: "serve", "work" or "schedule".

        Args:
            command: of `samsyn`.
            before: words to put in front, `prlimit` and the like.
            role: in the database.
            settings: as in `environment`.
        """
        child = start_child(
            [*before, sys.executable, "-m", "viewer", command],
            name=f"{command}-{len(self._children)}",
            logs=self.data / "logs",
            env=self.environment(role, **settings),
            cwd=ROOT,
        )
        self._children.append(child)
        return child

    def start_web(self, **settings: str) -> Web:
        """Start a web process and wait until it is ready."""
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            port = free.getsockname()[1]
        child = self.start("serve", role="samsyn_app", **{"demo": "true", "port": str(port), **settings})
        web = Web(child, f"http://127.0.0.1:{port}")

        with make_client(web.address) as client:

            def ready() -> bool:
                assert child.ended() is None, child.last_lines()
                with suppress(httpx2.TransportError):
                    return client.get("/readyz").status_code == 200
                return False

            wait_for(ready, within_s=90, every_s=0.1)
        return web

    def processes(self) -> list[int]:
        """Those that are alive, by their mark; children of children too, whoever their parent is by now."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it ended in between, or is somebody else's
                if self.mark.encode() in (process / "environ").read_bytes():
                    found.append(int(process.name))
        return found

    def bring_in(
        self, path: Path, *, unit: str = KALMAR, lid: str | None = CASE, ringing: bool = True, times: int = 1
    ) -> uuid.UUID:
        """Archive a slide and register it, as an upload would.

        Args:
            path: of the slide.
            unit: HSA-id of the laboratory of the pilot that owns it; in a database without the pilot nobody does.
            lid: of its case there; None for a slide without one.
            ringing: whether the worker is told.
            times: how many messages say so.
        """
        original = self.storage.originals.store(find_slides(path)[0])
        with self.database.engine("samsyn_worker") as engine, transaction(sessions(engine)) as session:
            owner = session.scalar(select(CareUnit).where(CareUnit.hsa_id == unit))
            its = select(PathologyCase).where(PathologyCase.care_unit_id == (owner and owner.id))
            case = session.scalar(its.where(PathologyCase.lid == lid))
            slide_id = receive(
                session,
                digest=original.digest,
                byte_size=original.byte_size,
                caption="Prov",
                owner=owner,
                case=case,
            ).id
        if ringing:
            self.ring(slide_id, times=times)
        return slide_id

    def ring(self, slide_id: uuid.UUID, *, times: int = 1) -> None:
        """Tell the worker about a slide."""
        with create_app(self.settings) as app:
            assert all(ring(app, slide_id, queue=VERIFICATION) for _ in range(times))

    def prepare(self, path: Path, *, steps: int = 2, unit: str = KALMAR, lid: str | None = CASE) -> uuid.UUID:
        """Bring a slide in and do the worker's own steps here, in this process: 1 verifies, 2 builds too."""
        slide_id = self.bring_in(path, unit=unit, lid=lid, ringing=False)
        with self.database.engine("samsyn_worker") as engine, closing(Sandbox()) as sandbox:
            preparation = Preparation(sessions(engine), self.storage, sandbox)
            for _ in range(steps):
                preparation.advance(slide_id)
        return slide_id

    def row(self, slide_id: uuid.UUID) -> dict[str, Any]:
        """A slide's row as it is now."""
        (row,) = self.database.query("SELECT * FROM slide_image WHERE id = :id", id=slide_id)
        return row

    def wait_for_row(self, slide_id: uuid.UUID, *, within_s: float = 40.0, **wanted: object) -> dict[str, Any]:
        """Wait until columns of a slide's row have certain values; the row then."""
        with ExitStack() as stack:
            connection = stack.enter_context(stack.enter_context(self.database.engine()).connect())
            found: dict[str, Any] = {}

            def arrived() -> bool:
                row = connection.execute(text("SELECT * FROM slide_image WHERE id = :id"), {"id": slide_id})
                found.update(row.mappings().one())
                connection.rollback()
                return all(found[name] == value for name, value in wanted.items())

            try:
                wait_for(arrived, within_s=within_s, every_s=0.03)
            except AssertionError as error:
                raise AssertionError(f"{error}: {wanted} was waited for, {found} is there\n{self.logs()}") from None
        return found

    def logs(self) -> str:
        """The last lines of every process."""
        return "\n".join(f"--- {child.name}\n{child.last_lines()}" for child in self._children)

    def check_pyramid(self, slide_id: uuid.UUID) -> None:
        """One row, one file, and both say the same; nothing half-written lies about."""
        (row,) = self.database.query("SELECT * FROM tile_pyramid WHERE slide_image_id = :id", id=slide_id)
        path = self.storage.pyramid(slide_id)
        pyramid = Pyramid(path)
        try:
            assert pyramid.level0_digest() == row["level0_digest"]
            assert path.stat().st_size == row["byte_size"]
        finally:
            pyramid.close()
        assert list(self.data.glob(f"*/incoming/{slide_id}*")) == []
