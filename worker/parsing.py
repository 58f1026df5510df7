"""The process in which strangers' files are read: a template that has loaded everything, and forks.

The template reads no slide. For each job it forks a child, which shuts itself in, does the one job and ends.
Nothing but this module and `worker.sandbox` knows how the two talk:

* on the template's standard input, a socket: "fork" with a socket for the child, answered by its process id;
  "end" with an id, answered by how it ended. When the other side is gone, template and children end.
* on the child's socket: frames of JSON with bytes behind. The first says what to do; `answer` frames say how far the
  work is, what came of it, or what is wrong.
"""

from __future__ import annotations

import errno
import json
import math
import os
import signal
import socket
import struct
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from slides.errors import DamagedFile, SlideError
from slides.inspection import find_damage
from slides.opening import open_slide
from slides.preview import draw_macro, draw_thumbnail
from tiler.building import build
from tiler.colour import judge
from tiler.layout import lay_out
from tiler.live import LiveTiles
from tiler.pyramid import Pyramid, Tiles
from worker.attachments.formats import clean
from worker.confinement import Limits, confine, die_with_parent

COMMAND = struct.Struct("<4sq")
"""What the template is told, and what it answers: a word and a number."""
_LENGTHS = struct.Struct("<II")
_OVER_LIMIT = (errno.EFBIG, errno.EMFILE, errno.ENOMEM)
_PARTING_S = 0.3
_LONGEST = 256 << 20
"""Bytes of one frame; a computed tile has some thousand."""

Frame = dict[str, Any]


def send(channel: socket.socket, frame: Frame, *blobs: bytes, files: Sequence[int] = ()) -> None:
    """Send a frame: JSON, and bytes behind it.

    Args:
        files: descriptors that the other side gets too.
    """
    text = json.dumps({**frame, "blobs": [len(blob) for blob in blobs]}).encode()
    head = _LENGTHS.pack(len(text), sum(map(len, blobs)))
    socket.send_fds(channel, [head], files) if files else channel.sendall(head)
    channel.sendall(b"".join([text, *blobs]))


def receive(channel: socket.socket, *, deadline: float = math.inf) -> tuple[Frame, list[bytes], list[int]]:
    """The next frame, its bytes, and descriptors that came with it.

    Args:
        deadline: by the monotonic clock, until which all of it must be there; needs a channel with a time-out.

    Raises:
        EOFError: the other side is gone, or does not keep to the rules.
        TimeoutError: the deadline passed.
    """
    head, files, _, _ = socket.recv_fds(channel, _LENGTHS.size, 1)
    length, extent = _LENGTHS.unpack(head + _read(channel, _LENGTHS.size - len(head), deadline))
    if length + extent > _LONGEST:
        raise EOFError("a frame is too long")
    frame = json.loads(_read(channel, length, deadline))
    behind, at, blobs = _read(channel, extent, deadline), 0, []
    for count in frame.pop("blobs"):
        blobs.append(behind[at : at + count])
        at += count
    if at != extent:
        raise EOFError("a frame does not hold what it says")
    return frame, blobs, files


def _read(channel: socket.socket, count: int, deadline: float) -> bytes:
    parts = []
    while count:
        try:
            part = channel.recv(min(count, 1 << 20))
        except TimeoutError:
            if time.monotonic() > deadline:
                raise
            continue
        if not part:
            raise EOFError("the other side is gone")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def main() -> None:
    """Be the template until the other side is gone."""
    # Ctrl-C and an orderly stop are the other side's business; its end is the sign.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    control = socket.socket(fileno=os.dup(0))
    # What children inherit must not be the way to order others about.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    template, lingering = os.getpid(), set[int]()
    while True:
        message, files, _, _ = socket.recv_fds(control, COMMAND.size, 1)
        if len(message) < COMMAND.size:
            return
        word, number = COMMAND.unpack(message)
        lingering -= {child for child in lingering if os.waitpid(child, os.WNOHANG)[0]}
        if word == b"fork":
            number = os.fork()
            if number == 0:
                control.close()
                die_with_parent(template)
                _work(socket.socket(fileno=files[0]))
                os._exit(0)
            os.close(files[0])
        else:
            number = _end(number, lingering)
        try:
            control.sendall(COMMAND.pack(word, number))
        except OSError:
            return


def _end(child: int, lingering: set[int]) -> int:
    """Kill a child. Returns its status, or -1 when it does not go: nobody waits for one that hangs in a disk."""
    os.kill(child, signal.SIGKILL)
    deadline = time.monotonic() + _PARTING_S
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return status
        if time.monotonic() > deadline:
            lingering.add(child)
            return -1
        time.sleep(0.002)


def _work(channel: socket.socket) -> None:
    """In the child: shut in, do one job, answer."""
    job, _, files = receive(channel)
    original = Path(job["original"])
    # A slide may be several files in a folder of its own; a pyramid is one among others.
    alone = original.is_dir() or job["job"] == "show pyramid"
    confine(Limits(**job["limits"]), readable=(original if alone else original.parent, *_program()))
    try:
        _JOBS[job["job"]](channel, original, files)
    except Exception as error:
        send(channel, _explain(error))


