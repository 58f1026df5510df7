"""Where the embedded services answer: known from the data folder alone.

Another terminal's command finds the running product by the same arithmetic, with nothing to look up.
"""

import hashlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path

# PostgreSQL names its socket after a port even when it listens to none.
POSTGRESQL_PORT = 5432
POSTGRESQL_SOCKET = f".s.PGSQL.{POSTGRESQL_PORT}"
VALKEY_SOCKET = "valkey.sock"

# Bytes that sun_path of sockaddr_un holds before its final zero: unix(7), and sys/un.h of macOS.
_LONGEST_SOCKET_PATH_BYTES = 107 if sys.platform == "linux" else 103

# Everything else means something to one of the address parsers on the way: libpq splits hosts at commas,
# SQLAlchemy at colons, and they disagree about percent signs and spaces.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]+")

# Not what TMPDIR says: that may differ between two terminals.
_TEMPORARY_FOLDER = Path("/tmp")  # noqa: S108  (the folder made there is private and its owner is checked)


@dataclass(frozen=True)
class Addresses:
    """Where to connect, and as whom.

    Attributes:
        owner_database_url: for migrations only; owns the tables, so row-level security does not bind it.
        app_database_url: for the web.
        worker_database_url: for the workers.
        broker_url: Valkey as Celery wants it.
        redis_url: the same Valkey as redis-py wants it.
    """

    owner_database_url: str
    app_database_url: str
    worker_database_url: str
    broker_url: str
    redis_url: str


def addresses(data: Path) -> Addresses:
    """Say where the services of a data folder answer, whether they run or not."""
    valkey = socket_folder(data) / VALKEY_SOCKET
    return Addresses(
        owner_database_url=database_url(data, role="samsyn_owner"),
        app_database_url=database_url(data, role="samsyn_app"),
        worker_database_url=database_url(data, role="samsyn_worker"),
        broker_url=f"redis+socket://{valkey}?virtual_host=0",
        redis_url=f"unix://{valkey}?db=0",
    )


def database_url(data: Path, *, role: str, database: str = "samsyn") -> str:
    """Say how SQLAlchemy reaches a database of a data folder as one role.

    The port is spelled out because libpq would otherwise take it from the reader's PGPORT.
    """
    return f"postgresql+psycopg://{role}@/{database}?host={socket_folder(data)}&port={POSTGRESQL_PORT}"


def socket_folder(data: Path) -> Path:
    """Say which folder holds the sockets of a data folder.

    It is `run` in the data folder itself where its path fits into a socket address and into a URL,
    otherwise one in the system's temporary folder, named by a hash of the data folder's path.
    """
    folder = data.resolve() / "run"
    longest_bytes = len(bytes(folder)) + 1 + max(len(POSTGRESQL_SOCKET), len(VALKEY_SOCKET))
    if longest_bytes <= _LONGEST_SOCKET_PATH_BYTES and _PLAIN_PATH.fullmatch(str(folder)):
        return folder
    return _TEMPORARY_FOLDER / f"samsyn-{hashlib.sha256(bytes(data.resolve())).hexdigest()[:16]}"
