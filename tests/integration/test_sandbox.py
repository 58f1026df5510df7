"""Reading a stranger's file costs at most that file: what a confined process cannot do, and what its end means."""

from __future__ import annotations

import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryFile

import pytest
from makers import decode, wait_for, write_broken_slide, write_good_slide, write_no_slide, write_slow_slide

from slides.errors import DamagedFile, OutsideSlide, SlideError
from slides.opening import open_slide
from tiler.live import LiveTiles
from worker.confined_tiles import ConfinedTiles
from worker.confinement import Limits
from worker.sandbox import Child, Crashed, Sandbox


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox()
    yield sandbox
    sandbox.close()


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_good_slide(tmp_path_factory.mktemp("good") / "good.svs")


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_slow_slide(tmp_path_factory.mktemp("slow") / "slow.tif")


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def template(sandbox: Sandbox) -> int:
    """The only child of this process that is a template of this sandbox."""
    sandbox.warm()
    assert sandbox._template is not None
    return sandbox._template.pid


def strike(sandbox: Sandbox, wanted: signal.Signals) -> threading.Thread:
    """Send a signal to the next child that this sandbox forks, once it is at work."""
    parent = template(sandbox)

    def wait_and_strike() -> None:
        wait_for(lambda: children(parent) != [], within_s=10, every_s=0.01)
        (child,) = children(parent)
        wait_for(lambda: "Seccomp:\t2" in Path(f"/proc/{child}/status").read_text(), within_s=10, every_s=0.01)
        time.sleep(0.3)
        os.kill(child, wanted)

    thread = threading.Thread(target=wait_and_strike)
    thread.start()
    return thread


def test_what_must_not_work_does_not(sandbox: Sandbox, tmp_path: Path) -> None:
    assert sandbox.try_walls(tmp_path) == dict.fromkeys(
        ("network", "programs", "files", "rights of files", "signals"), True
    )


def test_the_readers_know_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMSYN_DATABASE_URL", "postgresql+psycopg://samsyn_worker:hemligt@/samsyn")
    monkeypatch.setenv("PGPASSWORD", "hemligt")
    with closing(Sandbox()) as sandbox:
        environment = Path(f"/proc/{template(sandbox)}/environ").read_bytes()
    assert b"OPENBLAS_NUM_THREADS" in environment
    assert b"hemligt" not in environment


def test_a_sound_slide_comes_out_as_facts_and_pictures(sandbox: Sandbox, good: Path) -> None:
    shares: list[float] = []
    checked = sandbox.check(good, progress=shares.append)
    assert (checked.facts.format, checked.facts.width, checked.facts.height) == ("aperio", 1300, 900)
    assert decode(checked.thumbnail).shape == (443, 640, 3)
    assert checked.macro is not None
    assert shares[0] == 0.0
    assert shares == sorted(shares)


@pytest.mark.parametrize(
    ("write", "code", "sentence"),
    [
        (write_broken_slide, "DAMAGED_FILE", "cannot be decoded"),
        (write_no_slide, "UNSUPPORTED_FILE", "is not a slide in a format read here"),
    ],
)
def test_what_is_wrong_comes_out_as_a_sentence(
    sandbox: Sandbox, tmp_path: Path, write: object, code: str, sentence: str
) -> None:
    assert callable(write)
    path = write(tmp_path / "Tolvan Tolvansson.svs")
    with pytest.raises(SlideError, match=sentence) as refused:
        sandbox.check(path)
    assert refused.value.code == code
    assert "Tolvan" not in str(refused.value)


