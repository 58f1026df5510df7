"""nginx as `deploy/nginx.conf` sets it up, but on this machine, for as long as it is needed."""

from __future__ import annotations

import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from makers import wait_for
from product import ENDED, ROOT, Web

from viewer.embedded.children import Child, start_child

HERE = "127.0.0.1"


def find_nginx() -> str:
    """The program; Debian's lies where only root looks."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    assert found, "nginx is needed: apt install nginx-light (as root; any nginx will do)."
    return found


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.create_server((HERE, 0)) as free:
        port: int = free.getsockname()[1]
    return port


@contextmanager
def running(configuration: str, folder: Path, *, port: int) -> Iterator[Child]:
    """Run nginx in a folder of its own until the block ends.

    Args:
        configuration: whole; `folder` is where its relative addresses begin.
        folder: nginx's own; its workers' account must be able to pass through to it.
        port: that it listens on.
    """
    (folder / "mime.types").write_text("types { image/jpeg jpg; }")
    (folder / "nginx.conf").write_text(configuration)
    command = [find_nginx(), "-p", f"{folder}/", "-c", f"{folder}/nginx.conf", "-e", "error.log", "-g", "daemon off;"]
    child = start_child(command, name="nginx", logs=folder / "logs", env=dict(os.environ), cwd=folder)

    def listens() -> bool:
        assert child.ended() is None, child.last_lines()
        with socket.socket() as client:
            return client.connect_ex((HERE, port)) == 0

    try:
        wait_for(listens)
        yield child
    finally:
        child.stop(*ENDED)


@contextmanager
def in_front_of(viewer: Web, folder: Path) -> Iterator[Web]:
    """The documented proxy with one worker in front of a running viewer; its files go to a folder made here."""
    port = free_port()
    folder.mkdir(mode=0o711)
    configuration = adapt((ROOT / "deploy" / "nginx.conf").read_text(), viewer.address, folder, port)
    with running(configuration, folder, port=port) as child:
        yield Web(child, f"http://{HERE}:{port}")


def adapt(documented: str, viewer: str, folder: Path, port: int) -> str:
    """The documented configuration without names, ports and certificates of containers; every rule as it stands."""
    changes = (
        (r"^worker_processes .*$", "worker_processes 1;"),
        (r"^pid .*$", "pid nginx.pid;"),
        (r"^error_log .*$", "error_log error.log warn;"),
        (r"access_log /dev/stdout", "access_log access.log"),
        (r"^ *resolver .*$", ""),
        (r"server viewer:8080 resolve;", f"server {urlsplit(viewer).netloc};"),
        (r"listen 8081;", f"listen {HERE}:{free_port()};"),
        (r"listen 8443 ssl;", f"listen {HERE}:{port};"),
        (r"^ *(http2|ssl_\w+) .*$", ""),
        (r"/var/cache/nginx/", f"{folder}/"),
    )
    for pattern, replacement in changes:
        documented, times = re.subn(pattern, replacement, documented, flags=re.MULTILINE)
        assert times, f"deploy/nginx.conf holds nothing like {pattern} any more"
    return documented
