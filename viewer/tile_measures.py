"""How many tiles were served, and how fast, for /metrics.

These lists belong to the event loop alone, so that no tile waits for the locks of prometheus_client's own counters.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
"""Upper bounds in seconds."""

_COUNTS = {source: [0] * (len(BUCKETS) + 1) for source in ("pyramid", "original")}
_SECONDS = dict.fromkeys(_COUNTS, 0.0)


def measure(source: str, seconds: float) -> None:
    """Note one tile, from a "pyramid" or an "original", and the time to have it ready."""
    _COUNTS[source][bisect_left(BUCKETS, seconds)] += 1
    _SECONDS[source] += seconds


class _Tiles(Collector):
    def collect(self) -> Iterator[CounterMetricFamily | HistogramMetricFamily]:
        served = CounterMetricFamily("samsyn_tiles_served", "Tiles served.", labels=["source"])
        took = HistogramMetricFamily("samsyn_tile_seconds", "Time to have a tile ready.", labels=["source"])
        bounds = [*map(str, map(float, BUCKETS)), "+Inf"]
        for source, counts in _COUNTS.items():
            reached = list(accumulate(counts))
            served.add_metric([source], reached[-1])
            took.add_metric([source], list(zip(bounds, reached, strict=True)), _SECONDS[source])
        yield served
        yield took


REGISTRY.register(_Tiles())
