"""`samsyn up`: the whole product from an empty folder, ended in every way, and started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from clients import make_client
from makers import wait_for, write_good_slide, write_slow_slide
from product import ROOT, find_demo_person
from typer.testing import CliRunner

from cases.access.permissions import Role
from viewer.cli import app


class Up:
    """`samsyn up --demo` on a data folder, and everything that descends from it."""

    def __init__(self, data: Path, output: Path, *options: str | Path) -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            self.port = free.getsockname()[1]
        self.data, self.output = data, output
        self.mark = f"TEST_MARK={os.urandom(8).hex()}"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SAMSYN_")}
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "viewer", "up", "--demo", "--data", data, "--port", str(self.port), *options],
                cwd=ROOT,
                env=inherited | dict([self.mark.split("=")]),
                stdout=file,
                stderr=file,
            )

    def left(self) -> list[int]:
        """The living processes: by their mark, and PostgreSQL's, which erases it, by their folder."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it ended in between, or is somebody else's
                marked = self.mark.encode() in (process / "environ").read_bytes()
                if marked or (process / "cwd").readlink().is_relative_to(self.data):
                    found.append(int(process.name))
        return found

    @contextmanager
    def demo_person(self) -> Iterator[httpx2.Client]:
        """A browser of the laboratory in Kalmar, as soon as there is a web to sign in to."""
        with make_client(f"http://127.0.0.1:{self.port}") as client:

            def signed_in() -> bool:
                assert self.process.poll() is None, self.output.read_text()
                with suppress(httpx2.TransportError):
                    chosen = find_demo_person(client.get("/api/session").json(), Role.LAB)
                    return client.post("/api/session", json=chosen).status_code == 201
                return False

            wait_for(signed_in, within_s=60, every_s=0.1)
            yield client

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=15)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Where `up` speaks."""
    return tmp_path / "output"


def wait_for_slide(client: httpx2.Client, number: int, *, within_s: float = 60, **wanted: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def arrived() -> bool:
        slides = client.get("/api/slides").json()["slides"]
        found.update(next((slide for slide in slides if slide["number"] == number), {}))
        return all(found.get(name) == value for name, value in wanted.items())

    wait_for(arrived, within_s=within_s, every_s=0.05)
    return found


def test_from_an_empty_folder_to_a_slide_and_on_after_any_end(folder: Path, output: Path, tmp_path: Path) -> None:
    data = folder / "data"
    scanned = tmp_path / "scanned"
    scanned.mkdir()
    write_good_slide(scanned / "1.svs")

    first = Up(data, output, "--slides", scanned)
    try:
        with first.demo_person() as client:
            kept = wait_for_slide(client, 1, status="AVAILABLE")
        said = output.read_text()
        assert f"http://127.0.0.1:{first.port}/" in said
        assert "everybody of the pilot signs in with one click" in said
        assert first.stop() == 0
        assert "Stopped. Everything is kept; the same command continues." in output.read_text()
        assert first.left() == []
    finally:
        first.process.kill()

    # The same command continues; killed in the middle of a slide's work it leaves nothing running.
    write_slow_slide(scanned / "2.tif")
    second = Up(data, output, "--slides", scanned)
    try:
        with second.demo_person() as client:
            wait_for_slide(client, 2, pyramid="BUILDING")
            second.process.kill()
        second.process.wait()
        wait_for(lambda: second.left() == [], within_s=6)
    finally:
        second.process.kill()

    third = Up(data, output)
    try:
        with third.demo_person() as client:
            assert wait_for_slide(client, 1) == kept
            wait_for_slide(client, 2, status="AVAILABLE")
        assert list(data.glob("pyramids/**/*.partial")) == []
        assert third.stop() == 0
        assert third.left() == []
    finally:
        third.process.kill()


def test_a_taken_port_and_missing_slides_are_said_before_anything_starts(folder: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        command = ["up", "--data", str(folder / "data"), "--port", str(port)]
        ended = CliRunner().invoke(app, command)
    assert ended.exit_code == 2
    assert f"Port {port} is taken." in ended.output
    ended = CliRunner().invoke(app, [*command, "--slides", str(folder / "none")])
    assert ended.exit_code == 2
    assert "Give a slide file or a folder of slides." in " ".join(ended.output.split())
    assert not (folder / "data").exists()
