"""The product's own PostgreSQL and Valkey, for one machine where nothing is installed and nobody is root.

    with EmbeddedPostgreSQL(data) as postgresql, EmbeddedValkey(data) as valkey: ...
    Supervisor(data, one_off=[migrate], processes=[web, worker, scheduler]).run()
    addresses(data).app_database_url

Everything lives in one data folder:

    postgresql/  valkey/    the two services' own files
    run/                    their sockets, and the lock of the supervisor that owns the folder
    logs/                   one log for each process

All processes are children in the foreground: they end when the process that started them ends, however
it ends. Nothing listens on the network.
"""

from viewer.embedded.addresses import Addresses, addresses
from viewer.embedded.errors import AlreadyRunning, DidNotStart, EmbeddedError, FolderUnusable, OneOffFailed
from viewer.embedded.postgresql import EmbeddedPostgreSQL
from viewer.embedded.supervisor import Event, Process, Supervisor
from viewer.embedded.valkey import EmbeddedValkey

__all__ = [
    "Addresses",
    "AlreadyRunning",
    "DidNotStart",
    "EmbeddedError",
    "EmbeddedPostgreSQL",
    "EmbeddedValkey",
    "Event",
    "FolderUnusable",
    "OneOffFailed",
    "Process",
    "Supervisor",
    "addresses",
]
