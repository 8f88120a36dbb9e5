"""What ``GET /metrics`` tells of the whole studio, read from Redis when it is asked.

The figures of all processes are added up there (``resources/telemetry.py``), and the state of the
queues and workers is there anyway. Figures of this process alone are prometheus_client's own.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

import redis
from prometheus_client import Metric
from prometheus_client.registry import Collector
from typing_extensions import override

from api.workforce import WORKER_FRESH_S
from resources import signals
from resources.signals import WorkerBeat
from resources.telemetry import BUCKETS_S, METRICS_KEY, Series, help_of, series_of
from studio_pipelines.catalogue import operations, queues

SCRAPE_TIMEOUT_S = 1.0
WORKER_STATES = ("starting", "ready", "busy", "unhealthy")
_LabelPairs = tuple[tuple[str, str], ...]


class StudioCollector(Collector):
    """Gives what Redis knows; when it does not answer within a second, gives that it is away."""

    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url

    @override
    def collect(self) -> Iterator[Metric]:
        try:
            metrics = self._read(signals.connect(self._redis_url, SCRAPE_TIMEOUT_S))
        except redis.RedisError:
            metrics = []
        yield gauge("studio_broker_up", "Whether the broker answers.", [({}, bool(metrics))])
        yield from metrics

    def _read(self, client: redis.Redis) -> list[Metric]:
        stored: dict[str, str] = client.hgetall(METRICS_KEY)  # pyright: ignore[reportAssignmentType]
        depths = {name: signals.queue_depth(client, queue) for name, queue in queues().items()}
        seconds, microseconds = client.time()  # pyright: ignore[reportGeneralTypeIssues]
        beats = signals.worker_beats(client)
        lanes = sorted({one.lane for one in operations().values()})
        return [
            *stored_metrics(stored),
            queue_metric(depths),
            *worker_metrics(beats, lanes, seconds + microseconds / 1e6),
        ]


def gauge(name: str, text: str, samples: Iterable[tuple[dict[str, str], float]]) -> Metric:
    """Return a gauge with its samples, each ``(labels, value)``."""
    metric = Metric(name, text, "gauge")
    for labels, value in samples:
        metric.add_sample(name, labels, float(value))
    return metric


def queue_metric(depths: Mapping[str, int]) -> Metric:
    """Return how many jobs of each operation and chain wait."""
    samples = [({"operation": name}, depth) for name, depth in depths.items()]
    return gauge("studio_queue_depth", "Jobs that wait for a worker.", samples)


def worker_metrics(
    beats: Iterable[WorkerBeat], lanes: Iterable[str], now_s: float
) -> Iterator[Metric]:
    """Return how many workers of each lane are up in which state, and the memory of each.

    Args:
        beats: The last beat of each worker.
        lanes: The lanes that there are; one without a worker counts zero.
        now_s: The broker's time, seconds since the epoch.
    """
    up = [beat for beat in beats if now_s - beat.beat_at_s < WORKER_FRESH_S]
    counts = dict.fromkeys(((lane, state) for lane in lanes for state in WORKER_STATES), 0)
    for beat in up:
        counts[beat.lane, beat.state] = counts.get((beat.lane, beat.state), 0) + 1
    yield gauge(
        "studio_workers",
        "Workers that give signs of life, by lane and state.",
        [({"lane": lane, "state": state}, found) for (lane, state), found in counts.items()],
    )
    for name, field, text in (
        (
            "studio_worker_rss_mib",
            "rss_mib",
            "Memory of a worker and its helpers, in MiB.",
        ),
        ("studio_worker_vram_used_mib", "vram_used_mib", "GPU memory that a worker holds, in MiB."),
        ("studio_worker_vram_peak_mib", "vram_peak_mib", "Its highest value so far, in MiB."),
    ):
        values = [(beat, getattr(beat, field)) for beat in up]
        samples = [(_of(beat), value) for beat, value in values if value is not None]
        if samples:
            yield gauge(name, text, samples)
    ages = [(_of(beat), max(0.0, now_s - beat.beat_at_s)) for beat in up]
    yield gauge("studio_worker_beat_age_seconds", "Age of a worker's last sign of life.", ages)


def _of(beat: WorkerBeat) -> dict[str, str]:
    return {"worker": beat.name, "lane": beat.lane, "device": beat.device}


def stored_metrics(stored: Mapping[str, str]) -> Iterator[Metric]:
    """Return the counters and histograms that all processes have added up.

    Args:
        stored: The hash of :data:`~resources.telemetry.METRICS_KEY`; names that are not
            ``studio_…`` are passed over.
    """
    by_name: defaultdict[str, list[Series]] = defaultdict(list)
    for series in series_of(stored):
        if series.name.startswith("studio_"):
            by_name[series.name].append(series)
    histograms = {
        name for name, found in by_name.items() if any("le" in one.labels for one in found)
    }
    for name, found in sorted(by_name.items()):
        if name in histograms:
            yield _histogram(name, found, by_name.get(f"{name}_sum", []))
        elif name.removesuffix("_sum") not in histograms:
            yield _counter(name, found)


def _counter(name: str, found: Iterable[Series]) -> Metric:
    base = name.removesuffix("_total")
    metric = Metric(base, help_of(name), "unknown" if base == name else "counter")
    for series in found:
        metric.add_sample(name, dict(series.labels), series.value)
    return metric


def _histogram(name: str, buckets: Iterable[Series], sums: Iterable[Series]) -> Metric:
    sum_s = {_without_edge(one): one.value for one in sums}
    counts: defaultdict[_LabelPairs, dict[float, float]] = defaultdict(dict)
    for one in buckets:
        counts[_without_edge(one)][float(one.labels["le"])] = one.value
    metric = Metric(name, help_of(name), "histogram")
    for pairs, found in sorted(counts.items()):
        labels = dict(pairs)
        # Edges that an earlier version used stay: what was counted under them still is.
        edges = sorted({*BUCKETS_S, *found, float("inf")})
        totals = accumulate(found.get(edge, 0.0) for edge in edges)
        for edge, count in zip(edges, totals, strict=True):
            text = "+Inf" if edge == float("inf") else f"{edge:g}"
            metric.add_sample(f"{name}_bucket", {**labels, "le": text}, count)
        metric.add_sample(f"{name}_count", labels, sum(found.values()))
        metric.add_sample(f"{name}_sum", labels, sum_s.get(pairs, 0.0))
    return metric


def _without_edge(series: Series) -> _LabelPairs:
    return tuple(sorted((name, text) for name, text in series.labels.items() if name != "le"))