def test_a_disk_that_refuses_is_not_the_slides_fault(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sandbox.check(tmp_path / "nothing.svs")


def test_a_child_ended_from_outside_blames_nobody(sandbox: Sandbox, slow: Path) -> None:
    thread = strike(sandbox, signal.SIGKILL)
    with TemporaryFile() as file, pytest.raises(Crashed, match="ended from outside"):
        sandbox.build(slow, file)
    thread.join()
    assert children(template(sandbox)) == []


@pytest.mark.parametrize("wanted", [signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGXCPU])
def test_a_child_that_its_file_ended_blames_the_file(sandbox: Sandbox, slow: Path, wanted: signal.Signals) -> None:
    thread = strike(sandbox, wanted)
    with (
        TemporaryFile() as file,
        pytest.raises(DamagedFile, match=rf"ended the program that reads it \({wanted.name}\)"),
    ):
        sandbox.build(slow, file)
    thread.join()
    assert sandbox.check(slow).facts.width == 6144


def test_a_killed_template_is_replaced(sandbox: Sandbox, good: Path) -> None:
    before = template(sandbox)
    os.kill(before, signal.SIGKILL)
    assert sandbox.check(good).facts.width == 1300
    assert template(sandbox) != before


def test_the_children_of_a_killed_template_end_with_it(sandbox: Sandbox, good: Path) -> None:
    tiles = ConfinedTiles(sandbox, "show", good)
    (child,) = children(template(sandbox))
    os.kill(template(sandbox), signal.SIGKILL)
    wait_for(lambda: not Path(f"/proc/{child}").exists(), within_s=5)
    with pytest.raises(Crashed):
        tiles.tile(0, 0, 0)
    assert tiles.tile(0, 0, 0)[:2] == b"\xff\xd8"
    tiles.close()


@pytest.mark.parametrize(
    "said",
    [
        b'"x"',
        b"5",
        b"[]",
        b'{"share": "x"}',
        b'{"wrong": "X"}',
        b'{"errno": 1e400}',
        b'{"blobs": [7]}',
        b"[" * 9000,
        b"no",
    ],
)
def test_a_child_that_lies_is_ended(sandbox: Sandbox, good: Path, said: bytes) -> None:
    honest = sandbox.child("show", good)
    ours, theirs = socket.socketpair()
    with theirs:
        liar = Child(sandbox, honest._template, honest.pid, ours)
        theirs.sendall(struct.pack("<II", len(said), 0) + said)
        with pytest.raises((SlideError, Crashed)):
            liar.wait(5)
    assert liar.ended
    honest._channel.close()


def test_a_child_that_only_promises_is_given_up(sandbox: Sandbox, good: Path) -> None:
    honest = sandbox.child("show", good)
    ours, theirs = socket.socketpair()
    shares: list[float] = []

    def promise(share: float) -> None:
        shares.append(share)
        theirs.sendall(struct.pack("<II", 25, 0) + b'{"share": 2, "blobs": []}')
        time.sleep(0.05)

    with theirs, pytest.raises(Crashed, match="took longer than 1 s"):
        Child(sandbox, honest._template, honest.pid, ours).wait(1, promise)
    assert len(shares) > 5
    assert max(shares) == 1
    honest._channel.close()


def test_a_child_has_one_socket(sandbox: Sandbox, good: Path) -> None:
    tiles = ConfinedTiles(sandbox, "show", good)
    (child,) = children(template(sandbox))
    held = [str(handle.readlink()) for handle in Path(f"/proc/{child}/fd").iterdir()]
    assert len([what for what in held if what.startswith("socket:")]) == 1, "it could give orders to its template"
    tiles.close()


def test_memory_has_an_end(slow: Path) -> None:
    with (
        closing(Sandbox(Limits(memory_bytes=64 << 20))) as sandbox,
        TemporaryFile() as file,
        pytest.raises(SlideError, match=r"memory|RuntimeError|ended the program"),
    ):
        sandbox.build(slow, file)


def test_a_file_has_an_end(slow: Path) -> None:
    with (
        closing(Sandbox(Limits(file_bytes=10_000))) as sandbox,
        TemporaryFile() as file,
        pytest.raises(SlideError, match="more room, memory or open files"),
    ):
        sandbox.build(slow, file)


def test_computing_has_an_end(tmp_path: Path) -> None:
    with (
        closing(Sandbox(Limits(cpu_s=1))) as sandbox,
        TemporaryFile() as file,
        pytest.raises(SlideError, match=r"ended the program that reads it \(SIGXCPU\)"),
    ):
        sandbox.build(write_slow_slide(tmp_path / "slower.tif", side=20_480), file)


def test_who_no_longer_wants_the_work_ends_the_child(sandbox: Sandbox, slow: Path) -> None:
    class NotWanted(Exception):
        pass

    def refuse(share: float) -> None:
        if share > 0:
            raise NotWanted

    with TemporaryFile() as file, pytest.raises(NotWanted):
        sandbox.build(slow, file, progress=refuse)
    assert children(template(sandbox)) == []


def test_tiles_are_the_same_as_outside(sandbox: Sandbox, good: Path) -> None:
    tiles = ConfinedTiles(sandbox, "show", good)
    with open_slide(good) as slide:
        outside = LiveTiles(slide)
        assert (tiles.grid, tiles.profile) == (outside.grid, outside.profile)
        for halvings in range(outside.grid.depth + 2):
            assert tiles.tile(halvings, 0, 0) == outside.tile(halvings, 0, 0)
    column, row = tiles.grid.columns(0) - 1, tiles.grid.rows(0) - 1
    region = tiles.grid.region(0, column, row)
    assert decode(tiles.cut(0, column, row)).shape == (region.height, region.width, 3)
    with pytest.raises(OutsideSlide):
        tiles.tile(0, column + 1, row)
    assert tiles.tile(0, column, row)[:2] == b"\xff\xd8", "a tile that does not exist must not cost the child"
    tiles.close()
    tiles.close()
    assert sandbox.try_walls(good)["files"]  # any command has the template see to its dead
    wait_for(lambda: children(template(sandbox)) == [], within_s=5)