def _explain(error: Exception) -> Frame:
    """What went wrong, as the other side needs it: a finding about the file, or a disk that refuses."""
    if isinstance(error, SlideError):
        return {"wrong": error.code, "sentence": str(error)}
    refused = error.errno if isinstance(error, OSError) else None
    if refused is not None and refused not in _OVER_LIMIT:
        return {"errno": refused}
    if refused is not None or isinstance(error, MemoryError):
        found = "takes more room, memory or open files than any slide needs"
    else:
        # A fault of ours that this file brought to light. Its message may quote the file; where it arose does not.
        places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
        found = f"failed ({type(error).__name__} at {', '.join(places[-3:])})"
    return {"wrong": DamagedFile.code, "sentence": f"Reading this file {found}. Export it again."}


def _program() -> list[Path]:
    """Where the program itself lies, some of which is loaded only when a slide needs it."""
    ours = [Path(sys.modules[name].__path__[0]) for name in ("slides", "tiler", "worker")]
    system = [Path(name) for name in ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/dev/null", "/dev/urandom")]
    return [*ours, Path(sys.prefix), Path(sys.base_prefix), *system]


def _check(channel: socket.socket, original: Path, files: list[int]) -> None:
    with open_slide(original) as slide:
        finding = find_damage(slide)
        if finding is not None:
            send(channel, {"wrong": finding.code, "sentence": finding.sentence})
            return
        send(channel, {"share": 0.7})
        thumbnail, macro = draw_thumbnail(slide), draw_macro(slide)
        grid = lay_out(slide).grid
        stated = slide.metadata
    facts = {
        "format": slide.format,
        "width": grid.size.width,
        "height": grid.size.height,
        "tile_size": grid.tile,
        "spacing_x": stated.spacing.x if stated.spacing else None,
        "spacing_y": stated.spacing.y if stated.spacing else None,
        "objective": stated.objective,
        "scanner": "".join(filter(str.isprintable, stated.scanner)) if stated.scanner else None,
        "scanned_at": stated.scanned_at.isoformat() if stated.scanned_at else None,
        "colour_profile": judge(stated.icc_profile),
        "has_thumbnail": True,
        "has_macro": macro is not None,
    }
    send(channel, {"done": facts}, thumbnail, *([macro] if macro is not None else []))


def _build(channel: socket.socket, original: Path, files: list[int]) -> None:
    with open_slide(original) as slide, os.fdopen(files[0], "w+b") as file:
        built = build(slide, file, progress=lambda share: send(channel, {"share": share}))
        file.flush()
    send(channel, {"done": asdict(built)})


def _show(channel: socket.socket, original: Path, files: list[int]) -> None:
    with open_slide(original) as slide:
        _answer_for(LiveTiles(slide), channel)


def _show_pyramid(channel: socket.socket, path: Path, files: list[int]) -> None:
    _answer_for(Pyramid(path), channel)


def _answer_for(tiles: Tiles, channel: socket.socket) -> None:
    """Make tiles until nobody asks any more."""
    size, profile = tiles.grid.size, tiles.profile
    said = {"width": size.width, "height": size.height, "tile": tiles.grid.tile, "profile": profile is not None}
    send(channel, {"done": said}, profile or b"")
    while True:
        try:
            wanted, _, _ = receive(channel)
        except EOFError:
            return
        place = wanted["halvings"], wanted["column"], wanted["row"]
        try:
            stream = tiles.cut(*place) if wanted["cut"] else tiles.tile(*place)
        except SlideError as error:
            send(channel, {"wrong": error.code, "sentence": str(error)})
        else:
            send(channel, {"done": None}, stream)


def _clean(channel: socket.socket, path: Path, files: list[int]) -> None:
    """A copy of an attached file that names nobody."""
    media_type, cleaned = clean(path.read_bytes())
    with os.fdopen(files[0], "w+b") as file:
        file.write(cleaned)
    send(channel, {"done": media_type})


def _try_walls(channel: socket.socket, original: Path, files: list[int]) -> None:
    """Try what must not work."""

    def works(attempt: Callable[[], object]) -> bool:
        try:
            attempt()
        except OSError:
            return False
        return True

    outside, mode = Path("/proc/1/comm"), original.stat().st_mode & 0o777
    walls = {
        "network": not works(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM)),
        "programs": not works(lambda: os.posix_spawn("/bin/true", ["true"], {})),
        "files": not works(outside.read_bytes),
        "rights of files": not works(lambda: original.chmod(mode)),
        "signals": not works(lambda: os.kill(os.getppid(), 0)),
    }
    send(channel, {"done": walls})


_JOBS: dict[str, Callable[[socket.socket, Path, list[int]], None]] = {
    "check": _check,
    "build": _build,
    "show": _show,
    "show pyramid": _show_pyramid,
    "clean": _clean,
    "walls": _try_walls,
}

if __name__ == "__main__":
    main()
