"""The load generator of the serving benchmark: wrk, held to one core, as fast as it goes or at a steady rate."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SECONDS = 2.0

WRK = """
local requests, i = {}, 0
function mine() return true end
function wait() end
function init(args)
    rate, count = tonumber(args[2]), tonumber(args[3])
    local number = 0
    for line in io.lines(args[1]) do
        number = number + 1
        if mine(number) then
            local path, cookie = line:match("^(%S+) ?(.*)$")
            requests[#requests + 1] = wrk.format("GET", path, cookie ~= "" and {Cookie = cookie} or {})
        end
    end
end
function request()
    wait()
    i = i % #requests + 1
    return requests[i]
end
function done(summary, latency)
    io.write(string.format("RESULT [%d, %d, %f, %f, %f, %f]", summary.requests, summary.errors.status,
        summary.duration / 1e6, latency:percentile(50), latency:percentile(95), latency:percentile(99)))
end
"""
# Each connection has a thread of its own, and a share of the requests, and sleeps until its next one is due: wrk's own
# delay() counts whole milliseconds, so that what should be spread leaves together. wrk takes the time after the sleep.
PACE = """
local ffi = require("ffi")
ffi.cdef("typedef struct { long s, ns; } instant; int clock_gettime(int, instant*); int usleep(unsigned);")
local instant, threads, due = ffi.new("instant"), 0, nil
local function now()
    ffi.C.clock_gettime(1, instant)
    return tonumber(instant.s) + tonumber(instant.ns) / 1e9
end
function setup(thread)
    thread:set("index", threads)
    threads = threads + 1
end
function mine(number)
    return number % count == index
end
function wait()
    if due == nil then
        math.randomseed(index)
        due = now()
    end
    -- Times between independent arrivals are exponentially distributed.
    due = due - count / rate * math.log(1 - math.random())
    local left = due - now()
    if left > 0 then ffi.C.usleep(left * 1e6) end
end
"""


@dataclass(frozen=True)
class Load:
    """What the generator saw.

    Attributes:
        rate: answers a second.
        p50, p95, p99: milliseconds.
        cpu: microseconds of the server's processor for each answer, which tells more than the rate on a busy machine.
        refused: answers that were no tile.
        answers: all of them.
    """

    rate: float
    p50: float
    p95: float
    p99: float
    cpu: float
    refused: int
    answers: int


@dataclass(frozen=True)
class Target:
    """A server with the requests to make of it, a line each: path, then the cookie."""

    address: str
    requests: Path
    processes: tuple[int, ...] = ()

    def cpu_s(self) -> float:
        """Processor seconds that the server's processes and their children have taken so far."""
        total = 0
        for process in self.processes:
            children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
            for one in (str(process), *children):
                fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
                total += int(fields[11]) + int(fields[12])
        return total / os.sysconf("SC_CLK_TCK")


class Generator:
    """wrk on the second core."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "steady.lua").write_text(WRK)
        (folder / "paced.lua").write_text(WRK + PACE)
        self._core = str(sorted(os.sched_getaffinity(0))[-1])

    @contextmanager
    def asking(
        self, target: Target, *, connections: int, seconds: float = SECONDS, rate: float | None = None
    ) -> Iterator[Callable[[], Load]]:
        """Ask in the background; yields what waits for the end and tells what was seen.

        Args:
            target: whom.
            connections: how many ask at the same time.
            seconds: for how long.
            rate: requests a second of all together, at random moments; as many as are answered when None.
        """
        command = ["timeout", "--signal=INT", str(seconds), "taskset", "-c", self._core]
        # wrk counts whole seconds only, so it is told when to stop.
        command += ["wrk", f"--connections={connections}", f"--duration={int(seconds) + 5}", "--timeout=10"]
        if rate is None:
            command += ["--threads=1", f"--script={self._folder / 'steady.lua'}"]
        else:
            command += [f"--threads={connections}", f"--script={self._folder / 'paced.lua'}"]
        command += [target.address, "--", str(target.requests), str(rate), str(connections)]
        before = target.cpu_s()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as wrk:

            def finish() -> Load:
                output, _ = wrk.communicate(timeout=30)
                if "RESULT" not in output:
                    sys.exit(f"wrk ended without a result:\n{output}")
                answers, refused, took, *percentiles = json.loads(output.partition("RESULT ")[2])
                cpu = (target.cpu_s() - before) / max(1, answers) * 1e6
                p50, p95, p99 = (microseconds / 1000 for microseconds in percentiles)
                return Load(answers / took, p50, p95, p99, cpu, refused, answers)

            yield finish

    def run(self, target: Target, connections: int, *, seconds: float = SECONDS, rate: float | None = None) -> Load:
        """Ask for a while; every answer must be a tile."""
        with self.asking(target, connections=connections, seconds=seconds, rate=rate) as finish:
            load = finish()
        if load.refused:
            sys.exit(f"{target.address} refused {load.refused} of {load.answers} tiles.")
        return load
