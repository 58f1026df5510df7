"""Is the wheel whole? Installs it into a clean environment, starts the product from it, and stops it again.

    python tests/wheel.py DIST

It takes the wheel of the present version from DIST. The dependencies are those of requirements.lock, hashes
included, so that the versions tested are the versions installed.
"""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
VERSION: str = PROJECT["project"]["version"]
PACKAGES: list[str] = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
START_PATIENCE_S = 120.0
STOP_PATIENCE_S = 30.0


class NotWhole(Exception):
    """What is wrong, in a sentence."""


def main(dist: Path) -> None:
    """Take every step, with a line for each.

    Args:
        dist: where the wheel lies.

    Raises:
        NotWhole: at the first step that fails.
    """
    wheel = dist.resolve() / f"samsyn-{VERSION}-py3-none-any.whl"
    with step(f"{wheel.name} holds every file of its packages and nothing else"):
        check_files(wheel)
    with tempfile.TemporaryDirectory(prefix="samsyn-wheel-") as name:
        place = Path(name)
        place.chmod(0o711)  # started by root, PostgreSQL runs as another account, which must pass here
        with step("locked dependencies fetched"):
            options = ["--require-hashes", "--only-binary=:all:", f"--requirement={ROOT / 'requirements.lock'}"]
            run(sys.executable, "-m", "pip", "download", "--quiet", *options, f"--dest={place / 'wheels'}")
        with step("installed into a clean environment"):
            run(sys.executable, "-m", "venv", "--without-pip", place / "venv")
            python = place / "venv" / "bin" / "python"
            options = ["--no-index", f"--find-links={place / 'wheels'}"]
            run(sys.executable, "-m", "pip", f"--python={python}", "install", "--quiet", *options, wheel)
        samsyn = place / "venv" / "bin" / "samsyn"
        with step("samsyn --help lists its commands, and the installed version is right"):
            if "ingest" not in run(samsyn, "--help"):
                raise NotWhole("samsyn --help should list the command ingest but does not.")
            found = run(python, "-c", "from importlib.metadata import version; print(version('samsyn'))").strip()
            if found != VERSION:
                raise NotWhole(f"The installed version should be {VERSION} but is {found}.")
        check_running(samsyn, place)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Print what a block has shown, and how long it took."""
    began_s = time.monotonic()
    yield
    print(f"ok {time.monotonic() - began_s:6.1f} s  {what}", flush=True)


def check_files(wheel: Path) -> None:
    """Compare what is in the wheel with what lies in the packages, the front end's source aside."""
    if not wheel.is_file():
        raise NotWhole(f"There is no {wheel.name} in {wheel.parent}. Build it with: make wheel")
    wanted = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and ROOT / "viewer" / "web" not in path.parents
    }
    with zipfile.ZipFile(wheel) as archive:
        there = {name for name in archive.namelist() if not name.startswith(f"samsyn-{VERSION}.dist-info/")}
    if wanted != there:
        raise NotWhole(
            f"Files missing from the wheel: {sorted(wanted - there) or 'none'}. "
            f"Files that do not belong there: {sorted(there - wanted) or 'none'}."
        )
    named = {"cases/roles.sql", "cases/migrations/env.py", "viewer/static/index.html"}
    if not named <= there:
        raise NotWhole(f"Nothing works without {sorted(named - there)}. Build the pages with: make setup")


def check_running(samsyn: Path, place: Path) -> None:
    """Start the product from a folder that has nothing to do with it, use it and stop it."""
    elsewhere, output = place / "elsewhere", place / "output"
    elsewhere.mkdir()
    port = free_port()
    command: list[str | Path] = [samsyn, "up", "--demo", f"--data={place / 'data'}", f"--port={port}"]
    with output.open("wb") as writer:
        product = subprocess.Popen(command, cwd=elsewhere, env=environment(), stdout=writer, stderr=writer)
    try:
        with step("samsyn up is ready"):
            wait_until_ready(product, port, output)
        with step("the first page, a script and a style sheet arrive"):
            check_pages(port)
        with step("it stops on SIGTERM with exit code 0, and nothing is left running"):
            product.send_signal(signal.SIGTERM)
            code = product.wait(STOP_PATIENCE_S)
            if code != 0:
                raise NotWhole(f"It should have ended with 0 but did with {code}:\n{output.read_text()}")
            if "starts again" in output.read_text():
                raise NotWhole(f"Not everything ran from start to stop:\n{output.read_text()}")
            if answers(port, "/healthz") is not None:
                raise NotWhole(f"Something still answers at port {port}.")
            if left := running_from(place):
                raise NotWhole(f"These processes are left: {left}")
        with step("nothing was written outside its data folder"):
            if stray := [path.name for path in elsewhere.iterdir()]:
                raise NotWhole(f"These lie in the folder it was started from: {stray}")
    finally:
        product.kill()
        product.wait()


def wait_until_ready(product: subprocess.Popen[bytes], port: int, output: Path) -> None:
    """Wait until database, broker and storage answer too."""
    deadline_s = time.monotonic() + START_PATIENCE_S
    while (answer := answers(port, "/readyz")) is None or answer[0] != 200:
        if product.poll() is not None or time.monotonic() > deadline_s:
            raise NotWhole(f"It should have become ready but said {answer}:\n{output.read_text()}")
        time.sleep(0.2)


def check_pages(port: int) -> None:
    """Fetch the page and every asset that it names."""
    status, _, page = answers(port, "/") or (0, "", b"")
    assets = re.findall(r'(?:src|href)="(/assets/[^"]+\.(js|css))"', page.decode())
    if status != 200 or {kind for _, kind in assets} != {"js", "css"}:
        raise NotWhole(f"/ should name a script and a style sheet but answered {status}: {page.decode()[:500]}")
    for address, kind in assets:
        status, media, content = answers(port, address) or (0, "", b"")
        if status != 200 or media.partition(";")[0] not in (f"text/{kind}", "text/javascript") or not content:
            raise NotWhole(f"{address} should be there but answered {status}, {media}, {len(content)} bytes.")


def answers(port: int, address: str) -> tuple[int, str, bytes] | None:
    """Status, media type and content at an address of this machine; None when nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", address)
        answer = connection.getresponse()
        return answer.status, answer.getheader("content-type", ""), answer.read()
    except OSError:
        return None
    finally:
        connection.close()


def running_from(place: Path) -> list[str]:
    """Command lines of processes whose program or arguments lie in a folder. Linux only; elsewhere empty."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            arguments = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if str(place) in arguments or str(process.joinpath("exe").readlink()).startswith(str(place)):
                found.append(arguments)
    return found


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as attempt:
        attempt.bind(("127.0.0.1", 0))
        return int(attempt.getsockname()[1])


def environment() -> dict[str, str]:
    """Ours, without what would lead the product to another installation or other packages."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("SAMSYN_", "PYTHON", "PG"))}


def run(*command: str | Path) -> str:
    """Run a command to its end. Returns what it printed."""
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NotWhole(f"{Path(command[0]).name} should have succeeded but failed:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Say where the wheel lies: python tests/wheel.py dist")
    try:
        main(Path(sys.argv[1]))
    except NotWhole as error:
        sys.exit(f"The wheel is not whole. {error}")
